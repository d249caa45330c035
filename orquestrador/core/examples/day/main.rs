//! A day of a large cluster over the pure core, in virtual time: every command that the workers and clients of one
//! pair would send is given to one [`Machine`](orquestrador_core::Machine), and what it costs is counted.
//!
//! `cargo run --release -p orquestrador-core --example day -- --full`; without `--full` a day of 100 workers and
//! 1,000,000 tasks. The seed decides everything but the times measured. `docs/scale.md` has the figures.

mod agenda;
mod cost;
mod day;
mod effects;
mod fleet;
mod incidents;
mod load;
mod pair;
mod random;
mod report;
mod settings;
mod size;
mod tally;

use std::process::ExitCode;

use cost::Stopwatch;
use day::Day;
use settings::{Settings, USAGE};

fn main() -> ExitCode {
    let settings = match Settings::parse(std::env::args().skip(1)) {
        Ok(settings) => settings,
        Err(error) => {
            eprintln!("{error}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let began = Stopwatch::start();
    let mut day = Day::new(settings);
    day.run();
    match report::print(&day, began.elapsed_ns()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(violation) => {
            eprintln!("VIOLATION: {violation}");
            ExitCode::FAILURE
        }
    }
}
