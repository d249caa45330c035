//! Half a minute of `cargo xtask chaos --minutes`, from a fixed seed.
//!
//! It needs root, `ip` and `iptables`; without them it says that it is skipped, and why.

use std::io::Write as _;

use harness::chaos::storm::{self, Options};
use harness::net::{Engine, Network};

const MINUTES: f64 = 0.5;
const SEED: u64 = 20_261_123;

/// Past the test runner, which shows what is printed only when a test fails.
fn say(line: &str) {
    // Whoever closed the output does not want to know.
    drop(writeln!(std::io::stderr(), "{line}"));
}

#[test]
fn nothing_is_lost_or_answered_wrongly_whatever_happens() -> anyhow::Result<()> {
    if let Some(reason) = Network::unavailable() {
        say(&format!("SKIPPED storm: {reason}"));
        return Ok(());
    }
    let dir = tempfile::tempdir()?;
    let evidence = std::env::temp_dir().join(format!("mutirao-chaos-{SEED}"));
    let options = Options {
        engine: Engine::Pair,
        minutes: MINUTES,
        seed: SEED,
        dir: dir.path().to_owned(),
        evidence: evidence.clone(),
    };
    let verdict = storm::run(&options, |line| println!("{line}"))?;
    assert!(verdict.is_clean(), "{verdict}");
    std::fs::remove_dir_all(evidence)?;
    assert!(verdict.acknowledged > 0 && verdict.histories > 0, "{verdict}");
    Ok(())
}
