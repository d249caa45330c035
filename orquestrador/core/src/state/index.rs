//! From a task's id to its place. Lookup only: nobody walks it, so its order influences nothing.

use hashbrown::HashTable;

use super::slab::{Slab, Slot};
use super::tasks::Task;
use crate::ids::TaskId;

/// A table grows at once; this many small ones grow at different moments.
const SHARDS: usize = 256;

pub struct IdIndex {
    shards: Vec<HashTable<Slot<Task>>>,
}

impl Default for IdIndex {
    fn default() -> Self {
        Self { shards: (0..SHARDS).map(|_| HashTable::new()).collect() }
    }
}

impl IdIndex {
    pub fn find(&self, places: &Slab<Task>, id: TaskId) -> Option<Slot<Task>> {
        let hash = hash(id);
        self.shards[shard(hash)].find(hash, |slot| places[*slot].id() == id).copied()
    }

    /// The task is in `places` and its id is new here.
    pub fn insert(&mut self, places: &Slab<Task>, slot: Slot<Task>) {
        let hash = hash(places[slot].id());
        self.shards[shard(hash)].insert_unique(hash, slot, |slot| self::hash(places[*slot].id()));
    }

    pub fn remove(&mut self, places: &Slab<Task>, slot: Slot<Task>) {
        let hash = hash(places[slot].id());
        if let Ok(entry) = self.shards[shard(hash)].find_entry(hash, |other| *other == slot) {
            entry.remove();
        }
    }
}

/// The tables use the lowest and the highest bits.
fn shard(hash: u64) -> usize {
    (hash >> 40) as usize % SHARDS
}

fn hash(id: TaskId) -> u64 {
    let (high, low) = ((id.0 >> 64) as u64, id.0 as u64);
    let product =
        u128::from(high ^ 0x9e37_79b9_7f4a_7c15) * u128::from(low ^ 0xd1b5_4a32_d192_ed03);
    (product >> 64) as u64 ^ product as u64
}
