//! What came of a storm, for people and for programs.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};

use crate::net::Engine;

/// Wrong is: anything lost, unfinished, doubled or wrong, and every violation.
#[derive(Clone, Debug, Default)]
pub struct Verdict {
    pub engine: Engine,
    pub minutes: f64,
    pub seed: u64,
    pub elapsed: Duration,
    pub submitted: usize,
    pub acknowledged: usize,
    /// Acknowledged, and not known in the end.
    pub lost: usize,
    /// Acknowledged and known, and not finished in the end.
    pub unfinished: usize,
    /// Finished with more than one recorded outcome.
    pub duplicated: usize,
    /// Finished otherwise than its kind of work must.
    pub wrong: usize,
    /// Tasks delivered at most once that were started.
    pub started_once: usize,
    /// Attempts that were lost with their worker.
    pub requeued: u64,
    /// Two nodes that acknowledged in one epoch; answers of an epoch after those of a later one.
    pub two_principals: usize,
    pub epochs: usize,
    pub epochs_monotone: bool,
    /// Calls about tasks, and tasks; each is a history of its own.
    pub calls: usize,
    pub histories: usize,
    pub not_linearizable: usize,
    pub faults: BTreeMap<String, u32>,
    /// Planned switch-overs for which there was nobody to take over.
    pub refused_switchovers: u32,
    /// The longest wait of a client in a loop of submissions during each episode.
    pub outages: Vec<Duration>,
    /// What is wrong, in words.
    pub violations: Vec<String>,
    /// Histories and the output of all processes, if something is wrong.
    pub evidence: Option<PathBuf>,
}

impl Verdict {
    /// Nothing is wrong.
    pub fn is_clean(&self) -> bool {
        let counts = [
            self.lost,
            self.unfinished,
            self.duplicated,
            self.wrong,
            self.two_principals,
            self.not_linearizable,
        ];
        counts == [0; 6] && self.epochs_monotone && self.violations.is_empty()
    }

    /// The same faults once more, in the same order.
    pub fn command(&self) -> String {
        let engine = match self.engine {
            Engine::Pair => String::new(),
            Engine::Etcd => format!("--engine {} ", self.engine.word()),
        };
        format!("cargo xtask chaos {engine}--minutes {} --seed {}", self.minutes, self.seed)
    }

    /// The median and the greatest.
    pub fn outage(&self) -> (Duration, Duration) {
        let mut sorted = self.outages.clone();
        sorted.sort();
        let median = sorted.get(sorted.len() / 2).copied().unwrap_or_default();
        (median, sorted.last().copied().unwrap_or_default())
    }

    /// For programs.
    pub fn json(&self) -> Value {
        let (median, max) = self.outage();
        json!({
            "clean": self.is_clean(),
            "engine": self.engine.word(),
            "seed": self.seed,
            "minutes": self.minutes,
            "elapsed_s": self.elapsed.as_secs_f64(),
            "submitted": self.submitted,
            "acknowledged": self.acknowledged,
            "lost": self.lost,
            "unfinished": self.unfinished,
            "duplicated": self.duplicated,
            "wrong": self.wrong,
            "started_once": self.started_once,
            "requeued": self.requeued,
            "two_principals": self.two_principals,
            "epochs": self.epochs,
            "epochs_monotone": self.epochs_monotone,
            "calls": self.calls,
            "histories": self.histories,
            "linearizable": self.not_linearizable == 0,
            "not_linearizable": self.not_linearizable,
            "faults": self.faults,
            "refused_switchovers": self.refused_switchovers,
            "outage_median_ms": median.as_millis() as u64,
            "outage_max_ms": max.as_millis() as u64,
            "violations": self.violations,
            "evidence": self.evidence,
            "repeat": self.command(),
        })
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (median, max) = self.outage();
        let yes_or_no = |is: bool| if is { "yes" } else { "NO" }.to_owned();
        let mut rows = vec![
            ("submitted".to_owned(), self.submitted.to_string()),
            ("acknowledged".to_owned(), self.acknowledged.to_string()),
            ("lost".to_owned(), self.lost.to_string()),
            ("unfinished".to_owned(), self.unfinished.to_string()),
            ("duplicated outcomes".to_owned(), self.duplicated.to_string()),
            ("wrong results".to_owned(), self.wrong.to_string()),
            ("at-most-once tasks started".to_owned(), self.started_once.to_string()),
            ("attempts lost with a worker".to_owned(), self.requeued.to_string()),
            ("epochs".to_owned(), self.epochs.to_string()),
            ("epochs monotone".to_owned(), yes_or_no(self.epochs_monotone)),
            ("one principal in each epoch".to_owned(), yes_or_no(self.two_principals == 0)),
            ("calls checked".to_owned(), format!("{} on {} tasks", self.calls, self.histories)),
            ("linearizable".to_owned(), yes_or_no(self.not_linearizable == 0)),
            ("outage, median".to_owned(), format!("{} ms", median.as_millis())),
            ("outage, longest".to_owned(), format!("{} ms", max.as_millis())),
        ];
        rows.extend(self.faults.iter().map(|(name, count)| (name.clone(), count.to_string())));
        rows.push(("switch-overs refused".to_owned(), self.refused_switchovers.to_string()));
        let mut text = String::new();
        for (name, value) in rows {
            writeln!(text, "{name:<34} {value:>16}")?;
        }
        for violation in &self.violations {
            writeln!(text, "VIOLATION: {violation}")?;
        }
        if let Some(evidence) = &self.evidence {
            writeln!(text, "evidence: {}", evidence.display())?;
        }
        write!(f, "{text}{}\nrepeat with: {}", self.word(), self.command())
    }
}

impl Verdict {
    fn word(&self) -> &'static str {
        if self.is_clean() { "clean" } else { "NOT CLEAN" }
    }
}
