//! What tasks left behind, for a worker that runs one which takes it.

use std::pin::Pin;

use common::error_code::ErrorCode;
use common::grpc_status;
use common::proto::{self, GetSourcesRequest, GetSourcesResponse};
use futures::{Stream, StreamExt as _, stream};
use orquestrador_core::effect::Source;
use orquestrador_core::ids::UserName;
use orquestrador_core::{Answer, Command, Rejection};
use tonic::metadata::MetadataMap;
use tonic::{Request, Status};

use crate::api::{convert, rejected, unexpected, validate};
use crate::blobs::is_member;
use crate::driver::DriverHandle;
use crate::driver::input::Input;

/// One message for each task.
pub type Sources = Pin<Box<dyn Stream<Item = Result<GetSourcesResponse, Status>> + Send>>;

/// Asked of the principal, by a worker of its cluster.
///
/// # Errors
/// The caller is none, or one of the tasks is not known, or another user's.
pub async fn get(
    driver: &DriverHandle,
    request: Request<GetSourcesRequest>,
) -> Result<Sources, Status> {
    check(driver, request.metadata()).await?;
    let GetSourcesRequest { task_id, of } = request.into_inner();
    let task = validate::task_id("task_id", &task_id)?;
    let of = validate::task_id("of", &of)?;
    let asked = driver.call(|request| Command::QuerySources { request, task, of }).await?;
    let (owner, sources) = match asked.answer.map_err(|r| rejected(&r))? {
        Answer::Sources { owner, sources } => (owner, sources),
        other => return Err(unexpected(&other)),
    };
    let driver = driver.clone();
    let left = stream::iter(sources).then(move |source| one(driver.clone(), owner.clone(), source));
    Ok(Box::pin(left))
}

async fn check(driver: &DriverHandle, metadata: &MetadataMap) -> Result<(), Status> {
    let node = driver.ask(|reply| Input::Describe { reply }).await?;
    match is_member(metadata, &node)? {
        true => Ok(()),
        false => Err(grpc_status::status(
            ErrorCode::Unauthenticated,
            "only workers of this cluster ask for what tasks left",
        )),
    }
}

async fn one(
    driver: DriverHandle,
    owner: UserName,
    Source { number, task }: Source,
) -> Result<GetSourcesResponse, Status> {
    let query = |request| Command::Query { request, owner, task, with_result: true };
    let (state, result) = match driver.call(query).await?.answer {
        Ok(Answer::Task { snapshot, result, .. }) => (convert::state(snapshot.state), result),
        Ok(other) => return Err(unexpected(&other)),
        Err(Rejection::TaskNotFound { .. }) => (proto::TaskState::Unspecified, None),
        Err(rejection) => return Err(rejected(&rejection)),
    };
    let (result, result_blob) = result.map(convert::content).unwrap_or_default();
    let (task_id, state) = (task.to_string(), state.into());
    Ok(GetSourcesResponse { task_id, number, state, result: result.into(), result_blob })
}
