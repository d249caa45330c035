//! Tasks that a worker holds ready beyond its slots, so that a slot that becomes free need not wait for
//! a commit and a round trip. The worker says how many it wants, and gives back what it cannot start soon.

use crate::command::AttemptRef;
use crate::event::Event;
use crate::ids::{SessionId, Timestamp};
use crate::machine::{Machine, Step};
use crate::state::slab::Slot;
use crate::state::tasks::Task;

impl Machine {
    pub(super) fn set_prefetch(
        &mut self,
        now: Timestamp,
        session: SessionId,
        tasks: u32,
        step: &mut Step,
    ) {
        let Some(worker) = self.hear(now, session, step) else { return };
        self.office.set_prefetch(worker, tasks);
        self.office.refresh(&self.state, worker);
        self.assign_ready(now, step);
        self.prune(step);
    }

    pub(super) fn return_attempts(
        &mut self,
        now: Timestamp,
        session: SessionId,
        attempts: &[AttemptRef],
        step: &mut Step,
    ) {
        let Some(worker) = self.hear(now, session, step) else { return };
        for attempt in attempts {
            let slot = self.state.tasks.find(attempt.task);
            match slot.filter(|slot| self.runs_on(*slot, *attempt, worker)) {
                Some(slot) => self.take_back(now, slot, step),
                None => self.end_cancelled(*attempt, worker, step),
            }
        }
        self.office.refresh(&self.state, worker);
        self.assign_ready(now, step);
        self.prune(step);
    }

    fn take_back(&mut self, now: Timestamp, slot: Slot<Task>, step: &mut Step) {
        let AttemptRef { task, attempt } = self.present_attempt(slot);
        let handler = self.state.tasks[slot].handler;
        let returned = self.state.tasks[slot].returned.saturating_add(1);
        self.record(Event::TaskReturned { task, attempt, returned, at: now }, step);
        self.office.refresh_queue(&self.state, handler);
        self.tell_change(slot, step);
    }
}
