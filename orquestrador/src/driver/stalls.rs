//! Notices that this process itself stood still. What others said meanwhile waits unread, so their silence
//! proves nothing: a node that was stopped or overloaded accuses nobody when it wakes (G5).

use orquestrador_core::role::Millis;

use crate::dispatch::HEARTBEATS_PER_LEASE;

/// The times of the ticks, and until when nobody is accused.
pub struct Stalls {
    last: Millis,
    until: Millis,
}

impl Stalls {
    /// A process that is stopped before its first tick stood still, too.
    pub fn since(start: Millis) -> Self {
        Self { last: start, until: 0 }
    }

    /// To be asked at every tick: whether leases must not be looked at now. A stall in which nobody missed
    /// more than one heartbeat does no harm; after a longer one everybody gets a whole lease.
    pub fn tick(&mut self, now: Millis, lease: Millis) -> bool {
        let last = std::mem::replace(&mut self.last, now);
        if now.saturating_sub(last) > lease / HEARTBEATS_PER_LEASE {
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
        let mut stalls = Stalls::since(0);
        assert!((0..100).all(|nth| !stalls.tick(nth * 50, LEASE)));
    }

    #[test]
    fn after_a_stall_everybody_gets_a_whole_lease() {
        for ticked_before in [false, true] {
            let mut stalls = Stalls::since(1_000);
            assert!(!ticked_before || !stalls.tick(1_050, LEASE));
            let woke = 31_000;
            let accuses = |now: &Millis| !stalls.tick(*now, LEASE);
            assert_eq!((woke..).step_by(50).find(accuses), Some(woke + LEASE));
        }
    }
}
