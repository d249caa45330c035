//! For whoever restarts nodes, and for whoever sends them requests.

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use orquestrador_core::role::Standing;
use serde_json::json;

use crate::driver::input::Input;

/// 200 as long as the driver answers: a node that only waits for the other one is not to be restarted.
pub async fn is_alive(State(state): State<super::State>) -> Response {
    match state.driver.ask(|reply| Input::Standing { reply }).await {
        Ok(_) => (StatusCode::OK, "ok\n").into_response(),
        Err(status) => unavailable(status.message()),
    }
}

/// 200 when the node does what it is there for: it is the principal, or a standby in sync, and etcd answers where that is
/// needed. `?role=principal` asks for
/// the first alone. The body says what it is, either way.
pub async fn is_ready(
    State(state): State<super::State>,
    axum::extract::RawQuery(query): axum::extract::RawQuery,
) -> Response {
    let wants_principal = match query.as_deref() {
        None | Some("") => false,
        Some("role=principal") => true,
        Some(_) => {
            return (StatusCode::BAD_REQUEST, "nothing but ?role=principal\n").into_response();
        }
    };
    let node = match state.driver.ask(|reply| Input::Describe { reply }).await {
        Ok(node) => node,
        Err(status) => return unavailable(status.message()),
    };
    let is_ready = match node.standing {
        Standing::Principal => true,
        Standing::Standby => !wants_principal,
        Standing::Unfounded | Standing::Learner | Standing::Waiting | Standing::Elected => false,
    };
    let etcd = node.members.as_ref().map(|members| match members.is_answered {
        true => "answers",
        false => "silent",
    });
    let is_ready = is_ready && etcd != Some("silent");
    let status = if is_ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let mut body = json!({
        "standing": word(node.standing),
        "epoch": node.epoch.0,
        "principal": node.principal,
    });
    if let Some(etcd) = etcd {
        body["etcd"] = etcd.into();
    }
    (status, [(CONTENT_TYPE, "application/json")], format!("{body}\n")).into_response()
}

fn unavailable(why: &str) -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")).into_response()
}

/// As labels and JSON name it.
pub fn word(standing: Standing) -> &'static str {
    match standing {
        Standing::Unfounded => "unfounded",
        Standing::Learner => "learner",
        Standing::Standby => "standby",
        Standing::Waiting => "waiting",
        Standing::Elected => "elected",
        Standing::Principal => "principal",
    }
}
