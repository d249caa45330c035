//! Arrays: tasks that differ by their number alone. They are one record until each begins, however many they are.
//!
//! The next task of an array to begin, its front, always has a record of its own, so that queues and assignment know
//! of tasks only. When the front is assigned or cancelled, the one behind it becomes the front.

use std::collections::BTreeMap;

use super::kept::Kept;
use super::names::{Handler, Owner};
use super::slab::{Shared, Slab, Slot};
use super::tasks::{Seq, Task};
use crate::command::Delivery;
use crate::digest;
use crate::effect::TaskState;
use crate::event::Forgotten;
use crate::ids::{ArrayId, TaskId, Timestamp};

#[derive(Clone)]
pub struct Array {
    pub id: ArrayId,
    pub owner: Slot<Owner>,
    pub handler: Slot<Handler>,
    pub delivery: Delivery,
    pub submitted_at: Timestamp,
    /// Of each of its tasks.
    pub fingerprint: u64,
    /// Empty once no task waits without a record.
    pub payload: Kept,
    /// The number of its first task; the others follow.
    pub first: u32,
    pub count: u32,
    /// Of its first task; the others follow.
    pub seq: Seq,
    /// So many have, or had, a record of their own: the first ones, up to the front.
    pub begun: u32,
    pub early: Early,
    /// The last of those begun, as long as others wait behind it.
    pub front: Option<Slot<Task>>,
    /// Of the tasks that have a record, in the order of [`TaskState::ALL`].
    pub counts: [u32; 6],
    pub forgotten: Forgotten,
}

impl Array {
    /// Tasks without a record that have not begun.
    pub fn waiting(&self) -> u32 {
        self.count - self.begun - self.early.len()
    }

    /// The task at this place; the first one is at 0.
    pub fn task(&self, place: u32) -> TaskId {
        self.id.task(self.first + place)
    }

    /// Where the task stands, if it is one of this array.
    pub fn place(&self, number: u32) -> Option<u32> {
        number.checked_sub(self.first).filter(|place| *place < self.count)
    }

    pub fn seq(&self, place: u32) -> Seq {
        Seq(self.seq.0 + u64::from(place))
    }

    pub fn waits(&self, place: u32) -> bool {
        place >= self.begun && place < self.count && !self.early.contains(place)
    }

    /// The last one before this place that waits and stands behind `after`.
    pub fn last_waiting(&self, after: u32, before: u32) -> Option<u32> {
        ((after + 1).max(self.begun)..before).rev().find(|place| self.waits(*place))
    }

    /// Of those that have a record, the last one before this place, which waits.
    pub fn record_before(&self, place: u32) -> Option<Slot<Task>> {
        self.early.record_before(place).or(self.front)
    }

    /// All tasks, the forgotten ones too, in the order of [`TaskState::ALL`].
    pub fn all_counts(&self) -> [u64; 6] {
        let mut counts = self.counts.map(u64::from);
        counts[TaskState::Queued as usize] += u64::from(self.waiting());
        let mut forgotten = self.forgotten;
        for state in TaskState::ALL {
            counts[state as usize] += forgotten.of(state).map_or(0, |count| u64::from(*count));
        }
        counts
    }
}

/// Tasks that have or had a record before their turn, because they were cancelled, by place; without it once they are
/// forgotten.
#[derive(Clone, Default)]
pub struct Early {
    places: BTreeMap<u32, Option<Slot<Task>>>,
    hash: u64,
}

impl Early {
    pub fn insert(&mut self, place: u32, record: Option<Slot<Task>>) {
        if self.places.insert(place, record).is_none() {
            self.hash = self.hash.wrapping_add(digest::place(place));
        }
    }

    /// It is no longer early; `None` if it was not, otherwise its record.
    pub fn remove(&mut self, place: u32) -> Option<Option<Slot<Task>>> {
        let removed = self.places.remove(&place)?;
        self.hash = self.hash.wrapping_sub(digest::place(place));
        Some(removed)
    }

    /// Its record is gone, if it was early.
    pub fn forget(&mut self, place: u32) {
        if let Some(record) = self.places.get_mut(&place) {
            *record = None;
        }
    }

    pub fn contains(&self, place: u32) -> bool {
        self.places.contains_key(&place)
    }

    pub fn len(&self) -> u32 {
        u32::try_from(self.places.len()).unwrap_or(u32::MAX)
    }

    pub fn places(&self) -> impl Iterator<Item = u32> {
        self.places.keys().copied()
    }

    /// For the digest.
    pub fn hash(&self) -> u64 {
        self.hash
    }

    fn record_before(&self, place: u32) -> Option<Slot<Task>> {
        self.places.range(..place).rev().find_map(|(_, record)| *record)
    }
}

/// All arrays, by place and by id.
#[derive(Default)]
pub struct Arrays {
    places: Slab<Array>,
    by_id: BTreeMap<ArrayId, Slot<Array>>,
    by_seq: BTreeMap<Seq, Slot<Array>>,
}

impl Arrays {
    pub fn insert(&mut self, array: Array) -> Slot<Array> {
        let (id, seq) = (array.id, array.seq);
        let slot = self.places.insert(array);
        self.by_id.insert(id, slot);
        self.by_seq.insert(seq, slot);
        slot
    }

    pub fn remove(&mut self, slot: Slot<Array>) -> Array {
        let array = self.places.remove(slot);
        self.by_id.remove(&array.id);
        self.by_seq.remove(&array.seq);
        array
    }

    pub fn find(&self, id: ArrayId) -> Option<Slot<Array>> {
        self.by_id.get(&id).copied()
    }

    /// The array that the task belongs to, and its place there.
    pub fn find_task(&self, id: TaskId) -> Option<(Slot<Array>, u32)> {
        let (array, number) = id.in_array()?;
        let slot = self.find(array)?;
        Some((slot, self.places[slot].place(number)?))
    }

    /// In the order of submission.
    pub fn iter(&self) -> impl Iterator<Item = (Slot<Array>, &Array)> {
        self.by_seq.values().map(|slot| (*slot, &self.places[*slot]))
    }

    /// As they are now.
    pub fn share(&self) -> Shared<Array> {
        self.places.share()
    }
}

impl std::ops::Index<Slot<Array>> for Arrays {
    type Output = Array;

    fn index(&self, slot: Slot<Array>) -> &Array {
        &self.places[slot]
    }
}

impl std::ops::IndexMut<Slot<Array>> for Arrays {
    fn index_mut(&mut self, slot: Slot<Array>) -> &mut Array {
        &mut self.places[slot]
    }
}
