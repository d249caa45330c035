//! What only a principal knows, and forgets with its office: who is connected, whose turn it is, which
//! worker is free, which queue is next. Never journalled; after a takeover it grows anew from the workers that connect.

mod board;
mod check;
mod lanes;

use std::collections::{BTreeMap, BTreeSet};

use crate::command::{AttemptRef, Delivery};
use crate::effect::PendingReason;
use crate::ids::{SessionId, Timestamp};
use crate::limits::MAX_WAITING_BYTES;
use crate::policy::{Candidate, Policy, Rank};
use crate::state::State;
use crate::state::classes::Class;
use crate::state::names::Handler;
use crate::state::queues::Queue;
use crate::state::slab::{Beside, Slot};
use crate::state::tasks::Task;
use crate::state::workers::Worker;
use board::{Board, Post, Precedence};
use lanes::{Lanes, Place, Standing};

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

/// One assignment of so many is for a task that has been overtaken for long.
const TURNS_OF_PATIENT: u64 = 8;

/// The workers that offer one handler.
#[derive(Default)]
struct Desk {
    free: BTreeMap<Rank, Slot<Worker>>,
    /// Connected and not draining.
    offering: usize,
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
    lanes: Lanes,
    next_turn: u64,
}

impl Office {
    /// Nobody is connected yet, every lease begins now.
    pub fn new(state: &State, now: Timestamp) -> Self {
        let mut office = Self::default();
        for (worker, _) in state.workers.iter() {
            office.enter(worker, now);
        }
        // The order is one of turns.
        let first = |class: &Class| class.line.first(&state.tasks).map(|(seq, _)| seq);
        let waiting = state.classes.iter().filter_map(|(slot, class)| Some((first(class)?, slot)));
        let waiting: BTreeMap<_, _> = waiting.collect();
        waiting.into_values().for_each(|class| office.refresh_class(state, class));
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

    /// It got a task of this class: [`Office::refresh`] and [`Office::refresh_class`] must follow.
    pub fn count_assignment(&mut self, state: &State, worker: Slot<Worker>, class: Slot<Class>) {
        let turn = self.take_turn();
        let presence = self.presences.get_mut(worker);
        presence.turn = turn;
        presence.assigned_total += 1;
        if let Some(place) = self.lanes.place_of(class) {
            self.lanes.serve(place, state.queues[place.queue].settings.weight);
        }
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
                let queues: Vec<_> = self.lanes.queues_of(*handler).collect();
                queues.into_iter().for_each(|queue| self.refresh_board(state, queue, *handler));
            }
        }
    }

    /// Puts the class where its oldest waiting task belongs. It may be gone.
    pub fn refresh_class(&mut self, state: &State, class: Slot<Class>) {
        let place = state.classes.get(class).and_then(|record| {
            let (seq, _) = record.line.first(&state.tasks)?;
            let (owner, priority) = (record.owner, record.terms.priority);
            let post = Post { class, owner, priority, seq };
            let (queue, handler) = (record.queue, record.handler);
            let queue_hash = state.queues[queue].name_hash;
            Some(Place { queue, queue_hash, handler, post })
        });
        let before = self.lanes.post(class, place);
        if before == place {
            return;
        }
        let board = |place: Place| (place.queue, place.handler);
        let boards = [before.map(board), place.map(board)];
        let only_one = boards[0] == boards[1];
        for (queue, handler) in boards.into_iter().skip(usize::from(only_one)).flatten() {
            self.refresh_board(state, queue, handler);
        }
    }

    /// Looks whether a worker is free for the board's first task.
    fn refresh_board(&mut self, state: &State, queue: Slot<Queue>, handler: Slot<Handler>) {
        let standing = self.counted_standing(state, queue, handler);
        self.lanes.stand(queue, handler, standing);
    }

    fn counted_standing(
        &self,
        state: &State,
        queue: Slot<Queue>,
        handler: Slot<Handler>,
    ) -> Standing {
        let offered = self.desks.get(handler).filter(|desk| desk.offering > 0);
        let board = self.lanes.board(queue, handler);
        let Some((desk, head)) = offered.zip(board.and_then(Board::first)) else {
            return Standing::default();
        };
        let may_wait = first_of(state, head).is_some_and(|task| may_wait(state, task));
        let first = desk.first();
        let can_start = first.is_some_and(|rank| !rank.is_ahead);
        let is_ready = can_start || first.is_some() && may_wait;
        let head = head.precedence();
        Standing {
            ready: is_ready.then_some(head),
            stuck: (!can_start && !may_wait).then_some(head),
        }
    }

    /// The task that goes next among those for which a worker is free, and the worker whose turn it is. `patience_ms`:
    /// after so long a task counts as overtaken.
    pub fn next_assignment(
        &self,
        state: &State,
        now: Timestamp,
        patience_ms: u64,
    ) -> Option<(Slot<Task>, Slot<Worker>)> {
        let is_open = |queue: &Slot<Queue>| state.queues[*queue].is_open();
        self.lanes.in_turn().filter(is_open).find_map(|queue| {
            let overtaken = match self.next_turn % TURNS_OF_PATIENT {
                0 => self.overtaken(state, queue, now, patience_ms),
                _ => None,
            };
            overtaken.or_else(|| {
                let mut ready = self.lanes.ready_in(queue);
                ready.find_map(|(precedence, handler)| {
                    let worker = self.worker_for(state, handler, precedence)?;
                    let head = self.lanes.board(queue, handler)?.first()?;
                    Some((first_of(state, head)?, worker))
                })
            })
        })
    }

    /// The oldest task of the queue that has seen those of a higher priority go first for too long.
    fn overtaken(
        &self,
        state: &State,
        queue: Slot<Queue>,
        now: Timestamp,
        patience_ms: u64,
    ) -> Option<(Slot<Task>, Slot<Worker>)> {
        let mut ready = self.lanes.ready_in(queue);
        let (highest, _) = ready.next()?;
        let (lowest, _) = self.lanes.ready_in(queue).last()?;
        let boards = || {
            let ready = self.lanes.ready_in(queue);
            ready.filter_map(|(_, handler)| Some((handler, self.lanes.board(queue, handler)?)))
        };
        let has_many =
            highest.0 != lowest.0 || boards().any(|(_, board)| board.has_many_priorities());
        if !has_many {
            return None;
        }
        let oldest = boards().filter_map(|(handler, board)| Some((handler, board.oldest()?)));
        let (handler, post) = oldest.min_by_key(|(_, post)| post.seq)?;
        let task = first_of(state, post)?;
        let worker = self.worker_for(state, handler, post.precedence())?;
        let may_go = self.can_start(handler) || may_wait(state, task);
        let is_late = state.tasks[task].submitted_at.plus_ms(patience_ms) <= now;
        (may_go && is_late).then_some((task, worker))
    }

    fn can_start(&self, handler: Slot<Handler>) -> bool {
        self.desks.get(handler).and_then(Desk::first).is_some_and(|rank| !rank.is_ahead)
    }

    /// Whose turn it is, unless the next slot there is for another task.
    fn worker_for(
        &self,
        state: &State,
        handler: Slot<Handler>,
        precedence: Precedence,
    ) -> Option<Slot<Worker>> {
        let (rank, worker) = self.desks.get(handler)?.free.first_key_value()?;
        (!rank.is_ahead || !self.is_awaited(state, *worker, precedence)).then_some(*worker)
    }

    /// A task that precedes this one may not wait with the worker, and needs its next slot: with work ahead there might
    /// never be one.
    fn is_awaited(&self, state: &State, worker: Slot<Worker>, precedence: Precedence) -> bool {
        let handlers = state.workers[worker].handlers.iter();
        handlers.flat_map(|handler| self.lanes.queues_of(*handler).map(move |q| (q, *handler))).any(
            |(queue, handler)| {
                let stuck = self.lanes.standing(queue, handler).stuck;
                stuck.is_some_and(|stuck| stuck < precedence) && state.queues[queue].is_open()
            },
        )
    }

    pub fn worker_of(&self, session: SessionId) -> Option<Slot<Worker>> {
        self.sessions.get(&session).copied()
    }

    pub fn presence(&self, worker: Slot<Worker>) -> Presence {
        self.presences.get(worker).copied().unwrap_or_default()
    }

    /// Why a queued task of this class waits; `None` when a worker is free for it.
    pub fn pending_reason(&self, state: &State, class: Slot<Class>) -> Option<PendingReason> {
        let class = &state.classes[class];
        let queue = &state.queues[class.queue];
        let desk = self.desks.get(class.handler);
        if queue.settings.paused {
            Some(PendingReason::QueuePaused)
        } else if !queue.is_open() {
            Some(PendingReason::QueueFull)
        } else if self.sessions.is_empty() {
            Some(PendingReason::NoWorker)
        } else if desk.is_none_or(|desk| desk.offering == 0) {
            Some(PendingReason::NoWorkerForHandler)
        } else if desk.and_then(Desk::first).is_none_or(|rank| rank.is_ahead) {
            Some(PendingReason::AllBusy)
        } else {
            None
        }
    }
}

/// The oldest task that waits, of the class that stands there.
fn first_of(state: &State, post: Post) -> Option<Slot<Task>> {
    state.classes[post.class].line.first(&state.tasks).map(|(_, task)| task)
}

/// Whether a worker may hold the task without starting it. Should the worker be lost, nobody knows that it had
/// not begun: what may be started once only would be lost for nothing, and whatever stands beside a task
/// that kills its workers would be quarantined with it.
fn may_wait(state: &State, task: Slot<Task>) -> bool {
    let task = &state.tasks[task];
    state.terms_of(task.class).delivery == Delivery::AtLeastOnce
        && task.lost_attempts() == 0
        && task.body.payload_bytes() <= MAX_WAITING_BYTES as u64
}
