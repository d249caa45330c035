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

/// Keeps bytes in files of one directory. What is dropped at about the same time lies together: payloads, until their
/// task ends, and results, until retention forgets them.
pub struct Spill {
    directory: PathBuf,
    payloads: Mutex<Option<Area>>,
    results: Mutex<Option<Area>>,
    /// Of payloads.
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
    mapped: Bytes,
    used: usize,
}

/// A payload, written for good. It stands for itself in the usage, because payloads are dropped in any order.
struct Piece {
    bytes: Bytes,
    usage: Arc<Usage>,
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        self.usage.kept.fetch_sub(self.bytes.len() as u64, Ordering::Relaxed);
    }
}

/// The file of payloads.
struct Counted {
    map: Mmap,
    usage: Arc<Usage>,
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.map
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.usage.reserved.fetch_sub(self.map.len() as u64, Ordering::Relaxed);
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
    pub fn keep_payload(&self, payload: &[u8]) -> io::Result<Bytes> {
        let mut area = self.payloads.lock().unwrap_or_else(PoisonError::into_inner);
        let mut present = match area.take() {
            Some(present) if present.room() >= payload.len() => present,
            // What is left of it is for shorter ones.
            present if self.usage.is_wasteful() => {
                *area = present;
                return Ok(Bytes::copy_from_slice(payload));
            }
            _ => self.create_counted(payload.len().max(AREA_BYTES))?,
        };
        let written = present.write(payload);
        *area = Some(present);
        let bytes = written?;
        self.usage.kept.fetch_add(payload.len() as u64, Ordering::Relaxed);
        Ok(Bytes::from_owner(Piece { bytes, usage: Arc::clone(&self.usage) }))
    }

    /// Puts the same bytes into a file, with one write for many; each takes no memory beyond its `Bytes`. Results are
    /// forgotten in the order in which they come, so that the files hold little that is not needed.
    ///
    /// # Errors
    /// The file cannot be created or written. Then some may lie there already.
    pub fn keep_results(&self, results: &mut [&mut Bytes]) -> io::Result<()> {
        let mut area = self.results.lock().unwrap_or_else(PoisonError::into_inner);
        let mut rest = results;
        while let Some(first) = rest.first() {
            let mut present = match area.take() {
                Some(present) if present.room() >= first.len() => present,
                _ => self.create(first.len().max(AREA_BYTES))?,
            };
            let mut end = 0;
            let fit = rest.iter().take_while(|result| {
                end += result.len();
                end <= present.room()
            });
            let (now, later) = rest.split_at_mut(fit.count());
            let written = present.write_all(now);
            *area = Some(present);
            written?;
            rest = later;
        }
        Ok(())
    }

    fn create_counted(&self, length: usize) -> io::Result<Area> {
        let (file, map) = self.map_new(length)?;
        self.usage.reserved.fetch_add(length as u64, Ordering::Relaxed);
        let mapped = Bytes::from_owner(Counted { map, usage: Arc::clone(&self.usage) });
        Ok(Area { file, mapped, used: 0 })
    }

    fn create(&self, length: usize) -> io::Result<Area> {
        let (file, map) = self.map_new(length)?;
        Ok(Area { file, mapped: Bytes::from_owner(map), used: 0 })
    }

    fn map_new(&self, length: usize) -> io::Result<(File, Mmap)> {
        let file = tempfile::tempfile_in(&self.directory)?;
        // All of it has its place on the disk: no page of the mapping may turn out not to exist.
        fallocate(&file, FallocateFlags::empty(), 0, length as u64)?;
        let map = map(&file, length)?;
        Ok((file, map))
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
        self.mapped.len() - self.used
    }

    /// There must be room.
    fn write(&mut self, bytes: &[u8]) -> io::Result<Bytes> {
        self.file.write_all_at(bytes, self.used as u64)?;
        let from = self.used;
        self.used += bytes.len();
        Ok(self.mapped.slice(from..self.used))
    }

    /// There must be room for all of them.
    fn write_all(&mut self, pieces: &mut [&mut Bytes]) -> io::Result<()> {
        let mut rest = match pieces {
            [piece] => self.write(piece)?,
            _ => self.write(&pieces.iter().map(|piece| &piece[..]).collect::<Vec<_>>().concat())?,
        };
        for piece in pieces {
            **piece = rest.split_to(piece.len());
        }
        Ok(())
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
        let kept: Vec<_> =
            pieces.iter().map(|piece| spill.keep_payload(piece).expect("there is room")).collect();
        assert_eq!(kept, pieces);
        assert!(kept.iter().map(Bytes::len).sum::<usize>() > AREA_BYTES, "more than one file");
    }

    #[test]
    fn more_than_a_whole_area_is_kept_in_one_of_its_own() {
        let dir = tempfile::tempdir().expect("a directory");
        let spill = Spill::new(dir.path());
        let much = vec![7; AREA_BYTES + 1];
        assert_eq!(spill.keep_payload(&much).expect("there is room"), much);
        assert_eq!(spill.keep_payload(b"after").expect("there is room"), b"after"[..]);
    }

    #[test]
    fn nothing_is_left_in_the_directory() {
        let dir = tempfile::tempdir().expect("a directory");
        let kept = Spill::new(dir.path()).keep_payload(b"some").expect("there is room");
        assert_eq!(dir.path().read_dir().expect("is there").count(), 0);
        assert_eq!(kept, b"some"[..], "it outlives the spill");
    }

    #[test]
    fn a_directory_that_is_gone_is_an_error() {
        let dir = tempfile::tempdir().expect("a directory");
        let spill = Spill::new(&dir.path().join("gone"));
        assert!(spill.keep_payload(b"some").is_err());
    }

    #[test]
    fn files_hold_little_that_is_not_needed() {
        let dir = tempfile::tempdir().expect("a directory");
        let spill = Spill::new(dir.path());
        let (mut long, much) = (Vec::new(), vec![7; AREA_BYTES - 300]);
        for _ in 0..40 {
            long.push(spill.keep_payload(&[1; 300]).expect("there is room"));
            let short = spill.keep_payload(&much).expect("there is room");
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
    fn results_are_what_was_given_across_files() {
        let dir = tempfile::tempdir().expect("a directory");
        let spill = Spill::new(dir.path());
        let given: Vec<Bytes> =
            (0..2_000u32).map(|n| vec![n as u8; 21 * n as usize].into()).collect();
        assert!(given.iter().map(Bytes::len).sum::<usize>() > 2 * AREA_BYTES, "several files");
        let mut kept = given.clone();
        for some in kept.chunks_mut(700) {
            spill.keep_results(&mut some.iter_mut().collect::<Vec<_>>()).expect("there is room");
        }
        assert_eq!(kept, given);
        let moved = kept.iter().zip(&given).filter(|(kept, given)| kept.as_ptr() != given.as_ptr());
        assert!(moved.count() >= 1_999, "none is what came, but perhaps an empty one");
    }

    #[test]
    fn a_result_that_is_longer_than_a_file_has_its_own() {
        let dir = tempfile::tempdir().expect("a directory");
        let spill = Spill::new(dir.path());
        let given = [Bytes::from_static(b"before"), vec![7; AREA_BYTES + 1].into(), Bytes::new()];
        let mut kept = given.clone();
        spill.keep_results(&mut kept.iter_mut().collect::<Vec<_>>()).expect("there is room");
        assert_eq!(kept, given);
    }

    #[test]
    fn results_do_not_hold_the_files_of_payloads() {
        let dir = tempfile::tempdir().expect("a directory");
        let spill = Spill::new(dir.path());
        let much = vec![7; AREA_BYTES / 2];
        let mut results = vec![Bytes::from_static(&[1; 300]); 8];
        for result in &mut results {
            drop(spill.keep_payload(&much).expect("there is room"));
            spill.keep_results(&mut [result]).expect("there is room");
        }
        let reserved = spill.usage.reserved.load(Ordering::Relaxed);
        assert!(reserved <= 2 * AREA_BYTES as u64, "{reserved}");
    }
}
