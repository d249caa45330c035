//! What tasks have in common: owner, handler and terms. Each such class is kept once, however many tasks it has, and
//! only as long as something belongs to it; those of its tasks that wait stand in its line.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::groups::Group;
use super::handlers::Handler;
use super::line::Line;
use super::owners::Owner;
use super::queues::Queue;
use super::slab::{Slab, Slot};
use crate::terms::Terms;

#[derive(Clone)]
pub struct Class {
    pub owner: Slot<Owner>,
    pub handler: Slot<Handler>,
    pub queue: Slot<Queue>,
    pub group: Option<Slot<Group>>,
    pub terms: Arc<Terms>,
    pub terms_hash: u64,
    pub line: Line,
    /// Tasks and arrays that belong to it.
    holders: u64,
}

type Names = (Slot<Owner>, Slot<Handler>);

#[derive(Default)]
pub struct Classes {
    places: Slab<Class>,
    by_terms: BTreeMap<Arc<Terms>, BTreeMap<Names, Slot<Class>>>,
    policies: usize,
}

impl Classes {
    pub fn find(
        &self,
        owner: Slot<Owner>,
        handler: Slot<Handler>,
        terms: &Terms,
    ) -> Option<Slot<Class>> {
        self.by_terms.get(terms)?.get(&(owner, handler)).copied()
    }

    /// There is no such class yet. Something must hold it.
    pub fn insert(
        &mut self,
        (owner, handler): Names,
        (queue, group): (Slot<Queue>, Option<Slot<Group>>),
        terms: &Terms,
    ) -> Slot<Class> {
        let terms = match self.by_terms.get_key_value(terms) {
            Some((shared, _)) => Arc::clone(shared),
            None => Arc::new(terms.clone()),
        };
        let terms_hash = terms.hash();
        self.policies += usize::from(terms.is_counted());
        let class = Class {
            owner,
            handler,
            queue,
            group,
            terms: Arc::clone(&terms),
            terms_hash,
            line: Line::default(),
            holders: 0,
        };
        let slot = self.places.insert(class);
        self.by_terms.entry(terms).or_default().insert((owner, handler), slot);
        slot
    }

    /// One more belongs to it.
    pub fn hold(&mut self, slot: Slot<Class>) -> Slot<Class> {
        self.places[slot].holders += 1;
        slot
    }

    /// The class itself, if this was the last one that belonged to it.
    pub fn release(&mut self, slot: Slot<Class>) -> Option<Class> {
        let class = &mut self.places[slot];
        class.holders -= 1;
        if class.holders > 0 {
            return None;
        }
        let class = self.places.remove(slot);
        self.policies -= usize::from(class.terms.is_counted());
        if let Some(of_terms) = self.by_terms.get_mut(&class.terms) {
            of_terms.remove(&(class.owner, class.handler));
            if of_terms.is_empty() {
                self.by_terms.remove(&class.terms);
            }
        }
        Some(class)
    }

    pub fn get(&self, slot: Slot<Class>) -> Option<&Class> {
        self.places.get(slot)
    }

    /// Those whose terms bind only tasks that are not finished.
    pub fn policies(&self) -> usize {
        self.policies
    }

    /// In no meaningful order.
    pub fn iter(&self) -> impl Iterator<Item = (Slot<Class>, &Class)> {
        self.places.iter()
    }

    /// What belongs to any of them; for the invariants.
    pub fn holders(&self) -> u64 {
        self.places.iter().map(|(_, class)| class.holders).sum()
    }
}

impl std::ops::Index<Slot<Class>> for Classes {
    type Output = Class;

    fn index(&self, slot: Slot<Class>) -> &Class {
        &self.places[slot]
    }
}

impl std::ops::IndexMut<Slot<Class>> for Classes {
    fn index_mut(&mut self, slot: Slot<Class>) -> &mut Class {
        &mut self.places[slot]
    }
}
