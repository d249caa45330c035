//! Bytes that lie in a file and are mapped, so that the kernel may take them out of memory and read them back
//! when somebody looks at them. They are as volatile as memory: the files have no name, and are gone with the
//! process. What must survive it stands in the journal.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use memmap2::{Mmap, MmapOptions};
use rustix::fs::{FallocateFlags, fallocate};

/// Of one file. Its space comes back when the last of what lies there is dropped.
const AREA_BYTES: usize = 16 << 20;

/// Keeps bytes in files of one directory.
pub struct Spill {
    directory: PathBuf,
    area: Mutex<Option<Area>>,
}

/// A file that is written from the front.
struct Area {
    file: File,
    map: Arc<Mmap>,
    used: usize,
}

/// Part of an area, written for good.
struct Piece {
    map: Arc<Mmap>,
    from: usize,
    to: usize,
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        &self.map[self.from..self.to]
    }
}

impl Spill {
    /// Nothing is created before something is kept.
    pub fn new(directory: &Path) -> Self {
        Self { directory: directory.to_path_buf(), area: Mutex::new(None) }
    }

    /// The same bytes, in a file from now on.
    ///
    /// # Errors
    /// The file cannot be created or written, for example because the disk is full.
    pub fn keep(&self, bytes: &[u8]) -> io::Result<Bytes> {
        let mut area = self.area.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = |area: &Area| area.map.len() - area.used >= bytes.len();
        if !area.as_ref().is_some_and(fits) {
            *area = Some(Area::create(&self.directory, bytes.len().max(AREA_BYTES))?);
        }
        let Some(area) = area.as_mut() else { unreachable!("it was created just now") };
        area.file.write_all_at(bytes, area.used as u64)?;
        let (from, to) = (area.used, area.used + bytes.len());
        area.used = to;
        Ok(Bytes::from_owner(Piece { map: Arc::clone(&area.map), from, to }))
    }
}

impl Area {
    fn create(directory: &Path, length: usize) -> io::Result<Self> {
        let file = tempfile::tempfile_in(directory)?;
        // All of it has its place on the disk: no page of the mapping may turn out not to exist.
        fallocate(&file, FallocateFlags::empty(), 0, length as u64)?;
        let map = Arc::new(map(&file, length)?);
        Ok(Self { file, map, used: 0 })
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
            pieces.iter().map(|piece| spill.keep(piece).expect("there is room")).collect();
        assert_eq!(kept, pieces);
        assert!(kept.iter().map(Bytes::len).sum::<usize>() > AREA_BYTES, "more than one file");
    }

    #[test]
    fn more_than_a_whole_area_is_kept_in_one_of_its_own() {
        let dir = tempfile::tempdir().expect("a directory");
        let spill = Spill::new(dir.path());
        let much = vec![7; AREA_BYTES + 1];
        assert_eq!(spill.keep(&much).expect("there is room"), much);
        assert_eq!(spill.keep(b"after").expect("there is room"), b"after"[..]);
    }

    #[test]
    fn nothing_is_left_in_the_directory() {
        let dir = tempfile::tempdir().expect("a directory");
        let kept = Spill::new(dir.path()).keep(b"some").expect("there is room");
        assert_eq!(dir.path().read_dir().expect("is there").count(), 0);
        assert_eq!(kept, b"some"[..], "it outlives the spill");
    }

    #[test]
    fn a_directory_that_is_gone_is_an_error() {
        let dir = tempfile::tempdir().expect("a directory");
        let spill = Spill::new(&dir.path().join("gone"));
        assert!(spill.keep(b"some").is_err());
    }
}
