//! Task records: lean, because there may be millions. Names are slots of their registries, text and
//! results exist only once a task is finished, the payload only until then.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::classes::Class;
use super::index::IdIndex;
use super::kept::Kept;
use super::slab::{Shared, Slab, Slot};
use super::workers::Worker;
use crate::command::{Condition, Failure};
use crate::content;
use crate::effect::TaskState;
use crate::event::LossCause;
use crate::ids::{Attempt, Blob, TaskId, Timestamp, WorkerId};
use crate::terms::Terms;
use crate::webhook::Settled;

/// The order of submission.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Seq(pub u64);

impl Seq {
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// The order of retention: when a finished task held nothing any more.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct FinishOrder(pub u64);

#[derive(Clone)]
pub struct Task {
    /// As bytes, because a `u128` would be padded.
    id: [u8; 16],
    /// Of class and payload: what a repeated submission is compared with.
    pub fingerprint: u64,
    pub submitted_at: Timestamp,
    pub seq: Seq,
    pub class: Slot<Class>,
    /// Each earlier one failed, was lost with its worker, or returned by it; so is this one while the task is queued.
    pub attempt: Attempt,
    /// So many of them were returned. 0 once it is finished.
    pub returned: u16,
    of_owner: Links,
    pub body: Body,
}

#[derive(Clone)]
pub enum Body {
    /// `failed`, here and below: so many attempts failed and were followed by another.
    Queued {
        payload: Kept,
        failed: u16,
        in_queue: Links,
    },
    /// Queued, but in no queue before a moment.
    Delayed {
        payload: Kept,
        failed: u16,
        delay: Box<Delay>,
    },
    /// Queued, but in no queue before others have ended.
    Blocked {
        payload: Kept,
        wait: Box<Wait>,
    },
    Running {
        payload: Kept,
        failed: u16,
        worker: Slot<Worker>,
        started_at: Timestamp,
    },
    Finished(Box<Finished>),
}

#[derive(Clone)]
pub struct Delay {
    pub until: Timestamp,
    /// Code and message of the failure before it; empty before the first attempt.
    pub error: (String, String),
}

/// What a task waits for.
#[derive(Clone)]
pub struct Wait {
    /// Tasks and arrays that have not ended.
    pub open: BTreeSet<TaskId>,
    /// The sum of their hashes.
    pub open_hash: u64,
    pub condition: Condition,
    /// The first one that ended otherwise than it must.
    pub failed: Option<TaskId>,
    /// Those that did so after it, until it is decided what follows. No part of the digest.
    pub failed_too: BTreeSet<TaskId>,
}

#[derive(Clone)]
pub struct Finished {
    pub end: End,
    /// Who ran the last attempt.
    pub worker: Option<WorkerId>,
    pub started_at: Option<Timestamp>,
    pub finished_at: Timestamp,
    /// Of what `end` holds.
    pub content_hash: u64,
    /// `None` while the cancelled attempt still holds its slot.
    pub order: Option<FinishOrder>,
    /// Of a failure or a loss: what is needed to do it once more.
    pub again: Option<Box<Again>>,
    /// What became of its report, if it had one that is owed no more.
    pub webhook: Option<Box<Settled>>,
}

/// What a task was.
#[derive(Clone)]
pub struct Again {
    pub payload: Kept,
    pub terms: Arc<Terms>,
    /// Of one that was skipped: what it came after that had not succeeded.
    pub after: Vec<TaskId>,
    /// Whose files it took.
    pub sources: Vec<TaskId>,
    /// What did it once more, the last time.
    pub by: Option<TaskId>,
}

impl Finished {
    /// What retention counts.
    pub fn bytes(&self) -> u64 {
        self.end.bytes() + self.again.as_ref().map_or(0, |again| again.payload.len() as u64)
    }
}

#[derive(Clone)]
pub enum End {
    Succeeded {
        result: Blob,
    },
    Failed(Failure),
    /// `output`: what the attempt had said, as far as anybody heard it; of one that was lost, too.
    Cancelled {
        output: Blob,
    },
    Lost {
        cause: LossCause,
        output: Blob,
    },
}

/// Neighbours in a chain of tasks.
#[derive(Clone, Copy, Default)]
pub struct Links {
    prev: Option<Slot<Task>>,
    pub next: Option<Slot<Task>>,
}

/// Which chain is meant.
#[derive(Clone, Copy)]
pub enum Chain {
    /// All tasks of an owner, oldest first.
    Owner,
    /// The queued tasks of a class that were never assigned, oldest first.
    Queue,
}

/// Where a chain begins and ends.
#[derive(Clone, Copy, Default)]
pub struct Ends {
    pub first: Option<Slot<Task>>,
    pub last: Option<Slot<Task>>,
}

impl End {
    pub fn state(&self) -> TaskState {
        match self {
            Self::Succeeded { .. } => TaskState::Succeeded,
            Self::Failed(_) => TaskState::Failed,
            Self::Cancelled { .. } => TaskState::Cancelled,
            Self::Lost { .. } => TaskState::Lost,
        }
    }

    /// What retention counts.
    pub fn bytes(&self) -> u64 {
        let length = match self {
            Self::Succeeded { result } => result.len(),
            Self::Failed(failure) => {
                failure.code.len() + failure.message.len() + failure.output.len()
            }
            Self::Lost { output, .. } | Self::Cancelled { output } => output.len(),
        };
        length as u64
    }

    /// The result, or what a failed attempt had produced.
    pub fn output(&self) -> Option<Blob> {
        match self {
            Self::Succeeded { result } => Some(result.clone()),
            Self::Failed(Failure { output, .. })
            | Self::Lost { output, .. }
            | Self::Cancelled { output } => (!output.is_empty()).then(|| output.clone()),
        }
    }

    /// How long that is.
    pub fn output_bytes(&self) -> u64 {
        match self {
            Self::Succeeded { result } => content::length(result),
            Self::Failed(Failure { output, .. })
            | Self::Lost { output, .. }
            | Self::Cancelled { output } => content::length(output),
        }
    }
}

impl Body {
    pub fn queued(payload: Kept, failed: u16) -> Self {
        Self::Queued { payload, failed, in_queue: Links::default() }
    }

    /// Leaves an empty queued body behind.
    pub fn take_payload(&mut self) -> Kept {
        match self.take() {
            Self::Queued { payload, .. }
            | Self::Delayed { payload, .. }
            | Self::Blocked { payload, .. }
            | Self::Running { payload, .. } => payload,
            Self::Finished(_) => Kept::default(),
        }
    }

    /// Leaves an empty queued body behind.
    pub fn take(&mut self) -> Self {
        std::mem::replace(self, Self::queued(Kept::default(), 0))
    }

    pub fn state(&self) -> TaskState {
        match self {
            Self::Queued { .. } | Self::Delayed { .. } | Self::Blocked { .. } => TaskState::Queued,
            Self::Running { .. } => TaskState::Running,
            Self::Finished(finished) => finished.end.state(),
        }
    }

    /// `None` once it is finished.
    pub fn payload(&self) -> Option<&Kept> {
        match self {
            Self::Queued { payload, .. }
            | Self::Delayed { payload, .. }
            | Self::Blocked { payload, .. }
            | Self::Running { payload, .. } => Some(payload),
            Self::Finished(_) => None,
        }
    }

    /// Attempts that failed; 0 once it is finished.
    pub fn failed(&self) -> u16 {
        match self {
            Self::Queued { failed, .. }
            | Self::Delayed { failed, .. }
            | Self::Running { failed, .. } => *failed,
            Self::Blocked { .. } | Self::Finished(_) => 0,
        }
    }

    pub fn payload_bytes(&self) -> u64 {
        self.payload().map_or(0, |payload| payload.len() as u64)
    }
}

/// What a new record starts with.
pub struct Submission {
    pub id: TaskId,
    pub fingerprint: u64,
    pub submitted_at: Timestamp,
    pub seq: Seq,
    pub class: Slot<Class>,
}

impl Task {
    /// With the present one while it runs.
    pub fn lost_attempts(&self) -> u32 {
        self.attempt.0.saturating_sub(u32::from(self.returned) + u32::from(self.body.failed()))
    }

    pub fn new(submission: Submission, attempt: Attempt, body: Body) -> Self {
        let Submission { id, fingerprint, submitted_at, seq, class } = submission;
        let of_owner = Links::default();
        let id = id.to_bytes();
        Self { id, fingerprint, submitted_at, seq, class, attempt, returned: 0, of_owner, body }
    }

    pub fn id(&self) -> TaskId {
        TaskId(u128::from_be_bytes(self.id))
    }

    pub fn state(&self) -> TaskState {
        self.body.state()
    }

    pub fn finished(&self) -> Option<&Finished> {
        match &self.body {
            Body::Finished(finished) => Some(finished),
            Body::Queued { .. }
            | Body::Delayed { .. }
            | Body::Blocked { .. }
            | Body::Running { .. } => None,
        }
    }

    /// How it failed.
    pub fn failure(&self) -> Option<&Failure> {
        match &self.finished()?.end {
            End::Failed(failure) => Some(failure),
            End::Succeeded { .. } | End::Cancelled { .. } | End::Lost { .. } => None,
        }
    }

    pub fn delay(&self) -> Option<&Delay> {
        match &self.body {
            Body::Delayed { delay, .. } => Some(delay),
            Body::Queued { .. }
            | Body::Blocked { .. }
            | Body::Running { .. }
            | Body::Finished(_) => None,
        }
    }

    /// What it waits for, before it may be in a queue.
    pub fn wait(&self) -> Option<&Wait> {
        match &self.body {
            Body::Blocked { wait, .. } => Some(wait),
            Body::Queued { .. }
            | Body::Delayed { .. }
            | Body::Running { .. }
            | Body::Finished(_) => None,
        }
    }

    pub fn links(&self, chain: Chain) -> &Links {
        match (chain, &self.body) {
            (Chain::Owner, _) => &self.of_owner,
            (Chain::Queue, Body::Queued { in_queue, .. }) => in_queue,
            (Chain::Queue, _) => unreachable!("only queued tasks are in the chain of a queue"),
        }
    }

    fn links_mut(&mut self, chain: Chain) -> &mut Links {
        match (chain, &mut self.body) {
            (Chain::Owner, _) => &mut self.of_owner,
            (Chain::Queue, Body::Queued { in_queue, .. }) => in_queue,
            (Chain::Queue, _) => unreachable!("only queued tasks are in the chain of a queue"),
        }
    }
}

/// All tasks, by place and by id.
#[derive(Default)]
pub struct Tasks {
    places: Slab<Task>,
    index: IdIndex,
}

impl Tasks {
    pub fn insert(&mut self, task: Task) -> Slot<Task> {
        let slot = self.places.insert(task);
        self.index.insert(&self.places, slot);
        slot
    }

    /// It is in no chain any more.
    pub fn remove(&mut self, slot: Slot<Task>) -> Task {
        self.index.remove(&self.places, slot);
        self.places.remove(slot)
    }

    pub fn append(&mut self, ends: &mut Ends, slot: Slot<Task>, chain: Chain) {
        let prev = ends.last.replace(slot);
        *self.places[slot].links_mut(chain) = Links { prev, next: None };
        match prev {
            Some(prev) => self.places[prev].links_mut(chain).next = Some(slot),
            None => ends.first = Some(slot),
        }
    }

    /// Behind `prev`, which is in the chain.
    pub fn insert_behind(
        &mut self,
        ends: &mut Ends,
        (prev, slot): (Slot<Task>, Slot<Task>),
        chain: Chain,
    ) {
        let next = self.places[prev].links_mut(chain).next.replace(slot);
        *self.places[slot].links_mut(chain) = Links { prev: Some(prev), next };
        match next {
            Some(next) => self.places[next].links_mut(chain).prev = Some(slot),
            None => ends.last = Some(slot),
        }
    }

    pub fn unlink(&mut self, ends: &mut Ends, slot: Slot<Task>, chain: Chain) {
        let Links { prev, next } = std::mem::take(self.places[slot].links_mut(chain));
        match prev {
            Some(prev) => self.places[prev].links_mut(chain).next = next,
            None => ends.first = next,
        }
        match next {
            Some(next) => self.places[next].links_mut(chain).prev = prev,
            None => ends.last = prev,
        }
    }

    pub fn find(&self, id: TaskId) -> Option<Slot<Task>> {
        self.index.find(&self.places, id)
    }

    pub fn older(&self, slot: Slot<Task>, chain: Chain) -> Option<Slot<Task>> {
        self.places[slot].links(chain).prev
    }

    pub fn newer(&self, slot: Slot<Task>, chain: Chain) -> Option<Slot<Task>> {
        self.places[slot].links(chain).next
    }

    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// As they are now.
    pub fn share(&self) -> Shared<Task> {
        self.places.share()
    }

    /// In no meaningful order.
    pub fn iter(&self) -> impl Iterator<Item = (Slot<Task>, &Task)> {
        self.places.iter()
    }
}

impl std::ops::Index<Slot<Task>> for Tasks {
    type Output = Task;

    fn index(&self, slot: Slot<Task>) -> &Task {
        &self.places[slot]
    }
}

impl std::ops::IndexMut<Slot<Task>> for Tasks {
    fn index_mut(&mut self, slot: Slot<Task>) -> &mut Task {
        &mut self.places[slot]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_stays_lean() {
        assert!(size_of::<Option<Task>>() <= 96, "{} bytes", size_of::<Option<Task>>());
    }
}
