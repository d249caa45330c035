//! Blobs on their way, for all who send and receive them: what names one, its bytes from and into files.
//! Knows nothing of who keeps them.

mod below;
mod names;
mod partial;
mod patterns;
mod staged;

use std::fmt;
use std::fs::File;
use std::future::ready;
use std::io::Read as _;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures::stream::BoxStream;
use futures::{Stream, StreamExt as _};
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};

use crate::proto::put_blob_request::Part;
use crate::proto::{BlobRef, PutBlobRequest};

pub use below::Below;
pub use names::{BadName, relative_path};
pub use partial::{Partial, Unfinished};
pub use patterns::{found, found_below, is_pattern, pattern_fits};
pub use staged::{InputFrom, MAX_FILES, StagedFile};

/// Of one message.
pub const CHUNK_BYTES: usize = 256 << 10;
/// What is taken in one message.
pub const MAX_CHUNK_BYTES: usize = 1 << 20;
/// Of one blob.
pub const MAX_BLOB_BYTES: u64 = 4 << 30;
/// That one task refers to, or one question asks for.
pub const MAX_BLOBS: usize = 10_000;
/// Metadata key by which workers and orchestrators show to which cluster they belong.
pub const CLUSTER_KEY: &str = "mutirao-cluster";

/// What names a blob: the BLAKE3 hash of its bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hash(pub [u8; 32]);

impl Hash {
    /// 64 lower-case hexadecimal digits; `None` for anything else.
    pub fn from_hex(text: &str) -> Option<Self> {
        let is_lower = text.bytes().all(|byte| !byte.is_ascii_uppercase());
        let hash = blake3::Hash::from_hex(text).ok().filter(|_| is_lower)?;
        Some(Self(*hash.as_bytes()))
    }

    /// `None` unless there are exactly 32 bytes.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Some(Self(bytes.try_into().ok()?))
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&blake3::Hash::from_bytes(self.0).to_hex(), f)
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A blob and its length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Content {
    /// Its name.
    pub hash: Hash,
    /// How long it is.
    pub bytes: u64,
}

impl From<Content> for BlobRef {
    fn from(content: Content) -> Self {
        Self { id: content.hash.0.to_vec(), bytes: content.bytes }
    }
}

/// What a file holds now. Reads it to its end, and so takes its time.
///
/// # Errors
/// It cannot be read.
pub fn content_of(path: &Path) -> std::io::Result<Content> {
    content_of_open(std::fs::File::open(path)?)
}

/// The same of one that is open, from where it is.
///
/// # Errors
/// It cannot be read.
pub fn content_of_open(mut file: std::fs::File) -> std::io::Result<Content> {
    let (mut hasher, mut bytes) = (blake3::Hasher::new(), 0);
    let mut buffer = vec![0; CHUNK_BYTES];
    loop {
        let count = file.read(&mut buffer)?;
        if count == 0 {
            return Ok(Content { hash: Hash(*hasher.finalize().as_bytes()), bytes });
        }
        hasher.update(&buffer[..count]);
        bytes += count as u64;
    }
}

/// Where the bytes of a blob are before it is sent.
#[derive(Clone, Debug)]
pub enum Source {
    /// A file, which must not change.
    File(PathBuf),
    /// One that is open, and so the same whatever becomes of its name.
    Open(Arc<File>),
    /// In memory.
    Bytes(bytes::Bytes),
}

impl Source {
    fn chunks(self) -> BoxStream<'static, std::io::Result<bytes::Bytes>> {
        match self {
            Self::File(path) => chunks(path, 0).boxed(),
            Self::Open(file) => chunks_of_open(file).boxed(),
            Self::Bytes(bytes) => {
                let from = (0..bytes.len()).step_by(CHUNK_BYTES);
                let chunk = move |from| bytes.slice(from..bytes.len().min(from + CHUNK_BYTES));
                futures::stream::iter(from.map(chunk).map(Ok)).boxed()
            }
        }
    }
}

impl From<PathBuf> for Source {
    fn from(path: PathBuf) -> Self {
        Self::File(path)
    }
}

impl From<File> for Source {
    fn from(file: File) -> Self {
        Self::Open(Arc::new(file))
    }
}

impl From<bytes::Bytes> for Source {
    fn from(bytes: bytes::Bytes) -> Self {
        Self::Bytes(bytes)
    }
}

impl Content {
    /// What these bytes are.
    pub fn of(bytes: &[u8]) -> Self {
        Self { hash: Hash(*blake3::hash(bytes).as_bytes()), bytes: bytes.len() as u64 }
    }

    /// `None` when its name is none.
    pub fn of_ref(blob: &BlobRef) -> Option<Self> {
        Some(Self { hash: Hash::from_bytes(&blob.id)?, bytes: blob.bytes })
    }
}

/// What `PutBlob` is sent: the name, then the bytes. Ends early where a file cannot be read any more: then
/// it is not what its name says. `sent` counts along.
pub fn requests(
    source: Source,
    content: Content,
    sent: Arc<AtomicU64>,
) -> impl Stream<Item = PutBlobRequest> + Send + 'static {
    let first = PutBlobRequest { part: Some(Part::Blob(content.into())) };
    let chunks = source.chunks().map(move |chunk| match chunk {
        Ok(chunk) => {
            sent.fetch_add(chunk.len() as u64, Ordering::Relaxed);
            Some(PutBlobRequest { part: Some(Part::Chunk(chunk)) })
        }
        Err(error) => {
            tracing::warn!(%error, "a file that is being sent cannot be read any more");
            None
        }
    });
    let chunks = chunks.take_while(|chunk| ready(chunk.is_some())).filter_map(ready);
    futures::stream::iter([first]).chain(chunks)
}

/// The bytes of a file from an offset on.
pub fn chunks(
    path: PathBuf,
    offset: u64,
) -> impl Stream<Item = std::io::Result<bytes::Bytes>> + Send + 'static {
    let begin = async move {
        let mut file = tokio::fs::File::open(path).await?;
        if offset > 0 {
            file.seek(std::io::SeekFrom::Start(offset)).await?;
        }
        Ok::<_, std::io::Error>(file)
    };
    let step = |file: Option<tokio::fs::File>| async move {
        let Some(mut file) = file else { return Ok(None) };
        let mut chunk = bytes::BytesMut::with_capacity(CHUNK_BYTES);
        while chunk.len() < CHUNK_BYTES && file.read_buf(&mut chunk).await? > 0 {}
        Ok((!chunk.is_empty()).then(|| (chunk.freeze(), Some(file))))
    };
    futures::stream::once(begin).flat_map(move |opened| match opened {
        Ok(file) => futures::stream::try_unfold(Some(file), step).boxed(),
        Err(error) => futures::stream::iter([Err(error)]).boxed(),
    })
}

/// The bytes of an open file, wherever others have read to.
fn chunks_of_open(
    file: Arc<File>,
) -> impl Stream<Item = std::io::Result<bytes::Bytes>> + Send + 'static {
    futures::stream::try_unfold((file, 0), |(file, offset)| async move {
        let from = Arc::clone(&file);
        let read = tokio::task::spawn_blocking(move || {
            let mut chunk = vec![0; CHUNK_BYTES];
            let count = from.read_at(&mut chunk, offset)?;
            chunk.truncate(count);
            Ok::<_, std::io::Error>(chunk)
        });
        let chunk = read.await.map_err(std::io::Error::other)??;
        let next = offset + chunk.len() as u64;
        Ok((!chunk.is_empty()).then(|| (bytes::Bytes::from(chunk), (file, next))))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_sent_is_the_file() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("file");
        let bytes: Vec<u8> = (0..CHUNK_BYTES * 2 + 7).map(|n| (n % 251) as u8).collect();
        std::fs::write(&path, &bytes).expect("is written");
        let content = content_of(&path).expect("is read");
        assert_eq!(content.bytes, bytes.len() as u64);
        assert_eq!(Hash::from_hex(&content.hash.to_string()), Some(content.hash));
        let all: Vec<_> =
            chunks(path.clone(), 5).map(|chunk| chunk.expect("is read")).collect().await;
        assert_eq!(all.concat(), bytes[5..]);
        let open = std::fs::File::open(&path).expect("is there");
        let all: Vec<_> = Source::from(open).chunks().map(|c| c.expect("is read")).collect().await;
        assert_eq!(all.concat(), bytes);
        let mut partial = Partial::create(dir.path().join("new")).await.expect("is made");
        for chunk in bytes.chunks(1000) {
            partial.write(chunk).await.expect("is written");
        }
        partial.keep(content, &dir.path().join("kept")).await.expect("is that content");
        assert_eq!(std::fs::read(dir.path().join("kept")).expect("is there"), bytes);
    }

    #[tokio::test]
    async fn what_is_not_what_its_name_says_is_not_kept() {
        let dir = tempfile::tempdir().expect("a directory");
        let wrong = Content { hash: Hash([7; 32]), bytes: 3 };
        let mut partial = Partial::create(dir.path().join("new")).await.expect("is made");
        partial.write(b"abc").await.expect("is written");
        let kept = partial.keep(wrong, &dir.path().join("kept")).await;
        assert!(matches!(kept, Err(Unfinished::Other)), "{kept:?}");
        assert_eq!(std::fs::read_dir(dir.path()).expect("is there").count(), 0, "nothing stays");
    }
}
