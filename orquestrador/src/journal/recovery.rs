//! Opening: finishing what a crash interrupted, then verifying all that is kept.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, RwLock};

use orquestrador_core::ids::{Index, NodeId, ViewNumber};
use orquestrador_core::role::{Durable, EntryId, View};
use orquestrador_spill::Spill;

use super::bounds::{Bounds, BoundsFile};
use super::codec::view_record;
use super::directory::Directory;
use super::entry::Entry;
use super::error::{Error, Place};
use super::log::{Inner, Journal, Tail, Writer};
use super::move_aside;
use super::retention;
use super::role_file;
use super::snapshot::{FOREIGN, SnapshotMeta, SnapshotReader, UNFINISHED};
use super::store::Store;

/// What is wrong with a role file that knows another view by the number of one that an entry records.
pub(super) const OTHER_VIEW: &str = "it is of another cluster or history than the entries";

/// What opening a data directory found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovered {
    pub node: NodeId,
    pub role: Durable,
    /// The entry that the snapshot stands for.
    pub snapshot: Option<EntryId>,
    pub last: EntryId,
    /// The view records that the journal holds or has held, by index, ascending: those that the
    /// snapshot remembers and those among the entries kept.
    pub view_records: Vec<(ViewNumber, Index)>,
    /// The directory is new.
    pub created: bool,
}

pub(super) fn open(path: &Path) -> Result<(Journal, Recovered), Error> {
    if move_aside::interrupted(path)?.is_some() {
        return Err(Error::RepairInterrupted { dir: path.to_path_buf() });
    }
    open_unfinished(path)
}

/// Also in the middle of a repair.
pub(super) fn open_unfinished(path: &Path) -> Result<(Journal, Recovered), Error> {
    let directory = Directory::lock(path)?;
    let known = directory.node()?;
    let node = match known {
        Some(node) => node,
        None => create(&directory)?,
    };
    let role = role_file::load(&directory.role())?;
    remove_unfinished(&directory)?;
    let snapshot = SnapshotReader::open(&directory.snapshot())?.map(|reader| reader.meta().clone());
    if snapshot.as_ref().is_some_and(|meta| meta.is_foreign(role.cluster)) {
        // It would pass for one that was received, for which the entries are to be removed.
        return Err(Error::corrupt(&directory.snapshot(), Place::WholeFile, FOREIGN));
    }
    let mut bounds = BoundsFile::open(&directory.bounds())?;
    let was_installing = bounds.current().cutting;
    let mut found = Found::new(&bounds.current(), snapshot.as_ref().map(|meta| meta.id));
    found.check_snapshot(&directory.store())?;
    let store = Store::open(&directory.store(), &bounds.current(), |entry| found.see(entry))?;
    if let Some(by) = found.superseded_by() {
        // One that this node wrote stands for an entry of its own: these are from elsewhere, unless an older one was about
        // to take its place.
        if !was_installing && snapshot.as_ref().is_some_and(|meta| meta.node == Some(node)) {
            let what = "they are of another history than the snapshot beside them";
            return Err(Error::corrupt(&directory.store(), Place::Entry(by.index), what));
        }
        retention::reset(&store, &mut bounds, by)?;
        found = Found::new(&bounds.current(), Some(by));
    }
    // A view is written there before its record is appended.
    let newest = role.newest.as_ref().map_or(ViewNumber(0), |view| view.number);
    // Of a number there is one view in a cluster, but for one that was forced. A founder that steps back for another
    // cluster (V12) has nothing but the record of its own first view, until it follows.
    let is_recorded_otherwise = |role: &View| {
        found.newest_record.as_ref().is_some_and(|view| {
            let is_other = view.number == role.number && view != role;
            is_other && !view.forced && !role.forced && found.last.index > Index(1)
        })
    };
    if role.newest.as_ref().is_some_and(is_recorded_otherwise) {
        return Err(Error::corrupt(&directory.role(), Place::WholeFile, OTHER_VIEW));
    }
    if found.view_records.values().any(|recorded| *recorded > newest) {
        let what = "it is older than the views that the journal records";
        return Err(Error::corrupt(&directory.role(), Place::WholeFile, what));
    }
    // What was found may never have been flushed; nobody must act on it before it is.
    store.sync()?;
    let altered_bounds = bounds.altered_at();
    if altered_bounds.is_some() {
        bounds.clear_between()?;
    }
    bounds.set(Bounds { last: found.last, cutting: false, ..bounds.current() })?;
    if known.is_none() {
        directory.finish_creation()?;
    }

    let tail = Tail {
        base: bounds.current().base,
        last: found.last,
        snapshot: snapshot.as_ref().map(|meta| meta.id),
    };
    let recovered = Recovered {
        node,
        role,
        snapshot: tail.snapshot,
        last: tail.last,
        view_records: merged_records(snapshot.as_ref(), found.view_records),
        created: known.is_none(),
    };
    let journal = Journal(Arc::new(Inner {
        spill: Spill::new(directory.path()),
        spill_fails: AtomicBool::new(false),
        node,
        cluster: Mutex::new(recovered.role.cluster),
        store,
        altered_bounds,
        writer: Mutex::new(Writer { bounds, poisoned: false }),
        tail: RwLock::new(tail),
        snapshotting: Mutex::new(()),
        directory,
    }));
    Ok((journal, recovered))
}

fn create(directory: &Directory) -> Result<NodeId, Error> {
    let node = NodeId(uuid::Uuid::new_v4().as_u128());
    directory.begin_creation(node)?;
    role_file::save(&directory.role(), &Durable::default())?;
    BoundsFile::create(&directory.bounds())?;
    Ok(node)
}

fn remove_unfinished(directory: &Directory) -> Result<(), Error> {
    UNFINISHED.iter().try_for_each(|kind| directory.remove_unfinished_snapshots(kind))
}

/// What the entries kept say.
struct Found {
    base: EntryId,
    last: EntryId,
    view_records: BTreeMap<Index, ViewNumber>,
    newest_record: Option<View>,
    snapshot: Option<EntryId>,
    matches_snapshot: bool,
}

impl Found {
    fn new(bounds: &Bounds, snapshot: Option<EntryId>) -> Self {
        Self {
            base: bounds.base,
            last: bounds.base,
            view_records: BTreeMap::new(),
            newest_record: None,
            snapshot,
            matches_snapshot: snapshot.is_none_or(|id| id == bounds.base),
        }
    }

    /// Pruned entries need a snapshot that stands for them.
    fn check_snapshot(&self, store: &Path) -> Result<(), Error> {
        let covered = self.snapshot.map_or(Index(0), |id| id.index);
        if covered < self.base.index {
            let at = Place::Entry(self.base.index);
            return Err(Error::corrupt(store, at, "the snapshot that stands for it is missing"));
        }
        Ok(())
    }

    fn see(&mut self, entry: &Entry) -> Result<(), Error> {
        self.last = entry.id;
        self.matches_snapshot |= self.snapshot == Some(entry.id);
        let view = view_record(&entry.payload)
            .map_err(|source| Error::Content { index: entry.id.index, source })?;
        if let Some(view) = view {
            self.view_records.insert(entry.id.index, view.number);
            self.newest_record = Some(view);
        }
        Ok(())
    }

    /// A snapshot that does not belong to the entries. One of our own stands for an entry of ours,
    /// so this one was received, and the entries that it replaces were not removed yet.
    fn superseded_by(&self) -> Option<EntryId> {
        self.snapshot.filter(|_| !self.matches_snapshot)
    }
}

fn merged_records(
    snapshot: Option<&SnapshotMeta>,
    kept: BTreeMap<Index, ViewNumber>,
) -> Vec<(ViewNumber, Index)> {
    let remembered = snapshot.iter().flat_map(|meta| &meta.view_records);
    let mut all: BTreeMap<Index, ViewNumber> =
        remembered.map(|(number, index)| (*index, *number)).collect();
    all.extend(kept);
    all.into_iter().map(|(index, number)| (number, index)).collect()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use orquestrador_core::ids::Epoch;

    use super::*;

    /// A closed journal of ten entries, and their ids from the one before the first on.
    fn ten_entries(dir: &Path) -> Vec<EntryId> {
        let (journal, _) = open(dir).unwrap();
        let mut ids = vec![journal.last()];
        for _ in 0..10 {
            let entry = Entry::following(&journal.last(), Epoch(1), Bytes::from_static(b"\x12\0"));
            journal.append(std::slice::from_ref(&entry)).unwrap();
            ids.push(entry.id);
        }
        ids
    }

    fn set_bounds(dir: &Path, bounds: Bounds) {
        BoundsFile::open(&dir.join("bounds")).unwrap().set(bounds).unwrap();
    }

    #[test]
    fn interrupted_cut_is_finished_and_then_over() {
        let dir = tempfile::tempdir().unwrap();
        let ids = ten_entries(dir.path());
        set_bounds(dir.path(), Bounds { base: ids[0], last: ids[4], cutting: true });
        let (journal, recovered) = open(dir.path()).unwrap();
        assert_eq!(recovered.last, ids[4]);
        let entry = Entry::following(&ids[4], Epoch(2), Bytes::new());
        journal.append(std::slice::from_ref(&entry)).unwrap();
        drop(journal);
        assert_eq!(open(dir.path()).unwrap().1.last, entry.id);
    }

    #[test]
    fn finished_cut_leaves_nothing_to_finish() {
        let dir = tempfile::tempdir().unwrap();
        ten_entries(dir.path());
        let (journal, _) = open(dir.path()).unwrap();
        journal.set_aside_after(Index(6)).unwrap();
        drop(journal);
        assert!(!BoundsFile::open(&dir.path().join("bounds")).unwrap().current().cutting);
    }

    #[test]
    fn interrupted_reset_is_finished() {
        let dir = tempfile::tempdir().unwrap();
        let ids = ten_entries(dir.path());
        let (journal, _) = open(dir.path()).unwrap();
        journal.save_snapshot(ids[7], &[], std::iter::empty()).unwrap();
        drop(journal);
        set_bounds(dir.path(), Bounds { base: ids[7], last: ids[7], cutting: true });
        let (journal, recovered) = open(dir.path()).unwrap();
        assert_eq!((journal.first(), recovered.last), (Index(8), ids[7]));
        assert!(journal.read(Index(8), usize::MAX).unwrap().is_empty());
    }

    /// The steps, in their order: the bounds say so, the snapshot is there, the entries are gone.
    #[test]
    fn an_interrupted_install_of_an_older_snapshot_leaves_one_of_the_two() {
        let from = tempfile::tempdir().unwrap();
        let (sender, _) = open(from.path()).unwrap();
        let entry = Entry::following(&sender.last(), Epoch(2), Bytes::from_static(b"\x12\0"));
        sender.append(std::slice::from_ref(&entry)).unwrap();
        sender.save_snapshot(entry.id, &[], std::iter::empty()).unwrap();
        for is_renamed in [false, true] {
            let dir = tempfile::tempdir().unwrap();
            let ids = ten_entries(dir.path());
            let (journal, _) = open(dir.path()).unwrap();
            journal.save_snapshot(ids[7], &[], std::iter::empty()).unwrap();
            journal.prune_below(ids[7].index).unwrap();
            drop(journal);
            set_bounds(dir.path(), Bounds { base: entry.id, last: entry.id, cutting: true });
            if is_renamed {
                std::fs::copy(from.path().join("snapshot"), dir.path().join("snapshot")).unwrap();
            }
            let expected = if is_renamed { entry.id } else { ids[7] };
            let (journal, recovered) = open(dir.path()).unwrap();
            assert_eq!((recovered.snapshot, recovered.last), (Some(expected), expected));
            assert_eq!(journal.first(), expected.index.next());
        }
    }

    #[test]
    fn entries_beyond_lagging_bounds_are_kept() {
        let dir = tempfile::tempdir().unwrap();
        let ids = ten_entries(dir.path());
        set_bounds(dir.path(), Bounds { base: ids[0], last: ids[4], cutting: false });
        assert_eq!(open(dir.path()).unwrap().1.last, ids[10]);
    }

    #[test]
    fn entries_missing_below_the_bounds_are_damage() {
        let dir = tempfile::tempdir().unwrap();
        let ids = ten_entries(dir.path());
        let (journal, _) = open(dir.path()).unwrap();
        journal.0.store.cut(Index(9)).unwrap();
        drop(journal);
        assert!(matches!(open(dir.path()), Err(Error::Corrupt { .. })));
        // Nor is another entry in its place accepted.
        let forged = EntryId { epoch: Epoch(9), ..ids[9] };
        set_bounds(dir.path(), Bounds { base: ids[0], last: forged, cutting: false });
        assert!(matches!(open(dir.path()), Err(Error::Corrupt { .. })));
    }

    #[test]
    fn entries_of_another_history_than_the_pruned_ones_are_damage() {
        let dir = tempfile::tempdir().unwrap();
        let ids = ten_entries(dir.path());
        let (journal, _) = open(dir.path()).unwrap();
        journal.save_snapshot(ids[7], &[], std::iter::empty()).unwrap();
        drop(journal);
        let forged = EntryId { epoch: Epoch(9), ..ids[3] };
        set_bounds(dir.path(), Bounds { base: forged, last: ids[10], cutting: false });
        assert!(matches!(open(dir.path()), Err(Error::Corrupt { .. })));
    }
}
