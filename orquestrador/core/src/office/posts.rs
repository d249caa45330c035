//! Reports that are under way to their receivers.

use std::collections::BTreeMap;

use crate::ids::TaskId;

#[derive(Default)]
pub struct Posts {
    under_way: BTreeMap<TaskId, Box<str>>,
    by_target: BTreeMap<Box<str>, usize>,
    last_target: Box<str>,
}

impl Posts {
    pub fn begin(&mut self, task: TaskId, target: &str) {
        self.under_way.insert(task, target.into());
        *self.by_target.entry(target.into()).or_default() += 1;
        self.last_target = target.into();
    }

    /// If it was under way.
    pub fn end(&mut self, task: TaskId) {
        let Some(target) = self.under_way.remove(&task) else { return };
        if let Some(count) = self.by_target.get_mut(&target) {
            *count -= 1;
            if *count == 0 {
                self.by_target.remove(&target);
            }
        }
    }

    pub fn is_under_way(&self, task: TaskId) -> bool {
        self.under_way.contains_key(&task)
    }

    pub fn len(&self) -> usize {
        self.under_way.len()
    }

    pub fn to_target(&self, target: &str) -> usize {
        self.by_target.get(target).copied().unwrap_or(0)
    }

    /// Of the one that began last; empty before the first.
    pub fn last_target(&self) -> &str {
        &self.last_target
    }
}
