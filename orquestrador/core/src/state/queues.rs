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
    /// Tasks that wait, with and without a record.
    pub queued: u64,
    /// Classes of tasks.
    holders: u64,
}

impl Queue {
    /// Whether one more of its tasks may run.
    pub fn is_open(&self) -> bool {
        !self.settings.paused && self.settings.max_running.is_none_or(|most| self.running < most)
    }

    fn is_needed(&self) -> bool {
        self.holders > 0 || self.settings != QueueSettings::default()
    }
}

#[derive(Default)]
pub struct Queues {
    places: Slab<Queue>,
    by_name: BTreeMap<QueueName, Slot<Queue>>,
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
        let before = std::mem::replace(&mut self.places[slot].settings, settings);
        self.sweep(slot);
        before
    }

    /// The state of one of its tasks was counted, or is no longer.
    pub fn count(&mut self, slot: Slot<Queue>, state: TaskState, is_counted: bool) {
        let queue = &mut self.places[slot];
        match (state, is_counted) {
            (TaskState::Queued, true) => queue.queued += 1,
            (TaskState::Queued, false) => queue.queued -= 1,
            (TaskState::Running, true) => queue.running += 1,
            (TaskState::Running, false) => queue.running -= 1,
            (
                TaskState::Succeeded | TaskState::Failed | TaskState::Cancelled | TaskState::Lost,
                _,
            ) => {}
        }
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

    pub fn len(&self) -> usize {
        self.by_name.len()
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
