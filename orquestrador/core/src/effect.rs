//! What the shell must do, once the step's events are committed. Plain data: no channel, no future.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use crate::command::{AttemptRef, Delivery, Failure, Role};
use crate::event::Firing;
use crate::ids::{
    ArrayId, Attempt, Blob, GroupName, HandlerName, QueueName, RequestId, ScheduleName, SessionId,
    TaskId, Timestamp, TokenName, UserName, WebhookUrl, WorkerId,
};
use crate::quota::{Quota, Usage};
use crate::rejection::Rejection;
use crate::schedule::Schedule;
use crate::settings::QueueSettings;
use crate::terms::{Origin, Terms};
use crate::trace::TraceContext;
use crate::webhook::{Owed, WebhookStanding};

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Answer a request.
    Answer { request: RequestId, answer: Result<Answer, Rejection> },
    /// The worker is registered; the first message on its stream.
    Welcome { session: SessionId },
    /// End the stream: another one of the same worker took its place, or its lease ended.
    CloseSession { session: SessionId, reason: CloseReason },
    /// Run this.
    Assign { session: SessionId, assignment: Assignment },
    /// The outcome is recorded, or refused for good.
    AcknowledgeOutcome { session: SessionId, attempt: AttemptRef },
    /// Stop this; its outcome is decided.
    CancelAttempt { session: SessionId, attempt: AttemptRef },
    /// For those who watch. `result` is set when it has just succeeded (or failed with output).
    TaskChanged { snapshot: TaskSnapshot, result: Option<Blob> },
    /// For those who watch these tasks of an array one by one: they ended without having had a record. Each looks like
    /// `template`, but for its id.
    EndedInArray { array: ArrayId, numbers: Vec<Range<u32>>, template: TaskSnapshot },
    /// For those who watch a group: just now nothing of it is unfinished any more.
    GroupEnded { owner: UserName, group: GroupName },
    /// Tell of a task's end; what it comes to is reported by [`Command::ReportPost`](crate::Command).
    Post { owed: Arc<Owed> },
    /// Something that people follow on the console.
    Notice(Notice),
    /// The users changed: what the edge verifies tokens against.
    UsersChanged { users: Vec<UserRecord> },
}

/// What somebody wanted of a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    pub payload: Blob,
    pub terms: Arc<Terms>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// A newer stream of the same worker, or a newer process of its id, took over.
    Replaced,
    /// Another process of the same worker id is connected.
    IdTaken,
    /// It was silent for a whole lease.
    LeaseExpired,
    /// The stream named itself by a session the machine does not know (any more).
    Unknown,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    pub attempt: AttemptRef,
    pub handler: HandlerName,
    pub payload: Blob,
    pub delivery: Delivery,
    /// Of its worker.
    pub slots: u32,
    /// Which task it does once more.
    pub origin: Option<Origin>,
    /// Which schedule of its owner's made it.
    pub schedule: Option<ScheduleName>,
    /// What the attempt may take, from its start on.
    pub timeout_ms: Option<u64>,
    /// Which the task was submitted with.
    pub trace: Option<TraceContext>,
    pub worker: WorkerId,
    pub assigned_at: Timestamp,
}

/// When things happened to a task that has just finished.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timeline {
    pub handler: HandlerName,
    pub queue: QueueName,
    /// The last one; 0: none began.
    pub attempt: Attempt,
    pub submitted_at: Timestamp,
    /// Of the last attempt, if it ended by itself or ran when the task ended; and where.
    pub started_at: Option<Timestamp>,
    pub worker: Option<WorkerId>,
    pub finished_at: Timestamp,
    /// Which the task was submitted with.
    pub trace: Option<TraceContext>,
}

/// What a request gets when nothing was wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// `accepted`: how many were new. `first`: the first task, for a single submission.
    Submitted {
        accepted: u32,
        first: TaskSnapshot,
    },
    /// An array was submitted, or had been.
    ArraySubmitted {
        existed: bool,
        snapshot: ArraySnapshot,
    },
    /// So many of its tasks and arrays were new, and these are, or have, so many tasks.
    FlowSubmitted {
        accepted: u32,
        tasks: u64,
    },
    Array {
        snapshot: ArraySnapshot,
    },
    Task {
        snapshot: TaskSnapshot,
        result: Option<Blob>,
        /// Asked for with the result, and known until it succeeds or is cancelled.
        asked: Option<Asked>,
    },
    Tasks {
        tasks: Vec<(TaskSnapshot, Option<Blob>)>,
        next: Option<TaskId>,
    },
    /// Of tasks of this owner.
    Sources {
        owner: UserName,
        sources: Vec<Source>,
    },
    Cancelled {
        snapshot: TaskSnapshot,
    },
    Overview(Overview),
    Queues {
        queues: Vec<QueueSnapshot>,
    },
    Schedule {
        snapshot: ScheduleSnapshot,
    },
    /// By name.
    Schedules {
        schedules: Vec<ScheduleSnapshot>,
    },
    /// So many were cancelled, and so many still wait in the queue.
    Purged {
        cancelled: u64,
        left: u64,
    },
    Group {
        snapshot: GroupSnapshot,
    },
    /// `next`: where the next page begins.
    Groups {
        groups: Vec<GroupSnapshot>,
        next: Option<GroupName>,
    },
    /// So many were cancelled; what is left of the group is in its counts.
    GroupCancelled {
        cancelled: u64,
        snapshot: GroupSnapshot,
    },
    /// Each of the tasks that were asked for, in that order within each list.
    Watched {
        told: Vec<(TaskSnapshot, Option<Blob>)>,
        /// Those not finished, told or not.
        open: Vec<TaskId>,
        unknown: Vec<TaskId>,
    },
    Looked {
        tasks: Vec<(TaskSnapshot, Option<Blob>)>,
        /// In the order of ends: what ended before is told, or was not asked for.
        position: u64,
        /// No more than that is past. Otherwise whoever watches has to look again.
        is_all: bool,
        /// More may follow: of a group, something of it is not finished.
        is_open: bool,
    },
    /// `next`: where the next page begins.
    Webhooks {
        webhooks: Vec<Arc<Owed>>,
        next: Option<TaskId>,
    },
    /// So many are tried at once; `next`: where to go on.
    WebhooksRetried {
        retried: u64,
        next: Option<TaskId>,
    },
    UserAdded,
    UserRemoved,
    TokenIssued,
    TokenRevoked,
    /// By name: users, and whoever else has unfinished tasks or a quota.
    Users {
        users: Vec<UserSnapshot>,
        default_quota: Quota,
    },
    User {
        user: UserSnapshot,
    },
}

/// A task as others see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskSnapshot {
    pub id: TaskId,
    pub owner: UserName,
    pub handler: HandlerName,
    pub delivery: Delivery,
    pub state: TaskState,
    pub attempt: Attempt,
    pub worker: Option<WorkerId>,
    pub submitted_at: Timestamp,
    pub started_at: Option<Timestamp>,
    pub finished_at: Option<Timestamp>,
    /// Code and message of a failure or a loss; of a task that waits for its next attempt, of the failure before it.
    pub error: Option<(String, String)>,
    pub result_bytes: u64,
    /// Why a queued task is not running yet.
    pub pending: Option<PendingReason>,
    /// When a delayed task is due.
    pub not_before: Option<Timestamp>,
    /// So many tasks and arrays must end first.
    pub waits_for: usize,
    /// The first of them.
    pub waits_on: Vec<TaskId>,
    /// Which task it does once more.
    pub retry_of: Option<TaskId>,
    /// What does it once more.
    pub retried_as: Option<TaskId>,
    /// Which schedule of its owner's made it.
    pub schedule: Option<ScheduleName>,
    pub queue: QueueName,
    pub priority: i8,
    pub group: Option<GroupName>,
    pub webhook: Option<Box<WebhookStanding>>,
    /// Its place in the order of ends, once it is finished and holds no slot.
    pub finish_order: Option<u64>,
}

/// Why something is not running yet; of what does not wait nothing is set.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct WaitSnapshot {
    pub pending: Option<PendingReason>,
    /// When it is due.
    pub not_before: Option<Timestamp>,
    /// So many tasks and arrays must end first.
    pub waits_for: usize,
    /// The first of them.
    pub waits_on: Vec<TaskId>,
}

/// An array as others see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArraySnapshot {
    pub id: ArrayId,
    pub owner: UserName,
    pub handler: HandlerName,
    pub delivery: Delivery,
    pub queue: QueueName,
    pub priority: i8,
    pub group: Option<GroupName>,
    /// The first task's number.
    pub first: u32,
    pub count: u32,
    pub submitted_at: Timestamp,
    /// Of all its tasks, in the order of [`TaskState::ALL`].
    pub counts: [u64; 6],
    /// So many of the finished ones are no longer known.
    pub forgotten: u64,
    /// So many did not succeed and are done once more.
    pub retried: u64,
    /// The one word for all of it, where what does a task once more stands for it: as of a group.
    pub state: TaskState,
    /// Of the next of its tasks to begin.
    pub wait: WaitSnapshot,
}

/// A task that another one takes files of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source {
    /// Which of an array it is, or does the work of.
    pub number: Option<u32>,
    pub task: TaskId,
}

/// A group as others see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupSnapshot {
    pub group: GroupName,
    /// Of all its tasks, those included that wait in arrays or are forgotten; in the order of [`TaskState::ALL`].
    pub counts: [u64; 6],
    /// So many of the finished ones are no longer known.
    pub forgotten: u64,
    /// So many failed or were lost and are done once more; these are not in the counts.
    pub retried: u64,
    pub submitted_at: Option<Timestamp>,
    pub started_at: Option<Timestamp>,
    pub finished_at: Option<Timestamp>,
}

impl GroupSnapshot {
    pub fn count(&self, state: TaskState) -> u64 {
        self.counts[state as usize]
    }

    /// Tasks that are not finished.
    pub fn open(&self) -> u64 {
        self.count(TaskState::Queued) + self.count(TaskState::Running)
    }

    /// The one word for all of it: queued before any of it has begun, running until all of it is finished; then the
    /// worst end of any of its tasks.
    pub fn state(&self) -> TaskState {
        of_all(&self.counts, self.started_at.is_some())
    }
}

/// The one word for tasks of which so many are in each state.
pub(crate) fn of_all(counts: &[u64; 6], has_begun: bool) -> TaskState {
    let count = |state: TaskState| counts[state as usize];
    if count(TaskState::Queued) + count(TaskState::Running) > 0 {
        let is_untouched = count(TaskState::Queued) == counts.iter().sum() && !has_begun;
        return if is_untouched { TaskState::Queued } else { TaskState::Running };
    }
    let worst = [TaskState::Failed, TaskState::Lost, TaskState::Cancelled];
    worst.into_iter().find(|state| count(*state) > 0).unwrap_or(TaskState::Succeeded)
}

/// A queue as others see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueSnapshot {
    pub queue: QueueName,
    pub settings: QueueSettings,
    pub queued: u64,
    pub running: u32,
}

/// A schedule as its owner sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScheduleSnapshot {
    pub name: ScheduleName,
    pub schedule: Arc<Schedule>,
    pub paused: bool,
    pub created: Timestamp,
    pub changed: Timestamp,
    /// When it is due; `None`: never again.
    pub next: Option<Timestamp>,
    /// When the last task was due that it made, and which that is; and whether somebody wanted it then.
    pub made: Option<(Timestamp, TaskId, bool)>,
    /// When the firing after that was due, and what became of it.
    pub unmade: Option<(Timestamp, Firing)>,
}

/// Why a queued task is not running yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PendingReason {
    /// No worker is connected.
    NoWorker,
    /// Workers are connected; none of them offers the handler.
    NoWorkerForHandler,
    /// Workers offer the handler; none of them has the labels, slots or resources that the task needs.
    NoWorkerForNeeds,
    /// Every worker that offers the handler is busy.
    AllBusy,
    /// Its last attempt failed, and the next one is not due yet.
    Backoff,
    /// It is not to begin yet.
    NotBefore,
    /// It comes after others that have not ended.
    Dependencies,
    /// An administrator has paused its queue.
    QueuePaused,
    /// As many tasks of its queue run as may.
    QueueFull,
    /// As many tasks of its owner run as may.
    UserLimit,
    /// It, or the one before it, has lost so many workers that it runs beside no other such task.
    Suspect,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TaskState {
    Queued,
    Running,
    Succeeded,
    Failed,
    Cancelled,
    /// Its one attempt was lost with its worker.
    Lost,
}

impl TaskState {
    pub const ALL: [Self; 6] =
        [Self::Queued, Self::Running, Self::Succeeded, Self::Failed, Self::Cancelled, Self::Lost];

    /// Nothing can follow.
    pub fn is_finished(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled | Self::Lost)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserRecord {
    pub user: UserName,
    /// Any of them will do.
    pub tokens: BTreeMap<TokenName, Token>,
    pub role: Role,
    pub added_at: Timestamp,
}

/// What a user shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// Argon2id, in PHC string form.
    pub hash: Arc<str>,
    pub issued_at: Timestamp,
    /// From then on it is refused; `None`: never.
    pub expires_at: Option<Timestamp>,
}

/// A user's part of the platform.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserSnapshot {
    pub user: UserName,
    /// `None` of one that was removed, and of the demo's.
    pub record: Option<UserRecord>,
    /// What applies.
    pub quota: Quota,
    /// It is their own, and not the default one.
    pub is_own: bool,
    /// Of tasks, finished ones included until they are forgotten.
    pub is_owner: bool,
    pub usage: Usage,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overview {
    /// By state, in the order of [`TaskState::ALL`].
    pub counts: [u64; 6],
    /// Forgotten ones included.
    pub finished_ever: u64,
    pub workers: Vec<WorkerSnapshot>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkerSnapshot {
    pub worker: WorkerId,
    pub incarnation: crate::ids::ProcessId,
    pub connected: bool,
    pub draining: bool,
    pub slots: u32,
    pub busy: u32,
    pub handlers: Vec<HandlerName>,
    pub labels: Vec<(String, String)>,
    pub resources: Vec<(String, u64)>,
    pub resources_used: Vec<(String, u64)>,
    /// Since the last sign of life; `None` when not connected.
    pub silent_for_ms: Option<u64>,
    pub assigned_total: u64,
}

/// Console lines, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    WorkerRegistered {
        worker: WorkerId,
    },
    WorkerReconnected {
        worker: WorkerId,
    },
    WorkerLost {
        worker: WorkerId,
    },
    TaskSubmitted {
        task: TaskId,
        owner: UserName,
    },
    ArraySubmitted {
        array: ArrayId,
        owner: UserName,
        count: u32,
    },
    /// So many of its tasks had not begun.
    ArrayCancelled {
        array: ArrayId,
        tasks: u32,
    },
    /// So many of its tasks had not begun, and failed.
    ArrayFailed {
        array: ArrayId,
        tasks: u32,
        failure: Failure,
    },
    QueueChanged {
        queue: QueueName,
        settings: QueueSettings,
    },
    /// `user`: `None` of the default one. `quota`: `None` of a user who has none of their own any more.
    QuotaChanged {
        user: Option<UserName>,
        quota: Option<Quota>,
    },
    TaskAssigned {
        task: TaskId,
        worker: WorkerId,
    },
    /// A new assignment of a task whose earlier attempt was lost.
    TaskReassigned {
        task: TaskId,
        worker: WorkerId,
    },
    TaskFinished {
        task: TaskId,
        state: TaskState,
        failure: Option<Failure>,
        timeline: Timeline,
    },
    /// An attempt failed and is followed by another, so much later.
    TaskRetried {
        task: TaskId,
        failure: Failure,
        delay_ms: u64,
    },
    /// Nobody is told of this task's end any more.
    WebhookGivenUp {
        task: TaskId,
        url: WebhookUrl,
        tries: u16,
        error: String,
    },
    /// A late outcome of a fenced attempt was refused.
    OutcomeFenced {
        attempt: AttemptRef,
    },
}
