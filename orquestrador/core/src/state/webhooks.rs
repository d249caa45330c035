//! Reports of tasks' ends that are owed to their receivers, by task and by target, and those that were given up.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound::{Excluded, Unbounded};
use std::sync::Arc;

use crate::digest;
use crate::ids::{TaskId, Timestamp};
use crate::webhook::Owed;

#[derive(Default)]
pub struct Webhooks {
    all: BTreeMap<TaskId, Arc<Owed>>,
    /// When each is due; not of what was given up.
    targets: BTreeMap<Box<str>, BTreeSet<(Timestamp, TaskId)>>,
    /// When each was.
    given_up: BTreeSet<(Timestamp, TaskId)>,
    /// Tasks that are not finished and have a webhook.
    pub expected: u64,
}

impl Webhooks {
    /// What was owed of this task, or given up, and what is now: neither changes otherwise.
    pub fn replace(&mut self, task: TaskId, owed: Option<Arc<Owed>>) -> Option<Arc<Owed>> {
        let before = match &owed {
            Some(owed) => self.all.insert(task, Arc::clone(owed)),
            None => self.all.remove(&task),
        };
        if let Some(before) = &before {
            self.unlist(task, before);
        }
        if let Some(owed) = owed {
            self.list(task, &owed);
        }
        before
    }

    fn list(&mut self, task: TaskId, owed: &Owed) {
        if let Some(at) = owed.given_up {
            self.given_up.insert((at, task));
            return;
        }
        let target = owed.url.target();
        match self.targets.get_mut(target) {
            Some(due) => due.insert((owed.next, task)),
            None => self.targets.entry(target.into()).or_default().insert((owed.next, task)),
        };
    }

    fn unlist(&mut self, task: TaskId, owed: &Owed) {
        if let Some(at) = owed.given_up {
            self.given_up.remove(&(at, task));
        } else if let Some(due) = self.targets.get_mut(owed.url.target()) {
            due.remove(&(owed.next, task));
            if due.is_empty() {
                self.targets.remove(owed.url.target());
            }
        }
    }

    /// Owed, or given up.
    pub fn find(&self, task: TaskId) -> Option<&Arc<Owed>> {
        self.all.get(&task)
    }

    /// Those that are owed.
    pub fn len(&self) -> usize {
        self.all.len() - self.given_up.len()
    }

    /// Nothing is owed.
    pub fn is_empty(&self) -> bool {
        self.targets.is_empty()
    }

    /// By task, those given up too.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Owed>> {
        self.all.values()
    }

    /// Those behind this one.
    pub fn behind(&self, after: Option<TaskId>) -> impl Iterator<Item = (TaskId, &Arc<Owed>)> {
        let from = after.map_or(Unbounded, Excluded);
        self.all.range((from, Unbounded)).map(|(task, owed)| (*task, owed))
    }

    /// By target, when what is owed to it is due.
    pub fn targets(&self) -> &BTreeMap<Box<str>, BTreeSet<(Timestamp, TaskId)>> {
        &self.targets
    }

    /// The oldest first.
    pub fn given_up(&self) -> &BTreeSet<(Timestamp, TaskId)> {
        &self.given_up
    }
}

/// What it adds to the digest.
pub fn hash(owed: &Owed) -> u128 {
    digest::owed(owed)
}
