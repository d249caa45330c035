//! An entry and the hash chain that ties it to all entries before it.

use bytes::Bytes;
use orquestrador_core::ids::Epoch;
use orquestrador_core::role::{EntryHash, EntryId};

/// One record of the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub id: EntryId,
    /// An encoded [`Content`](super::Content).
    pub payload: Bytes,
}

impl Entry {
    /// The entry that follows `previous`.
    pub fn following(previous: &EntryId, epoch: Epoch, payload: Bytes) -> Self {
        Self { id: chain(previous, epoch, &payload), payload }
    }
}

/// The place after `previous`: BLAKE3 over the predecessor's hash, the index, the epoch (both as
/// 8 bytes, most significant first) and the payload.
pub fn chain(previous: &EntryId, epoch: Epoch, payload: &Bytes) -> EntryId {
    let index = previous.index.next();
    let mut hasher = blake3::Hasher::new();
    hasher.update(&previous.hash.0);
    hasher.update(&index.0.to_be_bytes());
    hasher.update(&epoch.0.to_be_bytes());
    hasher.update(payload);
    EntryId { index, epoch, hash: EntryHash(*hasher.finalize().as_bytes()) }
}
