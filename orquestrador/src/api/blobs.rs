//! `BlobService`: content too large for a message, from and to clients, workers and the other orchestrator.

use std::future::ready;
use std::pin::Pin;
use std::time::Duration;

use common::blobs::{Content, Hash, MAX_BLOBS, MAX_CHUNK_BYTES, chunks};
use common::error_code::ErrorCode;
use common::grpc_status;
use common::proto::blob_service_server::BlobService;
use common::proto::put_blob_request::Part;
use common::proto::{
    Durability, GetBlobRequest, GetBlobResponse, HasBlobsRequest, HasBlobsResponse, PutBlobRequest,
    PutBlobResponse,
};
use futures::{Stream, StreamExt as _, TryStreamExt as _};
use orquestrador_core::role::Standing;
use tonic::{Request, Response, Status, Streaming};

use super::authenticate_here;
use crate::blobs::store::{self, Store};
use crate::blobs::{Blobs, LENGTH_KEY, PEER_KEY, is_member};
use crate::driver::DriverHandle;
use crate::users::{Access, Asking, Users};

/// Answers whoever may.
pub struct Service {
    pub driver: DriverHandle,
    pub users: Users,
    pub blobs: Blobs,
}

/// Who sends nothing for so long holds no room any more.
const IDLE: Duration = Duration::from_secs(30);

/// To the bucket, at the same time.
const QUESTIONS: usize = 16;

type Chunks = Pin<Box<dyn Stream<Item = Result<GetBlobResponse, Status>> + Send>>;

impl Service {
    /// Whether it is the other orchestrator that calls, which any node answers from what it has; anybody else must have
    /// come to the principal.
    async fn is_peer(&self, asking: Asking<'_>) -> Result<bool, Status> {
        let metadata = asking.metadata();
        let node = self.blobs.describe().await?;
        let is_member = is_member(metadata, &node)?;
        if is_member && metadata.contains_key(PEER_KEY) {
            return Ok(true);
        }
        if !is_member {
            authenticate_here(&self.users, &self.driver, asking).await?;
        }
        match node.standing {
            Standing::Principal => Ok(false),
            Standing::Unfounded
            | Standing::Learner
            | Standing::Standby
            | Standing::Waiting
            | Standing::Elected => Err(grpc_status::not_primary(node.principal.as_deref())),
        }
    }
}

#[tonic::async_trait]
impl BlobService for Service {
    async fn put_blob(
        &self,
        request: Request<Streaming<PutBlobRequest>>,
    ) -> Result<Response<PutBlobResponse>, Status> {
        let is_peer = self.is_peer(Asking::of(&request, Access::Change)).await?;
        let mut parts = request.into_inner();
        let first = parts.message().await?.and_then(|message| message.part);
        let Some(Part::Blob(named)) = first else { return Err(invalid("must come first", "blob")) };
        let hash = hash("blob.id", &named.id)?;
        let content = Content { hash, bytes: named.bytes };
        // The other node asks for a copy of its own, wherever else there are some.
        let here = match is_peer {
            true => self.blobs.store.touch(hash),
            false => self.blobs.length(hash).await?,
        };
        let existed = here == Some(content.bytes);
        if !existed {
            receive(&self.blobs.store, content, parts, IDLE).await?;
        }
        let durability = match is_peer {
            true => Durability::LocalOnly,
            false => self.blobs.replicate(vec![content]).await?,
        };
        // Whoever has been deposed meanwhile promises nothing.
        if !is_peer && self.blobs.describe().await?.standing != Standing::Principal {
            return Err(grpc_status::not_primary(None));
        }
        Ok(Response::new(PutBlobResponse { durability: durability.into(), existed }))
    }

    type GetBlobStream = Chunks;

    async fn get_blob(&self, request: Request<GetBlobRequest>) -> Result<Response<Chunks>, Status> {
        let is_peer = self.is_peer(Asking::of(&request, Access::Look)).await?;
        let GetBlobRequest { id, offset } = request.into_inner();
        let hash = hash("id", &id)?;
        let store = self.blobs.store.clone();
        let bytes = match store.touch(hash) {
            Some(bytes) => bytes,
            // Which is not sent round and round: the other node asks because it has none itself.
            None if is_peer => {
                let fetched = self.blobs.fetch_from_bucket(hash).await?;
                fetched.ok_or_else(|| {
                    let why = format!("blob {hash} is not here");
                    grpc_status::status(ErrorCode::BlobNotFound, why)
                })?
            }
            None => self.blobs.fetch_or_wait(hash).await?,
        };
        let mut answer = Response::new(verified(store, Content { hash, bytes }, offset));
        answer.metadata_mut().insert(LENGTH_KEY, bytes.into());
        Ok(answer)
    }

    async fn has_blobs(
        &self,
        request: Request<HasBlobsRequest>,
    ) -> Result<Response<HasBlobsResponse>, Status> {
        let is_peer = self.is_peer(Asking::of(&request, Access::Look)).await?;
        let ids = request.into_inner().ids;
        if ids.len() > MAX_BLOBS {
            let why = format!("are {}, at most {MAX_BLOBS} are allowed", ids.len());
            return Err(invalid(&why, "ids"));
        }
        let present = |id: Vec<u8>| async move {
            let Some(hash) = Hash::from_bytes(&id) else { return Ok(None) };
            let bytes = match is_peer {
                true => self.blobs.store.touch(hash),
                false => self.blobs.length(hash).await?,
            };
            Ok::<_, Status>(bytes.map(|_| id))
        };
        let asked = futures::stream::iter(ids).map(present).buffered(QUESTIONS);
        let ids = asked.try_filter_map(|id| ready(Ok(id))).try_collect().await?;
        Ok(Response::new(HasBlobsResponse { ids }))
    }
}

async fn receive(
    store: &Store,
    content: Content,
    mut parts: impl Stream<Item = Result<PutBlobRequest, Status>> + Unpin,
    idle: Duration,
) -> Result<(), Status> {
    let mut incoming = store.receive(content).await.map_err(|error| refusal(&error))?;
    loop {
        let next = tokio::time::timeout(idle, parts.next()).await.map_err(|_| stalled(idle))?;
        let Some(message) = next.transpose()? else { break };
        match message.part {
            Some(Part::Chunk(chunk)) if chunk.len() <= MAX_CHUNK_BYTES => {
                incoming.write(&chunk).await.map_err(|error| refusal(&error))?;
            }
            Some(Part::Chunk(_)) => return Err(invalid("is too long", "chunk")),
            Some(Part::Blob(_)) | None => return Err(invalid("comes once", "blob")),
        }
    }
    incoming.keep().await.map_err(|error| refusal(&error))
}

/// It may be sent again.
fn stalled(idle: Duration) -> Status {
    let why = format!("nothing of the blob came for {} s, and it was given up", idle.as_secs());
    grpc_status::status(ErrorCode::Unavailable, why)
}

/// What the disk holds from the offset on. Read from its beginning, it is compared with its name: a damaged one is set
/// aside, so that the next one who asks has it from the other orchestrator.
fn verified(store: Store, content: Content, offset: u64) -> Chunks {
    let hasher = (offset == 0).then(blake3::Hasher::new);
    let bytes = chunks(store.path(content.hash), offset).boxed();
    let step = move |(mut bytes, mut hasher, is_over): Step| {
        let store = store.clone();
        async move {
            if is_over {
                return None;
            }
            match bytes.next().await {
                Some(Ok(chunk)) => {
                    if let Some(hasher) = &mut hasher {
                        hasher.update(&chunk);
                    }
                    Some((Ok(GetBlobResponse { chunk }), (bytes, hasher, false)))
                }
                Some(Err(error)) => {
                    tracing::error!(%error, blob = %content.hash, "a blob cannot be read");
                    Some((Err(unreadable(&store, content.hash).await), (bytes, None, true)))
                }
                None => {
                    let is_that = |h: blake3::Hasher| *h.finalize().as_bytes() == content.hash.0;
                    if hasher.is_none_or(is_that) {
                        return None;
                    }
                    Some((Err(unreadable(&store, content.hash).await), (bytes, None, true)))
                }
            }
        }
    };
    Box::pin(futures::stream::unfold((bytes, hasher, false), step))
}

type Step = (
    futures::stream::BoxStream<'static, std::io::Result<bytes::Bytes>>,
    Option<blake3::Hasher>,
    bool,
);

/// Damaged, and so set aside; or another time it can be read.
async fn unreadable(store: &Store, hash: Hash) -> Status {
    let looked = store.clone();
    let done = tokio::task::spawn_blocking(move || looked.set_aside_if_damaged(hash)).await;
    let (code, why) = match done.map_err(std::io::Error::other).flatten() {
        Ok(()) => (ErrorCode::BlobDamaged, "is, or was, damaged on this node's disk".to_owned()),
        Err(error) => {
            tracing::error!(%error, blob = %hash, "a blob could not be looked at");
            (ErrorCode::Unavailable, format!("cannot be read now: {error}"))
        }
    };
    grpc_status::status(code, format!("blob {hash} {why}"))
}

fn hash(field: &str, id: &[u8]) -> Result<Hash, Status> {
    Hash::from_bytes(id).ok_or_else(|| invalid("must be 32 bytes", field))
}

fn invalid(why: &str, field: &str) -> Status {
    grpc_status::invalid([(field.to_owned(), why.to_owned())])
}

/// What is said to whoever sends a blob that is not taken.
pub fn refusal(error: &store::Error) -> Status {
    match error {
        store::Error::Full { .. } | store::Error::DiskFull(_) => {
            grpc_status::status(ErrorCode::BlobStoreFull, error.to_string())
        }
        store::Error::TooLong { .. } => invalid(&error.to_string(), "blob.bytes"),
        store::Error::Other => invalid("is not what its name says", "chunk"),
        store::Error::Io(source) => {
            tracing::error!(error = %source, "a blob could not be stored");
            grpc_status::status(ErrorCode::Internal, format!("{error}: {source}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::stream;

    use super::*;

    #[tokio::test]
    async fn who_stops_sending_holds_no_room() {
        let dir = tempfile::tempdir().expect("a directory");
        let store = Store::open(dir.path(), 10, store::MAX).expect("opens");
        let content = |bytes: &[u8]| Content {
            hash: Hash(*blake3::hash(bytes).as_bytes()),
            bytes: bytes.len() as u64,
        };
        let chunk =
            |bytes: &'static [u8]| Ok(PutBlobRequest { part: Some(Part::Chunk(bytes.into())) });
        let stalls = stream::iter([chunk(b"01234")]).chain(stream::pending());
        let idle = Duration::from_millis(1);
        let given_up = receive(&store, content(b"0123456789"), Box::pin(stalls), idle).await;
        let code = given_up.map_err(|status| grpc_status::meaning(&status).code);
        assert_eq!(code, Err(ErrorCode::Unavailable));
        let whole = stream::iter([chunk(b"9876543210")]);
        receive(&store, content(b"9876543210"), whole, IDLE).await.expect("all the room is free");
    }
}
