//! The queued tasks of one class, in the order of submission. One line per class, so that one whose tasks have no free
//! worker is never in the way of another.

use std::collections::BTreeMap;
use std::ops::Range;

use super::slab::Slot;
use super::tasks::{Chain, Ends, Seq, Task, Tasks};

#[derive(Clone, Default)]
pub struct Line {
    /// Those never assigned: always younger ones come behind.
    waiting: Ends,
    /// Those whose attempt was lost, and fronts of arrays: each goes to where its submission puts it.
    returned: BTreeMap<Seq, Slot<Task>>,
}

impl Line {
    /// Younger than all that wait.
    pub fn append(&mut self, tasks: &mut Tasks, slot: Slot<Task>) {
        tasks.append(&mut self.waiting, slot, Chain::Queue);
    }

    pub fn put_back(&mut self, seq: Seq, slot: Slot<Task>) {
        self.returned.insert(seq, slot);
    }

    /// Of those that went back to their place, the ones in this part of the order.
    pub fn put_back_within(&self, seqs: Range<Seq>) -> impl Iterator<Item = (&Seq, &Slot<Task>)> {
        self.returned.range(seqs)
    }

    /// It is in this line.
    pub fn remove(&mut self, tasks: &mut Tasks, slot: Slot<Task>) {
        if self.returned.remove(&tasks[slot].seq).is_none() {
            tasks.unlink(&mut self.waiting, slot, Chain::Queue);
        }
    }

    /// The next one to be assigned.
    pub fn first(&self, tasks: &Tasks) -> Option<(Seq, Slot<Task>)> {
        let waiting = self.waiting.first.map(|slot| (tasks[slot].seq, slot));
        let returned = self.returned.first_key_value().map(|(seq, slot)| (*seq, *slot));
        match (returned, waiting) {
            (Some(returned), Some(waiting)) => Some(returned.min(waiting)),
            (returned, waiting) => returned.or(waiting),
        }
    }

    /// In no meaningful order.
    pub fn iter<'a>(&'a self, tasks: &'a Tasks) -> impl Iterator<Item = Slot<Task>> + 'a {
        let waiting =
            std::iter::successors(self.waiting.first, |slot| tasks.newer(*slot, Chain::Queue));
        self.returned.values().copied().chain(waiting)
    }
}
