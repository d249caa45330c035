//! `TaskOrchestrator`: what clients do with tasks.

use std::collections::BTreeSet;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use common::auth::AS_KEY;
use common::error_code::ErrorCode;
use common::grpc_status;
use common::proto;
use common::proto::task_orchestrator_server::TaskOrchestrator;
use common::proto::{
    CancelArrayRequest, CancelArrayResponse, CancelGroupRequest, CancelGroupResponse,
    CancelTaskRequest, CancelTaskResponse, ExplainTaskRequest, ExplainTaskResponse,
    FollowOutputRequest, FollowOutputResponse, GetArrayRequest, GetArrayResponse, GetGroupRequest,
    GetGroupResponse, GetTaskRequest, GetTaskResponse, GetTaskResultRequest, GetTaskResultResponse,
    ListGroupsRequest, ListGroupsResponse, ListTasksRequest, ListTasksResponse, RetryArrayRequest,
    RetryArrayResponse, RetryTaskRequest, RetryTaskResponse, RunTaskRequest, RunTaskResponse,
    SubmitArrayRequest, SubmitArrayResponse, SubmitFlowRequest, SubmitFlowResponse,
    SubmitTaskRequest, SubmitTaskResponse, SubmitTasksRequest, SubmitTasksResponse,
    WatchTasksRequest, WatchTasksResponse,
};
use orquestrador_core::command::{Look, NewTask, NewWork};
use orquestrador_core::effect::{Asked, TaskSnapshot};
use orquestrador_core::ids::{Attempt, Blob, BlobRef, Index, TaskId, UserName};
use orquestrador_core::role::Standing;
use orquestrador_core::{Answer, Command};
use tokio::sync::mpsc;
use tokio_stream::Stream;
use tonic::{Request, Response, Status};

use super::portions::in_portions;
use super::{authenticate, convert, everybody, follow, rejected, unexpected, validate};
use crate::blobs::Blobs;
use crate::driver::DriverHandle;
use crate::driver::input::{Input, Watched, Watcher};
use crate::journal::Journal;
use crate::output::{Heard, Outputs};
use crate::shards::{Piece, Shards};
use crate::task_history::history;
use crate::traces;
use crate::users::{Access, Asking, Caller, Users};
use crate::webhooks::Webhooks;

/// Of a payload that is shown with its task.
const SHOWN_BYTES: usize = 64 << 10;
/// Batches of updates that may wait for a watcher; a slower reader is cut off.
const WATCH_QUEUE: usize = 256;

/// Answers clients.
pub struct Service {
    pub driver: DriverHandle,
    pub users: Users,
    pub journal: Journal,
    pub outputs: Outputs,
    pub blobs: Blobs,
    /// Of a task's payload.
    pub max_payload_bytes: u64,
    pub webhooks: Webhooks,
    pub shards: Shards,
}

type Output = Pin<Box<dyn Stream<Item = Result<FollowOutputResponse, Status>> + Send>>;
type Updates = Pin<Box<dyn Stream<Item = Result<WatchTasksResponse, Status>> + Send>>;

impl Service {
    /// What these ask for is allowed, and theirs to ask here.
    pub(super) async fn check(&self, owner: &UserName, tasks: &[NewTask]) -> Result<(), Status> {
        self.webhooks.check(tasks.iter().map(|task| &*task.terms))?;
        let pieces = tasks.iter().map(|task| (Piece::Task(task.id), &task.terms.queue));
        self.shards.admit(&self.driver, owner, pieces).await
    }

    pub(super) async fn caller<T>(
        &self,
        request: Request<T>,
        access: Access,
    ) -> Result<(Caller, T), Status> {
        let asking = Asking::of(&request, access);
        let caller = authenticate(&self.users, &self.driver, asking).await?;
        Ok((caller, request.into_inner()))
    }

    async fn query(
        &self,
        caller: Caller,
        task: TaskId,
        with_result: bool,
    ) -> Result<(TaskSnapshot, (Option<Blob>, Option<Asked>), common::proto::Receipt), Status> {
        let owner = caller.user;
        let done = self
            .driver
            .call(|request| Command::Query { request, owner, task, with_result })
            .await?;
        match done.answer.map_err(|r| rejected(&r))? {
            Answer::Task { snapshot, result, asked } => {
                Ok((snapshot, (result, asked), done.receipt))
            }
            other => Err(unexpected(&other)),
        }
    }

    fn with_progress(&self, snapshot: &TaskSnapshot) -> proto::Task {
        let mut task = convert::task(snapshot);
        if task.state() == proto::TaskState::Running {
            let progress = self.outputs.progress(snapshot.id, (&task.worker_id, task.attempt));
            task.progress = progress.map(Box::new);
        }
        task
    }

    /// What the tasks refer to is here, and on the standby, before they are.
    pub(super) async fn hold_blobs(&self, tasks: &[NewTask]) -> Result<(), Status> {
        let path = |nth| match tasks.len() {
            1 => "task".to_owned(),
            _ => format!("tasks[{nth}]"),
        };
        let payloads = tasks.iter().map(|task| &task.payload);
        validate::within_payload_limit(payloads, self.max_payload_bytes, path)?;
        self.hold(tasks.iter().flat_map(|task| &task.blobs).copied().collect()).await
    }

    async fn hold(&self, blobs: BTreeSet<BlobRef>) -> Result<(), Status> {
        if blobs.is_empty() {
            return Ok(());
        }
        let node = self.blobs.describe().await?;
        if node.standing != Standing::Principal {
            return Err(grpc_status::not_primary(node.principal.as_deref()));
        }
        self.blobs.hold(&blobs.into_iter().collect::<Vec<_>>()).await
    }
}

#[tonic::async_trait]
impl TaskOrchestrator for Service {
    async fn submit_task(
        &self,
        request: Request<SubmitTaskRequest>,
    ) -> Result<Response<SubmitTaskResponse>, Status> {
        let trace = traces::of_call(request.metadata());
        let (caller, body) = self.caller(request, Access::Change).await?;
        let mut tasks = vec![validate::new_task(body.task)?];
        traces::put_in(trace, tasks.iter_mut().map(|task| &mut task.trace));
        self.check(&caller.user, &tasks).await?;
        self.hold_blobs(&tasks).await?;
        let allow_unknown_handler = body.allow_unknown_handler;
        let submit =
            |request| Command::Submit { request, owner: caller.user, tasks, allow_unknown_handler };
        let done = self.driver.submit(submit).await?;
        match done.answer.map_err(|r| rejected(&r))? {
            Answer::Submitted { accepted, first } => Ok(Response::new(SubmitTaskResponse {
                task: Some(convert::task(&first)),
                existed: accepted == 0,
                receipt: Some(done.receipt),
            })),
            other => Err(unexpected(&other)),
        }
    }

    async fn submit_tasks(
        &self,
        request: Request<SubmitTasksRequest>,
    ) -> Result<Response<SubmitTasksResponse>, Status> {
        let trace = traces::of_call(request.metadata());
        let (caller, body) = self.caller(request, Access::Change).await?;
        let mut tasks = validate::new_tasks(body.tasks)?;
        traces::put_in(trace, tasks.iter_mut().map(|task| &mut task.trace));
        self.check(&caller.user, &tasks).await?;
        self.hold_blobs(&tasks).await?;
        let allow_unknown_handler = body.allow_unknown_handler;
        let submit =
            |request| Command::Submit { request, owner: caller.user, tasks, allow_unknown_handler };
        let done = self.driver.submit(submit).await?;
        match done.answer.map_err(|r| rejected(&r))? {
            Answer::Submitted { accepted, .. } => {
                Ok(Response::new(SubmitTasksResponse { accepted, receipt: Some(done.receipt) }))
            }
            other => Err(unexpected(&other)),
        }
    }

    async fn submit_array(
        &self,
        request: Request<SubmitArrayRequest>,
    ) -> Result<Response<SubmitArrayResponse>, Status> {
        let trace = traces::of_call(request.metadata());
        let (caller, body) = self.caller(request, Access::Change).await?;
        let mut array = validate::new_array(body.array)?;
        traces::put_in(trace, std::iter::once(&mut array.trace));
        self.webhooks.check(std::iter::once(&*array.terms))?;
        let piece = (Piece::Array(array.id), &array.terms.queue);
        self.shards.admit(&self.driver, &caller.user, std::iter::once(piece)).await?;
        self.hold(array.blobs.iter().copied().collect()).await?;
        let (owner, array) = (caller.user, Box::new(array));
        let allow_unknown_handler = body.allow_unknown_handler;
        let submit =
            |request| Command::SubmitArray { request, owner, array, allow_unknown_handler };
        let done = self.driver.submit(submit).await?;
        match done.answer.map_err(|r| rejected(&r))? {
            Answer::ArraySubmitted { existed, snapshot } => {
                Ok(Response::new(SubmitArrayResponse {
                    array: Some(convert::array(&snapshot)),
                    existed,
                    receipt: Some(done.receipt),
                }))
            }
            other => Err(unexpected(&other)),
        }
    }

    async fn submit_flow(
        &self,
        request: Request<SubmitFlowRequest>,
    ) -> Result<Response<SubmitFlowResponse>, Status> {
        let trace = traces::of_call(request.metadata());
        let (caller, body) = self.caller(request, Access::Change).await?;
        let mut work = validate::flow(body.parts)?;
        traces::put_in(trace, work.iter_mut().map(NewWork::trace_mut));
        self.webhooks.check(work.iter().map(|part| &**part.way().1))?;
        self.shards.admit(&self.driver, &caller.user, work.iter().map(Piece::of)).await?;
        let (payloads, path) = (work.iter().map(NewWork::payload), |nth| format!("parts[{nth}]"));
        validate::within_payload_limit(payloads, self.max_payload_bytes, path)?;
        self.hold(work.iter().flat_map(NewWork::blobs).copied().collect()).await?;
        let (owner, allow_unknown_handler) = (caller.user, body.allow_unknown_handler);
        let submit = |request| Command::SubmitFlow { request, owner, work, allow_unknown_handler };
        let done = self.driver.submit(submit).await?;
        match done.answer.map_err(|r| rejected(&r))? {
            Answer::FlowSubmitted { accepted, .. } => {
                Ok(Response::new(SubmitFlowResponse { accepted, receipt: Some(done.receipt) }))
            }
            other => Err(unexpected(&other)),
        }
    }

    async fn cancel_array(
        &self,
        request: Request<CancelArrayRequest>,
    ) -> Result<Response<CancelArrayResponse>, Status> {
        let (caller, body) = self.caller(request, Access::Change).await?;
        let array = validate::array_id("array_id", &body.array_id)?;
        let owner = caller.user;
        let done =
            self.driver.call(|request| Command::CancelArray { request, owner, array }).await?;
        match done.answer.map_err(|r| rejected(&r))? {
            Answer::Array { snapshot } => Ok(Response::new(CancelArrayResponse {
                array: Some(convert::array(&snapshot)),
                receipt: Some(done.receipt),
            })),
            other => Err(unexpected(&other)),
        }
    }

    async fn get_array(
        &self,
        request: Request<GetArrayRequest>,
    ) -> Result<Response<GetArrayResponse>, Status> {
        let (caller, body) = self.caller(request, Access::Look).await?;
        let array = validate::array_id("array_id", &body.array_id)?;
        let owner = caller.user;
        let done =
            self.driver.call(|request| Command::QueryArray { request, owner, array }).await?;
        match done.answer.map_err(|r| rejected(&r))? {
            Answer::Array { snapshot } => Ok(Response::new(GetArrayResponse {
                array: Some(convert::array(&snapshot)),
                receipt: Some(done.receipt),
            })),
            other => Err(unexpected(&other)),
        }
    }

    async fn run_task(
        &self,
        request: Request<RunTaskRequest>,
    ) -> Result<Response<RunTaskResponse>, Status> {
        self.run(request).await
    }

    async fn get_task(
        &self,
        request: Request<GetTaskRequest>,
    ) -> Result<Response<GetTaskResponse>, Status> {
        let (caller, body) = self.caller(request, Access::Look).await?;
        let task = validate::task_id("task_id", &body.task_id)?;
        let (snapshot, _, receipt) = self.query(caller, task, false).await?;
        let task = Some(self.with_progress(&snapshot));
        Ok(Response::new(GetTaskResponse { task, receipt: Some(receipt) }))
    }

    async fn get_task_result(
        &self,
        request: Request<GetTaskResultRequest>,
    ) -> Result<Response<GetTaskResultResponse>, Status> {
        let (caller, body) = self.caller(request, Access::Look).await?;
        let task = validate::task_id("task_id", &body.task_id)?;
        let (snapshot, (result, asked), receipt) = self.query(caller, task, true).await?;
        let spec = asked.map(|asked| {
            let payload = Some(&asked.payload).filter(|payload| payload.len() <= SHOWN_BYTES);
            convert::task_spec((&snapshot.handler, payload), &asked.terms)
        });
        let (result, result_blob) = result.map(convert::content).unwrap_or_default();
        Ok(Response::new(GetTaskResultResponse {
            task: Some(self.with_progress(&snapshot)),
            result,
            result_blob,
            receipt: Some(receipt),
            spec,
        }))
    }

    async fn explain_task(
        &self,
        request: Request<ExplainTaskRequest>,
    ) -> Result<Response<ExplainTaskResponse>, Status> {
        let (caller, body) = self.caller(request, Access::Look).await?;
        let task = validate::task_id("task_id", &body.task_id)?;
        // Whose task it is, and up to where the journal is committed.
        let (snapshot, _, receipt) = self.query(caller, task, false).await?;
        let (journal, up_to) = (self.journal.clone(), Index(receipt.journal_index));
        let task = (task, snapshot.attempt > Attempt(0));
        let read = tokio::task::spawn_blocking(move || history(&journal, task, up_to)).await;
        let history = read
            .map_err(|error| grpc_status::status(ErrorCode::Internal, error.to_string()))?
            .map_err(|error| {
                grpc_status::status(ErrorCode::Unavailable, common::console::chain(&error))
            })?;
        Ok(Response::new(ExplainTaskResponse {
            task: Some(convert::task(&snapshot)),
            steps: history.steps.iter().map(convert::task_step).collect(),
            cut: history.is_cut,
            receipt: Some(receipt),
        }))
    }

    async fn list_tasks(
        &self,
        request: Request<ListTasksRequest>,
    ) -> Result<Response<ListTasksResponse>, Status> {
        let is_for_another = request.metadata().contains_key(AS_KEY);
        let (caller, body) = self.caller(request, Access::Look).await?;
        let validate::Page { filter, after, limit } = validate::page(&body)?;
        let owner = match body.all_users {
            true => everybody(&caller, is_for_another)?,
            false => Some(caller.user),
        };
        let done = self
            .driver
            .call(|request| Command::List { request, owner, filter, after, limit })
            .await?;
        match done.answer.map_err(|r| rejected(&r))? {
            Answer::Tasks { tasks, next } => Ok(Response::new(ListTasksResponse {
                tasks: tasks.iter().map(|(snapshot, _)| convert::task(snapshot)).collect(),
                next_page_token: next.map(|id| id.to_string()).unwrap_or_default(),
                receipt: Some(done.receipt),
                all_users: body.all_users,
            })),
            other => Err(unexpected(&other)),
        }
    }

    async fn get_group(
        &self,
        request: Request<GetGroupRequest>,
    ) -> Result<Response<GetGroupResponse>, Status> {
        let (caller, body) = self.caller(request, Access::Look).await?;
        let (owner, group) = (caller.user, validate::group_name(&body.group)?);
        let done =
            self.driver.call(|request| Command::QueryGroup { request, owner, group }).await?;
        match done.answer.map_err(|r| rejected(&r))? {
            Answer::Group { snapshot } => Ok(Response::new(GetGroupResponse {
                group: Some(convert::group_status(&snapshot)),
                receipt: Some(done.receipt),
            })),
            other => Err(unexpected(&other)),
        }
    }

    async fn list_groups(
        &self,
        request: Request<ListGroupsRequest>,
    ) -> Result<Response<ListGroupsResponse>, Status> {
        let (caller, body) = self.caller(request, Access::Look).await?;
        let (after, limit) = validate::page_of_groups(&body)?;
        let owner = caller.user;
        let list = |request| Command::ListGroups { request, owner, after, limit };
        let done = self.driver.call(list).await?;
        match done.answer.map_err(|r| rejected(&r))? {
            Answer::Groups { groups, next } => Ok(Response::new(ListGroupsResponse {
                groups: groups.iter().map(convert::group_status).collect(),
                next_page_token: convert::group(&next),
                receipt: Some(done.receipt),
            })),
            other => Err(unexpected(&other)),
        }
    }

    async fn cancel_group(
        &self,
        request: Request<CancelGroupRequest>,
    ) -> Result<Response<CancelGroupResponse>, Status> {
        let (caller, body) = self.caller(request, Access::Change).await?;
        let (owner, group) = (caller.user, validate::group_name(&body.group)?);
        let done =
            self.driver.call(|request| Command::CancelGroup { request, owner, group }).await?;
        match done.answer.map_err(|r| rejected(&r))? {
            Answer::GroupCancelled { cancelled, snapshot } => {
                Ok(Response::new(CancelGroupResponse {
                    cancelled,
                    group: Some(convert::group_status(&snapshot)),
                    receipt: Some(done.receipt),
                }))
            }
            other => Err(unexpected(&other)),
        }
    }

    type WatchTasksStream = Updates;

    async fn watch_tasks(
        &self,
        request: Request<WatchTasksRequest>,
    ) -> Result<Response<Updates>, Status> {
        let (caller, body) = self.caller(request, Access::Look).await?;
        let (owner, with_results) = (caller.user.clone(), body.include_results);
        let request = self.driver.request_id();
        let (watched, command) = match validate::watch(&body)? {
            validate::Watch::Tasks(tasks) => {
                let watched = Watched::Tasks(tasks.clone());
                let only_ends = body.only_ends;
                (watched, Command::Watch { request, owner, tasks, with_results, only_ends })
            }
            validate::Watch::Beyond { group, since } => {
                let watched = group.clone().map_or(Watched::All, Watched::Group);
                let look = Look { group, since, with_results };
                (watched, Command::Look { request, owner, look })
            }
        };
        let (outbox, updates) = mpsc::channel(WATCH_QUEUE);
        let lagged = Arc::new(AtomicBool::new(false));
        let watcher = Watcher {
            owner: caller.user.clone(),
            watched,
            include_results: body.include_results,
            only_ends: body.only_ends,
            is_quiet: false,
            outbox,
            lagged: Arc::clone(&lagged),
        };
        self.driver.send(Input::Watch { request, command, watcher }).await?;
        // Of single tasks none has a place.
        let position = (!body.task_ids.is_empty()).then_some(0);
        let told = follow::ending_with_the_reason(updates, lagged);
        let told = in_portions(told, position);
        Ok(Response::new(Box::pin(self.users.while_admitted(&caller, told))))
    }

    type FollowOutputStream = Output;

    async fn follow_output(
        &self,
        request: Request<FollowOutputRequest>,
    ) -> Result<Response<Self::FollowOutputStream>, Status> {
        let (caller, body) = self.caller(request, Access::Look).await?;
        let task = validate::task_id("task_id", &body.task_id)?;
        let FollowOutputRequest { attempt, stdout_from: stdout, stderr_from: stderr, .. } = body;
        let heard = Heard { attempt, stdout, stderr };
        let from = (&self.driver, &self.outputs);
        let told = follow::follow(from, caller.user.clone(), (task, heard)).await?;
        let told = follow::ending_with_the_reason(told.stream, told.lagged);
        let told = self.users.while_admitted(&caller, told);
        Ok(Response::new(Box::pin(told)))
    }

    async fn retry_task(
        &self,
        request: Request<RetryTaskRequest>,
    ) -> Result<Response<RetryTaskResponse>, Status> {
        let (caller, body) = self.caller(request, Access::Change).await?;
        let task = validate::task_id("task_id", &body.task_id)?;
        let new = validate::new_task_id("new_task_id", &body.new_task_id)?;
        let owner = caller.user;
        let retry = |request| Command::Retry { request, owner, task, new };
        let done = self.driver.submit(retry).await?;
        match done.answer.map_err(|r| rejected(&r))? {
            Answer::Submitted { accepted, first } => Ok(Response::new(RetryTaskResponse {
                task: Some(convert::task(&first)),
                existed: accepted == 0,
                receipt: Some(done.receipt),
            })),
            other => Err(unexpected(&other)),
        }
    }

    async fn retry_array(
        &self,
        request: Request<RetryArrayRequest>,
    ) -> Result<Response<RetryArrayResponse>, Status> {
        let (caller, body) = self.caller(request, Access::Change).await?;
        let array = validate::array_id("array_id", &body.array_id)?;
        let new = validate::array_id("new_array_id", &body.new_array_id)?;
        let (owner, task, new) = (caller.user, TaskId(array.0), TaskId(new.0));
        let retry = |request| Command::Retry { request, owner, task, new };
        let done = self.driver.submit(retry).await?;
        match done.answer.map_err(|r| rejected(&r))? {
            Answer::ArraySubmitted { existed, snapshot } => Ok(Response::new(RetryArrayResponse {
                array: Some(convert::array(&snapshot)),
                existed,
                receipt: Some(done.receipt),
            })),
            other => Err(unexpected(&other)),
        }
    }

    async fn cancel_task(
        &self,
        request: Request<CancelTaskRequest>,
    ) -> Result<Response<CancelTaskResponse>, Status> {
        let (caller, body) = self.caller(request, Access::Change).await?;
        let task = validate::task_id("task_id", &body.task_id)?;
        let owner = caller.user;
        let done = self.driver.call(|request| Command::Cancel { request, owner, task }).await?;
        match done.answer.map_err(|r| rejected(&r))? {
            Answer::Cancelled { snapshot } => Ok(Response::new(CancelTaskResponse {
                task: Some(convert::task(&snapshot)),
                receipt: Some(done.receipt),
            })),
            other => Err(unexpected(&other)),
        }
    }
}
