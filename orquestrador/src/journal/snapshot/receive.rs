//! Receiving a snapshot of a peer's state, which replaces what the journal holds.

use std::fs::File;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use common::proto;

use super::{Events, MAGIC, RECEIVING, SnapshotMeta, SnapshotReader, meta_to_proto};
use crate::journal::bounds::Bounds;
use crate::journal::directory;
use crate::journal::error::Error;
use crate::journal::frames::FrameWriter;
use crate::journal::log::Journal;
use crate::journal::retention;

/// Receivers begun by this process: each has a file of its own, so that one whose link broke meanwhile cannot
/// reach into its successor's.
static BEGUN: AtomicU64 = AtomicU64::new(0);

impl Journal {
    /// Begins to receive a snapshot; it changes nothing until it is installed.
    pub fn receive_snapshot(&self) -> Result<SnapshotReceiver, Error> {
        let nth = BEGUN.fetch_add(1, Ordering::Relaxed);
        let path = self.0.directory.unfinished_snapshot(&format!("{RECEIVING}-{nth}"));
        let file = directory::create(&path)?;
        Ok(SnapshotReceiver { path: Unfinished(path), journal: self.clone(), file, offset: 0 })
    }
}

impl Journal {
    /// Begins a snapshot of a state that this journal did not lead to; it changes nothing until it is installed.
    pub fn build_snapshot(&self, meta: SnapshotMeta) -> Result<SnapshotBuilder, Error> {
        let nth = BEGUN.fetch_add(1, Ordering::Relaxed);
        let path = self.0.directory.unfinished_snapshot(&format!("{RECEIVING}-{nth}"));
        let writer = FrameWriter::create(&path, MAGIC, &meta_to_proto(&meta))?;
        Ok(SnapshotBuilder { journal: self.clone(), path: Unfinished(path), writer, meta })
    }
}

/// Writes a snapshot from the events of another one. Dropped unfinished, it leaves nothing.
pub struct SnapshotBuilder {
    journal: Journal,
    path: Unfinished,
    writer: FrameWriter,
    meta: SnapshotMeta,
}

impl SnapshotBuilder {
    /// Adds the events that follow.
    pub fn add(&mut self, events: &proto::SnapshotEvents) -> Result<(), Error> {
        self.writer.body(events, events.events.len() as u64)
    }

    /// It is on the disk when this returns.
    pub fn finish(self) -> Result<ReceivedSnapshot, Error> {
        let Self { journal, path, writer, meta } = self;
        writer.finish()?;
        Ok(ReceivedSnapshot { journal, path, meta })
    }
}

/// Collects the bytes of a peer's snapshot. Dropped unfinished, it leaves nothing.
pub struct SnapshotReceiver {
    journal: Journal,
    path: Unfinished,
    file: File,
    offset: u64,
}

impl SnapshotReceiver {
    /// Takes the bytes that follow those taken before.
    pub fn write(&mut self, offset: u64, bytes: &[u8]) -> Result<(), Error> {
        if offset != self.offset {
            return Err(Error::ChunkGap { expected: self.offset, found: offset });
        }
        self.file.write_all(bytes).map_err(|e| Error::io("write", &self.path.0, e))?;
        self.offset += bytes.len() as u64;
        Ok(())
    }

    /// How many bytes were taken.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Reads all of it once; only then is anything in it believed.
    ///
    /// # Errors
    /// [`Error::Corrupt`] when it is not what the peer wrote.
    pub fn verify(self) -> Result<ReceivedSnapshot, Error> {
        self.file.sync_all().map_err(|e| Error::io("sync", &self.path.0, e))?;
        let missing = std::io::ErrorKind::NotFound.into();
        let reader = SnapshotReader::open(&self.path.0)?
            .ok_or_else(|| Error::io("find", &self.path.0, missing))?;
        for event in reader.events()? {
            event?;
        }
        Ok(ReceivedSnapshot { journal: self.journal, path: self.path, meta: reader.meta().clone() })
    }
}

/// A peer's snapshot, whole and verified. Dropped before it is installed, it leaves nothing.
pub struct ReceivedSnapshot {
    journal: Journal,
    path: Unfinished,
    meta: SnapshotMeta,
}

impl ReceivedSnapshot {
    pub fn meta(&self) -> &SnapshotMeta {
        &self.meta
    }

    /// The events that it holds.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn events(&self) -> Result<Events, Error> {
        let missing = std::io::ErrorKind::NotFound.into();
        let reader = SnapshotReader::open(&self.path.0)?;
        reader.ok_or_else(|| Error::io("find", &self.path.0, missing))?.events()
    }

    /// Puts it in the place of the journal, which is then empty after the snapshot's entry, be that above or
    /// below the one that its own snapshot stood for.
    /// What the journal held is gone; set aside before what may matter to someone.
    pub fn install(self) -> Result<SnapshotMeta, Error> {
        let directory = &self.journal.0.directory;
        let id = self.meta.id;
        self.journal.write(|writer, tail| {
            let covered = tail.snapshot.unwrap_or(tail.base).index.max(tail.base.index);
            if id.index < covered {
                // A snapshot below the bounds would look like one that was lost. A crash after this
                // leaves our own snapshot and no entries.
                writer.bounds.set(Bounds { base: id, last: id, cutting: true })?;
            }
            // A crash after this leaves a snapshot that does not belong to the entries; opening
            // then goes on as below.
            directory::rename(&self.path.0, &directory.snapshot())?;
            (tail.base, tail.last, tail.snapshot) = (id, id, Some(id));
            self.journal.publish(tail);
            retention::reset(&self.journal.0.store, &mut writer.bounds, id)
        })?;
        Ok(self.meta)
    }
}

/// The file's path while it is nobody else's.
struct Unfinished(PathBuf);

impl Drop for Unfinished {
    fn drop(&mut self) {
        // Installed, it has another name by now; left over, the next opening removes it.
        if let Err(error) = directory::remove(&self.0) {
            tracing::debug!(%error, "unfinished snapshot not removed");
        }
    }
}
