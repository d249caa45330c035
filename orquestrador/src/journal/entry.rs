//! An entry and the hash chain that ties it to all entries before it.

use bytes::Bytes;
use orquestrador_core::ids::{Epoch, Index};
use orquestrador_core::role::{EntryHash, EntryId};

/// An index, an epoch (both as 8 bytes, most significant first) and a hash.
pub(super) const ENTRY_ID_LENGTH: usize = 8 + 8 + 32;

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

    /// Whether `previous` and all before it are what this entry was made after.
    pub fn follows(&self, previous: &EntryId) -> bool {
        chain(previous, self.id.epoch, &self.payload) == self.id
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

pub(super) fn encode_id(id: &EntryId) -> [u8; ENTRY_ID_LENGTH] {
    let mut bytes = [0; ENTRY_ID_LENGTH];
    bytes[..8].copy_from_slice(&id.index.0.to_be_bytes());
    bytes[8..16].copy_from_slice(&id.epoch.0.to_be_bytes());
    bytes[16..].copy_from_slice(&id.hash.0);
    bytes
}

pub(super) fn decode_id(bytes: &[u8; ENTRY_ID_LENGTH]) -> EntryId {
    let mut id = EntryId::default();
    let (mut index, mut epoch) = ([0; 8], [0; 8]);
    index.copy_from_slice(&bytes[..8]);
    epoch.copy_from_slice(&bytes[8..16]);
    id.index = Index(u64::from_be_bytes(index));
    id.epoch = Epoch(u64::from_be_bytes(epoch));
    id.hash.0.copy_from_slice(&bytes[16..]);
    id
}
