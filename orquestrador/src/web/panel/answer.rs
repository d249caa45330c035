//! What the services answer, as JSON. The fields are those of `cliente --output json` where it has them; times are
//! milliseconds since the Unix epoch, 0 where something has not happened.

use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use common::grpc_status;
use common::proto::{
    ExplainClusterResponse, GetClusterResponse, NodeRole, NodeStatus, Queue, Role, StateCount,
    User, ViewNote, Worker,
};
use serde_json::{Map, Value, json};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

/// An answer, or why there is none.
pub type Answer = Result<Value, Status>;

pub fn respond(answer: Answer) -> Response {
    let (status, body) = match answer {
        Ok(value) => (StatusCode::OK, value),
        Err(status) => refusal(&status),
    };
    let mut response = (status, body.to_string()).into_response();
    let kind = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

/// The code is one of docs/errors.md.
fn refusal(status: &Status) -> (StatusCode, Value) {
    let meaning = grpc_status::meaning(status);
    let fields = status.get_details_bad_request().map(|bad| {
        let field =
            |v: &tonic_types::FieldViolation| json!({ "field": v.field, "why": v.description });
        bad.field_violations.iter().map(field).collect::<Vec<_>>()
    });
    let body = json!({
        "code": meaning.code.word(),
        "message": status.message(),
        "principal": meaning.principal,
        "retry_after_ms": meaning.retry_after.map(|after| u64::try_from(after.as_millis()).unwrap_or(u64::MAX)),
        "fields": fields.unwrap_or_default(),
    });
    let http = match status.code() {
        Code::Unauthenticated => StatusCode::UNAUTHORIZED,
        Code::PermissionDenied => StatusCode::FORBIDDEN,
        Code::NotFound => StatusCode::NOT_FOUND,
        Code::InvalidArgument | Code::OutOfRange => StatusCode::BAD_REQUEST,
        Code::AlreadyExists | Code::Aborted | Code::FailedPrecondition => StatusCode::CONFLICT,
        Code::ResourceExhausted => StatusCode::TOO_MANY_REQUESTS,
        Code::Unavailable | Code::Cancelled | Code::DeadlineExceeded => {
            StatusCode::SERVICE_UNAVAILABLE
        }
        Code::Unimplemented => StatusCode::NOT_IMPLEMENTED,
        Code::Ok | Code::Unknown | Code::Internal | Code::DataLoss => {
            StatusCode::INTERNAL_SERVER_ERROR
        }
    };
    (http, body)
}

pub fn cluster(cluster: &GetClusterResponse) -> Value {
    let count = |c: &StateCount| (c.state.clone(), c.count.into());
    json!({
        "cluster_id": cluster.cluster_id,
        "epoch": cluster.epoch,
        "view": cluster.view_number,
        "principal": cluster.principal,
        "nodes": cluster.nodes.iter().map(node).collect::<Vec<_>>(),
        "workers": cluster.workers.iter().map(worker).collect::<Vec<_>>(),
        "tasks": cluster.task_counts.iter().map(count).collect::<Map<_, _>>(),
        "waiting_for": cluster.waiting_for,
    })
}

fn node(node: &NodeStatus) -> Value {
    let role = match node.role() {
        NodeRole::Unspecified => "",
        NodeRole::Principal => "PRINCIPAL",
        NodeRole::Standby => "STANDBY",
        NodeRole::Learner => "LEARNER",
        NodeRole::Waiting => "WAITING",
        NodeRole::Unreachable => "UNREACHABLE",
        NodeRole::Foreign => "FOREIGN",
    };
    json!({
        "address": node.address, "role": role, "in_sync": node.in_sync,
        "journal_index": node.journal_index, "node_id": node.node_id, "answering": node.answering,
    })
}

fn worker(worker: &Worker) -> Value {
    json!({
        "worker_id": worker.worker_id, "connected": worker.connected, "draining": worker.draining,
        "slots": worker.slots, "busy": worker.busy, "handlers": worker.handlers, "labels": worker.labels,
        "heartbeat_age_ms": worker.heartbeat_age_ms, "assigned_total": worker.assigned_total,
    })
}

pub fn user(user: &User) -> Value {
    let role = match user.role() {
        Role::Unspecified => "",
        Role::Submitter => "SUBMITTER",
        Role::Admin => "ADMIN",
        Role::Viewer => "VIEWER",
    };
    let usage = user.usage.unwrap_or_default();
    json!({ "user": user.user, "role": role, "active": usage.active, "running": usage.running })
}

pub fn queue(queue: &Queue) -> Value {
    json!({
        "queue": queue.name, "queued": queue.queued, "running": queue.running,
        "weight": queue.weight, "max_running": queue.max_running, "paused": queue.paused,
    })
}

pub fn history(explained: &ExplainClusterResponse) -> Value {
    let view = |view: &ViewNote| {
        json!({
            "view": view.number, "epoch": view.epoch, "cause": view.cause, "at_ms": view.at_ms,
            "principal_node": view.principal_node, "replicas": view.replicas, "witnesses": view.witnesses,
        })
    };
    let witnesses = explained.witnesses.iter();
    json!({
        "failover": explained.failover,
        "critical_hosts": explained.critical_hosts,
        "witnesses": witnesses.map(|w| json!({ "host": w.host, "alive": w.alive })).collect::<Vec<_>>(),
        "views": explained.views.iter().map(view).collect::<Vec<_>>(),
    })
}
