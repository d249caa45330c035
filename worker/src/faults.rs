//! Faults that an operator asks for, to see the system recover. All off by default.

use std::time::{Duration, Instant};

use rand::Rng as _;

/// What shall go wrong.
#[derive(Clone, Debug, PartialEq)]
pub struct Faults {
    /// How probable it is that an attempt fails, 0 to 1.
    pub fail_rate: f64,
    /// The process aborts when it starts one more attempt than this.
    pub crash_after: Option<u64>,
    /// After so many attempts the worker goes silent, with its connection open.
    pub hang_after: Option<u64>,
    /// How many times longer an attempt takes; 1 is as it is.
    pub slowdown: f64,
}

impl Default for Faults {
    fn default() -> Self {
        Self { fail_rate: 0.0, crash_after: None, hang_after: None, slowdown: 1.0 }
    }
}

impl Faults {
    /// This attempt shall fail.
    pub fn fails(&self) -> bool {
        self.fail_rate > 0.0 && rand::rng().random::<f64>() < self.fail_rate
    }

    /// What an attempt that began then has to wait in addition.
    pub fn delay(&self, began: Instant) -> Option<Duration> {
        (self.slowdown > 1.0).then(|| began.elapsed().mul_f64(self.slowdown - 1.0))
    }
}
