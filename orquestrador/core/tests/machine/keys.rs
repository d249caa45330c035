use orquestrador_core::command::{NewTask, UniqueKey};
use orquestrador_core::ids::TaskId;
use orquestrador_core::{Answer, Command, Effect, Limits, Step};

use proptest::prelude::*;

use crate::scene::*;

fn keyed(id: u128, payload: &str, (name, window_ms): (&str, u64)) -> NewTask {
    let key = Some(Box::new(UniqueKey { name: name.into(), window_ms }));
    NewTask { key, ..task(id, "echo", payload) }
}

fn submit_keyed(id: u128, payload: &str, key: (&str, u64)) -> Command {
    submit_tasks("ana", vec![keyed(id, payload, key)])
}

/// Any of a few.
pub fn key() -> impl Strategy<Value = UniqueKey> {
    let windows = prop_oneof![Just(0), 1..3_000u64];
    ((0..3u8), windows).prop_map(|(name, window_ms)| UniqueKey {
        name: format!("key {name}").as_str().into(),
        window_ms,
    })
}

/// Which task was the answer, and whether it was new; or why not.
fn answer(step: &Step) -> Result<(u128, bool), String> {
    let answer = step.effects.iter().find_map(|effect| match effect {
        Effect::Answer { answer, .. } => Some(answer),
        _ => None,
    });
    match answer.expect("it is answered") {
        Ok(Answer::Submitted { accepted, first }) => Ok((first.id.0, *accepted == 1)),
        Ok(other) => panic!("{other:?}"),
        Err(rejection) => Err(rejection.to_string()),
    }
}

#[test]
fn a_second_task_with_the_key_is_answered_with_the_first_while_that_is_active() {
    let mut scene = Scene::new(Limits::default());
    assert_eq!(answer(&scene.step(0, submit_keyed(1, "a", ("k", 0)))), Ok((1, true)));
    let again = scene.step(10, submit_keyed(2, "b", ("k", 0)));
    assert_eq!((answer(&again), again.events.len()), (Ok((1, false)), 0));
    assert_eq!(answer(&scene.step(10, submit_keyed(1, "a", ("k", 0)))), Ok((1, false)));
    let of_bia = submit_tasks("bia", vec![keyed(3, "a", ("k", 0))]);
    assert_eq!(answer(&scene.step(10, of_bia)), Ok((3, true)), "keys are each user's own");
    scene.fail_over(20);
    assert_eq!(answer(&scene.step(20, submit_keyed(4, "a", ("k", 0)))), Ok((1, false)));
    scene.step(30, cancel(1));
    assert_eq!(answer(&scene.step(30, submit_keyed(5, "a", ("k", 0)))), Ok((5, true)));
}

#[test]
fn within_its_window_a_key_is_held_by_a_finished_task_and_its_content_counts() {
    let mut scene = Scene::new(Limits::default());
    scene.step(0, connect(1, 1));
    scene.step(0, submit_keyed(1, "a", ("k", 1_000)));
    scene.step(10, succeed(1, attempt(1, 1)));
    assert_eq!(answer(&scene.step(20, submit_keyed(2, "a", ("k", 1_000)))), Ok((1, false)));
    let other = answer(&scene.step(20, submit_keyed(2, "b", ("k", 1_000))));
    assert!(other.is_err_and(|why| why.contains("has the key k")));
    let other = answer(&scene.step(20, submit_keyed(2, "b", ("k", 0))));
    assert!(other.is_err(), "the window of the first one counts, too");
    assert_eq!(answer(&scene.step(20, submit_keyed(2, "a", ("k", 0)))), Ok((1, false)));
    scene.fail_over(30);
    scene.rebuilt();
    assert_eq!(answer(&scene.step(999, submit_keyed(2, "a", ("k", 1_000)))), Ok((1, false)));
    assert_eq!(answer(&scene.step(1_000, submit_keyed(2, "b", ("k", 1_000)))), Ok((2, true)));
}

#[test]
fn a_key_is_let_go_of_by_time_alone() {
    let mut scene = Scene::new(Limits { max_keys: 1, ..Limits::default() });
    scene.step(0, submit_keyed(1, "a", ("k", 1_000)));
    let full = answer(&scene.step(0, submit_keyed(2, "a", ("l", 0))));
    assert!(full.is_err_and(|why| why.contains("1 keys")));
    scene.step(10, cancel(1));
    assert_eq!(scene.principal.next_deadline().map(|at| at.0), Some(1_000));
    assert!(scene.step(999, expire()).events.is_empty());
    assert_eq!(lines(&scene.step(1_000, expire())), ["released keys [(\"ana\", \"k\")]"]);
    assert_eq!(answer(&scene.step(1_000, submit_keyed(2, "a", ("l", 0)))), Ok((2, true)));
}

#[test]
fn no_user_takes_all_the_room_for_keys() {
    let limits = Limits { max_keys: 3, max_user_keys: 2, ..Limits::default() };
    let mut scene = Scene::new(limits);
    for (id, name) in [(1, "k"), (2, "l")] {
        assert_eq!(answer(&scene.step(0, submit_keyed(id, "a", (name, 0)))), Ok((id, true)));
    }
    let full = answer(&scene.step(0, submit_keyed(3, "a", ("m", 0))));
    assert!(full.is_err_and(|why| why.contains("2 keys of one user")));
    let of_bia = submit_tasks("bia", vec![keyed(4, "a", ("m", 0))]);
    assert_eq!(answer(&scene.step(0, of_bia)), Ok((4, true)));
    scene.step(10, cancel(1));
    scene.rebuilt();
    scene.fail_over(20);
    let of_bia = submit_tasks("bia", vec![keyed(5, "a", ("n", 0))]);
    assert_eq!(answer(&scene.step(20, of_bia)), Ok((5, true)));
    let full = answer(&scene.step(20, submit_keyed(6, "a", ("m", 0))));
    assert!(full.is_err_and(|why| why.contains("3 keys")), "both bounds hold");
}

#[test]
fn a_key_outlives_the_record_of_its_task() {
    let mut scene = Scene::new(Limits { max_finished_tasks: 0, ..Limits::default() });
    scene.step(0, submit_keyed(1, "a", ("k", 1_000)));
    scene.step(10, cancel(1));
    assert!(scene.principal.history().all(|event| {
        !lines(&Step { events: vec![event], effects: vec![] })[0].contains("submitted")
    }));
    scene.rebuilt();
    scene.fail_over(20);
    for id in [1, 2] {
        let spent = answer(&scene.step(20, submit_keyed(id, "a", ("k", 1_000))));
        assert!(spent.is_err_and(|why| why.contains("was forgotten")), "as {}", TaskId(id));
    }
    assert_eq!(answer(&scene.step(1_000, submit_keyed(2, "a", ("k", 1_000)))), Ok((2, true)));
}
