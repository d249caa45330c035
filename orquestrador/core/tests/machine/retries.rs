//! Tasks that are tried again after an attempt that failed.

use orquestrador_core::command::{ConnectWorker, NewTask};
use orquestrador_core::effect::{Notice, PendingReason, TaskState};
use orquestrador_core::ids::{ProcessId, SessionId, Timestamp};
use orquestrador_core::terms::{RetryPolicy, Terms};
use orquestrador_core::{Answer, Command, Effect, Event, Limits, Step};

use crate::scene::*;

/// Between one half and all of this.
const DELAY: u32 = 1_000;

/// Three attempts may fail.
fn terms(codes: &[&str]) -> Terms {
    let codes = codes.iter().map(|code| (*code).to_owned()).collect();
    let retry = RetryPolicy { max_attempts: 3, first_delay_ms: DELAY, max_delay_ms: DELAY, codes };
    Terms { retry: Some(Box::new(retry)), ..Terms::default() }
}

fn submit_retried(ids: &[u128], codes: &[&str]) -> Command {
    let retried =
        |id: &u128| NewTask { terms: terms(codes).into(), ..task(*id, "echo", "payload") };
    submit_tasks("ana", ids.iter().map(retried).collect())
}

/// Of three tasks.
fn submit_retried_array(n: u128, codes: &[&str]) -> Command {
    let mut command = submit_array(n, 0..3);
    if let Command::SubmitArray { array, .. } = &mut command {
        array.terms = terms(codes).into();
    }
    command
}

fn retried(step: &Step) -> Option<u64> {
    step.events.iter().find_map(|event| match event {
        Event::TaskRetried { until, .. } => Some(until.0),
        _ => None,
    })
}

fn is_assigned(step: &Step, id: u128, number: u32) -> bool {
    let wanted = attempt(id, number);
    step.effects.iter().any(
        |effect| matches!(effect, Effect::Assign { assignment, .. } if assignment.attempt == wanted),
    )
}

fn state_of(scene: &mut Scene, now: u64, id: u128) -> TaskState {
    match scene.step(now, query("ana", id)).effects.pop() {
        Some(Effect::Answer { answer: Ok(Answer::Task { snapshot, .. }), .. }) => snapshot.state,
        other => panic!("it is known: {other:?}"),
    }
}

#[test]
fn what_failed_waits_is_tried_again_and_fails_in_the_end() {
    let mut scene = Scene::new(Limits::default());
    scene.step(0, connect(1, 1));
    scene.step(0, submit_retried(&[1], &[]));
    let mut now = 10;
    for number in 1..3 {
        let failed = scene.step(now, fail(1, attempt(1, number)));
        let until = retried(&failed).expect("another attempt follows");
        let delay = until - now;
        assert!((u64::from(DELAY) / 2..=DELAY.into()).contains(&delay), "{delay}");
        let notice = failed.effects.iter().find_map(|effect| match effect {
            Effect::Notice(Notice::TaskRetried { delay_ms, .. }) => Some(*delay_ms),
            _ => None,
        });
        assert_eq!(notice, Some(delay));
        assert!(scene.principal.next_deadline().is_some_and(|at| at <= Timestamp(until)));
        scene.step(until - 1, heartbeat(1));
        let early = scene.step(until - 1, expire());
        assert!(!is_assigned(&early, 1, number + 1));
        let due = scene.step(until, expire());
        assert!(is_assigned(&due, 1, number + 1), "{due:?}");
        now = until;
    }
    let last = scene.step(now, fail(1, attempt(1, 3)));
    assert_eq!(retried(&last), None);
    assert_eq!(state_of(&mut scene, now, 1), TaskState::Failed);
}

#[test]
fn while_it_waits_it_tells_why_and_until_when() {
    let mut scene = Scene::new(Limits::default());
    scene.step(0, connect(1, 1));
    scene.step(0, submit_retried(&[1], &[]));
    let until = retried(&scene.step(0, fail(1, attempt(1, 1)))).expect("another one follows");
    let Some(Effect::Answer { answer: Ok(Answer::Task { snapshot, result, .. }), .. }) =
        scene.step(1, query("ana", 1)).effects.pop()
    else {
        panic!("it is known")
    };
    assert_eq!((snapshot.state, result), (TaskState::Queued, None));
    assert_eq!(snapshot.pending, Some(PendingReason::Backoff));
    assert_eq!(snapshot.not_before, Some(Timestamp(until)));
    assert_eq!(snapshot.error, Some(("HANDLER_ERROR".into(), "it broke".into())));
}

#[test]
fn only_named_failures_are_retried() {
    let mut scene = Scene::new(Limits::default());
    scene.step(0, connect(1, 2));
    scene.step(0, submit_retried(&[1], &["NON_ZERO_EXIT"]));
    scene.step(0, submit_retried(&[2], &["HANDLER_ERROR"]));
    assert_eq!(retried(&scene.step(0, fail(1, attempt(1, 1)))), None);
    assert!(retried(&scene.step(0, fail(1, attempt(2, 1)))).is_some());
}

#[test]
fn the_slot_of_what_failed_is_free_at_once() {
    let mut scene = Scene::new(Limits::default());
    scene.step(0, connect(1, 1));
    scene.step(0, submit_retried(&[1], &[]));
    scene.step(0, submit(&[2]));
    assert!(is_assigned(&scene.step(0, fail(1, attempt(1, 1))), 2, 1));
}

#[test]
fn a_repeated_failure_is_acknowledged_and_nothing_else() {
    let mut scene = Scene::new(Limits::default());
    scene.step(0, connect(1, 1));
    scene.step(0, submit_retried(&[1], &[]));
    scene.step(0, fail(1, attempt(1, 1)));
    let again = scene.step(0, fail(1, attempt(1, 1)));
    let session = SessionId(1);
    assert_eq!(again.events, []);
    let acknowledged = Effect::AcknowledgeOutcome { session, attempt: attempt(1, 1) };
    assert_eq!(again.effects, [acknowledged]);
    // A worker that comes back with it is not told to stop it, either.
    let held = vec![attempt(1, 1)];
    let back = scene.step(0, Command::ConnectWorker(ConnectWorker { held, ..hello(1, 1) }));
    assert!(!back.effects.iter().any(|effect| matches!(effect, Effect::CancelAttempt { .. })));
}

#[test]
fn a_new_principal_ends_the_wait_when_it_is_over() {
    let mut scene = Scene::new(Limits::default());
    scene.step(0, connect(1, 1));
    scene.step(0, submit_retried(&[1], &[]));
    let until = retried(&scene.step(0, fail(1, attempt(1, 1)))).expect("another one follows");
    scene.fail_over(100);
    assert!(!is_assigned(&scene.step(100, connect(1, 1)), 1, 2));
    assert!(!is_assigned(&scene.step(until - 1, expire()), 1, 2));
    assert!(is_assigned(&scene.step(until, expire()), 1, 2));
}

#[test]
fn a_snapshot_knows_of_the_wait_although_the_clock_was_set_back() {
    let mut scene = Scene::new(Limits::default());
    scene.step(100_000, connect(1, 1));
    scene.step(100_000, submit_retried(&[1], &[]));
    let until = retried(&scene.step(10, fail(1, attempt(1, 1)))).expect("another one follows");
    assert!(until < 100_000);
    assert_eq!(scene.rebuilt().next_deadline(), Some(Timestamp(until)));
}

#[test]
fn attempts_lost_with_their_worker_cost_no_retry_and_failures_no_loss() {
    let limits = Limits { max_lost_attempts: 2, ..Limits::default() };
    let mut scene = Scene::new(limits);
    let run = |run: u128| {
        Command::ConnectWorker(ConnectWorker { incarnation: ProcessId(run), ..hello(1, 1) })
    };
    scene.step(0, run(1));
    scene.step(0, submit_retried(&[1], &[]));
    let mut until = retried(&scene.step(0, fail(1, attempt(1, 1)))).expect("the first");
    scene.step(until, expire());
    assert!(is_assigned(&scene.step(until, run(2)), 1, 3), "the second was lost");
    until = retried(&scene.step(until, fail(1, attempt(1, 3)))).expect("the second failure");
    scene.step(until, expire());
    scene.step(until, fail(1, attempt(1, 4)));
    assert_eq!(state_of(&mut scene, until, 1), TaskState::Failed);
}

#[test]
fn what_waits_can_be_cancelled_alone_and_with_its_array() {
    let mut scene = Scene::new(Limits::default());
    scene.step(0, connect(1, 4));
    scene.step(0, submit_retried(&[1], &[]));
    scene.step(0, submit_retried_array(7, &[]));
    let first = in_array(7, 0);
    assert!(retried(&scene.step(0, fail(1, attempt(1, 1)))).is_some());
    assert!(retried(&scene.step(0, fail(1, attempt(first, 1)))).is_some());
    scene.step(1, cancel(1));
    assert_eq!(state_of(&mut scene, 1, 1), TaskState::Cancelled);
    scene.step(1, cancel_array(7));
    assert_eq!(state_of(&mut scene, 1, first), TaskState::Cancelled);
    let step = scene.step(10_000, expire());
    assert!(!step.events.iter().any(|event| matches!(event, Event::TaskDue { .. })));
}

#[test]
fn many_are_woken_step_by_step() {
    let limits = Limits { wake_batch: 2, ..Limits::default() };
    let mut scene = Scene::new(limits);
    scene.step(0, connect(1, 5));
    scene.step(0, submit_retried(&[1, 2, 3, 4, 5], &[]));
    for id in 1..=5 {
        scene.step(0, fail(1, attempt(id, 1)));
    }
    let mut due = Vec::new();
    for _ in 0..3 {
        let step = scene.step(2_000, expire());
        due.push(step.events.iter().filter(|e| matches!(e, Event::TaskDue { .. })).count());
    }
    assert_eq!(due, [2, 2, 1]);
}

#[test]
fn more_different_policies_than_allowed_are_refused_and_nothing_else_is() {
    let mut scene = Scene::new(Limits { max_policies: 2, ..Limits::default() });
    scene.step(0, connect(1, 1));
    let with_codes = |id, codes: &[&str]| submit_retried(&[id], codes);
    let refused = |step: &Step| {
        step.effects.iter().any(|effect| matches!(effect, Effect::Answer { answer: Err(_), .. }))
    };
    assert!(!refused(&scene.step(0, with_codes(1, &[]))));
    assert!(!refused(&scene.step(0, with_codes(2, &["A"]))));
    assert!(refused(&scene.step(0, with_codes(3, &["B"]))));
    assert!(refused(&scene.step(0, submit_retried_array(7, &["B"]))));
    assert!(!refused(&scene.step(0, with_codes(5, &["A"]))), "one that is there");
    assert!(!refused(&scene.step(0, submit_array(8, 0..3))), "without a policy");
    assert!(!refused(&scene.step(0, submit_once(&[6]))), "without a policy");
    scene.step(0, succeed(1, attempt(1, 1)));
    assert!(!refused(&scene.step(0, with_codes(9, &["B"]))), "a finished task has none");
    scene.rebuilt();
}
