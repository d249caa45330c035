//! Which unfinished tasks take what others left: as long as one does, retention keeps these.

use std::collections::{BTreeMap, BTreeSet};

use crate::digest;
use crate::ids::TaskId;

#[derive(Default)]
pub struct Sources {
    /// By who takes: a task or an array, as those that it takes of.
    of: BTreeMap<TaskId, BTreeSet<TaskId>>,
    /// How many take of it.
    takers: BTreeMap<TaskId, usize>,
}

impl Sources {
    /// Those of them that are new.
    pub fn insert(&mut self, task: TaskId, sources: &[TaskId]) -> Vec<TaskId> {
        let of_task = self.of.entry(task).or_default();
        let new: Vec<_> = sources.iter().copied().filter(|of| of_task.insert(*of)).collect();
        for source in &new {
            *self.takers.entry(*source).or_default() += 1;
        }
        new
    }

    /// It takes nothing any more; what it took of.
    pub fn remove(&mut self, task: TaskId) -> BTreeSet<TaskId> {
        let sources = self.of.remove(&task).unwrap_or_default();
        for source in &sources {
            if let Some(takers) = self.takers.get_mut(source) {
                *takers -= 1;
                if *takers == 0 {
                    self.takers.remove(source);
                }
            }
        }
        sources
    }

    pub fn of_task(&self, task: TaskId) -> impl Iterator<Item = TaskId> {
        self.of.get(&task).into_iter().flatten().copied()
    }

    /// Something takes of the task, or of its array.
    pub fn are_taken(&self, task: TaskId) -> bool {
        let is_taken = |id: TaskId| self.takers.contains_key(&id);
        is_taken(task) || task.in_array().is_some_and(|(array, _)| is_taken(TaskId(array.0)))
    }

    pub fn is_empty(&self) -> bool {
        self.of.is_empty()
    }

    pub fn iter(&self) -> impl Iterator<Item = (TaskId, &BTreeSet<TaskId>)> {
        self.of.iter().map(|(task, sources)| (*task, sources))
    }

    /// Whether it counts who takes what as it should.
    pub fn is_consistent(&self) -> bool {
        let mut takers = BTreeMap::new();
        for source in self.of.values().flatten() {
            *takers.entry(*source).or_default() += 1;
        }
        takers == self.takers && self.of.values().all(|sources| !sources.is_empty())
    }
}

/// What one adds to the digest.
pub fn hash(task: TaskId, source: TaskId) -> u128 {
    digest::source(task, source)
}
