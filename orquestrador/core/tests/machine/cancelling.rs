use crate::scene::*;

#[test]
fn a_queued_task_is_cancelled_at_once() {
    check(
        [submit(&[1, 2]).into()],
        cancel(1),
        "cancelled 1
        > task 1 is Cancelled
        > changed 1/0 Cancelled
        > cancelled 1/0 Cancelled",
    );
}

#[test]
fn a_running_task_is_cancelled_at_once_and_its_worker_told_to_stop() {
    check(
        [connect(1, 1).into(), submit(&[1, 2]).into()],
        cancel(1),
        "cancelled 1
        > stop 1/1 on 1
        > task 1 is Cancelled
        > changed 1/1 Cancelled at w1
        > cancelled 1/1 Cancelled at w1",
    );
}

#[test]
fn the_slot_of_a_cancelled_attempt_is_free_when_the_worker_says_so() {
    let given = || [connect(1, 1).into(), submit(&[1, 2]).into(), cancel(1).into()];
    check(
        given(),
        ended(1, attempt(1, 1)),
        "ended 1/1 at w1
        assigned 2/1 to w1
        > task 2 to w1
        > run 2/1 on 1: echo payload
        > changed 2/1 Running at w1",
    );
    check(
        given(),
        succeed(1, attempt(1, 1)),
        "ended 1/1 at w1
        assigned 2/1 to w1
        > fenced 1/1
        > acknowledge 1/1 on 1
        > task 2 to w1
        > run 2/1 on 1: echo payload
        > changed 2/1 Running at w1",
    );
}

#[test]
fn another_worker_cannot_free_the_slot_of_a_cancelled_attempt() {
    check(
        [connect(1, 1).into(), submit(&[1]).into(), connect(2, 1).into(), cancel(1).into()],
        ended(2, attempt(1, 1)),
        "",
    );
}

#[test]
fn the_end_of_an_attempt_that_is_not_cancelled_is_no_outcome() {
    check([connect(1, 1).into(), submit(&[1]).into()], ended(1, attempt(1, 1)), "");
}

#[test]
fn cancelling_again_succeeds_and_changes_nothing() {
    check([submit(&[1]).into(), cancel(1).into()], cancel(1), "> cancelled 1/0 Cancelled");
}

#[test]
fn a_finished_task_cannot_be_cancelled() {
    for outcome in [succeed, fail] {
        check(
            [connect(1, 1).into(), submit(&[1]).into(), outcome(1, attempt(1, 1)).into()],
            cancel(1),
            "> refused: TaskFinished { task: 00000000-0000-0000-0000-000000000001 }",
        );
    }
}

#[test]
fn a_cancelled_attempt_is_stopped_again_when_its_worker_comes_back_with_it() {
    let mut back = hello(1, 1);
    back.held = vec![attempt(1, 1)];
    check(
        [connect(1, 1).into(), submit(&[1, 2]).into(), disconnect(1).into(), cancel(1).into()],
        orquestrador_core::Command::ConnectWorker(back),
        "> welcome 1
        > w1 is back
        > stop 1/1 on 1",
    );
}

#[test]
fn a_cancelled_attempt_has_ended_when_its_worker_comes_back_without_it() {
    check(
        [connect(1, 1).into(), submit(&[1, 2]).into(), disconnect(1).into(), cancel(1).into()],
        connect(1, 1),
        "ended 1/1 at w1
        assigned 2/1 to w1
        > welcome 1
        > w1 is back
        > task 2 to w1
        > run 2/1 on 1: echo payload
        > changed 2/1 Running at w1",
    );
}

#[test]
fn the_slot_of_a_cancelled_attempt_is_gone_with_its_worker() {
    check(
        [connect(1, 1).into(), submit(&[1]).into(), cancel(1).into()],
        At(3_000, expire()),
        "lost w1 run 1
        > close 1 LeaseExpired
        > w1 considered failed",
    );
}
