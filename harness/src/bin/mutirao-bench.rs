//! `cargo xtask bench`

use std::process::ExitCode;

use clap::Parser;
use harness::bench::{self, Options};

/// Throughput, idle latency and failover time of a pair with two workers, durable and replicated.
#[derive(Parser)]
struct Arguments {
    /// One JSON object per figure instead of a table
    #[arg(long)]
    json: bool,
    /// Echo tasks in one throughput run
    #[arg(long, default_value_t = 100_000)]
    tasks: usize,
    /// Submissions in one latency run
    #[arg(long, default_value_t = 500)]
    probes: usize,
    /// Failovers of each kind
    #[arg(long, default_value_t = 20)]
    failovers: usize,
    /// Runs of throughput and latency
    #[arg(long, default_value_t = 3)]
    repetitions: usize,
}

fn main() -> ExitCode {
    let Arguments { json, tasks, probes, failovers, repetitions } = Arguments::parse();
    let options = Options { tasks, probes, failovers, repetitions };
    match bench::run(&options, |line| eprintln!("{line}")) {
        Ok(figures) => {
            if json {
                bench::print_json(&figures);
            } else {
                bench::print_table(&figures);
            }
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("mutirao-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}
