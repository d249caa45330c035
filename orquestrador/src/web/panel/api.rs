//! One function for each thing that a page asks: it makes the message of gRPC, with the credentials of the page.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::extract::{RawQuery, State};
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderMap};
use axum::response::Response;
use common::auth::{AS_KEY, TOKEN_KEY, USER_KEY};
use common::error_code::ErrorCode;
use common::grpc_status;
use common::proto::cluster_service_server::ClusterService as _;
use common::proto::operator_service_server::OperatorService as _;
use common::proto::queue_service_server::QueueService as _;
use common::proto::task_orchestrator_server::TaskOrchestrator as _;
use common::proto::{
    CancelTaskRequest, ChangeQueueRequest, ExplainClusterRequest, ExplainTaskRequest,
    GetClusterRequest, GetOwnUserRequest, GetTaskRequest, GetTaskResultRequest, ListQueuesRequest,
    ListTasksRequest, RetryTaskRequest, SubmitTaskRequest, TaskSpec,
};
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tonic::metadata::MetadataMap;
use tonic::{Request, Status};

use super::answer::{self, respond};
use super::taken::{Named, Posted, refused};
use super::{Panel, task as tasks};

/// Tasks on a page: what a browser shows at once.
const MAX_PAGE: u32 = 200;

/// What the functions share.
#[derive(Clone)]
pub struct Asked {
    pub panel: Panel,
    pub histories: Arc<Semaphore>,
}

/// Who asks, and from where.
pub struct Sender {
    headers: HeaderMap,
    extensions: Extensions,
}

impl<S: Sync> FromRequestParts<S> for Sender {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self { headers: parts.headers.clone(), extensions: parts.extensions.clone() })
    }
}

/// The message with the caller's credentials.
pub fn request<T>(sender: &Sender, message: T) -> Request<T> {
    let mut kept = HeaderMap::new();
    for key in [USER_KEY, TOKEN_KEY, AS_KEY] {
        if let Some(value) = sender.headers.get(key) {
            kept.insert(key, value.clone());
        }
    }
    Request::from_parts(MetadataMap::from_headers(kept), sender.extensions.clone(), message)
}

/// What stands behind the question mark.
pub struct Query(Vec<(String, String)>);

impl Query {
    pub fn new(query: Option<&str>) -> Self {
        let pairs = url::form_urlencoded::parse(query.unwrap_or_default().as_bytes());
        Self(pairs.into_owned().collect())
    }

    fn text(&self, name: &str) -> String {
        self.0.iter().find(|(key, _)| key == name).map(|(_, v)| v.clone()).unwrap_or_default()
    }

    fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// 0 where there is none.
    ///
    /// # Errors
    /// It is no number.
    pub fn number(&self, name: &str) -> Result<u64, Status> {
        match self.text(name).as_str() {
            "" => Ok(0),
            text => text.parse().map_err(|error| refused(name, format!("{error}"))),
        }
    }
}

fn text(body: &Value, name: &str) -> String {
    body[name].as_str().unwrap_or_default().to_owned()
}

pub async fn cluster(State(asked): State<Asked>, sender: Sender) -> Response {
    let told = asked.panel.cluster.get_cluster(request(&sender, GetClusterRequest {})).await;
    respond(told.map(|told| answer::cluster(told.get_ref())))
}

pub async fn me(State(asked): State<Asked>, sender: Sender) -> Response {
    let told = asked.panel.cluster.get_own_user(request(&sender, GetOwnUserRequest {})).await;
    respond(told.map(|told| told.get_ref().user.as_ref().map_or(Value::Null, answer::user)))
}

pub async fn history(State(asked): State<Asked>, sender: Sender) -> Response {
    let message = request(&sender, ExplainClusterRequest {});
    let told = asked.panel.operator.explain_cluster(message).await;
    respond(told.map(|told| answer::history(told.get_ref())))
}

pub async fn queues(State(asked): State<Asked>, sender: Sender) -> Response {
    let told = asked.panel.queues.list_queues(request(&sender, ListQueuesRequest {})).await;
    let queues = told.map(|told| told.get_ref().queues.iter().map(answer::queue).collect());
    respond(queues.map(|queues: Vec<_>| json!({ "queues": queues })))
}

pub async fn change_queue(
    State(asked): State<Asked>,
    Named(name): Named,
    sender: Sender,
    Posted(body): Posted,
) -> Response {
    let change = async {
        let paused = body["paused"].as_bool();
        let message = ChangeQueueRequest { name, paused, ..ChangeQueueRequest::default() };
        let told = asked.panel.queues.change_queue(request(&sender, message)).await?;
        Ok(told.get_ref().queue.as_ref().map_or(Value::Null, answer::queue))
    };
    respond(change.await)
}

pub async fn list(
    State(asked): State<Asked>,
    RawQuery(query): RawQuery,
    sender: Sender,
) -> Response {
    let listed = async {
        let query = Query::new(query.as_deref());
        let states = query.all("state").map(|word| {
            tasks::state_named(word).map(i32::from).ok_or_else(|| refused("state", "unknown"))
        });
        let size = u32::try_from(query.number("size")?).unwrap_or(MAX_PAGE).min(MAX_PAGE);
        let message = ListTasksRequest {
            states: states.collect::<Result<_, _>>()?,
            page_size: size,
            page_token: query.text("page"),
            queue: query.text("queue"),
            handler: query.text("handler"),
            worker_id: query.text("worker"),
            group: query.text("group"),
            error_code: query.text("error"),
            array_id: query.text("array"),
            schedule: query.text("schedule"),
            all_users: query.text("users") == "all",
            task_id: query.text("task"),
            ..ListTasksRequest::default()
        };
        let told = asked.panel.tasks.list_tasks(request(&sender, message)).await?.into_inner();
        let listed: Vec<_> = told.tasks.iter().map(tasks::task).collect();
        Ok(json!({ "tasks": listed, "next": told.next_page_token }))
    };
    respond(listed.await)
}

pub async fn submit(State(asked): State<Asked>, sender: Sender, Posted(body): Posted) -> Response {
    let submitted = async {
        let priority = body["priority"].as_i64().unwrap_or_default();
        let spec = TaskSpec {
            task_id: text(&body, "task_id"),
            handler: text(&body, "handler"),
            payload: text(&body, "payload").into_bytes().into(),
            queue: text(&body, "queue"),
            group: text(&body, "group"),
            priority: i32::try_from(priority).map_err(|e| refused("priority", e.to_string()))?,
            ..TaskSpec::default()
        };
        let message = SubmitTaskRequest { task: Some(spec), allow_unknown_handler: false };
        let told = asked.panel.tasks.submit_task(request(&sender, message)).await?.into_inner();
        Ok(json!({ "task": told.task.as_ref().map(tasks::task), "existed": told.existed }))
    };
    respond(submitted.await)
}

/// `?whole` tells the result and what was asked for, too.
pub async fn task(
    State(asked): State<Asked>,
    Named(task_id): Named,
    RawQuery(query): RawQuery,
    sender: Sender,
) -> Response {
    let service = &asked.panel.tasks;
    if query.as_deref() == Some("whole") {
        let message = request(&sender, GetTaskResultRequest { task_id });
        let told = service.get_task_result(message).await;
        return respond(told.map(|told| tasks::whole(told.get_ref())));
    }
    let told = service.get_task(request(&sender, GetTaskRequest { task_id })).await;
    respond(told.map(|told| json!({ "task": told.get_ref().task.as_ref().map(tasks::task) })))
}

pub async fn steps(State(asked): State<Asked>, Named(task_id): Named, sender: Sender) -> Response {
    let (tasks, histories) = (asked.panel.tasks.clone(), asked.histories.clone());
    let message = request(&sender, ExplainTaskRequest { task_id });
    // The reading goes on when the page leaves, and so does its turn.
    let read = tokio::spawn(async move {
        let _turn = histories.acquire().await;
        tasks.explain_task(message).await
    });
    let told = read.await.map_err(|error| {
        grpc_status::status(ErrorCode::Internal, format!("the history could not be read: {error}"))
    });
    respond(told.and_then(|told| told).map(|told| tasks::steps(told.get_ref())))
}

pub async fn cancel(State(asked): State<Asked>, Named(task_id): Named, sender: Sender) -> Response {
    let told = asked.panel.tasks.cancel_task(request(&sender, CancelTaskRequest { task_id })).await;
    respond(told.map(|told| json!({ "task": told.get_ref().task.as_ref().map(tasks::task) })))
}

pub async fn retry(
    State(asked): State<Asked>,
    Named(task_id): Named,
    sender: Sender,
    Posted(body): Posted,
) -> Response {
    let retried = async {
        let new_task_id = text(&body, "new_task_id");
        let message = request(&sender, RetryTaskRequest { task_id, new_task_id });
        let told = asked.panel.tasks.retry_task(message).await?;
        Ok(json!({ "task": told.get_ref().task.as_ref().map(tasks::task) }))
    };
    respond(retried.await)
}
