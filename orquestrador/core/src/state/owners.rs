//! Owners: each user's name is kept once, however many tasks carry it, and only as long as one does.

use std::collections::BTreeMap;

use super::slab::{Slab, Slot};
use super::tasks::Ends;
use crate::digest;
use crate::ids::UserName;

#[derive(Clone)]
pub struct Owner {
    pub name: UserName,
    pub name_hash: u64,
    /// All of its tasks, in the order of submission.
    pub tasks: Ends,
    /// Classes of its tasks.
    holders: u64,
}

/// Users that have tasks, whether or not the users still exist.
#[derive(Default)]
pub struct Owners {
    places: Slab<Owner>,
    by_name: BTreeMap<UserName, Slot<Owner>>,
}

impl Owners {
    /// One more class of tasks is this user's.
    pub fn hold(&mut self, name: &UserName) -> Slot<Owner> {
        let slot = self.find(name).unwrap_or_else(|| {
            let owner = Owner {
                name: name.clone(),
                name_hash: digest::text(&name.0),
                tasks: Ends::default(),
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
        }
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
