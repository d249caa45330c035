//! One node: its disk, and the process that runs on it.

use std::collections::VecDeque;

use orquestrador_core::ids::{ClusterId, Epoch, Index, NodeId, ProcessId, ViewNumber};
use orquestrador_core::role::{
    Durable, EntryHash, EntryId, EntrySummary, Identity, Log, Millis, Role, Standing, Timing, View,
};

use super::Rules;

/// Long enough to take a silent node for dead.
pub const PATIENCE: Millis = 1_000;

const TIMING: Timing = Timing {
    courtesy_ms: 0,
    retry_ms: 100,
    loyal_retry_ms: 100,
    max_retry_ms: 600,
    silence_ms: PATIENCE - 1,
    stall_ms: PATIENCE,
    tenure_ms: 0,
    longest_tick_ms: PATIENCE,
    refresh_ms: 0,
    urgent_refresh_ms: 0,
    growth_slack: 64,
};

/// A disk, and perhaps a process.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Node {
    pub node: NodeId,
    pub starts: u64,
    pub durable: Durable,
    pub journal: Journal,
    pub process: Option<Process>,
}

/// Of the entries, only the first `synced` survive a crash.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Journal {
    pub entries: Vec<EntrySummary>,
    pub synced: usize,
}

/// What dies in a crash.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Process {
    pub role: Role,
    pub now: Millis,
    pub paused: bool,
    /// It was told to end: it gives the office away and takes none.
    pub ending: bool,
    /// The last index sent to the follower, while streaming.
    pub sent: Option<usize>,
    pub nonce: u64,
    pub asked: u64,
    pub word: u64,
    pub pending: VecDeque<Pending>,
    /// The workers that it knows to be alive.
    pub surveyed: Vec<ProcessId>,
}

/// An answer that waits for its release.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Pending {
    pub index: usize,
    pub nonce: Option<u64>,
    /// What it was computed from lacks something that was acknowledged before it was asked.
    pub is_stale: bool,
}

impl Node {
    pub fn new(node: NodeId) -> Self {
        Self {
            node,
            starts: 0,
            durable: Durable::default(),
            journal: Journal::default(),
            process: None,
        }
    }

    pub fn start(&mut self, rules: &Rules, preferred: bool) {
        self.starts += 1;
        let process = ProcessId(self.node.0 * 100 + u128::from(self.starts));
        let identity = Identity {
            node: self.node,
            process,
            preferred,
            fresh_cluster: ClusterId(process.0),
            loopback: rules.loopback,
        };
        let synced = Index(self.journal.synced as u64);
        let mut role = Role::new(identity, TIMING, self.durable.clone(), synced, Index(0));
        if let Some(mutation) = rules.mutation {
            role.mutate(mutation);
        }
        self.process = Some(Process {
            role,
            now: 0,
            paused: false,
            ending: false,
            sent: None,
            nonce: 0,
            asked: 0,
            word: 0,
            pending: VecDeque::new(),
            surveyed: Vec::new(),
        });
    }

    pub fn crash(&mut self) {
        self.process = None;
        self.journal.entries.truncate(self.journal.synced);
    }

    /// Runs, and takes steps.
    pub fn is_awake(&self) -> bool {
        self.process.as_ref().is_some_and(|process| !process.paused)
    }

    pub fn standing(&self) -> Option<Standing> {
        self.process.as_ref().map(|process| process.role.standing())
    }

    pub fn is_serving(&self) -> bool {
        self.standing() == Some(Standing::Principal)
    }

    /// V5, as an observer sees it: its disk has a record of its unbroken membership in this view.
    pub fn is_recorded_in(&self, view: &View) -> bool {
        let Some(mine) = view.replica(self.node) else { return false };
        view.is_single()
            || self.journal.entries[..self.journal.synced]
                .iter()
                .filter_map(|entry| entry.record.as_ref())
                .any(|record| (mine.since..=view.number).contains(&record.number))
    }

    pub fn newest(&self) -> Option<&View> {
        self.process.as_ref().and_then(|process| process.role.newest())
    }
}

impl Journal {
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Adds an entry chained to the last one.
    pub fn append(&mut self, epoch: Epoch, record: Option<View>, write: u64) {
        let last = self.last();
        let content = record.as_ref().map_or(write, |view| mix(view.number.0, 7777));
        let mut before = [0; 8];
        before.copy_from_slice(&last.hash.0[..8]);
        let chained = mix(mix(u64::from_be_bytes(before), epoch.0), content);
        let mut hash = [0; 32];
        hash[..8].copy_from_slice(&chained.to_be_bytes());
        let id = EntryId { index: last.index.next(), epoch, hash: EntryHash(hash) };
        self.entries.push(EntrySummary { id, record });
    }

    pub fn truncate(&mut self, keep: usize) {
        self.entries.truncate(keep);
        self.synced = self.synced.min(keep);
    }

    pub fn has_synced_record(&self, number: ViewNumber) -> bool {
        let is_it = |view: &View| view.number == number;
        self.entries[..self.synced].iter().any(|entry| entry.record.as_ref().is_some_and(is_it))
    }

    pub fn id(&self, index: usize) -> Option<EntryId> {
        self.id_at(Index(index as u64))
    }
}

impl Log for Journal {
    fn last(&self) -> EntryId {
        self.entries.last().map(|entry| entry.id).unwrap_or_default()
    }

    fn id_at(&self, index: Index) -> Option<EntryId> {
        let Some(nth) = index.0.checked_sub(1) else { return Some(EntryId::default()) };
        self.entries.get(usize::try_from(nth).ok()?).map(|entry| entry.id)
    }

    fn floor(&self) -> Index {
        Index(0)
    }

    fn record(&self, from: ViewNumber, to: ViewNumber) -> Option<Index> {
        let is_record = |entry: &&EntrySummary| {
            entry.record.as_ref().is_some_and(|v| (from..=to).contains(&v.number))
        };
        self.entries.iter().rev().find(is_record).map(|entry| entry.id.index)
    }
}

fn mix(a: u64, b: u64) -> u64 {
    let mut z = a.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ b.wrapping_add(0x2545_F491_4F6C_DD1D);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}
