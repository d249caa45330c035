//! Registered workers and what the state says that they run. Whether one is connected is not known
//! here: that belongs to the office of a principal.

use std::collections::BTreeMap;

use super::handlers::Handler;
use super::slab::{Slab, Slot};
use super::tasks::{Seq, Task};
use crate::command::AttemptRef;
use crate::digest;
use crate::ids::{ProcessId, WorkerId};
use crate::needs::Needs;

#[derive(Clone)]
pub struct Worker {
    pub id: WorkerId,
    pub id_hash: u64,
    pub incarnation: ProcessId,
    pub slots: u32,
    /// In the order of their names.
    pub handlers: Vec<Slot<Handler>>,
    pub labels: Vec<(String, String)>,
    pub resources: Vec<(String, u64)>,
    /// By what runs, and by what is cancelled and has not ended.
    pub used: Used,
    pub running: BTreeMap<Seq, Slot<Task>>,
    /// Cancelled attempts that still hold a slot.
    pub cancelled: BTreeMap<AttemptRef, Held>,
    /// Lost; its record stays until the last of its attempts is requeued or failed.
    pub lost: bool,
}

/// What is taken of a worker.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Used {
    pub slots: u32,
    /// None of it 0.
    pub resources: BTreeMap<String, u64>,
}

/// A cancelled attempt, and what it holds.
#[derive(Clone)]
pub struct Held {
    pub task: Slot<Task>,
    pub needs: Option<Box<Needs>>,
}

impl Used {
    pub fn take(&mut self, needs: Option<&Needs>) {
        let Some(needs) = needs else {
            self.slots += 1;
            return;
        };
        self.slots += needs.slots;
        for (name, count) in &needs.resources {
            *self.resources.entry(name.clone()).or_default() += count;
        }
    }

    pub fn give_back(&mut self, needs: Option<&Needs>) {
        let Some(needs) = needs else {
            self.slots -= 1;
            return;
        };
        self.slots -= needs.slots;
        for (name, count) in &needs.resources {
            if let Some(used) = self.resources.get_mut(name) {
                *used -= count;
            }
        }
        self.resources.retain(|_, used| *used > 0);
    }
}

impl Worker {
    pub fn new(id: WorkerId, incarnation: ProcessId) -> Self {
        Self {
            id_hash: digest::text(&id.0),
            id,
            incarnation,
            slots: 0,
            handlers: Vec::new(),
            labels: Vec::new(),
            resources: Vec::new(),
            used: Used::default(),
            running: BTreeMap::new(),
            cancelled: BTreeMap::new(),
            lost: false,
        }
    }

    /// Whether it has what the task needs, if nothing else runs there.
    pub fn could_run(&self, needs: &Needs) -> bool {
        let has = |label: &(String, String)| self.labels.binary_search(label).is_ok();
        // A worker without slots runs nothing, but may hold tasks ready.
        (needs.slots <= self.slots || needs.is_one_slot())
            && needs.labels.iter().all(has)
            && needs.resources.iter().all(|(name, count)| *count <= self.resource(name))
    }

    /// Whether it can start the task now. `strays`: slots taken by what is no longer its own.
    pub fn has_room(&self, needs: &Needs, strays: u32) -> bool {
        let taken = self.used.slots.saturating_add(strays).saturating_add(needs.slots);
        let is_free = |(name, count): &(String, u64)| {
            let used = self.used.resources.get(name).copied().unwrap_or_default();
            used.saturating_add(*count) <= self.resource(name)
        };
        taken <= self.slots && needs.resources.iter().all(is_free)
    }

    fn resource(&self, name: &str) -> u64 {
        let place = self.resources.binary_search_by(|(other, _)| other.as_str().cmp(name));
        place.map_or(0, |place| self.resources[place].1)
    }
}

#[derive(Default)]
pub struct Workers {
    places: Slab<Worker>,
    by_id: BTreeMap<WorkerId, Slot<Worker>>,
}

impl Workers {
    pub fn insert(&mut self, worker: Worker) -> Slot<Worker> {
        let id = worker.id.clone();
        let slot = self.places.insert(worker);
        self.by_id.insert(id, slot);
        slot
    }

    /// Another one of the same id may register from now on.
    pub fn mark_lost(&mut self, slot: Slot<Worker>) {
        self.places[slot].lost = true;
        self.by_id.remove(&self.places[slot].id);
        self.sweep(slot);
    }

    /// A running task is no longer this worker's.
    pub fn release(&mut self, slot: Slot<Worker>, seq: Seq) {
        self.places[slot].running.remove(&seq);
        self.sweep(slot);
    }

    fn sweep(&mut self, slot: Slot<Worker>) {
        if self.places[slot].lost && self.places[slot].running.is_empty() {
            self.places.remove(slot);
        }
    }

    pub fn find(&self, id: &WorkerId) -> Option<Slot<Worker>> {
        self.by_id.get(id).copied()
    }

    /// Also those lost whose attempts are still to be given back. In no meaningful order.
    pub fn all(&self) -> impl Iterator<Item = (Slot<Worker>, &Worker)> {
        self.places.iter()
    }

    /// Those registered, by id.
    pub fn iter(&self) -> impl Iterator<Item = (Slot<Worker>, &Worker)> {
        self.by_id.values().map(|slot| (*slot, &self.places[*slot]))
    }

    /// Also those lost whose attempts are still to be given back.
    pub fn records(&self) -> usize {
        self.places.len()
    }

    pub fn len(&self) -> usize {
        self.by_id.len()
    }
}

impl std::ops::Index<Slot<Worker>> for Workers {
    type Output = Worker;

    fn index(&self, slot: Slot<Worker>) -> &Worker {
        &self.places[slot]
    }
}

impl std::ops::IndexMut<Slot<Worker>> for Workers {
    fn index_mut(&mut self, slot: Slot<Worker>) -> &mut Worker {
        &mut self.places[slot]
    }
}
