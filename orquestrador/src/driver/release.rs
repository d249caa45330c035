//! What waits for its events to be committed (V2), in order.

use std::collections::VecDeque;

use orquestrador_core::Effect;
use orquestrador_core::ids::Index;
use orquestrador_core::role::Millis;

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
    fn a_later_turn_does_not_overtake() {
        let mut pending = Pending::default();
        pending.push(held(5, Some(7)));
        pending.push(held(5, None));
        assert!(pending.pop(Index(5), Some(6)).is_none());
    }
}
