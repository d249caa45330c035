//! Named queues: how their tasks share the workers. A queue is there as long as a class or a setting names it.

use std::collections::BTreeMap;

use super::slab::{Slab, Slot};
use crate::digest;
use crate::effect::TaskState;
use crate::ids::QueueName;
use crate::settings::QueueSettings;

#[derive(Clone)]
pub struct Queue {
    pub name: QueueName,
    pub name_hash: u64,
    pub settings: QueueSettings,
    /// Tasks that run, other than cancelled ones.
    pub running: u32,
    /// Cancelled attempts that have not ended.
    pub held: u32,
    /// Tasks that wait, with and without a record.
    pub queued: u64,
    /// Classes of tasks.
    holders: u64,
}

impl Queue {
    /// Whether one more of its tasks may run.
    pub fn is_open(&self) -> bool {
        let taken = self.running.saturating_add(self.held);
        !self.settings.paused && self.settings.max_running.is_none_or(|most| taken < most)
    }

    /// It has unfinished tasks, or settings.
    pub fn is_active(&self) -> bool {
        self.queued > 0 || self.running > 0 || self.settings != QueueSettings::default()
    }

    fn is_needed(&self) -> bool {
        self.holders > 0 || self.settings != QueueSettings::default()
    }
}

#[derive(Default)]
pub struct Queues {
    places: Slab<Queue>,
    by_name: BTreeMap<QueueName, Slot<Queue>>,
    active: usize,
}

impl Queues {
    /// One more class names it.
    pub fn hold(&mut self, name: &QueueName) -> Slot<Queue> {
        let slot = self.find_or_insert(name);
        self.places[slot].holders += 1;
        slot
    }

    pub fn release(&mut self, slot: Slot<Queue>) {
        self.places[slot].holders -= 1;
        self.sweep(slot);
    }

    /// The settings before, and the queue as long as anything needs it.
    pub fn set(&mut self, name: &QueueName, settings: QueueSettings) -> QueueSettings {
        let slot = self.find_or_insert(name);
        let mut before = QueueSettings::default();
        self.change(slot, |queue| before = std::mem::replace(&mut queue.settings, settings));
        self.sweep(slot);
        before
    }

    /// One of its tasks was in the one state, if it was there, and is in the other one, if it still is.
    pub fn count(
        &mut self,
        slot: Slot<Queue>,
        before: Option<TaskState>,
        after: Option<TaskState>,
    ) {
        self.change(slot, |queue| {
            queue.queued += u64::from(after == Some(TaskState::Queued));
            queue.queued -= u64::from(before == Some(TaskState::Queued));
            queue.running += u32::from(after == Some(TaskState::Running));
            queue.running -= u32::from(before == Some(TaskState::Running));
        });
    }

    /// So many tasks without a record wait there from now on, or no longer.
    pub fn count_waiting(&mut self, slot: Slot<Queue>, tasks: u32, is_counted: bool) {
        let tasks = u64::from(tasks);
        self.change(slot, |queue| match is_counted {
            true => queue.queued += tasks,
            false => queue.queued -= tasks,
        });
    }

    fn change(&mut self, slot: Slot<Queue>, change: impl FnOnce(&mut Queue)) {
        let queue = &mut self.places[slot];
        let was_active = queue.is_active();
        change(queue);
        self.active = self.active + usize::from(queue.is_active()) - usize::from(was_active);
    }

    /// How many of them [are](Queue::is_active).
    pub fn active(&self) -> usize {
        self.active
    }

    fn find_or_insert(&mut self, name: &QueueName) -> Slot<Queue> {
        if let Some(slot) = self.find(name) {
            return slot;
        }
        let slot = self.places.insert(Queue {
            name: name.clone(),
            name_hash: digest::text(&name.0),
            settings: QueueSettings::default(),
            running: 0,
            held: 0,
            queued: 0,
            holders: 0,
        });
        self.by_name.insert(name.clone(), slot);
        slot
    }

    fn sweep(&mut self, slot: Slot<Queue>) {
        if !self.places[slot].is_needed() {
            self.by_name.remove(&self.places[slot].name);
            self.places.remove(slot);
        }
    }

    pub fn find(&self, name: &QueueName) -> Option<Slot<Queue>> {
        self.by_name.get(name).copied()
    }

    /// By name.
    pub fn iter(&self) -> impl Iterator<Item = (Slot<Queue>, &Queue)> {
        self.by_name.values().map(|slot| (*slot, &self.places[*slot]))
    }
}

impl std::ops::Index<Slot<Queue>> for Queues {
    type Output = Queue;

    fn index(&self, slot: Slot<Queue>) -> &Queue {
        &self.places[slot]
    }
}

impl std::ops::IndexMut<Slot<Queue>> for Queues {
    fn index_mut(&mut self, slot: Slot<Queue>) -> &mut Queue {
        &mut self.places[slot]
    }
}
