//! Queues as this principal serves them: each has a lane, and lanes take turns by weight.
//!
//! Weighted sharing is stride scheduling (C. Waldspurger and W. Weihl, "Stride Scheduling: Deterministic
//! Proportional-Share Resource Management", MIT/LCS/TM-528, 1995): each slot given moves a lane on by the inverse of its
//! weight, and the lane that is least far on is next.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use super::board::{Board, Post, Precedence, Rank};
use super::desks::DeskId;
use crate::state::classes::Class;
use crate::state::owners::Owner;
use crate::state::queues::Queue;
use crate::state::slab::{Beside, Slot};
use crate::state::workers::Worker;

/// By which a queue of weight 1 moves on.
const STRIDE: u64 = 1 << 20;
/// Empty lanes that are remembered before those are forgotten of which nothing needs to be.
const MAX_AHEAD: usize = 1_000;

/// Where a user's tasks stand: queue, desk, priority.
type OwnersPlace = (Slot<Queue>, DeskId, i8);

#[derive(Default)]
pub struct Lanes {
    lanes: Beside<Queue, Lane>,
    /// Those with a task for which a worker is free, by how far on they are; among equals, by the hash of their name.
    ready: BTreeSet<(u64, u64, Slot<Queue>)>,
    /// Those that have a board of this desk.
    of_desk: BTreeMap<DeskId, BTreeSet<Slot<Queue>>>,
    /// Where each class stands.
    posts: Beside<Class, Option<Place>>,
    /// Where each user's tasks stand.
    of_owner: BTreeMap<Slot<Owner>, BTreeSet<OwnersPlace>>,
    /// How far on the lane is that was served last.
    passed: u64,
    /// Empty lanes that are further on, by the hash of their name.
    ahead: BTreeMap<u64, u64>,
    next_turn: u64,
    /// Workers that are to become free enough for tasks of these queues.
    reserved: BTreeMap<Slot<Worker>, BTreeMap<Precedence, Slot<Queue>>>,
}

#[derive(Default)]
struct Lane {
    passed: u64,
    name_hash: u64,
    boards: BTreeMap<DeskId, Board>,
    /// Whose turn it is among the users of a priority, whatever their tasks are for.
    turns: BTreeMap<(Reverse<i8>, Slot<Owner>), Turn>,
    /// Slots given to its tasks.
    served: u64,
    /// The boards of which a task could go to a worker, by that task.
    ready: BTreeMap<Rank, DeskId>,
    standings: BTreeMap<DeskId, Standing>,
}

/// When a user's turn comes.
#[derive(Default)]
struct Turn {
    at: u64,
    /// Of theirs, on all boards.
    posts: usize,
}

/// A place on a board.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Place {
    pub queue: Slot<Queue>,
    pub queue_hash: u64,
    pub desk: DeskId,
    pub post: Post,
}

impl Place {
    /// It is the same place, for another task.
    fn stays_at(&self, after: Self) -> bool {
        let seq = after.post.seq;
        Self { post: Post { seq, ..self.post }, ..*self } == after
    }

    /// Where what stands there belongs to its owner.
    fn of_owner(&self) -> OwnersPlace {
        (self.queue, self.desk, self.post.priority)
    }
}

/// How a board stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Its first task, if a worker is free for it.
    pub ready: Option<Rank>,
    /// Its first task, if that may not wait with a worker, and no slot is free for it.
    pub stuck: Option<Precedence>,
    /// The worker that is to become free enough for that task, which takes more than any one slot.
    pub reserved: Option<Slot<Worker>>,
}

impl Lane {
    /// The user got a slot: the others of this priority come first now. Gives the boards that changed.
    fn pass_turn(&mut self, owner: Slot<Owner>, priority: i8, next: &mut u64) -> Vec<DeskId> {
        let all = self.turns.range((Reverse(priority), Slot::MIN)..=(Reverse(priority), Slot::MAX));
        if all.take(2).count() < 2 {
            return Vec::new();
        }
        *next += 1;
        if let Some(turn) = self.turns.get_mut(&(Reverse(priority), owner)) {
            turn.at = *next;
        }
        let boards = self.boards.iter_mut();
        boards
            .filter_map(|(desk, board)| board.set_turn(owner, priority, *next).then_some(*desk))
            .collect()
    }
}

impl Lanes {
    /// Where the class stands from now on, and whether another task of its owner may run. The boards that changed
    /// follow by [`Lanes::stand`].
    pub fn post(
        &mut self,
        class: Slot<Class>,
        place: Option<Place>,
        is_open: bool,
    ) -> Option<Place> {
        let before = std::mem::replace(self.posts.get_mut(class), place);
        match (before, place) {
            (before, after) if before == after => {}
            // The usual case: its first task was assigned, and there are others.
            (Some(before), Some(after)) if before.stays_at(after) => {
                let board = self.lanes.get_mut(after.queue).boards.get_mut(&after.desk);
                if let Some(board) = board {
                    board.advance(before.post, after.post.seq);
                }
            }
            (before, after) => {
                // In this order: who stays does not lose their turn.
                if let Some(after) = after {
                    self.enter(after, is_open);
                }
                if let Some(before) = before {
                    self.leave(before);
                }
            }
        }
        before
    }

    /// A user who has nothing else of this priority there comes after all others.
    fn enter(&mut self, place: Place, is_open: bool) {
        let lane = self.lanes.get_mut(place.queue);
        if lane.boards.is_empty() {
            lane.name_hash = place.queue_hash;
            lane.passed = self.ahead.remove(&place.queue_hash).unwrap_or_default();
        }
        let turn = lane.turns.entry((Reverse(place.post.priority), place.post.owner)).or_default();
        if turn.posts == 0 {
            self.next_turn += 1;
            turn.at = self.next_turn;
        }
        turn.posts += 1;
        let board = lane.boards.entry(place.desk).or_insert_with(|| {
            self.of_desk.entry(place.desk).or_default().insert(place.queue);
            Board::default()
        });
        if board.insert(place.post, turn.at, is_open) {
            self.of_owner.entry(place.post.owner).or_default().insert(place.of_owner());
        }
    }

    fn leave(&mut self, place: Place) {
        let lane = self.lanes.get_mut(place.queue);
        let board = lane.boards.get_mut(&place.desk);
        if board.is_some_and(|board| board.remove(place.post))
            && let Some(places) = self.of_owner.get_mut(&place.post.owner)
        {
            places.remove(&place.of_owner());
            if places.is_empty() {
                self.of_owner.remove(&place.post.owner);
            }
        }
        let key = (Reverse(place.post.priority), place.post.owner);
        if let Some(turn) = lane.turns.get_mut(&key) {
            turn.posts -= 1;
            if turn.posts == 0 {
                lane.turns.remove(&key);
            }
        }
    }

    /// Another task of the user may run from now on, or not. Gives the boards that changed, which follow by
    /// [`Lanes::stand`].
    pub fn set_open(
        &mut self,
        owner: Slot<Owner>,
        is_open: bool,
    ) -> BTreeSet<(Slot<Queue>, DeskId)> {
        let places = self.of_owner.get(&owner).into_iter().flatten();
        for (queue, desk, priority) in places.clone() {
            if let Some(board) = self.lanes.get_mut(*queue).boards.get_mut(desk) {
                board.set_open(owner, *priority, is_open);
            }
        }
        places.map(|(queue, desk, _)| (*queue, *desk)).collect()
    }

    /// The queues that have a board of this desk.
    pub fn queues_of(&self, desk: DeskId) -> impl Iterator<Item = Slot<Queue>> {
        self.of_desk.get(&desk).into_iter().flatten().copied()
    }

    pub fn board(&self, queue: Slot<Queue>, desk: DeskId) -> Option<&Board> {
        self.lanes.get(queue)?.boards.get(&desk)
    }

    /// How the board stands from now on; one that nothing stands on is forgotten.
    pub fn stand(&mut self, queue: Slot<Queue>, desk: DeskId, standing: Standing) {
        let lane = self.lanes.get_mut(queue);
        if lane.boards.get(&desk).is_some_and(Board::is_empty) {
            lane.boards.remove(&desk);
            if let Some(queues) = self.of_desk.get_mut(&desk) {
                queues.remove(&queue);
                if queues.is_empty() {
                    self.of_desk.remove(&desk);
                }
            }
        }
        let before = match standing == Standing::default() {
            true => lane.standings.remove(&desk),
            false => lane.standings.insert(desk, standing),
        };
        let before = before.unwrap_or_default();
        self.reserve(queue, before, standing);
        if before.ready != standing.ready {
            self.list(queue, desk, (before.ready, standing.ready));
        }
        self.put_away_if_empty(queue);
    }

    fn list(
        &mut self,
        queue: Slot<Queue>,
        desk: DeskId,
        (before, after): (Option<Rank>, Option<Rank>),
    ) {
        let lane = self.lanes.get_mut(queue);
        let was_ready = !lane.ready.is_empty();
        if let Some(before) = before {
            lane.ready.remove(&before);
        }
        if let Some(after) = after {
            lane.ready.insert(after, desk);
        }
        match (was_ready, !lane.ready.is_empty()) {
            (true, false) => {
                self.ready.remove(&(lane.passed, lane.name_hash, queue));
            }
            (false, true) => {
                // Nobody saves up turns for which there was nothing to do.
                lane.passed = lane.passed.max(self.passed);
                self.ready.insert((lane.passed, lane.name_hash, queue));
            }
            (true, true) | (false, false) => {}
        }
    }

    /// How far on it is is remembered by its name: the queue may be gone, and its place become another's.
    fn put_away_if_empty(&mut self, queue: Slot<Queue>) {
        let lane = self.lanes.get_mut(queue);
        if !lane.boards.is_empty() {
            return;
        }
        let (name_hash, passed) = (lane.name_hash, lane.passed);
        (lane.passed, lane.served) = (0, 0);
        if passed > self.passed {
            self.ahead.insert(name_hash, passed);
        }
        if self.ahead.len() > MAX_AHEAD {
            let least = self.passed;
            self.ahead.retain(|_, passed| *passed > least);
        }
    }

    fn reserve(&mut self, queue: Slot<Queue>, before: Standing, after: Standing) {
        if (before.reserved, before.stuck) == (after.reserved, after.stuck) {
            return;
        }
        if let Some((worker, stuck)) = before.reserved.zip(before.stuck)
            && let Some(of_worker) = self.reserved.get_mut(&worker)
        {
            of_worker.remove(&stuck);
            if of_worker.is_empty() {
                self.reserved.remove(&worker);
            }
        }
        if let Some((worker, stuck)) = after.reserved.zip(after.stuck) {
            self.reserved.entry(worker).or_default().insert(stuck, queue);
        }
    }

    /// The queues of tasks that come before this one and for which the worker is to become free enough.
    pub fn reserved(
        &self,
        worker: Slot<Worker>,
        before: Precedence,
    ) -> impl Iterator<Item = Slot<Queue>> {
        let of_worker = self.reserved.get(&worker);
        of_worker.into_iter().flat_map(move |of| of.range(..before)).map(|(_, queue)| *queue)
    }

    pub fn standing(&self, queue: Slot<Queue>, desk: DeskId) -> Standing {
        let standing = self.lanes.get(queue).and_then(|lane| lane.standings.get(&desk));
        standing.copied().unwrap_or_default()
    }

    /// A task of the class got a slot of a worker. Gives the desks whose boards have changed by that.
    pub fn serve(&mut self, place: Place, weight: u32) -> Vec<DeskId> {
        let lane = self.lanes.get_mut(place.queue);
        lane.served += 1;
        let changed = lane.pass_turn(place.post.owner, place.post.priority, &mut self.next_turn);
        let is_ready = self.ready.remove(&(lane.passed, lane.name_hash, place.queue));
        // One that was closed meanwhile has saved up nothing.
        self.passed = self.passed.max(lane.passed);
        lane.passed = self.passed;
        lane.passed += STRIDE / u64::from(weight.max(1));
        if is_ready {
            self.ready.insert((lane.passed, lane.name_hash, place.queue));
        }
        changed
    }

    /// How many slots were given to tasks of this queue.
    pub fn served(&self, queue: Slot<Queue>) -> u64 {
        self.lanes.get(queue).map_or(0, |lane| lane.served)
    }

    /// Those with something to do, the next one first.
    pub fn in_turn(&self) -> impl Iterator<Item = Slot<Queue>> {
        self.ready.iter().map(|(_, _, queue)| *queue)
    }

    /// The boards of this lane of which a task could go to a worker, the next one first.
    pub fn ready_in(&self, queue: Slot<Queue>) -> impl Iterator<Item = (Rank, DeskId)> {
        let ready = self.lanes.get(queue).map(|lane| &lane.ready);
        ready.into_iter().flatten().map(|(rank, desk)| (*rank, *desk))
    }

    pub fn place_of(&self, class: Slot<Class>) -> Option<Place> {
        self.posts.get(class).copied().flatten()
    }

    /// The boards on which something stands.
    pub fn boards(&self) -> impl Iterator<Item = (Slot<Queue>, DeskId, &Board)> {
        self.lanes.iter().flat_map(|(queue, lane)| {
            lane.boards.iter().map(move |(desk, board)| (queue, *desk, board))
        })
    }
}
