//! The snapshot: the state after one entry, as the events that rebuild it, in one file.
//!
//! There is at most one; a newer one replaces it by a rename, so readers of the older one go on.

mod receive;
mod save;

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use common::proto;
use orquestrador_core::Event;
use orquestrador_core::ids::{ClusterId, Index, NodeId, ViewNumber};
use orquestrador_core::role::EntryId;

use super::codec::{self, CodecError};
use super::error::Error;
use super::frames::{FrameReader, Magic};
use super::log::Journal;

pub use receive::{ReceivedSnapshot, SnapshotBuilder, SnapshotReceiver};
pub(super) use save::chunks;

const MAGIC: Magic = *b"MTRSNAP1";
const SAVING: &str = "saving";
const RECEIVING: &str = "receiving";
/// How the extensions of files begin that mean nothing after a restart.
pub(super) const UNFINISHED: [&str; 2] = [SAVING, RECEIVING];
/// What is wrong with one that [`SnapshotMeta::is_foreign`].
pub(super) const FOREIGN: &str = "it is of another cluster than the file `role`";
/// View records that a snapshot remembers, the newest ones.
const MAX_VIEW_RECORDS: usize = 64;

/// What a snapshot says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotMeta {
    /// The entry that the snapshot stands for.
    pub id: EntryId,
    /// The newest view records at or below that entry, ascending.
    pub view_records: Vec<(ViewNumber, Index)>,
    /// Whose state it is; `None` where that was not written.
    pub cluster: Option<ClusterId>,
    /// Who wrote it; `None` where that was not written.
    pub node: Option<NodeId>,
}

impl SnapshotMeta {
    /// It is of another cluster than a node that belongs to this one.
    pub(super) fn is_foreign(&self, to: Option<ClusterId>) -> bool {
        self.cluster.zip(to).is_some_and(|(written, ours)| written != ours)
    }
}

/// A piece of the file, to be sent to a learner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotChunk {
    pub offset: u64,
    pub bytes: Bytes,
    pub last: bool,
}

/// An open snapshot; it stays readable when a newer one replaces it.
#[derive(Clone, Debug)]
pub struct SnapshotReader {
    path: PathBuf,
    file: Arc<File>,
    length: u64,
    meta: SnapshotMeta,
}

impl Journal {
    /// The present snapshot, if there is one.
    pub fn snapshot_reader(&self) -> Result<Option<SnapshotReader>, Error> {
        SnapshotReader::open(&self.0.directory.snapshot())
    }
}

/// Opens a snapshot that was set aside; no journal needs to be open.
///
/// # Errors
/// It is not there, or is not intact.
pub fn read_set_aside_snapshot(path: &Path) -> Result<SnapshotReader, Error> {
    let missing = std::io::ErrorKind::NotFound.into();
    SnapshotReader::open(path)?.ok_or_else(|| Error::io("find", path, missing))
}

impl SnapshotReader {
    /// Reads and checks the header; the rest is checked as it is read.
    pub(super) fn open(path: &Path) -> Result<Option<Self>, Error> {
        let file = match File::open(path) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            other => Arc::new(other.map_err(|e| Error::io("open", path, e))?),
        };
        let (frames, header) = FrameReader::open(path, Arc::clone(&file), MAGIC)?;
        let meta = meta_from_proto(header).map_err(|e| frames.undecodable(e))?;
        let length = frames.length();
        Ok(Some(Self { path: path.to_path_buf(), file, length, meta }))
    }

    pub fn meta(&self) -> &SnapshotMeta {
        &self.meta
    }

    /// The entry that the snapshot stands for.
    pub fn id(&self) -> EntryId {
        self.meta.id
    }

    /// The bytes of the file.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// The events that rebuild the state, from the first one on; ends after an error.
    pub fn events(&self) -> Result<Events, Error> {
        let (frames, _) =
            FrameReader::open::<proto::SnapshotHeader>(&self.path, Arc::clone(&self.file), MAGIC)?;
        Ok(Events { frames, chunk: Vec::new().into_iter(), ended: false })
    }

    /// Up to `max_bytes` bytes of the file from `offset` on.
    pub fn chunk(&self, offset: u64, max_bytes: usize) -> Result<SnapshotChunk, Error> {
        let offset = offset.min(self.length);
        let length = (self.length - offset).min(max_bytes as u64);
        let mut bytes = vec![0; length as usize];
        self.file
            .read_exact_at(&mut bytes, offset)
            .map_err(|e| Error::io("read", &self.path, e))?;
        let last = offset + length == self.length;
        Ok(SnapshotChunk { offset, bytes: bytes.into(), last })
    }
}

/// The events of a snapshot, decoded a chunk at a time.
pub struct Events {
    frames: FrameReader,
    chunk: std::vec::IntoIter<proto::JournalEvent>,
    ended: bool,
}

impl Events {
    fn read(&mut self) -> Result<Option<Event>, Error> {
        loop {
            if let Some(event) = self.chunk.next() {
                let event = codec::event_from_proto(event);
                return event.map(Some).map_err(|e| self.frames.undecodable(e));
            }
            let count = |chunk: &proto::SnapshotEvents| chunk.events.len() as u64;
            let Some(chunk) = self.frames.next_body(count)? else { return Ok(None) };
            self.chunk = chunk.events.into_iter();
        }
    }
}

impl Iterator for Events {
    type Item = Result<Event, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let next = self.read().transpose();
        self.ended = !matches!(next, Some(Ok(_)));
        next
    }
}

fn meta_to_proto(meta: &SnapshotMeta) -> proto::SnapshotHeader {
    proto::SnapshotHeader {
        last_entry: Some(codec::entry_id_to_proto(&meta.id)),
        view_records: records_to_proto(&meta.view_records),
        cluster_id: meta.cluster.map_or_else(Vec::new, |cluster| cluster.to_bytes().to_vec()),
        node_id: meta.node.map_or_else(Vec::new, |node| node.to_bytes().to_vec()),
    }
}

pub(super) fn records_to_proto(records: &[(ViewNumber, Index)]) -> Vec<proto::ViewRecord> {
    let record = |(number, index): &(ViewNumber, Index)| proto::ViewRecord {
        view_number: number.0,
        index: index.0,
    };
    records.iter().map(record).collect()
}

pub(super) fn records_from_proto(records: &[proto::ViewRecord]) -> Vec<(ViewNumber, Index)> {
    records.iter().map(|r| (ViewNumber(r.view_number), Index(r.index))).collect()
}

fn meta_from_proto(header: proto::SnapshotHeader) -> Result<SnapshotMeta, CodecError> {
    let id = header.last_entry.ok_or(CodecError::Missing("last_entry"))?;
    let cluster = match &header.cluster_id[..] {
        [] => None,
        bytes => Some(ClusterId::from_bytes(bytes).ok_or(CodecError::Length("cluster_id"))?),
    };
    let node = match &header.node_id[..] {
        [] => None,
        bytes => Some(NodeId::from_bytes(bytes).ok_or(CodecError::Length("node_id"))?),
    };
    Ok(SnapshotMeta {
        id: codec::entry_id_from_proto(id)?,
        view_records: records_from_proto(&header.view_records),
        cluster,
        node,
    })
}
