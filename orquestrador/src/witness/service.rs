//! The control streams that workers open: echoes their pings without asking the driver, so that a busy
//! driver does not look like a dead one, and hands their testimony to it.

use std::pin::Pin;
use std::time::Duration;

use common::endpoint::Endpoint;
use common::error_code::ErrorCode;
use common::grpc_status;
use common::proto::control_message::Message as ToWitness;
use common::proto::witness_message::Message;
use common::proto::witness_service_server::WitnessService;
use common::proto::{ControlMessage, WitnessEcho, WitnessHello, WitnessMessage, WitnessPing};
use orquestrador_core::ids::{ClusterId, ProcessId, ViewNumber};
use orquestrador_wire::{testimony_from_proto, view_to_proto};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_stream::{Stream, StreamExt as _};
use tonic::{Request, Response, Status, Streaming};

use super::{StreamId, Witnesses};
use crate::driver::DriverHandle;
use crate::driver::input::Input;
use crate::driver::pulse::Pulse;
use crate::driver::store::{Clock as _, SystemClock};

/// Messages waiting for a witness; what does not fit is asked again.
const OUTBOX: usize = 64;
/// How long a new stream may take to greet.
const HELLO_TIMEOUT: Duration = Duration::from_secs(5);

/// Serves the control streams.
#[derive(Clone)]
pub struct Service {
    pub driver: DriverHandle,
    pub witnesses: Witnesses,
    pub pulse: Pulse,
    pub clock: SystemClock,
}

type Outgoing = Pin<Box<dyn Stream<Item = Result<ControlMessage, Status>> + Send>>;

#[tonic::async_trait]
impl WitnessService for Service {
    type ControlStream = Outgoing;

    async fn control(
        &self,
        request: Request<Streaming<WitnessMessage>>,
    ) -> Result<Response<Outgoing>, Status> {
        let mut incoming = request.into_inner();
        let first = tokio::time::timeout(HELLO_TIMEOUT, incoming.next())
            .await
            .map_err(|_| invalid("no greeting in time"))?;
        let Some(WitnessMessage { message: Some(Message::Hello(hello)) }) = first.transpose()?
        else {
            return Err(invalid("the first message must greet"));
        };
        let (incarnation, host) = self.admit(hello)?;
        let (outbox, stream) = mpsc::channel(OUTBOX);
        let id = self.witnesses.open(incarnation, &host, outbox.clone(), self.clock.monotonic());
        let service = self.clone();
        tokio::spawn(async move {
            if let Err(status) = service.receive(incoming, id).await {
                tracing::debug!(%status, witness = %incarnation, "a control stream ended");
                if outbox.try_send(Err(status)).is_err() {
                    tracing::trace!("the witness left before it was told why");
                }
            }
            service.witnesses.close(id);
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(stream))))
    }
}

impl Service {
    /// V12: only workers of our own cluster bear witness.
    fn admit(&self, hello: WitnessHello) -> Result<(ProcessId, String), Status> {
        let incarnation = ProcessId::from_bytes(&hello.incarnation)
            .ok_or_else(|| invalid("incarnation is not 16 bytes"))?;
        let theirs = ClusterId::from_bytes(&hello.cluster_id)
            .ok_or_else(|| invalid("cluster_id is not 16 bytes"))?;
        let host = hello
            .worker_id
            .parse::<Endpoint>()
            .map_err(|error| invalid(&format!("worker_id: {error}")))?
            .host()
            .to_owned();
        match self.pulse.sender().and_then(|sender| sender.cluster) {
            Some(ours) if ours == theirs => Ok((incarnation, host)),
            Some(ours) => Err(grpc_status::status(
                ErrorCode::ForeignCluster,
                format!("the witness belongs to cluster {theirs}, this node to {ours}"),
            )),
            None => Err(grpc_status::status(
                ErrorCode::Unavailable,
                "this node belongs to no cluster yet",
            )),
        }
    }

    async fn receive(
        &self,
        mut incoming: Streaming<WitnessMessage>,
        id: StreamId,
    ) -> Result<(), Status> {
        while let Some(message) = incoming.next().await {
            let Some(message) = message?.message else { continue };
            if let Message::Ping(ping) = message {
                self.echo(id, ping);
                continue;
            }
            let testimony =
                testimony_from_proto(message).map_err(|error| invalid(&error.to_string()))?;
            if let Some(testimony) = testimony {
                let from = id.incarnation;
                self.driver.send(Input::Testimony { from, testimony }).await?;
            }
        }
        Ok(())
    }

    fn echo(&self, id: StreamId, ping: WitnessPing) {
        let now = self.clock.monotonic();
        self.witnesses.pinged(id, ping.linked_to_all, now);
        let Some(sender) = self.pulse.sender() else { return };
        let newest = self.pulse.newest_after(ViewNumber(ping.newest_view));
        let echo = WitnessEcho {
            number: ping.number,
            uncommitted_ms: self.pulse.uncommitted_ms(now),
            newest_view: newest.as_ref().map(view_to_proto),
        };
        self.witnesses.tell(id, sender, ToWitness::Echo(echo));
    }
}

fn invalid(why: &str) -> Status {
    grpc_status::status(ErrorCode::InvalidArgument, why)
}
