//! Writing a backup into the stream of whoever asked for it.

use std::fs::File;
use std::io::{self, Read as _, Write};
use std::time::Duration;

use common::blobs::{CHUNK_BYTES, Content};
use common::error_code::ErrorCode;
use common::grpc_status;
use common::proto::{BackupResponse, BackupSummary, backup_response::Part};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tonic::Status;

use super::Moment;
use crate::blobs::{self, Blobs, store::Pin};
use crate::journal::{self, BackupWriter};

/// Chunks that wait for their reader.
const QUEUED_CHUNKS: usize = 8;
/// A reader that takes nothing for so long holds up what it keeps from being forgotten.
const IDLE: Duration = Duration::from_secs(60);

/// What goes to the reader.
pub type Outgoing = mpsc::Receiver<Result<BackupResponse, Status>>;

/// Begins to write. Ends with a refusal where something could not be read; then the file is not whole.
pub fn stream(moment: Moment, blobs: Blobs) -> Outgoing {
    let (reader, outgoing) = mpsc::channel(QUEUED_CHUNKS);
    // From this moment on: a task may be forgotten while the file is written.
    let contents: Vec<_> = moment.blobs.iter().map(blobs::content).collect();
    let pin = blobs.store.pin(contents.iter().map(|content| content.hash));
    let handle = Handle::current();
    tokio::task::spawn_blocking(move || {
        let out =
            Outlet { reader, handle, chunk: Vec::new(), hasher: blake3::Hasher::new(), bytes: 0 };
        let (reader, handle) = (out.reader.clone(), out.handle.clone());
        if let Err(error) = write(moment, &contents, &blobs, out, &pin) {
            tracing::warn!(error = common::console::chain(&error), "a backup was given up");
            let told =
                handle.block_on(tokio::time::timeout(IDLE, reader.send(Err(error.status()))));
            if told.is_err() {
                tracing::debug!("whoever asked for the backup does not read");
            }
        }
    });
    outgoing
}

#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Journal(#[from] journal::Error),
    #[error("blob {hash} cannot be had: {}", why.message(), hash = .content.hash)]
    Blob { content: Content, why: Box<Status> },
    #[error("failed to read blob {hash}", hash = .content.hash)]
    Unreadable { content: Content, source: io::Error },
}

impl Error {
    fn status(&self) -> Status {
        let code = match self {
            Self::Journal(_) => ErrorCode::Unavailable,
            Self::Blob { .. } | Self::Unreadable { .. } => ErrorCode::BlobNotFound,
        };
        grpc_status::status(code, common::console::chain(self))
    }
}

fn write(
    moment: Moment,
    contents: &[Content],
    blobs: &Blobs,
    out: Outlet,
    _pin: &Pin,
) -> Result<(), Error> {
    let Moment { meta, history, tasks, blobs: _ } = moment;
    let handle = out.handle.clone();
    let mut writer = BackupWriter::begin(out, &meta)?;
    writer.events(history)?;
    for content in contents {
        let had = handle.block_on(blobs.at_hand(*content));
        let file = had.map_err(|why| Error::Blob { content: *content, why: Box::new(why) })?;
        copy(*content, file, &mut writer)?;
    }
    let summary = BackupSummary {
        cluster_id: meta.cluster.to_string(),
        journal_index: meta.id.index.0,
        epoch: meta.epoch.0,
        tasks,
        blobs: contents.len() as u64,
        ..BackupSummary::default()
    };
    writer.end()?.conclude(summary);
    Ok(())
}

/// The content is what its name says, or the backup is not written.
fn copy(content: Content, mut file: File, writer: &mut BackupWriter<Outlet>) -> Result<(), Error> {
    writer.blob(content)?;
    let unreadable = |source| Error::Unreadable { content, source };
    let (mut hasher, mut bytes) = (blake3::Hasher::new(), 0);
    loop {
        let mut chunk = Vec::with_capacity(CHUNK_BYTES);
        (&mut file).take(CHUNK_BYTES as u64).read_to_end(&mut chunk).map_err(unreadable)?;
        if chunk.is_empty() {
            break;
        }
        hasher.update(&chunk);
        bytes += chunk.len() as u64;
        writer.content(chunk)?;
    }
    if (bytes, *hasher.finalize().as_bytes()) == (content.bytes, content.hash.0) {
        return Ok(());
    }
    Err(unreadable(io::Error::new(io::ErrorKind::InvalidData, "it is not what its name says")))
}

/// Cuts what is written into messages.
struct Outlet {
    reader: mpsc::Sender<Result<BackupResponse, Status>>,
    handle: Handle,
    chunk: Vec<u8>,
    hasher: blake3::Hasher,
    bytes: u64,
}

impl Outlet {
    fn send(&self, part: Part) -> io::Result<()> {
        let sent = self.reader.send(Ok(BackupResponse { part: Some(part) }));
        match self.handle.block_on(tokio::time::timeout(IDLE, sent)) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(io::Error::new(io::ErrorKind::BrokenPipe, "the reader has left")),
            Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "the reader takes nothing")),
        }
    }

    /// After the last byte.
    fn conclude(self, summary: BackupSummary) {
        let hash = self.hasher.finalize().as_bytes().to_vec();
        let summary = BackupSummary { bytes: self.bytes, hash, ..summary };
        if let Err(error) = self.send(Part::Summary(summary)) {
            tracing::warn!(%error, "nobody knows that the backup is whole");
        }
    }
}

impl Write for Outlet {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(CHUNK_BYTES - self.chunk.len());
        self.chunk.extend_from_slice(&bytes[..taken]);
        if self.chunk.len() == CHUNK_BYTES {
            self.flush()?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.chunk.is_empty() {
            return Ok(());
        }
        let chunk = std::mem::take(&mut self.chunk);
        self.hasher.update(&chunk);
        self.bytes += chunk.len() as u64;
        self.send(Part::Chunk(chunk.into()))
    }
}
