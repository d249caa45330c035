//! Arrays, as snapshots hold them.

use std::ops::Range;

use common::proto::array_failure::Why;
use common::proto::{self, ArrayRestored, PlaceRange};
use orquestrador_core::event::{ArrayFailure, Forgotten, RestoredArray};
use orquestrador_core::ids::{ArrayId, Timestamp};

use super::CodecError;
use super::event::task;
use super::terms::{is_at_most_once, retry_to_proto, terms, terms_to_proto};
use super::words::{expiry_from_proto, expiry_to_proto};

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
        failed: restored.failed.map(failure_to_proto),
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
        failed: e.failed.map(failure_from_proto).transpose()?,
    })
}

pub(super) fn failure_to_proto(failure: ArrayFailure) -> proto::ArrayFailure {
    let why = match failure {
        ArrayFailure::Skipped { because } => Why::Because(because.to_bytes().to_vec()),
        ArrayFailure::Expired(expiry) => Why::Expiry(expiry_to_proto(expiry).into()),
    };
    proto::ArrayFailure { why: Some(why) }
}

pub(super) fn failure_from_proto(e: proto::ArrayFailure) -> Result<ArrayFailure, CodecError> {
    match e.why.ok_or(CodecError::Missing("why"))? {
        Why::Because(id) => Ok(ArrayFailure::Skipped { because: task(&id)? }),
        Why::Expiry(expiry) => Ok(ArrayFailure::Expired(expiry_from_proto(expiry)?)),
    }
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
