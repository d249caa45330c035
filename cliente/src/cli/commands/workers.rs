//! `cliente workers`

use std::time::Duration;

use common::exit;
use common::messages::Message as _;
use common::messages::client::ClientMessage;

use super::super::Context;
use super::super::args::WorkersAction;
use super::super::failure::Failure;
use super::super::output;
use super::super::terminal::say;
use super::wait;

/// How often it is looked whether a worker has ended.
const POLL: Duration = Duration::from_millis(100);

pub async fn run(context: &Context, action: Option<WorkersAction>) -> Result<u8, Failure> {
    match action.unwrap_or(WorkersAction::List) {
        WorkersAction::List => {
            output::print(&context.output.workers(&context.client.workers().await?))?;
        }
        WorkersAction::Drain { worker_id, within, wait } => {
            let busy = context.client.drain_worker(&worker_id, within).await?;
            let draining = ClientMessage::WorkerDraining { worker: worker_id.clone(), busy };
            say(&draining.text(context.lang));
            if wait.wait {
                wait::within(wait.wait_timeout, until_gone(context, &worker_id)).await?;
                say(&ClientMessage::WorkerGone { worker: worker_id }.text(context.lang));
            }
        }
    }
    Ok(exit::OK)
}

async fn until_gone(context: &Context, worker_id: &str) -> Result<(), Failure> {
    let is_there = |workers: Vec<common::proto::Worker>| {
        workers.iter().any(|worker| worker.worker_id == worker_id && worker.connected)
    };
    while is_there(context.client.workers().await?) {
        tokio::time::sleep(POLL).await;
    }
    Ok(())
}
