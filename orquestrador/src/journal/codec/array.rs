//! Arrays, as snapshots hold them.

use std::ops::Range;

use common::proto::{ArrayRestored, PlaceRange};
use orquestrador_core::event::{Forgotten, RestoredArray};
use orquestrador_core::ids::{ArrayId, Timestamp};

use super::CodecError;
use super::event::{is_at_most_once, retry_to_proto, terms, terms_to_proto};

pub fn to_proto(restored: &RestoredArray) -> ArrayRestored {
    ArrayRestored {
        array_id: restored.array.to_bytes().to_vec(),
        owner: restored.owner.to_string(),
        handler: restored.handler.to_string(),
        fingerprint: restored.fingerprint,
        payload: restored.payload.clone(),
        at_ms: restored.at.0,
        at_most_once: is_at_most_once(restored.terms.delivery),
        retry: retry_to_proto(&restored.terms),
        terms: terms_to_proto(&restored.terms),
        first: restored.first,
        count: restored.count,
        begun: restored.begun,
        early: ranges_to_proto(&restored.early),
        forgotten_succeeded: restored.forgotten.succeeded,
        forgotten_failed: restored.forgotten.failed,
        forgotten_cancelled: restored.forgotten.cancelled,
        forgotten_lost: restored.forgotten.lost,
    }
}

pub fn from_proto(e: ArrayRestored) -> Result<RestoredArray, CodecError> {
    Ok(RestoredArray {
        array: id(&e.array_id)?,
        owner: e.owner.as_str().into(),
        handler: e.handler.as_str().into(),
        fingerprint: e.fingerprint,
        payload: e.payload,
        terms: terms(e.at_most_once, e.retry, e.terms)?,
        first: e.first,
        count: e.count,
        at: Timestamp(e.at_ms),
        begun: e.begun,
        early: ranges_from_proto(e.early)?,
        forgotten: Forgotten {
            succeeded: e.forgotten_succeeded,
            failed: e.forgotten_failed,
            cancelled: e.forgotten_cancelled,
            lost: e.forgotten_lost,
        },
    })
}

pub(super) fn id(bytes: &[u8]) -> Result<ArrayId, CodecError> {
    ArrayId::from_bytes(bytes).ok_or(CodecError::Length("array_id"))
}

pub(super) fn ranges_to_proto(ranges: &[Range<u32>]) -> Vec<PlaceRange> {
    ranges.iter().map(|r| PlaceRange { first: r.start, count: r.end - r.start }).collect()
}

pub(super) fn ranges_from_proto(ranges: Vec<PlaceRange>) -> Result<Vec<Range<u32>>, CodecError> {
    let range = |PlaceRange { first, count }| {
        let end = first.checked_add(count).ok_or(CodecError::Invalid("places"))?;
        Ok(first..end)
    };
    ranges.into_iter().map(range).collect()
}
