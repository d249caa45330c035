//! The link that the other node dials.

use std::pin::Pin;

use common::error_code::ErrorCode;
use common::grpc_status;
use common::proto::peer_message::Message as Wire;
use common::proto::synchronization_service_server::SynchronizationService;
use common::proto::{PeerMessage, SnapshotChunk};
use orquestrador_core::role::Sender;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_stream::{Stream, StreamExt as _};
use tonic::{Request, Response, Status, Streaming};

use super::{convert, snapshot};
use crate::driver::DriverHandle;
use crate::driver::input::Input;
use crate::journal::{Journal, SnapshotReceiver};
use crate::node::End;

/// Hands what the other node says to the driver.
pub struct Service {
    pub driver: DriverHandle,
    pub journal: Journal,
    pub end: End,
}

type Greeting = Pin<Box<dyn Stream<Item = Result<PeerMessage, Status>> + Send>>;

#[tonic::async_trait]
impl SynchronizationService for Service {
    type LinkStream = Greeting;

    async fn link(
        &self,
        request: Request<Streaming<PeerMessage>>,
    ) -> Result<Response<Greeting>, Status> {
        let incoming = request.into_inner();
        let greeting = self.driver.ask(|reply| Input::Greet { reply }).await?;
        let (outgoing, stream) = mpsc::channel(1);
        outgoing
            .try_send(Ok(greeting))
            .map_err(|_| grpc_status::status(ErrorCode::Internal, "failed to greet"))?;
        let (driver, journal, end) = (self.driver.clone(), self.journal.clone(), self.end.clone());
        tokio::spawn(async move {
            if let Err(status) = receive(incoming, &driver, journal, &end).await {
                tracing::debug!(%status, "the link from the other node ended");
                // Whoever dialled learns why; if it is gone, nobody needs to.
                drop(outgoing.send(Err(status)).await);
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(stream))))
    }
}

async fn receive(
    mut incoming: Streaming<PeerMessage>,
    driver: &DriverHandle,
    journal: Journal,
    end: &End,
) -> Result<(), Status> {
    let mut learning = None;
    while let Some(message) = incoming.next().await {
        let mut message = message?;
        if let Some(Wire::SnapshotChunk(chunk)) = &mut message.message {
            let chunk = std::mem::take(chunk);
            receive_chunk(&mut learning, &message, chunk, driver, &journal).await?;
            continue;
        }
        if let Some(Wire::Farewell(_)) = &message.message {
            let from = sender(&message)?;
            if !driver.ask(|reply| Input::PeerFarewell { from, reply }).await? {
                let why = "a farewell from a node that is none of this cluster";
                return Err(grpc_status::status(ErrorCode::ForeignCluster, why));
            }
            end.soon();
            continue;
        }
        let read = convert::read(message).map_err(|error| {
            grpc_status::status(
                ErrorCode::InvalidArgument,
                format!("failed to read the message: {error}"),
            )
        })?;
        if let Some(convert::Incoming { from, epoch, message, entries }) = read {
            driver.send(Input::Peer { from, epoch, message, entries }).await?;
        }
    }
    Ok(())
}

fn sender(message: &PeerMessage) -> Result<Sender, Status> {
    let read = convert::sender(message);
    let (from, _) =
        read.map_err(|error| grpc_status::status(ErrorCode::InvalidArgument, error.to_string()))?;
    Ok(from)
}

async fn receive_chunk(
    learning: &mut Option<SnapshotReceiver>,
    envelope: &PeerMessage,
    chunk: SnapshotChunk,
    driver: &DriverHandle,
    journal: &Journal,
) -> Result<(), Status> {
    let from = sender(envelope)?;
    if let Some((snapshot, view, last)) = snapshot::receive(learning, chunk, journal).await? {
        driver.send(Input::SnapshotReceived { from, view, last, snapshot }).await?;
    }
    Ok(())
}
