//! Whether the lists of an office say what they should; for the invariants.

use std::collections::BTreeSet;

use super::Office;
use super::board::Post;
use super::desks::Desk;
use crate::state::State;
use crate::state::handlers::Handler;
use crate::state::schedules::{Entry, ScheduleKey};
use crate::state::slab::Slot;

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
            for desk in self.desks.of_handler(handler) {
                if !self.are_listed(state, handler, self.desks.get(*desk)) {
                    return Err(format!("the workers listed for {} are wrong", record.name));
                }
            }
        }
        let mut posted = 0;
        for (class, record) in state.classes.iter() {
            let head = record.line.first(&state.tasks).map(|(seq, _)| {
                let (owner, priority) = (record.owner, record.terms.priority);
                let desk = self.desks.find(record.handler, record.terms.needs.as_deref());
                (record.queue, desk, Post { class, owner, priority, seq })
            });
            let place = self.lanes.place_of(class);
            posted += usize::from(head.is_some());
            if place.map(|place| (place.queue, Some(place.desk), place.post)) != head {
                return Err(format!(
                    "a class of {} is posted wrongly",
                    state.queues[record.queue].name
                ));
            }
        }
        let due = |(key, entry): (&ScheduleKey, &Entry)| Some((key.clone(), entry.due()?));
        self.agenda.check(&state.schedules.iter().filter_map(due).collect())?;
        self.check_boards(state, posted)
    }

    fn check_boards(&self, state: &State, posted: usize) -> Result<(), String> {
        let mut stand = 0;
        for (queue, desk, board) in self.lanes.boards() {
            let wrong = |what: &str| format!("{desk:?} in {}: {what}", state.queues[queue].name);
            stand += board.posts().count();
            let is_there = |post: Post| {
                let place = self.lanes.place_of(post.class);
                place.is_some_and(|p| (p.queue, p.desk, p.post) == (queue, desk, post))
            };
            if !board.posts().all(is_there) {
                return Err(wrong("what stands there was not posted there"));
            }
            let is_open = |post: &Post| state.owners[post.owner].is_open();
            if board.posts().any(|post| board.has_open(post) != is_open(&post)) {
                return Err(wrong("the turn of a user may come, or not, against their quota"));
            }
            let highest = board.posts().filter(is_open).map(|post| post.priority).max();
            if board.first().map(|post| post.priority) != highest {
                return Err(wrong("the first one has not the highest priority"));
            }
            let standing = self.lanes.standing(queue, desk);
            if standing != self.counted_standing(state, queue, desk) {
                return Err(wrong("it stands otherwise"));
            }
            let listed = self.lanes.ready_in(queue).find(|(_, listed)| *listed == desk);
            if listed.map(|(rank, _)| rank) != standing.ready {
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

    fn are_listed(&self, state: &State, handler: Slot<Handler>, desk: &Desk) -> bool {
        let (mut offering, mut free) = (BTreeSet::new(), BTreeSet::new());
        for (slot, worker) in state.workers.iter().filter(|(_, w)| w.handlers.contains(&handler)) {
            let (offers, rank) = desk.place(self.policy, worker, self.condition(slot));
            if offers {
                offering.insert(slot);
            }
            free.extend(rank.map(|rank| (rank, slot)));
        }
        let listed: BTreeSet<_> = desk.free.iter().map(|(rank, slot)| (*rank, *slot)).collect();
        desk.offering == offering && listed == free
    }
}
