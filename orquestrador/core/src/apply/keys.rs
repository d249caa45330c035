//! What events do to the keys of tasks.

use super::Applied;
use crate::ids::{KeyName, TaskId, Timestamp, UserName};
use crate::state::State;
use crate::state::keys::Key;
use crate::state::slab::Slot;

impl State {
    /// In the place of one of the same name.
    pub(super) fn task_keyed(&mut self, key: Key) -> Applied {
        if let Some(before) = self.keys.find(&key.owner, &key.name) {
            self.release_key(before);
        }
        if self.keys.of_task(key.task).is_some() {
            return Err("the task has another key");
        }
        self.digest = self.digest.wrapping_add(key.hash());
        let task = key.task;
        self.keys.insert(key);
        let is_active =
            self.tasks.find(task).is_some_and(|slot| self.tasks[slot].finished().is_none());
        if let Some(slot) = self.keys.of_task(task).filter(|_| !is_active) {
            self.keys.note_end(slot);
        }
        Ok(())
    }

    pub(super) fn keys_released(&mut self, keys: &[(UserName, KeyName)]) -> Applied {
        for (owner, name) in keys {
            let slot = self.keys.find(owner, name).ok_or("there is no such key")?;
            self.release_key(slot);
        }
        Ok(())
    }

    /// The task has ended: from now on only time holds its key.
    pub(super) fn note_key_end(&mut self, task: TaskId, at: Timestamp) {
        if self.keys.is_empty() {
            return;
        }
        let Some(slot) = self.keys.of_task(task) else { return };
        match self.keys[slot].until <= at {
            true => self.release_key(slot),
            false => self.keys.note_end(slot),
        }
    }

    fn release_key(&mut self, slot: Slot<Key>) {
        let key = self.keys.remove(slot);
        self.digest = self.digest.wrapping_sub(key.hash());
    }
}
