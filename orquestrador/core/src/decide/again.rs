//! Doing once more what failed: a new task that names the old one.

use std::collections::BTreeMap;

use crate::command::{NewTask, Start};
use crate::effect::Answer;
use crate::ids::{BlobRef, TaskId, Timestamp, UserName};
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
        let Some(slot) = self.state.task_of(&owner, task) else {
            return Err(match self.state.without_record(&owner, task) {
                Some(_) => Rejection::NotRetriable { task },
                None => Rejection::TaskNotFound { task },
            });
        };
        let finished = self.state.tasks[slot].finished();
        let again = finished.and_then(|finished: &Finished| finished.again.as_deref());
        let Again { payload, terms } = again.ok_or(Rejection::NotRetriable { task })?;
        let first = terms.origin.as_deref().map_or(task, |origin| origin.first);
        let origin = Some(Box::new(Origin { of: task, first }));
        let handler = self.state.handler_of(self.state.tasks[slot].class).name.clone();
        let again = NewTask {
            id: new,
            handler,
            payload: payload.to_blob(),
            terms: Terms { origin, ..Terms::clone(terms) }.shared(),
            start: Start::Now,
            after: None,
            key: None,
            blobs: self.blobs_of(task),
        };
        self.check_terms(&owner, std::iter::once((&again.handler, &again.terms)))?;
        self.check_backlog(&owner, (1, again.payload.len() as u64))?;
        self.check_webhooks(again.terms.webhook.is_some().into())?;
        self.take_rate(now, &owner, 1)?;
        self.accept(now, &owner, again, step);
        self.assign_ready(now, step);
        let slot = self.state.tasks.find(new).ok_or(Rejection::TaskNotFound { task: new })?;
        Ok(Answer::Submitted { accepted: 1, first: self.snapshot(slot) })
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
