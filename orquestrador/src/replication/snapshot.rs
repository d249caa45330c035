//! Carrying a snapshot to a learner that is too far behind for the journal.

use std::time::Duration;

use common::error_code::ErrorCode;
use common::grpc_status;
use common::proto::peer_message::Message as Wire;
use common::proto::{PeerMessage, SnapshotChunk};
use orquestrador_core::role::{EntryId, View};
use tokio::sync::mpsc;
use tonic::Status;

use super::convert;
use crate::driver::store::{Install, Signature};
use crate::journal::codec::{
    entry_id_from_proto, entry_id_to_proto, view_from_proto, view_to_proto,
};
use crate::journal::{self, Journal, ReceivedSnapshot, SnapshotMeta, SnapshotReceiver};

/// File bytes in one message.
const CHUNK_BYTES: usize = 256 << 10;

/// Chunks that may wait on the link: what else is said there does not wait behind a whole snapshot.
const QUEUED_CHUNKS: usize = 8;
/// Between two looks whether there is room.
const ROOM: Duration = Duration::from_millis(2);

/// Sends the snapshot on this thread; it waits for the link, and ends with it.
///
/// # Errors
/// The snapshot cannot be read, or is no longer what was written. Nothing of a damaged one is sent.
pub fn send(
    journal: &Journal,
    link: &mpsc::Sender<PeerMessage>,
    signature: &Signature,
) -> Result<(), journal::Error> {
    let Signature { sender, epoch, view } = signature;
    let Some(reader) = journal.snapshot_reader()? else { return Ok(()) };
    for event in reader.events()? {
        event?;
    }
    let last_entry = Some(entry_id_to_proto(&reader.id()));
    let mut offset = 0;
    loop {
        let chunk = reader.chunk(offset, CHUNK_BYTES)?;
        offset += chunk.bytes.len() as u64;
        let is_last = chunk.last;
        let message = Wire::SnapshotChunk(SnapshotChunk {
            view: Some(view_to_proto(view)),
            last_entry: last_entry.clone(),
            offset: chunk.offset,
            content: chunk.bytes,
            last: is_last,
        });
        while link.max_capacity() - link.capacity() >= QUEUED_CHUNKS && !link.is_closed() {
            std::thread::sleep(ROOM);
        }
        if link.blocking_send(convert::envelope(*sender, *epoch, message)).is_err() || is_last {
            return Ok(());
        }
    }
}

/// Adds a chunk to what came before on this link; the first one starts anew. Gives the whole, verified, when
/// the last one is in; the driver decides whether it is installed.
pub async fn receive(
    under_way: &mut Option<SnapshotReceiver>,
    chunk: SnapshotChunk,
    journal: &Journal,
) -> Result<Option<(Install, View, EntryId)>, Status> {
    let refuse = |why: String| grpc_status::status(ErrorCode::InvalidArgument, why);
    let view = chunk.view.ok_or_else(|| refuse("field `view` is missing".into()))?;
    let view = view_from_proto(view).map_err(|error| refuse(error.to_string()))?;
    let last = chunk.last_entry.ok_or_else(|| refuse("field `last_entry` is missing".into()))?;
    let last = entry_id_from_proto(last).map_err(|error| refuse(error.to_string()))?;
    let receiver = match under_way.take() {
        Some(receiver) if chunk.offset == receiver.offset() => Some(receiver),
        Some(_) | None if chunk.offset == 0 => None,
        // Of a snapshot whose beginning was not for us, or of another one: it will come again.
        Some(_) | None => {
            tracing::debug!(offset = chunk.offset, "a chunk of a snapshot that was not begun");
            return Ok(None);
        }
    };
    let journal = journal.clone();
    let (offset, content, is_last) = (chunk.offset, chunk.content, chunk.last);
    let write = move || {
        let mut receiver = match receiver {
            Some(receiver) => receiver,
            None => journal.receive_snapshot()?,
        };
        receiver.write(offset, &content)?;
        Ok::<_, journal::Error>(match is_last {
            true => Progress::Whole(receiver.verify()?),
            false => Progress::Part(receiver),
        })
    };
    let progress = tokio::task::spawn_blocking(write)
        .await
        .map_err(|error| grpc_status::status(ErrorCode::Internal, error.to_string()))?
        .map_err(|error| grpc_status::status(ErrorCode::Internal, error.to_string()))?;
    let snapshot = match progress {
        Progress::Whole(snapshot) => snapshot,
        Progress::Part(receiver) => {
            *under_way = Some(receiver);
            return Ok(None);
        }
    };
    let SnapshotMeta { id, view_records: records, .. } = snapshot.meta().clone();
    if id != last {
        return Err(refuse("the snapshot stands for another entry than its message says".into()));
    }
    let install = Install { records, run: Box::new(move || snapshot.install()) };
    Ok(Some((install, view, last)))
}

/// How far a snapshot has come.
enum Progress {
    Part(SnapshotReceiver),
    Whole(ReceivedSnapshot),
}
