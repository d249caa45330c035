//! Data on standard output, for people or for programs.

mod amount;
pub mod json;
pub mod live;
mod schedules;
mod table;
mod webhooks;

use std::io::{ErrorKind, Write as _};

use cliente::Produced;
use common::blobs::Content;
use common::lang::Lang;
use common::proto::{
    Array, GetClusterResponse, Group, ListUsersResponse, NodeStatus, Queue, Receipt, Role,
    Schedule, Task, TaskSpec, TaskState, Token, UndeliveredWebhook, Worker,
};
use time::OffsetDateTime;

use super::args::Format;
use super::failure::Failure;

pub use table::{Table, time};

/// A task with what else is known of it.
#[derive(Clone, Debug, Default)]
pub struct TaskView {
    pub task: Task,
    /// `None` when it is not known, not when it is empty.
    pub result: Option<Vec<u8>>,
    /// Instead of it, where it is too long for a message.
    pub blob: Option<Content>,
    /// Of the answer, or of the submission.
    pub receipt: Option<Receipt>,
    /// Of a submission: it was there before.
    pub existed: Option<bool>,
    /// What was asked for, as far as it is known.
    pub asked: Option<Box<TaskSpec>>,
}

impl TaskView {
    /// Only a task that has run has a result; one that is lost, or was cancelled, has what was heard of it, and one that
    /// failed what it had made.
    pub fn new(task: Task, result: impl Into<Produced>, receipt: Option<Receipt>) -> Self {
        let (result, blob) = match result.into() {
            Produced::Bytes(bytes) => (bytes, None),
            Produced::Blob(content) => (Vec::new(), Some(content)),
        };
        if blob.is_some() {
            return Self { task, blob, receipt, ..Self::default() };
        }
        let has_result = match task.state() {
            TaskState::Succeeded => true,
            TaskState::Failed | TaskState::Lost | TaskState::Cancelled => !result.is_empty(),
            TaskState::Unspecified | TaskState::Queued | TaskState::Running => false,
        };
        let result = has_result.then_some(result);
        Self { result, blob, task, receipt, ..Self::default() }
    }

    pub fn without_result(task: Task, receipt: Option<Receipt>) -> Self {
        Self { task, receipt, ..Self::default() }
    }
}

/// As the flag spells it; empty: of nobody.
pub fn role(role: Role) -> &'static str {
    match role {
        Role::Unspecified => "",
        Role::Submitter => "submitter",
        Role::Admin => "admin",
        Role::Viewer => "viewer",
    }
}

/// One form of the same data: whole lines, each with its end.
pub trait Output: Send + Sync {
    /// Tasks that were accepted.
    fn accepted(&self, tasks: &[TaskView]) -> String;
    /// All that is known of one task.
    fn task(&self, view: &TaskView) -> String;
    /// A task, and what it is to the reader: a field of that name, and its value.
    fn named(&self, name: (&str, &str), view: &TaskView) -> String;
    /// The same of an array.
    fn named_array(&self, name: (&str, &str), array: &Array, receipt: &Receipt) -> String;
    /// An array that was accepted.
    fn accepted_array(&self, array: &Array, receipt: &Receipt) -> String;
    /// How an array stands.
    fn array(&self, array: &Array, receipt: &Receipt) -> String;
    /// A change of a task among others.
    fn change(&self, view: &TaskView) -> String;
    /// `is_of_all`: whose each is, is told.
    fn tasks(&self, tasks: &[Task], is_of_all: bool) -> String;
    fn workers(&self, workers: &[Worker]) -> String;
    fn cluster(&self, cluster: &GetClusterResponse) -> String;
    fn users(&self, users: &ListUsersResponse) -> String;
    fn tokens(&self, tokens: &[Token]) -> String;
    fn queues(&self, queues: &[Queue]) -> String;
    /// How a queue stands after a change, which may have created it.
    fn changed_queue(&self, queue: &Queue, created: bool) -> String;
    fn schedules(&self, schedules: &[Schedule]) -> String;
    /// All that is known of one schedule.
    fn schedule(&self, schedule: &Schedule) -> String;
    fn groups(&self, groups: &[Group]) -> String;
    /// How one group stands.
    fn group(&self, group: &Group, receipt: &Receipt) -> String;
    fn webhooks(&self, webhooks: &[UndeliveredWebhook]) -> String;
    /// So many are tried at once.
    fn retried_webhooks(&self, count: u64) -> String;
    /// The epoch that `node` is principal of.
    fn promoted(&self, node: &str, epoch: u64) -> String;
}

pub fn new(format: Format, lang: Lang) -> Box<dyn Output> {
    match format {
        Format::Table => Box::new(Table::new(lang)),
        Format::Json => Box::new(json::Json),
    }
}

/// To standard output, at once.
pub fn print(text: &str) -> Result<(), Failure> {
    bytes(text.as_bytes())
}

/// Data as it is.
pub fn bytes(data: &[u8]) -> Result<(), Failure> {
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(data).and_then(|()| stdout.flush()).map_err(|error| match error.kind() {
        ErrorKind::BrokenPipe => Failure::ClosedOutput,
        _ => Failure::io("stdout")(error),
    })
}

/// The last entry of a node's journal; `None` where whoever answered does not know it.
pub fn journal_index(node: &NodeStatus) -> Option<u64> {
    (node.answering || node.journal_index > 0).then_some(node.journal_index)
}

/// `None` for what has not happened.
fn time_of(ms: u64) -> Option<OffsetDateTime> {
    let nanos = i128::from(ms) * 1_000_000;
    (ms > 0).then(|| OffsetDateTime::from_unix_timestamp_nanos(nanos).ok()).flatten()
}
