//! What is counted while a node runs. The rest of what it shows is asked of the driver when somebody looks.

mod latencies;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use common::error_code::ErrorCode;
use orquestrador_core::effect::{TaskState, Timeline};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use latencies::Latencies;

/// Seconds: from a tenth of a millisecond to some seconds.
const BUCKETS: [f64; 15] = [
    0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5,
    10.0,
];

/// Handlers, and pairs of a queue and a handler, that are told apart: who submits tasks chooses the names.
pub const MAX_NAMES: usize = 200;
/// What stands for the others.
pub const OTHERS: &str = "others";

/// Cheap to clone: all clones count together.
#[derive(Clone, Debug)]
pub struct Meters {
    flushes: Histogram,
    commits: Histogram,
    /// The same, which a histogram tells only as text; the last one is of what took longer than all of [`BUCKETS`].
    commit_counts: Arc<[AtomicU64; BUCKETS.len() + 1]>,
    fenced: Counter,
    long_turns: Counter,
    shed: Counter,
    refused_logins: Family<[(&'static str, &'static str); 1], Counter>,
    refused_callers: Family<[(&'static str, &'static str); 1], Counter>,
    ends: Family<[(&'static str, &'static str); 1], Counter>,
    latencies: Latencies,
}

/// As labels name it.
pub fn state_word(state: TaskState) -> &'static str {
    match state {
        TaskState::Queued => "queued",
        TaskState::Running => "running",
        TaskState::Succeeded => "succeeded",
        TaskState::Failed => "failed",
        TaskState::Cancelled => "cancelled",
        TaskState::Lost => "lost",
    }
}

/// Why a connection, or a certificate, is not enough.
const CALLERS: [(ErrorCode, &str); 4] = [
    (ErrorCode::TlsRequired, "no_tls"),
    (ErrorCode::CertificateRefused, "certificate_refused"),
    (ErrorCode::CertificateRequired, "no_certificate"),
    (ErrorCode::WrongRole, "wrong_role"),
];

/// Why somebody may not enter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    Wrong,
    Expired,
    Throttled,
}

impl Refusal {
    fn label(self) -> [(&'static str, &'static str); 1] {
        let word = match self {
            Self::Wrong => "wrong",
            Self::Expired => "expired",
            Self::Throttled => "throttled",
        };
        [("reason", word)]
    }
}

impl Default for Meters {
    fn default() -> Self {
        let histogram = || Histogram::new(BUCKETS);
        Self {
            flushes: histogram(),
            commits: histogram(),
            commit_counts: Arc::default(),
            fenced: Counter::default(),
            long_turns: Counter::default(),
            shed: Counter::default(),
            refused_logins: Family::default(),
            refused_callers: Family::default(),
            ends: Family::default(),
            latencies: Latencies::default(),
        }
    }
}

impl Meters {
    /// Names, what they mean, and units.
    pub fn register(&self, registry: &mut Registry) {
        registry.register_with_unit(
            "journal_append",
            "How long it took to write entries to the journal and to flush them",
            Unit::Seconds,
            self.flushes.clone(),
        );
        registry.register_with_unit(
            "commit",
            "How long what a turn decided waited for its commit, at the principal",
            Unit::Seconds,
            self.commits.clone(),
        );
        registry.register(
            "outcomes_fenced",
            "Outcomes of attempts that counted no more",
            self.fenced.clone(),
        );
        registry.register(
            "driver_long_turns",
            "Turns of the driver of more than 50 ms, in which everybody waited",
            self.long_turns.clone(),
        );
        registry.register(
            "requests_shed",
            "Requests for new work that were refused at once because too many waited",
            self.shed.clone(),
        );
        for why in [Refusal::Wrong, Refusal::Expired, Refusal::Throttled] {
            // Each is there from the beginning, at 0.
            drop(self.refused_logins.get_or_create(&why.label()));
        }
        registry.register(
            "logins_refused",
            "Requests whose token was wrong, or expired, or not looked at after many wrong ones",
            self.refused_logins.clone(),
        );
        for (_, label) in CALLERS {
            drop(self.refused_callers.get_or_create(&[("reason", label)]));
        }
        registry.register(
            "callers_refused",
            "Requests over connections, or with certificates, that are not for what was asked",
            self.refused_callers.clone(),
        );
        for state in TaskState::ALL.into_iter().filter(|state| state.is_finished()) {
            drop(self.ends.get_or_create(&[("state", state_word(state))]));
        }
        registry.register(
            "tasks_ended",
            "Tasks that ended while this node was principal, by the state that they ended in",
            self.ends.clone(),
        );
        self.latencies.register(registry);
    }

    pub fn appended(&self, took: Duration) {
        self.flushes.observe(took.as_secs_f64());
    }

    pub fn committed_after(&self, ms: u64) {
        let seconds = ms as f64 / 1e3;
        self.commits.observe(seconds);
        let bucket = BUCKETS.iter().position(|bound| seconds <= *bound).unwrap_or(BUCKETS.len());
        self.commit_counts[bucket].fetch_add(1, Ordering::Relaxed);
    }

    /// How many commits took up to so many seconds, and longer than the bucket before.
    pub fn commits(&self) -> impl Iterator<Item = (f64, u64)> {
        let bounds = BUCKETS.into_iter().chain([f64::INFINITY]);
        bounds.zip(self.commit_counts.iter().map(|count| count.load(Ordering::Relaxed)))
    }

    /// A task of this principal's has ended.
    pub fn finished(&self, state: TaskState, timeline: &Timeline) {
        self.ends.get_or_create(&[("state", state_word(state))]).inc();
        self.latencies.observe(timeline);
    }

    pub fn fenced(&self) {
        self.fenced.inc();
    }

    pub fn long_turn(&self) {
        self.long_turns.inc();
    }

    pub fn refused_login(&self, why: Refusal) {
        self.refused_logins.get_or_create(&why.label()).inc();
    }

    pub fn refused_caller(&self, why: ErrorCode) {
        if let Some((_, label)) = CALLERS.iter().find(|(code, _)| *code == why) {
            self.refused_callers.get_or_create(&[("reason", *label)]).inc();
        }
    }

    pub fn shed(&self) {
        self.shed.inc();
    }
}
