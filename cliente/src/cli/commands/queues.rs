//! `cliente queues`

use cliente::QueueChange;
use common::exit;
use common::messages::Message as _;
use common::messages::client::ClientMessage;

use super::super::Context;
use super::super::args::QueuesAction;
use super::super::failure::Failure;
use super::super::output;
use super::super::terminal::say;

pub async fn run(context: &Context, action: Option<QueuesAction>) -> Result<u8, Failure> {
    let pause = |paused: bool| QueueChange { paused: Some(paused), ..QueueChange::default() };
    match action.unwrap_or(QueuesAction::List) {
        QueuesAction::List => {
            output::print(&context.output.queues(&context.client.queues().await?))?;
        }
        QueuesAction::Set { name, weight, max_running } => {
            let change = QueueChange { weight, max_running, paused: None };
            self::change(context, &name, change).await?;
        }
        QueuesAction::Pause { name } => change(context, &name, pause(true)).await?,
        QueuesAction::Resume { name } => change(context, &name, pause(false)).await?,
        QueuesAction::Purge { name } => purge(context, name).await?,
    }
    Ok(exit::OK)
}

/// Shows how the queue stands then.
async fn change(context: &Context, name: &str, change: QueueChange) -> Result<(), Failure> {
    let queue = context.client.change_queue(name, change).await?;
    output::print(&context.output.queues(&[queue]))
}

/// A part at a time, until nothing is left that was there.
async fn purge(context: &Context, name: String) -> Result<(), Failure> {
    let mut all = 0;
    loop {
        let (cancelled, left) = context.client.purge_queue(&name).await?;
        all += cancelled;
        if left == 0 || cancelled == 0 {
            if context.is_json {
                let object = serde_json::json!({ "queue": name, "cancelled": all, "left": left });
                return output::print(&format!("{object}\n"));
            }
            let purged = ClientMessage::QueuePurged { queue: name, tasks: all, left };
            say(&purged.text(context.lang));
            return Ok(());
        }
    }
}
