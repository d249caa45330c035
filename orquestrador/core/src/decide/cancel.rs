//! Ending a task before its work is done. The outcome is decided at once; the slot of a running attempt
//! stays taken until its worker says that nothing runs any more.

use crate::effect::{Answer, Effect, TaskSnapshot, TaskState};
use crate::event::Event;
use crate::ids::{SessionId, TaskId, Timestamp, UserName};
use crate::machine::{Machine, Step};
use crate::rejection::Rejection;
use crate::state::slab::Slot;
use crate::state::tasks::{Body, Task};
use crate::trace::TraceContext;

impl Machine {
    pub(super) fn cancel(
        &mut self,
        now: Timestamp,
        owner: &UserName,
        id: TaskId,
        step: &mut Step,
    ) -> Result<Answer, Rejection> {
        let slot = match self.state.task_of(owner, id) {
            Some(slot) => slot,
            None => match self.cancel_without_record(now, owner, id, step)? {
                Ok(slot) => slot,
                Err(snapshot) => return Ok(Answer::Cancelled { snapshot }),
            },
        };
        match self.state.tasks[slot].state() {
            TaskState::Cancelled => {}
            TaskState::Succeeded | TaskState::Failed | TaskState::Lost => {
                return Err(Rejection::TaskFinished { task: id });
            }
            TaskState::Queued | TaskState::Running => self.cancel_active(now, slot, step),
        }
        let snapshot = self.snapshot(slot);
        // Only now, because retention may forget even this one.
        self.prune(step);
        Ok(Answer::Cancelled { snapshot })
    }

    /// A task of an array that waits gets its record by being cancelled; one that was cancelled without gets none.
    fn cancel_without_record(
        &mut self,
        now: Timestamp,
        owner: &UserName,
        id: TaskId,
        step: &mut Step,
    ) -> Result<Result<Slot<Task>, TaskSnapshot>, Rejection> {
        let not_found = || Rejection::TaskNotFound { task: id };
        let (array, place) = self.state.without_record(owner, id).ok_or_else(not_found)?;
        if self.state.arrays[array].failure_of(place).is_some() {
            return Err(Rejection::TaskFinished { task: id });
        }
        if !self.state.arrays[array].waits(place) {
            return Ok(Err(self.snapshot_without_record((array, place))));
        }
        let trace = self.state.trace_of(id);
        self.record(Event::TaskCancelled { task: id, at: now }, step);
        let slot = self.state.tasks.find(id).ok_or_else(not_found)?;
        self.tell_cancelled(slot, trace, step);
        Ok(Ok(slot))
    }

    fn tell_cancelled(&self, slot: Slot<Task>, trace: Option<TraceContext>, step: &mut Step) {
        self.tell_finish(slot, (trace, None), step);
        self.tell_change(slot, step);
    }

    fn cancel_active(&mut self, now: Timestamp, slot: Slot<Task>, step: &mut Step) {
        self.end_by_cancel(now, slot, step);
        // It may have stood before others that may wait with a worker.
        self.assign_ready(now, step);
    }

    /// Of the worker that runs the task.
    pub(super) fn session_of_runner(&self, slot: Slot<Task>) -> Option<SessionId> {
        match self.state.tasks[slot].body {
            Body::Running { worker, .. } => self.office.presence(worker).session,
            Body::Queued { .. }
            | Body::Delayed { .. }
            | Body::Blocked { .. }
            | Body::Finished(_) => None,
        }
    }

    /// [`Machine::assign_ready`] must follow.
    pub(super) fn end_by_cancel(&mut self, now: Timestamp, slot: Slot<Task>, step: &mut Step) {
        let attempt = self.present_attempt(slot);
        let class = self.state.tasks[slot].class;
        let session = self.session_of_runner(slot);
        let trace = self.state.trace_of(attempt.task);
        self.record(Event::TaskCancelled { task: attempt.task, at: now }, step);
        self.office.refresh_class(&self.state, class);
        if let Some(session) = session {
            step.effects.push(Effect::CancelAttempt { session, attempt });
        }
        self.tell_cancelled(slot, trace, step);
    }
}
