//! The last views, with why and when this node learnt of each: a small file for people. It is not flushed, and
//! one that is lost or damaged costs what it says, nothing more: the journal has the records.

use std::io::Write as _;
use std::path::Path;

use common::proto;
use orquestrador_core::ids::Timestamp;
use orquestrador_core::role::{Cause, View};
use orquestrador_wire::{view_from_proto, view_to_proto};
use prost::Message as _;

use super::codec::CodecError;
use super::directory;
use super::error::{Error, Place};

pub(super) const FILE: &str = "views";
const MAGIC: [u8; 8] = *b"MTRVIEW1";

/// One view, why it came and when it was learnt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ViewNote {
    pub view: View,
    pub cause: Cause,
    /// `None`: only the journal tells of it.
    pub at: Option<Timestamp>,
}

/// Replaces the file, so that a crash of the process leaves the old or the new one.
pub(super) fn save(dir: &Path, notes: &[ViewNote]) -> Result<(), Error> {
    let note = |note: &ViewNote| proto::NotedView {
        view: Some(view_to_proto(&note.view)),
        cause: note.cause.word().to_owned(),
        at_ms: note.at.map_or(0, |at| at.0),
    };
    let notes = proto::ViewNotes { views: notes.iter().map(note).collect() };
    let mut content = MAGIC.to_vec();
    content.extend_from_slice(&notes.encode_to_vec());
    let check = blake3::hash(&content);
    content.extend_from_slice(check.as_bytes());
    let (path, new) = (dir.join(FILE), dir.join("views.new"));
    let mut file = directory::create(&new)?;
    file.write_all(&content).map_err(|e| Error::io("write", &new, e))?;
    std::fs::rename(&new, &path).map_err(|e| Error::io("rename", &new, e))
}

/// Oldest first; empty without the file.
pub(super) fn load(dir: &Path) -> Result<Vec<ViewNote>, Error> {
    let path = &dir.join(FILE);
    let Some(bytes) = directory::read_if_present(path)? else { return Ok(Vec::new()) };
    let damaged = || Error::corrupt(path, Place::WholeFile, "it is no whole file of views");
    let (content, check) = bytes.split_last_chunk::<32>().ok_or_else(damaged)?;
    if blake3::hash(content).as_bytes() != check {
        return Err(damaged());
    }
    let encoded = content.strip_prefix(&MAGIC).ok_or_else(damaged)?;
    let undecodable = |e| Error::corrupt_by(path, Place::WholeFile, "it cannot be decoded", e);
    let notes = proto::ViewNotes::decode(encoded).map_err(|e| undecodable(e.into()))?;
    notes.views.into_iter().map(|note| from_proto(note).map_err(undecodable)).collect()
}

fn from_proto(note: proto::NotedView) -> Result<ViewNote, CodecError> {
    let view = view_from_proto(note.view.ok_or(CodecError::Missing("view"))?)?;
    // A word of a later version.
    let cause = Cause::ALL.into_iter().find(|cause| cause.word() == note.cause);
    let cause = cause.ok_or(CodecError::Invalid("cause"))?;
    Ok(ViewNote { view, cause, at: (note.at_ms > 0).then_some(Timestamp(note.at_ms)) })
}

#[cfg(test)]
mod tests {
    use orquestrador_core::ids::{Epoch, NodeId, ProcessId, ViewNumber};
    use orquestrador_core::role::Replica;

    use super::*;

    fn note() -> ViewNote {
        let view = View {
            number: ViewNumber(3),
            epoch: Epoch(2),
            principal_node: NodeId(1),
            principal_process: ProcessId(10),
            replicas: vec![Replica { node: NodeId(1), since: ViewNumber(1) }],
            witnesses: Vec::new(),
            forced: true,
        };
        ViewNote { view, cause: Cause::Forced, at: Some(Timestamp(7)) }
    }

    #[test]
    fn what_is_saved_is_read_again() {
        let dir = tempfile::tempdir().expect("a directory");
        assert_eq!(load(dir.path()).expect("reads"), Vec::new());
        let notes = [note(), ViewNote { at: None, ..note() }];
        save(dir.path(), &notes).expect("is written");
        assert_eq!(load(dir.path()).expect("reads"), notes);
    }

    #[test]
    fn a_flipped_byte_is_noticed() {
        let dir = tempfile::tempdir().expect("a directory");
        save(dir.path(), &[note()]).expect("is written");
        let path = dir.path().join(FILE);
        let mut bytes = std::fs::read(&path).expect("reads");
        bytes[20] ^= 1;
        std::fs::write(&path, bytes).expect("is written");
        assert!(load(dir.path()).is_err_and(|error| error.is_damage()));
    }
}
