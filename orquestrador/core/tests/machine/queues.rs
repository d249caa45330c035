use std::collections::BTreeMap;

use orquestrador_core::command::{NewTask, QueueChange};
use orquestrador_core::effect::PendingReason;
use orquestrador_core::ids::QueueName;
use orquestrador_core::terms::Terms;
use orquestrador_core::{Answer, Command, Effect, Limits, Step};

use crate::scene::*;

fn in_queue(owner: &str, (queue, priority): (&str, i8), ids: &[u128]) -> Command {
    let terms = Terms { queue: queue.into(), priority, ..Terms::default() };
    let new = |id: &u128| NewTask { terms: terms.clone().into(), ..task(*id, "echo", "payload") };
    submit_tasks(owner, ids.iter().map(new).collect())
}

fn change(queue: &str, change: QueueChange) -> Command {
    Command::ChangeQueue { request: REQUEST, queue: queue.into(), change }
}

fn pause(queue: &str, paused: bool) -> Command {
    change(queue, QueueChange { paused: Some(paused), ..QueueChange::default() })
}

fn assigned(step: &Step) -> Vec<u128> {
    let task = |effect: &Effect| match effect {
        Effect::Assign { assignment, .. } => Some(assignment.attempt.task.0),
        _ => None,
    };
    step.effects.iter().filter_map(task).collect()
}

/// One worker with one slot: which tasks it gets, one after another, each a moment long.
fn drain(scene: &mut Scene, now: u64, first: &[u128]) -> Vec<u128> {
    let (mut next, mut order) = (first.to_vec(), Vec::new());
    while let Some(task) = next.pop() {
        order.push(task);
        next = assigned(&scene.step(now, succeed(1, attempt(task, 1))));
    }
    order
}

fn scene(limits: Limits, submissions: impl IntoIterator<Item = Command>) -> (Scene, Vec<u128>) {
    let mut scene = Scene::new(limits);
    for submission in submissions {
        scene.step(0, submission);
    }
    let first = assigned(&scene.step(0, connect(1, 1)));
    (scene, first)
}

fn pending(scene: &mut Scene, task: u128) -> Option<PendingReason> {
    let answer = scene.step(0, query("ana", task)).effects.pop();
    match answer {
        Some(Effect::Answer { answer: Ok(Answer::Task { snapshot, .. }), .. }) => snapshot.pending,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_higher_priority_goes_first_and_the_older_of_one_priority() {
    let submissions = [
        in_queue("ana", ("default", 0), &[1, 2]),
        in_queue("ana", ("default", -128), &[3]),
        in_queue("ana", ("default", 127), &[4]),
        in_queue("ana", ("default", 5), &[5, 6]),
    ];
    let (mut scene, first) = scene(Limits::default(), submissions);
    assert_eq!(drain(&mut scene, 0, &first), [4, 5, 6, 1, 2, 3]);
}

#[test]
fn a_requeued_task_keeps_its_place() {
    let submissions = [in_queue("ana", ("default", 1), &[1, 2, 3])];
    let (mut scene, first) = scene(Limits::default(), submissions);
    assert_eq!(first, [1]);
    scene.step(0, give_back(1, &[attempt(1, 1)]));
    let next = scene.step(0, expire());
    assert!(next.events.is_empty(), "it was assigned again at once: {next:?}");
    let after = assigned(&scene.step(0, succeed(1, attempt(1, 2))));
    assert_eq!(after, [2]);
}

/// One of eight, from the moment on at which they have waited for long.
#[test]
fn what_has_been_overtaken_for_long_goes_now_and_then() {
    let limits = Limits { patience_ms: 1_000, ..Limits::default() };
    let high: Vec<_> = (100..140).collect();
    let submissions =
        || [in_queue("ana", ("default", 0), &[1, 2, 3]), in_queue("ana", ("default", 9), &high)];
    let (mut patient, first) = scene(limits.clone(), submissions());
    assert_eq!(drain(&mut patient, 999, &first)[40..], [1, 2, 3], "not yet");
    let (mut late, first) = scene(limits, submissions());
    let order = drain(&mut late, 1_000, &first);
    let places: Vec<_> = (1..=3).map(|task| order.iter().position(|t| *t == task)).collect();
    let apart = |a: usize, b: usize| Some(places[b]? - places[a]?);
    assert_eq!((apart(0, 1), apart(1, 2)), (Some(8), Some(8)), "{order:?}");
    assert!(places[2] < Some(40), "{order:?}");
}

#[test]
fn another_handler_is_overtaken_no_longer_either() {
    let limits = Limits { patience_ms: 1_000, ..Limits::default() };
    let mut scene = Scene::new(limits);
    scene.step(0, submit_to("zip", &[1]));
    scene.step(0, in_queue("ana", ("default", 9), &(100..140).collect::<Vec<_>>()));
    let mut both = hello(1, 1);
    both.handlers = vec!["echo".into(), "zip".into()];
    let first = assigned(&scene.step(0, Command::ConnectWorker(both)));
    let order = drain(&mut scene, 1_000, &first);
    assert!(order.iter().position(|task| *task == 1) < Some(9), "{order:?}");
}

#[test]
fn users_take_turns_whoever_came_first_with_however_many() {
    let submissions = [
        in_queue("ana", ("default", 0), &[1, 2, 3, 4]),
        in_queue("bia", ("default", 0), &[11, 12]),
        in_queue("caio", ("default", 0), &[21]),
    ];
    let (mut scene, first) = scene(Limits::default(), submissions);
    assert_eq!(drain(&mut scene, 0, &first), [1, 11, 21, 2, 12, 3, 4]);
}

#[test]
fn users_take_turns_whatever_their_tasks_are_for() {
    let mut scene = Scene::new(Limits::default());
    scene.step(0, submit_to("zip", &[1, 2, 3, 4]));
    scene.step(0, submit_tasks("bia", vec![task(11, "echo", "x"), task(12, "echo", "x")]));
    let mut both = hello(1, 1);
    both.handlers = vec!["echo".into(), "zip".into()];
    let first = assigned(&scene.step(0, Command::ConnectWorker(both)));
    assert_eq!(drain(&mut scene, 0, &first), [1, 11, 2, 12, 3, 4]);
}

/// Found by a reviewer: one count for all queues fell on the same queue each time.
#[test]
fn what_has_been_overtaken_for_long_goes_in_every_queue() {
    let limits = Limits { patience_ms: 1_000, ..Limits::default() };
    let mut submissions = Vec::new();
    for (queue, first) in [("a", 100), ("b", 200), ("c", 300)] {
        submissions.push(in_queue("ana", (queue, -5), &[first]));
        let high: Vec<_> = (first + 1..first + 60).collect();
        submissions.push(in_queue("ana", (queue, 5), &high));
    }
    let (mut scene, first) = scene(limits, submissions);
    let order = drain(&mut scene, 1_000, &first);
    for low in [100, 200, 300] {
        let place = order.iter().position(|task| *task == low);
        assert!(place < Some(60), "{low} at {place:?}");
    }
}

#[test]
fn a_paused_queue_has_saved_up_nothing() {
    let tasks = |from: u128| (from..from + 60).collect::<Vec<_>>();
    let submissions =
        [in_queue("ana", ("a", 0), &tasks(0)), in_queue("ana", ("b", 0), &tasks(100))];
    let (mut scene, mut next) = scene(Limits::default(), submissions);
    scene.step(0, pause("a", true));
    for _ in 0..30 {
        next = assigned(&scene.step(0, succeed(1, attempt(next[0], 1))));
    }
    scene.step(0, pause("a", false));
    let order = drain(&mut scene, 0, &next);
    let of_a = order[1..21].iter().filter(|task| **task < 100).count();
    assert_eq!(of_a, 10, "{order:?}");
}

#[test]
fn queues_share_slots_by_weight() {
    let tasks = |from: u128| (from..from + 60).collect::<Vec<_>>();
    let submissions = [
        change("fast", QueueChange { weight: Some(3), ..QueueChange::default() }),
        in_queue("ana", ("slow", 0), &tasks(0)),
        in_queue("ana", ("fast", 0), &tasks(100)),
        in_queue("ana", ("other", 0), &tasks(200)),
    ];
    let (mut scene, first) = scene(Limits::default(), submissions);
    let order = drain(&mut scene, 0, &first);
    for part in order[..90].chunks(5).map(|part| part.iter().map(|task| task / 100)) {
        let mut counts = BTreeMap::new();
        part.for_each(|queue| *counts.entry(queue).or_insert(0) += 1);
        assert_eq!(counts, BTreeMap::from([(0, 1), (1, 3), (2, 1)]));
    }
}

#[test]
fn a_queue_that_was_empty_has_no_turns_saved_up() {
    let submissions = [in_queue("ana", ("old", 0), &(0..20).collect::<Vec<_>>())];
    let (mut scene, mut next) = scene(Limits::default(), submissions);
    for _ in 0..10 {
        next = assigned(&scene.step(0, succeed(1, attempt(next[0], 1))));
    }
    scene.step(0, in_queue("ana", ("new", 0), &(100..110).collect::<Vec<_>>()));
    let order = drain(&mut scene, 0, &next);
    let new = order[1..11].iter().filter(|task| **task >= 100).count();
    assert_eq!(new, 5, "{order:?}");
}

#[test]
fn a_paused_queue_waits_and_says_so() {
    let (mut scene, first) =
        scene(Limits::default(), [pause("night", true), in_queue("ana", ("night", 0), &[1, 2])]);
    assert_eq!(first, []);
    assert_eq!(pending(&mut scene, 1), Some(PendingReason::QueuePaused));
    scene.rebuilt();
    scene.fail_over(0);
    assert_eq!(assigned(&scene.step(0, connect(1, 1))), []);
    assert_eq!(assigned(&scene.step(0, pause("night", false))), [1]);
    assert_eq!(pending(&mut scene, 2), Some(PendingReason::AllBusy));
}

#[test]
fn no_more_tasks_of_a_queue_run_than_may() {
    let most = QueueChange { max_running: Some(Some(2)), ..QueueChange::default() };
    let mut scene = Scene::new(Limits::default());
    scene.step(0, change("api", most));
    scene.step(0, connect(1, 8));
    assert_eq!(assigned(&scene.step(0, in_queue("ana", ("api", 0), &[1, 2, 3, 4]))), [1, 2]);
    assert_eq!(pending(&mut scene, 3), Some(PendingReason::QueueFull));
    assert_eq!(assigned(&scene.step(0, in_queue("ana", ("default", 0), &[9]))), [9], "another");
    assert_eq!(assigned(&scene.step(0, succeed(1, attempt(1, 1)))), [3]);
    assert_eq!(assigned(&scene.step(0, cancel(2))), [], "a cancelled one runs until it has ended");
    assert_eq!(assigned(&scene.step(0, ended(1, attempt(2, 1)))), [4]);
    let none = QueueChange { max_running: Some(None), ..QueueChange::default() };
    scene.step(0, in_queue("ana", ("api", 0), &[5]));
    assert_eq!(assigned(&scene.step(0, change("api", none))), [5]);
}

#[test]
fn purging_cancels_what_waits_a_part_at_a_time_and_nothing_else() {
    let limits = Limits { purge_batch: 3, ..Limits::default() };
    let mut scene = Scene::new(limits);
    scene.step(0, connect(1, 1));
    scene.step(0, in_queue("ana", ("a", 0), &[1, 2, 3, 4]));
    scene.step(0, in_queue("bia", ("a", 4), &[5]));
    scene.step(0, in_queue("ana", ("b", 0), &[6]));
    let purge = || Command::PurgeQueue { request: REQUEST, queue: "a".into() };
    let told = |step: &Step| lines(step).last().cloned().unwrap_or_default();
    assert_eq!(told(&scene.step(0, purge())), "> purged 3, 1 left");
    assert_eq!(told(&scene.step(0, purge())), "> purged 1, 0 left");
    assert_eq!(told(&scene.step(0, purge())), "> purged 0, 0 left");
    let nowhere = Command::PurgeQueue { request: REQUEST, queue: "nowhere".into() };
    assert!(told(&scene.step(0, nowhere)).contains("nowhere"));
    assert_eq!(assigned(&scene.step(0, succeed(1, attempt(1, 1)))), [6]);
}

#[test]
fn purging_ends_arrays_too() {
    let mut scene = Scene::new(Limits::default());
    scene.step(0, submit_array(1, 0..1_000_000));
    let queue = QueueName::default();
    let step = scene.step(0, Command::PurgeQueue { request: REQUEST, queue });
    let told = lines(&step);
    assert!(told.contains(&"> purged 1000000, 0 left".to_owned()), "{told:?}");
}

#[test]
fn settings_outlive_everything_but_the_default_ones() {
    let list = || Command::ListQueues { request: REQUEST };
    let told = |scene: &mut Scene| lines(&scene.step(0, list())).pop().unwrap_or_default();
    let mut scene = Scene::new(Limits::default());
    scene.step(0, change("a", QueueChange { weight: Some(7), ..QueueChange::default() }));
    scene.step(0, pause("b", true));
    scene.step(0, pause("b", false));
    let expected = "> a QueueSettings { weight: 7, max_running: None, paused: false } 0 queued 0 \
                    running; default QueueSettings { weight: 1, max_running: None, paused: false } \
                    0 queued 0 running";
    assert_eq!(told(&mut scene), expected);
    scene.fail_over(0);
    assert_eq!(told(&mut scene), expected);
    scene.rebuilt();
}

#[test]
fn there_are_as_many_queues_as_may_be() {
    let mut scene = Scene::new(Limits { max_queues: 2, ..Limits::default() });
    let refused = |step: Step| {
        step.effects.iter().any(|effect| matches!(effect, Effect::Answer { answer: Err(_), .. }))
    };
    assert!(!refused(scene.step(0, in_queue("ana", ("a", 0), &[1]))));
    assert!(!refused(scene.step(0, pause("b", true))));
    assert!(refused(scene.step(0, in_queue("ana", ("c", 0), &[3]))));
    assert!(refused(scene.step(0, pause("c", true))));
    assert!(!refused(scene.step(0, in_queue("ana", ("a", 9), &[4]))));
    scene.step(0, cancel(1));
    scene.step(0, cancel(4));
    assert!(
        !refused(scene.step(0, in_queue("ana", ("c", 0), &[5]))),
        "finished tasks take no room"
    );
}
