//! The entries kept, in segment files.
//!
//! Appending adds to the newest segment, pruning removes whole segments from the front, cutting
//! shortens from the back. A file that was shortened is never appended to, so a reader finds what
//! it was looking for or a shorter file, never something else in its place.

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use orquestrador_core::ids::Index;
use orquestrador_core::role::EntryId;

use super::bounds::Bounds;
use super::directory;
use super::entry::Entry;
use super::error::{Error, Place};
use super::scan::{Scan, Torn};
use super::segment::{self, Records, Segment};

/// A segment of this length is followed by another one.
const SEGMENT_BYTES: u64 = 16 << 20;
/// A segment doubles until it grows by the larger of these at a time.
const RESERVE_BYTES: std::ops::RangeInclusive<u64> = 256 << 10..=4 << 20;

pub(super) struct Store {
    path: PathBuf,
    /// What opening cut off.
    pub torn: Option<Torn>,
    state: RwLock<State>,
}

struct State {
    segments: Vec<Segment>,
    /// The newest segment must not be appended to.
    sealed: bool,
    /// How often something was removed: a reader that misses something looks whether that is why.
    removals: u64,
}

impl Store {
    /// Verifies the chain of all entries and that those within the bounds are there; finishes a
    /// removal that was interrupted; drops what an interrupted append left. `visit` sees each entry.
    pub fn open(
        path: &Path,
        bounds: &Bounds,
        visit: impl FnMut(&Entry) -> Result<(), Error>,
    ) -> Result<Self, Error> {
        fs::create_dir_all(path).map_err(|e| Error::io("create", path, e))?;
        let mut segments = list(path)?;
        while segments.get(1).is_some_and(|next| next.previous.index <= bounds.base.index) {
            remove(&segments.remove(0))?;
        }
        if bounds.cutting {
            // Entries up to the base count as removed, so nothing of what is there would be kept.
            let keep = if bounds.last == bounds.base { 0 } else { bounds.last.index.0 };
            while segments.last().is_some_and(|last| last.previous.index.0 >= keep) {
                segments.pop().as_ref().map(remove).transpose()?;
            }
            directory::sync_directory(path)?;
        }
        let (segments, torn) = Scan::new(path, bounds, visit).all(segments)?;
        let sealed = false;
        Ok(Self {
            path: path.to_path_buf(),
            torn,
            state: RwLock::new(State { segments, sealed, removals: 0 }),
        })
    }

    /// Appends entries behind `previous`, the last one; durable when it returns. One at a time.
    pub fn append(&self, previous: &EntryId, entries: &[Entry]) -> Result<(), Error> {
        let (file, offset, mut reserved) = self.place(previous)?;
        let failed = |e| Error::io("append to", &self.path, e);
        let mut records = Vec::new();
        for entry in entries {
            segment::encode(entry, &mut records).map_err(failed)?;
        }
        // A flush is much faster when it need not record that the file has grown.
        if offset + records.len() as u64 > reserved {
            let step = offset.clamp(*RESERVE_BYTES.start(), *RESERVE_BYTES.end());
            reserved = offset + records.len() as u64 + step;
            records.resize((reserved - offset) as usize, 0);
        }
        file.write_all_at(&records, offset).and_then(|()| file.sync_data()).map_err(failed)?;
        if let Some(segment) = self.write().segments.last_mut() {
            entries.iter().for_each(|entry| segment.push(entry.payload.len()));
            segment.reserved = reserved;
        }
        Ok(())
    }

    /// Where to append: the file, the offset, and how far the file is reserved.
    fn place(&self, previous: &EntryId) -> Result<(Arc<File>, u64, u64), Error> {
        let place = |s: &Segment| (Arc::clone(&s.file), s.length, s.reserved);
        {
            let state = self.read();
            let open = state.segments.last().filter(|s| s.length < SEGMENT_BYTES && !state.sealed);
            if let Some(segment) = open {
                return Ok(place(segment));
            }
        }
        let segment = Segment::create(&self.path, *previous)?;
        let new = place(&segment);
        let mut state = self.write();
        state.segments.push(segment);
        state.sealed = false;
        Ok(new)
    }

    /// What opening found is durable when it returns.
    pub fn sync(&self) -> Result<(), Error> {
        let state = self.read();
        let newest = state.segments.last().map(|segment| segment.file.sync_all());
        newest.transpose().map_err(|e| Error::io("sync", &self.path, e))?;
        directory::sync_directory(&self.path)
    }

    /// Removes the entries behind `last`, durably.
    pub fn cut(&self, last: Index) -> Result<(), Error> {
        let mut state = self.write();
        state.removals += 1;
        while state.segments.last().is_some_and(|segment| segment.previous.index >= last) {
            state.segments.pop().as_ref().map(remove).transpose()?;
        }
        directory::sync_directory(&self.path)?;
        state.sealed = true;
        match state.segments.last_mut().filter(|segment| segment.last_index() > last) {
            Some(segment) => segment.shorten(last),
            None => Ok(()),
        }
    }

    /// Removes everything, durably.
    pub fn clear(&self) -> Result<(), Error> {
        self.cut(Index(0))
    }

    /// Forgets the segments that hold nothing behind `base`; their files are still to be removed. After a crash
    /// some may be back.
    pub fn forget_below(&self, base: Index) -> Vec<Segment> {
        let mut state = self.write();
        let is_kept = |next: &Segment| next.previous.index > base;
        let kept = state.segments.iter().skip(1).position(is_kept);
        let forgotten = kept.unwrap_or_else(|| state.segments.len().saturating_sub(1));
        state.removals += forgotten as u64;
        state.segments.drain(..forgotten).collect()
    }

    pub fn id_at(&self, index: Index) -> Result<Option<EntryId>, Error> {
        let found = self.holder(index, |segment| segment.locate(index))?;
        Ok(found.flatten().map(|(id, _)| id))
    }

    /// How often something was removed.
    pub fn removals(&self) -> u64 {
        self.read().removals
    }

    /// The entries behind `previous`, up to `last`, verified. Ends early if there have been more
    /// than so many `removals`, by which they may be gone.
    pub fn range(&self, previous: EntryId, last: Index, removals: u64) -> Range<'_> {
        Range { store: self, previous, last, records: None, removals }
    }

    /// Looks into the segment that holds the entry, if one does.
    fn holder<T>(
        &self,
        index: Index,
        look: impl FnOnce(&Segment) -> Result<T, Error>,
    ) -> Result<Option<T>, Error> {
        let state = self.read();
        let after = state.segments.partition_point(|segment| segment.previous.index < index);
        let segment = state.segments[..after].last().filter(|segment| segment.holds(index));
        segment.map(look).transpose()
    }

    fn read(&self) -> RwLockReadGuard<'_, State> {
        // Every change of the list leaves it whole.
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// See [`Store::range`]. Ends after an error.
pub(super) struct Range<'a> {
    store: &'a Store,
    previous: EntryId,
    last: Index,
    records: Option<(PathBuf, Records)>,
    removals: u64,
}

impl Range<'_> {
    fn read(&mut self) -> Result<Option<Entry>, Error> {
        while self.previous.index < self.last {
            let index = self.previous.index.next();
            let Some((path, records)) = &mut self.records else {
                let open = |segment: &Segment| {
                    Ok((segment.path.clone(), segment.records_after(&self.previous)?))
                };
                self.records = self.store.holder(index, open)?;
                if self.records.is_none() {
                    return self.missing(&self.store.path, index);
                }
                continue;
            };
            let next = records.next_after(&self.previous);
            if let Some(entry) = next.map_err(|e| Error::io("read", path, e))? {
                self.previous = entry.id;
                return Ok(Some(entry));
            }
            if !records.is_at_end() {
                let path = path.clone();
                return self.missing(&path, index);
            }
            self.records = None;
        }
        Ok(None)
    }

    fn missing(&self, path: &Path, index: Index) -> Result<Option<Entry>, Error> {
        if self.store.read().removals != self.removals {
            return Ok(None);
        }
        Err(Error::corrupt(path, Place::Entry(index), "the entry is missing or altered"))
    }
}

impl Iterator for Range<'_> {
    type Item = Result<Entry, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.read().transpose();
        if !matches!(next, Some(Ok(_))) {
            self.last = self.previous.index;
        }
        next
    }
}

/// The segments, ascending. Nothing else belongs into the folder, except what a crash left.
fn list(folder: &Path) -> Result<Vec<Segment>, Error> {
    let mut segments = Vec::new();
    for child in fs::read_dir(folder).map_err(|e| Error::io("list", folder, e))? {
        let path = child.map_err(|e| Error::io("list", folder, e))?.path();
        if path.extension().is_some_and(|extension| extension == "new") {
            directory::remove(&path).map_err(|e| Error::io("remove", &path, e))?;
        } else {
            segments.push(Segment::open(&path)?);
        }
    }
    segments.sort_by_key(|segment| segment.previous.index);
    Ok(segments)
}

pub(super) fn remove(segment: &Segment) -> Result<(), Error> {
    directory::remove(&segment.path).map_err(|e| Error::io("remove", &segment.path, e))
}
