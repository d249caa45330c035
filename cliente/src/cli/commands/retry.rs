//! `cliente retry`

use std::collections::{BTreeMap, BTreeSet};

use cliente::{Error, Submitted, SubmittedArray, TaskFilter};
use common::array_id;
use common::error_code::ErrorCode;
use common::exit;
use common::messages::Message as _;
use common::messages::client::ClientMessage;
use common::messages::client_arrays::ArrayMessage;
use common::proto::{Receipt, Task, TaskState};
use futures::stream::{self, StreamExt as _};
use indicatif::ProgressBar;

use super::super::Context;
use super::super::args::{self, Wait};
use super::super::failure::{self, Failure};
use super::super::output::{self, TaskView};
use super::super::terminal::say;
use super::wait::{self, Tally};
use super::{array, list, repetition};

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

/// What is refused, or done, as one.
enum Part {
    /// And whether that is to be the first time.
    Task(String, bool),
    /// What failed in it, the oldest first.
    Array(String, Vec<String>),
}

/// What does a part once more.
#[derive(Default)]
struct Done {
    array: Option<SubmittedArray>,
    /// Which tasks they do once more, and these.
    tasks: Vec<(String, Submitted)>,
    refused: Vec<Error>,
}

/// What is to be waited for.
#[derive(Default)]
struct Open {
    tasks: Vec<(String, Option<Receipt>)>,
    arrays: Vec<(String, Receipt)>,
}

/// One that cannot be repeated keeps none of the others from it; its refusal is the exit code.
pub async fn run(context: &Context, of: Of, options: &Wait) -> Result<u8, Failure> {
    let mut open = Open::default();
    let mut parts = match of {
        Of::These(ids) => {
            let mut parts = Vec::new();
            for id in ids {
                match array_id::is_array(&id) {
                    true => parts.extend(of_array(context, id, &mut open).await?),
                    false => parts.push(Part::Task(id, false)),
                }
            }
            parts
        }
        Of::Failed { queue, handler, code, group } => {
            args::check_code(code.as_deref())?;
            if let Some(group) = &group {
                context.client.group(group).await?;
            }
            let error_code = code.map(|code| code.to_uppercase());
            let filter = TaskFilter { queue, handler, error_code, group, ..TaskFilter::default() };
            failed(context, filter, &mut open).await?
        }
    };
    let (mut code, mut is_any) = (exit::OK, false);
    // What comes after others waits for what does these once more: they go first.
    while !parts.is_empty() {
        let before = parts.len();
        let done = stream::iter(parts)
            .map(|part| async { (again(context, &part).await, part) })
            .buffered(AT_ONCE);
        let done: Vec<_> = done.collect().await;
        parts = Vec::new();
        let is_early = |done: &Done| {
            let mut codes = done.refused.iter().map(|error| error.code);
            codes.any(|code| code == ErrorCode::DependencyNotRetried)
        };
        let stuck = done.iter().filter(|(done, _)| is_early(done)).count() == before;
        for (done, part) in done {
            if is_early(&done) && !stuck {
                parts.push(part);
                continue;
            }
            is_any |= tell(context, &done, (options, &mut open))?;
            for refusal in done.refused {
                code = refused(context, code, refusal)?;
            }
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

impl Open {
    fn is_empty(&self) -> bool {
        self.tasks.is_empty() && self.arrays.is_empty()
    }
}

async fn again(context: &Context, part: &Part) -> Done {
    let (of_array, ids) = match part {
        Part::Task(id, is_first) => {
            let again = one(context, id, *is_first).await;
            return Done::default().with(id, again);
        }
        Part::Array(array, ids) => (array, ids),
    };
    let mut done = Done::default();
    let mut is_left: Box<dyn Fn(u32) -> bool + Send> = Box::new(|_| true);
    if let Some(new) = cliente::retry_array_id(of_array) {
        match context.client.retry_array(of_array, new).await {
            Ok(again) => {
                let first = again.array.first;
                is_left = Box::new(move |number| number < first);
                done.array = Some(again);
            }
            Err(error) if error.code == ErrorCode::NotRetriable => {}
            Err(error) => {
                done.refused.push(error);
                return done;
            }
        }
    }
    let number = |id: &&String| array_id::of_task(id).is_none_or(|(_, number)| is_left(number));
    for id in ids.iter().filter(number) {
        done = done.with(id, one(context, id, true).await);
    }
    done
}

impl Done {
    fn with(mut self, of: &str, again: Result<Submitted, Error>) -> Self {
        match again {
            Ok(again) => self.tasks.push((of.to_owned(), again)),
            Err(refusal) => self.refused.push(refusal),
        }
        self
    }
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

/// What failed in the array, and of what did some of it once more the last that failed.
async fn of_array(context: &Context, id: String, open: &mut Open) -> Result<Vec<Part>, Failure> {
    let (mut parts, mut arrays) = (Vec::new(), vec![id]);
    while let Some(array) = arrays.pop() {
        let filter = TaskFilter { array_id: Some(array), ..TaskFilter::default() };
        let failures = Failures::list(context, filter).await?;
        let again = failures.repetitions(context, open).await?;
        for first in again {
            let last = repetition::last(context, first, |_| true).await?;
            if last.state() == TaskState::Failed {
                parts.push(Part::Task(last.task_id, true));
            }
        }
        arrays.extend(failures.arrays);
        parts.extend(in_parts(failures.left));
    }
    Ok(parts)
}

/// What failed and was not done once more yet, the oldest first. What was lost is none of it: nobody knows whether it was done.
/// What does others once more and is under way is to be waited for, too.
async fn failed(
    context: &Context,
    filter: TaskFilter,
    open: &mut Open,
) -> Result<Vec<Part>, Failure> {
    let failures = Failures::list(context, filter).await?;
    failures.repetitions(context, open).await?;
    Ok(in_parts(failures.left))
}

/// What failed, as it was listed once.
struct Failures {
    /// Not done once more yet, the oldest first.
    left: Vec<Task>,
    /// What did the others once more: tasks, and arrays.
    tasks: Vec<String>,
    arrays: Vec<String>,
}

impl Failures {
    async fn list(context: &Context, filter: TaskFilter) -> Result<Self, Failure> {
        let filter = TaskFilter { states: vec![TaskState::Failed], ..filter };
        let all = list::all(context, &filter).await?;
        let (again, left): (Vec<_>, Vec<_>) =
            all.into_iter().rev().partition(|task| !task.retried_as.is_empty());
        let again: BTreeSet<_> = again.into_iter().map(|task| task.retried_as).collect();
        let (arrays, tasks) = again.into_iter().partition(|id| array_id::is_array(id));
        Ok(Self { left, tasks, arrays })
    }

    /// The tasks that did some once more; what is under way of those and of the arrays is to be waited for, too.
    async fn repetitions(&self, context: &Context, open: &mut Open) -> Result<Vec<Task>, Failure> {
        let mut known = context.client.tasks(&self.tasks).await?;
        let unfinished = known.values().filter(|task| !cliente::is_final(task.state()));
        open.tasks.extend(unfinished.map(|task| (task.task_id.clone(), None)));
        for id in &self.arrays {
            let (array, receipt) = context.client.array(id).await?;
            if !cliente::is_final(array.state()) {
                open.arrays.push((id.clone(), receipt));
            }
        }
        Ok(self.tasks.iter().filter_map(|id| known.remove(id)).collect())
    }
}

/// Those of an array together, where the first of them is.
fn in_parts(tasks: Vec<Task>) -> Vec<Part> {
    let (mut parts, mut places) = (Vec::new(), BTreeMap::new());
    for Task { task_id, .. } in tasks {
        let Some((array, _)) = array_id::of_task(&task_id) else {
            parts.push(Part::Task(task_id, true));
            continue;
        };
        let place = *places.entry(array.clone()).or_insert(parts.len());
        match parts.get_mut(place) {
            Some(Part::Array(_, ids)) => ids.push(task_id),
            _ => parts.push(Part::Array(array, vec![task_id])),
        }
    }
    parts
}

/// Whether anything is new of it.
fn tell(
    context: &Context,
    done: &Done,
    (options, open): (&Wait, &mut Open),
) -> Result<bool, Failure> {
    let is_quiet = options.wait && context.is_json;
    for (of, done) in &done.tasks {
        if !context.is_json {
            let task = done.task.task_id.clone();
            let (of, durability) = (array_id::shown(of), done.receipt.durability());
            say(&ClientMessage::Retried { of, task, durability }.text(context.lang));
        }
        if !is_quiet {
            let view = TaskView::without_result(done.task.clone(), Some(done.receipt));
            output::print(&context.output.accepted(&[view]))?;
        }
        open.tasks.push((done.task.task_id.clone(), Some(done.receipt)));
    }
    if let Some(SubmittedArray { array, existed, receipt }) = &done.array {
        if !context.is_json {
            let (array, tasks) = (array.array_id.clone(), array.count);
            let (durability, existed) = (receipt.durability(), *existed);
            let accepted = ArrayMessage::Accepted { array, tasks, durability, existed };
            say(&accepted.text(context.lang));
        }
        if !is_quiet {
            output::print(&context.output.accepted_array(array, receipt))?;
        }
        open.arrays.push((array.array_id.clone(), *receipt));
    }
    Ok(!done.tasks.is_empty() || done.array.is_some())
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
    let ids: Vec<_> = open.tasks.iter().map(|(id, _)| id.clone()).collect();
    let receipts: std::collections::HashMap<_, _> = open.tasks.into_iter().collect();
    let show = |update: common::proto::TaskUpdate| {
        let id = update.task.as_ref().map(|task| &task.task_id);
        let receipt = id.and_then(|id| receipts.get(id).copied()).flatten();
        wait::show_change(context, update, receipt)
    };
    let finished = async {
        let mut tally = match ids.is_empty() {
            true => Tally::default(),
            false => wait::until_finished(context, ids, show).await?,
        };
        for (array_id, receipt) in &open.arrays {
            let look = (&ProgressBar::hidden(), false);
            let array = array::until_ended(context, array_id, look).await?;
            output::print(&context.output.array(&array, receipt))?;
            tally.add(&Tally::of_array(&array));
        }
        Ok(tally)
    };
    let tally = wait::within(options.wait_timeout, finished).await?;
    if !context.is_json {
        say(&tally.summary().text(context.lang));
    }
    Ok(tally.exit_code())
}
