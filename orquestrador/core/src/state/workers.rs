//! Registered workers and what the state says that they run. Whether one is connected is not known
//! here: that belongs to the office of a principal.

use std::collections::BTreeMap;

use super::names::Handler;
use super::slab::{Slab, Slot};
use super::tasks::{Seq, Task};
use crate::command::AttemptRef;
use crate::digest;
use crate::ids::{ProcessId, WorkerId};

#[derive(Clone)]
pub struct Worker {
    pub id: WorkerId,
    pub id_hash: u64,
    pub incarnation: ProcessId,
    pub slots: u32,
    /// In the order of their names.
    pub handlers: Vec<Slot<Handler>>,
    pub labels: Vec<(String, String)>,
    pub running: BTreeMap<Seq, Slot<Task>>,
    /// Cancelled attempts that still hold a slot.
    pub cancelled: BTreeMap<AttemptRef, Slot<Task>>,
    /// Lost; its record stays until the last of its attempts is requeued or failed.
    pub lost: bool,
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
            running: BTreeMap::new(),
            cancelled: BTreeMap::new(),
            lost: false,
        }
    }

    /// Slots taken.
    pub fn busy(&self) -> u32 {
        u32::try_from(self.running.len() + self.cancelled.len()).unwrap_or(u32::MAX)
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
