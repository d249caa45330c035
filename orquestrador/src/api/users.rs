//! Users and their quotas, from the wire and to it.

use common::{grpc_status, proto};
use orquestrador_core::command::{NewLimits, QuotaChange, Role};
use orquestrador_core::effect::UserSnapshot;
use orquestrador_core::quota::{Quota, Usage};
use serde_json::{Value, json};
use tonic::Status;

use super::validate;

/// Submissions per second.
const MAX_RATE: u32 = 1_000_000;

pub fn user(user: &UserSnapshot) -> proto::User {
    let record = user.record.as_ref();
    proto::User {
        user: user.user.to_string(),
        admin: record.is_some_and(|record| record.role == Role::Admin),
        role: record.map_or(proto::Role::Unspecified, |record| role(record.role)).into(),
        added_at_ms: record.map_or(0, |record| record.added_at.0),
        quota: Some(quota(user.quota)),
        has_own_quota: user.is_own,
        usage: Some(usage(user.usage)),
    }
}

pub fn role(role: Role) -> proto::Role {
    match role {
        Role::Submitter => proto::Role::Submitter,
        Role::Admin => proto::Role::Admin,
        Role::Viewer => proto::Role::Viewer,
    }
}

/// # Errors
/// `INVALID_ARGUMENT` of one that is none, or another one than that of an administrator.
pub fn role_of(request: &proto::AddUserRequest) -> Result<Role, Status> {
    let refused = |why: &str| Err(grpc_status::invalid([("role".to_owned(), why.to_owned())]));
    match (request.admin, proto::Role::try_from(request.role)) {
        (true, Ok(proto::Role::Unspecified)) | (_, Ok(proto::Role::Admin)) => Ok(Role::Admin),
        (false, Ok(proto::Role::Unspecified | proto::Role::Submitter)) => Ok(Role::Submitter),
        (false, Ok(proto::Role::Viewer)) => Ok(Role::Viewer),
        (true, Ok(_)) => refused("is not for an administrator"),
        (_, Err(_)) => refused("is not a role"),
    }
}

pub fn quota(quota: Quota) -> proto::Quota {
    let Quota { max_active, max_bytes, max_running, submit_rate } = quota;
    proto::Quota { max_active, max_bytes, max_running, submit_rate }
}

fn usage(usage: Usage) -> proto::Usage {
    let Usage { active, bytes, running, held } = usage;
    proto::Usage { active, bytes, running: running.saturating_add(held) }
}

/// For the log of actions; what is left out stays.
pub fn about_quota(request: &proto::SetQuotaRequest) -> Value {
    let proto::SetQuotaRequest { user, max_active, max_bytes, max_running, submit_rate, clear } =
        request;
    json!({
        "user": user, "max_active": max_active, "max_bytes": max_bytes, "max_running": max_running,
        "submit_rate": submit_rate, "clear": clear,
    })
}

/// # Errors
/// `INVALID_ARGUMENT` naming the field.
pub fn quota_change(request: &proto::SetQuotaRequest) -> Result<QuotaChange, Status> {
    let refused = |field: &str, why: String| Err(grpc_status::invalid([(field.to_owned(), why)]));
    if let Some(why) = request.user.as_deref().and_then(validate::name_violation) {
        return refused("user", why);
    }
    if request.submit_rate.is_some_and(|rate| rate > MAX_RATE) {
        return refused("submit_rate", format!("must be at most {MAX_RATE}"));
    }
    let new = NewLimits {
        max_active: request.max_active.map(|most| Some(most).filter(|most| *most > 0)),
        max_bytes: request.max_bytes.map(|most| Some(most).filter(|most| *most > 0)),
        max_running: request.max_running.map(|most| Some(most).filter(|most| *most > 0)),
        submit_rate: request.submit_rate.map(|most| Some(most).filter(|most| *most > 0)),
    };
    match (request.clear, new == NewLimits::default()) {
        (true, true) => Ok(QuotaChange::Clear),
        (true, false) => refused("clear", "no limit may be given beside it".to_owned()),
        (false, _) => Ok(QuotaChange::Set(new)),
    }
}
