//! The loop: makes cases from a seed, runs them, says how it stands, and keeps what fails.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use simulation::random::Random;

use crate::corpus;
use crate::target::Target;

/// Between two lines of how it stands.
const REPORT: Duration = Duration::from_secs(30);

/// For how long, and from where.
#[derive(Clone, Debug)]
pub struct Plan {
    pub seed: u64,
    /// The first case.
    pub first: u64,
    /// No case from here on.
    pub end: u64,
    pub until: Instant,
    /// Where cases that fail are written.
    pub found: PathBuf,
}

/// The chance of one case: it does not depend on those before.
pub fn chance(seed: u64, number: u64) -> Random {
    Random::new(Random::new(seed ^ number.wrapping_mul(0xD134_2543_DE82_EF95)).fork().wide() as u64)
}

/// Until the time is up; gives how many were run.
///
/// # Errors
/// What a batch did not survive, with the file that it was written to.
pub fn fuzz<T: Target>(target: &mut T, plan: &Plan, say: &dyn Fn(&str)) -> anyhow::Result<u64> {
    let (began, mut told, mut next) = (Instant::now(), Instant::now(), plan.first);
    while Instant::now() < plan.until && next < plan.end {
        let last = (next + T::BATCH as u64).min(plan.end);
        let cases: Vec<_> = (next..last).map(|n| target.make(&mut chance(plan.seed, n))).collect();
        if let Err(error) = target.run(&cases) {
            let name = format!("found-{}-{next}", plan.seed);
            let file = corpus::save::<T>(&plan.found.join(T::NAME), &name, &cases)?;
            say(&format!(
                "{} FAILED in cases {next} to {last} of seed {}: {error:#}",
                T::NAME,
                plan.seed
            ));
            return Err(error).with_context(|| {
                format!(
                    "{}: cases {next} to {last} of seed {}, in {}",
                    T::NAME,
                    plan.seed,
                    file.display()
                )
            });
        }
        next = last;
        if told.elapsed() >= REPORT {
            told = Instant::now();
            let seconds = began.elapsed().as_secs();
            say(&format!(
                "{} {} executions in {seconds} s; {}",
                T::NAME,
                next - plan.first,
                target.told()
            ));
        }
    }
    let executed = next - plan.first;
    let seconds = began.elapsed().as_secs();
    say(&format!("{} END {executed} executions in {seconds} s; {}", T::NAME, target.told()));
    Ok(executed)
}
