//! Subcommands for a node that does not run: `journal …` and `migrate`.
//!
//! They own nothing: they look at a data directory, `repair` sets one aside, `restore` and `migrate` fill one. They never
//! start a node.

mod describe;
mod dump;
mod groups;
mod migrate;
mod peer_check;
mod repair;
mod restore;
mod verify;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Subcommand, ValueEnum};
use common::console;
use common::endpoint::Endpoint;
use common::exit;
use common::lang::Lang;
use common::manual::Manual;
use common::messages::node_backup::BackupMessage;
use common::messages::node_journal::JournalMessage;
use common::messages::node_migrate::MigrateMessage;
use common::messages::node_shards::ShardMessage;
use common::messages::{Message as _, io, node_help};
use common::tls::Tls;
use orquestrador_core::ids::Index;

use crate::engine::{Access, EtcdConfig, NO_LEASE};
use crate::journal::inspect::{Damage, Inspection, Kind, Piece, State};
use crate::{backup, config, journal};
pub use groups::Groups;
pub use migrate::Migrate;

/// A subcommand, and which node it is for.
#[derive(Debug)]
pub struct Tool {
    /// The binary's name, for advice.
    pub program: &'static str,
    pub dir: PathBuf,
    pub peer: Endpoint,
    pub tls: Tls,
    pub lang: Lang,
    pub kind: config::Kind,
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    #[command(subcommand)]
    Journal(JournalCommand),
    Migrate(Migrate),
    Groups(Groups),
    #[command(flatten)]
    Manual(Manual),
}

impl Command {
    /// By the network, with certificates if there are some.
    pub fn calls_the_peer(&self) -> bool {
        matches!(self, Self::Journal(JournalCommand::Repair { .. }))
    }
}

#[derive(Debug, Subcommand)]
pub enum JournalCommand {
    Verify {
        #[arg(long, value_enum, default_value_t)]
        output: Format,
    },
    Dump {
        #[arg(long, value_name = "N", conflicts_with = "file")]
        from: Option<u64>,
        #[arg(long, value_name = "N", conflicts_with = "file")]
        to: Option<u64>,
        #[arg(long, value_name = "FILE")]
        file: Option<PathBuf>,
        #[arg(long, value_enum, default_value_t)]
        output: Format,
    },
    Repair {
        #[arg(long, required = true)]
        from_peer: bool,
        #[arg(long, env = "MUTIRAO_PEER", value_name = "URL")]
        peer: Option<Endpoint>,
        #[arg(long)]
        yes: bool,
    },
    Restore {
        #[arg(value_name = "FILE")]
        file: PathBuf,
        #[arg(long)]
        check: bool,
        #[arg(long, value_enum, default_value_t)]
        output: Format,
    },
}

/// How a subcommand answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    #[default]
    Table,
    Json,
}

/// Why a subcommand could not do its work.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Journal(#[from] journal::Error),
    #[error("failed to restore {}", file.display())]
    Restore { file: PathBuf, source: backup::Error },
    #[error("failed to write the answer")]
    Output(#[source] std::io::Error),
    #[error("failed to use a system service")]
    System(#[from] std::io::Error),
}

/// Runs one; what it found goes to standard output, everything else to standard error.
pub fn run(tool: &Tool) -> ExitCode {
    // Pages are for everybody.
    if !matches!(tool.command, Command::Manual(_)) {
        crate::write_for_own_user();
    }
    let done = match &tool.command {
        Command::Journal(command) => examine(tool, command),
        Command::Migrate(migrate) => migrate::run(tool, migrate),
        Command::Groups(groups) => groups::run(tool, groups),
        Command::Manual(manual) => Ok(tool.write(manual)),
    };
    ExitCode::from(done.unwrap_or_else(|error| tool.failed(&error)))
}

fn examine(tool: &Tool, command: &JournalCommand) -> Result<u8, Error> {
    match command {
        JournalCommand::Verify { output } => verify::run(tool, *output),
        JournalCommand::Dump { file: Some(file), output, .. } => dump::file(tool, file, *output),
        JournalCommand::Dump { from, to, file: None, output } => {
            let span = (Index(from.unwrap_or(0)), Index(to.unwrap_or(u64::MAX)));
            dump::directory(tool, span, *output)
        }
        JournalCommand::Repair { from_peer: _, peer, yes } => {
            let peer = peer.as_ref().unwrap_or(&tool.peer).settled(&tool.tls);
            repair::run(tool, &peer, *yes)
        }
        JournalCommand::Restore { file, check, output } => {
            restore::run(tool, file, *check, *output)
        }
    }
}

/// What a node says that cannot start because its journal is damaged.
pub fn start_refused(program: &str, dir: &Path, peer: &Endpoint) -> JournalMessage {
    JournalMessage::StartRefused {
        verify: format!("{program} journal verify --data-dir {}", dir.display()),
        repair: format!(
            "{program} journal repair --from-peer --peer {peer} --data-dir {}",
            dir.display()
        ),
    }
}

impl Tool {
    fn say(&self, message: &JournalMessage) {
        console::say(&message.text(self.lang));
    }

    /// The etcd that `flag` names; where none can be meant by it, that is said, and this is the exit code.
    fn etcd(&self, access: &Access, text: &str, flag: &'static str) -> Result<EtcdConfig, u8> {
        access.clone().check(text, flag, NO_LEASE, self.lang).map_err(|problem| {
            let text = node_help::problem(&problem, self.lang);
            console::say(&node_help::failure(&text, self.lang));
            exit::USAGE
        })
    }

    fn write(&self, manual: &Manual) -> u8 {
        match manual.write(config::command(self.kind, self.lang), self.lang) {
            Ok(()) => exit::OK,
            Err(error) => {
                let why = io::text(&error.source, self.lang);
                self.not_done(format!("{}: {why}", error.what))
            }
        }
    }

    fn dir(&self) -> String {
        self.dir.display().to_string()
    }

    fn repair_command(&self) -> String {
        let dir = self.dir.display();
        format!("{} journal repair --from-peer --data-dir {dir}", self.program)
    }

    /// Each damage by itself; gives the exit code.
    fn report(&self, inspection: &Inspection) -> u8 {
        for Damage { path, offset, index, flaw, .. } in &inspection.damage {
            let (file, index) = (path.display().to_string(), index.map(|index| index.0));
            self.say(&JournalMessage::Damage { file, offset: *offset, index, flaw: flaw.clone() });
        }
        if inspection.is_whole() { exit::OK } else { exit::BROKEN }
    }

    /// What is to be done about it.
    fn advise(&self, inspection: &Inspection) {
        let count = inspection.damage.len();
        let is_tail =
            |piece: &&Piece| piece.kind == Kind::SetAside && piece.state == State::Damaged;
        let tails = inspection.pieces.iter().filter(is_tail).count();
        if inspection.stops_node() {
            let (command, peer) = (self.repair_command(), self.peer.to_string());
            self.say(&JournalMessage::Damaged { count, command, peer });
        } else if tails > 0 {
            self.say(&JournalMessage::TailsDamaged { count: tails });
        }
    }

    fn failed(&self, error: &Error) -> u8 {
        match error {
            // Whoever read the answer has seen enough.
            Error::Output(source) if source.kind() == std::io::ErrorKind::BrokenPipe => exit::OK,
            Error::Journal(journal::Error::InUse { dir }) => {
                self.say(&JournalMessage::InUse { dir: dir.display().to_string() });
                exit::RESOURCE
            }
            Error::Journal(journal::Error::Io { path, source, .. })
                if source.kind() == std::io::ErrorKind::NotFound && *path == self.dir =>
            {
                self.say(&JournalMessage::NoJournal { dir: self.dir() });
                exit::RESOURCE
            }
            Error::Journal(error) => self.not_done(error.fault().text(self.lang)),
            Error::Restore { file, source } => restore::failed(self, file, source),
            Error::Output(error) | Error::System(error) => {
                self.not_done(io::text(error, self.lang))
            }
        }
    }

    fn not_done(&self, error: String) -> u8 {
        self.say(&match &self.command {
            Command::Journal(JournalCommand::Verify { .. } | JournalCommand::Dump { .. }) => {
                JournalMessage::Failed { error }
            }
            Command::Journal(JournalCommand::Repair { .. }) => {
                JournalMessage::RepairFailed { error, command: self.repair_command() }
            }
            Command::Journal(JournalCommand::Restore { .. }) => {
                console::say(&BackupMessage::NotRestored { error }.text(self.lang));
                return exit::RESOURCE;
            }
            Command::Migrate(_) => {
                console::say(&MigrateMessage::Failed { error }.text(self.lang));
                return exit::RESOURCE;
            }
            Command::Groups(_) => {
                console::say(&ShardMessage::Failed { error }.text(self.lang));
                return exit::RESOURCE;
            }
            Command::Manual(_) => {
                console::say(&node_help::failure(&error, self.lang));
                return exit::RESOURCE;
            }
        });
        exit::RESOURCE
    }
}

/// Writes a line of the answer.
fn line(out: &mut impl Write, text: &str) -> Result<(), Error> {
    writeln!(out, "{text}").map_err(Error::Output)
}
