//! Virtual time, and the clocks of the nodes, which do not agree on it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use orquestrador::driver::store::Clock;
use orquestrador_core::ids::Timestamp;
use orquestrador_core::role::Millis;

/// Microseconds since the world began.
pub type Micros = u64;

pub const MILLI: Micros = 1_000;
pub const SECOND: Micros = 1_000 * MILLI;

/// The time of the world, shared by all clocks.
#[derive(Clone, Default)]
pub struct Time(Arc<AtomicU64>);

impl Time {
    pub fn now(&self) -> Micros {
        self.0.load(Ordering::Relaxed)
    }

    pub fn set(&self, now: Micros) {
        self.0.store(now, Ordering::Relaxed);
    }
}

/// The clocks of one process.
#[derive(Clone)]
pub struct Drifting {
    pub time: Time,
    /// When the process began.
    pub began: Micros,
    /// What its wall clock said then.
    pub wall_ms: u64,
    /// What was added to it since, by whoever sets clocks, in milliseconds.
    pub set_by: Arc<AtomicI64>,
    /// Its seconds are so many thousandths of a true one.
    pub rate: u64,
}

impl Clock for Drifting {
    fn monotonic(&self) -> Millis {
        (self.time.now() - self.began) * self.rate / 1_000 / MILLI
    }

    fn wall(&self) -> Timestamp {
        let set_by = self.set_by.load(Ordering::Relaxed);
        Timestamp((self.wall_ms + self.monotonic()).saturating_add_signed(set_by))
    }
}
