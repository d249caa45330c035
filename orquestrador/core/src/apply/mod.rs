//! The only code that changes the replicated state: live, at replay and on the standby.
//!
//! An event that does not fit the state is left out and remembered as a misfit: it means that two
//! versions of this code disagree, and that the node must stop.

mod again;
mod arrays;
mod blobs;
mod counts;
mod delays;
mod dependencies;
mod groups;
mod hold;
mod keys;
mod output;
mod schedules;
mod sources;
mod traces;
mod users;
mod webhooks;
mod workers;

pub use dependencies::Fate;
use hold::Hold;

use std::sync::Arc;

use crate::command::AttemptRef;
use crate::digest;
use crate::effect::Token;
use crate::event::{ArrayFailure, Event, RestoredEnd, RestoredTask};
use crate::ids::{Attempt, Blob, HandlerName, TaskId, Timestamp, UserName, WorkerId};
use crate::state::State;
use crate::state::classes::Class;
use crate::state::kept::Kept;
use crate::state::keys::Key;
use crate::state::slab::Slot;
use crate::state::tasks::{
    Again, Body, Chain, Delay, End, FinishOrder, Finished, Submission, Task,
};
use crate::state::transitions::{Transition, next};
use crate::state::workers::{Held, Worker};
use crate::terms::Terms;

/// What a worker offers: handlers, labels, resources.
type Offer<'a> = (&'a [HandlerName], &'a [(String, String)], &'a [(String, u64)]);

/// What does not fit, for developers.
type Applied = Result<(), &'static str>;

impl State {
    pub(crate) fn apply(&mut self, event: &Event) {
        if let Err(reason) = self.try_apply(event)
            && self.misfit.is_none()
        {
            self.misfit = Some(format!("{reason}: {event:?}"));
        }
    }

    fn try_apply(&mut self, event: &Event) -> Applied {
        match event {
            Event::TaskSubmitted { task, owner, handler, payload, terms, at } => {
                self.task_submitted(*task, (owner, handler), (payload, terms), *at)
            }
            Event::ArraySubmitted {
                array,
                owner,
                handler,
                payload,
                terms,
                first,
                count,
                without,
                at,
            } => {
                let (names, what) = ((owner, handler), (payload, terms));
                self.array_submitted(*array, names, what, (*first, *count, without), *at)
            }
            Event::ArrayCancelled { array, at } => self.array_cancelled(*array, *at),
            Event::ArrayFailed { array, failure, at } => self.array_failed(*array, *failure, *at),
            Event::TaskAssigned { task, attempt, worker, at } => {
                self.task_assigned(AttemptRef { task: *task, attempt: *attempt }, worker, *at)
            }
            Event::TaskSucceeded { task, attempt, result, at } => {
                let end = End::Succeeded { result: result.clone() };
                self.task_finished(*task, Some(*attempt), (Transition::Succeeded, end), *at)
            }
            Event::TaskFailed { task, attempt, failure, at } => {
                let end = End::Failed(failure.clone());
                self.task_finished(*task, Some(*attempt), (Transition::Failed, end), *at)
            }
            Event::TaskCancelled { task, at } => self.task_finished(
                *task,
                None,
                (Transition::Cancelled, End::Cancelled { output: Blob::default() }),
                *at,
            ),
            Event::TaskRequeued { task, attempt, at: _ } => {
                let slot = self.changing(*task, Transition::Requeued)?;
                self.task_requeued(*task, *attempt, self.tasks[slot].returned)
            }
            Event::TaskReturned { task, attempt, returned, begun: _, at: _ } => {
                self.task_requeued(*task, *attempt, *returned)
            }
            Event::TaskRetried { task, attempt, failed, until, code, message, at } => {
                let delay = Delay { until: *until, error: (code.clone(), message.clone()) };
                self.task_retried((*task, *attempt), *failed, delay, *at)
            }
            Event::TaskDelayed { task, until, at: _ } => self.task_delayed(*task, *until),
            Event::TaskDue { task, at: _ } => self.task_due(*task),
            Event::TaskLost { task, attempt, cause, at } => {
                let end = End::Lost { cause: *cause, output: Blob::default() };
                self.task_finished(*task, Some(*attempt), (Transition::Lost, end), *at)
            }
            Event::TaskExpired { task, expiry, at } => {
                let end = End::Failed(ArrayFailure::Expired(*expiry).failure());
                self.task_finished(*task, None, (Transition::Expired, end), *at)
            }
            Event::TaskBlocked { task, blockage, at: _ } => self.task_blocked(*task, blockage),
            Event::TaskReleased { task, at: _ } => self.task_released(*task),
            Event::TaskSkipped { task, because, after, at } => {
                self.task_skipped(*task, (*because, after), *at)
            }
            Event::SourcesTaken { task, of } => self.sources_taken(*task, of),
            Event::TaskTraced { task, trace } => self.task_traced(*task, *trace),
            Event::TaskRepeated { task, by } => self.task_repeated(*task, *by),
            Event::TaskKeyed { task, owner, key, fingerprint, until } => self.task_keyed(Key {
                owner: owner.clone(),
                name: key.clone(),
                task: *task,
                fingerprint: *fingerprint,
                until: *until,
            }),
            Event::KeysReleased { keys } => self.keys_released(keys),
            Event::OutputKept { task, output } => self.output_kept(*task, output),
            Event::GroupRestored(restored) => self.group_restored(restored),
            Event::OrderRestored { next } => {
                self.next_order = self.next_order.max(FinishOrder(*next));
                Ok(())
            }
            Event::WebhookDelivered { task, at } => self.webhook_delivered(*task, *at),
            Event::WebhookDelayed { task, tries, until, error, at: _ } => {
                self.webhook_delayed(*task, (*tries, *until), error)
            }
            Event::WebhookGivenUp { task, error, kept, at } => {
                self.webhook_given_up(*task, error, *kept, *at)
            }
            Event::WebhooksRetried { tasks, at } => self.webhooks_retried(tasks, *at),
            Event::WebhookOwed(owed) => {
                self.webhook_owed(Arc::clone(owed));
                Ok(())
            }
            Event::BlobsReferred { task, blobs } => self.blobs_referred(*task, blobs),
            Event::TasksPruned { tasks } => {
                tasks.iter().try_for_each(|task| self.task_pruned(*task))
            }
            Event::TaskRestored(restored) => self.task_restored(restored),
            Event::ArrayRestored(restored) => self.array_restored(restored),
            Event::WorkerRegistered {
                worker,
                incarnation,
                slots,
                handlers,
                labels,
                resources,
                at: _,
            } => {
                let offer = (handlers.as_slice(), labels.as_slice(), resources.as_slice());
                self.worker_registered(worker, *incarnation, *slots, offer)
            }
            Event::HandlersLearned { handlers } => {
                for handler in handlers {
                    if self.handlers.learn(handler) {
                        self.digest = self.digest.wrapping_add(digest::learned(handler));
                    }
                }
                Ok(())
            }
            Event::WorkerLost { worker, incarnation, at: _ } => {
                self.worker_lost(worker, *incarnation)
            }
            Event::AttemptEnded { task, attempt, worker } => {
                self.attempt_ended(AttemptRef { task: *task, attempt: *attempt }, worker)
            }
            Event::QueueChanged { queue, settings, at: _ } => {
                let before = self.queues.set(queue, *settings);
                self.digest = self.digest.wrapping_sub(digest::queue(queue, before));
                self.digest = self.digest.wrapping_add(digest::queue(queue, *settings));
                Ok(())
            }
            Event::QuotaChanged { user, quota, at: _ } => {
                let user = user.as_ref();
                let before = self.owners.set_quota(user, *quota);
                self.digest = self.digest.wrapping_sub(digest::quota(user, before));
                self.digest = self.digest.wrapping_add(digest::quota(user, *quota));
                Ok(())
            }
            Event::ScheduleSet { owner, name, schedule, paused, created, next, at } => {
                let key = (owner.clone(), name.clone());
                self.schedule_set(&key, schedule, (*paused, *next), (*created, *at))
            }
            Event::ScheduleFired { owner, name, due, firing, next, at } => {
                self.schedule_fired(&(owner.clone(), name.clone()), *due, firing, *next, *at)
            }
            Event::ScheduleRemoved { owner, name, at: _ } => {
                self.schedule_removed(&(owner.clone(), name.clone()))
            }
            Event::UserAdded { user, token_hash, role, at } => {
                self.user_added(user, token_hash, *role, *at);
                Ok(())
            }
            Event::UserRemoved { user } => self.user_removed(user),
            Event::TokenIssued { user, name, hash, expires_at, at } => {
                let token = Token { hash: hash.clone(), issued_at: *at, expires_at: *expires_at };
                self.token_issued(user, name, token)
            }
            Event::TokenRevoked { user, name } => self.token_revoked(user, name),
        }
    }

    // ---- Tasks. ----

    fn task_submitted(
        &mut self,
        id: TaskId,
        (owner, handler): (&UserName, &HandlerName),
        (payload, terms): (&Blob, &Arc<Terms>),
        at: Timestamp,
    ) -> Applied {
        if self.tasks.find(id).is_some() {
            return Err("the task exists");
        }
        let submission = self.submission(id, (owner, handler), (payload, terms), at)?;
        let body = Body::queued(Kept::new(payload), 0);
        let (class, seq) = (submission.class, submission.seq);
        self.in_past_of(class, |past| past.note_submission(at));
        let slot = self.insert(Task::new(submission, Attempt(0), body));
        match self.note_record(slot) {
            true => self.classes[class].line.put_back(seq, slot),
            false => self.classes[class].line.append(&mut self.tasks, slot),
        }
        self.count_bytes(class, payload.len() as u64, true);
        Ok(())
    }

    fn submission(
        &mut self,
        id: TaskId,
        (owner, handler): (&UserName, &HandlerName),
        (payload, terms): (&[u8], &Terms),
        submitted_at: Timestamp,
    ) -> Result<Submission, &'static str> {
        let seq = self.seq_of(id)?;
        let class = self.hold_class((owner, handler), terms);
        let fingerprint = digest::fingerprint(
            self.owner_of(class).name_hash,
            self.handler_of(class).name_hash,
            payload,
            self.classes[class].terms_hash,
        );
        Ok(Submission { id, fingerprint, submitted_at, seq, class })
    }

    /// One more belongs to the class of these.
    fn hold_class(
        &mut self,
        (owner, handler): (&UserName, &HandlerName),
        terms: &Terms,
    ) -> Slot<Class> {
        let names = self.owners.find(owner).zip(self.handlers.find(handler));
        let known = names.and_then(|(owner, handler)| self.classes.find(owner, handler, terms));
        let slot = known.unwrap_or_else(|| {
            let names = (self.owners.hold(owner), self.handlers.hold(handler));
            let group = terms.group.as_ref().map(|group| self.find_or_begin_group(owner, group));
            let slot = self.classes.insert(names, (self.queues.hold(&terms.queue), group), terms);
            if let Some(group) = group {
                self.groups.join(group, slot);
            }
            slot
        });
        self.classes.hold(slot)
    }

    fn release_class(&mut self, slot: Slot<Class>) {
        if let Some(class) = self.classes.release(slot) {
            self.handlers.release(class.handler);
            self.queues.release(class.queue);
            if let Some(group) = class.group {
                self.leave_group(group, slot);
            }
            self.owners.release(class.owner);
        }
    }

    /// Into the records, the owner's chain, the counts and the digest.
    fn insert(&mut self, task: Task) -> Slot<Task> {
        let owner = self.classes[task.class].owner;
        let slot = self.tasks.insert(task);
        let owner = &mut self.owners[owner];
        self.tasks.append(&mut owner.tasks, slot, Chain::Owner);
        owner.marks.note(self.tasks[slot].seq, slot);
        self.count_new(slot);
        slot
    }

    fn task_assigned(&mut self, attempt: AttemptRef, worker: &WorkerId, at: Timestamp) -> Applied {
        let slot = self.changing(attempt.task, Transition::Assigned)?;
        let task = &self.tasks[slot];
        if task.delay().is_some() || task.wait().is_some() {
            return Err("the task waits for something else");
        }
        let worker = self.workers.find(worker).ok_or("there is no such worker")?;
        let counted = self.count_out(slot);
        let task = &self.tasks[slot];
        let (class, seq) = (task.class, task.seq);
        self.classes[class].line.remove(&mut self.tasks, slot);
        let task = &mut self.tasks[slot];
        task.attempt = attempt.attempt;
        if let Body::Queued { payload, failed, .. } = task.body.take() {
            task.body = Body::Running { payload, failed, worker, started_at: at };
        }
        self.in_past_of(class, |past| past.note_start(at));
        let terms = Arc::clone(&self.classes[class].terms);
        let runner = &mut self.workers[worker];
        runner.running.insert(seq, slot);
        runner.used.take(terms.needs.as_deref());
        self.count_in(slot, counted);
        self.leave_front(slot, None);
        Ok(())
    }

    /// `attempt`: the one that must be running.
    fn task_finished(
        &mut self,
        id: TaskId,
        attempt: Option<Attempt>,
        (transition, end): (Transition, End),
        at: Timestamp,
    ) -> Applied {
        let slot = self.changing(id, transition)?;
        if attempt.is_some_and(|attempt| attempt != self.tasks[slot].attempt) {
            return Err("another attempt is running");
        }
        let counted = self.count_out(slot);
        let task = &self.tasks[slot];
        let (class, seq) = (task.class, task.seq);
        let reference = AttemptRef { task: id, attempt: task.attempt };
        self.in_past_of(class, |past| past.note_end(at));
        let bytes = self.tasks[slot].body.payload_bytes();
        self.count_bytes(class, bytes, false);
        let mut finished = Finished {
            content_hash: digest::content(&end),
            end,
            worker: None,
            started_at: None,
            finished_at: at,
            order: None,
            again: None,
            webhook: None,
        };
        let webhook = self.classes[class].terms.webhook.clone();
        let is_kept = matches!(finished.end, End::Failed(_) | End::Lost { .. });
        let terms = is_kept.then(|| Arc::clone(&self.classes[class].terms));
        let mut holds_slot = false;
        match &self.tasks[slot].body {
            Body::Queued { .. } => self.classes[class].line.remove(&mut self.tasks, slot),
            Body::Delayed { delay, .. } => {
                self.delayed.remove(&(delay.until, seq));
            }
            Body::Blocked { .. } => self.forget_wait(slot),
            Body::Running { worker, started_at, .. } => {
                let (worker, started_at) = (*worker, *started_at);
                let runner = &mut self.workers[worker];
                finished.worker = Some(runner.id.clone());
                finished.started_at = Some(started_at);
                let is_stopped = matches!(transition, Transition::Cancelled | Transition::Expired);
                holds_slot = is_stopped && !runner.lost;
                let needs = self.classes[class].terms.needs.clone();
                if holds_slot {
                    runner.cancelled.insert(reference, Held { task: slot, needs });
                    self.count_held(class, true);
                } else {
                    runner.used.give_back(needs.as_deref());
                }
                self.workers.release(worker, seq);
            }
            Body::Finished(_) => {}
        }
        if !holds_slot {
            finished.order = Some(self.retain(slot));
        }
        self.let_go_of_policy(slot);
        let task = &mut self.tasks[slot];
        if let Some(terms) = terms {
            let payload = task.body.take_payload();
            let taker = id.in_array().map_or(id, |(array, _)| TaskId(array.0));
            let sources = self.sources.of_task(taker).collect();
            let again = Again { payload, terms, after: Vec::new(), sources, by: None };
            finished.again = Some(Box::new(again));
        }
        self.totals.finished_bytes += finished.bytes();
        let before = std::mem::replace(&mut task.body, Body::Finished(Box::new(finished)));
        task.returned = 0;
        self.count_in(slot, counted);
        self.leave_front(slot, Hold::of(before));
        self.note_end(id);
        self.note_key_end(id, at);
        if let Some(url) = webhook {
            self.owe_report(slot, url);
        }
        Ok(())
    }

    /// Nobody retries it any more.
    fn let_go_of_policy(&mut self, slot: Slot<Task>) {
        let before = self.tasks[slot].class;
        if self.terms_of(before).is_policy() {
            let owner = self.owner_of(before).name.clone();
            let handler = self.handler_of(before).name.clone();
            let ended = self.terms_of(before).ended();
            self.tasks[slot].class = self.hold_class((&owner, &handler), &ended);
            self.release_class(before);
        }
    }

    fn task_requeued(&mut self, id: TaskId, attempt: Attempt, returned: u16) -> Applied {
        let slot = self.changing(id, Transition::Requeued)?;
        let counted = self.count_out(slot);
        let task = &mut self.tasks[slot];
        let (class, seq) = (task.class, task.seq);
        (task.attempt, task.returned) = (attempt, returned);
        if let Body::Running { worker, .. } = task.body {
            if let Body::Running { payload, failed, .. } = task.body.take() {
                task.body = Body::queued(payload, failed);
            }
            self.leave_worker(worker, slot);
            self.classes[class].line.put_back(seq, slot);
        }
        self.count_in(slot, counted);
        Ok(())
    }

    fn task_pruned(&mut self, id: TaskId) -> Applied {
        let slot = self.tasks.find(id).ok_or("there is no such task")?;
        let finished = self.tasks[slot].finished().ok_or("the task is not finished")?;
        let order = finished.order.ok_or("the task still holds a slot")?;
        self.totals.finished_bytes -= finished.bytes();
        self.count_gone(slot);
        self.retained.remove(&order);
        self.with_blobs.remove(&order);
        let owner = self.classes[self.tasks[slot].class].owner;
        let owner = &mut self.owners[owner];
        self.tasks.unlink(&mut owner.tasks, slot, Chain::Owner);
        owner.marks.forget(self.tasks[slot].seq);
        let task = self.tasks.remove(slot);
        self.in_past_of(task.class, |past| past.forget(task.state(), 1));
        self.release_class(task.class);
        self.forget_in_array(id, task.state());
        self.blobs_given_up(id);
        Ok(())
    }

    fn task_restored(&mut self, restored: &RestoredTask) -> Applied {
        if self.tasks.find(restored.task).is_some() {
            return Err("the task exists");
        }
        let end = match &restored.end {
            RestoredEnd::Succeeded { result } => End::Succeeded { result: result.clone() },
            RestoredEnd::Failed(failure) => End::Failed(failure.clone()),
            RestoredEnd::Cancelled { output } => End::Cancelled { output: output.clone() },
            RestoredEnd::Lost { cause, output } => {
                End::Lost { cause: *cause, output: output.clone() }
            }
        };
        let names = (&restored.owner, &restored.handler);
        let (delivery, queue, priority) =
            (restored.delivery, restored.queue.clone(), restored.priority);
        let (origin, schedule) = (restored.origin.clone(), restored.schedule.clone());
        let group = restored.group.clone();
        let terms =
            Terms { delivery, queue, priority, origin, schedule, group, ..Terms::default() };
        let empty: (&[u8], _) = (&[], &terms);
        let mut submission = self.submission(restored.task, names, empty, restored.submitted_at)?;
        submission.fingerprint = restored.fingerprint;
        let again = restored.again.as_ref().map(|again| {
            let (payload, after) = (Kept::new(&again.payload), again.after.clone());
            let (terms, sources) = (Arc::clone(&again.terms), again.sources.clone());
            Box::new(Again { payload, terms, after, sources, by: again.by })
        });
        let finished = Finished {
            content_hash: digest::content(&end),
            end,
            worker: restored.worker.clone(),
            started_at: restored.started_at,
            finished_at: restored.finished_at,
            order: restored.finish_order.map(FinishOrder),
            again,
            webhook: restored.webhook.clone(),
        };
        self.totals.finished_bytes += finished.bytes();
        let body = Body::Finished(Box::new(finished));
        let slot = self.insert(Task::new(submission, restored.attempt, body));
        self.note_record(slot);
        match restored.finish_order {
            Some(order) => {
                self.retained.insert(FinishOrder(order), slot);
                self.next_order = self.next_order.max(FinishOrder(order + 1));
            }
            None => {
                let worker = restored.worker.as_ref().and_then(|id| self.workers.find(id));
                let worker = worker.ok_or("the slot's worker is not registered")?;
                let reference = AttemptRef { task: restored.task, attempt: restored.attempt };
                let needs = restored.needs.clone();
                self.workers[worker].used.take(needs.as_deref());
                self.workers[worker].cancelled.insert(reference, Held { task: slot, needs });
                self.count_held(self.tasks[slot].class, true);
            }
        }
        Ok(())
    }

    /// It runs there no longer.
    fn leave_worker(&mut self, worker: Slot<Worker>, slot: Slot<Task>) {
        let task = &self.tasks[slot];
        let terms = &self.classes[task.class].terms;
        self.workers[worker].used.give_back(terms.needs.as_deref());
        self.workers.release(worker, task.seq);
    }

    /// The task, if this may happen to it.
    fn changing(&mut self, id: TaskId, transition: Transition) -> Result<Slot<Task>, &'static str> {
        let slot = self.tasks.find(id).or_else(|| self.begin_early(id));
        let slot = slot.ok_or("there is no such task")?;
        next(self.tasks[slot].state(), transition).ok_or("the transition is not allowed")?;
        Ok(slot)
    }

    /// Last in the order of retention.
    fn retain(&mut self, slot: Slot<Task>) -> FinishOrder {
        let order = self.next_order;
        self.next_order = FinishOrder(order.0 + 1);
        self.retained.insert(order, slot);
        if self.refers_to_blobs(self.tasks[slot].id()) {
            self.with_blobs.insert(order, slot);
        }
        order
    }
}
