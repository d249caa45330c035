//! What is kept up with each record: the digest, the totals, and the figures of queues, owners and arrays.

use crate::effect::TaskState;
use crate::ids::TaskId;
use crate::state::State;
use crate::state::classes::Class;
use crate::state::slab::Slot;
use crate::state::tasks::Task;

impl State {
    /// Before a record changes.
    pub(super) fn count_out(&mut self, slot: Slot<Task>) {
        let task = &self.tasks[slot];
        let (id, state, class) = (task.id(), task.state(), task.class);
        self.digest = self.digest.wrapping_sub(self.task_hash(task));
        *self.totals.count(state) -= 1;
        let Class { owner, queue, .. } = self.classes[class];
        self.queues.count(queue, state, false);
        self.owners.count(owner, state, false);
        if let Some((due, _)) = self.expiry_of(task) {
            self.expiring.remove(&(due, task.seq));
        }
        self.webhooks.expected -= u64::from(self.classes[class].terms.webhook.is_some());
        self.count_within_group(class, state, 1, false);
        self.count_within_array(id, state, false);
    }

    /// After a record changed.
    pub(super) fn count_in(&mut self, slot: Slot<Task>) {
        let task = &self.tasks[slot];
        let (id, state, class) = (task.id(), task.state(), task.class);
        self.digest = self.digest.wrapping_add(self.task_hash(task));
        *self.totals.count(state) += 1;
        let Class { owner, queue, .. } = self.classes[class];
        self.queues.count(queue, state, true);
        self.owners.count(owner, state, true);
        if let Some((due, _)) = self.expiry_of(task) {
            self.expiring.insert((due, task.seq), slot);
        }
        self.webhooks.expected += u64::from(self.classes[class].terms.webhook.is_some());
        self.count_within_group(class, state, 1, true);
        self.count_within_array(id, state, true);
    }

    /// For [`Mutation::MiscountedAtReplay`](crate::mutation::Mutation::MiscountedAtReplay): an error, made on purpose.
    pub(crate) fn miscount(&mut self, task: TaskId) {
        let Some(slot) = self.tasks.find(task) else { return };
        let Class { owner, .. } = self.classes[self.tasks[slot].class];
        self.owners.count(owner, TaskState::Queued, true);
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
