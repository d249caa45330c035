//! What events do to tasks that wait until a moment.

use super::Applied;
use super::hold::Hold;
use crate::ids::{Attempt, TaskId, Timestamp};
use crate::state::State;
use crate::state::slab::Slot;
use crate::state::tasks::{Body, Delay, Seq, Task};
use crate::state::transitions::Transition;

impl State {
    /// Queued only in a snapshot.
    pub(super) fn task_retried(
        &mut self,
        (id, attempt): (TaskId, Attempt),
        failed: u16,
        delay: Delay,
        at: Timestamp,
    ) -> Applied {
        let slot = self.changing(id, Transition::Retried)?;
        let task = &self.tasks[slot];
        if task.delay().is_some() || task.wait().is_some() || failed <= task.body.failed() {
            return Err("the task waits already, or has failed as often");
        }
        if matches!(task.body, Body::Running { .. }) && attempt != task.attempt {
            return Err("another attempt is running");
        }
        let counted = self.count_out(slot);
        let (class, seq) = (self.tasks[slot].class, self.tasks[slot].seq);
        match self.tasks[slot].body {
            Body::Running { worker, .. } => self.leave_worker(worker, slot),
            Body::Queued { .. } => self.classes[class].line.remove(&mut self.tasks, slot),
            Body::Delayed { .. } | Body::Blocked { .. } | Body::Finished(_) => {}
        }
        let task = &mut self.tasks[slot];
        task.attempt = attempt;
        if delay.until > at {
            self.delay(slot, (seq, failed), delay);
        } else {
            task.body = Body::queued(task.body.take_payload(), failed);
            self.classes[class].line.put_back(seq, slot);
        }
        self.count_in(slot, counted);
        Ok(())
    }

    pub(super) fn task_delayed(&mut self, id: TaskId, until: Timestamp) -> Applied {
        let slot = self.changing(id, Transition::Delayed)?;
        self.check_hold(slot)?;
        let delay = Delay { until, error: Default::default() };
        self.hold_back(slot, Hold::Until(Box::new(delay)));
        Ok(())
    }

    /// It stands in no queue.
    pub(super) fn delay(&mut self, slot: Slot<Task>, (seq, failed): (Seq, u16), delay: Delay) {
        self.delayed.insert((delay.until, seq), slot);
        let body = &mut self.tasks[slot].body;
        let payload = body.take_payload();
        *body = Body::Delayed { payload, failed, delay: Box::new(delay) };
    }

    pub(super) fn task_due(&mut self, id: TaskId) -> Applied {
        let slot = self.changing(id, Transition::Due)?;
        let until = self.tasks[slot].delay().ok_or("the task is not delayed")?.until;
        let counted = self.count_out(slot);
        let task = &mut self.tasks[slot];
        let (class, seq, failed) = (task.class, task.seq, task.body.failed());
        task.body = Body::queued(task.body.take_payload(), failed);
        self.delayed.remove(&(until, seq));
        self.classes[class].line.put_back(seq, slot);
        self.count_in(slot, counted);
        Ok(())
    }
}
