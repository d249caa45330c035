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
    store.remove_up_to(current.base.index)?;
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
