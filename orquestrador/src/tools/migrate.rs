//! `migrate`: the cluster of a pair goes to etcd, or comes back.

use std::path::PathBuf;

use clap::Args;
use common::messages::node_migrate::MigrateMessage;
use common::messages::{Message as _, io};
use common::{console, exit};
use orquestrador_etcd::Error as Etcd;

use super::{Error, Tool, line};
use crate::engine::migration::{self, Arrival, Departure, Moved};
use crate::engine::{self, EtcdConfig};
use crate::journal::NotEmpty;

/// Which way, and how etcd is spoken to.
#[derive(Clone, Debug, Args)]
pub struct Migrate {
    #[command(flatten)]
    way: Way,
    #[command(flatten)]
    access: engine::Access,
    #[arg(long, value_name = "FILE", requires = "to")]
    other_role: Option<PathBuf>,
    #[arg(long, requires = "to")]
    accept_incomplete: bool,
}

/// One of them; together they are what [`engine::Access`] calls `engine`.
#[derive(Clone, Debug, Args)]
#[group(id = "engine", required = true, multiple = false)]
struct Way {
    #[arg(long, value_name = "etcd://HOST:PORT,…[/PREFIX]")]
    to: Option<String>,
    #[arg(long, value_name = "etcd://HOST:PORT,…[/PREFIX]")]
    from: Option<String>,
}

pub(super) fn run(tool: &Tool, migrate: &Migrate) -> Result<u8, Error> {
    let (text, flag) = match (&migrate.way.to, &migrate.way.from) {
        (Some(to), _) => (to, "--to"),
        (None, Some(from)) => (from, "--from"),
        (None, None) => return Ok(exit::USAGE),
    };
    let config = match tool.etcd(&migrate.access, text, flag) {
        Ok(config) => config,
        Err(code) => return Ok(code),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let tell = |message: &MigrateMessage| console::say(&message.text(tool.lang));
    let done = match &migrate.way.to {
        Some(_) => {
            let departure = Departure {
                dir: tool.dir.clone(),
                accept_incomplete: migrate.accept_incomplete,
                other_role: migrate.other_role.clone(),
            };
            let arrival = runtime.block_on(migration::take_there(&config, &departure, &tell));
            arrival.map(|arrival| arrived(tool, &config, text, &arrival))
        }
        None => {
            let moved = runtime.block_on(migration::bring_back(&config, &tool.dir, &tell));
            moved.map(|moved| returned(tool, &config, &moved))
        }
    };
    match done {
        Ok(messages) => {
            let mut out = std::io::stdout().lock();
            for message in messages {
                line(&mut out, &message.text(tool.lang))?;
            }
            Ok(exit::OK)
        }
        Err(error) => failed(tool, error),
    }
}

fn prefix(config: &EtcdConfig) -> String {
    format!("/{}/", config.prefix)
}

fn arrived(
    tool: &Tool,
    config: &EtcdConfig,
    engine: &str,
    arrival: &Arrival,
) -> Vec<MigrateMessage> {
    let (dir, prefix) = (tool.dir(), prefix(config));
    let start = format!("{} --data-dir {dir} --engine {engine}", tool.program);
    match arrival {
        Arrival::Moved(moved) => {
            let cluster = moved.cluster.to_string();
            vec![MigrateMessage::Arrived { cluster, prefix, dir, start }, digests(moved)]
        }
        Arrival::Before(cluster) => {
            vec![MigrateMessage::ArrivedBefore { cluster: cluster.to_string(), dir, start }]
        }
    }
}

fn returned(tool: &Tool, config: &EtcdConfig, moved: &Moved) -> Vec<MigrateMessage> {
    let (dir, prefix) = (tool.dir(), prefix(config));
    let start = format!("{} --data-dir {dir}", tool.program);
    let cluster = moved.cluster.to_string();
    let mut messages = vec![MigrateMessage::Returned { cluster, prefix, start }];
    if moved.blobs > 0 {
        messages.push(MigrateMessage::Blobs { count: moved.blobs, dir });
    }
    messages.push(digests(moved));
    messages
}

fn digests(moved: &Moved) -> MigrateMessage {
    MigrateMessage::Digests { of_journal: moved.of_journal, of_etcd: moved.of_etcd }
}

/// Says why nothing was moved; gives the exit code.
fn failed(tool: &Tool, error: migration::Error) -> Result<u8, Error> {
    use migration::Error as Why;
    let failed = |error: String, code| (MigrateMessage::Failed { error: ended(error) }, code);
    let (message, code) = match error {
        Why::Refused(message) => {
            let code = refusal_code(&message);
            (*message, code)
        }
        Why::NotEmpty(NotEmpty { dir, found }) => {
            let dir = dir.display().to_string();
            (MigrateMessage::NotEmpty { dir, found }, exit::RESOURCE)
        }
        Why::Contradiction(detail) => (MigrateMessage::Unsound { detail }, exit::BROKEN),
        // They have advice of their own.
        Why::Journal(error) | Why::Engine(engine::Error::Journal(error)) => {
            return Err(Error::Journal(error));
        }
        Why::Etcd(error) | Why::Engine(engine::Error::Etcd(error)) => {
            let code = code_of(&error);
            failed(console::chain(&error), code)
        }
        Why::Engine(error @ (engine::Error::Malformed(_) | engine::Error::Missing(_))) => {
            failed(console::chain(&error), exit::BROKEN)
        }
        Why::Engine(
            error @ (engine::Error::Overtaken | engine::Error::Task(_) | engine::Error::Stopping),
        ) => failed(console::chain(&error), exit::RESOURCE),
        Why::Marker(error) => failed(io::text(&error, tool.lang), exit::RESOURCE),
    };
    console::say(&message.text(tool.lang));
    Ok(code)
}

fn ended(mut error: String) -> String {
    if !error.ends_with('.') {
        error.push('.');
    }
    error
}

pub(super) fn code_of(error: &Etcd) -> u8 {
    match error {
        Etcd::Unavailable { .. } | Etcd::Unknown { .. } | Etcd::TooMany => exit::UNAVAILABLE,
        Etcd::Denied { .. } => exit::UNAUTHENTICATED,
        Etcd::Endpoint(_) | Etcd::Files { .. } => exit::USAGE,
        Etcd::NoSpace
        | Etcd::TooLarge { .. }
        | Etcd::Compacted { .. }
        | Etcd::LeaseGone
        | Etcd::Tls(_)
        | Etcd::Refused { .. } => exit::RESOURCE,
    }
}

/// Of a data directory that is not to be used, of something in etcd, or of states that differ.
fn refusal_code(message: &MigrateMessage) -> u8 {
    match message {
        MigrateMessage::NotEmpty { .. }
        | MigrateMessage::NoHistory { .. }
        | MigrateMessage::IsOfEtcd { .. }
        | MigrateMessage::OnItsWayElsewhere { .. }
        | MigrateMessage::NotOfTheOther { .. } => exit::RESOURCE,
        MigrateMessage::Differs { .. } | MigrateMessage::Unsound { .. } => exit::BROKEN,
        MigrateMessage::Reading { .. }
        | MigrateMessage::Clearing { .. }
        | MigrateMessage::Writing { .. }
        | MigrateMessage::Fetching { .. }
        | MigrateMessage::Checking
        | MigrateMessage::Arrived { .. }
        | MigrateMessage::ArrivedBefore { .. }
        | MigrateMessage::Returned { .. }
        | MigrateMessage::Blobs { .. }
        | MigrateMessage::Digests { .. }
        | MigrateMessage::Incomplete { .. }
        | MigrateMessage::OtherUnheard { .. }
        | MigrateMessage::OtherIsAhead { .. }
        | MigrateMessage::Occupied { .. }
        | MigrateMessage::OtherArrives { .. }
        | MigrateMessage::NoCluster { .. }
        | MigrateMessage::MovedBefore { .. }
        | MigrateMessage::Running { .. }
        | MigrateMessage::Interfered { .. }
        | MigrateMessage::Failed { .. } => exit::REFUSED,
    }
}
