//! `WebhookService`: ends of tasks that are still to be told, as those who may know of them see them.

use common::grpc_status;
use common::proto::webhook_service_server::WebhookService;
use common::proto::{
    ListWebhooksRequest, ListWebhooksResponse, RetryWebhooksRequest, RetryWebhooksResponse,
    UndeliveredWebhook, WebhookState,
};
use orquestrador_core::command::{Role, WebhookChoice};
use orquestrador_core::ids::{RequestId, TaskId, UserName};
use orquestrador_core::webhook::Owed;
use orquestrador_core::{Answer, Command};
use tonic::{Request, Response, Status};

use super::{authenticate, rejected, unexpected, validate};
use crate::driver::DriverHandle;
use crate::users::{Access, Asking, Users};

/// Answers clients.
pub struct Service {
    pub driver: DriverHandle,
    pub users: Users,
}

impl Service {
    /// Whose webhooks the caller may see; `None`: all.
    async fn owner<T>(
        &self,
        request: &Request<T>,
        access: Access,
    ) -> Result<Option<UserName>, Status> {
        let asking = Asking::of(request, access);
        let caller = authenticate(&self.users, &self.driver, asking).await?;
        Ok(Some(caller.user).filter(|_| caller.role == Role::Submitter))
    }

    async fn ask(&self, command: impl FnOnce(RequestId) -> Command) -> Result<Answer, Status> {
        self.driver.call(command).await?.answer.map_err(|r| rejected(&r))
    }
}

#[tonic::async_trait]
impl WebhookService for Service {
    async fn list_webhooks(
        &self,
        request: Request<ListWebhooksRequest>,
    ) -> Result<Response<ListWebhooksResponse>, Status> {
        let owner = self.owner(&request, Access::Look).await?;
        let (only_given_up, (after, limit)) =
            (request.get_ref().only_given_up, validate::page_of_webhooks(request.get_ref())?);
        let list = |request| Command::ListWebhooks { request, owner, only_given_up, after, limit };
        match self.ask(list).await? {
            Answer::Webhooks { webhooks, next } => Ok(Response::new(ListWebhooksResponse {
                webhooks: webhooks.iter().map(|owed| undelivered(owed)).collect(),
                next_page_token: token(next),
            })),
            other => Err(unexpected(&other)),
        }
    }

    async fn retry_webhooks(
        &self,
        request: Request<RetryWebhooksRequest>,
    ) -> Result<Response<RetryWebhooksResponse>, Status> {
        let owner = self.owner(&request, Access::Change).await?;
        let choice = choice(request.get_ref())?;
        match self.ask(|request| Command::RetryWebhooks { request, owner, choice }).await? {
            Answer::WebhooksRetried { retried, next } => {
                let next_page_token = token(next);
                Ok(Response::new(RetryWebhooksResponse { retried, next_page_token }))
            }
            other => Err(unexpected(&other)),
        }
    }
}

/// # Errors
/// `INVALID_ARGUMENT` naming the field.
fn choice(request: &RetryWebhooksRequest) -> Result<WebhookChoice, Status> {
    let tasks = validate::task_ids("task_ids", &request.task_ids)?;
    let after = validate::page_after(&request.page_token)?;
    match (tasks.is_empty(), after) {
        (true, after) => Ok(WebhookChoice::All { after }),
        (false, None) => Ok(WebhookChoice::These(tasks)),
        (false, Some(_)) => {
            let why = "is only for a request without task_ids".to_owned();
            Err(grpc_status::invalid([("page_token".to_owned(), why)]))
        }
    }
}

fn token(next: Option<TaskId>) -> String {
    next.map(|task| task.to_string()).unwrap_or_default()
}

fn undelivered(owed: &Owed) -> UndeliveredWebhook {
    let state = match owed.given_up {
        Some(_) => WebhookState::GivenUp,
        None => WebhookState::Owed,
    };
    UndeliveredWebhook {
        task_id: owed.report.task.to_string(),
        owner: owed.report.owner.to_string(),
        state: state.into(),
        target: owed.url.target().to_owned(),
        tries: owed.tries.into(),
        next_at_ms: if owed.given_up.is_some() { 0 } else { owed.next.0 },
        given_up_at_ms: owed.given_up.map_or(0, |at| at.0),
        error: owed.error.clone(),
        tasks: owed.report.rest.as_ref().map_or(0, |rest| rest.tasks),
        finished_at_ms: owed.report.finished_at.0,
    }
}
