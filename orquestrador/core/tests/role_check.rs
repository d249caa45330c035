//! Every reachable state of two nodes within bounds: no rule is broken in any of them, and from those
//! sampled the cluster heals.
//!
//! `MUTIRAO_MODEL_BOUND` widens the bounds: 0 (default) takes some twenty seconds in all, 1 half an hour, 2
//! hours and much memory. `MUTIRAO_MODEL_STEPS` ends each after so many. Run it with `--nocapture` to see the
//! numbers.

mod role_model;

use std::sync::Arc;

use role_model::check::{Cluster, Survivals};
use role_model::heal::Survival;
use role_model::{Budget, Rules, World};
use stateright::{Checker as _, Model as _};

const NOTHING: Budget = Budget {
    crashes: 0,
    wipes: 0,
    breaks: 0,
    duplicates: 0,
    pauses: 0,
    timeouts: 0,
    handovers: 0,
    overrides: 0,
    losses: 0,
    restarts: 0,
    writes: 0,
    reads: 0,
    views: 4,
    ballots: 2,
};

const LOOPBACK: Rules = Rules {
    mutation: None,
    loopback: true,
    workers: 0,
    preferred: [true, false],
    fine_breaks: false,
    eager: true,
};

const TWO_MACHINES: Rules = Rules { loopback: false, ..LOOPBACK };

/// From a cluster of two that work.
fn check_pair(name: &str, rules: Rules, budgets: [Budget; 3]) {
    let mut world = World::new(rules);
    world.restart(0);
    world.restart(1);
    world.settle();
    check(name, world, budgets);
}

/// From two empty disks.
fn check_founding(name: &str, rules: Rules, budgets: [Budget; 3]) {
    check(name, World::new(rules), budgets);
}

fn number(variable: &str) -> Option<usize> {
    std::env::var(variable).ok().and_then(|text| text.parse().ok())
}

fn check(name: &str, mut start: World, budgets: [Budget; 3]) {
    let bound = number("MUTIRAO_MODEL_BOUND").unwrap_or(0);
    start.budget = budgets[bound.min(2)];
    let survivals = Arc::new(Survivals::default());
    let cluster =
        Cluster { starts: vec![start], heal_one_in: 64, survivals: Arc::clone(&survivals) };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let most = number("MUTIRAO_MODEL_STEPS");
    let checker = cluster.checker().threads(threads);
    let checker = most.into_iter().fold(checker, |checker, most| checker.target_state_count(most));
    let checker = checker.spawn_bfs().join();
    let (states, steps) = (checker.unique_state_count(), checker.state_count());
    let extent = if most.is_some_and(|most| steps >= most) { "not all" } else { "all" };
    let depth = checker.max_depth();
    println!("{name}: {extent}: {states} states, {steps} steps, depth {depth}; {survivals}");
    if let Some((property, path)) = checker.discoveries().into_iter().next() {
        let actions = path.clone().into_actions();
        let last = path.into_states().pop();
        let (why, world) = last.map(explain).unwrap_or_default();
        panic!("{name}: {property}: {why:?}\n{actions:?}\n{world}");
    }
    assert!(states > 1_000, "{name}: {states} states prove nothing");
}

/// What is wrong with the state, or with what became of it when the faults ended.
fn explain(world: World) -> (String, String) {
    match world.violation.clone() {
        Some(violation) => (violation, world.describe()),
        None => {
            let (healed, problem) = world.healed();
            if let Err(problem) = problem {
                return (problem, healed.describe());
            }
            let stuck = (0..2).find_map(|dead| match world.survives(dead) {
                Some(Survival::Waits(what)) => Some((format!("node {dead} died"), what)),
                Some(Survival::Serves | Survival::WaitsAmidChange) | None => None,
            });
            stuck.unwrap_or_default()
        }
    }
}

#[test]
fn founding() {
    let small = Budget { crashes: 1, writes: 1, views: 3, ..NOTHING };
    let middle = Budget { crashes: 2, writes: 1, views: 4, ..NOTHING };
    let large = Budget { crashes: 2, breaks: 1, writes: 1, reads: 1, views: 5, ..NOTHING };
    check_founding("founding", LOOPBACK, [small, middle, large]);
}

#[test]
fn founding_by_either() {
    let small = Budget { crashes: 1, writes: 0, views: 3, ..NOTHING };
    let middle = Budget { crashes: 1, writes: 1, views: 4, ..NOTHING };
    let large = Budget { crashes: 2, breaks: 1, writes: 1, views: 4, ..NOTHING };
    let rules = Rules { preferred: [true, true], ..LOOPBACK };
    check_founding("founding by either", rules, [small, middle, large]);
}

#[test]
fn two_crashes() {
    let small = Budget { crashes: 2, writes: 1, ..NOTHING };
    let middle = Budget { crashes: 2, writes: 1, reads: 1, ..NOTHING };
    let large = Budget { crashes: 3, writes: 2, reads: 1, timeouts: 1, views: 6, ..NOTHING };
    check_pair("two crashes", LOOPBACK, [small, middle, large]);
}

#[test]
fn answers_around_a_crash() {
    let small = Budget { crashes: 1, writes: 1, reads: 1, ..NOTHING };
    let middle = Budget { crashes: 1, writes: 2, reads: 2, ..NOTHING };
    let large = Budget { crashes: 2, writes: 2, reads: 2, views: 5, ..NOTHING };
    check_pair("answers", LOOPBACK, [small, middle, large]);
}

#[test]
fn broken_links() {
    let small = Budget { breaks: 1, crashes: 1, writes: 1, views: 3, ..NOTHING };
    let middle = Budget { breaks: 2, crashes: 1, writes: 1, reads: 1, ..NOTHING };
    let large = Budget { breaks: 3, crashes: 2, writes: 1, reads: 1, views: 5, ..NOTHING };
    let rules = Rules { fine_breaks: true, ..LOOPBACK };
    check_pair("broken links", rules, [small, middle, large]);
}

#[test]
fn repeated_messages() {
    let small = Budget { duplicates: 2, crashes: 1, ..NOTHING };
    let middle = Budget { duplicates: 2, crashes: 2, writes: 1, ..NOTHING };
    let large = Budget { duplicates: 3, crashes: 2, writes: 1, reads: 1, views: 5, ..NOTHING };
    check_pair("repeated messages", LOOPBACK, [small, middle, large]);
}

#[test]
fn a_pause() {
    let small = Budget { pauses: 1, crashes: 1, reads: 1, ..NOTHING };
    let middle = Budget { pauses: 1, crashes: 1, writes: 1, reads: 1, ..NOTHING };
    let large = Budget { pauses: 2, crashes: 2, writes: 1, reads: 1, views: 5, ..NOTHING };
    check_pair("pause", LOOPBACK, [small, middle, large]);
}

#[test]
fn a_disk_is_lost() {
    let small = Budget { wipes: 1, crashes: 1, views: 5, ..NOTHING };
    let middle = Budget { wipes: 1, crashes: 1, writes: 1, views: 6, ..NOTHING };
    let large = Budget { wipes: 2, crashes: 2, writes: 1, views: 8, ..NOTHING };
    check_pair("lost disk", LOOPBACK, [small, middle, large]);
}

#[test]
fn a_handover() {
    let small = Budget { handovers: 1, breaks: 1, crashes: 1, ..NOTHING };
    let middle = Budget { handovers: 1, breaks: 1, crashes: 1, writes: 1, reads: 1, ..NOTHING };
    let large = Budget { handovers: 2, breaks: 1, crashes: 2, writes: 1, views: 6, ..NOTHING };
    check_pair("handover", LOOPBACK, [small, middle, large]);
}

#[test]
fn two_machines_without_witnesses() {
    let small = Budget { crashes: 2, timeouts: 1, ..NOTHING };
    let middle = Budget { crashes: 2, timeouts: 1, writes: 1, reads: 1, ..NOTHING };
    let large = Budget { crashes: 2, breaks: 1, timeouts: 2, writes: 1, views: 5, ..NOTHING };
    check_pair("two machines", TWO_MACHINES, [small, middle, large]);
}

#[test]
fn an_override() {
    let small = Budget { overrides: 1, crashes: 1, writes: 1, views: 5, ..NOTHING };
    let middle = Budget { overrides: 1, crashes: 2, writes: 1, views: 6, ..NOTHING };
    let large = Budget { overrides: 2, crashes: 2, writes: 2, views: 8, ..NOTHING };
    check_pair("override", TWO_MACHINES, [small, middle, large]);
}

#[test]
fn an_override_and_a_lost_disk() {
    let small = Budget { overrides: 1, wipes: 1, crashes: 1, views: 4, ..NOTHING };
    let middle = Budget { overrides: 1, wipes: 1, crashes: 1, writes: 1, views: 5, ..NOTHING };
    let large = Budget { overrides: 2, wipes: 2, crashes: 1, writes: 1, views: 6, ..NOTHING };
    check_pair("override, lost disk", TWO_MACHINES, [small, middle, large]);
}

// ---- Three workers as witnesses. ----

/// A refused port tells a death at once, and nobody may decide alone.
const WITNESSED: Rules = Rules { workers: 3, ..LOOPBACK };

/// A death is told by silence only.
const WITNESSED_APART: Rules = Rules { workers: 3, ..TWO_MACHINES };

#[test]
fn witnesses_and_crashes() {
    let small = Budget { crashes: 1, views: 3, ..NOTHING };
    let middle = Budget { crashes: 1, writes: 1, views: 4, ..NOTHING };
    let large = Budget { crashes: 3, writes: 1, reads: 1, views: 5, ballots: 3, ..NOTHING };
    check_pair("witnesses, crashes", WITNESSED, [small, middle, large]);
}

#[test]
fn witnesses_and_silence() {
    let small = Budget { crashes: 1, timeouts: 2, views: 3, ballots: 1, ..NOTHING };
    let middle = Budget { crashes: 1, timeouts: 2, views: 3, ..NOTHING };
    let large = Budget { crashes: 2, timeouts: 5, writes: 1, views: 5, ballots: 3, ..NOTHING };
    check_pair("witnesses, silence", WITNESSED_APART, [small, middle, large]);
}

#[test]
fn witnesses_and_broken_links() {
    let small = Budget { breaks: 1, timeouts: 2, views: 3, ballots: 1, ..NOTHING };
    let middle = Budget { breaks: 1, timeouts: 2, views: 3, ..NOTHING };
    let large = Budget { breaks: 3, timeouts: 3, crashes: 1, writes: 1, views: 5, ..NOTHING };
    check_pair("witnesses, broken links", WITNESSED_APART, [small, middle, large]);
}

#[test]
fn witnesses_whose_answers_are_lost() {
    let small = Budget { losses: 1, crashes: 1, views: 3, ..NOTHING };
    let middle = Budget { losses: 2, crashes: 1, views: 4, ..NOTHING };
    let large = Budget { losses: 3, crashes: 2, timeouts: 1, writes: 1, views: 5, ..NOTHING };
    check_pair("witnesses, lost answers", WITNESSED, [small, middle, large]);
}

#[test]
fn witnesses_and_repeated_messages() {
    let small = Budget { duplicates: 1, crashes: 1, views: 3, ballots: 1, ..NOTHING };
    let middle = Budget { duplicates: 1, crashes: 1, views: 4, ..NOTHING };
    let large = Budget { duplicates: 2, crashes: 2, writes: 1, views: 5, ..NOTHING };
    check_pair("witnesses, repeated messages", WITNESSED, [small, middle, large]);
}

#[test]
fn witnesses_and_a_pause() {
    let small = Budget { pauses: 1, timeouts: 1, reads: 1, views: 3, ballots: 1, ..NOTHING };
    let middle = Budget { pauses: 1, timeouts: 1, reads: 1, views: 3, ..NOTHING };
    let large = Budget { pauses: 2, timeouts: 2, crashes: 1, writes: 1, reads: 1, ..NOTHING };
    check_pair("witnesses, pause", WITNESSED, [small, middle, large]);
}

#[test]
fn witnesses_and_a_lost_disk() {
    let small = Budget { wipes: 1, crashes: 1, views: 4, ballots: 1, ..NOTHING };
    let middle = Budget { wipes: 1, crashes: 1, views: 4, ..NOTHING };
    let large = Budget { wipes: 2, crashes: 2, writes: 1, views: 6, ..NOTHING };
    check_pair("witnesses, lost disk", WITNESSED, [small, middle, large]);
}

#[test]
fn a_witness_is_replaced() {
    let small = Budget { restarts: 1, timeouts: 1, views: 4, ballots: 1, ..NOTHING };
    let middle = Budget { restarts: 1, crashes: 1, views: 4, ..NOTHING };
    let large = Budget { restarts: 2, crashes: 2, writes: 1, views: 6, ..NOTHING };
    check_pair("witness replaced", WITNESSED, [small, middle, large]);
}

#[test]
fn a_handover_with_witnesses() {
    let small = Budget { handovers: 1, crashes: 1, views: 3, ballots: 1, ..NOTHING };
    let middle = Budget { handovers: 1, crashes: 1, views: 3, ..NOTHING };
    let large = Budget { handovers: 2, crashes: 2, writes: 1, views: 5, ..NOTHING };
    check_pair("witnesses, handover", WITNESSED, [small, middle, large]);
}

#[test]
fn growth_with_witnesses() {
    let small = Budget { crashes: 1, views: 3, ballots: 1, ..NOTHING };
    let middle = Budget { crashes: 1, writes: 1, views: 3, ..NOTHING };
    let large = Budget { crashes: 2, breaks: 1, writes: 1, reads: 1, views: 5, ..NOTHING };
    check_founding("witnesses, growth", WITNESSED, [small, middle, large]);
}
