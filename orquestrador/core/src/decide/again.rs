//! Doing once more what failed: a new task that names the old one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::submit::Part;
use crate::apply::Fate;
use crate::command::{After, Condition, NewArray, NewTask, NewWork, Start};
use crate::effect::Answer;
use crate::event::Event;
use crate::ids::{ArrayId, BlobRef, TaskId, Timestamp, UserName};
use crate::machine::{Machine, Step};
use crate::rejection::Rejection;
use crate::state::slab::Slot;
use crate::state::tasks::{Again, Finished, Task};
use crate::terms::{Origin, Terms};

impl Machine {
    /// A repeated wish under the same new name is answered and changes nothing.
    pub(super) fn submit_again(
        &mut self,
        now: Timestamp,
        owner: UserName,
        (task, new): (TaskId, TaskId),
        step: &mut Step,
    ) -> Result<Answer, Rejection> {
        if let Some(slot) = self.state.tasks.find(new) {
            return self.repeated(&owner, slot, task);
        }
        let slot = self.state.task_of(&owner, task).ok_or_else(|| self.no_record(&owner, task))?;
        let Again { payload, terms, after, sources, .. } = self.again_of(slot, task)?;
        let again = NewTask {
            id: new,
            handler: self.state.handler_of(self.state.tasks[slot].class).name.clone(),
            payload: payload.to_blob(),
            terms: again_as(terms, task),
            start: Start::Now,
            after: self.again_after(task, after, sources)?,
            key: None,
            blobs: self.blobs_of(task),
            trace: None,
        };
        self.check_again(now, &owner, Part::from(&again))?;
        self.accept(now, &owner, again, step);
        self.record(Event::TaskRepeated { task, by: new }, step);
        self.assign_ready(now, step);
        let slot = self.state.tasks.find(new).ok_or(Rejection::TaskNotFound { task: new })?;
        Ok(Answer::Submitted { accepted: 1, first: self.snapshot(slot) })
    }

    /// Those tasks of an array that failed with it before their turn: another array, of the same numbers.
    pub(super) fn submit_array_again(
        &mut self,
        now: Timestamp,
        owner: &UserName,
        (array, new): (ArrayId, ArrayId),
        step: &mut Step,
    ) -> Result<Answer, Rejection> {
        let of = TaskId(array.0);
        if let Some(slot) = self.state.arrays.find(new) {
            let origin = self.state.terms_of(self.state.arrays[slot].class).origin.as_deref();
            let is_that = self.state.array_of(owner, new).is_some()
                && origin.is_some_and(|origin| origin.of == of);
            return match is_that {
                true => Ok(Answer::ArraySubmitted { existed: true, snapshot: self.array(slot) }),
                false => Err(Rejection::ArrayConflict { array: new }),
            };
        }
        let slot = self.state.array_of(owner, array).ok_or(Rejection::ArrayNotFound { array })?;
        let known = &self.state.arrays[slot];
        let last = known.last_begun().filter(|_| known.failed_apart() > 0);
        let last = last.ok_or(Rejection::NotRetriable { task: of })?;
        let record = self.state.task_of(owner, last);
        let record = record.ok_or(Rejection::NotRetriable { task: of })?;
        let Again { payload, terms, after, sources, .. } = self.again_of(record, of)?;
        let passed = known.begun - 1;
        let early = known.early.places().iter();
        let again = NewArray {
            id: new,
            handler: self.state.handler_of(known.class).name.clone(),
            payload: payload.to_blob(),
            terms: again_as(terms, of),
            first: known.first + passed,
            count: known.count - passed,
            without: early.map(|places| places.start - passed..places.end - passed).collect(),
            start: Start::Now,
            after: self.again_after(of, after, sources)?,
            blobs: self.blobs_of(last),
            trace: None,
        };
        let again = NewWork::Array(again);
        self.check_again(now, owner, Part::from(&again))?;
        if let NewWork::Array(again) = again {
            self.accept_array(now, owner, again, step);
        }
        self.record(Event::TaskRepeated { task: of, by: TaskId(new.0) }, step);
        self.assign_ready(now, step);
        let slot = self.state.arrays.find(new).ok_or(Rejection::ArrayNotFound { array: new })?;
        Ok(Answer::ArraySubmitted { existed: false, snapshot: self.array(slot) })
    }

    fn no_record(&self, owner: &UserName, task: TaskId) -> Rejection {
        match self.state.without_record(owner, task) {
            Some(_) => Rejection::NotRetriable { task },
            None => Rejection::TaskNotFound { task },
        }
    }

    fn again_of(&self, slot: Slot<Task>, task: TaskId) -> Result<&Again, Rejection> {
        let finished = self.state.tasks[slot].finished();
        let again = finished.and_then(|finished: &Finished| finished.again.as_deref());
        again.ok_or(Rejection::NotRetriable { task })
    }

    /// There is room for it, and it is of those that the owner may still submit.
    fn check_again(
        &mut self,
        now: Timestamp,
        owner: &UserName,
        part: Part<'_>,
    ) -> Result<(), Rejection> {
        self.admit_new(owner, std::iter::once((part, true)), true)?;
        self.take_rate(now, owner, 1)
    }

    /// What is done once more comes after what does those once more that it came after.
    ///
    /// `after`: all that had not succeeded when it was skipped. `sources`: whose files it takes, which must be known.
    fn again_after(
        &self,
        task: TaskId,
        after: &[TaskId],
        sources: &[TaskId],
    ) -> Result<Option<Box<After>>, Rejection> {
        let mut taken = BTreeSet::new();
        for other in sources {
            self.state.fate(*other).ok_or(Rejection::DependencyNotFound { task, other: *other })?;
            taken.insert(*other);
            taken.extend(self.state.present_of(*other).into_iter().flatten());
        }
        let mut tasks = BTreeSet::new();
        for other in after {
            let standing = self.state.present_of(*other);
            tasks.extend(standing.map_err(|failed| Rejection::ComesAfterFailed { task, failed })?);
        }
        // One that began takes what there is, as it did then, but waits for what is under way.
        let condition = if after.is_empty() { Condition::Finished } else { Condition::Succeeded };
        tasks.extend(taken.iter().filter(|id| self.state.fate(**id) == Some(Fate::Open)));
        let is_any = !tasks.is_empty() || !taken.is_empty();
        let (tasks, sources) = (tasks.into_iter().collect(), taken.into_iter().collect());
        Ok(is_any.then(|| Box::new(After { tasks, condition, sources })))
    }

    /// Its own, and those of its array: each once.
    fn blobs_of(&self, task: TaskId) -> Vec<BlobRef> {
        let array = task.in_array().map(|(array, _)| TaskId(array.0));
        let all = [task].into_iter().chain(array).flat_map(|of| self.state.blobs.of_task(of));
        let all: BTreeMap<_, _> = all.map(|blob| (blob.id, blob)).collect();
        all.into_values().collect()
    }

    fn repeated(
        &self,
        owner: &UserName,
        slot: Slot<Task>,
        task: TaskId,
    ) -> Result<Answer, Rejection> {
        let new = self.state.tasks[slot].id();
        let origin = self.state.terms_of(self.state.tasks[slot].class).origin.as_deref();
        let is_that = self.state.task_of(owner, new).is_some()
            && origin.is_some_and(|origin| origin.of == task);
        match is_that {
            true => Ok(Answer::Submitted { accepted: 0, first: self.snapshot(slot) }),
            false => Err(Rejection::TaskIdConflict { task: new }),
        }
    }
}

/// The same, as what does this task or array once more.
fn again_as(terms: &Terms, of: TaskId) -> Arc<Terms> {
    let first = terms.origin_of(of).map_or(of, |origin| origin.first);
    Terms { origin: Some(Box::new(Origin { of, first })), ..terms.clone() }.shared()
}
