//! Puts a node together: opens the journal, takes the port, starts the driver and the services, and ends
//! when the operator says so or a guarantee breaks.

use std::sync::Arc;
use std::time::Duration;

use common::console::Console;
use common::endpoint::{Endpoint, MAX_MESSAGE_BYTES, MAX_PEER_MESSAGE_BYTES};
use common::exit;
use common::messages::node::NodeMessage;
use common::proto::cluster_service_server::ClusterServiceServer;
use common::proto::operator_service_server::OperatorServiceServer;
use common::proto::synchronization_service_server::SynchronizationServiceServer;
use common::proto::task_orchestrator_server::TaskOrchestratorServer;
use common::proto::witness_service_server::WitnessServiceServer;
use common::proto::worker_service_server::WorkerServiceServer;
use common::shutdown::{self, Signal};
use orquestrador_core::ids::{ClusterId, ProcessId};
use tokio::net::TcpListener;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::service::RoutesBuilder;
use tonic::transport::Server;
use uuid::Uuid;

use crate::config::{Config, Kind};
use crate::driver::input::Input;
use crate::driver::store::SystemClock;
use crate::driver::{self, Disk, Driver, DriverHandle, Setup, Start, Tuning};
use crate::journal::{self, Journal};
use crate::peer::Peer;
use crate::replication::dial::Dialler;
use crate::users::Users;
use crate::{api, dispatch, replication, witness};

/// The driver's clock for everything that is not an event.
const TICK: Duration = Duration::from_millis(50);
/// What was said last may still go out.
const LAST_WORDS: Duration = Duration::from_millis(100);
/// How long an orderly end waits for the other node to take the office.
const HAND_OVER_TIMEOUT: Duration = Duration::from_secs(3);

/// Why a node could not start, or ended.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The data directory is in use, of another version, damaged or cannot be read.
    #[error("failed to open the journal")]
    Open(#[source] journal::Error),
    /// The port is taken, or may not be used.
    #[error("failed to listen on {address}")]
    Listen { address: String, source: std::io::Error },
    #[error("failed to start the driver")]
    Start(#[from] driver::Error),
    /// The journal failed while the node ran.
    #[error("the driver ended")]
    Broken(#[source] driver::Error),
    #[error("failed to serve")]
    Serve(#[from] tonic::transport::Error),
    #[error("failed to use a system service")]
    System(#[from] std::io::Error),
}

impl Error {
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Open(error) if error.is_damage() => exit::BROKEN,
            Self::Open(_) | Self::Listen { .. } | Self::System(_) => exit::RESOURCE,
            Self::Start(_) | Self::Broken(_) | Self::Serve(_) => exit::BROKEN,
        }
    }
}

/// Ends the node from within.
#[derive(Clone, Default)]
pub struct End(Arc<Notify>);

impl End {
    /// When the last words are out.
    pub fn soon(&self) {
        self.0.notify_one();
    }

    async fn wait(&self) {
        self.0.notified().await;
        tokio::time::sleep(LAST_WORDS).await;
    }
}

/// Runs until a signal or a fault; gives the exit code.
///
/// # Errors
/// The node could not start, or a guarantee broke.
pub async fn run(config: Config) -> Result<u8, Error> {
    let console = Console::new(config.lang);
    // The port comes first: a node whose port refuses is a dead one to its peer (V11).
    let listener = TcpListener::bind(config.listen)
        .await
        .map_err(|source| Error::Listen { address: config.listen.to_string(), source })?;
    let dir = config.data_dir.clone();
    let opened = tokio::task::spawn_blocking(move || Journal::open(&dir))
        .await
        .map_err(|error| Error::System(std::io::Error::other(error)))?;
    let (journal, recovered) = opened.map_err(Error::Open)?;
    let peer = Arc::new(Peer::load(&config.data_dir, config.peer.clone())?);
    let own_loopback = is_loopback(&config.advertise).await && config.listen.ip().is_loopback();
    let loopback = own_loopback && is_loopback(&peer.current()).await;
    let port = config.listen.port();
    console.info(&match config.kind {
        Kind::Principal => NodeMessage::PrincipalStarted { port },
        Kind::Backup => NodeMessage::BackupStarted { port },
    });
    let users = Users::new(loopback, rand::random());
    let (handle, queue) = DriverHandle::new();
    let clock = SystemClock::default();
    let setup = Setup {
        store: Disk::start(journal.clone(), handle.sender().clone())?,
        clock: Box::new(clock.clone()),
        recovered,
        identity: Start {
            process: ProcessId(Uuid::new_v4().as_u128()),
            fresh_cluster: ClusterId(Uuid::new_v4().as_u128()),
            preferred: config.kind == Kind::Principal,
            loopback,
            own_address: config.advertise.to_string(),
            peer_address: peer.current().to_string(),
        },
        limits: config.limits.clone(),
        users: users.clone(),
        console,
        tuning: Tuning::default(),
    };
    let driver = Driver::new(setup)?;
    let (witnesses, pulse) = (driver.witnesses(), driver.pulse());
    let ended = start_driver(driver, queue)?;
    tokio::spawn(tick(handle.clone()));
    let own_host = config.advertise.host().to_owned();
    let (streams, driver) = (witnesses.clone(), handle.clone());
    tokio::spawn(witness::survey(streams, driver, clock.clone(), own_host, peer.follow()));
    let dialler = Dialler {
        peer: peer.follow(),
        driver: handle.clone(),
        pulse: pulse.clone(),
        clock: clock.clone(),
        loopback,
    };
    tokio::spawn(dialler.run());
    let end = End::default();
    let operator = api::operator::Service {
        end: end.clone(),
        peer,
        own_loopback,
        driver: handle.clone(),
        users: users.clone(),
        journal: journal.clone(),
        limits: config.limits.clone(),
        allow_drill: config.allow_drill,
    };
    let witness = witness::service::Service { driver: handle.clone(), witnesses, pulse, clock };
    let serving = serve(listener, &handle, &users, journal, witness, operator);
    tokio::select! {
        served = serving => served.map(|()| exit::OK),
        broken = ended => match broken {
            Ok(Err(error)) => {
                console.error(&NodeMessage::JournalFailed { error: common::console::chain(&error) });
                Err(Error::Broken(error))
            }
            // The driver only ends by itself when its queue closes, which this function holds open.
            Ok(Ok(())) | Err(_) => Err(Error::System(std::io::Error::other("the driver thread ended"))),
        },
        () = end.wait() => {
            console.info(&NodeMessage::Stopping);
            Ok(exit::OK)
        }
        signal = shutdown::wait() => match signal? {
            Signal::Interrupt => Ok(exit::INTERRUPTED),
            Signal::Terminate => {
                console.info(&NodeMessage::HandingOver);
                let handed = handle.ask(|reply| Input::HandOver { reply });
                if tokio::time::timeout(HAND_OVER_TIMEOUT, handed).await.is_err() {
                    tracing::warn!("nobody took the office in time");
                }
                console.info(&NodeMessage::Stopping);
                Ok(exit::OK)
            }
        },
    }
}

/// The driver in a thread of its own: it is never starved by the services.
fn start_driver(
    driver: Driver<Disk>,
    queue: mpsc::Receiver<Input>,
) -> Result<oneshot::Receiver<Result<(), driver::Error>>, Error> {
    let (done, ended) = oneshot::channel();
    std::thread::Builder::new().name("driver".into()).spawn(move || {
        if done.send(driver.run(queue)).is_err() {
            tracing::debug!("the node ended before its driver");
        }
    })?;
    Ok(ended)
}

async fn tick(driver: DriverHandle) {
    let mut interval = tokio::time::interval(TICK);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        if driver.send(Input::Tick).await.is_err() {
            return;
        }
    }
}

async fn serve(
    listener: TcpListener,
    handle: &DriverHandle,
    users: &Users,
    journal: Journal,
    witness: witness::service::Service,
    operator: api::operator::Service,
) -> Result<(), Error> {
    let (driver, users, end) = (handle.clone(), users.clone(), operator.end.clone());
    let (health, health_service) = tonic_health::server::health_reporter();
    health.set_service_status("", tonic_health::ServingStatus::Serving).await;
    let mut routes = RoutesBuilder::default();
    routes.add_service(health_service);
    if let Ok(reflection) = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(common::proto::DESCRIPTORS)
        .build_v1()
    {
        routes.add_service(reflection);
    }
    routes.add_service(
        TaskOrchestratorServer::new(api::tasks::Service {
            driver: driver.clone(),
            users: users.clone(),
        })
        .max_decoding_message_size(MAX_MESSAGE_BYTES)
        .max_encoding_message_size(MAX_MESSAGE_BYTES),
    );
    routes.add_service(ClusterServiceServer::new(api::cluster::Service {
        driver: driver.clone(),
        users,
    }));
    routes.add_service(
        WorkerServiceServer::new(dispatch::Service { driver: driver.clone() })
            .max_decoding_message_size(MAX_MESSAGE_BYTES)
            .max_encoding_message_size(MAX_MESSAGE_BYTES),
    );
    routes.add_service(OperatorServiceServer::new(operator));
    routes.add_service(WitnessServiceServer::new(witness));
    routes.add_service(
        SynchronizationServiceServer::new(replication::service::Service { driver, journal, end })
            .max_decoding_message_size(MAX_PEER_MESSAGE_BYTES)
            .max_encoding_message_size(MAX_PEER_MESSAGE_BYTES),
    );
    let incoming = TcpListenerStream::new(listener);
    let incoming = tokio_stream::StreamExt::map(incoming, |stream| {
        stream.and_then(|stream| stream.set_nodelay(true).map(|()| stream))
    });
    Server::builder()
        .initial_stream_window_size(8 << 20)
        .initial_connection_window_size(16 << 20)
        .http2_keepalive_interval(Some(Duration::from_secs(5)))
        .http2_keepalive_timeout(Some(Duration::from_secs(5)))
        .add_routes(routes.routes())
        .serve_with_incoming(incoming)
        .await?;
    Ok(())
}

/// Every address that the name stands for.
pub async fn is_loopback(endpoint: &Endpoint) -> bool {
    match tokio::net::lookup_host((endpoint.host(), endpoint.port())).await {
        Ok(addresses) => {
            let addresses: Vec<_> = addresses.collect();
            !addresses.is_empty() && addresses.iter().all(|a| a.ip().is_loopback())
        }
        Err(error) => {
            tracing::warn!(%endpoint, %error, "failed to resolve");
            false
        }
    }
}
