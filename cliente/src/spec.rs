//! What is submitted.

use common::endpoint::MAX_PAYLOAD_BYTES;
use common::error_code::ErrorCode;
use uuid::Uuid;

use crate::Error;

pub use common::proto::TaskSpec as WireSpec;

/// A task to be submitted. Its id is chosen here, so that a repeated submission is recognised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskSpec {
    /// A UUIDv7, in any spelling.
    pub task_id: String,
    /// Which handler of the worker runs it.
    pub handler: String,
    /// What the handler is given, at most 4 MiB.
    pub payload: Vec<u8>,
}

impl TaskSpec {
    /// A new task with an id of its own.
    pub fn new(handler: &str, payload: Vec<u8>) -> Self {
        Self { task_id: new_task_id(), handler: handler.to_owned(), payload }
    }

    /// What is too large is not worth sending.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let size = self.payload.len();
        if size <= MAX_PAYLOAD_BYTES {
            return Ok(());
        }
        let text = format!("payload: has {size} bytes, at most {MAX_PAYLOAD_BYTES} are allowed");
        Err(Error::new(ErrorCode::InvalidArgument, text))
    }
}

impl From<TaskSpec> for WireSpec {
    fn from(spec: TaskSpec) -> Self {
        let task_id = canonical_task_id(&spec.task_id);
        Self { task_id, handler: spec.handler, payload: spec.payload }
    }
}

/// A fresh UUIDv7.
pub fn new_task_id() -> String {
    Uuid::now_v7().to_string()
}

/// The form in which orchestrators name a task: lower case, with hyphens. What is no UUID stays as it is.
pub fn canonical_task_id(text: &str) -> String {
    Uuid::parse_str(text).map_or_else(|_| text.to_owned(), |id| id.hyphenated().to_string())
}
