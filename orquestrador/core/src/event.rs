//! What happened. Journalled and replicated; [`Machine::apply`](crate::Machine::apply) is their only reader.

use std::ops::Range;
use std::sync::Arc;

use crate::command::{Condition, Delivery, Failure, Role};
use crate::effect::TaskState;
use crate::ids::{
    ArrayId, Attempt, Blob, BlobRef, GroupName, HandlerName, KeyName, ProcessId, QueueName,
    ScheduleName, TaskId, Timestamp, TokenName, UserName, WorkerId,
};
use crate::needs::Needs;
use crate::quota::Quota;
use crate::schedule::Schedule;
use crate::settings::QueueSettings;
pub use crate::state::groups::Past;
use crate::terms::{Expiry, Origin, Terms};
use crate::trace::TraceContext;
use crate::webhook::{Owed, Settled};

/// The failure code of a task that was to come after one that did not succeed.
pub const DEPENDENCY_FAILED: &str = "DEPENDENCY_FAILED";

/// A fact. Records the decision, so that changing a policy never changes history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    TaskSubmitted {
        task: TaskId,
        owner: UserName,
        handler: HandlerName,
        payload: Blob,
        terms: Arc<Terms>,
        at: Timestamp,
    },
    /// Tasks that differ by their number alone; each begins without another event of its submission.
    ArraySubmitted {
        array: ArrayId,
        owner: UserName,
        handler: HandlerName,
        payload: Blob,
        terms: Arc<Terms>,
        /// The first one's number.
        first: u32,
        count: u32,
        /// Places of tasks that are cancelled from the beginning.
        without: Vec<Range<u32>>,
        at: Timestamp,
    },
    /// Of an array, the tasks that have no record are cancelled; they never get one.
    ArrayCancelled {
        array: ArrayId,
        at: Timestamp,
    },
    /// Of an array, the tasks that have no record fail; they never get one. Its front follows by an event of its own.
    ArrayFailed {
        array: ArrayId,
        failure: ArrayFailure,
        at: Timestamp,
    },
    TaskAssigned {
        task: TaskId,
        attempt: Attempt,
        worker: WorkerId,
        at: Timestamp,
    },
    TaskSucceeded {
        task: TaskId,
        attempt: Attempt,
        result: Blob,
        at: Timestamp,
    },
    TaskFailed {
        task: TaskId,
        attempt: Attempt,
        failure: Failure,
        at: Timestamp,
    },
    TaskCancelled {
        task: TaskId,
        at: Timestamp,
    },
    /// The attempt is lost; the task waits for another.
    TaskRequeued {
        task: TaskId,
        attempt: Attempt,
        at: Timestamp,
    },
    /// The attempt failed, and the task may be tried again: it waits until a moment, or in its queue if that is no later
    /// than `at`.
    TaskRetried {
        task: TaskId,
        attempt: Attempt,
        /// Of its attempts so far, this one included.
        failed: u16,
        until: Timestamp,
        /// Of the failure.
        code: String,
        message: String,
        at: Timestamp,
    },
    /// The task, which has just been submitted, waits until a moment before its first attempt. Of an array the front is named:
    /// all that stands behind it waits with it. So it is with [`Event::TaskBlocked`].
    TaskDelayed {
        task: TaskId,
        until: Timestamp,
        at: Timestamp,
    },
    /// What the task waited for has come; it waits in its queue.
    TaskDue {
        task: TaskId,
        at: Timestamp,
    },
    /// The worker gives the attempt back; the task waits for another.
    TaskReturned {
        task: TaskId,
        attempt: Attempt,
        /// Of its attempts so far, this one included: they do not count as lost.
        returned: u16,
        /// It was started, and stopped because the worker ends.
        begun: bool,
        at: Timestamp,
    },
    /// The attempt is lost, and the task was to be started once at most: this is its end.
    TaskLost {
        task: TaskId,
        attempt: Attempt,
        cause: LossCause,
        at: Timestamp,
    },
    /// The task is out of time, whether it waits or runs: it fails. A running attempt holds its slot until it has ended.
    TaskExpired {
        task: TaskId,
        expiry: Expiry,
        at: Timestamp,
    },
    /// The task, which has just been submitted, waits for others.
    TaskBlocked {
        task: TaskId,
        blockage: Blockage,
        at: Timestamp,
    },
    /// What the task waited for is as it must be; it waits in its queue.
    TaskReleased {
        task: TaskId,
        at: Timestamp,
    },
    /// The task was to come after one that did not succeed: it fails.
    /// `after`: all that it came after and that had not succeeded by then; empty in journals of earlier builds.
    TaskSkipped {
        task: TaskId,
        because: TaskId,
        after: Vec<TaskId>,
        at: Timestamp,
    },
    /// The task, or array, takes files of these, which retention keeps until it has ended.
    SourcesTaken {
        task: TaskId,
        of: Vec<TaskId>,
    },
    /// The task, or array, which was submitted just now, belongs to this trace as long as it is not finished.
    TaskTraced {
        task: TaskId,
        trace: TraceContext,
    },
    /// The task, which failed or was lost, is done once more by another one. Of an array: those of its tasks that failed with
    /// it before their turn, its last record among them, by another array.
    TaskRepeated {
        task: TaskId,
        by: TaskId,
    },
    /// The task, which was submitted just now, holds a key of its owner; in the place of the one that held it before. In
    /// snapshots the task may no longer be known.
    TaskKeyed {
        task: TaskId,
        owner: UserName,
        key: KeyName,
        /// Of the task.
        fingerprint: u64,
        until: Timestamp,
    },
    /// Nothing holds these keys any more.
    KeysReleased {
        keys: Vec<(UserName, KeyName)>,
    },
    /// What the last attempt had said of a task that ended with its worker, or was cancelled.
    OutputKept {
        task: TaskId,
        output: Blob,
    },
    /// The task refers to these blobs, which stay as long as it is known: its input from its submission on, its output
    /// from its end on.
    BlobsReferred {
        task: TaskId,
        blobs: Vec<BlobRef>,
    },
    /// The receiver of a task's report has it.
    WebhookDelivered {
        task: TaskId,
        at: Timestamp,
    },
    /// An attempt to tell it failed; the next one comes not before a moment.
    WebhookDelayed {
        task: TaskId,
        /// Attempts that failed so far, this one included.
        tries: u16,
        until: Timestamp,
        error: String,
        at: Timestamp,
    },
    /// An attempt to tell it failed, and there will be no other.
    WebhookGivenUp {
        task: TaskId,
        error: String,
        /// `None`: nothing of it is kept, as it was once.
        kept: Option<Kept>,
        at: Timestamp,
    },
    /// A report that is owed. It is decided of the rest of an array, which ended just before; of a task it follows from that
    /// one's end, and is only found in a history, whether the task is known or not. So are those that were given up.
    WebhookOwed(Arc<Owed>),
    /// Somebody wants these told at once; what was given up is tried from the beginning.
    WebhooksRetried {
        tasks: Vec<TaskId>,
        at: Timestamp,
    },
    /// Finished tasks that retention forgets.
    TasksPruned {
        tasks: Vec<TaskId>,
    },
    WorkerRegistered {
        worker: WorkerId,
        incarnation: ProcessId,
        slots: u32,
        handlers: Vec<HandlerName>,
        labels: Vec<(String, String)>,
        /// What it has a number of; sorted by name.
        resources: Vec<(String, u64)>,
        at: Timestamp,
    },
    /// Handlers that a worker offered for the first time ever: a task for any other is refused.
    HandlersLearned {
        handlers: Vec<HandlerName>,
    },
    /// Its attempts follow as [`Event::TaskRequeued`], [`Event::TaskLost`] or [`Event::TaskFailed`].
    WorkerLost {
        worker: WorkerId,
        incarnation: ProcessId,
        at: Timestamp,
    },
    /// A cancelled attempt no longer holds its slot.
    AttemptEnded {
        task: TaskId,
        attempt: Attempt,
        worker: WorkerId,
    },
    /// A finished task, as a snapshot holds it. Never decided, only found in a history.
    TaskRestored(Box<RestoredTask>),
    /// An array of which tasks may have begun, as a snapshot holds it; these follow as if they were tasks of their
    /// own. Never decided, only found in a history.
    ArrayRestored(Box<RestoredArray>),
    /// What a snapshot holds of a group beside its tasks, after these. Never decided, only found in a history.
    GroupRestored(Box<RestoredGroup>),
    /// The place in the order of ends of the next task that ends, where no task tells it. Never decided, only found in a
    /// history.
    OrderRestored {
        next: u64,
    },
    /// What an administrator decided about a queue; the default is forgotten with its last task.
    QueueChanged {
        queue: QueueName,
        settings: QueueSettings,
        at: Timestamp,
    },
    /// What an administrator allows a user, or all users that have no quota of their own.
    QuotaChanged {
        /// `None`: all the others.
        user: Option<UserName>,
        /// `None`: no longer a quota of their own; of all the others, none at all.
        quota: Option<Quota>,
        at: Timestamp,
    },
    /// There is such a schedule from now on; in the place of one of the same name, if there was any.
    ScheduleSet {
        owner: UserName,
        name: ScheduleName,
        schedule: Arc<Schedule>,
        paused: bool,
        /// When its name was first set.
        created: Timestamp,
        /// When it is due; `None`: never again.
        next: Option<Timestamp>,
        at: Timestamp,
    },
    /// What became of a firing, and when the next one is due. The task that was made was submitted just before; in snapshots
    /// it may no longer be known.
    ScheduleFired {
        owner: UserName,
        name: ScheduleName,
        due: Timestamp,
        firing: Firing,
        next: Option<Timestamp>,
        at: Timestamp,
    },
    ScheduleRemoved {
        owner: UserName,
        name: ScheduleName,
        at: Timestamp,
    },
    /// Whoever is known gets another main token and role, and keeps the other tokens.
    UserAdded {
        user: UserName,
        /// Of the main token; empty: none, in snapshots alone.
        token_hash: Arc<str>,
        role: Role,
        at: Timestamp,
    },
    UserRemoved {
        user: UserName,
    },
    /// In the place of one of this name.
    TokenIssued {
        user: UserName,
        name: TokenName,
        hash: Arc<str>,
        expires_at: Option<Timestamp>,
        at: Timestamp,
    },
    TokenRevoked {
        user: UserName,
        name: TokenName,
    },
}

/// A report that was given up is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The one in whose place it is, because no more may be kept.
    pub instead_of: Option<TaskId>,
}

/// What became of a firing of a schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Firing {
    /// It made this task.
    Made(TaskId),
    /// Somebody wanted it now: it made this task, and those that are due stay so.
    ByHand(TaskId),
    /// It was missed, and so were those between it and the next one: nothing is made of them.
    Missed,
    /// The task of the firing before had not ended: nothing is made of it.
    Overlapped,
    /// Its task could not be accepted: it stays due, and is tried again.
    Refused { why: String },
}

/// What a task waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blockage {
    /// Tasks and arrays, all of which are known; those that have ended do no harm.
    pub after: Vec<TaskId>,
    pub condition: Condition,
    /// One that did not succeed; only in snapshots, where it may no longer be known.
    pub failed: Option<TaskId>,
}

/// A finished task whose payload is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestoredTask {
    pub task: TaskId,
    pub owner: UserName,
    pub handler: HandlerName,
    /// What a repeated submission is compared with.
    pub fingerprint: u64,
    /// 0 when it was cancelled before its first.
    pub attempt: Attempt,
    /// Who ran the last attempt.
    pub worker: Option<WorkerId>,
    pub submitted_at: Timestamp,
    pub started_at: Option<Timestamp>,
    pub finished_at: Timestamp,
    /// When retention forgets it, compared with others; `None` while its cancelled attempt still
    /// holds a slot of the worker.
    pub finish_order: Option<u64>,
    pub delivery: Delivery,
    pub queue: QueueName,
    pub priority: i8,
    /// Of one whose cancelled attempt still holds a slot.
    pub needs: Option<Box<Needs>>,
    pub origin: Option<Box<Origin>>,
    /// Which schedule of its owner's made it.
    pub schedule: Option<ScheduleName>,
    pub group: Option<GroupName>,
    /// Of a failure or a loss: what is needed to do it once more.
    pub again: Option<Box<RestoredAgain>>,
    /// What became of its report, if it had one that is owed no more.
    pub webhook: Option<Box<Settled>>,
    pub end: RestoredEnd,
}

/// A group whose tasks are known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestoredGroup {
    pub owner: UserName,
    pub group: GroupName,
    pub past: Past,
}

/// What a finished task was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestoredAgain {
    pub payload: Blob,
    pub terms: Arc<Terms>,
    /// Of one that was skipped: what it came after that had not succeeded.
    pub after: Vec<TaskId>,
    /// Whose files it took.
    pub sources: Vec<TaskId>,
    /// What did it once more, the last time.
    pub by: Option<TaskId>,
}

/// An array; those of its tasks that have a record follow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestoredArray {
    pub array: ArrayId,
    pub owner: UserName,
    pub handler: HandlerName,
    /// Of each of its tasks.
    pub fingerprint: u64,
    /// Empty when no task waits without a record.
    pub payload: Blob,
    pub terms: Arc<Terms>,
    /// The first one's number.
    pub first: u32,
    pub count: u32,
    pub at: Timestamp,
    /// So many have, or had, a record.
    pub begun: u32,
    /// Of those behind them, these places are cancelled; those of them that have a record follow.
    pub early: Vec<Range<u32>>,
    pub forgotten: Forgotten,
    /// Why those behind `begun` failed that are not early.
    pub failed: Option<ArrayFailure>,
}

/// Why tasks of an array fail that had not begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArrayFailure {
    /// All of it was to come after this one, which did not succeed.
    Skipped { because: TaskId },
    /// It was out of time.
    Expired(Expiry),
}

impl ArrayFailure {
    /// Of each of its tasks.
    pub fn failure(self) -> Failure {
        let (code, message) = match self {
            Self::Skipped { because } => {
                let message = format!("{because}, which it was to come after, did not succeed");
                (DEPENDENCY_FAILED, message)
            }
            Self::Expired(expiry) => (expiry.code(), expiry.message().to_owned()),
        };
        Failure { code: code.to_owned(), message, output: Blob::default() }
    }
}

/// How many tasks of an array are no longer known, by how they ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Forgotten {
    pub succeeded: u32,
    pub failed: u32,
    pub cancelled: u32,
    pub lost: u32,
}

impl Forgotten {
    /// `None` of a state that is not an end.
    pub(crate) fn of(&mut self, state: TaskState) -> Option<&mut u32> {
        match state {
            TaskState::Queued | TaskState::Running => None,
            TaskState::Succeeded => Some(&mut self.succeeded),
            TaskState::Failed => Some(&mut self.failed),
            TaskState::Cancelled => Some(&mut self.cancelled),
            TaskState::Lost => Some(&mut self.lost),
        }
    }

    pub fn total(&self) -> u64 {
        [self.succeeded, self.failed, self.cancelled, self.lost].into_iter().map(u64::from).sum()
    }
}

/// How it finished.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RestoredEnd {
    Succeeded {
        result: Blob,
    },
    Failed(Failure),
    Cancelled {
        /// As of one that was lost.
        output: Blob,
    },
    Lost {
        cause: LossCause,
        /// What the attempt had said, as far as anybody heard it.
        output: Blob,
    },
}

/// Why an attempt is lost. Whether it had begun, and how far it came, nobody knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LossCause {
    /// Its worker was silent for a whole lease.
    WorkerSilent = 1,
    /// Its worker's process ended, and another one took its place.
    WorkerRestarted = 2,
    /// Its worker was to end, and stopped it.
    WorkerDrained = 3,
}

impl LossCause {
    pub const ALL: [Self; 3] = [Self::WorkerSilent, Self::WorkerRestarted, Self::WorkerDrained];

    /// A word from `docs/errors.md`.
    pub fn code(self) -> &'static str {
        match self {
            Self::WorkerSilent => "WORKER_SILENT",
            Self::WorkerRestarted => "WORKER_RESTARTED",
            Self::WorkerDrained => "WORKER_DRAINED",
        }
    }

    /// For developers.
    pub fn message(self) -> &'static str {
        match self {
            Self::WorkerSilent => "the worker fell silent; the task may not be started again",
            Self::WorkerRestarted => "the worker was restarted; the task may not be started again",
            Self::WorkerDrained => {
                "the worker was drained, and stopped it; the task may not be started again"
            }
        }
    }
}
