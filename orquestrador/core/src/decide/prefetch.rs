//! Tasks that a worker holds ready beyond its slots, so that a slot that becomes free need not wait for
//! a commit and a round trip. The worker says how many it wants, and gives back what it cannot start soon.

use crate::command::{AttemptRef, Delivery};
use crate::event::{Event, LossCause};
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
        self.settle(now, worker, step);
    }

    pub(super) fn return_attempts(
        &mut self,
        now: Timestamp,
        session: SessionId,
        (attempts, begun): (&[AttemptRef], bool),
        step: &mut Step,
    ) {
        let Some(worker) = self.hear(now, session, step) else { return };
        for attempt in attempts {
            let slot = self.state.tasks.find(attempt.task);
            match slot.filter(|slot| self.runs_on(*slot, *attempt, worker)) {
                Some(slot) => self.take_back(now, slot, begun, step),
                None => self.end_cancelled(*attempt, worker, step),
            }
        }
        self.settle(now, worker, step);
    }

    fn take_back(&mut self, now: Timestamp, slot: Slot<Task>, begun: bool, step: &mut Step) {
        let AttemptRef { task, attempt } = self.present_attempt(slot);
        let class = self.state.tasks[slot].class;
        if begun && self.delivery_of(slot) == Delivery::AtMostOnce {
            return self.lose_attempt(now, slot, LossCause::WorkerDrained, step);
        }
        let Some(returned) = self.state.tasks[slot].returned.checked_add(1) else {
            // Nobody counts further: whoever gives it back so often does as much harm as one that dies.
            return self.lose_attempt(now, slot, LossCause::WorkerSilent, step);
        };
        self.record(Event::TaskReturned { task, attempt, returned, begun, at: now }, step);
        self.office.refresh_class(&self.state, class);
        self.tell_change(slot, step);
    }
}
