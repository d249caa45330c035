use orquestrador_core::command::{NewTask, StateFilter, TaskFilter};
use orquestrador_core::effect::{TaskSnapshot, TaskState};
use orquestrador_core::ids::{ArrayId, RequestId, TaskId, Timestamp, UserName};
use orquestrador_core::terms::Terms;
use orquestrador_core::{Answer, Command, Effect, Limits, MAX_SCANNED};

use crate::scene::*;

const NOT_FOUND: &str = "> refused: TaskNotFound { task: 00000000-0000-0000-0000-000000000001 }";

#[test]
fn a_result_is_told_to_its_owner() {
    check(
        [connect(1, 1).into(), submit(&[1]).into(), succeed(1, attempt(1, 1)).into()],
        query("ana", 1),
        r#"> task 1/1 Succeeded at w1 result Some("result")"#,
    );
}

#[test]
fn the_task_of_another_does_not_exist() {
    check([submit(&[1]).into()], query("bia", 1), NOT_FOUND);
    check([], query("ana", 1), NOT_FOUND);
    let cancel = Command::Cancel { request: RequestId(1), owner: "bia".into(), task: TaskId(1) };
    check([submit(&[1]).into()], cancel, NOT_FOUND);
    check(
        [submit(&[1]).into(), submit_tasks("bia", vec![task(2, "echo", "p")]).into()],
        watch(&[2, 3, 1], false),
        "> watched [1] open [1] unknown [2, 3]",
    );
}

fn watch(tasks: &[u128], only_ends: bool) -> Command {
    Command::Watch {
        request: RequestId(1),
        owner: "ana".into(),
        tasks: tasks.iter().copied().map(TaskId).collect(),
        with_results: true,
        only_ends,
    }
}

#[test]
fn who_waits_for_ends_is_told_of_what_has_ended() {
    let given = || [connect(1, 1).into(), submit(&[1, 2]).into(), succeed(1, attempt(1, 1)).into()];
    check(given(), watch(&[2, 3, 1], true), "> watched [1] open [2] unknown [3]");
    check(given(), watch(&[2, 3, 1], false), "> watched [2, 1] open [2] unknown [3]");
}

#[test]
fn why_a_task_waits_is_told() {
    for (given, reason) in
        [(disconnect(1), "NoWorker"), (drain(1), "NoWorkerForHandler"), (heartbeat(1), "AllBusy")]
    {
        check(
            [connect(1, 1).into(), submit(&[1, 2]).into(), given.into()],
            query("ana", 2),
            &format!("> task 2/0 Queued {reason} result None"),
        );
    }
}

#[test]
fn a_list_is_newest_first_and_paged() {
    let given = || [submit(&[5, 1, 9]).into(), submit(&[4]).into()];
    check(given(), list(0, None, 3), "> tasks [4, 9, 1] next Some(1)");
    check(given(), list(0, Some(1), 3), "> tasks [5] next None");
    check(given(), list(0, None, 4), "> tasks [4, 9, 1, 5] next None");
    check(
        given(),
        list(0, Some(77), 4),
        "> refused: TaskNotFound { task: 00000000-0000-0000-0000-00000000004d }",
    );
}

#[test]
fn a_list_is_filtered_by_state() {
    let bit = |state: TaskState| 1 << state as u8;
    let given = || {
        [
            connect(1, 1).into(),
            submit(&[1, 2, 3, 4]).into(),
            fail(1, attempt(1, 1)).into(),
            cancel(3).into(),
        ]
    };
    check(given(), list(bit(TaskState::Queued), None, 9), "> tasks [4] next None");
    check(
        given(),
        list(bit(TaskState::Running) | bit(TaskState::Failed), None, 9),
        "> tasks [2, 1] next None",
    );
    check(given(), list(bit(TaskState::Cancelled), None, 1), "> tasks [3] next Some(3)");
    check(given(), list(bit(TaskState::Succeeded), None, 9), "> tasks [] next None");
    assert!(TaskState::ALL.into_iter().all(|state| StateFilter(0).admits(state)));
}

#[test]
fn a_page_looks_at_a_bounded_number_of_tasks_and_says_where_to_go_on() {
    let mut scene = Scene::new(Limits::default());
    let ids: Vec<_> = (1..=MAX_SCANNED as u128 + 1).collect();
    scene.step(0, submit(&ids));
    scene.step(0, cancel(1));
    let cancelled = 1 << TaskState::Cancelled as u8;
    let page = scene.step(0, list(cancelled, None, 9));
    assert_eq!(lines(&page), ["> tasks [] next Some(2)"]);
    let page = scene.step(0, list(cancelled, Some(2), 9));
    assert_eq!(lines(&page), ["> tasks [1] next None"]);
}

#[test]
fn a_list_is_filtered_by_queue_handler_worker_and_time() {
    let night = Terms { queue: "night".into(), ..Terms::default() };
    let at_night = |id| NewTask { terms: night.clone().into(), ..task(id, "echo", "p") };
    let all = TaskFilter::default;
    let (at, w1) = (|ms| Some(Timestamp(ms)), Some("w1".into()));
    for (filter, expect) in [
        (TaskFilter { queue: Some("night".into()), ..all() }, "[4, 2]"),
        (TaskFilter { queue: Some("nigh".into()), ..all() }, "[]"),
        (TaskFilter { handler: Some("echo".into()), ..all() }, "[6, 5, 4, 2, 1]"),
        // One that was given back by a worker is at none.
        (TaskFilter { worker: w1.clone(), ..all() }, "[2, 1]"),
        (TaskFilter { since: at(20), ..all() }, "[6, 5, 4]"),
        (TaskFilter { until: at(20), ..all() }, "[3, 2, 1]"),
        (TaskFilter { since: at(10), until: at(20), queue: Some("night".into()), ..all() }, "[2]"),
        (TaskFilter { since: at(20), worker: w1, ..all() }, "[]"),
    ] {
        let unknown = |mut command: Command| {
            if let Command::Submit { allow_unknown_handler, .. } = &mut command {
                *allow_unknown_handler = true;
            }
            command
        };
        check(
            [
                At(0, connect(1, 2)),
                At(0, submit(&[1])),
                At(10, submit_tasks("ana", vec![at_night(2)])),
                At(10, succeed(1, attempt(1, 1))),
                At(10, unknown(submit_to("zip", &[3]))),
                At(20, submit_tasks("ana", vec![at_night(4)])),
                At(20, submit(&[5])),
                At(20, drain(1)),
                At(20, give_back(1, &[attempt(4, 1)])),
                At(30, submit(&[6])),
            ],
            list_of(filter, None, 9),
            &format!("> tasks {expect} next None"),
        );
    }
}

#[test]
fn a_filtered_page_goes_on_in_an_array_that_waits() {
    let none = TaskFilter { until: Some(Timestamp(5)), ..TaskFilter::default() };
    let mut scene = Scene::new(Limits::default());
    scene.step(0, submit(&[1]));
    scene.step(9, submit_array(1, 0..MAX_SCANNED as u32));
    let page = scene.step(9, list_of(none.clone(), None, 9));
    assert_eq!(lines(&page), ["> tasks [] next Some(a1.0)"]);
    let page = scene.step(9, list_of(none, Some(in_array(1, 0)), 9));
    assert_eq!(lines(&page), ["> tasks [1] next None"]);
}

#[test]
fn of_an_array_nothing_else_is_listed_whether_its_tasks_have_begun_or_not() {
    let mut scene = Scene::new(Limits::default());
    for command in [
        connect(1, 2),
        submit(&[1]),
        submit_array(7, 10..16),
        submit(&[2]),
        submit_array(8, 0..1),
        cancel(in_array(7, 13)),
    ] {
        scene.step(0, command);
    }
    let of = |array: Option<ArrayId>| TaskFilter { array, ..TaskFilter::default() };
    let ana = UserName::from("ana");
    let all = list_by_page(&mut scene, 0, (Some(&ana), &of(None)), 2);
    assert_eq!(all.len(), 9);
    for id in [in_array(7, 10), in_array(8, 0)] {
        let filter = of(TaskId(id).in_array().map(|(array, _)| array));
        let expected: Vec<_> = all.iter().filter(|task| is_told(&filter, task)).cloned().collect();
        for limit in [1, 2, 9] {
            for owner in [Some(&ana), None] {
                assert_eq!(list_by_page(&mut scene, 0, (owner, &filter), limit), expected);
            }
        }
        let bia = UserName::from("bia");
        let (owner, filter) = (Some(bia), Box::new(filter));
        let list = Command::List { request: REQUEST, owner, filter, after: None, limit: 9 };
        let answer = lines(&scene.step(0, list));
        assert!(answer[0].starts_with("> refused: ArrayNotFound"), "{answer:?}");
    }
}

#[test]
fn of_everybody_the_newest_are_told_first_whoever_submitted_them() {
    let mut scene = Scene::new(Limits::default());
    let of = |owner: &str, id| submit_tasks(owner, vec![task(id, "echo", "p")]);
    for command in [submit(&[1, 2]), of("bia", 3), submit(&[4]), of("caio", 5), of("bia", 6)] {
        scene.step(0, command);
    }
    let page = |scene: &mut Scene, after: Option<u128>, limit| {
        let filter = Box::<TaskFilter>::default();
        let after = after.map(TaskId);
        let list = Command::List { request: REQUEST, owner: None, filter, after, limit };
        lines(&scene.step(0, list))
    };
    assert_eq!(page(&mut scene, None, 4), ["> tasks [6, 5, 4, 3] next Some(3)"]);
    assert_eq!(page(&mut scene, Some(3), 4), ["> tasks [2, 1] next None"]);
    assert_eq!(page(&mut scene, Some(5), 2), ["> tasks [4, 3] next Some(3)"]);
    // What comes between two pages is on neither.
    scene.step(0, of("bia", 7));
    assert_eq!(page(&mut scene, Some(4), 9), ["> tasks [3, 2, 1] next None"]);
    assert_eq!(page(&mut scene, Some(8), 9).len(), 1, "nobody has submitted it");
}

#[test]
fn one_task_is_listed_with_its_owner() {
    let mut scene = Scene::new(Limits::default());
    scene.step(0, submit_tasks("bia", vec![task(3, "echo", "p")]));
    scene.step(0, submit_array(7, 0..9));
    for (owner, id, told) in [
        (None, 3, "> tasks [3] next None"),
        (Some("bia"), 3, "> tasks [3] next None"),
        (Some("ana"), 3, "> tasks [] next None"),
        (None, in_array(7, 5), "> tasks [a7.5] next None"),
        (None, in_array(7, 9), "> tasks [] next None"),
    ] {
        let filter = TaskFilter { task: Some(TaskId(id)), ..TaskFilter::default() };
        let (owner, filter) = (owner.map(UserName::from), Box::new(filter));
        let list = Command::List { request: REQUEST, owner, filter, after: None, limit: 3 };
        assert_eq!(lines(&scene.step(0, list)), [told]);
    }
}

#[test]
fn a_page_of_everybody_may_begin_in_the_middle_of_an_array_that_waits() {
    let mut scene = Scene::new(Limits::default());
    scene.step(0, submit_array(7, 0..1_000));
    scene.step(0, submit_tasks("bia", vec![task(3, "echo", "p")]));
    scene.step(0, submit_array(8, 0..1_000_000));
    let filter = TaskFilter::default();
    for (after, told) in [
        (in_array(8, 2), "> tasks [a8.1, a8.0, 3] next Some(3)"),
        (in_array(8, 0), "> tasks [3, a7.999, a7.998] next Some(a7.998)"),
        (3, "> tasks [a7.999, a7.998, a7.997] next Some(a7.997)"),
        (in_array(7, 1), "> tasks [a7.0] next None"),
    ] {
        let (filter, after) = (Box::new(filter.clone()), Some(TaskId(after)));
        let list = Command::List { request: REQUEST, owner: None, filter, after, limit: 3 };
        assert_eq!(lines(&scene.step(0, list)), [told]);
    }
}

/// All that a list tells.
pub fn list_by_page(
    scene: &mut Scene,
    now: u64,
    (owner, filter): (Option<&UserName>, &TaskFilter),
    limit: usize,
) -> Vec<TaskSnapshot> {
    let (mut listed, mut after) = (Vec::new(), None);
    loop {
        let (owner, filter) = (owner.cloned(), Box::new(filter.clone()));
        let list = Command::List { request: REQUEST, owner, filter, after, limit };
        let answer = scene.step(now, list).effects.pop();
        let Some(Effect::Answer { answer: Ok(Answer::Tasks { tasks, next }), .. }) = answer else {
            panic!("a list of what is known is always answered")
        };
        listed.extend(tasks.into_iter().map(|(task, _)| task));
        after = next;
        if after.is_none() {
            return listed;
        }
    }
}

/// By what is told of the task.
pub fn is_told(filter: &TaskFilter, task: &TaskSnapshot) -> bool {
    fn fits<T: PartialEq>(wanted: &Option<T>, is: Option<&T>) -> bool {
        wanted.is_none() || wanted.as_ref() == is
    }
    let TaskFilter { states, queue, handler, worker, since, until, group, code, .. } = filter;
    let array = task.id.in_array().map(|(array, _)| array);
    let error = task.error.as_ref().filter(|_| task.state.is_finished());
    states.admits(task.state)
        && fits(queue, Some(&task.queue))
        && fits(handler, Some(&task.handler))
        && fits(worker, task.worker.as_ref())
        && fits(group, task.group.as_ref())
        && fits(&filter.array, array.as_ref())
        && fits(&filter.schedule, task.schedule.as_ref())
        && fits(code, error.map(|(code, _)| code))
        && since.is_none_or(|since| since <= task.submitted_at)
        && until.is_none_or(|until| task.submitted_at < until)
}
