//! Blobs in the bucket of this cluster: there before anything refers to them, and from there into the directory.

use std::sync::Arc;
use std::time::Duration;

use common::blobs::{Content, Hash};
use common::error_code::ErrorCode;
use common::grpc_status;
use futures::{StreamExt as _, TryStreamExt as _};
use orquestrador_core::role::Standing;
use tokio::time::Instant;
use tonic::Status;

use super::bucket::{Bucket, Error, Office};
use super::{Blobs, store};

/// Objects that are made at the same time.
const AT_ONCE: usize = 8;
/// How long a copy waits for room among others that are being read.
const ROOM_PATIENCE: Duration = Duration::from_secs(10);
const ROOM_PAUSE: Duration = Duration::from_millis(200);

impl Blobs {
    /// The cluster, and the present epoch, whether this node leads it or not.
    ///
    /// # Errors
    /// There is no cluster yet.
    pub(super) async fn office(&self) -> Result<Office, Status> {
        let node = self.describe().await?;
        let cluster = node.cluster.ok_or_else(|| grpc_status::not_primary(None))?;
        Ok(Office { cluster, epoch: node.epoch })
    }

    /// The same, of a principal.
    ///
    /// # Errors
    /// `NOT_PRIMARY`
    pub(super) async fn own_office(&self) -> Result<Office, Status> {
        let node = self.describe().await?;
        match (node.standing, node.cluster) {
            (Standing::Principal, Some(cluster)) => Ok(Office { cluster, epoch: node.epoch }),
            _ => Err(grpc_status::not_primary(node.principal.as_deref())),
        }
    }

    /// Makes sure that these are in the bucket, put by this office.
    ///
    /// # Errors
    /// `NOT_PRIMARY`, the bucket does not take one, or `BLOB_NOT_FOUND` if one is neither there nor, undamaged, here.
    pub(super) async fn secure(
        &self,
        bucket: &Arc<Bucket>,
        contents: Vec<Content>,
    ) -> Result<(), Status> {
        let office = self.own_office().await?;
        let each = |content: Content| async move {
            match bucket.secure(office, content, &self.store).await {
                Ok(()) => self.store.is_elsewhere(content.hash, true),
                Err(Error::Damaged(hash)) => return Err(self.own_damage(hash).await),
                Err(error) => return Err(error.into()),
            }
            Ok(())
        };
        let secured = futures::stream::iter(contents).map(each).buffer_unordered(AT_ONCE);
        secured.try_collect().await
    }

    /// What the own disk damaged is set aside, and can come again.
    async fn own_damage(&self, hash: Hash) -> Status {
        let store = self.store.clone();
        let looked = tokio::task::spawn_blocking(move || store.set_aside_if_damaged(hash)).await;
        if let Err(error) = looked.map_err(std::io::Error::other).flatten() {
            tracing::error!(%error, blob = %hash, "a blob could not be looked at");
        }
        let why = format!("blob {hash} was damaged on this node's disk");
        grpc_status::status(ErrorCode::BlobNotFound, why)
    }

    /// Gives its length; `None` if it is in no undamaged object, or there is no bucket.
    ///
    /// # Errors
    /// The bucket cannot be asked, or there is no room here.
    pub async fn fetch_from_bucket(&self, hash: Hash) -> Result<Option<u64>, Status> {
        let Some(bucket) = &self.bucket else { return Ok(None) };
        let office = self.office().await?;
        let began = Instant::now();
        loop {
            match bucket.fetch(office, hash, &self.store).await {
                Ok(bytes) => return Ok(Some(bytes)),
                Err(Error::Missing(_)) => return Ok(None),
                // There may be an earlier one, or a copy at the other node.
                Err(Error::Damaged(_)) => {}
                Err(Error::Disk(store::Error::Full { .. })) if began.elapsed() < ROOM_PATIENCE => {
                    tokio::time::sleep(ROOM_PAUSE).await;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
}
