//! The node's role state (V4), in a file of its own: no truncation, pruning or damage of the
//! entries reaches it. Replaced as a whole, so a crash leaves the old or the new one.

use std::path::Path;

use common::proto;
use orquestrador_core::role::Durable;
use prost::Message as _;

use super::codec::{role_from_proto, role_to_proto};
use super::directory;
use super::error::{Error, Place};

const MAGIC: [u8; 8] = *b"MTRROLE1";

/// Durable when it returns.
pub(super) fn save(path: &Path, role: &Durable) -> Result<(), Error> {
    let mut content = MAGIC.to_vec();
    content.extend_from_slice(&role_to_proto(role).encode_to_vec());
    let check = blake3::hash(&content);
    content.extend_from_slice(check.as_bytes());
    directory::replace(path, &content)
}

/// The role state in a file; also of another node.
///
/// # Errors
/// It cannot be read, or is not intact.
pub fn load(path: &Path) -> Result<Durable, Error> {
    let damaged = |what| Error::corrupt(path, Place::WholeFile, what);
    let bytes = directory::read_if_present(path)?.ok_or_else(|| damaged("the file is missing"))?;
    let (content, check) =
        bytes.split_last_chunk::<32>().ok_or_else(|| damaged("the file is too short"))?;
    if blake3::hash(content).as_bytes() != check {
        return Err(damaged("its checksum does not match"));
    }
    let encoded =
        content.strip_prefix(&MAGIC).ok_or_else(|| damaged("it does not start as a role file"))?;
    let undecodable = |e| Error::corrupt_by(path, Place::WholeFile, "it cannot be decoded", e);
    let role = proto::RoleState::decode(encoded).map_err(|e| undecodable(e.into()))?;
    role_from_proto(role).map_err(undecodable)
}
