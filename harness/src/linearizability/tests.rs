//! Histories that one copy could have answered, and histories that it could not.

use std::time::Duration;

use common::proto::TaskState::{self, Cancelled, Failed, Queued, Running, Succeeded};

use super::{Answer, Asked, Call, Sight, is_linearizable};

fn sight(state: TaskState, attempt: u32) -> Sight {
    Sight { state, attempt, result: None }
}

fn shown(state: TaskState, attempt: u32) -> Answer {
    Answer::Shown(sight(state, attempt))
}

fn with_result(result: u64) -> Answer {
    Answer::Shown(Sight { state: Succeeded, attempt: 1, result: Some(result) })
}

fn accepted(existed: bool) -> Answer {
    Answer::Accepted { sight: sight(Queued, 0), existed }
}

fn cancelled(attempt: u32) -> Answer {
    Answer::Cancelled(sight(Cancelled, attempt))
}

/// Begun and ended at these milliseconds.
fn call(asked: Asked, began: u64, ended: u64, answer: Answer) -> Call {
    let answered = Some((Duration::from_millis(ended), answer));
    Call { client: 0, asked, began: Duration::from_millis(began), answered }
}

/// Without a definite answer.
fn unknown(asked: Asked, began: u64) -> Call {
    Call { client: 0, asked, began: Duration::from_millis(began), answered: None }
}

use Asked::{Cancel, List, Result, Status, Submit};

#[track_caller]
fn accepts(calls: &[Call]) {
    assert!(is_linearizable(calls), "{calls:#?}");
}

#[track_caller]
fn rejects(calls: &[Call]) {
    assert!(!is_linearizable(calls), "{calls:#?}");
}

#[test]
fn a_whole_life_is_fine() {
    accepts(&[
        call(Status, 0, 1, Answer::NotFound),
        call(Submit, 2, 4, accepted(false)),
        call(List, 5, 6, shown(Running, 1)),
        // The worker died.
        call(Status, 7, 8, shown(Queued, 1)),
        call(Submit, 9, 10, Answer::Accepted { sight: sight(Running, 2), existed: true }),
        call(Status, 11, 12, shown(Succeeded, 2)),
        call(Cancel, 13, 14, Answer::Finished),
        call(Status, 15, 16, shown(Succeeded, 2)),
    ]);
}

#[test]
fn an_older_state_after_a_newer_one_is_a_stale_read() {
    let newer = call(Status, 10, 20, shown(Running, 1));
    let submitted = call(Submit, 0, 5, accepted(false));
    rejects(&[submitted, newer, call(List, 21, 30, shown(Queued, 0))]);
    accepts(&[submitted, newer, call(List, 19, 30, shown(Queued, 0))]);
}

#[test]
fn a_task_that_was_acknowledged_is_known() {
    let submitted = call(Submit, 0, 5, accepted(false));
    rejects(&[submitted, call(Status, 6, 7, Answer::NotFound)]);
    rejects(&[submitted, call(Cancel, 6, 7, Answer::NotFound)]);
    accepts(&[submitted, call(Status, 4, 7, Answer::NotFound)]);
}

#[test]
fn nothing_is_known_that_nobody_submitted() {
    rejects(&[call(Status, 0, 1, shown(Queued, 0))]);
    rejects(&[call(Status, 0, 1, shown(Queued, 0)), call(Submit, 2, 3, accepted(false))]);
}

#[test]
fn a_state_that_goes_back_is_rejected() {
    let submitted = call(Submit, 0, 1, accepted(false));
    rejects(&[
        submitted,
        call(Status, 2, 3, shown(Running, 2)),
        call(Status, 4, 5, shown(Running, 1)),
    ]);
    rejects(&[
        submitted,
        call(Status, 2, 3, shown(Queued, 1)),
        call(Status, 4, 5, shown(Running, 1)),
    ]);
    rejects(&[
        submitted,
        call(Status, 2, 3, shown(Succeeded, 1)),
        call(Status, 4, 5, shown(Running, 2)),
    ]);
    rejects(&[
        submitted,
        call(Status, 2, 3, shown(Running, 2)),
        call(Status, 4, 5, shown(Succeeded, 1)),
    ]);
}

#[test]
fn an_end_never_changes() {
    let submitted = call(Submit, 0, 1, accepted(false));
    rejects(&[
        submitted,
        call(Status, 2, 3, shown(Succeeded, 1)),
        call(Status, 4, 5, shown(Failed, 1)),
    ]);
    rejects(&[
        submitted,
        call(Status, 2, 9, shown(Succeeded, 1)),
        call(Status, 2, 9, shown(Succeeded, 2)),
    ]);
    rejects(&[submitted, call(Result, 2, 3, with_result(7)), call(Result, 2, 3, with_result(8))]);
    accepts(&[
        submitted,
        call(Result, 2, 3, with_result(7)),
        call(Status, 2, 3, shown(Succeeded, 1)),
        call(Result, 4, 5, with_result(7)),
    ]);
}

#[test]
fn a_task_is_accepted_as_new_once() {
    let first = call(Submit, 0, 10, accepted(false));
    rejects(&[first, call(Submit, 0, 10, accepted(false))]);
    accepts(&[first, call(Submit, 0, 10, accepted(true))]);
    // Its own first try, whose answer was lost.
    accepts(&[call(Submit, 0, 10, accepted(true))]);
}

/// Seen between two tries of one call: the first accepted it, the second was answered.
#[test]
fn a_repeated_submission_answers_with_what_became_of_the_first() {
    let done = Answer::Accepted { sight: sight(Succeeded, 1), existed: true };
    let between = call(List, 10, 11, shown(Running, 1));
    accepts(&[call(Submit, 0, 20, done), between]);
    rejects(&[call(Submit, 0, 9, done), between]);
    rejects(&[call(Submit, 12, 20, done), between]);
}

#[test]
fn cancelling_answers_as_the_task_stands() {
    let submitted = call(Submit, 0, 1, accepted(false));
    accepts(&[submitted, call(Cancel, 2, 3, cancelled(0)), call(Cancel, 4, 5, cancelled(0))]);
    rejects(&[submitted, call(Cancel, 2, 3, cancelled(0)), call(Cancel, 4, 5, Answer::Finished)]);
    rejects(&[
        submitted,
        call(Cancel, 2, 3, cancelled(0)),
        call(Status, 4, 5, shown(Succeeded, 1)),
    ]);
    rejects(&[
        submitted,
        call(Cancel, 2, 3, Answer::Finished),
        call(Status, 4, 5, shown(Running, 1)),
    ]);
    rejects(&[
        submitted,
        call(Cancel, 2, 3, Answer::Finished),
        call(Status, 4, 5, shown(Cancelled, 1)),
    ]);
    rejects(&[
        submitted,
        call(Status, 2, 3, shown(Succeeded, 1)),
        call(Cancel, 4, 5, cancelled(1)),
    ]);
}

#[test]
fn what_failed_may_have_happened_at_any_time_since_or_never() {
    let lost = unknown(Submit, 10);
    accepts(&[lost, call(Status, 20, 21, Answer::NotFound)]);
    accepts(&[
        lost,
        call(Status, 20, 21, Answer::NotFound),
        call(Status, 30, 31, shown(Queued, 0)),
    ]);
    rejects(&[lost, call(Status, 0, 9, shown(Queued, 0))]);
    rejects(&[
        lost,
        call(Status, 20, 21, shown(Queued, 0)),
        call(Status, 30, 31, Answer::NotFound),
    ]);
    let submitted = call(Submit, 0, 1, accepted(false));
    let lost = unknown(Cancel, 2);
    accepts(&[submitted, lost, call(Status, 3, 4, shown(Running, 1))]);
    accepts(&[
        submitted,
        lost,
        call(Status, 3, 4, shown(Running, 1)),
        call(Status, 5, 6, shown(Cancelled, 1)),
    ]);
    accepts(&[submitted, lost, call(Status, 3, 4, shown(Succeeded, 1))]);
    rejects(&[submitted, lost, call(Status, 0, 1, shown(Cancelled, 0))]);
    // A read without an answer says nothing.
    accepts(&[unknown(Status, 0)]);
}

/// Calls that are left out change no verdict.
#[test]
fn many_equal_answers_hide_nothing() {
    let mut calls = vec![call(Submit, 0, 1, accepted(false))];
    calls.extend((2..4_000).map(|at| call(Status, at, at + 50, shown(Queued, 0))));
    calls.extend((4_100..8_000).map(|at| call(List, at, at + 50, shown(Running, 1))));
    accepts(&calls);
    let stale = call(Status, 4_200, 4_201, shown(Queued, 0));
    calls.insert(5_000, stale);
    rejects(&calls);
}

/// The canceller was not the one that was answered first.
#[test]
fn of_many_cancellations_any_may_have_been_the_one() {
    accepts(&[
        call(Submit, 0, 1, accepted(false)),
        call(Cancel, 2, 100, cancelled(1)),
        call(Status, 10, 20, shown(Cancelled, 1)),
        call(Cancel, 30, 40, cancelled(1)),
        call(Cancel, 50, 60, cancelled(1)),
    ]);
    rejects(&[
        call(Submit, 0, 1, accepted(false)),
        call(Status, 10, 20, shown(Cancelled, 1)),
        call(Cancel, 30, 40, cancelled(1)),
    ]);
}
