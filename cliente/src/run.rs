//! One task from its submission to its end.

use std::time::Duration;

use common::error_code::ErrorCode;
use common::proto::{self, Task};
use futures::StreamExt as _;

use crate::client::{incomplete, tasks};
use crate::{Client, Error, Produced, TaskSpec};

/// How long an answer may take, as it does where a task runs long, before the others are asked whether they are
/// principal; and how often they are asked then.
const SILENCE: Duration = Duration::from_secs(2);

impl Client {
    /// Submits a task and waits for its end, however long that takes, through failovers: the finished task, and what
    /// it produced. One request and one answer where nothing goes wrong, so sooner than [`Client::submit`] and
    /// [`Client::wait_many`].
    ///
    /// # Errors
    /// A refusal, or nobody answered in time: then it may or may not have been accepted. That the task failed is no
    /// error.
    pub async fn run(
        &self,
        task: TaskSpec,
        allow_unknown_handler: bool,
    ) -> Result<(Task, Vec<u8>), Error> {
        task.check()?;
        let queue = task.place.queue.clone();
        let run = |client: Self| {
            let task = task.clone();
            async move { client.run_here(task, allow_unknown_handler).await }
        };
        self.by_queue(&queue, run).await
    }

    async fn run_here(
        &self,
        task: TaskSpec,
        allow_unknown_handler: bool,
    ) -> Result<(Task, Vec<u8>), Error> {
        let (wire, large) = task.clone().into_wire();
        let large: Vec<_> = large.into_iter().collect();
        let once = || self.run_once(wire.clone(), allow_unknown_handler);
        match self.putting(&large, once).await {
            Err(error) if error.code.retryable() => {
                tracing::debug!(%error, "submitting and waiting step by step");
            }
            Ok((task, produced)) => return Ok((task, self.all_of(produced).await?)),
            Err(refusal) => return Err(refusal),
        }
        // Another one than this, if that has its key.
        let id = self.submit(task, allow_unknown_handler).await?.task.task_id;
        let mut end = std::pin::pin!(self.wait_many(vec![id], true));
        let update = end.next().await.ok_or_else(incomplete)??;
        if update.not_found {
            let why = "it ended, and was forgotten before it could be asked for";
            return Err(Error::new(ErrorCode::TaskNotFound, why));
        }
        let task = update.task.ok_or_else(incomplete)?;
        let produced = Produced::read(update.result, update.result_blob.as_deref())?;
        Ok((task, self.all_of(produced).await?))
    }

    async fn run_once(
        &self,
        task: proto::TaskSpec,
        allow_unknown_handler: bool,
    ) -> Result<(Task, Produced), Error> {
        let target = self.targets.present()?;
        let task = Some(task);
        let request = self.targets.request(proto::RunTaskRequest { task, allow_unknown_handler });
        let mut client = tasks(target.channel.clone());
        let answer = tokio::select! {
            answer = client.run_task(request) => answer.map_err(Error::from),
            () = self.targets.elected_elsewhere(&target, SILENCE, SILENCE) => {
                let why = "another one is principal";
                Err(Error::new(ErrorCode::StaleEpoch, why))
            }
        };
        match answer {
            Ok(answer) => {
                let proto::RunTaskResponse { task, result, result_blob } = answer.into_inner();
                let produced = Produced::read(result, result_blob.as_deref())?;
                Ok((task.ok_or_else(incomplete)?, produced))
            }
            Err(error) => {
                self.targets.refused_by(&target, &error);
                Err(error)
            }
        }
    }
}
