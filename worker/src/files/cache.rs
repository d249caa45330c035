//! Blobs that attempts took, kept for others that take them: the least recently used go first. Programs get copies, which
//! they may change. A copy is compared with its name, and what the disk has damaged is fetched once more.

use std::collections::HashMap;
use std::fs::{DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use common::blobs::{Content, Hash, content_of};
use uuid::Uuid;

use super::remote::{self, Remote};

/// Only its user may look into it.
const PRIVATE: u32 = 0o700;
/// In names of what is being received.
const INCOMING: &str = "incoming-";

#[derive(Debug)]
pub struct Cache {
    dir: PathBuf,
    max_bytes: u64,
    kept: Mutex<Kept>,
    /// What is being fetched: once for all who want it.
    fetching: Mutex<HashMap<Hash, Arc<tokio::sync::Mutex<()>>>>,
}

#[derive(Debug, Default)]
struct Kept {
    is_open: bool,
    blobs: HashMap<Hash, Blob>,
    bytes: u64,
    uses: u64,
}

#[derive(Debug)]
struct Blob {
    bytes: u64,
    /// The larger, the later.
    used: u64,
}

impl Cache {
    pub fn new(dir: PathBuf, max_bytes: u64) -> Self {
        Self { dir, max_bytes, kept: Mutex::default(), fetching: Mutex::default() }
    }

    /// A new file with this content.
    pub async fn copy(
        self: &Cache,
        remote: &Remote,
        content: Content,
        place: &Path,
    ) -> Result<(), remote::Error> {
        self.open()?;
        if content.bytes > self.max_bytes {
            // It may lie on another file system than the cache, so it is received where it stays.
            let partial = place.with_added_extension("part");
            return remote.fetch(content, partial, place).await;
        }
        loop {
            if let Some(kept) = self.find(content.hash) {
                if copy(kept, place.to_owned(), content).await? {
                    return Ok(());
                }
                tracing::warn!(blob = %content.hash, "the cache was damaged: fetched once more");
                self.forget(content.hash)?;
            }
            let turn = self.turn(content.hash);
            let _turn = turn.lock().await;
            if self.find(content.hash).is_none() {
                let fetched =
                    remote.fetch(content, self.incoming(), &self.path(content.hash)).await;
                lock(&self.fetching).remove(&content.hash);
                fetched?;
                self.keep(content)?;
            }
        }
    }

    /// The content itself.
    pub async fn read(&self, remote: &Remote, content: Content) -> Result<Vec<u8>, remote::Error> {
        self.open()?;
        let place = self.incoming();
        self.copy(remote, content, &place).await?;
        let bytes = tokio::fs::read(&place).await;
        remove(&place)?;
        Ok(bytes?)
    }

    /// A name for a new file of which nothing is left once the worker has ended.
    pub fn scratch(&self) -> io::Result<PathBuf> {
        self.open()?;
        Ok(self.incoming())
    }

    /// Makes the directory, or reads what is in it.
    fn open(&self) -> io::Result<()> {
        let mut kept = self.lock();
        if kept.is_open {
            return Ok(());
        }
        match DirBuilder::new().mode(PRIVATE).recursive(true).create(&self.dir) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let metadata = std::fs::symlink_metadata(&self.dir)?;
        if !metadata.is_dir() || metadata.uid() != rustix::process::geteuid().as_raw() {
            let why = format!("{} is no directory of this user's", self.dir.display());
            return Err(io::Error::other(why));
        }
        for entry in std::fs::read_dir(&self.dir)? {
            let entry = entry?;
            let name = entry.file_name();
            let Some(name) = name.to_str() else { continue };
            if name.starts_with(INCOMING) {
                std::fs::remove_file(entry.path())?;
            } else if let Some(hash) = Hash::from_hex(name) {
                let bytes = entry.metadata()?.len();
                kept.bytes += bytes;
                kept.blobs.insert(hash, Blob { bytes, used: 0 });
            }
        }
        kept.is_open = true;
        Ok(())
    }

    /// Open: it stays readable though it be removed meanwhile.
    fn find(&self, hash: Hash) -> Option<File> {
        let mut kept = self.lock();
        kept.uses += 1;
        let used = kept.uses;
        let blob = kept.blobs.get_mut(&hash)?;
        blob.used = used;
        match File::open(self.path(hash)) {
            Ok(file) => Some(file),
            Err(error) => {
                tracing::debug!(%error, blob = %hash, "somebody has removed it from the cache");
                let bytes = blob.bytes;
                kept.blobs.remove(&hash);
                kept.bytes -= bytes;
                None
            }
        }
    }

    fn keep(&self, content: Content) -> io::Result<()> {
        let mut kept = self.lock();
        kept.uses += 1;
        let blob = Blob { bytes: content.bytes, used: kept.uses };
        if kept.blobs.insert(content.hash, blob).is_none() {
            kept.bytes += content.bytes;
        }
        while kept.bytes > self.max_bytes {
            let others = kept.blobs.iter().filter(|(hash, _)| **hash != content.hash);
            let oldest = others.min_by_key(|(_, blob)| blob.used).map(|(hash, _)| *hash);
            let Some((hash, blob)) = oldest.and_then(|hash| kept.blobs.remove_entry(&hash)) else {
                break;
            };
            kept.bytes -= blob.bytes;
            remove(&self.path(hash))?;
        }
        Ok(())
    }

    fn forget(&self, hash: Hash) -> io::Result<()> {
        let mut kept = self.lock();
        if let Some(blob) = kept.blobs.remove(&hash) {
            kept.bytes -= blob.bytes;
            remove(&self.path(hash))?;
        }
        Ok(())
    }

    fn turn(&self, hash: Hash) -> Arc<tokio::sync::Mutex<()>> {
        Arc::clone(lock(&self.fetching).entry(hash).or_default())
    }

    fn path(&self, hash: Hash) -> PathBuf {
        self.dir.join(hash.to_string())
    }

    fn incoming(&self) -> PathBuf {
        self.dir.join(format!("{INCOMING}{}", Uuid::new_v4()))
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        lock(&self.kept)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Whether the copy is what its name says; otherwise there is none.
async fn copy(mut from: File, place: PathBuf, content: Content) -> io::Result<bool> {
    let copied = tokio::task::spawn_blocking(move || {
        let mut to = File::options().write(true).create_new(true).open(&place)?;
        // The kernel shares the blocks where the file system can.
        io::copy(&mut from, &mut to)?;
        let is_that = content_of(&place)? == content;
        if !is_that {
            std::fs::remove_file(&place)?;
        }
        Ok(is_that)
    });
    copied.await.map_err(io::Error::other)?
}

#[cfg(test)]
mod tests {
    use tokio::sync::watch;

    use super::*;

    fn kept(dir: &Path, bytes: &[u8]) -> Content {
        let path = dir.join("new");
        std::fs::write(&path, bytes).expect("is written");
        let content = content_of(&path).expect("is read");
        std::fs::rename(&path, dir.join(content.hash.to_string())).expect("is moved");
        content
    }

    #[tokio::test]
    async fn what_is_there_is_copied_without_an_orchestrator_and_the_copy_may_be_changed() {
        let dir = tempfile::tempdir().expect("a directory");
        let cached = dir.path().join("cache");
        std::fs::create_dir(&cached).expect("is made");
        let content = kept(&cached, b"texture");
        let remote = Remote::new(watch::channel(None).1, common::tls::Tls::default());
        let cache = Cache::new(cached, 100);
        for name in ["one", "two"] {
            let place = dir.path().join(name);
            cache.copy(&remote, content, &place).await.expect("is there");
            assert_eq!(std::fs::read(&place).expect("is read"), b"texture");
            std::fs::write(&place, "changed").expect("is changed");
        }
    }

    #[test]
    fn the_least_recently_used_goes_first() {
        let dir = tempfile::tempdir().expect("a directory");
        let contents = [&b"aaaa"[..], b"bbbb", b"cccc"].map(|bytes| kept(dir.path(), bytes));
        let cache = Cache::new(dir.path().to_owned(), 12);
        cache.open().expect("is read");
        for content in [contents[1], contents[0], contents[2]] {
            assert!(cache.find(content.hash).is_some());
        }
        let fourth = kept(dir.path(), b"dddd");
        cache.keep(fourth).expect("there is room");
        let left = contents.map(|content| cache.find(content.hash).is_some());
        assert_eq!((left, cache.find(fourth.hash).is_some()), ([true, false, true], true));
    }
}
