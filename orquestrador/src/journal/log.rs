//! The open journal: appending, the role state, reading.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use bytes::Bytes;
use orquestrador_core::ids::{ClusterId, Index, NodeId};
use orquestrador_core::role::{Durable, EntryId};
use orquestrador_spill::Spill;

use super::bounds::BoundsFile;
use super::directory::{self, Directory};
use super::entry::{Entry, chain};
use super::error::{Error, Place};
use super::recovery::{self, Recovered};
use super::role_file;
use super::scan::Torn;
use super::store::Store;
use super::view_notes::{self, ViewNote};

/// One open data directory. Clones share it; one thread writes at a time, others read meanwhile.
/// The directory is free again when the last clone is gone.
#[derive(Clone)]
pub struct Journal(pub(super) Arc<Inner>);

pub(super) struct Inner {
    pub node: NodeId,
    /// As the role state has it.
    pub cluster: Mutex<Option<ClusterId>>,
    pub store: Store,
    /// Where the file of the bounds was altered, before it was written anew.
    pub altered_bounds: Option<u64>,
    pub writer: Mutex<Writer>,
    pub tail: RwLock<Tail>,
    pub spill: Spill,
    /// It has been said that it does.
    pub spill_fails: AtomicBool,
    /// One snapshot is written at a time.
    pub snapshotting: Mutex<()>,
    // Last: the lock outlives the store.
    pub directory: Directory,
}

pub(super) struct Writer {
    pub bounds: BoundsFile,
    pub poisoned: bool,
}

/// What readers may see.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tail {
    /// The entry before the first one kept.
    pub base: EntryId,
    pub last: EntryId,
    pub snapshot: Option<EntryId>,
}

/// Bytes on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct DiskUsage {
    /// Entries, with the store's own log.
    pub entries: u64,
    pub snapshot: u64,
    pub set_aside: u64,
}

impl Journal {
    /// Opens the directory, creating it if needed, and verifies every entry in it.
    pub fn open(dir: &Path) -> Result<(Self, Recovered), Error> {
        recovery::open(dir)
    }

    /// Appends entries that follow the last one, with one fsync; durable when it returns. If it does
    /// not return, some of them may be there, without a gap.
    pub fn append(&self, entries: &[Entry]) -> Result<(), Error> {
        self.write(|writer, tail| {
            let mut last = tail.last;
            for entry in entries {
                verify_next(&last, entry)?;
                last = entry.id;
            }
            if entries.is_empty() {
                return Ok(());
            }
            self.0.store.append(&tail.last, entries)?;
            writer.bounds.advance(last)?;
            tail.last = last;
            Ok(())
        })
    }

    /// Replaces the role state; durable when it returns. Neither truncation nor pruning touches it.
    pub fn save_role(&self, role: &Durable) -> Result<(), Error> {
        self.write(|_, _| role_file::save(&self.0.directory.role(), role))?;
        *self.0.cluster.lock().unwrap_or_else(PoisonError::into_inner) = role.cluster;
        Ok(())
    }

    /// Remembers the last views, for people. Not flushed: nothing depends on it.
    ///
    /// # Errors
    /// The file could not be written.
    pub fn save_views(&self, notes: &[ViewNote]) -> Result<(), Error> {
        view_notes::save(self.path(), notes)
    }

    /// What was remembered last.
    ///
    /// # Errors
    /// The file cannot be read, or is damaged.
    pub fn views(&self) -> Result<Vec<ViewNote>, Error> {
        view_notes::load(self.path())
    }

    /// The same bytes in a file without a name, which is gone with the process, so that they need not stay in memory.
    /// They do where the file cannot be written: nothing is lost by that, and the limits in bytes hold there too.
    pub fn keep_payload(&self, payload: &[u8]) -> Bytes {
        let kept = self.0.spill.keep_payload(payload);
        self.note_spilled(kept.as_ref().err());
        kept.unwrap_or_else(|_| Bytes::copy_from_slice(payload))
    }

    /// As [`Journal::keep_payload`], for what ends tasks.
    pub fn keep_results(&self, results: &mut [&mut Bytes]) {
        let kept = self.0.spill.keep_results(results);
        self.note_spilled(kept.as_ref().err());
        if kept.is_err() {
            // Not as parts of the messages that they came in.
            results.iter_mut().for_each(|result| **result = Bytes::copy_from_slice(result));
        }
    }

    /// Warns when it begins to fail.
    fn note_spilled(&self, error: Option<&std::io::Error>) {
        let failed_before = self.0.spill_fails.swap(error.is_some(), Ordering::Relaxed);
        if let (Some(error), false) = (error, failed_before) {
            let path = self.path().display();
            tracing::warn!(%error, %path, "payloads and results stay in memory");
        }
    }

    /// The entries from `from` on, in order, until their payloads exceed `max_bytes`; at least one if
    /// there is one. Their hashes have been verified.
    pub fn read(&self, from: Index, max_bytes: usize) -> Result<Vec<Entry>, Error> {
        // In this order: what is removed later is counted, what was removed before is not in the tail.
        let removals = self.0.store.removals();
        let last = self.tail().last.index;
        let previous = self.kept_from(from)?;
        let (Some(previous), true) = (previous, from <= last) else { return Ok(Vec::new()) };
        let (mut entries, mut bytes) = (Vec::new(), 0);
        for entry in self.0.store.range(previous, last, removals) {
            let entry = entry?;
            bytes += entry.payload.len();
            if bytes > max_bytes && !entries.is_empty() {
                break;
            }
            entries.push(entry);
        }
        if entries.is_empty() {
            // They were removed meanwhile.
            self.kept_from(from)?;
        }
        Ok(entries)
    }

    /// The entry before `from`, if that one is kept or follows directly.
    fn kept_from(&self, from: Index) -> Result<Option<EntryId>, Error> {
        let before = from.0.checked_sub(1).map(|index| self.id_at(Index(index))).transpose()?;
        let base = self.tail().base.index;
        if from <= base {
            return Err(Error::Pruned { asked: from, first: base.next() });
        }
        Ok(before.flatten())
    }

    /// The entry at this index, if it is known: also the one just before the first kept, and the
    /// one that the snapshot stands for.
    pub fn id_at(&self, index: Index) -> Result<Option<EntryId>, Error> {
        let tail = self.tail();
        if index == tail.base.index {
            return Ok(Some(tail.base));
        }
        if let Some(snapshot) = tail.snapshot.filter(|snapshot| snapshot.index == index) {
            return Ok(Some(snapshot));
        }
        if index == tail.last.index {
            return Ok(Some(tail.last));
        }
        if index < tail.base.index || index > tail.last.index {
            return Ok(None);
        }
        self.0.store.id_at(index)
    }

    /// The lowest index kept; above [`Journal::last`] if no entry is.
    pub fn first(&self) -> Index {
        self.tail().base.index.next()
    }

    /// The last entry, or what stands before the first one if there is none.
    pub fn last(&self) -> EntryId {
        self.tail().last
    }

    /// The node that the data directory belongs to.
    pub fn node(&self) -> NodeId {
        self.0.node
    }

    /// The interrupted append that opening found and cut off.
    pub fn torn(&self) -> Option<&Torn> {
        self.0.store.torn.as_ref()
    }

    /// The file of the bounds and where it was altered; opening has written it anew from its other slot.
    pub fn mended_bounds(&self) -> Option<(PathBuf, u64)> {
        self.0.altered_bounds.map(|at| (self.0.directory.bounds(), at))
    }

    pub fn path(&self) -> &Path {
        self.0.directory.path()
    }

    pub fn disk_usage(&self) -> Result<DiskUsage, Error> {
        let measure =
            |path: &Path| directory::disk_bytes(path).map_err(|e| Error::io("measure", path, e));
        let directory = &self.0.directory;
        Ok(DiskUsage {
            entries: measure(&directory.store())?,
            snapshot: measure(&directory.snapshot())?,
            set_aside: measure(&directory.set_aside())?,
        })
    }

    pub(super) fn tail(&self) -> Tail {
        // The tail is plain data: it is whole even if a thread panicked beside it.
        *self.0.tail.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Shows readers a new tail.
    pub(super) fn publish(&self, tail: &Tail) {
        *self.0.tail.write().unwrap_or_else(PoisonError::into_inner) = *tail;
    }

    /// Runs a write. One that fails half-way is the last one.
    pub(super) fn write<T>(
        &self,
        operation: impl FnOnce(&mut Writer, &mut Tail) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let mut writer = self.0.writer.lock().map_err(|_| Error::Poisoned)?;
        if writer.poisoned {
            return Err(Error::Poisoned);
        }
        let mut tail = self.tail();
        let result = operation(&mut writer, &mut tail);
        match &result {
            Ok(_) => self.publish(&tail),
            Err(error) => writer.poisoned = error.leaves_disk_unknown(),
        }
        result
    }

    /// The entry at an index within the bounds.
    pub(super) fn present(&self, index: Index) -> Result<EntryId, Error> {
        let store = self.0.directory.store();
        self.id_at(index)?.ok_or_else(|| missing(&store, index))
    }
}

/// What the caller hands in must follow: the driver's own entries do, a peer's are checked here.
fn verify_next(last: &EntryId, entry: &Entry) -> Result<(), Error> {
    let (expected, found) = (last.index.next(), entry.id.index);
    if found != expected {
        return Err(Error::Gap { expected, found });
    }
    if chain(last, entry.id.epoch, &entry.payload) != entry.id {
        return Err(Error::BrokenChain { index: found });
    }
    Ok(())
}

fn missing(path: &Path, index: Index) -> Error {
    Error::corrupt(path, Place::Entry(index), "the entry is missing")
}
