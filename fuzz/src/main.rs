//! `cargo xtask fuzz`

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use mutirao_fuzz::corpus;
use mutirao_fuzz::run::{self, Plan};
use mutirao_fuzz::target::bytes::Bytes;
use mutirao_fuzz::target::decoders::Decoders;
use mutirao_fuzz::target::journal::Journals;
use mutirao_fuzz::target::panel::Requests;
use mutirao_fuzz::target::wire::Wire;
use mutirao_fuzz::target::{NAMES, Target};

/// Gives a cluster on this machine, and all that reads, what nobody should send.
#[derive(Parser)]
struct Arguments {
    /// Only these: decoders, journal, wire, bytes, panel; all unless given, each for its part of the time
    #[arg(value_parser = clap::builder::PossibleValuesParser::new(NAMES))]
    targets: Vec<String>,
    /// In all
    #[arg(long, default_value_t = 5.0)]
    minutes: f64,
    /// Decides every case; a random one, which is printed, unless given
    #[arg(long)]
    seed: Option<u64>,
    /// The number of the first case
    #[arg(long, default_value_t = 0)]
    first: u64,
    /// So many cases of each target at most
    #[arg(long)]
    count: Option<u64>,
    /// Go on after a failure, with a new cluster
    #[arg(long)]
    keep_going: bool,
    /// Where cases that fail are written, instead of the corpus in the repository
    #[arg(long)]
    found: Option<PathBuf>,
    /// Run the cases of this file, of the one target that is named, and nothing else
    #[arg(long)]
    replay: Option<PathBuf>,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("mutirao-fuzz: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Gives how many failures there were.
fn run(arguments: &Arguments) -> anyhow::Result<u32> {
    let seed = arguments.seed.unwrap_or_else(rand::random);
    println!("seed {seed}");
    let all: Vec<String> = match arguments.targets.is_empty() {
        true => NAMES.map(str::to_owned).to_vec(),
        false => arguments.targets.clone(),
    };
    let part = Duration::from_secs_f64(arguments.minutes * 60.0 / all.len() as f64);
    let mut failures = 0;
    for name in &all {
        let plan = Plan {
            seed,
            first: arguments.first,
            end: arguments.count.map_or(u64::MAX, |count| arguments.first.saturating_add(count)),
            until: Instant::now() + part,
            found: arguments.found.clone().unwrap_or_else(|| corpus::dir("")),
        };
        failures += match name.as_str() {
            Decoders::NAME => one(Decoders::start, arguments, plan)?,
            Journals::NAME => one(Journals::start, arguments, plan)?,
            Wire::NAME => one(Wire::start, arguments, plan)?,
            Bytes::NAME => one(Bytes::start, arguments, plan)?,
            _ => one(Requests::start, arguments, plan)?,
        };
    }
    Ok(failures)
}

fn one<T: Target>(
    start: fn(&Path) -> anyhow::Result<T>,
    arguments: &Arguments,
    mut plan: Plan,
) -> anyhow::Result<u32> {
    let say = |line: &str| println!("{line}");
    if let Some(file) = &arguments.replay {
        let dir = tempfile::tempdir()?;
        let cases: Vec<T::Case> = serde_json::from_str(&std::fs::read_to_string(file)?)?;
        start(dir.path())?.run(&cases)?;
        say("nothing failed");
        return Ok(0);
    }
    let mut failures = 0;
    loop {
        let dir = tempfile::tempdir()?;
        let mut target = start(dir.path())?;
        let Err(error) = run::fuzz(&mut target, &plan, &say) else { return Ok(failures) };
        eprintln!("mutirao-fuzz: {error:#}");
        failures += 1;
        if !arguments.keep_going || Instant::now() >= plan.until {
            return Ok(failures);
        }
        // Other cases than those that are known to fail.
        plan.seed = plan.seed.wrapping_add(1);
    }
}
