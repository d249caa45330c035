//! What became of the tasks of a tail, by its own events: which of them can be submitted once more. Pure.

use std::collections::BTreeSet;

use orquestrador_core::Event;
use orquestrador_core::command::Delivery;
use orquestrador_core::ids::TaskId;

/// Of the tasks submitted in a tail.
#[derive(Debug, Default)]
pub(super) struct Fates {
    submitted: BTreeSet<TaskId>,
    /// Those of them that may be started once only.
    once: BTreeSet<TaskId>,
    /// Those that were given to a worker.
    begun: BTreeSet<TaskId>,
    /// Those whose outcome or cancellation is known.
    finished: BTreeSet<TaskId>,
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
        if !matches!(event, Event::TaskSubmitted { .. }) {
            self.see(event);
        }
    }

    /// Submitted in the tail, and neither ended in it nor possibly begun without leave to begin again.
    pub fn can_be_submitted(&self, task: TaskId) -> bool {
        self.submitted.contains(&task) && !self.finished.contains(&task) && !self.is_withheld(task)
    }

    /// How many of them [can be submitted](Self::can_be_submitted).
    pub fn open(&self) -> u64 {
        self.submitted.iter().filter(|task| self.can_be_submitted(**task)).count() as u64
    }

    /// Submitted in the tail and ended in it.
    pub fn finished(&self) -> u64 {
        self.submitted.intersection(&self.finished).count() as u64
    }

    /// At-most-once tasks that may have begun, and whose end is not known.
    pub fn withheld(&self) -> impl Iterator<Item = TaskId> {
        self.submitted.iter().copied().filter(|task| self.is_withheld(*task))
    }

    fn is_withheld(&self, task: TaskId) -> bool {
        self.once.contains(&task) && self.begun.contains(&task) && !self.finished.contains(&task)
    }
}

#[cfg(test)]
mod tests {
    use orquestrador_core::command::Failure;
    use orquestrador_core::event::LossCause;
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
}
