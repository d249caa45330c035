//! Tasks that are not to begin at once.

use orquestrador_core::command::{NewTask, Start};
use orquestrador_core::effect::{PendingReason, TaskSnapshot, TaskState};
use orquestrador_core::ids::Timestamp;
use orquestrador_core::{Answer, Command, Effect, Event, Limits, Step};

use crate::scene::*;

fn submit_later(id: u128, start: Start) -> Command {
    submit_tasks("ana", vec![NewTask { start, ..task(id, "echo", "payload") }])
}

fn assigned(step: &Step) -> Vec<u128> {
    let tasks = step.effects.iter().filter_map(|effect| match effect {
        Effect::Assign { assignment, .. } => Some(assignment.attempt.task.0),
        _ => None,
    });
    tasks.collect()
}

fn look(scene: &mut Scene, now: u64, id: u128) -> TaskSnapshot {
    match scene.step(now, query("ana", id)).effects.pop() {
        Some(Effect::Answer { answer: Ok(Answer::Task { snapshot, .. }), .. }) => snapshot,
        other => panic!("it is known: {other:?}"),
    }
}

#[test]
fn it_waits_for_its_moment_and_then_takes_its_place() {
    let mut scene = Scene::new(Limits::default());
    assert_eq!(assigned(&scene.step(0, submit_later(1, Start::After(500)))), []);
    assert_eq!(assigned(&scene.step(0, submit_later(2, Start::At(Timestamp(400))))), []);
    scene.step(0, submit(&[3, 4]));
    assert_eq!(assigned(&scene.step(0, connect(1, 1))), [3]);
    assert_eq!(scene.principal.next_deadline(), Some(Timestamp(400)));
    let told = look(&mut scene, 10, 1);
    assert_eq!((told.state, told.error), (TaskState::Queued, None));
    assert_eq!(told.pending, Some(PendingReason::NotBefore));
    assert_eq!(told.not_before, Some(Timestamp(500)));
    assert_eq!(assigned(&scene.step(499, succeed(1, attempt(3, 1)))), [4]);
    scene.step(500, expire());
    assert_eq!(look(&mut scene, 500, 1).pending, Some(PendingReason::AllBusy));
    assert_eq!(assigned(&scene.step(501, succeed(1, attempt(4, 1)))), [1], "the oldest");
    assert_eq!(assigned(&scene.step(502, succeed(1, attempt(1, 1)))), [2]);
}

#[test]
fn what_is_past_is_now() {
    let mut scene = Scene::new(Limits::default());
    scene.step(9, connect(1, 4));
    for (id, start) in
        [(1, Start::After(0)), (2, Start::At(Timestamp(9))), (3, Start::At(Timestamp(1)))]
    {
        let step = scene.step(9, submit_later(id, start));
        assert_eq!(assigned(&step), [id]);
        assert!(!step.events.iter().any(|event| matches!(event, Event::TaskDelayed { .. })));
    }
}

#[test]
fn a_repetition_is_recognised_whatever_its_moment() {
    let mut scene = Scene::new(Limits::default());
    scene.step(0, submit_later(1, Start::After(500)));
    assert_eq!(scene.step(0, submit_later(1, Start::After(900))).events, []);
    assert_eq!(scene.step(0, submit(&[1])).events, []);
    assert_eq!(look(&mut scene, 0, 1).not_before, Some(Timestamp(500)));
    let twice =
        [Start::After(3), Start::Now].map(|start| NewTask { start, ..task(2, "echo", "x") });
    let events = scene.step(0, submit_tasks("ana", twice.to_vec())).events;
    assert_eq!(events.len(), 2, "submitted once, delayed once: {events:?}");
}

#[test]
fn a_new_principal_knows_the_moment_and_a_cancelled_task_has_none() {
    let mut scene = Scene::new(Limits::default());
    scene.step(0, submit_later(1, Start::After(5_000)));
    scene.step(0, submit_later(2, Start::After(5_000)));
    scene.fail_over(1_000);
    scene.step(1_000, connect(1, 2));
    scene.step(1_000, cancel(2));
    assert_eq!(look(&mut scene, 1_000, 2).state, TaskState::Cancelled);
    scene.step(4_000, heartbeat(1));
    assert_eq!(assigned(&scene.step(4_999, expire())), []);
    assert_eq!(assigned(&scene.step(5_000, expire())), [1]);
}
