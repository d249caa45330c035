//! The worker's one loop: finds the principal, takes assignments, reports outcomes, follows a failover.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use common::console::Console;
use common::endpoint::Endpoint;
use common::messages::worker::WorkerMessage as Line;
use common::proto::orchestrator_message::Message as FromOrchestrator;
use common::proto::worker_message::Message;
use common::proto::{
    Assignment, AttemptRef, AttemptsEnded, Drain, OrchestratorMessage, Outcome, Outcomes, Register,
    WorkerMessage, outcome,
};
use common::shutdown::Signal;
use orquestrador_core::ids::{ClusterId, ProcessId};
use rand::Rng as _;
use tokio::net::TcpListener;
use tokio::sync::{Notify, mpsc};
use tokio_stream::wrappers::TcpListenerStream;
use uuid::Uuid;

use crate::config::Config;
use crate::executor::{Ended, Executor, Start};
use crate::handlers::Handler;
use crate::lines::Lines;
use crate::session::{self, Refusal, Session};
use crate::slots::{Cancellation, Key, Reception, Slots};
use crate::witness::{self, News};

/// Between two rounds over the orchestrators, at first and at most.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(500));
/// How often the console repeats that there is no principal.
const REPEAT_WARNING: Duration = Duration::from_secs(10);
/// Result bytes in one message.
const REPORT_BYTES: usize = 4 << 20;
/// Outcomes in one message.
const REPORT_COUNT: usize = 5_000;

/// Why a worker could not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The port is taken, or may not be used.
    #[error("failed to listen on {address}")]
    Listen {
        /// What was tried.
        address: String,
        /// Why it failed.
        source: std::io::Error,
    },
    /// A system service failed.
    #[error("failed to use a system service")]
    System(#[from] std::io::Error),
}

/// Runs until a signal; gives the exit code.
///
/// # Errors
/// The port cannot be used.
pub async fn run(config: Config, handlers: Vec<Arc<dyn Handler>>) -> Result<u8, Error> {
    let console = Console::new(config.lang);
    let listener = TcpListener::bind(config.listen)
        .await
        .map_err(|source| Error::Listen { address: config.listen.to_string(), source })?;
    serve_health(listener).await;
    console.info(&Line::Started { worker: config.worker_id.clone(), slots: config.slots });
    let by_name: HashMap<_, _> = handlers.into_iter().map(|h| (h.name().to_owned(), h)).collect();
    let (executor, ended) = Executor::new(
        by_name.clone(),
        config.worker_id.as_str().into(),
        config.faults.clone(),
        config.slots as usize,
    );
    let mut handler_names: Vec<_> = by_name.into_keys().collect();
    handler_names.sort();
    let mut worker = Worker {
        config,
        handler_names,
        incarnation: Uuid::new_v4(),
        highest_epoch: 0,
        cluster_id: String::new(),
        witness: None,
        news: News::default(),
        slots: Slots::default(),
        executor,
        ended,
        lines: Lines::new(console),
        console,
        reports: Vec::new(),
        ends: Vec::new(),
        stop: Arc::default(),
        draining: false,
        hanging: false,
        outage: None,
        foreign: None,
    };
    let stop = worker.stop.clone();
    let signal = tokio::select! {
        // Only a draining worker comes to an end by itself.
        () = worker.work() => Signal::Terminate,
        () = stop.notified() => Signal::Terminate,
        signal = common::shutdown::wait() => signal?,
    };
    if signal == Signal::Terminate {
        console.info(&Line::Draining);
        worker.draining = true;
        let limit = worker.config.drain_timeout;
        let finish = tokio::time::timeout(limit, worker.work());
        tokio::select! {
            finished = finish => if finished.is_err() {
                console.warn(&Line::DrainTimeout);
            },
            signal = common::shutdown::wait() => drop(signal?),
        }
    }
    worker.executor.abort().await;
    Ok(match signal {
        Signal::Interrupt => common::exit::INTERRUPTED,
        Signal::Terminate => common::exit::OK,
    })
}

async fn serve_health(listener: TcpListener) {
    let (health, service) = tonic_health::server::health_reporter();
    health.set_service_status("", tonic_health::ServingStatus::Serving).await;
    tokio::spawn(async move {
        let server = tonic::transport::Server::builder()
            .add_service(service)
            .serve_with_incoming(TcpListenerStream::new(listener));
        if let Err(error) = server.await {
            tracing::error!(%error, "the worker's port is no longer served");
        }
    });
}

struct Worker {
    config: Config,
    handler_names: Vec<String>,
    incarnation: Uuid,
    highest_epoch: u64,
    /// Empty until the first registration.
    cluster_id: String,
    /// Since the first registration.
    witness: Option<witness::Streams>,
    news: News,
    slots: Slots,
    executor: Executor,
    ended: mpsc::Receiver<Ended>,
    lines: Lines,
    console: Console,
    /// Outcomes to be sent.
    reports: Vec<Outcome>,
    /// Cancelled attempts whose end is to be sent.
    ends: Vec<AttemptRef>,
    /// The operator ends the whole cluster.
    stop: Arc<Notify>,
    draining: bool,
    hanging: bool,
    /// Since when there is no session, and when that was last said.
    outage: Option<Instant>,
    /// When an orchestrator of another cluster was last told of.
    foreign: Option<Instant>,
}

impl Worker {
    /// Session after session; comes to an end only when draining and nothing is held any more.
    async fn work(&mut self) {
        let mut first = None;
        let mut backoff = BACKOFF.0;
        while !(self.draining && self.slots.is_empty()) {
            match self.find_newest_principal(first.take()).await {
                Some(session) => {
                    backoff = BACKOFF.0;
                    let endpoint = session.endpoint.clone();
                    first = self.converse(session).await;
                    if self.hanging {
                        std::future::pending::<()>().await;
                    }
                    if !(self.draining && self.slots.is_empty()) {
                        self.say_disconnected(&endpoint);
                    }
                }
                None => {
                    self.say_no_principal();
                    let jitter = rand::rng().random_range(0.5..1.0);
                    first = self.wait(backoff.mul_f64(jitter)).await;
                    backoff = (backoff * 2).min(BACKOFF.1);
                }
            }
        }
    }

    /// Without a session, what ends is taken note of all the same. Gives a principal that names itself.
    async fn wait(&mut self, duration: Duration) -> Option<Endpoint> {
        let deadline = tokio::time::Instant::now() + duration;
        loop {
            tokio::select! {
                () = tokio::time::sleep_until(deadline) => return None,
                principal = self.news.successor_of(self.highest_epoch) => return Some(principal),
                Some((key, outcome)) = self.ended.recv() => self.finished(&key, outcome),
            }
        }
    }

    /// Leaves a round that may wait for a silent orchestrator when another one names itself.
    async fn find_newest_principal(&mut self, mut first: Option<Endpoint>) -> Option<Session> {
        let (mut news, epoch) = (std::mem::take(&mut self.news), self.highest_epoch);
        let found = loop {
            tokio::select! {
                found = self.find_principal(first.clone()) => break found,
                principal = news.successor_of(epoch) => first = Some(principal),
            }
        };
        self.news = news;
        found
    }

    /// One round over the orchestrators; one that is named by another comes next.
    async fn find_principal(&mut self, first: Option<Endpoint>) -> Option<Session> {
        let mut candidates: Vec<Endpoint> =
            first.into_iter().chain(self.config.orchestrators.iter().cloned()).collect();
        let mut tried = Vec::new();
        while !candidates.is_empty() {
            let endpoint = candidates.remove(0);
            if tried.contains(&endpoint) {
                continue;
            }
            match Session::open(&endpoint, self.registration()).await {
                Ok(session) => return Some(session),
                Err(Refusal::ForeignCluster) => {
                    self.say_foreign(&endpoint);
                }
                Err(Refusal::NotNow { principal, why }) => {
                    tracing::debug!(%endpoint, %why, "no session");
                    candidates.splice(0..0, principal);
                }
            }
            tried.push(endpoint);
        }
        None
    }

    fn registration(&self) -> Register {
        Register {
            worker_id: self.config.worker_id.clone(),
            incarnation: self.incarnation.to_string(),
            slots: self.config.slots,
            handlers: self.handler_names.clone(),
            labels: self.config.labels.clone().into_iter().collect(),
            held: self.slots.held(),
            highest_epoch: self.highest_epoch,
            cluster_id: self.cluster_id.clone(),
        }
    }

    /// Until the stream ends, falls silent, or a draining worker is done.
    /// Gives the principal that was elected meanwhile, if that is why.
    async fn converse(&mut self, session: Session) -> Option<Endpoint> {
        let Session { endpoint, epoch, registered, outbox, mut inbox } = session;
        self.highest_epoch = epoch;
        self.cluster_id = registered.cluster_id;
        self.bear_witness();
        self.outage = None;
        self.console.info(&Line::Connected { address: endpoint.to_string(), epoch });
        let interval = Duration::from_millis(u64::from(registered.heartbeat_interval_ms.max(10)));
        let lease = Duration::from_millis(u64::from(registered.lease_ms.max(100)));
        let heartbeat = tokio::spawn(session::heartbeat(outbox.clone(), interval));
        // What was reported before may have been lost with the stream before.
        self.reports = self.slots.outcomes();
        let mut heard = tokio::time::Instant::now();
        let mut told_drain = false;
        let mut next = None;
        let mut tick = tokio::time::interval(Duration::from_millis(200));
        loop {
            if self.draining && !told_drain {
                told_drain = true;
                if outbox.send(message(Message::Drain(Drain {}))).await.is_err() {
                    break;
                }
            }
            if self.draining && self.slots.is_empty() {
                break;
            }
            if self.report(&outbox).await.is_err() {
                break;
            }
            tokio::select! {
                received = inbox.message() => match received {
                    Ok(Some(received)) if received.epoch == epoch => {
                        heard = tokio::time::Instant::now();
                        self.receive(received);
                        if self.hanging {
                            break;
                        }
                    }
                    Ok(Some(stale)) => {
                        tracing::debug!(epoch = stale.epoch, "a message of another epoch ends the session");
                        break;
                    }
                    Ok(None) => break,
                    Err(status) => {
                        tracing::debug!(%status, "the session broke");
                        break;
                    }
                },
                Some((key, outcome)) = self.ended.recv() => {
                    self.finished(&key, outcome);
                    while let Ok((key, outcome)) = self.ended.try_recv() {
                        self.finished(&key, outcome);
                    }
                }
                () = tokio::time::sleep_until(heard + lease) => {
                    tracing::debug!("the principal is silent");
                    break;
                }
                successor = self.news.successor_of(epoch) => {
                    tracing::debug!(%successor, "another principal was elected");
                    next = Some(successor);
                    break;
                }
                _ = tick.tick() => self.lines.tick(),
            }
        }
        heartbeat.abort();
        if self.hanging {
            // As asked: the connection stays open, and nothing is said any more.
            std::mem::forget((outbox, inbox));
        }
        next
    }

    /// From the first registration on: the cluster is known.
    fn bear_witness(&mut self) {
        let cluster = self.cluster_id.parse().map(|id: Uuid| ClusterId(id.as_u128()));
        if let (None, Ok(cluster)) = (&self.witness, cluster) {
            let me = witness::Identity {
                worker_id: self.config.worker_id.clone(),
                incarnation: ProcessId(self.incarnation.as_u128()),
                cluster,
            };
            let streams = witness::Streams::open(me, &self.config.orchestrators);
            self.news = streams.news();
            self.witness = Some(streams);
        }
    }

    fn receive(&mut self, received: OrchestratorMessage) {
        let Some(content) = received.message else { return };
        match content {
            FromOrchestrator::Assignments(assignments) => {
                for assignment in assignments.assignments {
                    self.assigned(assignment, received.epoch);
                }
            }
            FromOrchestrator::Acknowledged(acknowledged) => {
                acknowledged
                    .attempts
                    .iter()
                    .for_each(|attempt| self.slots.acknowledge(&attempt.into()));
            }
            FromOrchestrator::Cancel(cancel) => {
                cancel.attempts.iter().for_each(|attempt| self.cancelled(attempt));
            }
            FromOrchestrator::Members(members) => self.meet(&members.addresses),
            FromOrchestrator::Stop(_) => self.stop.notify_one(),
            FromOrchestrator::Heartbeat(_) | FromOrchestrator::Registered(_) => {}
        }
    }

    /// Where the orchestrators are now; those of the command line stay worth a try.
    fn meet(&mut self, addresses: &[String]) {
        let members: Vec<Endpoint> = addresses.iter().filter_map(|a| a.parse().ok()).collect();
        if let Some(witness) = &mut self.witness {
            witness.retarget(&members);
        }
        for member in members {
            if !self.config.orchestrators.contains(&member) {
                self.config.orchestrators.push(member);
            }
        }
    }

    fn assigned(&mut self, assignment: Assignment, epoch: u64) {
        match self.slots.receive(&assignment) {
            Reception::Start { stop } => {
                if let Some(older) = stop {
                    self.slots.cancel(&older);
                    self.executor.stop(&older);
                }
                self.lines.started(&assignment.task_id, &assignment.handler);
                let key = Key { task_id: assignment.task_id.clone(), attempt: assignment.attempt };
                match self.executor.start(assignment, epoch) {
                    Start::Running => {}
                    Start::Done(outcome) => self.finished(&key, outcome),
                    Start::Hang => self.hanging = true,
                }
            }
            Reception::Running => tracing::debug!(task.id = assignment.task_id, "runs already"),
            Reception::Done(outcome) => self.reports.push(outcome),
            Reception::Stale => tracing::debug!(task.id = assignment.task_id, "an older attempt"),
        }
    }

    fn cancelled(&mut self, attempt: &AttemptRef) {
        let key = Key::from(attempt);
        match self.slots.cancel(&key) {
            Cancellation::Stop => self.executor.stop(&key),
            Cancellation::Ended => self.ends.push(attempt.clone()),
        }
    }

    fn finished(&mut self, key: &Key, outcome: Outcome) {
        self.executor.forget(key);
        match &outcome.outcome {
            Some(outcome::Outcome::Failed(failure)) => {
                self.lines.failed(&key.task_id, &format!("{}: {}", failure.code, failure.message));
            }
            Some(outcome::Outcome::Succeeded(_)) | None => self.lines.finished(&key.task_id),
        }
        match self.slots.finish(key, outcome) {
            Some(outcome) => self.reports.push(outcome),
            None => self.ends.push(AttemptRef::from(key)),
        }
    }

    /// Sends what has come together, in messages of bounded size.
    async fn report(&mut self, outbox: &mpsc::Sender<WorkerMessage>) -> Result<(), ()> {
        while !self.reports.is_empty() {
            let mut bytes = 0;
            let mut fits = |outcome: &Outcome| {
                bytes += result_bytes(outcome);
                bytes <= REPORT_BYTES
            };
            let count =
                self.reports.iter().take(REPORT_COUNT).take_while(|o| fits(o)).count().max(1);
            let outcomes = self.reports.drain(..count).collect();
            let sent = outbox.send(message(Message::Outcomes(Outcomes { outcomes }))).await;
            sent.map_err(drop)?;
        }
        if !self.ends.is_empty() {
            let attempts = std::mem::take(&mut self.ends);
            let sent = outbox.send(message(Message::Ended(AttemptsEnded { attempts }))).await;
            sent.map_err(drop)?;
        }
        Ok(())
    }

    fn say_disconnected(&mut self, endpoint: &Endpoint) {
        self.outage = Some(Instant::now());
        let running = self.slots.running() as u64;
        self.console.warn(&Line::Disconnected { address: endpoint.to_string(), running });
    }

    fn say_foreign(&mut self, endpoint: &Endpoint) {
        if self.foreign.is_none_or(|last| last.elapsed() >= REPEAT_WARNING) {
            self.foreign = Some(Instant::now());
            self.console.error(&Line::ForeignCluster { address: endpoint.to_string() });
        }
    }

    fn say_no_principal(&mut self) {
        let due = self.outage.is_none_or(|last| last.elapsed() >= REPEAT_WARNING);
        if due {
            self.outage = Some(Instant::now());
            let addresses: Vec<_> =
                self.config.orchestrators.iter().map(ToString::to_string).collect();
            self.console.warn(&Line::NoPrincipal { addresses: addresses.join(", ") });
        }
    }
}

fn message(message: Message) -> WorkerMessage {
    WorkerMessage { message: Some(message) }
}

fn result_bytes(outcome: &Outcome) -> usize {
    64 + match &outcome.outcome {
        Some(outcome::Outcome::Succeeded(result)) => result.len(),
        Some(outcome::Outcome::Failed(failure)) => failure.output.len() + failure.message.len(),
        None => 0,
    }
}
