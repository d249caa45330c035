//! What on a command line is right by itself and cannot be meant.

use super::Message;
use super::fault::Fault;
use crate::lang::Lang;

/// Said on standard error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UsageMessage {
    /// Of `--retry-on`: no failure has this code; `meant`: one that is alike.
    UnknownFailure { flag: &'static str, code: String, meant: Option<&'static str> },
    /// Of `cliente map`: the input of a source for which there is none.
    NoSuchSource { place: String, sources: usize },
    /// Spans cannot be sent as was asked for.
    Traces { why: String },
    /// `--all-users` and `--as`.
    AllUsersAsOne,
}

impl Message for UsageMessage {
    fn event(&self) -> &'static str {
        match self {
            Self::UnknownFailure { .. } => "unknown_failure",
            Self::NoSuchSource { .. } => "no_such_source",
            Self::Traces { .. } => "traces",
            Self::AllUsersAsOne => "all_users_as_one",
        }
    }

    fn text(&self, lang: Lang) -> String {
        match lang {
            Lang::Pt => self.portuguese(),
            Lang::En => self.english(),
        }
    }
}

impl UsageMessage {
    fn portuguese(&self) -> String {
        match self {
            Self::Traces { why } => Fault::Traces { why: why.clone() }.text(Lang::Pt),
            Self::UnknownFailure { flag, code, meant: Some(meant) } => {
                format!("{flag}: nenhuma falha tem o código {code} (talvez: {meant}).")
            }
            Self::UnknownFailure { flag, code, meant: None } => {
                format!(
                    "{flag}: nenhuma falha tem o código {code}; docs/errors.md os enumera. Uma tentativa que se perde com o worker não é falha: outra sempre a segue, sem contar."
                )
            }
            Self::NoSuchSource { place, sources } => {
                let lists = match sources {
                    1 => "só há uma lista de entradas".to_owned(),
                    sources => format!("só há {sources} listas de entradas"),
                };
                format!(
                    "{place} é a entrada de outra lista, e {lists}. Uma expressão regular pode repetir o número: {{3,3}}."
                )
            }
            Self::AllUsersAsOne => {
                "--all-users mostra as tarefas de todos, --as as de um: só um dos dois (MUTIRAO_AS vale como --as).".into()
            }
        }
    }

    fn english(&self) -> String {
        match self {
            Self::Traces { why } => Fault::Traces { why: why.clone() }.text(Lang::En),
            Self::UnknownFailure { flag, code, meant: Some(meant) } => {
                format!("{flag}: no failure has the code {code} (perhaps: {meant}).")
            }
            Self::UnknownFailure { flag, code, meant: None } => {
                format!(
                    "{flag}: no failure has the code {code}; docs/errors.md lists them. An attempt that is lost with its worker is no failure: another one always follows, and it does not count."
                )
            }
            Self::NoSuchSource { place, sources } => {
                let lists = match sources {
                    1 => "there is only one list of inputs".to_owned(),
                    sources => format!("there are only {sources} lists of inputs"),
                };
                format!(
                    "{place} is the input of another list, and {lists}. A regular expression can have the number twice: {{3,3}}."
                )
            }
            Self::AllUsersAsOne => {
                "--all-users shows the tasks of all, --as those of one: only one of them (MUTIRAO_AS counts as --as).".into()
            }
        }
    }
}
