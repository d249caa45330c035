//! `cargo xtask bench`

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, ValueEnum as _};
use harness::bench::{self, Figure, Options, Scenario};

/// What a client sees of a pair with its workers, durable and replicated, beside what the machine can do
#[derive(Parser)]
struct Arguments {
    /// All of them unless some are named
    scenarios: Vec<Scenario>,
    /// One JSON object per figure instead of a table
    #[arg(long)]
    json: bool,
    /// Echo tasks in one throughput run
    #[arg(long, default_value_t = 100_000)]
    tasks: usize,
    /// Submissions in one latency run
    #[arg(long, default_value_t = 500)]
    probes: usize,
    /// Tasks queued in a backlog, and the most in `growth`
    #[arg(long, default_value_t = 1_000_000)]
    backlog: usize,
    /// The most workers
    #[arg(long, default_value_t = 1_000)]
    workers: usize,
    /// Failovers of each kind
    #[arg(long, default_value_t = 20)]
    failovers: usize,
    /// Runs; the median is reported
    #[arg(long, default_value_t = 3)]
    repetitions: usize,
    /// Where data directories are made: its file system is what is measured
    #[arg(long, default_value_os_t = std::env::temp_dir())]
    dir: PathBuf,
    /// Draw `workers` and `growth` into this SVG file
    #[arg(long)]
    plot: Option<PathBuf>,
    /// Print ratios to the figures of this file, which an earlier --json printed; it fails if more than 15 % were lost
    #[arg(long)]
    compare: Option<PathBuf>,
}

fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("mutirao-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let Arguments { scenarios, json, tasks, probes, backlog, workers, failovers, .. } = arguments;
    let Arguments { repetitions, dir, plot, compare, .. } = arguments;
    // Before an hour of measuring.
    let before = compare.as_deref().map(bench::read).transpose()?;
    let scenarios = match scenarios.is_empty() {
        true => Scenario::value_variants().to_vec(),
        false => scenarios,
    };
    let options = Options { tasks, probes, backlog, workers, failovers, repetitions, dir, plot };
    if !json {
        bench::print_header();
    }
    let mut figures = Vec::new();
    let tell = |figure: Figure| {
        match json {
            true => bench::print_json(&figure)?,
            false => bench::print_row(&figure),
        }
        figures.push(figure);
        Ok(())
    };
    bench::run(&scenarios, &options, |line| eprintln!("{line}"), tell)?;
    let Some(before) = before else { return Ok(ExitCode::SUCCESS) };
    let compared = bench::compare(&before, &figures);
    for comparison in &compared {
        let mark = if comparison.is_tolerated() { "" } else { "  LOST" };
        eprintln!("{:<34} × {:.2}{mark}", comparison.figure, comparison.ratio);
    }
    let is_tolerated = compared.iter().all(bench::Comparison::is_tolerated);
    Ok(if is_tolerated { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
