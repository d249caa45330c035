//! What clients may ask: checks and converts their messages, asks the driver, converts the answers.

pub mod cluster;
pub mod convert;
pub mod operator;
pub mod tasks;
pub mod validate;

use common::error_code::ErrorCode;
use common::grpc_status;
use orquestrador_core::{Answer, Rejection};
use tonic::Status;

/// The one place where a rejection becomes a status.
pub fn rejected(rejection: &Rejection) -> Status {
    let code = match rejection {
        Rejection::TaskNotFound { .. } => ErrorCode::TaskNotFound,
        Rejection::TaskFinished { .. } => ErrorCode::TaskFinished,
        Rejection::TaskIdConflict { .. } => ErrorCode::TaskIdConflict,
        Rejection::UnknownHandler { .. } => ErrorCode::UnknownHandler,
        Rejection::BacklogFull { .. } => ErrorCode::QueueFull,
        Rejection::UserNotFound => ErrorCode::UserNotFound,
        Rejection::FirstUserNotAdmin => ErrorCode::FirstUserNotAdmin,
        Rejection::LastAdmin => ErrorCode::LastAdmin,
        Rejection::TooManyUsers => ErrorCode::QueueFull,
        Rejection::WorkerReplaced => ErrorCode::Unavailable,
    };
    grpc_status::status(code, rejection.to_string())
}

/// The machine answered a question with the answer to another: a fault of ours.
pub fn unexpected(answer: &Answer) -> Status {
    tracing::error!(?answer, "an answer of the wrong kind");
    grpc_status::status(ErrorCode::Internal, "the answer does not fit the question")
}
