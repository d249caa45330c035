//! The journal's ids since the snapshot, and its newest entries, in memory.

use std::collections::VecDeque;

use orquestrador_core::ids::{Index, ViewNumber};
use orquestrador_core::role::{EntryId, Log};

use crate::journal::Entry;

/// What the role machine and the replicator ask of the journal without touching the disk.
#[derive(Default)]
pub struct Tail {
    /// The entry that the snapshot stands for.
    floor: EntryId,
    /// All that follow it.
    ids: VecDeque<EntryId>,
    records: Vec<(ViewNumber, Index)>,
    recent: VecDeque<Entry>,
    recent_bytes: usize,
    max_recent_bytes: usize,
}

impl Tail {
    /// `max_recent_bytes`: payload bytes of entries kept in memory.
    pub fn new(floor: EntryId, records: Vec<(ViewNumber, Index)>, max_recent_bytes: usize) -> Self {
        Self { floor, records, max_recent_bytes, ..Self::default() }
    }

    /// Adds the entry that follows the last one.
    pub fn push(&mut self, entry: Entry, record: Option<ViewNumber>) {
        self.push_id(entry.id);
        if let Some(view) = record {
            self.records.push((view, entry.id.index));
        }
        self.recent_bytes += entry.payload.len();
        self.recent.push_back(entry);
        while self.recent_bytes > self.max_recent_bytes
            && let Some(oldest) = self.recent.pop_front()
        {
            self.recent_bytes -= oldest.payload.len();
        }
    }

    /// Adds an entry that is on disk; its record, if it is one, is known from [`Tail::new`].
    pub fn push_id(&mut self, id: EntryId) {
        debug_assert_eq!(id.index, self.last().index.next());
        self.ids.push_back(id);
    }

    /// Forgets what follows `keep`.
    pub fn truncate(&mut self, keep: Index) {
        self.ids.truncate(
            usize::try_from(keep.0.saturating_sub(self.floor.index.0)).unwrap_or(usize::MAX),
        );
        self.records.retain(|(_, index)| *index <= keep);
        while let Some(newest) = self.recent.back()
            && newest.id.index > keep
        {
            self.recent_bytes -= newest.payload.len();
            self.recent.pop_back();
        }
    }

    /// A snapshot stands for all up to `id` now.
    pub fn raise_floor(&mut self, id: EntryId) {
        while self.ids.front().is_some_and(|first| first.index <= id.index) {
            self.ids.pop_front();
        }
        self.floor = id;
    }

    /// The records of views, with their places, oldest first.
    pub fn records(&self) -> &[(ViewNumber, Index)] {
        &self.records
    }

    /// The newest view whose record stands at `index` or before.
    pub fn view_at(&self, index: Index) -> Option<ViewNumber> {
        self.records.iter().rev().find(|(_, at)| *at <= index).map(|(view, _)| *view)
    }

    /// The entries from `from` on, up to about `max_bytes`, as far as they are in memory. `None` when the
    /// first of them is not.
    pub fn recent_from(&self, from: Index, max_bytes: usize) -> Option<Vec<Entry>> {
        let first = self.recent.front()?.id.index;
        let skip = usize::try_from(from.0.checked_sub(first.0)?).ok()?;
        let mut bytes = 0;
        let fits = |entry: &&Entry| {
            let before = bytes;
            bytes += entry.payload.len();
            before == 0 || bytes <= max_bytes
        };
        Some(self.recent.iter().skip(skip).take_while(fits).cloned().collect())
    }
}

impl Log for Tail {
    fn last(&self) -> EntryId {
        self.ids.back().copied().unwrap_or(self.floor)
    }

    fn id_at(&self, index: Index) -> Option<EntryId> {
        match index.0.checked_sub(self.floor.index.0)? {
            0 => Some(self.floor),
            nth => self.ids.get(usize::try_from(nth - 1).ok()?).copied(),
        }
    }

    fn floor(&self) -> Index {
        self.floor.index
    }

    fn record(&self, from: ViewNumber, to: ViewNumber) -> Option<Index> {
        self.records
            .iter()
            .rev()
            .find(|(view, _)| (from..=to).contains(view))
            .map(|(_, index)| *index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use orquestrador_core::ids::Epoch;

    fn tail_of(count: u64) -> Tail {
        let mut tail = Tail::new(EntryId::default(), Vec::new(), 1 << 20);
        for _ in 0..count {
            let entry = Entry::following(&tail.last(), Epoch(1), Bytes::from_static(b"payload"));
            tail.push(entry, None);
        }
        tail
    }

    #[test]
    fn truncating_forgets_what_follows() {
        let mut tail = tail_of(5);
        let third = tail.id_at(Index(3));
        tail.truncate(Index(3));
        assert_eq!(Some(tail.last()), third);
        assert_eq!(tail.recent_from(Index(4), 1000).map(|entries| entries.len()), Some(0));
    }

    #[test]
    fn a_raised_floor_keeps_its_own_id() {
        let mut tail = tail_of(5);
        let third = tail.id_at(Index(3)).expect("is there");
        tail.raise_floor(third);
        assert_eq!(tail.id_at(Index(3)), Some(third));
        assert_eq!(tail.id_at(Index(2)), None);
        assert_eq!(tail.last().index, Index(5));
    }

    #[test]
    fn at_least_one_entry_is_given_however_large() {
        let tail = tail_of(3);
        assert_eq!(tail.recent_from(Index(2), 1).map(|entries| entries.len()), Some(1));
        assert_eq!(tail.recent_from(Index(1), 14).map(|entries| entries.len()), Some(2));
    }
}
