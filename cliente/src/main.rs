//! The command line of the client.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
