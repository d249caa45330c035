//! Blobs from and to the other orchestrator.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use common::blobs::{CLUSTER_KEY, Content, Hash, MAX_BLOBS, requests};
use common::error_code::ErrorCode;
use common::grpc_status;
use common::proto::blob_service_client::BlobServiceClient;
use common::proto::{GetBlobRequest, HasBlobsRequest};
use tokio_stream::StreamExt as _;
use tonic::metadata::AsciiMetadataValue;
use tonic::transport::Channel;
use tonic::{Request, Status};

use super::store::Store;
use crate::api::blobs::refusal;
use crate::driver::input::Description;

/// Marks a call of one orchestrator to the other: it is not passed on.
pub const PEER_KEY: &str = "mutirao-peer";

pub struct Link {
    client: BlobServiceClient<Channel>,
    cluster: Option<AsciiMetadataValue>,
}

impl Link {
    pub fn to(peer: Channel, node: &Description) -> Self {
        let cluster = node.cluster.and_then(|cluster| cluster.to_string().parse().ok());
        Self { client: BlobServiceClient::new(peer), cluster }
    }

    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        if let Some(cluster) = &self.cluster {
            request.metadata_mut().insert(CLUSTER_KEY, cluster.clone());
        }
        request.metadata_mut().insert(PEER_KEY, AsciiMetadataValue::from_static("1"));
        request
    }

    /// What it lacks of these.
    pub async fn give(&self, store: &Store, contents: &[Content]) -> Result<(), Status> {
        for some in contents.chunks(MAX_BLOBS) {
            let ids = some.iter().map(|content| content.hash.0.to_vec()).collect();
            let mut client = self.client.clone();
            let there = client.has_blobs(self.request(HasBlobsRequest { ids })).await?.into_inner();
            let lacks = |content: &&Content| !there.ids.iter().any(|id| id[..] == content.hash.0);
            for content in some.iter().filter(lacks) {
                let sent = Arc::new(AtomicU64::new(0));
                let chunks = requests(store.path(content.hash).into(), *content, sent);
                if let Err(refusal) = client.put_blob(self.request(chunks)).await {
                    return Err(own_damage(store, content.hash, refusal).await);
                }
            }
        }
        Ok(())
    }

    /// Gives its length.
    pub async fn fetch(&self, store: &Store, hash: Hash) -> Result<u64, Status> {
        let mut client = self.client.clone();
        let ask = GetBlobRequest { id: hash.0.to_vec(), offset: 0 };
        let answer = client.get_blob(self.request(ask)).await?;
        let length = answer.metadata().get(LENGTH_KEY).and_then(|text| text.to_str().ok());
        let bytes = length.and_then(|text| text.parse().ok()).ok_or_else(|| {
            grpc_status::status(ErrorCode::Internal, "the other node does not say how long it is")
        })?;
        let mut incoming = store.receive(Content { hash, bytes }).await.map_err(|e| refusal(&e))?;
        let mut chunks = answer.into_inner();
        while let Some(part) = chunks.next().await.transpose()? {
            incoming.write(&part.chunk).await.map_err(|e| refusal(&e))?;
        }
        incoming.keep().await.map_err(|e| refusal(&e))?;
        Ok(bytes)
    }
}

/// Why one was not taken: what was sent may not be what its name says, because the own disk has damaged it. Then it is set
/// aside, and is not here any more.
async fn own_damage(store: &Store, hash: Hash, refusal: Status) -> Status {
    if grpc_status::meaning(&refusal).code != ErrorCode::InvalidArgument {
        return refusal;
    }
    let looked = store.clone();
    let done = tokio::task::spawn_blocking(move || looked.set_aside_if_damaged(hash)).await;
    match done.map_err(std::io::Error::other).flatten() {
        Ok(()) if store.has(hash) => refusal,
        Ok(()) => {
            let why = format!("blob {hash} was damaged on this node's disk");
            grpc_status::status(ErrorCode::BlobNotFound, why)
        }
        Err(error) => {
            tracing::error!(%error, blob = %hash, "a blob could not be looked at");
            refusal
        }
    }
}

/// Metadata of the answer to `GetBlob`: how long the whole blob is.
pub const LENGTH_KEY: &str = "mutirao-blob-bytes";
