//! The link that the other node dials.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use common::console::Console;
use common::error_code::ErrorCode;
use common::grpc_status;
use common::messages::node_peer::PeerMessage;
use common::proto::peer_message::Message as Wire;
use common::proto::synchronization_service_server::SynchronizationService;
use common::proto::{PeerMessage as WireMessage, SnapshotChunk};
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
    pub console: Console,
    /// When it was last told that the other one's messages cannot be read.
    pub told: Arc<Mutex<Option<Instant>>>,
}

/// It dials again at once, and would be told of for ever.
const REPEAT_WARNING: Duration = Duration::from_secs(60);

impl Service {
    /// What to do with messages that cannot be read, once in a while.
    fn tell_unreadable(&self) -> impl Fn(&convert::Error) + Send + Sync + 'static {
        let (console, told) = (self.console, Arc::clone(&self.told));
        move |error| {
            let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
            if told.is_none_or(|last| last.elapsed() >= REPEAT_WARNING) {
                *told = Some(Instant::now());
                console.warn(&PeerMessage::Unreadable { detail: error.to_string() });
            }
        }
    }
}

type Greeting = Pin<Box<dyn Stream<Item = Result<WireMessage, Status>> + Send>>;

#[tonic::async_trait]
impl SynchronizationService for Service {
    type LinkStream = Greeting;

    async fn link(
        &self,
        request: Request<Streaming<WireMessage>>,
    ) -> Result<Response<Greeting>, Status> {
        let incoming = request.into_inner();
        let greeting = self.driver.ask(|reply| Input::Greet { reply }).await?;
        let (outgoing, stream) = mpsc::channel(1);
        outgoing
            .try_send(Ok(greeting))
            .map_err(|_| grpc_status::status(ErrorCode::Internal, "failed to greet"))?;
        let (driver, journal, end) = (self.driver.clone(), self.journal.clone(), self.end.clone());
        let tell = self.tell_unreadable();
        tokio::spawn(async move {
            if let Err(status) = receive(incoming, &driver, journal, (&end, &tell)).await {
                tracing::debug!(%status, "the link from the other node ended");
                // Whoever dialled learns why; if it is gone, nobody needs to.
                drop(outgoing.send(Err(status)).await);
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(stream))))
    }
}

async fn receive(
    mut incoming: Streaming<WireMessage>,
    driver: &DriverHandle,
    journal: Journal,
    (end, tell): (&End, &(impl Fn(&convert::Error) + Sync)),
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
            tell(&error);
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

fn sender(message: &WireMessage) -> Result<Sender, Status> {
    let read = convert::sender(message);
    let (from, _) =
        read.map_err(|error| grpc_status::status(ErrorCode::InvalidArgument, error.to_string()))?;
    Ok(from)
}

async fn receive_chunk(
    learning: &mut Option<SnapshotReceiver>,
    envelope: &WireMessage,
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
