use orquestrador_core::command::{NewTask, Outcome, ReportedOutcome};
use orquestrador_core::ids::{BlobId, BlobRef, SessionId};
use orquestrador_core::{Answer, Command, Effect, Limits, Step};

use proptest::prelude::*;

use crate::scene::*;

/// One of a few, each with a length of its own.
pub fn nth_blob(n: u8) -> BlobRef {
    BlobRef { id: BlobId([n; 32]), bytes: u64::from(n) * 10 }
}

pub fn any_blobs() -> impl Strategy<Value = Vec<BlobRef>> {
    proptest::collection::vec((0..4u8).prop_map(nth_blob), 0..3)
}

fn blob(n: u8, bytes: u64) -> BlobRef {
    BlobRef { id: BlobId([n; 32]), bytes }
}

fn with_blobs(id: u128, blobs: &[BlobRef]) -> Command {
    let task = NewTask { blobs: blobs.to_vec(), ..task(id, "echo", "payload") };
    submit_tasks("ana", vec![task])
}

fn succeed_with(id: u128, blobs: &[BlobRef]) -> Command {
    let outcome = Outcome::Succeeded { result: b"result"[..].into() };
    let outcomes =
        vec![ReportedOutcome { attempt: attempt(id, 1), outcome, blobs: blobs.to_vec() }];
    Command::ReportOutcomes { session: SessionId(1), outcomes }
}

fn referred(scene: &Scene) -> Vec<u8> {
    scene.principal.referred_blobs().map(|blob| blob.id.0[0]).collect()
}

fn is_accepted(step: &Step) -> bool {
    step.effects.iter().any(|effect| {
        matches!(effect, Effect::Answer { answer: Ok(Answer::Submitted { accepted: 1, .. }), .. })
    })
}

#[test]
fn what_a_task_refers_to_is_kept_until_the_task_is_forgotten() {
    let mut scene = Scene::new(Limits { max_finished_tasks: 1, ..Limits::default() });
    scene.step(0, connect(1, 1));
    scene.step(0, with_blobs(1, &[blob(1, 10), blob(2, 10)]));
    let done = scene.step(10, succeed_with(1, &[blob(3, 10)]));
    assert!(lines(&done).iter().any(|line| line.contains("to [(3, 10)]")), "{:?}", lines(&done));
    assert_eq!(referred(&scene), [1, 2, 3]);
    scene.fail_over(20);
    scene.rebuilt();
    assert_eq!(referred(&scene), [1, 2, 3]);
    scene.step(30, connect(1, 1));
    scene.step(30, with_blobs(2, &[blob(2, 10)]));
    scene.step(40, succeed_with(2, &[]));
    scene.step(50, expire());
    assert_eq!(referred(&scene), [2], "of the first task nothing is left");
}

#[test]
fn finished_tasks_are_forgotten_when_too_much_is_referred_to() {
    let mut scene = Scene::new(Limits { max_referred_bytes: 25, ..Limits::default() });
    scene.step(0, connect(1, 1));
    for id in 1..=3 {
        scene.step(0, with_blobs(id, &[blob(id as u8, 10)]));
        scene.step(10, succeed_with(id, &[blob(9, 1)]));
    }
    scene.step(20, expire());
    assert_eq!(referred(&scene), [2, 3, 9], "31 bytes were referred to");
}

#[test]
fn what_unfinished_tasks_refer_to_costs_no_task_without_blobs_its_record() {
    let mut scene = Scene::new(Limits { max_referred_bytes: 25, ..Limits::default() });
    scene.step(0, connect(1, 1));
    scene.step(0, submit(&[1]));
    scene.step(0, succeed(1, attempt(1, 1)));
    scene.step(0, with_blobs(2, &[blob(1, 1)]));
    scene.step(0, succeed_with(2, &[]));
    scene.step(0, with_blobs(3, &[blob(2, 30)]));
    scene.step(10, expire());
    let is_known =
        |scene: &mut Scene, id| lines(&scene.step(10, query("ana", id)))[0].contains("Succeeded");
    assert!(is_known(&mut scene, 1), "its going makes no room");
    assert!(!is_known(&mut scene, 2));
    assert_eq!(referred(&scene), [2]);
}

#[test]
fn there_is_a_limit_to_references() {
    let mut scene = Scene::new(Limits { max_references: 2, ..Limits::default() });
    assert!(is_accepted(&scene.step(0, with_blobs(1, &[blob(1, 1), blob(2, 1)]))));
    assert!(!is_accepted(&scene.step(0, with_blobs(2, &[blob(1, 1)]))));
    assert!(is_accepted(&scene.step(0, with_blobs(2, &[]))));
}

#[test]
fn what_is_done_once_more_refers_to_the_same() {
    let mut scene = Scene::new(Limits { max_finished_tasks: 1, ..Limits::default() });
    scene.step(0, connect(1, 1));
    scene.step(0, with_blobs(1, &[blob(1, 1)]));
    scene.step(10, fail(1, attempt(1, 1)));
    let (old, new) = (orquestrador_core::ids::TaskId(1), orquestrador_core::ids::TaskId(2));
    let (request, owner) = (orquestrador_core::ids::RequestId(1), "ana".into());
    scene.step(20, Command::Retry { request, owner, task: old, new });
    scene.step(30, succeed_with(2, &[]));
    scene.step(40, expire());
    assert!(scene.principal.history().any(|event| {
        lines(&Step { events: vec![event], effects: vec![] })[0].starts_with("referred 2")
    }));
}
