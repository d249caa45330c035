//! Following tasks through failovers.

use std::collections::HashSet;

use common::error_code::ErrorCode;
use common::proto::{TaskState, TaskUpdate, WatchTasksRequest};
use futures::stream::{self, Stream, StreamExt as _};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_stream::wrappers::ReceiverStream;

use crate::client::tasks;
use crate::retry::Backoff;
use crate::{Client, Error};

/// Ids in one watch.
const CHUNK: usize = 5_000;
/// Updates waiting for the caller.
const QUEUE: usize = 1_024;

impl Client {
    /// Every change of these tasks, their present state first, until all are finished. After a failover the
    /// present state comes again.
    pub fn watch(
        &self,
        task_ids: Vec<String>,
        include_results: bool,
    ) -> impl Stream<Item = Result<TaskUpdate, Error>> + use<> {
        let (sender, receiver) = mpsc::channel(QUEUE);
        for chunk in task_ids.chunks(CHUNK) {
            let follower = Follower {
                client: self.clone(),
                open: chunk.iter().cloned().collect(),
                include_results,
                sender: sender.clone(),
            };
            tokio::spawn(follower.run());
        }
        ReceiverStream::new(receiver)
    }

    /// Each of these tasks once, when it is finished, or when there is no such task. Waits as long as it
    /// takes, through failovers; an error comes when no principal was found for the whole timeout.
    pub fn wait_many(
        &self,
        task_ids: Vec<String>,
        include_results: bool,
    ) -> impl Stream<Item = Result<TaskUpdate, Error>> + use<> {
        self.watch(task_ids, include_results).filter_map(|update| {
            let keep = match &update {
                Ok(update) => is_last(update),
                Err(_) => true,
            };
            std::future::ready(keep.then_some(update))
        })
    }

    /// All changes of the caller's tasks from now on, until the connection breaks.
    ///
    /// # Errors
    /// A refusal, or nobody answered in time.
    pub async fn watch_all(
        &self,
        include_results: bool,
    ) -> Result<impl Stream<Item = Result<TaskUpdate, Error>> + use<>, Error> {
        let request = WatchTasksRequest { task_ids: Vec::new(), include_results };
        let batches = self
            .targets
            .call(self.targets.timeout(), |_| None, |channel| {
                let request = self.targets.request(request.clone());
                async move { Ok(tasks(channel).watch_tasks(request).await?.into_inner()) }
            })
            .await?;
        Ok(batches.flat_map(|batch| {
            stream::iter(match batch {
                Ok(batch) => batch.updates.into_iter().map(Ok).collect(),
                Err(status) => vec![Err(Error::from(status))],
            })
        }))
    }
}

/// Nothing follows for this task.
fn is_last(update: &TaskUpdate) -> bool {
    let finished = |state| {
        matches!(state, TaskState::Succeeded | TaskState::Failed | TaskState::Cancelled)
    };
    update.not_found || update.task.as_ref().is_some_and(|task| finished(task.state()))
}

/// Keeps one watch alive until all of its tasks are finished.
struct Follower {
    client: Client,
    open: HashSet<String>,
    include_results: bool,
    sender: mpsc::Sender<Result<TaskUpdate, Error>>,
}

impl Follower {
    async fn run(mut self) {
        let mut backoff = Backoff::default();
        let mut deadline = Instant::now() + self.client.targets.timeout();
        while !self.open.is_empty() {
            let refusal = match self.follow(&mut backoff, &mut deadline).await {
                Ok(()) => Error::new(ErrorCode::Unavailable, "the watch ended early"),
                Err(Stopped::Left) => return,
                Err(Stopped::Refused(refusal)) => refusal,
            };
            if self.open.is_empty() {
                return;
            }
            let retryable = refusal.code.retryable();
            if !retryable || Instant::now() >= deadline {
                // Whoever asked may have left; then nobody needs it.
                drop(self.sender.send(Err(refusal)).await);
                return;
            }
            tokio::time::sleep(backoff.next()).await;
        }
    }

    /// One stream, from its beginning to its end.
    async fn follow(&mut self, backoff: &mut Backoff, deadline: &mut Instant) -> Result<(), Stopped> {
        let targets = self.client.targets.clone();
        let (at, target) = targets.present().map_err(Stopped::Refused)?;
        let request = targets.request(WatchTasksRequest {
            task_ids: self.open.iter().cloned().collect(),
            include_results: self.include_results,
        });
        let refused = |status: tonic::Status| {
            let error = Error::from(status);
            targets.move_on(at, error.principal.as_deref());
            Stopped::Refused(error)
        };
        let mut client = tasks(target.channel.clone());
        let mut batches = client.watch_tasks(request).await.map_err(refused)?.into_inner();
        while let Some(batch) = batches.message().await.map_err(refused)? {
            *backoff = Backoff::default();
            *deadline = Instant::now() + targets.timeout();
            for update in batch.updates {
                self.pass_on(update).await?;
            }
        }
        Ok(())
    }

    async fn pass_on(&mut self, update: TaskUpdate) -> Result<(), Stopped> {
        let Some(task) = &update.task else { return Ok(()) };
        let is_open = if is_last(&update) {
            self.open.remove(&task.task_id)
        } else {
            self.open.contains(&task.task_id)
        };
        if is_open {
            self.sender.send(Ok(update)).await.map_err(|_| Stopped::Left)?;
        }
        Ok(())
    }
}

enum Stopped {
    /// The caller dropped the stream.
    Left,
    Refused(Error),
}
