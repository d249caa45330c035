//! What events do to the tasks that take files of others.

use super::Applied;
use crate::ids::{ArrayId, TaskId};
use crate::state::{State, sources};

impl State {
    pub(super) fn sources_taken(&mut self, task: TaskId, of: &[TaskId]) -> Applied {
        if !self.is_open(task) {
            return Err("there is no such task, or array, that is not finished");
        }
        for source in self.sources.insert(task, of) {
            self.digest = self.digest.wrapping_add(sources::hash(task, source));
        }
        Ok(())
    }

    /// A task that is not finished, or an array with such.
    pub(super) fn is_open(&self, id: TaskId) -> bool {
        let task = self.tasks.find(id);
        task.is_some_and(|slot| self.tasks[slot].finished().is_none())
            || self.arrays.find(ArrayId(id.0)).is_some_and(|slot| self.arrays[slot].is_open())
    }

    /// The task, or the array, has ended.
    pub(super) fn take_no_more(&mut self, task: TaskId) {
        for source in self.sources.remove(task) {
            self.digest = self.digest.wrapping_sub(sources::hash(task, source));
        }
    }
}
