//! What a seed decides before the world begins: its shape, its timing and its faults.

use orquestrador_core::Limits;

use crate::clock::{MILLI, Micros, SECOND};
use crate::orders::Features;
use crate::random::Random;

/// How the two nodes reach each other.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shape {
    /// One machine: no partition between the nodes, and a refused port proves a process dead (V11).
    Loopback,
    /// Two machines: without witnesses nobody takes over by himself, but nothing may be lost.
    TwoMachines,
}

/// How often each kind of fault is drawn, relative to the others.
#[derive(Clone, Debug, Default)]
pub struct Weights {
    pub crash: u64,
    pub crash_in_operation: u64,
    pub terminate: u64,
    pub pause: u64,
    pub cut: u64,
    pub break_connection: u64,
    pub slow_disk: u64,
    pub full_disk: u64,
    pub wipe: u64,
    pub flip: u64,
    pub worker_crash: u64,
    pub worker_pause: u64,
    pub set_clock: u64,
}

#[derive(Clone, Debug)]
pub struct Plan {
    pub shape: Shape,
    pub workers: usize,
    /// Workers bear witness.
    pub witnesses: bool,
    pub slots: u32,
    pub clients: usize,
    /// Faults stop then.
    pub safety: Micros,
    /// From then on to the end everything must come to rest.
    pub heal: Micros,
    pub fault_every: Micros,
    pub weights: Weights,
    /// One way.
    pub latency: Micros,
    pub sync: Micros,
    /// Mean duration of a task.
    pub work: Micros,
    /// Mean pause of a client between two calls.
    pub think: Micros,
    /// Peer messages lost, of a thousand.
    pub lost: u64,
    /// Peer messages that come twice, of a thousand.
    pub repeated: u64,
    /// Chunks of a snapshot that come damaged, of a thousand.
    pub damaged: u64,
    pub snapshot_entries: u64,
    /// Writing a snapshot.
    pub saving: Micros,
    pub recent_bytes: usize,
    pub limits: Limits,
    pub features: Features,
    /// Orders beside tasks, of a thousand calls.
    pub orders: u64,
    /// Workers are drained now and then, of a thousand heartbeats.
    pub drains: u64,
}

impl Plan {
    pub fn new(chance: &mut Random) -> Self {
        let shape = if chance.coin() { Shape::Loopback } else { Shape::TwoMachines };
        let calm = chance.one_in_thousand(50);
        let lease = if chance.coin() { 1_200 } else { 3_000 };
        let slow = chance.one_in_thousand(100);
        Self {
            shape,
            workers: chance.between(1, 6) as usize,
            witnesses: chance.one_in_thousand(800),
            slots: if chance.coin() { chance.between(1, 3) } else { chance.between(3, 8) } as u32,
            clients: chance.between(1, 5) as usize,
            safety: chance.between(2, 8) * SECOND,
            heal: 40 * SECOND,
            fault_every: if calm { 3_600 * SECOND } else { chance.between(50, 800) * MILLI },
            weights: weights(chance),
            latency: if slow { 20 * MILLI } else { chance.between(100, 2_000) },
            sync: chance.between(100, 4_000),
            work: chance.between(5, 600) * MILLI,
            think: chance.between(1, 100) * MILLI,
            lost: if chance.coin() { 0 } else { chance.between(1, 60) },
            repeated: if chance.coin() { 0 } else { chance.between(1, 60) },
            damaged: if chance.coin() { 0 } else { chance.between(10, 300) },
            snapshot_entries: match chance.one_in_thousand(250) {
                true => 1_000_000,
                false => chance.between(2, 40),
            },
            saving: if chance.coin() { 20 * MILLI } else { 300 * MILLI },
            recent_bytes: if chance.coin() { 1 << 20 } else { 2_000 },
            limits: limits(chance, lease),
            features: features(chance),
            orders: chance.between(50, 400),
            drains: if chance.one_in_thousand(400) { 20 } else { 0 },
        }
    }
}

/// Some are so narrow that they are reached.
fn limits(chance: &mut Random, lease: u64) -> Limits {
    let default = Limits::default();
    let has_small_store = chance.one_in_thousand(300);
    Limits {
        worker_lease_ms: lease,
        missed_after_ms: [700, 2_500, default.missed_after_ms][chance.index(3)],
        max_catch_up: if chance.coin() { 3 } else { default.max_catch_up },
        refire_ms: if chance.coin() { 200 } else { default.refire_ms },
        fire_batch: if chance.coin() { 1 } else { default.fire_batch },
        purge_batch: if chance.coin() { 3 } else { default.purge_batch },
        max_referred_bytes: if has_small_store { 1_000 } else { default.max_referred_bytes },
        // Given up before the world is expected to rest.
        webhook_attempts: 4,
        webhook_retry_ms: 300,
        max_references: if has_small_store { 24 } else { default.max_references },
        ..default
    }
}

fn features(chance: &mut Random) -> Features {
    Features {
        schedules: chance.one_in_thousand(500),
        quotas: chance.one_in_thousand(350),
        queues: chance.one_in_thousand(250),
        keys: chance.one_in_thousand(500),
    }
}

/// Most kinds are off in most runs, so that each meets the others in many mixtures.
fn weights(chance: &mut Random) -> Weights {
    let mut weight = |likely: u64| match chance.one_in_thousand(likely) {
        true => chance.between(1, 6),
        false => 0,
    };
    Weights {
        crash: weight(700),
        crash_in_operation: weight(500),
        terminate: weight(300),
        pause: weight(400),
        cut: weight(600),
        break_connection: weight(400),
        slow_disk: weight(300),
        full_disk: weight(200),
        wipe: weight(250),
        flip: weight(200),
        worker_crash: weight(400),
        worker_pause: weight(300),
        set_clock: weight(250),
    }
}
