//! `cliente logs`

use std::pin::pin;

use cliente::is_final;
use common::exit;
use common::messages::Message as _;
use common::messages::client::ClientMessage;
use common::proto::TaskState;
use futures::StreamExt as _;

use super::super::Context;
use super::super::failure::Failure;
use super::super::output::{self, TaskView};
use super::super::terminal::say;
use super::live::Live;

/// What the task has said, and with `follow` what it says until it is finished.
pub async fn run(context: &Context, task_id: &str, follow: bool) -> Result<u8, Failure> {
    let mut parts = pin!(context.client.follow_output(task_id));
    let mut live = Live::new(context);
    while let Some(part) = parts.next().await {
        let part = part?;
        live.part(&part)?;
        let Some(task) = part.task else { continue };
        if is_final(task.state()) {
            live.rest(&task, &part.result).await?;
            if context.is_json {
                output::print(&context.output.task(&TaskView::without_result(task, None)))?;
            } else if task.state() != TaskState::Succeeded {
                let (task, state, worker) = (task.task_id.clone(), task.state(), task.worker_id);
                say(&ClientMessage::Ended { task, state, worker }.text(context.lang));
            }
            break;
        }
        if !follow {
            let (task, state) = (task.task_id.clone(), task.state());
            if !live.has_printed() && !context.is_json {
                say(&ClientMessage::NothingSaid { task, state }.text(context.lang));
            }
            break;
        }
    }
    Ok(exit::OK)
}
