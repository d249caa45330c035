use orquestrador_core::command::{ConnectWorker, NewTask};
use orquestrador_core::effect::PendingReason;
use orquestrador_core::needs::Needs;
use orquestrador_core::policy::Policy;
use orquestrador_core::terms::Terms;
use orquestrador_core::{Answer, Command, Effect, Limits, Step};

use crate::scene::*;

fn needing(needs: &Needs, ids: &[u128]) -> Command {
    let terms = Terms { needs: Some(Box::new(needs.clone())), ..Terms::default() };
    let new = |id: &u128| NewTask { terms: terms.clone().into(), ..task(*id, "echo", "payload") };
    submit_tasks("ana", ids.iter().map(new).collect())
}

fn slots(slots: u32) -> Needs {
    Needs { slots, ..Needs::default() }
}

fn labelled(key: &str, value: &str) -> Needs {
    Needs { labels: vec![(key.into(), value.into())], ..Needs::default() }
}

fn gpus(count: u64) -> Needs {
    Needs { resources: vec![("gpus".into(), count)], ..Needs::default() }
}

fn memory(bytes: u64) -> Needs {
    Needs { resources: vec![("memory".into(), bytes)], ..Needs::default() }
}

fn worker(n: u64, slots: u32, labels: &[(&str, &str)], gpus: u64) -> Command {
    let labels = labels.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect();
    let resources = if gpus > 0 { vec![("gpus".into(), gpus)] } else { vec![] };
    Command::ConnectWorker(ConnectWorker { labels, resources, ..hello(n, slots) })
}

/// Task and session, in order.
fn assigned(step: &Step) -> Vec<(u128, u64)> {
    let one = |effect: &Effect| match effect {
        Effect::Assign { session, assignment } => Some((assignment.attempt.task.0, session.0)),
        _ => None,
    };
    step.effects.iter().filter_map(one).collect()
}

fn pending(scene: &mut Scene, task: u128) -> Option<PendingReason> {
    match scene.step(0, query("ana", task)).effects.pop() {
        Some(Effect::Answer { answer: Ok(Answer::Task { snapshot, .. }), .. }) => snapshot.pending,
        other => panic!("{other:?}"),
    }
}

fn refusal(step: &Step) -> Option<String> {
    step.effects.iter().find_map(|effect| match effect {
        Effect::Answer { answer: Err(rejection), .. } => Some(rejection.to_string()),
        _ => None,
    })
}

#[test]
fn a_task_goes_to_a_worker_with_its_labels() {
    let mut scene = Scene::new(Limits::default());
    scene.step(0, worker(1, 4, &[("zone", "a")], 0));
    scene.step(0, worker(2, 1, &[("gpu", "yes"), ("zone", "b")], 0));
    assert_eq!(assigned(&scene.step(0, needing(&labelled("gpu", "yes"), &[1, 2]))), [(1, 2)]);
    assert_eq!(pending(&mut scene, 2), Some(PendingReason::AllBusy));
    assert_eq!(assigned(&scene.step(0, needing(&labelled("zone", "a"), &[3]))), [(3, 1)]);
    assert_eq!(assigned(&scene.step(0, succeed(2, attempt(1, 1)))), [(2, 2)]);
    scene.rebuilt();
}

#[test]
fn what_no_worker_can_ever_run_is_refused_and_explained() {
    let mut scene = Scene::new(Limits::default());
    assert_eq!(refusal(&scene.step(0, needing(&gpus(9), &[9]))), None, "nobody is known");
    scene.step(0, worker(1, 2, &[("zone", "a")], 1));
    assert_eq!(pending(&mut scene, 9), Some(PendingReason::NoWorkerForNeeds));
    for (needs, words) in [
        (slots(3), "3 slots"),
        (labelled("zone", "b"), "zone=b"),
        (gpus(2), "2 gpus"),
        (memory(4 << 30), "4 GiB of memory"),
        (memory(3 << 29), "1536 MiB of memory"),
    ] {
        let refused = refusal(&scene.step(0, needing(&needs, &[1]))).expect("is refused");
        assert!(refused.ends_with(words), "{refused}");
    }
    assert_eq!(refusal(&scene.step(0, needing(&gpus(1), &[2]))), None);
    assert_eq!(assigned(&scene.step(0, worker(2, 1, &[], 9))), [(9, 2)]);
}

#[test]
fn resources_are_shared_out_until_none_are_left() {
    let mut scene = Scene::new(Limits::default());
    scene.step(0, worker(1, 8, &[], 3));
    assert_eq!(assigned(&scene.step(0, needing(&gpus(2), &[1, 2]))), [(1, 1)]);
    assert_eq!(assigned(&scene.step(0, needing(&gpus(1), &[3]))), [], "it is kept for task 2");
    assert_eq!(assigned(&scene.step(0, succeed(1, attempt(1, 1)))), [(2, 1), (3, 1)]);
    scene.fail_over(0);
    scene.rebuilt();
}

/// Otherwise those that take one slot would take every one that becomes free.
#[test]
fn a_task_of_several_slots_is_not_passed_for_ever() {
    let mut scene = Scene::new(Limits::default());
    scene.step(0, connect(1, 2));
    scene.step(0, connect(2, 1));
    assert_eq!(assigned(&scene.step(0, submit(&[1, 2, 3]))), [(1, 1), (2, 2), (3, 1)]);
    assert_eq!(assigned(&scene.step(0, needing(&slots(2), &[4]))), []);
    assert_eq!(assigned(&scene.step(0, submit(&[5, 6]))), []);
    assert_eq!(assigned(&scene.step(0, succeed(1, attempt(1, 1)))), [], "one slot is not enough");
    assert_eq!(
        assigned(&scene.step(0, succeed(2, attempt(2, 1)))),
        [(5, 2)],
        "elsewhere they go on"
    );
    assert_eq!(assigned(&scene.step(0, succeed(1, attempt(3, 1)))), [(4, 1)]);
    assert_eq!(assigned(&scene.step(0, succeed(1, attempt(4, 1)))), [(6, 1)]);
}

#[test]
fn a_cancelled_task_of_several_slots_holds_all_of_them_until_it_has_ended() {
    let mut scene = Scene::new(Limits::default());
    scene.step(0, worker(1, 2, &[], 1));
    let both = Needs { slots: 2, ..gpus(1) };
    scene.step(0, needing(&both, &[1]));
    scene.step(0, cancel(1));
    scene.fail_over(0);
    scene.rebuilt();
    let Command::ConnectWorker(mut again) = worker(1, 2, &[], 1) else { unreachable!() };
    again.held = vec![attempt(1, 1)];
    scene.step(0, Command::ConnectWorker(again));
    assert_eq!(assigned(&scene.step(0, submit(&[2]))), []);
    assert_eq!(assigned(&scene.step(0, ended(1, attempt(1, 1)))), [(2, 1)]);
}

#[test]
fn the_least_loaded_worker_gets_the_next_task() {
    let mut scene = Scene::new(Limits { policy: Policy::LeastLoaded, ..Limits::default() });
    scene.step(0, connect(1, 2));
    scene.step(0, connect(2, 8));
    let sessions = |step: &Step| assigned(step).iter().map(|(_, s)| *s).collect::<Vec<_>>();
    assert_eq!(sessions(&scene.step(0, submit(&[1, 2, 3, 4, 5]))), [1, 2, 2, 2, 2]);
    assert_eq!(sessions(&scene.step(0, submit(&[6, 7]))), [1, 2]);
}
