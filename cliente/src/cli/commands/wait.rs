//! Waiting for tasks, with a bar for people.

use std::collections::HashMap;
use std::io::IsTerminal as _;
use std::time::Duration;

use common::exit;
use common::messages::Message as _;
use common::messages::client::ClientMessage;
use common::proto::{Receipt, TaskState, TaskUpdate};
use futures::StreamExt as _;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::super::Context;
use super::super::failure::Failure;
use super::super::output::{Output, Shown};

/// After this long a task that nobody can run is worth a word.
const PATIENCE: Duration = Duration::from_secs(2);
/// From this many on, a bar.
const MANY: usize = 4;

/// Shows each task when it is finished. The exit code is that of the work.
pub async fn finish(
    context: &Context,
    ids: Vec<String>,
    receipts: &HashMap<String, Receipt>,
) -> Result<u8, Failure> {
    let bar = bar(ids.len());
    let first = ids.first().cloned();
    let mut updates = std::pin::pin!(context.client.wait_many(ids, true));
    let mut stuck = std::pin::pin!(tokio::time::sleep(PATIENCE));
    let (mut failed, mut some_done, mut told) = (false, false, false);
    loop {
        tokio::select! {
            update = updates.next() => {
                let Some(update) = update else { break };
                let update = update?;
                some_done = true;
                bar.inc(1);
                failed |= !succeeded(&update);
                bar.suspend(|| show(context.output, &update, receipts))?;
            }
            () = &mut stuck, if !told => {
                told = true;
                if !some_done && let Some(id) = &first {
                    say_why_pending(context, id).await;
                }
            }
        }
    }
    bar.finish_and_clear();
    Ok(if failed { exit::TASK_FAILED } else { exit::OK })
}

fn bar(total: usize) -> ProgressBar {
    if total < MANY || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len}  {per_sec}  {elapsed}");
    ProgressBar::with_draw_target(Some(total as u64), ProgressDrawTarget::stderr())
        .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

fn succeeded(update: &TaskUpdate) -> bool {
    update.task.as_ref().is_some_and(|task| task.state() == TaskState::Succeeded)
}

/// With the receipt of its submission, where that is known.
fn show(
    output: Output,
    update: &TaskUpdate,
    receipts: &HashMap<String, Receipt>,
) -> Result<(), Failure> {
    match &update.task {
        Some(task) => {
            let receipt = receipts.get(&task.task_id);
            output.task(&Shown { task, result: Some(&update.result), receipt })
        }
        None => Ok(()),
    }
}

/// Best effort: the wait itself goes on.
async fn say_why_pending(context: &Context, id: &str) {
    match context.client.task(id).await {
        Ok((task, _)) if !task.pending_reason.is_empty() && task.pending_reason != "ALL_BUSY" => {
            let why = ClientMessage::Pending { handler: task.handler, reason: task.pending_reason };
            eprintln!("{}", why.text(context.lang));
        }
        Ok(_) => {}
        Err(error) => tracing::debug!(%error, "failed to ask why a task waits"),
    }
}

/// `cliente watch`: every change of these tasks until they are finished; without any, of all tasks from now
/// on.
pub async fn watch(context: &Context, ids: Vec<String>) -> Result<u8, Failure> {
    if ids.is_empty() {
        let mut updates = std::pin::pin!(context.client.watch_all(true));
        while let Some(update) = updates.next().await {
            show(context.output, &update?, &HashMap::new())?;
        }
        return Ok(exit::OK);
    }
    let mut updates = std::pin::pin!(context.client.watch(ids, true));
    let mut last: HashMap<String, (i32, u32)> = HashMap::new();
    let mut failed = false;
    while let Some(update) = updates.next().await {
        let update = update?;
        let Some(task) = &update.task else { continue };
        if update.not_found {
            let code = common::error_code::ErrorCode::TaskNotFound;
            eprintln!("{}", common::messages::error::text(code, &task.task_id, context.lang));
            failed = true;
            continue;
        }
        // After a failover the present state comes again.
        let state = (task.state, task.attempt);
        if last.insert(task.task_id.clone(), state) != Some(state) {
            show(context.output, &update, &HashMap::new())?;
        }
        failed |= matches!(task.state(), TaskState::Failed | TaskState::Cancelled);
    }
    Ok(if failed { exit::TASK_FAILED } else { exit::OK })
}
