//! Why a call failed for good.

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
}

impl Error {
    /// `message`: a lower-case English fragment.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), principal: None }
    }
}

impl From<Status> for Error {
    fn from(status: Status) -> Self {
        let grpc_status::Meaning { code, principal } = grpc_status::meaning(&status);
        let code = if was_made_by_the_transport(&status) { ErrorCode::Unavailable } else { code };
        Self { code, message: status.message().to_owned(), principal }
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
}
