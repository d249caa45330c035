//! What events do to reports of tasks' ends.

use std::sync::Arc;

use super::Applied;
use crate::ids::{TaskId, Timestamp, WebhookUrl};
use crate::state::State;
use crate::state::slab::Slot;
use crate::state::tasks::{Body, End, Finished, Task};
use crate::state::webhooks::hash;
use crate::webhook::{Owed, Report, Settled, shortened};

impl State {
    /// The task has just finished.
    pub(super) fn owe_report(&mut self, slot: Slot<Task>, url: WebhookUrl) {
        let task = &self.tasks[slot];
        let Some(finished) = task.finished() else { return };
        let (report, next) = (self.report(task, finished), finished.finished_at);
        let owed = Owed { report, url, tries: 0, next, error: String::new() };
        self.webhook_owed(Arc::new(owed));
    }

    fn report(&self, task: &Task, finished: &Finished) -> Report {
        let terms = self.terms_of(task.class);
        Report {
            task: task.id(),
            owner: self.owner_of(task.class).name.clone(),
            handler: self.handler_of(task.class).name.clone(),
            state: task.state(),
            attempt: task.attempt,
            submitted_at: task.submitted_at,
            started_at: finished.started_at,
            finished_at: finished.finished_at,
            error: match &finished.end {
                End::Failed(failure) => Some((failure.code.clone(), shortened(&failure.message))),
                End::Lost { cause, .. } => Some((cause.code().into(), cause.message().into())),
                End::Succeeded { .. } | End::Cancelled => None,
            },
            result_bytes: finished.end.output_bytes(),
            queue: terms.queue.clone(),
            group: terms.group.clone(),
            schedule: terms.schedule.clone(),
            retry_of: terms.origin.as_deref().map(|origin| origin.of),
        }
    }

    /// In the place of what is owed of an earlier task of the same name, if it is.
    pub(super) fn webhook_owed(&mut self, owed: Arc<Owed>) {
        self.digest = self.digest.wrapping_add(hash(&owed));
        let before = self.webhooks.replace(owed.report.task, Some(owed));
        if let Some(before) = before {
            self.digest = self.digest.wrapping_sub(hash(&before));
        }
    }

    pub(super) fn webhook_delayed(
        &mut self,
        task: TaskId,
        (tries, until): (u16, Timestamp),
        error: &str,
    ) -> Applied {
        let owed = self.webhooks.find(task).ok_or("nothing is owed of the task")?;
        if tries <= owed.tries {
            return Err("the attempt was counted before");
        }
        let owed = Owed { tries, next: until, error: error.to_owned(), ..Owed::clone(owed) };
        self.webhook_owed(Arc::new(owed));
        Ok(())
    }

    /// `error`: why it is given up; `None`: it was delivered.
    pub(super) fn webhook_settled(
        &mut self,
        id: TaskId,
        error: Option<&str>,
        at: Timestamp,
    ) -> Applied {
        let owed = self.webhooks.replace(id, None).ok_or("nothing is owed of the task")?;
        self.digest = self.digest.wrapping_sub(hash(&owed));
        // Retention may have forgotten it.
        let Some(slot) = self.tasks.find(id) else { return Ok(()) };
        if self.tasks[slot].finished().is_none() {
            return Ok(());
        }
        let counted = self.count_out(slot);
        if let Body::Finished(finished) = &mut self.tasks[slot].body {
            finished.webhook = Some(Box::new(Settled {
                is_delivered: error.is_none(),
                tries: owed.tries.saturating_add(1),
                error: error.unwrap_or_default().to_owned(),
                at,
            }));
        }
        self.count_in(slot, counted);
        Ok(())
    }
}
