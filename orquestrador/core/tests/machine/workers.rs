use orquestrador_core::command::{ConnectWorker, NewTask};
use orquestrador_core::effect::PendingReason;
use orquestrador_core::ids::{ProcessId, SessionId, Timestamp};
use orquestrador_core::terms::Terms;
use orquestrador_core::{Answer, Command, Effect, Limits, Step};

use crate::scene::*;

fn connecting(change: impl FnOnce(&mut ConnectWorker)) -> Command {
    let mut connect = hello(1, 1);
    change(&mut connect);
    Command::ConnectWorker(connect)
}

#[test]
fn equal_workers_take_turns() {
    check(
        [connect(1, 2).into(), connect(2, 2).into(), connect(3, 2).into(), submit(&[1]).into()],
        submit(&[2, 3, 4]),
        "submitted 2 of ana for echo
        submitted 3 of ana for echo
        submitted 4 of ana for echo
        assigned 2/1 to w2
        assigned 3/1 to w3
        assigned 4/1 to w1
        > task 2 of ana
        > changed 2/0 Queued
        > task 3 of ana
        > changed 3/0 Queued
        > task 4 of ana
        > changed 4/0 Queued
        > task 2 to w2
        > run 2/1 on 2: echo payload
        > changed 2/1 Running at w2
        > task 3 to w3
        > run 3/1 on 3: echo payload
        > changed 3/1 Running at w3
        > task 4 to w1
        > run 4/1 on 1: echo payload
        > changed 4/1 Running at w1
        > 3 new, 2/1 Running at w2",
    );
}

#[test]
fn a_handler_that_nobody_offers_now_delays_no_other() {
    let both = connecting(|w| w.handlers = vec!["echo".into(), "render".into()]);
    check(
        [
            both.into(),
            submit_to("render", &[1]).into(),
            At(3_000, expire()),
            At(3_000, submit(&[2])),
        ],
        At(3_000, connect(2, 1)),
        r#"registered w2 run 1 with 1 slots for ["echo"]
        assigned 2/1 to w2
        > welcome 2
        > new worker w2
        > task 2 to w2
        > run 2/1 on 2: echo payload
        > changed 2/1 Running at w2"#,
    );
}

#[test]
fn work_of_a_silent_worker_goes_to_another_before_younger_tasks() {
    check(
        [
            connect(1, 1).into(),
            submit(&[1]).into(),
            At(2_900, connect(2, 1)),
            At(2_900, submit(&[2, 3])),
            At(3_000, expire()),
        ],
        At(3_000, succeed(2, attempt(2, 1))),
        "succeeded 2/1
        assigned 1/2 to w2
        > task 2 is Succeeded
        > changed 2/1 Succeeded at w2: result
        > acknowledge 2/1 on 2
        > task 1 again, to w2
        > run 1/2 on 2: echo payload
        > changed 1/2 Running at w2",
    );
}

#[test]
fn a_worker_is_told_lost_before_its_task_is_told_reassigned() {
    check(
        [connect(1, 1).into(), submit(&[1]).into(), At(2_000, connect(2, 1))],
        At(3_000, expire()),
        "lost w1 run 1
        requeued 1/1
        assigned 1/2 to w2
        > close 1 LeaseExpired
        > w1 considered failed
        > changed 1/1 Queued
        > task 1 again, to w2
        > run 1/2 on 2: echo payload
        > changed 1/2 Running at w2",
    );
}

#[test]
fn a_sign_of_life_prolongs_the_lease() {
    for sign in [heartbeat(1), drain(1), succeed(1, attempt(1, 1)), ended(1, attempt(1, 1))] {
        check([connect(1, 1).into(), At(2_999, sign)], At(5_998, expire()), "");
    }
}

#[test]
fn a_closed_stream_does_not_shorten_or_prolong_the_lease() {
    let given = || [connect(1, 1).into(), submit(&[1]).into(), At(1_000, disconnect(1))];
    check(given(), At(2_999, expire()), "");
    check(
        given(),
        At(3_000, expire()),
        "lost w1 run 1
        requeued 1/1
        > w1 considered failed
        > changed 1/1 Queued NoWorker",
    );
}

#[test]
fn a_clock_set_back_prolongs_no_lease_beyond_a_full_one() {
    check(
        [At(100_000, connect(1, 1)), At(1_000, expire())],
        At(4_000, expire()),
        "lost w1 run 1
        > close 1 LeaseExpired
        > w1 considered failed",
    );
}

#[test]
fn a_disconnected_worker_gets_no_work() {
    check(
        [connect(1, 1).into(), disconnect(1).into()],
        submit(&[1]),
        "submitted 1 of ana for echo
        > task 1 of ana
        > changed 1/0 Queued NoWorker
        > 1 new, 1/0 Queued NoWorker",
    );
}

#[test]
fn a_draining_worker_finishes_what_it_has_and_leaves_without_failing() {
    let draining = || [connect(1, 2).into(), submit(&[1]).into(), drain(1).into()];
    check(
        draining(),
        submit(&[2]),
        "submitted 2 of ana for echo
        > task 2 of ana
        > changed 2/0 Queued NoWorkerForHandler
        > 1 new, 2/0 Queued NoWorkerForHandler",
    );
    check(draining(), disconnect(1), "");
    let [a, b, c] = draining();
    check([a, b, c, succeed(1, attempt(1, 1)).into()], disconnect(1), "lost w1 run 1");
}

#[test]
fn a_worker_that_comes_back_goes_on_with_what_it_holds() {
    check(
        [connect(1, 2).into(), submit(&[1, 2]).into(), disconnect(1).into()],
        connecting(|w| {
            w.slots = 2;
            w.held = vec![attempt(1, 1), attempt(9, 4)];
        }),
        "> welcome 1
        > w1 is back
        > run 2/1 on 1: echo payload
        > stop 9/4 on 1",
    );
}

#[test]
fn an_outcome_whose_acknowledgement_was_lost_is_awaited_once_more() {
    check(
        [connect(1, 1).into(), submit(&[1]).into(), succeed(1, attempt(1, 1)).into()],
        connecting(|w| w.held = vec![attempt(1, 1)]),
        "> welcome 1
        > w1 is back",
    );
}

#[test]
fn a_newer_stream_of_the_same_worker_replaces_the_older() {
    check(
        [connect(1, 1).into()],
        connecting(|w| w.session = SessionId(5)),
        "> close 1 Replaced
        > welcome 5
        > w1 is back",
    );
    check(
        [connect(1, 1).into(), connecting(|w| w.session = SessionId(5)).into()],
        disconnect(1),
        "",
    );
}

#[test]
fn a_worker_may_come_back_with_other_slots_and_handlers() {
    check(
        [connect(1, 1).into(), submit(&[1, 2]).into()],
        connecting(|w| {
            w.slots = 2;
            w.handlers = vec!["echo".into(), "render".into()];
            w.held = vec![attempt(1, 1)];
        }),
        r#"learned ["render"]
        registered w1 run 1 with 2 slots for ["echo", "render"]
        assigned 2/1 to w1
        > welcome 1
        > w1 is back
        > task 2 to w1
        > run 2/1 on 1: echo payload
        > changed 2/1 Running at w1"#,
    );
    check(
        [connect(1, 1).into(), connecting(|w| w.handlers = vec!["render".into()]).into()],
        submit(&[1]),
        "submitted 1 of ana for echo
        > task 1 of ana
        > changed 1/0 Queued NoWorkerForHandler
        > 1 new, 1/0 Queued NoWorkerForHandler",
    );
}

fn another_process() -> Command {
    connecting(|w| {
        w.session = SessionId(2);
        w.incarnation = ProcessId(2);
    })
}

#[test]
fn of_two_processes_with_one_id_the_connected_one_stays_until_it_is_gone_or_silent() {
    let connected = || [connect(1, 1).into(), submit(&[1]).into()];
    check(connected(), another_process(), "> close 2 IdTaken");
    let [a, b] = connected();
    check([a, b, another_process().into()], heartbeat(1), "");
    let [a, b] = connected();
    check(
        [a, b, At(3_000, expire())],
        At(3_000, another_process()),
        r#"registered w1 run 2 with 1 slots for ["echo"]
        assigned 1/2 to w1
        > welcome 2
        > new worker w1
        > task 1 again, to w1
        > run 1/2 on 2: echo payload
        > changed 1/2 Running at w1"#,
    );
}

#[test]
fn a_restarted_worker_has_lost_what_it_ran() {
    check(
        [connect(1, 1).into(), submit(&[1]).into(), disconnect(1).into()],
        another_process(),
        r#"lost w1 run 1
        requeued 1/1
        registered w1 run 2 with 1 slots for ["echo"]
        assigned 1/2 to w1
        > w1 considered failed
        > changed 1/1 Queued NoWorker
        > welcome 2
        > new worker w1
        > task 1 again, to w1
        > run 1/2 on 2: echo payload
        > changed 1/2 Running at w1"#,
    );
}

#[test]
fn a_worker_lost_and_back_stops_what_was_given_to_others() {
    check(
        [connect(1, 1).into(), submit(&[1]).into(), At(3_000, expire())],
        At(4_000, connecting(|w| w.held = vec![attempt(1, 1)])),
        r#"registered w1 run 1 with 1 slots for ["echo"]
        > welcome 1
        > new worker w1
        > stop 1/1 on 1"#,
    );
}

fn pending_of(scene: &mut Scene, now: u64, id: u128) -> Option<PendingReason> {
    match scene.step(now, query("ana", id)).effects.pop() {
        Some(Effect::Answer { answer: Ok(Answer::Task { snapshot, .. }), .. }) => snapshot.pending,
        other => panic!("it is known: {other:?}"),
    }
}

/// Three tasks have lost as many workers as they may; a fourth has lost none.
fn suspects() -> Scene {
    let mut scene = Scene::new(Limits { max_lost_attempts: 2, ..Limits::default() });
    scene.step(0, connect(1, 4));
    scene.step(0, submit(&[1, 2, 3]));
    scene.step(3_000, expire());
    scene.step(3_000, submit(&[4]));
    scene
}

#[test]
fn before_it_is_quarantined_a_task_runs_beside_no_other_that_may_be_the_cause() {
    let mut scene = suspects();
    let given = |step: &Step| -> Vec<_> {
        lines(step).into_iter().filter(|line| line.starts_with("assigned")).collect()
    };
    assert_eq!(given(&scene.step(3_000, connect(2, 4))), ["assigned 1/2 to w2"]);
    assert_eq!(pending_of(&mut scene, 3_000, 2), Some(PendingReason::Suspect));
    assert_eq!(given(&scene.step(3_000, connect(3, 4))), ["assigned 2/2 to w3"]);
    let step = scene.step(3_001, succeed(2, attempt(1, 2)));
    assert_eq!(given(&step), ["assigned 3/2 to w2", "assigned 4/1 to w3"]);
    scene.step(3_001, submit(&[5]));
    scene.step(5_000, heartbeat(3));

    let step = lines(&scene.step(6_001, expire()));
    assert!(step.contains(&"failed 3/2 QUARANTINED".to_owned()), "{step:?}");
    assert!(!step.iter().any(|line| line.contains("failed 5/")), "it only ran beside it: {step:?}");
}

#[test]
fn a_new_principal_knows_which_tasks_stand_before_their_last_attempt() {
    let mut scene = suspects();
    scene.step(3_000, connect(2, 4));
    scene.fail_over(4_000);
    let back = connecting(|w| {
        w.session = SessionId(9);
        w.worker = "w2".into();
        w.slots = 4;
        w.held = vec![attempt(1, 2)];
    });
    let step = lines(&scene.step(4_000, back));
    assert!(!step.iter().any(|line| line.starts_with("assigned")), "{step:?}");
    assert_eq!(pending_of(&mut scene, 4_000, 2), Some(PendingReason::Suspect));
}

#[test]
fn a_task_that_loses_too_many_workers_is_quarantined() {
    let twice = Limits { max_lost_attempts: 2, ..Limits::default() };
    let restarted = |run| connecting(|w| w.incarnation = ProcessId(run)).into();
    check_within(
        twice.clone(),
        [connect(1, 1).into(), submit(&[1]).into(), restarted(2)],
        restarted(3),
        r#"lost w1 run 2
        failed 1/2 QUARANTINED
        registered w1 run 3 with 1 slots for ["echo"]
        > close 1 Replaced
        > w1 considered failed
        > task 1 is Failed
        > changed 1/2 Failed at w1 QUARANTINED "2 attempts were lost with their workers"
        > welcome 1
        > new worker w1"#,
    );
    // It still runs there: the process was only silent.
    check_within(
        twice,
        [connect(1, 1).into(), submit(&[1]).into(), restarted(2), At(3_000, expire())],
        At(
            3_000,
            connecting(|w| {
                w.incarnation = ProcessId(2);
                w.held = vec![attempt(1, 2)];
            }),
        ),
        r#"registered w1 run 2 with 1 slots for ["echo"]
        > welcome 1
        > new worker w1
        > stop 1/2 on 1"#,
    );
}

/// A task that says with how many lost workers it fails.
fn losing(id: u128, most: u16) -> Command {
    let terms = Terms { max_lost_attempts: Some(most), ..Terms::default() }.shared();
    submit_tasks("ana", vec![NewTask { terms, ..task(id, "echo", "payload") }])
}

#[test]
fn a_task_may_say_itself_with_how_many_lost_workers_it_fails() {
    let mut scene = Scene::new(Limits { max_lost_attempts: 2, ..Limits::default() });
    let restarted = |run| connecting(|w| (w.slots, w.incarnation) = (3, ProcessId(run)));
    scene.step(0, connect(1, 3));
    for task in [losing(1, 1), losing(2, 3), submit(&[3])] {
        scene.step(0, task);
    }
    let mut ends = Vec::new();
    for run in 2..5 {
        let step = lines(&scene.step(0, restarted(run)));
        ends.push(step.into_iter().filter(|line| line.starts_with("failed")).collect::<Vec<_>>());
    }
    assert_eq!(
        ends,
        [["failed 1/1 QUARANTINED"], ["failed 3/2 QUARANTINED"], ["failed 2/3 QUARANTINED"]]
    );
}

#[test]
fn what_fails_with_the_first_lost_worker_never_waits_at_one() {
    let waiting = |most| {
        let mut scene = Scene::new(Limits::default());
        scene.step(0, connect(1, 1));
        scene.step(0, prefetch(1, 3));
        scene.step(0, submit(&[1]));
        let step = lines(&scene.step(0, losing(2, most)));
        step.iter().any(|line| line.starts_with("assigned 2/"))
    };
    assert_eq!([1, 2].map(waiting), [false, true]);
}

#[test]
fn after_a_takeover_every_worker_has_a_full_lease_and_its_work_goes_on() {
    let mut scene = Scene::new(Limits::default());
    for command in [connect(1, 1), connect(2, 1), submit(&[1, 2, 3])] {
        scene.step(0, command);
    }
    scene.fail_over(10_000);
    assert_eq!(scene.principal.next_deadline(), Some(Timestamp(13_000)));
    assert_eq!(lines(&scene.step(12_999, expire())), Vec::<String>::new());
    let back = connecting(|w| w.held = vec![attempt(1, 1)]);
    assert_eq!(lines(&scene.step(12_999, back)), ["> welcome 1", "> w1 is back"]);
    // The other one does not come back.
    assert_eq!(
        lines(&scene.step(13_000, expire())),
        ["lost w2 run 1", "requeued 2/1", "> w2 considered failed", "> changed 2/1 Queued AllBusy"]
    );
    assert_eq!(scene.principal.next_deadline(), Some(Timestamp(15_999)));
    assert_eq!(
        lines(&scene.step(13_000, succeed(1, attempt(1, 1))))[..2],
        ["succeeded 1/1", "assigned 2/2 to w1"]
    );
}

#[test]
fn the_overview_tells_how_the_work_and_the_workers_stand() {
    check(
        [
            connect(1, 2).into(),
            connect(2, 1).into(),
            submit(&[1, 2, 3]).into(),
            cancel(2).into(),
            succeed(1, attempt(1, 1)).into(),
            drain(1).into(),
            At(100, disconnect(2)),
        ],
        At(300, overview()),
        "> overview [0, 1, 1, 0, 1, 0], w1 connected draining 1/2 silent Some(300) total 2, \
         w2 away 1/1 silent None total 1",
    );
}
