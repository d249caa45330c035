//! Why a command was refused. A normal answer, not a fault.

use crate::ids::{
    ArrayId, GroupName, HandlerName, KeyName, QueueName, ScheduleName, TaskId, TokenName,
};
use crate::quota::UserLimit;

/// Each has one error code on the wire.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    #[error("there is no task {}", .task.shown())]
    TaskNotFound { task: TaskId },
    #[error("task {} is finished", .task.shown())]
    TaskFinished { task: TaskId },
    #[error("task {} was submitted before with another handler, payload, delivery or retry policy", .task.shown())]
    TaskIdConflict { task: TaskId },
    #[error("task {} comes after {}, which is not known", .task.shown(), .other.shown())]
    DependencyNotFound { task: TaskId, other: TaskId },
    #[error("task {} cannot be repeated: it neither failed nor was lost, or failed with all of its array before its turn: then the array can be", .task.shown())]
    NotRetriable { task: TaskId },
    #[error("task {} comes after {}, which did not succeed and is not repeated: repeat that one first", .task.shown(), .failed.shown())]
    ComesAfterFailed { task: TaskId, failed: TaskId },
    #[error("task {} has the key {key}, and another handler, payload or way to be run", .task.shown())]
    KeyConflict { key: KeyName, task: TaskId },
    #[error("task {}, which had the key {key}, ended and was forgotten since", .task.shown())]
    KeySpent { key: KeyName, task: TaskId },
    #[error("there is no schedule {schedule}")]
    ScheduleNotFound { schedule: ScheduleName },
    #[error("schedule {schedule}: {why}")]
    NoSuchPlan { schedule: ScheduleName, why: String },
    #[error("there is no queue {queue}")]
    QueueNotFound { queue: QueueName },
    #[error("there is no group {group}")]
    GroupNotFound { group: GroupName },
    #[error("nothing is owed of {} to any receiver, and nothing that was given up is kept", .task.shown())]
    WebhookNotFound { task: TaskId },
    #[error("there is no array {array}")]
    ArrayNotFound { array: ArrayId },
    #[error(
        "array {array} was submitted before with another handler, payload, range, delivery or retry policy"
    )]
    ArrayConflict { array: ArrayId },
    #[error("no worker has ever offered the handler {handler}; offered: {offered}")]
    UnknownHandler { handler: HandlerName, offered: String },
    #[error("no worker that offers {handler} has what the task needs: {needs}")]
    NeedsNotMet { handler: HandlerName, needs: String },
    #[error("the backlog is full: {limit} {unit}")]
    BacklogFull { limit: u64, unit: &'static str },
    #[error("this can never be accepted: at most {limit} {unit} fit")]
    NeverFits { limit: u64, unit: &'static str },
    #[error("the user is at a limit: {limit} {what}")]
    QuotaExceeded { limit: u64, what: UserLimit },
    #[error("this can never be accepted: at most {limit} {what} fit")]
    NeverFitsQuota { limit: u64, what: UserLimit },
    #[error(
        "the user is at a limit: {rate} submissions a second (submit_rate); the next one is taken in {retry_after_ms} ms"
    )]
    RateLimited { rate: u32, retry_after_ms: u64 },
    #[error("there is no user with this name")]
    UserNotFound,
    #[error("the user has no token {name}")]
    TokenNotFound { name: TokenName },
    #[error("the user has a token {name} already")]
    TokenKnown { name: TokenName },
    #[error("the user has {most} tokens already; revoke one first")]
    TooManyTokens { most: usize },
    #[error("the first user must be an administrator")]
    FirstUserNotAdmin,
    #[error("the last administrator cannot be removed")]
    LastAdmin,
    #[error("too many users")]
    TooManyUsers,
    #[error("another incarnation of this worker is connected")]
    WorkerReplaced,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_of_an_array_is_named_as_people_write_it() {
        let array = ArrayId(0x0190_b4a0_0000_8000_8000_0000_0000_0000);
        let of_array = Rejection::TaskFinished { task: array.task(7) };
        assert_eq!(of_array.to_string(), format!("task {array}_7 is finished"));
        let other = TaskId(7);
        let of_none = Rejection::TaskFinished { task: other };
        assert_eq!(of_none.to_string(), format!("task {other} is finished"));
    }
}
