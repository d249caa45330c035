//! Keys of tasks: as long as one is held, a task with the same key of the same user is not accepted beside it.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use super::slab::{Shared, Slab, Slot};
use crate::digest;
use crate::ids::{KeyName, TaskId, Timestamp, UserName};

#[derive(Clone)]
pub struct Key {
    pub owner: UserName,
    pub name: KeyName,
    /// Which may be forgotten by now.
    pub task: TaskId,
    /// Of the task.
    pub fingerprint: u64,
    /// It is held until then, and as long as the task is not finished.
    pub until: Timestamp,
}

#[derive(Default)]
pub struct Keys {
    places: Slab<Key>,
    by_name: BTreeMap<(UserName, KeyName), Slot<Key>>,
    by_task: BTreeMap<TaskId, Slot<Key>>,
    /// So many of each owner who has any.
    counts: BTreeMap<UserName, usize>,
    /// Of tasks that are finished, or forgotten.
    due: BTreeSet<(Timestamp, TaskId)>,
}

impl Keys {
    /// In the place of one of the same name, if there is any. The one before, and what it adds to the digest, are gone.
    pub fn insert(&mut self, key: Key) {
        let name = (key.owner.clone(), key.name.clone());
        let (task, owner) = (key.task, key.owner.clone());
        let slot = self.places.insert(key);
        if self.by_name.insert(name, slot).is_none() {
            *self.counts.entry(owner).or_default() += 1;
        }
        self.by_task.insert(task, slot);
    }

    pub fn remove(&mut self, slot: Slot<Key>) -> Key {
        let key = self.places.remove(slot);
        if self.by_name.remove(&(key.owner.clone(), key.name.clone())).is_some()
            && let Entry::Occupied(mut count) = self.counts.entry(key.owner.clone())
        {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
        self.by_task.remove(&key.task);
        self.due.remove(&(key.until, key.task));
        key
    }

    /// Its task is finished, or forgotten.
    pub fn note_end(&mut self, slot: Slot<Key>) {
        let Key { until, task, .. } = self.places[slot];
        self.due.insert((until, task));
    }

    pub fn find(&self, owner: &UserName, name: &KeyName) -> Option<Slot<Key>> {
        self.by_name.get(&(owner.clone(), name.clone())).copied()
    }

    pub fn of_task(&self, task: TaskId) -> Option<Slot<Key>> {
        self.by_task.get(&task).copied()
    }

    pub fn len(&self) -> usize {
        self.places.len()
    }

    pub fn count_of(&self, owner: &UserName) -> usize {
        self.counts.get(owner).copied().unwrap_or_default()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Those that nothing holds but time, the first to be free first.
    pub fn due(&self) -> impl Iterator<Item = (Timestamp, Slot<Key>)> {
        self.due.iter().filter_map(|(until, task)| Some((*until, self.of_task(*task)?)))
    }

    /// As they are now, by name.
    pub fn share(&self) -> (Vec<Slot<Key>>, Shared<Key>) {
        (self.by_name.values().copied().collect(), self.places.share())
    }

    /// By name.
    pub fn iter(&self) -> impl Iterator<Item = (Slot<Key>, &Key)> {
        self.by_name.values().map(|slot| (*slot, &self.places[*slot]))
    }
}

impl Key {
    /// What it adds to the digest.
    pub fn hash(&self) -> u128 {
        digest::key(self)
    }
}

impl std::ops::Index<Slot<Key>> for Keys {
    type Output = Key;

    fn index(&self, slot: Slot<Key>) -> &Key {
        &self.places[slot]
    }
}
