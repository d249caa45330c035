//! Workers that come, come back, leave and are lost.

use std::collections::BTreeSet;

use crate::command::{AttemptRef, ConnectWorker, Delivery, Failure};
use crate::effect::{CloseReason, Effect, Notice};
use crate::event::{Event, LossCause};
use crate::ids::{Blob, SessionId, TaskId, Timestamp};
use crate::machine::{Machine, Step};
use crate::mutation::Mutation;
use crate::state::slab::Slot;
use crate::state::tasks::{End, Task};
use crate::state::workers::Worker;
use crate::terms::Expiry;

/// The failure code of a task that lost too many workers.
pub const QUARANTINED: &str = "QUARANTINED";

/// No worker reports such a failure.
fn is_decided_here(code: &str) -> bool {
    code == QUARANTINED || Expiry::ALL.iter().any(|expiry| expiry.code() == code)
}

impl Machine {
    pub(super) fn connect_worker(
        &mut self,
        now: Timestamp,
        connect: ConnectWorker,
        step: &mut Step,
    ) {
        self.leave_other_worker(now, &connect, step);
        let mut known = self.state.workers.find(&connect.worker);
        if let Some(worker) = known
            && self.state.workers[worker].incarnation != connect.incarnation
        {
            // Two that live would take it from each other for ever. One that is dead is no longer connected, at the
            // latest when its lease ends.
            let session = connect.session;
            if self.office.presence(worker).session.is_some_and(|present| present != session) {
                let reason = CloseReason::IdTaken;
                return step.effects.push(Effect::CloseSession { session, reason });
            }
            self.lose(now, worker, LossCause::WorkerRestarted, step);
            known = None;
        }
        let (session, held) = (connect.session, connect.held.iter().copied().collect());
        let notice = match known {
            Some(_) => Notice::WorkerReconnected { worker: connect.worker.clone() },
            None => Notice::WorkerRegistered { worker: connect.worker.clone() },
        };
        let Some(worker) = self.register(now, connect, known, step) else { return };
        if let Some(replaced) = self.office.connect(worker, session) {
            let reason = CloseReason::Replaced;
            step.effects.push(Effect::CloseSession { session: replaced, reason });
        }
        self.office.saw(worker, now);
        step.effects.push(Effect::Welcome { session });
        step.effects.push(Effect::Notice(notice));
        self.reconcile(worker, session, &held, step);
        self.settle(now, worker, step);
    }

    /// A stream that names itself as another worker than before is the other one from now on.
    fn leave_other_worker(&mut self, now: Timestamp, connect: &ConnectWorker, step: &mut Step) {
        let before = self.office.worker_of(connect.session);
        if before.is_some_and(|worker| self.state.workers[worker].id != connect.worker) {
            self.disconnect_worker(now, connect.session, step);
        }
    }

    /// Records what is new about the worker.
    fn register(
        &mut self,
        now: Timestamp,
        connect: ConnectWorker,
        known: Option<Slot<Worker>>,
        step: &mut Step,
    ) -> Option<Slot<Worker>> {
        let ConnectWorker { worker, incarnation, slots, handlers, labels, resources, .. } = connect;
        if let Some(slot) = known {
            let record = &self.state.workers[slot];
            let is_same = record.slots == slots
                && record.labels == labels
                && record.resources == resources
                && self.handler_names(&record.handlers) == handlers;
            if is_same {
                return known;
            }
            // Its lists are those of the handlers that it offered so far.
            self.office.withdraw(&self.state, slot);
        }
        let new: Vec<_> = handlers
            .iter()
            .filter(|handler| !self.state.handlers.has_learned(handler))
            .cloned()
            .collect();
        if !new.is_empty() {
            self.record(Event::HandlersLearned { handlers: new }, step);
        }
        let id = worker.clone();
        self.record(
            Event::WorkerRegistered {
                worker,
                incarnation,
                slots,
                handlers,
                labels,
                resources,
                at: now,
            },
            step,
        );
        let slot = self.state.workers.find(&id)?;
        if known.is_none() {
            self.office.enter(slot, now);
        }
        Some(slot)
    }

    /// Brings together what the state says that the worker runs and what it says itself.
    fn reconcile(
        &mut self,
        worker: Slot<Worker>,
        session: SessionId,
        held: &BTreeSet<AttemptRef>,
        step: &mut Step,
    ) {
        let record = &self.state.workers[worker];
        let ended: Vec<_> =
            record.cancelled.keys().filter(|attempt| !held.contains(attempt)).copied().collect();
        for slot in record.running.values() {
            if !held.contains(&self.present_attempt(*slot)) && !self.lacks(Mutation::NoRedelivery) {
                // It never arrived: the same incarnation forgets nothing that it was given.
                self.deliver(*slot, session, step);
            }
        }
        for attempt in held {
            if !self.is_wanted(*attempt, worker) {
                if !self.state.workers[worker].cancelled.contains_key(attempt) {
                    self.office.strays(worker, *attempt, self.slots_of(attempt.task));
                }
                step.effects.push(Effect::CancelAttempt { session, attempt: *attempt });
            }
        }
        for attempt in ended {
            self.end_cancelled(attempt, worker, step);
        }
    }

    /// What the task takes; of one that is not known, a slot.
    fn slots_of(&self, task: TaskId) -> u32 {
        let terms = self
            .state
            .tasks
            .find(task)
            .map(|slot| self.state.terms_of(self.state.tasks[slot].class).needs.as_deref());
        terms.flatten().map_or(1, |needs| needs.slots)
    }

    /// It runs there, or its outcome is recorded and only the acknowledgement was lost.
    fn is_wanted(&self, attempt: AttemptRef, worker: Slot<Worker>) -> bool {
        let Some(slot) = self.state.tasks.find(attempt.task) else { return false };
        if self.runs_on(slot, attempt, worker) {
            return true;
        }
        let task = &self.state.tasks[slot];
        let Some(finished) = task.finished() else {
            return task.delay().is_some() && task.attempt == attempt.attempt;
        };
        let has_reported = match &finished.end {
            End::Succeeded { .. } => true,
            End::Failed(failure) => !is_decided_here(&failure.code),
            End::Cancelled { .. } | End::Lost { .. } => false,
        };
        has_reported
            && task.attempt == attempt.attempt
            && finished.worker.as_ref() == Some(&self.state.workers[worker].id)
    }

    /// Its lease goes on: it may come back with all that it runs.
    pub(super) fn disconnect_worker(
        &mut self,
        now: Timestamp,
        session: SessionId,
        step: &mut Step,
    ) {
        // A session that was replaced is over already.
        let Some(worker) = self.office.disconnect(session) else { return };
        self.office.refresh(&self.state, worker);
        if self.office.presence(worker).draining && self.state.workers[worker].used.slots == 0 {
            // An orderly leave is no failure, so nobody is told of one.
            self.forget(now, worker, step);
        }
        // Another one may have been kept free for a task that no longer waits for that.
        self.assign_ready(now, step);
    }

    pub(super) fn drain_worker(&mut self, now: Timestamp, session: SessionId, step: &mut Step) {
        let Some(worker) = self.hear(now, session, step) else { return };
        self.office.drain(worker);
        self.office.refresh(&self.state, worker);
        self.assign_ready(now, step);
    }

    /// The worker is lost: its attempts go back to the queue, or end there.
    pub(super) fn lose(
        &mut self,
        now: Timestamp,
        worker: Slot<Worker>,
        cause: LossCause,
        step: &mut Step,
    ) {
        if let Some(session) = self.office.presence(worker).session {
            self.office.disconnect(session);
            let reason = match cause {
                LossCause::WorkerSilent => CloseReason::LeaseExpired,
                LossCause::WorkerRestarted | LossCause::WorkerDrained => CloseReason::Replaced,
            };
            step.effects.push(Effect::CloseSession { session, reason });
        }
        let record = &self.state.workers[worker];
        let name = record.id.clone();
        let running: Vec<_> = record.running.values().copied().collect();
        step.effects.push(Effect::Notice(Notice::WorkerLost { worker: name }));
        self.forget(now, worker, step);
        for slot in running {
            self.lose_attempt(now, slot, cause, step);
        }
    }

    /// What it ran must be given back right after.
    fn forget(&mut self, now: Timestamp, worker: Slot<Worker>, step: &mut Step) {
        self.office.withdraw(&self.state, worker);
        let record = &self.state.workers[worker];
        let (worker, incarnation) = (record.id.clone(), record.incarnation);
        self.record(Event::WorkerLost { worker, incarnation, at: now }, step);
    }

    pub(super) fn lose_attempt(
        &mut self,
        now: Timestamp,
        slot: Slot<Task>,
        cause: LossCause,
        step: &mut Step,
    ) {
        let AttemptRef { task, attempt } = self.present_attempt(slot);
        let once = self.delivery_of(slot) == Delivery::AtMostOnce;
        let lost = self.state.tasks[slot].lost_attempts();
        let trace = self.state.trace_of(task);
        if once && !self.lacks(Mutation::AlwaysRequeued) {
            // It may have begun: nobody is left who could say that it has not.
            self.record(Event::TaskLost { task, attempt, cause, at: now }, step);
            self.tell_finish(slot, (trace, None), step);
        } else if lost < self.office.max_lost(&self.state, &self.state.tasks[slot]) {
            let class = self.state.tasks[slot].class;
            self.record(Event::TaskRequeued { task, attempt, at: now }, step);
            self.office.refresh_class(&self.state, class);
        } else {
            let failure = Failure {
                code: QUARANTINED.to_owned(),
                message: format!("{lost} attempts were lost with their workers"),
                output: Blob::default(),
            };
            let told = Some(failure.clone());
            self.record(Event::TaskFailed { task, attempt, failure, at: now }, step);
            self.tell_finish(slot, (trace, told), step);
        }
        self.tell_change(slot, step);
    }
}
