//! Arrays that are not to begin yet: each waits as one, by its front.

use std::sync::Arc;

use orquestrador_core::command::{After, Condition, NewArray, NewTask, NewWork, Start};
use orquestrador_core::effect::{ArraySnapshot, PendingReason, TaskSnapshot, TaskState};
use orquestrador_core::ids::{TaskId, Timestamp};
use orquestrador_core::terms::{Terms, TimeLimits};
use orquestrador_core::{Answer, Command, Effect, Limits, Step};

use crate::blobs::nth_blob;
use crate::scene::*;

const FAILED: usize = TaskState::Failed as usize;

fn whole(n: u128) -> u128 {
    array_id(n).0
}

fn after(condition: Condition, after: &[u128]) -> Option<Box<After>> {
    let tasks = after.iter().map(|id| TaskId(*id)).collect();
    Some(Box::new(After { tasks, condition, sources: Vec::new() }))
}

pub fn with(n: u128, count: u32, change: impl FnOnce(&mut NewArray)) -> Command {
    let mut command = submit_array(n, 0..count);
    if let Command::SubmitArray { array, .. } = &mut command {
        change(array);
    }
    command
}

fn array_after(n: u128, count: u32, ids: &[u128]) -> Command {
    with(n, count, |array| array.after = after(Condition::Succeeded, ids))
}

fn task_after(id: u128, ids: &[u128]) -> NewTask {
    NewTask { after: after(Condition::Succeeded, ids), ..task(id, "echo", "payload") }
}

fn flow(work: Vec<NewWork>) -> Command {
    let (owner, allow_unknown_handler) = ("ana".into(), false);
    Command::SubmitFlow { request: REQUEST, owner, work, allow_unknown_handler }
}

fn array_of(command: Command) -> NewWork {
    let Command::SubmitArray { array, .. } = command else { panic!("another command") };
    NewWork::Array(*array)
}

/// Without effects.
fn events(step: &Step) -> Vec<String> {
    lines(step).into_iter().filter(|line| !line.starts_with('>')).collect()
}

fn scene(slots: u32) -> Scene {
    let mut scene = Scene::new(Limits::default());
    scene.step(0, connect(1, slots));
    scene
}

fn array(scene: &mut Scene, n: u128) -> ArraySnapshot {
    match scene.step(0, query_array("ana", n)).effects.pop() {
        Some(Effect::Answer { answer: Ok(Answer::Array { snapshot }), .. }) => snapshot,
        other => panic!("it is known: {other:?}"),
    }
}

fn look(scene: &mut Scene, id: u128) -> TaskSnapshot {
    match scene.step(0, query("ana", id)).effects.pop() {
        Some(Effect::Answer { answer: Ok(Answer::Task { snapshot, .. }), .. }) => snapshot,
        other => panic!("it is known: {other:?}"),
    }
}

#[test]
fn an_array_waits_as_one_and_tells_for_what() {
    let mut scene = scene(2);
    scene.step(0, submit(&[1]));
    let step = scene.step(0, array_after(7, 1_000_000, &[1]));
    assert_eq!(events(&step)[1..], ["blocked a7.0 after 1 Succeeded"]);
    // The task, the array and its front, which is blocked; a worker and what it learnt.
    assert!(scene.principal.history().count() <= 8, "it takes no more than one task");
    let told = array(&mut scene, 7).wait;
    assert_eq!((told.pending, told.waits_for), (Some(PendingReason::Dependencies), 1));
    assert_eq!(told.waits_on, [TaskId(1)]);
    let last = look(&mut scene, in_array(7, 999_999));
    assert_eq!((last.pending, last.waits_for), (Some(PendingReason::Dependencies), 1));
    scene.fail_over(0);
    let Command::ConnectWorker(mut again) = connect(2, 2) else { unreachable!() };
    (again.worker, again.held) = ("w1".into(), vec![attempt(1, 1)]);
    scene.step(0, Command::ConnectWorker(again));
    assert_eq!(
        events(&scene.step(0, succeed(2, attempt(1, 1)))),
        ["succeeded 1/1", "released a7.0", "assigned a7.0/1 to w1", "assigned a7.1/1 to w1"]
    );
    assert_eq!(array(&mut scene, 7).wait.pending, Some(PendingReason::AllBusy));
}

#[test]
fn a_failure_goes_on_through_arrays_and_leaves_no_records() {
    let mut scene = scene(1);
    scene.step(0, submit(&[1]));
    scene.step(0, array_after(7, 1_000_000, &[1]));
    scene.step(0, array_after(8, 1_000_000, &[whole(7), in_array(7, 5)]));
    scene.step(0, submit_tasks("ana", vec![task_after(2, &[whole(8)])]));
    let any_end = |array: &mut NewArray| array.after = after(Condition::Finished, &[whole(8)]);
    scene.step(0, with(9, 2, any_end));
    let step = scene.step(0, fail(1, attempt(1, 1)));
    assert_eq!(
        events(&step),
        [
            "failed 1/1 HANDLER_ERROR",
            "failed array 7 DEPENDENCY_FAILED",
            "skipped a7.0 because of 1",
            "failed array 8 DEPENDENCY_FAILED",
            "skipped a8.0 because of a7.5",
            "skipped 2 because of a8",
            "released a9.0",
            "assigned a9.0/1 to w1",
        ]
    );
    scene.rebuilt();
    let counts = array(&mut scene, 8).counts;
    assert_eq!((counts[FAILED], counts.iter().sum::<u64>()), (1_000_000, 1_000_000));
    let told = look(&mut scene, in_array(8, 777));
    assert_eq!((told.state, told.attempt.0), (TaskState::Failed, 0));
    assert_eq!(told.error.expect("it failed").0, "DEPENDENCY_FAILED");
    scene.fail_over(0);
    assert_eq!(look(&mut scene, in_array(8, 777)).state, TaskState::Failed);
    let refused = format!("> refused: TaskFinished {{ task: {} }}", array_id(8).task(777));
    assert_eq!(lines(&scene.step(0, cancel(in_array(8, 777)))), [refused]);
}

#[test]
fn whoever_watches_tasks_of_an_array_hears_that_they_failed_with_it() {
    let mut scene = scene(1);
    scene.step(0, submit(&[1]));
    scene.step(0, array_after(7, 6, &[1]));
    scene.step(0, cancel(in_array(7, 1)));
    scene.step(0, cancel(in_array(7, 3)));
    let step = scene.step(0, fail(1, attempt(1, 1)));
    let told = lines(&step);
    let of_array: Vec<_> = told.iter().filter(|line| line.starts_with("> of array")).collect();
    assert_eq!(of_array, ["> of array 7 [2..3, 4..6] Failed"]);
    assert!(told.contains(&"> array 7: 3 failed, DEPENDENCY_FAILED".to_owned()), "{told:?}");
    assert_eq!(look(&mut scene, in_array(7, 3)).state, TaskState::Cancelled);
}

#[test]
fn a_front_that_is_cancelled_leaves_its_wait_to_the_next_one() {
    let mut scene = scene(3);
    scene.step(0, submit(&[1]));
    scene.step(0, array_after(7, 4, &[1]));
    assert_eq!(events(&scene.step(0, cancel(in_array(7, 0)))), ["cancelled a7.0"]);
    assert_eq!(events(&scene.step(0, cancel(in_array(7, 2)))), ["cancelled a7.2"]);
    assert_eq!(array(&mut scene, 7).wait.waits_for, 1);
    scene.rebuilt();
    assert_eq!(
        events(&scene.step(0, succeed(1, attempt(1, 1)))),
        ["succeeded 1/1", "released a7.1", "assigned a7.1/1 to w1", "assigned a7.3/1 to w1"]
    );
    // The same with a moment.
    scene.step(0, with(8, 3, |array| array.start = Start::At(Timestamp(500))));
    scene.step(0, cancel(in_array(8, 0)));
    assert_eq!(array(&mut scene, 8).wait.not_before, Some(Timestamp(500)));
    scene.fail_over(0);
    assert_eq!(events(&scene.step(499, expire())), Vec::<String>::new());
    assert_eq!(events(&scene.step(500, expire())), ["due a8.1"]);
}

#[test]
fn an_array_that_waits_is_cancelled_in_one_step_and_what_comes_after_it_fails() {
    let mut scene = scene(1);
    scene.step(0, submit(&[1]));
    scene.step(0, array_after(7, 9, &[1]));
    scene.step(0, submit_tasks("ana", vec![task_after(2, &[whole(7)])]));
    assert_eq!(
        events(&scene.step(0, cancel_array(7))),
        [
            "cancelled array 7".to_owned(),
            "cancelled a7.0".to_owned(),
            "skipped 2 because of a7".to_owned(),
        ]
    );
    assert_eq!(events(&scene.step(0, succeed(1, attempt(1, 1)))), ["succeeded 1/1"]);
}

#[test]
fn cancelling_a_group_and_purging_a_queue_take_arrays_that_wait_as_one() {
    for start in [Start::Now, Start::After(9_000)] {
        let mut scene = scene(1);
        scene.step(0, submit(&[1]));
        let terms = Terms { queue: "q".into(), group: Some("g".into()), ..Terms::default() };
        let comes_after = (start == Start::Now).then(|| after(Condition::Succeeded, &[1]));
        let new = |array: &mut NewArray| {
            (array.terms, array.start, array.after) =
                (terms.clone().shared(), start, comes_after.clone().flatten());
        };
        let expected = ["cancelled array 7", "cancelled a7.0"];
        scene.step(0, with(7, 9, new));
        let group = "g".into();
        let cancel = Command::CancelGroup { request: REQUEST, owner: "ana".into(), group };
        assert_eq!(events(&scene.step(0, cancel)), expected);
        scene.step(0, with(8, 9, new));
        let purge = Command::PurgeQueue { request: REQUEST, queue: "q".into() };
        assert_eq!(events(&scene.step(0, purge)), expected.map(|line| line.replace('7', "8")));
    }
}

#[test]
fn an_array_that_is_out_of_time_fails_at_once_but_for_what_has_begun() {
    let mut scene = scene(2);
    let times = TimeLimits { begin_ms: Some(1_000), ..TimeLimits::default() };
    scene.step(0, with(7, 1_000_000, |array| Arc::make_mut(&mut array.terms).times = times));
    scene.step(900, heartbeat(1));
    assert_eq!(
        events(&scene.step(1_000, expire())),
        ["failed array 7 EXPIRED", "expired a7.2 NotBegun"]
    );
    assert_eq!(array(&mut scene, 7).counts, [0, 2, 0, 999_998, 0, 0]);
    scene.rebuilt();
    // By a deadline what runs is ended, too.
    let mut scene = self::scene(2);
    let times = TimeLimits { end_ms: Some(1_000), ..TimeLimits::default() };
    scene.step(0, with(7, 9, |array| Arc::make_mut(&mut array.terms).times = times));
    scene.step(900, heartbeat(1));
    let step = scene.step(1_000, expire());
    let told = events(&step);
    assert_eq!(
        told,
        [
            "expired a7.0 NotEnded",
            "expired a7.1 NotEnded",
            "failed array 7 DEADLINE_EXCEEDED",
            "expired a7.2 NotEnded"
        ]
    );
    assert_eq!(array(&mut scene, 7).counts[FAILED], 9);
    // One whose moment never comes in time waits for nothing any more.
    scene.step(1_000, submit(&[5]));
    let both = |array: &mut NewArray| {
        array.after = after(Condition::Succeeded, &[5]);
        Arc::make_mut(&mut array.terms).times = times;
    };
    scene.step(1_000, with(8, 9, both));
    let step = scene.step(2_000, expire());
    assert!(events(&step).contains(&"expired a8.0 NotEnded".to_owned()), "{:?}", events(&step));
    scene.rebuilt();
}

#[test]
fn a_flow_is_all_or_nothing_and_its_repetition_changes_nothing() {
    let work = || {
        vec![
            NewWork::Task(task(1, "echo", "payload")),
            array_of(array_after(7, 3, &[1])),
            array_of(array_after(8, 3, &[whole(7)])),
            NewWork::Task(task_after(2, &[whole(8), whole(7)])),
        ]
    };
    let mut scene = scene(1);
    let mut wrong = work();
    wrong.push(NewWork::Task(task_after(3, &[99])));
    assert!(scene.step(0, flow(wrong)).events.is_empty(), "all or nothing");
    let mut turned = work();
    turned.reverse();
    assert!(scene.step(0, flow(turned)).events.is_empty(), "what comes first stands first");
    let mut twice = work();
    twice.push(NewWork::Task(task(1, "echo", "payload")));
    assert!(scene.step(0, flow(twice)).events.is_empty(), "each has a name of its own");
    let accepted = lines(&scene.step(0, flow(work())));
    assert_eq!(accepted.last().map(String::as_str), Some("> 4 new, of 8 tasks"));
    scene.fail_over(0);
    assert_eq!(lines(&scene.step(0, flow(work()))), ["> 0 new, of 0 tasks"]);
    let mut more = work();
    more.push(NewWork::Task(task_after(3, &[2])));
    let accepted = lines(&scene.step(0, flow(more)));
    assert_eq!(accepted.last().map(String::as_str), Some("> 1 new, of 1 tasks"));
    let mut other = work();
    other[1] = array_of(array_after(7, 4, &[1]));
    let refused = format!("> refused: ArrayConflict {{ array: {} }}", array_id(7));
    assert_eq!(lines(&scene.step(0, flow(other))), [refused]);
}

#[test]
fn limits_count_the_tasks_and_waits_of_a_flow() {
    let limits = Limits { max_active_tasks: 5, max_dependencies: 2, ..Limits::default() };
    let refused = |work| {
        let step = Scene::new(limits.clone()).step(0, flow(work));
        step.events.is_empty()
    };
    let first = || NewWork::Task(task(1, "echo", "payload"));
    assert!(refused(vec![first(), array_of(submit_array(7, 0..5))]));
    assert!(!refused(vec![first(), array_of(submit_array(7, 0..4))]));
    let comes_after = |id| NewWork::Task(task_after(id, &[1]));
    assert!(!refused(vec![first(), comes_after(2), array_of(array_after(7, 2, &[1]))]));
    assert!(refused(vec![first(), comes_after(2), array_of(array_after(7, 2, &[1, 2]))]));
}

#[test]
fn what_an_array_refers_to_is_kept_until_the_array_is_forgotten() {
    let mut scene = Scene::new(Limits { max_finished_tasks: 1, ..Limits::default() });
    scene.step(0, connect(1, 1));
    scene.step(0, with(7, 3, |array| array.blobs = vec![nth_blob(1), nth_blob(2)]));
    let referred =
        |scene: &Scene| scene.principal.referred_blobs().map(|b| b.id.0[0]).collect::<Vec<_>>();
    let done = |scene: &mut Scene, n| scene.step(0, succeed(1, attempt(in_array(7, n), 1)));
    done(&mut scene, 0);
    done(&mut scene, 1);
    scene.rebuilt();
    assert_eq!(referred(&scene), [1, 2]);
    // What fails is done once more with the same files.
    scene.step(0, fail(1, attempt(in_array(7, 2), 1)));
    let (owner, task, new) = ("ana".into(), array_id(7).task(2), TaskId(50));
    scene.step(0, Command::Retry { request: REQUEST, owner, task, new });
    scene.step(0, succeed(1, attempt(50, 1)));
    assert_eq!(referred(&scene), [1, 2], "of the repetition");
    scene.step(0, submit(&[60]));
    scene.step(0, succeed(1, attempt(60, 1)));
    assert_eq!(referred(&scene), Vec::<u8>::new());
}

#[test]
fn for_the_sake_of_room_no_array_is_thinned_out_while_it_goes_on() {
    let limits = Limits { max_referred_bytes: 15, ..Limits::default() };
    let mut scene = Scene::new(limits);
    scene.step(0, connect(1, 1));
    scene.step(0, with(7, 3, |array| array.blobs = vec![nth_blob(2)]));
    scene.step(0, succeed(1, attempt(in_array(7, 0), 1)));
    scene.step(0, succeed(1, attempt(in_array(7, 1), 1)));
    assert_eq!(array(&mut scene, 7).forgotten, 0);
    let step = scene.step(0, succeed(1, attempt(in_array(7, 2), 1)));
    assert!(events(&step).last().is_some_and(|line| line.starts_with("pruned")), "{step:?}");
    assert_eq!(scene.principal.referred_blobs().count(), 0);
}
