//! Why a call failed for good.

use common::error_code::ErrorCode;
use common::grpc_status;
use tonic::Status;

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
    pub(crate) fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), principal: None }
    }
}

impl From<Status> for Error {
    fn from(status: Status) -> Self {
        let grpc_status::Meaning { code, principal } = grpc_status::meaning(&status);
        Self { code, message: status.message().to_owned(), principal }
    }
}
