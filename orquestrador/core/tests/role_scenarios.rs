//! Stories of two nodes: what the role machines do together, one fault at a time.

mod role_model;

use orquestrador_core::role::{Durable, Log as _, Standing};
use role_model::{Action, Budget, Link, Rules, World};

const A: usize = 0;
const B: usize = 1;

fn world(rules: Rules) -> World {
    let mut world = World::new(rules);
    world.budget = Budget { views: u64::MAX, ..Budget::default() };
    world
}

/// Both started, met, and grown to a view of two.
fn pair_with(rules: Rules) -> World {
    let mut world = world(rules);
    world.restart(A);
    world.restart(B);
    world.settle();
    check(&world, [Some(Standing::Principal), Some(Standing::Standby)], 2, 1);
    world
}

fn pair() -> World {
    pair_with(Rules::default())
}

fn two_machines() -> Rules {
    Rules { loopback: false, ..Rules::default() }
}

/// How both stand, and the newest view and epoch that anybody knows.
#[track_caller]
fn check(world: &World, standings: [Option<Standing>; 2], view: u64, epoch: u64) {
    let found = [world.nodes[A].standing(), world.nodes[B].standing()];
    assert_eq!(world.violation, None, "{}", world.describe());
    assert_eq!(found, standings, "{}", world.describe());
    let newest = world.nodes.iter().filter_map(|node| node.newest()).max_by_key(|v| v.number);
    let found = newest.map(|newest| (newest.number.0, newest.epoch.0));
    assert_eq!(found, Some((view, epoch)), "{}", world.describe());
}

fn replicas(world: &World, at: usize) -> usize {
    world.nodes[at].newest().map_or(0, |view| view.replicas.len())
}

fn unanswered(world: &World, at: usize) -> usize {
    world.nodes[at].process.as_ref().map_or(0, |process| process.pending.len())
}

/// Steps through what is on the link that this node dialled.
fn deliver_all(world: &mut World, from: usize) {
    while matches!(&world.links[from], Link::Up { queue, .. } if !queue.is_empty()) {
        world.step(Action::Deliver(from));
    }
}

// ---- V12: founding and joining. ----

#[test]
fn the_first_node_founds_when_its_peer_is_not_there() {
    let mut world = world(Rules::default());
    world.restart(A);
    world.settle();
    check(&world, [Some(Standing::Principal), None], 1, 1);
}

#[test]
fn a_backup_founds_nothing() {
    let mut world = world(Rules::default());
    world.restart(B);
    world.settle();
    assert_eq!(world.nodes[B].standing(), Some(Standing::Unfounded));
    world.restart(A);
    world.settle();
    check(&world, [Some(Standing::Principal), Some(Standing::Standby)], 2, 1);
}

#[test]
fn of_two_that_may_found_only_one_does() {
    let world = pair_with(Rules { preferred: [true, true], ..Rules::default() });
    assert_eq!(world.truths.len(), 1);
}

#[test]
fn a_founder_steps_back_when_it_meets_a_cluster_with_history() {
    let mut world = pair();
    world.write(A);
    world.settle();
    world.crash(B);
    world.wipe(A);
    world.restart(A);
    world.settle();
    assert_eq!(world.nodes[A].standing(), Some(Standing::Principal), "the wiped one founds");
    world.restart(B);
    world.settle();
    assert_eq!(world.nodes[A].standing(), Some(Standing::Learner), "{}", world.describe());
    let cluster = |at: usize| world.nodes[at].durable.cluster;
    assert_eq!(cluster(A), cluster(B));
}

/// Found by a walk: the late greeting of an ended process, which had an entry that its crash lost, made one
/// founder step back while the restarted other one stepped back too.
#[test]
fn two_founders_never_both_step_back() {
    let mut world = world(Rules { preferred: [true, true], ..Rules::default() });
    world.restart(B);
    world.step(Action::Dial(B));
    world.step(Action::Fsync(B));
    world.write(B);
    world.restart(A);
    world.step(Action::Dial(B));
    world.crash(B);
    world.step(Action::Dial(A));
    world.step(Action::Fsync(A));
    assert_eq!(world.truths.len(), 2, "each founded one");
    world.restart(B);
    world.step(Action::Dial(B));
    world.settle();
    assert_eq!(world.violation, None, "{}", world.describe());
    check(&world, [Some(Standing::Standby), Some(Standing::Principal)], 3, 2);
    assert_eq!(world.nodes[A].durable.cluster, world.nodes[B].durable.cluster);
}

#[test]
fn two_clusters_with_history_refuse_each_other() {
    let mut world = pair();
    world.write(A);
    world.settle();
    world.crash(B);
    world.wipe(A);
    world.restart(A);
    world.settle();
    world.write(A);
    world.settle();
    let kept = world.nodes[A].journal.last();
    world.restart(B);
    world.settle();
    assert_eq!(world.nodes[A].standing(), Some(Standing::Principal));
    assert_eq!(world.nodes[B].standing(), Some(Standing::Waiting));
    assert_eq!(world.nodes[A].journal.last(), kept);
}

#[test]
fn a_founder_that_crashes_again_and_again_before_its_first_record_serves_at_last() {
    let mut world = world(Rules::default());
    for _ in 0..3 {
        world.restart(A);
        world.step(Action::Dial(A));
        world.input(A, orquestrador_core::role::Input::Tick);
        world.crash(A);
        assert_eq!(world.nodes[A].journal.len(), 0, "nothing was fsynced");
    }
    world.restart(A);
    world.settle();
    assert_eq!(world.nodes[A].standing(), Some(Standing::Principal), "{}", world.describe());
}

// ---- V8, V9: growing and shrinking. ----

#[test]
fn a_write_is_answered_only_when_both_have_it() {
    let mut world = pair();
    world.write(A);
    world.step(Action::Fsync(A));
    assert_eq!(unanswered(&world, A), 1);
    deliver_all(&mut world, A);
    assert_eq!(unanswered(&world, A), 1, "the standby has not fsynced");
    world.step(Action::Fsync(B));
    deliver_all(&mut world, B);
    assert_eq!(unanswered(&world, A), 0, "{}", world.describe());
}

#[test]
fn a_learner_is_no_replica_before_it_acknowledged_the_record() {
    let mut world = world(Rules::default());
    world.restart(A);
    world.settle();
    world.restart(B);
    world.step(Action::Dial(A));
    world.input(A, orquestrador_core::role::Input::Tick);
    assert_eq!(replicas(&world, A), 1);
}

#[test]
fn the_principal_goes_on_alone_when_its_standby_dies() {
    let mut world = pair();
    world.write(A);
    world.crash(B);
    world.settle();
    check(&world, [Some(Standing::Principal), None], 3, 1);
    assert_eq!(unanswered(&world, A), 0);
    world.restart(B);
    world.settle();
    check(&world, [Some(Standing::Principal), Some(Standing::Standby)], 4, 1);
}

#[test]
fn without_the_loopback_rule_a_lonely_principal_waits() {
    let mut world = pair_with(two_machines());
    world.write(A);
    world.crash(B);
    world.settle();
    check(&world, [Some(Standing::Principal), None], 2, 1);
    assert_eq!(unanswered(&world, A), 1, "nothing is acknowledged");
    world.restart(B);
    world.settle();
    assert_eq!(unanswered(&world, A), 0);
}

#[test]
fn a_paused_standby_is_not_taken_for_dead() {
    let mut world = pair();
    world.write(A);
    world.set_paused(B, true);
    world.break_link(A, 0);
    world.settle();
    check(&world, [Some(Standing::Principal), Some(Standing::Standby)], 2, 1);
    assert_eq!(unanswered(&world, A), 1);
}

// ---- V6, V7, V11: taking over and restarting. ----

#[test]
fn the_standby_takes_over_when_the_principal_dies() {
    let mut world = pair();
    world.write(A);
    world.settle();
    world.crash(A);
    world.settle();
    check(&world, [None, Some(Standing::Principal)], 3, 2);
    world.restart(A);
    world.settle();
    check(&world, [Some(Standing::Standby), Some(Standing::Principal)], 4, 2);
}

#[test]
fn what_only_the_dead_principal_had_is_set_aside_when_it_returns() {
    let mut world = pair();
    world.write(A);
    world.step(Action::Fsync(A));
    world.links[A] = Link::Lost;
    world.crash(A);
    world.settle();
    world.write(B);
    world.settle();
    world.restart(A);
    world.settle();
    check(&world, [Some(Standing::Standby), Some(Standing::Principal)], 4, 2);
    assert_eq!(world.nodes[A].journal.entries, world.nodes[B].journal.entries);
}

#[test]
fn both_restart_in_either_order() {
    for [first, second] in [[A, B], [B, A]] {
        let mut world = pair();
        world.write(A);
        world.settle();
        world.crash(A);
        world.crash(B);
        world.restart(first);
        world.settle();
        assert_eq!(world.nodes[first].standing(), Some(Standing::Waiting), "it must ask the other");
        world.restart(second);
        world.settle();
        let serving = (0..2).filter(|at| world.nodes[*at].is_serving()).count();
        assert_eq!(serving, 1, "{}", world.describe());
        assert_eq!(world.nodes[A].newest().map(|view| view.epoch.0), Some(2));
        assert_eq!(world.nodes[A].journal.entries, world.nodes[B].journal.entries);
    }
}

#[test]
fn a_restart_does_not_arm_the_loopback_rule() {
    let mut world = pair();
    world.crash(A);
    world.crash(B);
    world.restart(B);
    world.settle();
    check(&world, [None, Some(Standing::Waiting)], 2, 1);
}

#[test]
fn a_standby_that_restarts_unnoticed_may_take_over_again() {
    let mut world = pair();
    world.crash(B);
    world.restart(B);
    world.settle();
    check(&world, [Some(Standing::Principal), Some(Standing::Standby)], 3, 1);
    world.crash(A);
    world.settle();
    check(&world, [None, Some(Standing::Principal)], 4, 2);
}

#[test]
fn a_restarted_principal_never_serves_in_its_old_epoch() {
    let mut world = pair();
    world.crash(A);
    world.restart(A);
    world.settle();
    assert_eq!(world.nodes[A].newest().map(|view| view.epoch.0), Some(2), "{}", world.describe());
}

#[test]
fn a_wiped_standby_returns_as_another_node() {
    let mut world = pair();
    world.wipe(B);
    world.restart(B);
    world.settle();
    assert_eq!(world.violation, None);
    assert_eq!(world.nodes[A].standing(), Some(Standing::Principal), "{}", world.describe());
    assert_eq!(world.nodes[B].standing(), Some(Standing::Standby));
    assert_eq!(world.nodes[A].newest().map(|view| view.replicas.len()), Some(2));
}

#[test]
fn a_wiped_principal_does_not_come_back_as_one() {
    let mut world = pair();
    world.write(A);
    world.settle();
    world.wipe(A);
    world.restart(A);
    world.settle();
    assert_eq!(world.nodes[B].standing(), Some(Standing::Principal), "{}", world.describe());
    assert_eq!(world.nodes[A].standing(), Some(Standing::Standby));
    assert_eq!(world.truths.iter().filter(|(_, truth)| truth.acknowledged > 0).count(), 1);
}

// ---- Decided and not recorded: no deadlock. ----

#[test]
fn a_takeover_decided_and_not_recorded_blocks_nobody() {
    let mut world = pair();
    world.crash(A);
    world.step(Action::Notice(B));
    world.step(Action::Dial(B));
    assert_eq!(world.nodes[B].standing(), Some(Standing::Elected));
    world.crash(B);
    world.restart(B);
    world.settle();
    check(&world, [None, Some(Standing::Principal)], 4, 3);
}

// ---- Handover. ----

#[test]
fn a_handover_names_the_standby_and_loses_nothing() {
    let mut world = pair();
    world.write(A);
    world.step(Action::HandOver(A));
    world.settle();
    assert_eq!(world.violation, None);
    assert_eq!(world.nodes[B].standing(), Some(Standing::Principal), "{}", world.describe());
    assert_eq!(world.nodes[A].standing(), Some(Standing::Standby));
    assert_eq!(world.nodes[B].newest().map(|view| view.epoch.0), Some(2));
}

#[test]
fn a_handover_whose_target_dies_ends_when_it_returns() {
    let mut world = pair();
    world.step(Action::HandOver(A));
    // The target has accepted, and dies before it learns that it was elected.
    deliver_all(&mut world, A);
    deliver_all(&mut world, B);
    deliver_all(&mut world, A);
    assert!(world.nodes[B].durable.acceptor.accepted.is_some(), "{}", world.describe());
    world.crash(B);
    world.settle();
    world.restart(B);
    world.settle();
    assert!(world.heal().is_ok(), "{}", world.describe());
}

/// Nobody is left to take the office: the wish is over, or nobody could ever join again.
#[test]
fn after_a_handover_that_came_to_nothing_the_standby_joins_again() {
    let mut world = pair();
    world.crash(B);
    world.step(Action::HandOver(A));
    world.settle();
    check(&world, [Some(Standing::Principal), None], 3, 1);
    world.restart(B);
    world.settle();
    check(&world, [Some(Standing::Principal), Some(Standing::Standby)], 4, 1);
}

// ---- V15: the override. ----

#[test]
fn a_forced_node_serves_without_asking() {
    let mut world = pair_with(two_machines());
    world.write(A);
    world.settle();
    world.crash(A);
    world.settle();
    assert_eq!(world.nodes[B].standing(), Some(Standing::Waiting));
    world.step(Action::Promote(B));
    world.settle();
    assert_eq!(world.nodes[B].standing(), Some(Standing::Principal), "{}", world.describe());
    assert_eq!(world.nodes[B].newest().map(|view| view.forced), Some(true));
}

/// Two machines and no witness: nothing but the operator's word lets the principal go on alone.
#[test]
fn a_principal_that_waits_for_a_lost_backup_goes_on_when_told_to() {
    let mut world = pair_with(two_machines());
    world.crash(B);
    world.settle();
    world.write(A);
    world.settle();
    let committed = |world: &World| {
        world.nodes[A]
            .process
            .as_ref()
            .is_some_and(|process| process.role.committed() == world.nodes[A].journal.last().index)
    };
    assert!(!committed(&world), "it waits");
    world.step(Action::Promote(A));
    world.settle();
    assert_eq!(world.nodes[A].standing(), Some(Standing::Principal), "{}", world.describe());
    assert!(committed(&world));
    // Once is enough.
    let forced = world.nodes[A].newest().map(|view| view.number);
    world.step(Action::Promote(A));
    assert_eq!(world.nodes[A].newest().map(|view| view.number), forced);
}

#[test]
fn a_forced_view_wins_over_what_the_other_decided_alone() {
    let mut world = pair();
    // The principal goes on alone and ends; the operator gives it up; it returns.
    world.crash(B);
    world.settle();
    world.write(A);
    world.settle();
    world.crash(A);
    world.restart(B);
    world.settle();
    let before = world.nodes[B].newest().expect("a view").number;
    world.step(Action::Promote(B));
    world.settle();
    world.write(B);
    world.settle();
    let chosen = world.nodes[B].journal.last();
    world.restart(A);
    world.settle();
    assert_eq!(world.nodes[B].standing(), Some(Standing::Principal), "{}", world.describe());
    assert_eq!(world.nodes[A].standing(), Some(Standing::Standby), "{}", world.describe());
    assert_eq!(world.nodes[A].journal.id_at(chosen.index), Some(chosen));
    // Also after the pair has grown again, when the newest view is not the forced one.
    let newest = world.nodes[A].newest().expect("a view");
    assert!(!newest.forced && newest.is_past_override(before), "{newest:?}");
    assert!(!newest.is_past_override(newest.number));
}

#[test]
fn a_forced_node_that_crashes_before_its_record_serves_after_its_restart() {
    let mut world = pair_with(two_machines());
    world.crash(A);
    world.settle();
    world.step(Action::Promote(B));
    world.crash(B);
    world.restart(B);
    world.settle();
    assert_eq!(world.nodes[B].standing(), Some(Standing::Principal), "{}", world.describe());
}

#[test]
fn a_node_without_a_history_cannot_be_forced() {
    let mut world = world(Rules::default());
    world.restart(B);
    world.step(Action::Promote(B));
    assert_eq!(world.nodes[B].durable, Durable::default());
}
