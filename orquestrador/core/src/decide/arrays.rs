//! Accepting arrays, and how they look from outside.

use std::ops::Range;
use std::sync::Arc;

use super::query::MAX_SCANNED;
use crate::apply::Fate;
use crate::command::{NewArray, NewWork};
use crate::digest;
use crate::effect::{
    self, Answer, ArraySnapshot, Effect, Notice, TaskSnapshot, TaskState, WaitSnapshot,
};
use crate::event::{ArrayFailure, Event};
use crate::ids::{ArrayId, Attempt, TaskId, Timestamp, UserName};
use crate::machine::{Machine, Step};
use crate::rejection::Rejection;
use crate::state::arrays::Array;
use crate::state::slab::Slot;
use crate::state::tasks::Task;
use crate::webhook::{Owed, Report, Rest, WebhookStanding, shortened};

impl Machine {
    pub(super) fn submit_array(
        &mut self,
        now: Timestamp,
        owner: &UserName,
        new: NewArray,
        allow_unknown_handler: bool,
        step: &mut Step,
    ) -> Result<Answer, Rejection> {
        if let Some(slot) = self.known_array(owner, &new)? {
            return Ok(Answer::ArraySubmitted { existed: true, snapshot: self.array(slot) });
        }
        let (id, work) = (new.id, vec![NewWork::Array(new)]);
        self.submit_flow(now, owner, work, allow_unknown_handler, step)?;
        let slot = self.state.arrays.find(id).ok_or(Rejection::ArrayNotFound { array: id })?;
        Ok(Answer::ArraySubmitted { existed: false, snapshot: self.array(slot) })
    }

    pub(super) fn accept_array(
        &mut self,
        now: Timestamp,
        owner: &UserName,
        new: NewArray,
        step: &mut Step,
    ) {
        let NewArray { id, handler, payload, terms, first, count, without, .. } = new;
        let NewArray { start, after, blobs, trace, .. } = new;
        let owner = owner.clone();
        self.record(
            Event::ArraySubmitted {
                array: id,
                owner: owner.clone(),
                handler,
                payload,
                terms,
                first,
                count,
                without,
                at: now,
            },
            step,
        );
        let Some(slot) = self.state.arrays.find(id) else { return };
        if let Some(front) = self.state.arrays[slot].last_begun() {
            self.hold_back(now, front, (start, after), step);
        }
        if !blobs.is_empty() {
            self.record(Event::BlobsReferred { task: TaskId(id.0), blobs }, step);
        }
        if let Some(trace) = trace {
            self.record(Event::TaskTraced { task: TaskId(id.0), trace }, step);
        }
        self.office.refresh_class(&self.state, self.state.arrays[slot].class);
        step.effects.push(Effect::Notice(Notice::ArraySubmitted { array: id, owner, count }));
    }

    /// The array, if it was submitted before.
    pub(super) fn known_array(
        &self,
        owner: &UserName,
        new: &NewArray,
    ) -> Result<Option<Slot<Array>>, Rejection> {
        let known = self.state.arrays.find(new.id);
        // One of this name was forgotten, but the end of its rest is still to be told.
        let is_told = known.is_some() || self.state.webhooks.find(TaskId(new.id.0)).is_none();
        match is_told && known.is_none_or(|slot| self.is_same_array(owner, slot, new)) {
            true => Ok(known),
            false => Err(Rejection::ArrayConflict { array: new.id }),
        }
    }

    fn is_same_array(&self, owner: &UserName, slot: Slot<Array>, new: &NewArray) -> bool {
        let array = &self.state.arrays[slot];
        let fingerprint = digest::fingerprint(
            digest::text(&owner.0),
            digest::text(&new.handler.0),
            &new.payload,
            new.terms.hash(),
        );
        self.state.array_of(owner, new.id).is_some()
            && (array.fingerprint, array.first, array.count) == (fingerprint, new.first, new.count)
    }

    pub(super) fn query_array(&self, owner: &UserName, id: ArrayId) -> Result<Answer, Rejection> {
        let slot = self.state.array_of(owner, id).ok_or(Rejection::ArrayNotFound { array: id })?;
        Ok(Answer::Array { snapshot: self.array(slot) })
    }

    /// Ends what is not finished of it, and tells how it stands then.
    pub(super) fn cancel_array(
        &mut self,
        now: Timestamp,
        owner: &UserName,
        id: ArrayId,
        step: &mut Step,
    ) -> Result<Answer, Rejection> {
        let slot = self.state.array_of(owner, id).ok_or(Rejection::ArrayNotFound { array: id })?;
        self.cancel_waiting_in(now, slot, step);
        for task in self.state.active_in(&self.state.arrays[slot]) {
            self.end_by_cancel(now, task, step);
        }
        let snapshot = self.array(slot);
        self.assign_ready(now, step);
        // Only now, because retention may forget the array itself.
        self.prune(step);
        Ok(Answer::Array { snapshot })
    }

    pub(super) fn cancel_waiting_in(&mut self, now: Timestamp, slot: Slot<Array>, step: &mut Step) {
        self.end_waiting_in(now, slot, None, step);
    }

    /// The array of which the task is the front.
    pub(super) fn behind(&self, task: Slot<Task>) -> Option<Slot<Array>> {
        let (array, _) = self.state.arrays.find_task(self.state.tasks[task].id())?;
        (self.state.arrays[array].front == Some(task)).then_some(array)
    }

    /// What happens to a front that waits, or is out of time, happens to all that stands behind it.
    pub(super) fn fail_behind(
        &mut self,
        now: Timestamp,
        front: Slot<Task>,
        failure: ArrayFailure,
        step: &mut Step,
    ) {
        if let Some(array) = self.behind(front) {
            self.end_waiting_in(now, array, Some(failure), step);
        }
    }

    /// `failure`: `None` if it is cancelled.
    fn end_waiting_in(
        &mut self,
        now: Timestamp,
        slot: Slot<Array>,
        failure: Option<ArrayFailure>,
        step: &mut Step,
    ) {
        let array = &self.state.arrays[slot];
        let (id, tasks, begun) = (array.id, array.waiting(), array.begun);
        if tasks == 0 {
            return;
        }
        let first = array.first;
        let webhook = self.state.terms_of(array.class).webhook.clone();
        let places = match self.are_changes_told || webhook.is_some() {
            true => array.early.places().gaps(begun..array.count),
            false => Vec::new(),
        };
        let numbers: Vec<_> = places.iter().map(|p| first + p.start..first + p.end).collect();
        let (event, notice) = match failure {
            None => (
                Event::ArrayCancelled { array: id, at: now },
                Notice::ArrayCancelled { array: id, tasks },
            ),
            Some(failure) => (
                Event::ArrayFailed { array: id, failure, at: now },
                Notice::ArrayFailed { array: id, tasks, failure: failure.failure() },
            ),
        };
        self.record(event, step);
        step.effects.push(Effect::Notice(notice));
        if let Some(url) = webhook {
            let report = self.report_of_rest(now, slot, numbers.clone());
            let owed = Arc::new(Owed::new(report, url, now));
            self.record(Event::WebhookOwed(owed), step);
        }
        if let Some(place) = places.first().map(|range| range.start)
            && self.are_changes_told
        {
            let mut template = self.snapshot_without_record((slot, place));
            template.finished_at = Some(now);
            step.effects.push(Effect::EndedInArray { array: id, numbers, template });
            self.tell_group_end(self.state.arrays[slot].class, step);
        }
    }

    /// Of what has just ended with the array before its turn. An event says it, because ends of arrays that are in journals
    /// already were told to nobody.
    fn report_of_rest(
        &self,
        now: Timestamp,
        slot: Slot<Array>,
        numbers: Vec<Range<u32>>,
    ) -> Report {
        let array = &self.state.arrays[slot];
        let terms = self.state.terms_of(array.class);
        let failure = array.failed.map(ArrayFailure::failure);
        Report {
            task: TaskId(array.id.0),
            owner: self.state.owner_of(array.class).name.clone(),
            handler: self.state.handler_of(array.class).name.clone(),
            state: if failure.is_some() { TaskState::Failed } else { TaskState::Cancelled },
            attempt: Attempt(0),
            submitted_at: array.submitted_at,
            started_at: None,
            finished_at: now,
            error: failure.map(|failure| (failure.code, shortened(&failure.message))),
            result_bytes: 0,
            queue: terms.queue.clone(),
            group: terms.group.clone(),
            schedule: terms.schedule.clone(),
            retry_of: terms.origin.as_deref().map(|origin| origin.of),
            rest: Some(Rest::new(numbers)),
        }
    }

    pub(super) fn array(&self, slot: Slot<Array>) -> ArraySnapshot {
        let array = &self.state.arrays[slot];
        let terms = self.state.terms_of(array.class);
        let next = array.last_begun().and_then(|task| self.state.tasks.find(task));
        ArraySnapshot {
            id: array.id,
            owner: self.state.owner_of(array.class).name.clone(),
            handler: self.state.handler_of(array.class).name.clone(),
            delivery: terms.delivery,
            queue: terms.queue.clone(),
            priority: terms.priority,
            group: terms.group.clone(),
            first: array.first,
            count: array.count,
            submitted_at: array.submitted_at,
            counts: array.all_counts(),
            forgotten: array.forgotten.total(),
            retried: self.state.repeated_of(array),
            state: self.state_of(array),
            wait: next.map(|front| self.wait(front)).unwrap_or_default(),
        }
    }

    /// Of an array so long that it would take much time to follow its repetitions, they are not followed.
    fn state_of(&self, array: &Array) -> TaskState {
        let state = effect::of_all(&array.all_counts(), array.begun > 1);
        let is_bounded = array.begun as usize <= MAX_SCANNED;
        if array.is_open() || !is_bounded || self.state.repeated_of(array) == 0 {
            return state;
        }
        let Ok(present) = self.state.present_of(TaskId(array.id.0)) else { return state };
        let is_open = present.iter().any(|id| self.state.fate(*id) == Some(Fate::Open));
        if is_open { TaskState::Running } else { TaskState::Succeeded }
    }

    /// Of a task that waits, or ended before its turn.
    pub(super) fn snapshot_without_record(
        &self,
        (slot, place): (Slot<Array>, u32),
    ) -> TaskSnapshot {
        let array = &self.state.arrays[slot];
        let failure = array.failure_of(place).map(ArrayFailure::failure);
        let state = match failure {
            Some(_) => TaskState::Failed,
            None if array.waits(place) => TaskState::Queued,
            None => TaskState::Cancelled,
        };
        // It waits for what the front waits for.
        let front = array.front.filter(|_| state == TaskState::Queued);
        let wait = front.map(|front| self.wait(front)).unwrap_or_default();
        let WaitSnapshot { pending, not_before, waits_for, waits_on } = wait;
        let terms = self.state.terms_of(array.class);
        TaskSnapshot {
            id: array.task(place),
            owner: self.state.owner_of(array.class).name.clone(),
            handler: self.state.handler_of(array.class).name.clone(),
            delivery: terms.delivery,
            state,
            attempt: Attempt(0),
            worker: None,
            submitted_at: array.submitted_at,
            started_at: None,
            finished_at: None,
            error: failure.map(|failure| (failure.code, failure.message)),
            result_bytes: 0,
            pending,
            not_before,
            waits_for,
            waits_on,
            schedule: None,
            retry_of: terms.origin_of(array.task(place)).map(|origin| origin.of),
            retried_as: self.state.repeated_apart(array, place),
            queue: terms.queue.clone(),
            priority: terms.priority,
            group: terms.group.clone(),
            webhook: match state {
                TaskState::Queued => terms.webhook.clone().map(WebhookStanding::Expected),
                _ => self.webhook_without_record(array, place),
            }
            .map(Box::new),
            finish_order: None,
        }
    }
}
