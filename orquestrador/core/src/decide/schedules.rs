//! Schedules as their owners see and change them.

use std::sync::Arc;

use orquestrador_schedule::Plan;

use crate::command::{NewTask, Start};
use crate::effect::{Answer, ScheduleSnapshot};
use crate::event::{Event, Firing};
use crate::ids::{TaskId, Timestamp, UserName};
use crate::limits::Limits;
use crate::machine::{Machine, Step};
use crate::mutation::Mutation;
use crate::rejection::Rejection;
use crate::schedule::{CatchUp, Schedule};
use crate::state::schedules::{Entry, ScheduleKey};
use crate::terms::Terms;

impl Machine {
    /// The same content once more changes nothing, and another one under the same plan nothing about when it is due.
    pub(super) fn set_schedule(
        &mut self,
        now: Timestamp,
        key: ScheduleKey,
        (schedule, allow_unknown_handler): (Arc<Schedule>, bool),
        step: &mut Step,
    ) -> Result<Answer, Rejection> {
        let plan = plan_of(&key, &schedule)?;
        if !allow_unknown_handler {
            self.check_handler(&schedule.handler)?;
            self.check_needs(&schedule.handler, schedule.terms.needs.as_deref())?;
        }
        self.check_schedules(&key, &schedule)?;
        let before = self.state.schedules.find(&key);
        if before.is_none_or(|before| before.schedule != schedule) {
            let created = before.map_or(now, |before| before.created);
            let paused = before.is_some_and(|before| before.paused);
            let as_before = before.filter(|before| {
                let of = |schedule: &Schedule| (schedule.expression.clone(), schedule.zone.clone());
                of(&before.schedule) == of(&schedule)
            });
            let next = match as_before {
                Some(before) => before.next,
                None => {
                    // A clock that was set back does not make what was due come again.
                    let decided = before.and_then(|before| before.decided);
                    let after = decided.map_or(now, |until| until.max(now));
                    next_after(&plan, after, created)
                }
            };
            let at = now;
            self.record_set(key.clone(), schedule, (paused, next), (created, at), step);
        }
        self.query_schedule(&key)
    }

    fn check_schedules(&self, key: &ScheduleKey, schedule: &Schedule) -> Result<(), Rejection> {
        let Limits { max_schedules, max_user_schedules, .. } = self.limits;
        let (bytes, limit) = (schedule.payload.len() as u64, self.limits.max_active_bytes);
        if bytes > limit {
            return Err(Rejection::NeverFits { limit, unit: "bytes" });
        }
        let schedules = &self.state.schedules;
        let before = schedules.find(key);
        let new = usize::from(before.is_none());
        let of_user = schedules.of(&key.0).count();
        let freed = before.map_or(0, |before| before.schedule.payload.len() as u64);
        let all_bytes = schedules.bytes() - freed + bytes;
        for (count, limit, unit) in [
            ((schedules.len() + new) as u64, max_schedules as u64, "schedules"),
            ((of_user + new) as u64, max_user_schedules as u64, "schedules of one user"),
            (all_bytes, self.limits.max_schedule_bytes, "bytes of schedules"),
        ] {
            if count > limit {
                return Err(Rejection::BacklogFull { limit, unit });
            }
        }
        Ok(())
    }

    /// What was due meanwhile is made up for as the schedule says, when it is resumed.
    pub(super) fn pause_schedule(
        &mut self,
        now: Timestamp,
        key: ScheduleKey,
        paused: bool,
        step: &mut Step,
    ) -> Result<Answer, Rejection> {
        let entry = self.schedule(&key)?;
        if entry.paused != paused {
            let next = match entry.next.filter(|next| !paused && *next <= now) {
                Some(due) if !entry.is_refused() => {
                    let plan = plan_of(&key, &entry.schedule)?;
                    let most = self.limits.max_catch_up;
                    first_of_missed(&plan, (due, now), entry, most)
                }
                Some(_) | None => entry.next,
            };
            let (schedule, created) = (Arc::clone(&entry.schedule), entry.created);
            self.record_set(key.clone(), schedule, (paused, next), (created, now), step);
        }
        self.query_schedule(&key)
    }

    fn record_set(
        &mut self,
        key: ScheduleKey,
        schedule: Arc<Schedule>,
        (paused, next): (bool, Option<Timestamp>),
        (created, at): (Timestamp, Timestamp),
        step: &mut Step,
    ) {
        let (owner, name) = key.clone();
        self.record(Event::ScheduleSet { owner, name, schedule, paused, created, next, at }, step);
        let entry = self.state.schedules.find(&key);
        let due = match self.lacks(Mutation::PausesNotHeeded) {
            true => entry.and_then(|entry| entry.next),
            false => entry.and_then(Entry::due),
        };
        self.office.agenda.forget_plan(&key);
        self.office.agenda.put(&key, due);
    }

    pub(super) fn remove_schedule(
        &mut self,
        now: Timestamp,
        key: ScheduleKey,
        step: &mut Step,
    ) -> Result<Answer, Rejection> {
        let last = self.query_schedule(&key)?;
        self.forget_schedule(now, key, step);
        Ok(last)
    }

    pub(super) fn forget_schedule(&mut self, at: Timestamp, key: ScheduleKey, step: &mut Step) {
        self.office.agenda.forget_plan(&key);
        self.office.agenda.put(&key, None);
        let (owner, name) = key;
        self.record(Event::ScheduleRemoved { owner, name, at }, step);
    }

    pub(super) fn query_schedule(&self, key: &ScheduleKey) -> Result<Answer, Rejection> {
        Ok(Answer::Schedule { snapshot: snapshot(key, self.schedule(key)?) })
    }

    pub(super) fn list_schedules(&self, owner: &UserName) -> Answer {
        let schedules = self.state.schedules.of(owner);
        Answer::Schedules {
            schedules: schedules.map(|(key, entry)| snapshot(key, entry)).collect(),
        }
    }

    /// A repeated wish under the same task's name is answered and changes nothing.
    pub(super) fn run_schedule(
        &mut self,
        now: Timestamp,
        key: ScheduleKey,
        task: TaskId,
        step: &mut Step,
    ) -> Result<Answer, Rejection> {
        let (owner, name) = &key;
        let conflict = Rejection::TaskIdConflict { task };
        if let Some(slot) = self.state.tasks.find(task) {
            let terms = self.state.terms_of(self.state.tasks[slot].class);
            let is_that = self.state.task_of(owner, task).is_some()
                && (terms.schedule.as_ref(), &terms.origin) == (Some(name), &None);
            let first = is_that.then(|| self.snapshot(slot)).ok_or(conflict)?;
            return Ok(Answer::Submitted { accepted: 0, first });
        }
        if task.is_for_arrays() {
            return Err(conflict);
        }
        let entry = self.schedule(&key)?;
        let (next, new) = (entry.next, task_from(&key, entry, task));
        self.admit_firing(owner, &new)?;
        self.accept(now, owner, new, step);
        let (owner, name) = key.clone();
        let (due, firing, at) = (now, Firing::ByHand(task), now);
        self.record(Event::ScheduleFired { owner, name, due, firing, next, at }, step);
        self.assign_ready(now, step);
        let slot = self.state.tasks.find(task).ok_or(Rejection::TaskNotFound { task })?;
        Ok(Answer::Submitted { accepted: 1, first: self.snapshot(slot) })
    }

    pub(super) fn admit_firing(&self, owner: &UserName, task: &NewTask) -> Result<(), Rejection> {
        self.check_terms(owner, std::iter::once((&task.handler, &task.terms)))?;
        self.check_webhooks(task.terms.webhook.is_some().into())?;
        self.check_backlog(owner, (1, task.payload.len() as u64))
    }

    fn schedule(&self, key: &ScheduleKey) -> Result<&Entry, Rejection> {
        let not_found = || Rejection::ScheduleNotFound { schedule: key.1.clone() };
        self.state.schedules.find(key).ok_or_else(not_found)
    }
}

/// Which of the firings from `due` up to `until`, all of which were missed, comes first, or which one after them.
pub(super) fn first_of_missed(
    plan: &Plan,
    (due, until): (Timestamp, Timestamp),
    entry: &Entry,
    most: u32,
) -> Option<Timestamp> {
    let anchor = entry.created.0;
    match entry.schedule.catch_up {
        CatchUp::Skip => next_after(plan, until, entry.created),
        CatchUp::One => Some(Timestamp(plan.last_until(until.0, due.0, anchor))),
        CatchUp::All => Some(Timestamp(plan.first_of_last(most, until.0, due.0, anchor))),
    }
}

pub(super) fn next_after(plan: &Plan, after: Timestamp, created: Timestamp) -> Option<Timestamp> {
    plan.next_after(after.0, created.0).map(Timestamp)
}

pub(super) fn task_from((_, name): &ScheduleKey, entry: &Entry, id: TaskId) -> NewTask {
    let schedule = &entry.schedule;
    NewTask {
        id,
        handler: schedule.handler.clone(),
        payload: schedule.payload.clone(),
        terms: Terms { schedule: Some(name.clone()), ..Terms::clone(&schedule.terms) }.shared(),
        start: Start::Now,
        after: None,
        key: None,
        blobs: Vec::new(),
        trace: None,
    }
}

fn plan_of(key: &ScheduleKey, schedule: &Schedule) -> Result<Plan, Rejection> {
    let no_such = |error: orquestrador_schedule::Error| Rejection::NoSuchPlan {
        schedule: key.1.clone(),
        why: error.to_string(),
    };
    schedule.plan().map_err(no_such)
}

fn snapshot((_, name): &ScheduleKey, entry: &Entry) -> ScheduleSnapshot {
    ScheduleSnapshot {
        name: name.clone(),
        schedule: Arc::clone(&entry.schedule),
        paused: entry.paused,
        created: entry.created,
        changed: entry.changed,
        next: entry.next,
        made: entry.made.as_ref().map(|made| (made.due, made.task, made.by_hand)),
        unmade: entry.unmade.as_ref().map(|unmade| (unmade.due, unmade.firing.clone())),
    }
}
