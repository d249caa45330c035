//! Events of which every task has one, written straight into the entry. The bytes are those that their messages in
//! `journal.proto` encode to; nothing is built and thrown away for them.

use orquestrador_core::Event;
use orquestrador_core::ids::TaskId;
use prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint, key_len};

use super::terms::is_at_most_once;

/// Of `JournalEvent.event`.
const TASK_SUBMITTED: u32 = 1;
const TASK_ASSIGNED: u32 = 2;
const TASK_SUCCEEDED: u32 = 3;

/// A field of a message by its number; a default value is left out, as proto3 has it.
#[derive(Clone, Copy)]
enum Field<'a> {
    Bytes(u32, &'a [u8]),
    Number(u32, u64),
}

impl Field<'_> {
    fn length(self) -> usize {
        match self {
            Self::Bytes(_, []) | Self::Number(_, 0) => 0,
            Self::Bytes(number, bytes) => enclosed_length(number, bytes.len()),
            Self::Number(number, value) => key_len(number) + encoded_len_varint(value),
        }
    }

    fn write(self, into: &mut Vec<u8>) {
        match self {
            Self::Bytes(_, []) | Self::Number(_, 0) => {}
            Self::Bytes(number, bytes) => {
                begin_enclosed(number, bytes.len(), into);
                into.extend_from_slice(bytes);
            }
            Self::Number(number, value) => {
                encode_key(number, WireType::Varint, into);
                encode_varint(value, into);
            }
        }
    }
}

/// Writes a `JournalEvent` as field `number` of what encloses it; false if the event is not one of these.
pub(super) fn write(number: u32, event: &Event, into: &mut Vec<u8>) -> bool {
    let id = |task: &TaskId| task.to_bytes();
    match event {
        Event::TaskSubmitted { task, owner, handler, payload, terms, at } if terms.is_plain() => {
            let fields = [
                Field::Bytes(1, &id(task)),
                Field::Bytes(2, owner.0.as_bytes()),
                Field::Bytes(3, handler.0.as_bytes()),
                Field::Bytes(4, payload),
                Field::Number(5, at.0),
                Field::Number(6, is_at_most_once(terms.delivery).into()),
            ];
            write_fields([number, TASK_SUBMITTED], &fields, into);
        }
        Event::TaskAssigned { task, attempt, worker, at } => {
            let fields = [
                Field::Bytes(1, &id(task)),
                Field::Number(2, attempt.0.into()),
                Field::Bytes(3, worker.0.as_bytes()),
                Field::Number(4, at.0),
            ];
            write_fields([number, TASK_ASSIGNED], &fields, into);
        }
        Event::TaskSucceeded { task, attempt, result, at } => {
            let fields = [
                Field::Bytes(1, &id(task)),
                Field::Number(2, attempt.0.into()),
                Field::Bytes(3, result),
                Field::Number(4, at.0),
            ];
            write_fields([number, TASK_SUCCEEDED], &fields, into);
        }
        _ => return false,
    }
    true
}

fn write_fields([outer, inner]: [u32; 2], fields: &[Field<'_>], into: &mut Vec<u8>) {
    let length = fields.iter().map(|field| field.length()).sum();
    begin_enclosed(outer, enclosed_length(inner, length), into);
    begin_enclosed(inner, length, into);
    fields.iter().for_each(|field| field.write(into));
}

/// What must come before so many bytes of a message, string or bytes.
pub(super) fn begin_enclosed(number: u32, length: usize, into: &mut Vec<u8>) {
    encode_key(number, WireType::LengthDelimited, into);
    encode_varint(length as u64, into);
}

fn enclosed_length(number: u32, length: usize) -> usize {
    key_len(number) + encoded_len_varint(length as u64) + length
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use common::proto;
    use orquestrador_core::command::Delivery;
    use orquestrador_core::ids::{Attempt, Blob, Timestamp};
    use prost::Message as _;

    use super::super::{Content, event_to_proto};
    use super::*;

    #[test]
    fn the_bytes_are_those_of_the_messages() {
        let mut events = Vec::new();
        for (task, number, text, blob) in [
            (TaskId(0), 0, "", Bytes::new()),
            (TaskId(u128::MAX), u32::MAX, "a handler", Bytes::from(vec![7; 300])),
            (TaskId(5), 1, "x", Bytes::from_static(b"\0")),
        ] {
            let (attempt, at) = (Attempt(number), Timestamp(u64::from(number) << 9));
            for delivery in [Delivery::AtLeastOnce, Delivery::AtMostOnce] {
                let (owner, handler, payload) = (text.into(), text.into(), Blob::clone(&blob));
                let terms = delivery.into();
                events.push(Event::TaskSubmitted { task, owner, handler, payload, terms, at });
            }
            events.push(Event::TaskAssigned { task, attempt, worker: text.into(), at });
            events.push(Event::TaskSucceeded { task, attempt, result: blob, at });
            events.push(Event::TaskRequeued { task, attempt, at });
        }
        let expected =
            proto::EntryPayload { view: None, events: events.iter().map(event_to_proto).collect() };
        let written = Content::Events(events.clone()).encode();
        assert_eq!(written, expected.encode_to_vec());
        assert_eq!(Content::decode(&written), Ok(Content::Events(events)));
    }
}
