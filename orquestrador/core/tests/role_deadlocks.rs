//! Decided and not recorded: a principal that crashes in between must not leave a view in which nobody may
//! be proposed (V5). Were only the record of the newest view good enough, each of these would wait for ever.

mod role_model;

use orquestrador_core::role::Mutation;
use role_model::story::{A, B, deadlocks_without, loopback, witnessed};
use role_model::{Action, Rules, World};

const RULE: Mutation = Mutation::RecordOfNewestNeeded;

fn pair(rule: Option<Mutation>, rules: Rules) -> World {
    World::pair(Rules { mutation: rule, ..rules })
}

#[test]
fn growth_decided_and_not_recorded() {
    deadlocks_without(RULE, |rule| {
        let mut world = World::cluster(Rules { mutation: rule, ..witnessed() });
        world.restart(A);
        world.settle();
        world.restart(B);
        world.step(Action::Dial(A));
        world.deliver_all(A);
        world.sync(B);
        world.step(Action::Dial(B));
        world.deliver_all(B);
        assert_eq!((world.newest(A), world.newest(B)), (2, 1), "{}", world.describe());
        world.cut();
        world.crash(A);
        world
    });
}

#[test]
fn refresh_decided_and_not_recorded() {
    deadlocks_without(RULE, |rule| {
        let mut world = pair(rule, witnessed());
        world.step(Action::Replace(2));
        world.step(Action::Survey(A));
        world.consult(&[0, 1]);
        assert_eq!((world.newest(A), world.newest(B)), (3, 2), "{}", world.describe());
        world.cut();
        world.crash(A);
        world
    });
}

#[test]
fn shrinking_decided_and_not_recorded() {
    for rules in [loopback(), witnessed()] {
        deadlocks_without(RULE, |rule| {
            let mut world = pair(rule, rules);
            world.cut();
            world.crash(B);
            world.refuse(A);
            world.challenge(A, &[0, 1, 2][..rules.workers]);
            assert_eq!(world.newest(A), 3, "{}", world.describe());
            world.crash(A);
            world
        });
    }
}

#[test]
fn handover_decided_and_not_recorded() {
    for rules in [loopback(), witnessed()] {
        deadlocks_without(RULE, |rule| {
            let mut world = pair(rule, rules);
            world.step(Action::HandOver(A));
            for from in [A, B, A, B] {
                world.deliver_all(from);
            }
            assert_eq!((world.newest(A), world.newest(B)), (3, 2), "{}", world.describe());
            world.cut();
            world.crash(A);
            world.crash(B);
            world
        });
    }
}

#[test]
fn takeover_decided_and_not_recorded() {
    for rules in [loopback(), witnessed()] {
        deadlocks_without(RULE, |rule| {
            let mut world = pair(rule, rules);
            world.cut();
            world.crash(A);
            world.refuse(B);
            world.challenge(B, &[0, 1, 2][..rules.workers]);
            assert_eq!((world.newest(A), world.newest(B)), (0, 3), "{}", world.describe());
            world.crash(B);
            world
        });
    }
}
