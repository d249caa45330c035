//! What is no entry, or not all of one, is refused.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod journal_common;

use bytes::Bytes;
use journal_common::view;
use orquestrador::journal::codec::{role_from_proto, role_to_proto};
use orquestrador::journal::{CodecError, Content};
use orquestrador_core::Event;
use proptest::prelude::*;

#[test]
fn incomplete_or_invalid_contents_are_errors() {
    let malformed = decode(&[0x12, 0x05, 0x01]).unwrap_err();
    assert!(matches!(malformed, CodecError::Malformed(_)));
    // An event of a kind that does not exist here.
    assert_eq!(decode(&[0x12, 0x00]), Err(CodecError::Missing("event")));
    // task_cancelled without a task id.
    assert_eq!(decode(&[0x12, 0x02, 0x2a, 0x00]), Err(CodecError::Length("task_id")));
    // A view without replicas, and one with an even number of witnesses.
    assert_eq!(decode(&[0x0a, 0x00]), Err(CodecError::Invalid("view.replicas")));
    let mut even = view(4);
    even.witnesses.pop();
    let encoded = Content::View(even).encode();
    assert_eq!(decode(&encoded[..]), Err(CodecError::Invalid("view.witnesses")));
    // A view beside events.
    let event = Event::UserRemoved { user: "maria".into() };
    let mut both = Content::View(view(4)).encode().to_vec();
    both.extend_from_slice(&Content::Events(vec![event]).encode());
    assert!(matches!(decode(&both[..]), Err(CodecError::Invalid(_))));
}

#[test]
fn half_an_acceptance_is_an_error() {
    let role = journal_common::role(orquestrador_core::ids::NodeId(3));
    let whole = role_to_proto(&role);
    assert_eq!(role_from_proto(whole.clone()), Ok(role));
    let without_view = common::proto::RoleState { accepted_view: None, ..whole };
    assert_eq!(role_from_proto(without_view), Err(CodecError::Missing("accepted_view")));
}

proptest! {
    #[test]
    fn arbitrary_bytes_are_decoded_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(content) = decode(&bytes) {
            prop_assert_eq!(decode(&content.encode()).unwrap(), content);
        }
    }
}

fn decode(bytes: &[u8]) -> Result<Content, CodecError> {
    Content::decode(&Bytes::copy_from_slice(bytes))
}
