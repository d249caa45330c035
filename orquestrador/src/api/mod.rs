//! What clients may ask: checks and converts their messages, asks the driver, converts the answers.

pub mod blobs;
pub mod cluster;
pub mod convert;
mod ending;
pub mod follow;
pub mod operator;
mod portions;
pub mod queues;
mod run;
pub mod schedules;
pub mod tasks;
mod tokens;
mod users;
pub mod validate;
pub mod webhooks;

use std::time::Duration;

use common::error_code::ErrorCode;
use common::grpc_status;
use orquestrador_core::command::Role;
use orquestrador_core::ids::UserName;
use orquestrador_core::role::Standing;
use orquestrador_core::{Answer, Command, Rejection};
use serde_json::Value;
use tonic::{Response, Status};

use crate::driver::DriverHandle;
use crate::driver::input::Input;
use crate::users::{Access, Asking, Caller, Users};

/// Who asks the principal. A refusal is an answer like any other: only a principal gives it, and only one that
/// still is; whoever added the user may have spoken to another one.
///
/// # Errors
/// `UNAUTHENTICATED` or `PERMISSION_DENIED`, or `NOT_PRIMARY` from any other node that does not know the caller;
/// `USER_NOT_FOUND` in the place of whom nobody knows.
pub async fn authenticate(
    users: &Users,
    driver: &DriverHandle,
    asking: Asking<'_>,
) -> Result<Caller, Status> {
    let refusal = match users.authenticate(asking).await {
        Ok(caller) => {
            if let Some(user) = asking.acting_as().filter(|user| !users.knows(user)) {
                check_owner(driver, user.into()).await?;
            }
            return logged(users, asking, caller).await;
        }
        Err(refusal) => refusal,
    };
    let _turn = users.confirming().await;
    confirm_office(driver).await?;
    Err(logged_refusal(users, asking, refusal).await)
}

/// Does `work` for an administrator at the principal, and logs it.
///
/// # Errors
/// Those of [`authenticate`], of the log of actions, and of `work`.
pub async fn administer<T>(
    (users, driver): (&Users, &DriverHandle),
    asking: Asking<'_>,
    about: Value,
    work: impl Future<Output = Result<T, Status>>,
) -> Result<Response<T>, Status> {
    let caller = authenticate(users, driver, asking).await?;
    users.actions().record((&caller, asking), about, work).await.map(Response::new)
}

/// In the place of one who is no user any more, only as long as there are tasks of theirs: another name is a slip.
async fn check_owner(driver: &DriverHandle, user: UserName) -> Result<(), Status> {
    match driver.call(|request| Command::QueryUser { request, user }).await?.answer {
        Ok(Answer::User { user }) if user.is_owner => Ok(()),
        Ok(Answer::User { .. }) => Err(rejected(&Rejection::UserNotFound)),
        Ok(other) => Err(unexpected(&other)),
        Err(rejection) => Err(rejected(&rejection)),
    }
}

async fn logged(users: &Users, asking: Asking<'_>, caller: Caller) -> Result<Caller, Status> {
    if asking.access == Access::Change && asking.acting_as().is_some() {
        users.actions().acting(asking).await?;
    }
    Ok(caller)
}

async fn logged_refusal(users: &Users, asking: Asking<'_>, refusal: Status) -> Status {
    let code = grpc_status::meaning(&refusal).code;
    if code == ErrorCode::PermissionDenied && asking.access != Access::Look {
        users.actions().refused(asking, code).await;
    }
    refusal
}

/// No owner in particular, for those who may see what others have.
///
/// # Errors
/// `PERMISSION_DENIED` to submitters; `INVALID_ARGUMENT` in the place of another user.
pub fn everybody(caller: &Caller, is_for_another: bool) -> Result<Option<UserName>, Status> {
    match caller.role {
        Role::Submitter => {
            let why = "only administrators, and viewers, see the tasks of all users";
            Err(grpc_status::status(ErrorCode::PermissionDenied, why))
        }
        Role::Admin | Role::Viewer if is_for_another => {
            let why = "is not for a request in the place of another user";
            Err(grpc_status::invalid([("all_users".to_owned(), why.to_owned())]))
        }
        Role::Admin | Role::Viewer => Ok(None),
    }
}

/// A read of nothing.
pub async fn confirm_office(driver: &DriverHandle) -> Result<(), Status> {
    let nothing = |request| Command::Watch {
        request,
        owner: UserName::from(""),
        tasks: Vec::new(),
        with_results: false,
        only_ends: true,
    };
    driver.call(nothing).await.map(drop)
}

/// Who asks this node, whatever it is. One that is still learning does not know all users.
///
/// # Errors
/// `UNAUTHENTICATED` or `PERMISSION_DENIED`, or `NOT_PRIMARY` from a learner that does not know the caller.
pub async fn authenticate_here(
    users: &Users,
    driver: &DriverHandle,
    asking: Asking<'_>,
) -> Result<Caller, Status> {
    let refusal = match users.authenticate(asking).await {
        Ok(caller) => return logged(users, asking, caller).await,
        Err(refusal) => refusal,
    };
    let _turn = users.confirming().await;
    let node = driver.ask(|reply| Input::Describe { reply }).await?;
    match node.standing {
        Standing::Unfounded | Standing::Learner => {
            Err(grpc_status::not_primary(node.principal.as_deref()))
        }
        Standing::Principal => {
            confirm_office(driver).await?;
            Err(logged_refusal(users, asking, refusal).await)
        }
        Standing::Standby | Standing::Waiting | Standing::Elected => {
            Err(logged_refusal(users, asking, refusal).await)
        }
    }
}

/// The one place where a rejection becomes a status.
pub fn rejected(rejection: &Rejection) -> Status {
    let code = match rejection {
        Rejection::TaskNotFound { .. } => ErrorCode::TaskNotFound,
        Rejection::TaskFinished { .. } => ErrorCode::TaskFinished,
        Rejection::TaskIdConflict { .. } | Rejection::ArrayConflict { .. } => {
            ErrorCode::TaskIdConflict
        }
        Rejection::ArrayNotFound { .. } => ErrorCode::ArrayNotFound,
        Rejection::DependencyNotFound { .. } => ErrorCode::DependencyNotFound,
        Rejection::UnknownHandler { .. } => ErrorCode::UnknownHandler,
        Rejection::NotRetriable { .. } => ErrorCode::NotRetriable,
        Rejection::ComesAfterFailed { .. } => ErrorCode::DependencyNotRetried,
        Rejection::GroupNotFound { .. } => ErrorCode::GroupNotFound,
        Rejection::WebhookNotFound { .. } => ErrorCode::WebhookNotFound,
        Rejection::KeyConflict { .. } => ErrorCode::KeyConflict,
        Rejection::KeySpent { .. } => ErrorCode::KeySpent,
        Rejection::ScheduleNotFound { .. } => ErrorCode::ScheduleNotFound,
        Rejection::NoSuchPlan { .. } => ErrorCode::InvalidArgument,
        Rejection::QueueNotFound { .. } => ErrorCode::QueueNotFound,
        Rejection::NeedsNotMet { .. } => ErrorCode::NeedsNotMet,
        Rejection::BacklogFull { .. } => ErrorCode::QueueFull,
        Rejection::NeverFits { .. } => ErrorCode::InvalidArgument,
        Rejection::NeverFitsQuota { .. } => ErrorCode::QuotaTooSmall,
        Rejection::QuotaExceeded { .. } => ErrorCode::QuotaExceeded,
        Rejection::RateLimited { retry_after_ms, .. } => {
            let after = Duration::from_millis(*retry_after_ms);
            return grpc_status::later(ErrorCode::RateLimited, rejection.to_string(), after);
        }
        Rejection::UserNotFound => ErrorCode::UserNotFound,
        Rejection::TokenNotFound { .. } => ErrorCode::TokenNotFound,
        Rejection::TokenKnown { .. } => ErrorCode::TokenKnown,
        Rejection::TooManyTokens { .. } => ErrorCode::TooManyTokens,
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
