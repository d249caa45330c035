//! The streams of workers: reads what they say into commands, carries what the driver tells them.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use common::error_code::ErrorCode;
use common::grpc_status;
use common::proto::worker_message::Message;
use common::proto::worker_service_server::WorkerService;
use common::proto::{
    GetSourcesRequest, HeartbeatEcho, OrchestratorMessage, Outcomes, Prefetch, Register,
    Registered, WorkerMessage, orchestrator_message, outcome,
};
use orquestrador_core::command::ConnectWorker;
use orquestrador_core::ids::{ClusterId, Epoch, SessionId};
use orquestrador_core::{Command, Limits};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_stream::{Stream, StreamExt as _};
use tonic::{Request, Response, Status, Streaming};

use crate::api::{convert, validate};
use crate::blobs::Blobs;
use crate::driver::DriverHandle;
use crate::driver::input::{Description, Input};
use crate::output::Outputs;
use crate::sources::{self, Sources};

/// Messages waiting for a worker to read them; a worker further behind is cut off and comes back.
const OUTBOX: usize = 1_024;
/// How long a new stream may take to register.
const REGISTER_TIMEOUT: Duration = Duration::from_secs(5);
/// Heartbeats in one lease: a single lost one must not cost a worker its work.
pub const HEARTBEATS_PER_LEASE: u64 = 6;

/// Until it is tried again to have the standby hold what an outcome refers to.
const HOLD_PAUSE: Duration = Duration::from_millis(500);

/// Tasks that a worker may want beyond its slots.
const MAX_PREFETCH: u32 = 4_096;

/// Hands what workers say to the driver.
pub struct Service {
    pub driver: DriverHandle,
    pub outputs: Outputs,
    pub blobs: Blobs,
}

type Outgoing = Pin<Box<dyn Stream<Item = Result<OrchestratorMessage, Status>> + Send>>;

/// The first message to a worker.
pub fn registered(cluster: Option<ClusterId>, limits: &Limits) -> Registered {
    let interval = limits.worker_lease_ms / HEARTBEATS_PER_LEASE;
    Registered {
        cluster_id: cluster.map(|c| c.to_string()).unwrap_or_default(),
        heartbeat_interval_ms: u32::try_from(interval.max(1)).unwrap_or(u32::MAX),
        lease_ms: u32::try_from(limits.worker_lease_ms).unwrap_or(u32::MAX),
    }
}

#[tonic::async_trait]
impl WorkerService for Service {
    type SessionStream = Outgoing;
    type GetSourcesStream = Sources;

    async fn get_sources(
        &self,
        request: Request<GetSourcesRequest>,
    ) -> Result<Response<Sources>, Status> {
        Ok(Response::new(sources::get(&self.driver, request).await?))
    }

    async fn session(
        &self,
        request: Request<Streaming<WorkerMessage>>,
    ) -> Result<Response<Outgoing>, Status> {
        let mut incoming = request.into_inner();
        let first =
            tokio::time::timeout(REGISTER_TIMEOUT, incoming.next()).await.map_err(|_| {
                grpc_status::status(ErrorCode::InvalidArgument, "no registration in time")
            })?;
        let Some(WorkerMessage { message: Some(Message::Register(register)) }) =
            first.transpose()?
        else {
            return Err(grpc_status::status(
                ErrorCode::InvalidArgument,
                "the first message must register",
            ));
        };
        let node = self.driver.ask(|reply| Input::Describe { reply }).await?;
        let session = self.driver.session_id();
        let worker = Arc::from(register.worker_id.as_str());
        let command = connect(&node, session, register)?;
        let (outbox, stream) = mpsc::channel(OUTBOX);
        // The driver alone holds the stream open: when it cuts a session off, the worker sees its end.
        let echoes = outbox.downgrade();
        self.driver.send(Input::OpenSession { session, command, outbox }).await?;
        let receiver = Receiver {
            session,
            worker,
            driver: self.driver.clone(),
            outputs: self.outputs.clone(),
            blobs: self.blobs.clone(),
            echoes: echoes.clone(),
            epoch: node.epoch,
        };
        let driver = self.driver.clone();
        tokio::spawn(async move {
            if let Err(status) = receiver.run(incoming).await {
                tracing::debug!(%status, session = session.0, "a worker's stream ended");
                // Only a worker that still listens learns why.
                if let Some(outbox) = echoes.upgrade()
                    && outbox.try_send(Err(status)).is_err()
                {
                    tracing::trace!(session = session.0, "a worker left before it was told why");
                }
            }
            // The driver may have ended; then nobody has to know.
            drop(driver.send(Input::Session(Command::DisconnectWorker { session })).await);
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(stream))))
    }
}

/// What a worker's first message asks for.
///
/// # Errors
/// It is not ours to command, or malformed.
pub fn connect(
    node: &Description,
    session: SessionId,
    register: Register,
) -> Result<Command, Status> {
    admit(&register, node)?;
    let worker = validate::registration(register)?;
    Ok(Command::ConnectWorker(ConnectWorker { session, ..worker }))
}

/// G3 and V12: a worker that knows another cluster, or a higher epoch, is not ours to command. The epochs of two
/// clusters say nothing of each other.
fn admit(register: &Register, node: &Description) -> Result<(), Status> {
    let ours = node.cluster.map(|c| c.to_string()).unwrap_or_default();
    if !register.cluster_id.is_empty() && !ours.is_empty() && register.cluster_id != ours {
        return Err(grpc_status::status(
            ErrorCode::ForeignCluster,
            format!("the worker belongs to cluster {}, this node to {ours}", register.cluster_id),
        ));
    }
    if register.highest_epoch > node.epoch.0 {
        return Err(grpc_status::status(
            ErrorCode::StaleEpoch,
            format!(
                "the worker has seen epoch {}, this node is in {}",
                register.highest_epoch, node.epoch
            ),
        ));
    }
    Ok(())
}

/// What comes from one worker.
struct Receiver {
    session: SessionId,
    worker: Arc<str>,
    driver: DriverHandle,
    outputs: Outputs,
    blobs: Blobs,
    echoes: mpsc::WeakSender<Result<OrchestratorMessage, Status>>,
    epoch: Epoch,
}

impl Receiver {
    async fn run(self, mut incoming: Streaming<WorkerMessage>) -> Result<(), Status> {
        while let Some(message) = incoming.next().await {
            let Some(message) = message?.message else { continue };
            let Some(outbox) = self.echoes.upgrade() else {
                return Err(grpc_status::status(ErrorCode::Unavailable, "the session was cut off"));
            };
            if let Message::Heartbeat(beat) = &message
                && outbox.try_send(Ok(echo(beat.sequence, self.epoch))).is_err()
            {
                tracing::debug!(session = self.session.0, "no room for a heartbeat's echo");
            }
            drop(outbox);
            if let Message::Outcomes(outcomes) = &message {
                self.note_ends(outcomes);
            }
            match message {
                Message::Output(output) => {
                    output.attempts.into_iter().for_each(|of| self.outputs.note(&self.worker, of));
                }
                message => {
                    let command = command(self.session, message)?;
                    if let Command::ReportOutcomes { outcomes, .. } = &command
                        && outcomes.iter().any(|outcome| !outcome.blobs.is_empty())
                    {
                        self.report_held(command);
                        continue;
                    }
                    self.driver.send(Input::Session(command)).await?;
                }
            }
        }
        Ok(())
    }

    /// Once the standby has what the outcomes refer to. That may take time, and the worker is heard meanwhile.
    fn report_held(&self, command: Command) {
        let (driver, blobs, echoes) =
            (self.driver.clone(), self.blobs.clone(), self.echoes.clone());
        let Command::ReportOutcomes { session, outcomes } = command else { return };
        tokio::spawn(async move {
            let referred: Vec<_> = outcomes.iter().flat_map(|o| o.blobs.iter().copied()).collect();
            while let Err(status) = blobs.hold(&referred).await {
                // A worker that is gone, or cut off, reports once more in another session.
                let is_over = !grpc_status::meaning(&status).code.retryable();
                if is_over || echoes.upgrade().is_none() {
                    // The work is done all the same; whoever wants the files hears that they are not there.
                    tracing::warn!(%status, "an outcome refers to what is not held");
                    break;
                }
                tokio::time::sleep(HOLD_PAUSE).await;
            }
            // The driver may have ended; then the worker reports to the next principal.
            drop(driver.send(Input::Session(Command::ReportOutcomes { session, outcomes })).await);
        });
    }

    fn note_ends(&self, outcomes: &Outcomes) {
        if self.outputs.is_empty() {
            return;
        }
        for outcome in &outcomes.outcomes {
            let has_succeeded = matches!(outcome.outcome, Some(outcome::Outcome::Succeeded(_)));
            self.outputs.ended(&outcome.task_id, has_succeeded);
        }
    }
}

/// The answer to a heartbeat.
pub fn echo(sequence: u64, epoch: Epoch) -> OrchestratorMessage {
    let message = Some(orchestrator_message::Message::Heartbeat(HeartbeatEcho { sequence }));
    OrchestratorMessage { epoch: epoch.0, message }
}

/// What a worker says after its registration.
///
/// # Errors
/// `INVALID_ARGUMENT`
pub fn command(session: SessionId, message: Message) -> Result<Command, Status> {
    Ok(match message {
        Message::Register(_) => {
            return Err(grpc_status::status(ErrorCode::InvalidArgument, "registered already"));
        }
        Message::Heartbeat(_) => Command::WorkerHeartbeat { session },
        Message::Outcomes(outcomes) => {
            Command::ReportOutcomes { session, outcomes: convert::outcomes(outcomes)? }
        }
        Message::Ended(ended) => {
            Command::ReportEnded { session, attempts: convert::attempts(ended.attempts)? }
        }
        // Nothing that the machine decides by.
        Message::Output(_) => Command::WorkerHeartbeat { session },
        Message::Drain(_) => Command::DrainWorker { session },
        Message::Prefetch(Prefetch { tasks }) if tasks <= MAX_PREFETCH => {
            Command::SetPrefetch { session, tasks }
        }
        Message::Prefetch(Prefetch { tasks }) => {
            let why = format!("are {tasks}, at most {MAX_PREFETCH} are given ahead");
            return Err(grpc_status::invalid([("prefetch.tasks".into(), why)]));
        }
        Message::Returned(returned) => {
            let attempts = convert::attempts(returned.attempts)?;
            Command::ReturnAttempts { session, attempts, begun: returned.begun }
        }
    })
}

#[cfg(test)]
mod tests {
    use common::grpc_status::meaning;
    use orquestrador_core::ids::{ClusterId, Index, NodeId};
    use orquestrador_core::role::Standing;

    use super::*;

    fn principal(cluster: ClusterId, epoch: u64) -> Description {
        Description {
            standing: Standing::Principal,
            view: None,
            cluster: Some(cluster),
            epoch: Epoch(epoch),
            principal: None,
            own_address: String::new(),
            peer_address: String::new(),
            node: NodeId(1),
            last_index: Index(1),
            applied: Index(1),
            digest: 0,
            has_successor: false,
            members: None,
            peer: None,
        }
    }

    #[test]
    fn a_foreign_cluster_is_named_as_such_whatever_its_epoch() {
        let (ours, theirs) = (ClusterId(1), ClusterId(2));
        let register = |cluster: ClusterId, highest_epoch| Register {
            cluster_id: cluster.to_string(),
            highest_epoch,
            ..Register::default()
        };
        let code = |register| admit(&register, &principal(ours, 2)).map_err(|s| meaning(&s).code);
        assert_eq!(code(register(ours, 2)), Ok(()));
        assert_eq!(code(register(ours, 3)), Err(ErrorCode::StaleEpoch));
        for epoch in [1, 2, 3] {
            assert_eq!(code(register(theirs, epoch)), Err(ErrorCode::ForeignCluster));
        }
    }
}
