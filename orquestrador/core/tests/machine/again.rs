use orquestrador_core::command::{After, Condition, Delivery, NewArray, NewTask};
use orquestrador_core::effect::TaskState;
use orquestrador_core::ids::{SessionId, TaskId};
use orquestrador_core::needs::Needs;
use orquestrador_core::terms::{Origin, Terms, TimeLimits};
use orquestrador_core::{Answer, Command, Effect, Limits, Step};

use crate::array_waits::with;
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
    assert_eq!(
        events(&step),
        ["submitted 2 of ana for echo", "repeated 1 by 2", "assigned 2/1 to w1"]
    );
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

fn after(id: u128, after: &[u128]) -> NewTask {
    let tasks = after.iter().map(|id| TaskId(*id)).collect();
    let after =
        Some(Box::new(After { tasks, condition: Condition::Succeeded, sources: Vec::new() }));
    let terms = Terms { group: Some("g".into()), ..Terms::default() }.into();
    NewTask { after, terms, ..task(id, "echo", "payload") }
}

fn of_group(scene: &mut Scene) -> String {
    let group = "g".into();
    let query = Command::QueryGroup { request: REQUEST, owner: "ana".into(), group };
    lines(&scene.step(0, query)).pop().expect("an answer")
}

fn retry_array(array: u128, new: u128) -> Command {
    retry("ana", array_id(array).0, array_id(new).0)
}

#[test]
fn what_was_skipped_comes_again_after_what_does_its_cause_once_more() {
    let mut scene = Scene::new(Limits::default());
    scene.step(0, connect(1, 4));
    let first = NewTask { after: None, ..after(1, &[]) };
    scene.step(0, submit_tasks("ana", vec![first, after(2, &[1]), after(3, &[2, 1])]));
    scene.step(0, fail(1, attempt(1, 1)));
    assert!(of_group(&mut scene).starts_with("> g Failed [0, 0, 0, 3, 0, 0]"));
    scene.rebuilt();
    assert!(refusal(&scene.step(0, retry("ana", 2, 20))).is_some());
    scene.step(0, retry("ana", 1, 10));
    let refused = refusal(&scene.step(0, retry("ana", 3, 30))).expect("2 is not done once more");
    assert!(refused.contains(&format!("comes after {}", TaskId(2))), "{refused}");
    let step = scene.step(0, retry("ana", 2, 20));
    let blocked = "blocked 20 after 10 Succeeded";
    assert_eq!(events(&step), ["submitted 20 of ana for echo", blocked, "repeated 2 by 20"]);
    scene.rebuilt();
    // Also when it is done once more again.
    scene.step(0, fail(1, attempt(10, 1)));
    scene.step(0, retry("ana", 10, 11));
    scene.step(0, succeed(1, attempt(11, 1)));
    let step = scene.step(0, retry("ana", 20, 21));
    assert!(events(&step).contains(&"released 21".to_owned()), "{:?}", events(&step));
    scene.step(0, retry("ana", 3, 30));
    scene.step(0, succeed(1, attempt(21, 1)));
    let step = scene.step(0, succeed(1, attempt(30, 1)));
    assert_eq!(events(&step), ["succeeded 30/1"]);
    let group = of_group(&mut scene);
    assert!(group.starts_with("> g Succeeded [0, 0, 3, 0, 0, 0] 0 forgotten 5 retried"), "{group}");
    scene.rebuilt();
}

#[test]
fn all_that_failed_in_one_moment_must_be_done_once_more() {
    let mut scene = Scene::new(Limits::default());
    scene.step(0, connect(1, 4));
    let once = Terms { delivery: Delivery::AtMostOnce, ..Terms::default() };
    let once = |id| NewTask { terms: once.clone().into(), ..task(id, "echo", "payload") };
    scene.step(0, submit_tasks("ana", vec![once(1), once(2), after(3, &[1, 2])]));
    // Another incarnation of the worker: both are lost with the one before.
    scene.step(0, Command::DisconnectWorker { session: SessionId(1) });
    let step = scene.step(60_000, expire());
    let lost = events(&step);
    assert!(lost.contains(&"skipped 3 because of 1".to_owned()), "{lost:?}");
    scene.step(60_000, retry("ana", 1, 10));
    let refused = refusal(&scene.step(60_000, retry("ana", 3, 30))).expect("2 is lost");
    assert!(refused.contains(&format!("comes after {}", TaskId(2))), "{refused}");
    scene.step(60_000, retry("ana", 2, 20));
    let step = scene.step(60_000, retry("ana", 3, 30));
    assert!(events(&step).contains(&"blocked 30 after 10 20 Succeeded".to_owned()), "{step:?}");
}

#[test]
fn an_array_that_was_skipped_is_done_once_more_as_another() {
    let mut scene = Scene::new(Limits::default());
    scene.step(0, connect(1, 4));
    scene.step(0, submit(&[1]));
    let group = |array: &mut NewArray| {
        let terms = Terms { group: Some("g".into()), ..Terms::clone(&array.terms) };
        array.terms = terms.into();
    };
    let waiting = with(7, 3, |array| {
        group(array);
        let tasks = vec![TaskId(1)];
        array.after =
            Some(Box::new(After { tasks, condition: Condition::Succeeded, sources: Vec::new() }));
    });
    scene.step(0, waiting);
    scene.step(0, cancel(in_array(7, 1)));
    scene.step(
        0,
        submit_tasks("ana", vec![after(2, &[array_id(7).0]), after(3, &[in_array(7, 2)])]),
    );
    scene.step(0, fail(1, attempt(1, 1)));
    assert!(refusal(&scene.step(0, retry_array(7, 8))).is_some(), "1 is not done once more");
    scene.step(0, retry("ana", 1, 10));
    scene.step(0, succeed(1, attempt(10, 1)));
    scene.rebuilt();
    let step = scene.step(0, retry_array(7, 8));
    let told = events(&step);
    assert!(told.contains(&"repeated a7 by a8".to_owned()), "{told:?}");
    assert!(told.contains(&"assigned a8.2/1 to w1".to_owned()), "{told:?}");
    assert_eq!(events(&scene.step(0, retry_array(7, 8))), Vec::<String>::new(), "it is there");
    let step = scene.step(0, retry("ana", 3, 30));
    assert!(events(&step).contains(&"blocked 30 after a8.2 Succeeded".to_owned()), "{step:?}");
    // One of it is cancelled, for good.
    assert!(refusal(&scene.step(0, retry("ana", 2, 20))).is_some());
    let of_apart = scene.step(0, query("ana", in_array(7, 2))).effects.pop();
    let Some(Effect::Answer { answer: Ok(Answer::Task { snapshot, .. }), .. }) = of_apart else {
        panic!("it is known")
    };
    assert_eq!(snapshot.retried_as, Some(TaskId(in_array(8, 2))));
    let of_new = scene.step(0, query("ana", in_array(8, 2))).effects.pop();
    let Some(Effect::Answer { answer: Ok(Answer::Task { snapshot, .. }), .. }) = of_new else {
        panic!("it is known")
    };
    assert_eq!(snapshot.retry_of, Some(TaskId(in_array(7, 2))));
    let state = |scene: &mut Scene, n| match scene.step(0, query_array("ana", n)).effects.pop() {
        Some(Effect::Answer { answer: Ok(Answer::Array { snapshot }), .. }) => {
            (snapshot.state, snapshot.retried)
        }
        other => panic!("it is known: {other:?}"),
    };
    scene.step(0, succeed(1, attempt(in_array(8, 0), 1)));
    assert_eq!(state(&mut scene, 8), (TaskState::Running, 0));
    scene.step(0, succeed(1, attempt(in_array(8, 2), 1)));
    assert_eq!(state(&mut scene, 8), (TaskState::Cancelled, 0), "as one of it is");
    assert_eq!(state(&mut scene, 7), (TaskState::Failed, 2), "one of it is cancelled");
    scene.step(0, succeed(1, attempt(30, 1)));
    let group = of_group(&mut scene);
    assert!(group.contains("3 retried"), "{group}");
    scene.rebuilt();
}

#[test]
fn what_comes_after_an_array_comes_again_after_those_of_it_that_are_done_once_more() {
    let mut scene = Scene::new(Limits::default());
    scene.step(0, connect(1, 4));
    scene.step(0, submit_array(7, 0..3));
    scene.step(0, submit_tasks("ana", vec![after(2, &[array_id(7).0])]));
    scene.step(0, succeed(1, attempt(in_array(7, 0), 1)));
    scene.step(0, fail(1, attempt(in_array(7, 1), 1)));
    scene.step(0, fail(1, attempt(in_array(7, 2), 1)));
    scene.step(0, retry("ana", in_array(7, 1), 10));
    assert!(refusal(&scene.step(0, retry("ana", 2, 20))).is_some());
    let state = |scene: &mut Scene| match scene.step(0, query_array("ana", 7)).effects.pop() {
        Some(Effect::Answer { answer: Ok(Answer::Array { snapshot }), .. }) => {
            (snapshot.state, snapshot.retried)
        }
        other => panic!("it is known: {other:?}"),
    };
    assert_eq!(state(&mut scene), (TaskState::Failed, 1), "the other one is not done once more");
    scene.step(0, retry("ana", in_array(7, 2), 11));
    let step = scene.step(0, retry("ana", 2, 20));
    assert!(events(&step).contains(&"blocked 20 after 10 11 Succeeded".to_owned()), "{step:?}");
    assert_eq!(state(&mut scene), (TaskState::Running, 2));
    scene.step(0, fail(1, attempt(10, 1)));
    scene.step(0, succeed(1, attempt(11, 1)));
    assert_eq!(state(&mut scene), (TaskState::Failed, 2));
    scene.step(0, retry("ana", 10, 12));
    scene.step(0, succeed(1, attempt(12, 1)));
    assert_eq!(state(&mut scene), (TaskState::Succeeded, 2));
    scene.rebuilt();
    assert_eq!(state(&mut scene), (TaskState::Succeeded, 2));
}

#[test]
fn what_is_submitted_after_a_repeated_task_comes_after_its_repetition() {
    let mut scene = failed();
    scene.step(0, retry("ana", 1, 10));
    let step = scene.step(0, submit_tasks("ana", vec![after(2, &[1])]));
    assert!(events(&step).contains(&"blocked 2 after 10 Succeeded".to_owned()), "{step:?}");
    let sources = |scene: &mut Scene, of| {
        let query = Command::QuerySources { request: REQUEST, task: TaskId(2), of: TaskId(of) };
        let answer = scene.step(0, query).effects.pop();
        let Some(Effect::Answer { answer: Ok(Answer::Sources { sources, .. }), .. }) = answer
        else {
            panic!("it is known")
        };
        sources.into_iter().map(|source| source.task).collect::<Vec<_>>()
    };
    assert_eq!(sources(&mut scene, 1), [TaskId(1)], "the other one has not ended");
    scene.step(0, succeed(1, attempt(10, 1)));
    assert_eq!(sources(&mut scene, 1), [TaskId(10)]);
}
