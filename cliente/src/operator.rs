//! What operators ask of the cluster as a whole.

use common::endpoint::{Endpoint, MAX_MESSAGE_BYTES};
use common::proto::operator_service_client::OperatorServiceClient;
use common::proto::{self, drill_request};
use std::time::Duration;
use tonic::transport::Channel;

use crate::{Client, Error};

/// The standby may take so long to become principal, and a little more.
const SWITCHOVER_TIMEOUT: Duration = Duration::from_secs(7);

pub(crate) fn operator(channel: Channel) -> OperatorServiceClient<Channel> {
    OperatorServiceClient::new(channel)
        .max_decoding_message_size(MAX_MESSAGE_BYTES)
        .max_encoding_message_size(MAX_MESSAGE_BYTES)
}

/// What happens to an orchestrator in a drill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accident {
    /// It dies as by `kill -9`.
    Kill,
    /// It stops, and goes on after a while.
    Pause(Duration),
}

impl Client {
    /// Gives the office to the standby; gives the new epoch. No request fails meanwhile.
    ///
    /// # Errors
    /// `NOT_PROMOTABLE` without a standby in sync, another refusal, or nobody answered in time.
    pub async fn switchover(&self) -> Result<u64, Error> {
        // Should the answer be lost, the repeated request must not switch back.
        let from_epoch = self.cluster().await?.epoch;
        let answer = self
            .targets()
            .call(
                SWITCHOVER_TIMEOUT,
                |answer: &proto::SwitchoverResponse| Some(answer.epoch),
                |channel| {
                    let request = self.targets().request(proto::SwitchoverRequest { from_epoch });
                    async move { Ok(operator(channel).switchover(request).await?.into_inner()) }
                },
            )
            .await?;
        Ok(answer.epoch)
    }

    /// What this orchestrator logs from now on, as in `MUTIRAO_LOG`; `None`: what it logged when it started.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` of what is no filter, another refusal, or it did not answer in time.
    pub async fn set_log_filter(&self, node: &Endpoint, filter: Option<&str>) -> Result<(), Error> {
        let filter = filter.map(str::to_owned);
        let request = self.targets().request(proto::SetLogFilterRequest { filter });
        let asked = async { operator(self.channel(node)).set_log_filter(request).await };
        self.once(node, asked).await.map(drop)
    }

    /// Ends the whole cluster in order; gives how many tasks still ran after `timeout`, which run again after
    /// the next start.
    ///
    /// # Errors
    /// A refusal, or nobody answered in time.
    pub async fn shutdown(&self, timeout: Duration) -> Result<u64, Error> {
        let timeout_ms = u32::try_from(timeout.as_millis()).unwrap_or(u32::MAX);
        let answer = self
            .targets()
            .call(
                timeout.saturating_add(SWITCHOVER_TIMEOUT),
                |_: &proto::ShutdownResponse| None,
                |channel| {
                    let request = self.targets().request(proto::ShutdownRequest { timeout_ms });
                    async move { Ok(operator(channel).shutdown(request).await?.into_inner()) }
                },
            )
            .await?;
        Ok(answer.interrupted)
    }

    /// Tells a worker to take no more tasks, to finish what it runs within `timeout` (by default its own) and to
    /// end; gives how many of its slots were in use.
    ///
    /// # Errors
    /// `WORKER_NOT_FOUND`, another refusal, or nobody answered in time.
    pub async fn drain_worker(
        &self,
        worker_id: &str,
        timeout: Option<Duration>,
    ) -> Result<u32, Error> {
        let timeout = timeout.map(|limit| u32::try_from(limit.as_millis()).unwrap_or(u32::MAX));
        let worker_id = worker_id.to_owned();
        let request = proto::DrainWorkerRequest { worker_id, timeout_ms: timeout };
        let answer = self
            .targets()
            .call(
                SWITCHOVER_TIMEOUT,
                |_: &proto::DrainWorkerResponse| None,
                |channel| {
                    let request = self.targets().request(request.clone());
                    async move { Ok(operator(channel).drain_worker(request).await?.into_inner()) }
                },
            )
            .await?;
        Ok(answer.busy)
    }

    /// Another machine takes the place of the dead orchestrator: from now on it is looked for at `address`.
    ///
    /// # Errors
    /// `NOT_PROMOTABLE` while the other orchestrator belongs to the cluster, another refusal, or nobody
    /// answered in time.
    pub async fn replace_peer(&self, address: &Endpoint) -> Result<(), Error> {
        self.targets()
            .call(
                SWITCHOVER_TIMEOUT,
                |_: &()| None,
                |channel| {
                    let address = self.targets().settled(address).to_string();
                    let request = self.targets().request(proto::ReplacePeerRequest { address });
                    async move { operator(channel).replace_peer(request).await.map(drop) }
                },
            )
            .await
    }

    /// Who is principal and why, as one node sees it.
    ///
    /// # Errors
    /// A refusal, or it did not answer in time.
    pub async fn explain_at(
        &self,
        node: &Endpoint,
    ) -> Result<proto::ExplainClusterResponse, Error> {
        let request = self.targets().request(proto::ExplainClusterRequest {});
        let asked = async { operator(self.channel(node)).explain_cluster(request).await };
        self.once(node, asked).await
    }

    /// What `node` has set aside: entries that nobody acknowledged, or that an override took back.
    ///
    /// # Errors
    /// A refusal, or it did not answer in time.
    pub async fn tails_at(&self, node: &Endpoint) -> Result<Vec<proto::Tail>, Error> {
        let request = self.targets().request(proto::ListTailsRequest {});
        let asked = async { operator(self.channel(node)).list_tails(request).await };
        Ok(self.once(node, asked).await?.tails)
    }

    /// Submits what `node` has set aside under this name once more, each task for its owner; gives how many
    /// were new. Repeating it is harmless.
    ///
    /// # Errors
    /// `TAIL_NOT_FOUND`, another refusal, or nobody answered in time.
    pub async fn recover_tail(&self, node: &Endpoint, name: &str) -> Result<u64, Error> {
        let request = self.targets().request(proto::ReadTailRequest { name: name.to_owned() });
        let asked = async { operator(self.channel(node)).read_tail(request).await };
        let mut parts = self.once(node, asked).await?;
        let mut accepted = 0;
        while let Some(part) = parts.message().await? {
            let tasks = part.tasks;
            let answer = self
                .targets()
                .call(
                    SWITCHOVER_TIMEOUT,
                    |_: &proto::ResubmitResponse| None,
                    |channel| {
                        let request =
                            self.targets().request(proto::ResubmitRequest { tasks: tasks.clone() });
                        async move { Ok(operator(channel).resubmit(request).await?.into_inner()) }
                    },
                )
                .await?;
            accepted += u64::from(answer.accepted);
        }
        Ok(accepted)
    }

    /// Whether `node` would do what [`Client::drill_at`] asks.
    ///
    /// # Errors
    /// `PERMISSION_DENIED` where drills are off, another refusal, or it did not answer in time.
    pub async fn may_drill_at(&self, node: &Endpoint) -> Result<(), Error> {
        let kind = Some(drill_request::Kind::Check(true));
        let request = self.targets().request(proto::DrillRequest { kind });
        let asked = async { operator(self.channel(node)).drill(request).await };
        self.once(node, asked).await.map(drop)
    }

    /// An accident on request, where the orchestrator was started with `--allow-drill`.
    ///
    /// # Errors
    /// `PERMISSION_DENIED` where drills are off. A node that dies does not answer: that is no error.
    pub async fn drill_at(&self, node: &Endpoint, accident: Accident) -> Result<(), Error> {
        let kind = match accident {
            Accident::Kill => drill_request::Kind::Kill(true),
            Accident::Pause(time) => {
                drill_request::Kind::PauseMs(u32::try_from(time.as_millis()).unwrap_or(u32::MAX))
            }
        };
        let request = self.targets().request(proto::DrillRequest { kind: Some(kind) });
        let asked = async { operator(self.channel(node)).drill(request).await };
        match self.once(node, asked).await {
            Ok(_) => Ok(()),
            Err(error) if error.code.retryable() => Ok(()),
            Err(error) => Err(error),
        }
    }
}
