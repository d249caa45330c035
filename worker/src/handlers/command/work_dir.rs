//! Directories of attempts: one of its own for each that wants one, private, below a directory that only
//! this worker uses, and removed when the attempt has ended, however it ended.
//!
//! What a killed worker left is removed by the next one with its id, or that starts beside it ([`gone`]). Nothing outside is touched: every
//! step is relative to an open directory, and no symbolic link is followed ([`removal`](super::removal)).

mod gone;

use std::fs::{self, DirBuilder, File, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use rustix::fs::{Mode, OFlags};

use self::gone::Gate;
use super::removal;
use super::user::User;
use crate::handlers::Failure;

/// Only its user may look into it.
const PRIVATE: u32 = 0o700;
/// Others may go through it to what is theirs, and see nothing else.
const PASSABLE: u32 = 0o711;
/// Directories of one name, of which all but the last one could not be removed.
const MOST_OF_ONE_NAME: u32 = 100;

/// Why there is no directory for an attempt.
#[derive(Debug, thiserror::Error)]
#[error("failed to make a directory in {}: {source}", place.display())]
pub struct Error {
    pub place: PathBuf,
    pub source: io::Error,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let text = format!("{error}; mend that, or start the worker with another `--work-root`");
        Self::new("WORK_DIR_UNAVAILABLE", text)
    }
}

/// Where this worker's directories are; taken with the first use, or at the start.
pub struct WorkRoot {
    parent: PathBuf,
    /// Of the worker's directory.
    mode: u32,
    held: Mutex<Option<Arc<Held>>>,
}

/// The worker's directory, locked as long as it is open.
struct Held {
    dir: File,
    path: PathBuf,
}

/// The directory of one attempt. Removed when it is dropped.
pub struct OwnDir {
    held: Arc<Held>,
    name: String,
    path: PathBuf,
}

impl WorkRoot {
    /// `parent` must be there.
    pub fn new(parent: PathBuf, is_for_others: bool) -> Self {
        let mode = if is_for_others { PASSABLE } else { PRIVATE };
        Self { parent, mode, held: Mutex::default() }
    }

    /// Begins to remove what killed workers left. The directory is only made when one is wanted in it.
    pub fn begin(&self, worker_id: &str) -> Result<(), Error> {
        let begun = self.take_what_is_there(worker_id);
        gone::begin_to_remove(&self.parent);
        begun
    }

    fn take_what_is_there(&self, worker_id: &str) -> Result<(), Error> {
        match fs::symlink_metadata(self.place(worker_id)) {
            Ok(_) => self.held(worker_id).map(drop),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let place = self.parent.clone();
                let is_there = fs::read_dir(&self.parent);
                is_there.map(drop).map_err(|source| Error { place, source })
            }
            Err(source) => Err(Error { place: self.parent.clone(), source }),
        }
    }

    /// An empty directory.
    pub fn own_dir(&self, worker_id: &str, attempt: &str) -> Result<OwnDir, Error> {
        match self.held(worker_id)?.make(attempt) {
            // Somebody has removed all of it, as programs do that clean temporary directories.
            Err(Error { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                self.lock().take();
                self.held(worker_id)?.make(attempt)
            }
            made => made,
        }
    }

    fn held(&self, worker_id: &str) -> Result<Arc<Held>, Error> {
        let mut held = self.lock();
        if let Some(held) = &*held {
            return Ok(Arc::clone(held));
        }
        let taken = Arc::new(Held::take(&self.parent, self.place(worker_id), self.mode)?);
        taken.remove_left();
        Ok(Arc::clone(held.insert(taken)))
    }

    fn place(&self, worker_id: &str) -> PathBuf {
        self.parent.join(gone::prefix() + &file_name(worker_id))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Arc<Held>>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    fn take(root: &Path, path: PathBuf, mode: u32) -> Result<Self, Error> {
        // Without it nobody removes what is there, either.
        let _gate = Gate::close(root).inspect_err(|error| {
            tracing::debug!(%error, "directories of other workers are left alone");
        });
        let io = |source: io::Error| Error { place: path.clone(), source };
        match DirBuilder::new().mode(PRIVATE).create(&path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(io(error)),
            Ok(()) | Err(_) => {}
        }
        // Others may have put something else there: in most temporary directories everybody may write.
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let dir = rustix::fs::open(&path, flags, Mode::empty());
        let dir = File::from(dir.map_err(|error| io(error.into()))?);
        let metadata = dir.metadata().map_err(io)?;
        if !gone::is_own(metadata.uid()) {
            return Err(io(io::Error::other("it belongs to another user")));
        }
        if metadata.mode() & 0o777 != mode {
            dir.set_permissions(Permissions::from_mode(mode)).map_err(io)?;
        }
        match dir.try_lock() {
            Ok(()) => Ok(Self { dir, path }),
            Err(TryLockError::WouldBlock) => {
                Err(io(io::Error::other("another worker with the same id uses it")))
            }
            Err(TryLockError::Error(error)) => Err(io(error)),
        }
    }

    fn make(self: &Arc<Self>, attempt: &str) -> Result<OwnDir, Error> {
        let attempt = file_name(attempt);
        let mut made = Err(rustix::io::Errno::EXIST);
        let mut name = attempt.clone();
        for nth in 2..=MOST_OF_ONE_NAME {
            made = rustix::fs::mkdirat(&self.dir, &name, Mode::from_raw_mode(PRIVATE));
            if made != Err(rustix::io::Errno::EXIST) {
                break;
            }
            name = format!("{attempt}-{nth}");
        }
        made.map_err(|error| Error { place: self.path.clone(), source: error.into() })?;
        let path = self.path.join(&name);
        Ok(OwnDir { held: Arc::clone(self), name, path })
    }

    /// What is there now, in a thread of its own, because it may be much.
    fn remove_left(self: &Arc<Self>) {
        let names = match removal::names(&self.dir) {
            Ok(names) if names.is_empty() => return,
            Ok(names) => names,
            Err(error) => return warn(&self.path, &error),
        };
        let held = Arc::clone(self);
        let remove = move || {
            for name in names {
                if let Err(error) = removal::remove(&held.dir, name.as_c_str()) {
                    warn(&held.path, &error);
                }
            }
        };
        if let Err(error) = thread::Builder::new().name("left-over".into()).spawn(remove) {
            warn(&self.path, &error);
        }
    }
}

impl OwnDir {
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes it another user's, with all that is in it.
    pub async fn given_to(self, user: &Arc<User>) -> Result<Self, Error> {
        let user = Arc::clone(user);
        let given = tokio::task::spawn_blocking(move || {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let dir = rustix::fs::openat(&self.held.dir, &self.name, flags, Mode::empty());
            let given = dir.map_err(io::Error::from).and_then(|dir| user.give_all(&dir.into()));
            match given {
                Ok(()) => Ok(self),
                Err(source) => Err(Error { place: self.path.clone(), source }),
            }
        });
        let place = PathBuf::new();
        given.await.map_err(|error| Error { place, source: io::Error::other(error) })?
    }

    /// Removes it without holding up others.
    pub async fn remove(self) {
        let removed = tokio::task::spawn_blocking(move || drop(self)).await;
        if let Err(error) = removed {
            tracing::warn!(%error, "the directory of an attempt was not removed");
        }
    }
}

impl Drop for OwnDir {
    fn drop(&mut self) {
        if let Err(error) = removal::remove(&self.held.dir, self.name.as_str()) {
            warn(&self.path, &error);
        }
    }
}

fn warn(path: &Path, error: &io::Error) {
    tracing::warn!(%error, path = %path.display(), "a directory of an attempt was not removed");
}

/// The text as a name in a directory, whatever it is.
pub fn file_name(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_' || c == '.';
    text.chars().map(|c| if is_plain(c) { c } else { '_' }).collect()
}
