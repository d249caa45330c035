//! Many seeded random walks: every rule holds, and when the faults end someone commits again.
//!
//! `MUTIRAO_MODEL_WALKS` sets how many (default 4000 of each kind), `MUTIRAO_MODEL_SEED` the first.

mod role_model;

use role_model::walk::Walk;
use role_model::{Budget, Rules};

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

fn walk_many(name: &str, walk: Walk) {
    let first = number("MUTIRAO_MODEL_SEED", 1);
    let walks = number("MUTIRAO_MODEL_WALKS", 4_000);
    let (mut acknowledged, mut takeovers, mut steps) = (0, 0, 0);
    for seed in first..first + walks {
        let outcome = walk.run(seed);
        if let Some(problem) = outcome.problem {
            panic!(
                "{name}: {problem}; replay with MUTIRAO_MODEL_SEED={seed} MUTIRAO_MODEL_WALKS=1\n{:?}\n{}",
                outcome.path,
                outcome.world.describe()
            );
        }
        steps += outcome.path.len();
        acknowledged += outcome.world.truths.iter().map(|(_, t)| t.acknowledged).sum::<usize>();
        takeovers += outcome.world.truths.iter().map(|(_, t)| t.decided.len()).sum::<usize>();
    }
    println!(
        "{name}: {walks} walks, {steps} steps, {takeovers} views, {acknowledged} entries acknowledged"
    );
    assert!(
        acknowledged as u64 > walks,
        "{name}: the walks acknowledge too little to prove anything"
    );
}

const EVERYTHING: Budget = Budget {
    crashes: 4,
    wipes: 0,
    breaks: 6,
    duplicates: 6,
    pauses: 2,
    timeouts: 20,
    handovers: 2,
    overrides: 0,
    losses: 0,
    restarts: 0,
    writes: 12,
    reads: 12,
    views: u64::MAX,
    ballots: u64::MAX,
};

#[test]
fn every_fault_but_the_loss_of_a_disk() {
    let rules = Rules { fine_breaks: true, ..Rules::default() };
    walk_many("faults", Walk { rules, budget: EVERYTHING, steps: 250, grown: false });
}

#[test]
fn both_prefer_to_be_principal() {
    let rules = Rules { fine_breaks: true, preferred: [true, true], ..Rules::default() };
    walk_many("both preferred", Walk { rules, budget: EVERYTHING, steps: 200, grown: false });
}

#[test]
fn without_the_loopback_rule() {
    let rules = Rules { fine_breaks: true, loopback: false, ..Rules::default() };
    walk_many("two machines", Walk { rules, budget: EVERYTHING, steps: 250, grown: true });
}

#[test]
fn a_disk_is_lost() {
    let rules = Rules { fine_breaks: true, ..Rules::default() };
    let budget = Budget { wipes: 2, ..EVERYTHING };
    walk_many("wipes", Walk { rules, budget, steps: 250, grown: true });
}

#[test]
fn the_operator_overrides() {
    let rules = Rules { fine_breaks: true, ..Rules::default() };
    let budget = Budget { overrides: 2, wipes: 1, ..EVERYTHING };
    walk_many("overrides", Walk { rules, budget, steps: 250, grown: true });
}

/// Nobody decides alone: after the loss of a disk the operator must speak.
#[test]
fn the_operator_overrides_on_two_machines() {
    let rules = Rules { fine_breaks: true, loopback: false, ..Rules::default() };
    let budget = Budget { overrides: 3, wipes: 2, ..EVERYTHING };
    walk_many("overrides on two machines", Walk { rules, budget, steps: 300, grown: true });
}

/// Three workers are witnesses; there is no loopback rule.
const WITNESSED: Rules = Rules {
    mutation: None,
    loopback: false,
    workers: 3,
    preferred: [true, false],
    fine_breaks: true,
    eager: false,
};

#[test]
fn witnesses_on_other_machines() {
    let budget = Budget { restarts: 4, ..EVERYTHING };
    walk_many("witnesses", Walk { rules: WITNESSED, budget, steps: 400, grown: true });
}

#[test]
fn witnesses_on_loopback() {
    let rules = Rules { loopback: true, ..WITNESSED };
    let budget = Budget { restarts: 4, ..EVERYTHING };
    walk_many("witnesses on loopback", Walk { rules, budget, steps: 400, grown: false });
}

#[test]
fn witnesses_and_a_lost_disk() {
    let budget = Budget { restarts: 2, wipes: 2, ..EVERYTHING };
    walk_many("witnesses and wipes", Walk { rules: WITNESSED, budget, steps: 400, grown: true });
}

#[test]
fn the_operator_overrides_despite_witnesses() {
    let budget = Budget { restarts: 2, wipes: 2, overrides: 3, ..EVERYTHING };
    walk_many(
        "overrides with witnesses",
        Walk { rules: WITNESSED, budget, steps: 400, grown: true },
    );
}
