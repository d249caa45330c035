//! Between the core's types and their encoded form (`proto/mutirao/v1/journal.proto`).
//!
//! Decoding is strict: what does not say a complete, valid thing is an error, never a default.

mod array;
mod event;
mod frequent;
mod group;
mod restored;
mod role;
mod schedule;
mod terms;
mod webhook;
mod words;

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
/// Of `EntryPayload.events`.
const EVENTS_NUMBER: u32 = 2;
/// More than most.
const USUAL_EVENT_BYTES: usize = 128;

impl Content {
    /// An encoded `EntryPayload`.
    pub fn encode(&self) -> Bytes {
        let payload = match self {
            Self::View(view) => {
                proto::EntryPayload { view: Some(view_to_proto(view)), events: Vec::new() }
            }
            Self::Events(events) => return Self::encode_events(events),
        };
        payload.encode_to_vec().into()
    }

    /// [`Content::Events`] of these.
    pub fn encode_events(events: &[Event]) -> Bytes {
        encode_events(events).into()
    }

    /// What it holds of payloads and results is part of `bytes`.
    pub fn decode(bytes: &Bytes) -> Result<Self, CodecError> {
        let payload = proto::EntryPayload::decode(bytes.clone())?;
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

fn encode_events(events: &[Event]) -> Vec<u8> {
    let mut encoded = Vec::with_capacity(events.len() * USUAL_EVENT_BYTES);
    for event in events {
        if !frequent::write(EVENTS_NUMBER, event, &mut encoded) {
            let message = event_to_proto(event).encode_to_vec();
            frequent::begin_enclosed(EVENTS_NUMBER, message.len(), &mut encoded);
            encoded.extend_from_slice(&message);
        }
    }
    encoded
}

/// The view that this payload records, if it records one; cheap if it does not.
pub(super) fn view_record(payload: &Bytes) -> Result<Option<View>, CodecError> {
    if payload.first() != Some(&VIEW_TAG) {
        return Ok(None);
    }
    match Content::decode(payload)? {
        Content::View(view) => Ok(Some(view)),
        Content::Events(_) => Ok(None),
    }
}
