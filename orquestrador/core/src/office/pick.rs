//! Which task goes next, and to whom.

use super::board::Precedence;
use super::desks::DeskId;
use super::{Office, first_of};
use crate::ids::Timestamp;
use crate::state::State;
use crate::state::queues::Queue;
use crate::state::slab::Slot;
use crate::state::tasks::Task;
use crate::state::workers::Worker;

/// One assignment of so many is for a task that has been overtaken for long.
const TURNS_OF_PATIENT: u64 = 8;

impl Office {
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
            let overtaken = match self.lanes.served(queue) % TURNS_OF_PATIENT {
                0 => self.overtaken(state, queue, now, patience_ms),
                _ => None,
            };
            overtaken.or_else(|| {
                let mut ready = self.lanes.ready_in(queue);
                ready.find_map(|(_, desk)| {
                    let post = self.lanes.board(queue, desk)?.first()?;
                    let task = first_of(state, post)?;
                    Some((task, self.worker_for(state, desk, (task, post.precedence()))?))
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
            ready.filter_map(|(_, desk)| Some((desk, self.lanes.board(queue, desk)?)))
        };
        let has_many =
            highest.0 != lowest.0 || boards().any(|(_, board)| board.has_many_priorities());
        if !has_many {
            return None;
        }
        let oldest = boards().filter_map(|(desk, board)| Some((desk, board.oldest()?)));
        let (desk, post) = oldest.min_by_key(|(_, post)| post.seq)?;
        let task = first_of(state, post)?;
        let worker = self.worker_for(state, desk, (task, post.precedence()))?;
        let is_late = state.tasks[task].submitted_at.plus_ms(patience_ms) <= now;
        is_late.then_some((task, worker))
    }

    /// Whose turn it is, unless the next slot there is for another task, or the task may not wait for it.
    fn worker_for(
        &self,
        state: &State,
        desk: DeskId,
        (task, precedence): (Slot<Task>, Precedence),
    ) -> Option<Slot<Worker>> {
        let is_suspect = self.is_suspect(state, &state.tasks[task]);
        for (rank, worker) in &self.desks.get(desk).free {
            let is_held =
                || !self.may_wait(state, task) || self.is_awaited(state, *worker, precedence);
            if rank.is_ahead && is_held() {
                return None;
            }
            if is_suspect && self.runs_suspect(state, *worker) {
                continue;
            }
            let mut before = self.lanes.reserved(*worker, precedence);
            if !before.any(|queue| state.queues[queue].is_open()) {
                return Some(*worker);
            }
        }
        None
    }

    /// A task that precedes this one may not wait with the worker, and needs its next slot: with work ahead there might
    /// never be one.
    fn is_awaited(&self, state: &State, worker: Slot<Worker>, precedence: Precedence) -> bool {
        let handlers = state.workers[worker].handlers.iter();
        let desks = handlers.flat_map(|handler| self.desks.of_handler(*handler));
        let desks = desks.filter(|desk| self.desks.get(**desk).offering.contains(&worker));
        desks.flat_map(|desk| self.lanes.queues_of(*desk).map(move |queue| (queue, *desk))).any(
            |(queue, desk)| {
                let stuck = self.lanes.standing(queue, desk).stuck;
                stuck.is_some_and(|stuck| stuck < precedence) && state.queues[queue].is_open()
            },
        )
    }
}
