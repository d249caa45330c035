//! Forgetting the oldest finished tasks.

use crate::event::Event;
use crate::machine::{Machine, Step};
use crate::state::slab::Slot;
use crate::state::tasks::{FinishOrder, Finished, Task};

/// Tasks that one step looks at.
const MAX_SCANNED: usize = 10_000;

impl Machine {
    /// One batch at most, so that no step takes long; what is left follows with the next one.
    pub(super) fn prune(&mut self, step: &mut Step) {
        let totals = &self.state.totals;
        // Tasks that still hold a slot are few and not up for retention yet.
        let mut count = self.state.retained.len() as u64;
        let mut bytes = totals.finished_bytes;
        let mut tasks = Vec::new();
        let mut blobs = self.state.blobs.countdown();
        let batch = self.limits.prune_batch.max(1);
        let mut next = FinishOrder::default();
        let (most, most_bytes) = (self.limits.max_finished_tasks, self.limits.max_finished_bytes);
        for (order, slot) in self.state.retained.iter().take(MAX_SCANNED) {
            if tasks.len() >= batch || count <= most && bytes <= most_bytes {
                break;
            }
            let task = &self.state.tasks[*slot];
            // Unless there is far too much, what another one is yet to take stays.
            if self.state.sources.are_taken(task.id())
                && count <= most.saturating_mul(2)
                && bytes <= most_bytes.saturating_mul(2)
            {
                continue;
            }
            blobs.without(task.id());
            count -= 1;
            bytes -= task.finished().map_or(0, Finished::bytes);
            tasks.push(task.id());
            next = FinishOrder(order.0 + 1);
        }
        // Of the others only those whose going makes room: of an array that goes on, that of none.
        let others = self.state.with_blobs.range(next..).take(MAX_SCANNED);
        let others = others.filter(|(_, slot)| self.state.can_give_up_blobs(**slot));
        let is_much = blobs.bytes() > self.limits.max_referred_bytes.saturating_mul(2);
        let is_taken = |slot: Slot<Task>| self.state.sources.are_taken(self.state.tasks[slot].id());
        let others = others.filter(|(_, slot)| is_much || !is_taken(**slot));
        for (_, slot) in others.take(batch - tasks.len().min(batch)) {
            if blobs.references() <= self.limits.max_references
                && blobs.bytes() <= self.limits.max_referred_bytes
            {
                break;
            }
            let id = self.state.tasks[*slot].id();
            blobs.without(id);
            tasks.push(id);
        }
        if !tasks.is_empty() {
            self.record(Event::TasksPruned { tasks }, step);
        }
    }
}
