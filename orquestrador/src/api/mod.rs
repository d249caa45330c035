//! What clients may ask: checks and converts their messages, asks the driver, converts the answers.

pub mod cluster;
pub mod convert;
pub mod operator;
pub mod tasks;
pub mod validate;

use common::error_code::ErrorCode;
use common::grpc_status;
use orquestrador_core::role::Standing;
use orquestrador_core::{Answer, Rejection};
use tonic::Status;
use tonic::metadata::MetadataMap;

use crate::driver::DriverHandle;
use crate::driver::input::Input;
use crate::users::{Caller, Users};

/// Who asks. A node that is still learning does not know all users: only one that has the whole state can say
/// that a token is wrong.
///
/// # Errors
/// `UNAUTHENTICATED`, or `NOT_PRIMARY` from a learner that does not know the caller.
pub async fn authenticate(
    users: &Users,
    driver: &DriverHandle,
    metadata: &MetadataMap,
) -> Result<Caller, Status> {
    let refusal = match users.authenticate(metadata).await {
        Ok(caller) => return Ok(caller),
        Err(refusal) => refusal,
    };
    let node = driver.ask(|reply| Input::Describe { reply }).await?;
    match node.standing {
        Standing::Unfounded | Standing::Learner => {
            Err(grpc_status::not_primary(node.principal.as_deref()))
        }
        Standing::Standby | Standing::Waiting | Standing::Elected | Standing::Principal => {
            Err(refusal)
        }
    }
}

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
