//! The orchestrator in the standby role.

use std::process::ExitCode;

use orquestrador::config::Kind;

/// Most of what a task costs is memory that one thread takes and another gives back.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    orquestrador::main(Kind::Backup)
}
