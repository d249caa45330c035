//! `cliente schedule`: its flags.

use clap::ValueEnum;

use super::{Delivery, Files, Retry, Submit, Surroundings, Unique, Wait, Way};

#[derive(Debug, clap::Subcommand)]
pub enum ScheduleAction {
    Set(Box<Set>),
    List,
    Show {
        #[arg(value_name = "NAME")]
        name: String,
    },
    Pause {
        #[arg(value_name = "NAME")]
        name: String,
    },
    Resume {
        #[arg(value_name = "NAME")]
        name: String,
    },
    Run {
        #[arg(value_name = "NAME")]
        name: String,
        #[command(flatten)]
        wait: Wait,
    },
    Remove {
        #[arg(value_name = "NAME")]
        name: String,
    },
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "schedule")]
pub struct Set {
    #[arg(value_name = "NAME")]
    pub name: String,
    #[arg(long, value_name = "EXPRESSION", required = true)]
    pub cron: String,
    #[arg(long, value_name = "ZONE", default_value = "UTC")]
    pub zone: String,
    #[arg(long, value_name = "POLICY", value_enum, default_value_t)]
    pub catch_up: CatchUp,
    #[arg(long, value_name = "POLICY", value_enum, default_value_t)]
    pub overlap: Overlap,
    #[command(flatten)]
    pub task: ScheduledTask,
}

/// What is made each time.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "work")]
pub struct ScheduledTask {
    #[arg(long, value_name = "NAME")]
    handler: Option<String>,
    #[arg(long, value_name = "TEXT|@FILE|-", allow_hyphen_values = true)]
    payload: Option<String>,
    #[arg(help_heading = "program", long, value_name = "FILE|-")]
    stdin_from: Option<String>,
    #[command(flatten)]
    surroundings: Surroundings,
    #[arg(help_heading = "failure", long, value_name = "MODE", value_enum, default_value_t)]
    delivery: Delivery,
    #[command(flatten)]
    retry: Retry,
    #[command(flatten)]
    way: Way,
    #[arg(help_heading = "place", long)]
    pub allow_unknown_handler: bool,
    #[arg(help_heading = "work", last = true, value_names = ["PROGRAM", "ARG"], num_args = 1.., conflicts_with = "payload")]
    argv: Vec<String>,
}

impl From<ScheduledTask> for Submit {
    fn from(task: ScheduledTask) -> Self {
        let ScheduledTask {
            handler, payload, stdin_from, surroundings, delivery, retry, way, ..
        } = task;
        Self {
            handler,
            payload,
            count: 1,
            array: None,
            each_line: None,
            stdin_from,
            surroundings,
            files: Files::default(),
            id: None,
            unique: Unique::default(),
            delivery,
            retry,
            way,
            delay: None,
            not_before: None,
            after: Vec::new(),
            after_any_end: false,
            file: None,
            wait: Wait { wait: false, wait_timeout: None },
            allow_unknown_handler: task.allow_unknown_handler,
            argv: task.argv,
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum CatchUp {
    #[default]
    Skip,
    One,
    All,
}

impl From<CatchUp> for cliente::CatchUp {
    fn from(catch_up: CatchUp) -> Self {
        match catch_up {
            CatchUp::Skip => Self::Skip,
            CatchUp::One => Self::One,
            CatchUp::All => Self::All,
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Overlap {
    #[default]
    Allow,
    Skip,
}

impl From<Overlap> for cliente::Overlap {
    fn from(overlap: Overlap) -> Self {
        match overlap {
            Overlap::Allow => Self::Allow,
            Overlap::Skip => Self::Skip,
        }
    }
}
