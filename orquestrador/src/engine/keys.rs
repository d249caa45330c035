//! Where what is in etcd. Indices and fences are written so that they sort as numbers.

use std::fmt::Display;

use orquestrador_core::election::Fence;
use orquestrador_core::ids::{Index, NodeId};
use orquestrador_etcd::end_of_prefix;

/// The keys of one cluster.
#[derive(Clone, Debug)]
pub struct Keys {
    /// Of all shards; ends with a slash.
    base: String,
    /// Of this one; ends with a slash.
    prefix: String,
}

/// Below the base: the keys of other shards than the unnamed one.
const GROUP: &str = "group";
/// Below the base: what there is of shards.
const SHARDS: &str = "shards";

/// From the first key on, up to the second one, which is not part of it.
pub type Span = (Vec<u8>, Vec<u8>);

impl Keys {
    /// `shard`: `None` of the unnamed one.
    pub fn new(base: &str, shard: Option<&str>) -> Self {
        let base = format!("/{}/", base.trim_matches('/'));
        let prefix = match shard {
            None => base.clone(),
            Some(name) => format!("{base}{GROUP}/{name}/"),
        };
        Self { base, prefix }
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

    /// Everything of this cluster but [`Keys::migrating`]: not what other shards have below it.
    pub fn all_but_migrating(&self) -> Vec<Span> {
        let from = self.prefix.clone().into_bytes();
        let end = end_of_prefix(&from);
        let migrating = self.migrating();
        let after = [&migrating[..], &[0]].concat();
        let (groups, shards) = (self.span(GROUP), self.span(SHARDS));
        vec![(from, groups.0), (groups.1, migrating), (after, shards.0), (shards.1, end)]
    }

    // ---- What all shards share. ----

    /// Who has which queue, and where the orchestrators of each are.
    pub fn shards(&self) -> Span {
        let key = |end: char| format!("{}{SHARDS}{end}", self.base).into_bytes();
        (key('/'), key('0'))
    }

    /// Who has this queue.
    pub fn shard_queue(&self, queue: &str) -> Vec<u8> {
        format!("{}{SHARDS}/queue/{queue}", self.base).into_bytes()
    }

    /// Where its orchestrators are.
    pub fn shard(&self, name: &str) -> Vec<u8> {
        format!("{}{SHARDS}/name/{name}", self.base).into_bytes()
    }

    /// The name in a key of [`Keys::shard_queue`].
    pub fn queue_of<'a>(&self, key: &'a [u8]) -> Option<&'a str> {
        self.below_shards(key)?.strip_prefix("queue/")
    }

    /// The name in a key of [`Keys::shard`].
    pub fn shard_of<'a>(&self, key: &'a [u8]) -> Option<&'a str> {
        self.below_shards(key)?.strip_prefix("name/")
    }

    fn below_shards<'a>(&self, key: &'a [u8]) -> Option<&'a str> {
        let name = std::str::from_utf8(key).ok()?.strip_prefix(&self.base)?;
        name.strip_prefix(SHARDS)?.strip_prefix('/')
    }

    // ---- The office. ----

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

    /// Each [`Keys::node`].
    pub fn nodes(&self) -> Span {
        self.span("office/node")
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
        let keys = Keys::new("mutirao", None);
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
        let keys = Keys::new("/a/b/", None);
        assert_eq!(keys.prefix(), "/a/b/");
        assert_eq!(keys.index_of(&keys.batch(Index(42))), Some(Index(42)));
        assert_eq!(keys.index_of(&keys.tip()), None);
    }

    #[test]
    fn a_shard_keeps_out_of_what_others_have() {
        let (unnamed, media) = (Keys::new("mutirao", None), Keys::new("mutirao", Some("media")));
        assert_eq!(media.prefix(), "/mutirao/group/media/");
        let holds = |keys: &Keys, key: &[u8]| {
            keys.all_but_migrating().iter().any(|(from, to)| from[..] <= *key && *key < to[..])
        };
        let of = |keys: &Keys| [keys.cluster(), keys.tip(), keys.leader(), keys.snapshot()];
        assert!(of(&unnamed).iter().all(|key| holds(&unnamed, key) && !holds(&media, key)));
        assert!(of(&media).iter().all(|key| holds(&media, key) && !holds(&unnamed, key)));
        assert!(!holds(&unnamed, &unnamed.migrating()) && !holds(&media, &media.migrating()));
        let shared = media.shard_queue("video");
        assert_eq!(unnamed.queue_of(&shared), Some("video"));
        assert!(!holds(&unnamed, &shared) && !holds(&media, &shared));
        assert_eq!(media.shard_of(&unnamed.shard("media")), Some("media"));
    }

    #[test]
    fn earlier_snapshots_leave_this_one_and_later_ones_out() {
        let keys = Keys::new("mutirao", None);
        let (from, to) = keys.earlier_snapshots(Index(5), Fence(3));
        let is_in = |key: Vec<u8>| from <= key && key < to;
        assert!(!is_in(keys.snapshot_part(Index(5), Fence(3), 0)));
        assert!(is_in(keys.snapshot_part(Index(5), Fence(2), 9)));
        assert!(!is_in(keys.snapshot_part(Index(5), Fence(4), 0)));
        assert!(is_in(keys.snapshot_part(Index(4), Fence(9), 0)));
        assert!(!is_in(keys.snapshot_part(Index(6), Fence(3), 0)));
    }
}
