//! What only a principal knows, and forgets with its office: who is connected, whose turn it is, which
//! worker is free, which queue is next. Never journalled; after a takeover it grows anew from the workers that connect.

mod agenda;
mod board;
mod check;
mod desks;
mod lanes;
mod pick;
mod posts;
mod rates;

use std::cmp::Reverse;
use std::collections::BTreeMap;

use crate::command::{AttemptRef, Delivery};
use crate::effect::{PendingReason, TaskState};
use crate::ids::{SessionId, Timestamp};
use crate::limits::{Limits, MAX_WAITING_BYTES};
use crate::needs::Needs;
use crate::policy::Policy;
use crate::state::State;
use crate::state::classes::Class;
use crate::state::owners::Owner;
use crate::state::queues::Queue;
use crate::state::slab::{Beside, Slot};
use crate::state::tasks::Task;
use crate::state::workers::Worker;
use agenda::Agenda;
use board::Post;
use desks::{Condition, Desk, DeskId, Desks};
use lanes::{Lanes, Place, Standing};
use posts::Posts;
use rates::Rates;

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
}

#[derive(Default)]
pub struct Office {
    policy: Policy,
    /// Attempts lost with their worker before a task is quarantined.
    max_lost: u32,
    sessions: BTreeMap<SessionId, Slot<Worker>>,
    presences: Beside<Worker, Presence>,
    /// What workers run although it is no longer theirs, until they say that it has ended: it takes so many slots.
    strays: BTreeMap<Slot<Worker>, BTreeMap<AttemptRef, u32>>,
    desks: Desks,
    lanes: Lanes,
    pub rates: Rates,
    pub agenda: Agenda,
    pub posts: Posts,
    next_turn: u64,
}

impl Office {
    /// Nobody is connected yet, every lease begins now.
    pub fn new(state: &State, limits: &Limits, now: Timestamp) -> Self {
        let (policy, max_lost) = (limits.policy, limits.max_lost_attempts);
        let mut office = Self { policy, max_lost, ..Self::default() };
        for (worker, _) in state.workers.iter() {
            office.enter(worker, now);
        }
        for (key, entry) in state.schedules.iter() {
            office.agenda.put(key, entry.due());
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
    pub fn strays(&mut self, worker: Slot<Worker>, attempt: AttemptRef, slots: u32) {
        self.strays.entry(worker).or_default().insert(attempt, slots);
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
            let weight = state.queues[place.queue].settings.weight;
            for desk in self.lanes.serve(place, weight) {
                self.refresh_board(state, place.queue, desk);
            }
        }
    }

    /// Takes the worker off every list. Needed before its handlers change or it is lost.
    pub fn withdraw(&mut self, state: &State, worker: Slot<Worker>) {
        let condition = Condition { offers: false, ..self.condition(worker) };
        self.list(state, worker, condition);
    }

    /// Puts the worker on the lists where its present standing belongs.
    pub fn refresh(&mut self, state: &State, worker: Slot<Worker>) {
        self.list(state, worker, self.condition(worker));
    }

    fn condition(&self, worker: Slot<Worker>) -> Condition {
        let Presence { session, draining, turn, prefetch, .. } = self.presence(worker);
        let strays = self.strays.get(&worker).map_or(0, |strays| strays.values().sum());
        Condition { offers: session.is_some() && !draining, turn, strays, prefetch }
    }

    fn list(&mut self, state: &State, worker: Slot<Worker>, condition: Condition) {
        let record = &state.workers[worker];
        for handler in &record.handlers {
            for nth in 0..self.desks.of_handler(*handler).len() {
                let desk = self.desks.of_handler(*handler)[nth];
                let place = self.desks.get(desk).place(self.policy, record, condition);
                if self.desks.list(desk, worker, place) {
                    let queues: Vec<_> = self.lanes.queues_of(desk).collect();
                    queues.into_iter().for_each(|queue| self.refresh_board(state, queue, desk));
                }
            }
        }
    }

    /// The desk for these tasks, with the workers that are there.
    fn desk_for(&mut self, state: &State, class: &Class) -> DeskId {
        let needs = class.terms.needs.as_deref();
        if let Some(desk) = self.desks.find(class.handler, needs) {
            return desk;
        }
        let lanes = &self.lanes;
        let desk =
            self.desks.open(class.handler, needs, |desk| lanes.queues_of(desk).next().is_some());
        for (slot, worker) in state.workers.iter() {
            if worker.handlers.contains(&class.handler) {
                let place = self.desks.get(desk).place(self.policy, worker, self.condition(slot));
                self.desks.list(desk, slot, place);
            }
        }
        desk
    }

    /// Puts the class where its oldest waiting task belongs. It may be gone.
    pub fn refresh_class(&mut self, state: &State, class: Slot<Class>) {
        let place = state.classes.get(class).and_then(|record| {
            let (seq, _) = record.line.first(&state.tasks)?;
            let (owner, priority) = (record.owner, record.terms.priority);
            let post = Post { class, owner, priority, seq };
            let (queue, desk) = (record.queue, self.desk_for(state, record));
            let queue_hash = state.queues[queue].name_hash;
            Some(Place { queue, queue_hash, desk, post })
        });
        let is_open = place.is_none_or(|place| state.owners[place.post.owner].is_open());
        let before = self.lanes.post(class, place, is_open);
        if before == place {
            return;
        }
        let board = |place: Place| (place.queue, place.desk);
        let boards = [before.map(board), place.map(board)];
        let only_one = boards[0] == boards[1];
        for (queue, desk) in boards.into_iter().skip(usize::from(only_one)).flatten() {
            self.refresh_board(state, queue, desk);
        }
    }

    /// Another task of this user may run, or not, if the user is still there.
    pub fn refresh_owner(&mut self, state: &State, owner: Slot<Owner>) {
        let Some(record) = state.owners.get(owner) else { return };
        for (queue, desk) in self.lanes.set_open(owner, record.is_open()) {
            self.refresh_board(state, queue, desk);
        }
    }

    /// Looks whether a worker is free for the board's first task.
    fn refresh_board(&mut self, state: &State, queue: Slot<Queue>, desk: DeskId) {
        let standing = self.counted_standing(state, queue, desk);
        self.lanes.stand(queue, desk, standing);
    }

    fn counted_standing(&self, state: &State, queue: Slot<Queue>, desk: DeskId) -> Standing {
        let before = self.lanes.standing(queue, desk).reserved;
        let board = self.lanes.board(queue, desk);
        let desk = self.desks.get(desk);
        let head =
            board.filter(|_| !desk.offering.is_empty()).and_then(|b| b.first().zip(b.rank()));
        let Some((head, rank)) = head else { return Standing::default() };
        let may_wait = first_of(state, head).is_some_and(|task| self.may_wait(state, task));
        let first = desk.first();
        let can_start = first.is_some_and(|rank| !rank.is_ahead);
        let is_ready = can_start || first.is_some() && may_wait;
        let is_stuck = !can_start && !may_wait;
        let reserved = (is_stuck && !desk.needs.is_one_slot())
            .then(|| self.to_become_free(state, desk, before))
            .flatten();
        let head = head.precedence();
        let (ready, stuck) = (is_ready.then_some(rank), is_stuck.then_some(head));
        Standing { ready, stuck, reserved }
    }

    /// The worker that has the most room now, unless one was chosen before and is still there.
    fn to_become_free(
        &self,
        state: &State,
        desk: &Desk,
        before: Option<Slot<Worker>>,
    ) -> Option<Slot<Worker>> {
        let stays = before.filter(|worker| desk.offering.contains(worker));
        stays.or_else(|| {
            let room = |worker: &Slot<Worker>| {
                let record = &state.workers[*worker];
                let room = record.slots.saturating_sub(record.used.slots);
                (room, Reverse(self.presence(*worker).turn))
            };
            desk.offering.iter().copied().max_by_key(room)
        })
    }

    pub fn worker_of(&self, session: SessionId) -> Option<Slot<Worker>> {
        self.sessions.get(&session).copied()
    }

    pub fn presence(&self, worker: Slot<Worker>) -> Presence {
        self.presences.get(worker).copied().unwrap_or_default()
    }

    /// Why a queued task of this class waits; `None` when a worker is free for it.
    pub fn pending_reason(&self, state: &State, class: Slot<Class>) -> Option<PendingReason> {
        let queue = &state.queues[state.classes[class].queue];
        let desk = self.lanes.place_of(class).map(|place| self.desks.get(place.desk));
        if queue.settings.paused {
            Some(PendingReason::QueuePaused)
        } else if !queue.is_open() {
            Some(PendingReason::QueueFull)
        } else if !state.owner_of(class).is_open() {
            Some(PendingReason::UserLimit)
        } else if self.sessions.is_empty() {
            Some(PendingReason::NoWorker)
        } else if desk.is_none_or(|desk| desk.offering.is_empty()) {
            let handler = state.classes[class].handler;
            let is_offered = state.workers.iter().any(|(slot, worker)| {
                worker.handlers.contains(&handler) && self.condition(slot).offers
            });
            Some(match is_offered {
                true => PendingReason::NoWorkerForNeeds,
                false => PendingReason::NoWorkerForHandler,
            })
        } else if desk.and_then(Desk::first).is_none_or(|rank| rank.is_ahead) {
            Some(PendingReason::AllBusy)
        } else {
            let first = state.classes[class].line.first(&state.tasks);
            let is_suspect =
                first.is_some_and(|(_, task)| self.is_suspect(state, &state.tasks[task]));
            is_suspect.then_some(PendingReason::Suspect)
        }
    }

    /// Should the worker be lost with it once more, it is quarantined: until then it runs beside no other such task, so that
    /// none is taken for the one that kills workers because it ran beside that.
    fn is_suspect(&self, state: &State, task: &Task) -> bool {
        let present = u32::from(task.state() == TaskState::Running);
        let before = task.lost_attempts().saturating_sub(present);
        before > 0 && before + 1 >= self.max_lost(state, task)
    }

    /// Whether a worker may hold the task without starting it. Should the worker be lost, nobody knows that it had
    /// not begun: what may be started once only would be lost for nothing, what fails with the first worker that it
    /// loses would fail for nothing, and whatever stands beside a task that kills its workers would be quarantined with it.
    fn may_wait(&self, state: &State, task: Slot<Task>) -> bool {
        let task = &state.tasks[task];
        state.terms_of(task.class).delivery == Delivery::AtLeastOnce
            && state.terms_of(task.class).needs.as_deref().is_none_or(Needs::is_one_slot)
            && task.lost_attempts() == 0
            && self.max_lost(state, task) > 1
            && task.body.payload_bytes() <= MAX_WAITING_BYTES as u64
    }

    /// With so many lost attempts the task fails.
    pub fn max_lost(&self, state: &State, task: &Task) -> u32 {
        state.terms_of(task.class).max_lost_attempts.map_or(self.max_lost, u32::from)
    }

    fn runs_suspect(&self, state: &State, worker: Slot<Worker>) -> bool {
        let mut running = state.workers[worker].running.values();
        running.any(|task| self.is_suspect(state, &state.tasks[*task]))
    }
}

/// The oldest task that waits, of the class that stands there.
fn first_of(state: &State, post: Post) -> Option<Slot<Task>> {
    state.classes[post.class].line.first(&state.tasks).map(|(_, task)| task)
}
