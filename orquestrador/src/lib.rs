//! The orchestrator: one [`node`] that both binaries start, in different roles.

pub mod actions;
mod api;
pub mod audit;
pub mod backup;
pub mod blobs;
mod bodies;
pub mod config;
pub mod dispatch;
mod drill;
pub mod driver;
pub mod engine;
mod gate;
mod https;
pub mod journal;
pub mod meters;
pub mod node;
mod output;
mod peer;
pub mod refusals;
pub mod replication;
mod shards;
mod sources;
pub mod tails;
pub mod task_history;
pub mod tools;
pub mod traces;
pub mod users;
mod web;
pub mod webhooks;
pub mod witness;

use std::process::ExitCode;

use common::console::say;
use common::exit;
use common::lang::Lang;
use common::messages::{Message as _, command_line, node_help};
use common::telemetry;
use config::{Config, Invocation, Kind};

/// Journals, contents of tasks, actions: nothing that is written from now on is for other users of the machine.
pub(crate) fn write_for_own_user() {
    rustix::process::umask(rustix::fs::Mode::RWXG | rustix::fs::Mode::RWXO);
}

/// What both `main` functions do: parse, run, map the result to an exit code.
pub fn main(kind: Kind) -> ExitCode {
    let args: Vec<_> = std::env::args_os().collect();
    let config = match Config::parse(kind, &args) {
        Ok(Invocation::Node(config)) => *config,
        Ok(Invocation::Tool(tool)) => return tools::run(&tool),
        Err(error) => {
            return ExitCode::from(command_line::tell(&error, Lang::early(&args)));
        }
    };
    write_for_own_user();
    let lang = config.lang;
    let output = telemetry::init(config.log_format, lang);
    let (dir, peer) = (config.data_dir.clone(), config.peer.clone());
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            say(&node_help::failure(&error.to_string(), lang));
            return ExitCode::from(exit::RESOURCE);
        }
    };
    let code = match runtime.block_on(node::run(config)) {
        Ok(code) => code,
        Err(error) => {
            if !error.was_told() {
                say(&node_help::failure(&error.fault().text(lang), lang));
            }
            if error.is_damage() {
                say(&tools::start_refused(kind.name(), &dir, &peer).text(lang));
            }
            error.exit_code()
        }
    };
    drop(output);
    // The listener is closed only with the process: until then this node has ceased to act (V11).
    std::process::exit(i32::from(code))
}
