//! What follows from time alone.

use crate::event::{Event, LossCause};
use crate::ids::Timestamp;
use crate::machine::{Machine, Step};
use crate::state::slab::Slot;
use crate::state::workers::Worker;

impl Machine {
    pub(super) fn expire_timers(&mut self, now: Timestamp, step: &mut Step) {
        let workers: Vec<_> = self.state.workers.iter().map(|(slot, _)| slot).collect();
        for worker in workers {
            if self.office.presence(worker).last_seen > now {
                // The clock was set back: the lease must not last until it is that late again.
                self.office.saw(worker, now);
            }
            if self.lease_end(worker) <= now {
                self.lose(now, worker, LossCause::WorkerSilent, step);
            }
        }
        self.wake(now, step);
        self.assign_ready(now, step);
        self.prune(step);
    }

    /// Delayed tasks whose moment has come; one batch at most, so that no step takes long.
    fn wake(&mut self, now: Timestamp, step: &mut Step) {
        let due = self.state.delayed.iter().take_while(|((until, _), _)| *until <= now);
        let due: Vec<_> = due.map(|(_, slot)| *slot).take(self.limits.wake_batch.max(1)).collect();
        for slot in due {
            let task = &self.state.tasks[slot];
            let (id, handler) = (task.id(), task.handler);
            self.record(Event::TaskDue { task: id, at: now }, step);
            self.office.refresh_queue(&self.state, handler);
            self.tell_change(slot, step);
        }
    }

    /// When time alone next leads to something.
    pub(crate) fn next_timer(&self) -> Option<Timestamp> {
        let due = self.state.delayed.first_key_value().map(|((until, _), _)| *until);
        self.next_lease_end().into_iter().chain(due).min()
    }

    fn lease_end(&self, worker: Slot<Worker>) -> Timestamp {
        self.office.presence(worker).last_seen.plus_ms(self.limits.worker_lease_ms)
    }

    /// When the next worker is lost unless it gives a sign of life.
    fn next_lease_end(&self) -> Option<Timestamp> {
        self.state.workers.iter().map(|(worker, _)| self.lease_end(worker)).min()
    }
}
