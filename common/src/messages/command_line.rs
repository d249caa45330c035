//! What is wrong with a command line, in the language of the person who typed it.

use std::fmt;
use std::net::AddrParseError;
use std::num::{IntErrorKind, ParseFloatError, ParseIntError};

use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::console;
use crate::endpoint::BadEndpoint;
use crate::exit;
use crate::lang::Lang;

/// Why a value of a flag or argument is refused; what it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadValue {
    TaskId,
    Duration,
    Numbers,
    Moment,
    Past,
    Future,
    Pair,
    Variable,
    Resource,
    Folder,
    Bytes,
    Share,
    Memory,
    Group,
    Queue,
}

impl BadValue {
    fn text(self, lang: Lang) -> &'static str {
        match (lang, self) {
            (Lang::Pt, Self::TaskId) => {
                "o identificador de uma tarefa tem 36 caracteres, não só zeros, como 0190b4a0-0000-7000-8000-000000000001"
            }
            (Lang::Pt, Self::Duration) => "informe um tempo, como 500ms, 15s, 2m ou 1h",
            (Lang::Pt, Self::Moment) => "informe data, hora e fuso, como 2026-12-01T08:00:00-03:00",
            (Lang::Pt, Self::Pair) => "informe um par, como zona=a",
            (Lang::Pt, Self::Resource) => "informe um nome e quanto, como gpus=1 ou memory=2GiB",
            (Lang::En, Self::Resource) => "give a name and how much, like gpus=1 or memory=2GiB",
            (Lang::Pt, Self::Variable) => {
                "informe NOME=VALOR, ou o nome de uma variável que existe aqui, com texto UTF-8"
            }
            (Lang::En, Self::Variable) => {
                "give NAME=VALUE, or the name of a variable that is set here, to UTF-8 text"
            }
            (Lang::En, Self::Pair) => "give a pair, like zone=a",
            (Lang::Pt, Self::Folder) => "informe uma pasta, cujo caminho inteiro seja texto UTF-8",
            (Lang::Pt, Self::Bytes) => "informe um tamanho, como 512MiB ou 2GiB",
            (Lang::En, Self::Bytes) => "give a size, like 512MiB or 2GiB",
            (Lang::Pt, Self::Group) => {
                "informe um nome de até 64 letras, dígitos e -_., que não seja default"
            }
            (Lang::En, Self::Group) => {
                "give a name of at most 64 letters, digits and -_. that is not default"
            }
            (Lang::Pt, Self::Queue) => {
                "informe nomes de filas, sem espaços, separados por vírgulas"
            }
            (Lang::En, Self::Queue) => "give names of queues, without spaces, separated by commas",
            (Lang::Pt, Self::Share) => "informe um número de 0 a 1, como 0.1",
            (Lang::En, Self::Share) => "give a number from 0 to 1, like 0.1",
            (Lang::Pt, Self::Memory) => {
                "com menos de 4MiB nenhum programa consegue iniciar; informe mais, como 64MiB"
            }
            (Lang::En, Self::Memory) => {
                "with less than 4MiB no program can start; give more, like 64MiB"
            }
            (Lang::En, Self::Folder) => "give a folder whose whole path is UTF-8 text",
            (Lang::Pt, Self::Numbers) => {
                "informe o primeiro e o último número, em ordem crescente, como 0-999; o último vai até 4294967294"
            }
            (Lang::En, Self::TaskId) => {
                "the id of a task has 36 characters, not only zeros, like 0190b4a0-0000-7000-8000-000000000001"
            }
            (Lang::En, Self::Duration) => "give a time, like 500ms, 15s, 2m or 1h",
            (Lang::En, Self::Moment) => {
                "give date, time and offset, like 2026-12-01T08:00:00-03:00"
            }
            (Lang::Pt, Self::Past) => {
                "informe há quanto tempo, como 15m ou 2h, ou data, hora e fuso, como 2026-12-01T08:00:00-03:00"
            }
            (Lang::Pt, Self::Future) => {
                "informe por quanto tempo, como 12h ou 90d, ou data, hora e fuso que ainda não passaram, como 2027-01-31T08:00:00-03:00"
            }
            (Lang::En, Self::Future) => {
                "give for how long, such as 12h or 90d, or a date, time and zone that are still to come, such as 2027-01-31T08:00:00Z"
            }
            (Lang::En, Self::Past) => {
                "give a time ago, like 15m or 2h, or date, time and offset, like 2026-12-01T08:00:00-03:00"
            }
            (Lang::En, Self::Numbers) => {
                "give the first and the last number, in ascending order, like 0-999; the last one is at most 4294967294"
            }
        }
    }
}

impl std::error::Error for BadValue {}

/// In English: the frame around it is clap's own.
impl fmt::Display for BadValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text(Lang::En))
    }
}

/// The sentence for an error of clap's; `None` for what is no error (help, version).
pub fn text(error: &clap::Error, lang: Lang) -> Option<String> {
    if !error.use_stderr() {
        return None;
    }
    let of_clap = || without_usage(&error.render().to_string());
    Some(match lang {
        Lang::En if is_word(error) => {
            let of_clap = of_clap();
            format!(
                "{of_clap}\nA program and its arguments come after --, as in: cliente run -- ls -l"
            )
        }
        Lang::En => of_clap(),
        Lang::Pt => portuguese(error).unwrap_or_else(of_clap),
    })
}

/// Without clap's line of usage: it shows what was set by the environment as if it were required.
fn without_usage(text: &str) -> String {
    let parts = text.trim_end().split("\n\n");
    let kept: Vec<_> = parts.filter(|part| !part.starts_with("Usage:")).collect();
    kept.join("\n\n")
}

/// Shows it, help and version on standard output; gives the exit code.
pub fn tell(error: &clap::Error, lang: Lang) -> u8 {
    match text(error, lang) {
        Some(text) => console::say(&text),
        // A reader of help that has left needs none.
        None => drop(error.print()),
    }
    u8::try_from(error.exit_code()).unwrap_or(exit::USAGE)
}

fn portuguese(error: &clap::Error) -> Option<String> {
    let part = |kind| error.get(kind).map(plain).unwrap_or_default();
    let arg = part(ContextKind::InvalidArg);
    let value = part(ContextKind::InvalidValue);
    let typed = [&arg, &value, &part(ContextKind::InvalidSubcommand)].map(String::as_str).concat();
    let sentence = match error.kind() {
        ErrorKind::UnknownArgument => format!("argumento desconhecido: {arg}"),
        ErrorKind::InvalidValue if value.is_empty() => format!("falta um valor para {arg}"),
        ErrorKind::InvalidValue => {
            let valid = part(ContextKind::ValidValue);
            format!("valor inválido `{value}` para {arg}; valores possíveis: {valid}")
        }
        // One of ours: flags that are right one by one, and not together.
        ErrorKind::ValueValidation if arg.is_empty() => {
            let text = error.render().to_string();
            let sentence = text.strip_prefix("error: ").unwrap_or(&text);
            sentence.lines().next().unwrap_or_default().to_owned()
        }
        ErrorKind::ValueValidation => {
            let why = std::error::Error::source(error).map(why).unwrap_or_default();
            format!("valor inválido `{value}` para {arg}: {why}")
        }
        ErrorKind::MissingRequiredArgument => format!("faltam argumentos obrigatórios: {arg}"),
        ErrorKind::ArgumentConflict if part(ContextKind::PriorArg) == arg => {
            format!("{arg} foi dado mais de uma vez")
        }
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
        // What a later clap may add.
        _ => return None,
    };
    let suggestion =
        [ContextKind::SuggestedArg, ContextKind::SuggestedValue, ContextKind::SuggestedSubcommand]
            .into_iter()
            .find_map(|kind| error.get(kind).map(plain).filter(|text| is_likely(text, &typed)))
            .map(|text| format!(" (talvez: {text})"))
            .unwrap_or_default();
    let program = match is_word(error) {
        true => "\nUm programa e seus argumentos vêm depois de --, como em: cliente run -- ls -l",
        false => "",
    };
    Some(format!("ERRO: {sentence}{suggestion}{program}\nVeja --help."))
}

/// Something is given that is neither a flag nor expected: maybe a program.
fn is_word(error: &clap::Error) -> bool {
    let arg = error.get(ContextKind::InvalidArg).map(plain).unwrap_or_default();
    error.kind() == ErrorKind::UnknownArgument && !arg.is_empty() && !arg.starts_with('-')
}

/// What a parser of values said.
fn why(error: &(dyn std::error::Error + 'static)) -> String {
    if let Some(bad) = error.downcast_ref::<BadValue>() {
        return bad.text(Lang::Pt).into();
    }
    if error.is::<BadEndpoint>() {
        return "um endereço tem a forma http://host:porta".into();
    }
    if error.is::<AddrParseError>() {
        return "não é um endereço IP".into();
    }
    if let Some(bad) = error.downcast_ref::<ParseIntError>() {
        return match bad.kind() {
            IntErrorKind::PosOverflow | IntErrorKind::NegOverflow => "é um número grande demais",
            _ => "não é um número inteiro",
        }
        .into();
    }
    if error.is::<ParseFloatError>() {
        return "não é um número".into();
    }
    let text = error.to_string();
    out_of_range(&text).unwrap_or(text)
}

/// Clap says only in words between which numbers a value must be.
fn out_of_range(text: &str) -> Option<String> {
    let (_, range) = text.split_once(" is not in ")?;
    let (least, most) = range.split_once("..")?;
    let (excluded, most) = match most.strip_prefix('=') {
        Some(most) => (0, most),
        None => (1, most),
    };
    let most: i128 = most.parse().ok()?;
    Some(if most >= i128::from(i64::MAX) {
        format!("deve ser pelo menos {least}")
    } else {
        format!("deve estar entre {least} e {}", most - excluded)
    })
}

/// Clap suggests what is alike; a person who mistypes gets the first letter right.
fn is_likely(suggestion: &str, typed: &str) -> bool {
    let first = |text: &str| text.trim_start_matches('-').chars().next();
    !suggestion.is_empty() && first(suggestion) == first(typed)
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
    use crate::endpoint::Endpoint;

    fn sentence(args: &[&str]) -> String {
        let command = Command::new("x")
            .arg(Arg::new("port").long("port").value_parser(clap::value_parser!(u16)))
            .arg(Arg::new("form").long("form").value_parser(["table", "json"]))
            .arg(Arg::new("many").long("many").value_parser(clap::value_parser!(u64).range(1..)))
            .arg(
                Arg::new("some").long("some").value_parser(clap::value_parser!(u64).range(1..=256)),
            )
            .arg(Arg::new("rate").long("rate").value_parser(clap::value_parser!(f64)))
            .arg(Arg::new("peer").long("peer").value_parser(clap::value_parser!(Endpoint)))
            .arg(Arg::new("id").long("id").value_parser(|_: &str| Err::<u8, _>(BadValue::TaskId)))
            .arg(Arg::new("must").long("must").required(true).action(ArgAction::Set))
            .subcommand(Command::new("logout"));
        let error = command.try_get_matches_from(args).expect_err("is wrong");
        text(&error, Lang::Pt).expect("is translated")
    }

    #[test]
    fn why_a_value_is_wrong_is_told_in_portuguese() {
        for (args, why) in [
            (["--port", "70000"], "deve estar entre 0 e 65535"),
            (["--port", "abc"], "não é um número inteiro"),
            (["--many", "0"], "deve ser pelo menos 1"),
            (["--many", "99999999999999999999"], "grande demais"),
            (["--some", "300"], "deve estar entre 1 e 256"),
            (["--rate", "x"], "não é um número"),
            (["--peer", "x"], "tem a forma http://host:porta"),
            (["--id", "x"], "tem 36 caracteres"),
        ] {
            let sentence = sentence(&["x", args[0], args[1]]);
            assert!(sentence.contains(why), "{sentence}");
        }
    }

    #[test]
    fn a_sentence_of_ours_stays_as_it_is() {
        let ours = Command::new("x").error(ErrorKind::ValueValidation, "--port precisa ser outra");
        assert_eq!(
            text(&ours, Lang::Pt).as_deref(),
            Some("ERRO: --port precisa ser outra\nVeja --help.")
        );
    }

    #[test]
    fn only_what_was_probably_meant_is_suggested() {
        assert!(sentence(&["x", "logut"]).contains("talvez: logout"));
        let odd = sentence(&["x", "bogus"]);
        assert!(odd.contains("comando desconhecido: bogus") && !odd.contains("talvez"), "{odd}");
    }

    #[test]
    fn what_is_wrong_is_named_in_portuguese() {
        assert!(
            sentence(&["x", "--prt", "1"])
                .contains("argumento desconhecido: --prt (talvez: --port)")
        );
        assert!(sentence(&["x", "--port", "abc"]).contains("valor inválido `abc` para --port"));
        assert!(sentence(&["x", "--form", "xml"]).contains("valores possíveis: table, json"));
        let twice = sentence(&["x", "--form", "json", "--form", "json"]);
        assert!(twice.contains("--form <form> foi dado mais de uma vez"), "{twice}");
        assert!(sentence(&["x"]).contains("faltam argumentos obrigatórios: --must"));
    }

    #[test]
    fn what_was_set_is_not_shown_as_required() {
        let command = Command::new("x")
            .arg(Arg::new("port").long("port"))
            .arg(Arg::new("must").long("must").required(true));
        let error = command.try_get_matches_from(["x", "--port", "1"]).expect_err("is wrong");
        let sentence = text(&error, Lang::En).expect("is an error");
        assert!(sentence.contains("--must") && sentence.contains("--help"), "{sentence}");
        assert!(!sentence.contains("--port"), "{sentence}");
    }

    #[test]
    fn help_is_no_error() {
        let error = Command::new("x").try_get_matches_from(["x", "--help"]).expect_err("is help");
        assert_eq!(text(&error, Lang::Pt), None);
    }
}
