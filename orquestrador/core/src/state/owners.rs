//! Owners: each user's name is kept once, however many tasks carry it, and only as long as one does. What their tasks
//! come to is counted here, beside what they may.

use std::collections::{BTreeMap, BTreeSet};

use super::marks::Marks;
use super::slab::{Slab, Slot};
use super::tasks::Ends;
use crate::digest;
use crate::effect::TaskState;
use crate::ids::UserName;
use crate::quota::{Quota, Usage};

#[derive(Clone)]
pub struct Owner {
    pub name: UserName,
    pub name_hash: u64,
    /// All of its tasks, in the order of submission.
    pub tasks: Ends,
    /// In that order.
    pub marks: Marks,
    pub usage: Usage,
    /// The user's own, or the default one.
    pub quota: Quota,
    /// Classes of its tasks.
    holders: u64,
}

impl Owner {
    /// Whether one more of its tasks may run.
    pub fn is_open(&self) -> bool {
        self.usage.admits_another(self.quota)
    }
}

/// Users that have tasks, whether or not the users still exist; and quotas, whether or not their users have tasks.
#[derive(Default)]
pub struct Owners {
    places: Slab<Owner>,
    by_name: BTreeMap<UserName, Slot<Owner>>,
    quotas: BTreeMap<UserName, Quota>,
    default_quota: Quota,
    /// Those that may have another task running and could not, or the reverse, since somebody asked. No part of the
    /// replicated state.
    crossed: BTreeSet<Slot<Owner>>,
}

impl Owners {
    /// One more class of tasks is this user's.
    pub fn hold(&mut self, name: &UserName) -> Slot<Owner> {
        let slot = self.find(name).unwrap_or_else(|| {
            let owner = Owner {
                name: name.clone(),
                name_hash: digest::text(&name.0),
                tasks: Ends::default(),
                marks: Marks::default(),
                usage: Usage::default(),
                quota: self.quota_of(name),
                holders: 0,
            };
            let slot = self.places.insert(owner);
            self.by_name.insert(name.clone(), slot);
            slot
        });
        self.places[slot].holders += 1;
        slot
    }

    pub fn release(&mut self, slot: Slot<Owner>) {
        let owner = &mut self.places[slot];
        owner.holders -= 1;
        if owner.holders == 0 {
            self.by_name.remove(&owner.name);
            self.places.remove(slot);
            self.crossed.remove(&slot);
        }
    }

    /// One of its tasks was in the one state, if it was there, and is in the other one, if it still is.
    pub fn count(
        &mut self,
        slot: Slot<Owner>,
        before: Option<TaskState>,
        after: Option<TaskState>,
    ) {
        let is_active = |state: Option<TaskState>| state.is_some_and(|state| !state.is_finished());
        self.change(slot, |owner| {
            let Usage { active, running, .. } = &mut owner.usage;
            *active += u64::from(is_active(after));
            *active -= u64::from(is_active(before));
            *running += u32::from(after == Some(TaskState::Running));
            *running -= u32::from(before == Some(TaskState::Running));
        });
    }

    /// So many tasks without a record wait from now on, or no longer.
    pub fn count_waiting(&mut self, slot: Slot<Owner>, tasks: u32, is_counted: bool) {
        let active = &mut self.places[slot].usage.active;
        match is_counted {
            true => *active += u64::from(tasks),
            false => *active -= u64::from(tasks),
        }
    }

    /// A cancelled attempt holds its slot from now on, or no longer.
    pub fn count_held(&mut self, slot: Slot<Owner>, is_counted: bool) {
        self.change(slot, |owner| match is_counted {
            true => owner.usage.held += 1,
            false => owner.usage.held -= 1,
        });
    }

    /// The payload of an unfinished task is kept from now on, or no longer.
    pub fn count_bytes(&mut self, slot: Slot<Owner>, bytes: u64, is_counted: bool) {
        let all = &mut self.places[slot].usage.bytes;
        match is_counted {
            true => *all += bytes,
            false => *all -= bytes,
        }
    }

    fn change(&mut self, slot: Slot<Owner>, change: impl FnOnce(&mut Owner)) {
        let owner = &mut self.places[slot];
        let was_open = owner.is_open();
        change(owner);
        if owner.is_open() != was_open {
            self.crossed.insert(slot);
        }
    }

    /// Of a user, or of all that have none of their own. Gives the one before.
    pub fn set_quota(&mut self, user: Option<&UserName>, quota: Option<Quota>) -> Option<Quota> {
        let (before, changed) = match (user, quota) {
            (None, quota) => {
                let quota = quota.unwrap_or_default();
                let before = Some(std::mem::replace(&mut self.default_quota, quota));
                let others = self.by_name.iter().filter(|(name, _)| self.own_quota(name).is_none());
                (before, others.map(|(_, slot)| *slot).collect())
            }
            (Some(user), Some(quota)) => {
                (self.quotas.insert(user.clone(), quota), Vec::from_iter(self.find(user)))
            }
            (Some(user), None) => (self.quotas.remove(user), Vec::from_iter(self.find(user))),
        };
        for slot in changed {
            let quota = self.quota_of(&self.places[slot].name);
            self.change(slot, |owner| owner.quota = quota);
        }
        before
    }

    /// What the user may.
    pub fn quota_of(&self, user: &UserName) -> Quota {
        self.own_quota(user).unwrap_or(self.default_quota)
    }

    pub fn own_quota(&self, user: &UserName) -> Option<Quota> {
        self.quotas.get(user).copied()
    }

    /// So many users have one of their own.
    pub fn own_quotas(&self) -> usize {
        self.quotas.len()
    }

    pub fn default_quota(&self) -> Quota {
        self.default_quota
    }

    /// By user; the default one, if it limits anything, is nobody's.
    pub fn quotas(&self) -> impl Iterator<Item = (Option<&UserName>, Quota)> {
        let default = Some((None, self.default_quota));
        let default = default.filter(|(_, quota)| *quota != Quota::default());
        default.into_iter().chain(self.quotas.iter().map(|(user, quota)| (Some(user), *quota)))
    }

    pub fn usage_of(&self, user: &UserName) -> Usage {
        self.find(user).map(|slot| self.places[slot].usage).unwrap_or_default()
    }

    /// Those of which another task may run now, or no longer; each at least once since it changed.
    pub fn take_crossed(&mut self) -> BTreeSet<Slot<Owner>> {
        std::mem::take(&mut self.crossed)
    }

    pub fn get(&self, slot: Slot<Owner>) -> Option<&Owner> {
        self.places.get(slot)
    }

    pub fn find(&self, name: &UserName) -> Option<Slot<Owner>> {
        self.by_name.get(name).copied()
    }

    /// By name.
    pub fn iter(&self) -> impl Iterator<Item = (Slot<Owner>, &Owner)> {
        self.by_name.values().map(|slot| (*slot, &self.places[*slot]))
    }
}

impl std::ops::Index<Slot<Owner>> for Owners {
    type Output = Owner;

    fn index(&self, slot: Slot<Owner>) -> &Owner {
        &self.places[slot]
    }
}

impl std::ops::IndexMut<Slot<Owner>> for Owners {
    fn index_mut(&mut self, slot: Slot<Owner>) -> &mut Owner {
        &mut self.places[slot]
    }
}
