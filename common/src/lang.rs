//! The two languages that people read.

use std::str::FromStr;

/// Portuguese unless asked otherwise (`--lang`, `MUTIRAO_LANG`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Lang {
    /// Brazilian Portuguese.
    #[default]
    Pt,
    /// English.
    En,
}

/// The environment variable that chooses the language.
pub const LANG_VARIABLE: &str = "MUTIRAO_LANG";

impl Lang {
    /// The language of help and of errors in the command line itself, which are shown before the
    /// flags are parsed: looks for `--lang`, then for the environment variable.
    pub fn early(args: impl IntoIterator<Item = String>) -> Self {
        let mut args = args.into_iter();
        while let Some(arg) = args.next() {
            let value = match arg.strip_prefix("--lang") {
                Some("") => args.next(),
                Some(rest) => rest.strip_prefix('=').map(str::to_owned),
                None => continue,
            };
            if let Some(lang) = value.and_then(|v| v.parse().ok()) {
                return lang;
            }
        }
        std::env::var(LANG_VARIABLE).ok().and_then(|v| v.parse().ok()).unwrap_or_default()
    }
}

impl FromStr for Lang {
    type Err = UnknownLang;

    fn from_str(text: &str) -> Result<Self, UnknownLang> {
        match text {
            "pt" | "pt-BR" | "pt_BR" => Ok(Self::Pt),
            "en" => Ok(Self::En),
            _ => Err(UnknownLang),
        }
    }
}

/// Neither `pt` nor `en`.
#[derive(Debug, thiserror::Error)]
#[error("unknown language: expected pt or en")]
pub struct UnknownLang;

#[cfg(test)]
mod tests {
    use super::*;

    fn early(args: &[&str]) -> Lang {
        Lang::early(args.iter().map(|&a| a.to_owned()))
    }

    #[test]
    fn the_flag_is_found_in_both_forms() {
        assert_eq!(early(&["worker", "--lang", "en", "--help"]), Lang::En);
        assert_eq!(early(&["worker", "--lang=en"]), Lang::En);
        assert_eq!(early(&["worker", "--lang=pt-BR"]), Lang::Pt);
    }
}
