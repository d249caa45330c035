//! What was asked of the task machine.

use std::ops::Range;
use std::sync::Arc;

use crate::ids::{
    ArrayId, Attempt, Blob, BlobRef, GroupName, HandlerName, KeyName, ProcessId, QueueName,
    RequestId, ScheduleName, SessionId, TaskId, Timestamp, TokenName, UserName, WorkerId,
};
use crate::quota::Quota;
use crate::schedule::Schedule;
use crate::settings::QueueSettings;
use crate::terms::Terms;
use crate::trace::TraceContext;
use crate::webhook::Posted;

/// A question or order. Those with a `request` are answered by [`Effect::Answer`](crate::Effect).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// All of these tasks or none.
    Submit { request: RequestId, owner: UserName, tasks: Vec<NewTask>, allow_unknown_handler: bool },
    /// Tasks that differ by their number alone.
    SubmitArray {
        request: RequestId,
        owner: UserName,
        array: Box<NewArray>,
        allow_unknown_handler: bool,
    },
    /// Tasks and arrays and the order among them: all of it or none.
    SubmitFlow {
        request: RequestId,
        owner: UserName,
        work: Vec<NewWork>,
        allow_unknown_handler: bool,
    },
    /// Ends what is not finished of an array.
    CancelArray { request: RequestId, owner: UserName, array: ArrayId },
    /// How an array stands.
    QueryArray { request: RequestId, owner: UserName, array: ArrayId },
    /// One task, with or without its result.
    Query { request: RequestId, owner: UserName, task: TaskId, with_result: bool },
    /// The owner's tasks, or everybody's, newest first.
    List {
        request: RequestId,
        owner: Option<UserName>,
        filter: Box<TaskFilter>,
        after: Option<TaskId>,
        limit: usize,
    },
    /// How these tasks stand: all that are known, or only those that have ended. From then on the shell hears of each
    /// change by [`Effect::TaskChanged`](crate::Effect).
    Watch {
        request: RequestId,
        owner: UserName,
        tasks: Vec<TaskId>,
        with_results: bool,
        only_ends: bool,
    },
    /// What to begin to watch with: what ended since a place in the order of ends, and what of a group is not finished. From
    /// then on the shell hears of each change by [`Effect::TaskChanged`](crate::Effect).
    Look { request: RequestId, owner: UserName, look: Look },
    /// How a group stands.
    QueryGroup { request: RequestId, owner: UserName, group: GroupName },
    /// The owner's groups, by name, those behind `after`.
    ListGroups { request: RequestId, owner: UserName, after: Option<GroupName>, limit: usize },
    /// Cancels what is not finished of a group, a part at a time.
    CancelGroup { request: RequestId, owner: UserName, group: GroupName },
    /// Submits a task that failed or was lost once more, as `new`. Of an array: those of its tasks that failed with it
    /// before their turn, as another array.
    Retry { request: RequestId, owner: UserName, task: TaskId, new: TaskId },
    /// What now does the work of a task or an array, for a task of the same owner that takes what it left.
    QuerySources { request: RequestId, task: TaskId, of: TaskId },
    /// Ends a task that is not finished.
    Cancel { request: RequestId, owner: UserName, task: TaskId },

    /// A worker opened a stream.
    ConnectWorker(ConnectWorker),
    /// A worker's stream ended; its lease goes on.
    DisconnectWorker { session: SessionId },
    /// A sign of life.
    WorkerHeartbeat { session: SessionId },
    /// The worker takes no more work.
    DrainWorker { session: SessionId },
    /// From now on the worker wants so many tasks beyond its slots, to have them when one is free.
    SetPrefetch { session: SessionId, tasks: u32 },
    /// Attempts that the worker gives back without having started them.
    ReturnAttempts { session: SessionId, attempts: Vec<AttemptRef>, begun: bool },
    /// What attempts came to.
    ReportOutcomes { session: SessionId, outcomes: Vec<ReportedOutcome> },
    /// What an attempt had said that was lost with its worker; only where that was the end of the task.
    KeepOutput { attempt: AttemptRef, output: Blob },
    /// Cancelled attempts that no longer run.
    ReportEnded { session: SessionId, attempts: Vec<AttemptRef> },

    /// Who is connected and how the work stands.
    Overview { request: RequestId },
    /// Adds a user or replaces the token of one.
    AddUser { request: RequestId, user: UserName, token_hash: Arc<str>, role: Role },
    /// Forgets a user.
    RemoveUser { request: RequestId, user: UserName },
    /// Gives a user one more token, or with `replace` another one of its name.
    IssueToken { request: RequestId, user: UserName, token: NewToken, replace: bool },
    /// From now on it is refused.
    RevokeToken { request: RequestId, user: UserName, name: TokenName },
    /// Who is known, and what each may take and takes.
    ListUsers { request: RequestId },
    /// What one user may take and takes.
    QueryUser { request: RequestId, user: UserName },
    /// Changes what a user may take; `None`: all users who have no quota of their own.
    /// `first`: who may enter while there are no users.
    ChangeQuota {
        request: RequestId,
        user: Option<UserName>,
        first: Option<UserName>,
        change: QuotaChange,
    },

    /// Changes how a queue is served.
    ChangeQueue { request: RequestId, queue: QueueName, change: QueueChange },
    /// Which queues there are.
    ListQueues { request: RequestId },
    /// Cancels what waits in a queue, a part at a time.
    PurgeQueue { request: RequestId, queue: QueueName },

    /// Creates a schedule, or gives the one of this name another content; whether it is paused stays as it is.
    SetSchedule {
        request: RequestId,
        owner: UserName,
        name: ScheduleName,
        schedule: Arc<Schedule>,
        allow_unknown_handler: bool,
    },
    /// A paused schedule makes no tasks.
    PauseSchedule { request: RequestId, owner: UserName, name: ScheduleName, paused: bool },
    /// Its tasks stay.
    RemoveSchedule { request: RequestId, owner: UserName, name: ScheduleName },
    /// One of the owner's schedules.
    QuerySchedule { request: RequestId, owner: UserName, name: ScheduleName },
    /// The owner's schedules.
    ListSchedules { request: RequestId, owner: UserName },
    /// Makes a task now, beside those that are due, even of a paused schedule.
    RunSchedule { request: RequestId, owner: UserName, name: ScheduleName, task: TaskId },

    /// What an attempt to tell of a task's end came to.
    ReportPost { task: TaskId, tries: u16, posted: Posted },

    /// Whose ends are still to be told, and of which that was given up, by task, those behind `after`. `owner`: `None` of all.
    ListWebhooks {
        request: RequestId,
        owner: Option<UserName>,
        only_given_up: bool,
        after: Option<TaskId>,
        limit: usize,
    },
    /// Has what waits or was given up tried at once, a part at a time. `owner`: `None` of all.
    RetryWebhooks { request: RequestId, owner: Option<UserName>, choice: WebhookChoice },

    /// Time has passed: leases may have ended, retention may be due.
    ExpireTimers,
}

/// Which reports are tried at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WebhookChoice {
    /// Of these tasks, and of the rest of arrays, which are named like tasks: all of them or none.
    These(Vec<TaskId>),
    /// Those behind this one, as many as one step may.
    All { after: Option<TaskId> },
}

/// A task as the client wants it; checked at the edge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewTask {
    pub id: TaskId,
    pub handler: HandlerName,
    pub payload: Blob,
    pub terms: Arc<Terms>,
    pub start: Start,
    /// What it comes after. No part of what a repeated submission is compared with.
    pub after: Option<Box<After>>,
    /// Only of a task submitted alone. No part of what a repeated submission is compared with.
    pub key: Option<Box<UniqueKey>>,
    /// What it refers to. No part of what a repeated submission is compared with: the payload says what for.
    pub blobs: Vec<BlobRef>,
    /// No part of what a repeated submission is compared with.
    pub trace: Option<TraceContext>,
}

/// Keeps a task from being accepted beside another one of the same user with the same key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UniqueKey {
    pub name: KeyName,
    /// From the submission on, in which the key is held also when the task is finished, and a task with another
    /// content is refused, as it is in the window of the task that has the key. 0: only as long as it is not finished,
    /// whatever the content.
    pub window_ms: u64,
}

/// Which tasks and arrays a task comes after.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct After {
    pub tasks: Vec<TaskId>,
    pub condition: Condition,
    /// Those, known already or among these, whose files it takes: retention keeps them until it has ended.
    pub sources: Vec<TaskId>,
}

/// How what a task comes after must have ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Condition {
    /// All of it succeeded; otherwise the task fails.
    #[default]
    Succeeded = 1,
    /// All of it ended, however.
    Finished = 2,
}

/// When the first attempt of a task may begin. No part of what a repeated submission is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Start {
    #[default]
    Now,
    /// So many milliseconds after it was accepted.
    After(u64),
    /// Not before this moment, by the principal's clock.
    At(Timestamp),
}

impl Start {
    pub fn when(self, now: Timestamp) -> Timestamp {
        match self {
            Self::Now => now,
            Self::After(ms) => now.plus_ms(ms),
            Self::At(at) => at,
        }
    }
}

/// A part of a flow; it may come after those that stand before it there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NewWork {
    Task(NewTask),
    Array(NewArray),
}

impl NewWork {
    pub fn trace_mut(&mut self) -> &mut Option<TraceContext> {
        match self {
            Self::Task(task) => &mut task.trace,
            Self::Array(array) => &mut array.trace,
        }
    }

    pub fn id(&self) -> TaskId {
        match self {
            Self::Task(task) => task.id,
            Self::Array(array) => TaskId(array.id.0),
        }
    }

    pub fn after(&self) -> Option<&After> {
        match self {
            Self::Task(task) => task.after.as_deref(),
            Self::Array(array) => array.after.as_deref(),
        }
    }

    /// Which handler runs it, and how.
    pub fn way(&self) -> (&HandlerName, &Arc<Terms>) {
        match self {
            Self::Task(task) => (&task.handler, &task.terms),
            Self::Array(array) => (&array.handler, &array.terms),
        }
    }

    pub fn blobs(&self) -> &[BlobRef] {
        match self {
            Self::Task(task) => &task.blobs,
            Self::Array(array) => &array.blobs,
        }
    }

    pub fn payload(&self) -> &Blob {
        match self {
            Self::Task(task) => &task.payload,
            Self::Array(array) => &array.payload,
        }
    }

    pub fn payload_mut(&mut self) -> &mut Blob {
        match self {
            Self::Task(task) => &mut task.payload,
            Self::Array(array) => &mut array.payload,
        }
    }

    /// So many tasks, and bytes of payloads.
    pub fn load(&self) -> (u64, u64) {
        match self {
            Self::Task(task) => (1, task.payload.len() as u64),
            Self::Array(array) => (array.wanted().into(), array.payload.len() as u64),
        }
    }
}

/// An array as the client wants it; checked at the edge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewArray {
    pub id: ArrayId,
    pub handler: HandlerName,
    pub payload: Blob,
    pub terms: Arc<Terms>,
    /// The number of the first task.
    pub first: u32,
    /// At least 1; the last number fits.
    pub count: u32,
    /// Places, from 0 on and in order, of tasks that are cancelled from the beginning; not all of them.
    pub without: Vec<Range<u32>>,
    /// Of the first attempt of any of its tasks.
    pub start: Start,
    /// What all of it comes after. Like the start and the blobs no part of what a repeated submission is compared with.
    pub after: Option<Box<After>>,
    /// What the payload refers to.
    pub blobs: Vec<BlobRef>,
    /// Like the start no part of what a repeated submission is compared with.
    pub trace: Option<TraceContext>,
}

impl NewArray {
    /// So many tasks are to run.
    pub fn wanted(&self) -> u32 {
        self.count - self.without.iter().map(|places| places.end - places.start).sum::<u32>()
    }
}

/// What is to change about a queue; the rest stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct QueueChange {
    /// At least 1.
    pub weight: Option<u32>,
    /// `Some(None)`: no limit.
    pub max_running: Option<Option<u32>>,
    pub paused: Option<bool>,
}

impl QueueChange {
    pub(crate) fn apply(self, before: QueueSettings) -> QueueSettings {
        QueueSettings {
            weight: self.weight.unwrap_or(before.weight).max(1),
            max_running: self.max_running.unwrap_or(before.max_running),
            paused: self.paused.unwrap_or(before.paused),
        }
    }
}

/// What is to become of a quota.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QuotaChange {
    /// A user has the default one from now on; the default one limits nothing.
    Clear,
    /// The other limits stay as they apply now, also if they were not the user's own so far.
    Set(NewLimits),
}

/// `None`: it stays as it is. `Some(None)`: no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct NewLimits {
    pub max_active: Option<Option<u64>>,
    pub max_bytes: Option<Option<u64>>,
    pub max_running: Option<Option<u32>>,
    pub submit_rate: Option<Option<u32>>,
}

impl QuotaChange {
    /// `None`: there is none any more.
    pub(crate) fn apply(self, before: Quota) -> Option<Quota> {
        match self {
            Self::Clear => None,
            Self::Set(new) => Some(Quota {
                max_active: new.max_active.unwrap_or(before.max_active),
                max_bytes: new.max_bytes.unwrap_or(before.max_bytes),
                max_running: new.max_running.unwrap_or(before.max_running),
                submit_rate: new.submit_rate.unwrap_or(before.submit_rate),
            }),
        }
    }
}

/// What becomes of a task whose attempt is lost with its worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Delivery {
    /// It waits for another attempt: it may be started more than once.
    #[default]
    AtLeastOnce = 0,
    /// It ends as lost: it is never started twice.
    AtMostOnce = 1,
}

/// The first message of a worker's stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectWorker {
    pub session: SessionId,
    pub worker: WorkerId,
    pub incarnation: ProcessId,
    pub slots: u32,
    /// Sorted, without duplicates.
    pub handlers: Vec<HandlerName>,
    /// Sorted by key, keys without duplicates.
    pub labels: Vec<(String, String)>,
    /// What it has a number of; sorted by name, names without duplicates.
    pub resources: Vec<(String, u64)>,
    /// Attempts still running and outcomes not yet acknowledged.
    pub held: Vec<AttemptRef>,
}

/// One attempt of one task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AttemptRef {
    pub task: TaskId,
    pub attempt: Attempt,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportedOutcome {
    pub attempt: AttemptRef,
    pub outcome: Outcome,
    /// What its output refers to.
    pub blobs: Vec<BlobRef>,
}

/// What an attempt came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Succeeded { result: Blob },
    Failed(Failure),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// A word from `docs/errors.md`.
    pub code: String,
    pub message: String,
    /// What had been produced by then.
    pub output: Blob,
}

/// Which tasks are listed: those of which all of this is true. What is not set admits every task.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct TaskFilter {
    pub states: StateFilter,
    pub queue: Option<QueueName>,
    pub handler: Option<HandlerName>,
    /// Of the present or last attempt.
    pub worker: Option<WorkerId>,
    /// Submitted then or later.
    pub since: Option<Timestamp>,
    /// Submitted before.
    pub until: Option<Timestamp>,
    pub group: Option<GroupName>,
    /// Of its failure, or loss.
    pub code: Option<String>,
    /// Which it belongs to.
    pub array: Option<ArrayId>,
    /// Which made it.
    pub schedule: Option<ScheduleName>,
    /// This one, whatever else is asked for.
    pub task: Option<TaskId>,
}

/// Where a watch begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look {
    /// `None`: of whatever the owner has.
    pub group: Option<GroupName>,
    /// Ends from this place on; `None`: none of those that are past.
    pub since: Option<u64>,
    pub with_results: bool,
}

/// A set of task states; empty means all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct StateFilter(pub u8);

/// What a user may show from now on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewToken {
    pub name: TokenName,
    /// Argon2id, in PHC string form.
    pub hash: Arc<str>,
    /// From then on it is refused; `None`: never.
    pub expires_at: Option<Timestamp>,
}

/// What a user may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Role {
    /// Whatever concerns tasks of their own.
    #[default]
    Submitter = 0,
    /// Everything.
    Admin = 1,
    /// Look at what anybody has, and change nothing.
    Viewer = 2,
}

impl Role {
    pub const ALL: [Self; 3] = [Self::Submitter, Self::Admin, Self::Viewer];
}
