//! The calls.

use std::sync::Arc;
use std::time::Duration;

use common::auth::{Credentials, UnusableCredentials};
use common::endpoint::{Endpoint, MAX_MESSAGE_BYTES};
use common::error_code::ErrorCode;
use common::proto::cluster_service_client::ClusterServiceClient;
use common::proto::task_orchestrator_client::TaskOrchestratorClient;
use common::proto::{self, Receipt, Task};
use common::tls::Tls;
use common::traces::SpanContext;
use futures::stream::{FuturesUnordered, StreamExt as _};
use tokio::time::Instant;
use tonic::transport::Channel;

use crate::retry::{Backoff, Target, Targets, is_of_principal, silent};
use crate::shards::Shards;
use crate::{Error, TaskFilter, canonical_task_id};

/// How long one orchestrator may take to answer before the other is asked.
pub(crate) const TRY_TIMEOUT: Duration = Duration::from_secs(2);
/// The same where megabytes may travel.
pub(crate) const BULK_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a call may take unless the configuration says otherwise.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);

/// Whom to ask, as whom, and for how long.
#[derive(Clone, Debug)]
pub struct ClientConfig {
    /// The orchestrators, in the order in which they are tried.
    pub endpoints: Vec<Endpoint>,
    /// Sent with each request.
    pub credentials: Credentials,
    /// For a whole call, all tries included.
    pub timeout: Duration,
    /// Whom to trust, and what to show; by default the orchestrators are called without TLS.
    pub tls: Tls,
    /// The span of the caller's that what is submitted belongs to.
    pub trace: Option<SpanContext>,
}

impl ClientConfig {
    /// With a timeout of 30 seconds.
    pub fn new(endpoints: Vec<Endpoint>, credentials: Credentials) -> Self {
        let (timeout, tls) = (DEFAULT_TIMEOUT, Tls::default());
        Self { endpoints, credentials, timeout, tls, trace: None }
    }
}

/// Cheap to clone; connects when first used and again after a failure.
#[derive(Clone)]
pub struct Client {
    pub(crate) targets: Arc<Targets>,
    pub(crate) shards: Arc<Shards>,
}

/// An accepted submission.
#[derive(Clone, Debug)]
pub struct Submitted {
    /// As it was when it was accepted.
    pub task: Task,
    /// It was known already.
    pub existed: bool,
    /// How durable the acceptance is.
    pub receipt: Receipt,
}

/// An accepted part of a larger submission: one entry of the journal, all of it or nothing.
#[derive(Clone, Debug)]
pub struct Batch {
    /// In the order in which they were given.
    pub task_ids: Vec<String>,
    /// How many were new; the others were known already.
    pub accepted: u32,
    /// How durable the acceptance is.
    pub receipt: Receipt,
}

pub(crate) fn tasks(channel: Channel) -> TaskOrchestratorClient<Channel> {
    TaskOrchestratorClient::new(channel)
        .max_decoding_message_size(MAX_MESSAGE_BYTES)
        .max_encoding_message_size(MAX_MESSAGE_BYTES)
}

fn cluster(channel: Channel) -> ClusterServiceClient<Channel> {
    ClusterServiceClient::new(channel).max_decoding_message_size(MAX_MESSAGE_BYTES)
}

pub(crate) fn epoch(receipt: Option<&Receipt>) -> Option<u64> {
    receipt.map(|receipt| receipt.epoch)
}

/// How much the word of a node that is not the principal counts: it knows the newest view, belongs to it and is
/// in sync, and knows who is principal. A former member answers too.
fn standing(answer: &proto::GetClusterResponse) -> (u64, u64, bool, bool) {
    let is_in_sync = answer.nodes.iter().any(|node| node.answering && node.in_sync);
    (answer.epoch, answer.view_number, is_in_sync, !answer.principal.is_empty())
}

/// An answer without what it must have.
pub(crate) fn incomplete() -> Error {
    Error::new(ErrorCode::Internal, "the answer is incomplete")
}

impl Client {
    /// Does not connect yet. To be called within a Tokio runtime.
    pub fn new(config: ClientConfig) -> Self {
        Self::of_targets(Targets::new(config))
    }

    /// The same in the place of another user, as administrators and viewers may, over the same connections.
    ///
    /// # Errors
    /// The name cannot travel.
    pub fn acting_as(&self, user: &str) -> Result<Self, UnusableCredentials> {
        Ok(Self::of_targets(self.targets.acting_as(user)?))
    }

    /// The present state of a task.
    ///
    /// # Errors
    /// `TASK_NOT_FOUND`, another refusal, or nobody answered in time.
    pub async fn task(&self, task_id: &str) -> Result<(Task, Receipt), Error> {
        let request = proto::GetTaskRequest { task_id: canonical_task_id(task_id) };
        let answer = self
            .anywhere(
                TRY_TIMEOUT,
                |answer: &proto::GetTaskResponse| epoch(answer.receipt.as_ref()),
                |channel| {
                    let request = self.targets.request(request.clone());
                    async move { Ok(tasks(channel).get_task(request).await?.into_inner()) }
                },
            )
            .await?;
        answer.task.zip(answer.receipt).ok_or_else(incomplete)
    }

    /// A page of the caller's tasks, or of those of all users, newest first, and the token of the next page (empty on the
    /// last). The id of one of these tasks is the token of those submitted before it. A page of a filtered list may be
    /// short although another follows.
    ///
    /// # Errors
    /// A refusal, or nobody answered in time. `PERMISSION_DENIED` to submitters who want to see the tasks of all users.
    pub async fn list(
        &self,
        filter: &TaskFilter,
        page_size: u32,
        page_token: &str,
    ) -> Result<(Vec<Task>, String, Receipt), Error> {
        let request = filter.page(page_size, page_token);
        let answer = self
            .targets
            .call(
                TRY_TIMEOUT,
                |answer: &proto::ListTasksResponse| epoch(answer.receipt.as_ref()),
                |channel| {
                    let request = self.targets.request(request.clone());
                    async move { Ok(tasks(channel).list_tasks(request).await?.into_inner()) }
                },
            )
            .await?;
        if filter.all_users && !answer.all_users {
            let why = "all_users: the orchestrator is of a version that does not list the tasks of all users";
            return Err(Error::new(ErrorCode::InvalidArgument, why));
        }
        let receipt = answer.receipt.ok_or_else(incomplete)?;
        Ok((answer.tasks, answer.next_page_token, receipt))
    }

    /// Ends a task that is not finished.
    ///
    /// # Errors
    /// `TASK_FINISHED`, `TASK_NOT_FOUND`, another refusal, or nobody answered in time.
    pub async fn cancel(&self, task_id: &str) -> Result<(Task, Receipt), Error> {
        let request = proto::CancelTaskRequest { task_id: canonical_task_id(task_id) };
        let answer = self
            .anywhere(
                TRY_TIMEOUT,
                |answer: &proto::CancelTaskResponse| epoch(answer.receipt.as_ref()),
                |channel| {
                    let request = self.targets.request(request.clone());
                    async move { Ok(tasks(channel).cancel_task(request).await?.into_inner()) }
                },
            )
            .await?;
        answer.task.zip(answer.receipt).ok_or_else(incomplete)
    }

    /// Submits once more, as `new_task_id`, a task that failed or was lost: with the same payload and terms,
    /// its times counted anew. Safe to repeat.
    ///
    /// # Errors
    /// `NOT_RETRIABLE`, `TASK_NOT_FOUND`, `TASK_ID_CONFLICT` if the new id is taken, another refusal, or nobody
    /// answered in time.
    pub async fn retry(&self, task_id: &str, new_task_id: String) -> Result<Submitted, Error> {
        let request = proto::RetryTaskRequest { task_id: canonical_task_id(task_id), new_task_id };
        let answer = self
            .anywhere(
                TRY_TIMEOUT,
                |answer: &proto::RetryTaskResponse| epoch(answer.receipt.as_ref()),
                |channel| {
                    let request = self.targets.request(request.clone());
                    async move { Ok(tasks(channel).retry_task(request).await?.into_inner()) }
                },
            )
            .await?;
        let (task, receipt) = answer.task.zip(answer.receipt).ok_or_else(incomplete)?;
        Ok(Submitted { task, receipt, existed: answer.existed })
    }

    /// Who is who, from the principal if there is one, else from whoever knows most of the newest view.
    ///
    /// # Errors
    /// A refusal, or nobody answered in time.
    pub async fn cluster(&self) -> Result<proto::GetClusterResponse, Error> {
        let deadline = Instant::now() + self.targets.timeout();
        let mut backoff = Backoff::default();
        loop {
            let refusal = match self.ask_all_for_the_cluster(deadline).await {
                Ok(answer) => return Ok(answer),
                Err(refusal) => refusal,
            };
            let pause = backoff.next();
            if !refusal.code.retryable() || Instant::now() + pause >= deadline {
                return Err(refusal);
            }
            tokio::time::sleep(pause).await;
        }
    }

    /// The first answer of a principal, or the best of all others.
    async fn ask_all_for_the_cluster(
        &self,
        deadline: Instant,
    ) -> Result<proto::GetClusterResponse, Error> {
        let limit = TRY_TIMEOUT.min(deadline.saturating_duration_since(Instant::now()));
        let ask = |target: &Arc<Target>| {
            let request = self.targets.request(proto::GetClusterRequest {});
            let (channel, endpoint) = (target.channel.clone(), target.endpoint.clone());
            async move {
                match tokio::time::timeout(limit, cluster(channel).get_cluster(request)).await {
                    Ok(answer) => Ok(answer?.into_inner()),
                    Err(_) => Err(silent(&endpoint)),
                }
            }
        };
        let mut answers: FuturesUnordered<_> = self.targets.configured().iter().map(ask).collect();
        let mut best: Option<proto::GetClusterResponse> = None;
        let mut refusal = None;
        while let Some(answer) = answers.next().await {
            match answer {
                Ok(answer) if is_of_principal(&answer) && self.targets.believes(answer.epoch) => {
                    return Ok(answer);
                }
                Ok(answer) => {
                    if best.as_ref().is_none_or(|best| standing(best) < standing(&answer)) {
                        best = Some(answer);
                    }
                }
                Err(error) => refusal = Some(Error::more_telling(refusal, error)),
            }
        }
        let nobody = || Error::new(ErrorCode::InvalidArgument, "no orchestrator is configured");
        let best = best.ok_or_else(|| refusal.unwrap_or_else(nobody))?;
        Ok(self.named_principal(&best).await.unwrap_or(best))
    }

    /// Another machine may have taken an orchestrator's place: the others say where it is.
    async fn named_principal(
        &self,
        answer: &proto::GetClusterResponse,
    ) -> Option<proto::GetClusterResponse> {
        let named: Endpoint = answer.principal.parse().ok()?;
        if self.targets.by_endpoint(&named).is_some() {
            return None;
        }
        let asked = tokio::time::timeout(TRY_TIMEOUT, self.cluster_at(&named)).await;
        let of_principal = asked.ok()?.ok()?;
        let is_it = is_of_principal(&of_principal) && self.targets.believes(of_principal.epoch);
        is_it.then_some(of_principal)
    }

    /// The orchestrator that is asked first: the one that answered last, or its successor.
    pub fn endpoint(&self) -> Option<Endpoint> {
        self.targets.present().ok().map(|target| target.endpoint.clone())
    }

    /// What happened to one task, step by step, as far as the journal goes back.
    ///
    /// # Errors
    /// `TASK_NOT_FOUND`, another refusal, or nobody answered in time.
    pub async fn explain(&self, task_id: &str) -> Result<proto::ExplainTaskResponse, Error> {
        let request = proto::ExplainTaskRequest { task_id: canonical_task_id(task_id) };
        self.anywhere(
            BULK_TIMEOUT,
            |answer: &proto::ExplainTaskResponse| epoch(answer.receipt.as_ref()),
            |channel| {
                let request = self.targets.request(request.clone());
                async move { Ok(tasks(channel).explain_task(request).await?.into_inner()) }
            },
        )
        .await
    }

    /// How one node sees the cluster.
    ///
    /// # Errors
    /// A refusal, or it did not answer in time.
    pub async fn cluster_at(&self, node: &Endpoint) -> Result<proto::GetClusterResponse, Error> {
        let request = self.targets.request(proto::GetClusterRequest {});
        let asked = async { cluster(self.channel(node)).get_cluster(request).await };
        self.once(node, asked).await
    }

    /// The workers that the principal knows.
    ///
    /// # Errors
    /// A refusal, or nobody answered in time.
    pub async fn workers(&self) -> Result<Vec<proto::Worker>, Error> {
        let answer = self
            .targets
            .call(
                TRY_TIMEOUT,
                |_: &proto::ListWorkersResponse| None,
                |channel| {
                    let request = self.targets.request(proto::ListWorkersRequest {});
                    async move { Ok(cluster(channel).list_workers(request).await?.into_inner()) }
                },
            )
            .await?;
        Ok(answer.workers)
    }

    /// V15: tells `node` that the other orchestrator is gone for good. What only that one had is lost.
    /// `accept_incomplete`: even if `node` was no replica when it last heard of the cluster.
    ///
    /// # Errors
    /// `NOT_PROMOTABLE`, another refusal, or it did not answer in time.
    pub async fn promote(&self, node: &Endpoint, accept_incomplete: bool) -> Result<u64, Error> {
        let promote = proto::PromoteRequest { force: true, accept_incomplete };
        let request = self.targets.request(promote);
        let asked = async { cluster(self.channel(node)).promote(request).await };
        Ok(self.once(node, asked).await?.epoch)
    }

    pub(crate) fn channel(&self, node: &Endpoint) -> Channel {
        match self.targets.by_endpoint(node) {
            Some(target) => target.channel.clone(),
            None => self.targets.channel(node),
        }
    }

    /// One try at one node.
    pub(crate) fn targets(&self) -> &Targets {
        &self.targets
    }

    pub(crate) async fn once<T>(
        &self,
        node: &Endpoint,
        asked: impl Future<Output = Result<tonic::Response<T>, tonic::Status>>,
    ) -> Result<T, Error> {
        match tokio::time::timeout(self.targets.timeout(), asked).await {
            Ok(Ok(answer)) => Ok(answer.into_inner()),
            Ok(Err(status)) => Err(status.into()),
            Err(_) => Err(silent(node)),
        }
    }
}
