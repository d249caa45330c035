//! Queues as this principal serves them: each has a lane, and lanes take turns by weight.
//!
//! Weighted sharing is stride scheduling (C. Waldspurger and W. Weihl, "Stride Scheduling: Deterministic
//! Proportional-Share Resource Management", MIT/LCS/TM-528, 1995): each slot given moves a lane on by the inverse of its
//! weight, and the lane that is least far on is next.

use std::collections::{BTreeMap, BTreeSet};

use super::board::{Board, Post, Precedence};
use super::desks::DeskId;
use crate::state::classes::Class;
use crate::state::queues::Queue;
use crate::state::slab::{Beside, Slot};
use crate::state::workers::Worker;

/// By which a queue of weight 1 moves on.
const STRIDE: u64 = 1 << 20;

#[derive(Default)]
pub struct Lanes {
    lanes: Beside<Queue, Lane>,
    /// Those with a task for which a worker is free, by how far on they are; among equals, by the hash of their name.
    ready: BTreeSet<(u64, u64, Slot<Queue>)>,
    /// Those that have a board of this desk.
    of_desk: BTreeMap<DeskId, BTreeSet<Slot<Queue>>>,
    /// Where each class stands.
    posts: Beside<Class, Option<Place>>,
    /// How far on the lane is that was served last.
    passed: u64,
    /// Workers that are to become free enough for tasks of these queues.
    reserved: BTreeMap<Slot<Worker>, BTreeMap<Precedence, Slot<Queue>>>,
}

#[derive(Default)]
struct Lane {
    passed: u64,
    name_hash: u64,
    boards: BTreeMap<DeskId, Board>,
    /// The boards of which a task could go to a worker, by that task.
    ready: BTreeMap<Precedence, DeskId>,
    standings: BTreeMap<DeskId, Standing>,
}

/// A place on a board.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Place {
    pub queue: Slot<Queue>,
    pub queue_hash: u64,
    pub desk: DeskId,
    pub post: Post,
}

/// How a board stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Its first task, if a worker is free for it.
    pub ready: Option<Precedence>,
    /// Its first task, if that may not wait with a worker, and no slot is free for it.
    pub stuck: Option<Precedence>,
    /// The worker that is to become free enough for that task, which takes more than any one slot.
    pub reserved: Option<Slot<Worker>>,
}

impl Lanes {
    /// Where the class stands from now on. The boards that changed follow by [`Lanes::stand`].
    pub fn post(&mut self, class: Slot<Class>, place: Option<Place>) -> Option<Place> {
        let before = std::mem::replace(self.posts.get_mut(class), place);
        match (before, place) {
            (before, after) if before == after => {}
            (Some(before), Some(after))
                if (before.queue, before.desk) == (after.queue, after.desk) =>
            {
                self.board_mut(after).replace(before.post, after.post);
            }
            (before, after) => {
                if let Some(before) = before {
                    self.board_mut(before).remove(before.post);
                }
                if let Some(after) = after {
                    self.board_mut(after).insert(after.post);
                }
            }
        }
        before
    }

    fn board_mut(&mut self, place: Place) -> &mut Board {
        let lane = self.lanes.get_mut(place.queue);
        lane.name_hash = place.queue_hash;
        lane.boards.entry(place.desk).or_insert_with(|| {
            self.of_desk.entry(place.desk).or_default().insert(place.queue);
            Board::default()
        })
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
        let lane = self.lanes.get_mut(queue);
        if before.ready == standing.ready {
            return;
        }
        let was_ready = !lane.ready.is_empty();
        if let Some(before) = before.ready {
            lane.ready.remove(&before);
        }
        if let Some(ready) = standing.ready {
            lane.ready.insert(ready, desk);
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

    /// A task of the class got a slot of a worker.
    pub fn serve(&mut self, place: Place, weight: u32) {
        let lane = self.lanes.get_mut(place.queue);
        if let Some(board) = lane.boards.get_mut(&place.desk) {
            board.serve(place.post.owner, place.post.priority);
        }
        self.passed = lane.passed;
        let is_ready = self.ready.remove(&(lane.passed, lane.name_hash, place.queue));
        lane.passed += STRIDE / u64::from(weight.max(1));
        if is_ready {
            self.ready.insert((lane.passed, lane.name_hash, place.queue));
        }
    }

    /// Those with something to do, the next one first.
    pub fn in_turn(&self) -> impl Iterator<Item = Slot<Queue>> {
        self.ready.iter().map(|(_, _, queue)| *queue)
    }

    /// The boards of this lane of which a task could go to a worker, the next one first.
    pub fn ready_in(&self, queue: Slot<Queue>) -> impl Iterator<Item = (Precedence, DeskId)> {
        let ready = self.lanes.get(queue).map(|lane| &lane.ready);
        ready.into_iter().flatten().map(|(precedence, desk)| (*precedence, *desk))
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
