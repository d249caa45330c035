//! The flags; their texts are in the message catalogue.

use std::path::PathBuf;
use std::time::Duration;

use clap::{CommandFactory as _, Parser, ValueEnum};
use common::endpoint::{DEFAULT_BACKUP, DEFAULT_PRINCIPAL, Endpoint};
use common::lang::Lang;
use common::messages::client_help;
use common::proto::TaskState;

#[derive(Debug, Parser)]
#[command(name = "cliente", version)]
pub struct Args {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Option<Subcommand>,
}

#[derive(Clone, Debug, clap::Args)]
pub struct Global {
    #[arg(long, global = true, env = "MUTIRAO_ORCHESTRATORS", value_name = "URL", value_delimiter = ',', default_values = [DEFAULT_PRINCIPAL, DEFAULT_BACKUP])]
    pub orchestrators: Vec<Endpoint>,
    #[arg(long, global = true, env = "MUTIRAO_USER", value_name = "NAME")]
    pub user: Option<String>,
    #[arg(long, global = true, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    #[arg(long, global = true, value_name = "FORMAT", value_enum, default_value_t)]
    pub output: Format,
    #[arg(long, global = true, value_name = "TIME", value_parser = duration, default_value = "15s")]
    pub timeout: Duration,
    #[arg(
        long,
        global = true,
        env = "MUTIRAO_LANG",
        value_name = "LANG",
        value_enum,
        default_value_t
    )]
    pub lang: Lang,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    #[default]
    Table,
    Json,
}

#[derive(Debug, clap::Subcommand)]
pub enum Subcommand {
    Submit(Submit),
    Status {
        task_id: String,
    },
    Result {
        task_id: String,
        #[arg(long)]
        raw: bool,
    },
    List {
        #[arg(long, value_enum, value_delimiter = ',')]
        state: Vec<State>,
        #[arg(long, default_value_t = 20)]
        limit: usize,
        #[arg(long)]
        all: bool,
    },
    Watch {
        task_ids: Vec<String>,
    },
    Cancel {
        #[arg(required = true)]
        task_ids: Vec<String>,
    },
    Workers,
    Cluster {
        #[command(subcommand)]
        action: Option<ClusterAction>,
    },
    Users {
        #[command(subcommand)]
        action: UsersAction,
    },
    Login,
    Logout,
    Menu,
}

#[derive(Debug, clap::Args)]
pub struct Submit {
    #[arg(long)]
    pub handler: Option<String>,
    #[arg(long, value_name = "TEXT|@FILE|-", allow_hyphen_values = true)]
    pub payload: Option<String>,
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub count: usize,
    #[arg(long, value_name = "FILE|-", conflicts_with = "count")]
    pub each_line: Option<String>,
    #[arg(long, value_name = "UUID", conflicts_with_all = ["count", "each_line"])]
    pub id: Option<String>,
    #[arg(long)]
    pub wait: bool,
    #[arg(long, value_name = "TIME", value_parser = duration, requires = "wait")]
    pub wait_timeout: Option<Duration>,
    #[arg(long)]
    pub allow_unknown_handler: bool,
    #[arg(last = true, conflicts_with = "payload")]
    pub argv: Vec<String>,
}

#[derive(Debug, clap::Subcommand)]
pub enum ClusterAction {
    Promote {
        #[arg(long, value_name = "URL")]
        node: Option<Endpoint>,
        #[arg(long, required = true)]
        force: bool,
    },
}

#[derive(Debug, clap::Subcommand)]
pub enum UsersAction {
    Add {
        name: String,
        #[arg(long)]
        admin: bool,
    },
    Remove {
        name: String,
    },
    List,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum State {
    #[value(alias = "QUEUED")]
    Queued,
    #[value(alias = "RUNNING")]
    Running,
    #[value(alias = "SUCCEEDED")]
    Succeeded,
    #[value(alias = "FAILED")]
    Failed,
    #[value(alias = "CANCELLED")]
    Cancelled,
}

impl From<State> for TaskState {
    fn from(state: State) -> Self {
        match state {
            State::Queued => Self::Queued,
            State::Running => Self::Running,
            State::Succeeded => Self::Succeeded,
            State::Failed => Self::Failed,
            State::Cancelled => Self::Cancelled,
        }
    }
}

/// The command line with its texts in `lang`.
pub fn command(lang: Lang) -> clap::Command {
    common::help::localize(Args::command(), lang, |id| client_help::text(id, lang))
}

/// The longest time that can be given.
const MAX_TIME_MS: u64 = 1_000 * 3_600_000;

/// `500ms`, `15s`, `2m`, `3h`, or seconds; at most 1,000 hours.
fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let forms = || "500ms, 15s, 2m, 3h".to_owned();
    let number: u64 = digits.parse().map_err(|_| forms())?;
    let unit_ms = match &text[digits.len()..] {
        "ms" => 1,
        "" | "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err(forms()),
    };
    match number.checked_mul(unit_ms) {
        Some(ms) if ms <= MAX_TIME_MS => Ok(Duration::from_millis(ms)),
        Some(_) | None => Err("1000h".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_argument_has_help_in_both_languages() {
        for lang in [Lang::Pt, Lang::En] {
            assert_eq!(common::help::missing(&command(lang)), Vec::<String>::new());
        }
    }

    #[test]
    fn times_have_units() {
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("2m"), Ok(Duration::from_secs(120)));
        for text in ["depois", "", "1d", "307445734561825861m", "18446744073709551615s", "1001h"] {
            assert!(duration(text).is_err(), "{text} was accepted");
        }
    }

    #[test]
    fn the_command_line_is_consistent() {
        command(Lang::Pt).debug_assert();
    }
}
