//! Queues as administrators see and change them.

use super::purge::Scope;
use crate::command::QueueChange;
use crate::effect::{Answer, Effect, Notice, QueueSnapshot};
use crate::event::Event;
use crate::ids::{QueueName, Timestamp};
use crate::machine::{Machine, Step};
use crate::rejection::Rejection;
use crate::settings::QueueSettings;
use crate::state::queues::Queue;

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
        self.cancel_in(now, Scope::Queue(slot), step);
        let left = self.state.queues.find(queue).map_or(0, |slot| self.state.queues[slot].queued);
        self.assign_ready(now, step);
        // Only now, because retention may forget even these.
        self.prune(step);
        Ok(Answer::Purged { cancelled: before - left, left })
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
