//! Entries that a new principal lacks: kept in a file for people, out of the journal (V6).

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use common::proto;
use orquestrador_core::ids::{Epoch, Index, NodeId};
use orquestrador_core::role::EntryId;

use super::codec::{self, CodecError};
use super::directory;
use super::entry::{Entry, chain};
use super::error::{Error, Place};
use super::frames::{FrameReader, FrameWriter, Magic};

const MAGIC: Magic = *b"MTRASIDE";
/// How the name of a snapshot that was set aside ends.
pub const SNAPSHOT_EXTENSION: &str = ".snapshot";

/// A file of entries that are in the journal no more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetAside {
    pub path: PathBuf,
    pub entries: u64,
}

/// Writes the entries after `span.0` up to `span.1` to a file in `folder`; durable when it returns.
pub(super) fn save(
    folder: &Path,
    node: NodeId,
    span: (EntryId, EntryId),
    entries: impl Iterator<Item = Result<Entry, Error>>,
) -> Result<SetAside, Error> {
    let (mut previous, last) = span;
    fs::create_dir_all(folder).map_err(|e| Error::io("create", folder, e))?;
    directory::sync_directory(folder.parent().unwrap_or(folder))?;
    let header = proto::SetAsideHeader {
        previous: Some(codec::entry_id_to_proto(&previous)),
        node_id: node.to_bytes().to_vec(),
    };
    let temporary = folder.join("unfinished");
    let mut writer = FrameWriter::create(&temporary, MAGIC, &header)?;
    let path = free_name(folder, previous.index.next(), &last);
    let mut count = 0;
    for entry in entries {
        let entry = entry?;
        previous = entry.id;
        count += 1;
        writer.body(&entry_to_proto(entry), 1)?;
    }
    if previous != last {
        let at = Place::Entry(previous.index.next());
        return Err(Error::corrupt(folder, at, "the entry is missing"));
    }
    writer.finish()?;
    directory::rename(&temporary, &path)?;
    Ok(SetAside { path, entries: count })
}

/// Gives the snapshot a second name in `folder`; durable when it returns. A crash may have left it there already.
pub(super) fn save_snapshot(
    snapshot: &Path,
    folder: &Path,
    id: EntryId,
) -> Result<SetAside, Error> {
    fs::create_dir_all(folder).map_err(|e| Error::io("create", folder, e))?;
    directory::sync_directory(folder.parent().unwrap_or(folder))?;
    let path = folder.join(format!("0-{}-e{}{SNAPSHOT_EXTENSION}", id.index, id.epoch));
    if !path.exists() {
        fs::hard_link(snapshot, &path).map_err(|e| Error::io("link", &path, e))?;
    }
    directory::sync_directory(folder)?;
    Ok(SetAside { path, entries: id.index.0 })
}

/// Opens such a file; no journal needs to be open.
pub fn read_set_aside(path: &Path) -> Result<SetAsideReader, Error> {
    let file = File::open(path).map_err(|e| Error::io("open", path, e))?;
    let (frames, header) = FrameReader::open::<proto::SetAsideHeader>(path, Arc::new(file), MAGIC)?;
    let previous = header.previous.ok_or(CodecError::Missing("previous"));
    let previous =
        previous.and_then(codec::entry_id_from_proto).map_err(|e| frames.undecodable(e))?;
    let node = NodeId::from_bytes(&header.node_id).ok_or(CodecError::Length("node_id"));
    let node = node.map_err(|e| frames.undecodable(e))?;
    Ok(SetAsideReader { path: path.to_path_buf(), frames, node, previous, failed: false })
}

/// The entries of such a file, verified as they are read. Ends after an error.
pub struct SetAsideReader {
    path: PathBuf,
    frames: FrameReader,
    node: NodeId,
    previous: EntryId,
    failed: bool,
}

impl SetAsideReader {
    /// The node whose journal held the entries.
    pub fn node(&self) -> NodeId {
        self.node
    }

    /// The entry before the next one.
    pub fn previous(&self) -> EntryId {
        self.previous
    }

    fn read(&mut self) -> Result<Option<Entry>, Error> {
        let Some(entry) = self.frames.next_body(|_: &proto::JournalEntry| 1)? else {
            return Ok(None);
        };
        let entry = entry_from_proto(entry).map_err(|e| self.frames.undecodable(e))?;
        if chain(&self.previous, entry.id.epoch, &entry.payload) != entry.id {
            let at = Place::Entry(self.previous.index.next());
            return Err(Error::corrupt(&self.path, at, "its hash does not follow"));
        }
        self.previous = entry.id;
        Ok(Some(entry))
    }
}

impl Iterator for SetAsideReader {
    type Item = Result<Entry, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let next = self.read().transpose();
        self.failed = next.as_ref().is_some_and(Result::is_err);
        next
    }
}

/// The same entries may be set aside twice if a crash came between file and removal.
fn free_name(folder: &Path, first: Index, last: &EntryId) -> PathBuf {
    let stem = format!("{first}-{}-e{}", last.index, last.epoch);
    let mut path = folder.join(format!("{stem}.journal"));
    let mut number = 2;
    while path.exists() {
        path = folder.join(format!("{stem}-{number}.journal"));
        number += 1;
    }
    path
}

fn entry_to_proto(entry: Entry) -> proto::JournalEntry {
    proto::JournalEntry {
        index: entry.id.index.0,
        epoch: entry.id.epoch.0,
        hash: entry.id.hash.0.to_vec().into(),
        payload: entry.payload,
    }
}

fn entry_from_proto(entry: proto::JournalEntry) -> Result<Entry, CodecError> {
    let id = EntryId {
        index: Index(entry.index),
        epoch: Epoch(entry.epoch),
        hash: codec::hash(&entry.hash)?,
    };
    Ok(Entry { id, payload: entry.payload })
}
