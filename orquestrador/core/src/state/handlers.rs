//! Handlers: each name is kept once, however many tasks and workers carry it, and only as long as something does.

use std::collections::BTreeMap;

use super::slab::{Slab, Slot};
use crate::digest;
use crate::effect::TaskState;
use crate::ids::HandlerName;

#[derive(Clone)]
pub struct Handler {
    pub name: HandlerName,
    pub name_hash: u64,
    /// Some worker offered it once; it is never forgotten again.
    pub learned: bool,
    /// Its tasks, in the order of [`TaskState::ALL`].
    pub counts: [u64; 6],
    /// Classes of tasks, and workers, that name it.
    holders: u64,
}

#[derive(Default)]
pub struct Handlers {
    places: Slab<Handler>,
    by_name: BTreeMap<HandlerName, Slot<Handler>>,
    learned: usize,
}

impl Handlers {
    /// One more class or worker names it.
    pub fn hold(&mut self, name: &HandlerName) -> Slot<Handler> {
        let slot = self.find_or_insert(name);
        self.places[slot].holders += 1;
        slot
    }

    pub fn release(&mut self, slot: Slot<Handler>) {
        let handler = &mut self.places[slot];
        handler.holders -= 1;
        if handler.holders == 0 && !handler.learned {
            self.by_name.remove(&handler.name);
            self.places.remove(slot);
        }
    }

    /// So many of its tasks are in that state from now on, or no longer.
    pub fn count(&mut self, slot: Slot<Handler>, state: TaskState, tasks: u32, is_counted: bool) {
        let count = &mut self.places[slot].counts[state as usize];
        *count = match is_counted {
            true => *count + u64::from(tasks),
            false => *count - u64::from(tasks),
        };
    }

    /// `false` when it was learned before.
    pub fn learn(&mut self, name: &HandlerName) -> bool {
        let slot = self.find_or_insert(name);
        let newly = !std::mem::replace(&mut self.places[slot].learned, true);
        self.learned += usize::from(newly);
        newly
    }

    fn find_or_insert(&mut self, name: &HandlerName) -> Slot<Handler> {
        if let Some(slot) = self.find(name) {
            return slot;
        }
        let slot = self.places.insert(Handler {
            name: name.clone(),
            name_hash: digest::text(&name.0),
            learned: false,
            counts: [0; 6],
            holders: 0,
        });
        self.by_name.insert(name.clone(), slot);
        slot
    }

    pub fn find(&self, name: &HandlerName) -> Option<Slot<Handler>> {
        self.by_name.get(name).copied()
    }

    pub fn has_learned(&self, name: &HandlerName) -> bool {
        self.find(name).is_some_and(|slot| self.places[slot].learned)
    }

    pub fn has_learned_any(&self) -> bool {
        self.learned > 0
    }

    /// By name.
    pub fn learned(&self) -> impl Iterator<Item = &HandlerName> {
        self.iter().filter(|(_, handler)| handler.learned).map(|(_, handler)| &handler.name)
    }

    /// By name.
    pub fn iter(&self) -> impl Iterator<Item = (Slot<Handler>, &Handler)> {
        self.by_name.values().map(|slot| (*slot, &self.places[*slot]))
    }
}

impl std::ops::Index<Slot<Handler>> for Handlers {
    type Output = Handler;

    fn index(&self, slot: Slot<Handler>) -> &Handler {
        &self.places[slot]
    }
}

impl std::ops::IndexMut<Slot<Handler>> for Handlers {
    fn index_mut(&mut self, slot: Slot<Handler>) -> &mut Handler {
        &mut self.places[slot]
    }
}
