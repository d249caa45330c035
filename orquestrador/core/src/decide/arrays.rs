//! Accepting arrays, and how they look from outside.

use crate::command::NewArray;
use crate::digest;
use crate::effect::{Answer, ArraySnapshot, Effect, Notice, TaskSnapshot, TaskState};
use crate::event::Event;
use crate::ids::{ArrayId, Attempt, Timestamp, UserName};
use crate::machine::{Machine, Step};
use crate::rejection::Rejection;
use crate::state::arrays::Array;
use crate::state::slab::Slot;
use crate::webhook::WebhookStanding;

impl Machine {
    pub(super) fn submit_array(
        &mut self,
        now: Timestamp,
        owner: UserName,
        new: NewArray,
        allow_unknown_handler: bool,
        step: &mut Step,
    ) -> Result<Answer, Rejection> {
        if let Some(slot) = self.state.arrays.find(new.id) {
            return match self.is_same_array(&owner, slot, &new) {
                true => Ok(Answer::ArraySubmitted { existed: true, snapshot: self.array(slot) }),
                false => Err(Rejection::ArrayConflict { array: new.id }),
            };
        }
        if !allow_unknown_handler {
            self.check_handler(&new.handler)?;
            self.check_needs(&new.handler, new.terms.needs.as_deref())?;
        }
        self.check_terms(&owner, std::iter::once((&new.handler, &new.terms)))?;
        self.check_backlog(&owner, (new.wanted().into(), new.payload.len() as u64))?;
        let reports = new.terms.webhook.as_ref().map_or(0, |_| new.wanted().into());
        self.check_webhooks(reports)?;
        self.take_rate(now, &owner, 1)?;
        let NewArray { id, handler, payload, terms, first, count, without } = new;
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
        let not_found = Rejection::ArrayNotFound { array: id };
        let slot = self.state.arrays.find(id).ok_or(not_found)?;
        self.office.refresh_class(&self.state, self.state.arrays[slot].class);
        step.effects.push(Effect::Notice(Notice::ArraySubmitted { array: id, owner, count }));
        self.assign_ready(now, step);
        Ok(Answer::ArraySubmitted { existed: false, snapshot: self.array(slot) })
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
        let array = &self.state.arrays[slot];
        let (id, tasks, begun) = (array.id, array.waiting(), array.begun);
        if tasks == 0 {
            return;
        }
        let (first, last) = (array.first, array.count - 1);
        let places = match self.are_changes_told {
            true => array.early.places().gaps(begun..array.count),
            false => Vec::new(),
        };
        self.record(Event::ArrayCancelled { array: id, at: now }, step);
        step.effects.push(Effect::Notice(Notice::ArrayCancelled { array: id, tasks }));
        if self.are_changes_told {
            let numbers = places.into_iter().map(|p| first + p.start..first + p.end).collect();
            let mut template = self.snapshot_without_record((slot, last));
            template.finished_at = Some(now);
            step.effects.push(Effect::CancelledInArray { array: id, numbers, template });
            self.tell_group_end(self.state.arrays[slot].class, step);
        }
    }

    fn array(&self, slot: Slot<Array>) -> ArraySnapshot {
        let array = &self.state.arrays[slot];
        let terms = self.state.terms_of(array.class);
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
        }
    }

    /// Of a task that waits, or was cancelled before its turn.
    pub(super) fn snapshot_without_record(
        &self,
        (slot, place): (Slot<Array>, u32),
    ) -> TaskSnapshot {
        let array = &self.state.arrays[slot];
        let waits = array.waits(place);
        let terms = self.state.terms_of(array.class);
        TaskSnapshot {
            id: array.task(place),
            owner: self.state.owner_of(array.class).name.clone(),
            handler: self.state.handler_of(array.class).name.clone(),
            delivery: terms.delivery,
            state: if waits { TaskState::Queued } else { TaskState::Cancelled },
            attempt: Attempt(0),
            worker: None,
            submitted_at: array.submitted_at,
            started_at: None,
            finished_at: None,
            error: None,
            result_bytes: 0,
            not_before: None,
            waits_for: 0,
            schedule: None,
            retry_of: None,
            queue: terms.queue.clone(),
            priority: terms.priority,
            group: terms.group.clone(),
            webhook: terms
                .webhook
                .clone()
                .filter(|_| waits)
                .map(WebhookStanding::Expected)
                .map(Box::new),
            finish_order: None,
            pending: waits.then(|| self.office.pending_reason(&self.state, array.class)).flatten(),
        }
    }
}
