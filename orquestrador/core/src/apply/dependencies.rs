//! What events do to tasks that wait for others.

use std::collections::BTreeSet;

use super::Applied;
use super::hold::Hold;
use crate::command::Condition;
use crate::digest;
use crate::effect::TaskState;
use crate::event::Blockage;
use crate::ids::{ArrayId, TaskId};
use crate::state::State;
use crate::state::slab::Slot;
use crate::state::tasks::{Body, Task, Wait};
use crate::state::transitions::Transition;

/// How what others wait for stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Open,
    Succeeded,
    /// It ended otherwise.
    Ended,
}

impl State {
    /// Of a task or an array; `None` of what is not known.
    pub fn fate(&self, id: TaskId) -> Option<Fate> {
        let of_state = |state| match state {
            TaskState::Queued | TaskState::Running => Fate::Open,
            TaskState::Succeeded => Fate::Succeeded,
            TaskState::Failed | TaskState::Cancelled | TaskState::Lost => Fate::Ended,
        };
        if let Some(slot) = self.tasks.find(id) {
            return Some(of_state(self.tasks[slot].state()));
        }
        if let Some(slot) = self.arrays.find(ArrayId(id.0)) {
            let array = &self.arrays[slot];
            return Some(match (array.is_open(), array.has_succeeded()) {
                (true, _) => Fate::Open,
                (false, true) => Fate::Succeeded,
                (false, false) => Fate::Ended,
            });
        }
        // A task of an array without a record waits, or was cancelled; or is forgotten, which nobody can tell then.
        let (slot, place) = self.arrays.find_task(id)?;
        let array = &self.arrays[slot];
        (place >= array.begun).then(|| if array.waits(place) { Fate::Open } else { Fate::Ended })
    }

    pub(super) fn task_blocked(&mut self, id: TaskId, blockage: &Blockage) -> Applied {
        let slot = self.changing(id, Transition::Blocked)?;
        self.check_hold(slot)?;
        let Blockage { after, condition, failed } = blockage;
        let mut wait = Wait {
            open: BTreeSet::new(),
            open_hash: 0,
            condition: *condition,
            failed: *failed,
            failed_too: BTreeSet::new(),
        };
        for other in after {
            let fate = self.fate(*other).or(failed.map(|_| Fate::Ended));
            match fate.ok_or("a task that is waited for is not known")? {
                Fate::Open => wait.begin(*other),
                Fate::Succeeded => {}
                Fate::Ended => wait.note_end(*other, false),
            }
        }
        self.hold_back(slot, Hold::Others(Box::new(wait)));
        Ok(())
    }

    /// It waits in its queue from now on.
    pub(super) fn task_released(&mut self, id: TaskId) -> Applied {
        let slot = self.changing(id, Transition::Released)?;
        let wait = self.tasks[slot].wait().ok_or("the task waits for no others")?;
        if !wait.is_over() || wait.failed.is_some() {
            return Err("what the task waits for is not over, or did not succeed");
        }
        let counted = self.count_out(slot);
        let task = &mut self.tasks[slot];
        let (class, seq) = (task.class, task.seq);
        task.body = Body::queued(task.body.take_payload(), 0);
        self.resolved.remove(&seq);
        self.classes[class].line.put_back(seq, slot);
        self.count_in(slot, counted);
        Ok(())
    }

    /// It waits no longer, whatever follows.
    pub(super) fn forget_wait(&mut self, slot: Slot<Task>) {
        let task = &self.tasks[slot];
        if let Some(wait) = task.wait() {
            for other in &wait.open {
                self.dependents.remove(*other, task.seq);
            }
            self.resolved.remove(&task.seq);
        }
    }

    /// A task, which has a record, ended: tell those that wait for it, or for its array.
    pub(super) fn note_end(&mut self, id: TaskId) {
        if self.dependents.is_empty() && self.sources.is_empty() && self.traces.is_empty() {
            return;
        }
        self.settle(id);
        if let Some((slot, _)) = self.arrays.find_task(id)
            && !self.arrays[slot].is_open()
        {
            self.settle(TaskId(self.arrays[slot].id.0));
        }
    }

    /// What waited in the array has ended.
    pub(super) fn note_array_ended(&mut self, id: ArrayId) {
        // The array itself comes before its tasks.
        for other in self.dependents.within(TaskId(id.0)..=id.task(u32::MAX - 1)) {
            self.settle(other);
        }
        if self.fate(TaskId(id.0)) != Some(Fate::Open) {
            self.take_no_more(TaskId(id.0));
            self.trace_no_more(TaskId(id.0));
        }
    }

    /// If it has ended, nobody waits for it any more.
    fn settle(&mut self, id: TaskId) {
        let has_succeeded = match self.fate(id) {
            Some(Fate::Open) | None => return,
            Some(fate) => fate == Fate::Succeeded,
        };
        self.take_no_more(id);
        self.trace_no_more(id);
        for slot in self.dependents.take(id) {
            let counted = self.count_out(slot);
            let seq = self.tasks[slot].seq;
            if let Body::Blocked { wait, .. } = &mut self.tasks[slot].body {
                wait.note_end(id, has_succeeded);
                if wait.is_over() {
                    self.resolved.insert(seq, slot);
                }
            }
            self.count_in(slot, counted);
        }
    }
}

impl Wait {
    fn begin(&mut self, id: TaskId) {
        if self.open.insert(id) {
            self.open_hash = self.open_hash.wrapping_add(digest::one_of_wait(id));
        }
    }

    fn note_end(&mut self, id: TaskId, has_succeeded: bool) {
        if self.open.remove(&id) {
            self.open_hash = self.open_hash.wrapping_sub(digest::one_of_wait(id));
        }
        if !has_succeeded
            && self.condition == Condition::Succeeded
            && *self.failed.get_or_insert(id) != id
        {
            self.failed_too.insert(id);
        }
    }

    /// Its fate is known.
    pub fn is_over(&self) -> bool {
        self.open.is_empty() || self.failed.is_some()
    }
}
