//! The blobs that tasks refer to: what this node keeps, and that the other one, or a store of objects, has it too. Decides
//! nothing about tasks.

mod bucket;
mod custody;
mod keeper;
mod peer;
pub mod store;

use std::sync::Arc;
use std::time::Duration;

use common::blobs::{CLUSTER_KEY, Content, Hash};
use common::error_code::ErrorCode;
use common::grpc_status;
use common::proto::Durability;
use orquestrador_core::ids::{BlobRef, NodeId};
use tokio::sync::Mutex;
use tonic::Status;
use tonic::metadata::MetadataMap;

use crate::driver::DriverHandle;
use crate::driver::input::{Description, Input, Members};
use crate::peer::Peer;
use bucket::Bucket;
use store::Store;

pub use bucket::{Bucket as ObjectBucket, NoBucket, S3};
pub use keeper::keep;
pub use peer::{LENGTH_KEY, PEER_KEY};

/// How long a standby that is in sync, and cannot be reached, is waited for: by then it is in sync no more.
const PEER_PATIENCE: Duration = Duration::from_secs(10);
/// Between two attempts.
const PEER_PAUSE: Duration = Duration::from_millis(100);

/// Cheap to clone; one for the whole node.
#[derive(Clone)]
pub struct Blobs {
    pub store: Store,
    driver: DriverHandle,
    peer: Arc<Peer>,
    /// What it has needs no second copy on the other node.
    bucket: Option<Arc<Bucket>>,
    /// Of giving the standby what it lacks.
    turn: Arc<Mutex<()>>,
}

/// A blob by its name in the core.
pub fn content(blob: &BlobRef) -> Content {
    Content { hash: Hash(blob.id.0), bytes: blob.bytes }
}

impl Blobs {
    pub fn new(
        store: Store,
        driver: DriverHandle,
        peer: Arc<Peer>,
        bucket: Option<Bucket>,
    ) -> Self {
        Self { store, driver, peer, bucket: bucket.map(Arc::new), turn: Arc::default() }
    }

    /// Makes sure that what a task refers to is here and, while a standby is in sync, there, or that it is in the bucket,
    /// and stays until the task itself keeps it.
    ///
    /// # Errors
    /// `BLOB_NOT_FOUND`, or the standby, or the bucket, could not be given what it lacks.
    pub async fn hold(&self, blobs: &[BlobRef]) -> Result<(), Status> {
        if blobs.is_empty() {
            return Ok(());
        }
        for blob in blobs {
            self.have(content(blob)).await?;
        }
        // Whoever asks may give up and ask again: what is under way goes on, and is not begun twice.
        let (held, contents) = (self.clone(), blobs.iter().map(content).collect());
        let given = tokio::spawn(async move {
            let _turn = held.turn.lock().await;
            held.replicate(contents).await
        });
        let broken = |error: tokio::task::JoinError| {
            grpc_status::status(ErrorCode::Internal, format!("giving blobs failed: {error}"))
        };
        given.await.map_err(broken)?.map(drop)
    }

    /// Makes sure that it is here or in the bucket, if the other node has it.
    ///
    /// # Errors
    /// `BLOB_NOT_FOUND`
    async fn have(&self, content: Content) -> Result<(), Status> {
        let bytes = match self.length(content.hash).await? {
            Some(bytes) => bytes,
            None => self.fetch(content.hash).await?,
        };
        if bytes != content.bytes {
            let why = format!("blob {} has {bytes} bytes, not {}", content.hash, content.bytes);
            return Err(grpc_status::status(ErrorCode::BlobNotFound, why));
        }
        Ok(())
    }

    /// Of one that is here or in the bucket; it stays for some time from now on.
    ///
    /// # Errors
    /// The bucket cannot be asked.
    pub async fn length(&self, hash: Hash) -> Result<Option<u64>, Status> {
        match (self.store.touch(hash), &self.bucket) {
            (None, Some(bucket)) => {
                let office = self.office().await?;
                Ok(bucket.present(office, hash).await?.map(|object| object.bytes))
            }
            (here, _) => Ok(here),
        }
    }

    /// The same for whoever can wait: a node that is away may have it.
    ///
    /// # Errors
    /// `BLOB_NOT_FOUND`, or `UNAVAILABLE` while the other node is not linked, or the bucket cannot be asked.
    pub async fn fetch_or_wait(&self, hash: Hash) -> Result<u64, Status> {
        if let Some(bytes) = self.fetch_from_bucket(hash).await? {
            return Ok(bytes);
        }
        if self.links(&self.describe().await?).is_empty() {
            let why = format!("blob {hash} is not here, and the other orchestrator is away");
            return Err(grpc_status::status(ErrorCode::Unavailable, why));
        }
        self.fetch_from_peer(hash).await
    }

    /// From the bucket, or the other node; gives its length.
    ///
    /// # Errors
    /// `BLOB_NOT_FOUND`, or the bucket cannot be asked.
    pub async fn fetch(&self, hash: Hash) -> Result<u64, Status> {
        match self.fetch_from_bucket(hash).await? {
            Some(bytes) => Ok(bytes),
            None => self.fetch_from_peer(hash).await,
        }
    }

    async fn fetch_from_peer(&self, hash: Hash) -> Result<u64, Status> {
        let missing = |why: String| {
            grpc_status::status(ErrorCode::BlobNotFound, format!("blob {hash} is not here: {why}"))
        };
        let mut why = "no other orchestrator is linked".to_owned();
        for link in self.links(&self.describe().await?) {
            match link.fetch(&self.store, hash).await {
                Ok(bytes) => return Ok(bytes),
                Err(status) => status.message().clone_into(&mut why),
            }
        }
        Err(missing(why))
    }

    /// To the other orchestrators that are there, as far as this node knows.
    fn links(&self, node: &Description) -> Vec<peer::Link> {
        let channels = match &node.members {
            None => node.peer.as_ref().map(|_| self.peer.channel()).into_iter().collect(),
            Some(Members { others, .. }) => self.peer.channels(others),
        };
        channels.into_iter().map(|channel| peer::Link::to(channel, node)).collect()
    }

    /// Its content, from wherever it is.
    ///
    /// # Errors
    /// `BLOB_NOT_FOUND`, or it cannot be read.
    pub async fn at_hand(&self, content: Content) -> Result<std::fs::File, Status> {
        if self.store.touch(content.hash).is_none() {
            self.fetch(content.hash).await?;
        }
        std::fs::File::open(self.store.path(content.hash)).map_err(|error| {
            let why = format!("blob {} cannot be read: {error}", content.hash);
            grpc_status::status(ErrorCode::BlobNotFound, why)
        })
    }

    /// Gives the standby what it lacks of these, as long as there is one in sync; or the bucket, instead.
    ///
    /// # Errors
    /// It is in sync, and does not take them; `BLOB_NOT_FOUND` if one turns out to be damaged here.
    pub async fn replicate(&self, contents: Vec<Content>) -> Result<Durability, Status> {
        if let Some(bucket) = &self.bucket {
            return self.secure(bucket, contents).await.map(|()| Durability::Replicated);
        }
        let began = tokio::time::Instant::now();
        loop {
            let node = self.describe().await?;
            if !has_standby(&node) {
                return Ok(Durability::LocalOnly);
            }
            match self.give_some(&node, &contents).await {
                Ok(()) => return Ok(Durability::Replicated),
                Err(status) if is_final(&status) => return Err(status),
                Err(status) if began.elapsed() > PEER_PATIENCE => {
                    let why = format!("the standby does not take the blob: {}", status.message());
                    return Err(grpc_status::status(ErrorCode::Unavailable, why));
                }
                Err(status) => tracing::debug!(%status, "the standby did not take a blob"),
            }
            tokio::time::sleep(PEER_PAUSE).await;
        }
    }

    /// To the standby; where there are several, one that takes them is enough, and the others fetch what they lack.
    async fn give_some(&self, node: &Description, contents: &[Content]) -> Result<(), Status> {
        let links = self.links(node);
        if links.is_empty() {
            return Err(grpc_status::status(ErrorCode::Unavailable, "the standby is not linked"));
        }
        let given = links.iter().map(|link| Box::pin(link.give(&self.store, contents)));
        futures::future::select_ok(given).await.map(|((), _)| ())
    }

    pub async fn describe(&self) -> Result<Description, Status> {
        self.driver.ask(|reply| Input::Describe { reply }).await
    }
}

/// To try again is of no use: there is no room, or nothing to give.
fn is_final(status: &Status) -> bool {
    let code = grpc_status::meaning(status).code;
    matches!(code, ErrorCode::BlobStoreFull | ErrorCode::BlobNotFound)
}

/// The other node is a replica of the view, as one that missed nothing is. With etcd, anybody else who is alive.
fn has_standby(node: &Description) -> bool {
    if let Some(Members { others, .. }) = &node.members {
        return !others.is_empty();
    }
    let is_other = |id: NodeId| id != node.node;
    let view = node.view.as_ref();
    view.is_some_and(|view| view.replicas.iter().any(|replica| is_other(replica.node)))
}

/// Whether the caller shows that it belongs to the cluster, as workers and the other orchestrator do. `None`: it does not
/// say so, and is a client.
///
/// # Errors
/// `FOREIGN_CLUSTER`
pub fn is_member(metadata: &MetadataMap, node: &Description) -> Result<bool, Status> {
    let Some(named) = metadata.get(CLUSTER_KEY) else { return Ok(false) };
    let ours = node.cluster.map(|cluster| cluster.to_string()).unwrap_or_default();
    if !ours.is_empty() && named.as_bytes() == ours.as_bytes() {
        return Ok(true);
    }
    Err(grpc_status::status(ErrorCode::ForeignCluster, "the caller belongs to another cluster"))
}
