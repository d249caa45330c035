//! `cliente queues`

use cliente::QueueChange;
use common::error_code::ErrorCode;
use common::exit;
use common::messages::Message as _;
use common::messages::client::ClientMessage;
use common::messages::client_queues::QueuesMessage;
use common::proto::Queue;

use super::super::Context;
use super::super::alike;
use super::super::args::QueuesAction;
use super::super::failure::Failure;
use super::super::output;
use super::super::terminal::say;

/// Of a queue for which nobody has said otherwise.
const DEFAULT_WEIGHT: u32 = 1;

pub async fn run(context: &Context, action: Option<QueuesAction>) -> Result<u8, Failure> {
    let pause = |paused: bool| QueueChange { paused: Some(paused), ..QueueChange::default() };
    match action.unwrap_or(QueuesAction::List) {
        QueuesAction::List => {
            output::print(&context.output.queues(&context.client.queues().await?))?;
        }
        QueuesAction::Set { name, weight, max_running } => {
            let change = QueueChange { weight, max_running, paused: None };
            let known = context.client.queues().await?;
            self::change(context, &known, name, change).await?;
        }
        QueuesAction::Pause { name, create } => {
            let known = context.client.queues().await?;
            // One that is like none may well be paused before anything is in it.
            if !create && alike(&known, &name).is_some() {
                check(&known, &name, |queue, alike| QueuesMessage::UnknownUnlessCreated {
                    queue,
                    alike,
                })?;
            }
            change(context, &known, name, pause(true)).await?;
        }
        QueuesAction::Resume { name } => {
            let known = context.client.queues().await?;
            check(&known, &name, |queue, alike| QueuesMessage::Unknown { queue, alike })?;
            change(context, &known, name, pause(false)).await?;
        }
        QueuesAction::Purge { name } => {
            let known = context.client.queues().await?;
            check(&known, &name, |queue, alike| QueuesMessage::Unknown { queue, alike })?;
            purge(context, name).await?;
        }
    }
    Ok(exit::OK)
}

/// The queue that is probably meant by a name that none has.
pub fn alike(known: &[Queue], name: &str) -> Option<String> {
    alike::nearest(name, known.iter().map(|queue| queue.name.as_str())).map(str::to_owned)
}

fn is_known(known: &[Queue], name: &str) -> bool {
    known.iter().any(|queue| queue.name == name)
}

/// A misspelt name would be a queue that nobody meant.
fn check(
    known: &[Queue],
    name: &str,
    unknown: impl FnOnce(String, Option<String>) -> QueuesMessage,
) -> Result<(), Failure> {
    if is_known(known, name) {
        return Ok(());
    }
    let message = unknown(name.to_owned(), alike(known, name));
    let message = Box::new(ClientMessage::Queues(message));
    Err(Failure::Unknown { code: ErrorCode::QueueNotFound, message })
}

/// Shows how the queue stands then, and says whether it is a new one.
async fn change(
    context: &Context,
    known: &[Queue],
    name: String,
    change: QueueChange,
) -> Result<(), Failure> {
    let queue = context.client.change_queue(&name, change).await?;
    // One that is as all others are is not there.
    let is_there = queue.paused || queue.weight != DEFAULT_WEIGHT || queue.max_running.is_some();
    let is_new = is_there && !is_known(known, &name);
    if is_new && !context.is_json {
        let created = QueuesMessage::Created { alike: alike(known, &name), queue: name };
        say(&created.text(context.lang));
    }
    output::print(&context.output.changed_queue(&queue, is_new))
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
