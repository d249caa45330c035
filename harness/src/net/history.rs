//! What was answered, by whom and when; and what of it must not be.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::cut::Host;

/// Who asked whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// The client, on its own machine, whichever orchestrator answered.
    User,
    /// Somebody on an orchestrator's own machine, which no cut silences, asked that one alone.
    At(Host),
}

/// What was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The acknowledged task.
    Submit(String),
    Read,
}

/// An answer of a principal; refusals and silence are none.
#[derive(Clone, Debug)]
pub struct Answer {
    pub source: Source,
    pub kind: Kind,
    pub epoch: u64,
    /// It says that another disk has it, too.
    pub replicated: bool,
    pub began: Instant,
    pub ended: Instant,
}

/// All answers, in the order in which they came.
#[derive(Clone, Debug, Default)]
pub struct History {
    pub answers: Vec<Answer>,
}

impl History {
    /// Tasks that must never be lost.
    pub fn acknowledged(&self) -> Vec<String> {
        let task = |answer: &Answer| match &answer.kind {
            Kind::Submit(task) => Some(task.clone()),
            Kind::Read => None,
        };
        self.answers.iter().filter_map(task).collect()
    }

    /// What G3 forbids: two nodes that answer in one epoch, and an answer of an epoch that was asked for
    /// after a later epoch had answered.
    pub fn violations(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut hosts: BTreeMap<u64, BTreeSet<Host>> = BTreeMap::new();
        let mut first: BTreeMap<u64, Instant> = BTreeMap::new();
        for answer in &self.answers {
            if let Source::At(host) = answer.source {
                hosts.entry(answer.epoch).or_default().insert(host);
            }
            let earliest = first.entry(answer.epoch).or_insert(answer.ended);
            *earliest = answer.ended.min(*earliest);
        }
        for (epoch, hosts) in hosts.iter().filter(|(_, hosts)| hosts.len() > 1) {
            found.push(format!("several nodes answered in epoch {epoch}: {hosts:?}"));
        }
        for answer in &self.answers {
            let later = first.range(answer.epoch + 1..).find(|(_, ended)| **ended < answer.began);
            if let Some((epoch, _)) = later {
                found.push(format!("epoch {epoch} had answered before this was asked: {answer:?}"));
            }
        }
        found
    }

    /// The longest time without an answer for the client.
    pub fn outage(&self) -> Duration {
        self.waits().map(|(from, to)| to.duration_since(from)).max().unwrap_or_default()
    }

    /// The same of those that overlap with this time.
    pub fn outage_during(&self, from: Instant, to: Instant) -> Duration {
        self.waits()
            .filter(|(began, ended)| *began <= to && *ended >= from)
            .map(|(began, ended)| ended.duration_since(began))
            .max()
            .unwrap_or_default()
    }

    /// From one answer for the client to the next.
    fn waits(&self) -> impl Iterator<Item = (Instant, Instant)> {
        let ends: Vec<_> = self
            .answers
            .iter()
            .filter(|answer| answer.source == Source::User)
            .map(|answer| answer.ended)
            .collect();
        let next = ends.clone().into_iter().skip(1);
        ends.into_iter().zip(next)
    }

    /// The epochs that answered.
    pub fn epochs(&self) -> BTreeSet<u64> {
        self.answers.iter().map(|answer| answer.epoch).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Times in milliseconds after `zero`.
    fn answer(zero: Instant, source: Source, epoch: u64, began: u64, ended: u64) -> Answer {
        let at = |ms| zero + Duration::from_millis(ms);
        let kind = Kind::Submit(format!("{epoch}-{began}"));
        Answer { source, kind, epoch, replicated: true, began: at(began), ended: at(ended) }
    }

    fn history(answers: &[(Source, u64, u64, u64)]) -> History {
        let zero = Instant::now();
        let answers = answers.iter().map(|(s, e, b, n)| answer(zero, *s, *e, *b, *n)).collect();
        History { answers }
    }

    const A: Source = Source::At(Host::Principal);
    const B: Source = Source::At(Host::Backup);

    #[test]
    fn an_orderly_handover_is_no_violation() {
        let fine = history(&[(A, 1, 0, 5), (Source::User, 1, 2, 6), (B, 2, 10, 12), (A, 1, 8, 13)]);
        assert!(fine.violations().is_empty(), "{:?}", fine.violations());
    }

    #[test]
    fn two_nodes_in_one_epoch_are_a_violation() {
        assert_eq!(history(&[(A, 1, 0, 5), (B, 1, 6, 7)]).violations().len(), 1);
    }

    #[test]
    fn an_answer_of_a_deposed_principal_is_a_violation() {
        let stale = history(&[(B, 2, 0, 5), (A, 1, 6, 7)]);
        assert_eq!(stale.violations().len(), 1);
        assert_eq!(stale.epochs().len(), 2);
    }

    #[test]
    fn the_outage_is_the_longest_pause_of_the_client() {
        let user = Source::User;
        let paused =
            history(&[(user, 1, 0, 5), (A, 1, 50, 60), (user, 1, 6, 105), (user, 1, 106, 110)]);
        assert_eq!(paused.outage(), Duration::from_millis(100));
        let after = paused.answers[2].began + Duration::from_millis(100);
        assert_eq!(paused.outage_during(after, after), Duration::from_millis(5));
    }
}
