//! The scripted queues: those of the store, and no tasks in them.

use common::error_code::ErrorCode;
use common::grpc_status;
use common::proto::queue_service_server::QueueService;
use common::proto::*;
use tonic::{Request, Response, Status};

use super::Script;

#[tonic::async_trait]
impl QueueService for Script {
    async fn list_queues(
        &self,
        request: Request<ListQueuesRequest>,
    ) -> Result<Response<ListQueuesResponse>, Status> {
        self.admit("queues".into(), &request).await?;
        let queues = self.pair.store().queues.values().cloned().collect();
        Ok(Response::new(ListQueuesResponse { queues }))
    }

    async fn change_queue(
        &self,
        request: Request<ChangeQueueRequest>,
    ) -> Result<Response<ChangeQueueResponse>, Status> {
        self.admit("change queue".into(), &request).await?;
        let ChangeQueueRequest { name, weight, max_running, paused } = request.into_inner();
        let queue = self.pair.change(|store| {
            let queue = store.queues.entry(name.clone()).or_default();
            queue.name = name;
            queue.weight = weight.unwrap_or(queue.weight.max(1));
            queue.max_running = max_running.or(queue.max_running);
            queue.paused = paused.unwrap_or(queue.paused);
            queue.clone()
        });
        Ok(Response::new(ChangeQueueResponse { queue: Some(queue) }))
    }

    async fn purge_queue(
        &self,
        request: Request<PurgeQueueRequest>,
    ) -> Result<Response<PurgeQueueResponse>, Status> {
        self.admit("purge queue".into(), &request).await?;
        match self.pair.store().queues.contains_key(&request.get_ref().name) {
            true => Ok(Response::new(PurgeQueueResponse::default())),
            false => Err(grpc_status::status(ErrorCode::QueueNotFound, "no such queue")),
        }
    }
}
