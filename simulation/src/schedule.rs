//! What happens when.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use crate::clock::Micros;

/// Events in the order of their time; those of one moment in the order in which they were put in.
pub struct Schedule<E> {
    order: BinaryHeap<Reverse<(Micros, u64)>>,
    events: BTreeMap<u64, E>,
    next: u64,
}

impl<E> Default for Schedule<E> {
    fn default() -> Self {
        Self { order: BinaryHeap::new(), events: BTreeMap::new(), next: 0 }
    }
}

impl<E> Schedule<E> {
    pub fn put(&mut self, at: Micros, event: E) {
        self.order.push(Reverse((at, self.next)));
        self.events.insert(self.next, event);
        self.next += 1;
    }

    pub fn pop(&mut self) -> Option<(Micros, E)> {
        let Reverse((at, key)) = self.order.pop()?;
        Some((at, self.events.remove(&key)?))
    }
}
