//! Receiving a snapshot of a peer's state, which replaces what the journal holds.

use std::fs::File;
use std::io::Write as _;
use std::path::PathBuf;

use super::{RECEIVING, SnapshotMeta, SnapshotReader};
use crate::journal::directory;
use crate::journal::error::Error;
use crate::journal::log::Journal;
use crate::journal::retention;

impl Journal {
    /// Begins to receive a snapshot. One at a time; it changes nothing until it is finished.
    pub fn receive_snapshot(&self) -> Result<SnapshotReceiver, Error> {
        let path = self.0.directory.unfinished_snapshot(RECEIVING);
        let file = directory::create(&path)?;
        Ok(SnapshotReceiver { journal: self.clone(), path, file, offset: 0 })
    }
}

/// Collects the bytes of a peer's snapshot. Dropped unfinished, it leaves nothing.
pub struct SnapshotReceiver {
    journal: Journal,
    path: PathBuf,
    file: File,
    offset: u64,
}

impl SnapshotReceiver {
    /// Takes the bytes that follow those taken before.
    pub fn write(&mut self, offset: u64, bytes: &[u8]) -> Result<(), Error> {
        if offset != self.offset {
            return Err(Error::ChunkGap { expected: self.offset, found: offset });
        }
        self.file.write_all(bytes).map_err(|e| Error::io("write", &self.path, e))?;
        self.offset += bytes.len() as u64;
        Ok(())
    }

    /// How many bytes were taken.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Verifies all of it and installs it: the journal is then empty after the snapshot's entry.
    /// What the journal held is gone; set aside before what may matter to someone.
    pub fn finish(self) -> Result<SnapshotMeta, Error> {
        self.file.sync_all().map_err(|e| Error::io("sync", &self.path, e))?;
        let meta = self.verify()?;
        let directory = &self.journal.0.directory;
        self.journal.write(|writer, tail| {
            let covered = tail.snapshot.unwrap_or(tail.base).index;
            if meta.id.index < covered {
                return Err(Error::SnapshotBoundary { asked: meta.id.index, snapshot: covered });
            }
            // A crash after this leaves a snapshot that does not belong to the entries; opening
            // then goes on as below.
            directory::rename(&self.path, &directory.snapshot())?;
            (tail.base, tail.last, tail.snapshot) = (meta.id, meta.id, Some(meta.id));
            self.journal.publish(tail);
            retention::reset(&self.journal.0.store, &mut writer.bounds, meta.id)
        })?;
        Ok(meta)
    }

    /// What its header says; what follows that is not verified yet.
    pub fn meta(&self) -> Result<SnapshotMeta, Error> {
        Ok(self.reader()?.meta().clone())
    }

    fn verify(&self) -> Result<SnapshotMeta, Error> {
        let reader = self.reader()?;
        for event in reader.events()? {
            event?;
        }
        Ok(reader.meta().clone())
    }

    fn reader(&self) -> Result<SnapshotReader, Error> {
        let missing = std::io::ErrorKind::NotFound.into();
        SnapshotReader::open(&self.path)?.ok_or_else(|| Error::io("find", &self.path, missing))
    }
}

impl Drop for SnapshotReceiver {
    fn drop(&mut self) {
        // Finished, it has another name by now; left over, the next opening removes it.
        if let Err(error) = directory::remove(&self.path) {
            tracing::debug!(%error, "unfinished snapshot not removed");
        }
    }
}
