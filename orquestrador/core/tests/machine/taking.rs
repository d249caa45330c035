//! Tasks that take files of others: these are not forgotten before.

use orquestrador_core::command::{After, Condition, NewTask};
use orquestrador_core::ids::TaskId;
use orquestrador_core::{Command, Limits, Step};

use crate::array_waits::with;
use crate::scene::*;

fn keeping(tasks: u64) -> Scene {
    let limits = Limits { max_finished_tasks: tasks, ..Limits::default() };
    let mut scene = Scene::new(limits);
    scene.step(0, connect(1, 1));
    scene
}

fn taking(of: &[u128]) -> Box<After> {
    let tasks: Vec<_> = of.iter().map(|id| TaskId(*id)).collect();
    Box::new(After { sources: tasks.clone(), tasks, condition: Condition::Succeeded })
}

fn taker(id: u128, of: &[u128]) -> Command {
    submit_tasks("ana", vec![NewTask { after: Some(taking(of)), ..task(id, "echo", "payload") }])
}

fn events(step: &Step) -> Vec<String> {
    lines(step).into_iter().filter(|line| !line.starts_with('>')).collect()
}

fn pruned(step: &Step) -> Vec<String> {
    events(step).into_iter().filter(|line| line.starts_with("pruned")).collect()
}

/// Submits and finishes another one; what is forgotten by that.
fn another(scene: &mut Scene, id: u128) -> Vec<String> {
    scene.step(0, submit(&[id]));
    pruned(&scene.step(0, cancel(id)))
}

#[test]
fn what_one_left_is_kept_until_the_one_that_takes_it_has_ended() {
    let mut scene = keeping(3);
    scene.step(0, submit(&[1]));
    let accepted = events(&scene.step(0, taker(2, &[1])));
    assert!(accepted.contains(&"2 takes of 1".to_owned()), "{accepted:?}");
    scene.step(0, succeed(1, attempt(1, 1)));
    scene.rebuilt();
    for id in [3, 4] {
        assert_eq!(another(&mut scene, id), Vec::<String>::new());
    }
    assert_eq!(another(&mut scene, 5), ["pruned 3"], "the first one is passed over");
    scene.rebuilt();
    scene.fail_over(10);
    let ended = scene.step(10, connect(1, 1));
    assert_eq!(pruned(&ended), Vec::<String>::new());
    let ended = scene.step(10, succeed(1, attempt(2, 1)));
    assert_eq!(pruned(&ended), ["pruned 1"]);
    scene.rebuilt();
}

#[test]
fn nobody_keeps_more_than_twice_of_what_may_be_kept() {
    let mut scene = keeping(2);
    let of: Vec<u128> = (1..=6).collect();
    scene.step(0, submit(&of));
    scene.step(0, taker(9, &of));
    for id in 1..=4 {
        assert_eq!(pruned(&scene.step(0, succeed(1, attempt(id, 1)))), Vec::<String>::new());
    }
    assert_eq!(pruned(&scene.step(0, succeed(1, attempt(5, 1)))), ["pruned 1"]);
    scene.rebuilt();
}

#[test]
fn a_repetition_takes_the_same_and_of_what_repeats_that() {
    let mut scene = keeping(4);
    scene.step(0, submit(&[1]));
    scene.step(0, taker(2, &[1]));
    scene.step(0, succeed(1, attempt(1, 1)));
    scene.step(0, fail(1, attempt(2, 1)));
    let retry = |task, new| {
        let (task, new) = (TaskId(task), TaskId(new));
        Command::Retry { request: REQUEST, owner: "ana".into(), task, new }
    };
    let again = events(&scene.step(0, retry(2, 20)));
    assert!(again.contains(&"20 takes of 1".to_owned()), "{again:?}");
    assert!(again.contains(&"assigned 20/1 to w1".to_owned()), "{again:?}");
    scene.step(0, fail(1, attempt(20, 1)));
    scene.rebuilt();
    (3..=6).for_each(|id| drop(another(&mut scene, id)));
    let refused = lines(&scene.step(0, retry(20, 21)));
    assert!(refused[0].contains("refused"), "1 is forgotten: {refused:?}");
}

#[test]
fn an_array_takes_until_its_last_task_has_ended() {
    let mut scene = keeping(1);
    scene.step(0, submit(&[1]));
    scene.step(0, with(7, 2, |array| array.after = Some(taking(&[1]))));
    scene.step(0, succeed(1, attempt(1, 1)));
    let first = scene.step(0, succeed(1, attempt(in_array(7, 0), 1)));
    assert_eq!(pruned(&first), ["pruned a7.0"], "and not what is still to be taken");
    scene.rebuilt();
    let ended = scene.step(0, succeed(1, attempt(in_array(7, 1), 1)));
    assert_eq!(pruned(&ended), ["pruned 1"]);
    scene.rebuilt();
}

#[test]
fn what_repeats_a_source_is_kept_too() {
    let mut scene = keeping(9);
    scene.step(0, submit(&[1]));
    scene.step(0, fail(1, attempt(1, 1)));
    let (task, new) = (TaskId(1), TaskId(10));
    scene.step(0, Command::Retry { request: REQUEST, owner: "ana".into(), task, new });
    scene.step(0, succeed(1, attempt(10, 1)));
    let accepted = events(&scene.step(0, taker(2, &[1])));
    assert!(accepted.contains(&"2 takes of 1 10".to_owned()), "{accepted:?}");
    scene.rebuilt();
}
