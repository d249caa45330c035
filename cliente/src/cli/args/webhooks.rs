//! What is still to be told of tasks' ends.

use super::values::task_id;

const SHOWN: usize = 100;

#[derive(Debug, clap::Subcommand)]
pub enum WebhooksAction {
    List {
        #[arg(long)]
        given_up: bool,
        #[arg(long, value_name = "N", default_value_t = SHOWN)]
        limit: usize,
        #[arg(long, conflicts_with = "limit")]
        all: bool,
    },
    Retry {
        #[arg(value_name = "ID", required_unless_present = "all", value_parser = task_id)]
        task_ids: Vec<String>,
        #[arg(long, conflicts_with = "task_ids")]
        all: bool,
    },
}

impl Default for WebhooksAction {
    fn default() -> Self {
        Self::List { given_up: false, limit: SHOWN, all: false }
    }
}
