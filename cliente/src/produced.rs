//! What tasks produced, and what they are given, where it is too long for a message.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use bytes::Bytes;
use common::blobs::{Content, Source};
use common::error_code::ErrorCode;
use common::proto::{self, Receipt, Task};
use uuid::Uuid;

use crate::client::{BULK_TIMEOUT, epoch, incomplete, tasks};
use crate::spec::Large;
use crate::{Client, Error, Unreceived, canonical_task_id};

/// How often what the orchestrators have lost is put once more.
const RESENDS: usize = 3;

/// The result of a task, or the output of a failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Produced {
    /// All of it.
    Bytes(Vec<u8>),
    /// At the orchestrators, as long as the task is known: [`Client::read_blob`], [`Client::get_blob`].
    Blob(Content),
}

impl Produced {
    /// The two fields of an answer.
    ///
    /// # Errors
    /// The blob has no name.
    pub fn read(bytes: Bytes, blob: Option<&proto::BlobRef>) -> Result<Self, Error> {
        match blob {
            None => Ok(Self::Bytes(bytes.into())),
            Some(blob) => Content::of_ref(blob).map(Self::Blob).ok_or_else(incomplete),
        }
    }
}

impl From<Vec<u8>> for Produced {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(bytes)
    }
}

impl Client {
    /// The present state of a task, with what it produced as the orchestrators keep it.
    ///
    /// # Errors
    /// As [`Client::task`].
    pub async fn produced(&self, task_id: &str) -> Result<(Task, Produced, Receipt), Error> {
        let (task, produced, _, receipt) = self.described(task_id).await?;
        Ok((task, produced, receipt))
    }

    /// The same with what was asked for, which is known until the task succeeds or is cancelled.
    ///
    /// # Errors
    /// As [`Client::task`].
    pub async fn described(
        &self,
        task_id: &str,
    ) -> Result<(Task, Produced, Option<Box<proto::TaskSpec>>, Receipt), Error> {
        let request = proto::GetTaskResultRequest { task_id: canonical_task_id(task_id) };
        let answer = self
            .anywhere(
                BULK_TIMEOUT,
                |answer: &proto::GetTaskResultResponse| epoch(answer.receipt.as_ref()),
                |channel| {
                    let request = self.targets.request(request.clone());
                    async move { Ok(tasks(channel).get_task_result(request).await?.into_inner()) }
                },
            )
            .await?;
        let produced = Produced::read(answer.result, answer.result_blob.as_deref())?;
        let (task, receipt) = answer.task.zip(answer.receipt).ok_or_else(incomplete)?;
        Ok((task, produced, answer.spec.map(Box::new), receipt))
    }

    /// The present state of a task, with its result if it has one, however long that is.
    ///
    /// # Errors
    /// As [`Client::task`], and `BLOB_NOT_FOUND` if a long result went with the orchestrator that had it.
    pub async fn result(&self, task_id: &str) -> Result<(Task, Vec<u8>, Receipt), Error> {
        let (task, produced, receipt) = self.produced(task_id).await?;
        Ok((task, self.all_of(produced).await?, receipt))
    }

    /// Its bytes, in memory.
    ///
    /// # Errors
    /// `BLOB_NOT_FOUND`, another refusal, nothing went on for the time of a call, or the disk of this machine failed.
    pub async fn all_of(&self, produced: Produced) -> Result<Vec<u8>, Error> {
        let content = match produced {
            Produced::Bytes(bytes) => return Ok(bytes),
            Produced::Blob(content) => content,
        };
        let read = async {
            let file = tokio::fs::File::from_std(self.read_blob(content).await?);
            let mut bytes = Vec::with_capacity(usize::try_from(content.bytes).unwrap_or_default());
            let mut file = tokio::io::BufReader::new(file);
            tokio::io::AsyncReadExt::read_to_end(&mut file, &mut bytes).await?;
            Ok(bytes)
        };
        read.await.map_err(|error| match error {
            Unreceived::Refused(refusal) => refusal,
            Unreceived::Io(error) => {
                Error::new(ErrorCode::Internal, format!("failed to receive a result: {error}"))
            }
        })
    }

    /// A blob as a file without a name in the system's temporary directory, to be read from its beginning. It is that content.
    ///
    /// # Errors
    /// As [`Client::get_blob`].
    pub async fn read_blob(&self, content: Content) -> Result<std::fs::File, Unreceived> {
        let place = std::env::temp_dir().join(format!("mutirao-{}", Uuid::new_v4()));
        self.get_blob(content, &place.with_extension("part"), &place).await?;
        let file = std::fs::File::open(&place);
        std::fs::remove_file(&place)?;
        Ok(file?)
    }

    /// The call, with the payloads that it refers to put before it once they turn out to be missing.
    pub(crate) async fn putting<T, F>(
        &self,
        large: &[Large],
        call: impl Fn() -> F,
    ) -> Result<T, Error>
    where
        F: Future<Output = Result<T, Error>>,
    {
        for _ in 0..RESENDS {
            match call().await {
                Err(error) if error.code == ErrorCode::BlobNotFound && !large.is_empty() => {
                    for (content, bytes) in large {
                        let sent = Arc::new(AtomicU64::new(0));
                        self.put_source(Source::Bytes(bytes.clone()), *content, sent).await?;
                    }
                }
                done => return done,
            }
        }
        call().await
    }

    /// [`Client::put_source`] of a file.
    ///
    /// # Errors
    /// A refusal, or nothing went on for the time of a call.
    pub async fn put_blob(
        &self,
        path: PathBuf,
        content: Content,
        sent: Arc<AtomicU64>,
    ) -> Result<(), Error> {
        self.put_source(path.into(), content, sent).await
    }
}
