//! The orchestrator in the principal role.

use std::process::ExitCode;

use orquestrador::config::Kind;

fn main() -> ExitCode {
    orquestrador::main(Kind::Principal)
}
