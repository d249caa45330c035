//! A disk that gets full: a small file system in memory.

use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::network::{PREFIX, run};

/// Mounted at a folder until it is dropped.
#[derive(Debug)]
pub struct SmallDisk {
    path: PathBuf,
}

impl SmallDisk {
    /// Makes the folder, too. It needs root.
    ///
    /// # Errors
    /// The system does not allow it.
    pub fn mount(path: &Path, megabytes: u32) -> anyhow::Result<Self> {
        fs::create_dir_all(path)?;
        let (size, name) =
            (format!("size={megabytes}m"), format!("{PREFIX}{}", std::process::id()));
        let target = path.to_str().context("the path is not UTF-8")?;
        run("mount", &["-t", "tmpfs", "-o", &size, &name, target], "")?;
        Ok(Self { path: path.to_owned() })
    }

    fn ballast(&self) -> PathBuf {
        self.path.join("ballast")
    }

    /// Takes all the space that is left.
    ///
    /// # Errors
    /// Another one than that the disk is full.
    pub fn fill(&self) -> anyhow::Result<()> {
        let mut file = File::create(self.ballast())?;
        for block in [&[0_u8; 64 << 10][..], &[0]] {
            loop {
                match file.write(block) {
                    Ok(_) => {}
                    Err(error) if error.kind() == ErrorKind::StorageFull => break,
                    Err(error) => return Err(error).context("failed to fill the disk"),
                }
            }
        }
        Ok(())
    }

    /// Everything on it is gone.
    ///
    /// # Errors
    /// The system refuses.
    pub fn wipe(&self) -> anyhow::Result<()> {
        for entry in fs::read_dir(&self.path)? {
            let entry = entry?;
            let removed = if entry.file_type()?.is_dir() {
                fs::remove_dir_all(entry.path())
            } else {
                fs::remove_file(entry.path())
            };
            removed.with_context(|| format!("failed to delete {}", entry.path().display()))?;
        }
        Ok(())
    }

    /// Gives it back.
    ///
    /// # Errors
    /// The system refuses.
    pub fn free(&self) -> anyhow::Result<()> {
        fs::remove_file(self.ballast()).context("failed to free the disk")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let unmounted = self.path.to_str().map(|path| run("umount", &["--lazy", path], ""));
        if let Some(Err(error)) = unmounted {
            tracing::debug!(%error, "a small disk stays");
        }
    }
}
