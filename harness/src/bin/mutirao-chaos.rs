//! `cargo xtask chaos`: faults at random under load.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use harness::chaos::{rounds, storm};
use harness::net::Engine;

/// Does random harm to a cluster that works, and counts what is lost, done twice or answered wrongly.
#[derive(Parser)]
struct Arguments {
    /// Every fault there is, each process on a machine of its own (network namespaces: needs root), for so long
    #[arg(long, conflicts_with = "rounds", value_parser = minutes)]
    minutes: Option<f64>,
    /// Who keeps the log: `pair`, two orchestrators with witnesses, or `etcd`, three of its members for three orchestrators
    #[arg(long, default_value = "pair", requires = "minutes")]
    engine: Engine,
    /// Only kills, on one machine: so many
    #[arg(long, default_value_t = 100)]
    rounds: u32,
    /// Decides what happens and in which order; printed, so that a run can be repeated
    #[arg(long)]
    seed: Option<u64>,
    /// Tasks in one round
    #[arg(long, default_value_t = 500)]
    batch: usize,
    /// The verdict as JSON on stdout, everything else on stderr; with --minutes
    #[arg(long, requires = "minutes")]
    json: bool,
    /// Keep the data here instead of in a temporary directory
    #[arg(long)]
    dir: Option<PathBuf>,
}

fn minutes(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(minutes) if (0.0..=1_440.0).contains(&minutes) => Ok(minutes),
        Ok(_) | Err(_) => Err("a number of minutes, at most a day".to_owned()),
    }
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("mutirao-chaos: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> anyhow::Result<bool> {
    let temporary = tempfile::tempdir()?;
    let dir = match &arguments.dir {
        Some(dir) => {
            std::fs::create_dir_all(dir)?;
            dir.canonicalize()?
        }
        None => temporary.path().to_owned(),
    };
    let seed = arguments.seed.unwrap_or_else(rand::random);
    match arguments.minutes {
        Some(minutes) => run_storm(arguments, minutes, seed, dir),
        None => run_rounds(arguments, seed, dir),
    }
}

fn run_storm(arguments: &Arguments, minutes: f64, seed: u64, dir: PathBuf) -> anyhow::Result<bool> {
    // What was asked to be kept is kept; what shows that something is wrong is kept anyway.
    let keep = arguments.dir.is_some();
    let evidence = match keep {
        true => dir.join("evidence"),
        false => std::env::temp_dir().join(format!("mutirao-chaos-{seed}")),
    };
    let engine = arguments.engine;
    let options = storm::Options { engine, minutes, seed, dir, evidence: evidence.clone() };
    let say = |line: &str| if arguments.json { eprintln!("{line}") } else { println!("{line}") };
    say(&format!("seed {seed}"));
    let mut verdict = storm::run(&options, say)?;
    if verdict.is_clean() && !keep {
        std::fs::remove_dir_all(evidence)?;
        verdict.evidence = None;
    }
    if arguments.json {
        println!("{}", verdict.json());
    } else {
        println!("{verdict}");
    }
    Ok(verdict.is_clean())
}

fn run_rounds(arguments: &Arguments, seed: u64, dir: PathBuf) -> anyhow::Result<bool> {
    let Arguments { rounds, batch, .. } = *arguments;
    let options = rounds::Options { rounds, seed, batch, dir };
    println!("seed {seed}");
    let verdict = rounds::run(&options, |line| println!("{line}"))?;
    println!("{verdict:#?}");
    if !verdict.is_clean() {
        println!("repeat with: cargo xtask chaos --rounds {rounds} --seed {seed}");
    }
    Ok(verdict.is_clean())
}
