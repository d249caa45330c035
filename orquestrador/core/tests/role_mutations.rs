//! Proof that the model can find bugs: each rule left out on purpose is noticed by a random walk.
//!
//! A mutation that no walk notices would be a rule that nothing needs, or a model that is blind.

mod role_model;

use orquestrador_core::role::Mutation;
use role_model::walk::Walk;
use role_model::{Budget, Rules};

const WALKS: u64 = 100_000;

const FAULTS: Budget = Budget {
    crashes: 4,
    wipes: 0,
    breaks: 6,
    duplicates: 6,
    pauses: 2,
    timeouts: 20,
    handovers: 2,
    overrides: 0,
    restarts: 0,
    writes: 12,
    reads: 12,
    views: u64::MAX,
};

/// What the first walk that notices says, and its seed.
fn notice(mutation: Mutation, grown: bool) -> Option<(u64, String)> {
    let rules = Rules { mutation: Some(mutation), fine_breaks: true, ..Rules::default() };
    (1..=WALKS).find_map(|seed| {
        let walk = Walk { rules, budget: FAULTS, steps: 250, grown };
        walk.run(seed).problem.map(|problem| (seed, problem))
    })
}

fn is_noticed(mutation: Mutation) {
    let grown = mutation != Mutation::RecordAlwaysNeeded;
    let found = notice(mutation, grown);
    println!("{mutation:?}: {found:?}");
    assert!(found.is_some(), "{mutation:?} was not noticed in {WALKS} walks");
}

#[test]
fn an_acknowledgement_of_another_history() {
    is_noticed(Mutation::AckWithoutHash);
}

#[test]
fn commit_before_the_standby_has_it() {
    is_noticed(Mutation::CommitAlone);
}

#[test]
fn a_value_found_and_not_completed() {
    is_noticed(Mutation::OverrideFoundValue);
}

#[test]
fn an_acknowledgement_before_the_fsync() {
    is_noticed(Mutation::AckBeforeFsync);
}

#[test]
fn a_founder_that_waits_for_a_record_it_never_had() {
    is_noticed(Mutation::RecordAlwaysNeeded);
}

#[test]
fn a_takeover_in_the_same_epoch() {
    is_noticed(Mutation::SameEpoch);
}

#[test]
fn a_replica_without_the_record_proposed() {
    is_noticed(Mutation::AnyoneEligible);
}

#[test]
fn a_divergent_tail_kept() {
    is_noticed(Mutation::TruncateByIndex);
}

#[test]
fn service_before_the_record_is_committed() {
    is_noticed(Mutation::ServeBeforeRecord);
}

#[test]
fn growth_that_goes_on_alone() {
    is_noticed(Mutation::GrowthUnderOldRule);
}

#[test]
fn the_loopback_rule_armed_by_a_restart() {
    is_noticed(Mutation::ArmedByAnything);
}
