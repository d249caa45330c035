//! Schedules of users: what they say, when each is due, and what became of it last.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::digest;
use crate::event::Firing;
use crate::ids::{ScheduleName, TaskId, Timestamp, UserName};
use crate::schedule::Schedule;

/// A schedule's name is its owner's alone.
pub type ScheduleKey = (UserName, ScheduleName);

#[derive(Clone)]
pub struct Entry {
    pub schedule: Arc<Schedule>,
    pub paused: bool,
    /// When its name was first set.
    pub created: Timestamp,
    pub changed: Timestamp,
    /// When it is due; `None`: never again. Never earlier than before.
    pub next: Option<Timestamp>,
    pub made: Option<Made>,
    /// What became of the firing after that, if it made no task.
    pub unmade: Option<Unmade>,
    /// Of which moments it is known what became: all until then. Only whoever decides asks, and it is no part of the digest.
    pub decided: Option<Timestamp>,
}

/// The last firing that made a task.
#[derive(Clone)]
pub struct Made {
    pub due: Timestamp,
    pub task: TaskId,
    pub by_hand: bool,
    pub at: Timestamp,
}

/// A firing that made none.
#[derive(Clone)]
pub struct Unmade {
    pub due: Timestamp,
    /// Never one that made a task.
    pub firing: Firing,
    pub at: Timestamp,
}

impl Entry {
    /// Its task could not be accepted, and is to be made all the same.
    pub fn is_refused(&self) -> bool {
        self.unmade.as_ref().is_some_and(|unmade| matches!(unmade.firing, Firing::Refused { .. }))
    }

    /// When it is to be looked at.
    pub fn due(&self) -> Option<Timestamp> {
        self.next.filter(|_| !self.paused)
    }
}

#[derive(Default)]
pub struct Schedules {
    entries: BTreeMap<ScheduleKey, Entry>,
    /// Of payloads.
    bytes: u64,
}

impl Schedules {
    /// What was there under this name, and what is there now: neither changes otherwise.
    pub fn replace(&mut self, key: &ScheduleKey, entry: Option<Entry>) -> Option<Entry> {
        let size = |entry: &Entry| entry.schedule.payload.len() as u64;
        self.bytes += entry.as_ref().map_or(0, size);
        let before = match entry {
            Some(entry) => self.entries.insert(key.clone(), entry),
            None => self.entries.remove(key),
        };
        self.bytes -= before.as_ref().map_or(0, size);
        before
    }

    pub fn find(&self, key: &ScheduleKey) -> Option<&Entry> {
        self.entries.get(key)
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// By owner and name.
    pub fn iter(&self) -> impl Iterator<Item = (&ScheduleKey, &Entry)> {
        self.entries.iter()
    }

    /// By name.
    pub fn of(&self, owner: &UserName) -> impl Iterator<Item = (&ScheduleKey, &Entry)> {
        let first = (owner.clone(), ScheduleName::from(""));
        let from = self.entries.range(first..);
        from.take_while(move |((of, _), _)| of == owner)
    }
}

/// What it adds to the digest.
pub fn hash(key: &ScheduleKey, entry: &Entry) -> u128 {
    digest::schedule(key, entry)
}
