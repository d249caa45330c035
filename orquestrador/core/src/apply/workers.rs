//! What events do to workers, and to the slots that attempts hold of them.

use super::{Applied, Offer};
use crate::command::AttemptRef;
use crate::digest;
use crate::ids::{ProcessId, WorkerId};
use crate::state::State;
use crate::state::slab::Slot;
use crate::state::tasks::{Body, Task};
use crate::state::workers::{Held, Worker};

impl State {
    pub(super) fn worker_registered(
        &mut self,
        id: &WorkerId,
        incarnation: ProcessId,
        slots: u32,
        (handlers, labels, resources): Offer<'_>,
    ) -> Applied {
        let handlers = handlers.iter().map(|name| self.handlers.hold(name)).collect();
        let slot = match self.workers.find(id) {
            Some(slot) if self.workers[slot].incarnation != incarnation => {
                return Err("the older incarnation was not declared lost");
            }
            Some(slot) => {
                self.digest = self.digest.wrapping_sub(self.worker_hash(slot));
                slot
            }
            None => self.workers.insert(Worker::new(id.clone(), incarnation)),
        };
        let worker = &mut self.workers[slot];
        worker.slots = slots;
        worker.labels = labels.to_vec();
        worker.resources = resources.to_vec();
        for before in std::mem::replace(&mut worker.handlers, handlers) {
            self.handlers.release(before);
        }
        self.digest = self.digest.wrapping_add(self.worker_hash(slot));
        Ok(())
    }

    pub(super) fn worker_lost(&mut self, id: &WorkerId, incarnation: ProcessId) -> Applied {
        let slot = self.workers.find(id).ok_or("there is no such worker")?;
        if self.workers[slot].incarnation != incarnation {
            return Err("another incarnation is registered");
        }
        self.digest = self.digest.wrapping_sub(self.worker_hash(slot));
        for held in std::mem::take(&mut self.workers[slot].cancelled).into_values() {
            self.workers[slot].used.give_back(held.needs.as_deref());
            self.release_cancelled(held.task);
        }
        for handler in std::mem::take(&mut self.workers[slot].handlers) {
            self.handlers.release(handler);
        }
        self.workers.mark_lost(slot);
        Ok(())
    }

    pub(super) fn attempt_ended(&mut self, attempt: AttemptRef, worker: &WorkerId) -> Applied {
        let worker = self.workers.find(worker).ok_or("there is no such worker")?;
        let held = self.workers[worker].cancelled.remove(&attempt);
        let Held { task, needs } = held.ok_or("the attempt holds no slot there")?;
        self.workers[worker].used.give_back(needs.as_deref());
        self.release_cancelled(task);
        Ok(())
    }

    /// From now on retention may forget it.
    fn release_cancelled(&mut self, slot: Slot<Task>) {
        self.count_held(self.tasks[slot].class, false);
        let counted = self.count_out(slot);
        let order = self.retain(slot);
        if let Body::Finished(finished) = &mut self.tasks[slot].body {
            finished.order = Some(order);
        }
        self.count_in(slot, counted);
    }

    fn worker_hash(&self, slot: Slot<Worker>) -> u128 {
        digest::worker(&self.workers[slot], &self.handlers)
    }
}
