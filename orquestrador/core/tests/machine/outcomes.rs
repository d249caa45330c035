use orquestrador_core::Command;
use orquestrador_core::command::{Failure, Outcome};
use orquestrador_core::effect::{Answer, Effect};
use orquestrador_core::ids::Blob;
use orquestrador_core::limits::Limits;

use crate::scene::*;

#[test]
fn a_success_is_recorded_and_the_slot_goes_to_the_next_task() {
    check(
        [connect(1, 1).into(), submit(&[1, 2]).into()],
        succeed(1, attempt(1, 1)),
        "succeeded 1/1
        assigned 2/1 to w1
        > task 1 is Succeeded
        > changed 1/1 Succeeded at w1: result
        > acknowledge 1/1 on 1
        > task 2 to w1
        > run 2/1 on 1: echo payload
        > changed 2/1 Running at w1",
    );
}

#[test]
fn a_failure_is_recorded_with_what_was_produced() {
    check(
        [connect(1, 1).into(), submit(&[1]).into()],
        fail(1, attempt(1, 1)),
        r#"failed 1/1 HANDLER_ERROR
        > task 1 is Failed
        > changed 1/1 Failed at w1 HANDLER_ERROR "it broke": half
        > acknowledge 1/1 on 1"#,
    );
}

#[test]
fn the_exact_repeat_of_an_outcome_is_only_acknowledged() {
    for outcome in [succeed, fail] {
        let outcome = outcome(1, attempt(1, 1));
        check(
            [connect(1, 1).into(), submit(&[1]).into(), outcome.clone().into()],
            outcome,
            "> acknowledge 1/1 on 1",
        );
    }
}

#[test]
fn another_outcome_of_a_finished_attempt_is_fenced() {
    let other = Outcome::Succeeded { result: b"other"[..].into() };
    let given = || [connect(1, 1).into(), submit(&[1]).into(), succeed(1, attempt(1, 1)).into()];
    for late in [report(1, attempt(1, 1), other), fail(1, attempt(1, 1))] {
        check(given(), late, "> fenced 1/1\n> acknowledge 1/1 on 1");
    }
}

#[test]
fn an_outcome_of_a_lost_attempt_is_fenced() {
    check(
        [
            connect(1, 1).into(),
            submit(&[1]).into(),
            At(2_900, connect(2, 1)),
            At(3_000, expire()),
            At(3_100, connect(1, 1)),
        ],
        At(3_200, succeed(1, attempt(1, 1))),
        "> fenced 1/1\n> acknowledge 1/1 on 1",
    );
}

#[test]
fn an_outcome_from_a_worker_that_does_not_run_the_attempt_is_fenced() {
    check(
        [connect(1, 1).into(), submit(&[1]).into(), connect(2, 1).into()],
        succeed(2, attempt(1, 1)),
        "> fenced 1/1\n> acknowledge 1/1 on 2",
    );
}

#[test]
fn outcomes_of_tasks_and_attempts_that_never_were_are_fenced() {
    for unknown in [attempt(1, 2), attempt(1, 0), attempt(9, 1)] {
        let text = format!("{}/{}", unknown.task.0, unknown.attempt);
        check(
            [connect(1, 1).into(), submit(&[1]).into()],
            succeed(1, unknown),
            &format!("> fenced {text}\n> acknowledge {text} on 1"),
        );
    }
}

#[test]
fn a_session_that_is_not_known_is_closed() {
    for command in [succeed(9, attempt(1, 1)), ended(9, attempt(1, 1)), heartbeat(9), drain(9)] {
        check([connect(1, 1).into(), submit(&[1]).into()], command, "> close 9 Unknown");
    }
}

/// Whoever brings them has put them where they do not take memory.
#[test]
fn results_of_any_length_are_kept_where_they_lie() {
    let (short, long) = (Blob::from(vec![1; 3]), Blob::from(vec![2; 3_000]));
    let failure =
        Failure { code: "HANDLER_ERROR".into(), message: String::new(), output: long.clone() };
    let mut scene = Scene::new(Limits::default());
    scene.step(0, connect(1, 2));
    scene.step(0, submit(&[1, 2]));
    scene.step(0, report(1, attempt(1, 1), Outcome::Succeeded { result: short.clone() }));
    scene.step(0, report(1, attempt(2, 1), Outcome::Failed(failure)));
    for (task, given) in [(1, &short), (2, &long)] {
        let step = scene.step(0, query("ana", task));
        let [Effect::Answer { answer: Ok(Answer::Task { result: Some(kept), .. }), .. }] =
            &step.effects[..]
        else {
            panic!("{:?}", step.effects)
        };
        assert_eq!(kept.as_ptr(), given.as_ptr());
    }
}

#[test]
fn what_was_heard_of_an_attempt_is_kept_where_its_task_ended_without_an_outcome() {
    let keep = |task: u128, number: u32| {
        let (attempt, output) = (attempt(task, number), b"half of it"[..].into());
        Command::KeepOutput { attempt, output }
    };
    let mut scene = Scene::new(Limits { max_lost_attempts: 1, ..Limits::default() });
    scene.step(0, connect(1, 4));
    scene.step(0, submit_once(&[1]));
    scene.step(0, submit(&[2, 3, 4]));
    assert!(scene.step(0, keep(1, 1)).events.is_empty(), "it runs");
    scene.step(0, succeed(1, attempt(3, 1)));
    scene.step(0, cancel(4));
    scene.step(3_000, expire());
    for id in [1, 2, 4] {
        assert!(scene.step(3_000, keep(id, 2)).events.is_empty(), "another attempt");
        assert_eq!(lines(&scene.step(3_000, keep(id, 1))), [format!("kept of {id}: half of it")]);
        assert!(scene.step(3_000, keep(id, 1)).events.is_empty(), "once");
    }
    assert!(scene.step(3_000, keep(3, 1)).events.is_empty(), "it has a result");
    scene.rebuilt();
    scene.fail_over(4_000);
    for id in [1, 2, 4] {
        let told = lines(&scene.step(4_000, query("ana", id)));
        assert!(told[0].contains("Some(\"half of it\")"), "{told:?}");
    }
}
