//! Who could run what: the workers that offer a handler and have what tasks of some need, and those of them that are
//! free.

use std::collections::{BTreeMap, BTreeSet};

use crate::needs::Needs;
use crate::policy::{Candidate, Policy, Rank};
use crate::state::handlers::Handler;
use crate::state::slab::{Beside, Slot};
use crate::state::workers::Worker;

/// Desks for special needs that are kept although nothing waits there.
const MAX_IDLE: usize = 1_000;

/// Names a desk. Which number it has depends on the path that led there, so no decision may depend on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DeskId(usize);

/// The workers for tasks of one handler and of the same needs.
#[derive(Default)]
pub struct Desk {
    pub needs: Needs,
    /// Connected, not draining, and large enough.
    pub offering: BTreeSet<Slot<Worker>>,
    pub free: BTreeMap<Rank, Slot<Worker>>,
    ranks: BTreeMap<Slot<Worker>, Rank>,
}

/// How a worker stands.
#[derive(Clone, Copy, Debug)]
pub struct Condition {
    pub offers: bool,
    pub turn: u64,
    /// Slots taken by what is no longer the worker's to run.
    pub strays: u32,
    /// Tasks that it takes beyond its slots.
    pub prefetch: u32,
}

impl Desk {
    /// Of the worker whose turn it is.
    pub fn first(&self) -> Option<Rank> {
        self.free.first_key_value().map(|(rank, _)| *rank)
    }

    /// Where the worker belongs.
    pub fn place(
        &self,
        policy: Policy,
        worker: &Worker,
        condition: Condition,
    ) -> (bool, Option<Rank>) {
        let offers = condition.offers && worker.could_run(&self.needs);
        let taken = worker.used.slots.saturating_add(condition.strays);
        let can_start = worker.has_room(&self.needs, condition.strays);
        let waits =
            self.needs.is_one_slot() && taken < worker.slots.saturating_add(condition.prefetch);
        let (slots, turn) = (worker.slots, condition.turn);
        let candidate = Candidate { turn, is_ahead: !can_start, taken, slots };
        (offers, (offers && (can_start || waits)).then(|| policy.rank(candidate)))
    }

    /// Whether tasks that wait here may have become ready, or no longer.
    fn list(&mut self, worker: Slot<Worker>, (offers, rank): (bool, Option<Rank>)) -> bool {
        let before = match rank {
            Some(rank) => self.ranks.insert(worker, rank),
            None => self.ranks.remove(&worker),
        };
        let offered = match offers {
            true => !self.offering.insert(worker),
            false => self.offering.remove(&worker),
        };
        if before != rank {
            if let Some(before) = before {
                self.free.remove(&before);
            }
            if let Some(rank) = rank {
                self.free.insert(rank, worker);
            }
        }
        // A free worker that stays free changes nobody's turn but its own.
        let is_ahead = |rank: Rank| rank.is_ahead;
        before.map(is_ahead) != rank.map(is_ahead) || offered != offers
    }
}

#[derive(Default)]
pub struct Desks {
    desks: Vec<Desk>,
    vacant: Vec<DeskId>,
    plain: Beside<Handler, Option<DeskId>>,
    special: BTreeMap<(Slot<Handler>, Needs), DeskId>,
    of_handler: Beside<Handler, Vec<DeskId>>,
}

impl Desks {
    pub fn get(&self, id: DeskId) -> &Desk {
        &self.desks[id.0]
    }

    pub fn of_handler(&self, handler: Slot<Handler>) -> &[DeskId] {
        self.of_handler.get(handler).map(Vec::as_slice).unwrap_or_default()
    }

    /// The desk for these tasks, if anybody has asked for it before.
    pub fn find(&self, handler: Slot<Handler>, needs: Option<&Needs>) -> Option<DeskId> {
        match needs {
            None => self.plain.get(handler).copied().flatten(),
            Some(needs) => self.special.get(&(handler, needs.clone())).copied(),
        }
    }

    /// A new desk: the workers that offer the handler must be listed there.
    pub fn open(
        &mut self,
        handler: Slot<Handler>,
        needs: Option<&Needs>,
        is_needed: impl Fn(DeskId) -> bool,
    ) -> DeskId {
        if self.special.len() >= MAX_IDLE {
            self.close_idle(is_needed);
        }
        let desk = Desk { needs: needs.cloned().unwrap_or_default(), ..Desk::default() };
        let id = match self.vacant.pop() {
            Some(id) => {
                self.desks[id.0] = desk;
                id
            }
            None => {
                self.desks.push(desk);
                DeskId(self.desks.len() - 1)
            }
        };
        match needs {
            None => *self.plain.get_mut(handler) = Some(id),
            Some(needs) => drop(self.special.insert((handler, needs.clone()), id)),
        }
        self.of_handler.get_mut(handler).push(id);
        id
    }

    fn close_idle(&mut self, is_needed: impl Fn(DeskId) -> bool) {
        let Self { vacant, special, of_handler, .. } = self;
        special.retain(|(handler, _), id| {
            let is_needed = is_needed(*id);
            if !is_needed {
                of_handler.get_mut(*handler).retain(|other| other != id);
                vacant.push(*id);
            }
            is_needed
        });
    }

    /// Puts the worker where it belongs; `true` if tasks may have become ready by that, or no longer.
    pub fn list(&mut self, id: DeskId, worker: Slot<Worker>, place: (bool, Option<Rank>)) -> bool {
        self.desks[id.0].list(worker, place)
    }
}
