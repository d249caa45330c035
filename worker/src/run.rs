//! The worker's one loop: session after session, until a signal. How the principal is found is in
//! [`search`], what is said to it in [`conversation`].

mod conversation;
mod search;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use common::connections::Connections;
use common::console::Console;
use common::error_code::ErrorCode;
use common::grpc_status;
use common::lang::Lang;
use common::messages::fault::Fault;
use common::messages::worker::WorkerMessage as Line;
use common::proto::{AttemptOutput, AttemptRef, Outcome};
use common::shutdown::Signal;
use common::supervisor::{Pulse, Supervisor};
use common::tls::{self, Acceptor, Caller, Connected};
use common::traces;
use rand::Rng as _;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tonic::service::InterceptorLayer;
use tonic::{Request, Status};
use uuid::Uuid;

use crate::config::Config;
use crate::executor::{Ended, Executor};
use crate::files::{Files, Seat};
use crate::handlers::Handler;
use crate::lines::Lines;
use crate::prefetch::Prefetch;
use crate::slots::Slots;
use crate::witness::{self, News};

/// Between two rounds over the orchestrators, at first and at most.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(500));
/// How long what is stopped may take to end, once the time to drain is up; then it is dropped. A program that is asked to
/// end is killed earlier.
const STOPPING: Duration = Duration::from_secs(5);
/// And so long until the principal has heard of it.
const LAST_WORDS: Duration = Duration::from_secs(3);
/// How long after the start the absence of a principal is no news: the orchestrators may be electing.
const ELECTION_GRACE: Duration = Duration::from_secs(1);

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
    /// An orchestrator refuses this worker, and would the next time.
    #[error("the orchestrator at {address} refuses this worker: {why}")]
    Refused {
        /// Which one.
        address: String,
        /// What is wrong, for developers.
        why: String,
    },
    /// Certificates do not come together with an orchestrator's.
    #[error("the orchestrator at {address} refuses this worker: {why}")]
    Insecure {
        /// Which one.
        address: String,
        /// What is wrong.
        code: ErrorCode,
        /// The same, for developers.
        why: String,
    },
    /// Spans cannot be sent as was asked for.
    #[error("failed to send spans")]
    Traces(#[from] traces::Error),
    /// A system service failed.
    #[error("failed to use a system service")]
    System(#[from] std::io::Error),
}

impl Error {
    /// What to tell a person.
    pub fn text(&self, lang: Lang) -> String {
        match self {
            Self::Listen { address, source } => Fault::Listen { address, error: source },
            Self::Refused { address, why } => Fault::Refused { address, why },
            Self::Insecure { address, code, why } => Fault::Insecure { address, code: *code, why },
            Self::Traces(error) => Fault::Traces { why: error.to_string() },
            Self::System(error) => Fault::System { error },
        }
        .text(lang)
    }

    /// How the process should end.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Listen { .. } | Self::System(_) => common::exit::RESOURCE,
            Self::Refused { .. } | Self::Insecure { .. } => common::exit::REFUSED,
            Self::Traces(_) => common::exit::USAGE,
        }
    }
}

/// Runs until a signal; gives the exit code.
///
/// # Errors
/// The port cannot be used, or the orchestrators will never take this worker.
pub async fn run(config: Config, handlers: Vec<Arc<dyn Handler>>) -> Result<u8, Error> {
    let console = Console::new(config.lang);
    let traces = config.traces.start("mutirao-worker", &config.worker_id)?;
    let listener = TcpListener::bind(config.listen)
        .await
        .map_err(|source| Error::Listen { address: config.listen.to_string(), source })?;
    serve_health(listener, config.tls.acceptor()).await;
    config.tls.warnings().iter().for_each(|warning| console.warn(warning));
    config.tls.follow(console)?;
    console.info(&Line::Started { worker: config.worker_id.clone(), slots: config.slots });
    for handler in &handlers {
        handler.begin(&config.worker_id, console);
    }
    let by_name: HashMap<_, _> = handlers.into_iter().map(|h| (h.name().to_owned(), h)).collect();
    let (seat, of_files) = watch::channel(None);
    let limits = (config.max_cache_bytes, config.max_result_bytes);
    let files = Files::new(&config.cache_dir, limits, of_files, config.tls.clone());
    let (executor, ended) = Executor::new(
        by_name.clone(),
        (config.worker_id.as_str().into(), files),
        (config.faults.clone(), traces.clone()),
        config.slots as usize,
    );
    let prefetch = Prefetch::new(config.slots);
    let mut handler_names: Vec<_> = by_name.into_keys().collect();
    handler_names.sort();
    let (supervisor, pulse) = (Supervisor::of_this_process(), Pulse::default());
    tokio::spawn(pulse.clone().show(supervisor));
    let mut worker = Worker {
        config,
        supervisor,
        pulse,
        handler_names,
        incarnation: Uuid::new_v4(),
        highest_epoch: 0,
        cluster_id: String::new(),
        witness: None,
        news: News::default(),
        slots: Slots::default(),
        executor,
        prefetch,
        ended,
        lines: Lines::new(console),
        console,
        reports: Vec::new(),
        unreported_since: None,
        ends: Vec::new(),
        returned: Vec::new(),
        said: Vec::new(),
        stop: watch::Sender::default(),
        seat,
        drain: CancellationToken::new(),
        give_up: CancellationToken::new(),
        stopped: Vec::new(),
        drop_at: None,
        hanging: false,
        quiet_until: Instant::now() + ELECTION_GRACE,
        foreign: None,
        insecure: None,
        alone_since: None,
        id_taken: None,
    };
    let signal = worker.work_until_ended().await?;
    worker.executor.abort().await;
    traces.close().await;
    Ok(match signal {
        Signal::Interrupt => common::exit::INTERRUPTED,
        Signal::Terminate => common::exit::OK,
    })
}

/// When the operator ends the cluster: how long what runs may take.
async fn ordered(stop: &mut watch::Receiver<Option<Duration>>) -> Duration {
    match stop.wait_for(Option::is_some).await.map(|limit| *limit) {
        Ok(Some(limit)) => limit,
        // The worker itself holds the other end.
        Ok(None) | Err(_) => std::future::pending().await,
    }
}

/// When the operator says so once more.
async fn another(stop: &mut watch::Receiver<Option<Duration>>) -> Duration {
    match stop.changed().await {
        Ok(()) => ordered(stop).await,
        Err(_) => std::future::pending().await,
    }
}

/// Never, if there is no such moment.
async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment.into()).await,
        None => std::future::pending().await,
    }
}

/// Whoever looks whether it is well; orchestrators are called, and call nobody.
const HEALTH_CONNECTIONS: usize = 64;

async fn serve_health(listener: TcpListener, acceptor: Option<Acceptor>) {
    let (health, service) = tonic_health::server::health_reporter();
    health.set_service_status("", tonic_health::ServingStatus::Serving).await;
    tokio::spawn(async move {
        let server = tonic::transport::Server::builder()
            .layer(InterceptorLayer::new(admit))
            .add_service(service)
            .serve_with_incoming(tls::incoming(
                listener,
                acceptor,
                Connections::at_most(HEALTH_CONNECTIONS),
            ));
        if let Err(error) = server.await {
            tracing::error!(%error, "the worker's port is no longer served");
        }
    });
}

/// Anybody may ask how it is, but not with a certificate that does not count, nor without TLS where there is some.
fn admit(request: Request<()>) -> Result<Request<()>, Status> {
    let refused = |code, why: String| Err(grpc_status::status(code, why));
    match request.extensions().get::<Connected>().map(|connected| &connected.caller) {
        Some(Caller::Unasked | Caller::Anonymous | Caller::Known(_)) => Ok(request),
        Some(Caller::Plain) => {
            refused(ErrorCode::TlsRequired, "this port speaks TLS only: use https://".into())
        }
        Some(Caller::Refused(defect)) => refused(
            ErrorCode::CertificateRefused,
            format!("the certificate that was shown is refused: {defect}"),
        ),
        None => refused(ErrorCode::Internal, "a connection that nobody looked at".into()),
    }
}

struct Worker {
    config: Config,
    supervisor: Supervisor,
    /// Of this loop, in a session and without one.
    pulse: Pulse,
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
    prefetch: Prefetch,
    ended: mpsc::Receiver<Ended>,
    lines: Lines,
    console: Console,
    /// Outcomes to be sent.
    reports: Vec<Outcome>,
    /// The oldest of those that ended in this session.
    unreported_since: Option<Instant>,
    /// Cancelled attempts whose end is to be sent.
    ends: Vec<AttemptRef>,
    /// Attempts that were not started, to be sent back.
    returned: Vec<AttemptRef>,
    /// What attempts said, to be sent before their outcomes.
    said: Vec<AttemptOutput>,
    /// The operator ends the whole cluster, and gives so long to what runs.
    stop: watch::Sender<Option<Duration>>,
    /// Where the files of tasks are.
    seat: watch::Sender<Option<Seat>>,
    /// Finish what runs, take no more, end.
    drain: CancellationToken,
    /// What still runs is stopped.
    give_up: CancellationToken,
    /// What was stopped, to be told.
    stopped: Vec<AttemptRef>,
    /// When what does not listen is dropped.
    drop_at: Option<Instant>,
    hanging: bool,
    /// Until then the console says nothing of a missing principal.
    quiet_until: Instant,
    /// When an orchestrator of another cluster was last told of.
    foreign: Option<Instant>,
    /// And of one that certificates keep away.
    insecure: Option<Instant>,
    /// When the last session ended; `None` in one, and before the first.
    alone_since: Option<Instant>,
    /// And that its id is another one's.
    id_taken: Option<Instant>,
}

impl Worker {
    /// Until a signal, or the operator ends the cluster; an orderly end waits for what runs.
    async fn work_until_ended(&mut self) -> Result<Signal, Error> {
        let (console, patience) = (self.console, self.config.drain_timeout);
        let (mut stop, drain) = (self.stop.subscribe(), self.drain.clone());
        let (give_up, supervisor) = (self.give_up.clone(), self.supervisor);
        let mut work = std::pin::pin!(self.work());
        let (signal, limit) = tokio::select! {
            // Only a draining worker comes to an end by itself.
            ended = &mut work => return ended.map(|()| Signal::Terminate),
            limit = ordered(&mut stop) => (Signal::Terminate, limit),
            signal = common::shutdown::wait() => (signal?, patience),
        };
        supervisor.stopping();
        if signal == Signal::Terminate {
            console.info(&Line::Draining);
            drain.cancel();
            let mut until = Instant::now().checked_add(limit);
            loop {
                tokio::select! {
                    ended = &mut work => break ended?,
                    () = at(until) => {
                        if give_up.is_cancelled() {
                            break;
                        }
                        console.warn(&Line::DrainTimeout);
                        give_up.cancel();
                        until = Instant::now().checked_add(STOPPING + LAST_WORDS);
                    }
                    signal = common::shutdown::wait() => {
                        signal?;
                        break;
                    }
                    // The operator's last word counts.
                    limit = another(&mut stop), if !give_up.is_cancelled() => {
                        until = Instant::now().checked_add(limit);
                    }
                }
            }
        }
        Ok(signal)
    }

    /// It drains, and nothing is held any more.
    fn is_done(&self) -> bool {
        self.drain.is_cancelled() && self.slots.is_empty()
    }

    /// Session after session; comes to an end only when draining and nothing is held any more.
    async fn work(&mut self) -> Result<(), Error> {
        let mut first = None;
        let mut backoff = BACKOFF.0;
        while !self.is_done() {
            match self.find_newest_principal(first.take()).await? {
                Some(session) => {
                    backoff = BACKOFF.0;
                    let endpoint = session.endpoint.clone();
                    first = self.converse(session).await;
                    if self.hanging {
                        std::future::pending::<()>().await;
                    }
                    if !self.is_done() {
                        self.say_disconnected(&endpoint);
                    }
                }
                None => {
                    self.pulse.beat();
                    self.say_no_principal();
                    let jitter = rand::rng().random_range(0.5..1.0);
                    first = self.wait(backoff.mul_f64(jitter)).await;
                    backoff = (backoff * 2).min(BACKOFF.1);
                }
            }
        }
        Ok(())
    }
}
