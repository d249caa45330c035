//! `QueueService`: how named queues stand, and how they are served.

use common::grpc_status;
use common::proto::queue_service_server::QueueService;
use common::proto::{
    ChangeQueueRequest, ChangeQueueResponse, ListQueuesRequest, ListQueuesResponse,
    PurgeQueueRequest, PurgeQueueResponse,
};
use orquestrador_core::command::QueueChange;
use orquestrador_core::ids::{QueueName, RequestId};
use orquestrador_core::{Answer, Command};
use serde_json::json;
use tonic::{Request, Response, Status};

use super::{administer, authenticate, convert, rejected, unexpected, validate};
use crate::driver::DriverHandle;
use crate::shards::Shards;
use crate::users::{Access, Asking, Users};

/// The most that a queue may weigh.
const MAX_WEIGHT: u32 = 1_000;

/// Answers clients and administrators.
pub struct Service {
    pub driver: DriverHandle,
    pub users: Users,
    pub shards: Shards,
}

impl Service {
    async fn ask(&self, command: impl FnOnce(RequestId) -> Command) -> Result<Answer, Status> {
        self.driver.call(command).await?.answer.map_err(|r| rejected(&r))
    }
}

#[tonic::async_trait]
impl QueueService for Service {
    async fn list_queues(
        &self,
        request: Request<ListQueuesRequest>,
    ) -> Result<Response<ListQueuesResponse>, Status> {
        authenticate(&self.users, &self.driver, Asking::of(&request, Access::Look)).await?;
        match self.ask(|request| Command::ListQueues { request }).await? {
            Answer::Queues { queues } => {
                let queues = queues.iter().map(convert::queue).collect();
                Ok(Response::new(ListQueuesResponse { queues }))
            }
            other => Err(unexpected(&other)),
        }
    }

    async fn change_queue(
        &self,
        request: Request<ChangeQueueRequest>,
    ) -> Result<Response<ChangeQueueResponse>, Status> {
        let (asking, body) =
            (Asking::of(&request, Access::Administer("ChangeQueue")), request.get_ref());
        let about = json!({
            "queue": body.name, "weight": body.weight, "max_running": body.max_running,
            "paused": body.paused,
        });
        let change = async {
            let queue = queue_name(&body.name)?;
            self.shards.check(&queue)?;
            let change = queue_change(body)?;
            match self.ask(|request| Command::ChangeQueue { request, queue, change }).await? {
                Answer::Queues { queues } => {
                    Ok(ChangeQueueResponse { queue: queues.first().map(convert::queue) })
                }
                other => Err(unexpected(&other)),
            }
        };
        administer((&self.users, &self.driver), asking, about, change).await
    }

    async fn purge_queue(
        &self,
        request: Request<PurgeQueueRequest>,
    ) -> Result<Response<PurgeQueueResponse>, Status> {
        let (asking, name) =
            (Asking::of(&request, Access::Administer("PurgeQueue")), &request.get_ref().name);
        let purge = async {
            let queue = queue_name(name)?;
            match self.ask(|request| Command::PurgeQueue { request, queue }).await? {
                Answer::Purged { cancelled, left } => Ok(PurgeQueueResponse { cancelled, left }),
                other => Err(unexpected(&other)),
            }
        };
        administer((&self.users, &self.driver), asking, json!({ "queue": name }), purge).await
    }
}

/// # Errors
/// `INVALID_ARGUMENT` naming the field.
fn queue_name(name: &str) -> Result<QueueName, Status> {
    match validate::name_violation(name) {
        Some(why) => Err(grpc_status::invalid([("name".to_owned(), why)])),
        None => Ok(name.into()),
    }
}

/// # Errors
/// `INVALID_ARGUMENT` naming the field.
fn queue_change(change: &ChangeQueueRequest) -> Result<QueueChange, Status> {
    if change.weight.is_some_and(|weight| !(1..=MAX_WEIGHT).contains(&weight)) {
        let why = format!("must be 1 to {MAX_WEIGHT}");
        return Err(grpc_status::invalid([("weight".to_owned(), why)]));
    }
    Ok(QueueChange {
        weight: change.weight,
        max_running: change.max_running.map(|most| Some(most).filter(|most| *most > 0)),
        paused: change.paused,
    })
}
