//! What is kept up with each record: the digest, the totals, and the figures of queues, owners and arrays.

use crate::effect::TaskState;
use crate::ids::TaskId;
use crate::state::State;
use crate::state::classes::Class;
use crate::state::groups::Group;
use crate::state::handlers::Handler;
use crate::state::owners::Owner;
use crate::state::queues::Queue;
use crate::state::slab::Slot;
use crate::state::tasks::Task;

/// How a record counts.
#[derive(Clone, Copy, PartialEq, Eq)]
#[must_use]
pub(super) struct Counted {
    pub(super) state: TaskState,
    owner: Slot<Owner>,
    handler: Slot<Handler>,
    queue: Slot<Queue>,
    group: Option<Slot<Group>>,
    is_to_report: bool,
    /// Another task does it once more.
    pub(super) is_repeated: bool,
}

impl State {
    fn counted(&self, task: &Task) -> Counted {
        let class = &self.classes[task.class];
        let is_to_report = class.terms.webhook.is_some();
        let Class { owner, handler, queue, group, .. } = *class;
        let again = task.finished().and_then(|finished| finished.again.as_deref());
        let is_repeated = again.is_some_and(|again| again.by.is_some());
        let state = task.state();
        Counted { state, owner, handler, queue, group, is_to_report, is_repeated }
    }

    /// Before a record changes; [`State::count_in`] must follow. Its owner, handler, queue and group
    /// stay.
    pub(super) fn count_out(&mut self, slot: Slot<Task>) -> Counted {
        let task = &self.tasks[slot];
        let (seq, expiry) = (task.seq, self.expiry_of(task));
        let before = self.counted(task);
        self.digest = self.digest.wrapping_sub(self.task_hash(task));
        if let Some((due, _)) = expiry {
            self.expiring.remove(&(due, seq));
        }
        before
    }

    /// After a record changed.
    pub(super) fn count_in(&mut self, slot: Slot<Task>, before: Counted) {
        let after = self.enter_digest(slot);
        if before == after {
            return;
        }
        *self.totals.count(before.state) -= 1;
        *self.totals.count(after.state) += 1;
        self.handlers.count(after.handler, before.state, 1, false);
        self.handlers.count(after.handler, after.state, 1, true);
        self.queues.count(after.queue, Some(before.state), Some(after.state));
        self.owners.count(after.owner, Some(before.state), Some(after.state));
        self.webhooks.expected += u64::from(after.is_to_report);
        self.webhooks.expected -= u64::from(before.is_to_report);
        if let Some(group) = after.group {
            self.groups.count(group, before.state, 1, false);
            self.groups.count(group, after.state, 1, true);
        }
        let id = self.tasks[slot].id();
        self.count_within_array(id, before, false);
        self.count_within_array(id, after, true);
    }

    /// A new record.
    pub(super) fn count_new(&mut self, slot: Slot<Task>) {
        let after = self.enter_digest(slot);
        *self.totals.count(after.state) += 1;
        self.handlers.count(after.handler, after.state, 1, true);
        self.queues.count(after.queue, None, Some(after.state));
        self.owners.count(after.owner, None, Some(after.state));
        self.webhooks.expected += u64::from(after.is_to_report);
        if let Some(group) = after.group {
            self.groups.count(group, after.state, 1, true);
        }
        self.count_within_array(self.tasks[slot].id(), after, true);
    }

    /// Before a record is removed.
    pub(super) fn count_gone(&mut self, slot: Slot<Task>) {
        let before = self.count_out(slot);
        *self.totals.count(before.state) -= 1;
        self.handlers.count(before.handler, before.state, 1, false);
        self.queues.count(before.queue, Some(before.state), None);
        self.owners.count(before.owner, Some(before.state), None);
        self.webhooks.expected -= u64::from(before.is_to_report);
        if let Some(group) = before.group {
            self.groups.count(group, before.state, 1, false);
        }
        self.count_within_array(self.tasks[slot].id(), before, false);
    }

    fn enter_digest(&mut self, slot: Slot<Task>) -> Counted {
        let task = &self.tasks[slot];
        let (seq, expiry) = (task.seq, self.expiry_of(task));
        let after = self.counted(task);
        self.digest = self.digest.wrapping_add(self.task_hash(task));
        if let Some((due, _)) = expiry {
            self.expiring.insert((due, seq), slot);
        }
        after
    }

    /// For [`Mutation::MiscountedAtReplay`](crate::mutation::Mutation::MiscountedAtReplay): an error, made on purpose.
    pub(crate) fn miscount(&mut self, task: TaskId) {
        let Some(slot) = self.tasks.find(task) else { return };
        let Class { owner, .. } = self.classes[self.tasks[slot].class];
        self.owners.count(owner, None, Some(TaskState::Queued));
    }

    /// A payload is kept for a task of this class that is not finished, or no longer.
    pub(super) fn count_bytes(&mut self, class: Slot<Class>, bytes: u64, is_counted: bool) {
        match is_counted {
            true => self.totals.active_bytes += bytes,
            false => self.totals.active_bytes -= bytes,
        }
        self.owners.count_bytes(self.classes[class].owner, bytes, is_counted);
    }

    /// A cancelled attempt of a task of this class holds its slot, or no longer.
    pub(super) fn count_held(&mut self, class: Slot<Class>, is_counted: bool) {
        let Class { owner, queue, .. } = self.classes[class];
        let held = &mut self.queues[queue].held;
        *held = if is_counted { *held + 1 } else { *held - 1 };
        self.owners.count_held(owner, is_counted);
    }
}
