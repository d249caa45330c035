//! Blobs as files below the data directory, one each. A file is written beside, fsynced, verified and moved to its
//! place; so whatever stands there is whole, unless the disk damages it later.

use std::collections::HashMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use common::blobs::{Content, Hash, MAX_BLOB_BYTES, Partial, Unfinished, content_of};
use uuid::Uuid;

/// Below the data directory.
const DIRECTORY: &str = "blobs";
/// The flags of the limits, for whoever is refused: of all that tasks refer to, and of copies of what is elsewhere.
pub const MAX: &str = "--max-blob-bytes";
pub const COPIES: &str = "--blob-cache-bytes";
/// What is being received. Emptied at the start.
const INCOMING: &str = "incoming";
/// Files that were found damaged, for people to look at.
const DAMAGED: &str = "damaged";
/// How long what no task refers to any more stays where room is short: who has just asked for it is about to refer to it.
pub const SHORT_GRACE: Duration = Duration::from_secs(2);

/// Why a blob was not taken or given.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("has {bytes}, at most {most} are taken ({flag})")]
    TooLong { bytes: u64, most: u64, flag: &'static str },
    #[error("{bytes} bytes more do not fit: {kept} of {limit} ({flag}) are in use")]
    Full { bytes: u64, kept: u64, limit: u64, flag: &'static str },
    #[error("the disk of the blobs is full")]
    DiskFull(#[source] std::io::Error),
    #[error("the content is not what its name says")]
    Other,
    #[error("failed to use the directory of the blobs")]
    Io(#[source] std::io::Error),
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Self::DiskFull(error),
            _ => Self::Io(error),
        }
    }
}

impl From<Unfinished> for Error {
    fn from(unfinished: Unfinished) -> Self {
        match unfinished {
            Unfinished::Other => Self::Other,
            Unfinished::Io(error) => error.into(),
        }
    }
}

/// Cheap to clone.
#[derive(Clone)]
pub struct Store {
    root: Arc<Path>,
    limit: u64,
    /// What says how much there may be.
    flag: &'static str,
    kept: Arc<Mutex<Kept>>,
}

#[derive(Default)]
struct Kept {
    blobs: HashMap<Hash, Blob>,
    /// Of them, and of what is being received.
    bytes: u64,
    /// Something was refused since the last sweep.
    is_full: bool,
    /// Set aside, and told to nobody yet.
    damaged: u64,
    /// What somebody needs, and how many do.
    pinned: HashMap<Hash, usize>,
}

struct Blob {
    bytes: u64,
    /// When somebody last wanted it to be here.
    wanted: Instant,
    /// A task referred to it: without one it is of no more use than any other copy that can come again.
    was_referred: bool,
    /// There is an object of it: it makes room when others need it.
    is_elsewhere: bool,
}

impl Blob {
    fn new(bytes: u64) -> Self {
        Self { bytes, wanted: Instant::now(), was_referred: false, is_elsewhere: false }
    }
}

/// Rather than of this process or of the moment.
fn is_of_the_file(error: &std::io::Error) -> bool {
    let is_of_the_disk = error.raw_os_error() == Some(rustix::io::Errno::IO.raw_os_error());
    is_of_the_disk || error.kind() == ErrorKind::NotFound
}

impl Store {
    /// Reads which blobs there are. Takes its time.
    ///
    /// # Errors
    /// The directory cannot be made or read.
    pub fn open(data_dir: &Path, limit: u64, flag: &'static str) -> std::io::Result<Self> {
        let root = data_dir.join(DIRECTORY);
        let incoming = root.join(INCOMING);
        match std::fs::remove_dir_all(&incoming) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        std::fs::create_dir_all(&incoming)?;
        std::fs::create_dir_all(root.join(DAMAGED))?;
        let mut kept = Kept::default();
        for entry in std::fs::read_dir(&root)? {
            let entry = entry?;
            let Some(hash) = entry.file_name().to_str().and_then(Hash::from_hex) else { continue };
            let bytes = entry.metadata()?.len();
            kept.bytes += bytes;
            kept.blobs.insert(hash, Blob::new(bytes));
        }
        std::fs::File::open(&root)?.sync_all()?;
        std::fs::File::open(data_dir)?.sync_all()?;
        Ok(Self { root: root.into(), limit, flag, kept: Arc::new(Mutex::new(kept)) })
    }

    /// Its length, if it is here; it stays for some time from now on.
    pub fn touch(&self, hash: Hash) -> Option<u64> {
        let mut kept = self.kept();
        let blob = kept.blobs.get_mut(&hash)?;
        blob.wanted = Instant::now();
        Some(blob.bytes)
    }

    pub fn has(&self, hash: Hash) -> bool {
        self.kept().blobs.contains_key(&hash)
    }

    /// Nothing removes these until it is dropped.
    pub fn pin(&self, hashes: impl Iterator<Item = Hash>) -> Pin {
        let hashes: Vec<_> = hashes.collect();
        let mut kept = self.kept();
        hashes.iter().for_each(|hash| *kept.pinned.entry(*hash).or_default() += 1);
        Pin { kept: Arc::clone(&self.kept), hashes }
    }

    /// How many there are, and their bytes.
    pub fn size(&self) -> (usize, u64) {
        let kept = self.kept();
        (kept.blobs.len(), kept.bytes)
    }

    /// Of the file system that they are on: what is free for this process, and all of it, in bytes.
    pub fn disk(&self) -> std::io::Result<(u64, u64)> {
        let found = rustix::fs::statvfs(&*self.root)?;
        Ok((found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize))
    }

    pub fn path(&self, hash: Hash) -> PathBuf {
        self.root.join(hash.to_string())
    }

    /// Whether there is an object of it, so that this is only a copy.
    pub fn is_elsewhere(&self, hash: Hash, is_so: bool) {
        if let Some(blob) = self.kept().blobs.get_mut(&hash) {
            blob.is_elsewhere = is_so;
        }
    }

    /// Removes copies, the longest unwanted first, until so much fits or there are no more. One that was just wanted is
    /// about to be read.
    fn make_room(&self, kept: &mut Kept, bytes: u64) -> Result<(), Error> {
        if kept.bytes.saturating_add(bytes) <= self.limit {
            return Ok(());
        }
        let is_spare = |blob: &Blob| blob.is_elsewhere && blob.wanted.elapsed() >= SHORT_GRACE;
        let spare = kept
            .blobs
            .iter()
            .filter(|(hash, blob)| is_spare(blob) && !kept.pinned.contains_key(*hash));
        let mut spare: Vec<_> =
            spare.map(|(hash, blob)| (blob.wanted, *hash, blob.bytes)).collect();
        spare.sort_unstable();
        for (_, hash, length) in spare {
            if kept.bytes.saturating_add(bytes) <= self.limit {
                break;
            }
            match std::fs::remove_file(self.path(hash)) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error.into()),
                Ok(()) | Err(_) => {}
            }
            kept.blobs.remove(&hash);
            kept.bytes -= length;
        }
        Ok(())
    }

    /// Begins to receive one. Its space is taken from now on.
    ///
    /// # Errors
    /// There is no room for it.
    pub async fn receive(&self, content: Content) -> Result<Incoming, Error> {
        let bytes = content.bytes;
        let most = MAX_BLOB_BYTES.min(self.limit);
        if bytes > most {
            return Err(Error::TooLong { bytes, most, flag: self.flag });
        }
        let room = {
            let mut kept = self.kept();
            self.make_room(&mut kept, bytes)?;
            let all = kept.bytes.saturating_add(bytes);
            if all > self.limit {
                kept.is_full = true;
                let (kept, limit, flag) = (kept.bytes, self.limit, self.flag);
                return Err(Error::Full { bytes, kept, limit, flag });
            }
            kept.bytes = all;
            Room { kept: Arc::clone(&self.kept), bytes }
        };
        let path = self.root.join(INCOMING).join(Uuid::new_v4().to_string());
        let partial = Partial::create(path).await?;
        Ok(Incoming { store: self.clone(), content, partial, room })
    }

    /// Unless what is there is what its name says, it is here no more, and can come again. Reads it, and so takes its
    /// time.
    ///
    /// # Errors
    /// The disk.
    pub fn set_aside_if_damaged(&self, hash: Hash) -> std::io::Result<()> {
        match content_of(&self.path(hash)) {
            // Another one may have come since somebody saw the damage.
            Ok(content) if content.hash == hash => return Ok(()),
            Err(error) if !is_of_the_file(&error) => return Err(error),
            Ok(_) | Err(_) => {}
        }
        let mut kept = self.kept();
        let Some(blob) = kept.blobs.remove(&hash) else { return Ok(()) };
        kept.bytes -= blob.bytes;
        kept.damaged += 1;
        match std::fs::rename(self.path(hash), self.root.join(DAMAGED).join(hash.to_string())) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// So many were set aside since somebody asked.
    pub fn take_damaged(&self) -> u64 {
        std::mem::take(&mut self.kept().damaged)
    }

    /// Removes what nobody wanted for so long, unless it is to stay; where room is short also what tasks referred to until
    /// lately. Gives how many, and their bytes.
    ///
    /// # Errors
    /// The disk; the others are removed the next time.
    pub fn sweep(
        &self,
        grace: Duration,
        stays: impl Fn(Hash) -> bool,
    ) -> std::io::Result<(u64, u64)> {
        let mut kept = self.kept();
        let is_short = std::mem::take(&mut kept.is_full) || kept.bytes > self.limit / 8 * 7;
        let is_over = |blob: &Blob| {
            let grace = if is_short && blob.was_referred { grace.min(SHORT_GRACE) } else { grace };
            blob.wanted.elapsed() >= grace
        };
        for (hash, blob) in &mut kept.blobs {
            blob.was_referred |= stays(*hash);
        }
        let is_kept = |hash: Hash| stays(hash) || kept.pinned.contains_key(&hash);
        let unwanted = kept.blobs.iter().filter(|(hash, blob)| is_over(blob) && !is_kept(**hash));
        let unwanted: Vec<_> = unwanted.map(|(hash, blob)| (*hash, blob.bytes)).collect();
        let mut removed = (0, 0);
        for (hash, bytes) in unwanted {
            // Nobody may take it for granted, or receive it again, meanwhile.
            match std::fs::remove_file(self.path(hash)) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                Ok(()) | Err(_) => {}
            }
            kept.blobs.remove(&hash);
            kept.bytes -= bytes;
            removed = (removed.0 + 1, removed.1 + bytes);
        }
        Ok(removed)
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        // Every change is made as a whole.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A blob that is being received. Nothing of it stays unless it is kept.
pub struct Incoming {
    store: Store,
    content: Content,
    partial: Partial,
    room: Room,
}

impl Incoming {
    /// # Errors
    /// The disk, or more comes than was said.
    pub async fn write(&mut self, chunk: &[u8]) -> Result<(), Error> {
        if self.partial.bytes() + chunk.len() as u64 > self.content.bytes {
            return Err(Error::Other);
        }
        Ok(self.partial.write(chunk).await?)
    }

    /// Returns when it is on disk, in its place.
    ///
    /// # Errors
    /// It is not what its name says, or the disk failed.
    pub async fn keep(mut self) -> Result<(), Error> {
        self.partial.complete(self.content).await?;
        let Self { store, content: Content { hash, bytes }, partial, room } = self;
        {
            let mut kept = store.kept();
            // An equal one that is there is not removed meanwhile.
            if let Some(blob) = kept.blobs.get_mut(&hash) {
                blob.wanted = Instant::now();
            }
            std::fs::rename(partial.path(), store.path(hash))?;
        }
        partial.kept();
        // Before that nobody may take it for granted.
        tokio::fs::File::open(&store.root).await?.sync_all().await?;
        if store.kept().blobs.insert(hash, Blob::new(bytes)).is_none() {
            // The room is the blob's from now on.
            room.give_away();
        }
        Ok(())
    }
}

/// Blobs that stay until this is dropped.
pub struct Pin {
    kept: Arc<Mutex<Kept>>,
    hashes: Vec<Hash>,
}

impl Drop for Pin {
    fn drop(&mut self) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        for hash in &self.hashes {
            if let Some(pins) = kept.pinned.get_mut(hash) {
                *pins -= 1;
                if *pins == 0 {
                    kept.pinned.remove(hash);
                }
            }
        }
    }
}

/// Space that is taken until this is dropped.
struct Room {
    kept: Arc<Mutex<Kept>>,
    bytes: u64,
}

impl Room {
    fn give_away(mut self) {
        self.bytes = 0;
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).bytes -= self.bytes;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(bytes: &[u8]) -> Content {
        let hash = Hash(*blake3::hash(bytes).as_bytes());
        Content { hash, bytes: bytes.len() as u64 }
    }

    async fn put(store: &Store, bytes: &[u8]) -> Result<Hash, Error> {
        let content = content(bytes);
        let mut incoming = store.receive(content).await?;
        incoming.write(bytes).await?;
        incoming.keep().await?;
        Ok(content.hash)
    }

    fn files(store: &Store) -> usize {
        let below = |dir: &Path| std::fs::read_dir(dir).expect("is there").count();
        below(&store.root) - 2 + below(&store.root.join(INCOMING))
    }

    #[tokio::test]
    async fn what_was_kept_is_there_after_a_restart_and_what_was_not_is_not() {
        let dir = tempfile::tempdir().expect("a directory");
        let store = Store::open(dir.path(), 100, MAX).expect("opens");
        let hash = put(&store, b"whole").await.expect("is kept");
        let mut half = store.receive(content(b"half of it")).await.expect("there is room");
        half.write(b"half").await.expect("is written");
        std::mem::forget(half);
        assert_eq!(files(&store), 2);
        let store = Store::open(dir.path(), 100, MAX).expect("opens");
        assert_eq!((store.touch(hash), store.size()), (Some(5), (1, 5)));
        assert_eq!(files(&store), 1);
    }

    #[tokio::test]
    async fn what_is_refused_leaves_nothing() {
        let dir = tempfile::tempdir().expect("a directory");
        let store = Store::open(dir.path(), 10, MAX).expect("opens");
        assert!(matches!(put(&store, b"more than ten").await, Err(Error::TooLong { .. })));
        let mut other = store.receive(content(b"one")).await.expect("there is room");
        other.write(b"two").await.expect("is written");
        assert!(matches!(other.keep().await, Err(Error::Other)));
        let mut longer = store.receive(content(b"one")).await.expect("there is room");
        assert!(matches!(longer.write(b"four").await, Err(Error::Other)));
        drop(longer);
        assert_eq!((files(&store), store.size()), (0, (0, 0)));
        put(&store, b"exactly 10").await.expect("all the room is free");
        put(&store, b"exactly 10").await.expect_err("there is none for it twice at a time");
    }

    #[tokio::test]
    async fn where_room_is_short_what_tasks_referred_to_goes_first() {
        let dir = tempfile::tempdir().expect("a directory");
        let store = Store::open(dir.path(), 10, MAX).expect("opens");
        let referred = put(&store, b"referred").await.expect("is kept");
        let hour = Duration::from_secs(3_600);
        assert_eq!(store.sweep(hour, |hash| hash == referred).expect("is swept"), (0, 0));
        put(&store, b"more").await.expect_err("there is no room");
        store.kept().blobs.get_mut(&referred).expect("is there").wanted -= SHORT_GRACE;
        assert_eq!(store.sweep(hour, |_| false).expect("is swept"), (1, 8));
        let new = put(&store, b"new").await.expect("there is room");
        put(&store, b"much more").await.expect_err("there is no room");
        store.kept().blobs.get_mut(&new).expect("is there").wanted -= SHORT_GRACE;
        assert_eq!(store.sweep(hour, |_| false).expect("is swept"), (0, 0), "a task may come");
    }

    #[tokio::test]
    async fn a_copy_of_what_is_elsewhere_makes_room() {
        let dir = tempfile::tempdir().expect("a directory");
        let store = Store::open(dir.path(), 10, COPIES).expect("opens");
        let old = put(&store, b"old").await.expect("is kept");
        let copy = put(&store, b"copy").await.expect("is kept");
        store.is_elsewhere(copy, true);
        put(&store, b"new one").await.expect_err("somebody is about to read the copy");
        store.kept().blobs.values_mut().for_each(|blob| blob.wanted -= SHORT_GRACE);
        put(&store, b"much more").await.expect_err("not even the copy is so long");
        assert_eq!((store.has(old), store.has(copy)), (true, false));
        put(&store, b"new one").await.expect("there is room");
        assert_eq!((files(&store), store.size()), (2, (2, 10)));
    }

    #[tokio::test]
    async fn what_nobody_wants_goes_and_damage_is_set_aside() {
        let dir = tempfile::tempdir().expect("a directory");
        let store = Store::open(dir.path(), 100, MAX).expect("opens");
        let stays = put(&store, b"stays").await.expect("is kept");
        let goes = put(&store, b"goes").await.expect("is kept");
        let swept = store.sweep(Duration::from_secs(60), |_| false).expect("is swept");
        assert_eq!(swept, (0, 0), "not so soon");
        let swept = store.sweep(Duration::ZERO, |hash| hash == stays).expect("is swept");
        assert_eq!((swept, store.has(goes), store.has(stays)), ((1, 4), false, true));
        store.set_aside_if_damaged(stays).expect("is read");
        assert!(store.has(stays), "it is what its name says");
        std::fs::write(store.path(stays), "STAYS").expect("is written");
        store.set_aside_if_damaged(stays).expect("is moved");
        assert_eq!((store.touch(stays), store.size()), (None, (0, 0)));
        assert_eq!((store.take_damaged(), store.take_damaged()), (1, 0), "told once");
        put(&store, b"stays").await.expect("can come again");
    }
}
