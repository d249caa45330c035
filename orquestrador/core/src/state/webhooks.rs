//! Reports of tasks' ends that are owed to their receivers, by task and by target.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::digest;
use crate::ids::{TaskId, Timestamp};
use crate::webhook::Owed;

#[derive(Default)]
pub struct Webhooks {
    owed: BTreeMap<TaskId, Arc<Owed>>,
    /// When each is due.
    targets: BTreeMap<Box<str>, BTreeSet<(Timestamp, TaskId)>>,
    /// Tasks that are not finished and have a webhook.
    pub expected: u64,
}

impl Webhooks {
    /// What was owed of this task, and what is now: neither changes otherwise.
    pub fn replace(&mut self, task: TaskId, owed: Option<Arc<Owed>>) -> Option<Arc<Owed>> {
        let before = match &owed {
            Some(owed) => self.owed.insert(task, Arc::clone(owed)),
            None => self.owed.remove(&task),
        };
        if let Some(before) = &before
            && let Some(due) = self.targets.get_mut(before.url.target())
        {
            due.remove(&(before.next, task));
            if due.is_empty() {
                self.targets.remove(before.url.target());
            }
        }
        if let Some(owed) = owed {
            let target = owed.url.target();
            match self.targets.get_mut(target) {
                Some(due) => due.insert((owed.next, task)),
                None => self.targets.entry(target.into()).or_default().insert((owed.next, task)),
            };
        }
        before
    }

    pub fn find(&self, task: TaskId) -> Option<&Arc<Owed>> {
        self.owed.get(&task)
    }

    pub fn len(&self) -> usize {
        self.owed.len()
    }

    pub fn is_empty(&self) -> bool {
        self.owed.is_empty()
    }

    /// By task.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Owed>> {
        self.owed.values()
    }

    /// By target, when what is owed to it is due.
    pub fn targets(&self) -> &BTreeMap<Box<str>, BTreeSet<(Timestamp, TaskId)>> {
        &self.targets
    }
}

/// What it adds to the digest.
pub fn hash(owed: &Owed) -> u128 {
    digest::owed(owed)
}
