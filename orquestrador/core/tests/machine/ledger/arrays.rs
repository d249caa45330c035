//! Of arrays that wait: what happens to the front happens to all that stands behind it.

use orquestrador_core::effect::TaskState;
use orquestrador_core::ids::{ArrayId, Attempt, TaskId, Timestamp};
use orquestrador_core::terms::Expiry;

use super::{Entry, Ledger, Stage};

impl Ledger {
    /// The tasks of an array that have not begun or ended, in their order.
    pub(super) fn waiting_in(&self, array: ArrayId) -> Vec<TaskId> {
        let all = self.tasks.range(array.task(0)..=array.task(u32::MAX - 1));
        let waits = |entry: &Entry| {
            !matches!(entry.stage, Stage::Running | Stage::Finished) && entry.attempt == Attempt(0)
        };
        all.filter(|(_, entry)| waits(entry)).map(|(task, _)| *task).collect()
    }

    /// All that waits but the front, which has a record, and ends by itself.
    pub(super) fn end_in_array(&mut self, array: ArrayId, end: TaskState) {
        let gone = self.waiting_in(array).split_off(1);
        assert!(!gone.is_empty(), "nothing of {array} waits");
        if self.tasks[&gone[0]].terms.webhook.is_some() {
            self.webhooks.expect_rest(array, &gone, end);
        }
        gone.iter().for_each(|task| self.count_end(*task, end));
        self.tasks.retain(|task, _| !gone.contains(task));
        gone.into_iter().for_each(|task| self.note_end(task, false));
    }

    /// Of an array the first that has not begun stands for all of them.
    pub(super) fn assert_front(&self, task: TaskId) {
        if let Some((array, _)) = task.in_array() {
            assert_eq!(self.waiting_in(array)[0], task);
        }
    }

    /// With a front, what stands behind it.
    pub(super) fn stage_all(&mut self, task: TaskId, stage: Stage) {
        let all = task.in_array().map_or(vec![task], |(array, _)| self.waiting_in(array));
        for task in all {
            self.tasks.get_mut(&task).expect("it was there just now").stage = stage;
        }
    }

    pub(super) fn assert_due(&self, task: TaskId, expiry: Expiry, at: Timestamp) {
        let entry = &self.tasks[&task];
        let within = match expiry {
            Expiry::NotBegun => {
                assert_eq!(entry.attempt, Attempt(0), "{task} had begun");
                entry.terms.times.begin_ms
            }
            Expiry::NotEnded => entry.terms.times.end_ms,
        };
        let due = entry.submitted_at.plus_ms(within.expect("it had a time"));
        assert!(due <= at, "{task} expires too early");
    }
}

/// The array of which the task is one, or the task.
pub(super) fn whole(task: TaskId) -> TaskId {
    task.in_array().map_or(task, |(array, _)| TaskId(array.0))
}
