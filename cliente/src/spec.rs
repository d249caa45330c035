//! What is submitted.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use common::array_id;
use common::blobs::Content;
use common::endpoint::{MAX_LARGE_PAYLOAD_BYTES, MAX_PAYLOAD_BYTES};
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

/// When an attempt that failed is followed by another one. Not for tasks that may be started once at most.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// With so many failed attempts the task fails, 2 to 1,000. Those lost with their worker do not count.
    pub max_attempts: u32,
    /// Until the attempt after the first failure, at most; doubled with each further one.
    pub first_delay: Duration,
    /// What no delay exceeds, at most a day.
    pub max_delay: Duration,
    /// Only failures with these codes; empty means all.
    pub codes: Vec<String>,
}

impl RetryPolicy {
    /// All failures, after a second at first and five minutes at most.
    pub fn new(max_attempts: u32) -> Self {
        let (first_delay, max_delay) = (Duration::from_secs(1), Duration::from_mins(5));
        Self { max_attempts, first_delay, max_delay, codes: Vec::new() }
    }
}

impl From<RetryPolicy> for proto::RetryPolicy {
    /// What is too long to be said is too long to be accepted.
    fn from(policy: RetryPolicy) -> Self {
        let ms = |delay: Duration| u32::try_from(delay.as_millis()).unwrap_or(u32::MAX);
        let RetryPolicy { max_attempts, first_delay, max_delay, codes } = policy;
        let (first_delay_ms, max_delay_ms) = (ms(first_delay), ms(max_delay));
        Self { max_attempts, first_delay_ms, max_delay_ms, codes }
    }
}

/// When the first attempt of a task may begin. No part of what a repeated submission is compared with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Start {
    /// As soon as there is a worker.
    #[default]
    Now,
    /// So long after it was accepted, at most 366 days.
    After(Duration),
    /// Not before this moment, by the principal's clock.
    At(SystemTime),
}

impl From<Start> for Option<proto::task_spec::Start> {
    /// What is too late to be said is too late to be accepted; what lies before 1970 is now.
    fn from(start: Start) -> Self {
        let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        match start {
            Start::Now => None,
            Start::After(delay) => Some(proto::task_spec::Start::StartDelayMs(ms(delay))),
            Start::At(at) => {
                let since_epoch = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
                Some(proto::task_spec::Start::NotBeforeMs(ms(since_epoch)))
            }
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
    /// What the handler is given: at most what the orchestrators allow, 256 MiB unless they say otherwise. One of more than 4 MiB
    /// goes ahead as a blob, unless it is there.
    pub payload: Vec<u8>,
    /// What becomes of it when its worker is lost.
    pub delivery: Delivery,
    /// `None`: an attempt that fails is the last one.
    pub retry: Option<RetryPolicy>,
    /// With so many attempts lost with their workers it fails (`QUARANTINED`), 1 to 1,000; `None`: with as many as the cluster
    /// says. Not for tasks that may be started once at most.
    pub max_lost_attempts: Option<u32>,
    /// When it may begin.
    pub start: Start,
    /// Which queue it waits in, and of which priority it is there.
    pub place: Place,
    /// What may take how long.
    pub times: TimeLimits,
    /// What it comes after.
    pub after: After,
    /// What its worker must have.
    pub needs: Needs,
    /// What its payload refers to, which was put before ([`Client::put_blob`](crate::Client::put_blob)).
    pub blobs: Vec<common::blobs::Content>,
    /// Keeps it from being done twice. Not for tasks submitted among others.
    pub unique: Option<UniqueKey>,
    /// The group that it belongs to: a name of the user's own, 1 to 128 bytes, without spaces.
    pub group: Option<String>,
    /// Where its end is told to: an `http` or `https` URL that the orchestrators allow.
    pub webhook: Option<String>,
}

/// While another task of the same user holds the key, that one is the answer to a submission, and no other is accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UniqueKey {
    /// 1 to 128 bytes, without spaces.
    pub key: String,
    /// A task holds its key as long as it is not finished, and for so long from its submission on; at most 366 days. With a
    /// window, a task with another content is refused (`KEY_CONFLICT`).
    pub window: Option<Duration>,
}

impl From<UniqueKey> for proto::UniqueKey {
    fn from(unique: UniqueKey) -> Self {
        let UniqueKey { key, window } = unique;
        Self { key, window_ms: wire_ms(window).unwrap_or_default() }
    }
}

/// What a task needs of its worker.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// 0 is 1.
    pub slots: u32,
    /// Which the worker must have, with these values.
    pub labels: BTreeMap<String, String>,
    /// How much of what the worker has a number of, at least 1 each.
    pub resources: BTreeMap<String, u64>,
}

impl From<Needs> for Option<proto::Needs> {
    fn from(needs: Needs) -> Self {
        let Needs { slots, labels, resources } = needs.clone();
        let (labels, resources) = (labels.into_iter().collect(), resources.into_iter().collect());
        (needs != Needs::default()).then_some(proto::Needs { slots, labels, resources })
    }
}

/// Tasks and arrays that must end before a task, or all of an array, may begin. Not together with a [`Start`] that is later.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct After {
    /// The ids of the same user's, known when the task is submitted, or before it in the same [`Client::submit_together`](crate::Client::submit_together).
    pub ids: Vec<String>,
    /// Whatever their end; otherwise all of them must succeed, or the task fails.
    pub any_end: bool,
    /// Those of them whose files it takes (`inputs_from` of the handler `command`): they are kept until it has ended.
    pub sources: Vec<String>,
}

impl After {
    pub(crate) fn condition(&self) -> proto::Condition {
        match self.any_end {
            true => proto::Condition::Finished,
            false => proto::Condition::Succeeded,
        }
    }
}

/// Where a task waits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Empty: the queue `default`.
    pub queue: String,
    /// The higher one goes first.
    pub priority: i8,
}

/// How long things may take; `None`: as long as they do. Whole milliseconds, at most 366 days.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TimeLimits {
    /// An attempt, from its start at the worker on: then it has failed with `TIMEOUT`, and may be retried.
    pub attempt: Option<Duration>,
    /// From the submission to the start of the first attempt, or the task fails with `EXPIRED`.
    pub begin: Option<Duration>,
    /// From the submission to the task's end, or it fails with `DEADLINE_EXCEEDED`.
    pub end: Option<Duration>,
}

/// What is too long to be said is too long to be accepted.
pub(crate) fn wire_ms(time: Option<Duration>) -> Option<u64> {
    time.map(|time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
}

impl TaskSpec {
    /// A new task with an id of its own, delivered at least once.
    pub fn new(handler: &str, payload: Vec<u8>) -> Self {
        Self {
            task_id: new_task_id(),
            handler: handler.to_owned(),
            payload,
            delivery: Delivery::default(),
            retry: None,
            max_lost_attempts: None,
            start: Start::Now,
            place: Place::default(),
            times: TimeLimits::default(),
            after: After::default(),
            needs: Needs::default(),
            unique: None,
            group: None,
            webhook: None,
            blobs: Vec::new(),
        }
    }

    /// What is too large is not worth sending.
    pub(crate) fn check(&self) -> Result<(), Error> {
        check_size(self.payload.len(), MAX_LARGE_PAYLOAD_BYTES)
    }
}

/// What is too large is refused here. Of arrays and schedules, whose payloads are in messages.
pub(crate) fn check_payload(payload: &[u8]) -> Result<(), Error> {
    check_size(payload.len(), MAX_PAYLOAD_BYTES)
}

fn check_size(size: usize, limit: usize) -> Result<(), Error> {
    if size <= limit {
        return Ok(());
    }
    let text = format!("payload: has {size} bytes, at most {limit} are allowed");
    Err(Error::new(ErrorCode::InvalidArgument, text))
}

/// A payload that is a blob of its own.
pub(crate) type Large = (Content, Bytes);

impl TaskSpec {
    /// What is sent, and what is put before.
    pub(crate) fn into_wire(mut self) -> (WireSpec, Option<Large>) {
        if self.payload.len() <= MAX_PAYLOAD_BYTES {
            return (self.into(), None);
        }
        let payload = std::mem::take(&mut self.payload);
        let content = Content::of(&payload);
        let payload_blob = Some(Box::new(content.into()));
        (WireSpec { payload_blob, ..self.into() }, Some((content, payload.into())))
    }
}

impl From<TaskSpec> for WireSpec {
    /// With its payload inside, whatever its length.
    fn from(spec: TaskSpec) -> Self {
        let TaskSpec {
            task_id,
            handler,
            payload,
            delivery,
            retry,
            max_lost_attempts,
            start,
            place,
            times,
            after,
            needs,
            unique,
            group,
            webhook,
            blobs,
        } = spec;
        Self {
            task_id: canonical_task_id(&task_id),
            handler,
            payload: payload.into(),
            payload_blob: None,
            delivery: proto::Delivery::from(delivery).into(),
            retry: retry.map(|retry| Box::new(retry.into())),
            max_lost_attempts: max_lost_attempts.unwrap_or_default(),
            start: start.into(),
            queue: place.queue,
            priority: place.priority.into(),
            attempt_timeout_ms: wire_ms(times.attempt),
            expires_after_ms: wire_ms(times.begin),
            deadline_after_ms: wire_ms(times.end),
            sources: after.sources.iter().map(|id| canonical_task_id(id)).collect(),
            after: after.ids.iter().map(|id| canonical_task_id(id)).collect(),
            after_condition: after.condition().into(),
            needs: Option::map(needs.into(), Box::new),
            unique: unique.map(|unique| Box::new(unique.into())),
            group: group.unwrap_or_default(),
            webhook: webhook.unwrap_or_default(),
            blobs: blobs.into_iter().map(Into::into).collect(),
            // The whole call says it.
            traceparent: String::new(),
        }
    }
}

/// A fresh UUIDv7.
pub fn new_task_id() -> String {
    Uuid::now_v7().to_string()
}

/// The one id under which a task is done once more by whoever does so for all that failed: asked for twice, it
/// is done once. Beside the task in the order of ids.
pub fn retry_id(task_id: &str) -> String {
    part_id(task_id, "retry")
}

/// The one id of what has this name within something that has an id itself. Beside that in the order of ids.
pub fn part_id(of: &str, name: &str) -> String {
    let of = Uuid::parse_str(of).unwrap_or_default();
    let mut bytes = *Uuid::new_v5(&of, name.as_bytes()).as_bytes();
    let time = 6;
    bytes[..time].copy_from_slice(&of.as_bytes()[..time]);
    let id = uuid::Builder::from_bytes(bytes).with_version(uuid::Version::SortRand);
    id.with_variant(uuid::Variant::RFC4122).into_uuid().to_string()
}

/// The same of what failed with an array before its turn; `None` if that is no id of an array.
pub fn retry_array_id(array_id: &str) -> Option<String> {
    array_id::is_array(array_id).then(|| part_array_id(array_id, "retry"))
}

/// The same as [`part_id`], of an array.
pub fn part_array_id(of: &str, name: &str) -> String {
    array_id::like(Uuid::parse_str(&part_id(of, name)).unwrap_or_default())
}

/// The form in which orchestrators name a task: lower case, with hyphens. What is no UUID stays as it is.
pub fn canonical_task_id(text: &str) -> String {
    Uuid::parse_str(text).map_or_else(|_| text.to_owned(), |id| id.hyphenated().to_string())
}
