//! Where to begin a search in the chain of an owner's tasks, which only knows neighbours: a page may begin anywhere in it.

use std::collections::BTreeMap;

use super::slab::Slot;
use super::tasks::{Seq, Task};

/// Of so many tasks about one is a mark.
const SPACING: u64 = 16;

/// Some of an owner's tasks. No part of the replicated state: which ones they are follows from their places.
#[derive(Clone, Default)]
pub struct Marks(BTreeMap<Seq, Slot<Task>>);

impl Marks {
    /// The task is in the chain from now on.
    pub fn note(&mut self, seq: Seq, slot: Slot<Task>) {
        if is_mark(seq) {
            self.0.insert(seq, slot);
        }
    }

    /// It no longer is.
    pub fn forget(&mut self, seq: Seq) {
        self.0.remove(&seq);
    }

    /// One that was not submitted before this, close to it; `None` if the last of all is.
    pub fn from(&self, seq: Seq) -> Option<Slot<Task>> {
        self.0.range(seq..).next().map(|(_, slot)| *slot)
    }

    /// With these tasks in the chain, these are the marks.
    pub fn are_of<'a>(&self, tasks: impl Iterator<Item = (Slot<Task>, &'a Task)>) -> bool {
        let marks = tasks.filter(|(_, task)| is_mark(task.seq));
        self.0 == marks.map(|(slot, task)| (task.seq, slot)).collect()
    }
}

/// Scattered: owners who take turns have marks too.
fn is_mark(seq: Seq) -> bool {
    let mixed = (seq.0 ^ (seq.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (mixed ^ (mixed >> 31)).is_multiple_of(SPACING)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_submits_in_turns_has_marks_too() {
        for owners in [1, 2, 3, 16, 64, 1_000] {
            let all = (0..16_000).filter(|nth| is_mark(Seq(nth * owners))).count();
            assert!((800..1_200).contains(&all), "{owners}: {all}");
        }
    }
}
