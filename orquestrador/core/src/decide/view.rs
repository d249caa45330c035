//! How tasks and workers look from outside.

use crate::command::{AttemptRef, Delivery, Failure};
use crate::effect::{
    Effect, Notice, Overview, PendingReason, TaskSnapshot, Timeline, WaitSnapshot, WorkerSnapshot,
};
use crate::ids::{Blob, Timestamp};
use crate::machine::{Machine, Step};
use crate::state::classes::Class;
use crate::state::slab::Slot;
use crate::state::tasks::{Body, End, Task};
use crate::trace::TraceContext;

/// Of what a task waits for, so many are named.
const MAX_NAMED: usize = 20;

impl Machine {
    pub(super) fn snapshot(&self, slot: Slot<Task>) -> TaskSnapshot {
        let task = &self.state.tasks[slot];
        let terms = self.state.terms_of(task.class);
        let WaitSnapshot { pending, not_before, waits_for, waits_on } = self.wait(slot);
        let mut snapshot = TaskSnapshot {
            id: task.id(),
            owner: self.state.owner_of(task.class).name.clone(),
            handler: self.state.handler_of(task.class).name.clone(),
            delivery: terms.delivery,
            state: task.state(),
            attempt: task.attempt,
            worker: None,
            submitted_at: task.submitted_at,
            started_at: None,
            finished_at: None,
            error: None,
            result_bytes: 0,
            pending,
            not_before,
            waits_for,
            waits_on,
            schedule: terms.schedule.clone(),
            retry_of: terms.origin_of(task.id()).map(|origin| origin.of),
            retried_as: None,
            queue: terms.queue.clone(),
            priority: terms.priority,
            group: terms.group.clone(),
            webhook: self.webhook_standing(task.id(), terms).map(Box::new),
            finish_order: None,
        };
        match &task.body {
            Body::Queued { .. } | Body::Blocked { .. } => {}
            Body::Delayed { delay, .. } => {
                let is_first = task.body.failed() == 0;
                snapshot.error = (!is_first).then(|| delay.error.clone());
            }
            Body::Running { worker, started_at, .. } => {
                snapshot.worker = Some(self.state.workers[*worker].id.clone());
                snapshot.started_at = Some(*started_at);
            }
            Body::Finished(finished) => {
                snapshot.worker = finished.worker.clone();
                snapshot.started_at = finished.started_at;
                snapshot.finished_at = Some(finished.finished_at);
                snapshot.finish_order = finished.order.map(|order| order.0);
                snapshot.retried_as = finished.again.as_deref().and_then(|again| again.by);
                snapshot.result_bytes = finished.end.output_bytes();
                snapshot.error = match &finished.end {
                    End::Failed(failure) => Some((failure.code.clone(), failure.message.clone())),
                    End::Lost { cause, .. } => Some((cause.code().into(), cause.message().into())),
                    End::Succeeded { .. } | End::Cancelled { .. } => None,
                };
            }
        }
        snapshot
    }

    /// Why it waits, if it does.
    pub(super) fn wait(&self, slot: Slot<Task>) -> WaitSnapshot {
        let task = &self.state.tasks[slot];
        let (pending, mut wait) = match &task.body {
            Body::Queued { .. } => {
                (self.office.pending_reason(&self.state, task.class), WaitSnapshot::default())
            }
            Body::Delayed { delay, failed, .. } => {
                let not_before = Some(delay.until);
                let reason = match failed {
                    0 => PendingReason::NotBefore,
                    _ => PendingReason::Backoff,
                };
                (Some(reason), WaitSnapshot { not_before, ..WaitSnapshot::default() })
            }
            Body::Blocked { wait, .. } => {
                let waits_on = wait.open.iter().copied().take(MAX_NAMED).collect();
                let waits_for = wait.open.len();
                let wait = WaitSnapshot { waits_for, waits_on, ..WaitSnapshot::default() };
                (Some(PendingReason::Dependencies), wait)
            }
            Body::Running { .. } | Body::Finished(_) => (None, WaitSnapshot::default()),
        };
        wait.pending = pending;
        wait
    }

    /// The result, or what a failed attempt had produced.
    pub(super) fn output(&self, slot: Slot<Task>) -> Option<Blob> {
        self.state.tasks[slot].finished().and_then(|finished| finished.end.output())
    }

    /// It has just finished. `trace`: to which it belonged until then.
    pub(super) fn tell_finish(
        &self,
        slot: Slot<Task>,
        (trace, failure): (Option<TraceContext>, Option<Failure>),
        step: &mut Step,
    ) {
        let record = &self.state.tasks[slot];
        let Some(finished) = record.finished() else { return };
        let timeline = Timeline {
            handler: self.state.handler_of(record.class).name.clone(),
            queue: self.state.terms_of(record.class).queue.clone(),
            attempt: record.attempt,
            submitted_at: record.submitted_at,
            started_at: finished.started_at,
            worker: finished.worker.clone(),
            finished_at: finished.finished_at,
            trace,
        };
        let (task, state) = (record.id(), record.state());
        let notice = Notice::TaskFinished { task, state, failure, timeline };
        step.effects.push(Effect::Notice(notice));
    }

    pub(super) fn tell_change(&self, slot: Slot<Task>, step: &mut Step) {
        self.tell_change_with(slot, None, step);
    }

    /// `output`: what the attempt that has just ended produced.
    pub(super) fn tell_change_with(&self, slot: Slot<Task>, output: Option<Blob>, step: &mut Step) {
        if self.are_changes_told {
            let snapshot = self.snapshot(slot);
            let is_finished = snapshot.state.is_finished();
            step.effects.push(Effect::TaskChanged { snapshot, result: output });
            if is_finished {
                self.tell_group_end(self.state.tasks[slot].class, step);
            }
        }
    }

    /// If that was the last of the group that such tasks belong to.
    pub(super) fn tell_group_end(&self, class: Slot<Class>, step: &mut Step) {
        let group = self.state.classes[class].group.map(|group| &self.state.groups[group]);
        if let Some(group) = group.filter(|group| group.open() == 0) {
            let (owner, group) = (group.owner.clone(), group.name.clone());
            step.effects.push(Effect::GroupEnded { owner, group });
        }
    }

    pub(super) fn delivery_of(&self, slot: Slot<Task>) -> Delivery {
        self.state.terms_of(self.state.tasks[slot].class).delivery
    }

    pub(super) fn present_attempt(&self, slot: Slot<Task>) -> AttemptRef {
        let task = &self.state.tasks[slot];
        AttemptRef { task: task.id(), attempt: task.attempt }
    }

    pub(super) fn overview_of_all(&self, now: Timestamp) -> Overview {
        let workers = self.state.workers.iter().map(|(slot, worker)| {
            let presence = self.office.presence(slot);
            WorkerSnapshot {
                worker: worker.id.clone(),
                incarnation: worker.incarnation,
                connected: presence.session.is_some(),
                draining: presence.draining,
                slots: worker.slots,
                busy: worker.used.slots,
                handlers: self.handler_names(&worker.handlers),
                labels: worker.labels.clone(),
                resources: worker.resources.clone(),
                resources_used: worker.used.resources.clone().into_iter().collect(),
                silent_for_ms: presence.session.map(|_| now.0.saturating_sub(presence.last_seen.0)),
                assigned_total: presence.assigned_total,
            }
        });
        Overview {
            counts: self.state.totals.counts,
            finished_ever: self.state.next_order.0,
            workers: workers.collect(),
        }
    }
}
