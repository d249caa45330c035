//! What stands in the place of a task that failed and was done once more.

use std::collections::BTreeSet;

use super::State;
use super::arrays::Array;
use super::slab::Slot;
use super::tasks::Task;
use crate::apply::Fate;
use crate::effect::TaskState;
use crate::ids::{ArrayId, TaskId};

/// Repetitions that stand for one array among what a task comes after.
const MAX_PRESENT: usize = 1_000;

impl State {
    /// What now does the work of a task or an array: itself, unless it ended without success and is done once more. Of an
    /// array with such tasks what does each of these once more, too.
    ///
    /// # Errors
    /// One that did not succeed and is not done once more, or is no longer known.
    pub fn present_of(&self, id: TaskId) -> Result<BTreeSet<TaskId>, TaskId> {
        let (mut present, mut open) = (BTreeSet::new(), vec![id]);
        while let Some(id) = open.pop() {
            match self.fate(id).ok_or(id)? {
                Fate::Open | Fate::Succeeded => {
                    present.insert(id);
                }
                Fate::Ended => open.extend(self.next_of(id)?),
            }
        }
        Ok(present)
    }

    /// The task whose files stand for those of this one: the last that ended of it and its repetitions.
    pub fn left_by(&self, id: TaskId) -> TaskId {
        let mut id = id;
        while self.fate(id) == Some(Fate::Ended)
            && let Ok([next]) = self.next_of(id).as_deref()
            && matches!(self.fate(*next), Some(Fate::Succeeded | Fate::Ended))
        {
            id = *next;
        }
        id
    }

    /// These, and in the place of those that did not succeed what does them once more, unless that is very much.
    pub fn all_present(&self, ids: Vec<TaskId>) -> Vec<TaskId> {
        if ids.iter().all(|id| self.fate(*id) != Some(Fate::Ended)) {
            return ids;
        }
        let present = ids.into_iter().flat_map(|id| match self.present_of(id) {
            Ok(present) if present.len() <= MAX_PRESENT => present,
            Ok(_) | Err(_) => BTreeSet::from([id]),
        });
        present.collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// What does it once more, of one that ended without success.
    fn next_of(&self, id: TaskId) -> Result<Vec<TaskId>, TaskId> {
        if let Some(slot) = self.tasks.find(id) {
            let mut by = self.repeated_by(slot).ok_or(id)?;
            if by.is_array()
                && let Some((_, number)) = id.in_array()
            {
                by = ArrayId(by.0).task(number);
            }
            return Ok(vec![by]);
        }
        match self.arrays.find(ArrayId(id.0)) {
            Some(slot) => self.next_of_all(&self.arrays[slot]),
            None => {
                let (slot, place) = self.arrays.find_task(id).ok_or(id)?;
                self.repeated_apart(&self.arrays[slot], place).map(|by| vec![by]).ok_or(id)
            }
        }
    }

    /// Those of its tasks that did not succeed, all of which must be known.
    fn next_of_all(&self, array: &Array) -> Result<Vec<TaskId>, TaskId> {
        let id = TaskId(array.id.0);
        let counts = array.all_counts();
        let ends = [TaskState::Failed, TaskState::Cancelled, TaskState::Lost];
        let mut left: u64 = ends.into_iter().map(|end| counts[end as usize]).sum();
        let mut next = Vec::new();
        if let Some(first) = array.first_failed_apart() {
            left -= u64::from(array.failed_apart());
            let by = self.repeated_apart(array, first).ok_or(id)?;
            next.extend(by.in_array().map(|(array, _)| TaskId(array.0)));
        }
        let records = (0..array.begun).filter_map(|place| self.tasks.find(array.task(place)));
        let records = records.filter(|slot| ends.contains(&self.tasks[*slot].state()));
        for slot in records.take(usize::try_from(left).unwrap_or(usize::MAX)) {
            let task = self.tasks[slot].id();
            next.push(self.repeated_by(slot).ok_or(task)?);
            left -= 1;
        }
        if left > 0 { Err(id) } else { Ok(next) }
    }

    /// The last that did the task once more.
    fn repeated_by(&self, slot: Slot<Task>) -> Option<TaskId> {
        self.tasks[slot].finished()?.again.as_deref()?.by
    }

    /// So many of the array's tasks did not succeed and are done once more.
    pub fn repeated_of(&self, array: &Array) -> u64 {
        let first = array.first_failed_apart();
        let by = first.and_then(|place| self.repeated_apart(array, place));
        u64::from(array.repeated) + by.map_or(0, |_| u64::from(array.failed_apart()))
    }

    /// The task that does this one once more, which failed with its array before its turn.
    pub fn repeated_apart(&self, array: &Array, place: u32) -> Option<TaskId> {
        array.failure_of(place)?;
        let last = self.tasks.find(array.last_begun()?)?;
        let by = self.repeated_by(last).filter(|by| by.is_array())?;
        Some(ArrayId(by.0).task(array.first + place))
    }
}
