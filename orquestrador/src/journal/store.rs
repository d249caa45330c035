//! Entries in the embedded store: the only module that knows which one it is.
//!
//! A key is the index, a value the epoch, the hash and the payload.

use std::io::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};
use orquestrador_core::ids::{Epoch, Index};
use orquestrador_core::role::{EntryHash, EntryId};

use super::entry::Entry;
use super::error::{Error, Place};
use super::torn::TornEnd;

/// Blocks read back, for a standby that catches up.
const CACHE_BYTES: u64 = 16 << 20;
/// Entries in memory until they are written as a table.
const MEMTABLE_BYTES: u64 = 16 << 20;
/// The store's log; the entries of a full memtable leave it.
const LOG_BYTES: u64 = 128 << 20;
const OPEN_FILES: usize = 64;
/// One writes tables, the other merges them.
const THREADS: usize = 2;
/// Keys removed by one batch.
const REMOVE_BATCH: usize = 1_000;

const HEADER_LENGTH: usize = 8 + 32;

pub(super) struct Store {
    path: PathBuf,
    entries: Keyspace,
    database: Database,
}

impl Store {
    pub fn open(path: &Path) -> Result<Self, Error> {
        match Self::try_open(path) {
            Err(damage @ Error::Corrupt { .. }) => {
                // The store forgives an append that ends too early, but not one whose end reached
                // the disk before its middle. Whether it was a torn one, the bounds know.
                let Some(torn) = TornEnd::cut(path)? else { return Err(damage) };
                Self::try_open(path).or_else(|_| {
                    torn.restore()?;
                    Err(damage)
                })
            }
            other => other,
        }
    }

    fn try_open(path: &Path) -> Result<Self, Error> {
        guarded(path, || {
            let database = Database::builder(path)
                .cache_size(CACHE_BYTES)
                .max_journaling_size(LOG_BYTES)
                .max_cached_files(Some(OPEN_FILES))
                .worker_threads(THREADS)
                .manual_journal_persist(true)
                .open()
                .map_err(|e| opening(path, e))?;
            let options = || {
                KeyspaceCreateOptions::default()
                    .max_memtable_size(MEMTABLE_BYTES)
                    .manual_journal_persist(true)
            };
            let entries = database.keyspace("entries", options).map_err(|e| opening(path, e))?;
            Ok(Self { path: path.to_path_buf(), entries, database })
        })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Durable when it returns, all or none.
    pub fn append(&self, entries: &[Entry]) -> Result<(), Error> {
        let mut batch = self.database.batch().durability(Some(PersistMode::SyncData));
        for entry in entries {
            let mut value = Vec::with_capacity(HEADER_LENGTH + entry.payload.len());
            value.extend_from_slice(&entry.id.epoch.0.to_be_bytes());
            value.extend_from_slice(&entry.id.hash.0);
            value.extend_from_slice(&entry.payload);
            batch.insert(&self.entries, entry.id.index.0.to_be_bytes(), value);
        }
        batch.commit().map_err(|e| Error::store(&self.path, e))
    }

    pub fn get(&self, index: Index) -> Result<Option<Entry>, Error> {
        guarded(&self.path, || {
            let value =
                self.entries.get(index.0.to_be_bytes()).map_err(|e| reading(&self.path, e))?;
            value.map(|value| decode(&self.path, index, &value)).transpose()
        })
    }

    /// The entries from `first` to `last`, ascending. Nothing is said of gaps.
    pub fn range(
        &self,
        first: Index,
        last: Index,
    ) -> impl Iterator<Item = Result<Entry, Error>> + '_ {
        let mut items = self.entries.range(first.0.to_be_bytes()..=last.0.to_be_bytes());
        std::iter::from_fn(move || {
            let next = guarded(&self.path, || {
                let Some(item) = items.next() else { return Ok(None) };
                let (key, value) = item.into_inner().map_err(|e| reading(&self.path, e))?;
                let index = decode_key(&self.path, &key)?;
                decode(&self.path, index, &value).map(Some)
            });
            next.transpose()
        })
    }

    /// Removes the entries above `last`, durably, from the top: a crash leaves a prefix.
    pub fn remove_above(&self, last: Index) -> Result<(), Error> {
        self.remove(self.entries.range(last.next().0.to_be_bytes()..).rev())?;
        self.database.persist(PersistMode::SyncData).map_err(|e| Error::store(&self.path, e))
    }

    /// Removes the entries from `first` to `last`, at leisure: after a crash some may be back.
    pub fn remove_between(&self, first: Index, last: Index) -> Result<(), Error> {
        self.remove(self.entries.range(first.0.to_be_bytes()..=last.0.to_be_bytes()))
    }

    /// In batches, so that an append does not wait for all of it.
    fn remove(&self, mut items: impl Iterator<Item = fjall::Guard>) -> Result<(), Error> {
        loop {
            let mut batch = self.database.batch().durability(Some(PersistMode::Buffer));
            for _ in 0..REMOVE_BATCH {
                let next = guarded(&self.path, || {
                    items
                        .next()
                        .map(fjall::Guard::key)
                        .transpose()
                        .map_err(|e| reading(&self.path, e))
                });
                let Some(key) = next? else { break };
                batch.remove(&self.entries, key);
            }
            let removed = batch.len();
            batch.commit().map_err(|e| Error::store(&self.path, e))?;
            if removed < REMOVE_BATCH {
                return Ok(());
            }
        }
    }
}

/// The store panics on some damage that it does not expect; here that is damage like any other.
fn guarded<T>(path: &Path, operation: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    catch_unwind(AssertUnwindSafe(operation)).unwrap_or_else(|_| {
        Err(Error::corrupt(path, Place::WholeFile, "the store found something impossible in it"))
    })
}

fn opening(path: &Path, error: fjall::Error) -> Error {
    match error {
        fjall::Error::Locked => Error::InUse { dir: path.to_path_buf() },
        other => reading(path, other),
    }
}

/// What the operating system refuses is its error. All else, a file that is not where another one
/// says included, is damage.
fn reading(path: &Path, error: fjall::Error) -> Error {
    match error {
        fjall::Error::Io(e) | fjall::Error::Storage(fjall::LsmError::Io(e))
            if e.raw_os_error().is_some() && e.kind() != ErrorKind::NotFound =>
        {
            Error::io("read the store in", path, e)
        }
        other => Error::corrupt_by(path, Place::WholeFile, "the store cannot read it", other),
    }
}

fn decode_key(path: &Path, key: &[u8]) -> Result<Index, Error> {
    let key = key
        .try_into()
        .map_err(|_| Error::corrupt(path, Place::WholeFile, "a key is not an index"))?;
    Ok(Index(u64::from_be_bytes(key)))
}

fn decode(path: &Path, index: Index, value: &[u8]) -> Result<Entry, Error> {
    let short = || Error::corrupt(path, Place::Entry(index), "the record is too short");
    let (epoch, rest) = value.split_first_chunk::<8>().ok_or_else(short)?;
    let (hash, payload) = rest.split_first_chunk::<32>().ok_or_else(short)?;
    let id = EntryId { index, epoch: Epoch(u64::from_be_bytes(*epoch)), hash: EntryHash(*hash) };
    Ok(Entry { id, payload: Bytes::copy_from_slice(payload) })
}
