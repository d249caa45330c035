//! What happened. Journalled and replicated; [`Machine::apply`](crate::Machine::apply) is their only reader.

use crate::command::Failure;
use crate::ids::{Attempt, Blob, HandlerName, ProcessId, TaskId, Timestamp, UserName, WorkerId};

/// A fact. Records the decision, so that changing a policy never changes history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    TaskSubmitted {
        task: TaskId,
        owner: UserName,
        handler: HandlerName,
        payload: Blob,
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
        at: Timestamp,
    },
    /// Handlers that a worker offered for the first time ever: a task for any other is refused.
    HandlersLearned {
        handlers: Vec<HandlerName>,
    },
    /// Its attempts follow as [`Event::TaskRequeued`] or [`Event::TaskFailed`].
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
    UserAdded {
        user: UserName,
        token_hash: String,
        admin: bool,
        at: Timestamp,
    },
    UserRemoved {
        user: UserName,
    },
}
