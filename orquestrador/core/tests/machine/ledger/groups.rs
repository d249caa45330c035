//! How the tasks of groups ended, and which of them are done once more.

use orquestrador_core::effect::TaskState;
use orquestrador_core::ids::{Attempt, TaskId};

use super::arrays::whole;
use super::{Entry, GroupOf, Ledger, Stage};

impl Ledger {
    pub(super) fn count_end(&mut self, task: TaskId, end: TaskState) {
        let Entry { owner, terms, stage, attempt, .. } = &self.tasks[&task];
        if terms.webhook.is_some() && *stage == Stage::Finished {
            self.webhooks.owe(task);
        }
        if let Some(group) = &terms.group {
            let group = (owner.clone(), group.clone());
            self.groups.get_mut(&group).expect("it has tasks")[end as usize] += 1;
            self.ended.insert(task, (end, *attempt, group));
        }
    }

    /// Of an array: all that failed before it had begun.
    pub(super) fn repeat(&mut self, task: TaskId, by: TaskId) {
        assert!(self.tasks.get(&task).is_none_or(|of| of.stage == Stage::Finished));
        assert_eq!(task.is_array(), by.is_array(), "an array by an array");
        let of_array = |of: &TaskId, end: (TaskState, Attempt)| {
            of.in_array().is_some() && whole(*of) == task && end == (TaskState::Failed, Attempt(0))
        };
        let again = self.ended.extract_if(.., |of, (end, attempt, _)| {
            *of == task || task.is_array() && of_array(of, (*end, *attempt))
        });
        for (_, (end, _, group)) in again {
            if let Some(ends) = self.groups.get_mut(&group) {
                ends[end as usize] -= 1;
            }
        }
    }

    pub(super) fn counts(&self, group: &GroupOf, ends: [u64; 6]) -> [u64; 6] {
        let mut counts = ends;
        for entry in self.tasks.values().filter(|entry| entry.is_of(group)) {
            match entry.stage {
                Stage::Queued | Stage::Delayed(_) | Stage::Blocked => {
                    counts[TaskState::Queued as usize] += 1;
                }
                Stage::Running => counts[TaskState::Running as usize] += 1,
                Stage::Finished => {}
            }
        }
        counts
    }
}

impl Entry {
    pub(super) fn is_of(&self, (owner, group): &GroupOf) -> bool {
        self.owner == *owner && self.terms.group.as_ref() == Some(group)
    }
}
