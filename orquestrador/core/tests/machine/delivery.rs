//! Tasks that may be started once only: what takes the place of their return to the queue.

use orquestrador_core::command::{ConnectWorker, Delivery, NewTask};
use orquestrador_core::effect::TaskState;
use orquestrador_core::ids::{ProcessId, SessionId};
use orquestrador_core::{Command, Limits};

use crate::scene::*;

/// The first worker, again.
fn back(session: u64, run: u128, held: &[(u128, u32)]) -> Command {
    Command::ConnectWorker(ConnectWorker {
        session: SessionId(session),
        incarnation: ProcessId(run),
        held: held.iter().map(|(task, n)| attempt(*task, *n)).collect(),
        ..hello(1, 2)
    })
}

#[test]
fn a_silent_worker_loses_what_may_be_started_once_and_gives_back_the_rest() {
    check(
        [connect(1, 2).into(), submit_once(&[1]).into(), submit(&[2]).into()],
        At(3_000, expire()),
        r#"lost w1 run 1
        gone 1/1 WorkerSilent
        requeued 2/1
        > close 1 LeaseExpired
        > w1 considered failed
        > task 1 is Lost
        > changed 1/1 Lost at w1 WORKER_SILENT "the worker fell silent; the task may not be started again"
        > changed 2/1 Queued NoWorker"#,
    );
}

#[test]
fn a_restarted_worker_has_lost_for_ever_what_may_be_started_once() {
    check(
        [connect(1, 2).into(), submit_once(&[1]).into(), submit(&[2]).into(), disconnect(1).into()],
        back(2, 2, &[]),
        r#"lost w1 run 1
        gone 1/1 WorkerRestarted
        requeued 2/1
        registered w1 run 2 with 2 slots for ["echo"]
        assigned 2/2 to w1
        > w1 considered failed
        > task 1 is Lost
        > changed 1/1 Lost at w1 WORKER_RESTARTED "the worker was restarted; the task may not be started again"
        > changed 2/1 Queued NoWorker
        > welcome 2
        > new worker w1
        > task 2 again, to w1
        > run 2/2 on 2: echo payload
        > changed 2/2 Running at w1"#,
    );
}

#[test]
fn what_a_drained_worker_stopped_goes_to_another_unless_it_may_be_started_once() {
    check(
        [
            connect(1, 2).into(),
            submit_once(&[1]).into(),
            submit(&[2]).into(),
            drain(1).into(),
            connect(2, 1).into(),
        ],
        give_up(1, &[attempt(1, 1), attempt(2, 1)]),
        r#"gone 1/1 WorkerDrained
        returned 2/1, begun
        assigned 2/2 to w2
        > task 1 is Lost
        > changed 1/1 Lost at w1 WORKER_DRAINED "the worker was drained, and stopped it; the task may not be started again"
        > changed 2/1 Queued
        > task 2 again, to w2
        > run 2/2 on 2: echo payload
        > changed 2/2 Running at w2"#,
    );
}

#[test]
fn no_number_of_drained_workers_is_held_against_a_task() {
    let mut scene = Scene::new(Limits { max_lost_attempts: 1, ..Limits::default() });
    scene.step(0, submit(&[1]));
    for nth in 1..=5 {
        scene.step(0, connect(nth.into(), 1));
        scene.step(0, drain(nth.into()));
        let step = scene.step(0, give_up(nth.into(), &[attempt(1, nth)]));
        assert_eq!(lines(&step)[0], format!("returned 1/{nth}, begun"));
        scene.step(0, disconnect(nth.into()));
    }
}

#[test]
fn what_waits_is_not_lost_with_any_worker() {
    check(
        [connect(1, 1).into(), submit(&[1]).into(), submit_once(&[2]).into(), At(3_000, expire())],
        At(3_000, connect(2, 2)),
        r#"registered w2 run 1 with 2 slots for ["echo"]
        assigned 1/2 to w2
        assigned 2/1 to w2
        > welcome 2
        > new worker w2
        > task 1 again, to w2
        > run 1/2 on 2: echo payload
        > changed 1/2 Running at w2
        > task 2 to w2
        > run 2/1 on 2: echo payload
        > changed 2/1 Running at w2"#,
    );
}

#[test]
fn the_outcome_of_a_lost_task_comes_too_late() {
    let lost = || {
        [
            connect(1, 2).into(),
            submit_once(&[1]).into(),
            At(3_000, expire()),
            At(4_000, back(2, 1, &[])),
        ]
    };
    check(
        lost(),
        At(4_000, succeed(2, attempt(1, 1))),
        "> fenced 1/1
        > acknowledge 1/1 on 2",
    );
    check(
        lost(),
        At(4_000, cancel(1)),
        "> refused: TaskFinished { task: 00000000-0000-0000-0000-000000000001 }",
    );
}

#[test]
fn a_worker_that_was_only_silent_is_told_to_stop_what_is_lost() {
    check(
        [connect(1, 2).into(), submit_once(&[1]).into(), At(3_000, expire())],
        At(4_000, back(2, 1, &[(1, 1)])),
        r#"registered w1 run 1 with 2 slots for ["echo"]
        > welcome 2
        > new worker w1
        > stop 1/1 on 2"#,
    );
}

#[test]
fn a_cancelled_task_is_not_lost_with_its_worker() {
    check(
        [connect(1, 2).into(), submit_once(&[1]).into(), cancel(1).into()],
        At(3_000, expire()),
        "lost w1 run 1
        > close 1 LeaseExpired
        > w1 considered failed",
    );
}

#[test]
fn being_lost_comes_before_being_quarantined() {
    check_within(
        Limits { max_lost_attempts: 1, ..Limits::default() },
        [connect(1, 2).into(), submit_once(&[1]).into(), submit(&[2]).into()],
        At(3_000, expire()),
        r#"lost w1 run 1
        gone 1/1 WorkerSilent
        failed 2/1 QUARANTINED
        > close 1 LeaseExpired
        > w1 considered failed
        > task 1 is Lost
        > changed 1/1 Lost at w1 WORKER_SILENT "the worker fell silent; the task may not be started again"
        > task 2 is Failed
        > changed 2/1 Failed at w1 QUARANTINED "1 attempts were lost with their workers""#,
    );
}

#[test]
fn retention_forgets_lost_tasks_too_and_lists_show_them() {
    check_within(
        Limits { max_finished_tasks: 0, ..Limits::default() },
        [connect(1, 2).into(), submit_once(&[1]).into()],
        At(3_000, expire()),
        r#"lost w1 run 1
        gone 1/1 WorkerSilent
        pruned 1
        > close 1 LeaseExpired
        > w1 considered failed
        > task 1 is Lost
        > changed 1/1 Lost at w1 WORKER_SILENT "the worker fell silent; the task may not be started again""#,
    );
    let lost = || {
        [connect(1, 2).into(), submit_once(&[1]).into(), submit(&[2]).into(), At(3_000, expire())]
    };
    check(lost(), list(1 << TaskState::Lost as u8, None, 9), "> tasks [1] next None");
    check(lost(), overview(), "> overview [1, 0, 0, 0, 0, 1]");
}

#[test]
fn another_delivery_is_another_task() {
    check(
        [submit_once(&[1]).into()],
        submit(&[1]),
        "> refused: TaskIdConflict { task: 00000000-0000-0000-0000-000000000001 }",
    );
    check([submit_once(&[1]).into()], submit_once(&[1]), "> 0 new, 1/0 Queued NoWorker");
    let both = [Delivery::AtLeastOnce, Delivery::AtMostOnce];
    let both =
        both.map(|delivery| NewTask { terms: delivery.into(), ..task(1, "echo", "payload") });
    check(
        [],
        submit_tasks("ana", both.into()),
        "> refused: TaskIdConflict { task: 00000000-0000-0000-0000-000000000001 }",
    );
}

/// A principal that has given out task 1 (once at most) and task 2 died; the standby has taken over.
fn taken_over() -> Scene {
    let mut scene = Scene::new(Limits::default());
    for command in [connect(1, 2), submit_once(&[1]), submit(&[2])] {
        scene.step(0, command);
    }
    scene.fail_over(10_000);
    scene
}

#[test]
fn a_takeover_runs_nothing_again_that_still_runs() {
    let mut scene = taken_over();
    // The full lease of a new principal.
    assert_eq!(lines(&scene.step(12_999, expire())), Vec::<String>::new());
    let back = back(9, 1, &[(1, 1), (2, 1)]);
    assert_eq!(lines(&scene.step(12_999, back)), ["> welcome 9", "> w1 is back"]);
    assert_eq!(lines(&scene.step(13_000, succeed(9, attempt(1, 1))))[..1], ["succeeded 1/1"]);
}

#[test]
fn a_takeover_delivers_again_under_the_same_attempt_what_did_not_arrive() {
    let mut scene = taken_over();
    let expect = [
        "> welcome 9",
        "> w1 is back",
        "> run 1/1 on 9: echo payload",
        "> run 2/1 on 9: echo payload",
    ];
    assert_eq!(lines(&scene.step(11_000, back(9, 1, &[]))), expect);
    // However often it comes back: the worker knows the attempt.
    assert_eq!(
        lines(&scene.step(11_000, back(10, 1, &[])))[3..],
        expect.map(|l| l.replace("on 9", "on 10"))[2..]
    );
}

#[test]
fn a_takeover_gives_up_what_another_process_of_the_worker_had() {
    let mut scene = taken_over();
    let step = scene.step(11_000, back(9, 2, &[]));
    assert_eq!(
        lines(&step)[..5],
        [
            "lost w1 run 1",
            "gone 1/1 WorkerRestarted",
            "requeued 2/1",
            r#"registered w1 run 2 with 2 slots for ["echo"]"#,
            "assigned 2/2 to w1",
        ]
    );
}

#[test]
fn a_takeover_gives_up_what_a_worker_had_that_does_not_come_back() {
    let mut scene = taken_over();
    assert_eq!(
        lines(&scene.step(13_000, expire()))[..3],
        ["lost w1 run 1", "gone 1/1 WorkerSilent", "requeued 2/1"]
    );
}

#[test]
fn the_one_chance_of_a_task_outlives_snapshots() {
    let mut scene = taken_over();
    // The new standby was made from the history; so is the next one.
    scene.fail_over(10_500);
    assert_eq!(lines(&scene.step(13_500, expire()))[1], "gone 1/1 WorkerSilent");
    scene.fail_over(14_000);
    scene.step(14_000, connect(2, 2));
    assert_eq!(
        lines(&scene.step(14_000, query("ana", 1))),
        [
            r#"> task 1/1 Lost at w1 WORKER_SILENT "the worker fell silent; the task may not be started again" result None"#
        ]
    );
}
