//! The command line of both orchestrators, checked completely before a port is opened.

use std::ffi::OsStr;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytesize::ByteSize;
use clap::{CommandFactory as _, FromArgMatches as _, Parser, ValueEnum};
use common::auth::Secret;
use common::endpoint::{DEFAULT_BACKUP, DEFAULT_PRINCIPAL, Endpoint};
use common::lang::Lang;
use common::messages::command_line::BadValue;
use common::messages::io;
use common::messages::node_help::{Problem, weak_token};
use common::messages::node_webhooks::no_key;
use common::telemetry::LogFormat;
use common::tls::{self, Role, Tls};
use common::traces;
use orquestrador_core::Limits;
use orquestrador_core::policy::Policy;
use url::Url;

use crate::api::validate::MIN_TOKEN;
use crate::blobs::{self, S3};
use crate::engine::{self, EtcdConfig};
use crate::tools::{self, Tool};
use crate::webhooks;

/// Which binary was started. After a failover either can play the other's part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `orquestrador`: may found a cluster.
    Principal,
    /// `orquestrador-backup`
    Backup,
}

impl Kind {
    fn default_port(self) -> u16 {
        match self {
            Self::Principal => 50051,
            Self::Backup => 50052,
        }
    }

    fn default_peer(self) -> &'static str {
        match self {
            Self::Principal => DEFAULT_BACKUP,
            Self::Backup => DEFAULT_PRINCIPAL,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Principal => "orquestrador",
            Self::Backup => "orquestrador-backup",
        }
    }
}

/// Of all blobs on this node.
const DEFAULT_BLOB_BYTES: u64 = 16 << 30;
/// What a worker that runs several tasks at once can hold in memory.
const DEFAULT_PAYLOAD_BYTES: u64 = 256 << 20;
/// An hour, in which a client may submit what it has put, and a worker report it.
/// Of copies on this node, where blobs are in an object store: the largest blob twice.
const DEFAULT_BLOB_CACHE_BYTES: u64 = 2 * common::blobs::MAX_BLOB_BYTES;
const DEFAULT_BLOB_GRACE_MS: u64 = 3_600_000;
/// Of them, what tasks may refer to before the oldest finished ones are forgotten, in quarters: the rest is for what is
/// on its way.
const REFERRED_QUARTERS: u64 = 3;

/// Of a report of a task's end.
const MAX_WEBHOOK_ATTEMPTS: u16 = 100;

/// A day: longer than that a worker is not silent, but gone.
const MAX_LEASE_MS: u64 = 86_400_000;

/// What it was built with beyond the usual.
const FEATURES: &[&str] = if cfg!(feature = "mutations") { &["mutations"] } else { &[] };

/// The flags; their texts are in the message catalogue.
#[derive(Debug, Parser)]
#[command(version)]
struct Flags {
    #[command(subcommand)]
    command: Option<tools::Command>,
    #[arg(long, env = "MUTIRAO_PORT", value_name = "PORT", global = true)]
    port: Option<u16>,
    #[arg(long, env = "MUTIRAO_LISTEN", value_name = "IP", default_value = "127.0.0.1")]
    listen: IpAddr,
    #[arg(long, env = "MUTIRAO_ADVERTISE", value_name = "URL")]
    advertise: Option<Endpoint>,
    #[arg(long, env = "MUTIRAO_PEER", value_name = "URL")]
    peer: Option<Endpoint>,
    #[arg(long, env = "MUTIRAO_DATA_DIR", value_name = "DIR", global = true)]
    data_dir: Option<PathBuf>,
    #[arg(long, env = "MUTIRAO_WORKER_LEASE_MS", value_name = "MS", default_value_t = Limits::default().worker_lease_ms)]
    worker_lease_ms: u64,
    #[arg(long, env = "MUTIRAO_MAX_LOST_ATTEMPTS", value_name = "N", default_value_t = Limits::default().max_lost_attempts, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    max_lost_attempts: u32,
    #[arg(long, env = "MUTIRAO_MAX_CONNECTIONS", value_name = "N", value_parser = clap::value_parser!(u32).range(16..=1_000_000))]
    max_connections: Option<u32>,
    #[arg(long, env = "MUTIRAO_MAX_ACTIVE_TASKS", value_name = "N", default_value_t = Limits::default().max_active_tasks)]
    max_active_tasks: u64,
    #[arg(long, env = "MUTIRAO_MAX_ACTIVE_BYTES", value_name = "BYTES", value_parser = size, default_value_t = ByteSize(Limits::default().max_active_bytes))]
    max_active_bytes: ByteSize,
    #[arg(long, env = "MUTIRAO_POLICY", value_name = "POLICY", value_enum, default_value_t)]
    policy: PolicyFlag,
    #[arg(long, env = "MUTIRAO_MAX_FINISHED_TASKS", value_name = "N", default_value_t = Limits::default().max_finished_tasks)]
    max_finished_tasks: u64,
    #[arg(long, env = "MUTIRAO_MAX_FINISHED_BYTES", value_name = "BYTES", value_parser = size, default_value_t = ByteSize(Limits::default().max_finished_bytes))]
    max_finished_bytes: ByteSize,
    #[arg(long, env = "MUTIRAO_MAX_BLOB_BYTES", value_name = "BYTES", value_parser = size, default_value_t = ByteSize(DEFAULT_BLOB_BYTES))]
    max_blob_bytes: ByteSize,
    #[arg(long, env = "MUTIRAO_BLOB_STORE", value_name = "s3://BUCKET[/PREFIX]")]
    blob_store: Option<String>,
    #[arg(long, env = "MUTIRAO_S3_ENDPOINT", value_name = "URL", requires = "blob_store")]
    s3_endpoint: Option<String>,
    #[arg(long, env = "MUTIRAO_S3_REGION", value_name = "REGION", requires = "blob_store")]
    s3_region: Option<String>,
    #[arg(long, env = "MUTIRAO_BLOB_CACHE_BYTES", value_name = "BYTES", value_parser = size, default_value_t = ByteSize(DEFAULT_BLOB_CACHE_BYTES), requires = "blob_store")]
    blob_cache_bytes: ByteSize,
    #[arg(long, env = "MUTIRAO_MAX_PAYLOAD_BYTES", value_name = "BYTES", value_parser = size, default_value_t = ByteSize(DEFAULT_PAYLOAD_BYTES))]
    max_payload_bytes: ByteSize,
    #[arg(long, env = "MUTIRAO_BLOB_GRACE_MS", value_name = "MS", default_value_t = DEFAULT_BLOB_GRACE_MS)]
    blob_grace_ms: u64,
    #[arg(long, env = "MUTIRAO_INSECURE_NETWORK")]
    insecure_network: bool,
    #[command(flatten)]
    engine: engine::Flags,
    #[command(flatten)]
    tls: tls::Flags,
    #[command(flatten)]
    traces: traces::Flags,
    #[arg(long, env = "MUTIRAO_TRACE_RATIO", value_name = "0..1", default_value_t = 1.0, value_parser = share)]
    trace_ratio: f64,
    #[arg(long, env = "MUTIRAO_ADMIN_TOKEN_FILE", value_name = "FILE")]
    admin_token_file: Option<PathBuf>,
    #[arg(long, env = "MUTIRAO_WEBHOOK_ALLOW", value_name = "HOST|URL", value_delimiter = ',')]
    webhook_allow: Vec<String>,
    #[arg(long, env = "MUTIRAO_WEBHOOK_SECRET_FILE", value_name = "FILE")]
    webhook_secret_file: Option<PathBuf>,
    #[arg(long, env = "MUTIRAO_WEBHOOK_ATTEMPTS", value_name = "N", default_value_t = Limits::default().webhook_attempts)]
    webhook_attempts: u16,
    #[arg(long, env = "MUTIRAO_WEBHOOK_RETRY_MS", value_name = "MS", default_value_t = Limits::default().webhook_retry_ms)]
    webhook_retry_ms: u64,
    #[arg(long, env = "MUTIRAO_ALLOW_DRILL")]
    allow_drill: bool,
    #[arg(long, env = "MUTIRAO_LOG_FORMAT", value_name = "FORMAT", value_enum, default_value_t)]
    log_format: LogFormat,
    #[arg(
        long,
        env = "MUTIRAO_LANG",
        value_name = "LANG",
        value_enum,
        default_value_t,
        global = true
    )]
    lang: Lang,
}

/// What was asked for.
pub enum Invocation {
    Node(Box<Config>),
    /// A subcommand for a node that does not run.
    Tool(Box<Tool>),
}

/// Everything a node is told.
#[derive(Clone, Debug)]
pub struct Config {
    pub kind: Kind,
    pub listen: SocketAddr,
    /// How others reach this node.
    pub advertise: Endpoint,
    pub peer: Endpoint,
    /// Where the log and the office are; `None`: here and at the peer.
    pub etcd: Option<EtcdConfig>,
    /// By default it speaks none.
    pub tls: Tls,
    /// Others can reach it, and nobody said that they are trusted: it founds no cluster that nobody could administer.
    pub is_open: bool,
    pub data_dir: PathBuf,
    /// Of the administrator of a cluster without users.
    pub admin_token: Option<Secret>,
    /// `None`: no receiver of webhooks is allowed.
    pub webhooks: Option<webhooks::Config>,
    /// Operators may kill or stop this node to rehearse (`cliente cluster drill`).
    pub allow_drill: bool,
    /// Who is told of tasks.
    pub traces: traces::Flags,
    /// Of those that belong to no trace of their submitter's: 0 to 1.
    pub trace_ratio: f64,
    pub limits: Limits,
    /// At the node's port; `None`: as many as the system lets it open files.
    pub max_connections: Option<usize>,
    /// Of all blobs on this node, or in its object store.
    pub max_blob_bytes: u64,
    /// `None`: the directory of the node, and that of the other one.
    pub blob_store: Option<S3>,
    /// Of copies on this node of what is in the object store.
    pub blob_cache_bytes: u64,
    /// Of a task's payload.
    pub max_payload_bytes: u64,
    /// How long a blob stays that no task refers to.
    pub blob_grace: Duration,
    pub log_format: LogFormat,
    pub lang: Lang,
}

/// The command line with its texts in `lang`.
pub fn command(kind: Kind, lang: Lang) -> clap::Command {
    let name = kind.name();
    let command = common::version::told_by(Flags::command(), FEATURES).name(name).bin_name(name);
    common::help::localize(command, lang, |id| {
        common::messages::node_help::text(id, kind == Kind::Backup, lang)
    })
}

/// How the next worker is chosen among those that are free.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum PolicyFlag {
    #[default]
    RoundRobin,
    LeastLoaded,
}

impl From<PolicyFlag> for Policy {
    fn from(flag: PolicyFlag) -> Self {
        match flag {
            PolicyFlag::RoundRobin => Self::RoundRobin,
            PolicyFlag::LeastLoaded => Self::LeastLoaded,
        }
    }
}

impl Config {
    /// It may found a cluster, `fresh` as its data directory is, that others can reach and nobody could administer.
    pub fn lacks_users(&self, fresh: bool) -> bool {
        let would_found = fresh && self.kind == Kind::Principal;
        would_found && self.is_open && self.admin_token.is_none()
    }

    /// Reads the command line and the environment.
    ///
    /// # Errors
    /// What clap prints: wrong flags, a combination that cannot work, or a request for help.
    pub fn parse(kind: Kind, args: &[impl AsRef<OsStr>]) -> Result<Invocation, clap::Error> {
        let lang = Lang::early(args);
        let mut command = command(kind, lang);
        let matches = common::help::parse(command.clone(), args, lang)?;
        let mut flags = Flags::from_arg_matches(&matches)?;
        let checked = match flags.command.take() {
            Some(tool) => {
                Self::tool(kind, flags, tool).map(|tool| Invocation::Tool(Box::new(tool)))
            }
            None => Self::check(kind, flags).map(|config| Invocation::Node(Box::new(config))),
        };
        checked.map_err(|problem| {
            let text = common::messages::node_help::problem(&problem, lang);
            command.error(clap::error::ErrorKind::ValueValidation, text)
        })
    }

    fn tool(kind: Kind, flags: Flags, command: tools::Command) -> Result<Tool, Problem> {
        let port = flags.port.unwrap_or(kind.default_port());
        // Only one of them calls anybody.
        let tls = match command.calls_the_peer() {
            true => Tls::serving(&flags.tls, Role::Orchestrator).map_err(Problem::Tls)?,
            false => Tls::default(),
        };
        Ok(Tool {
            program: kind.name(),
            dir: flags.data_dir.unwrap_or_else(|| default_dir(port)),
            peer: peer(kind, flags.peer)?.settled(&tls),
            tls,
            lang: flags.lang,
            kind,
            command,
        })
    }

    fn check(kind: Kind, flags: Flags) -> Result<Self, Problem> {
        let port = flags.port.unwrap_or(kind.default_port());
        if port == 0 {
            return Err(Problem::PortZero);
        }
        let tls = Tls::serving(&flags.tls, Role::Orchestrator).map_err(Problem::Tls)?;
        let is_open = !flags.listen.is_loopback() && !flags.insecure_network;
        if is_open && !tls.is_on() {
            return Err(Problem::OpenNetwork { listen: flags.listen.to_string() });
        }
        let (own, peer) = places(kind, port, &flags, &tls)?;
        if !(300..=MAX_LEASE_MS).contains(&flags.worker_lease_ms) {
            return Err(Problem::Lease);
        }
        if !(1..=MAX_WEBHOOK_ATTEMPTS).contains(&flags.webhook_attempts)
            || flags.webhook_retry_ms == 0
        {
            return Err(Problem::WebhookAttempts);
        }
        if flags.max_active_tasks == 0 || flags.max_active_bytes.0 == 0 {
            return Err(Problem::NoTasks);
        }
        Ok(Self {
            kind,
            listen: SocketAddr::new(flags.listen, port),
            advertise: own,
            peer,
            etcd: flags.engine.check(flags.lang)?,
            tls,
            is_open,
            data_dir: flags.data_dir.unwrap_or_else(|| default_dir(port)),
            admin_token: flags
                .admin_token_file
                .map(|path| admin_token(&path, flags.lang))
                .transpose()?,
            webhooks: webhooks(&flags.webhook_allow, flags.webhook_secret_file, flags.lang)?,
            allow_drill: flags.allow_drill,
            traces: flags.traces,
            trace_ratio: flags.trace_ratio,
            limits: Limits {
                worker_lease_ms: flags.worker_lease_ms,
                max_lost_attempts: flags.max_lost_attempts,
                max_active_tasks: flags.max_active_tasks,
                max_active_bytes: flags.max_active_bytes.0,
                policy: flags.policy.into(),
                webhook_attempts: flags.webhook_attempts,
                webhook_retry_ms: flags.webhook_retry_ms,
                max_finished_tasks: flags.max_finished_tasks,
                max_finished_bytes: flags.max_finished_bytes.0,
                max_referred_bytes: flags.max_blob_bytes.0 / 4 * REFERRED_QUARTERS,
                ..Limits::default()
            },
            max_connections: flags.max_connections.and_then(|most| usize::try_from(most).ok()),
            max_blob_bytes: flags.max_blob_bytes.0,
            blob_store: blob_store(flags.blob_store, flags.s3_endpoint, flags.s3_region)?,
            blob_cache_bytes: flags.blob_cache_bytes.0,
            max_payload_bytes: flags.max_payload_bytes.0,
            blob_grace: Duration::from_millis(flags.blob_grace_ms),
            log_format: flags.log_format,
            lang: flags.lang,
        })
    }
}

fn share(text: &str) -> Result<f64, BadValue> {
    text.parse().ok().filter(|share| (0.0..=1.0).contains(share)).ok_or(BadValue::Share)
}

fn admin_token(path: &Path, lang: Lang) -> Result<Secret, Problem> {
    let problem = |why| Problem::AdminToken { path: path.display().to_string(), why };
    let text = std::fs::read_to_string(path).map_err(|error| problem(io::text(&error, lang)))?;
    let token = text.trim();
    if token.len() < MIN_TOKEN || !token.chars().all(|c| c.is_ascii_graphic()) {
        return Err(problem(weak_token(MIN_TOKEN, lang)));
    }
    Ok(Secret::new(token))
}

fn blob_store(
    store: Option<String>,
    endpoint: Option<String>,
    region: Option<String>,
) -> Result<Option<S3>, Problem> {
    let Some(text) = store else { return Ok(None) };
    let s3 = S3::parse(&text).map_err(|blobs::NoBucket| Problem::BlobStore { text })?;
    let is_web = |url: &Url| ["http", "https"].contains(&url.scheme()) && url.has_host();
    let parsed = endpoint.map(|text| match Url::parse(&text) {
        Ok(url) if is_web(&url) && url.query().is_none() => Ok(url),
        Ok(_) | Err(_) => Err(Problem::S3Endpoint { text }),
    });
    let endpoint = parsed.transpose()?;
    Ok(Some(S3 { endpoint, region, ..s3 }))
}

fn webhooks(
    allow: &[String],
    secret_file: Option<PathBuf>,
    lang: Lang,
) -> Result<Option<webhooks::Config>, Problem> {
    let Some(path) = secret_file else {
        return if allow.is_empty() { Ok(None) } else { Err(Problem::WebhookHalf) };
    };
    if allow.is_empty() {
        return Err(Problem::WebhookHalf);
    }
    let allowed = allow.iter().map(|text| {
        let no_url = |why: webhooks::NoUrl| (text.clone(), why.to_string());
        text.parse().map_err(no_url).map_err(|(text, why)| Problem::WebhookAllow { text, why })
    });
    let allow = allowed.collect::<Result<webhooks::AllowList, _>>()?;
    let problem = |why| Problem::WebhookSecret { path: path.display().to_string(), why };
    let text = std::fs::read_to_string(&path).map_err(|error| problem(io::text(&error, lang)))?;
    let key = text.trim().parse().map_err(|webhooks::NoKey| problem(no_key(lang)))?;
    Ok(Some(webhooks::Config { allow, key }))
}

fn size(text: &str) -> Result<ByteSize, BadValue> {
    text.parse().map_err(|_| BadValue::Bytes)
}

fn default_dir(port: u16) -> PathBuf {
    PathBuf::from(format!("mutirao-data/orquestrador-{port}"))
}

/// Of this node and of the other one.
fn places(
    kind: Kind,
    port: u16,
    flags: &Flags,
    tls: &Tls,
) -> Result<(Endpoint, Endpoint), Problem> {
    let own = match &flags.advertise {
        Some(endpoint) => endpoint.settled(tls),
        None => endpoint_of(flags.listen, port)?.settled(tls),
    };
    let peer = peer(kind, flags.peer.clone())?.settled(tls);
    for place in [&own, &peer] {
        place.check(tls).map_err(Problem::Tls)?;
    }
    match peer.is_same_place(&own) && !flags.engine.is_given() {
        true => Err(Problem::PeerIsSelf),
        false => Ok((own, peer)),
    }
}

fn peer(kind: Kind, given: Option<Endpoint>) -> Result<Endpoint, Problem> {
    match given {
        Some(endpoint) => Ok(endpoint),
        None => bare(kind.default_peer()).parse().map_err(|_| Problem::PeerIsSelf),
    }
}

/// Where nobody says whether by TLS, the certificates do.
fn bare(address: &str) -> &str {
    address.trim_start_matches("http://")
}

/// `localhost` for loopback, as the guide and the seed say.
fn endpoint_of(listen: IpAddr, port: u16) -> Result<Endpoint, Problem> {
    let text = match (listen.is_loopback(), listen.is_unspecified()) {
        (true, _) => format!("localhost:{port}"),
        (false, true) => return Err(Problem::AdvertiseMissing),
        (false, false) => SocketAddr::new(listen, port).to_string(),
    };
    text.parse().map_err(|_| Problem::AdvertiseMissing)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(args: &[&str]) -> Result<Config, String> {
        let args = [&["orquestrador"], args].concat();
        match Config::parse(Kind::Principal, &args) {
            Ok(Invocation::Node(config)) => Ok(*config),
            Ok(Invocation::Tool(_)) => Err("a tool".into()),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn the_guide_needs_no_certificates() {
        let config = parse(&[]).expect("is the guide");
        assert_eq!(config.advertise.to_string(), "http://localhost:50051");
        assert_eq!(config.peer.to_string(), "http://localhost:50052");
        assert!(!config.tls.is_on() && !config.lacks_users(true));
    }

    #[test]
    fn strangers_do_not_come_in_unless_somebody_says_so() {
        let refused = parse(&["--listen", "10.0.0.1"]).expect_err("is refused");
        assert!(
            refused.contains("--tls-ca") && refused.contains("--insecure-network"),
            "{refused}"
        );
        for half in [["--tls-ca", "ca.pem"], ["--tls-cert", "a.pem"], ["--tls-key", "a-key.pem"]] {
            assert!(parse(&half).is_err(), "{half:?} was accepted");
        }
        let refused = parse(&["--peer", "https://b:1"]).expect_err("is refused");
        assert!(refused.contains("--tls-ca"), "{refused}");
        let trusted = parse(&["--listen", "10.0.0.1", "--insecure-network"]).expect("is trusted");
        assert!(!trusted.lacks_users(true));
    }

    #[test]
    fn an_open_cluster_is_not_founded_without_somebody_to_administer_it() {
        let open = Config { is_open: true, ..parse(&[]).expect("is the guide") };
        assert!(open.lacks_users(true) && !open.lacks_users(false));
        let backup = Config { kind: Kind::Backup, ..open.clone() };
        assert!(!backup.lacks_users(true), "it learns of the users");
        let administered = Config { admin_token: Some(Secret::new("x")), ..open };
        assert!(!administered.lacks_users(true));
    }
}
