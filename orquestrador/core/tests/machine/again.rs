use orquestrador_core::command::NewTask;
use orquestrador_core::ids::TaskId;
use orquestrador_core::needs::Needs;
use orquestrador_core::terms::{Origin, Terms, TimeLimits};
use orquestrador_core::{Answer, Command, Effect, Limits, Step};

use crate::scene::*;

fn retry(owner: &str, task: u128, new: u128) -> Command {
    let (task, new) = (TaskId(task), TaskId(new));
    Command::Retry { request: REQUEST, owner: owner.into(), task, new }
}

fn events(step: &Step) -> Vec<String> {
    lines(step).into_iter().filter(|line| !line.starts_with('>')).collect()
}

fn refusal(step: &Step) -> Option<String> {
    step.effects.iter().find_map(|effect| match effect {
        Effect::Answer { answer: Err(rejection), .. } => Some(rejection.to_string()),
        _ => None,
    })
}

fn failed() -> Scene {
    let mut scene = Scene::new(Limits::default());
    scene.step(0, connect(1, 2));
    let times = TimeLimits { end_ms: Some(5_000), ..TimeLimits::default() };
    let needs = Some(Box::new(Needs { slots: 2, ..Needs::default() }));
    let terms = Terms { queue: "a".into(), priority: 3, times, needs, ..Terms::default() };
    scene.step(
        0,
        submit_tasks("ana", vec![NewTask { terms: terms.into(), ..task(1, "echo", "payload") }]),
    );
    scene.step(0, fail(1, attempt(1, 1)));
    scene
}

/// Of the last assignment: what the worker is told.
fn assignment(step: &Step) -> (u32, Option<Origin>, String) {
    let last = step.effects.iter().rev().find_map(|effect| match effect {
        Effect::Assign { assignment, .. } => Some(assignment),
        _ => None,
    });
    let last = last.expect("it is assigned");
    (last.slots, last.origin, String::from_utf8_lossy(&last.payload).into_owned())
}

#[test]
fn what_failed_is_done_once_more_as_it_was_and_names_the_old_one() {
    let mut scene = failed();
    scene.fail_over(100);
    scene.rebuilt();
    scene.step(100, connect(1, 2));
    let step = scene.step(200, retry("ana", 1, 2));
    assert_eq!(events(&step), ["submitted 2 of ana for echo", "assigned 2/1 to w1"]);
    let of_first = Origin { of: TaskId(1), first: TaskId(1) };
    assert_eq!(assignment(&step), (2, Some(of_first), "payload".to_owned()));
    assert_eq!(scene.step(5_199, heartbeat(1)).events, []);
    let step = scene.step(5_200, expire());
    assert_eq!(events(&step).last().expect("all ends"), "expired 2 NotEnded", "counted anew");
}

#[test]
fn a_repetition_may_be_repeated_and_knows_the_first_one() {
    let mut scene = failed();
    scene.step(0, retry("ana", 1, 2));
    scene.step(0, fail(1, attempt(2, 1)));
    let step = scene.step(0, retry("ana", 2, 3));
    let origin = Origin { of: TaskId(2), first: TaskId(1) };
    assert_eq!(assignment(&step).1, Some(origin));
    let answer = scene.step(0, query("ana", 3)).effects.pop();
    let Some(Effect::Answer { answer: Ok(Answer::Task { snapshot, .. }), .. }) = answer else {
        panic!("it is known")
    };
    assert_eq!((snapshot.retry_of, snapshot.priority), (Some(TaskId(2)), 3));
    scene.rebuilt();
}

#[test]
fn the_same_wish_is_granted_once_and_others_are_refused() {
    let mut scene = failed();
    scene.step(0, retry("ana", 1, 2));
    assert_eq!(scene.step(0, retry("ana", 1, 2)).events, []);
    assert_eq!(refusal(&scene.step(0, retry("ana", 1, 2))), None);
    let conflict = refusal(&scene.step(0, retry("ana", 1, 1)));
    assert!(conflict.expect("is refused").contains("was submitted before"));
    let mut again = |owner: &str, task| refusal(&scene.step(0, retry(owner, task, 9)));
    assert!(again("bia", 1).expect("is refused").starts_with("there is no task"));
    assert!(again("ana", 7).expect("is refused").starts_with("there is no task"));
    assert!(again("ana", 2).expect("is refused").contains("neither failed nor was lost"));
    scene.step(0, submit_array(3, 0..9));
    let waiting = refusal(&scene.step(0, retry("ana", in_array(3, 8), 9))).expect("is refused");
    assert!(waiting.contains("neither failed nor was lost"), "{waiting}");
}

#[test]
fn what_is_kept_for_it_counts_and_is_forgotten_with_the_task() {
    let mut scene = Scene::new(Limits { max_finished_bytes: 90, ..Limits::default() });
    scene.step(0, connect(1, 9));
    scene.step(0, submit(&[1, 2, 3]));
    let counts = [1, 2, 3].map(|id| events(&scene.step(0, fail(1, attempt(id, 1)))).len());
    assert_eq!(counts, [1, 1, 2], "the first one is pruned for the third");
    assert!(refusal(&scene.step(0, retry("ana", 1, 9))).is_some());
    assert_eq!(refusal(&scene.step(0, retry("ana", 3, 9))), None);
}

#[test]
fn repetitions_use_up_no_policies() {
    let mut scene = Scene::new(Limits { max_policies: 1, ..Limits::default() });
    scene.step(0, connect(1, 9));
    let times = TimeLimits { end_ms: Some(60_000), ..TimeLimits::default() };
    let terms = Terms { times, ..Terms::default() };
    let new = |id| NewTask { terms: terms.clone().into(), ..task(id, "echo", "") };
    scene.step(0, submit_tasks("ana", vec![new(1), new(2)]));
    for id in [1, 2] {
        scene.step(0, fail(1, attempt(id, 1)));
        assert_eq!(refusal(&scene.step(0, retry("ana", id, 10 + id))), None);
    }
    assert_eq!(refusal(&scene.step(0, submit_tasks("ana", vec![new(3)]))), None);
    scene.rebuilt();
}
