//! Answers that change nothing.

use std::sync::Arc;

use crate::command::{StateFilter, TaskFilter};
use crate::effect::{Answer, Asked, Source, TaskSnapshot, TaskState};
use crate::ids::{ArrayId, Blob, HandlerName, TaskId, Timestamp, UserName, WorkerId};
use crate::machine::Machine;
use crate::rejection::Rejection;
use crate::state::arrays::Array;
use crate::state::handlers::Handler;
use crate::state::owners::Owner;
use crate::state::slab::Slot;
use crate::state::tasks::{Body, Chain, End, Task};

/// Records that one page of a list looks at. A page may end here with fewer tasks than asked for, or
/// none; `next` then tells where to go on.
pub const MAX_SCANNED: usize = 100_000;

/// Where a task is found.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    Record(Slot<Task>),
    /// In an array, without a record.
    Apart(Slot<Array>, u32),
}

impl StateFilter {
    /// Bit `i` stands for [`TaskState::ALL`]`[i]`; no bit at all stands for every state.
    pub fn admits(self, state: TaskState) -> bool {
        self.0 == 0 || self.0 & (1 << state as u8) != 0
    }
}

impl Machine {
    pub(super) fn query(
        &self,
        owner: &UserName,
        id: TaskId,
        with_result: bool,
    ) -> Result<Answer, Rejection> {
        let place = self.place_of(owner, id).ok_or(Rejection::TaskNotFound { task: id })?;
        let (snapshot, result) = self.look_at(place, with_result);
        let asked = if with_result { self.asked(place) } else { None };
        Ok(Answer::Task { snapshot, result, asked })
    }

    fn asked(&self, place: Place) -> Option<Asked> {
        let (payload, terms) = match place {
            Place::Record(slot) => {
                let task = &self.state.tasks[slot];
                match task.finished() {
                    Some(finished) => {
                        let again = finished.again.as_deref()?;
                        (&again.payload, &again.terms)
                    }
                    None => (task.body.payload()?, &self.state.classes[task.class].terms),
                }
            }
            Place::Apart(array, place) => {
                let array = &self.state.arrays[array];
                let waits = array.waits(place);
                let terms = waits.then(|| &self.state.classes[array.class].terms)?;
                (&array.payload, terms)
            }
        };
        Some(Asked { payload: payload.to_blob(), terms: Arc::clone(terms) })
    }

    pub(super) fn watch(
        &self,
        owner: &UserName,
        ids: &[TaskId],
        (with_results, only_ends): (bool, bool),
    ) -> Answer {
        let (mut told, mut open, mut unknown) = (Vec::new(), Vec::new(), Vec::new());
        for id in ids {
            let Some(place) = self.place_of(owner, *id) else {
                unknown.push(*id);
                continue;
            };
            let is_finished = self.is_finished(place);
            if !is_finished {
                open.push(*id);
            }
            if is_finished || !only_ends {
                told.push(self.look_at(place, with_results));
            }
        }
        Answer::Watched { told, open, unknown }
    }

    fn is_finished(&self, place: Place) -> bool {
        match place {
            Place::Record(slot) => self.state.tasks[slot].finished().is_some(),
            Place::Apart(array, place) => !self.state.arrays[array].waits(place),
        }
    }

    /// Newest first, of one owner or of all. `after` must still be known.
    pub(super) fn list(
        &self,
        owner: Option<&UserName>,
        filter: &TaskFilter,
        after: Option<TaskId>,
        limit: usize,
    ) -> Result<Answer, Rejection> {
        if let Some(id) = filter.task {
            let place = match owner {
                Some(owner) => self.place_of(owner, id),
                None => self.place_of_any(id),
            };
            let tasks = place.map(|place| self.look_at(place, false)).into_iter().collect();
            return Ok(Answer::Tasks { tasks, next: None });
        }
        let array = filter.array.map(|array| {
            let found = match owner {
                Some(owner) => self.state.array_of(owner, array),
                None => self.state.arrays.find(array),
            };
            found.ok_or(Rejection::ArrayNotFound { array })
        });
        let array = array.transpose()?;
        // All of an array is one owner's.
        let of_array =
            || array.map(|array| &self.state.owner_of(self.state.arrays[array].class).name);
        let mut heads = self.heads(owner.or_else(of_array), array, after)?;
        let mut at = heads.pop();
        let mut tasks = Vec::new();
        let mut next = None;
        for _ in 0..MAX_SCANNED {
            at = at.filter(|(_, place)| array.is_none_or(|array| self.is_in(*place, array)));
            let Some((_, place)) = at.filter(|_| tasks.len() < limit.max(1)) else { break };
            if self.admits(filter, place) {
                tasks.push(self.look_at(place, false));
            }
            next = Some(match place {
                Place::Record(slot) => self.state.tasks[slot].id(),
                Place::Apart(array, place) => self.state.arrays[array].task(place),
            });
            heads.extend(self.older(place).map(|older| (self.seq_at(older), older)));
            at = heads.pop();
        }
        Ok(Answer::Tasks { tasks, next: next.filter(|_| at.is_some()) })
    }

    /// What is cheapest to know comes first: a page looks at many tasks.
    fn admits(&self, filter: &TaskFilter, place: Place) -> bool {
        let (state, submitted_at, class) = match place {
            Place::Record(slot) => {
                let task = &self.state.tasks[slot];
                (task.state(), task.submitted_at, task.class)
            }
            // Only those that wait are walked.
            Place::Apart(array, _) => {
                let array = &self.state.arrays[array];
                (TaskState::Queued, array.submitted_at, array.class)
            }
        };
        filter.states.admits(state)
            && filter.since.is_none_or(|since| submitted_at >= since)
            && filter.until.is_none_or(|until| submitted_at < until)
            && filter.queue.as_ref().is_none_or(|q| self.state.terms_of(class).queue == *q)
            && filter.handler.as_ref().is_none_or(|h| self.state.handler_of(class).name == *h)
            && filter
                .group
                .as_ref()
                .is_none_or(|g| self.state.terms_of(class).group.as_ref() == Some(g))
            && filter
                .schedule
                .as_ref()
                .is_none_or(|s| self.state.terms_of(class).schedule.as_ref() == Some(s))
            && filter.code.as_ref().is_none_or(|code| self.code_of(place) == Some(code))
            && filter.worker.as_ref().is_none_or(|w| self.worker_of(place) == Some(w))
    }

    /// Of the present or last attempt, as far as it is told.
    fn worker_of(&self, place: Place) -> Option<&WorkerId> {
        let Place::Record(slot) = place else { return None };
        match &self.state.tasks[slot].body {
            Body::Running { worker, .. } => Some(&self.state.workers[*worker].id),
            Body::Finished(finished) => finished.worker.as_ref(),
            Body::Queued { .. } | Body::Delayed { .. } | Body::Blocked { .. } => None,
        }
    }

    /// Of a failure or a loss.
    fn code_of(&self, place: Place) -> Option<&str> {
        let Place::Record(slot) = place else { return None };
        match &self.state.tasks[slot].finished()?.end {
            End::Failed(failure) => Some(&failure.code),
            End::Lost { cause, .. } => Some(cause.code()),
            End::Succeeded { .. } | End::Cancelled { .. } => None,
        }
    }

    pub(super) fn query_sources(&self, task: TaskId, of: TaskId) -> Result<Answer, Rejection> {
        let slot = self.state.tasks.find(task).ok_or(Rejection::TaskNotFound { task })?;
        let owner = self.state.owner_of(self.state.tasks[slot].class).name.clone();
        let sources = match self.state.array_of(&owner, ArrayId(of.0)) {
            Some(array) => {
                let array = &self.state.arrays[array];
                let numbers = array.first..array.first + array.count;
                let source = |number| Source {
                    number: Some(number),
                    task: self.state.left_by(array.id.task(number)),
                };
                numbers.map(source).collect()
            }
            None => {
                let found = self.place_of(&owner, of);
                found.ok_or(Rejection::TaskNotFound { task: of })?;
                vec![Source { number: None, task: self.state.left_by(of) }]
            }
        };
        Ok(Answer::Sources { owner, sources })
    }

    pub(super) fn place_of(&self, owner: &UserName, id: TaskId) -> Option<Place> {
        let record = self.state.task_of(owner, id).map(Place::Record);
        record.or_else(|| {
            self.state.without_record(owner, id).map(|(array, place)| Place::Apart(array, place))
        })
    }

    fn look_at(&self, place: Place, with_result: bool) -> (TaskSnapshot, Option<Blob>) {
        match place {
            Place::Record(slot) => {
                let result = if with_result { self.output(slot) } else { None };
                (self.snapshot(slot), result)
            }
            Place::Apart(array, place) => (self.snapshot_without_record((array, place)), None),
        }
    }

    pub(super) fn newest(&self, owner: &Owner) -> Option<Place> {
        Some(self.last_behind(owner.tasks.last?, None))
    }

    pub(super) fn newest_in(&self, array: Slot<Array>) -> Option<Place> {
        let (record, count) = (&self.state.arrays[array], self.state.arrays[array].count);
        match record.record_before(count) {
            Some(last) => Some(self.last_behind(last, None)),
            // All of it has begun; the last ones that did are seldom the first to be forgotten.
            None => {
                let mut last = (0..count).rev();
                last.find_map(|place| self.state.tasks.find(record.task(place))).map(Place::Record)
            }
        }
    }

    fn is_in(&self, place: Place, array: Slot<Array>) -> bool {
        let found = match place {
            Place::Record(slot) => self.state.arrays.find_task(self.state.tasks[slot].id()),
            Place::Apart(array, place) => Some((array, place)),
        };
        found.is_some_and(|(of, _)| of == array)
    }

    /// The one submitted before it by the same owner.
    pub(super) fn older(&self, place: Place) -> Option<Place> {
        match place {
            Place::Record(slot) => {
                let older = self.state.tasks.older(slot, Chain::Owner)?;
                Some(self.last_behind(older, Some(slot)))
            }
            Place::Apart(array, place) => self.last_in(array, place),
        }
    }

    /// The last one in the array before this place, which waits or is the first that may.
    pub(super) fn last_in(&self, array: Slot<Array>, before: u32) -> Option<Place> {
        let record = self.state.arrays[array].record_before(before)?;
        Some(self.last_waiting(record, array, before).unwrap_or(Place::Record(record)))
    }

    /// The newest one from this record on up to the next one in the owner's chain.
    fn last_behind(&self, record: Slot<Task>, next: Option<Slot<Task>>) -> Place {
        let array_of = |slot| self.state.arrays.find_task(self.state.tasks[slot].id());
        let Some((array, _)) = array_of(record) else { return Place::Record(record) };
        let end = match next.and_then(array_of) {
            Some((other, place)) if other == array => place,
            _ => self.state.arrays[array].count,
        };
        self.last_waiting(record, array, end).unwrap_or(Place::Record(record))
    }

    /// The last one that waits in the array between this record and that place.
    fn last_waiting(&self, record: Slot<Task>, array: Slot<Array>, before: u32) -> Option<Place> {
        let (_, after) = self.state.arrays.find_task(self.state.tasks[record].id())?;
        let place = self.state.arrays[array].last_waiting(after, before)?;
        Some(Place::Apart(array, place))
    }

    pub(super) fn overview(&self, now: Timestamp) -> Answer {
        Answer::Overview(self.overview_of_all(now))
    }

    pub(super) fn handler_names(&self, handlers: &[Slot<Handler>]) -> Vec<HandlerName> {
        handlers.iter().map(|handler| self.state.handlers[*handler].name.clone()).collect()
    }
}
