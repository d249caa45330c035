//! A few rounds of `cargo xtask chaos`, from a fixed seed.

use harness::chaos::rounds::{self, Options};

#[test]
fn nothing_acknowledged_is_lost_or_done_twice() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let options = Options { rounds: 8, seed: 20_261_123, batch: 200, dir: dir.path().to_owned() };
    let verdict = rounds::run(&options, |line| println!("{line}"))?;
    assert_eq!((verdict.lost, verdict.duplicated, verdict.wrong), (0, 0, 0), "{verdict:#?}");
    assert!(verdict.acknowledged > 0, "{verdict:#?}");
    Ok(())
}
