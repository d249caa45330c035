//! What the role machine tells people of the next failover, and of one that does not come.

mod role_model;

use orquestrador_core::role::{Failover, Standing};
use role_model::{Action, Budget, Rules, World};

const A: usize = 0;
const B: usize = 1;

/// Both started, met, and grown to a view of two.
fn pair(rules: Rules) -> World {
    let mut world = World::new(rules);
    world.budget = Budget { views: u64::MAX, ..Budget::default() };
    world.restart(A);
    world.restart(B);
    world.settle();
    assert_eq!(world.nodes[B].standing(), Some(Standing::Standby), "{}", world.describe());
    world
}

fn two_machines() -> Rules {
    Rules { loopback: false, ..Rules::default() }
}

fn failover(world: &World, at: usize) -> Failover {
    let process = world.nodes[at].process.as_ref().expect("it runs");
    process.role.failover(|_| false)
}

#[test]
fn a_pair_on_one_machine_goes_on_by_itself() {
    let world = pair(Rules::default());
    assert_eq!([failover(&world, A), failover(&world, B)], [Failover::ByRefusedPort; 2]);
}

#[test]
fn a_principal_alone_in_its_view_has_no_standby() {
    let mut world = pair(Rules::default());
    world.crash(B);
    world.settle();
    assert_eq!(failover(&world, A), Failover::NoStandby);
}

#[test]
fn a_principal_that_needs_a_dead_standby_is_blocked() {
    let mut world = pair(two_machines());
    assert_eq!(failover(&world, A), Failover::NoWitnesses);
    world.write(A);
    world.crash(B);
    world.settle();
    assert_eq!(failover(&world, A), Failover::Blocked);
    world.restart(B);
    world.settle();
    assert_eq!(failover(&world, A), Failover::NoWitnesses);
}

#[test]
fn a_standby_whose_principal_is_dead_waits_for_it() {
    let mut world = pair(two_machines());
    world.crash(A);
    world.settle();
    assert_eq!(world.nodes[B].standing(), Some(Standing::Waiting));
    assert_eq!(failover(&world, B), Failover::Waiting);
}

#[test]
fn a_restarted_member_waits_for_a_dead_one_also_on_one_machine() {
    let mut world = pair(Rules::default());
    world.crash(B);
    world.crash(A);
    world.restart(A);
    world.settle();
    assert_eq!(world.nodes[A].standing(), Some(Standing::Waiting), "{}", world.describe());
    assert_eq!(failover(&world, A), Failover::Waiting);
}

#[test]
fn a_foreign_node_in_the_others_place_is_no_standby() {
    let mut world = pair(Rules::default());
    world.write(A);
    world.settle();
    world.crash(B);
    world.wipe(A);
    world.restart(A);
    world.settle();
    world.write(A);
    world.settle();
    world.restart(B);
    world.settle();
    assert_eq!([failover(&world, A), failover(&world, B)], [Failover::ForeignPeer; 2]);
}

#[test]
fn a_node_outside_the_view_without_a_principal_is_not_listed() {
    let mut world = pair(Rules::default());
    world.crash(B);
    world.settle();
    world.wipe(B);
    world.restart(B);
    world.step(Action::Dial(B));
    while world.nodes[B].standing() == Some(Standing::Unfounded) {
        world.step(Action::Deliver(A));
    }
    assert_eq!(world.nodes[B].standing(), Some(Standing::Learner));
    assert_eq!(failover(&world, B), Failover::CatchingUp);
    world.crash(A);
    world.settle();
    assert_eq!(failover(&world, B), Failover::NotListed);
}
