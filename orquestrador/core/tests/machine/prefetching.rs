//! Tasks that a worker holds beyond its slots.

use orquestrador_core::command::{AttemptRef, ConnectWorker, Delivery, NewTask};
use orquestrador_core::{Command, Effect, Limits};

use crate::scene::*;

/// A worker with one slot that offers two handlers and wants four tasks ahead.
fn of_two_handlers() -> [Command; 2] {
    let handlers = vec!["echo".into(), "render".into()];
    [Command::ConnectWorker(ConnectWorker { handlers, ..hello(1, 1) }), prefetch(1, 4)]
}

#[test]
fn a_worker_that_asks_for_it_gets_work_beyond_its_slots() {
    check(
        [connect(1, 1).into(), submit(&[1, 2, 3]).into()],
        prefetch(1, 1),
        "assigned 2/1 to w1
        > task 2 to w1
        > run 2/1 on 1: echo payload
        > changed 2/1 Running at w1",
    );
}

#[test]
fn whoever_can_start_a_task_at_once_comes_first() {
    check(
        [connect(1, 1).into(), prefetch(1, 8).into(), submit(&[1]).into(), connect(2, 1).into()],
        submit(&[2, 3]),
        "submitted 2 of ana for echo
        submitted 3 of ana for echo
        assigned 2/1 to w2
        assigned 3/1 to w1
        > task 2 of ana
        > changed 2/0 Queued
        > task 3 of ana
        > changed 3/0 Queued
        > task 2 to w2
        > run 2/1 on 2: echo payload
        > changed 2/1 Running at w2
        > task 3 to w1
        > run 3/1 on 1: echo payload
        > changed 3/1 Running at w1
        > 2 new, 2/1 Running at w2",
    );
}

#[test]
fn what_may_be_started_once_only_never_waits_with_a_worker() {
    check(
        [connect(1, 1).into(), prefetch(1, 8).into(), submit(&[1]).into()],
        submit_once(&[2]),
        "submitted 2 of ana for echo
        > task 2 of ana
        > changed 2/0 Queued AllBusy
        > 1 new, 2/0 Queued AllBusy",
    );
}

#[test]
fn what_lost_a_worker_never_waits_with_another() {
    check(
        [
            connect(1, 1).into(),
            submit(&[1]).into(),
            At(2_900, connect(2, 1)),
            At(2_900, prefetch(2, 8)),
            At(2_900, submit(&[2])),
        ],
        At(3_000, expire()),
        "lost w1 run 1
        requeued 1/1
        > close 1 LeaseExpired
        > w1 considered failed
        > changed 1/1 Queued AllBusy",
    );
}

#[test]
fn what_is_given_back_goes_to_whoever_is_free_and_does_not_count_as_lost() {
    check(
        [
            connect(1, 1).into(),
            prefetch(1, 8).into(),
            submit(&[1, 2]).into(),
            prefetch(1, 0).into(),
            connect(2, 1).into(),
        ],
        give_back(1, &[attempt(2, 1)]),
        "returned 2/1
        assigned 2/2 to w2
        > changed 2/1 Queued
        > task 2 again, to w2
        > run 2/2 on 2: echo payload
        > changed 2/2 Running at w2",
    );
}

#[test]
fn what_is_given_back_after_it_was_cancelled_frees_its_place() {
    check(
        [connect(1, 1).into(), prefetch(1, 1).into(), submit(&[1, 2, 3]).into(), cancel(2).into()],
        give_back(1, &[attempt(2, 1)]),
        "ended 2/1 at w1
        assigned 3/1 to w1
        > task 3 to w1
        > run 3/1 on 1: echo payload
        > changed 3/1 Running at w1",
    );
}

#[test]
fn another_stream_begins_without_any() {
    check(
        [
            connect(1, 1).into(),
            prefetch(1, 8).into(),
            submit(&[1]).into(),
            disconnect(1).into(),
            connect(1, 1).into(),
        ],
        submit(&[2]),
        "submitted 2 of ana for echo
        > task 2 of ana
        > changed 2/0 Queued AllBusy
        > 1 new, 2/0 Queued AllBusy",
    );
}

#[test]
fn what_may_not_wait_is_not_passed_by_younger_tasks_of_other_handlers() {
    let mut scene = Scene::new(Limits::default());
    for command in of_two_handlers() {
        scene.step(0, command);
    }
    scene.step(0, submit(&[1, 2, 3, 4, 5, 6]));
    let once = NewTask { terms: Delivery::AtMostOnce.into(), ..task(7, "render", "payload") };
    scene.step(0, submit_tasks("ana", vec![once]));
    scene.step(0, submit(&[8, 9]));
    // What is older goes ahead; what is younger waits until a slot was free for it.
    let mut given = Vec::new();
    for done in 1..=6 {
        let step = scene.step(0, succeed(1, attempt(done, 1)));
        given.push(assigned(&step.effects));
    }
    let at_last = vec![attempt(7, 1), attempt(8, 1), attempt(9, 1)];
    let nothing = Vec::<AttemptRef>::new;
    let expected = [vec![attempt(6, 1)], nothing(), nothing(), nothing(), nothing(), at_last];
    assert_eq!(given, expected);
}

fn assigned(effects: &[Effect]) -> Vec<AttemptRef> {
    let attempt = |effect: &Effect| match effect {
        Effect::Assign { assignment, .. } => Some(assignment.attempt),
        _ => None,
    };
    effects.iter().filter_map(attempt).collect()
}

#[test]
fn what_is_long_never_waits_with_a_worker() {
    let long = "x".repeat((64 << 10) + 1);
    let mut scene = Scene::new(Limits::default());
    for command in [connect(1, 1), prefetch(1, 8), submit(&[1])] {
        scene.step(0, command);
    }
    let step = scene.step(0, submit_tasks("ana", vec![task(2, "echo", &long)]));
    assert_eq!(assigned(&step.effects), []);
}

#[test]
fn what_a_worker_still_runs_without_being_asked_to_takes_a_slot_until_it_ends() {
    let again = Command::ConnectWorker(ConnectWorker { held: vec![attempt(1, 1)], ..hello(1, 1) });
    check(
        [connect(1, 1).into(), submit(&[1]).into(), At(3_000, expire()), At(3_100, again)],
        At(3_200, ended(1, attempt(1, 1))),
        "assigned 1/2 to w1
        > task 1 again, to w1
        > run 1/2 on 1: echo payload
        > changed 1/2 Running at w1",
    );
}

#[test]
fn what_is_given_back_too_often_is_lost() {
    let mut scene = Scene::new(Limits::default());
    for command in [connect(1, 1), submit(&[1])] {
        scene.step(0, command);
    }
    let most = u32::from(u16::MAX);
    for nth in 1..=most {
        scene.step(0, give_back(1, &[attempt(1, nth)]));
    }
    let step = scene.step(0, give_back(1, &[attempt(1, most + 1)]));
    assert_eq!(lines(&step)[..1], ["requeued 1/65536"]);
}
