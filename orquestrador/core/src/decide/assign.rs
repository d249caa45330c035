//! Giving queued tasks to free workers: of the queue whose turn it is, the first task for which a worker is free, and
//! for it the worker whose turn it is.

use crate::effect::{Assignment, Effect, Notice};
use crate::event::Event;
use crate::ids::{SessionId, Timestamp};
use crate::machine::{Machine, Step};
use crate::mutation::Mutation;
use crate::state::kept::Kept;
use crate::state::slab::Slot;
use crate::state::tasks::{Body, Task};
use crate::state::workers::Worker;

impl Machine {
    /// Ends when no queued task has a free worker: each turn takes a slot.
    pub(super) fn assign_ready(&mut self, now: Timestamp, step: &mut Step) {
        let patience_ms = self.limits.patience_ms;
        self.heed_quotas();
        while let Some((task, worker)) = self.office.next_assignment(&self.state, now, patience_ms)
        {
            let Some(session) = self.office.presence(worker).session else { return };
            self.assign(now, task, (worker, session), step);
        }
    }

    fn assign(
        &mut self,
        now: Timestamp,
        slot: Slot<Task>,
        (worker, session): (Slot<Worker>, SessionId),
        step: &mut Step,
    ) {
        let task = &self.state.tasks[slot];
        let (id, attempt, class) = (task.id(), task.attempt.next(), task.class);
        // A retry is no second choice of a worker.
        let is_again = task.attempt.0 > u32::from(task.body.failed());
        let name = self.state.workers[worker].id.clone();
        self.record(Event::TaskAssigned { task: id, attempt, worker: name.clone(), at: now }, step);
        if !self.lacks(Mutation::NoTurns) {
            self.office.count_assignment(&self.state, worker, class);
        }
        self.office.refresh(&self.state, worker);
        self.office.refresh_class(&self.state, class);
        self.heed_quotas();
        step.effects.push(Effect::Notice(match is_again {
            true => Notice::TaskReassigned { task: id, worker: name },
            false => Notice::TaskAssigned { task: id, worker: name },
        }));
        self.deliver(slot, session, step);
        self.tell_change(slot, step);
    }

    /// Sends what the worker needs to run the present attempt.
    pub(super) fn deliver(&self, slot: Slot<Task>, session: SessionId, step: &mut Step) {
        let task = &self.state.tasks[slot];
        let Body::Running { worker, started_at, .. } = task.body else { return };
        let assignment = Assignment {
            attempt: self.present_attempt(slot),
            handler: self.state.handler_of(task.class).name.clone(),
            payload: task.body.payload().map(Kept::to_blob).unwrap_or_default(),
            delivery: self.state.terms_of(task.class).delivery,
            slots: self.state.terms_of(task.class).needs.as_deref().map_or(1, |needs| needs.slots),
            schedule: self.state.terms_of(task.class).schedule.clone(),
            origin: self.state.terms_of(task.class).origin_of(task.id()),
            timeout_ms: self.state.terms_of(task.class).times.attempt_ms,
            trace: self.state.trace_of(task.id()),
            worker: self.state.workers[worker].id.clone(),
            assigned_at: started_at,
        };
        step.effects.push(Effect::Assign { session, assignment });
    }
}
