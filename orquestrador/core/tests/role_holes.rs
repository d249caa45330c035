//! Holes that were found in the design, each as the story that falls into it: with the rule it ends well,
//! without it it goes wrong.

mod role_model;

use orquestrador_core::ids::{ClusterId, NodeId, ProcessId};
use orquestrador_core::role::{Message, Mutation, Sender, Standing, View, Witness, WitnessTiming};
use role_model::story::{A, B, loopback, needs, witnessed};
use role_model::{Action, Content, Link, Rules, World};

fn without(rule: Option<Mutation>, rules: Rules) -> Rules {
    Rules { mutation: rule, ..rules }
}

// ---- What is answered, and when. ----

#[test]
fn answer_before_commit() {
    needs(Mutation::CommitAlone, "two histories committed", |rule| {
        let mut world = World::pair(without(rule, loopback()));
        world.write_here(A);
        world.links[A] = Link::Lost;
        world.crash(A);
        world.settle();
        assert!(world.nodes[B].is_serving());
        world
    });
}

#[test]
fn a_word_given_after_the_register_was_dropped() {
    needs(Mutation::WordAfterRegister, "a stale read", |rule| {
        let mut world = World::pair(without(rule, witnessed()));
        // Nothing from B arrives any more, but what A sends does.
        world.break_link(B, 0);
        world.challenge(B, &[0, 1, 2]);
        world.sync(B);
        world.write_here(B);
        assert_eq!((world.newest(B), world.unanswered(B)), (3, 0), "{}", world.describe());
        world.step(Action::Notice(B));
        world.step(Action::Dial(B));
        world.read(A);
        world.deliver_all(A);
        // All but acknowledgements is lost.
        let is_ack =
            |content: &Content| matches!(content, Content::Message(Message::AppendAck { .. }));
        if let Link::Up { queue, .. } = &mut world.links[B] {
            queue.retain(|envelope| is_ack(&envelope.content));
        }
        world.deliver_all(B);
        if rule.is_none() {
            assert_eq!(world.unanswered(A), 1, "the question is open");
        }
        world
    });
}

// ---- Who is principal. ----

#[test]
fn resumed_epoch() {
    needs(Mutation::SameEpoch, "two principals in one epoch", |rule| {
        let mut world = World::pair(without(rule, loopback()));
        world.crash(A);
        world.settle();
        assert_eq!(world.newest(B), 3);
        world
    });
}

/// A decided with B, which remembers that it accepted.
#[test]
fn acceptance_forgotten_in_a_crash() {
    needs(Mutation::ForgetfulAcceptor, "two decisions of one register", |rule| {
        let mut world = World::pair(without(rule, witnessed()));
        world.step(Action::Replace(2));
        world.step(Action::Survey(A));
        for from in [A, B, A, B] {
            world.deliver_all(from);
        }
        assert_eq!(world.newest(A), 3, "decided by the two replicas: {}", world.describe());
        world.errands.clear();
        world.cut();
        world.crash(A);
        world.crash(B);
        world.restart(B);
        world.challenge(B, &[0, 1]);
        assert!(world.newest(B) >= 3, "{}", world.describe());
        world
    });
}

/// B decided with the witnesses and lost its disk. Were it still the same acceptor, A could decide with it.
#[test]
fn acceptor_amnesia_after_a_wipe() {
    let story = |wipe: fn(&mut World, usize)| {
        let mut world = World::pair(witnessed());
        world.cut();
        world.challenge(B, &[0, 1]);
        world.sync(B);
        world.write_here(B);
        assert_eq!(world.unanswered(B), 0, "acknowledged by B alone");
        wipe(&mut world, B);
        world.restart(B);
        world.settle();
        world.write(A);
        world.settle();
        world
    };
    let kept = story(World::wipe);
    assert_eq!(kept.violation, None, "{}", kept.describe());
    assert_eq!(kept.nodes[A].standing(), Some(Standing::Learner), "it learnt that it is deposed");
    assert!(story(World::wipe_but_for_its_name).violation.is_some());
}

#[test]
fn forgotten_register() {
    needs(Mutation::AnswerClosedRegister, "two decisions of one register", |rule| {
        let mut world = World::pair(without(rule, witnessed()));
        world.step(Action::Replace(2));
        world.step(Action::Survey(A));
        world.consult(&[0, 1]);
        assert_eq!(world.newest(A), 3, "{}", world.describe());
        world.cut();
        // Both hear of view 3, and with it drop the register in which they accepted it.
        world.wait(A);
        world.ask_in_vain(&[0, 1]);
        world.challenge(B, &[0, 1]);
        assert!(world.newest(B) >= 3, "{}", world.describe());
        world
    });
}

/// One witness accepted what a process proposed that then died; two accepted what its successor proposed.
#[test]
fn a_ballot_reused_after_a_restart() {
    needs(Mutation::BallotReused, "two decisions of one register", |rule| {
        let mut world = World::pair(without(rule, witnessed()));
        world.cut();
        world.wait(B);
        world.consult_until_accepting(B, &[0, 1]);
        world.ask_in_vain(&[0]);
        world.crash(B);
        // It asked before its own acceptance was on disk.
        world.nodes[B].durable.acceptor.accepted = None;
        world.restart(B);
        world.step(Action::Tick(B));
        world.wait(B);
        world.consult(&[1, 2]);
        world.errands.clear();
        assert_eq!(world.newest(B), 3, "{}", world.describe());
        world.challenge(A, &[0, 1]);
        assert!(world.newest(A) >= 3, "{}", world.describe());
        world
    });
}

#[test]
fn learner_counted_before_it_has_the_tail() {
    needs(Mutation::AnyoneEligible, "two histories committed", |rule| {
        let mut world = World::cluster(without(rule, witnessed()));
        world.restart(A);
        world.settle();
        world.restart(B);
        world.step(Action::Dial(A));
        world.deliver_all(A);
        world.sync(B);
        world.step(Action::Dial(B));
        // While B's acknowledgement of the first record is on its way, A commits something alone.
        world.write_here(A);
        assert_eq!(world.unanswered(A), 0);
        world.deliver_all(B);
        assert_eq!(world.newest(A), 2, "grown: {}", world.describe());
        // Of all that B hears only the view, in a greeting.
        world.cut();
        world.step(Action::Dial(A));
        world.step(Action::Deliver(A));
        assert_eq!((world.newest(B), world.nodes[B].journal.len()), (2, 1));
        world.cut();
        world.crash(A);
        world.challenge(B, &[0, 1, 2]);
        world.sync(B);
        world
    });
}

/// Off loopback something in front of a living process may refuse for it.
#[test]
fn refusal_by_a_proxy_in_front() {
    let story = |loopback: bool| {
        let mut world = World::pair(Rules { loopback, ..Rules::default() });
        world.cut();
        world.refuse(A);
        world.refuse(B);
        world
    };
    let kept = story(false);
    assert_eq!(kept.violation, None);
    assert_eq!((kept.newest(A), kept.newest(B)), (2, 2), "nobody decides alone");
    assert_eq!(story(true).violation.as_deref(), Some("two decisions of one register"));
}

/// B promised for a handover and died: A completes it alone (V11), although it names the dead process. In that
/// view nobody is armed: A has seen a refused port, and so will the next process of B.
#[test]
fn the_loopback_rule_armed_by_catch_up() {
    needs(Mutation::ArmedByAnything, "two decisions of one register", |rule| {
        let mut world = World::pair(without(rule, loopback()));
        world.step(Action::HandOver(A));
        world.deliver_all(A);
        world.deliver_all(B);
        world.cut();
        world.crash(B);
        world.step(Action::Dial(A));
        assert_eq!(world.newest(A), 3, "{}", world.describe());
        world.restart(B);
        world.step(Action::Dial(B));
        world.step(Action::Tick(A));
        world.crash(A);
        world.step(Action::Notice(B));
        world.step(Action::Dial(B));
        world
    });
}

#[test]
fn a_refusal_elsewhere_founds_nothing() {
    for (loopback, founded) in [(false, 0), (true, 1)] {
        let mut world = World::cluster(Rules { loopback, ..Rules::default() });
        world.restart(A);
        world.refuse(A);
        assert_eq!(world.truths.len(), founded, "loopback: {loopback}");
    }
}

/// A wiped founder founds another cluster while its peer is away. Were it the same one, both would go on.
#[test]
fn founder_after_a_wipe() {
    let story = |wipe: fn(&mut World, usize)| {
        let mut world = World::pair(witnessed());
        world.write(A);
        world.settle();
        world.crash(B);
        wipe(&mut world, A);
        world.restart(A);
        world.settle();
        assert!(world.nodes[A].is_serving(), "{}", world.describe());
        world.write_here(A);
        world.restart(B);
        world.settle();
        world
    };
    let kept = story(World::wipe);
    assert_eq!(kept.violation, None, "{}", kept.describe());
    assert_ne!(kept.nodes[A].durable.cluster, kept.nodes[B].durable.cluster);
    assert_eq!(
        story(World::wipe_but_for_its_name).violation.as_deref(),
        Some("two histories committed")
    );
}

// ---- What the other one has. ----

/// The deposed principal has another entry where the new one has its view's record.
#[test]
fn an_acknowledgement_matched_by_index_but_not_by_hash() {
    let wrong = "a principal serves before its view is recorded everywhere";
    needs(Mutation::AckWithoutHash, wrong, |rule| {
        let mut world = World::pair(without(rule, loopback()));
        world.step(Action::HandOver(A));
        for from in [A, B, A] {
            world.deliver_all(from);
        }
        world.break_link(A, 0);
        world.write_here(A);
        world.deliver_all(B);
        assert_eq!(world.newest(A), 3, "B is principal: {}", world.describe());
        world.step(Action::Notice(A));
        world.step(Action::Dial(A));
        world.deliver_all(A);
        world.sync(B);
        world.deliver_all(A);
        world
    });
}

#[test]
fn an_entry_matched_by_index_and_epoch_but_not_by_hash() {
    let story = |rule: Option<Mutation>| {
        let mut world = World::pair(without(rule, loopback()));
        world.cut();
        // The same place and epoch, another entry.
        let epoch = world.nodes[A].newest().map(|view| view.epoch).unwrap_or_default();
        world.nodes[B].journal.append(epoch, None, 999);
        world.sync(B);
        world.write_here(A);
        world.settle();
        world
    };
    let kept = story(None);
    assert_eq!(kept.violation, None, "{}", kept.describe());
    assert_eq!(kept.unanswered(A), 0);
    assert_eq!(kept.nodes[A].journal.entries, kept.nodes[B].journal.entries);
    let wrong = story(Some(Mutation::TruncateByIndex));
    assert_ne!(wrong.nodes[A].journal.entries, wrong.nodes[B].journal.entries);
}

// ---- Stickiness. ----

/// Echoes come from a task of their own, fresh though nothing is committed any more.
#[test]
fn stickiness_held_by_a_hung_disk() {
    let principal = ProcessId(101);
    let from = Sender { node: NodeId(1), process: principal, cluster: Some(ClusterId(1)) };
    let world = World::pair(witnessed());
    let view: View = world.nodes[A].newest().cloned().expect("a pair has a view");
    let timing = WitnessTiming::default();
    let mut witness = Witness::new(view.witnesses[0], ClusterId(1), timing.clone());
    witness.learn(from, view);
    for (uncommitted_ms, is_loyal) in
        [(0, true), (timing.stall_ms, true), (timing.stall_ms + 1, false)]
    {
        let ping = witness.ping(uncommitted_ms);
        witness.on_echo(from, ping, uncommitted_ms);
        assert_eq!(witness.principal_is_alive(), is_loyal, "uncommitted for {uncommitted_ms} ms");
    }
}
