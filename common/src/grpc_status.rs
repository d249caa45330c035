//! The one place where error codes become gRPC statuses, and statuses error codes.

use std::collections::HashMap;
use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, FieldViolation, StatusExt as _};

use crate::error_code::ErrorCode;
use crate::tls;

/// The domain of our `google.rpc.ErrorInfo`.
pub const DOMAIN: &str = "mutirao";
/// The entry of `ErrorInfo.metadata` that names the principal's address.
pub const PRINCIPAL_KEY: &str = "principal";

/// Bytes of what is wrong that are told: they travel in headers, of which whoever calls takes 16 KiB, and texts twice and encoded.
const MAX_TOLD: usize = 2_048;

/// A status with its reason. `message` is a lower-case English fragment for developers.
pub fn status(code: ErrorCode, message: impl Into<String>) -> Status {
    with_metadata(code, message, HashMap::new())
}

/// The refusal of a node that is not the principal; `principal` is an address to try.
pub fn not_primary(principal: Option<&str>) -> Status {
    let metadata =
        principal.map(|p| (PRINCIPAL_KEY.to_owned(), p.to_owned())).into_iter().collect();
    with_metadata(ErrorCode::NotPrimary, "this orchestrator is not the principal", metadata)
}

/// A bad request: one `(field, description)` for each thing wrong, as many as fit.
pub fn invalid(violations: impl IntoIterator<Item = (String, String)>) -> Status {
    let mut room = MAX_TOLD;
    let fit = violations.into_iter().map_while(|(mut field, mut text)| {
        cut(&mut field, room / 2);
        cut(&mut text, room / 2);
        room = room.saturating_sub(field.len() + text.len());
        (!text.is_empty()).then(|| FieldViolation::new(field, text))
    });
    let violations: Vec<_> = fit.collect();
    let message = violations
        .iter()
        .map(|v| format!("{}: {}", v.field, v.description))
        .collect::<Vec<_>>()
        .join("; ");
    let mut details = ErrorDetails::with_bad_request(violations);
    details.set_error_info(ErrorCode::InvalidArgument.word(), DOMAIN, HashMap::new());
    Status::with_error_details(Code::InvalidArgument, message, details)
}

/// A refusal of what may be asked again after so long, and not before.
pub fn later(code: ErrorCode, message: impl Into<String>, after: Duration) -> Status {
    let mut details = ErrorDetails::with_error_info(code.word(), DOMAIN, HashMap::new());
    details.set_retry_info(Some(after));
    Status::with_error_details(code.grpc(), message, details)
}

fn with_metadata(
    code: ErrorCode,
    message: impl Into<String>,
    metadata: HashMap<String, String>,
) -> Status {
    let details = ErrorDetails::with_error_info(code.word(), DOMAIN, metadata);
    let mut message = message.into();
    cut(&mut message, MAX_TOLD);
    Status::with_error_details(code.grpc(), message, details)
}

/// What is left out says nothing that the beginning does not.
fn cut(text: &mut String, most: usize) {
    text.truncate(text.floor_char_boundary(most));
}

/// What a status means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meaning {
    /// Its reason; for a status that is not ours, the nearest one.
    pub code: ErrorCode,
    /// Where the sender believes the principal to be.
    pub principal: Option<String>,
    /// How long to wait before asking again, where the sender says so.
    pub retry_after: Option<Duration>,
}

/// Reads a status back.
pub fn meaning(status: &Status) -> Meaning {
    if tls::Failure::within(status).is_some() {
        return Meaning { code: ErrorCode::TlsFailed, principal: None, retry_after: None };
    }
    let details = status.get_error_details();
    if let Some(info) = details.error_info()
        && info.domain == DOMAIN
        && let Ok(code) = info.reason.parse()
    {
        let principal = info.metadata.get(PRINCIPAL_KEY).cloned();
        let retry_after = details.retry_info().and_then(|retry| retry.retry_delay);
        return Meaning { code, principal, retry_after };
    }
    Meaning { code: nearest(status.code()), principal: None, retry_after: None }
}

/// Statuses that the transport made: a broken connection is worth a retry, a fault is not.
fn nearest(code: Code) -> ErrorCode {
    match code {
        Code::Unavailable
        | Code::Cancelled
        | Code::DeadlineExceeded
        | Code::Unknown
        | Code::Aborted => ErrorCode::Unavailable,
        Code::InvalidArgument | Code::OutOfRange => ErrorCode::InvalidArgument,
        Code::NotFound => ErrorCode::TaskNotFound,
        Code::AlreadyExists => ErrorCode::TaskIdConflict,
        Code::PermissionDenied => ErrorCode::PermissionDenied,
        Code::ResourceExhausted => ErrorCode::Overloaded,
        Code::FailedPrecondition => ErrorCode::NotPrimary,
        Code::Unauthenticated => ErrorCode::Unauthenticated,
        Code::Unimplemented => ErrorCode::NotAnOrchestrator,
        Code::Ok | Code::Internal | Code::DataLoss => ErrorCode::Internal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_survives_the_wire() {
        for &code in ErrorCode::ALL {
            let status = status(code, "x");
            assert_eq!(meaning(&status).code, code);
            assert_eq!(status.code(), code.grpc());
        }
    }

    #[test]
    fn a_standby_names_the_principal() {
        let refusal = not_primary(Some("http://localhost:50052"));
        assert_eq!(meaning(&refusal).principal.as_deref(), Some("http://localhost:50052"));
    }

    #[test]
    fn who_comes_too_early_is_told_when_to_come_again() {
        let after = Duration::from_millis(1_500);
        let meaning = meaning(&later(ErrorCode::RateLimited, "too fast", after));
        assert_eq!((meaning.code, meaning.retry_after), (ErrorCode::RateLimited, Some(after)));
    }

    #[test]
    fn a_bad_request_names_each_field() {
        let status = invalid([("task.handler".into(), "must not be empty".into())]);
        let details = status.get_error_details();
        assert_eq!(
            details.bad_request().expect("has violations").field_violations[0].field,
            "task.handler"
        );
        assert_eq!(meaning(&status).code, ErrorCode::InvalidArgument);
    }

    #[test]
    fn whatever_is_wrong_fits_the_headers_that_tell_it() {
        let many = (0..100_000).map(|nth| (format!("held[{nth}]"), "must be a UUID".to_owned()));
        let long = [("ü".repeat(100_000), "é".repeat(100_000))];
        let unknown = status(ErrorCode::TaskNotFound, "ä".repeat(100_000));
        for refusal in [invalid(many), invalid(long), unknown] {
            // A byte that is not ASCII takes three, and three bytes of details four.
            let told = refusal.message().len() * 3 + refusal.details().len() * 4 / 3;
            // Of 16 KiB, with what else stands there.
            assert!(told < 15_000 && !refusal.message().is_empty(), "{told} bytes");
        }
        let two = [("a", "is wrong"), ("b", "is wrong, too")];
        let refusal = invalid(two.map(|(field, why)| (field.to_owned(), why.to_owned())));
        assert_eq!(refusal.message(), "a: is wrong; b: is wrong, too");
    }
}
