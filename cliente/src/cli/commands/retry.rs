//! `cliente retry`

use cliente::{Error, Submitted, TaskFilter};
use common::array_id;
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
use super::{list, wait};

/// Tasks submitted at once.
const AT_ONCE: usize = 64;

/// What is done once more.
pub enum Of {
    /// Tasks, and arrays: of each of these all that failed in it and was not done once more yet.
    These(Vec<String>),
    /// All that failed and were not done once more yet; those that are under way by then are waited for too.
    Failed {
        queue: Option<String>,
        handler: Option<String>,
        code: Option<String>,
        group: Option<String>,
    },
}

/// What is to be repeated, and whether that is to be the first time; and what repeats some of it already.
type Chosen = (Vec<(String, bool)>, Open);

/// One that cannot be repeated keeps none of the others from it; its refusal is the exit code.
pub async fn run(context: &Context, of: Of, options: &Wait) -> Result<u8, Failure> {
    let (of, mut open) = match of {
        Of::These(ids) => these(context, ids).await?,
        Of::Failed { queue, handler, code: error_code, group } => {
            let filter = TaskFilter { queue, handler, error_code, group, ..TaskFilter::default() };
            not_retried(context, failed(context, filter).await?).await?
        }
    };
    let retried = stream::iter(of)
        .map(|(id, is_first)| async move { (one(context, &id, is_first).await, id) });
    let mut retried = retried.buffered(AT_ONCE);
    let (mut code, mut is_any) = (exit::OK, false);
    while let Some((done, of)) = retried.next().await {
        match done {
            Ok(done) => {
                is_any = true;
                tell(context, &of, &done);
                let id = done.task.task_id.clone();
                if !(options.wait && context.is_json) {
                    let view = TaskView::without_result(done.task, Some(done.receipt));
                    output::print(&context.output.accepted(&[view]))?;
                }
                open.push((id, Some(done.receipt)));
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

/// Whoever names a task gets another one if it was done once more earlier. That is asked before: a submission that
/// had to be repeated, in a failover, is not known from one of earlier.
async fn one(context: &Context, id: &str, is_first: bool) -> Result<Submitted, Error> {
    let first = cliente::retry_id(id);
    if is_first {
        return context.client.retry(id, first).await;
    }
    let new = match context.client.task(&first).await {
        Ok(_) => cliente::new_task_id(),
        Err(error) if error.code == ErrorCode::TaskNotFound => first,
        Err(error) => return Err(error),
    };
    context.client.retry(id, new).await
}

async fn these(context: &Context, ids: Vec<String>) -> Result<Chosen, Failure> {
    let (mut all, mut open) = (Vec::new(), Open::new());
    for id in ids {
        if !array_id::is_array(&id) {
            all.push((id, false));
            continue;
        }
        let filter = TaskFilter { array_id: Some(id), ..TaskFilter::default() };
        let of_array = failed(context, filter).await?;
        let (not_yet, under_way) = not_retried(context, of_array).await?;
        all.extend(not_yet);
        open.extend(under_way);
    }
    Ok((all, open))
}

/// The oldest first. What came after something that failed is none of them: it would not wait for that now. Nor
/// is what was lost: nobody knows whether it was done.
async fn failed(context: &Context, filter: TaskFilter) -> Result<Vec<String>, Failure> {
    let filter = TaskFilter { states: vec![TaskState::Failed], ..filter };
    let tasks = list::all(context, &filter).await?;
    let is_own =
        |task: &Task| task.error.as_ref().is_none_or(|error| error.code != "DEPENDENCY_FAILED");
    Ok(tasks.into_iter().rev().filter(is_own).map(|task| task.task_id).collect())
}

type Open = Vec<(String, Option<Receipt>)>;

/// Those of them that were not done once more yet, and what is under way of the others.
async fn not_retried(context: &Context, mut failed: Vec<String>) -> Result<Chosen, Failure> {
    let first: Vec<_> = failed.iter().map(|id| cliente::retry_id(id)).collect();
    let known = context.client.tasks(&first).await?;
    failed.retain(|id| !known.contains_key(&cliente::retry_id(id)));
    let is_open = |id: &String| known.get(id).is_some_and(|task| !cliente::is_final(task.state()));
    let open = first.into_iter().filter(is_open).map(|id| (id, None)).collect();
    Ok((failed.into_iter().map(|id| (id, true)).collect(), open))
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

async fn wait_for(context: &Context, open: Open, options: &Wait) -> Result<u8, Failure> {
    let ids = open.iter().map(|(id, _)| id.clone()).collect();
    let receipts: std::collections::HashMap<_, _> = open.into_iter().collect();
    let show = |update: common::proto::TaskUpdate| {
        let id = update.task.as_ref().map(|task| &task.task_id);
        let receipt = id.and_then(|id| receipts.get(id).copied()).flatten();
        wait::show_change(context, update, receipt)
    };
    let finished = wait::until_finished(context, ids, show);
    let tally = wait::within(options.wait_timeout, finished).await?;
    if !context.is_json {
        say(&tally.summary().text(context.lang));
    }
    Ok(tally.exit_code())
}
