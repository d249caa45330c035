//! The last views, for people: those that this process learnt of, those that the node noted before, and those
//! that only the journal tells of.

use std::collections::VecDeque;

use orquestrador_core::ids::{Timestamp, ViewNumber};
use orquestrador_core::role::View;

pub use crate::journal::ViewNote;

/// Views remembered.
const REMEMBERED: usize = 50;

/// The last ones, by number.
#[derive(Default)]
pub struct Views {
    notes: VecDeque<ViewNote>,
    /// The newest one that this process learnt of.
    learnt: Option<ViewNumber>,
    /// Not saved yet.
    is_new: bool,
}

/// What was the newest view before another one.
pub struct Before {
    pub view: View,
    /// This process learnt of it.
    pub is_ours: bool,
}

impl Views {
    /// With what was noted before this process, and the newest view that was known at the start.
    pub fn new(noted: Vec<ViewNote>, newest: Option<&View>) -> Self {
        let mut views = Self { notes: noted.into(), ..Self::default() };
        newest.into_iter().for_each(|view| views.recorded(view));
        views
    }

    /// The journal has the record of a view.
    pub fn recorded(&mut self, view: &View) {
        let place = self.notes.partition_point(|note| note.view.number < view.number);
        if self.notes.get(place).is_none_or(|note| note.view.number != view.number) {
            let before = place.checked_sub(1).and_then(|place| self.notes.get(place));
            let cause = view.cause(before.map(|note| &note.view), false);
            self.insert(place, ViewNote { view: view.clone(), cause, at: None });
        }
    }

    /// Takes note of the newest view; gives the one before.
    pub fn learn(&mut self, view: &View, handed_over: bool, at: Timestamp) -> Option<Before> {
        let place = self.notes.partition_point(|note| note.view.number < view.number);
        // Its record may have come before the news, and a history that was abandoned may have had more.
        self.notes.truncate(place);
        let before = self.notes.back().map(|note| Before {
            view: note.view.clone(),
            is_ours: self.learnt == Some(note.view.number),
        });
        let cause = view.cause(before.as_ref().map(|before| &before.view), handed_over);
        self.insert(place, ViewNote { view: view.clone(), cause, at: Some(at) });
        self.learnt = Some(view.number);
        before
    }

    fn insert(&mut self, place: usize, note: ViewNote) {
        self.notes.insert(place, note);
        self.is_new = true;
        if self.notes.len() > REMEMBERED {
            self.notes.pop_front();
        }
    }

    /// All of them, if they are others than when this was last asked.
    pub fn take_news(&mut self) -> Option<Vec<ViewNote>> {
        std::mem::take(&mut self.is_new).then(|| self.all())
    }

    pub fn all(&self) -> Vec<ViewNote> {
        self.notes.iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use orquestrador_core::ids::{Epoch, NodeId, ProcessId};
    use orquestrador_core::role::{Cause, Replica};

    use super::*;

    fn view(number: u64, principal: u128, process: u128, replicas: &[u128]) -> View {
        let replica = |node: &u128| Replica { node: NodeId(*node), since: ViewNumber(1) };
        View {
            number: ViewNumber(number),
            epoch: Epoch(1),
            principal_node: NodeId(principal),
            principal_process: ProcessId(process),
            replicas: replicas.iter().map(replica).collect(),
            witnesses: Vec::new(),
            forced: false,
        }
    }

    fn causes(views: &Views) -> Vec<Cause> {
        views.all().iter().map(|note| note.cause).collect()
    }

    #[test]
    fn the_journal_fills_in_what_was_not_noted() {
        let noted = ViewNote {
            view: view(3, 2, 20, &[1, 2]),
            cause: Cause::HandedOver,
            at: Some(Timestamp(9)),
        };
        let mut views = Views::new(vec![noted], Some(&view(4, 2, 20, &[2])));
        views.recorded(&view(1, 1, 10, &[1]));
        views.recorded(&view(2, 1, 10, &[1, 2]));
        views.recorded(&view(3, 2, 20, &[1, 2]));
        assert_eq!(causes(&views), [Cause::Founded, Cause::Grew, Cause::HandedOver, Cause::Shrank]);
        let times: Vec<_> = views.all().iter().map(|note| note.at).collect();
        assert_eq!(times, [None, None, Some(Timestamp(9)), None]);
    }

    #[test]
    fn another_principal_of_two_was_asked_for_only_if_that_is_known() {
        for (handed_over, cause) in [(true, Cause::HandedOver), (false, Cause::TookOver)] {
            let mut views = Views::new(Vec::new(), Some(&view(2, 1, 10, &[1, 2])));
            let before = views.learn(&view(3, 2, 20, &[1, 2]), handed_over, Timestamp(5));
            assert!(before.is_some_and(|before| !before.is_ours));
            assert_eq!(causes(&views).last(), Some(&cause));
        }
    }

    #[test]
    fn news_are_told_once() {
        let mut views = Views::new(Vec::new(), None);
        assert_eq!(views.take_news(), None);
        views.learn(&view(1, 1, 10, &[1]), false, Timestamp(5));
        assert_eq!(views.take_news().map(|notes| notes.len()), Some(1));
        assert_eq!(views.take_news(), None);
    }
}
