//! Tasks that a worker holds beyond its slots.

use crate::scene::*;

#[test]
fn a_worker_that_asks_for_it_gets_work_beyond_its_slots() {
    check(
        [connect(1, 1).into(), submit(&[1, 2, 3]).into()],
        prefetch(1, 1),
        "assigned 2/1 to w1
        > task 2 to w1
        > run 2/1 on 1: echo payload
        > changed 2/1 Running at w1",
    );
}

#[test]
fn whoever_can_start_a_task_at_once_comes_first() {
    check(
        [connect(1, 1).into(), prefetch(1, 8).into(), submit(&[1]).into(), connect(2, 1).into()],
        submit(&[2, 3]),
        "submitted 2 of ana for echo
        submitted 3 of ana for echo
        assigned 2/1 to w2
        assigned 3/1 to w1
        > task 2 of ana
        > changed 2/0 Queued
        > task 3 of ana
        > changed 3/0 Queued
        > task 2 to w2
        > run 2/1 on 2: echo payload
        > changed 2/1 Running at w2
        > task 3 to w1
        > run 3/1 on 1: echo payload
        > changed 3/1 Running at w1
        > 2 new, 2/1 Running at w2",
    );
}

#[test]
fn what_may_be_started_once_only_never_waits_with_a_worker() {
    check(
        [connect(1, 1).into(), prefetch(1, 8).into(), submit(&[1]).into()],
        submit_once(&[2]),
        "submitted 2 of ana for echo
        > task 2 of ana
        > changed 2/0 Queued AllBusy
        > 1 new, 2/0 Queued AllBusy",
    );
}

#[test]
fn what_lost_a_worker_never_waits_with_another() {
    check(
        [
            connect(1, 1).into(),
            submit(&[1]).into(),
            At(2_900, connect(2, 1)),
            At(2_900, prefetch(2, 8)),
            At(2_900, submit(&[2])),
        ],
        At(3_000, expire()),
        "lost w1 run 1
        requeued 1/1
        > close 1 LeaseExpired
        > w1 considered failed
        > changed 1/1 Queued AllBusy",
    );
}

#[test]
fn what_is_given_back_goes_to_whoever_is_free_and_does_not_count_as_lost() {
    check(
        [
            connect(1, 1).into(),
            prefetch(1, 8).into(),
            submit(&[1, 2]).into(),
            prefetch(1, 0).into(),
            connect(2, 1).into(),
        ],
        give_back(1, &[attempt(2, 1)]),
        "returned 2/1
        assigned 2/2 to w2
        > changed 2/1 Queued
        > task 2 again, to w2
        > run 2/2 on 2: echo payload
        > changed 2/2 Running at w2",
    );
}

#[test]
fn what_is_given_back_after_it_was_cancelled_frees_its_place() {
    check(
        [connect(1, 1).into(), prefetch(1, 1).into(), submit(&[1, 2, 3]).into(), cancel(2).into()],
        give_back(1, &[attempt(2, 1)]),
        "ended 2/1 at w1
        assigned 3/1 to w1
        > task 3 to w1
        > run 3/1 on 1: echo payload
        > changed 3/1 Running at w1",
    );
}

#[test]
fn another_stream_begins_without_any() {
    check(
        [
            connect(1, 1).into(),
            prefetch(1, 8).into(),
            submit(&[1]).into(),
            disconnect(1).into(),
            connect(1, 1).into(),
        ],
        submit(&[2]),
        "submitted 2 of ana for echo
        > task 2 of ana
        > changed 2/0 Queued AllBusy
        > 1 new, 2/0 Queued AllBusy",
    );
}
