//! Why a call failed for good.

use std::time::Duration;

use common::error_code::ErrorCode;
use common::grpc_status;
use tonic::{Code, Status};

/// The last refusal, or that nobody answered in time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {message}", code.word())]
pub struct Error {
    /// What a program decides by.
    pub code: ErrorCode,
    /// English, for developers.
    pub message: String,
    /// Where the refusing node believes the principal to be.
    pub principal: Option<String>,
    /// How long to wait before asking again, where the refusing node says so.
    pub retry_after: Option<Duration>,
}

impl Error {
    /// `message`: a lower-case English fragment.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), principal: None, retry_after: None }
    }

    /// Of the refusals of several nodes the one to act upon: whoever answered says more than one that did not,
    /// and a refusal for good more than one that may pass.
    #[must_use]
    pub fn more_telling(before: Option<Self>, next: Self) -> Self {
        let rank = |error: &Self| match error.code {
            ErrorCode::Unavailable => 0,
            code if code.retryable() => 1,
            _ => 2,
        };
        match before {
            Some(before) if rank(&before) >= rank(&next) => before,
            Some(_) | None => next,
        }
    }
}

impl From<Status> for Error {
    fn from(status: Status) -> Self {
        let grpc_status::Meaning { code, principal, retry_after } = grpc_status::meaning(&status);
        let code = if was_made_by_the_transport(&status) && !code.is_of_tls() {
            ErrorCode::Unavailable
        } else {
            code
        };
        Self { code, message: status.message().to_owned(), principal, retry_after }
    }
}

/// A broken connection can look like a fault of the server. The server's own faults say that they are ours.
fn was_made_by_the_transport(status: &Status) -> bool {
    use tonic_types::StatusExt as _;
    status.code() == Code::Internal && status.get_error_details().error_info().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_stream_is_worth_a_retry_and_a_fault_of_ours_is_not() {
        assert!(Error::from(Status::internal("h2 protocol error")).code.retryable());
        let fault = grpc_status::status(ErrorCode::Internal, "a fault");
        assert!(!Error::from(fault).code.retryable());
    }

    #[test]
    fn a_stranger_at_the_address_is_no_fault_of_an_orchestrator() {
        let error = Error::from(Status::unimplemented(""));
        assert_eq!(error.code, ErrorCode::NotAnOrchestrator, "{error}");
        assert!(!error.code.retryable(), "it will be none the next time");
    }

    #[test]
    fn of_several_refusals_the_one_to_act_upon_is_told() {
        let of = |code| Error::new(code, "");
        let order = [ErrorCode::Unavailable, ErrorCode::NotPrimary, ErrorCode::Unauthenticated];
        for (nth, less) in order.into_iter().enumerate() {
            for more in order.into_iter().skip(nth) {
                assert_eq!(Error::more_telling(Some(of(less)), of(more)).code, more);
                assert_eq!(Error::more_telling(Some(of(more)), of(less)).code, more);
            }
        }
    }
}
