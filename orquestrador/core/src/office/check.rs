//! Whether the lists of an office say what they should; for the invariants.

use super::board::Post;
use super::{Desk, Office};
use crate::state::State;
use crate::state::names::Handler;
use crate::state::slab::Slot;
use crate::state::workers::Worker;

impl Office {
    /// # Errors
    /// Says which list is wrong.
    pub fn check(&self, state: &State) -> Result<(), String> {
        for (session, worker) in &self.sessions {
            if self.presence(*worker).session != Some(*session) {
                return Err(format!("session {session} is not its worker's"));
            }
        }
        for (handler, record) in state.handlers.iter() {
            if !self.are_listed(state, handler) {
                return Err(format!("the workers listed for {} are wrong", record.name));
            }
        }
        let mut posted = 0;
        for (class, record) in state.classes.iter() {
            let head = record.line.first(&state.tasks).map(|(seq, _)| {
                let (owner, priority) = (record.owner, record.terms.priority);
                (record.queue, record.handler, Post { class, owner, priority, seq })
            });
            let place = self.lanes.place_of(class);
            posted += usize::from(head.is_some());
            if place.map(|place| (place.queue, place.handler, place.post)) != head {
                return Err(format!(
                    "a class of {} is posted wrongly",
                    state.queues[record.queue].name
                ));
            }
        }
        self.check_boards(state, posted)
    }

    fn check_boards(&self, state: &State, posted: usize) -> Result<(), String> {
        let mut stand = 0;
        for (queue, handler, board) in self.lanes.boards() {
            let wrong = |what: &str| {
                format!("{} in {}: {what}", state.handlers[handler].name, state.queues[queue].name)
            };
            stand += board.posts().count();
            let is_there = |post: Post| {
                let place = self.lanes.place_of(post.class);
                place.is_some_and(|p| (p.queue, p.handler, p.post) == (queue, handler, post))
            };
            if !board.posts().all(is_there) {
                return Err(wrong("what stands there was not posted there"));
            }
            let highest = board.posts().map(|post| post.priority).max();
            if board.first().map(|post| post.priority) != highest {
                return Err(wrong("the first one has not the highest priority"));
            }
            let standing = self.lanes.standing(queue, handler);
            if standing != self.counted_standing(state, queue, handler) {
                return Err(wrong("it stands otherwise"));
            }
            let listed = self.lanes.ready_in(queue).find(|(_, listed)| *listed == handler);
            if listed.map(|(precedence, _)| precedence) != standing.ready {
                return Err(wrong("it is listed wrongly"));
            }
            if standing.ready.is_some() && !self.lanes.in_turn().any(|listed| listed == queue) {
                return Err(wrong("its lane is not listed"));
            }
        }
        if stand == posted {
            Ok(())
        } else {
            Err(format!("{stand} of {posted} classes stand on boards"))
        }
    }

    fn are_listed(&self, state: &State, handler: Slot<Handler>) -> bool {
        let empty = Desk::default();
        let desk = self.desks.get(handler).unwrap_or(&empty);
        let offering: Vec<(Slot<Worker>, &Worker)> = state
            .workers
            .iter()
            .filter(|(_, worker)| worker.handlers.contains(&handler))
            .filter(|(slot, _)| {
                let presence = self.presence(*slot);
                presence.session.is_some() && !presence.draining
            })
            .collect();
        let free = offering.iter().filter(|(slot, worker)| {
            let most = worker.slots.saturating_add(self.presence(*slot).prefetch);
            self.taken(state, *slot) < most
        });
        let mut expected: Vec<_> = free.map(|(slot, _)| *slot).collect();
        expected.sort();
        let mut listed: Vec<_> = desk.free.values().copied().collect();
        listed.sort();
        desk.offering == offering.len() && listed == expected
    }
}
