//! The replicated state: equal on every node that applied the same events. Changed by `apply` alone;
//! nothing here knows who is connected or what time it is.

mod again;
pub mod arrays;
pub mod blobs;
pub mod classes;
pub mod dependents;
pub mod groups;
pub mod handlers;
pub mod index;
pub mod kept;
pub mod keys;
pub mod line;
pub mod marks;

pub mod owners;
pub mod queues;
pub mod schedules;
pub mod slab;
pub mod sources;
pub mod tasks;
pub mod transitions;
pub mod webhooks;
pub mod workers;

use std::collections::BTreeMap;

use crate::digest::{self, ArrayParts, TaskParts};
use crate::effect::{TaskState, UserRecord};
use crate::ids::{ArrayId, Attempt, HandlerName, TaskId, Timestamp, UserName};
use crate::terms::{Expiry, Terms, TimeLimits};
use crate::trace::TraceContext;
use arrays::{Array, Arrays};
use blobs::Blobs;
use classes::{Class, Classes};
use dependents::Dependents;
use groups::Groups;
use handlers::{Handler, Handlers};
use keys::Keys;
use owners::{Owner, Owners};
use queues::Queues;
use schedules::Schedules;
use slab::Slot;
use sources::Sources;
use tasks::{Body, FinishOrder, Seq, Task, Tasks};
use webhooks::Webhooks;
use workers::Workers;

#[derive(Default)]
pub struct State {
    pub tasks: Tasks,
    pub arrays: Arrays,
    pub handlers: Handlers,
    pub owners: Owners,
    pub queues: Queues,
    pub groups: Groups,
    pub classes: Classes,
    pub workers: Workers,
    pub users: BTreeMap<UserName, UserRecord>,
    /// Tasks that wait until a moment.
    pub delayed: BTreeMap<(Timestamp, Seq), Slot<Task>>,
    pub dependents: Dependents,
    /// Tasks whose wait for others is over, in the order of submission, until that has been decided.
    pub resolved: BTreeMap<Seq, Slot<Task>>,
    /// Unfinished tasks that fail at a moment unless something happens before.
    pub expiring: BTreeMap<(Timestamp, Seq), Slot<Task>>,
    pub keys: Keys,
    pub schedules: Schedules,
    pub blobs: Blobs,
    pub sources: Sources,
    /// Of tasks and arrays that are not finished, those that belong to one.
    pub traces: BTreeMap<TaskId, TraceContext>,
    pub webhooks: Webhooks,
    /// Finished tasks that hold no slot, in the order in which retention forgets them.
    pub retained: BTreeMap<FinishOrder, Slot<Task>>,
    /// Those of them that refer to blobs.
    pub with_blobs: BTreeMap<FinishOrder, Slot<Task>>,
    pub totals: Totals,
    pub(crate) next_seq: Seq,
    pub(crate) next_order: FinishOrder,
    pub(crate) digest: u128,
    /// The first event that did not fit the state.
    pub(crate) misfit: Option<String>,
}

/// Sums over all tasks, those of arrays that have no record included.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// In the order of [`TaskState::ALL`].
    pub counts: [u64; 6],
    /// Payloads of unfinished tasks; one for all of an array that have no record.
    pub active_bytes: u64,
    /// What finished tasks hold.
    pub finished_bytes: u64,
}

impl Totals {
    pub fn count(&mut self, state: TaskState) -> &mut u64 {
        &mut self.counts[state as usize]
    }

    pub fn active(&self) -> u64 {
        TaskState::ALL
            .into_iter()
            .filter(|state| !state.is_finished())
            .map(|state| self.counts[state as usize])
            .sum()
    }
}

impl State {
    pub fn owner_of(&self, class: Slot<Class>) -> &Owner {
        &self.owners[self.classes[class].owner]
    }

    pub fn handler_of(&self, class: Slot<Class>) -> &Handler {
        &self.handlers[self.classes[class].handler]
    }

    pub fn terms_of(&self, class: Slot<Class>) -> &Terms {
        &self.classes[class].terms
    }

    pub fn has_class(&self, owner: &UserName, handler: &HandlerName, terms: &Terms) -> bool {
        let names = self.owners.find(owner).zip(self.handlers.find(handler));
        let class = names.and_then(|(owner, handler)| self.classes.find(owner, handler, terms));
        class.is_some()
    }

    /// This owner's task; another's does not exist for it.
    pub fn task_of(&self, owner: &UserName, id: TaskId) -> Option<Slot<Task>> {
        let slot = self.tasks.find(id)?;
        (self.owner_of(self.tasks[slot].class).name == *owner).then_some(slot)
    }

    /// This owner's array; another's does not exist for it.
    pub fn array_of(&self, owner: &UserName, id: ArrayId) -> Option<Slot<Array>> {
        let slot = self.arrays.find(id)?;
        (self.owner_of(self.arrays[slot].class).name == *owner).then_some(slot)
    }

    /// This owner's task that waits in an array without a record, or was cancelled there.
    pub fn without_record(&self, owner: &UserName, id: TaskId) -> Option<(Slot<Array>, u32)> {
        let (slot, place) = self.arrays.find_task(id)?;
        let array = &self.arrays[slot];
        let is_theirs = self.owner_of(array.class).name == *owner;
        let is_told = self.tasks.find(id).is_none() && place >= array.begun;
        (is_theirs && is_told).then_some((slot, place))
    }

    /// The tasks of an array that have a record and are not finished.
    pub fn active_in(&self, array: &Array) -> Vec<Slot<Task>> {
        let seqs = array.seq..Seq(array.seq.0 + u64::from(array.count));
        let running = self.workers.all().flat_map(|(_, worker)| worker.running.range(seqs.clone()));
        let queued = self.classes[array.class].line.put_back_within(seqs.clone());
        let delayed = self.delayed.iter().map(|((_, seq), slot)| (seq, slot));
        let delayed = delayed.filter(|(seq, _)| seqs.contains(seq));
        // Only the last one that got its record may wait for others.
        let last = array.last_begun().and_then(|task| self.tasks.find(task));
        let blocked = last.filter(|slot| self.tasks[*slot].wait().is_some());
        let blocked = blocked.iter().map(|slot| (&self.tasks[*slot].seq, slot));
        let active: BTreeMap<_, _> = running
            .chain(queued)
            .chain(delayed)
            .chain(blocked)
            .map(|(seq, slot)| (*seq, *slot))
            .collect();
        active.into_values().collect()
    }

    /// Whether blobs may become free when the finished task is forgotten: its own, or in the end those of its array.
    pub fn can_give_up_blobs(&self, slot: Slot<Task>) -> bool {
        let id = self.tasks[slot].id();
        let array = self.arrays.find_task(id).map(|(array, _)| &self.arrays[array]);
        self.blobs.refers(id) || array.is_none_or(|array| !array.is_open())
    }

    /// When the task fails unless something happens before, and why.
    pub fn expiry_of(&self, task: &Task) -> Option<(Timestamp, Expiry)> {
        let times = self.classes[task.class].terms.times;
        let is_open = task.finished().is_none() && times != TimeLimits::default();
        is_open.then(|| times.due(task.submitted_at, task.attempt > Attempt(0))).flatten()
    }

    /// What the array adds to the digest, beside those of its tasks that have a record.
    pub fn array_hash(&self, array: &Array) -> u128 {
        digest::array(&ArrayParts {
            id: array.id.0,
            owner_hash: self.owner_of(array.class).name_hash,
            handler_hash: self.handler_of(array.class).name_hash,
            fingerprint: array.fingerprint,
            submitted_at: array.submitted_at.0,
            terms_hash: self.classes[array.class].terms_hash,
            numbers: (array.first, array.count),
            begun: array.begun,
            forgotten: array.forgotten,
            early: array.early.places().sums(),
            failed: array.failed,
        })
    }

    /// What the task adds to the digest.
    pub fn task_hash(&self, task: &Task) -> u128 {
        let running = match &task.body {
            Body::Running { worker, started_at, .. } => {
                Some((self.workers[*worker].id_hash, started_at.0))
            }
            Body::Queued { .. }
            | Body::Delayed { .. }
            | Body::Blocked { .. }
            | Body::Finished(_) => None,
        };
        digest::task(&TaskParts {
            id: task.id().0,
            owner_hash: self.owner_of(task.class).name_hash,
            handler_hash: self.handler_of(task.class).name_hash,
            fingerprint: task.fingerprint,
            submitted_at: task.submitted_at.0,
            attempt: task.attempt.0,
            returned: task.returned,
            terms_hash: self.classes[task.class].terms_hash,
            failed: task.body.failed(),
            delayed_until: task.delay().map_or(0, |delay| delay.until.0),
            wait_hash: task.wait().map_or(0, digest::wait),
            state: task.state() as u8,
            running,
            finished: task.finished(),
        })
    }

    /// The digest, from the records alone.
    pub fn counted_digest(&self) -> u128 {
        let tasks = self.tasks.iter().map(|(_, task)| self.task_hash(task));
        let arrays = self.arrays.iter().map(|(_, array)| self.array_hash(array));
        let workers = self.workers.iter().map(|(_, w)| digest::worker(w, &self.handlers));
        let handlers = self.handlers.learned().map(digest::learned);
        let queues = self.queues.iter().map(|(_, q)| digest::queue(&q.name, q.settings));
        let users = self.users.values().map(digest::user);
        let groups = self.groups.iter().map(|(_, group)| group.hash());
        let quotas = self.owners.quotas().map(|(user, quota)| digest::quota(user, Some(quota)));
        let keys = self.keys.iter().map(|(_, key)| key.hash());
        let all = tasks.chain(arrays).chain(workers).chain(handlers).chain(queues).chain(users);
        let schedules = self.schedules.iter().map(|(key, entry)| schedules::hash(key, entry));
        let all = all.chain(groups).chain(keys).chain(quotas).chain(schedules);
        let references = self.blobs.iter().map(|(task, blob)| blobs::hash(task, blob));
        let owed = self.webhooks.iter().map(|owed| webhooks::hash(owed));
        let taken = self
            .sources
            .iter()
            .flat_map(|(task, of)| of.iter().map(move |source| sources::hash(task, *source)));
        let traces = self.traces.iter().map(|(task, trace)| digest::trace(*task, *trace));
        let all = all.chain(references).chain(owed).chain(taken).chain(traces);
        all.fold(0, u128::wrapping_add)
    }
}
