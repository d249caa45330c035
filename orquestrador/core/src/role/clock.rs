//! How long something has been silent, without blaming others for our own sleep.

use super::Millis;

/// Counts the time in which this process took part in life: a stall (the process was stopped, or had no
/// processor) counts as at most one long tick.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct WakefulClock {
    last: Option<Millis>,
    awake: Millis,
    longest_tick: Millis,
}

impl WakefulClock {
    pub(super) fn new(longest_tick: Millis) -> Self {
        Self { last: None, awake: 0, longest_tick }
    }

    /// Takes note of the monotonic clock.
    pub(super) fn advance(&mut self, now: Millis) {
        let since = now.saturating_sub(self.last.unwrap_or(now));
        self.awake += since.min(self.longest_tick);
        self.last = Some(now);
    }

    pub(super) fn now(&self) -> Millis {
        self.awake
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stall_counts_as_one_tick() {
        let mut clock = WakefulClock::new(200);
        clock.advance(1_000);
        clock.advance(1_050);
        assert_eq!(clock.now(), 50);
        clock.advance(60_000);
        assert_eq!(clock.now(), 250);
    }
}
