//! Arrays: tasks that differ by their number alone. They are one record until each begins, however many they are.
//!
//! The next task of an array to begin, its front, always has a record of its own, so that queues and assignment know
//! of tasks only. When the front is assigned or cancelled, the one behind it becomes the front.

use std::collections::BTreeMap;
use std::ops::Range;

use super::classes::Class;
use super::kept::Kept;
use super::slab::{Shared, Slab, Slot};
use super::tasks::{Seq, Task};
use crate::effect::TaskState;
use crate::event::{ArrayFailure, Forgotten};
use crate::ids::{ArrayId, TaskId, Timestamp};
use crate::ranges::Ranges;

#[derive(Clone)]
pub struct Array {
    pub id: ArrayId,
    pub class: Slot<Class>,
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
    /// Of the tasks that have a record, so many are done once more.
    pub repeated: u32,
    pub forgotten: Forgotten,
    /// Why those behind `begun` failed that are not early; then none waits.
    pub failed: Option<ArrayFailure>,
}

impl Array {
    /// Tasks without a record that have not begun.
    pub fn waiting(&self) -> u32 {
        match self.failed {
            None => self.count - self.begun - self.early.places.count(),
            Some(_) => 0,
        }
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
        self.failed.is_none() && self.is_apart(place)
    }

    /// Behind those that have begun, and not cancelled before its turn.
    fn is_apart(&self, place: u32) -> bool {
        place >= self.begun && place < self.count && !self.early.places.contains(place)
    }

    /// Why the task failed without ever having had a record.
    pub fn failure_of(&self, place: u32) -> Option<ArrayFailure> {
        self.failed.filter(|_| self.is_apart(place))
    }

    /// Where the first of those stands that failed without ever having had a record.
    pub fn first_failed_apart(&self) -> Option<u32> {
        self.failed?;
        let place = self.early.places.around(self.begun).map_or(self.begun, |early| early.end);
        (place < self.count).then_some(place)
    }

    /// Tasks that failed without ever having had a record.
    pub fn failed_apart(&self) -> u32 {
        self.failed.map_or(0, |_| self.count - self.begun - self.early.places.count())
    }

    /// The task that was the last to get a record in its turn; the front, if any waits behind it.
    pub fn last_begun(&self) -> Option<TaskId> {
        self.begun.checked_sub(1).map(|place| self.task(place))
    }

    /// The last one before this place that waits and stands behind `after`.
    pub fn last_waiting(&self, after: u32, before: u32) -> Option<u32> {
        let last = before.checked_sub(1)?;
        let last = match self.early.places.around(last) {
            Some(early) => early.start.checked_sub(1)?,
            None => last,
        };
        (self.failed.is_none() && last > after && last >= self.begun).then_some(last)
    }

    /// Of those that have a record, the last one before this place, which waits.
    pub fn record_before(&self, place: u32) -> Option<Slot<Task>> {
        let early = self.early.records.range(self.begun..place).next_back();
        early.map(|(_, record)| *record).or(self.front)
    }

    /// Some of its tasks are not finished.
    pub fn is_open(&self) -> bool {
        let unfinished = [TaskState::Queued, TaskState::Running];
        self.waiting() > 0 || unfinished.iter().any(|state| self.counts[*state as usize] > 0)
    }

    /// All of its tasks, the forgotten ones too.
    pub fn has_succeeded(&self) -> bool {
        self.all_counts()[TaskState::Succeeded as usize] == u64::from(self.count)
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

/// Tasks that are cancelled before their turn, by place. They may have a record.
#[derive(Clone, Default)]
pub struct Early {
    places: Ranges,
    /// Those of tasks whose turn has passed may still be here.
    records: BTreeMap<u32, Slot<Task>>,
}

impl Early {
    pub fn new(places: Ranges) -> Self {
        Self { places, records: BTreeMap::new() }
    }

    pub fn insert(&mut self, places: Range<u32>) {
        self.places.insert(places);
    }

    pub fn set_record(&mut self, place: u32, record: Slot<Task>) {
        self.records.insert(place, record);
    }

    /// Its record is gone, if it had one here.
    pub fn forget(&mut self, place: u32) {
        self.records.remove(&place);
    }

    /// All from this place on, as far as they follow each other, are no longer early: where that ends, and the last
    /// record among them.
    pub fn pass(&mut self, place: u32) -> Option<(u32, Option<Slot<Task>>)> {
        let passed = self.places.remove_from(place)?;
        let last = self.records.range(passed.clone()).next_back().map(|(_, record)| *record);
        Some((passed.end, last))
    }

    /// Of what is not forgotten.
    pub fn records(&self) -> impl Iterator<Item = Slot<Task>> {
        self.records.values().copied()
    }

    pub fn places(&self) -> &Ranges {
        &self.places
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
