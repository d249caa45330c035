//! Named queues.

use std::time::Duration;

use common::proto;
use common::proto::queue_service_client::QueueServiceClient;
use tonic::transport::Channel;

use crate::client::incomplete;
use crate::shards::is_stranger;
use crate::{Client, Error};

/// Of one request.
const TIMEOUT: Duration = Duration::from_secs(2);

fn queues(channel: Channel) -> QueueServiceClient<Channel> {
    QueueServiceClient::new(channel)
}

/// What is to change about a queue; `None` stays as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueChange {
    /// 1 to 1,000: of two queues that both have work, one gets slots in this proportion to the other.
    pub weight: Option<u32>,
    /// So many of its tasks may run at a time; 0: no limit.
    pub max_running: Option<u32>,
    /// None of its tasks is assigned.
    pub paused: Option<bool>,
}

impl Client {
    /// Which queues there are, by name; of all groups of orchestrators where there are several.
    ///
    /// # Errors
    /// Nobody answered in time.
    pub async fn queues(&self) -> Result<Vec<proto::Queue>, Error> {
        let mut all = self.queues_here().await?;
        let others = self.others().await?;
        let answers =
            others.iter().map(|other| async move { (other, other.client.queues_here().await) });
        for (other, answer) in futures::future::join_all(answers).await {
            match answer {
                Ok(queues) => all.extend(queues),
                // Who is no user there has nothing to see.
                Err(refusal) if is_stranger(refusal.code) => {}
                Err(error) => return Err(other.named(error)),
            }
        }
        all.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(all)
    }

    async fn queues_here(&self) -> Result<Vec<proto::Queue>, Error> {
        let answer = self
            .targets()
            .call(
                TIMEOUT,
                |_: &proto::ListQueuesResponse| None,
                |channel| {
                    let request = self.targets().request(proto::ListQueuesRequest {});
                    async move { Ok(queues(channel).list_queues(request).await?.into_inner()) }
                },
            )
            .await?;
        Ok(answer.queues)
    }

    /// Changes how a queue is served, and gives how it stands then. For administrators.
    ///
    /// # Errors
    /// A refusal, or nobody answered in time.
    pub async fn change_queue(
        &self,
        name: &str,
        change: QueueChange,
    ) -> Result<proto::Queue, Error> {
        let QueueChange { weight, max_running, paused } = change;
        let body = proto::ChangeQueueRequest { name: name.to_owned(), weight, max_running, paused };
        let answer = self
            .at_queue(
                name,
                TIMEOUT,
                |_: &proto::ChangeQueueResponse| None,
                |channel| {
                    let request = self.targets().request(body.clone());
                    async move { Ok(queues(channel).change_queue(request).await?.into_inner()) }
                },
            )
            .await?;
        answer.queue.ok_or_else(incomplete)
    }

    /// Cancels a part of what waits in a queue, whosever it is; gives how many were cancelled and how many are left. For
    /// administrators.
    ///
    /// # Errors
    /// A refusal, or nobody answered in time.
    pub async fn purge_queue(&self, name: &str) -> Result<(u64, u64), Error> {
        let answer = self
            .anywhere(
                TIMEOUT,
                |_: &proto::PurgeQueueResponse| None,
                |channel| {
                    let name = name.to_owned();
                    let request = self.targets().request(proto::PurgeQueueRequest { name });
                    async move { Ok(queues(channel).purge_queue(request).await?.into_inner()) }
                },
            )
            .await?;
        Ok((answer.cancelled, answer.left))
    }
}
