//! What is wrong with a command line, in the language of the person who typed it.

use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::lang::Lang;

/// The sentence for an error of clap's; `None` where clap's own text serves (help, version, English).
pub fn text(error: &clap::Error, lang: Lang) -> Option<String> {
    match lang {
        Lang::En => None,
        Lang::Pt => portuguese(error),
    }
}

fn portuguese(error: &clap::Error) -> Option<String> {
    let part = |kind| error.get(kind).map(plain).unwrap_or_default();
    let arg = part(ContextKind::InvalidArg);
    let value = part(ContextKind::InvalidValue);
    let sentence = match error.kind() {
        ErrorKind::UnknownArgument => format!("argumento desconhecido: {arg}"),
        ErrorKind::InvalidValue if value.is_empty() => format!("falta um valor para {arg}"),
        ErrorKind::InvalidValue => {
            let valid = part(ContextKind::ValidValue);
            format!("valor inválido `{value}` para {arg}; valores possíveis: {valid}")
        }
        ErrorKind::ValueValidation => {
            let why = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
            format!("valor inválido `{value}` para {arg}: {why}")
        }
        ErrorKind::MissingRequiredArgument => format!("faltam argumentos obrigatórios: {arg}"),
        ErrorKind::ArgumentConflict => {
            format!("{arg} não pode ser usado com {}", part(ContextKind::PriorArg))
        }
        ErrorKind::InvalidSubcommand => {
            format!("comando desconhecido: {}", part(ContextKind::InvalidSubcommand))
        }
        ErrorKind::MissingSubcommand => {
            format!("falta um comando: {}", part(ContextKind::ValidSubcommand))
        }
        ErrorKind::NoEquals => format!("falta = depois de {arg}"),
        ErrorKind::TooManyValues => format!("valor a mais `{value}` para {arg}"),
        ErrorKind::TooFewValues | ErrorKind::WrongNumberOfValues => {
            format!("número errado de valores para {arg}")
        }
        ErrorKind::InvalidUtf8 => "um argumento não é texto UTF-8".into(),
        // Help, version, and what a later clap may add.
        _ => return None,
    };
    let suggestion =
        [ContextKind::SuggestedArg, ContextKind::SuggestedValue, ContextKind::SuggestedSubcommand]
            .into_iter()
            .find_map(|kind| error.get(kind).map(plain).filter(|text| !text.is_empty()))
            .map(|text| format!(" (talvez: {text})"))
            .unwrap_or_default();
    Some(format!("ERRO: {sentence}{suggestion}\nVeja --help."))
}

/// The value without clap's colours.
fn plain(value: &ContextValue) -> String {
    match value {
        ContextValue::Strings(texts) => texts.join(", "),
        ContextValue::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use clap::{Arg, ArgAction, Command};

    use super::*;

    fn sentence(args: &[&str]) -> String {
        let command = Command::new("x")
            .arg(Arg::new("port").long("port").value_parser(clap::value_parser!(u16)))
            .arg(Arg::new("form").long("form").value_parser(["table", "json"]))
            .arg(Arg::new("must").long("must").required(true).action(ArgAction::Set));
        let error = command.try_get_matches_from(args).expect_err("is wrong");
        text(&error, Lang::Pt).expect("is translated")
    }

    #[test]
    fn what_is_wrong_is_named_in_portuguese() {
        assert!(
            sentence(&["x", "--prt", "1"])
                .contains("argumento desconhecido: --prt (talvez: --port)")
        );
        assert!(sentence(&["x", "--port", "abc"]).contains("valor inválido `abc` para --port"));
        assert!(sentence(&["x", "--form", "xml"]).contains("valores possíveis: table, json"));
        assert!(sentence(&["x"]).contains("faltam argumentos obrigatórios: --must"));
    }

    #[test]
    fn help_is_no_error() {
        let error = Command::new("x").try_get_matches_from(["x", "--help"]).expect_err("is help");
        assert_eq!(text(&error, Lang::Pt), None);
    }
}
