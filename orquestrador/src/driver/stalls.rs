//! Notices that this process itself stood still. What others said meanwhile waits unread, so their silence
//! proves nothing: a node that was stopped or overloaded accuses nobody when it wakes (G5). Nor does one whose clock was set
//! on, by which the last sign of life of everybody is long past.

use orquestrador_core::ids::Timestamp;
use orquestrador_core::role::Millis;

use crate::dispatch::HEARTBEATS_PER_LEASE;

/// The times of the ticks, and until when nobody is accused.
pub struct Stalls {
    last: Millis,
    /// The earliest that the wall clock showed since the last tick, and at it: a sign of life may have that time.
    earliest: Timestamp,
    until: Millis,
}

impl Stalls {
    /// A process that is stopped before its first tick stood still, too.
    pub fn since(start: Millis, wall: Timestamp) -> Self {
        Self { last: start, earliest: wall, until: 0 }
    }

    /// What the wall clock shows where something comes in.
    pub fn at(&mut self, wall: Timestamp) -> Timestamp {
        self.earliest = self.earliest.min(wall);
        wall
    }

    /// To be asked at every tick: whether leases must not be looked at now. A stall in which nobody missed
    /// more than one heartbeat does no harm; after a longer one everybody gets a whole lease.
    pub fn tick(&mut self, now: Millis, wall: Timestamp, lease: Millis) -> bool {
        let passed = now.saturating_sub(std::mem::replace(&mut self.last, now));
        // Leases end by the wall clock, as all that the machine decides by time.
        let shown = wall.0.saturating_sub(std::mem::replace(&mut self.earliest, wall).0);
        if passed.max(shown) > lease / HEARTBEATS_PER_LEASE {
            self.until = now + lease;
        }
        now < self.until
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEASE: Millis = 3_000;

    #[test]
    fn whoever_ticks_may_accuse() {
        let mut stalls = Stalls::since(0, Timestamp(0));
        assert!((0..100).all(|nth| !stalls.tick(nth * 50, Timestamp(nth * 50), LEASE)));
    }

    #[test]
    fn after_a_stall_everybody_gets_a_whole_lease() {
        for ticked_before in [false, true] {
            let mut stalls = Stalls::since(1_000, Timestamp(0));
            assert!(!ticked_before || !stalls.tick(1_050, Timestamp(50), LEASE));
            let woke = 31_000;
            let accuses = |now: &Millis| !stalls.tick(*now, Timestamp(*now - 1_000), LEASE);
            assert_eq!((woke..).step_by(50).find(accuses), Some(woke + LEASE));
        }
    }

    #[test]
    fn after_the_clock_was_set_on_everybody_gets_a_whole_lease() {
        let mut stalls = Stalls::since(0, Timestamp(5_000));
        assert!(!stalls.tick(50, Timestamp(5_050), LEASE));
        let accuses = |now: &Millis| !stalls.tick(*now, Timestamp(60_000 + now), LEASE);
        assert_eq!((100..).step_by(50).find(accuses), Some(100 + LEASE));
    }

    #[test]
    fn so_it_is_after_it_was_set_back_and_on_within_a_tick() {
        let mut stalls = Stalls::since(0, Timestamp(60_000));
        assert!(!stalls.tick(50, Timestamp(60_050), LEASE));
        stalls.at(Timestamp(1_000));
        assert!(stalls.tick(100, Timestamp(60_100), LEASE));
    }

    #[test]
    fn a_clock_that_was_set_back_delays_nothing() {
        let mut stalls = Stalls::since(0, Timestamp(60_000));
        assert!((1..100).all(|nth| !stalls.tick(nth * 50, Timestamp(nth * 50), LEASE)));
    }
}
