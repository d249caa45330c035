//! What became of the tasks of a tail, by its own events: which of them can be submitted once more. Pure.

use std::collections::{BTreeMap, BTreeSet};

use orquestrador_core::Event;
use orquestrador_core::command::Delivery;
use orquestrador_core::ids::{ArrayId, TaskId};

/// Of the tasks submitted in a tail.
#[derive(Debug, Default)]
pub(super) struct Fates {
    submitted: BTreeSet<TaskId>,
    arrays: BTreeMap<ArrayId, Numbers>,
    /// Those of them that may be started once only.
    once: BTreeSet<TaskId>,
    /// Those that were given to a worker.
    begun: BTreeSet<TaskId>,
    /// Those whose outcome or cancellation is known.
    finished: BTreeSet<TaskId>,
}

/// The tasks of an array.
#[derive(Debug)]
struct Numbers {
    first: u32,
    count: u32,
    delivery: Delivery,
    /// Of the first ones, and of those at the places `early`, the tail speaks one by one.
    apart: u32,
    early: BTreeSet<u32>,
}

impl Numbers {
    fn has_together(&self, number: u32) -> bool {
        number.checked_sub(self.first).is_some_and(|place| {
            place < self.count && place >= self.apart && !self.early.contains(&place)
        })
    }

    fn together(&self) -> u64 {
        u64::from(self.count - self.apart) - self.early.len() as u64
    }
}

impl Fates {
    pub fn see(&mut self, event: &Event) {
        match event {
            Event::TaskSubmitted { task, delivery, .. } => {
                self.submitted.insert(*task);
                if *delivery == Delivery::AtMostOnce {
                    self.once.insert(*task);
                }
            }
            Event::ArraySubmitted { array, delivery, first, count, .. } => {
                let (apart, early) = (0, BTreeSet::new());
                let numbers = Numbers { first: *first, count: *count, delivery: *delivery, apart, early };
                self.arrays.insert(*array, numbers);
            }
            Event::ArrayRestored(restored) => {
                let numbers = Numbers {
                    first: restored.first,
                    count: restored.count,
                    delivery: restored.delivery,
                    apart: restored.begun.min(restored.count),
                    early: restored.early.iter().copied().collect(),
                };
                self.arrays.insert(restored.array, numbers);
            }
            Event::TaskAssigned { task, .. } => {
                self.begun.insert(*task);
            }
            Event::TaskSucceeded { task, .. }
            | Event::TaskFailed { task, .. }
            | Event::TaskCancelled { task, .. }
            | Event::TaskLost { task, .. } => {
                self.finished.insert(*task);
            }
            // Only finished ones are forgotten, and their end stands before.
            Event::TasksPruned { .. }
            | Event::TaskRequeued { .. }
            | Event::TaskReturned { .. }
            | Event::AttemptEnded { .. }
            // Only in snapshots.
            | Event::TaskRestored(_)
            | Event::WorkerRegistered { .. }
            | Event::HandlersLearned { .. }
            | Event::WorkerLost { .. }
            | Event::UserAdded { .. }
            | Event::UserRemoved { .. } => {}
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

    /// Submitted in the tail, and neither ended in it nor possibly begun without leave to begin again.
    pub fn can_be_submitted(&self, task: TaskId) -> bool {
        self.is_submitted(task) && !self.finished.contains(&task) && !self.is_withheld(task)
    }

    /// The numbers of the tasks of an array that [can be submitted](Self::can_be_submitted): the first one and how
    /// many up to the last one, and those between them that cannot.
    pub fn open_in(&self, array: ArrayId) -> Option<(u32, u32, Vec<u32>)> {
        let Numbers { first, count, .. } = *self.arrays.get(&array)?;
        let can = |number: &u32| self.can_be_submitted(array.task(*number));
        let mut numbers = first..first.saturating_add(count);
        let (from, to) = (numbers.find(can)?, (first..first.saturating_add(count)).rfind(can)?);
        Some((from, to - from + 1, (from..to).filter(|number| !can(number)).collect()))
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
        self.finished.iter().filter(|task| self.is_submitted(**task)).count() as u64
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

#[cfg(test)]
mod tests {
    use orquestrador_core::command::Failure;
    use orquestrador_core::event::{Forgotten, LossCause, RestoredArray};
    use orquestrador_core::ids::{Attempt, Timestamp};

    use super::*;

    const AT: Timestamp = Timestamp(1);
    const FIRST: Attempt = Attempt(1);

    fn submitted(task: u128, delivery: Delivery) -> Event {
        Event::TaskSubmitted {
            task: TaskId(task),
            owner: "ana".into(),
            handler: "echo".into(),
            payload: [][..].into(),
            delivery,
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
        let array_of = |delivery| Event::ArraySubmitted {
            array,
            owner: "ana".into(),
            handler: "echo".into(),
            payload: [][..].into(),
            delivery,
            first: 10,
            count: 10,
            at: AT,
        };
        let events = [given(10), given(11), given(12), ended(10), ended(15), ended(19)];
        let fates = |delivery| {
            let all: Vec<_> = [array_of(delivery)].into_iter().chain(events.clone()).collect();
            seen(&all)
        };
        let often = fates(Delivery::AtLeastOnce);
        assert_eq!(often.open_in(array), Some((11, 8, vec![15])));
        assert_eq!((often.open(), often.finished(), often.withheld().count()), (7, 3, 0));
        let once = fates(Delivery::AtMostOnce);
        assert_eq!(once.open_in(array), Some((13, 6, vec![15])));
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
            delivery: Delivery::AtLeastOnce,
            first: 0,
            count: 10,
            at: AT,
            begun: 5,
            early: vec![7],
            forgotten: Forgotten { succeeded: 2, ..Forgotten::default() },
        }));
        // Two of them are queued; the others ended, or are forgotten.
        let queued = |number| submitted(array.task(number).0, Delivery::AtLeastOnce);
        let fates = seen(&[restored, queued(3), queued(4)]);
        assert_eq!(fates.open_in(array), Some((3, 7, vec![7])));
        assert_eq!(fates.open(), 6);
    }
}
