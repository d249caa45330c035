//! Bytes that lie in a file and are mapped, so that the kernel may take them out of memory and read them back
//! when somebody looks at them. They are as volatile as memory: the files have no name, and are gone with the
//! process. What must survive it stands in the journal.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use memmap2::{Mmap, MmapOptions};
use rustix::fs::{FallocateFlags, fallocate};

/// Of one file. Its space comes back when the last of what lies there is dropped.
const AREA_BYTES: usize = 16 << 20;
/// What the files may hold beyond twice of what is kept in them: one that is needed for long holds its whole file.
const SLACK_BYTES: u64 = 256 << 20;

/// What is dropped at about the same time lies together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Until its task ends.
    Payload,
    /// Until retention forgets it, in the order in which tasks ended.
    Result,
}

/// Keeps bytes in files of one directory.
pub struct Spill {
    directory: PathBuf,
    payloads: Mutex<Option<Area>>,
    results: Mutex<Option<Area>>,
    usage: Arc<Usage>,
}

#[derive(Default)]
struct Usage {
    /// Of all files.
    reserved: AtomicU64,
    /// Of all pieces.
    kept: AtomicU64,
}

/// A file that is written from the front.
struct Area {
    file: File,
    mapped: Arc<Mapped>,
    used: usize,
}

struct Mapped {
    map: Mmap,
    usage: Arc<Usage>,
}

impl Drop for Mapped {
    fn drop(&mut self) {
        self.usage.reserved.fetch_sub(self.map.len() as u64, Ordering::Relaxed);
    }
}

/// Part of an area, written for good.
struct Piece {
    mapped: Arc<Mapped>,
    from: usize,
    to: usize,
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        &self.mapped.map[self.from..self.to]
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        let length = (self.to - self.from) as u64;
        self.mapped.usage.kept.fetch_sub(length, Ordering::Relaxed);
    }
}

impl Spill {
    /// Nothing is created before something is kept.
    pub fn new(directory: &Path) -> Self {
        Self {
            directory: directory.to_path_buf(),
            payloads: Mutex::default(),
            results: Mutex::default(),
            usage: Arc::default(),
        }
    }

    /// The same bytes, in a file from now on. In memory where the files hold much that is no longer needed, so that
    /// what they take is bounded by what is kept.
    ///
    /// # Errors
    /// The file cannot be created or written, for example because the disk is full.
    pub fn keep(&self, kind: Kind, bytes: &[u8]) -> io::Result<Bytes> {
        let areas = match kind {
            Kind::Payload => &self.payloads,
            Kind::Result => &self.results,
        };
        let mut area = areas.lock().unwrap_or_else(PoisonError::into_inner);
        let mut present = match area.take() {
            Some(present) if present.room() >= bytes.len() => present,
            // What is left of it is for shorter ones.
            present if self.usage.is_wasteful() => {
                *area = present;
                return Ok(Bytes::copy_from_slice(bytes));
            }
            _ => self.create(bytes.len().max(AREA_BYTES))?,
        };
        let piece = present.write(bytes);
        *area = Some(present);
        piece.map(Bytes::from_owner)
    }

    fn create(&self, length: usize) -> io::Result<Area> {
        let file = tempfile::tempfile_in(&self.directory)?;
        // All of it has its place on the disk: no page of the mapping may turn out not to exist.
        fallocate(&file, FallocateFlags::empty(), 0, length as u64)?;
        let map = map(&file, length)?;
        self.usage.reserved.fetch_add(length as u64, Ordering::Relaxed);
        let mapped = Arc::new(Mapped { map, usage: Arc::clone(&self.usage) });
        Ok(Area { file, mapped, used: 0 })
    }
}

impl Usage {
    fn is_wasteful(&self) -> bool {
        let kept = self.kept.load(Ordering::Relaxed);
        self.reserved.load(Ordering::Relaxed) > 2 * kept + SLACK_BYTES
    }
}

impl Area {
    fn room(&self) -> usize {
        self.mapped.map.len() - self.used
    }

    /// There must be room.
    fn write(&mut self, bytes: &[u8]) -> io::Result<Piece> {
        self.file.write_all_at(bytes, self.used as u64)?;
        let (from, to) = (self.used, self.used + bytes.len());
        self.used = to;
        self.mapped.usage.kept.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        Ok(Piece { mapped: Arc::clone(&self.mapped), from, to })
    }
}

#[allow(unsafe_code)]
fn map(file: &File, length: usize) -> io::Result<Mmap> {
    // SAFETY: nobody else has the file, for it has no name; it is never shortened; and a part of it is written
    // before a reference to that part exists, and never again.
    unsafe { MmapOptions::new().len(length).map(file) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_what_was_given() {
        let dir = tempfile::tempdir().expect("a directory");
        let spill = Spill::new(dir.path());
        let pieces: Vec<Vec<u8>> =
            (0..200u32).map(|n| vec![n as u8; 1_000 * n as usize + 1]).collect();
        let kept: Vec<_> = pieces
            .iter()
            .map(|piece| spill.keep(Kind::Payload, piece).expect("there is room"))
            .collect();
        assert_eq!(kept, pieces);
        assert!(kept.iter().map(Bytes::len).sum::<usize>() > AREA_BYTES, "more than one file");
    }

    #[test]
    fn more_than_a_whole_area_is_kept_in_one_of_its_own() {
        let dir = tempfile::tempdir().expect("a directory");
        let spill = Spill::new(dir.path());
        let much = vec![7; AREA_BYTES + 1];
        assert_eq!(spill.keep(Kind::Payload, &much).expect("there is room"), much);
        assert_eq!(spill.keep(Kind::Payload, b"after").expect("there is room"), b"after"[..]);
    }

    #[test]
    fn nothing_is_left_in_the_directory() {
        let dir = tempfile::tempdir().expect("a directory");
        let kept = Spill::new(dir.path()).keep(Kind::Result, b"some").expect("there is room");
        assert_eq!(dir.path().read_dir().expect("is there").count(), 0);
        assert_eq!(kept, b"some"[..], "it outlives the spill");
    }

    #[test]
    fn a_directory_that_is_gone_is_an_error() {
        let dir = tempfile::tempdir().expect("a directory");
        let spill = Spill::new(&dir.path().join("gone"));
        assert!(spill.keep(Kind::Payload, b"some").is_err());
    }

    #[test]
    fn files_hold_little_that_is_not_needed() {
        let dir = tempfile::tempdir().expect("a directory");
        let spill = Spill::new(dir.path());
        let (mut long, much) = (Vec::new(), vec![7; AREA_BYTES - 300]);
        for _ in 0..40 {
            long.push(spill.keep(Kind::Payload, &[1; 300]).expect("there is room"));
            let short = spill.keep(Kind::Payload, &much).expect("there is room");
            assert_eq!(short, much);
            let reserved = spill.usage.reserved.load(Ordering::Relaxed);
            let kept = spill.usage.kept.load(Ordering::Relaxed);
            assert!(reserved <= 2 * kept + SLACK_BYTES + AREA_BYTES as u64, "{reserved}, {kept}");
        }
        assert!(long.iter().all(|piece| piece[..] == [1; 300]));
        drop(long);
        let reserved = spill.usage.reserved.load(Ordering::Relaxed);
        assert!(reserved <= AREA_BYTES as u64, "all but the present file are gone");
        assert_eq!(spill.usage.kept.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn results_do_not_hold_the_files_of_payloads() {
        let dir = tempfile::tempdir().expect("a directory");
        let spill = Spill::new(dir.path());
        let much = vec![7; AREA_BYTES / 2];
        let mut results = Vec::new();
        for _ in 0..8 {
            drop(spill.keep(Kind::Payload, &much).expect("there is room"));
            results.push(spill.keep(Kind::Result, &[1; 300]).expect("there is room"));
        }
        let reserved = spill.usage.reserved.load(Ordering::Relaxed);
        assert!(reserved <= 2 * AREA_BYTES as u64, "{reserved}");
    }
}
