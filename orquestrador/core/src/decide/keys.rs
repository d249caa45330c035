//! Which tasks are not accepted because another one has their key.

use crate::command::{NewTask, UniqueKey};
use crate::digest;
use crate::event::Event;
use crate::ids::{TaskId, Timestamp, UserName};
use crate::machine::{Machine, Step};
use crate::mutation::Mutation;
use crate::rejection::Rejection;
use crate::state::slab::Slot;
use crate::state::tasks::Task;

impl Machine {
    /// The task that has the key already, in whose favour this one is not accepted.
    pub(super) fn holder_of_key(
        &self,
        now: Timestamp,
        owner: &UserName,
        task: &NewTask,
    ) -> Result<Option<Slot<Task>>, Rejection> {
        let Some(UniqueKey { name, window_ms }) = task.key.as_deref() else { return Ok(None) };
        if self.state.tasks.find(task.id).is_some() || self.lacks(Mutation::KeysNotHeeded) {
            // A repeated submission is known by its id.
            return Ok(None);
        }
        let spent = |task: TaskId| Rejection::KeySpent { key: name.clone(), task };
        let keys = &self.state.keys;
        if keys.of_task(task.id).is_some() {
            return Err(spent(task.id));
        }
        let Some(key) = keys.find(owner, name).map(|slot| &keys[slot]) else {
            return self.check_room_for_key(owner);
        };
        let holder = self.state.tasks.find(key.task);
        let is_active = holder.is_some_and(|slot| self.state.tasks[slot].finished().is_none());
        if !is_active && key.until <= now {
            return Ok(None);
        }
        // Whoever has set a window, or both, means one work.
        let is_one_work = *window_ms > 0 || key.until > now;
        if is_one_work && key.fingerprint != fingerprint(owner, task) {
            return Err(Rejection::KeyConflict { key: name.clone(), task: key.task });
        }
        holder.map(Some).ok_or_else(|| spent(key.task))
    }

    /// No user takes all the room.
    fn check_room_for_key(&self, owner: &UserName) -> Result<Option<Slot<Task>>, Rejection> {
        let keys = &self.state.keys;
        for (held, limit, unit) in [
            (keys.count_of(owner), self.limits.max_user_keys, "keys of one user"),
            (keys.len(), self.limits.max_keys, "keys"),
        ] {
            if held >= limit {
                return Err(Rejection::BacklogFull { limit: limit as u64, unit });
            }
        }
        Ok(None)
    }

    /// It was accepted.
    pub(super) fn hold_key(
        &mut self,
        now: Timestamp,
        (owner, task): (UserName, TaskId),
        key: UniqueKey,
        step: &mut Step,
    ) {
        let Some(slot) = self.state.tasks.find(task) else { return };
        let fingerprint = self.state.tasks[slot].fingerprint;
        let UniqueKey { name: key, window_ms } = key;
        let until = now.plus_ms(window_ms);
        self.record(Event::TaskKeyed { task, owner, key, fingerprint, until }, step);
    }

    /// Keys that nothing holds any more; one batch at most, so that no step takes long.
    pub(super) fn release_keys(&mut self, now: Timestamp, step: &mut Step) {
        let keys = &self.state.keys;
        let due = keys.due().take_while(|(until, _)| *until <= now);
        let due = due.map(|(_, slot)| (keys[slot].owner.clone(), keys[slot].name.clone()));
        let keys: Vec<_> = due.take(self.limits.wake_batch.max(1)).collect();
        if !keys.is_empty() {
            self.record(Event::KeysReleased { keys }, step);
        }
    }
}

fn fingerprint(owner: &UserName, task: &NewTask) -> u64 {
    let (owner, handler) = (digest::text(&owner.0), digest::text(&task.handler.0));
    digest::fingerprint(owner, handler, &task.payload, task.terms.hash())
}
