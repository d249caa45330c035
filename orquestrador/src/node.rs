//! Puts a node together: opens the journal, takes the port, starts the driver and the services, and ends
//! when the operator says so or a guarantee breaks.

mod serve;
mod supervised;

use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use common::connections::Connections;
use common::console::Console;
use common::endpoint::Endpoint;
use common::exit;
use common::messages::fault::Fault;
use common::messages::node::NodeMessage;
use common::messages::node_journal::JournalMessage;
use common::messages::tls::TlsMessage;
use common::shutdown::{self, Signal};
use common::supervisor::Supervisor;
use common::tls::Tls;
use common::traces::Traces;
use orquestrador_core::Limits;
use orquestrador_core::ids::{ClusterId, Index, ProcessId};
use orquestrador_core::role::Standing;
use tokio::net::TcpListener;
use tokio::sync::{Notify, mpsc, oneshot};
use uuid::Uuid;

use crate::actions::Actions;
use crate::blobs::store::Store as BlobStore;
use crate::blobs::{self, Blobs};
use crate::config::{Config, Kind};
use crate::driver::input::Input;
use crate::driver::pulse::Pulse;
use crate::driver::store::SystemClock;
use crate::driver::{self, Disk, Driver, DriverHandle, EngineKind, Setup, Start, Tuning};
use crate::engine::{self, Liveness, Me, marker};
use crate::journal::{self, Journal, Recovered};
use crate::output::Outputs;
use crate::peer::Peer;
use crate::refusals::Refusals;
use crate::replication::dial::Dialler;
use crate::shards::{Shards, UNNAMED};
use crate::traces::Tracer;
use crate::users::{FirstUser, Users};
use crate::webhooks::Webhooks;
use crate::witness::{self, Witnesses};

/// The driver's clock for everything that is not an event.
const TICK: Duration = Duration::from_millis(50);
/// What was said last may still go out.
const LAST_WORDS: Duration = Duration::from_millis(100);
/// How long an orderly end waits for the other node to take the office.
const HAND_OVER_TIMEOUT: Duration = Duration::from_secs(3);

/// How often it is looked whether the data directory is still there.
const DIRECTORY_CHECK: Duration = Duration::from_secs(1);

/// How the driver ended.
type DriverEnd = oneshot::Receiver<Result<(), driver::Error>>;

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
    /// The data directory was removed or replaced under the running node.
    #[error("the data directory is gone")]
    DataDirLost(#[source] std::io::Error),
    /// Others can reach it, and there would be nobody to administer it.
    #[error("a cluster without users on an open network")]
    NoUsers,
    /// The data directory belongs to another engine than the one that was asked for.
    #[error("the data directory belongs to another engine")]
    OtherEngine { dir: String, wants_etcd: bool },
    #[error("etcd cannot be used")]
    Etcd(#[from] orquestrador_etcd::Error),
    /// Spans cannot be sent as was asked for.
    #[error("failed to send spans")]
    Traces(#[from] common::traces::Error),
    #[error("failed to describe the services")]
    Reflection(#[from] tonic_reflection::server::Error),
    #[error("failed to serve")]
    Serve(#[from] tonic::transport::Error),
    #[error("failed to use a system service")]
    System(#[from] std::io::Error),
}

impl Error {
    /// What a person reads.
    pub fn fault(&self) -> Fault<'_> {
        match self {
            Self::Open(error)
            | Self::Start(driver::Error::Journal(error))
            | Self::Broken(driver::Error::Journal(error)) => error.fault(),
            Self::Listen { address, source } => Fault::Listen { address, error: source },
            Self::DataDirLost(_) => Fault::DataDirLost,
            Self::NoUsers => Fault::NoUsers,
            Self::OtherEngine { dir, wants_etcd } => {
                Fault::OtherEngine { dir: dir.clone(), wants_etcd: *wants_etcd }
            }
            Self::Etcd(error) => Fault::Etcd { why: error.to_string() },
            Self::Traces(error) => Fault::Traces { why: error.to_string() },
            Self::System(error) => Fault::System { error },
            Self::Start(driver::Error::Misfit(why)) | Self::Broken(driver::Error::Misfit(why)) => {
                Fault::Damaged { detail: why.clone() }
            }
            Self::Reflection(_) | Self::Serve(_) => {
                Fault::Internal { detail: common::console::chain(self) }
            }
        }
    }

    /// What is on the disk is not what was written; the disk may be sound.
    pub fn is_damage(&self) -> bool {
        match self {
            Self::Open(error) | Self::Start(driver::Error::Journal(error)) => error.is_damage(),
            Self::Start(driver::Error::Misfit(_))
            | Self::Listen { .. }
            | Self::Broken(_)
            | Self::DataDirLost(_)
            | Self::NoUsers
            | Self::OtherEngine { .. }
            | Self::Etcd(_)
            | Self::Traces(_)
            | Self::Reflection(_)
            | Self::Serve(_)
            | Self::System(_) => false,
        }
    }

    /// The console has said it already.
    pub fn was_told(&self) -> bool {
        matches!(self, Self::Broken(_) | Self::DataDirLost(_))
    }

    pub fn exit_code(&self) -> u8 {
        match self {
            Self::NoUsers | Self::Traces(_) | Self::OtherEngine { .. } | Self::Etcd(_) => {
                exit::USAGE
            }
            Self::Open(error) if error.is_damage() => exit::BROKEN,
            Self::Open(_) | Self::Listen { .. } | Self::System(_) => exit::RESOURCE,
            Self::Start(_)
            | Self::Broken(_)
            | Self::DataDirLost(_)
            | Self::Reflection(_)
            | Self::Serve(_) => exit::BROKEN,
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

/// What the services of a running node share.
pub struct Node {
    driver: DriverHandle,
    users: Users,
    journal: Journal,
    limits: Limits,
    peer: Arc<Peer>,
    tls: Tls,
    own_loopback: bool,
    /// The log is with this orchestrator and the other one.
    is_pair: bool,
    allow_drill: bool,
    witnesses: Witnesses,
    outputs: Outputs,
    blobs: Blobs,
    max_payload_bytes: u64,
    webhooks: Webhooks,
    pulse: Pulse,
    clock: SystemClock,
    end: End,
    connections: Connections,
    refusals: Refusals,
    traces: Traces,
    shards: Shards,
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
    if config.lacks_users(recovered.created) {
        return Err(Error::NoUsers);
    }
    let wants_etcd = config.etcd.is_some();
    if marker::check(&config.data_dir, wants_etcd, recovered.created)?.is_err() {
        let dir = config.data_dir.display().to_string();
        return Err(Error::OtherEngine { dir, wants_etcd });
    }
    let port = config.listen.port();
    console.info(&match config.kind {
        Kind::Principal => NodeMessage::PrincipalStarted { port },
        Kind::Backup => NodeMessage::BackupStarted { port },
    });
    if let Some(torn) = journal.torn() {
        console.warn(&JournalMessage::TornCut {
            file: torn.path.display().to_string(),
            offset: torn.offset,
            bytes: torn.bytes,
        });
    }
    if let Some((file, offset)) = journal.mended_bounds() {
        let file = file.display().to_string();
        console.warn(&JournalMessage::BoundsMended { file, offset });
    }
    config.tls.warnings().iter().for_each(|warning| console.warn(warning));
    if let (false, Some(own)) = (config.tls.is_named(config.advertise.host()), config.tls.own()) {
        let host = config.advertise.host().to_owned();
        console.warn(&TlsMessage::OtherHost { subject: own.subject, host });
    }
    config.tls.follow(console)?;
    let (node, ended) = start(&config, console, journal, recovered).await?;
    let mut serving = serve::start(&node, listener, console)?;
    let supervisor = Supervisor::of_this_process();
    tokio::spawn(supervised::report(supervisor, node.driver.clone(), config.lang));
    let ended = tokio::select! {
        served = &mut serving => served.map_err(std::io::Error::other)?.map(|()| exit::OK),
        broken = ended => match broken {
            Ok(Err(error)) => {
                let error = Error::Broken(error);
                let text = error.fault().text(config.lang);
                console.error(&NodeMessage::JournalFailed { error: text });
                Err(error)
            }
            // The driver only ends by itself when its queue closes, which the node holds open.
            Ok(Ok(())) | Err(_) => Err(Error::System(std::io::Error::other("the driver thread ended"))),
        },
        lost = directory_is_lost(&config.data_dir) => {
            console.error(&NodeMessage::DataDirLost { path: config.data_dir.display().to_string() });
            Err(Error::DataDirLost(lost))
        }
        () = node.end.wait() => {
            supervisor.stopping();
            console.info(&NodeMessage::Stopping);
            leave(&node).await;
            Ok(exit::OK)
        }
        signal = shutdown::wait() => match signal? {
            Signal::Interrupt => Ok(exit::INTERRUPTED),
            Signal::Terminate => {
                supervisor.stopping();
                terminate(&node, console).await;
                Ok(exit::OK)
            }
        },
    };
    node.traces.close().await;
    ended
}

/// The driver, and the tasks that bring it what happens outside.
async fn start(
    config: &Config,
    console: Console,
    journal: Journal,
    recovered: Recovered,
) -> Result<(Node, DriverEnd), Error> {
    let dir = config.data_dir.clone();
    let (limit, flag) = match &config.blob_store {
        None => (config.max_blob_bytes, blobs::store::MAX),
        Some(_) => (config.blob_cache_bytes, blobs::store::COPIES),
    };
    let bucket = config.blob_store.as_ref().map(|s3| {
        let objects = s3.connect()?;
        Ok::<_, std::io::Error>(blobs::ObjectBucket::new(objects, s3, config.max_blob_bytes))
    });
    let bucket = bucket.transpose()?;
    let store = tokio::task::spawn_blocking(move || BlobStore::open(&dir, limit, flag))
        .await
        .map_err(std::io::Error::other)??;
    let peer = Arc::new(Peer::load(&config.data_dir, config.peer.clone(), config.tls.clone())?);
    let own_loopback = is_loopback(&config.advertise).await && config.listen.ip().is_loopback();
    // Where etcd keeps the log, who else comes is not known yet.
    let loopback = own_loopback && (config.etcd.is_some() || is_loopback(&peer.current()).await);
    let first = match config.admin_token.clone() {
        Some(token) => FirstUser::Admin(token),
        None if loopback => FirstUser::Demo,
        None => FirstUser::Nobody,
    };
    let traces = config.traces.start("mutirao-orquestrador", &config.advertise.to_string())?;
    let (driver, queue) = DriverHandle::new();
    let actions = Actions::open(&config.data_dir)?;
    let refusals = Refusals::new(console, driver.meters().clone());
    let users = Users::new(first, rand::random(), refusals.clone(), actions);
    let clock = SystemClock::default();
    let webhooks =
        Webhooks::new(config.webhooks.clone(), driver.clone(), clock.clone(), config.lang)?;
    let me = Me {
        node: recovered.node,
        process: ProcessId(Uuid::new_v4().as_u128()),
        address: config.advertise.to_string(),
        cluster: recovered.role.cluster,
        founds: (config.kind == Kind::Principal && journal.last().index == Index(0))
            .then(|| ClusterId(Uuid::new_v4().as_u128())),
    };
    let end = End::default();
    let mut machines = Driver::new(Setup {
        store: Disk::start(journal.clone(), driver.sender().clone(), driver.meters().clone())?,
        clock: Box::new(clock.clone()),
        recovered,
        identity: Start {
            process: me.process,
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
        engine: match &config.etcd {
            None => EngineKind::Pair,
            Some(_) => EngineKind::Etcd,
        },
    })?;
    let shards = match &config.etcd {
        None => Shards::none(),
        Some(etcd) => Shards::of(etcd.shard.as_deref().unwrap_or(UNNAMED)),
    };
    if let Some(etcd) = &config.etcd {
        let process = engine::Process {
            journal: journal.clone(),
            driver: driver.sender().clone(),
            console,
            liveness: Liveness { pulse: machines.pulse(), clock: clock.clone() },
            is_full: driver.is_full(),
            end: end.clone(),
            shards: shards.clone(),
        };
        machines = machines.with_engine(engine::start(etcd, me, process)?);
    }
    let (witnesses, pulse) = (machines.witnesses(), machines.pulse());
    let outputs = machines.outputs();
    let ended = start_driver(
        machines
            .with_webhooks(webhooks.clone())
            .with_meters(driver.meters().clone())
            .with_tracer(Tracer::new(traces.clone(), config.trace_ratio)),
        queue,
    )?;
    tokio::spawn(tick(driver.clone()));
    let own_host = config.advertise.host().to_owned();
    let (streams, role) = (witnesses.clone(), driver.clone());
    tokio::spawn(witness::survey(streams, role, clock.clone(), own_host, peer.follow()));
    let dialler = Dialler {
        peer: peer.follow(),
        tls: config.tls.clone(),
        console,
        warned: None,
        driver: driver.clone(),
        pulse: pulse.clone(),
        clock: clock.clone(),
        loopback,
    };
    if config.etcd.is_none() {
        tokio::spawn(dialler.run());
    }
    let blobs = Blobs::new(store, driver.clone(), Arc::clone(&peer), bucket);
    tokio::spawn(blobs::keep(blobs.clone(), config.blob_grace, console));
    let connections = match config.max_connections {
        Some(most) => Connections::at_most(most),
        None => Connections::as_files_allow()?,
    };
    tokio::spawn(refusals.clone().watch(connections.clone()));
    let (limits, allow_drill) = (config.limits.clone(), config.allow_drill);
    let node = Node {
        driver,
        users,
        journal,
        limits,
        peer,
        tls: config.tls.clone(),
        own_loopback,
        is_pair: config.etcd.is_none(),
        allow_drill,
        witnesses,
        outputs,
        blobs,
        max_payload_bytes: config.max_payload_bytes,
        webhooks,
        pulse,
        clock,
        end,
        connections,
        refusals,
        traces,
        shards,
    };
    Ok((node, ended))
}

/// SIGTERM: a principal gives its office away first, if somebody is there to take it.
async fn terminate(node: &Node, console: Console) {
    if let Ok(own) = node.driver.ask(|reply| Input::Describe { reply }).await
        && own.standing == Standing::Principal
    {
        if !own.has_successor {
            console.warn(&NodeMessage::NobodyToHandOver);
        } else {
            hand_over(node, console).await;
        }
    }
    console.info(&NodeMessage::Stopping);
    leave(node).await;
}

/// Nobody shall wait for the lease in etcd to run out.
async fn leave(node: &Node) {
    if !node.is_pair && node.driver.send(Input::Leave).await.is_ok() {
        tokio::time::sleep(LAST_WORDS).await;
    }
}

async fn hand_over(node: &Node, console: Console) {
    console.info(&NodeMessage::HandingOver);
    let handed = node.driver.ask(|reply| Input::HandOver { reply });
    match tokio::time::timeout(HAND_OVER_TIMEOUT, handed).await {
        Ok(Ok(Some(_))) => {}
        // Nobody was there any more, or the driver has ended.
        Ok(Ok(None) | Err(_)) | Err(_) => console.warn(&NodeMessage::NobodyTookOver),
    }
    // Whoever has the office now may not have heard of it yet.
    tokio::time::sleep(LAST_WORDS).await;
}

/// Returns when the data directory is no longer the one that was opened: what is written from then on
/// would be gone with the process.
async fn directory_is_lost(dir: &Path) -> std::io::Error {
    let lock = dir.join(journal::LOCK_FILE);
    let mut opened = None;
    let mut ticks = tokio::time::interval(DIRECTORY_CHECK);
    loop {
        ticks.tick().await;
        match tokio::fs::metadata(&lock).await {
            Ok(found) if *opened.get_or_insert(found.ino()) == found.ino() => {}
            Ok(_) => return std::io::Error::other("another directory is in its place"),
            Err(error) => return error,
        }
    }
}

/// The driver in a thread of its own: it is never starved by the services.
fn start_driver(driver: Driver<Disk>, queue: mpsc::Receiver<Input>) -> Result<DriverEnd, Error> {
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

/// Every address that the name stands for is a loopback one.
async fn is_loopback(endpoint: &Endpoint) -> bool {
    match resolve(endpoint).await {
        Ok(addresses) => all_loopback(&addresses),
        Err(error) => {
            tracing::warn!(%endpoint, %error, "failed to resolve");
            false
        }
    }
}

/// Every address that the name stands for.
pub async fn resolve(endpoint: &Endpoint) -> std::io::Result<Vec<SocketAddr>> {
    Ok(tokio::net::lookup_host((endpoint.host(), endpoint.port())).await?.collect())
}

/// None at all is not one.
pub fn all_loopback(addresses: &[SocketAddr]) -> bool {
    !addresses.is_empty() && addresses.iter().all(|address| address.ip().is_loopback())
}
