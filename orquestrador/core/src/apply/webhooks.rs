//! What events do to reports of tasks' ends.

use std::sync::Arc;

use super::Applied;
use crate::event::Kept;
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
        self.webhook_owed(Arc::new(Owed::new(report, url, next)));
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
                End::Succeeded { .. } | End::Cancelled { .. } => None,
            },
            result_bytes: finished.end.output_bytes(),
            queue: terms.queue.clone(),
            group: terms.group.clone(),
            schedule: terms.schedule.clone(),
            retry_of: terms.origin_of(task.id()).map(|origin| origin.of),
            rest: None,
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
        let owed = self.owed(task)?;
        if tries <= owed.tries {
            return Err("the attempt was counted before");
        }
        let owed = Owed { tries, next: until, error: error.to_owned(), ..Owed::clone(owed) };
        self.webhook_owed(Arc::new(owed));
        Ok(())
    }

    fn owed(&self, task: TaskId) -> Result<&Arc<Owed>, &'static str> {
        let owed = self.webhooks.find(task).filter(|owed| owed.given_up.is_none());
        owed.ok_or("nothing is owed of the task")
    }

    pub(super) fn webhook_delivered(&mut self, task: TaskId, at: Timestamp) -> Applied {
        let tries = self.owed(task)?.tries.saturating_add(1);
        self.webhook_forgotten(task);
        self.note_report(
            task,
            Some(Settled { is_delivered: true, tries, error: String::new(), at }),
        );
        Ok(())
    }

    pub(super) fn webhook_given_up(
        &mut self,
        task: TaskId,
        error: &str,
        kept: Option<Kept>,
        at: Timestamp,
    ) -> Applied {
        let owed = Owed::clone(self.owed(task)?);
        let (tries, error) = (owed.tries.saturating_add(1), error.to_owned());
        match kept {
            None => self.webhook_forgotten(task),
            Some(Kept { instead_of }) => {
                let (error, given_up) = (error.clone(), Some(at));
                self.webhook_owed(Arc::new(Owed { tries, error, given_up, ..owed }));
                instead_of.into_iter().for_each(|oldest| self.webhook_forgotten(oldest));
            }
        }
        self.note_report(task, Some(Settled { is_delivered: false, tries, error, at }));
        Ok(())
    }

    pub(super) fn webhooks_retried(&mut self, tasks: &[TaskId], at: Timestamp) -> Applied {
        for task in tasks {
            let owed = self.webhooks.find(*task).ok_or("nothing is known of the report")?;
            let tries = if owed.given_up.is_some() { 0 } else { owed.tries };
            let owed = Owed { tries, next: at, given_up: None, ..Owed::clone(owed) };
            self.webhook_owed(Arc::new(owed));
            self.note_report(*task, None);
        }
        Ok(())
    }

    fn webhook_forgotten(&mut self, task: TaskId) {
        if let Some(owed) = self.webhooks.replace(task, None) {
            self.digest = self.digest.wrapping_sub(hash(&owed));
        }
    }

    /// What the task says of it, unless retention has forgotten the task.
    fn note_report(&mut self, task: TaskId, settled: Option<Settled>) {
        let Some(slot) = self.tasks.find(task) else { return };
        if self.tasks[slot].finished().is_none() {
            return;
        }
        let counted = self.count_out(slot);
        if let Body::Finished(finished) = &mut self.tasks[slot].body {
            finished.webhook = settled.map(Box::new);
        }
        self.count_in(slot, counted);
    }
}
