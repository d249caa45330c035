//! What became of the tasks of a tail, by its own events: which of them can be submitted once more. Pure.

use std::collections::{BTreeMap, BTreeSet};

use crate::traces;
use common::traces::traceparent;
use orquestrador_core::Event;
use orquestrador_core::command::{Condition, Delivery};
use orquestrador_core::event::Blockage;
use orquestrador_core::ids::{ArrayId, Blob, BlobRef, TaskId, Timestamp};
use orquestrador_core::ranges::Ranges;
use orquestrador_core::trace::TraceContext;

/// Of the tasks submitted in a tail.
#[derive(Debug, Default)]
pub(super) struct Fates {
    submitted: BTreeSet<TaskId>,
    arrays: BTreeMap<ArrayId, Numbers>,
    /// Of arrays whose tasks are told of one by one.
    payloads: BTreeMap<ArrayId, Blob>,
    /// Those of them that may be started once only.
    once: BTreeSet<TaskId>,
    /// Those that were given to a worker.
    begun: BTreeSet<TaskId>,
    /// Those whose outcome or cancellation is known.
    finished: BTreeSet<TaskId>,
    /// Those whose first attempt is not to begin yet; of arrays, whose front is told of, the whole.
    delayed: BTreeMap<TaskId, Timestamp>,
    /// Those that wait for others; the same.
    blocked: BTreeMap<TaskId, Blockage>,
    /// What they refer to.
    blobs: BTreeMap<TaskId, Vec<BlobRef>>,
    /// Whose files they take.
    sources: BTreeMap<TaskId, Vec<TaskId>>,
    /// To which trace they belong.
    traces: BTreeMap<TaskId, TraceContext>,
    /// Of arrays, those that ended together.
    together: u64,
}

/// The tasks of an array.
#[derive(Debug)]
struct Numbers {
    first: u32,
    count: u32,
    delivery: Delivery,
    /// Places of which the tail speaks one by one, if at all.
    apart: Ranges,
}

impl Numbers {
    fn place(&self, number: u32) -> Option<u32> {
        number.checked_sub(self.first).filter(|place| *place < self.count)
    }

    fn has_together(&self, number: u32) -> bool {
        self.place(number).is_some_and(|place| !self.apart.contains(place))
    }

    fn together(&self) -> u64 {
        u64::from(self.count - self.apart.count())
    }
}

impl Fates {
    pub fn see(&mut self, event: &Event) {
        match event {
            Event::TaskSubmitted { task, terms, payload, .. } => {
                self.submitted.insert(*task);
                if let Some((array, _)) = task.in_array() {
                    self.payloads.entry(array).or_insert_with(|| payload.clone());
                }
                if terms.delivery == Delivery::AtMostOnce {
                    self.once.insert(*task);
                }
            }
            Event::ArraySubmitted { array, terms, first, count, without, .. } => {
                let apart = without.iter().cloned().collect();
                let (first, count, delivery) = (*first, *count, terms.delivery);
                self.arrays.insert(*array, Numbers { first, count, delivery, apart });
            }
            Event::ArrayRestored(restored) => {
                let mut apart: Ranges = restored.early.iter().cloned().collect();
                apart.insert(0..restored.begun.min(restored.count));
                if restored.failed.is_some() {
                    apart.insert(0..restored.count);
                }
                let numbers = Numbers {
                    first: restored.first,
                    count: restored.count,
                    delivery: restored.terms.delivery,
                    apart,
                };
                self.arrays.insert(restored.array, numbers);
            }
            Event::ArrayCancelled { array, .. } | Event::ArrayFailed { array, .. } => {
                self.end_all(*array);
            }
            Event::TaskAssigned { task, .. } => {
                self.begun.insert(*task);
            }
            Event::TaskSucceeded { task, .. }
            | Event::TaskFailed { task, .. }
            | Event::TaskCancelled { task, .. }
            | Event::TaskExpired { task, .. }
            | Event::TaskSkipped { task, .. }
            | Event::TaskLost { task, .. } => {
                self.finished.insert(*task);
            }
            Event::TaskBlocked { task, blockage, .. } => {
                self.blocked.insert(whole(*task), blockage.clone());
            }
            Event::BlobsReferred { task, blobs } => {
                self.blobs.entry(*task).or_default().extend(blobs);
            }
            Event::SourcesTaken { task, of } => {
                self.sources.insert(*task, of.clone());
            }
            Event::TaskTraced { task, trace } => {
                self.traces.insert(*task, *trace);
            }
            Event::TaskReleased { task, .. } => {
                self.blocked.remove(&whole(*task));
            }
            Event::TaskDelayed { task, until, .. } => {
                self.delayed.insert(whole(*task), *until);
            }
            Event::TaskDue { task, .. } => {
                self.delayed.remove(&whole(*task));
            }
            // Only finished ones are forgotten, and their end stands before.
            Event::TasksPruned { .. }
            | Event::TaskRepeated { .. }
            | Event::TaskKeyed { .. }
            | Event::KeysReleased { .. }
            | Event::OutputKept { .. }
            | Event::WebhookDelivered { .. }
            | Event::WebhookDelayed { .. }
            | Event::WebhookGivenUp { .. }
            | Event::WebhookOwed(_)
            | Event::WebhooksRetried { .. }
            | Event::ScheduleSet { .. }
            | Event::ScheduleFired { .. }
            | Event::ScheduleRemoved { .. }
            | Event::GroupRestored(_)
            | Event::OrderRestored { .. }
            | Event::TaskRequeued { .. }
            | Event::TaskReturned { .. }
            | Event::TaskRetried { .. }
            | Event::AttemptEnded { .. }
            // Only in snapshots.
            | Event::TaskRestored(_)
            | Event::WorkerRegistered { .. }
            | Event::HandlersLearned { .. }
            | Event::WorkerLost { .. }
            | Event::UserAdded { .. }
            | Event::QueueChanged { .. }
            | Event::QuotaChanged { .. }
            | Event::UserRemoved { .. }
            | Event::TokenIssued { .. }
            | Event::TokenRevoked { .. } => {}
        }
    }

    /// What happened in another tail, to tasks of this one.
    pub fn see_later(&mut self, event: &Event) {
        if !matches!(event, Event::TaskSubmitted { .. } | Event::ArraySubmitted { .. }) {
            self.see(event);
        }
    }

    /// The array that the task was submitted with.
    fn array_of(&self, task: TaskId) -> Option<&Numbers> {
        let (array, number) = task.in_array()?;
        self.arrays.get(&array).filter(|numbers| numbers.has_together(number))
    }

    fn is_submitted(&self, task: TaskId) -> bool {
        self.submitted.contains(&task) || self.array_of(task).is_some()
    }

    /// When the first attempt of the task, or of any in the array, may begin, if it waits for that.
    pub fn not_before(&self, task: TaskId) -> Option<Timestamp> {
        self.delayed.get(&task).copied()
    }

    /// What a task or an array refers to.
    pub fn blobs_of(&self, task: TaskId) -> &[BlobRef] {
        self.blobs.get(&task).map(Vec::as_slice).unwrap_or_default()
    }

    /// The span that a task or an array belongs to; empty: none.
    pub fn traceparent_of(&self, task: TaskId) -> String {
        let span = self.traces.get(&task).copied().map(traces::of_submitter);
        span.map(|span| traceparent(&span)).unwrap_or_default()
    }

    /// Of these, which it waits for, those whose files the task or array takes.
    pub fn sources_of(&self, task: TaskId, after: &[TaskId]) -> Vec<TaskId> {
        let sources = self.sources.get(&task).into_iter().flatten().copied();
        sources.filter(|source| after.contains(source)).collect()
    }

    /// What the task or array waits for and has not ended in the tail, where it must have ended as it should, and how it must
    /// end.
    pub fn waits_for(&self, task: TaskId) -> Option<(Vec<TaskId>, Condition)> {
        let Blockage { after, condition, .. } = self.blocked.get(&task)?;
        let has_ended = |other: &TaskId| {
            let array = ArrayId(other.0);
            self.finished.contains(other)
                || self.arrays.contains_key(&array) && self.closed_in(array).is_none()
        };
        let open: Vec<_> = after.iter().copied().filter(|other| !has_ended(other)).collect();
        (!open.is_empty()).then_some((open, *condition))
    }

    /// Submitted in the tail, and neither ended in it nor possibly begun without leave to begin again.
    pub fn can_be_submitted(&self, task: TaskId) -> bool {
        self.is_submitted(task) && !self.finished.contains(&task) && !self.is_withheld(task)
    }

    /// What waits has ended; what had begun is told of by itself.
    fn end_all(&mut self, array: ArrayId) {
        let told: Vec<TaskId> = self.told_of_arrays().filter(|task| is_in(array, *task)).collect();
        let Some(numbers) = self.arrays.get_mut(&array) else { return };
        let together = numbers.together();
        numbers.apart.insert(0..numbers.count);
        if numbers.delivery == Delivery::AtMostOnce {
            self.once.extend(told.iter().copied());
        }
        self.together += together - told.len() as u64;
        // From now on they are tasks of their own.
        self.submitted.extend(told);
    }

    /// The places in an array of tasks that cannot be submitted, unless none can.
    pub fn closed_in(&self, array: ArrayId) -> Option<Ranges> {
        let numbers = self.arrays.get(&array)?;
        let place = |task: &TaskId| numbers.place(task.in_array()?.1);
        let in_array = |tasks: &BTreeSet<TaskId>| -> Vec<TaskId> {
            let from = tasks.range(array.task(0)..);
            from.take_while(|task| is_in(array, **task)).copied().collect()
        };
        let open = in_array(&self.submitted);
        let open = open.iter().filter(|task| self.can_be_submitted(**task)).filter_map(place);
        let open: Ranges = open.map(|place| place..place + 1).collect();
        let mut closed = Ranges::default();
        for apart in numbers.apart.iter() {
            open.gaps(apart).into_iter().for_each(|range| closed.insert(range));
        }
        let told = in_array(&self.begun).into_iter().chain(in_array(&self.finished));
        let told = told.filter(|task| !self.can_be_submitted(*task));
        told.filter_map(|task| place(&task)).for_each(|place| closed.insert(place..place + 1));
        (closed.count() < numbers.count).then_some(closed)
    }

    /// Of the tasks of an array that are told of one by one.
    pub fn payload_of(&self, array: ArrayId) -> Option<&Blob> {
        self.payloads.get(&array)
    }

    /// How many of them [can be submitted](Self::can_be_submitted).
    pub fn open(&self) -> u64 {
        let singly = self.submitted.iter().filter(|task| self.can_be_submitted(**task)).count();
        let together: u64 = self.arrays.values().map(Numbers::together).sum();
        let closed = self.told_of_arrays().filter(|task| !self.can_be_submitted(*task)).count();
        singly as u64 + together - closed as u64
    }

    /// Submitted in the tail and ended in it.
    pub fn finished(&self) -> u64 {
        let singly = self.finished.iter().filter(|task| self.is_submitted(**task)).count() as u64;
        singly + self.together
    }

    /// At-most-once tasks that may have begun, and whose end is not known.
    pub fn withheld(&self) -> impl Iterator<Item = TaskId> {
        self.begun.iter().copied().filter(|task| self.is_withheld(*task))
    }

    /// Tasks of arrays of which more is known than their submission.
    fn told_of_arrays(&self) -> impl Iterator<Item = TaskId> {
        let told = self.begun.union(&self.finished).copied();
        told.filter(|task| self.array_of(*task).is_some())
    }

    fn is_withheld(&self, task: TaskId) -> bool {
        let is_once = |numbers: &Numbers| numbers.delivery == Delivery::AtMostOnce;
        let once = self.once.contains(&task) || self.array_of(task).is_some_and(is_once);
        once && self.begun.contains(&task) && !self.finished.contains(&task)
    }
}

/// The array that the task is in, or the task itself.
fn whole(task: TaskId) -> TaskId {
    task.in_array().map_or(task, |(array, _)| TaskId(array.0))
}

fn is_in(array: ArrayId, task: TaskId) -> bool {
    task.in_array().is_some_and(|(of, _)| of == array)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::single_range_in_vec_init, reason = "sets of one range are meant")]

    use orquestrador_core::command::Failure;
    use orquestrador_core::event::{ArrayFailure, Forgotten, LossCause, RestoredArray};
    use orquestrador_core::ids::Attempt;

    use super::*;

    const AT: Timestamp = Timestamp(1);
    const FIRST: Attempt = Attempt(1);

    fn submitted(task: u128, delivery: Delivery) -> Event {
        Event::TaskSubmitted {
            task: TaskId(task),
            owner: "ana".into(),
            handler: "echo".into(),
            payload: [][..].into(),
            terms: delivery.into(),
            at: AT,
        }
    }

    fn assigned(task: u128) -> Event {
        Event::TaskAssigned { task: TaskId(task), attempt: FIRST, worker: "w".into(), at: AT }
    }

    fn seen(events: &[Event]) -> Fates {
        let mut fates = Fates::default();
        events.iter().for_each(|event| fates.see(event));
        fates
    }

    #[test]
    fn what_may_be_started_once_is_withheld_if_it_may_have_begun() {
        let fates = seen(&[
            submitted(1, Delivery::AtMostOnce),
            submitted(2, Delivery::AtMostOnce),
            submitted(3, Delivery::AtLeastOnce),
            assigned(1),
            assigned(3),
        ]);
        let open = [1, 2, 3].map(|task| fates.can_be_submitted(TaskId(task)));
        assert_eq!(open, [false, true, true]);
        assert_eq!(fates.withheld().collect::<Vec<_>>(), [TaskId(1)]);
        assert_eq!((fates.open(), fates.finished()), (2, 0));
    }

    #[test]
    fn what_ended_is_left_out() {
        let (attempt, at) = (FIRST, AT);
        let failure = Failure { code: "X".into(), message: String::new(), output: [][..].into() };
        let end = |task| -> Event {
            let task = TaskId(task);
            match task.0 {
                1 => Event::TaskCancelled { task, at },
                2 => Event::TaskSucceeded { task, attempt, result: [][..].into(), at },
                3 => Event::TaskFailed { task, attempt, failure: failure.clone(), at },
                _ => Event::TaskLost { task, attempt, cause: LossCause::WorkerSilent, at },
            }
        };
        let mut events: Vec<_> = (1..=5).map(|t| submitted(t, Delivery::AtLeastOnce)).collect();
        // An at-most-once task whose end is known is finished, not withheld.
        events.extend([submitted(6, Delivery::AtMostOnce), assigned(6), end(6)]);
        events.extend((1..=4).map(end));
        // It was submitted before the tail began.
        events.push(Event::TaskCancelled { task: TaskId(7), at });
        let fates = seen(&events);
        assert_eq!((fates.open(), fates.finished(), fates.withheld().count()), (1, 5, 0));
        assert!(fates.can_be_submitted(TaskId(5)));
        assert!(!fates.can_be_submitted(TaskId(7)));
    }

    #[test]
    fn of_an_array_what_is_open_is_told_by_its_numbers() {
        let array = ArrayId(8 << 76);
        let task = |number| array.task(number);
        let given = |number| Event::TaskAssigned {
            task: task(number),
            attempt: FIRST,
            worker: "w".into(),
            at: AT,
        };
        let ended = |number| Event::TaskCancelled { task: task(number), at: AT };
        let array_of = |delivery: Delivery| Event::ArraySubmitted {
            array,
            owner: "ana".into(),
            handler: "echo".into(),
            payload: [][..].into(),
            terms: delivery.into(),
            first: 10,
            count: 10,
            without: Vec::new(),
            at: AT,
        };
        let events = [given(10), given(11), given(12), ended(10), ended(15), ended(19)];
        let fates = |delivery| {
            let all: Vec<_> = [array_of(delivery)].into_iter().chain(events.clone()).collect();
            seen(&all)
        };
        let often = fates(Delivery::AtLeastOnce);
        assert_eq!(closed(&often, array), [0..1, 5..6, 9..10]);
        assert_eq!((often.open(), often.finished(), often.withheld().count()), (7, 3, 0));
        let once = fates(Delivery::AtMostOnce);
        assert_eq!(closed(&once, array), [0..3, 5..6, 9..10]);
        assert_eq!((once.open(), once.finished(), once.withheld().count()), (5, 3, 2));
    }

    /// As a snapshot tells it: the tasks that have a record follow the array.
    #[test]
    fn of_a_restored_array_the_open_tasks_are_told_apart() {
        let array = ArrayId(8 << 76);
        let restored = Event::ArrayRestored(Box::new(RestoredArray {
            array,
            owner: "ana".into(),
            handler: "echo".into(),
            fingerprint: 0,
            payload: [][..].into(),
            terms: Delivery::AtLeastOnce.into(),
            first: 0,
            count: 10,
            at: AT,
            begun: 5,
            early: vec![7..8],
            forgotten: Forgotten { succeeded: 2, ..Forgotten::default() },
            failed: None,
        }));
        // Two of them are queued; the others ended, or are forgotten.
        let queued = |number| submitted(array.task(number).0, Delivery::AtLeastOnce);
        let fates = seen(&[restored, queued(3), queued(4)]);
        assert_eq!(closed(&fates, array), [0..3, 7..8]);
        assert_eq!(fates.payload_of(array), Some(&[][..].into()));
        assert_eq!(fates.open(), 6);
    }

    #[test]
    fn of_a_cancelled_array_only_what_had_begun_and_not_ended_is_open() {
        let array = ArrayId(8 << 76);
        let submission = Event::ArraySubmitted {
            array,
            owner: "ana".into(),
            handler: "echo".into(),
            payload: [][..].into(),
            terms: Delivery::AtLeastOnce.into(),
            first: 0,
            count: 6,
            without: vec![1..2],
            at: AT,
        };
        let cancelled = Event::ArrayCancelled { array, at: AT };
        let before = seen(std::slice::from_ref(&submission));
        assert_eq!((before.open(), closed(&before, array)), (5, vec![1..2]));
        let fates = seen(&[submission.clone(), assigned(array.task(0).0), cancelled.clone()]);
        assert_eq!((fates.open(), closed(&fates, array)), (1, vec![1..6]));
        assert_eq!(fates.finished(), 4, "one was left out before");
        assert!(seen(&[submission, cancelled]).closed_in(array).is_none());
    }

    /// Its front is named, which may be another one by the time at which the wait is over.
    #[test]
    fn what_an_array_waits_for_is_told_of_the_whole() {
        let array = ArrayId(8 << 76);
        let (other, at) = (TaskId(1), AT);
        let submission = Event::ArraySubmitted {
            array,
            owner: "ana".into(),
            handler: "echo".into(),
            payload: [][..].into(),
            terms: Delivery::AtLeastOnce.into(),
            first: 0,
            count: 6,
            without: vec![],
            at,
        };
        let condition = Condition::Finished;
        let blockage = Blockage { after: vec![other], condition, failed: None };
        let cancelled = Event::TaskCancelled { task: array.task(0), at };
        let mut events = vec![
            submitted(1, Delivery::AtLeastOnce),
            submission,
            Event::TaskBlocked { task: array.task(0), blockage, at },
            cancelled,
        ];
        let whole = TaskId(array.0);
        assert_eq!(seen(&events).waits_for(whole), Some((vec![other], condition)));
        events.push(Event::TaskReleased { task: array.task(1), at });
        assert_eq!(seen(&events).waits_for(whole), None);
        events.pop();
        let failure = ArrayFailure::Skipped { because: other };
        events.push(Event::ArrayFailed { array, failure, at });
        events.push(Event::TaskSkipped {
            task: array.task(1),
            because: other,
            after: vec![other],
            at,
        });
        let fates = seen(&events);
        assert_eq!((fates.closed_in(array), fates.finished()), (None, 6));
    }

    fn closed(fates: &Fates, array: ArrayId) -> Vec<std::ops::Range<u32>> {
        fates.closed_in(array).expect("some are open").iter().collect()
    }
}
