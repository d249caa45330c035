//! What is stored, and what is asked for.

use bytes::Bytes;

use crate::proto::etcdserverpb::RangeRequest;
use crate::proto::etcdserverpb::range_request::SortOrder;
use crate::proto::mvccpb;

/// A key as it stood at a revision.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyValue {
    /// Never empty.
    pub key: Vec<u8>,
    /// Empty where only keys were asked for, and of a deletion.
    pub value: Bytes,
    /// Since when it is there; 0 of a deletion.
    pub create_revision: i64,
    /// Its last change; of a deletion, that.
    pub mod_revision: i64,
    /// With which it goes; 0: none.
    pub lease: i64,
}

/// Which keys to read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RangeQuery {
    /// The first. Empty: from the first that there is.
    pub from: Vec<u8>,
    /// That after the last. Empty: to the last that there is.
    pub to: Vec<u8>,
    /// At most so many; 0: all.
    pub limit: u32,
    /// Without the values.
    pub keys_only: bool,
    /// From the last to the first.
    pub descending: bool,
    /// As it stood then; 0: now.
    pub revision: i64,
}

impl RangeQuery {
    /// All keys that begin so, now.
    pub fn prefix(prefix: impl Into<Vec<u8>>) -> Self {
        let from = prefix.into();
        Self { to: end_of_prefix(&from), from, ..Self::default() }
    }
}

/// A part of a range, all of one revision.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// That of the whole store when it was read, even of a query for an older one. To be given with what follows.
    pub revision: i64,
    /// In order of their keys.
    pub values: Vec<KeyValue>,
    /// The limit has left some out.
    pub more: bool,
}

/// The first key after all that begin so; empty, which is no bound, if there is none.
pub fn end_of_prefix(prefix: &[u8]) -> Vec<u8> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if let Some(next) = last.checked_add(1) {
            end.push(next);
            break;
        }
    }
    end
}

/// The bounds as the servers want them.
pub(crate) fn bounds(from: &[u8], to: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let or_zero = |key: &[u8]| if key.is_empty() { vec![0] } else { key.to_vec() };
    (or_zero(from), or_zero(to))
}

impl From<RangeQuery> for RangeRequest {
    fn from(query: RangeQuery) -> Self {
        let (key, range_end) = bounds(&query.from, &query.to);
        let order = if query.descending { SortOrder::Descend } else { SortOrder::None };
        Self {
            key,
            range_end,
            limit: query.limit.into(),
            revision: query.revision,
            sort_order: order.into(),
            keys_only: query.keys_only,
            ..Self::default()
        }
    }
}

impl From<mvccpb::KeyValue> for KeyValue {
    fn from(found: mvccpb::KeyValue) -> Self {
        let mvccpb::KeyValue { key, value, create_revision, mod_revision, lease, .. } = found;
        Self { key, value, create_revision, mod_revision, lease }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_prefix_comes_after_all_that_begin_so() {
        assert_eq!(end_of_prefix(b"a/"), b"a0");
        assert_eq!(end_of_prefix(&[1, 0xff, 0xff]), [2]);
        assert_eq!(end_of_prefix(&[0xff]), b"");
        assert_eq!(end_of_prefix(b""), b"");
    }
}
