//! `cargo xtask chaos`: random kills under load.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use harness::chaos::{self, Options};

/// Kills random processes while tasks are submitted, and counts what is lost or done twice.
#[derive(Parser)]
struct Arguments {
    #[arg(long, default_value_t = 100)]
    rounds: u32,
    /// Decides who is killed and when; printed at the end, so that a run can be repeated
    #[arg(long)]
    seed: Option<u64>,
    /// Tasks in one round
    #[arg(long, default_value_t = 500)]
    batch: usize,
    /// Keep the data here instead of in a temporary directory
    #[arg(long)]
    dir: Option<PathBuf>,
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
    let options = Options { rounds: arguments.rounds, seed, batch: arguments.batch, dir };
    println!("seed {seed}");
    let verdict = chaos::run(&options, |line| println!("{line}"))?;
    println!("{verdict:#?}");
    if !verdict.is_clean() {
        println!("repeat with: cargo xtask chaos -- --rounds {} --seed {seed}", arguments.rounds);
    }
    Ok(verdict.is_clean())
}
