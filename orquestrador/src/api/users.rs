//! Users and their quotas, from the wire and to it.

use common::{grpc_status, proto};
use orquestrador_core::command::{NewLimits, QuotaChange};
use orquestrador_core::effect::UserSnapshot;
use orquestrador_core::quota::{Quota, Usage};
use tonic::Status;

use super::validate;

/// Submissions per second.
const MAX_RATE: u32 = 1_000_000;

pub fn user(user: &UserSnapshot) -> proto::User {
    let record = user.record.as_ref();
    proto::User {
        user: user.user.to_string(),
        admin: record.is_some_and(|record| record.admin),
        added_at_ms: record.map_or(0, |record| record.added_at.0),
        quota: Some(quota(user.quota)),
        has_own_quota: user.is_own,
        usage: Some(usage(user.usage)),
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
