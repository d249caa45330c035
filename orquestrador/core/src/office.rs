//! What only a principal knows, and forgets with its office: who is connected, whose turn it is, which
//! worker is free. Never journalled; after a takeover it grows anew from the workers that connect.

use std::collections::{BTreeMap, BTreeSet};

use crate::command::{AttemptRef, Delivery};
use crate::effect::PendingReason;
use crate::ids::{SessionId, Timestamp};
use crate::limits::MAX_WAITING_BYTES;
use crate::policy::{Candidate, Policy, Rank};
use crate::state::State;
use crate::state::names::Handler;
use crate::state::slab::{Beside, Slot};
use crate::state::tasks::{Seq, Task};
use crate::state::workers::Worker;

/// A registered worker, as this principal knows it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Presence {
    pub session: Option<SessionId>,
    /// The lease ends so long after it.
    pub last_seen: Timestamp,
    pub draining: bool,
    pub assigned_total: u64,
    /// Tasks that it takes beyond its slots.
    pub prefetch: u32,
    turn: u64,
    /// Stands among those that offer its handlers.
    offers: bool,
    /// Stands among the free ones under this rank.
    listed: Option<Rank>,
}

/// The workers that offer one handler.
#[derive(Default)]
struct Desk {
    free: BTreeMap<Rank, Slot<Worker>>,
    /// Connected and not draining.
    offering: usize,
    /// Under which its queue stands in [`Office::ready`].
    ready: Option<Seq>,
    /// Its oldest task may not wait with a worker, and no slot is free for it.
    stuck: Option<Seq>,
}

impl Desk {
    /// Of the worker whose turn it is.
    fn first(&self) -> Option<Rank> {
        self.free.first_key_value().map(|(rank, _)| *rank)
    }
}

#[derive(Default)]
pub struct Office {
    policy: Policy,
    sessions: BTreeMap<SessionId, Slot<Worker>>,
    presences: Beside<Worker, Presence>,
    /// What workers run although it is no longer theirs, until they say that it has ended: it takes a slot.
    strays: BTreeMap<Slot<Worker>, BTreeSet<AttemptRef>>,
    desks: Beside<Handler, Desk>,
    /// Handlers that have both a queued task and a free worker, by the oldest such task.
    ready: BTreeMap<Seq, Slot<Handler>>,
    next_turn: u64,
}

impl Office {
    /// Nobody is connected yet, every lease begins now.
    pub fn new(state: &State, now: Timestamp) -> Self {
        let mut office = Self::default();
        for (worker, _) in state.workers.iter() {
            office.enter(worker, now);
        }
        office
    }

    /// A worker was registered: its turn comes after all others'.
    pub fn enter(&mut self, worker: Slot<Worker>, now: Timestamp) {
        let turn = self.take_turn();
        self.strays.remove(&worker);
        let presence = Presence { last_seen: now, turn, ..Presence::default() };
        *self.presences.get_mut(worker) = presence;
    }

    fn take_turn(&mut self) -> u64 {
        self.next_turn += 1;
        self.next_turn
    }

    /// Opens a session and gives the older one that it replaces.
    pub fn connect(&mut self, worker: Slot<Worker>, session: SessionId) -> Option<SessionId> {
        self.sessions.insert(session, worker);
        let presence = self.presences.get_mut(worker);
        let before = presence.session.replace(session);
        // Both are told anew on each stream.
        presence.prefetch = 0;
        self.strays.remove(&worker);
        let replaced = before.filter(|before| *before != session);
        if let Some(replaced) = replaced {
            self.sessions.remove(&replaced);
        }
        replaced
    }

    /// The session is over; [`Office::refresh`] must follow.
    pub fn disconnect(&mut self, session: SessionId) -> Option<Slot<Worker>> {
        let worker = self.sessions.remove(&session)?;
        self.presences.get_mut(worker).session = None;
        Some(worker)
    }

    pub fn saw(&mut self, worker: Slot<Worker>, now: Timestamp) {
        self.presences.get_mut(worker).last_seen = now;
    }

    pub fn drain(&mut self, worker: Slot<Worker>) {
        self.presences.get_mut(worker).draining = true;
    }

    /// The worker runs what it is to stop; [`Office::refresh`] must follow.
    pub fn strays(&mut self, worker: Slot<Worker>, attempt: AttemptRef) {
        self.strays.entry(worker).or_default().insert(attempt);
    }

    /// The attempt no longer runs there, if it did; [`Office::refresh`] must follow.
    pub fn ended(&mut self, worker: Slot<Worker>, attempt: AttemptRef) {
        if let Some(strays) = self.strays.get_mut(&worker) {
            strays.remove(&attempt);
        }
    }

    /// [`Office::refresh`] must follow.
    pub fn set_prefetch(&mut self, worker: Slot<Worker>, tasks: u32) {
        self.presences.get_mut(worker).prefetch = tasks;
    }

    /// It got a task: [`Office::refresh`] must follow.
    pub fn count_assignment(&mut self, worker: Slot<Worker>) {
        let turn = self.take_turn();
        let presence = self.presences.get_mut(worker);
        presence.turn = turn;
        presence.assigned_total += 1;
    }

    /// Takes the worker off every list. Needed before its handlers change or it is lost.
    pub fn withdraw(&mut self, state: &State, worker: Slot<Worker>) {
        self.list(state, worker, false, None);
    }

    /// Puts the worker on the lists where its present standing belongs.
    pub fn refresh(&mut self, state: &State, worker: Slot<Worker>) {
        let record = &state.workers[worker];
        let presence = self.presence(worker);
        let offers = presence.session.is_some() && !presence.draining;
        let taken = self.taken(state, worker);
        let candidate = Candidate { turn: presence.turn, is_ahead: taken >= record.slots };
        let takes_more = offers && taken < record.slots.saturating_add(presence.prefetch);
        let rank = takes_more.then(|| self.policy.rank(candidate));
        self.list(state, worker, offers, rank);
    }

    /// Slots, and places beyond them.
    fn taken(&self, state: &State, worker: Slot<Worker>) -> u32 {
        let strays = self.strays.get(&worker).map_or(0, BTreeSet::len);
        state.workers[worker].busy().saturating_add(u32::try_from(strays).unwrap_or(u32::MAX))
    }

    fn list(&mut self, state: &State, worker: Slot<Worker>, offers: bool, rank: Option<Rank>) {
        let presence = self.presences.get_mut(worker);
        let before = std::mem::replace(&mut presence.listed, rank);
        let offered = std::mem::replace(&mut presence.offers, offers);
        if (before, offered) == (rank, offers) {
            return;
        }
        // A free worker that stays free changes nobody's turn but its own.
        let is_ahead = |rank: Rank| rank.is_ahead;
        let stays = before.is_some() && before.map(is_ahead) == rank.map(is_ahead);
        for handler in &state.workers[worker].handlers {
            let desk = self.desks.get_mut(*handler);
            desk.offering = desk.offering + usize::from(offers) - usize::from(offered);
            if let Some(before) = before {
                desk.free.remove(&before);
            }
            if let Some(rank) = rank {
                desk.free.insert(rank, worker);
            }
            if !stays {
                self.refresh_queue(state, *handler);
            }
        }
    }

    /// Looks whether the handler's queue has a task for a free worker.
    pub fn refresh_queue(&mut self, state: &State, handler: Slot<Handler>) {
        let desk = self.desks.get_mut(handler);
        let head = match desk.offering {
            0 => None,
            _ => state.handlers[handler].queue.first(&state.tasks),
        };
        let may_wait = head.is_some_and(|(_, task)| may_wait(state, task));
        let first = desk.first();
        let can_start = first.is_some_and(|rank| !rank.is_ahead);
        let ready = head.filter(|_| can_start || first.is_some() && may_wait).map(|(seq, _)| seq);
        desk.stuck = head.filter(|_| !can_start && !may_wait).map(|(seq, _)| seq);
        let before = std::mem::replace(&mut desk.ready, ready);
        if before == ready {
            return;
        }
        if let Some(before) = before {
            self.ready.remove(&before);
        }
        if let Some(ready) = ready {
            self.ready.insert(ready, handler);
        }
    }

    /// The oldest task for which a worker is free, and the worker whose turn it is.
    pub fn next_assignment(&self, state: &State) -> Option<(Slot<Task>, Slot<Worker>)> {
        self.ready.iter().find_map(|(seq, handler)| {
            let (rank, worker) = self.desks.get(*handler)?.free.first_key_value()?;
            if rank.is_ahead && self.is_awaited(state, *worker, *seq) {
                return None;
            }
            let (_, task) = state.handlers[*handler].queue.first(&state.tasks)?;
            Some((task, *worker))
        })
    }

    /// An older task than `seq` may not wait with the worker, and needs its next slot: with work ahead there might
    /// never be one.
    fn is_awaited(&self, state: &State, worker: Slot<Worker>, seq: Seq) -> bool {
        let stuck = |handler: &Slot<Handler>| self.desks.get(*handler)?.stuck;
        state.workers[worker].handlers.iter().filter_map(stuck).any(|stuck| stuck < seq)
    }

    pub fn worker_of(&self, session: SessionId) -> Option<Slot<Worker>> {
        self.sessions.get(&session).copied()
    }

    pub fn presence(&self, worker: Slot<Worker>) -> Presence {
        self.presences.get(worker).copied().unwrap_or_default()
    }

    /// Why a queued task of this handler waits; `None` when a worker is free for it.
    pub fn pending_reason(&self, handler: Slot<Handler>) -> Option<PendingReason> {
        let desk = self.desks.get(handler);
        if self.sessions.is_empty() {
            Some(PendingReason::NoWorker)
        } else if desk.is_none_or(|desk| desk.offering == 0) {
            Some(PendingReason::NoWorkerForHandler)
        } else if desk.and_then(Desk::first).is_none_or(|rank| rank.is_ahead) {
            Some(PendingReason::AllBusy)
        } else {
            None
        }
    }

    /// Whether the lists say what they should; for the invariants.
    pub fn check(&self, state: &State) -> Result<(), String> {
        for (session, worker) in &self.sessions {
            if self.presence(*worker).session != Some(*session) {
                return Err(format!("session {session} is not its worker's"));
            }
        }
        for (handler, record) in state.handlers.iter() {
            let empty = Desk::default();
            let desk = self.desks.get(handler).unwrap_or(&empty);
            let offering: Vec<_> = state
                .workers
                .iter()
                .filter(|(_, worker)| worker.handlers.contains(&handler))
                .filter(|(slot, _)| {
                    let presence = self.presence(*slot);
                    presence.session.is_some() && !presence.draining
                })
                .collect();
            let free: Vec<_> = offering
                .iter()
                .filter(|(slot, worker)| {
                    let most = worker.slots.saturating_add(self.presence(*slot).prefetch);
                    self.taken(state, *slot) < most
                })
                .map(|(slot, _)| *slot)
                .collect();
            let mut listed: Vec<_> = desk.free.values().copied().collect();
            listed.sort();
            let mut expected = free;
            expected.sort();
            if desk.offering != offering.len() || listed != expected {
                return Err(format!("the workers listed for {} are wrong", record.name));
            }
            let can_start =
                offering.iter().any(|(slot, worker)| self.taken(state, *slot) < worker.slots);
            let head = record.queue.first(&state.tasks).filter(|_| !offering.is_empty());
            let may_wait = head.is_some_and(|(_, task)| may_wait(state, task));
            let head = head.map(|(seq, _)| seq);
            let ready = head.filter(|_| can_start || !listed.is_empty() && may_wait);
            let stuck = head.filter(|_| !can_start && !may_wait);
            if (desk.ready, desk.stuck) != (ready, stuck)
                || ready.is_some_and(|r| self.ready.get(&r) != Some(&handler))
            {
                return Err(format!("the queue of {} is listed wrongly", record.name));
            }
        }
        Ok(())
    }
}

/// Whether a worker may hold the task without starting it. Should the worker be lost, nobody knows that it had
/// not begun: what may be started once only would be lost for nothing, and whatever stands beside a task
/// that kills its workers would be quarantined with it.
fn may_wait(state: &State, task: Slot<Task>) -> bool {
    let task = &state.tasks[task];
    state.terms[task.terms].delivery == Delivery::AtLeastOnce
        && task.lost_attempts() == 0
        && task.body.payload_bytes() <= MAX_WAITING_BYTES as u64
}
