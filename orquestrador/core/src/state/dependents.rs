//! Who waits for whom.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use super::slab::Slot;
use super::tasks::{Seq, Task};
use crate::ids::TaskId;

/// Tasks that wait for a task or an array, by its id, in the order of submission.
#[derive(Default)]
pub struct Dependents {
    of: BTreeMap<TaskId, BTreeMap<Seq, Slot<Task>>>,
    waits: usize,
}

impl Dependents {
    pub fn insert(&mut self, of: TaskId, seq: Seq, slot: Slot<Task>) {
        let is_new = self.of.entry(of).or_default().insert(seq, slot).is_none();
        self.waits += usize::from(is_new);
    }

    pub fn remove(&mut self, of: TaskId, seq: Seq) {
        let Some(waiting) = self.of.get_mut(&of) else { return };
        self.waits -= usize::from(waiting.remove(&seq).is_some());
        if waiting.is_empty() {
            self.of.remove(&of);
        }
    }

    /// They wait for it no longer.
    pub fn take(&mut self, of: TaskId) -> impl Iterator<Item = Slot<Task>> + use<> {
        let waiting = self.of.remove(&of).unwrap_or_default();
        self.waits -= waiting.len();
        waiting.into_values()
    }

    /// How many wait for it.
    pub fn count(&self, of: TaskId) -> usize {
        self.of.get(&of).map_or(0, BTreeMap::len)
    }

    /// What is waited for, of these.
    pub fn within(&self, ids: RangeInclusive<TaskId>) -> Vec<TaskId> {
        self.of.range(ids).map(|(id, _)| *id).collect()
    }

    /// Pairs of a task and what it waits for.
    pub fn len(&self) -> usize {
        self.waits
    }

    pub fn is_empty(&self) -> bool {
        self.waits == 0
    }

    /// What is waited for, and by whom.
    pub fn iter(&self) -> impl Iterator<Item = (TaskId, Seq, Slot<Task>)> {
        self.of.iter().flat_map(|(id, waiting)| waiting.iter().map(|(seq, s)| (*id, *seq, *s)))
    }
}
