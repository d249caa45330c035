//! Runs many seeds, on all cores, and says which failed and how to repeat it.

use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use clap::Parser;

/// Simulates the whole platform once for each seed
#[derive(Parser)]
struct Options {
    /// How many seeds
    #[arg(long, default_value_t = 1_000)]
    seeds: u64,
    /// The first one
    #[arg(long, default_value_t = 0)]
    first: u64,
    /// Lines of the story that are shown of a failure
    #[arg(long, default_value_t = 60)]
    lines: usize,
    /// Goes on after a failure, and names every seed that fails and why
    #[arg(long)]
    all: bool,
}

fn main() -> ExitCode {
    let options = Options::parse();
    let began = Instant::now();
    let (next, failed) = (AtomicU64::new(0), AtomicU64::new(u64::MAX));
    let (events, entries, count) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
    let work = || {
        while failed.load(Ordering::Relaxed) == u64::MAX {
            let nth = next.fetch_add(1, Ordering::Relaxed);
            if nth >= options.seeds {
                return;
            }
            match simulation::run(options.first + nth, None) {
                Ok(report) => {
                    events.fetch_add(report.events, Ordering::Relaxed);
                    entries.fetch_add(report.entries, Ordering::Relaxed);
                }
                Err(violation) if options.all => {
                    println!("seed {}: {violation}", options.first + nth);
                    count.fetch_add(1, Ordering::Relaxed);
                }
                Err(_) => drop(failed.fetch_min(options.first + nth, Ordering::Relaxed)),
            }
        }
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| (0..cores).for_each(|_| drop(scope.spawn(work))));
    let seconds = began.elapsed().as_secs_f64();
    match (failed.into_inner(), count.into_inner()) {
        (u64::MAX, 1..) => ExitCode::FAILURE,
        (u64::MAX, 0) => {
            let (events, entries) = (events.into_inner(), entries.into_inner());
            println!(
                "{} seeds, {events} events, {entries} committed entries, no violation, {seconds:.1} s",
                options.seeds
            );
            ExitCode::SUCCESS
        }
        (seed, _) => {
            tell(seed, options.lines);
            ExitCode::FAILURE
        }
    }
}

fn tell(seed: u64, lines: usize) {
    let (ended, story) = simulation::tell(seed, None);
    for line in &story[story.len().saturating_sub(lines)..] {
        println!("{line}");
    }
    match ended {
        Ok(_) => println!("seed {seed} failed and does not fail again"),
        Err(violation) => println!("seed {seed}: {violation}"),
    }
    println!("repeat it: {}", simulation::replay_command(seed));
}
