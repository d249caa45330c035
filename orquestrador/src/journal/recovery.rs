//! Opening: finishing what a crash interrupted, then verifying all that is kept.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, RwLock};

use orquestrador_core::ids::{Index, NodeId, ViewNumber};
use orquestrador_core::role::{Durable, EntryId};

use super::bounds::{Bounds, BoundsFile};
use super::codec::view_record;
use super::directory::{self, Directory};
use super::error::{Error, Place};
use super::log::{Inner, Journal, Tail, Writer, verify_stored};
use super::retention;
use super::role_file;
use super::snapshot::{SnapshotMeta, SnapshotReader, UNFINISHED};
use super::store::Store;

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
    let directory = Directory::lock(path)?;
    let known = directory.node()?;
    let node = match known {
        Some(node) => node,
        None => create(&directory)?,
    };
    let role = role_file::load(&directory.role())?;
    remove_unfinished(&directory)?;
    let snapshot = SnapshotReader::open(&directory.snapshot())?.map(|reader| reader.meta().clone());
    let mut bounds = BoundsFile::open(&directory.bounds())?;
    let store = Store::open(&directory.store())?;

    finish_cutting(&store, &mut bounds)?;
    let verified = match verify(&store, bounds.current(), snapshot.as_ref())? {
        Verified::Whole(whole) => whole,
        Verified::Superseded { by } => {
            retention::reset(&store, &mut bounds, by)?;
            Whole { last: by, view_records: BTreeMap::new() }
        }
    };
    // What is read now may never have been flushed; nobody must act on it before it is.
    bounds.set(Bounds { last: verified.last, ..bounds.current() })?;
    if known.is_none() {
        directory.finish_creation()?;
    }

    let tail = Tail {
        base: bounds.current().base,
        last: verified.last,
        snapshot: snapshot.as_ref().map(|meta| meta.id),
    };
    let recovered = Recovered {
        node,
        role,
        snapshot: tail.snapshot,
        last: tail.last,
        view_records: merged_records(snapshot.as_ref(), verified.view_records),
        created: known.is_none(),
    };
    let journal = Journal(Arc::new(Inner {
        node,
        store,
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
    for kind in UNFINISHED {
        let path = directory.unfinished_snapshot(kind);
        directory::remove(&path).map_err(|e| Error::io("remove", &path, e))?;
    }
    Ok(())
}

/// Removes again what pruning or truncation had begun to remove.
fn finish_cutting(store: &Store, bounds: &mut BoundsFile) -> Result<(), Error> {
    let current = bounds.current();
    store.remove_between(Index(0), current.base.index)?;
    if current.cutting {
        store.remove_above(current.last.index)?;
        bounds.set(Bounds { cutting: false, ..current })?;
    }
    Ok(())
}

struct Whole {
    last: EntryId,
    view_records: BTreeMap<Index, ViewNumber>,
}

enum Verified {
    Whole(Whole),
    /// A received snapshot was installed, but the entries that it replaces were not removed yet.
    Superseded {
        by: EntryId,
    },
}

/// Follows the chain over all entries kept, and compares it with what must be there.
fn verify(
    store: &Store,
    bounds: Bounds,
    snapshot: Option<&SnapshotMeta>,
) -> Result<Verified, Error> {
    let damaged = |index, what| Error::corrupt(store.path(), Place::Entry(index), what);
    let snapshot = snapshot.map(|meta| meta.id);
    let covered = snapshot.map_or(Index(0), |id| id.index);
    if covered < bounds.base.index {
        return Err(damaged(bounds.base.index, "the snapshot that stands for it is missing"));
    }

    let mut last = bounds.base;
    let mut view_records = BTreeMap::new();
    let mut matches_bounds = bounds.last == last;
    let mut matches_snapshot = snapshot.is_none_or(|id| id == last);
    for entry in store.range(bounds.base.index.next(), Index(u64::MAX)) {
        let entry = entry?;
        verify_stored(store.path(), &last, &entry)?;
        last = entry.id;
        matches_bounds |= bounds.last == last;
        matches_snapshot |= snapshot == Some(last);
        let view = view_record(&entry.payload)
            .map_err(|source| Error::Content { index: last.index, source })?;
        if let Some(view) = view {
            view_records.insert(last.index, view.number);
        }
    }
    if !matches_bounds {
        return Err(damaged(bounds.last.index, "entries that were durable are missing"));
    }
    // A snapshot of our own stands for an entry of ours, so this one was received.
    match snapshot {
        Some(by) if !matches_snapshot => Ok(Verified::Superseded { by }),
        _ => Ok(Verified::Whole(Whole { last, view_records })),
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
    use crate::journal::Entry;

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
        journal.0.store.remove_above(Index(9)).unwrap();
        drop(journal);
        assert!(matches!(open(dir.path()), Err(Error::Corrupt { .. })));
        // Nor is another entry in its place accepted.
        let forged = EntryId { epoch: Epoch(9), ..ids[9] };
        set_bounds(dir.path(), Bounds { base: ids[0], last: forged, cutting: false });
        assert!(matches!(open(dir.path()), Err(Error::Corrupt { .. })));
    }
}
