//! What can go wrong with the journal, and what to do about it.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use common::messages::fault::Fault;
use orquestrador_core::ids::Index;

use super::codec::CodecError;

/// A failure of the journal. After one of a write, every later write fails with
/// [`Error::Poisoned`]: what reached the disk is unknown until the directory is opened again.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another process has the data directory open.
    #[error("data directory {} is in use by another process", dir.display())]
    InUse { dir: PathBuf },
    /// The directory holds other things, and nothing of an orchestrator.
    #[error("{} is not empty and is no data directory: it holds {found}", dir.display())]
    ForeignDirectory { dir: PathBuf, found: String },
    /// The data directory was written by a program that stores it differently.
    #[error(
        "data directory {} has format version {found}, this program reads version {supported}",
        dir.display()
    )]
    Version { dir: PathBuf, found: u32, supported: u32 },
    /// Bytes that were durable are missing or altered.
    #[error(
        "{} is damaged ({at}): {what}; `journal verify` shows all damage, and \
         `journal repair --from-peer` makes the node anew from its peer",
        path.display()
    )]
    Corrupt {
        path: PathBuf,
        at: Place,
        what: &'static str,
        #[source]
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
    #[error("no space left on the disk of {}", path.display())]
    DiskFull { path: PathBuf, source: io::Error },
    #[error("cannot {doing} {}", path.display())]
    Io { doing: &'static str, path: PathBuf, source: io::Error },
    /// The directory is half emptied: no node may start from it.
    #[error("a repair of {} was interrupted; run `journal repair --from-peer` again", dir.display())]
    RepairInterrupted { dir: PathBuf },
    /// An earlier write failed.
    #[error("an earlier write failed, so nothing more is written; restart the process")]
    Poisoned,
    /// An entry that does not follow the last one.
    #[error("entry {found} cannot follow, expected entry {expected}")]
    Gap { expected: Index, found: Index },
    /// An entry whose hash does not follow from its predecessor's.
    #[error("the hash of entry {index} does not follow from its predecessor")]
    BrokenChain { index: Index },
    /// The entry was pruned: only the snapshot has what it did.
    #[error("entry {asked} was pruned, the first one kept is {first}")]
    Pruned { asked: Index, first: Index },
    /// The operation would part the journal from its snapshot.
    #[error("entry {asked} is on the wrong side of the snapshot at {snapshot}")]
    SnapshotBoundary { asked: Index, snapshot: Index },
    /// Snapshot bytes that do not start where the ones before ended.
    #[error("snapshot bytes at offset {found}, expected offset {expected}")]
    ChunkGap { expected: u64, found: u64 },
    /// An entry or event that is intact but cannot be understood.
    #[error("entry {index} cannot be decoded")]
    Content { index: Index, source: CodecError },
}

/// Where damage was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Entry(Index),
    Offset(u64),
    WholeFile,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Entry(index) => write!(f, "at entry {index}"),
            Self::Offset(offset) => write!(f, "at byte {offset}"),
            Self::WholeFile => f.write_str("as a whole"),
        }
    }
}

impl Error {
    /// What a person reads.
    pub fn fault(&self) -> Fault<'_> {
        let shown = |path: &Path| path.display().to_string();
        match self {
            Self::InUse { dir } => Fault::InUse { dir: shown(dir) },
            Self::ForeignDirectory { dir, found } => {
                Fault::ForeignDir { dir: shown(dir), found: found.clone() }
            }
            Self::Version { dir, found, supported } => {
                Fault::Version { dir: shown(dir), found: *found, supported: *supported }
            }
            Self::DiskFull { path, .. } => Fault::DiskFull { path: shown(path) },
            Self::Io { path, source, .. } => Fault::File { path: shown(path), error: source },
            Self::Corrupt { path, at, what, .. } => {
                Fault::Damaged { detail: format!("{}: {what}, {at}", shown(path)) }
            }
            Self::BrokenChain { .. } | Self::Content { .. } | Self::RepairInterrupted { .. } => {
                Fault::Damaged { detail: self.to_string() }
            }
            Self::Poisoned
            | Self::Gap { .. }
            | Self::Pruned { .. }
            | Self::SnapshotBoundary { .. }
            | Self::ChunkGap { .. } => Fault::Internal { detail: self.to_string() },
        }
    }

    /// Wraps what the operating system said, telling a full disk apart.
    pub(super) fn io(doing: &'static str, path: &Path, source: io::Error) -> Self {
        let path = path.to_path_buf();
        if is_disk_full(&source) {
            Self::DiskFull { path, source }
        } else {
            Self::Io { doing, path, source }
        }
    }

    pub(super) fn corrupt(path: &Path, at: Place, what: &'static str) -> Self {
        Self::Corrupt { path: path.to_path_buf(), at, what, source: None }
    }

    /// With what told of the damage.
    pub(super) fn corrupt_by(
        path: &Path,
        at: Place,
        what: &'static str,
        source: impl std::error::Error + Send + Sync + 'static,
    ) -> Self {
        Self::Corrupt { path: path.to_path_buf(), at, what, source: Some(Box::new(source)) }
    }

    /// Whether a write that failed so may have been half done.
    pub(super) fn leaves_disk_unknown(&self) -> bool {
        match self {
            Self::Corrupt { .. } | Self::DiskFull { .. } | Self::Io { .. } | Self::Poisoned => true,
            Self::InUse { .. }
            | Self::RepairInterrupted { .. }
            | Self::ForeignDirectory { .. }
            | Self::Version { .. }
            | Self::Gap { .. }
            | Self::BrokenChain { .. }
            | Self::Pruned { .. }
            | Self::SnapshotBoundary { .. }
            | Self::ChunkGap { .. }
            | Self::Content { .. } => false,
        }
    }

    /// The journal itself is wrong, not its surroundings.
    pub fn is_damage(&self) -> bool {
        matches!(
            self,
            Self::Corrupt { .. }
                | Self::BrokenChain { .. }
                | Self::Content { .. }
                | Self::RepairInterrupted { .. }
        )
    }

    /// The disk, its quota or the file size limit is exhausted.
    pub fn is_disk_full(&self) -> bool {
        matches!(self, Self::DiskFull { .. })
    }
}

fn is_disk_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge
    )
}
