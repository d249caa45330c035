//! What becomes of schedules that are due.

use super::schedules::{first_of_missed, next_after, task_from};
use crate::event::{Event, Firing};
use crate::ids::Timestamp;
use crate::machine::{Machine, Step};
use crate::mutation::Mutation;
use crate::schedule::{Overlap, task_of};
use crate::state::schedules::{Entry, ScheduleKey};

impl Machine {
    /// Each firing by itself, the one first that was due first; one batch at most, so that no step takes long.
    pub(super) fn fire_schedules(&mut self, now: Timestamp, step: &mut Step) {
        for _ in 0..self.limits.fire_batch.max(1) {
            let Some(key) = self.office.agenda.first_until(now).cloned() else { break };
            self.fire(now, &key, step);
            let entry = self.state.schedules.find(&key);
            let again = entry.filter(|entry| entry.is_refused()).map(|_| self.limits.refire_ms);
            let due = entry.and_then(Entry::due);
            let at = due.map(|due| again.map_or(due, |again| now.plus_ms(again)));
            self.office.agenda.put(&key, at);
        }
    }

    /// The firing is decided, or it was refused and stays due.
    fn fire(&mut self, now: Timestamp, key: &ScheduleKey, step: &mut Step) {
        let Some(entry) = self.state.schedules.find(key) else { return };
        let due = match self.lacks(Mutation::PausesNotHeeded) {
            true => entry.next,
            false => entry.due(),
        };
        let Some(due) = due else { return };
        let fires_again =
            self.lacks(Mutation::FiresAgainAtTakeover) && !self.office.agenda.has_plan(key);
        let plan = match self.office.agenda.plan(key, &entry.schedule) {
            Ok(plan) => plan,
            // Another build accepted it.
            Err(error) => return self.refuse_firing(now, (key, due), error.to_string(), step),
        };
        let missed = Timestamp(now.0.saturating_sub(self.limits.missed_after_ms));
        if due < missed && !entry.is_refused() {
            let until = Timestamp(missed.0 - 1);
            let most = self.limits.max_catch_up;
            let first = first_of_missed(&plan, (due, until), entry, most);
            if first != Some(due) {
                return self.record_fired(now, (key, due), (Firing::Missed, first), step);
            }
        }
        let after = if self.lacks(Mutation::NextFromTheClock) { now } else { due };
        let next = next_after(&plan, after, entry.created);
        let next = if fires_again { Some(due) } else { next };
        let last = entry.made.as_ref().and_then(|made| self.state.tasks.find(made.task));
        let is_running = last.is_some_and(|slot| self.state.tasks[slot].finished().is_none());
        if entry.schedule.overlap == Overlap::Skip && is_running {
            return self.record_fired(now, (key, due), (Firing::Overlapped, next), step);
        }
        let task = task_of(&key.0, &key.1, entry.created, due);
        if self.state.tasks.find(task).is_none() {
            let new = task_from(key, entry, task);
            if let Err(rejection) = self.admit_firing(&key.0, &new) {
                return self.refuse_firing(now, (key, due), rejection.to_string(), step);
            }
            self.accept(now, &key.0, new, step);
        }
        self.record_fired(now, (key, due), (Firing::Made(task), next), step);
    }

    /// Told once, however often it is tried.
    fn refuse_firing(
        &mut self,
        now: Timestamp,
        (key, due): (&ScheduleKey, Timestamp),
        why: String,
        step: &mut Step,
    ) {
        let firing = Firing::Refused { why };
        let before = self.state.schedules.find(key).and_then(|entry| entry.unmade.as_ref());
        if before.is_none_or(|before| (before.due, &before.firing) != (due, &firing)) {
            self.record_fired(now, (key, due), (firing, Some(due)), step);
        }
    }

    fn record_fired(
        &mut self,
        at: Timestamp,
        (key, due): (&ScheduleKey, Timestamp),
        (firing, next): (Firing, Option<Timestamp>),
        step: &mut Step,
    ) {
        let (owner, name) = key.clone();
        self.record(Event::ScheduleFired { owner, name, due, firing, next, at }, step);
    }
}
