//! What the core's steps cost, by the kind of what was asked. Times are of the wall clock; from those of a millisecond
//! or more is taken what the process waited for a processor meanwhile, which others had.
#![expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "the core reads no clock and no file; what measures it does"
)]

use std::time::Instant;

/// Of a step that is worth a closer look.
const LONG_NS: u64 = 1_000_000;

pub struct Stopwatch(Instant);

impl Stopwatch {
    pub fn start() -> Self {
        Self(Instant::now())
    }

    pub fn elapsed_ns(&self) -> u64 {
        u64::try_from(self.0.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

/// The most memory that this process has had, in KiB; 0 where nobody says.
pub fn peak_memory_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or_default()
}

/// How long this process ran, and how long it waited for a processor that others had.
pub fn processor_ns() -> (u64, u64) {
    let line = std::fs::read_to_string("/proc/self/schedstat").unwrap_or_default();
    let mut numbers = line.split_whitespace().map(|word| word.parse().unwrap_or_default());
    (numbers.next().unwrap_or_default(), numbers.next().unwrap_or_default())
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Submit,
    Outcomes,
    Heartbeat,
    ExpireTimers,
    Cancel,
    Ended,
    Connect,
    Disconnect,
    Query,
    Overview,
    TakeOffice,
    Snapshot,
}

impl Kind {
    pub const ALL: [(Self, &str); 12] = [
        (Self::Submit, "Submit"),
        (Self::Outcomes, "ReportOutcomes"),
        (Self::Heartbeat, "WorkerHeartbeat"),
        (Self::ExpireTimers, "ExpireTimers"),
        (Self::Cancel, "Cancel"),
        (Self::Ended, "ReportEnded"),
        (Self::Connect, "ConnectWorker"),
        (Self::Disconnect, "DisconnectWorker"),
        (Self::Query, "Query"),
        (Self::Overview, "Overview"),
        (Self::TakeOffice, "take_office"),
        (Self::Snapshot, "history (begun)"),
    ];
}

/// Of all steps of one kind.
#[derive(Clone, Copy, Default)]
pub struct Cost {
    pub steps: u64,
    pub total_ns: u64,
    /// Of one step; heartbeats are timed together, so theirs is the mean of the slowest slice.
    pub longest_ns: u64,
    pub over_1_ms: u64,
    pub over_10_ms: u64,
}

#[derive(Default)]
pub struct Costs {
    by_kind: [Cost; Kind::ALL.len()],
    /// For a processor, when that was last asked.
    waited_ns: u64,
    /// What steps took since then.
    since_ns: u64,
}

impl Costs {
    pub fn add(&mut self, kind: Kind, ns: u64) {
        self.add_many(kind, 1, ns);
    }

    /// So many steps took so long together.
    pub fn add_many(&mut self, kind: Kind, steps: u64, ns: u64) {
        self.since_ns += ns;
        // Asked seldom, because it takes some microseconds; often enough to blame the right step.
        let lost = if self.since_ns < LONG_NS { 0 } else { self.waited_since() };
        let ns = if ns < LONG_NS { ns } else { ns - lost.min(ns) };
        let cost = &mut self.by_kind[kind as usize];
        let each = ns / steps.max(1);
        cost.steps += steps;
        cost.total_ns += ns;
        cost.longest_ns = cost.longest_ns.max(each);
        cost.over_1_ms += u64::from(each >= LONG_NS);
        cost.over_10_ms += u64::from(each >= 10 * LONG_NS);
    }

    fn waited_since(&mut self) -> u64 {
        let waited = processor_ns().1;
        self.since_ns = 0;
        waited - std::mem::replace(&mut self.waited_ns, waited).min(waited)
    }

    pub fn of(&self, kind: Kind) -> Cost {
        self.by_kind[kind as usize]
    }

    pub fn total_ns(&self) -> u64 {
        self.by_kind.iter().map(|cost| cost.total_ns).sum()
    }
}
