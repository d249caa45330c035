//! Where a list goes on: with the newest task of its owner or, of everybody's, with that of each owner. The newest of these is
//! told next, and the next one of its owner takes its place. So a page looks at what it tells, and once at each owner.

use std::collections::BinaryHeap;

use super::query::Place;
use crate::ids::{TaskId, UserName};
use crate::machine::Machine;
use crate::rejection::Rejection;
use crate::state::arrays::Array;
use crate::state::owners::Owner;
use crate::state::slab::Slot;
use crate::state::tasks::Seq;

impl Machine {
    /// Of one owner, or of each; `after`: what was submitted before this task.
    pub(super) fn heads(
        &self,
        owner: Option<&UserName>,
        array: Option<Slot<Array>>,
        after: Option<TaskId>,
    ) -> Result<BinaryHeap<(Seq, Place)>, Rejection> {
        let keyed = |place: Place| (self.seq_at(place), place);
        let Some(owner) = owner else {
            let before = after.map(|id| {
                let place = self.place_of_any(id).ok_or(Rejection::TaskNotFound { task: id })?;
                Ok(self.seq_at(place))
            });
            let before = before.transpose()?;
            let newest = |owner: &Owner| match before {
                None => self.newest(owner),
                Some(before) => self.newest_before(owner, before),
            };
            let owners = self.state.owners.iter();
            return Ok(owners.filter_map(|(_, owner)| newest(owner)).map(keyed).collect());
        };
        let head = match (after, array) {
            (Some(id), _) => {
                let place = self.place_of(owner, id);
                self.older(place.ok_or(Rejection::TaskNotFound { task: id })?)
            }
            (None, Some(array)) => self.newest_in(array),
            (None, None) => {
                let owner = self.state.owners.find(owner);
                owner.and_then(|owner| self.newest(&self.state.owners[owner]))
            }
        };
        Ok(head.map(keyed).into_iter().collect())
    }

    /// In the order of submission, of all tasks of everybody.
    pub(super) fn seq_at(&self, place: Place) -> Seq {
        match place {
            Place::Record(slot) => self.state.tasks[slot].seq,
            Place::Apart(array, place) => self.state.arrays[array].seq(place),
        }
    }

    /// Whoever it belongs to.
    pub(super) fn place_of_any(&self, id: TaskId) -> Option<Place> {
        let record = self.state.tasks.find(id).map(|slot| self.state.tasks[slot].class);
        let class = record.or_else(|| {
            let (array, _) = self.state.arrays.find_task(id)?;
            Some(self.state.arrays[array].class)
        });
        self.place_of(&self.state.owner_of(class?).name, id)
    }

    /// The newest one of this owner's that was submitted before that.
    fn newest_before(&self, owner: &Owner, before: Seq) -> Option<Place> {
        let mut at = match owner.marks.from(before) {
            Some(mark) => Place::Record(mark),
            None => self.newest(owner)?,
        };
        while self.seq_at(at) >= before {
            at = match at {
                Place::Record(_) => self.older(at)?,
                // Those of an array that wait are passed at once.
                Place::Apart(array, place) => {
                    let waiting = &self.state.arrays[array];
                    let end = before.0.saturating_sub(waiting.seq.0);
                    let end = u32::try_from(end).unwrap_or(place).clamp(waiting.begun, place);
                    self.last_in(array, end)?
                }
            };
        }
        Some(at)
    }
}
