//! Protocol bugs put in on purpose: each must be noticed within a thousand seeds. A rule whose absence
//! nobody notices is a rule that nobody tests.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use orquestrador::driver::Mutation as Driver;
use orquestrador_core::mutation::Mutation as Machine;
use orquestrador_core::role::Mutation as Role;
use simulation::mutation::Mutation;

const SEEDS: u64 = 1_000;

const BUGS: &[Mutation] = &[
    Mutation::Driver(Driver::ReleaseBeforeCommit),
    Mutation::Driver(Driver::AnswerAfterDeposition),
    Mutation::Driver(Driver::PromoteWithoutRegister),
    Mutation::Driver(Driver::KeepAppliedTail),
    Mutation::Driver(Driver::LeasesEndAtTakeover),
    Mutation::Role(Role::AckBeforeFsync),
    Mutation::Role(Role::CommitAlone),
    Mutation::Role(Role::TruncateByIndex),
    Mutation::Role(Role::SameEpoch),
    Mutation::Role(Role::GrowthUnderOldRule),
    Mutation::Role(Role::OverrideFoundValue),
    Mutation::Machine(Machine::AnyAttemptCounts),
    Mutation::Machine(Machine::NoRedelivery),
    Mutation::Machine(Machine::AlwaysRequeued),
    Mutation::Machine(Machine::NoTurns),
    Mutation::Machine(Machine::NextFromTheClock),
    Mutation::Machine(Machine::FiresAgainAtTakeover),
    Mutation::Machine(Machine::PausesNotHeeded),
    Mutation::Machine(Machine::NoQuotas),
    Mutation::Machine(Machine::RunningNotHeeded),
    Mutation::Machine(Machine::MiscountedAtReplay),
    Mutation::Machine(Machine::KeysNotHeeded),
    Mutation::Machine(Machine::ReferencesLostAtReplay),
    Mutation::Machine(Machine::OwedIsUnderWayAtTakeover),
];

/// The first seed that notices, and how.
fn noticed(mutation: Mutation) -> Option<(u64, String)> {
    let (next, found) = (AtomicU64::new(0), AtomicBool::new(false));
    let work = || {
        while !found.load(Ordering::Relaxed) {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= SEEDS {
                return None;
            }
            if let Err(violation) = simulation::run(seed, Some(mutation)) {
                found.store(true, Ordering::Relaxed);
                return Some((seed, violation.to_string()));
            }
        }
        None
    };
    std::thread::scope(|scope| {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let threads: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
        threads.into_iter().filter_map(|thread| thread.join().expect("does not panic")).min()
    })
}

#[test]
fn every_bug_is_noticed_within_a_thousand_seeds() {
    let mut missed = Vec::new();
    for mutation in BUGS {
        match noticed(*mutation) {
            None => missed.push(mutation),
            Some((seed, what)) => println!("{mutation:?}: seed {seed}: {what}"),
        }
    }
    assert!(missed.is_empty(), "nothing noticed {missed:?}");
}
