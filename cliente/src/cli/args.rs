//! The flags; their texts are in the message catalogue.

mod certs;
mod operators;
mod programs;
pub mod schedule;
mod terms;
mod users;
mod values;
mod webhooks;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use clap::builder::NonEmptyStringValueParser;
use clap::{ArgGroup, CommandFactory as _, Parser, ValueEnum};
use cliente::{Start, TaskFilter};
use common::endpoint::{DEFAULT_BACKUP, DEFAULT_PRINCIPAL, Endpoint};
use common::lang::Lang;
use common::manual::Manual;
use common::messages::client_help;
use common::proto::TaskState;
use common::tls;
use common::traces;

pub use certs::{CertsAction, Issue};
pub use operators::{ClusterAction, Drill, GroupsAction, QueuesAction, Top, WorkersAction};
pub use programs::{Files, Surroundings};
pub use terms::{Retry, Way, check_code, unknown_code};
pub use users::{Limit, NewToken, Role, TokensAction, UsersAction};
use values::past;
pub use values::{Numbers, duration, memory, moment, numbers, positive_duration, task_id};
pub use webhooks::WebhooksAction;

const OUTPUT_VARIABLE: &str = "MUTIRAO_OUTPUT";

#[derive(Debug, Parser)]
#[command(name = "cliente", version)]
pub struct Args {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Option<Subcommand>,
}

#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "general")]
pub struct Global {
    #[arg(
        long,
        global = true,
        env = "MUTIRAO_ORCHESTRATORS",
        value_name = "URL",
        value_delimiter = ','
    )]
    pub orchestrators: Vec<Endpoint>,
    #[arg(long, global = true, env = "MUTIRAO_USER", value_name = "NAME")]
    pub user: Option<String>,
    #[arg(long, global = true, env = "MUTIRAO_TOKEN_FILE", value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    #[arg(long = "as", id = "as", global = true, env = "MUTIRAO_AS", value_name = "NAME")]
    pub acting_as: Option<String>,
    #[command(flatten)]
    pub tls: tls::Flags,
    #[command(flatten)]
    pub traces: traces::Flags,
    #[arg(
        long,
        global = true,
        env = OUTPUT_VARIABLE,
        value_name = "FORMAT",
        value_enum,
        default_value_t
    )]
    pub output: Format,
    #[arg(long, global = true, env = "MUTIRAO_TIMEOUT", value_name = "TIME", value_parser = duration, default_value = "15s")]
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

impl Format {
    pub fn is_json(self) -> bool {
        self == Self::Json
    }

    /// What is wanted where the command line cannot be parsed.
    pub fn early(args: &[OsString]) -> Self {
        let mut args = args.iter().take_while(|arg| *arg != "--").filter_map(|arg| arg.to_str());
        let mut value = std::env::var(OUTPUT_VARIABLE).ok();
        while let Some(arg) = args.next() {
            match arg.strip_prefix("--output") {
                Some("") => value = args.next().map(str::to_owned),
                Some(rest) => value = rest.strip_prefix('=').map(str::to_owned).or(value),
                None => {}
            }
        }
        value.and_then(|value| Self::from_str(&value, false).ok()).unwrap_or_default()
    }
}

#[derive(Debug, clap::Subcommand)]
pub enum Subcommand {
    #[command(flatten)]
    Online(Online),
    Certs {
        #[command(subcommand)]
        action: CertsAction,
    },
    Login,
    Logout,
    Menu,
    #[command(flatten)]
    Manual(Manual),
}

impl Online {
    /// The name of the span that it is, if it submits work.
    pub fn span(&self) -> Option<&'static str> {
        match self {
            Self::Submit(_) => Some("cliente submit"),
            Self::Run(_) => Some("cliente run"),
            Self::Map(_) => Some("cliente map"),
            _ => None,
        }
    }
}

/// What needs an orchestrator, and someone who asks.
#[derive(Debug, clap::Subcommand)]
pub enum Online {
    Submit(Box<Submit>),
    Run(Box<Run>),
    Map(Box<Map>),
    Status {
        #[arg(value_name = "ID", value_parser = task_id)]
        task_id: String,
        #[arg(long)]
        explain: bool,
    },
    Result {
        #[arg(value_name = "ID", value_parser = task_id)]
        task_id: String,
        #[arg(long)]
        raw: bool,
        #[arg(long, conflicts_with = "raw")]
        files: bool,
        #[arg(long, value_name = "DIR", requires = "files")]
        into: Option<PathBuf>,
        #[command(flatten)]
        wait: Wait,
    },
    Logs {
        #[arg(value_name = "ID", value_parser = task_id)]
        task_id: String,
        #[arg(long, short)]
        follow: bool,
    },
    List(Box<List>),
    Watch {
        #[arg(value_name = "ID", value_parser = task_id)]
        task_ids: Vec<String>,
        #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new(), conflicts_with = "task_ids")]
        group: Option<String>,
        #[arg(long, value_name = "TIME", value_parser = duration)]
        wait_timeout: Option<Duration>,
    },
    Top(Top),
    Wait {
        #[arg(value_name = "ID", required = true, value_parser = task_id)]
        task_ids: Vec<String>,
        #[arg(long, value_name = "TIME", value_parser = duration)]
        wait_timeout: Option<Duration>,
    },
    Cancel {
        #[arg(value_name = "ID", required = true, value_parser = task_id)]
        task_ids: Vec<String>,
    },
    Retry {
        #[arg(value_name = "ID", required_unless_present = "failed", value_parser = task_id)]
        task_ids: Vec<String>,
        #[arg(long, conflicts_with = "task_ids")]
        failed: bool,
        #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new(), conflicts_with = "task_ids")]
        queue: Option<String>,
        #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new(), conflicts_with = "task_ids")]
        handler: Option<String>,
        #[arg(long, value_name = "CODE", value_parser = NonEmptyStringValueParser::new(), conflicts_with = "task_ids")]
        code: Option<String>,
        #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new(), conflicts_with = "task_ids")]
        group: Option<String>,
        #[command(flatten)]
        wait: Wait,
    },
    Workers {
        #[command(subcommand)]
        action: Option<WorkersAction>,
    },
    Queues {
        #[command(subcommand)]
        action: Option<QueuesAction>,
    },
    Schedule {
        #[command(subcommand)]
        action: schedule::ScheduleAction,
    },
    Groups {
        #[command(subcommand)]
        action: Option<GroupsAction>,
    },
    Webhooks {
        #[command(subcommand)]
        action: Option<WebhooksAction>,
    },
    Audit {
        #[arg(long, value_name = "FILE|-")]
        acknowledged: Option<String>,
    },
    Cluster {
        #[command(subcommand)]
        action: Option<ClusterAction>,
    },
    Users {
        #[command(subcommand)]
        action: UsersAction,
    },
}

impl Online {
    /// What is asked for is of all users, and nobody's place is meant.
    pub fn is_of_all_users(&self) -> bool {
        matches!(self, Self::List(list) if list.all_users)
            || matches!(self, Self::Top(top) if top.all_users)
    }
}

/// Which of the caller's tasks are shown.
#[derive(Debug, clap::Args)]
pub struct List {
    #[arg(long, value_enum, value_delimiter = ',', ignore_case = true)]
    state: Vec<State>,
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    queue: Option<String>,
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    handler: Option<String>,
    #[arg(long, value_name = "ID", value_parser = NonEmptyStringValueParser::new())]
    worker: Option<String>,
    #[arg(long, value_name = "TIME|RFC3339", value_parser = past)]
    since: Option<SystemTime>,
    #[arg(long, value_name = "TIME|RFC3339", value_parser = past)]
    until: Option<SystemTime>,
    #[arg(long, value_name = "ID", value_parser = task_id)]
    pub after: Option<String>,
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    group: Option<String>,
    #[arg(long, value_name = "CODE", value_parser = NonEmptyStringValueParser::new())]
    code: Option<String>,
    #[arg(long, value_name = "ID", value_parser = task_id)]
    array: Option<String>,
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    schedule: Option<String>,
    #[arg(long)]
    pub all_users: bool,
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..))]
    pub limit: u64,
    #[arg(long, conflicts_with = "limit")]
    pub all: bool,
}

impl List {
    pub fn filter(&self) -> TaskFilter {
        TaskFilter {
            states: self.state.iter().map(|state| TaskState::from(*state)).collect(),
            queue: self.queue.clone(),
            handler: self.handler.clone(),
            worker_id: self.worker.clone(),
            since: self.since,
            until: self.until,
            group: self.group.clone(),
            error_code: self.code.as_ref().map(|code| code.to_uppercase()),
            array_id: self.array.clone(),
            schedule: self.schedule.clone(),
            all_users: self.all_users,
        }
    }
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "follow")]
pub struct Wait {
    #[arg(long)]
    pub wait: bool,
    #[arg(long, value_name = "TIME", value_parser = duration, requires = "wait")]
    pub wait_timeout: Option<Duration>,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "work", group = behind())]
pub struct Submit {
    #[arg(long, value_name = "NAME")]
    pub handler: Option<String>,
    #[arg(long, value_name = "TEXT|@FILE|-", allow_hyphen_values = true)]
    pub payload: Option<String>,
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    pub count: u64,
    #[arg(long, value_name = "FIRST-LAST", value_parser = numbers, conflicts_with_all = ["count", "each_line"])]
    pub array: Option<Numbers>,
    #[arg(long, value_name = "FILE|-", conflicts_with = "count")]
    pub each_line: Option<String>,
    #[arg(help_heading = "program", long, value_name = "FILE|-")]
    pub stdin_from: Option<String>,
    #[command(flatten)]
    pub surroundings: Surroundings,
    #[command(flatten)]
    pub files: Files,
    #[arg(help_heading = "failure", long, value_name = "UUID", value_parser = task_id, conflicts_with_all = ["count", "each_line"])]
    pub id: Option<String>,
    #[command(flatten)]
    pub unique: Unique,
    #[arg(help_heading = "failure", long, value_name = "MODE", value_enum, default_value_t)]
    pub delivery: Delivery,
    #[command(flatten)]
    pub retry: Retry,
    #[command(flatten)]
    pub way: Way,
    #[arg(help_heading = "time", long, value_name = "TIME", value_parser = duration)]
    pub delay: Option<Duration>,
    #[arg(help_heading = "time", long, value_name = "RFC3339", value_parser = moment, conflicts_with = "delay")]
    pub not_before: Option<SystemTime>,
    #[arg(help_heading = "time", long, value_name = "ID", value_delimiter = ',', value_parser = task_id, conflicts_with_all = ["delay", "not_before"])]
    pub after: Vec<String>,
    #[arg(help_heading = "time", long, requires = "behind")]
    pub after_any_end: bool,
    #[arg(help_heading = "work", long, value_name = "FILE|-", conflicts_with_all = ["handler", "payload", "count", "array", "each_line", "stdin_from", "input", "input_from", "output_file", "delay", "not_before", "after", "after_any_end", "argv"])]
    pub file: Option<String>,
    #[command(flatten)]
    pub wait: Wait,
    #[arg(help_heading = "place", long)]
    pub allow_unknown_handler: bool,
    #[arg(help_heading = "work", last = true, value_names = ["PROGRAM", "ARG"], num_args = 1.., conflicts_with = "payload")]
    pub argv: Vec<String>,
}

/// What makes a task come after others.
fn behind() -> ArgGroup {
    ArgGroup::new("behind").args(["after", "input_from"]).multiple(true)
}

/// What keeps a task from being done twice.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "failure")]
pub struct Unique {
    #[arg(long, value_name = "KEY", conflicts_with_all = ["count", "array", "each_line", "file"])]
    key: Option<String>,
    #[arg(long, value_name = "TIME", value_parser = positive_duration, requires = "key")]
    key_window: Option<Duration>,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "program", group = behind())]
pub struct Run {
    #[arg(long, value_name = "FILE|-")]
    pub stdin_from: Option<String>,
    #[command(flatten)]
    pub surroundings: Surroundings,
    #[command(flatten)]
    pub files: Files,
    #[arg(help_heading = "failure", long, value_name = "MODE", value_enum, default_value_t)]
    pub delivery: Delivery,
    #[command(flatten)]
    pub retry: Retry,
    #[command(flatten)]
    pub way: Way,
    #[arg(help_heading = "time", long, value_name = "ID", value_delimiter = ',', value_parser = task_id)]
    pub after: Vec<String>,
    #[arg(help_heading = "time", long, requires = "behind")]
    pub after_any_end: bool,
    #[arg(help_heading = "place", long)]
    pub allow_unknown_handler: bool,
    #[arg(help_heading = "program", last = true, required = true, value_names = ["PROGRAM", "ARG"], num_args = 1..)]
    pub argv: Vec<String>,
}

/// A program for each input.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "inputs")]
pub struct Map {
    #[arg(long, value_name = "FILE|-")]
    pub inputs: Option<String>,
    #[arg(long, short = '0')]
    pub null: bool,
    #[arg(long, short, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    pub jobs: u64,
    #[arg(long, short)]
    pub keep_order: bool,
    #[arg(long)]
    pub tag: bool,
    #[arg(long)]
    pub halt_on_error: bool,
    #[command(flatten)]
    pub run: Run,
}

impl Submit {
    pub fn unique(&self) -> Option<cliente::UniqueKey> {
        let Unique { key, key_window } = self.unique.clone();
        key.map(|key| cliente::UniqueKey { key, window: key_window })
    }

    pub fn start(&self) -> Start {
        match (self.delay, self.not_before) {
            (Some(delay), _) => Start::After(delay),
            (None, Some(at)) => Start::At(at),
            (None, None) => Start::Now,
        }
    }
}

impl From<Run> for Submit {
    fn from(run: Run) -> Self {
        let Run {
            stdin_from,
            surroundings,
            files,
            delivery,
            retry,
            way,
            after,
            after_any_end,
            allow_unknown_handler,
            argv,
        } = run;
        Self {
            handler: None,
            payload: None,
            count: 1,
            array: None,
            each_line: None,
            stdin_from,
            surroundings,
            files,
            id: None,
            unique: Unique::default(),
            delivery,
            retry,
            way,
            delay: None,
            not_before: None,
            after,
            after_any_end,
            file: None,
            wait: Wait { wait: true, wait_timeout: None },
            allow_unknown_handler,
            argv,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum State {
    Queued,
    Running,
    Succeeded,
    Failed,
    Cancelled,
    Lost,
}

impl From<State> for TaskState {
    fn from(state: State) -> Self {
        match state {
            State::Queued => Self::Queued,
            State::Running => Self::Running,
            State::Succeeded => Self::Succeeded,
            State::Failed => Self::Failed,
            State::Cancelled => Self::Cancelled,
            State::Lost => Self::Lost,
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Delivery {
    #[default]
    AtLeastOnce,
    AtMostOnce,
}

impl From<Delivery> for cliente::Delivery {
    fn from(delivery: Delivery) -> Self {
        match delivery {
            Delivery::AtLeastOnce => Self::AtLeastOnce,
            Delivery::AtMostOnce => Self::AtMostOnce,
        }
    }
}

/// The guide's ports; with certificates by TLS.
pub fn default_orchestrators() -> Vec<Endpoint> {
    let bare = |text: &'static str| text.trim_start_matches("http://").parse().ok();
    [DEFAULT_PRINCIPAL, DEFAULT_BACKUP].into_iter().filter_map(bare).collect()
}

/// The command line with its texts in `lang`.
pub fn command(lang: Lang) -> clap::Command {
    common::help::localize(common::version::told_by(Args::command(), &[]), lang, |id| {
        client_help::text(id, lang)
    })
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
    fn every_heading_is_said_in_both_languages() {
        fn words(command: &clap::Command) -> Vec<String> {
            let own = command.get_arguments().filter_map(clap::Arg::get_help_heading);
            let own = own.map(str::to_owned);
            own.chain(command.get_subcommands().flat_map(words)).collect()
        }
        let words = words(&Args::command());
        assert!(words.iter().any(|word| word == "general"));
        for (word, lang) in words.iter().flat_map(|word| [(word, Lang::Pt), (word, Lang::En)]) {
            assert!(client_help::text(&format!("heading.{word}"), lang).is_some(), "{word}");
        }
    }

    #[test]
    fn the_command_line_is_consistent() {
        command(Lang::Pt).debug_assert();
    }

    #[test]
    fn the_guides_ports_are_the_default() {
        assert_eq!(default_orchestrators().len(), 2);
    }
}
