//! A simulated data directory. What is not synced is lost at a crash, wholly or in part; bytes may be
//! altered; it may be full; the process may die in the middle of any operation.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use orquestrador::journal::{Content, Entry, Error, Place, Recovered, SnapshotMeta, chain};
use orquestrador_core::Event;
use orquestrador_core::ids::{Index, NodeId};
use orquestrador_core::role::{Durable, EntryId};

use crate::random::Random;

/// A snapshot, on a disk or on its way.
#[derive(Clone)]
pub struct Snapshot {
    pub meta: SnapshotMeta,
    pub events: Arc<Vec<Event>>,
    pub damaged: bool,
}

/// What survives a process, and what it has not written yet.
pub struct Disk {
    pub node: NodeId,
    pub role: Durable,
    role_damaged: bool,
    /// The entry before the first one kept.
    pub base: EntryId,
    pub entries: Vec<Entry>,
    /// So many of them are synced.
    synced: usize,
    /// The present process has synced up to here.
    pub progress: Index,
    pub snapshot: Option<Snapshot>,
    pub set_aside: u64,
    opened: bool,
    pub full: bool,
    /// The process dies in the operation after so many.
    pub dies_in: Option<u32>,
    pub dead: bool,
    /// A byte was changed.
    pub altered: bool,
    chance: Random,
    /// Synced since the world last looked.
    pub newly_synced: Vec<EntryId>,
    /// Appended since the world last looked.
    pub newly_appended: Vec<Entry>,
}

/// Shared by the node's store and the world.
pub type SharedDisk = Arc<Mutex<Disk>>;

/// The disk; a panic elsewhere ends the run anyway.
pub fn lock(disk: &SharedDisk) -> MutexGuard<'_, Disk> {
    disk.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Disk {
    pub fn new(mut chance: Random) -> Self {
        Self {
            node: NodeId(chance.wide()),
            role: Durable::default(),
            role_damaged: false,
            base: EntryId::default(),
            entries: Vec::new(),
            synced: 0,
            progress: Index(0),
            snapshot: None,
            set_aside: 0,
            opened: false,
            full: false,
            dies_in: None,
            dead: false,
            altered: false,
            chance,
            newly_synced: Vec::new(),
            newly_appended: Vec::new(),
        }
    }

    pub fn last(&self) -> EntryId {
        self.entries.last().map_or(self.base, |entry| entry.id)
    }

    pub fn entry(&self, index: Index) -> Option<&Entry> {
        self.entries.get((index.0.checked_sub(self.base.index.0 + 1)?) as usize)
    }

    pub fn id_at(&self, index: Index) -> Option<EntryId> {
        match index == self.base.index {
            true => Some(self.base),
            false => self.entry(index).map(|entry| entry.id),
        }
    }

    /// The last entry that a crash cannot take.
    pub fn durable(&self) -> EntryId {
        match self.synced {
            0 => self.base,
            count => self.entries[count - 1].id,
        }
    }

    pub fn is_dirty(&self) -> bool {
        self.synced < self.entries.len()
    }

    // ---- The life of a process on it. ----

    /// What opening the directory finds; verifies everything.
    pub fn open(&mut self) -> Result<Recovered, Error> {
        self.dead = false;
        self.dies_in = None;
        self.progress = Index(0);
        if self.role_damaged || self.snapshot.as_ref().is_some_and(|s| s.damaged) {
            return Err(corrupt(Place::WholeFile));
        }
        let mut view_records: Vec<_> =
            self.snapshot.iter().flat_map(|s| s.meta.view_records.clone()).collect();
        let mut previous = self.base;
        for entry in &self.entries {
            check_chain(&previous, entry)?;
            previous = entry.id;
            if let Ok(Content::View(view)) = Content::decode(&entry.payload) {
                view_records.push((view.number, entry.id.index));
            }
        }
        view_records.sort_by_key(|(_, index)| *index);
        view_records.dedup();
        self.newly_synced.extend(self.entries[self.synced..].iter().map(|entry| entry.id));
        self.synced = self.entries.len();
        let created = !std::mem::replace(&mut self.opened, true);
        Ok(Recovered {
            node: self.node,
            role: self.role.clone(),
            snapshot: self.snapshot.as_ref().map(|s| s.meta.id),
            last: self.last(),
            view_records,
            created,
        })
    }

    /// The machine failed, or only the process: of what was not synced a part may be there.
    pub fn crash(&mut self) {
        let unsynced = (self.entries.len() - self.synced) as u64;
        let survive = self.chance.between(0, unsynced) as usize;
        self.entries.truncate(self.synced + survive);
    }

    /// What was appended up to here is safe.
    pub fn sync(&mut self, up_to: Index) {
        let count = (up_to.0.saturating_sub(self.base.index.0) as usize).min(self.entries.len());
        if count > self.synced {
            self.newly_synced.extend(self.entries[self.synced..count].iter().map(|e| e.id));
            self.synced = count;
        }
        self.progress = self.progress.max(self.durable().index);
    }

    /// A byte of something that is there changes.
    pub fn flip(&mut self) {
        self.altered = true;
        let what = self.chance.between(0, 5);
        if what == 0 {
            self.role_damaged = true;
        } else if what == 1
            && let Some(snapshot) = &mut self.snapshot
        {
            snapshot.damaged = true;
        } else if !self.entries.is_empty() {
            let at = self.chance.index(self.entries.len());
            let entry = &mut self.entries[at];
            let mut bytes = entry.payload.to_vec();
            match bytes.len() {
                0 => bytes.push(1),
                length => bytes[self.chance.index(length)] ^= 1 << self.chance.between(0, 7),
            }
            entry.payload = Bytes::from(bytes);
        } else {
            self.role_damaged = true;
        }
    }

    // ---- Operations of the store. ----

    /// Whoever died in an operation has seen none of what comes after it.
    fn alive(&self) -> Result<(), Error> {
        if self.dead { Err(Error::Poisoned) } else { Ok(()) }
    }

    /// Every write begins here. When the process dies in it, it may have taken effect or not.
    pub fn operate(&mut self, operation: impl FnOnce(&mut Self)) -> Result<(), Error> {
        self.alive()?;
        match &mut self.dies_in {
            Some(0) => {
                self.dead = true;
                if self.chance.coin() {
                    operation(self);
                }
                return Err(Error::Poisoned);
            }
            Some(left) => *left -= 1,
            None => {}
        }
        if self.full {
            self.dead = true;
            let source = std::io::ErrorKind::StorageFull.into();
            return Err(Error::DiskFull { path: PathBuf::from("simulated"), source });
        }
        operation(self);
        Ok(())
    }

    pub fn append(&mut self, entry: Entry) -> Result<(), Error> {
        self.alive()?;
        check_chain(&self.last(), &entry)?;
        self.operate(|disk| {
            disk.newly_appended.push(entry.clone());
            disk.entries.push(entry);
        })
    }

    pub fn set_aside_after(&mut self, keep: Index) -> Result<u64, Error> {
        self.alive()?;
        let fixed = self.covered().max(self.base.index);
        if keep < fixed && keep < self.last().index {
            return Err(Error::SnapshotBoundary { asked: keep, snapshot: fixed });
        }
        let kept = keep.0.saturating_sub(self.base.index.0) as usize;
        let gone = self.entries.len().saturating_sub(kept) as u64;
        self.operate(|disk| {
            disk.entries.truncate(kept);
            disk.synced = disk.synced.min(kept);
            disk.progress = disk.progress.min(keep);
            disk.set_aside += gone;
        })?;
        Ok(gone)
    }

    pub fn install(&mut self, snapshot: Snapshot) -> Result<SnapshotMeta, Error> {
        self.alive()?;
        let meta = snapshot.meta.clone();
        self.operate(|disk| {
            disk.base = snapshot.meta.id;
            disk.entries.clear();
            disk.synced = 0;
            disk.progress = disk.base.index;
            disk.newly_synced.push(disk.base);
            disk.snapshot = Some(snapshot);
        })?;
        Ok(meta)
    }

    pub fn save_snapshot(&mut self, snapshot: Snapshot) -> Result<EntryId, Error> {
        self.alive()?;
        let id = snapshot.meta.id;
        self.not_below_the_snapshot(id.index)?;
        if self.id_at(id.index) != Some(id) {
            return Err(Error::BrokenChain { index: id.index });
        }
        self.operate(|disk| disk.snapshot = Some(snapshot))?;
        Ok(id)
    }

    pub fn prune_below(&mut self, index: Index) -> Result<(), Error> {
        self.alive()?;
        let base = Index(index.0.saturating_sub(1));
        if base <= self.base.index {
            return Ok(());
        }
        let covered = self.snapshot.as_ref().map_or(Index(0), |s| s.meta.id.index);
        if index > covered {
            return Err(Error::SnapshotBoundary { asked: index, snapshot: covered });
        }
        let base = self.id_at(base).ok_or_else(|| missing(base))?;
        self.operate(|disk| {
            let gone = (base.index.0 - disk.base.index.0) as usize;
            disk.entries.drain(..gone);
            disk.synced = disk.synced.saturating_sub(gone);
            disk.base = base;
        })
    }

    /// What the snapshot stands for, or what is pruned.
    fn covered(&self) -> Index {
        self.snapshot.as_ref().map_or(self.base.index, |s| s.meta.id.index)
    }

    fn not_below_the_snapshot(&self, asked: Index) -> Result<(), Error> {
        let snapshot = self.covered();
        if asked < snapshot { Err(Error::SnapshotBoundary { asked, snapshot }) } else { Ok(()) }
    }

    pub fn read(&self, from: Index, max_bytes: usize) -> Result<Vec<Entry>, Error> {
        self.alive()?;
        if from <= self.base.index {
            return Err(Error::Pruned { asked: from, first: self.base.index.next() });
        }
        let skip = (from.0 - self.base.index.0 - 1) as usize;
        let Some(mut previous) = self.id_at(Index(from.0 - 1)) else { return Ok(Vec::new()) };
        let (mut found, mut bytes) = (Vec::new(), 0);
        for entry in self.entries.iter().skip(skip) {
            check_chain(&previous, entry)?;
            previous = entry.id;
            bytes += entry.payload.len();
            if bytes > max_bytes && !found.is_empty() {
                break;
            }
            found.push(entry.clone());
        }
        Ok(found)
    }
}

fn check_chain(previous: &EntryId, entry: &Entry) -> Result<(), Error> {
    match chain(previous, entry.id.epoch, &entry.payload) == entry.id {
        true => Ok(()),
        false => Err(Error::BrokenChain { index: entry.id.index }),
    }
}

fn missing(index: Index) -> Error {
    corrupt(Place::Entry(index))
}

pub fn corrupt(at: Place) -> Error {
    Error::Corrupt { path: PathBuf::from("simulated"), at, what: "altered", source: None }
}
