//! Blobs from and to the orchestrators, through failovers: as long as the attempt wants them.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use common::blobs::{CLUSTER_KEY, Content, Partial, Source, Unfinished, requests};
use common::endpoint::MAX_MESSAGE_BYTES;
use common::error_code::ErrorCode;
use common::grpc_status;
use common::proto::blob_service_client::BlobServiceClient;
use common::proto::worker_service_client::WorkerServiceClient;
use common::proto::{GetBlobRequest, GetSourcesRequest};
use common::tls::Tls;
use futures::TryStreamExt as _;
use tokio::sync::watch;
use tokio::time::Instant;
use tonic::{Code, Request, Status};

use super::Seat;
use super::sources::Left;

/// Between two tries.
const PAUSE: Duration = Duration::from_millis(100);
/// How long a blob may be missing: the other orchestrator, which has it, may be starting.
const MISSING_PATIENCE: Duration = Duration::from_secs(5);
/// How long there may be no room for a file.
const ROOM_PATIENCE: Duration = Duration::from_secs(60);
/// How often what came may be another content before it is given up.
const MAX_OTHER: u32 = 3;

#[derive(Debug)]
pub struct Remote {
    tls: Tls,
    seat: watch::Receiver<Option<Seat>>,
}

/// Why there is none.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("it is not at the orchestrators any more")]
    Missing,
    #[error("the orchestrator refuses it: {0}")]
    Refused(String),
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

impl Remote {
    pub fn new(seat: watch::Receiver<Option<Seat>>, tls: Tls) -> Self {
        Self { tls, seat }
    }

    /// Into a new file, by way of `partial`.
    pub async fn fetch(
        &self,
        content: Content,
        partial: PathBuf,
        place: &Path,
    ) -> Result<(), Error> {
        let began = Instant::now();
        let mut others = 0;
        let mut coming = Partial::create(partial.clone()).await?;
        loop {
            match self.fetch_rest(content, &mut coming).await {
                Ok(()) => match coming.keep(content, place).await {
                    Ok(()) => return Ok(()),
                    Err(Unfinished::Io(error)) => return Err(error.into()),
                    Err(Unfinished::Other) if others < MAX_OTHER => {
                        others += 1;
                        coming = Partial::create(partial.clone()).await?;
                    }
                    Err(Unfinished::Other) => {
                        return Err(Error::Refused("what comes is another content".into()));
                    }
                },
                Err(Broken::Disk(error)) => return Err(error.into()),
                Err(Broken::Wire(status)) => match grpc_status::meaning(&status).code {
                    ErrorCode::BlobNotFound if began.elapsed() > MISSING_PATIENCE => {
                        return Err(Error::Missing);
                    }
                    ErrorCode::BlobNotFound => {}
                    ErrorCode::BlobDamaged => {
                        drop(coming);
                        coming = Partial::create(partial.clone()).await?;
                    }
                    code if code.retryable() => {}
                    _ => return Err(Error::Refused(status.message().to_owned())),
                },
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn fetch_rest(&self, content: Content, coming: &mut Partial) -> Result<(), Broken> {
        let seat = self.seat().await;
        let mut client = BlobServiceClient::new(seat.endpoint.channel_by(&self.tls));
        let ask = GetBlobRequest { id: content.hash.0.to_vec(), offset: coming.bytes() };
        let request = request(&seat, ask)?;
        let mut chunks = client.get_blob(request).await.map_err(Broken::Wire)?.into_inner();
        while let Some(part) = chunks.message().await.map_err(Broken::Wire)? {
            coming.write(&part.chunk).await.map_err(Broken::Disk)?;
        }
        match coming.bytes() < content.bytes {
            true => Err(Broken::Wire(Status::new(Code::Unavailable, "the stream ended early"))),
            false => Ok(()),
        }
    }

    /// What a task, or each of an array, left behind, for this one that takes it.
    pub async fn sources(&self, task_id: &str, of: &str) -> Result<Vec<Left>, Error> {
        loop {
            match self.try_sources(task_id, of).await {
                Ok(sources) => return Ok(sources),
                Err(Broken::Disk(error)) => return Err(error.into()),
                Err(Broken::Wire(status)) => match grpc_status::meaning(&status).code {
                    ErrorCode::TaskNotFound => return Err(Error::Missing),
                    code if code.retryable() => {}
                    _ => return Err(Error::Refused(status.message().to_owned())),
                },
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Of each only what names its files: the results of a whole array may be too much.
    async fn try_sources(&self, task_id: &str, of: &str) -> Result<Vec<Left>, Broken> {
        let seat = self.seat().await;
        let client = WorkerServiceClient::new(seat.endpoint.channel_by(&self.tls));
        let mut client = client.max_decoding_message_size(MAX_MESSAGE_BYTES);
        let ask = GetSourcesRequest { task_id: task_id.to_owned(), of: of.to_owned() };
        let told = client.get_sources(request(&seat, ask)?).await.map_err(Broken::Wire)?;
        told.into_inner().map_ok(Left::from).try_collect().await.map_err(Broken::Wire)
    }

    /// Returns when the orchestrators have it.
    pub async fn put(&self, source: Source, content: Content) -> Result<(), Error> {
        let began = Instant::now();
        loop {
            let seat = self.seat().await;
            let mut client = BlobServiceClient::new(seat.endpoint.channel_by(&self.tls));
            let chunks = requests(source.clone(), content, Arc::new(AtomicU64::new(0)));
            let put = match request(&seat, chunks) {
                Ok(request) => client.put_blob(request).await.map(drop).map_err(Broken::Wire),
                Err(broken) => Err(broken),
            };
            match put {
                Ok(()) => return Ok(()),
                Err(Broken::Disk(error)) => return Err(error.into()),
                Err(Broken::Wire(status)) if may_change(&status, began) => {
                    tracing::debug!(%status, "a file could not be stored yet");
                }
                Err(Broken::Wire(status)) => {
                    return Err(Error::Refused(status.message().to_owned()));
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// The principal, once there was one.
    async fn seat(&self) -> Seat {
        let mut seat = self.seat.clone();
        match seat.wait_for(Option::is_some).await.map(|seat| seat.clone()) {
            Ok(Some(seat)) => seat,
            // The worker ends, and the attempt with it.
            Ok(None) | Err(_) => std::future::pending().await,
        }
    }
}

/// Room comes, if it does, when tasks are forgotten, and a store that refuses when somebody looks at it; anything else is a
/// matter of failovers.
fn may_change(status: &Status, began: Instant) -> bool {
    match grpc_status::meaning(status).code {
        ErrorCode::BlobStoreFull | ErrorCode::BlobStoreRefused => began.elapsed() < ROOM_PATIENCE,
        code => code.retryable(),
    }
}

/// What ended a try.
enum Broken {
    Wire(Status),
    Disk(std::io::Error),
}

fn request<T>(seat: &Seat, message: T) -> Result<Request<T>, Broken> {
    let mut request = Request::new(message);
    let cluster = seat.cluster.parse();
    let cluster =
        cluster.map_err(|_| Broken::Disk(std::io::Error::other("a cluster without a name")))?;
    request.metadata_mut().insert(CLUSTER_KEY, cluster);
    Ok(request)
}
