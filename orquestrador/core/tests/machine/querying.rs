use orquestrador_core::command::StateFilter;
use orquestrador_core::effect::TaskState;
use orquestrador_core::ids::{RequestId, TaskId};
use orquestrador_core::{Command, Limits, MAX_SCANNED};

use crate::scene::*;

const NOT_FOUND: &str = "> refused: TaskNotFound { task: 00000000-0000-0000-0000-000000000001 }";

#[test]
fn a_result_is_told_to_its_owner() {
    check(
        [connect(1, 1).into(), submit(&[1]).into(), succeed(1, attempt(1, 1)).into()],
        query("ana", 1),
        r#"> task 1/1 Succeeded at w1 result Some("result")"#,
    );
}

#[test]
fn the_task_of_another_does_not_exist() {
    check([submit(&[1]).into()], query("bia", 1), NOT_FOUND);
    check([], query("ana", 1), NOT_FOUND);
    let cancel = Command::Cancel { request: RequestId(1), owner: "bia".into(), task: TaskId(1) };
    check([submit(&[1]).into()], cancel, NOT_FOUND);
    let many = Command::QueryMany {
        request: RequestId(1),
        owner: "ana".into(),
        tasks: vec![TaskId(2), TaskId(3), TaskId(1)],
        with_results: true,
    };
    check(
        [submit(&[1]).into(), submit_tasks("bia", vec![task(2, "echo", "p")]).into()],
        many,
        "> tasks [1] next None",
    );
}

#[test]
fn why_a_task_waits_is_told() {
    for (given, reason) in
        [(disconnect(1), "NoWorker"), (drain(1), "NoWorkerForHandler"), (heartbeat(1), "AllBusy")]
    {
        check(
            [connect(1, 1).into(), submit(&[1, 2]).into(), given.into()],
            query("ana", 2),
            &format!("> task 2/0 Queued {reason} result None"),
        );
    }
}

#[test]
fn a_list_is_newest_first_and_paged() {
    let given = || [submit(&[5, 1, 9]).into(), submit(&[4]).into()];
    check(given(), list(0, None, 3), "> tasks [4, 9, 1] next Some(1)");
    check(given(), list(0, Some(1), 3), "> tasks [5] next None");
    check(given(), list(0, None, 4), "> tasks [4, 9, 1, 5] next None");
    check(
        given(),
        list(0, Some(77), 4),
        "> refused: TaskNotFound { task: 00000000-0000-0000-0000-00000000004d }",
    );
}

#[test]
fn a_list_is_filtered_by_state() {
    let bit = |state: TaskState| 1 << state as u8;
    let given = || {
        [
            connect(1, 1).into(),
            submit(&[1, 2, 3, 4]).into(),
            fail(1, attempt(1, 1)).into(),
            cancel(3).into(),
        ]
    };
    check(given(), list(bit(TaskState::Queued), None, 9), "> tasks [4] next None");
    check(
        given(),
        list(bit(TaskState::Running) | bit(TaskState::Failed), None, 9),
        "> tasks [2, 1] next None",
    );
    check(given(), list(bit(TaskState::Cancelled), None, 1), "> tasks [3] next Some(3)");
    check(given(), list(bit(TaskState::Succeeded), None, 9), "> tasks [] next None");
    assert!(TaskState::ALL.into_iter().all(|state| StateFilter(0).admits(state)));
}

#[test]
fn a_page_looks_at_a_bounded_number_of_tasks_and_says_where_to_go_on() {
    let mut scene = Scene::new(Limits::default());
    let ids: Vec<_> = (1..=MAX_SCANNED as u128 + 1).collect();
    scene.step(0, submit(&ids));
    scene.step(0, cancel(1));
    let cancelled = 1 << TaskState::Cancelled as u8;
    let page = scene.step(0, list(cancelled, None, 9));
    assert_eq!(lines(&page), ["> tasks [] next Some(2)"]);
    let page = scene.step(0, list(cancelled, Some(2), 9));
    assert_eq!(lines(&page), ["> tasks [1] next None"]);
}
