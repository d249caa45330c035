//! A backup: the state after one entry, as the events that rebuild it, and the blobs that its tasks refer to, in one file.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use common::blobs::{Content, Hash};
use common::proto::{self, backup_part};
use orquestrador_core::Event;
use orquestrador_core::ids::{ClusterId, Epoch, Index, Timestamp, ViewNumber};
use orquestrador_core::role::EntryId;

use super::codec::{self, CodecError};
use super::error::Error;
use super::frames::{FrameReader, FrameWriter, Magic};
use super::snapshot::{chunks, records_from_proto, records_to_proto};

const MAGIC: Magic = *b"MTRBACK1";
/// What errors call it where it has no name of its own yet.
const NAME: &str = "backup";

/// What a backup says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackupMeta {
    pub cluster: ClusterId,
    /// The entry that the state follows from.
    pub id: EntryId,
    /// The newest view records at or below that entry, ascending.
    pub view_records: Vec<(ViewNumber, Index)>,
    /// The newest view at that time, and its epoch.
    pub view: ViewNumber,
    pub epoch: Epoch,
    /// Of the state.
    pub digest: u128,
    pub at: Timestamp,
    /// Of the program that wrote it.
    pub version: String,
}

/// Writes one to wherever it goes.
pub struct BackupWriter<W>(FrameWriter<W>);

impl<W: Write> BackupWriter<W> {
    pub fn begin(out: W, meta: &BackupMeta) -> Result<Self, Error> {
        let header = proto::BackupHeader {
            cluster_id: meta.cluster.to_bytes().to_vec(),
            last_entry: Some(codec::entry_id_to_proto(&meta.id)),
            view_records: records_to_proto(&meta.view_records),
            view_number: meta.view.0,
            epoch: meta.epoch.0,
            digest: meta.digest.to_be_bytes().to_vec(),
            at_ms: meta.at.0,
            version: meta.version.clone(),
        };
        FrameWriter::begin(Path::new(NAME), out, MAGIC, &header).map(Self)
    }

    /// All that leads to the state; before the blobs.
    pub fn events(&mut self, events: impl Iterator<Item = Event>) -> Result<(), Error> {
        for chunk in chunks(events) {
            let count = chunk.events.len() as u64;
            self.part(backup_part::Part::Events(chunk), count)?;
        }
        Ok(())
    }

    /// Begins a blob; its content follows.
    pub fn blob(&mut self, Content { hash, bytes }: Content) -> Result<(), Error> {
        let blob = proto::ReferredBlob { id: hash.0.to_vec(), bytes };
        self.part(backup_part::Part::Blob(blob), 0)
    }

    pub fn content(&mut self, content: Vec<u8>) -> Result<(), Error> {
        self.part(backup_part::Part::Content(content), 0)
    }

    /// Gives back where it went, with all of it.
    pub fn end(self) -> Result<W, Error> {
        self.0.end()
    }

    fn part(&mut self, part: backup_part::Part, count: u64) -> Result<(), Error> {
        self.0.body(&proto::BackupPart { part: Some(part) }, count)
    }
}

/// What follows in a backup.
pub enum Part {
    /// Decoded, and as they are in a snapshot.
    Events(Vec<Event>, proto::SnapshotEvents),
    /// Its content follows.
    Blob(Content),
    Content(Bytes),
}

/// Reads one, and believes nothing of it that its checksums do not.
pub struct BackupReader {
    frames: FrameReader,
    meta: BackupMeta,
}

impl BackupReader {
    /// Reads and checks the header; the rest is checked as it is read.
    ///
    /// # Errors
    /// It cannot be read, or is no backup.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let file = File::open(path).map_err(|e| Error::io("open", path, e))?;
        let (frames, header) =
            FrameReader::open::<proto::BackupHeader>(path, Arc::new(file), MAGIC)?;
        let meta = meta_from_proto(header).map_err(|e| frames.undecodable(e))?;
        Ok(Self { frames, meta })
    }

    pub fn meta(&self) -> &BackupMeta {
        &self.meta
    }

    /// The length of the file.
    pub fn length(&self) -> u64 {
        self.frames.length()
    }

    /// `None` at the end of a whole file.
    ///
    /// # Errors
    /// [`Error::Corrupt`] when it is not what was written.
    pub fn next_part(&mut self) -> Result<Option<Part>, Error> {
        let count = |part: &proto::BackupPart| match &part.part {
            Some(backup_part::Part::Events(events)) => events.events.len() as u64,
            Some(backup_part::Part::Blob(_) | backup_part::Part::Content(_)) | None => 0,
        };
        let Some(part) = self.frames.next_body(count)? else { return Ok(None) };
        let part = part_from_proto(part).map_err(|e| self.frames.undecodable(e))?;
        Ok(Some(part))
    }
}

fn part_from_proto(part: proto::BackupPart) -> Result<Part, CodecError> {
    Ok(match part.part.ok_or(CodecError::Missing("part"))? {
        backup_part::Part::Events(chunk) => {
            let events = chunk.events.iter().cloned().map(codec::event_from_proto);
            Part::Events(events.collect::<Result<_, _>>()?, chunk)
        }
        backup_part::Part::Blob(blob) => {
            let hash = Hash::from_bytes(&blob.id).ok_or(CodecError::Length("blob"))?;
            Part::Blob(Content { hash, bytes: blob.bytes })
        }
        backup_part::Part::Content(content) => Part::Content(content.into()),
    })
}

fn meta_from_proto(header: proto::BackupHeader) -> Result<BackupMeta, CodecError> {
    let id = header.last_entry.ok_or(CodecError::Missing("last_entry"))?;
    let digest = header.digest.try_into().map_err(|_| CodecError::Length("digest"))?;
    let cluster = ClusterId::from_bytes(&header.cluster_id);
    Ok(BackupMeta {
        cluster: cluster.ok_or(CodecError::Length("cluster_id"))?,
        id: codec::entry_id_from_proto(id)?,
        view_records: records_from_proto(&header.view_records),
        view: ViewNumber(header.view_number),
        epoch: Epoch(header.epoch),
        digest: u128::from_be_bytes(digest),
        at: Timestamp(header.at_ms),
        version: header.version,
    })
}
