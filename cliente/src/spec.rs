//! What is submitted.

use common::endpoint::MAX_PAYLOAD_BYTES;
use common::error_code::ErrorCode;
use common::proto;
use uuid::Uuid;

use crate::Error;

pub use common::proto::TaskSpec as WireSpec;

/// What becomes of a task whose worker is lost while it has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Delivery {
    /// Another worker runs it: it may be started more than once.
    #[default]
    AtLeastOnce,
    /// It ends as LOST: it is never started twice.
    AtMostOnce,
}

impl From<Delivery> for proto::Delivery {
    fn from(delivery: Delivery) -> Self {
        match delivery {
            Delivery::AtLeastOnce => Self::AtLeastOnce,
            Delivery::AtMostOnce => Self::AtMostOnce,
        }
    }
}

/// A task to be submitted. Its id is chosen here, so that a repeated submission is recognised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskSpec {
    /// A UUIDv7, in any spelling.
    pub task_id: String,
    /// Which handler of the worker runs it.
    pub handler: String,
    /// What the handler is given, at most 4 MiB.
    pub payload: Vec<u8>,
    /// What becomes of it when its worker is lost.
    pub delivery: Delivery,
}

impl TaskSpec {
    /// A new task with an id of its own, delivered at least once.
    pub fn new(handler: &str, payload: Vec<u8>) -> Self {
        Self {
            task_id: new_task_id(),
            handler: handler.to_owned(),
            payload,
            delivery: Delivery::default(),
        }
    }

    /// What is too large is not worth sending.
    pub(crate) fn check(&self) -> Result<(), Error> {
        check_payload(&self.payload)
    }
}

/// What is too large is refused here.
pub(crate) fn check_payload(payload: &[u8]) -> Result<(), Error> {
    let size = payload.len();
    if size <= MAX_PAYLOAD_BYTES {
        return Ok(());
    }
    let text = format!("payload: has {size} bytes, at most {MAX_PAYLOAD_BYTES} are allowed");
    Err(Error::new(ErrorCode::InvalidArgument, text))
}

impl From<TaskSpec> for WireSpec {
    fn from(spec: TaskSpec) -> Self {
        let TaskSpec { task_id, handler, payload, delivery } = spec;
        let delivery = proto::Delivery::from(delivery).into();
        Self { task_id: canonical_task_id(&task_id), handler, payload: payload.into(), delivery }
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
