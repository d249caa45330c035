//! What events do to arrays, and to tasks because they belong to one.

use std::ops::Range;
use std::sync::Arc;

use super::Applied;
use super::counts::Counted;
use super::hold::Hold;
use crate::digest;
use crate::effect::TaskState;
use crate::event::{ArrayFailure, Forgotten, RestoredArray};
use crate::ids::{ArrayId, Attempt, Blob, HandlerName, TaskId, Timestamp, UserName};
use crate::state::State;
use crate::state::arrays::{Array, Early};
use crate::state::classes::Class;
use crate::state::kept::Kept;
use crate::state::slab::Slot;
use crate::state::tasks::{Body, Chain, Seq, Submission, Task};
use crate::terms::Terms;

impl State {
    pub(super) fn array_submitted(
        &mut self,
        id: ArrayId,
        (owner, handler): (&UserName, &HandlerName),
        (payload, terms): (&Blob, &Arc<Terms>),
        (first, count, without): (u32, u32, &[Range<u32>]),
        at: Timestamp,
    ) -> Applied {
        let slot = self.insert_array(&RestoredArray {
            array: id,
            owner: owner.clone(),
            handler: handler.clone(),
            fingerprint: digest::fingerprint(
                digest::text(&owner.0),
                digest::text(&handler.0),
                payload,
                terms.hash(),
            ),
            payload: payload.clone(),
            terms: Arc::clone(terms),
            first,
            count,
            at,
            begun: 0,
            early: without.to_vec(),
            forgotten: Forgotten { cancelled: length(without), ..Forgotten::default() },
            failed: None,
        })?;
        let class = self.arrays[slot].class;
        self.in_past_of(class, |past| {
            past.note_submission(at);
            past.forget(TaskState::Cancelled, length(without));
        });
        self.advance(slot, None, None);
        Ok(())
    }

    pub(super) fn array_restored(&mut self, restored: &RestoredArray) -> Applied {
        self.insert_array(restored).map(|_| ())
    }

    fn insert_array(&mut self, restored: &RestoredArray) -> Result<Slot<Array>, &'static str> {
        let RestoredArray { array: id, first, count, begun, forgotten, .. } = *restored;
        if !id.is_valid() || self.arrays.find(id).is_some() {
            return Err("the array exists, or is not named as one");
        }
        let has_room = first.checked_add(count).is_some() && begun <= count;
        let is_known = forgotten.total() < count.into();
        let is_within = |early: &Range<u32>| early.start >= begun && early.end <= count;
        if !is_known || !has_room || !restored.early.iter().all(is_within) {
            return Err("the array's numbers do not fit");
        }
        let early = Early::new(restored.early.iter().cloned().collect());
        let names = (&restored.owner, &restored.handler);
        let class = self.hold_class(names, &restored.terms);
        let seq = self.next_seq;
        self.next_seq = Seq(seq.0 + u64::from(count));
        let slot = self.arrays.insert(Array {
            id,
            class,
            submitted_at: restored.at,
            fingerprint: restored.fingerprint,
            payload: Kept::new(&restored.payload),
            first,
            count,
            seq,
            begun,
            early,
            front: None,
            counts: [0; 6],
            repeated: 0,
            forgotten,
            failed: restored.failed,
        });
        self.count_bytes(class, restored.payload.len() as u64, true);
        self.count_in_array(slot);
        Ok(slot)
    }

    /// The next task that waits becomes the front. `left`: the one that was. `hold`: what that waited for.
    fn advance(&mut self, slot: Slot<Array>, left: Option<Slot<Task>>, hold: Option<Hold>) {
        self.count_out_array(slot);
        let array = &mut self.arrays[slot];
        let (mut behind, mut place) = (left, array.begun);
        if let Some((end, record)) = array.early.pass(place) {
            (behind, place) = (record.or(behind), end);
        }
        let next = (place < array.count).then_some(place);
        array.begun = place + u32::from(next.is_some());
        array.front = None;
        self.count_in_array(slot);
        if let Some(place) = next {
            let front = self.unfold(slot, place, behind);
            self.arrays[slot].front = Some(front);
            if let Some(hold) = hold {
                self.hold_back(front, hold);
            }
        }
        self.drop_what_nobody_needs(slot);
    }

    /// A task that waits gets a record before its turn.
    pub(super) fn begin_early(&mut self, id: TaskId) -> Option<Slot<Task>> {
        let (slot, place) = self.arrays.find_task(id)?;
        let array = &self.arrays[slot];
        if !array.waits(place) {
            return None;
        }
        let behind = array.record_before(place);
        self.count_out_array(slot);
        self.arrays[slot].early.insert(place..place + 1);
        self.count_in_array(slot);
        let task = self.unfold(slot, place, behind);
        self.arrays[slot].early.set_record(place, task);
        self.drop_what_nobody_needs(slot);
        Some(task)
    }

    /// What waits is cancelled, and forgotten one by one.
    pub(super) fn array_cancelled(&mut self, id: ArrayId, at: Timestamp) -> Applied {
        self.end_waiting(id, TaskState::Cancelled, at, |array| {
            array.early.insert(array.begun..array.count);
        })
    }

    /// What waits has failed, and is forgotten one by one.
    pub(super) fn array_failed(
        &mut self,
        id: ArrayId,
        failure: ArrayFailure,
        at: Timestamp,
    ) -> Applied {
        let is_waiting = |slot| self.arrays[slot].waiting() > 0;
        if !self.arrays.find(id).is_some_and(is_waiting) {
            return Err("nothing of the array waits");
        }
        self.end_waiting(id, TaskState::Failed, at, |array| array.failed = Some(failure))
    }

    fn end_waiting(
        &mut self,
        id: ArrayId,
        end: TaskState,
        at: Timestamp,
        note: impl FnOnce(&mut Array),
    ) -> Applied {
        let slot = self.arrays.find(id).ok_or("there is no such array")?;
        self.count_out_array(slot);
        let array = &mut self.arrays[slot];
        let (class, waiting) = (array.class, array.waiting());
        if let Some(count) = array.forgotten.of(end) {
            *count += waiting;
        }
        note(array);
        self.in_past_of(class, |past| {
            past.forget(end, waiting);
            past.note_end(at);
        });
        self.count_in_array(slot);
        self.drop_what_nobody_needs(slot);
        self.note_array_ended(id);
        Ok(())
    }

    /// A record of its own, in the queue and in the owner's chain where its number puts it.
    fn unfold(&mut self, slot: Slot<Array>, place: u32, behind: Option<Slot<Task>>) -> Slot<Task> {
        let array = &self.arrays[slot];
        let (class, seq, payload) = (array.class, array.seq(place), array.payload.clone());
        let owner = self.classes[class].owner;
        let submission = Submission {
            id: array.task(place),
            fingerprint: array.fingerprint,
            submitted_at: array.submitted_at,
            seq,
            class: self.classes.hold(class),
        };
        self.count_bytes(class, payload.len() as u64, true);
        let task = self.tasks.insert(Task::new(submission, Attempt(0), Body::queued(payload, 0)));
        let owner = &mut self.owners[owner];
        let ends = &mut owner.tasks;
        match behind {
            Some(prev) => self.tasks.insert_behind(ends, (prev, task), Chain::Owner),
            None => self.tasks.append(ends, task, Chain::Owner),
        }
        owner.marks.note(seq, task);
        self.classes[class].line.put_back(seq, task);
        self.count_new(task);
        task
    }

    /// The task is queued no longer: if it was the front of its array, another one is, and waits for what it waited for.
    pub(super) fn leave_front(&mut self, task: Slot<Task>, hold: Option<Hold>) {
        if let Some((slot, _)) = self.arrays.find_task(self.tasks[task].id())
            && self.arrays[slot].front == Some(task)
        {
            self.advance(slot, Some(task), hold);
        }
    }

    /// The place in the order of submission of a task that is about to get a record.
    pub(super) fn seq_of(&mut self, id: TaskId) -> Result<Seq, &'static str> {
        if let Some((slot, place)) = self.arrays.find_task(id) {
            let array = &self.arrays[slot];
            return match array.waits(place) {
                true => Err("the task waits in its array"),
                false => Ok(array.seq(place)),
            };
        }
        let seq = self.next_seq;
        self.next_seq = seq.next();
        Ok(seq)
    }

    /// A restored task has a record: its array knows it. False if it belongs to none.
    pub(super) fn note_record(&mut self, task: Slot<Task>) -> bool {
        let Some((slot, place)) = self.arrays.find_task(self.tasks[task].id()) else {
            return false;
        };
        let array = &mut self.arrays[slot];
        if array.early.places().contains(place) {
            array.early.set_record(place, task);
        } else if place + 1 == array.begun && array.waiting() > 0 {
            array.front = Some(task);
        }
        true
    }

    /// One of its tasks is no longer known. The array is forgotten with the last one.
    pub(super) fn forget_in_array(&mut self, id: TaskId, end: TaskState) {
        let Some((slot, place)) = self.arrays.find_task(id) else { return };
        self.count_out_array(slot);
        let array = &mut self.arrays[slot];
        if let Some(count) = array.forgotten.of(end) {
            *count += 1;
        }
        array.early.forget(place);
        if array.forgotten.total() < array.count.into() {
            return self.count_in_array(slot);
        }
        let array = self.arrays.remove(slot);
        self.release_class(array.class);
        self.blobs_given_up(TaskId(array.id.0));
    }

    fn drop_what_nobody_needs(&mut self, slot: Slot<Array>) {
        let array = &mut self.arrays[slot];
        if array.waiting() == 0 {
            array.front = None;
            let (class, payload) = (array.class, std::mem::take(&mut array.payload));
            self.count_bytes(class, payload.len() as u64, false);
        }
    }

    /// A record of a task of an array counts, or no longer.
    pub(super) fn count_within_array(&mut self, id: TaskId, task: Counted, is_counted: bool) {
        if let Some((slot, _)) = self.arrays.find_task(id) {
            let array = &mut self.arrays[slot];
            let count = &mut array.counts[task.state as usize];
            *count = if is_counted { *count + 1 } else { *count - 1 };
            let repeated = u32::from(task.is_repeated);
            array.repeated =
                if is_counted { array.repeated + repeated } else { array.repeated - repeated };
        }
    }

    /// Before an array changes.
    fn count_out_array(&mut self, slot: Slot<Array>) {
        let array = &self.arrays[slot];
        self.digest = self.digest.wrapping_sub(self.array_hash(array));
        *self.totals.count(TaskState::Queued) -= u64::from(array.waiting());
        let Class { owner, handler, queue, .. } = self.classes[array.class];
        let (class, waiting) = (array.class, array.waiting());
        self.handlers.count(handler, TaskState::Queued, waiting, false);
        self.queues.count_waiting(queue, waiting, false);
        self.owners.count_waiting(owner, waiting, false);
        self.count_within_group(class, TaskState::Queued, waiting, false);
        if self.classes[class].terms.webhook.is_some() {
            self.webhooks.expected -= u64::from(waiting);
        }
    }

    /// After an array changed.
    fn count_in_array(&mut self, slot: Slot<Array>) {
        let array = &self.arrays[slot];
        self.digest = self.digest.wrapping_add(self.array_hash(array));
        *self.totals.count(TaskState::Queued) += u64::from(array.waiting());
        let Class { owner, handler, queue, .. } = self.classes[array.class];
        let (class, waiting) = (array.class, array.waiting());
        self.handlers.count(handler, TaskState::Queued, waiting, true);
        self.queues.count_waiting(queue, waiting, true);
        self.owners.count_waiting(owner, waiting, true);
        self.count_within_group(class, TaskState::Queued, waiting, true);
        if self.classes[class].terms.webhook.is_some() {
            self.webhooks.expected += u64::from(waiting);
        }
    }
}

fn length(ranges: &[Range<u32>]) -> u32 {
    ranges.iter().map(|range| range.end.saturating_sub(range.start)).fold(0, u32::saturating_add)
}
