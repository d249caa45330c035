//! The worker as a witness: one control stream to each orchestrator, all answered by the one
//! [`Witness`] of this process (`docs/failover.md`, V3, V10, V14).

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use common::endpoint::Endpoint;
use common::proto::control_message::Message as FromOrchestrator;
use common::proto::witness_message::Message;
use common::proto::witness_service_client::WitnessServiceClient;
use common::proto::{ControlMessage, WitnessEcho, WitnessHello, WitnessMessage, WitnessPing};
use common::tls::Tls;
use orquestrador_core::ids::{ClusterId, ProcessId};
use orquestrador_core::role::{Sender, Witness, WitnessTiming};
use orquestrador_wire::{
    CodecError, inquiry_from_proto, sender_from_proto, testimony_to_proto, view_from_proto,
};
use rand::Rng as _;
use tokio::sync::{mpsc, watch};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::MissedTickBehavior;
use tokio_stream::wrappers::ReceiverStream;

/// How often each orchestrator is to show that it lives.
const PING: Duration = Duration::from_millis(100);
/// Between two attempts at one orchestrator, at first and at most.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(500));
/// How long one orchestrator may take to open a stream.
const OPEN_TIMEOUT: Duration = Duration::from_secs(2);
/// Messages waiting for a stream.
const OUTBOX: usize = 64;

/// Who this worker is, for its witness.
#[derive(Clone)]
pub struct Identity {
    pub worker_id: String,
    pub incarnation: ProcessId,
    pub cluster: ClusterId,
}

/// The principal, as it names itself: a session of a lower epoch is over (V14).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    pub epoch: u64,
    pub endpoint: Endpoint,
}

/// The open streams; they end when it is dropped.
pub struct Streams {
    shared: Arc<Shared>,
    /// One for each orchestrator.
    held: Vec<(Endpoint, AbortHandle)>,
    tasks: JoinSet<()>,
}

struct Shared {
    me: Identity,
    tls: Tls,
    witness: Mutex<Witness>,
    began: Instant,
    orchestrators: AtomicUsize,
    /// Streams that are open now.
    open: AtomicUsize,
    principal: watch::Sender<Option<Principal>>,
}

impl Streams {
    /// Opens a stream to each orchestrator, and again whenever it ends.
    pub fn open(me: Identity, orchestrators: &[Endpoint], tls: &Tls) -> Self {
        let witness = Witness::new(me.incarnation, me.cluster, WitnessTiming::default());
        let (principal, _) = watch::channel(None);
        let shared = Arc::new(Shared {
            me,
            tls: tls.clone(),
            witness: Mutex::new(witness),
            began: Instant::now(),
            orchestrators: AtomicUsize::new(0),
            open: AtomicUsize::new(0),
            principal,
        });
        let mut streams = Self { shared, held: Vec::new(), tasks: JoinSet::new() };
        streams.retarget(orchestrators);
        streams
    }

    /// The cluster has other orchestrators now. The witness, with all that it has promised, stays.
    pub fn retarget(&mut self, orchestrators: &[Endpoint]) {
        self.held.retain(|(endpoint, stream)| {
            let stays = orchestrators.contains(endpoint);
            if !stays {
                stream.abort();
            }
            stays
        });
        for endpoint in orchestrators {
            if self.held.iter().all(|(held, _)| held != endpoint) {
                let stream = self.tasks.spawn(hold(endpoint.clone(), self.shared.clone()));
                self.held.push((endpoint.clone(), stream));
            }
        }
        while self.tasks.try_join_next().is_some() {}
        self.shared.orchestrators.store(self.held.len(), Ordering::Relaxed);
    }

    /// What the orchestrators say about who is principal.
    pub fn news(&self) -> News {
        News(Some(self.shared.principal.subscribe()))
    }
}

/// Announcements of principals; each is heard once. By default there are none.
#[derive(Clone, Default)]
pub struct News(Option<watch::Receiver<Option<Principal>>>);

impl News {
    /// Returns when a principal of a higher epoch than this names itself.
    pub async fn successor_of(&mut self, epoch: u64) -> Principal {
        while let Some(principal) = &mut self.0 {
            if principal.changed().await.is_err() {
                self.0 = None;
            } else if let Some(later) =
                principal.borrow_and_update().as_ref().filter(|p| p.epoch > epoch)
            {
                return later.clone();
            }
        }
        std::future::pending().await
    }
}

async fn hold(endpoint: Endpoint, shared: Arc<Shared>) {
    let mut backoff = BACKOFF.0;
    loop {
        match converse(&endpoint, &shared).await {
            Ok(()) => backoff = BACKOFF.0,
            Err(why) => tracing::debug!(%endpoint, %why, "no control stream"),
        }
        let jitter = rand::rng().random_range(0.5..1.0);
        tokio::time::sleep(backoff.mul_f64(jitter)).await;
        backoff = (backoff * 2).min(BACKOFF.1);
    }
}

/// One stream, until it ends. `Ok` if it was open.
async fn converse(endpoint: &Endpoint, shared: &Shared) -> Result<(), tonic::Status> {
    let (outbox, outgoing) = mpsc::channel(OUTBOX);
    let hello = WitnessHello {
        worker_id: shared.me.worker_id.clone(),
        incarnation: shared.me.incarnation.to_bytes().to_vec(),
        cluster_id: shared.me.cluster.to_bytes().to_vec(),
    };
    let full = |_| tonic::Status::internal("a new stream is full");
    outbox.try_send(message(Message::Hello(hello))).map_err(full)?;
    let mut client = WitnessServiceClient::new(endpoint.channel_by(&shared.tls));
    let opened = client.control(ReceiverStream::new(outgoing));
    let mut inbox = tokio::time::timeout(OPEN_TIMEOUT, opened)
        .await
        .map_err(|_| tonic::Status::deadline_exceeded("no answer in time"))??
        .into_inner();
    let _open = Open::new(&shared.open);
    let mut heard_from = Lost { shared, process: None };
    let mut ticks = tokio::time::interval(PING);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            received = inbox.message() => {
                let Some(received) = received? else { return Ok(()) };
                let sender = sender_from_proto(&received).map_err(unreadable)?;
                heard_from.process = Some(sender.process);
                if let Some(answer) =
                    shared.receive(endpoint, sender, received).map_err(unreadable)?
                    && outbox.try_send(message(answer)).is_err()
                {
                    tracing::debug!(%endpoint, "no room for a testimony");
                }
            }
            _ = ticks.tick() => {
                if outbox.try_send(message(Message::Ping(shared.ping()))).is_err() {
                    tracing::debug!(%endpoint, "no room for a ping");
                }
            }
        }
    }
}

impl Shared {
    /// A poisoned lock guards nothing that a panic could leave half done.
    fn witness(&self) -> MutexGuard<'_, Witness> {
        self.witness.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn ping(&self) -> WitnessPing {
        let mut witness = self.witness();
        WitnessPing {
            number: witness.ping(self.now()),
            newest_view: witness.newest().map_or(0, |view| view.number.0),
            linked_to_all: self.open.load(Ordering::Relaxed)
                == self.orchestrators.load(Ordering::Relaxed),
        }
    }

    fn receive(
        &self,
        endpoint: &Endpoint,
        from: Sender,
        received: ControlMessage,
    ) -> Result<Option<Message>, CodecError> {
        let message = received.message.ok_or(CodecError::Missing("message"))?;
        if let FromOrchestrator::Echo(WitnessEcho { number, uncommitted_ms, newest_view }) = message
        {
            let newest = newest_view.map(view_from_proto).transpose()?;
            let mut witness = self.witness();
            if let Some(newest) = newest {
                witness.learn(from, newest);
            }
            witness.on_echo(from, number, uncommitted_ms);
            if let Some(view) = witness.newest()
                && view.principal_process == from.process
            {
                self.announce(endpoint, view.epoch.0);
            }
            return Ok(None);
        }
        let Some(inquiry) = inquiry_from_proto(message)? else { return Ok(None) };
        let testimony = self.witness().answer(self.now(), from, inquiry);
        tracing::debug!(process = %from.process, ?testimony, "asked as a witness");
        Ok(testimony.map(testimony_to_proto))
    }
}

impl Shared {
    fn announce(&self, endpoint: &Endpoint, epoch: u64) {
        self.principal.send_if_modified(|known| {
            let is_news = known.as_ref().is_none_or(|known| known.epoch < epoch);
            if is_news {
                *known = Some(Principal { epoch, endpoint: endpoint.clone() });
            }
            is_news
        });
    }
}

/// Counts a stream while it is open.
struct Open<'a>(&'a AtomicUsize);

impl<'a> Open<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Tells the witness at the end of a stream, however it ends, that this process fell silent.
struct Lost<'a> {
    shared: &'a Shared,
    process: Option<ProcessId>,
}

impl Drop for Lost<'_> {
    fn drop(&mut self) {
        if let Some(process) = self.process {
            self.shared.witness().on_lost(process);
        }
    }
}

fn message(message: Message) -> WitnessMessage {
    WitnessMessage { message: Some(message) }
}

fn unreadable(error: CodecError) -> tonic::Status {
    tonic::Status::invalid_argument(error.to_string())
}
