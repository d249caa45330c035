//! The command line of the client: parses, configures, runs, and ends with an exit code.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<_> = std::env::args_os().collect();
    let code = match cli::parse(&args) {
        Ok(args) => cli::run(args),
        Err(code) => code,
    };
    ExitCode::from(code)
}
