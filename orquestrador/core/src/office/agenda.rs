//! Which schedule is to be looked at next: each when it is due, or later if it was refused then.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use orquestrador_schedule::{Error, Plan};

use crate::ids::Timestamp;
use crate::schedule::Schedule;
use crate::state::schedules::ScheduleKey;

#[derive(Default)]
pub struct Agenda {
    at: BTreeMap<ScheduleKey, Timestamp>,
    in_order: BTreeSet<(Timestamp, ScheduleKey)>,
    /// Of schedules that have fired: to parse one costs as much as a hundred firings.
    plans: BTreeMap<ScheduleKey, Arc<Plan>>,
}

impl Agenda {
    /// `None`: it is not to be looked at.
    pub fn put(&mut self, key: &ScheduleKey, at: Option<Timestamp>) {
        let before = match at {
            Some(at) => self.at.insert(key.clone(), at),
            None => self.at.remove(key),
        };
        if let Some(before) = before {
            self.in_order.remove(&(before, key.clone()));
        }
        self.in_order.extend(at.map(|at| (at, key.clone())));
    }

    /// What the schedule says, which may not have changed since [`Agenda::forget_plan`].
    ///
    /// # Errors
    /// It is none that this build knows.
    pub fn plan(&mut self, key: &ScheduleKey, schedule: &Schedule) -> Result<Arc<Plan>, Error> {
        if let Some(plan) = self.plans.get(key) {
            return Ok(Arc::clone(plan));
        }
        let plan = Arc::new(schedule.plan()?);
        self.plans.insert(key.clone(), Arc::clone(&plan));
        Ok(plan)
    }

    /// It was asked for before.
    pub fn has_plan(&self, key: &ScheduleKey) -> bool {
        self.plans.contains_key(key)
    }

    /// The schedule says something else, or is gone.
    pub fn forget_plan(&mut self, key: &ScheduleKey) {
        self.plans.remove(key);
    }

    pub fn first(&self) -> Option<Timestamp> {
        self.in_order.first().map(|(at, _)| *at)
    }

    /// The one to be looked at by now.
    pub fn first_until(&self, now: Timestamp) -> Option<&ScheduleKey> {
        self.in_order.first().filter(|(at, _)| *at <= now).map(|(_, key)| key)
    }

    /// # Errors
    /// Says which schedule is listed wrongly, given when each is due.
    pub fn check(&self, due: &BTreeMap<ScheduleKey, Timestamp>) -> Result<(), String> {
        for (key, due) in due {
            if self.at.get(key).is_none_or(|at| at < due) {
                return Err(format!("schedule {key:?} is not looked at when it is due"));
            }
        }
        let in_order: BTreeSet<_> = self.at.iter().map(|(key, at)| (*at, key.clone())).collect();
        match self.at.len() == due.len() && in_order == self.in_order {
            true => Ok(()),
            false => Err("a schedule is looked at that is not due".to_owned()),
        }
    }
}
