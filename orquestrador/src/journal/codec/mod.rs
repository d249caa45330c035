//! Between the core's types and their encoded form (`proto/mutirao/v1/journal.proto`).
//!
//! Decoding is strict: what does not say a complete, valid thing is an error, never a default.

mod event;
mod restored;
mod role;

use bytes::Bytes;
use common::proto;
use orquestrador_core::Event;
use orquestrador_core::role::View;
use prost::Message as _;

pub use event::{event_from_proto, event_to_proto};
pub(super) use orquestrador_wire::hash;

pub use orquestrador_wire::{
    CodecError, ballot_from_proto, ballot_to_proto, entry_id_from_proto, entry_id_to_proto,
    view_from_proto, view_to_proto,
};
pub use role::{role_from_proto, role_to_proto};

/// What an entry records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// A decided view.
    View(View),
    /// The events of one turn.
    Events(Vec<Event>),
}

/// The tag of `EntryPayload.view`, which stands first in every payload that has it.
const VIEW_TAG: u8 = 1 << 3 | 2;

impl Content {
    /// An encoded `EntryPayload`.
    pub fn encode(&self) -> Bytes {
        let payload = match self {
            Self::View(view) => {
                proto::EntryPayload { view: Some(view_to_proto(view)), events: Vec::new() }
            }
            Self::Events(events) => proto::EntryPayload {
                view: None,
                events: events.iter().map(event_to_proto).collect(),
            },
        };
        payload.encode_to_vec().into()
    }

    pub fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let payload = proto::EntryPayload::decode(bytes)?;
        match payload.view {
            Some(view) if payload.events.is_empty() => Ok(Self::View(view_from_proto(view)?)),
            Some(_) => Err(CodecError::Invalid("events beside a view")),
            None => payload
                .events
                .into_iter()
                .map(event_from_proto)
                .collect::<Result<_, _>>()
                .map(Self::Events),
        }
    }
}

/// The view that this payload records, if it records one; cheap if it does not.
pub(super) fn view_record(payload: &[u8]) -> Result<Option<View>, CodecError> {
    if payload.first() != Some(&VIEW_TAG) {
        return Ok(None);
    }
    match Content::decode(payload)? {
        Content::View(view) => Ok(Some(view)),
        Content::Events(_) => Ok(None),
    }
}
