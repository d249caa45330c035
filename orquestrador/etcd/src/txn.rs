//! Transactions: what must hold, what is done then, and what otherwise.

use bytes::Bytes;

use crate::KeyValue;
use crate::proto::etcdserverpb as wire;
use crate::proto::etcdserverpb::compare::{CompareResult, CompareTarget, TargetUnion};
use crate::proto::etcdserverpb::request_op::Request;
use crate::proto::etcdserverpb::response_op::Response;
use crate::value::bounds;

/// A transaction. A key may be written once in each branch; the servers take 128 operations in a branch unless told
/// otherwise.
#[derive(Clone, Debug, Default)]
pub struct Txn(wire::TxnRequest);

impl Txn {
    /// It does nothing, always.
    pub fn new() -> Self {
        Self::default()
    }

    /// This must hold too.
    #[must_use]
    pub fn when(mut self, compare: Compare) -> Self {
        self.0.compare.push(compare.0);
        self
    }

    /// What is done, in this order, if all holds.
    #[must_use]
    pub fn then(mut self, op: impl Into<Op>) -> Self {
        self.0.success.push(op.into().0);
        self
    }

    /// What is done, in this order, if not all holds.
    #[must_use]
    pub fn otherwise(mut self, op: impl Into<Op>) -> Self {
        self.0.failure.push(op.into().0);
        self
    }

    /// It changes nothing, whatever holds.
    pub(crate) fn is_read(&self) -> bool {
        let mut all = self.0.success.iter().chain(&self.0.failure);
        all.all(|op| matches!(op.request, Some(Request::RequestRange(_))))
    }

    pub(crate) fn into_request(self) -> wire::TxnRequest {
        self.0
    }
}

/// What must hold of a key before.
#[derive(Clone, Debug)]
pub struct Compare(wire::Compare);

impl Compare {
    /// It is there since exactly that revision.
    pub fn created(key: impl Into<Vec<u8>>, revision: i64) -> Self {
        let union = TargetUnion::CreateRevision(revision);
        Self::new(key.into(), CompareResult::Equal, CompareTarget::Create, union)
    }

    /// Its last change is of exactly that revision.
    pub fn modified(key: impl Into<Vec<u8>>, revision: i64) -> Self {
        let union = TargetUnion::ModRevision(revision);
        Self::new(key.into(), CompareResult::Equal, CompareTarget::Mod, union)
    }

    /// It is there with exactly that value.
    pub fn value(key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) -> Self {
        let union = TargetUnion::Value(value.into());
        Self::new(key.into(), CompareResult::Equal, CompareTarget::Value, union)
    }

    /// It is not there.
    pub fn absent(key: impl Into<Vec<u8>>) -> Self {
        Self::created(key, 0)
    }

    /// It is there.
    pub fn present(key: impl Into<Vec<u8>>) -> Self {
        let union = TargetUnion::CreateRevision(0);
        Self::new(key.into(), CompareResult::Greater, CompareTarget::Create, union)
    }

    fn new(key: Vec<u8>, result: CompareResult, target: CompareTarget, union: TargetUnion) -> Self {
        let (result, target) = (result.into(), target.into());
        Self(wire::Compare { result, target, key, target_union: Some(union) })
    }
}

/// One operation of a transaction.
#[derive(Clone, Debug)]
pub struct Op(wire::RequestOp);

impl Op {
    /// Writes a key.
    pub fn put(key: impl Into<Vec<u8>>, value: impl Into<Bytes>) -> Put {
        Put(wire::PutRequest { key: key.into(), value: value.into(), lease: 0 })
    }

    /// Deletes a key, if it is there.
    pub fn delete(key: impl Into<Vec<u8>>) -> Self {
        let request = wire::DeleteRangeRequest { key: key.into(), range_end: Vec::new() };
        Self::new(Request::RequestDeleteRange(request))
    }

    /// Deletes all keys from the first on and before the second; an empty one is no bound.
    pub fn delete_range(from: &[u8], to: &[u8]) -> Self {
        let (key, range_end) = bounds(from, to);
        Self::new(Request::RequestDeleteRange(wire::DeleteRangeRequest { key, range_end }))
    }

    /// Reads a key.
    pub fn get(key: impl Into<Vec<u8>>) -> Self {
        let request = wire::RangeRequest { key: key.into(), ..wire::RangeRequest::default() };
        Self::new(Request::RequestRange(request))
    }

    /// Reads a range.
    pub fn range(query: crate::RangeQuery) -> Self {
        Self::new(Request::RequestRange(query.into()))
    }

    fn new(request: Request) -> Self {
        Self(wire::RequestOp { request: Some(request) })
    }
}

/// Writing a key: [`Op::put`].
#[derive(Clone, Debug)]
pub struct Put(wire::PutRequest);

impl Put {
    /// The key goes with that lease. Without this it goes with none, even if it did before.
    #[must_use]
    pub fn lease(mut self, id: i64) -> Self {
        self.0.lease = id;
        self
    }
}

impl From<Put> for Op {
    fn from(put: Put) -> Self {
        Self::new(Request::RequestPut(put.0))
    }
}

/// What came of a transaction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TxnOutcome {
    /// All that must hold did.
    pub succeeded: bool,
    /// That of the store afterwards: of what was written, if anything was.
    pub revision: i64,
    /// Of each read of the branch taken, in their order, the keys that it found.
    pub got: Vec<Vec<KeyValue>>,
}

impl From<wire::TxnResponse> for TxnOutcome {
    fn from(done: wire::TxnResponse) -> Self {
        let range = |one: wire::ResponseOp| match one.response? {
            Response::ResponseRange(found) => {
                Some(found.kvs.into_iter().map(KeyValue::from).collect())
            }
            Response::ResponsePut(_) | Response::ResponseDeleteRange(_) => None,
        };
        Self {
            succeeded: done.succeeded,
            revision: done.header.unwrap_or_default().revision,
            got: done.responses.into_iter().filter_map(range).collect(),
        }
    }
}
