use orquestrador_core::Limits;

use crate::scene::*;

fn keeping(tasks: u64, bytes: u64) -> Limits {
    let (max_finished_tasks, max_finished_bytes) = (tasks, bytes);
    Limits { max_finished_tasks, max_finished_bytes, prune_batch: 2, ..Limits::default() }
}

#[test]
fn the_task_finished_first_is_forgotten_first() {
    check_within(
        keeping(2, 1_000),
        [submit(&[1, 2, 3]).into(), cancel(2).into(), cancel(1).into()],
        cancel(3),
        "cancelled 3
        pruned 2
        > task 3 is Cancelled
        > changed 3/0 Cancelled
        > cancelled 3/0 Cancelled",
    );
}

#[test]
fn results_are_forgotten_by_their_bytes() {
    check_within(
        keeping(9, 6),
        [connect(1, 1).into(), submit(&[1, 2]).into(), succeed(1, attempt(1, 1)).into()],
        succeed(1, attempt(2, 1)),
        "succeeded 2/1
        pruned 1
        > task 2 is Succeeded
        > changed 2/1 Succeeded at w1: result
        > acknowledge 2/1 on 1",
    );
}

#[test]
fn what_one_batch_does_not_forget_the_next_does() {
    let mut scene = Scene::new(Limits::default());
    scene.step(0, submit(&[1, 2, 3, 4, 5]));
    (1..=5).for_each(|id| drop(scene.step(0, cancel(id))));
    let mut stricter = Scene::new(keeping(2, 1_000));
    scene.principal.history().for_each(|event| {
        stricter.principal.apply(&event);
        stricter.standby.apply(&event);
    });
    assert_eq!(lines(&stricter.step(0, expire())), ["pruned 1 2"]);
    assert_eq!(lines(&stricter.step(0, expire())), ["pruned 3"]);
    assert_eq!(lines(&stricter.step(0, expire())), Vec::<String>::new());
}

/// An audit tells by it whether a task that a snapshot does not know may have been there.
#[test]
fn how_many_were_forgotten_is_known_from_what_is_left() {
    let mut scene = Scene::new(keeping(2, 1_000));
    scene.step(0, submit(&[1, 2, 3, 4, 5]));
    assert_eq!(scene.principal.forgotten(), None, "nothing is finished");
    (1..=5).for_each(|id| drop(scene.step(0, cancel(id))));
    assert_eq!(scene.principal.forgotten(), Some(3));
    assert_eq!(scene.rebuilt().forgotten(), Some(3), "a snapshot tells it too");
}

#[test]
fn a_cancelled_task_is_kept_while_its_attempt_holds_a_slot() {
    let given =
        || [connect(1, 1).into(), submit(&[1]).into(), cancel(1).into(), submit(&[2]).into()];
    check_within(
        keeping(0, 0),
        given(),
        cancel(2),
        "cancelled 2
        pruned 2
        > task 2 is Cancelled
        > changed 2/0 Cancelled
        > cancelled 2/0 Cancelled",
    );
    check_within(keeping(0, 0), given(), ended(1, attempt(1, 1)), {
        "ended 1/1 at w1
        assigned 2/1 to w1
        pruned 1
        > task 2 to w1
        > run 2/1 on 1: echo payload
        > changed 2/1 Running at w1"
    });
}

#[test]
fn a_forgotten_task_is_not_found_and_its_id_is_free() {
    let given = || [submit(&[1]).into(), cancel(1).into()];
    check_within(
        keeping(0, 0),
        given(),
        query("ana", 1),
        "> refused: TaskNotFound { task: 00000000-0000-0000-0000-000000000001 }",
    );
    check_within(
        keeping(0, 0),
        given(),
        submit_tasks("bia", vec![task(1, "echo", "another")]),
        "submitted 1 of bia for echo
        > task 1 of bia
        > changed 1/0 Queued NoWorker
        > 1 new, 1/0 Queued NoWorker",
    );
}
