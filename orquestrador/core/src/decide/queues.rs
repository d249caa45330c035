//! Queues as administrators see and change them.

use std::collections::BTreeMap;

use crate::command::QueueChange;
use crate::effect::{Answer, Effect, Notice, QueueSnapshot};
use crate::event::Event;
use crate::ids::{QueueName, Timestamp};
use crate::machine::{Machine, Step};
use crate::rejection::Rejection;
use crate::settings::QueueSettings;
use crate::state::classes::Class;
use crate::state::queues::Queue;
use crate::state::slab::Slot;
use crate::state::tasks::{Seq, Task};

impl Machine {
    /// A queue is there once anybody has named it.
    pub(super) fn change_queue(
        &mut self,
        now: Timestamp,
        queue: QueueName,
        change: QueueChange,
        step: &mut Step,
    ) -> Result<Answer, Rejection> {
        let known = self.state.queues.find(&queue);
        let before = known.map(|slot| self.state.queues[slot].settings).unwrap_or_default();
        let settings = change.apply(before);
        let limit = self.limits.max_queues;
        let is_active = known.is_some_and(|slot| self.state.queues[slot].is_active());
        if !is_active && settings != before && self.state.queues.active() >= limit {
            let (limit, unit) = (limit as u64, "queues with work or settings");
            return Err(Rejection::BacklogFull { limit, unit });
        }
        if settings != before {
            let (queue, at) = (queue.clone(), now);
            self.record(Event::QueueChanged { queue: queue.clone(), settings, at }, step);
            step.effects.push(Effect::Notice(Notice::QueueChanged { queue, settings }));
        }
        self.assign_ready(now, step);
        let snapshot = match self.state.queues.find(&queue) {
            Some(slot) => snapshot(&self.state.queues[slot]),
            None => QueueSnapshot { queue, settings, queued: 0, running: 0 },
        };
        Ok(Answer::Queues { queues: vec![snapshot] })
    }

    /// By name, and the default one even if nothing is in it.
    pub(super) fn list_queues(&self) -> Answer {
        let mut queues: Vec<_> = self
            .state
            .queues
            .iter()
            .map(|(_, queue)| queue)
            .filter(|q| q.is_active())
            .map(snapshot)
            .collect();
        let default = QueueName::default();
        if let Err(place) = queues.binary_search_by(|queue| queue.queue.cmp(&default)) {
            let settings = QueueSettings::default();
            let empty = QueueSnapshot { queue: default, settings, queued: 0, running: 0 };
            queues.insert(place, empty);
        }
        Answer::Queues { queues }
    }

    /// Cancels what waits there, whosever it is; one batch at most, so that no step takes long.
    pub(super) fn purge_queue(
        &mut self,
        now: Timestamp,
        queue: &QueueName,
        step: &mut Step,
    ) -> Result<Answer, Rejection> {
        let not_found = || Rejection::QueueNotFound { queue: queue.clone() };
        let slot = self.state.queues.find(queue).ok_or_else(not_found)?;
        let before = self.state.queues[slot].queued;
        let of_queue = |class| self.state.classes[class].queue == slot;
        let arrays: Vec<_> = self
            .state
            .arrays
            .iter()
            .filter(|(_, array)| array.waiting() > 0 && of_queue(array.class))
            .map(|(slot, _)| slot)
            .take(self.limits.purge_batch)
            .collect();
        for array in arrays {
            self.cancel_waiting_in(now, array, step);
        }
        self.cancel_delayed_in(now, slot, step);
        self.cancel_blocked_in(now, slot, step);
        self.cancel_lines_of(now, slot, step);
        let left = self.state.queues.find(queue).map_or(0, |slot| self.state.queues[slot].queued);
        self.assign_ready(now, step);
        // Only now, because retention may forget even these.
        self.prune(step);
        Ok(Answer::Purged { cancelled: before - left, left })
    }

    fn cancel_delayed_in(&mut self, now: Timestamp, queue: Slot<Queue>, step: &mut Step) {
        let Self { state, limits, .. } = self;
        let is_there = |slot: &Slot<Task>| state.classes[state.tasks[*slot].class].queue == queue;
        let delayed = state.delayed.values().copied().filter(is_there);
        let delayed: Vec<_> = delayed.take(limits.purge_batch).collect();
        delayed.into_iter().for_each(|task| self.end_by_cancel(now, task, step));
    }

    /// Those that come after others, also where that has just been decided.
    fn cancel_blocked_in(&mut self, now: Timestamp, queue: Slot<Queue>, step: &mut Step) {
        let Self { state, limits, .. } = self;
        let waiting = state.dependents.iter().map(|(_, seq, slot)| (seq, slot));
        let over = state.resolved.iter().map(|(seq, slot)| (*seq, *slot));
        let is_there =
            |(_, slot): &(Seq, Slot<Task>)| state.classes[state.tasks[*slot].class].queue == queue;
        let blocked: BTreeMap<_, _> = waiting.chain(over).filter(is_there).collect();
        let blocked: Vec<_> = blocked.into_values().take(limits.purge_batch).collect();
        blocked.into_iter().for_each(|task| self.end_by_cancel(now, task, step));
    }

    /// The oldest first.
    fn cancel_lines_of(&mut self, now: Timestamp, queue: Slot<Queue>, step: &mut Step) {
        let head = |machine: &Self, slot: Slot<Class>| {
            let class = machine.state.classes.get(slot)?;
            let (seq, task) = class.line.first(&machine.state.tasks)?;
            Some((seq, (slot, task)))
        };
        let classes = self.state.classes.iter().filter(|(_, class)| class.queue == queue);
        let mut heads: BTreeMap<_, _> = classes.filter_map(|(slot, _)| head(self, slot)).collect();
        for _ in 0..self.limits.purge_batch {
            let Some((_, (class, task))) = heads.pop_first() else { break };
            self.end_by_cancel(now, task, step);
            heads.extend(head(self, class));
        }
    }
}

fn snapshot(queue: &Queue) -> QueueSnapshot {
    QueueSnapshot {
        queue: queue.name.clone(),
        settings: queue.settings,
        queued: queue.queued,
        running: queue.running,
    }
}
