//! Reading and changing keys.

use tonic::Response;
use tonic::transport::Channel;

use crate::call::MAX_MESSAGE_BYTES;
use crate::proto::etcdserverpb::RangeRequest;
use crate::proto::etcdserverpb::kv_client::KvClient;
use crate::{Etcd, KeyValue, Page, RangeQuery, Result, Txn, TxnOutcome};

pub(crate) fn client(channel: Channel) -> KvClient<Channel> {
    KvClient::new(channel).max_decoding_message_size(MAX_MESSAGE_BYTES)
}

impl Etcd {
    /// What stands under the key; `None`: nothing. It has what every write had that was answered before.
    ///
    /// # Errors
    /// As all reads: [`crate::Error::Unavailable`], [`crate::Error::Denied`] and those of the connection.
    pub async fn get(&self, key: &[u8]) -> Result<Option<KeyValue>> {
        let request = RangeRequest { key: key.to_vec(), ..RangeRequest::default() };
        Ok(self.read(request).await?.values.pop())
    }

    /// The keys of a range, as new as [`Etcd::get`] finds them unless a revision is given.
    ///
    /// # Errors
    /// As [`Etcd::get`]; and [`crate::Error::Compacted`] of an old revision, [`crate::Error::TooLarge`] of more than
    /// 64 MiB, for which there is `limit`.
    pub async fn range(&self, query: RangeQuery) -> Result<Page> {
        self.read(query.into()).await
    }

    async fn read(&self, request: RangeRequest) -> Result<Page> {
        let send = |channel, request| async move {
            client(channel).range(request).await.map(Response::into_inner)
        };
        let (_, found) = self.0.call(self.0.read(), request, send).await?;
        Ok(Page {
            revision: found.header.unwrap_or_default().revision,
            values: found.kvs.into_iter().map(KeyValue::from).collect(),
            more: found.more,
        })
    }

    /// All that the transaction says, or nothing.
    ///
    /// # Errors
    /// [`crate::Error::Unknown`]: it may have been done. After all others nothing was changed: also
    /// [`crate::Error::NoSpace`], [`crate::Error::TooLarge`], [`crate::Error::TooMany`], and
    /// [`crate::Error::LeaseGone`] of a lease that is put to a key.
    pub async fn txn(&self, txn: Txn) -> Result<TxnOutcome> {
        let send = |channel, request| async move {
            client(channel).txn(request).await.map(Response::into_inner)
        };
        let manner = if txn.is_read() { self.0.read() } else { self.0.write() };
        let (_, done) = self.0.call(manner, txn.into_request(), send).await?;
        Ok(done.into())
    }
}
