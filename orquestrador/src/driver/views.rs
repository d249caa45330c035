//! The views that this process learnt of, for people.

use std::collections::VecDeque;

use orquestrador_core::ids::Timestamp;
use orquestrador_core::role::{Cause, View};

/// Views remembered.
const REMEMBERED: usize = 50;

/// One view, why it came and when it was learnt.
#[derive(Clone, Debug)]
pub struct ViewNote {
    pub view: View,
    pub cause: Cause,
    /// `None`: before this process.
    pub at: Option<Timestamp>,
}

/// The last ones, oldest first.
#[derive(Default)]
pub struct Views {
    notes: VecDeque<ViewNote>,
}

impl Views {
    /// With the newest view that was known at the start.
    pub fn new(newest: Option<&View>) -> Self {
        let known = |view: &View| ViewNote { view: view.clone(), cause: Cause::Learnt, at: None };
        Self { notes: newest.map(known).into_iter().collect() }
    }

    /// Takes note of a view; gives the one before.
    pub fn learn(&mut self, view: &View, at: Timestamp) -> Option<ViewNote> {
        let before = self.notes.back().cloned();
        let cause = view.cause(before.as_ref().map(|note| &note.view));
        self.notes.push_back(ViewNote { view: view.clone(), cause, at: Some(at) });
        if self.notes.len() > REMEMBERED {
            self.notes.pop_front();
        }
        before
    }

    pub fn all(&self) -> Vec<ViewNote> {
        self.notes.iter().cloned().collect()
    }
}
