//! What waits for its events to be committed (V2), in order.

use std::collections::VecDeque;

use orquestrador_core::ids::Index;
use orquestrador_core::role::Millis;
use orquestrador_core::{Effect, Event, Step};

/// The effects of one turn.
pub struct Held {
    /// The last index appended when they were computed.
    pub index: Index,
    /// The question for the standby's word, where an answer that appended nothing is among them.
    pub nonce: Option<u64>,
    pub effects: Vec<Effect>,
    /// When they were computed.
    pub since: Millis,
}

/// First in, first out.
#[derive(Default)]
pub struct Pending {
    queue: VecDeque<Held>,
}

impl Pending {
    pub fn push(&mut self, held: Held) {
        self.queue.push_back(held);
    }

    /// The next one that may be released. `word`: the highest nonce that the standby has answered;
    /// `None` where no word is needed.
    pub fn pop(&mut self, committed: Index, word: Option<u64>) -> Option<Held> {
        let front = self.queue.front()?;
        let has_word = match (front.nonce, word) {
            (None, _) | (Some(_), None) => true,
            (Some(asked), Some(answered)) => asked <= answered,
        };
        if front.index <= committed && has_word { self.queue.pop_front() } else { None }
    }

    /// On deposition: nothing of it may be said any more.
    pub fn clear(&mut self) {
        self.queue.clear();
    }

    /// When the oldest began to wait.
    pub fn waiting_since(&self) -> Option<Millis> {
        self.queue.front().map(|held| held.since)
    }

    pub fn len(&self) -> usize {
        self.queue.len()
    }
}

/// Room for what a turn leads to, from turns that are over: a large step takes more time to grow than to decide.
#[derive(Default)]
pub struct Spares {
    events: Vec<Event>,
    effects: Vec<Vec<Effect>>,
}

impl Spares {
    /// Steps of so many turns are on their way at once, more or less.
    const MOST: usize = 4;
    /// What an unusual turn needed more is given back.
    const ROOM: usize = 32_768;

    /// An empty one.
    pub fn step(&mut self) -> Step {
        let events = std::mem::take(&mut self.events);
        Step { events, effects: self.effects.pop().unwrap_or_default() }
    }

    pub fn keep_events(&mut self, mut events: Vec<Event>) {
        events.clear();
        if events.capacity() <= Self::ROOM {
            self.events = events;
        }
    }

    pub fn keep_effects(&mut self, mut effects: Vec<Effect>) {
        effects.clear();
        if effects.capacity() <= Self::ROOM && self.effects.len() < Self::MOST {
            self.effects.push(effects);
        }
    }
}

/// Since when the entries of our own making have waited for their commit: also those that nobody waits for, such
/// as the record of a view (V10).
#[derive(Default)]
pub struct Uncommitted(VecDeque<(Index, Millis)>);

impl Uncommitted {
    pub fn appended(&mut self, index: Index, now: Millis) {
        match self.0.back_mut() {
            Some((last, since)) if *since == now => *last = index,
            Some(_) | None => self.0.push_back((index, now)),
        }
    }

    pub fn committed(&mut self, up_to: Index) {
        while self.0.front().is_some_and(|(index, _)| *index <= up_to) {
            self.0.pop_front();
        }
    }

    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Of the oldest.
    pub fn since(&self) -> Option<Millis> {
        self.0.front().map(|(_, since)| *since)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(index: u64, nonce: Option<u64>) -> Held {
        Held { index: Index(index), nonce, effects: Vec::new(), since: 0 }
    }

    #[test]
    fn nothing_is_released_before_its_index_is_committed() {
        let mut pending = Pending::default();
        pending.push(held(5, None));
        assert!(pending.pop(Index(4), None).is_none());
        assert!(pending.pop(Index(5), None).is_some());
    }

    #[test]
    fn a_read_waits_for_a_word_given_after_it() {
        let mut pending = Pending::default();
        pending.push(held(5, Some(7)));
        assert!(pending.pop(Index(5), Some(6)).is_none());
        assert!(pending.pop(Index(5), Some(7)).is_some());
    }

    #[test]
    fn the_oldest_entry_that_is_not_committed_tells_the_age() {
        let mut uncommitted = Uncommitted::default();
        assert_eq!(uncommitted.since(), None);
        for (index, now) in [(1, 10), (2, 10), (3, 11)] {
            uncommitted.appended(Index(index), now);
        }
        uncommitted.committed(Index(1));
        assert_eq!(uncommitted.since(), Some(10));
        uncommitted.committed(Index(2));
        assert_eq!(uncommitted.since(), Some(11));
        uncommitted.committed(Index(3));
        assert_eq!(uncommitted.since(), None);
    }

    #[test]
    fn a_later_turn_does_not_overtake() {
        let mut pending = Pending::default();
        pending.push(held(5, Some(7)));
        pending.push(held(5, None));
        assert!(pending.pop(Index(5), Some(6)).is_none());
    }
}
