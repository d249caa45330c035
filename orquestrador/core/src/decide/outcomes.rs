//! What attempts came to. An outcome counts only for the attempt that runs, from the worker that runs
//! it; every other one is refused, and acknowledged all the same so that the worker forgets it.

use super::workers::QUARANTINED;
use crate::command::{AttemptRef, Failure, Outcome, ReportedOutcome};
use crate::effect::{Effect, Notice};
use crate::event::Event;
use crate::ids::{Blob, BlobRef, SessionId, Timestamp};
use crate::limits::MAX_WAITING_MESSAGE;
use crate::machine::{Machine, Step};
use crate::mutation::Mutation;
use crate::state::slab::Slot;
use crate::state::tasks::{Body, Delay, End, Task};
use crate::state::workers::Worker;

impl Machine {
    pub(super) fn report_outcomes(
        &mut self,
        now: Timestamp,
        session: SessionId,
        outcomes: Vec<ReportedOutcome>,
        step: &mut Step,
    ) {
        let Some(worker) = self.hear(now, session, step) else { return };
        // Each ends, and another may be assigned; both are told, that one is sent and the outcome acknowledged.
        step.reserve(2 * outcomes.len(), 4 * outcomes.len());
        for ReportedOutcome { attempt, outcome, blobs } in outcomes {
            let slot = self.state.tasks.find(attempt.task);
            match slot.filter(|slot| self.runs_on(*slot, attempt, worker)) {
                Some(slot) => self.finish(now, slot, (outcome, blobs), step),
                None => {
                    let repeated =
                        slot.is_some_and(|slot| self.is_recorded(slot, attempt, worker, &outcome));
                    if !repeated {
                        step.effects.push(Effect::Notice(Notice::OutcomeFenced { attempt }));
                    }
                    self.end_cancelled(attempt, worker, step);
                }
            }
            step.effects.push(Effect::AcknowledgeOutcome { session, attempt });
        }
        self.settle(now, worker, step);
    }

    pub(super) fn report_ended(
        &mut self,
        now: Timestamp,
        session: SessionId,
        attempts: &[AttemptRef],
        step: &mut Step,
    ) {
        let Some(worker) = self.hear(now, session, step) else { return };
        for attempt in attempts {
            self.end_cancelled(*attempt, worker, step);
        }
        self.settle(now, worker, step);
    }

    /// The shell may have heard something of an attempt that was lost, and the task with it, or that was cancelled.
    pub(super) fn keep_output(
        &mut self,
        AttemptRef { task, attempt }: AttemptRef,
        output: Blob,
        step: &mut Step,
    ) {
        let Some(slot) = self.state.tasks.find(task) else { return };
        let record = &self.state.tasks[slot];
        let has_no_outcome = record.finished().is_some_and(|finished| match &finished.end {
            End::Lost { .. } | End::Cancelled { .. } => true,
            End::Failed(failure) => failure.code == QUARANTINED,
            End::Succeeded { .. } => false,
        });
        let is_news = record.finished().is_some_and(|f| f.end.output().is_none());
        if has_no_outcome && is_news && record.attempt == attempt && !output.is_empty() {
            self.record(Event::OutputKept { task, output }, step);
        }
    }

    fn finish(
        &mut self,
        now: Timestamp,
        slot: Slot<Task>,
        (outcome, blobs): (Outcome, Vec<BlobRef>),
        step: &mut Step,
    ) {
        if let Outcome::Failed(failure) = &outcome
            && let Some(delay_ms) = self.retry_delay_ms(slot, failure)
        {
            return self.retry(now, slot, (failure, delay_ms), step);
        }
        let AttemptRef { task, attempt } = self.present_attempt(slot);
        let output = match &outcome {
            Outcome::Succeeded { result } => Some(result.clone()),
            Outcome::Failed(failure) if failure.output.is_empty() => None,
            Outcome::Failed(failure) => Some(failure.output.clone()),
        };
        let trace = self.state.trace_of(task);
        let (event, failure) = match outcome {
            Outcome::Succeeded { result } => {
                (Event::TaskSucceeded { task, attempt, result, at: now }, None)
            }
            Outcome::Failed(failure) => {
                let told = Some(failure.clone());
                (Event::TaskFailed { task, attempt, failure, at: now }, told)
            }
        };
        self.record(event, step);
        if !blobs.is_empty() {
            self.record(Event::BlobsReferred { task, blobs }, step);
        }
        self.tell_finish(slot, (trace, failure), step);
        self.tell_change_with(slot, output, step);
    }

    /// How long the task waits for its next attempt; `None` when this failure is its end.
    fn retry_delay_ms(&self, slot: Slot<Task>, failure: &Failure) -> Option<u64> {
        let task = &self.state.tasks[slot];
        let retry = self.state.terms_of(task.class).retry.as_ref()?;
        let failed = task.body.failed().saturating_add(1);
        let is_followed = retry.admits(failed, failure);
        is_followed.then(|| retry.delay_ms(failed, task.id(), task.attempt))
    }

    fn retry(
        &mut self,
        now: Timestamp,
        slot: Slot<Task>,
        (failure, delay_ms): (&Failure, u64),
        step: &mut Step,
    ) {
        let AttemptRef { task, attempt } = self.present_attempt(slot);
        let failed = self.state.tasks[slot].body.failed().saturating_add(1);
        let code = failure.code.clone();
        let shown = failure.message.floor_char_boundary(MAX_WAITING_MESSAGE);
        let message = failure.message[..shown].to_owned();
        let until = now.plus_ms(delay_ms);
        let event = Event::TaskRetried { task, attempt, failed, until, code, message, at: now };
        self.record(event, step);
        self.office.refresh_class(&self.state, self.state.tasks[slot].class);
        let failure = failure.clone();
        step.effects.push(Effect::Notice(Notice::TaskRetried { task, failure, delay_ms }));
        self.tell_change(slot, step);
    }

    /// If it holds a slot of this worker although it is cancelled, or lost, the slot is free now.
    pub(super) fn end_cancelled(
        &mut self,
        attempt: AttemptRef,
        worker: Slot<Worker>,
        step: &mut Step,
    ) {
        self.office.ended(worker, attempt);
        let record = &self.state.workers[worker];
        if record.cancelled.contains_key(&attempt) {
            let worker = record.id.clone();
            let AttemptRef { task, attempt } = attempt;
            self.record(Event::AttemptEnded { task, attempt, worker }, step);
        }
    }

    pub(super) fn runs_on(
        &self,
        slot: Slot<Task>,
        attempt: AttemptRef,
        worker: Slot<Worker>,
    ) -> bool {
        let task = &self.state.tasks[slot];
        let runner = match task.body {
            Body::Running { worker, .. } => Some(worker),
            Body::Queued { .. }
            | Body::Delayed { .. }
            | Body::Blocked { .. }
            | Body::Finished(_) => None,
        };
        let is_present = task.attempt == attempt.attempt || self.lacks(Mutation::AnyAttemptCounts);
        is_present && runner == Some(worker)
    }

    /// Its acknowledgement was lost.
    fn is_recorded(
        &self,
        slot: Slot<Task>,
        attempt: AttemptRef,
        worker: Slot<Worker>,
        outcome: &Outcome,
    ) -> bool {
        let task = &self.state.tasks[slot];
        let Some(finished) = task.finished() else {
            let failed = match outcome {
                Outcome::Failed(failure) => &failure.code,
                Outcome::Succeeded { .. } => return false,
            };
            let is_that = |delay: &Delay| delay.error.0 == *failed;
            return task.attempt == attempt.attempt && task.delay().is_some_and(is_that);
        };
        task.attempt == attempt.attempt
            && finished.worker.as_ref() == Some(&self.state.workers[worker].id)
            && match (&finished.end, outcome) {
                (End::Succeeded { result }, Outcome::Succeeded { result: again }) => {
                    result[..] == again[..]
                }
                (End::Failed(failure), Outcome::Failed(again)) => failure == again,
                (End::Succeeded { .. }, Outcome::Failed(_))
                | (End::Failed(_), Outcome::Succeeded { .. })
                | (
                    End::Cancelled { .. } | End::Lost { .. },
                    Outcome::Succeeded { .. } | Outcome::Failed(_),
                ) => false,
            }
    }
}
