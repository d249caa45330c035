use orquestrador_core::command::NewTask;
use orquestrador_core::ids::Timestamp;
use orquestrador_core::terms::{Terms, TimeLimits};
use orquestrador_core::{Command, Effect, Event, Limits};

use crate::scene::*;

fn timed(times: TimeLimits, ids: &[u128]) -> Command {
    let terms = Terms { times, ..Terms::default() };
    let new = |id: &u128| NewTask { terms: terms.clone().into(), ..task(*id, "echo", "payload") };
    submit_tasks("ana", ids.iter().map(new).collect())
}

fn begin_within(ms: u64, ids: &[u128]) -> Command {
    timed(TimeLimits { begin_ms: Some(ms), ..TimeLimits::default() }, ids)
}

fn end_within(ms: u64, ids: &[u128]) -> Command {
    timed(TimeLimits { end_ms: Some(ms), ..TimeLimits::default() }, ids)
}

#[test]
fn what_has_not_begun_in_time_fails() {
    check(
        [At(100, begin_within(1_000, &[1])), At(1_099, expire())],
        At(1_100, expire()),
        r#"expired 1 NotBegun
        > task 1 is Failed
        > changed 1/0 Failed EXPIRED "the task had not begun by the moment that it was submitted with""#,
    );
}

#[test]
fn what_has_begun_does_not_expire_even_if_it_waits_again() {
    let mut scene = Scene::new(Limits::default());
    scene.step(0, begin_within(1_000, &[1]));
    scene.step(0, connect(1, 1));
    scene.step(0, give_back(1, &[attempt(1, 1)]));
    scene.step(0, disconnect(1));
    assert_eq!(scene.principal.next_deadline(), Some(Timestamp(3_000)), "of the lease");
    let step = scene.step(4_000, expire());
    assert!(!step.events.iter().any(|event| matches!(event, Event::TaskExpired { .. })));
}

#[test]
fn what_runs_too_long_fails_and_is_stopped_and_its_slot_is_free_when_it_has_ended() {
    check(
        [
            connect(1, 1).into(),
            end_within(1_000, &[1]).into(),
            submit(&[2]).into(),
            At(900, heartbeat(1)),
        ],
        At(1_000, expire()),
        r#"expired 1 NotEnded
        > stop 1/1 on 1
        > task 1 is Failed
        > changed 1/1 Failed at w1 DEADLINE_EXCEEDED "the task had not ended by the moment that it was submitted with""#,
    );
    check(
        [
            connect(1, 1).into(),
            end_within(1_000, &[1]).into(),
            submit(&[2]).into(),
            At(900, heartbeat(1)),
            At(1_000, expire()),
        ],
        At(1_001, ended(1, attempt(1, 1))),
        "ended 1/1 at w1
        assigned 2/1 to w1
        > task 2 to w1
        > run 2/1 on 1: echo payload
        > changed 2/1 Running at w1",
    );
}

#[test]
fn its_late_outcome_is_fenced() {
    check(
        [
            connect(1, 1).into(),
            end_within(1_000, &[1]).into(),
            At(900, heartbeat(1)),
            At(1_000, expire()),
        ],
        At(1_001, succeed(1, attempt(1, 1))),
        "ended 1/1 at w1\n> fenced 1/1\n> acknowledge 1/1 on 1",
    );
}

#[test]
fn a_worker_that_comes_back_with_it_is_told_to_stop() {
    let mut scene = Scene::new(Limits::default());
    scene.step(0, connect(1, 1));
    scene.step(0, end_within(1_000, &[1]));
    scene.step(500, disconnect(1));
    scene.step(1_000, expire());
    scene.fail_over(1_000);
    let Command::ConnectWorker(mut again) = connect(1, 1) else { unreachable!() };
    again.held = vec![attempt(1, 1)];
    let step = scene.step(1_100, Command::ConnectWorker(again));
    let is_stop = |effect: &Effect| matches!(effect, Effect::CancelAttempt { attempt: a, .. } if *a == attempt(1, 1));
    assert!(step.effects.iter().any(is_stop), "{step:?}");
    assert!(scene.step(1_100, submit(&[2])).events.len() == 1, "the slot is taken");
    assert_eq!(
        lines(&scene.step(1_200, ended(1, attempt(1, 1))))[..2],
        ["ended 1/1 at w1", "assigned 2/1 to w1"]
    );
}

#[test]
fn a_delayed_task_fails_too_and_the_next_moment_is_known() {
    let mut scene = Scene::new(Limits::default());
    scene.step(0, end_within(5_000, &[1]));
    scene.step(0, end_within(4_000, &[2]));
    assert_eq!(scene.principal.next_deadline(), Some(Timestamp(4_000)));
    scene.step(0, cancel(2));
    assert_eq!(scene.principal.next_deadline(), Some(Timestamp(5_000)));
    scene.fail_over(0);
    scene.rebuilt();
    assert_eq!(scene.principal.next_deadline(), Some(Timestamp(5_000)));
}

#[test]
fn many_expire_step_by_step() {
    let mut scene = Scene::new(Limits { wake_batch: 2, ..Limits::default() });
    scene.step(0, begin_within(1, &[1, 2, 3]));
    let counts = [1, 2, 3].map(|_| scene.step(2_000, expire()).events.len());
    assert_eq!(counts, [2, 1, 0]);
}

#[test]
fn a_worker_is_told_what_an_attempt_may_take() {
    let mut scene = Scene::new(Limits::default());
    scene.step(0, connect(1, 1));
    let times = TimeLimits { attempt_ms: Some(70), ..TimeLimits::default() };
    let step = scene.step(0, timed(times, &[1]));
    let told = step.effects.iter().find_map(|effect| match effect {
        Effect::Assign { assignment, .. } => Some(assignment.timeout_ms),
        _ => None,
    });
    assert_eq!(told, Some(Some(70)));
}
