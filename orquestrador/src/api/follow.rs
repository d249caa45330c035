//! Following what a task says while it runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use common::error_code::ErrorCode;
use common::grpc_status;
use common::proto::{
    BlobRef, FollowOutputResponse, Task, TaskState, TaskUpdate, WatchTasksResponse,
};
use orquestrador_core::Command;
use orquestrador_core::ids::{Blob, TaskId, UserName};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_stream::{Stream, StreamExt as _};
use tonic::Status;

use crate::driver::DriverHandle;
use crate::driver::input::{Input, Watched, Watcher};
use crate::output::{Follower, Heard, Outputs};

/// Messages that wait for a reader: the next one is made when this one was taken, of all that was said meanwhile.
const QUEUE: usize = 1;
/// Whoever takes none for so long is cut off, and may come back.
const UNREAD: Duration = Duration::from_secs(60);
/// Changes of one task that may wait.
const CHANGES: usize = 64;

/// One who follows a task.
struct Following {
    follower: Follower,
    changes: mpsc::Receiver<Result<WatchTasksResponse, Status>>,
    heard: Heard,
    /// As it was told last.
    task: Task,
    reader: mpsc::Sender<Result<FollowOutputResponse, Status>>,
    /// Set when the reader takes nothing.
    lagged: Arc<AtomicBool>,
}

/// What is told, and whether it ended because nobody took it.
pub struct Told {
    pub stream: mpsc::Receiver<Result<FollowOutputResponse, Status>>,
    pub lagged: Arc<AtomicBool>,
}

/// What the task says from now on, until it is finished.
///
/// # Errors
/// There is no such task, or this node is not the principal.
pub async fn follow(
    (driver, outputs): (&DriverHandle, &Outputs),
    owner: UserName,
    (task, heard): (TaskId, Heard),
) -> Result<Told, Status> {
    // Before the question, so that nothing is missed in between.
    let follower = outputs.follow(task);
    let (outbox, mut changes) = mpsc::channel(CHANGES);
    let watcher = Watcher {
        owner: owner.clone(),
        watched: Watched::Tasks(vec![task]),
        include_results: true,
        only_ends: false,
        is_quiet: false,
        outbox,
        lagged: Arc::new(AtomicBool::new(false)),
    };
    let request = driver.request_id();
    let tasks = vec![task];
    let (with_results, only_ends) = (true, false);
    let command = Command::Watch { request, owner, tasks, with_results, only_ends };
    driver.send(Input::Watch { request, command, watcher }).await?;
    let first =
        changes.recv().await.transpose()?.and_then(|first| first.updates.into_iter().next());
    let Some(TaskUpdate { task: Some(first), result, not_found: false, result_blob }) = first
    else {
        let why = format!("there is no task {}", task.shown());
        return Err(grpc_status::status(ErrorCode::TaskNotFound, why));
    };
    let (reader, stream) = mpsc::channel(QUEUE);
    let lagged = Arc::new(AtomicBool::new(false));
    let told = Told { stream, lagged: lagged.clone() };
    let mut following = Following { follower, changes, heard, task: first, reader, lagged };
    tokio::spawn(async move {
        // A reader that has left needs no more.
        if following.tell(Some((result, result_blob))).await {
            following.run().await;
        }
    });
    Ok(told)
}

/// The queue of a slow reader has no room for the reason why it ends.
pub fn ending_with_the_reason<T>(
    told: mpsc::Receiver<Result<T, Status>>,
    lagged: Arc<AtomicBool>,
) -> impl Stream<Item = Result<T, Status>> {
    let reason = futures::stream::once(async move { lagged.load(Ordering::Acquire) })
        .filter_map(|lagged| lagged.then(|| Err(crate::driver::lagged())));
    ReceiverStream::new(told).chain(reason)
}

impl Following {
    async fn run(mut self) {
        while !is_final(&self.task) {
            let goes_on = tokio::select! {
                change = self.changes.recv() => match change {
                    Some(Ok(batch)) => self.changed(batch).await,
                    Some(Err(status)) => self.end(status).await,
                    None => {
                        let why = "the changes of the task could not be followed";
                        self.end(grpc_status::status(ErrorCode::Unavailable, why)).await
                    }
                },
                () = self.follower.changed() => self.tell(None).await,
                () = self.reader.closed() => false,
            };
            if !goes_on {
                return;
            }
        }
    }

    /// `false` from here on: nobody is to be told more.
    async fn changed(&mut self, batch: WatchTasksResponse) -> bool {
        for update in batch.updates {
            let Some(task) = update.task else { continue };
            self.task = task;
            if !self.tell(Some((update.result, update.result_blob))).await {
                return false;
            }
        }
        true
    }

    /// What is new of the output, and of the task if it changed.
    async fn tell(&mut self, changed: Option<(Blob, Option<Box<BlobRef>>)>) -> bool {
        let reader = self.reader.clone();
        let room = match tokio::time::timeout(UNREAD, reader.reserve()).await {
            Ok(Ok(room)) => room,
            // It has left.
            Ok(Err(_)) => return false,
            Err(_) => {
                self.lagged.store(true, Ordering::Release);
                return false;
            }
        };
        let of = (self.task.worker_id.as_str(), self.task.attempt);
        let (pieces, progress) = self.follower.news(&mut self.heard, of);
        let progress = progress.filter(|_| self.task.state() == TaskState::Running).map(Box::new);
        let is_progress = self.task.progress != progress;
        self.task.progress = progress;
        if pieces.is_empty() && !is_progress && changed.is_none() {
            return true;
        }
        let task = (changed.is_some() || is_progress).then(|| self.task.clone());
        let (result, result_blob) = changed.unwrap_or_default();
        let response = FollowOutputResponse { task, pieces, result: result.to_vec(), result_blob };
        room.send(Ok(response));
        true
    }

    async fn end(&self, status: Status) -> bool {
        // Whoever left, or takes nothing, need not know.
        drop(self.reader.send_timeout(Err(status), UNREAD).await);
        false
    }
}

fn is_final(task: &Task) -> bool {
    match task.state() {
        TaskState::Unspecified | TaskState::Queued | TaskState::Running => false,
        TaskState::Succeeded | TaskState::Failed | TaskState::Cancelled | TaskState::Lost => true,
    }
}
