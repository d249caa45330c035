//! `cliente retry`

use cliente::{Error, Submitted};
use common::error_code::ErrorCode;
use common::exit;
use common::messages::Message as _;
use common::messages::client::ClientMessage;
use common::proto::{Receipt, Task, TaskState};
use futures::stream::{self, StreamExt as _};

use super::super::Context;
use super::super::args::Wait;
use super::super::failure::{self, Failure};
use super::super::output::{self, TaskView};
use super::super::terminal::say;
use super::{array, wait};

/// Tasks asked for at once.
const PAGE: u32 = 1_000;
/// Tasks submitted at once.
const AT_ONCE: usize = 64;

/// `task_ids`: `None` for all that failed and were not done once more yet; those that are under way by then are
/// waited for too. One that cannot be repeated keeps none of the others from it; its refusal is the exit code.
pub async fn run(
    context: &Context,
    task_ids: Option<Vec<String>>,
    options: &Wait,
) -> Result<u8, Failure> {
    let is_all = task_ids.is_none();
    let of = match task_ids {
        Some(ids) => ids,
        None => failed(context).await?,
    };
    for id in &of {
        array::check_task(id)?;
    }
    let retried = stream::iter(of).map(|id| async { (one(context, &id, is_all).await, id) });
    let mut retried = retried.buffered(AT_ONCE);
    let (mut code, mut open, mut is_any) = (exit::OK, Vec::new(), false);
    while let Some((done, of)) = retried.next().await {
        match done {
            Ok(Submitted { existed: true, task, receipt }) => {
                if !cliente::is_final(task.state()) {
                    open.push((task.task_id, receipt));
                }
            }
            Ok(done) => {
                is_any = true;
                tell(context, &of, &done);
                let id = done.task.task_id.clone();
                if !(options.wait && context.is_json) {
                    let view = TaskView::without_result(done.task, Some(done.receipt));
                    output::print(&context.output.accepted(&[view]))?;
                }
                open.push((id, done.receipt));
            }
            Err(refusal) => code = refused(context, code, refusal)?,
        }
    }
    if !is_any && code == exit::OK && !context.is_json {
        say(&ClientMessage::NothingToRetry.text(context.lang));
    }
    if !options.wait || open.is_empty() {
        return Ok(code);
    }
    let ended = wait_for(context, open, options).await?;
    Ok(if code == exit::OK { ended } else { code })
}

/// `existed`: it was done once more earlier, which is enough where all are. Whoever names a task gets another one
/// then. That is asked before: a submission that had to be repeated, in a failover, is not known from one of earlier.
async fn one(context: &Context, id: &str, is_all: bool) -> Result<Submitted, Error> {
    let first = cliente::retry_id(id);
    let new = match context.client.task(&first).await {
        Ok((task, receipt)) if is_all => return Ok(Submitted { task, receipt, existed: true }),
        Ok(_) => cliente::new_task_id(),
        Err(error) if error.code == ErrorCode::TaskNotFound => first,
        Err(error) => return Err(error),
    };
    let done = context.client.retry(id, new).await?;
    Ok(Submitted { existed: false, ..done })
}

/// The oldest first. What came after something that failed is none of them: it would not wait for that now. Nor
/// is what was lost: nobody knows whether it was done.
async fn failed(context: &Context) -> Result<Vec<String>, Failure> {
    let states = [TaskState::Failed];
    let (mut ids, mut token) = (Vec::new(), String::new());
    loop {
        let (tasks, next, _) = context.client.list(&states, PAGE, &token).await?;
        let is_own =
            |task: &Task| task.error.as_ref().is_none_or(|error| error.code != "DEPENDENCY_FAILED");
        ids.extend(tasks.into_iter().filter(is_own).map(|task| task.task_id));
        if next.is_empty() {
            ids.reverse();
            return Ok(ids);
        }
        token = next;
    }
}

fn tell(context: &Context, of: &str, done: &Submitted) {
    if !context.is_json {
        let task = done.task.task_id.clone();
        let durability = done.receipt.durability();
        let message = ClientMessage::Retried { of: of.to_owned(), task, durability };
        say(&message.text(context.lang));
    }
}

fn refused(context: &Context, code: u8, refusal: Error) -> Result<u8, Failure> {
    let its = failure::refused(refusal.code);
    if its == exit::UNAVAILABLE {
        return Err(refusal.into());
    }
    Failure::from(refusal).tell(context.is_json, context.lang);
    Ok(if code == exit::OK { its } else { code })
}

async fn wait_for(
    context: &Context,
    open: Vec<(String, Receipt)>,
    options: &Wait,
) -> Result<u8, Failure> {
    let ids = open.iter().map(|(id, _)| id.clone()).collect();
    let receipts: std::collections::HashMap<_, _> = open.into_iter().collect();
    let show = |update: common::proto::TaskUpdate| {
        let id = update.task.as_ref().map(|task| &task.task_id);
        let receipt = id.and_then(|id| receipts.get(id).copied());
        wait::show_change(context, update, receipt)
    };
    let finished = wait::until_finished(context, ids, show);
    let tally = wait::within(options.wait_timeout, finished).await?;
    if !context.is_json {
        say(&tally.summary().text(context.lang));
    }
    Ok(tally.exit_code())
}
