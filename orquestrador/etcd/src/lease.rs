//! Leases: what goes when nobody speaks for it any more.

use std::time::Duration;

use tonic::transport::Channel;
use tonic::{Request, Response, Status};

use crate::proto::etcdserverpb::lease_client::LeaseClient;
use crate::proto::etcdserverpb::{LeaseGrantRequest, LeaseKeepAliveRequest, LeaseRevokeRequest};
use crate::{Error, Etcd, Result};

/// What keys can go with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Not 0.
    pub id: i64,
    /// So long after it was granted, or last kept alive, it expires: in whole seconds, and more than was asked for if the
    /// servers do not keep time so short.
    pub ttl: Duration,
}

impl Etcd {
    /// A new lease, for so long, rounded up to whole seconds.
    ///
    /// # Errors
    /// [`Error::Unknown`]: there may be a lease that nobody knows, until it expires. And those of all writes.
    pub async fn grant(&self, ttl: Duration) -> Result<Lease> {
        let seconds = ttl.as_secs() + u64::from(ttl.subsec_nanos() > 0);
        let ttl = i64::try_from(seconds.max(1)).unwrap_or(i64::MAX);
        let send = |channel, request| async move {
            LeaseClient::new(channel).lease_grant(request).await.map(Response::into_inner)
        };
        let request = LeaseGrantRequest { ttl, id: 0 };
        let (_, granted) = self.0.call(self.0.write(), request, send).await?;
        if !granted.error.is_empty() {
            return Err(Error::Refused { code: tonic::Code::Unknown, message: granted.error });
        }
        Ok(Lease { id: granted.id, ttl: seconds_of(granted.ttl) })
    }

    /// The lease counts from its beginning again. How long it has then.
    ///
    /// # Errors
    /// [`Error::LeaseGone`]: for good, with its keys. And those of all reads: it may have been kept all the same.
    pub async fn keep_alive(&self, lease: i64) -> Result<Duration> {
        let request = LeaseKeepAliveRequest { id: lease };
        let (_, left) = self.0.call(self.0.read(), request, keep_alive).await?;
        if left <= 0 {
            return Err(Error::LeaseGone);
        }
        Ok(seconds_of(left))
    }

    /// The lease ends now, and its keys go.
    ///
    /// # Errors
    /// [`Error::LeaseGone`]: it was over already. And those of all writes.
    pub async fn revoke(&self, lease: i64) -> Result<()> {
        let send = |channel, request| async move {
            LeaseClient::new(channel).lease_revoke(request).await.map(Response::into_inner)
        };
        let request = LeaseRevokeRequest { id: lease };
        self.0.call(self.0.write(), request, send).await.map(drop)
    }
}

/// A stream of one question and one answer: the seconds left.
async fn keep_alive(
    channel: Channel,
    request: Request<LeaseKeepAliveRequest>,
) -> std::result::Result<i64, Status> {
    let (metadata, extensions, question) = request.into_parts();
    let questions = tokio_stream::once(question);
    let request = Request::from_parts(metadata, extensions, questions);
    let mut answers = LeaseClient::new(channel).lease_keep_alive(request).await?.into_inner();
    let answer = answers.message().await?;
    answer.map(|kept| kept.ttl).ok_or_else(|| Status::unavailable("the stream ended"))
}

fn seconds_of(ttl: i64) -> Duration {
    Duration::from_secs(u64::try_from(ttl).unwrap_or_default())
}
