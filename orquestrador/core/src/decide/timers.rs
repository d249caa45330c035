//! What follows from time alone.

use crate::effect::Effect;
use crate::event::{ArrayFailure, Event, LossCause};
use crate::ids::Timestamp;
use crate::machine::{Machine, Step};
use crate::state::slab::Slot;
use crate::state::tasks::Task;
use crate::state::workers::Worker;
use crate::terms::Expiry;

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
        self.expire(now, step);
        self.wake(now, step);
        self.release_keys(now, step);
        self.fire_schedules(now, step);
        self.post_webhooks(now, step);
        self.assign_ready(now, step);
        self.prune(step);
    }

    /// Delayed tasks whose moment has come; one batch at most, so that no step takes long.
    fn wake(&mut self, now: Timestamp, step: &mut Step) {
        let due = self.state.delayed.iter().take_while(|((until, _), _)| *until <= now);
        let due: Vec<_> = due.map(|(_, slot)| *slot).take(self.limits.wake_batch.max(1)).collect();
        for slot in due {
            let task = &self.state.tasks[slot];
            let (id, class) = (task.id(), task.class);
            self.record(Event::TaskDue { task: id, at: now }, step);
            self.office.refresh_class(&self.state, class);
            self.tell_change(slot, step);
        }
    }

    /// Tasks that are out of time; one batch at most, so that no step takes long.
    fn expire(&mut self, now: Timestamp, step: &mut Step) {
        let due = self.state.expiring.iter().take_while(|((due, _), _)| *due <= now);
        let due: Vec<_> = due.map(|(_, slot)| *slot).take(self.limits.wake_batch.max(1)).collect();
        for slot in due {
            let expiry = self.state.expiry_of(&self.state.tasks[slot]);
            if let Some((_, expiry)) = expiry {
                self.end_by_expiry(now, slot, expiry, step);
            }
        }
    }

    fn end_by_expiry(&mut self, now: Timestamp, slot: Slot<Task>, expiry: Expiry, step: &mut Step) {
        let attempt = self.present_attempt(slot);
        let class = self.state.tasks[slot].class;
        let session = self.session_of_runner(slot);
        let task = attempt.task;
        let trace = self.state.trace_of(task);
        self.fail_behind(now, slot, ArrayFailure::Expired(expiry), step);
        self.record(Event::TaskExpired { task, expiry, at: now }, step);
        self.office.refresh_class(&self.state, class);
        if let Some(session) = session {
            step.effects.push(Effect::CancelAttempt { session, attempt });
        }
        let failure = self.state.tasks[slot].failure().cloned();
        self.tell_finish(slot, (trace, failure), step);
        self.tell_change(slot, step);
    }

    /// When time alone next leads to something.
    pub(crate) fn next_timer(&self) -> Option<Timestamp> {
        let due = self.state.delayed.first_key_value().map(|((until, _), _)| *until);
        if !self.state.resolved.is_empty() {
            return Some(Timestamp(0));
        }
        let expiring = self.state.expiring.first_key_value().map(|((due, _), _)| *due);
        let keys = self.state.keys.due().next().map(|(until, _)| until);
        let schedules = self.office.agenda.first();
        let tasks = due.into_iter().chain(expiring).chain(keys);
        let posts = self.next_post();
        self.next_lease_end().into_iter().chain(tasks).chain(schedules).chain(posts).min()
    }

    fn lease_end(&self, worker: Slot<Worker>) -> Timestamp {
        self.office.presence(worker).last_seen.plus_ms(self.limits.worker_lease_ms)
    }

    /// When the next worker is lost unless it gives a sign of life.
    fn next_lease_end(&self) -> Option<Timestamp> {
        self.state.workers.iter().map(|(worker, _)| self.lease_end(worker)).min()
    }
}
