//! The data directory: its lock, its format file, and how files in it are replaced.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use orquestrador_core::ids::NodeId;

use super::error::{Error, Place};

/// The version of everything in the directory; another one is refused.
pub const FORMAT_VERSION: u32 = 1;

const FORMAT_NAME: &str = "mutirao-journal";
/// Held by the process that has the directory open.
pub const LOCK_FILE: &str = "lock";
/// Where entries go that were taken back.
pub const SET_ASIDE_FOLDER: &str = "set-aside";

/// What only an orchestrator's directory holds, whatever has been lost of it.
const OWN: [&str; 7] = ["format", "format.new", "bounds", "role", "snapshot", "store", "repair"];
/// What an orchestrator, or the system, may leave in a directory that has no journal.
const IS_NO_MATTER: [&str; 4] = [LOCK_FILE, "peer", SET_ASIDE_FOLDER, "lost+found"];

/// An open data directory, locked against every other process for as long as it lives.
#[derive(Debug)]
pub(super) struct Directory {
    path: PathBuf,
    lock: Option<File>,
}

impl Drop for Directory {
    /// At once, also where a process that was just forked has the file open until it executes its program.
    fn drop(&mut self) {
        if let Some(Err(error)) = self.lock.as_ref().map(File::unlock) {
            tracing::warn!(%error, path = %self.path.display(), "the lock stays until the process ends");
        }
    }
}

impl Directory {
    /// Creates the directory unless it is there, and locks it.
    pub fn lock(path: &Path) -> Result<Self, Error> {
        refuse_foreign(path)?;
        create_folder(path)?;
        let lock_path = path.join(LOCK_FILE);
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&lock_path)
            .map_err(|e| Error::io("open", &lock_path, e))?;
        Self::with_lock(path, lock)
    }

    /// To look at the directory while no process has it open; nothing is created or changed.
    pub fn lock_to_read(path: &Path) -> Result<Self, Error> {
        fs::read_dir(path).map_err(|e| Error::io("read", path, e))?;
        let lock_path = path.join(LOCK_FILE);
        match File::open(&lock_path) {
            // A directory that was moved aside: no process opens it.
            Err(e) if e.kind() == ErrorKind::NotFound => {
                Ok(Self { path: path.to_path_buf(), lock: None })
            }
            other => Self::with_lock(path, other.map_err(|e| Error::io("open", &lock_path, e))?),
        }
    }

    fn with_lock(path: &Path, lock: File) -> Result<Self, Error> {
        match lock.try_lock() {
            Ok(()) => Ok(Self { path: path.to_path_buf(), lock: Some(lock) }),
            Err(TryLockError::WouldBlock) => Err(Error::InUse { dir: path.to_path_buf() }),
            Err(TryLockError::Error(e)) => Err(Error::io("lock", &path.join(LOCK_FILE), e)),
        }
    }

    /// Whether there is a journal, or part of one, whose creation was not merely interrupted.
    pub fn has_history(&self) -> bool {
        self.format().exists()
            || (!self.unfinished_format().exists() && self.remains().iter().any(|p| p.exists()))
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn store(&self) -> PathBuf {
        self.path.join("store")
    }

    pub fn bounds(&self) -> PathBuf {
        self.path.join("bounds")
    }

    pub fn role(&self) -> PathBuf {
        self.path.join("role")
    }

    pub fn snapshot(&self) -> PathBuf {
        self.path.join("snapshot")
    }

    /// A snapshot being written or received; worthless after a restart.
    pub fn unfinished_snapshot(&self, kind: &str) -> PathBuf {
        self.path.join(format!("snapshot.{kind}"))
    }

    /// Removes every snapshot whose kind begins so.
    pub fn remove_unfinished_snapshots(&self, kind: &str) -> Result<(), Error> {
        let begins = format!("snapshot.{kind}");
        for file in fs::read_dir(&self.path).map_err(|e| Error::io("read", &self.path, e))? {
            let file = file.map_err(|e| Error::io("read", &self.path, e))?;
            if file.file_name().to_string_lossy().starts_with(&begins) {
                remove(&file.path()).map_err(|e| Error::io("remove", &file.path(), e))?;
            }
        }
        Ok(())
    }

    pub fn set_aside(&self) -> PathBuf {
        self.path.join(SET_ASIDE_FOLDER)
    }

    fn remains(&self) -> [PathBuf; 4] {
        [self.store(), self.bounds(), self.role(), self.snapshot()]
    }

    pub fn format(&self) -> PathBuf {
        self.path.join("format")
    }

    /// Present while the directory is being created.
    fn unfinished_format(&self) -> PathBuf {
        self.path.join("format.new")
    }

    /// The node that the directory belongs to; `None` if it is new, in which case
    /// [`Directory::begin_creation`] follows.
    pub fn node(&self) -> Result<Option<NodeId>, Error> {
        let path = self.format();
        match read_if_present(&path)? {
            Some(bytes) => parse_format(&self.path, &path, &bytes).map(Some),
            None => Ok(None),
        }
    }

    /// Removes what an interrupted creation left. Nothing was ever acknowledged from it.
    pub fn begin_creation(&self, node: NodeId) -> Result<(), Error> {
        let remains = self.remains();
        if !self.unfinished_format().exists() && remains.iter().any(|path| path.exists()) {
            return Err(Error::corrupt(&self.format(), Place::WholeFile, "the file is missing"));
        }
        for path in remains {
            let removed = if path.is_dir() { fs::remove_dir_all(&path) } else { remove(&path) };
            removed.map_err(|e| Error::io("remove", &path, e))?;
        }
        write_synced(&self.unfinished_format(), &format_file(node))?;
        sync_directory(&self.path)
    }

    /// From here on the directory counts as one that had everything.
    pub fn finish_creation(&self) -> Result<(), Error> {
        rename(&self.unfinished_format(), &self.format())
    }
}

/// Whether there is a journal, or what is left of one. Nothing is created or changed.
///
/// # Errors
/// There is no such directory, it cannot be read, or another process has it open.
pub fn has_history(path: &Path) -> Result<bool, Error> {
    Ok(Directory::lock_to_read(path)?.has_history())
}

/// A folder with other things in it is somebody else's: nothing is founded there.
fn refuse_foreign(path: &Path) -> Result<(), Error> {
    let files = match fs::read_dir(path) {
        Ok(files) => files,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(Error::io("read", path, e)),
    };
    let mut foreign = None;
    for file in files {
        let name = file.map_err(|e| Error::io("read", path, e))?.file_name();
        let name = name.to_string_lossy().into_owned();
        if OWN.contains(&&*name) || name.starts_with("damaged-") {
            return Ok(());
        }
        if !IS_NO_MATTER.contains(&&*name) && !name.starts_with('.') {
            foreign = Some(name);
        }
    }
    match foreign {
        Some(found) => Err(Error::ForeignDirectory { dir: path.to_path_buf(), found }),
        None => Ok(()),
    }
}

/// Creates the folder and those above it; a crash of the machine does not take them away again.
fn create_folder(path: &Path) -> Result<(), Error> {
    let new: Vec<_> = path.ancestors().take_while(|folder| !folder.exists()).collect();
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|e| Error::io("create the data directory", path, e))?;
    new.into_iter().filter_map(Path::parent).try_for_each(sync_directory)
}

/// Replaces the file's content; a crash leaves the old or the new one, whole.
pub(super) fn replace(path: &Path, content: &[u8]) -> Result<(), Error> {
    let temporary = path.with_extension("new");
    write_synced(&temporary, content)?;
    rename(&temporary, path)
}

/// Renames durably.
pub(super) fn rename(from: &Path, to: &Path) -> Result<(), Error> {
    fs::rename(from, to).map_err(|e| Error::io("rename to", to, e))?;
    sync_directory(to.parent().unwrap_or(Path::new("")))
}

pub(super) fn sync_directory(path: &Path) -> Result<(), Error> {
    // The parent of a relative path of one part.
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    File::open(path).and_then(|dir| dir.sync_all()).map_err(|e| Error::io("sync", path, e))
}

/// Creates or empties a file that only the owner can read.
pub(super) fn create(path: &Path) -> Result<File, Error> {
    OpenOptions::new()
        .create(true)
        .truncate(true)
        .read(true)
        .write(true)
        .mode(0o600)
        .open(path)
        .map_err(|e| Error::io("create", path, e))
}

pub(super) fn read_if_present(path: &Path) -> Result<Option<Vec<u8>>, Error> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
        Err(e) => Err(Error::io("read", path, e)),
    }
}

/// Removes a file; one that is not there is removed already.
pub(super) fn remove(path: &Path) -> std::io::Result<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != ErrorKind::NotFound => Err(e),
        _ => Ok(()),
    }
}

/// Reads at its own offset, so that several readers share one open file.
pub(super) struct FileAt {
    pub file: Arc<File>,
    pub offset: u64,
}

impl Read for FileAt {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.file.read_at(buffer, self.offset)?;
        self.offset += read as u64;
        Ok(read)
    }
}

/// The bytes that files under `path` take on the disk; holes do not count.
pub(super) fn disk_bytes(path: &Path) -> std::io::Result<u64> {
    let metadata = match fs::symlink_metadata(path) {
        // The store removes its files while we look.
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(0),
        other => other?,
    };
    let mut bytes = metadata.blocks() * 512;
    if metadata.is_dir() {
        for child in fs::read_dir(path)? {
            bytes += disk_bytes(&child?.path())?;
        }
    }
    Ok(bytes)
}

fn write_synced(path: &Path, content: &[u8]) -> Result<(), Error> {
    let mut file = create(path)?;
    file.write_all(content).and_then(|()| file.sync_all()).map_err(|e| Error::io("write", path, e))
}

/// Text, so that a person can read it: name and version, node, checksum of these two lines.
fn format_file(node: NodeId) -> Vec<u8> {
    let mut text = format!("{FORMAT_NAME} {FORMAT_VERSION}\nnode {node}\n");
    let check = blake3::hash(text.as_bytes()).to_hex();
    text.push_str(&format!("check {check}\n"));
    text.into_bytes()
}

fn parse_format(dir: &Path, path: &Path, bytes: &[u8]) -> Result<NodeId, Error> {
    let damaged = || Error::corrupt(path, Place::WholeFile, "it does not read as a format file");
    let text = std::str::from_utf8(bytes).map_err(|_| damaged())?;
    let (body, check) = text.split_once("check ").ok_or_else(damaged)?;
    // The checksum comes first: a flipped digit is damage, not another version.
    if blake3::hash(body.as_bytes()).to_hex().as_str() != check.trim_end() {
        return Err(damaged());
    }
    let mut lines = body.lines();
    let version = lines
        .next()
        .and_then(|line| line.strip_prefix(FORMAT_NAME))
        .and_then(|version| version.trim().parse().ok())
        .ok_or_else(damaged)?;
    if version != FORMAT_VERSION {
        let (dir, supported) = (dir.to_path_buf(), FORMAT_VERSION);
        return Err(Error::Version { dir, found: version, supported });
    }
    let node = lines.next().and_then(|line| line.strip_prefix("node ")).ok_or_else(damaged)?;
    let node = uuid::Uuid::try_parse(node).map_err(|_| damaged())?;
    Ok(NodeId(node.as_u128()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_that_is_left_is_free_whoever_inherited_its_lock() {
        let dir = tempfile::tempdir().expect("a directory");
        let directory = Directory::lock(dir.path()).expect("it is free");
        assert!(matches!(Directory::lock(dir.path()), Err(Error::InUse { .. })));
        let inherited = directory.lock.as_ref().map(|lock| lock.try_clone().expect("a copy"));
        drop(directory);
        Directory::lock(dir.path()).expect("it is free again");
        drop(inherited);
    }
}
