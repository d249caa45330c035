//! The scripted tasks.

use std::pin::Pin;
use std::sync::{Arc, Mutex};

use common::array_id;
use common::error_code::ErrorCode;
use common::grpc_status;
use common::proto::task_orchestrator_server::TaskOrchestrator;
use common::proto::*;
use futures::Stream;
use tonic::{Request, Response, Status};

use super::{Mood, Pair, Record, Script, Store, WHEN, end};

impl Script {
    fn accept(&self, spec: &TaskSpec, allow_unknown: bool) -> Result<(Task, bool), Status> {
        self.pair.change(|store| {
            if let Some(known) = store.tasks.get(&spec.task_id) {
                if known.payload != spec.payload || known.task.handler != spec.handler {
                    return Err(grpc_status::status(ErrorCode::TaskIdConflict, "another task"));
                }
                return Ok((known.task.clone(), true));
            }
            if !store.handlers.is_empty()
                && !store.handlers.contains(&spec.handler)
                && !allow_unknown
            {
                let text = format!("no worker has ever offered the handler {}", spec.handler);
                return Err(grpc_status::status(ErrorCode::UnknownHandler, text));
            }
            let record = new_record(store, spec);
            let accepted = Task { attempt: 0, ..queued(spec, store) };
            // It ends, and no record of it is kept.
            if spec.handler != "forgotten" {
                store.tasks.insert(spec.task_id.clone(), record);
            }
            Ok((accepted, false))
        })
    }

    /// As its tasks tell.
    fn array(&self, id: &str) -> Result<Array, Status> {
        let store = self.pair.store();
        let tasks = store.tasks.iter().filter_map(|(task, record)| {
            let (array, number) = array_id::of_task(task)?;
            (array == id).then_some((number, &record.task))
        });
        let tasks: std::collections::BTreeMap<_, _> = tasks.collect();
        let Some((first, task)) = tasks.first_key_value() else {
            let text = format!("there is no array {id}");
            return Err(grpc_status::status(ErrorCode::ArrayNotFound, text));
        };
        let count = |state| tasks.values().filter(|task| task.state() == state).count() as u32;
        let of_all = [TaskState::Running, TaskState::Queued, TaskState::Failed, TaskState::Lost];
        let state = of_all.into_iter().chain([TaskState::Cancelled]).find(|s| count(*s) > 0);
        Ok(Array {
            array_id: id.to_owned(),
            state: state.unwrap_or(TaskState::Succeeded).into(),
            handler: task.handler.clone(),
            delivery: task.delivery,
            first: *first,
            count: tasks.len() as u32,
            owner: task.owner.clone(),
            submitted_at_ms: task.submitted_at_ms,
            queued: count(TaskState::Queued),
            running: count(TaskState::Running),
            succeeded: count(TaskState::Succeeded),
            failed: count(TaskState::Failed),
            cancelled: count(TaskState::Cancelled),
            lost: count(TaskState::Lost),
            forgotten: 0,
            queue: task.queue.clone(),
            priority: task.priority,
            group: String::new(),
            ..Array::default()
        })
    }

    fn find(&self, id: &str) -> Result<Record, Status> {
        let not_found =
            || grpc_status::status(ErrorCode::TaskNotFound, format!("there is no task {id}"));
        self.pair.store().tasks.get(id).cloned().ok_or_else(not_found)
    }
}

fn queued(spec: &TaskSpec, store: &Store) -> Task {
    let mut task = Task {
        task_id: spec.task_id.clone(),
        handler: spec.handler.clone(),
        submitted_at_ms: WHEN,
        owner: "ana".into(),
        delivery: spec.delivery,
        queue: if spec.queue.is_empty() { "default".into() } else { spec.queue.clone() },
        priority: spec.priority,
        pending_reason: if store.workers.is_empty() { "NO_WORKER" } else { "ALL_BUSY" }.into(),
        ..Task::default()
    };
    task.set_state(TaskState::Queued);
    task
}

fn new_record(store: &Store, spec: &TaskSpec) -> Record {
    let mut record =
        Record { task: queued(spec, store), payload: spec.payload.to_vec(), result: Vec::new() };
    if store.works {
        record.task.pending_reason.clear();
        match spec.handler.as_str() {
            "fail" => end(&mut record, TaskState::Failed, b""),
            "command" => {
                let output =
                    br#"{"exit_code":0,"stdout":"out\n","stderr":"err\n","truncated":false}"#;
                end(&mut record, TaskState::Succeeded, output);
            }
            _ => end(&mut record, TaskState::Succeeded, &spec.payload),
        }
    }
    record
}

impl Pair {
    /// As if another client had done so.
    pub fn submit(&self, spec: &TaskSpec) {
        self.change(|store| {
            let record = new_record(store, spec);
            store.tasks.insert(spec.task_id.clone(), record);
        });
    }
}

#[tonic::async_trait]
impl TaskOrchestrator for Script {
    async fn submit_task(
        &self,
        request: Request<SubmitTaskRequest>,
    ) -> Result<Response<SubmitTaskResponse>, Status> {
        let spec = request.get_ref().task.clone().expect("the client sets it");
        self.admit(format!("submit {}", spec.task_id), &request).await?;
        let (task, existed) = self.accept(&spec, request.get_ref().allow_unknown_handler)?;
        if self.is_deaf() {
            std::future::pending::<()>().await;
        }
        let receipt = Some(self.receipt());
        Ok(Response::new(SubmitTaskResponse { task: Some(task), existed, receipt }))
    }

    async fn submit_tasks(
        &self,
        request: Request<SubmitTasksRequest>,
    ) -> Result<Response<SubmitTasksResponse>, Status> {
        let specs = &request.get_ref().tasks;
        self.admit(format!("submit {} tasks", specs.len()), &request).await?;
        let mut accepted = 0;
        for spec in specs {
            let (_, existed) = self.accept(spec, request.get_ref().allow_unknown_handler)?;
            accepted += u32::from(!existed);
        }
        Ok(Response::new(SubmitTasksResponse { accepted, receipt: Some(self.receipt()) }))
    }

    async fn submit_array(
        &self,
        request: Request<SubmitArrayRequest>,
    ) -> Result<Response<SubmitArrayResponse>, Status> {
        let spec = request.get_ref().array.clone().expect("the client sets it");
        self.admit(format!("submit array {}", spec.array_id), &request).await?;
        let mut existed = true;
        for number in spec.first..spec.first + spec.count {
            let task = TaskSpec {
                task_id: array_id::task(&spec.array_id, number).expect("the client named it"),
                handler: spec.handler.clone(),
                payload: spec.payload.clone(),
                delivery: spec.delivery,
                retry: spec.retry.clone().map(Box::new),
                queue: spec.queue.clone(),
                priority: spec.priority,
                attempt_timeout_ms: spec.attempt_timeout_ms,
                ..TaskSpec::default()
            };
            existed &= self.accept(&task, request.get_ref().allow_unknown_handler)?.1;
        }
        let array = Some(self.array(&spec.array_id)?);
        Ok(Response::new(SubmitArrayResponse { array, existed, receipt: Some(self.receipt()) }))
    }

    async fn submit_flow(
        &self,
        _: Request<SubmitFlowRequest>,
    ) -> Result<Response<SubmitFlowResponse>, Status> {
        Err(Status::unimplemented("no test needs it"))
    }

    async fn cancel_array(
        &self,
        request: Request<CancelArrayRequest>,
    ) -> Result<Response<CancelArrayResponse>, Status> {
        self.admit("cancel array".into(), &request).await?;
        self.pair.change(|store| {
            let of_it = |task: &str| {
                array_id::of_task(task)
                    .is_some_and(|(array, _)| array == request.get_ref().array_id)
            };
            for (_, record) in store.tasks.iter_mut().filter(|(task, _)| of_it(task)) {
                if record.task.state() == TaskState::Queued {
                    end(record, TaskState::Cancelled, b"");
                }
            }
        });
        let array = Some(self.array(&request.get_ref().array_id)?);
        Ok(Response::new(CancelArrayResponse { array, receipt: Some(self.receipt()) }))
    }

    async fn get_array(
        &self,
        request: Request<GetArrayRequest>,
    ) -> Result<Response<GetArrayResponse>, Status> {
        self.admit("array".into(), &request).await?;
        let array = Some(self.array(&request.get_ref().array_id)?);
        Ok(Response::new(GetArrayResponse { array, receipt: Some(self.receipt()) }))
    }

    async fn run_task(
        &self,
        request: Request<RunTaskRequest>,
    ) -> Result<Response<RunTaskResponse>, Status> {
        let spec = request.get_ref().task.clone().expect("the client sets it");
        self.admit(format!("run {}", spec.task_id), &request).await?;
        self.accept(&spec, request.get_ref().allow_unknown_handler)?;
        if self.is_deaf() {
            std::future::pending::<()>().await;
        }
        let Record { task, result, .. } = self.find(&spec.task_id)?;
        Ok(Response::new(RunTaskResponse {
            task: Some(task),
            result: result.into(),
            result_blob: None,
        }))
    }

    async fn get_task(
        &self,
        request: Request<GetTaskRequest>,
    ) -> Result<Response<GetTaskResponse>, Status> {
        self.admit("get".into(), &request).await?;
        let task = Some(self.find(&request.get_ref().task_id)?.task);
        Ok(Response::new(GetTaskResponse { task, receipt: Some(self.receipt()) }))
    }

    async fn get_task_result(
        &self,
        request: Request<GetTaskResultRequest>,
    ) -> Result<Response<GetTaskResultResponse>, Status> {
        self.admit("result".into(), &request).await?;
        let Record { task, result, .. } = self.find(&request.get_ref().task_id)?;
        let receipt = Some(self.receipt());
        Ok(Response::new(GetTaskResultResponse {
            task: Some(task),
            result: result.into(),
            result_blob: None,
            receipt,
            spec: None,
        }))
    }

    async fn explain_task(
        &self,
        _: Request<ExplainTaskRequest>,
    ) -> Result<Response<ExplainTaskResponse>, Status> {
        Err(Status::unimplemented("no test explains a task here"))
    }

    async fn list_tasks(
        &self,
        request: Request<ListTasksRequest>,
    ) -> Result<Response<ListTasksResponse>, Status> {
        self.admit("list".into(), &request).await?;
        let ListTasksRequest { states, page_size, page_token, queue, handler, .. } =
            request.get_ref().clone();
        let wanted = |task: &Task| {
            (states.is_empty() || states.contains(&task.state))
                && (queue.is_empty() || queue == task.queue)
                && (handler.is_empty() || handler == task.handler)
        };
        let store = self.pair.store();
        let mut rest = store
            .tasks
            .values()
            .rev()
            .map(|record| record.task.clone())
            .filter(|task| page_token.is_empty() || task.task_id < page_token)
            .filter(wanted);
        let size = if page_size == 0 { 100 } else { page_size as usize };
        let tasks: Vec<_> = rest.by_ref().take(size).collect();
        let more = rest.next().is_some();
        let next_page_token =
            tasks.last().filter(|_| more).map(|task| task.task_id.clone()).unwrap_or_default();
        drop(rest);
        drop(store);
        Ok(Response::new(ListTasksResponse {
            tasks,
            next_page_token,
            receipt: Some(self.receipt()),
            all_users: request.get_ref().all_users,
        }))
    }

    async fn get_group(
        &self,
        _: Request<GetGroupRequest>,
    ) -> Result<Response<GetGroupResponse>, Status> {
        Err(Status::unimplemented("no test asks for a group here"))
    }

    async fn list_groups(
        &self,
        _: Request<ListGroupsRequest>,
    ) -> Result<Response<ListGroupsResponse>, Status> {
        Err(Status::unimplemented("no test lists groups here"))
    }

    async fn cancel_group(
        &self,
        _: Request<CancelGroupRequest>,
    ) -> Result<Response<CancelGroupResponse>, Status> {
        Err(Status::unimplemented("no test cancels a group here"))
    }

    type WatchTasksStream = Pin<Box<dyn Stream<Item = Result<WatchTasksResponse, Status>> + Send>>;

    async fn watch_tasks(
        &self,
        request: Request<WatchTasksRequest>,
    ) -> Result<Response<Self::WatchTasksStream>, Status> {
        let wanted = request.get_ref().clone();
        self.admit(format!("watch {} tasks", wanted.task_ids.len()), &request).await?;
        Ok(Response::new(Box::pin(updates(
            Arc::clone(&self.pair),
            Arc::clone(&self.mood),
            wanted,
            self.lags(),
        ))))
    }

    type FollowOutputStream =
        Pin<Box<dyn Stream<Item = Result<FollowOutputResponse, Status>> + Send>>;

    /// Nothing but how the task stands now.
    async fn follow_output(
        &self,
        request: Request<FollowOutputRequest>,
    ) -> Result<Response<Self::FollowOutputStream>, Status> {
        let id = request.get_ref().task_id.clone();
        self.admit(format!("follow {id}"), &request).await?;
        let Record { task, result, .. } = self.find(&id)?;
        let now = FollowOutputResponse { task: Some(task), result, ..Default::default() };
        let rest = futures::stream::pending();
        Ok(Response::new(Box::pin(futures::StreamExt::chain(
            futures::stream::iter([Ok(now)]),
            rest,
        ))))
    }

    async fn retry_task(
        &self,
        request: Request<RetryTaskRequest>,
    ) -> Result<Response<RetryTaskResponse>, Status> {
        let RetryTaskRequest { task_id, new_task_id } = request.get_ref().clone();
        self.admit(format!("retry {task_id}"), &request).await?;
        let Record { task, payload, .. } = self.find(&task_id)?;
        if !matches!(task.state(), TaskState::Failed | TaskState::Lost) {
            return Err(grpc_status::status(ErrorCode::NotRetriable, "it did not fail"));
        }
        let handler = task.handler;
        let spec = TaskSpec {
            task_id: new_task_id.clone(),
            handler,
            payload: payload.into(),
            ..TaskSpec::default()
        };
        let (mut task, existed) = self.accept(&spec, true)?;
        task.retry_of.clone_from(&task_id);
        self.pair.change(|store| {
            if let Some(record) = store.tasks.get_mut(&new_task_id) {
                record.task.retry_of.clone_from(&task_id);
            }
            if let Some(record) = store.tasks.get_mut(&task_id) {
                record.task.retried_as = new_task_id;
            }
        });
        Ok(Response::new(RetryTaskResponse {
            task: Some(task),
            existed,
            receipt: Some(self.receipt()),
        }))
    }

    async fn retry_array(
        &self,
        _: Request<RetryArrayRequest>,
    ) -> Result<Response<RetryArrayResponse>, Status> {
        Err(Status::unimplemented("no test repeats an array here"))
    }

    async fn cancel_task(
        &self,
        request: Request<CancelTaskRequest>,
    ) -> Result<Response<CancelTaskResponse>, Status> {
        self.admit("cancel".into(), &request).await?;
        let id = &request.get_ref().task_id;
        if is_over(&self.find(id)?.task) {
            return Err(grpc_status::status(
                ErrorCode::TaskFinished,
                format!("task {id} is finished"),
            ));
        }
        let task = self.pair.change(|store| {
            let record = store.tasks.get_mut(id).expect("was found");
            record.task.set_state(TaskState::Cancelled);
            record.task.pending_reason.clear();
            record.task.finished_at_ms = WHEN + 2_500;
            record.task.clone()
        });
        Ok(Response::new(CancelTaskResponse { task: Some(task), receipt: Some(self.receipt()) }))
    }
}

pub fn is_over(task: &Task) -> bool {
    task.finished_at_ms > 0
}

/// The present state, then every change, until all are finished.
fn updates(
    pair: Arc<Pair>,
    mood: Arc<Mutex<Mood>>,
    wanted: WatchTasksRequest,
    lags: bool,
) -> impl Stream<Item = Result<WatchTasksResponse, Status>> {
    let mut changes = pair.changes.subscribe();
    let (sender, receiver) = tokio::sync::mpsc::channel(16);
    tokio::spawn(async move {
        let mut told = std::collections::HashMap::new();
        let mut established = true;
        loop {
            let (updates, position) = {
                let store = pair.store();
                (news(&store, &wanted, &mut told, established), store.ends.len() as u64)
            };
            let is_over = false;
            let batch = WatchTasksResponse { updates, established, position, is_over };
            if sender.send(Ok(batch)).await.is_err() {
                return;
            }
            established = false;
            if lags {
                let lagged = grpc_status::status(ErrorCode::WatchLagged, "the reader is too slow");
                drop(sender.send(Err(lagged)).await);
                return;
            }
            let ids = &wanted.task_ids;
            let is_over =
                |id| told.get(id) == Some(&None) || told.get(id).cloned().flatten() > Some(2);
            if !ids.is_empty() && ids.iter().all(is_over) {
                return;
            }
            if changes.changed().await.is_err() {
                return;
            }
            let is_stuck = matches!(*mood.lock().expect("is whole"), Mood::Silent);
            if is_stuck {
                sender.closed().await;
                return;
            }
        }
    });
    tokio_stream::wrappers::ReceiverStream::new(receiver)
}

/// What is not told yet; `told` holds the state of each task, `None` for one that does not exist.
fn news(
    store: &Store,
    wanted: &WatchTasksRequest,
    told: &mut std::collections::HashMap<String, Option<i32>>,
    is_first: bool,
) -> Vec<TaskUpdate> {
    let of_all = wanted.task_ids.is_empty();
    let ids: Vec<String> =
        if of_all { store.tasks.keys().cloned().collect() } else { wanted.task_ids.clone() };
    let mut updates = Vec::new();
    for id in ids {
        let record = store.tasks.get(&id);
        let state = record.map(|record| record.task.state);
        let since = wanted.since_position.and_then(|since| usize::try_from(since).ok());
        let is_past = since.is_none_or(|since| !store.ends.iter().skip(since).any(|e| *e == id));
        if told.insert(id.clone(), state) == Some(state) || (of_all && is_first && is_past) {
            continue;
        }
        updates.push(match record {
            Some(record) => TaskUpdate {
                task: Some(record.task.clone()),
                result: if wanted.include_results { record.result.clone() } else { Vec::new() }
                    .into(),
                not_found: false,
                result_blob: None,
            },
            None => TaskUpdate {
                task: Some(Task { task_id: id, ..Task::default() }),
                not_found: true,
                ..TaskUpdate::default()
            },
        });
    }
    updates
}
