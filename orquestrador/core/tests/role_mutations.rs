//! Proof that the model can find bugs: each rule left out on purpose is noticed by a random walk.
//!
//! A mutation that no walk notices would be a rule that nothing needs, or a model that is blind.

mod role_model;

use orquestrador_core::ids::ViewNumber;
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
    losses: 0,
    restarts: 4,
    writes: 12,
    reads: 12,
    views: u64::MAX,
    ballots: u64::MAX,
};

/// Some walk goes wrong without this rule.
fn is_noticed_in(mutation: Mutation, rules: Rules, grown: bool) {
    is_noticed_amid(mutation, rules, grown, FAULTS);
}

fn is_noticed_amid(mutation: Mutation, rules: Rules, grown: bool, budget: Budget) {
    let rules = Rules { mutation: Some(mutation), fine_breaks: true, ..rules };
    let walk = Walk { rules, budget, steps: 400, grown };
    let found = (1..=WALKS).find_map(|seed| walk.run(seed).problem.map(|what| (seed, what)));
    println!("{mutation:?}: {found:?}");
    assert!(found.is_some(), "{mutation:?} was not noticed in {WALKS} walks");
}

fn is_noticed(mutation: Mutation) {
    let grown = mutation != Mutation::RecordAlwaysNeeded;
    is_noticed_in(mutation, Rules::default(), grown);
}

fn is_noticed_with_witnesses(mutation: Mutation, loopback: bool) {
    let rules = Rules { loopback, workers: 3, ..Rules::default() };
    is_noticed_in(mutation, rules, true);
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

#[test]
fn one_witness_for_a_majority() {
    is_noticed_with_witnesses(Mutation::OneWitnessDecides, false);
}

#[test]
fn a_register_that_a_witness_forgot_and_answers_for() {
    is_noticed_with_witnesses(Mutation::AnswerClosedRegister, false);
}

#[test]
fn the_loopback_rule_used_despite_witnesses() {
    is_noticed_with_witnesses(Mutation::AloneDespiteWitnesses, true);
}

#[test]
fn a_survivor_that_waits_for_a_wiped_node() {
    let budget = Budget { wipes: 2, ..FAULTS };
    is_noticed_amid(Mutation::OnlyRefusalProves, Rules::default(), true, budget);
}

#[test]
fn an_override_that_the_other_node_may_have_overtaken() {
    let budget = Budget { overrides: 2, ..FAULTS };
    is_noticed_amid(Mutation::ForcedWithoutLeap, Rules::default(), true, budget);
}

/// What an override dropped is no excuse for what is lost after it.
#[test]
fn a_replica_without_the_record_proposed_after_an_override() {
    let mutation = Some(Mutation::AnyoneEligible);
    let rules = Rules { mutation, fine_breaks: true, ..Rules::default() };
    let budget = Budget { overrides: 1, ..FAULTS };
    let walk = Walk { rules, budget, steps: 400, grown: true };
    let found = (1..=WALKS).find(|seed| {
        let outcome = walk.run(*seed);
        let began = outcome.world.truths.iter().map(|(_, truth)| truth.began).max();
        let is_after = |number| Some(number) > began;
        let mut newest = outcome.world.nodes.iter().filter_map(|node| node.newest());
        let after = newest.all(|view| is_after(view.number)) && began > Some(ViewNumber(0));
        let lost = "something committed was set aside";
        after && outcome.problem.as_deref() == Some(lost)
    });
    println!("after an override: {found:?}");
    assert!(found.is_some(), "nothing was noticed after an override in {WALKS} walks");
}
