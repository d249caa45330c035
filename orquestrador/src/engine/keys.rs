//! Where what is in etcd. Indices and fences are written so that they sort as numbers.

use std::fmt::Display;

use orquestrador_core::election::Fence;
use orquestrador_core::ids::{Index, NodeId};
use orquestrador_etcd::end_of_prefix;

/// The keys of one cluster.
#[derive(Clone, Debug)]
pub struct Keys {
    /// Ends with a slash.
    prefix: String,
}

/// From the first key on, up to the second one, which is not part of it.
pub type Span = (Vec<u8>, Vec<u8>);

impl Keys {
    pub fn new(prefix: &str) -> Self {
        Self { prefix: format!("/{}/", prefix.trim_matches('/')) }
    }

    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    fn key(&self, name: impl Display) -> Vec<u8> {
        format!("{}{name}", self.prefix).into_bytes()
    }

    /// Which cluster it is.
    pub fn cluster(&self) -> Vec<u8> {
        self.key("cluster")
    }

    /// That a pair's cluster is being brought here: nothing below the prefix counts before that is gone.
    pub fn migrating(&self) -> Vec<u8> {
        self.key("migrating")
    }

    /// Everything.
    pub fn all(&self) -> Span {
        let from = self.prefix.clone().into_bytes();
        let to = end_of_prefix(&from);
        (from, to)
    }

    /// Where the log ends.
    pub fn tip(&self) -> Vec<u8> {
        self.key("tip")
    }

    /// Who is principal, bound to its lease.
    pub fn leader(&self) -> Vec<u8> {
        self.key("office/leader")
    }

    /// That an orchestrator is there, bound to its lease.
    pub fn node(&self, node: NodeId) -> Vec<u8> {
        self.key(format_args!("office/node/{node}"))
    }

    /// [`Keys::leader`], and each [`Keys::node`].
    pub fn office(&self) -> Span {
        self.span("office")
    }

    /// A batch whose first entry has this index.
    pub fn batch(&self, first: Index) -> Vec<u8> {
        self.key(format_args!("log/{:020}", first.0))
    }

    pub fn log(&self) -> Span {
        self.span("log")
    }

    /// The index in a key of [`Keys::batch`].
    pub fn index_of(&self, batch: &[u8]) -> Option<Index> {
        let name = std::str::from_utf8(batch).ok()?.strip_prefix(&self.prefix)?;
        name.strip_prefix("log/")?.parse().ok().map(Index)
    }

    pub fn part(&self, first: Index, fence: Fence, nth: u32) -> Vec<u8> {
        self.key(format_args!("part/{:020}/{:020}/{nth:010}", first.0, fence.0))
    }

    /// The parts of all batches whose first index is below this one.
    pub fn parts_below(&self, first: Index) -> Span {
        (self.span("part").0, self.key(format_args!("part/{:020}/", first.0)))
    }

    /// The batches whose first index is below this one.
    pub fn batches_below(&self, first: Index) -> Span {
        (self.log().0, self.batch(first))
    }

    /// What stands for the beginning of the log.
    pub fn snapshot(&self) -> Vec<u8> {
        self.key("snapshot")
    }

    pub fn snapshot_part(&self, last: Index, fence: Fence, nth: u32) -> Vec<u8> {
        self.key(format_args!("snap/{:020}/{:020}/{nth:010}", last.0, fence.0))
    }

    /// The parts of one snapshot.
    pub fn snapshot_parts(&self, last: Index, fence: Fence) -> Span {
        self.span(format_args!("snap/{:020}/{:020}", last.0, fence.0))
    }

    /// The parts of all snapshots before this one.
    pub fn earlier_snapshots(&self, last: Index, fence: Fence) -> Span {
        (self.span("snap").0, self.snapshot_parts(last, fence).0)
    }

    /// All keys below a name.
    fn span(&self, name: impl Display) -> Span {
        // The character after the slash ends it.
        (self.key(format_args!("{name}/")), self.key(format_args!("{name}0")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_sort_as_their_numbers() {
        let keys = Keys::new("mutirao");
        assert!(keys.batch(Index(9)) < keys.batch(Index(10)));
        let (from, to) = keys.log();
        let any = keys.batch(Index(u64::MAX));
        assert!(from < any && any < to);
        let (from, to) = keys.parts_below(Index(10));
        let part = |first| keys.part(Index(first), Fence(7), 0);
        assert!(from < part(9) && part(9) < to && to <= part(10));
    }

    #[test]
    fn a_batch_is_known_by_its_key() {
        let keys = Keys::new("/a/b/");
        assert_eq!(keys.prefix(), "/a/b/");
        assert_eq!(keys.index_of(&keys.batch(Index(42))), Some(Index(42)));
        assert_eq!(keys.index_of(&keys.tip()), None);
    }

    #[test]
    fn earlier_snapshots_leave_this_one_and_later_ones_out() {
        let keys = Keys::new("mutirao");
        let (from, to) = keys.earlier_snapshots(Index(5), Fence(3));
        let is_in = |key: Vec<u8>| from <= key && key < to;
        assert!(!is_in(keys.snapshot_part(Index(5), Fence(3), 0)));
        assert!(is_in(keys.snapshot_part(Index(5), Fence(2), 9)));
        assert!(!is_in(keys.snapshot_part(Index(5), Fence(4), 0)));
        assert!(is_in(keys.snapshot_part(Index(4), Fence(9), 0)));
        assert!(!is_in(keys.snapshot_part(Index(6), Fence(3), 0)));
    }
}
