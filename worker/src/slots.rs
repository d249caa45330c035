//! What this worker holds: attempts that run, outcomes that are not acknowledged yet, and which tasks it may
//! not start again. Pure.

use std::collections::{HashMap, HashSet};

use common::proto::{Assignment, AttemptRef, Delivery, Outcome, outcome};

/// Tasks that were to be started once at most and are remembered after their end: so many at least, twice
/// as many at most. It takes an operator's override (V15) to have an acknowledged one assigned again.
const REMEMBERED: usize = 200_000;

/// One attempt of one task.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    pub task_id: String,
    pub attempt: u32,
}

impl From<&AttemptRef> for Key {
    fn from(attempt: &AttemptRef) -> Self {
        Self { task_id: attempt.task_id.clone(), attempt: attempt.attempt }
    }
}

impl From<&Key> for AttemptRef {
    fn from(key: &Key) -> Self {
        Self { task_id: key.task_id.clone(), attempt: key.attempt }
    }
}

/// What an assignment means.
#[derive(Debug, PartialEq)]
pub enum Reception {
    /// It is new: run it. An older attempt of the same task that still runs is to be stopped.
    Start { stop: Option<Key> },
    /// It runs already.
    Running,
    /// It is done: the outcome, once more.
    Done(Outcome),
    /// A newer attempt of the same task is here.
    Stale,
    /// The task may be started once only, and was.
    StartedBefore,
}

/// What a cancellation means.
#[derive(Debug, PartialEq, Eq)]
pub enum Cancellation {
    /// It runs: stop it, and say when it has ended.
    Stop,
    /// Nothing of it runs here.
    Ended,
}

/// What the end of an attempt is to the orchestrator.
#[derive(Debug, PartialEq)]
pub enum Ending {
    /// What it came to is to be reported.
    Report(Outcome),
    /// It was cancelled: only that it has ended is news.
    Ended,
    /// It was stopped because the worker ends, and is somebody else's now.
    GivenUp,
}

/// Who waits for what an attempt comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Claim {
    Wanted,
    /// Only if it comes to an end by itself after all.
    GivenUp,
    Cancelled,
}

#[derive(Debug)]
enum Held {
    Running(Claim),
    Done(Outcome),
    /// It was stopped, and nobody was told yet that it is given back.
    GivenUp,
}

/// By attempt.
#[derive(Debug, Default)]
pub struct Slots {
    held: HashMap<Key, Held>,
    /// The attempt of each task that runs here, the newest if there are two.
    running: HashMap<String, u32>,
    once: Once,
}

/// Which at-most-once tasks were started here, in two generations: the older one is forgotten whole.
#[derive(Debug, Default)]
struct Once {
    newer: HashSet<String>,
    older: HashSet<String>,
}

impl Once {
    fn contains(&self, task_id: &str) -> bool {
        self.newer.contains(task_id) || self.older.contains(task_id)
    }

    fn remove(&mut self, task_id: &str) {
        self.newer.remove(task_id);
        self.older.remove(task_id);
    }

    fn insert(&mut self, task_id: &str) {
        if self.newer.len() >= REMEMBERED {
            self.older = std::mem::take(&mut self.newer);
        }
        self.newer.insert(task_id.to_owned());
    }
}

impl Slots {
    /// An assignment came; deliveries are at least once.
    pub fn receive(&mut self, assignment: &Assignment) -> Reception {
        let key = Key { task_id: assignment.task_id.clone(), attempt: assignment.attempt };
        match self.held.get(&key) {
            Some(Held::Running(_) | Held::GivenUp) => return Reception::Running,
            Some(Held::Done(outcome)) => return Reception::Done(outcome.clone()),
            None => {}
        }
        let once = assignment.delivery() == Delivery::AtMostOnce;
        if once && self.once.contains(&key.task_id) {
            return Reception::StartedBefore;
        }
        let stop = match self.running.get(&key.task_id) {
            Some(other) if *other > key.attempt => return Reception::Stale,
            Some(other) => Some(Key { task_id: key.task_id.clone(), attempt: *other }),
            None => None,
        };
        if once {
            self.once.insert(&key.task_id);
        }
        self.running.insert(key.task_id.clone(), key.attempt);
        self.held.insert(key, Held::Running(Claim::Wanted));
        Reception::Start { stop }
    }

    /// An attempt came to its end.
    pub fn finish(&mut self, key: &Key, outcome: Outcome) -> Ending {
        let Some(Held::Running(claim)) = self.held.get(key) else { return Ending::Ended };
        let claim = *claim;
        self.held.remove(key);
        if self.running.get(&key.task_id) == Some(&key.attempt) {
            self.running.remove(&key.task_id);
        }
        let has_succeeded = matches!(outcome.outcome, Some(outcome::Outcome::Succeeded(_)));
        match claim {
            Claim::Cancelled => Ending::Ended,
            Claim::GivenUp if !has_succeeded => {
                self.held.insert(key.clone(), Held::GivenUp);
                Ending::GivenUp
            }
            Claim::Wanted | Claim::GivenUp => {
                self.held.insert(key.clone(), Held::Done(outcome.clone()));
                Ending::Report(outcome)
            }
        }
    }

    /// The worker ends: nothing that runs is waited for any longer. Gives what is to be stopped.
    pub fn give_up(&mut self) -> Vec<Key> {
        let running = self.held.iter_mut().filter_map(|(key, held)| match held {
            Held::Running(claim @ Claim::Wanted) => {
                *claim = Claim::GivenUp;
                Some(key.clone())
            }
            Held::Running(Claim::GivenUp | Claim::Cancelled) | Held::Done(_) | Held::GivenUp => {
                None
            }
        });
        let mut running: Vec<_> = running.collect();
        running.sort();
        running
    }

    /// What was stopped, to be told to whoever is principal.
    pub fn given_up(&self) -> Vec<AttemptRef> {
        let given_up = self.held.iter().filter(|(_, held)| matches!(held, Held::GivenUp));
        let mut given_up: Vec<_> = given_up.map(|(key, _)| key).collect();
        given_up.sort();
        given_up.into_iter().map(AttemptRef::from).collect()
    }

    /// That was told.
    pub fn forget_given_up(&mut self, attempts: &[AttemptRef]) {
        for key in attempts.iter().map(Key::from) {
            if let Some(Held::GivenUp) = self.held.get(&key) {
                self.held.remove(&key);
            }
        }
    }

    /// All of it was given to others. Gives what is to be stopped.
    pub fn cancel_all(&mut self) -> Vec<Key> {
        let running = self.held.iter_mut().filter_map(|(key, held)| match held {
            Held::Running(claim @ (Claim::Wanted | Claim::GivenUp)) => {
                *claim = Claim::Cancelled;
                Some(key.clone())
            }
            Held::Running(Claim::Cancelled) | Held::Done(_) | Held::GivenUp => None,
        });
        let mut running: Vec<_> = running.collect();
        running.sort();
        running
    }

    /// What does not listen was dropped.
    pub fn drop_running(&mut self) -> Vec<(Key, Ending)> {
        let runs = |held: &Held| matches!(held, Held::Running(_));
        let running = self.held.iter().filter(|(_, held)| runs(held));
        let running: Vec<_> = running.map(|(key, _)| key.clone()).collect();
        running
            .into_iter()
            .map(|key| (key.clone(), self.finish(&key, Outcome::default())))
            .collect()
    }

    /// It was never started, and is somebody else's now.
    pub fn give_back(&mut self, key: &Key) {
        if let Some(Held::Running(_)) = self.held.get(key) {
            self.held.remove(key);
            self.once.remove(&key.task_id);
            if self.running.get(&key.task_id) == Some(&key.attempt) {
                self.running.remove(&key.task_id);
            }
        }
    }

    /// The outcome is decided elsewhere.
    pub fn cancel(&mut self, key: &Key) -> Cancellation {
        match self.held.get_mut(key) {
            Some(Held::Running(claim)) => {
                *claim = Claim::Cancelled;
                Cancellation::Stop
            }
            Some(Held::Done(_) | Held::GivenUp) => {
                self.held.remove(key);
                Cancellation::Ended
            }
            None => Cancellation::Ended,
        }
    }

    /// The outcome is committed, or refused for good.
    pub fn acknowledge(&mut self, key: &Key) {
        if let Some(Held::Done(_)) = self.held.get(key) {
            self.held.remove(key);
        }
    }

    /// Everything held, for a registration.
    pub fn held(&self) -> Vec<AttemptRef> {
        self.held.keys().map(AttemptRef::from).collect()
    }

    /// Outcomes that are not acknowledged.
    pub fn outcomes(&self) -> Vec<Outcome> {
        let done = |held: &Held| match held {
            Held::Done(outcome) => Some(outcome.clone()),
            Held::Running(_) | Held::GivenUp => None,
        };
        self.held.values().filter_map(done).collect()
    }

    /// How many attempts run.
    pub fn running(&self) -> usize {
        self.held.values().filter(|held| matches!(held, Held::Running(_))).count()
    }

    /// Nothing runs, and everything is acknowledged.
    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assignment(task: &str, attempt: u32) -> Assignment {
        Assignment {
            task_id: task.into(),
            attempt,
            handler: "echo".into(),
            ..Assignment::default()
        }
    }

    fn only_once(task: &str) -> Assignment {
        Assignment { delivery: Delivery::AtMostOnce.into(), ..assignment(task, 1) }
    }

    fn key(task: &str, attempt: u32) -> Key {
        Key { task_id: task.into(), attempt }
    }

    fn outcome(task: &str, attempt: u32) -> Outcome {
        let outcome = Some(outcome::Outcome::Succeeded(Vec::new().into()));
        Outcome { task_id: task.into(), attempt, outcome, ..Outcome::default() }
    }

    #[test]
    fn a_repeated_assignment_is_not_run_twice() {
        let mut slots = Slots::default();
        assert_eq!(slots.receive(&assignment("a", 1)), Reception::Start { stop: None });
        assert_eq!(slots.receive(&assignment("a", 1)), Reception::Running);
        slots.finish(&key("a", 1), outcome("a", 1));
        assert_eq!(slots.receive(&assignment("a", 1)), Reception::Done(outcome("a", 1)));
        assert_eq!(slots.running(), 0);
    }

    #[test]
    fn what_may_be_started_once_is_not_run_again_after_its_end() {
        let mut slots = Slots::default();
        let start = Reception::Start { stop: None };
        assert_eq!(slots.receive(&only_once("a")), start);
        assert_eq!(slots.receive(&only_once("a")), Reception::Running);
        slots.finish(&key("a", 1), outcome("a", 1));
        assert_eq!(slots.receive(&only_once("a")), Reception::Done(outcome("a", 1)));
        slots.acknowledge(&key("a", 1));
        assert_eq!(slots.receive(&only_once("a")), Reception::StartedBefore);

        assert_eq!(slots.receive(&only_once("b")), start);
        slots.cancel(&key("b", 1));
        slots.finish(&key("b", 1), outcome("b", 1));
        assert_eq!(slots.receive(&only_once("b")), Reception::StartedBefore);
        let again = Assignment { attempt: 2, ..only_once("b") };
        assert_eq!(slots.receive(&again), Reception::StartedBefore);
        assert!(slots.is_empty());
    }

    #[test]
    fn what_was_given_back_may_come_again() {
        let mut slots = Slots::default();
        let start = Reception::Start { stop: None };
        for assignment in [assignment("a", 1), only_once("b")] {
            assert_eq!(slots.receive(&assignment), start);
            slots.give_back(&key(&assignment.task_id, 1));
            assert!(!slots.held.contains_key(&key(&assignment.task_id, 1)));
            assert_eq!(slots.receive(&assignment), start);
        }
        slots.finish(&key("a", 1), outcome("a", 1));
        slots.give_back(&key("a", 1));
        assert_eq!(slots.outcomes().len(), 1, "an outcome is not given back");
    }

    #[test]
    fn only_the_newest_starts_are_remembered() {
        let mut slots = Slots::default();
        for task in 0..2 * REMEMBERED + 1 {
            slots.once.insert(&task.to_string());
        }
        assert!(!slots.once.contains("0"));
        assert!(slots.once.contains(&REMEMBERED.to_string()));
    }

    #[test]
    fn an_outcome_is_kept_until_it_is_acknowledged() {
        let mut slots = Slots::default();
        slots.receive(&assignment("a", 1));
        assert_eq!(slots.finish(&key("a", 1), outcome("a", 1)), Ending::Report(outcome("a", 1)));
        assert_eq!(slots.outcomes().len(), 1);
        slots.acknowledge(&key("a", 1));
        assert!(slots.is_empty());
    }

    #[test]
    fn a_running_attempt_is_not_forgotten_by_an_acknowledgement() {
        let mut slots = Slots::default();
        slots.receive(&assignment("a", 1));
        slots.acknowledge(&key("a", 1));
        assert_eq!(slots.held().len(), 1);
    }

    #[test]
    fn a_newer_attempt_stops_the_older_one() {
        let mut slots = Slots::default();
        slots.receive(&assignment("a", 1));
        let stop = Some(key("a", 1));
        assert_eq!(slots.receive(&assignment("a", 2)), Reception::Start { stop });
        slots.cancel(&key("a", 1));
        assert_eq!(slots.finish(&key("a", 1), outcome("a", 1)), Ending::Ended);
        assert_eq!(slots.receive(&assignment("a", 1)), Reception::Stale);
    }

    #[test]
    fn what_is_given_up_counts_only_if_it_succeeds_all_the_same() {
        let mut slots = Slots::default();
        for task in ["a", "b", "c", "d"] {
            slots.receive(&assignment(task, 1));
        }
        slots.finish(&key("d", 1), outcome("d", 1));
        slots.cancel(&key("c", 1));
        let mut stopped = slots.give_up();
        stopped.sort_by(|a, b| a.task_id.cmp(&b.task_id));
        assert_eq!(stopped, [key("a", 1), key("b", 1)]);
        assert_eq!(slots.give_up(), []);
        let failed = Outcome { outcome: None, ..outcome("a", 1) };
        assert_eq!(slots.finish(&key("a", 1), failed.clone()), Ending::GivenUp);
        assert_eq!(slots.finish(&key("b", 1), outcome("b", 1)), Ending::Report(outcome("b", 1)));
        assert_eq!(slots.finish(&key("c", 1), failed), Ending::Ended);
        assert_eq!(
            slots.held().len(),
            3,
            "what came to an end by itself is kept, and what is to be told"
        );
        assert_eq!(slots.receive(&assignment("a", 1)), Reception::Running, "nobody knows yet");
        let given_up = slots.given_up();
        assert_eq!(given_up, [AttemptRef::from(&key("a", 1))]);
        slots.forget_given_up(&given_up);
        assert_eq!((slots.given_up(), slots.held().len()), (vec![], 2));
    }

    #[test]
    fn what_does_not_listen_is_dropped_with_its_claim() {
        let mut slots = Slots::default();
        slots.receive(&assignment("a", 1));
        slots.receive(&assignment("b", 1));
        slots.cancel(&key("b", 1));
        slots.give_up();
        let mut dropped = slots.drop_running();
        dropped.sort_by(|a, b| a.0.task_id.cmp(&b.0.task_id));
        let expected = [(key("a", 1), Ending::GivenUp), (key("b", 1), Ending::Ended)];
        assert_eq!(dropped, expected);
        slots.forget_given_up(&slots.given_up());
        assert!(slots.is_empty());
    }

    #[test]
    fn a_cancelled_attempt_reports_only_its_end() {
        let mut slots = Slots::default();
        slots.receive(&assignment("a", 1));
        assert_eq!(slots.cancel(&key("a", 1)), Cancellation::Stop);
        assert_eq!(slots.finish(&key("a", 1), outcome("a", 1)), Ending::Ended);
        assert_eq!(slots.cancel(&key("a", 1)), Cancellation::Ended);
        assert!(slots.is_empty());
    }
}
