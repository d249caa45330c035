//! Content too large for a message, to and from the orchestrators, through failovers.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use common::blobs::{Content, Hash, MAX_BLOBS, Partial, Source, Unfinished, requests};
use common::error_code::ErrorCode;
use common::proto::blob_service_client::BlobServiceClient;
use common::proto::{GetBlobRequest, HasBlobsRequest};
use tokio::time::Instant;
use tonic::Status;
use tonic::transport::Channel;

use crate::retry::{Backoff, given_up};
use crate::{Client, Error};

/// How long one orchestrator may take to say what it has.
const TRY_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a transfer may go on before others are asked whether they are principal, and how often then.
const LOOK: (Duration, Duration) = (Duration::from_millis(500), Duration::from_millis(500));
/// How often what came may be another content before it is given up.
const MAX_OTHER: u32 = 3;

/// Why a blob could not be received.
#[derive(Debug, thiserror::Error)]
pub enum Unreceived {
    /// The orchestrators.
    #[error(transparent)]
    Refused(#[from] Error),
    /// The disk of this machine.
    #[error("failed to write")]
    Io(#[from] std::io::Error),
}

impl Client {
    /// Which of these the orchestrators have. They stay for some time from now on.
    ///
    /// # Errors
    /// A refusal, or nobody answered in time.
    pub async fn has_blobs(&self, hashes: &[Hash]) -> Result<Vec<Hash>, Error> {
        let mut all = Vec::new();
        for hashes in hashes.chunks(MAX_BLOBS) {
            let ids: Vec<_> = hashes.iter().map(|hash| hash.0.to_vec()).collect();
            let ask = |channel| {
                let request = self.targets.request(HasBlobsRequest { ids: ids.clone() });
                let mut client = BlobServiceClient::new(channel);
                async move { Ok(client.has_blobs(request).await?.into_inner()) }
            };
            let answer = self.targets.call(TRY_TIMEOUT, |_| None, ask).await?;
            all.extend(answer.ids.iter().filter_map(|id| Hash::from_bytes(id)));
        }
        Ok(all)
    }

    /// Returns when the orchestrators have the content. `sent` counts along.
    ///
    /// # Errors
    /// A refusal, or nothing went on for the time of a call.
    pub async fn put_source(
        &self,
        source: Source,
        content: Content,
        sent: Arc<AtomicU64>,
    ) -> Result<(), Error> {
        let before = sent.load(Ordering::Relaxed);
        let put = |channel: Channel| {
            sent.store(before, Ordering::Relaxed);
            let chunks = requests(source.clone(), content, Arc::clone(&sent));
            let request = self.targets.request(chunks);
            let mut client = BlobServiceClient::new(channel);
            async move { client.put_blob(request).await.map(drop) }
        };
        self.until_done(&sent, put).await?;
        sent.store(before + content.bytes, Ordering::Relaxed);
        Ok(())
    }

    /// The content as a new file, by way of `partial`, which is beside it.
    ///
    /// # Errors
    /// `BLOB_NOT_FOUND`, another refusal, nothing went on for the time of a call, or the disk failed.
    pub async fn get_blob(
        &self,
        content: Content,
        partial: &Path,
        place: &Path,
    ) -> Result<(), Unreceived> {
        let holder = self.holder_of_blob(content).await?;
        holder.get_blob_here(content, partial, place).await
    }

    async fn get_blob_here(
        &self,
        content: Content,
        partial: &Path,
        place: &Path,
    ) -> Result<(), Unreceived> {
        for _ in 0..MAX_OTHER {
            let coming = Partial::create(partial.to_owned()).await?;
            let coming = tokio::sync::Mutex::new((coming, None));
            let received = AtomicU64::new(0);
            let get = |channel: Channel| {
                let (coming, received) = (&coming, &received);
                async move {
                    let (coming, broken) = &mut *coming.lock().await;
                    let id = content.hash.0.to_vec();
                    let ask = GetBlobRequest { id, offset: coming.bytes() };
                    let request = self.targets.request(ask);
                    let mut chunks =
                        BlobServiceClient::new(channel).get_blob(request).await?.into_inner();
                    while let Some(part) = chunks.message().await? {
                        if let Err(error) = coming.write(&part.chunk).await {
                            *broken = Some(error);
                            return Ok(());
                        }
                        received.fetch_add(part.chunk.len() as u64, Ordering::Relaxed);
                    }
                    match coming.bytes() < content.bytes {
                        true => Err(Status::unavailable("the stream ended early")),
                        false => Ok(()),
                    }
                }
            };
            let got = self.until_done(&received, get).await;
            let (coming, broken) = coming.into_inner();
            if let Some(error) = broken {
                return Err(error.into());
            }
            match got {
                // What came before the damage was found is of no use.
                Err(error) if error.code == ErrorCode::BlobDamaged => continue,
                got => got?,
            }
            match coming.keep(content, place).await {
                Ok(()) => return Ok(()),
                Err(Unfinished::Io(error)) => return Err(error.into()),
                Err(Unfinished::Other) => {}
            }
        }
        let why = format!("blob {} comes as another content", content.hash);
        Err(Error::new(ErrorCode::BlobDamaged, why).into())
    }

    /// Tries as long as something goes on, at whoever is principal.
    async fn until_done<T, F>(
        &self,
        moved: &AtomicU64,
        call: impl Fn(Channel) -> F,
    ) -> Result<T, Error>
    where
        F: Future<Output = Result<T, Status>>,
    {
        let mut backoff = Backoff::default();
        let mut since = (Instant::now(), moved.load(Ordering::Relaxed));
        loop {
            let target = self.targets.present()?;
            let answered = tokio::select! {
                answered = call(target.channel.clone()) => answered,
                () = self.targets.elected_elsewhere(&target, LOOK.0, LOOK.1) => continue,
            };
            let refusal = match answered {
                Ok(answer) => return Ok(answer),
                Err(status) => Error::from(status),
            };
            if !refusal.code.retryable() || refusal.code == ErrorCode::BlobDamaged {
                return Err(refusal);
            }
            self.targets.refused_by(&target, &refusal);
            let now = moved.load(Ordering::Relaxed);
            if now != since.1 {
                since = (Instant::now(), now);
                backoff = Backoff::default();
            }
            if since.0.elapsed() > self.targets.timeout() {
                return Err(given_up(refusal));
            }
            tracing::debug!(error = %refusal, endpoint = %target.endpoint, "trying again");
            tokio::time::sleep(backoff.next()).await;
        }
    }
}
