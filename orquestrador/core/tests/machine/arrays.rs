//! Tasks that differ by their number alone.

use orquestrador_core::Limits;

use crate::scene::*;

#[test]
fn an_array_is_one_submission_and_its_tasks_begin_in_their_order() {
    check(
        [connect(1, 2).into()],
        submit_array(1, 5..10),
        "submitted 5 from a1.5 of ana for echo
        assigned a1.5/1 to w1
        assigned a1.6/1 to w1
        > array 1 of 5 of ana
        > task a1.5 to w1
        > run a1.5/1 on 1: echo payload
        > changed a1.5/1 Running at w1
        > task a1.6 to w1
        > run a1.6/1 on 1: echo payload
        > changed a1.6/1 Running at w1
        > existed false, array 1 of 5 from 5: [3, 2, 0, 0, 0, 0], 0 forgotten",
    );
}

#[test]
fn the_next_one_begins_when_a_slot_is_free() {
    check(
        [connect(1, 1).into(), submit_array(1, 0..3).into()],
        succeed(1, attempt(in_array(1, 0), 1)),
        "succeeded a1.0/1
        assigned a1.1/1 to w1
        > task a1.0 is Succeeded
        > changed a1.0/1 Succeeded at w1: result
        > acknowledge a1.0/1 on 1
        > task a1.1 to w1
        > run a1.1/1 on 1: echo payload
        > changed a1.1/1 Running at w1",
    );
}

#[test]
fn a_repeated_submission_changes_nothing_and_another_one_is_refused() {
    let given = || [submit_array(1, 0..3).into()];
    check(
        given(),
        submit_array(1, 0..3),
        "> existed true, array 1 of 3 from 0: [3, 0, 0, 0, 0, 0], 0 forgotten",
    );
    for other in [submit_array(1, 0..4), submit_array(1, 1..4)] {
        check(given(), other, &format!("> refused: ArrayConflict {{ array: {} }}", array_id(1)));
    }
}

#[test]
fn a_single_task_cannot_take_the_name_of_one_in_an_array() {
    let refused = format!("> refused: TaskIdConflict {{ task: {} }}", array_id(1).task(1));
    check([submit_array(1, 0..3).into()], submit(&[in_array(1, 1)]), &refused);
}

#[test]
fn tasks_that_wait_without_a_record_look_like_others() {
    let given = || [submit(&[7]).into(), submit_array(1, 0..4).into(), submit(&[8]).into()];
    for number in [0, 3] {
        check(
            given(),
            query("ana", in_array(1, number)),
            &format!("> task a1.{number}/0 Queued NoWorker result None"),
        );
    }
    let refused = |task| format!("> refused: TaskNotFound {{ task: {task} }}");
    check(given(), query("bia", in_array(1, 3)), &refused(array_id(1).task(3)));
    check(given(), query("ana", in_array(1, 4)), &refused(array_id(1).task(4)));
    check(given(), list(0, None, 3), "> tasks [8, a1.3, a1.2] next Some(a1.2)");
    check(given(), list(0, Some(in_array(1, 2)), 9), "> tasks [a1.1, a1.0, 7] next None");
    check(given(), list(2, None, 9), "> tasks [] next None");
}

#[test]
fn how_an_array_stands() {
    let given = || {
        [
            connect(1, 2).into(),
            submit_array(1, 0..9).into(),
            succeed(1, attempt(in_array(1, 0), 1)).into(),
            cancel(in_array(1, 7)).into(),
        ]
    };
    check(given(), query_array("ana", 1), "> array 1 of 9 from 0: [5, 2, 1, 0, 1, 0], 0 forgotten");
    let refused = format!("> refused: ArrayNotFound {{ array: {} }}", array_id(1));
    check(given(), query_array("bia", 1), &refused);
}

#[test]
fn one_that_waits_is_cancelled_before_its_turn_and_passed_over_then() {
    let given = || [connect(1, 1).into(), submit_array(1, 0..5).into()];
    check(
        given(),
        cancel(in_array(1, 2)),
        "cancelled a1.2
        > task a1.2 is Cancelled
        > changed a1.2/0 Cancelled
        > cancelled a1.2/0 Cancelled",
    );
    let mut scene = Scene::new(Limits::default());
    given().into_iter().for_each(|At(now, command)| drop(scene.step(now, command)));
    scene.step(0, cancel(in_array(1, 2)));
    // The front itself, too.
    scene.step(0, cancel(in_array(1, 1)));
    assert_eq!(
        lines(&scene.step(0, succeed(1, attempt(in_array(1, 0), 1))))[1],
        "assigned a1.3/1 to w1"
    );
    assert_eq!(
        lines(&scene.step(0, list(0, None, 9))),
        ["> tasks [a1.4, a1.3, a1.2, a1.1, a1.0] next None"]
    );
    scene.fail_over(0);
    scene.step(0, connect(1, 2));
    scene.step(0, succeed(1, attempt(in_array(1, 3), 1)));
    scene.step(0, succeed(1, attempt(in_array(1, 4), 1)));
    assert_eq!(
        lines(&scene.step(0, query_array("ana", 1))),
        ["> array 1 of 5 from 0: [0, 0, 3, 0, 2, 0], 0 forgotten"]
    );
}

#[test]
fn arrays_and_tasks_take_turns_in_the_order_of_submission() {
    let mut scene = Scene::new(Limits::default());
    scene.step(0, submit(&[1]));
    scene.step(0, submit_array(1, 0..2));
    scene.step(0, submit(&[2]));
    scene.step(0, submit_array(2, 0..1));
    let assigned: Vec<_> = lines(&scene.step(0, connect(1, 9)))
        .into_iter()
        .filter(|line| line.starts_with("assigned"))
        .collect();
    assert_eq!(
        assigned,
        ["1/1", "a1.0/1", "a1.1/1", "2/1", "a2.0/1"].map(|task| format!("assigned {task} to w1"))
    );
}

#[test]
fn an_array_counts_as_all_its_tasks_and_as_one_payload() {
    let limits = Limits { max_active_tasks: 5, max_active_bytes: 30, ..Limits::default() };
    check_within(
        limits.clone(),
        [submit_array(1, 0..3).into()],
        submit_array(2, 0..3),
        "> refused: BacklogFull { limit: 5, unit: \"tasks\" }",
    );
    check_within(
        Limits { max_active_bytes: 20, ..limits },
        [submit_array(1, 0..3).into()],
        submit_array(2, 0..2),
        "> refused: BacklogFull { limit: 20, unit: \"bytes\" }",
    );
}

#[test]
fn an_array_is_forgotten_with_the_last_of_its_tasks() {
    let limits = Limits { max_finished_tasks: 1, ..Limits::default() };
    let mut scene = Scene::new(limits);
    scene.step(0, connect(1, 1));
    scene.step(0, submit_array(1, 0..3));
    for number in 0..3 {
        scene.step(0, succeed(1, attempt(in_array(1, number), 1)));
    }
    assert_eq!(
        lines(&scene.step(0, query_array("ana", 1))),
        ["> array 1 of 3 from 0: [0, 0, 3, 0, 0, 0], 2 forgotten"]
    );
    scene.rebuilt();
    scene.step(0, submit(&[1]));
    scene.step(0, succeed(1, attempt(1, 1)));
    let refused = format!("> refused: ArrayNotFound {{ array: {} }}", array_id(1));
    assert_eq!(lines(&scene.step(0, query_array("ana", 1))), [refused]);
    // Its name is free again.
    let again = lines(&scene.step(0, submit_array(1, 0..2)));
    assert_eq!(again[0], "submitted 2 from a1.0 of ana for echo");
}

#[test]
fn a_million_tasks_are_one_record_and_one_event() {
    let mut scene = Scene::new(Limits::default());
    let step = {
        let mut step = orquestrador_core::Step::default();
        let now = orquestrador_core::ids::Timestamp(0);
        scene.principal.handle(now, submit_array(1, 0..1_000_000), &mut step);
        step
    };
    assert_eq!(step.events.len(), 1);
    assert_eq!(scene.principal.task_count(), 1_000_000);
    // The array, and its front.
    assert_eq!(scene.principal.history().count(), 2);
}

#[test]
fn an_array_is_cancelled_in_one_step() {
    let given = || {
        [
            connect(1, 2).into(),
            submit_array(1, 0..9).into(),
            succeed(1, attempt(in_array(1, 0), 1)).into(),
            cancel(in_array(1, 5)).into(),
        ]
    };
    check(
        given(),
        cancel_array(1),
        "cancelled array 1
        cancelled a1.1
        cancelled a1.2
        cancelled a1.3
        > array 1 without 4
        > of array 1 [4..5, 6..9] Cancelled
        > stop a1.1/1 on 1
        > task a1.1 is Cancelled
        > changed a1.1/1 Cancelled at w1
        > stop a1.2/1 on 1
        > task a1.2 is Cancelled
        > changed a1.2/1 Cancelled at w1
        > task a1.3 is Cancelled
        > changed a1.3/0 Cancelled
        > array 1 of 9 from 0: [0, 0, 1, 0, 8, 0], 4 forgotten",
    );
    let mut scene = Scene::new(Limits::default());
    given().into_iter().for_each(|At(now, command)| drop(scene.step(now, command)));
    scene.step(0, cancel_array(1));
    // Once more changes nothing; nor does one of its tasks, and none begins.
    let again = lines(&scene.step(0, cancel_array(1)));
    assert_eq!(again, ["> array 1 of 9 from 0: [0, 0, 1, 0, 8, 0], 4 forgotten"]);
    for number in [3, 5, 8] {
        let cancelled = lines(&scene.step(0, cancel(in_array(1, number))));
        assert_eq!(cancelled, [format!("> cancelled a1.{number}/0 Cancelled")]);
    }
    scene.fail_over(0);
    let begun = lines(&scene.step(0, connect(1, 2)));
    assert!(!begun.iter().any(|line| line.starts_with("assigned")), "{begun:?}");
    assert_eq!(
        lines(&scene.step(0, list(0, None, 9))),
        ["> tasks [a1.5, a1.3, a1.2, a1.1, a1.0] next None"]
    );
}

#[test]
fn an_array_may_be_submitted_without_some_of_its_tasks() {
    let mut scene = Scene::new(Limits::default());
    scene.step(0, submit_array_without(1, 10..20, &[0..2, 4..9]));
    assert_eq!(
        lines(&scene.step(0, query_array("ana", 1))),
        ["> array 1 of 10 from 10: [3, 0, 0, 0, 7, 0], 7 forgotten"]
    );
    let assigned = lines(&scene.step(0, connect(1, 9)));
    let assigned: Vec<_> = assigned.iter().filter(|line| line.starts_with("assigned")).collect();
    assert_eq!(
        assigned,
        ["a1.12", "a1.13", "a1.19"]
            .map(|t| format!("assigned {t}/1 to w1"))
            .iter()
            .collect::<Vec<_>>()
    );
    // The whole one is the same array.
    let again = lines(&scene.step(0, submit_array(1, 10..20)));
    assert_eq!(again, ["> existed true, array 1 of 10 from 10: [0, 3, 0, 0, 7, 0], 7 forgotten"]);
}

#[test]
fn what_can_never_fit_is_told_from_what_cannot_now() {
    let limits = Limits { max_active_tasks: 5, ..Limits::default() };
    let refused = "> refused: NeverFits { limit: 5, unit: \"tasks\" }";
    check_within(limits, [], submit_array(1, 0..6), refused);
}

/// However many were cancelled early and forgotten, each step of a list is a short one.
#[test]
fn a_list_does_not_walk_over_what_is_forgotten() {
    let limits = Limits { max_finished_tasks: 1, ..Limits::default() };
    let mut scene = orquestrador_core::Machine::new(limits);
    let now = orquestrador_core::ids::Timestamp(0);
    scene.take_office(now, &mut orquestrador_core::Step::default());
    let mut run = |command| {
        let mut step = orquestrador_core::Step::default();
        scene.handle(now, command, &mut step);
        step
    };
    run(submit_array(1, 0..200_000));
    (1..100_000).for_each(|number| drop(run(cancel(in_array(1, number)))));
    let last = lines(&run(list(2, None, 9)));
    assert_eq!(last, ["> tasks [] next Some(a1.100000)"]);
}
