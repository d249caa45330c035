//! The end of the store's log after a crash of the machine.
//!
//! The log is a file of reserved zeroes that appends fill. Pages of an append that was never
//! acknowledged may reach the disk in any order. If its last byte is there and its middle is not,
//! the store takes it for damage; without its last byte, it drops the append as unfinished.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use super::error::Error;

const BLOCK_BYTES: usize = 64 << 10;

/// A log whose last written byte was cut off.
pub(super) struct TornEnd {
    path: PathBuf,
    file: File,
    offset: u64,
    byte: u8,
}

impl TornEnd {
    /// Shortens the newest log below its last byte that is not zero; `None` if there is none.
    pub fn cut(store: &Path) -> Result<Option<Self>, Error> {
        let Some(path) = newest_log(store).map_err(|e| Error::io("list", store, e))? else {
            return Ok(None);
        };
        let open = OpenOptions::new().read(true).write(true).open(&path);
        let mut file = open.map_err(|e| Error::io("open", &path, e))?;
        let last = last_written(&mut file).map_err(|e| Error::io("read", &path, e))?;
        let Some((offset, byte)) = last else { return Ok(None) };
        let cut = file.set_len(offset).and_then(|()| file.sync_all());
        cut.map_err(|e| Error::io("shorten", &path, e))?;
        Ok(Some(Self { path, file, offset, byte }))
    }

    /// The log was not the matter, or not its end: leaves it as it was, for whoever looks at it.
    pub fn restore(self) -> Result<(), Error> {
        self.file
            .write_all_at(&[self.byte], self.offset)
            .and_then(|()| self.file.sync_all())
            .map_err(|e| Error::io("write", &self.path, e))
    }
}

/// Logs are numbered; the store appends to the last one.
fn newest_log(store: &Path) -> std::io::Result<Option<PathBuf>> {
    let mut newest: Option<(u64, PathBuf)> = None;
    for child in std::fs::read_dir(store)? {
        let path = child?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        let number = name.and_then(|name| name.strip_suffix(".jnl")?.parse().ok());
        if let Some(number) = number
            && newest.as_ref().is_none_or(|(highest, _)| number > *highest)
        {
            newest = Some((number, path));
        }
    }
    Ok(newest.map(|(_, path)| path))
}

fn last_written(file: &mut File) -> std::io::Result<Option<(u64, u8)>> {
    let mut end = file.seek(SeekFrom::End(0))?;
    let mut block = vec![0; BLOCK_BYTES];
    while end > 0 {
        let start = end.saturating_sub(BLOCK_BYTES as u64);
        let block = &mut block[..(end - start) as usize];
        file.seek(SeekFrom::Start(start))?;
        file.read_exact(block)?;
        if let Some(position) = block.iter().rposition(|byte| *byte != 0) {
            return Ok(Some((start + position as u64, block[position])));
        }
        end = start;
    }
    Ok(None)
}
