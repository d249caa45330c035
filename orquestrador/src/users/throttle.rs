//! How often somebody may show a wrong token.
//!
//! Each failure moves a mark in time, and whoever's mark lies too far ahead has to wait: the generic cell rate
//! algorithm (ITU-T I.371), counting failures only.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Marks that are kept; beyond it those that lie behind are dropped, and all if that is not enough.
const MAX_MARKS: usize = 100_000;

/// So many failures at once, and then one more in each interval.
#[derive(Clone, Copy, Debug)]
struct Rate {
    burst: u32,
    interval: Duration,
}

/// Of one user from one address.
const PAIR: Rate = Rate { burst: 10, interval: Duration::from_secs(6) };
/// Of one address, whoever it says it is.
const ADDRESS: Rate = Rate { burst: 100, interval: Duration::from_secs(1) };
/// Of one user, wherever they are.
const USER: Rate = Rate { burst: 100, interval: Duration::from_secs(1) };

/// What failures are counted for; a hash, so that names of strangers take no room.
type Key = [u8; 32];

/// Failures of a node's callers.
#[derive(Debug, Default)]
pub struct Throttle {
    marks: Mutex<HashMap<Key, Instant>>,
}

impl Throttle {
    /// How long to wait before the next attempt counts; `None`: it may be made.
    pub fn wait(&self, user: &str, from: Option<IpAddr>, now: Instant) -> Option<Duration> {
        let marks = self.marks.lock().ok()?;
        let waits = keys(user, from).into_iter().filter_map(|(key, rate)| {
            let ahead = marks.get(&key)?.checked_duration_since(now)?;
            let most = rate.interval * (rate.burst - 1);
            ahead.checked_sub(most).filter(|wait| !wait.is_zero())
        });
        waits.max()
    }

    /// A wrong token was shown.
    pub fn note(&self, user: &str, from: Option<IpAddr>, now: Instant) {
        let Ok(mut marks) = self.marks.lock() else { return };
        if marks.len() >= MAX_MARKS {
            marks.retain(|_, mark| *mark > now);
            if marks.len() >= MAX_MARKS {
                marks.clear();
            }
        }
        for (key, rate) in keys(user, from) {
            let mark = marks.entry(key).or_insert(now);
            *mark = (*mark).max(now) + rate.interval;
        }
    }
}

fn keys(user: &str, from: Option<IpAddr>) -> [(Key, Rate); 3] {
    let from = from.map(network);
    let key = |kind: &str, user: &str, from: &Option<IpAddr>| {
        let mut hasher = blake3::Hasher::new_derive_key(kind);
        hasher.update(user.as_bytes());
        hasher.update(format!(" {from:?}").as_bytes());
        *hasher.finalize().as_bytes()
    };
    [
        (key("mutirao failures of a user from an address", user, &from), PAIR),
        (key("mutirao failures from an address", "", &from), ADDRESS),
        (key("mutirao failures of a user", user, &None), USER),
    ]
}

/// What one subscriber has: of IPv6 the first 64 bits.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::from([a, b, c, d, 0, 0, 0, 0])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Option<IpAddr> {
        text.parse().ok()
    }

    #[test]
    fn after_some_failures_one_has_to_wait_and_others_do_not() {
        let (throttle, start) = (Throttle::default(), Instant::now());
        let (here, there) = (address("10.0.0.1"), address("10.0.0.2"));
        for _ in 0..PAIR.burst {
            assert_eq!(throttle.wait("ana", here, start), None);
            throttle.note("ana", here, start);
        }
        assert_eq!(throttle.wait("ana", here, start), Some(PAIR.interval));
        assert_eq!(throttle.wait("ana", there, start), None);
        assert_eq!(throttle.wait("bia", here, start), None);
        assert_eq!(throttle.wait("ana", here, start + PAIR.interval), None);
        throttle.note("ana", here, start + PAIR.interval);
        assert_eq!(throttle.wait("ana", here, start + PAIR.interval), Some(PAIR.interval));
    }

    #[test]
    fn neither_other_names_nor_other_addresses_help_for_long() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        for n in 0..ADDRESS.burst {
            throttle.note(&format!("user {n}"), address("10.0.0.1"), now);
            throttle.note("ana", address(&format!("10.1.0.{n}")), now);
        }
        assert_eq!(throttle.wait("bia", address("10.0.0.1"), now), Some(ADDRESS.interval));
        assert_eq!(throttle.wait("ana", address("10.2.0.1"), now), Some(USER.interval));
        assert_eq!(throttle.wait("bia", address("10.2.0.1"), now), None);
    }

    #[test]
    fn the_addresses_of_one_network_of_ipv6_count_together() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        for n in 0..PAIR.burst {
            throttle.note("ana", address(&format!("2001:db8::{n:x}")), now);
        }
        assert!(throttle.wait("ana", address("2001:db8::ffff"), now).is_some());
        assert_eq!(throttle.wait("ana", address("2001:db8:0:1::"), now), None);
    }

    #[test]
    fn marks_are_bounded() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        for n in 0..MAX_MARKS {
            throttle.note(&n.to_string(), None, now);
        }
        assert!(throttle.marks.lock().is_ok_and(|marks| marks.len() <= MAX_MARKS + 3));
    }
}
