use orquestrador_core::ids::RequestId;
use orquestrador_core::{Command, Limits};

use crate::scene::*;

#[test]
fn a_task_waits_while_no_worker_is_there() {
    check(
        [],
        submit(&[1]),
        "submitted 1 of ana for echo
        > task 1 of ana
        > changed 1/0 Queued NoWorker
        > 1 new, 1/0 Queued NoWorker",
    );
}

#[test]
fn a_task_is_assigned_in_the_step_that_accepts_it() {
    check(
        [connect(1, 1).into()],
        submit(&[7]),
        "submitted 7 of ana for echo
        assigned 7/1 to w1
        > task 7 of ana
        > changed 7/0 Queued
        > task 7 to w1
        > run 7/1 on 1: echo payload
        > changed 7/1 Running at w1
        > 1 new, 7/1 Running at w1",
    );
}

#[test]
fn tasks_waiting_are_given_in_order_to_a_worker_that_comes() {
    check(
        [submit(&[3, 1]).into(), submit(&[2]).into()],
        connect(1, 2),
        r#"learned ["echo"]
        registered w1 run 1 with 2 slots for ["echo"]
        assigned 3/1 to w1
        assigned 1/1 to w1
        > welcome 1
        > new worker w1
        > task 3 to w1
        > run 3/1 on 1: echo payload
        > changed 3/1 Running at w1
        > task 1 to w1
        > run 1/1 on 1: echo payload
        > changed 1/1 Running at w1"#,
    );
}

#[test]
fn an_equal_repeat_changes_nothing() {
    check([submit(&[1]).into()], submit(&[1]), "> 0 new, 1/0 Queued NoWorker");
}

#[test]
fn an_equal_repeat_of_a_finished_task_changes_nothing() {
    let given = [connect(1, 1).into(), submit(&[1]).into(), succeed(1, attempt(1, 1)).into()];
    check(given, submit(&[1]), "> 0 new, 1/1 Succeeded at w1");
}

#[test]
fn another_payload_handler_or_owner_under_a_known_id_is_refused() {
    for other in [
        submit_tasks("ana", vec![task(1, "echo", "other")]),
        submit_tasks("ana", vec![task(1, "render", "payload")]),
        submit_tasks("bia", vec![task(1, "echo", "payload")]),
    ] {
        let refusal = "> refused: TaskIdConflict { task: 00000000-0000-0000-0000-000000000001 }";
        check([submit(&[1]).into()], other.clone(), refusal);
        let given = [connect(1, 1).into(), submit(&[1]).into(), succeed(1, attempt(1, 1)).into()];
        check(given, other, refusal);
    }
}

#[test]
fn a_batch_is_accepted_as_a_whole_or_not_at_all() {
    check(
        [submit(&[2]).into()],
        submit_tasks("ana", vec![task(1, "echo", "payload"), task(2, "echo", "other")]),
        "> refused: TaskIdConflict { task: 00000000-0000-0000-0000-000000000002 }",
    );
}

#[test]
fn a_repeat_within_a_batch_is_one_task() {
    check(
        [],
        submit(&[2, 1, 2]),
        "submitted 2 of ana for echo
        submitted 1 of ana for echo
        > task 2 of ana
        > changed 2/0 Queued NoWorker
        > task 1 of ana
        > changed 1/0 Queued NoWorker
        > 2 new, 2/0 Queued NoWorker",
    );
    check(
        [],
        submit_tasks("ana", vec![task(1, "echo", "a"), task(1, "echo", "b")]),
        "> refused: TaskIdConflict { task: 00000000-0000-0000-0000-000000000001 }",
    );
}

#[test]
fn a_handler_that_nobody_ever_offered_is_refused() {
    check(
        [connect(1, 1).into()],
        submit_to("render", &[1]),
        r#"> refused: UnknownHandler { handler: "render", offered: "echo" }"#,
    );
}

#[test]
fn a_handler_once_offered_is_accepted_after_its_worker_is_lost() {
    check(
        [connect(1, 1).into(), At(5_000, expire())],
        At(5_000, submit(&[1])),
        "submitted 1 of ana for echo
        > task 1 of ana
        > changed 1/0 Queued NoWorker
        > 1 new, 1/0 Queued NoWorker",
    );
}

#[test]
fn an_unknown_handler_may_be_allowed() {
    let tasks = vec![task(1, "render", "p")];
    check(
        [connect(1, 1).into()],
        Command::Submit {
            request: RequestId(1),
            owner: "ana".into(),
            tasks,
            allow_unknown_handler: true,
        },
        "submitted 1 of ana for render
        > task 1 of ana
        > changed 1/0 Queued NoWorkerForHandler
        > 1 new, 1/0 Queued NoWorkerForHandler",
    );
}

#[test]
fn beyond_the_backlog_new_tasks_are_refused_and_repeats_are_not() {
    let few = Limits { max_active_tasks: 2, ..Limits::default() };
    let refusal = r#"> refused: BacklogFull { limit: 2, unit: "tasks" }"#;
    check_within(few.clone(), [submit(&[1, 2]).into()], submit(&[3]), refusal);
    check_within(few, [submit(&[1, 2]).into()], submit(&[2]), "> 0 new, 2/0 Queued NoWorker");
    let small = Limits { max_active_bytes: 13, ..Limits::default() };
    let refusal = r#"> refused: BacklogFull { limit: 13, unit: "bytes" }"#;
    check_within(small, [submit(&[1]).into()], submit(&[2]), refusal);
}

#[test]
fn a_finished_task_makes_room_in_the_backlog() {
    let one = Limits { max_active_tasks: 1, ..Limits::default() };
    check_within(
        one,
        [submit(&[1]).into(), cancel(1).into()],
        submit(&[2]),
        "submitted 2 of ana for echo
        > task 2 of ana
        > changed 2/0 Queued NoWorker
        > 1 new, 2/0 Queued NoWorker",
    );
}

#[test]
fn an_empty_batch_is_a_question_about_no_task() {
    check([], submit(&[]), "> tasks [] next None");
}
