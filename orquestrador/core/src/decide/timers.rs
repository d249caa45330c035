//! What follows from time alone.

use crate::event::LossCause;
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
        self.assign_ready(now, step);
        self.prune(step);
    }

    fn lease_end(&self, worker: Slot<Worker>) -> Timestamp {
        self.office.presence(worker).last_seen.plus_ms(self.limits.worker_lease_ms)
    }

    /// When the next worker is lost unless it gives a sign of life.
    pub(crate) fn next_lease_end(&self) -> Option<Timestamp> {
        self.state.workers.iter().map(|(worker, _)| self.lease_end(worker)).min()
    }
}
