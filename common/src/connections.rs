//! How many connections a port takes, so that whoever opens many leaves room for others.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Files that a process needs for everything else.
const RESERVED: u64 = 512;
/// Not fewer, however little the system allows.
const FEWEST: usize = 64;
/// Not more without being told.
const MOST: usize = 50_000;
/// Of one address that is not the machine itself, this part of all.
const PART_OF_ONE: usize = 4;

/// The connections of one port. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Connections(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    most: usize,
    taken: Mutex<Taken>,
    refused: AtomicU64,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    /// Of addresses that are not the machine itself.
    of: HashMap<IpAddr, usize>,
}

impl Connections {
    /// At most so many; of one address a quarter of them, unless it is a loopback one.
    pub fn at_most(most: usize) -> Self {
        Self(Arc::new(Shared { most, taken: Mutex::default(), refused: AtomicU64::new(0) }))
    }

    /// As many as this process may open files, but for those that it needs otherwise. Raises the soft limit to the hard one.
    ///
    /// # Errors
    /// The system refuses to raise the limit.
    pub fn as_files_allow() -> std::io::Result<Self> {
        let limit = getrlimit(Resource::Nofile);
        if limit.current != limit.maximum {
            setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit })?;
        }
        let files = limit.maximum.unwrap_or(u64::MAX).saturating_sub(RESERVED);
        let most = usize::try_from(files).unwrap_or(usize::MAX);
        Ok(Self::at_most(most.clamp(FEWEST, MOST)))
    }

    /// So many are open.
    pub fn open(&self) -> u64 {
        self.taken(|taken| taken.all as u64)
    }

    /// So many were closed at once, because there was no room.
    pub fn refused(&self) -> u64 {
        self.0.refused.load(Ordering::Relaxed)
    }

    /// Takes room for one more, until what is given is dropped. `None`: there is none, for this address.
    pub fn take(&self, from: Option<IpAddr>) -> Option<Seat> {
        let from = from.map(|address| address.to_canonical()).filter(|a| !a.is_loopback());
        let most = self.0.most;
        let is_taken = self.taken(|taken| {
            let of_one = from.and_then(|address| taken.of.get(&address)).copied().unwrap_or(0);
            if taken.all >= most || of_one >= (most / PART_OF_ONE).max(1) {
                return false;
            }
            taken.all += 1;
            if let Some(address) = from {
                *taken.of.entry(address).or_default() += 1;
            }
            true
        });
        if !is_taken {
            self.0.refused.fetch_add(1, Ordering::Relaxed);
        }
        is_taken.then(|| Seat { connections: self.clone(), from })
    }

    fn leave(&self, from: Option<IpAddr>) {
        self.taken(|taken| {
            taken.all -= 1;
            let Some(address) = from else { return };
            if let Some(count) = taken.of.get_mut(&address) {
                *count -= 1;
                if *count == 0 {
                    taken.of.remove(&address);
                }
            }
        });
    }

    fn taken<T>(&self, look: impl FnOnce(&mut Taken) -> T) -> T {
        look(&mut self.0.taken.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The room of one connection.
#[derive(Debug)]
pub struct Seat {
    connections: Connections,
    from: Option<IpAddr>,
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.connections.leave(self.from);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Option<IpAddr> {
        text.parse().ok()
    }

    #[test]
    fn one_address_leaves_room_for_others_and_the_machine_itself_may_have_all() {
        let connections = Connections::at_most(8);
        let mut seats: Vec<_> =
            (0..9).filter_map(|_| connections.take(address("10.0.0.1"))).collect();
        assert_eq!((seats.len(), connections.open(), connections.refused()), (2, 2, 7));
        assert!(connections.take(address("::ffff:10.0.0.1")).is_none(), "the same one");
        let other = connections.take(address("10.0.0.2")).expect("there is room");
        seats.extend((0..9).filter_map(|_| connections.take(address("127.0.0.1"))));
        assert_eq!(connections.open(), 8);
        assert!(connections.take(address("10.0.0.3")).is_none(), "nothing is left");
        drop(seats);
        assert_eq!(connections.open(), 1);
        drop(other);
        assert!(connections.taken(|taken| taken.of.is_empty()));
    }
}
