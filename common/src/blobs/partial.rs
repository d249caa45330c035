//! A file on its way to disk: it is there as a whole, and what its name says, or it is not there.

use std::path::{Path, PathBuf};

use tokio::io::AsyncWriteExt as _;

use super::{Content, Hash};

/// A file that is being received. Removed unless it is kept.
#[derive(Debug)]
pub struct Partial {
    path: PathBuf,
    file: tokio::fs::File,
    hasher: blake3::Hasher,
    bytes: u64,
    is_kept: bool,
}

/// Why it was not kept.
#[derive(Debug, thiserror::Error)]
pub enum Unfinished {
    /// The bytes are others than the name says.
    #[error("the content is not what its name says")]
    Other,
    /// The disk.
    #[error("failed to write")]
    Io(#[from] std::io::Error),
}

impl Partial {
    /// # Errors
    /// The file exists, or cannot be made.
    pub async fn create(path: PathBuf) -> std::io::Result<Self> {
        let file = tokio::fs::OpenOptions::new().write(true).create_new(true).open(&path).await?;
        Ok(Self { path, file, hasher: blake3::Hasher::new(), bytes: 0, is_kept: false })
    }

    /// # Errors
    /// The disk.
    pub async fn write(&mut self, chunk: &[u8]) -> std::io::Result<()> {
        self.file.write_all(chunk).await?;
        self.hasher.update(chunk);
        self.bytes += chunk.len() as u64;
        Ok(())
    }

    /// What it holds so far.
    pub fn content(&self) -> Content {
        Content { hash: Hash(*self.hasher.finalize().as_bytes()), bytes: self.bytes }
    }

    /// So many are there: where to go on.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Moves it to its place once it is on disk as a whole, in the same file system.
    ///
    /// # Errors
    /// It is not that content, or the disk failed: nothing stays.
    pub async fn keep(mut self, content: Content, place: &Path) -> Result<(), Unfinished> {
        self.complete(content).await?;
        tokio::fs::rename(&self.path, place).await?;
        self.is_kept = true;
        if let Some(dir) = place.parent() {
            // Of a mere name it is empty.
            let dir = if dir.as_os_str().is_empty() { Path::new(".") } else { dir };
            tokio::fs::File::open(dir).await?.sync_all().await?;
        }
        Ok(())
    }

    /// Makes sure that it is that content, and on disk; the caller moves it, and says [`Self::kept`].
    ///
    /// # Errors
    /// It is not, or the disk failed.
    pub async fn complete(&mut self, content: Content) -> Result<(), Unfinished> {
        self.file.flush().await?;
        let hash = Hash(*self.hasher.finalize().as_bytes());
        if (Content { hash, bytes: self.bytes }) != content {
            return Err(Unfinished::Other);
        }
        Ok(self.file.sync_all().await?)
    }

    /// Where it is until it is moved.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// It was moved.
    pub fn kept(mut self) {
        self.is_kept = true;
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        if !self.is_kept
            && let Err(error) = std::fs::remove_file(&self.path)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!(path = %self.path.display(), %error, "what was received in part stays");
        }
    }
}
