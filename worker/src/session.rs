//! One stream to the principal: finding it, registering, and the two halves of the conversation.

use std::time::Duration;

use common::endpoint::{Endpoint, MAX_MESSAGE_BYTES};
use common::error_code::ErrorCode;
use common::grpc_status::{self, Meaning};
use common::proto::worker_message::Message;
use common::proto::worker_service_client::WorkerServiceClient;
use common::proto::{
    OrchestratorMessage, Register, Registered, WorkerHeartbeat, WorkerMessage, orchestrator_message,
};
use common::tls::Tls;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;

/// Messages waiting for the stream; the worker waits beyond it.
const OUTBOX: usize = 256;
/// How long one orchestrator may take to accept a session.
const OPEN_TIMEOUT: Duration = Duration::from_secs(2);

/// An open, registered stream.
pub struct Session {
    pub endpoint: Endpoint,
    pub epoch: u64,
    pub registered: Registered,
    pub outbox: mpsc::Sender<WorkerMessage>,
    pub inbox: Streaming<OrchestratorMessage>,
}

/// Why an orchestrator did not take us.
#[derive(Debug)]
pub enum Refusal {
    /// It belongs to another cluster.
    ForeignCluster,
    /// Another process of our id is connected.
    IdTaken,
    /// What we say of ourselves is wrong, and will be the next time.
    Invalid { why: String },
    /// Certificates do not come together.
    Insecure { code: ErrorCode, why: String },
    /// It is not the principal, or cannot be reached; perhaps it says who is.
    NotNow { principal: Option<Endpoint>, why: String },
}

impl Session {
    /// Registers with the orchestrator at `endpoint`.
    ///
    /// # Errors
    /// It is not reachable, not the principal, of another cluster or of a lower epoch than
    /// `register.highest_epoch`.
    pub async fn open(endpoint: &Endpoint, tls: &Tls, register: Register) -> Result<Self, Refusal> {
        let highest_epoch = register.highest_epoch;
        let cluster = register.cluster_id.clone();
        match tokio::time::timeout(OPEN_TIMEOUT, open(endpoint, tls, register)).await {
            // The epochs of two clusters say nothing of each other.
            Ok(Ok(session)) if !cluster.is_empty() && session.registered.cluster_id != cluster => {
                Err(Refusal::ForeignCluster)
            }
            Ok(Ok(session)) if session.epoch < highest_epoch => Err(Refusal::NotNow {
                principal: None,
                why: format!("its epoch {} is lower than {highest_epoch}", session.epoch),
            }),
            Ok(Ok(session)) => Ok(session),
            Ok(Err(status)) => Err(refusal(&status)),
            Err(_) => Err(Refusal::NotNow { principal: None, why: "no answer in time".into() }),
        }
    }
}

async fn open(
    endpoint: &Endpoint,
    tls: &Tls,
    register: Register,
) -> Result<Session, tonic::Status> {
    let (outbox, outgoing) = mpsc::channel(OUTBOX);
    let unavailable = |why: &str| grpc_status::status(ErrorCode::Unavailable, why);
    let first = WorkerMessage { message: Some(Message::Register(register)) };
    outbox.try_send(first).map_err(|_| unavailable("the stream is closed"))?;
    let mut inbox = WorkerServiceClient::new(endpoint.channel_by(tls))
        .max_decoding_message_size(MAX_MESSAGE_BYTES)
        .max_encoding_message_size(MAX_MESSAGE_BYTES)
        .session(ReceiverStream::new(outgoing))
        .await?
        .into_inner();
    let welcome = inbox.message().await?.ok_or_else(|| unavailable("the stream ended"))?;
    let Some(orchestrator_message::Message::Registered(registered)) = welcome.message else {
        return Err(unavailable("the first message is no registration"));
    };
    Ok(Session { endpoint: endpoint.clone(), epoch: welcome.epoch, registered, outbox, inbox })
}

fn refusal(status: &tonic::Status) -> Refusal {
    let Meaning { code, principal, retry_after: _ } = grpc_status::meaning(status);
    match code {
        ErrorCode::ForeignCluster => Refusal::ForeignCluster,
        ErrorCode::WorkerIdTaken => Refusal::IdTaken,
        ErrorCode::InvalidArgument => Refusal::Invalid { why: status.message().to_owned() },
        code if code.is_of_tls() => Refusal::Insecure { code, why: status.message().to_owned() },
        _ => Refusal::NotNow {
            principal: principal.and_then(|address| address.parse().ok()),
            why: status.message().to_owned(),
        },
    }
}

/// Sends heartbeats until the stream ends. A task of its own: work cannot starve it.
pub async fn heartbeat(outbox: mpsc::Sender<WorkerMessage>, interval: Duration) {
    let mut ticks = tokio::time::interval(interval);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    for sequence in 0.. {
        ticks.tick().await;
        let message = Some(Message::Heartbeat(WorkerHeartbeat { sequence }));
        if outbox.send(WorkerMessage { message }).await.is_err() {
            return;
        }
    }
}
