//! What operators ask of the cluster as a whole.

use common::endpoint::{Endpoint, MAX_MESSAGE_BYTES};
use common::error_code::ErrorCode;
pub use common::messages::operator::Proof as Verdict;
use common::proto::operator_service_client::OperatorServiceClient;
use common::proto::{self, drill_request};
use std::time::Duration;
use tonic::transport::Channel;

use crate::{Client, Error};

/// The standby may take so long to become principal, and a little more.
const SWITCHOVER_TIMEOUT: Duration = Duration::from_secs(7);

fn operator(channel: Channel) -> OperatorServiceClient<Channel> {
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

/// The journal of one orchestrator, as it reads it itself.
#[derive(Clone, Debug)]
pub struct AuditedNode {
    /// Where it is.
    pub address: Endpoint,
    /// What it found.
    pub report: proto::AuditJournalResponse,
}

/// The journals of all orchestrators that answered, up to the same entry.
#[derive(Clone, Debug)]
pub struct Audit {
    /// In the configured order.
    pub nodes: Vec<AuditedNode>,
}

impl Audit {
    /// The chained hash of the last entry is the same: so are all entries.
    pub fn hashes_equal(&self) -> bool {
        self.all_equal(|report| (&report.hash, report.at_index))
    }

    /// The state that they come to is the same.
    pub fn digests_equal(&self) -> bool {
        self.all_equal(|report| (&report.digest, report.at_index))
    }

    fn all_equal<'a, T: PartialEq>(
        &'a self,
        of: impl Fn(&'a proto::AuditJournalResponse) -> T,
    ) -> bool {
        self.nodes.windows(2).all(|pair| of(&pair[0].report) == of(&pair[1].report))
    }

    /// What it comes to.
    pub fn verdict(&self) -> Verdict {
        let is_sound = |node: &AuditedNode| {
            let report = &node.report;
            report.second_outcomes == 0
                && report.epoch_regressions == 0
                && report.missing.is_empty()
                && report.contradiction.is_empty()
        };
        match self.nodes.len() {
            _ if !(self.nodes.iter().all(is_sound)
                && self.hashes_equal()
                && self.digests_equal()) =>
            {
                Verdict::Violated
            }
            0 | 1 => Verdict::OneNodeOnly,
            2.. => Verdict::Proven,
        }
    }
}

impl Client {
    /// Has every orchestrator that answers read its journal up to the last entry that all of them have.
    /// `acknowledged`: tasks that must be there.
    ///
    /// # Errors
    /// Nobody answered, or all refused.
    pub async fn audit(&self, acknowledged: &[String]) -> Result<Audit, Error> {
        let mut answering = Vec::new();
        let mut refusal = None;
        for target in self.targets().configured() {
            match self.cluster_at(&target.endpoint).await {
                Ok(cluster) => {
                    let own = cluster.nodes.iter().find(|node| node.answering);
                    answering.push((target.endpoint.clone(), own.map_or(0, |n| n.journal_index)));
                }
                Err(error) => refusal = Some(error),
            }
        }
        let Some(at_index) = answering.iter().map(|(_, index)| *index).min() else {
            let nobody = || Error::new(ErrorCode::Unavailable, "no orchestrator is configured");
            return Err(refusal.unwrap_or_else(nobody));
        };
        let mut nodes = Vec::new();
        for (address, _) in answering {
            let task_ids = acknowledged.to_vec();
            let asked = proto::AuditJournalRequest { at_index, task_ids };
            let request = self.targets().request(asked);
            let answer = operator(self.channel(&address)).audit_journal(request).await?;
            nodes.push(AuditedNode { address, report: answer.into_inner() });
        }
        Ok(Audit { nodes })
    }

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
                    let address = address.to_string();
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
