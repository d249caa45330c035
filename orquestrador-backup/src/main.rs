//! The orchestrator in the standby role.

use std::process::ExitCode;

use orquestrador::config::Kind;

fn main() -> ExitCode {
    orquestrador::main(Kind::Backup)
}
