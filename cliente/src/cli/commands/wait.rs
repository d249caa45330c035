//! Waiting for tasks, with a bar for people.

use std::collections::HashSet;
use std::io::IsTerminal as _;
use std::pin::pin;
use std::time::Duration;

use cliente::Produced;
use common::array_id;
use common::exit;
use common::messages::Message as _;
use common::messages::client::ClientMessage;
use common::messages::words::PendingReason;
use common::proto::{Array, Group, Receipt, TaskState, TaskUpdate};
use futures::StreamExt as _;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::super::Context;
use super::super::failure::Failure;
use super::super::output::{self, TaskView};
use super::super::report;
use super::super::terminal::{self, BeforeEnd, say};
use super::array;

/// After this long a task that nobody can run is worth a word.
pub const PATIENCE: Duration = Duration::from_secs(2);
/// From this many on, a bar.
const MANY: usize = 4;

/// What tasks came to.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Tally {
    succeeded: u64,
    failed: u64,
    cancelled: u64,
    lost: u64,
    not_found: u64,
}

impl Tally {
    /// Where all that failed of it has succeeded since, all of it has.
    pub fn of_array(array: &Array) -> Self {
        if array.state() == TaskState::Succeeded {
            return Self { succeeded: array.count.into(), ..Self::default() };
        }
        Self {
            succeeded: array.succeeded.into(),
            failed: array.failed.into(),
            cancelled: array.cancelled.into(),
            lost: array.lost.into(),
            not_found: 0,
        }
    }

    pub fn of_group(group: &Group) -> Self {
        let Group { succeeded, failed, cancelled, lost, .. } = *group;
        Self { succeeded, failed, cancelled, lost, not_found: 0 }
    }

    pub fn count(&mut self, update: &TaskUpdate) {
        let state = update.task.as_ref().map_or(TaskState::Unspecified, |task| task.state());
        match state {
            _ if update.not_found => self.not_found += 1,
            TaskState::Succeeded => self.succeeded += 1,
            TaskState::Failed => self.failed += 1,
            TaskState::Cancelled => self.cancelled += 1,
            TaskState::Lost => self.lost += 1,
            TaskState::Queued | TaskState::Running | TaskState::Unspecified => {}
        }
    }

    pub fn add(&mut self, other: &Self) {
        self.succeeded += other.succeeded;
        self.failed += other.failed;
        self.cancelled += other.cancelled;
        self.lost += other.lost;
        self.not_found += other.not_found;
    }

    /// So many more.
    pub fn cancelled(&mut self, tasks: u64) {
        self.cancelled += tasks;
    }

    /// The exit code of the work.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self { failed: 0, cancelled: 0, lost: 0, not_found: 0, .. } => exit::OK,
            Self { failed: 0, cancelled: 0, lost: 0, .. } => exit::NOT_FOUND,
            Self { .. } => exit::TASK_FAILED,
        }
    }

    pub fn summary(&self) -> ClientMessage {
        let Self { succeeded, failed, cancelled, lost, not_found } = *self;
        ClientMessage::Summary { succeeded, failed, cancelled, lost, not_found }
    }
}

/// `cliente wait`: until all of these tasks and arrays are finished.
pub async fn run(context: &Context, ids: Vec<String>) -> Result<u8, Failure> {
    let (arrays, tasks): (Vec<_>, Vec<_>) = ids.into_iter().partition(|id| array_id::is_array(id));
    let mut tally = Tally::default();
    if !tasks.is_empty() {
        let show = |update| show_change(context, update, None);
        tally = until_finished(context, tasks, show).await?;
    }
    for id in arrays {
        array::until_ended(context, &id, (&ProgressBar::hidden(), true)).await?;
        let (ended, receipt) = context.client.array(&id).await?;
        output::print(&context.output.array(&ended, &receipt))?;
        tally.add(&Tally::of_array(&ended));
    }
    if !context.is_json {
        say(&tally.summary().text(context.lang));
    }
    Ok(tally.exit_code())
}

/// Gives each task to `show` when it is finished.
pub async fn until_finished(
    context: &Context,
    ids: Vec<String>,
    mut show: impl FnMut(TaskUpdate) -> Result<(), Failure>,
) -> Result<Tally, Failure> {
    let bar = bar(ids.len());
    let mut open: HashSet<String> = ids.iter().cloned().collect();
    let mut updates = pin!(context.client.wait_many(ids, true));
    let mut stuck = pin!(tokio::time::sleep(PATIENCE));
    let mut tally = Tally::default();
    let mut is_told = false;
    let _until_it_ends = tell_if_interrupted(context);
    loop {
        tokio::select! {
            update = updates.next() => {
                let Some(update) = update else { break };
                let update = update?;
                tally.count(&update);
                bar.inc(1);
                if let Some(task) = &update.task {
                    open.remove(&task.task_id);
                }
                bar.suspend(|| show(update))?;
            }
            () = &mut stuck, if !is_told && !context.is_json => {
                is_told = true;
                if let Some(id) = open.iter().next() {
                    say_why_pending(context, id).await;
                }
            }
        }
    }
    bar.finish_and_clear();
    Ok(tally)
}

/// One of many that was waited for. `receipt`: of its submission.
pub fn show_change(
    context: &Context,
    update: TaskUpdate,
    receipt: Option<Receipt>,
) -> Result<(), Failure> {
    let Some(task) = update.task else { return Ok(()) };
    let result = Produced::read(update.result, update.result_blob.as_deref())?;
    let view = TaskView::new(task, result, receipt);
    output::print(&context.output.change(&view))?;
    report::say_failure(context, &view);
    Ok(())
}

/// Ctrl+C ends the wait, and nothing else.
pub fn tell_if_interrupted(context: &Context) -> Option<BeforeEnd> {
    let text = ClientMessage::WaitTimedOut.text(context.lang);
    (!context.is_json).then(|| terminal::before_end(async move { say(&text) }))
}

/// Ends a wait that takes too long, or with the client. The work goes on.
pub async fn within<T>(
    limit: Option<Duration>,
    wait: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let too_long = async {
        match limit {
            Some(limit) => tokio::time::sleep(limit).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        biased;
        done = wait => done,
        code = terminal::signalled() => Err(Failure::Signalled(code)),
        () = too_long => Err(Failure::TimedOut(Box::new(ClientMessage::WaitTimedOut))),
    }
}

pub fn bar(total: usize) -> ProgressBar {
    if total < MANY || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len}  {elapsed}");
    ProgressBar::with_draw_target(Some(total as u64), ProgressDrawTarget::stderr())
        .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

/// Best effort: the wait itself goes on.
pub async fn say_why_pending(context: &Context, id: &str) {
    match context.client.task(id).await {
        Ok((task, _)) => {
            let reason = PendingReason::from(task.pending_reason.as_str());
            let is_worth_a_word = matches!(
                reason,
                PendingReason::NoWorker
                    | PendingReason::NoWorkerForHandler
                    | PendingReason::NoWorkerForNeeds
                    | PendingReason::QueuePaused
                    | PendingReason::QueueLimit
                    | PendingReason::UserLimit
                    | PendingReason::Suspect
                    | PendingReason::Dependencies
            );
            if is_worth_a_word {
                let handler = task.handler;
                say(&ClientMessage::Pending { handler, reason }.text(context.lang));
            }
        }
        Err(error) => tracing::debug!(%error, "failed to ask why a task waits"),
    }
}
