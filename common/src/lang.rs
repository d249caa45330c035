//! The two languages that people read.

use std::ffi::OsStr;
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
    /// As it is given with `--lang`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Pt => "pt",
            Self::En => "en",
        }
    }

    /// The language of help and of errors in the command line itself, which are shown before the
    /// flags are parsed: looks for `--lang`, then for the environment variable.
    pub fn early<T: AsRef<OsStr>>(args: &[T]) -> Self {
        let mut args = args.iter().filter_map(|arg| arg.as_ref().to_str());
        while let Some(arg) = args.next() {
            let value = match arg.strip_prefix("--lang") {
                Some("") => args.next(),
                Some(rest) => rest.strip_prefix('='),
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
    use std::os::unix::ffi::OsStrExt as _;

    use super::*;

    #[test]
    fn the_flag_is_found_in_both_forms() {
        let no_text = OsStr::from_bytes(b"\xff");
        let args = ["worker", "--lang", "en", "--help"].map(OsStr::new);
        assert_eq!(Lang::early(&args), Lang::En);
        assert_eq!(Lang::early(&[&[no_text], &args[..]].concat()), Lang::En);
        assert_eq!(Lang::early(&["worker", "--lang=en"]), Lang::En);
        assert_eq!(Lang::early(&["worker", "--lang=pt-BR"]), Lang::Pt);
    }
}
