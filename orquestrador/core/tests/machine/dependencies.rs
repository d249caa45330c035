use orquestrador_core::command::{After, Condition, NewTask};
use orquestrador_core::effect::PendingReason;
use orquestrador_core::ids::TaskId;
use orquestrador_core::terms::Terms;
use orquestrador_core::{Answer, Command, Effect, Limits, Step};

use crate::scene::*;

fn waiting(id: u128, condition: Condition, after: &[u128]) -> NewTask {
    let tasks = after.iter().map(|id| TaskId(*id)).collect();
    NewTask {
        after: Some(Box::new(After { tasks, condition, sources: Vec::new() })),
        ..task(id, "echo", "payload")
    }
}

fn after(id: u128, after: &[u128]) -> Command {
    submit_tasks("ana", vec![waiting(id, Condition::Succeeded, after)])
}

fn after_ends(id: u128, after: &[u128]) -> Command {
    submit_tasks("ana", vec![waiting(id, Condition::Finished, after)])
}

fn scene(slots: u32) -> Scene {
    let mut scene = Scene::new(Limits::default());
    scene.step(0, connect(1, slots));
    scene
}

/// Without effects.
fn events(step: &Step) -> Vec<String> {
    lines(step).into_iter().filter(|line| !line.starts_with('>')).collect()
}

fn refusal(step: &Step) -> Option<String> {
    step.effects.iter().find_map(|effect| match effect {
        Effect::Answer { answer: Err(rejection), .. } => Some(rejection.to_string()),
        _ => None,
    })
}

#[test]
fn a_task_waits_until_all_that_it_comes_after_have_succeeded() {
    let mut scene = scene(4);
    scene.step(0, submit(&[1, 2]));
    assert_eq!(events(&scene.step(0, after(3, &[1, 2])))[1..], ["blocked 3 after 1 2 Succeeded"]);
    let answer = scene.step(0, query("ana", 3)).effects.pop();
    let Some(Effect::Answer { answer: Ok(Answer::Task { snapshot, .. }), .. }) = answer else {
        panic!("it is known")
    };
    assert_eq!((snapshot.pending, snapshot.waits_for), (Some(PendingReason::Dependencies), 2));
    assert_eq!(events(&scene.step(0, succeed(1, attempt(2, 1)))), ["succeeded 2/1"]);
    scene.rebuilt();
    assert_eq!(
        events(&scene.step(0, succeed(1, attempt(1, 1)))),
        ["succeeded 1/1", "released 3", "assigned 3/1 to w1"]
    );
}

#[test]
fn a_failure_goes_on_along_the_chain() {
    let mut scene = scene(1);
    scene.step(0, submit(&[1]));
    scene.step(0, after(2, &[1]));
    scene.step(0, after(3, &[2]));
    scene.step(0, after_ends(4, &[2, 3]));
    assert_eq!(
        events(&scene.step(0, fail(1, attempt(1, 1)))),
        [
            "failed 1/1 HANDLER_ERROR",
            "skipped 2 because of 1",
            "skipped 3 because of 2",
            "released 4",
            "assigned 4/1 to w1"
        ]
    );
}

#[test]
fn what_has_ended_already_decides_at_once() {
    let mut scene = scene(2);
    scene.step(0, submit(&[1, 2]));
    scene.step(0, succeed(1, attempt(1, 1)));
    scene.step(0, fail(1, attempt(2, 1)));
    assert_eq!(events(&scene.step(0, after(3, &[1])))[2..], ["released 3", "assigned 3/1 to w1"]);
    assert_eq!(events(&scene.step(0, after(4, &[1, 2])))[2..], ["skipped 4 because of 2"]);
    let told = events(&scene.step(0, after_ends(5, &[1, 2])));
    assert_eq!(told[2..], ["released 5", "assigned 5/1 to w1"]);
}

#[test]
fn a_batch_may_refer_to_what_comes_before_in_it_only() {
    let mut scene = scene(1);
    let condition = Condition::Succeeded;
    let batch =
        vec![task(1, "echo", "x"), waiting(2, condition, &[1]), waiting(3, condition, &[1, 2])];
    let step = scene.step(0, submit_tasks("ana", batch));
    assert_eq!(refusal(&step), None);
    for (id, of) in [(10, 10), (11, 12), (13, 99)] {
        let refused = scene.step(0, after(id, &[of]));
        assert!(refused.events.is_empty());
        let expected =
            format!("task {} comes after {}, which is not known", TaskId(id), TaskId(of));
        assert_eq!(refusal(&refused), Some(expected));
    }
    let others = submit_tasks("bia", vec![waiting(14, condition, &[1])]);
    assert!(refusal(&scene.step(0, others)).is_some(), "another's is not known");
}

#[test]
fn a_task_comes_after_a_whole_array_and_after_one_of_its_tasks() {
    let mut scene = scene(2);
    scene.step(0, submit_array(7, 0..3));
    scene.step(0, after(1, &[array_id(7).0]));
    scene.step(0, after(2, &[in_array(7, 2)]));
    let done =
        |scene: &mut Scene, n| events(&scene.step(0, succeed(1, attempt(in_array(7, n), 1))));
    assert_eq!(done(&mut scene, 0), ["succeeded a7.0/1", "assigned a7.2/1 to w1"]);
    assert_eq!(done(&mut scene, 2), ["succeeded a7.2/1", "released 2", "assigned 2/1 to w1"]);
    scene.rebuilt();
    assert_eq!(done(&mut scene, 1), ["succeeded a7.1/1", "released 1", "assigned 1/1 to w1"]);
}

#[test]
fn a_cancelled_array_is_no_success_and_its_tasks_without_records_are_none_either() {
    let mut scene = scene(1);
    scene.step(0, submit_array(7, 0..5));
    scene.step(0, after(1, &[array_id(7).0]));
    scene.step(0, after(2, &[in_array(7, 4)]));
    scene.step(0, after_ends(3, &[array_id(7).0, in_array(7, 3)]));
    let told = events(&scene.step(0, cancel_array(7)));
    let of_waits: Vec<_> = told.iter().filter(|line| !line.starts_with("cancelled")).collect();
    assert_eq!(of_waits.len(), 3, "{told:?}");
    assert!(told.iter().any(|line| line.starts_with("skipped 1 because of")), "{told:?}");
    assert!(told.contains(&"skipped 2 because of a7.4".to_owned()), "{told:?}");
    assert!(told.contains(&"released 3".to_owned()), "{told:?}");
}

#[test]
fn a_waiting_task_can_be_cancelled_and_nothing_is_left_of_its_wait() {
    let mut scene = scene(1);
    scene.step(0, submit(&[1]));
    scene.step(0, after(2, &[1]));
    scene.step(0, after(3, &[2]));
    assert_eq!(events(&scene.step(0, cancel(2))), ["cancelled 2", "skipped 3 because of 2"]);
    assert_eq!(events(&scene.step(0, succeed(1, attempt(1, 1)))), ["succeeded 1/1"]);
}

#[test]
fn waits_go_on_under_another_principal() {
    let mut scene = scene(1);
    scene.step(0, submit(&[1]));
    scene.step(0, after(2, &[1]));
    scene.fail_over(0);
    scene.step(0, {
        let Command::ConnectWorker(mut again) = connect(2, 1) else { unreachable!() };
        (again.worker, again.held) = ("w1".into(), vec![attempt(1, 1)]);
        Command::ConnectWorker(again)
    });
    assert_eq!(
        events(&scene.step(0, succeed(2, attempt(1, 1)))),
        ["succeeded 1/1", "released 2", "assigned 2/1 to w1"]
    );
}

#[test]
fn many_are_released_step_by_step() {
    let mut scene = Scene::new(Limits { wake_batch: 2, ..Limits::default() });
    scene.step(0, connect(1, 1));
    scene.step(0, submit(&[1]));
    let all = (2..7).map(|id| waiting(id, Condition::Succeeded, &[1])).collect();
    scene.step(0, submit_tasks("ana", all));
    let released = |step: &Step| events(step).iter().filter(|l| l.starts_with("released")).count();
    assert_eq!(released(&scene.step(0, succeed(1, attempt(1, 1)))), 2);
    scene.fail_over(0);
    assert_eq!([0, 1].map(|_| released(&scene.step(0, expire()))), [2, 1]);
}

#[test]
fn purging_a_queue_cancels_what_waits_there_for_others() {
    let mut scene = scene(1);
    scene.step(0, submit(&[1]));
    let terms = Terms { queue: "a".into(), ..Terms::default() };
    let blocked = NewTask { terms: terms.into(), ..waiting(2, Condition::Succeeded, &[1]) };
    scene.step(0, submit_tasks("ana", vec![blocked]));
    let step = scene.step(0, Command::PurgeQueue { request: REQUEST, queue: "a".into() });
    assert_eq!(events(&step), ["cancelled 2"]);
}

#[test]
fn there_are_as_many_dependencies_as_may_be() {
    let mut scene = Scene::new(Limits { max_dependencies: 2, ..Limits::default() });
    scene.step(0, submit(&[1, 2]));
    assert!(refusal(&scene.step(0, after(3, &[1, 2]))).is_none());
    assert!(refusal(&scene.step(0, after(4, &[1]))).is_some());
    assert!(refusal(&scene.step(0, submit(&[5]))).is_none());
    let mut scene = Scene::new(Limits { max_dependents: 1, ..Limits::default() });
    scene.step(0, submit(&[1, 2]));
    assert!(refusal(&scene.step(0, after(3, &[1]))).is_none());
    assert!(refusal(&scene.step(0, after(4, &[1]))).is_some());
    assert!(refusal(&scene.step(0, after(5, &[2]))).is_none());
}
