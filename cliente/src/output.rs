//! Following what a task says, through failovers.

use std::sync::Arc;
use std::time::Duration;

use common::error_code::ErrorCode;
use common::proto::{FollowOutputRequest, FollowOutputResponse, OutputStream};
use futures::Stream;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use crate::client::tasks;
use crate::retry::{Target, silent};
use crate::watch::{Search, given_up_if_retryable};
use crate::{Client, Error, canonical_task_id, is_final};

/// How long an orchestrator may take to say the first word before the other is asked.
const ESTABLISH_TIMEOUT: Duration = Duration::from_secs(5);
/// How long it may be silent, as it is where nothing is said, before the others are asked whether they are principal.
const SILENCE: Duration = Duration::from_secs(2);
/// Messages waiting for the caller.
const QUEUE: usize = 16;

impl Client {
    /// What is kept of what the task's present attempt said, then each further part as it comes, and each change of the task;
    /// the last message has the finished task and its result. No part comes twice, through failovers too; where one is
    /// missing, the offset of the next says so. What a later attempt says begins at 0 again.
    ///
    /// Goes on as long as it takes; an error comes, as the last item, when there is no such task, or no principal was
    /// found for the whole timeout. To be called within a Tokio runtime.
    pub fn follow_output(
        &self,
        task_id: &str,
    ) -> impl Stream<Item = Result<FollowOutputResponse, Error>> + use<> {
        let (sender, receiver) = mpsc::channel(QUEUE);
        let so_far =
            FollowOutputRequest { task_id: canonical_task_id(task_id), ..Default::default() };
        let (client, is_over, is_elsewhere) = (self.clone(), false, false);
        tokio::spawn(Listener { client, so_far, is_over, is_elsewhere, sender }.run());
        ReceiverStream::new(receiver)
    }
}

struct Listener {
    client: Client,
    /// What the caller has heard.
    so_far: FollowOutputRequest,
    is_over: bool,
    /// Another shard has the task than the caller was given.
    is_elsewhere: bool,
    sender: mpsc::Sender<Result<FollowOutputResponse, Error>>,
}

impl Listener {
    async fn run(mut self) {
        let mut search = Search::begin(self.client.targets.timeout());
        while !self.is_over {
            let Err(mut refusal) = self.listen(&mut search).await else { return };
            if refusal.code == ErrorCode::TaskNotFound && !self.is_elsewhere {
                match self.client.holder_of(&self.so_far.task_id).await {
                    Ok(Some(other)) => {
                        (self.client, self.is_elsewhere) = (other, true);
                        continue;
                    }
                    Ok(None) => {}
                    Err(error) => refusal = error,
                }
            }
            if !refusal.code.retryable() || search.is_over() {
                // Whoever asked may have left; then nobody needs it.
                drop(self.sender.send(Err(given_up_if_retryable(refusal))).await);
                return;
            }
            tracing::debug!(error = %refusal, "following the output again");
            tokio::select! {
                () = tokio::time::sleep(search.backoff.next()) => {}
                () = self.sender.closed() => return,
            }
        }
    }

    /// One stream; `Ok` when the task is finished, or the caller left.
    async fn listen(&mut self, search: &mut Search) -> Result<(), Error> {
        let target = self.client.targets.present()?;
        let done = self.listen_to(&target, search).await;
        if let Err(refusal) = &done {
            self.client.targets.refused_by(&target, refusal);
        }
        done
    }

    async fn listen_to(&mut self, target: &Arc<Target>, search: &mut Search) -> Result<(), Error> {
        let targets = self.client.targets.clone();
        let mut client = tasks(target.channel.clone());
        let request = targets.request(self.so_far.clone());
        let established = async {
            let mut parts = client.follow_output(request).await?.into_inner();
            let first = parts.message().await?;
            Ok::<_, tonic::Status>((parts, first))
        };
        let established = tokio::time::timeout(ESTABLISH_TIMEOUT, established).await;
        let (mut parts, mut next) = established.map_err(|_| silent(&target.endpoint))??;
        while let Some(part) = next {
            self.note(&part);
            if self.sender.send(Ok(part)).await.is_err() || self.is_over {
                return Ok(());
            }
            next = tokio::select! {
                received = parts.message() => received?,
                () = self.sender.closed() => return Ok(()),
                () = targets.elected_elsewhere(target, SILENCE, SILENCE) => {
                    return Err(Error::new(ErrorCode::StaleEpoch, "another one is principal"));
                }
            };
            // However long it was silent, the search for a principal begins now.
            *search = Search::begin(targets.timeout());
        }
        Err(Error::new(ErrorCode::Unavailable, "the output ended early"))
    }

    fn note(&mut self, part: &FollowOutputResponse) {
        for piece in &part.pieces {
            if piece.attempt != self.so_far.attempt {
                (self.so_far.stdout_from, self.so_far.stderr_from) = (0, 0);
                self.so_far.attempt = piece.attempt;
            }
            let end = piece.offset + piece.data.len() as u64;
            match piece.stream() {
                OutputStream::Stdout => self.so_far.stdout_from = end,
                OutputStream::Stderr => self.so_far.stderr_from = end,
                OutputStream::Unspecified => {}
            }
        }
        self.is_over = part.task.as_ref().is_some_and(|task| is_final(task.state()));
    }
}
