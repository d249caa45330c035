//! What administrators do with the cluster, its queues and its workers.

use std::path::PathBuf;
use std::time::Duration;

use common::endpoint::Endpoint;

use super::Wait;
use super::values::duration;

#[derive(Debug, clap::Subcommand)]
pub enum ClusterAction {
    Promote {
        #[arg(long, value_name = "URL")]
        node: Option<Endpoint>,
        #[arg(long, required = true)]
        force: bool,
        #[arg(long)]
        accept_incomplete: bool,
    },
    Switchover,
    RecoverTail {
        #[arg(value_name = "NAME")]
        name: Option<String>,
        #[arg(long, value_name = "URL")]
        node: Option<Endpoint>,
    },
    Replace {
        #[arg(value_name = "URL")]
        address: Endpoint,
    },
    Shutdown {
        #[arg(long, value_name = "TIME", value_parser = duration, default_value = "30s")]
        wait: Duration,
    },
    Explain,
    Backup {
        #[arg(value_name = "FILE")]
        file: PathBuf,
        #[arg(long)]
        overwrite: bool,
    },
    Restore {
        #[arg(value_name = "FILE")]
        file: PathBuf,
        #[arg(long, value_name = "DIR")]
        data_dir: Option<PathBuf>,
        #[arg(long)]
        check: bool,
    },
    #[command(group = clap::ArgGroup::new("what").required(true))]
    LogFilter {
        #[arg(value_name = "FILTER", group = "what")]
        filter: Option<String>,
        #[arg(long, group = "what")]
        reset: bool,
        #[arg(long, value_name = "URL")]
        node: Option<Endpoint>,
    },
    Drill(Drill),
}

#[derive(Debug, clap::Args)]
pub struct Drill {
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub pause: Option<Duration>,
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "3s")]
    pub load: Duration,
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u64).range(1..=256))]
    pub clients: u64,
}

#[derive(Debug, clap::Args)]
pub struct Top {
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "1s")]
    pub interval: Duration,
    #[arg(long)]
    pub all_users: bool,
    #[arg(long)]
    pub once: bool,
}

#[derive(Debug, clap::Subcommand)]
pub enum QueuesAction {
    List,
    Set {
        #[arg(value_name = "NAME")]
        name: String,
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000))]
        weight: Option<u32>,
        #[arg(long, value_name = "N", required_unless_present = "weight")]
        max_running: Option<u32>,
    },
    Pause {
        #[arg(value_name = "NAME")]
        name: String,
        #[arg(long)]
        create: bool,
    },
    Resume {
        #[arg(value_name = "NAME")]
        name: String,
    },
    Purge {
        #[arg(value_name = "NAME")]
        name: String,
    },
}

#[derive(Debug, clap::Subcommand)]
pub enum WorkersAction {
    List,
    Drain {
        #[arg(value_name = "ID")]
        worker_id: String,
        #[arg(long, value_name = "TIME", value_parser = duration)]
        within: Option<Duration>,
        #[command(flatten)]
        wait: Wait,
    },
}

#[derive(Debug, clap::Subcommand)]
pub enum GroupsAction {
    List,
    Show {
        #[arg(value_name = "NAME")]
        name: String,
    },
    Wait {
        #[arg(value_name = "NAME")]
        name: String,
        #[arg(long, value_name = "TIME", value_parser = duration)]
        wait_timeout: Option<Duration>,
    },
    Cancel {
        #[arg(value_name = "NAME")]
        name: String,
    },
}
