//! `cliente workers`

use std::time::Duration;

use common::exit;
use common::messages::Message as _;
use common::messages::client::ClientMessage;
use common::proto::Worker;
use serde_json::json;

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
            let known = find(context, &worker_id).await?;
            let busy = context.client.drain_worker(&worker_id, within).await?;
            if context.is_json {
                output::print(&format!("{}\n", json!({ "worker_id": worker_id, "busy": busy })))?;
            } else {
                let draining = ClientMessage::WorkerDraining { worker: worker_id.clone(), busy };
                say(&draining.text(context.lang));
            }
            if wait.wait
                && let Some(known) = known
            {
                wait::within(wait.wait_timeout, until_gone(context, &known)).await?;
                if !context.is_json {
                    say(&ClientMessage::WorkerGone { worker: worker_id }.text(context.lang));
                }
            }
        }
    }
    Ok(exit::OK)
}

async fn find(context: &Context, worker_id: &str) -> Result<Option<Worker>, Failure> {
    let workers = context.client.workers().await?;
    Ok(workers.into_iter().find(|worker| worker.worker_id == worker_id))
}

/// It left, or was lost with what it ran; one that is only not connected may come back. Another process in its
/// place is not it.
async fn until_gone(context: &Context, worker: &Worker) -> Result<(), Failure> {
    while find(context, &worker.worker_id)
        .await?
        .is_some_and(|present| present.incarnation == worker.incarnation)
    {
        tokio::time::sleep(POLL).await;
    }
    Ok(())
}
