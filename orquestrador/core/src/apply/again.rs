//! What events do to tasks that failed, so that they can be done once more.

use super::Applied;
use crate::event::ArrayFailure;
use crate::ids::{ArrayId, TaskId, Timestamp};
use crate::state::State;
use crate::state::slab::Slot;
use crate::state::tasks::{Again, Body, End, Task};
use crate::state::transitions::Transition;

impl State {
    pub(super) fn task_skipped(
        &mut self,
        id: TaskId,
        (because, after): (TaskId, &[TaskId]),
        at: Timestamp,
    ) -> Applied {
        let end = End::Failed(ArrayFailure::Skipped { because }.failure());
        self.task_finished(id, None, (Transition::Skipped, end), at)?;
        let slot = self.tasks.find(id).ok_or("there is no such task")?;
        self.change_again(slot, |again| again.after = after.to_vec())
    }

    /// Its group no longer counts it as failed, or as lost.
    pub(super) fn task_repeated(&mut self, id: TaskId, by: TaskId) -> Applied {
        let (slot, apart) = match self.arrays.find(ArrayId(id.0)) {
            Some(array) => {
                let array = &self.arrays[array];
                let last = array.last_begun().and_then(|task| self.tasks.find(task));
                (last, u64::from(array.failed_apart()))
            }
            None => (self.tasks.find(id), 0),
        };
        let slot = slot.ok_or("there is no such task")?;
        let (state, class) = (self.tasks[slot].state(), self.tasks[slot].class);
        let mut before = None;
        self.change_again(slot, |again| {
            before = again.by;
            // What does the array once more does its last record, too.
            let is_less = before.is_some_and(TaskId::is_array) && !by.is_array();
            again.by = if is_less { before } else { Some(by) };
        })?;
        let is_new_of_array = !before.is_some_and(TaskId::is_array);
        let tasks = u64::from(before.is_none()) + if is_new_of_array { apart } else { 0 };
        self.in_past_of(class, |past| past.repeated[state as usize] += tasks);
        Ok(())
    }

    fn change_again(&mut self, slot: Slot<Task>, change: impl FnOnce(&mut Again)) -> Applied {
        let counted = self.count_out(slot);
        let again = match &mut self.tasks[slot].body {
            Body::Finished(finished) => finished.again.as_deref_mut(),
            _ => None,
        };
        let changed = again.map(change).ok_or("nothing is kept to do the task once more");
        self.count_in(slot, counted);
        changed
    }
}
