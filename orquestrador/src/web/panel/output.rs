//! What a task says while it runs, as lines of JSON for as long as somebody reads.

use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use common::proto::task_orchestrator_server::TaskOrchestrator as _;
use common::proto::{FollowOutputRequest, FollowOutputResponse};
use futures::StreamExt as _;
use serde_json::json;
use tonic::Status;

use super::answer::respond;
use super::api::{Asked, Query, Sender, request};
use super::taken::Named;
use super::task;

const LINES: &str = "application/x-ndjson";

pub async fn follow(
    State(asked): State<Asked>,
    Named(id): Named,
    RawQuery(query): RawQuery,
    sender: Sender,
) -> Response {
    let query = Query::new(query.as_deref());
    let number = |name: &str| query.number(name);
    let heard = match (number("attempt"), number("stdout"), number("stderr")) {
        (Ok(attempt), Ok(stdout), Ok(stderr)) => (attempt, stdout, stderr),
        (Err(status), ..) | (_, Err(status), _) | (.., Err(status)) => return respond(Err(status)),
    };
    let message = FollowOutputRequest {
        task_id: id,
        attempt: u32::try_from(heard.0).unwrap_or(u32::MAX),
        stdout_from: heard.1,
        stderr_from: heard.2,
    };
    match asked.panel.tasks.follow_output(request(&sender, message)).await {
        Ok(stream) => {
            let lines = stream.into_inner().map(|told| Ok::<_, Status>(line(told)));
            ([(CONTENT_TYPE, LINES)], Body::from_stream(lines)).into_response()
        }
        Err(status) => respond(Err(status)),
    }
}

fn line(told: Result<FollowOutputResponse, Status>) -> Bytes {
    let value = match told {
        Ok(told) => json!({
            "task": told.task.as_ref().map(task::task),
            "pieces": told.pieces.iter().map(task::piece).collect::<Vec<_>>(),
        }),
        Err(status) => json!({ "broken": status.message() }),
    };
    Bytes::from(format!("{value}\n"))
}
