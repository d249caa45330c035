//! One task from its submission to its end, in one call.

use std::sync::Arc;

use common::error_code::ErrorCode;
use common::grpc_status;
use common::proto::{self, RunTaskRequest, RunTaskResponse};
use orquestrador_core::ids::{RequestId, TaskId, UserName};
use orquestrador_core::{Answer, Command};
use tokio::sync::mpsc;
use tonic::{Request, Response, Status};

use super::tasks::Service;
use super::{rejected, unexpected, validate};
use crate::driver::input::{Input, Watched, Watcher};
use crate::traces;
use crate::users::Access;

impl Service {
    /// Waits as long as it takes.
    pub(super) async fn run(
        &self,
        request: Request<RunTaskRequest>,
    ) -> Result<Response<RunTaskResponse>, Status> {
        let trace = traces::of_call(request.metadata());
        let (caller, body) = self.caller(request, Access::Change).await?;
        let mut task = validate::new_task(body.task)?;
        traces::put_in(trace, std::iter::once(&mut task.trace));
        let (owner, mut id) = (caller.user, task.id);
        self.driver.admit()?;
        let is_unique = task.key.is_some();
        let (tasks, allow_unknown_handler) = (vec![task], body.allow_unknown_handler);
        self.check(&owner, &tasks).await?;
        self.hold_blobs(&tasks).await?;
        let submit = |request| Command::Submit {
            request,
            owner: owner.clone(),
            tasks,
            allow_unknown_handler,
        };
        if is_unique {
            // Another one may be the answer.
            id = self.submitted(submit).await?;
        } else if let Some(end) = self.end_of(&owner, id, submit).await? {
            return Ok(Response::new(end));
        }
        // It existed.
        let tasks = vec![id];
        let query = |request| {
            let (owner, with_results, only_ends) = (owner.clone(), true, true);
            Command::Watch { request, owner, tasks, with_results, only_ends }
        };
        let end = self.end_of(&owner, id, query).await?;
        let ended = || grpc_status::status(ErrorCode::Unavailable, "the wait ended early");
        end.map(Response::new).ok_or_else(ended)
    }

    /// Which task the submission led to.
    async fn submitted(
        &self,
        command: impl FnOnce(RequestId) -> Command,
    ) -> Result<TaskId, Status> {
        let done = self.driver.submit(command).await?;
        match done.answer.map_err(|r| rejected(&r))? {
            Answer::Submitted { first, .. } => Ok(first.id),
            other => Err(unexpected(&other)),
        }
    }

    /// How the task ends that the command is about; `None` if nothing is told of it.
    async fn end_of(
        &self,
        owner: &UserName,
        task: TaskId,
        command: impl FnOnce(RequestId) -> Command,
    ) -> Result<Option<RunTaskResponse>, Status> {
        let (outbox, mut updates) = mpsc::channel(1);
        let watcher = Watcher {
            owner: owner.clone(),
            watched: Watched::Tasks(vec![task]),
            include_results: true,
            only_ends: true,
            is_quiet: true,
            outbox,
            lagged: Arc::default(),
        };
        let request = self.driver.request_id();
        self.driver.send(Input::Watch { request, command: command(request), watcher }).await?;
        let Some(batch) = updates.recv().await.transpose()? else { return Ok(None) };
        // Nothing but its end is told.
        match batch.updates.into_iter().next() {
            Some(update) if update.not_found => {
                let why = format!(
                    "{} ended, and was forgotten before it could be asked for",
                    task.shown()
                );
                Err(grpc_status::status(ErrorCode::TaskNotFound, why))
            }
            Some(proto::TaskUpdate { task, result, result_blob, .. }) => {
                Ok(Some(RunTaskResponse { task, result, result_blob }))
            }
            None => Ok(None),
        }
    }
}
