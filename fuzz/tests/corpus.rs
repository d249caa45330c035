//! What failed once does not fail again, and each target still runs: the corpus, and a few cases of one seed.

use std::path::Path;
use std::time::{Duration, Instant};

use mutirao_fuzz::corpus;
use mutirao_fuzz::run::{Plan, fuzz};
use mutirao_fuzz::target::Target;
use mutirao_fuzz::target::bytes::Bytes;
use mutirao_fuzz::target::decoders::Decoders;
use mutirao_fuzz::target::journal::Journals;
use mutirao_fuzz::target::panel::Requests;
use mutirao_fuzz::target::wire::Wire;

const SEED: u64 = 1;

fn runs<T: Target>(
    start: fn(&Path) -> anyhow::Result<T>,
    files: usize,
    count: u64,
) -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let mut target = start(dir.path())?;
    let corpus = corpus::load::<T>()?;
    assert!(corpus.len() >= files, "only {} files of {}", corpus.len(), T::NAME);
    for (path, cases) in corpus {
        if let Err(error) = target.run(&cases) {
            panic!("{}: {error:#}", path.display());
        }
    }
    let until = Instant::now() + Duration::from_secs(3_600);
    let found = dir.path().join("found");
    let plan = Plan { seed: SEED, first: 0, end: count, until, found };
    assert_eq!(fuzz(&mut target, &plan, &|line| println!("{line}"))?, count);
    Ok(())
}

#[test]
fn decoders() -> anyhow::Result<()> {
    runs(Decoders::start, 2, 4_000)
}

#[test]
fn journals() -> anyhow::Result<()> {
    runs(Journals::start, 2, 200)
}

#[test]
fn every_service_and_the_port_and_the_panel() -> anyhow::Result<()> {
    // One after the other: each has a cluster of its own.
    runs(Wire::start, 2, 600)?;
    runs(Bytes::start, 0, 240)?;
    runs(Requests::start, 0, 800)
}

/// A case follows from its seed and its number alone, so what is printed is enough to repeat it.
#[test]
fn a_case_follows_from_its_seed_and_number() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let target = Decoders::start(dir.path())?;
    let made = |seed, number| {
        let case = target.make(&mut mutirao_fuzz::run::chance(seed, number));
        serde_json::to_string(&case)
    };
    assert_eq!(made(3, 17)?, made(3, 17)?);
    assert_ne!(made(3, 17)?, made(3, 18)?);
    assert_ne!(made(3, 17)?, made(4, 17)?);
    Ok(())
}
