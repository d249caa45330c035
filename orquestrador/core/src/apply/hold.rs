//! What keeps a task, and all that stands behind it in its array, out of its queue.

use super::Applied;
use crate::ids::{Attempt, TaskId};
use crate::state::State;
use crate::state::slab::Slot;
use crate::state::tasks::{Body, Delay, Task, Wait};

/// Of the front of an array, which hands it on to the next one when it ends.
pub(super) enum Hold {
    /// Until a moment.
    Until(Box<Delay>),
    /// Until others have ended.
    Others(Box<Wait>),
}

impl Hold {
    /// Of a task that looked like this.
    pub fn of(body: Body) -> Option<Self> {
        match body {
            Body::Delayed { delay, failed: 0, .. } => Some(Self::Until(delay)),
            Body::Blocked { wait, .. } => Some(Self::Others(wait)),
            Body::Delayed { .. }
            | Body::Queued { .. }
            | Body::Running { .. }
            | Body::Finished(_) => None,
        }
    }
}

impl State {
    /// A task that has not begun, by itself or with all that stands behind it.
    pub(super) fn check_hold(&self, slot: Slot<Task>) -> Applied {
        let task = &self.tasks[slot];
        if task.attempt != Attempt(0) || !matches!(task.body, Body::Queued { .. }) {
            return Err("the task waits already, or has begun");
        }
        let place = self.arrays.find_task(task.id());
        match place.is_none_or(|(array, place)| place + 1 == self.arrays[array].begun) {
            true => Ok(()),
            false => Err("only the front of an array waits for something"),
        }
    }

    /// From its line.
    pub(super) fn hold_back(&mut self, slot: Slot<Task>, hold: Hold) {
        let counted = self.count_out(slot);
        let (class, seq) = (self.tasks[slot].class, self.tasks[slot].seq);
        self.classes[class].line.remove(&mut self.tasks, slot);
        match hold {
            Hold::Until(delay) => self.delay(slot, (seq, 0), *delay),
            Hold::Others(wait) => {
                for other in &wait.open {
                    self.dependents.insert(*other, seq, slot);
                }
                if wait.is_over() {
                    self.resolved.insert(seq, slot);
                }
                let body = &mut self.tasks[slot].body;
                *body = Body::Blocked { payload: body.take_payload(), wait };
            }
        }
        self.count_in(slot, counted);
    }

    /// By itself, or with its array.
    pub(super) fn refers_to_blobs(&self, task: TaskId) -> bool {
        let array = task.in_array().map(|(array, _)| TaskId(array.0));
        self.blobs.refers(task) || array.is_some_and(|array| self.blobs.refers(array))
    }
}
