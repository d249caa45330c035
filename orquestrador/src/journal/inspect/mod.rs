//! Looking at a data directory while no process has it open: what it holds, and what is wrong with it.
//!
//! It opens nothing to write and stops at no damage. What it calls damaged is what
//! [`Journal::open`](super::Journal::open) refuses, and what a later read would find.

mod segments;

use std::path::{Path, PathBuf};

use common::messages::node_journal::Flaw;
use orquestrador_core::ids::{ClusterId, Epoch, Index, NodeId};
use orquestrador_core::role::{Durable, EntryId, View};

use super::bounds::{Bounds, BoundsFile};
use super::codec::Content;
use super::directory::Directory;
use super::entry::Entry;
use super::error::{Error, Place};
use super::role_file;
use super::set_aside::read_set_aside;
use super::snapshot::{FOREIGN, SnapshotReader};
use segments::Walk;

/// What a data directory holds.
#[derive(Debug, Default)]
pub struct Inspection {
    pub node: Option<NodeId>,
    pub role: Option<Durable>,
    /// The entry that the snapshot stands for.
    pub snapshot: Option<EntryId>,
    /// The last entry that can be read.
    pub last: Option<EntryId>,
    /// The newest view that anything here tells of.
    pub newest_view: Option<View>,
    pub pieces: Vec<Piece>,
    pub damage: Vec<Damage>,
    /// This node wrote it itself.
    pub has_own_snapshot: bool,
}

/// One file.
#[derive(Debug)]
pub struct Piece {
    pub path: PathBuf,
    pub kind: Kind,
    /// Entries; of a snapshot, events.
    pub entries: u64,
    pub span: Option<(Index, Index)>,
    pub epochs: Option<(Epoch, Epoch)>,
    pub bytes: u64,
    pub state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Format,
    Role,
    Bounds,
    Snapshot,
    Segment,
    SetAside,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Whole,
    /// An append that was interrupted follows; the next start cuts it off. Nobody was told of it.
    Torn,
    /// The next start removes it: what it holds was given up or is in the snapshot.
    Obsolete,
    Damaged,
}

/// Something durable that is missing or altered.
#[derive(Debug)]
pub struct Damage {
    pub path: PathBuf,
    pub offset: Option<u64>,
    pub index: Option<Index>,
    pub flaw: Flaw,
    /// The node does not start; otherwise only what was set aside is lost, or the next start mends it.
    pub stops_node: bool,
}

/// An entry that is kept, where it stands, and what it says if it can be understood.
pub struct Found<'a> {
    pub entry: &'a Entry,
    pub content: Option<&'a Content>,
}

impl Inspection {
    pub fn is_whole(&self) -> bool {
        self.damage.is_empty()
    }

    /// The node would not start.
    pub fn stops_node(&self) -> bool {
        self.damage.iter().any(|damage| damage.stops_node)
    }

    pub fn cluster(&self) -> Option<ClusterId> {
        self.role.as_ref().and_then(|role| role.cluster)
    }

    fn learn(&mut self, view: &View) {
        if self.newest_view.as_ref().is_none_or(|newest| newest.number < view.number) {
            self.newest_view = Some(view.clone());
        }
    }

    fn note(
        &mut self,
        kind: Kind,
        path: PathBuf,
        found: Result<Contents, Error>,
    ) -> Result<(), Error> {
        let bytes = std::fs::metadata(&path).map_or(0, |metadata| metadata.len());
        let (contents, state) = match found {
            Ok(contents) => (contents, State::Whole),
            Err(error) => {
                let stops_node = kind != Kind::SetAside;
                self.damage.push(damage(error, stops_node)?);
                (Contents::default(), State::Damaged)
            }
        };
        let Contents { entries, span, epochs } = contents;
        self.pieces.push(Piece { path, kind, entries, span, epochs, bytes, state });
        Ok(())
    }
}

/// What a file has in it.
#[derive(Clone, Copy, Default)]
struct Contents {
    entries: u64,
    span: Option<(Index, Index)>,
    epochs: Option<(Epoch, Epoch)>,
}

impl Contents {
    fn count(&mut self, id: &EntryId) {
        self.entries += 1;
        self.span = Some((self.span.map_or(id.index, |(first, _)| first), id.index));
        let (low, high) = self.epochs.unwrap_or((id.epoch, id.epoch));
        self.epochs = Some((low.min(id.epoch), high.max(id.epoch)));
    }
}

/// Examines everything in the directory; `see` gets the entries kept, in order.
///
/// # Errors
/// A process has the directory open, it is of another version, there is none, or it may not be read.
pub fn inspect(dir: &Path, see: &mut dyn FnMut(Found<'_>)) -> Result<Inspection, Error> {
    let directory = Directory::lock_to_read(dir)?;
    let mut inspection = Inspection::default();
    if directory.has_history() {
        identity(&directory, &mut inspection)?;
        let bounds = bounds(&directory, &mut inspection)?;
        snapshot(&directory, &mut inspection, bounds.as_ref())?;
        Walk::new(bounds.as_ref(), &mut inspection, see).all(&directory.store())?;
    }
    set_aside(&directory, &mut inspection)?;
    Ok(inspection)
}

/// Examines one file of entries that were set aside.
///
/// # Errors
/// The file may not be read.
pub fn inspect_set_aside(path: &Path, see: &mut dyn FnMut(Found<'_>)) -> Result<Inspection, Error> {
    let mut inspection = Inspection::default();
    let found = tail(path, see);
    inspection.note(Kind::SetAside, path.to_path_buf(), found)?;
    Ok(inspection)
}

fn identity(directory: &Directory, inspection: &mut Inspection) -> Result<(), Error> {
    let missing = || Error::corrupt(&directory.format(), Place::WholeFile, "the file is missing");
    let node = directory.node().and_then(|node| node.ok_or_else(missing));
    inspection.node = node.as_ref().ok().copied();
    inspection.note(Kind::Format, directory.format(), node.map(|_| Contents::default()))?;
    let role = role_file::load(&directory.role());
    inspection.role = role.as_ref().ok().cloned();
    if let Some(view) = inspection.role.as_ref().and_then(|role| role.newest.clone()) {
        inspection.learn(&view);
    }
    inspection.note(Kind::Role, directory.role(), role.map(|_| Contents::default()))
}

fn bounds(directory: &Directory, inspection: &mut Inspection) -> Result<Option<Bounds>, Error> {
    let path = directory.bounds();
    let read = BoundsFile::read(&path);
    let known = read.as_ref().ok().copied();
    inspection.note(Kind::Bounds, path.clone(), read.map(|_| Contents::default()))?;
    if let Some((_, offset @ Some(_))) = known {
        let flaw = Flaw::OneCopyAltered;
        inspection.damage.push(Damage { path, offset, index: None, flaw, stops_node: false });
        inspection.pieces.iter_mut().filter(|p| p.kind == Kind::Bounds).for_each(|piece| {
            piece.state = State::Damaged;
        });
    }
    Ok(known.map(|(bounds, _)| bounds))
}

fn snapshot(
    directory: &Directory,
    inspection: &mut Inspection,
    bounds: Option<&Bounds>,
) -> Result<(), Error> {
    let path = directory.snapshot();
    match SnapshotReader::open(&path) {
        Ok(None) => {}
        Ok(Some(reader)) if reader.meta().is_foreign(inspection.cluster()) => {
            let foreign = Error::corrupt(&path, Place::WholeFile, FOREIGN);
            inspection.snapshot = Some(reader.id());
            inspection.note(Kind::Snapshot, path.clone(), Err(foreign))?;
        }
        Ok(Some(reader)) => {
            inspection.snapshot = Some(reader.id());
            let writer = reader.meta().node;
            inspection.has_own_snapshot = writer.is_some() && writer == inspection.node;
            let read = count_events(&reader);
            inspection.note(Kind::Snapshot, path.clone(), read)?;
        }
        Err(error) => return inspection.note(Kind::Snapshot, path, Err(error)),
    }
    let covered = inspection.snapshot.map_or(Index(0), |id| id.index);
    if let Some(base) = bounds.map(|bounds| bounds.base.index).filter(|base| covered < *base) {
        let (offset, index, flaw) = (None, Some(base), Flaw::SnapshotMissing);
        inspection.damage.push(Damage { path, offset, index, flaw, stops_node: true });
    }
    Ok(())
}

fn count_events(reader: &SnapshotReader) -> Result<Contents, Error> {
    let mut entries = 0;
    for event in reader.events()? {
        event?;
        entries += 1;
    }
    let id = reader.id();
    let (span, epochs) = (Some((Index(1), id.index)), Some((id.epoch, id.epoch)));
    Ok(Contents { entries, span, epochs })
}

fn set_aside(directory: &Directory, inspection: &mut Inspection) -> Result<(), Error> {
    let folder = directory.set_aside();
    for path in files(&folder, |name| name.ends_with(".journal"))? {
        let found = tail(&path, &mut |_| {});
        inspection.note(Kind::SetAside, path, found)?;
    }
    Ok(())
}

fn tail(path: &Path, see: &mut dyn FnMut(Found<'_>)) -> Result<Contents, Error> {
    let mut contents = Contents::default();
    for entry in read_set_aside(path)? {
        let entry = entry?;
        contents.count(&entry.id);
        let content = Content::decode(&entry.payload)
            .map_err(|source| undecodable(path, entry.id.index, source))?;
        see(Found { entry: &entry, content: Some(&content) });
    }
    Ok(contents)
}

fn undecodable(path: &Path, index: Index, source: super::CodecError) -> Error {
    Error::corrupt_by(path, Place::Entry(index), "it cannot be decoded", source)
}

/// The files of a folder by name; none if there is no folder.
fn files(folder: &Path, wanted: impl Fn(&str) -> bool) -> Result<Vec<PathBuf>, Error> {
    let listed = match std::fs::read_dir(folder) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(|e| Error::io("list", folder, e))?,
    };
    let mut paths = Vec::new();
    for child in listed {
        let child = child.map_err(|e| Error::io("list", folder, e))?;
        if child.file_name().to_str().is_none_or(&wanted) {
            paths.push(child.path());
        }
    }
    paths.sort();
    Ok(paths)
}

/// What an error tells of the file; others than damage go on.
fn damage(error: Error, stops_node: bool) -> Result<Damage, Error> {
    match error {
        Error::Corrupt { path, at, what, source } => {
            let (offset, index) = match at {
                Place::Offset(offset) => (Some(offset), None),
                Place::Entry(index) => (None, Some(index)),
                Place::WholeFile => (None, None),
            };
            let detail = source.map_or_else(|| what.to_owned(), |e| format!("{what}: {e}"));
            let flaw = match path.exists() {
                true => Flaw::Unreadable { detail },
                false => Flaw::Missing,
            };
            Ok(Damage { path, offset, index, flaw, stops_node })
        }
        // The disk itself cannot read it.
        Error::Io { path, source, .. }
            if source.raw_os_error() == Some(rustix::io::Errno::IO.raw_os_error()) =>
        {
            let flaw = Flaw::Unreadable { detail: source.to_string() };
            Ok(Damage { path, offset: None, index: None, flaw, stops_node })
        }
        Error::InUse { .. }
        | Error::RepairInterrupted { .. }
        | Error::ForeignDirectory { .. }
        | Error::Version { .. }
        | Error::DiskFull { .. }
        | Error::Io { .. }
        | Error::Poisoned
        | Error::Gap { .. }
        | Error::BrokenChain { .. }
        | Error::Pruned { .. }
        | Error::SnapshotBoundary { .. }
        | Error::ChunkGap { .. }
        | Error::Content { .. } => Err(error),
    }
}

fn length(path: &Path) -> Result<u64, Error> {
    std::fs::metadata(path).map(|m| m.len()).map_err(|e| Error::io("measure", path, e))
}
