use orquestrador_core::command::{After, Condition, Look, NewTask, TaskFilter};
use orquestrador_core::ids::{GroupName, TaskId};
use orquestrador_core::terms::Terms;
use orquestrador_core::{Command, Limits, Step};

use crate::scene::*;

fn grouped(id: u128, group: &str) -> NewTask {
    let terms = Terms { group: Some(group.into()), ..Terms::default() };
    NewTask { terms: terms.into(), ..task(id, "echo", "p") }
}

fn submit_in(group: &str, ids: &[u128]) -> Command {
    submit_tasks("ana", ids.iter().map(|id| grouped(*id, group)).collect())
}

fn array_in(group: &str, count: u32) -> Command {
    let mut command = submit_array(1, 0..count);
    if let Command::SubmitArray { array, .. } = &mut command {
        let terms = Terms { group: Some(group.into()), ..Terms::clone(&array.terms) };
        array.terms = terms.shared();
    }
    command
}

fn named(group: &str) -> GroupName {
    group.into()
}

fn show(group: &str) -> Command {
    Command::QueryGroup { request: REQUEST, owner: "ana".into(), group: named(group) }
}

fn cancel_group(group: &str) -> Command {
    Command::CancelGroup { request: REQUEST, owner: "ana".into(), group: named(group) }
}

fn look(group: Option<&str>, since: Option<u64>) -> Command {
    let look = Look { group: group.map(named), since, with_results: false };
    Command::Look { request: REQUEST, owner: "ana".into(), look }
}

fn shown(scene: &mut Scene, group: &str) -> String {
    last(&scene.step(0, show(group)))
}

fn last(step: &Step) -> String {
    lines(step).pop().expect("it is answered")
}

#[test]
fn a_group_has_one_status_through_a_failover_and_a_snapshot() {
    let mut scene = Scene::new(Limits::default());
    scene.step(5, submit_in("g", &[1, 2]));
    let queued = "> g Queued [2, 0, 0, 0, 0, 0] 0 forgotten [Some(5), None, None]";
    assert_eq!(shown(&mut scene, "g"), queued);
    scene.step(10, connect(1, 1));
    scene.step(20, succeed(1, attempt(1, 1)));
    let running = "> g Running [0, 1, 1, 0, 0, 0] 0 forgotten [Some(5), Some(10), Some(20)]";
    assert_eq!(shown(&mut scene, "g"), running);
    scene.rebuilt();
    scene.fail_over(30);
    assert_eq!(shown(&mut scene, "g"), running);
    assert_eq!(shown(&mut scene, "h"), "> refused: GroupNotFound { group: \"h\" }");
    scene.step(40, cancel(2));
    let over = "> g Cancelled [0, 0, 1, 0, 1, 0] 0 forgotten [Some(5), Some(10), Some(40)]";
    assert_eq!(shown(&mut scene, "g"), over);
}

#[test]
fn what_is_forgotten_stays_counted_as_long_as_anything_of_the_group_is_known() {
    let mut scene = Scene::new(Limits { max_finished_tasks: 1, ..Limits::default() });
    scene.step(0, submit_in("g", &[1, 2]));
    scene.step(0, connect(1, 1));
    scene.step(0, succeed(1, attempt(1, 1)));
    scene.step(0, succeed(1, attempt(2, 1)));
    let one = "> g Succeeded [0, 0, 2, 0, 0, 0] 1 forgotten [Some(0), Some(0), Some(0)]";
    assert_eq!(shown(&mut scene, "g"), one);
    scene.rebuilt();
    scene.fail_over(0);
    assert_eq!(shown(&mut scene, "g"), one);
    scene.step(3_000, expire());
    scene.step(3_000, submit(&[3]));
    scene.step(3_000, cancel(3));
    assert_eq!(shown(&mut scene, "g"), "> refused: GroupNotFound { group: \"g\" }");
    scene.rebuilt();
    // The name begins anew.
    scene.step(9_000, submit_in("g", &[4]));
    let anew = "> g Queued [1, 0, 0, 0, 0, 0] 0 forgotten [Some(9000), None, None]";
    assert_eq!(shown(&mut scene, "g"), anew);
}

#[test]
fn the_tasks_of_an_array_count_without_a_record_and_after_it() {
    let mut scene = Scene::new(Limits { max_finished_tasks: 2, ..Limits::default() });
    scene.step(0, array_in("g", 5));
    scene.step(0, submit_in("g", &[1]));
    let all = "> g Queued [6, 0, 0, 0, 0, 0] 0 forgotten [Some(0), None, None]";
    assert_eq!(shown(&mut scene, "g"), all);
    scene.step(1, connect(1, 1));
    let cancelled = scene.step(2, cancel_group("g"));
    let over = "g Cancelled [0, 0, 0, 0, 6, 0] 3 forgotten [Some(0), Some(1), Some(2)]";
    assert!(lines(&cancelled).contains(&format!("> cancelled 6, {over}")), "{cancelled:?}");
    assert!(lines(&cancelled).contains(&"> group g of ana ended".to_owned()));
    scene.rebuilt();
    scene.fail_over(3);
    assert_eq!(shown(&mut scene, "g"), format!("> {over}"));
}

#[test]
fn a_group_is_cancelled_a_batch_at_a_time_and_nothing_of_it_fails_for_that() {
    let mut scene = Scene::new(Limits { purge_batch: 2, ..Limits::default() });
    scene.step(0, connect(1, 1));
    let after = |id: u128, other: u128| {
        let after =
            After { tasks: vec![TaskId(other)], condition: Condition::Succeeded, sources: vec![] };
        NewTask { after: Some(Box::new(after)), ..grouped(id, "g") }
    };
    let flow = vec![grouped(1, "g"), after(2, 1), after(3, 2), after(4, 3), grouped(5, "h")];
    scene.step(0, submit_tasks("ana", flow));
    let part = scene.step(1, cancel_group("g"));
    let left = "> cancelled 2, g Running [1, 1, 0, 0, 2, 0] 0 forgotten";
    assert!(lines(&part).iter().any(|line| line.starts_with(left)), "{:?}", lines(&part));
    scene.fail_over(2);
    let rest = scene.step(2, cancel_group("g"));
    let none = "> cancelled 2, g Cancelled [0, 0, 0, 0, 4, 0] 0 forgotten";
    assert!(lines(&rest).iter().any(|line| line.starts_with(none)), "{:?}", lines(&rest));
    assert!(shown(&mut scene, "h").starts_with("> h Queued"), "another group goes on");
    let bia = Command::CancelGroup { request: REQUEST, owner: "bia".into(), group: named("h") };
    let refused = "> refused: GroupNotFound { group: \"h\" }";
    assert_eq!(last(&scene.step(2, bia)), refused, "groups are each user's own");
}

#[test]
fn groups_are_listed_by_name_a_page_at_a_time() {
    let mut scene = Scene::new(Limits::default());
    scene.step(0, submit_in("b", &[1]));
    scene.step(0, submit_in("a", &[2]));
    scene.step(0, submit_tasks("bia", vec![grouped(3, "c")]));
    let list = |after: Option<&str>, limit| {
        let (owner, after) = ("ana".into(), after.map(named));
        Command::ListGroups { request: REQUEST, owner, after, limit }
    };
    let none = "Queued [1, 0, 0, 0, 0, 0] 0 forgotten [Some(0), None, None]";
    let first = last(&scene.step(0, list(None, 1)));
    assert_eq!(first, format!("> groups [a {none}] next Some(\"a\")"));
    let second = last(&scene.step(0, list(Some("a"), 1)));
    assert_eq!(second, format!("> groups [b {none}] next None"));
}

#[test]
fn groups_with_unfinished_tasks_have_a_limit() {
    let mut scene = Scene::new(Limits { max_groups: 1, ..Limits::default() });
    scene.step(0, submit_in("g", &[1]));
    let full = last(&scene.step(0, submit_in("h", &[2])));
    assert!(full.contains("groups with unfinished tasks"), "{full}");
    scene.step(0, submit_in("g", &[3]));
    scene.step(0, cancel_group("g"));
    let room = last(&scene.step(0, submit_in("h", &[2])));
    assert!(room.contains("1 new"), "{room}");
}

#[test]
fn a_repetition_belongs_to_the_group_of_what_failed() {
    let mut scene = Scene::new(Limits::default());
    scene.step(0, connect(1, 1));
    scene.step(0, submit_in("g", &[1]));
    scene.step(0, fail(1, attempt(1, 1)));
    let (task, new) = (TaskId(1), TaskId(2));
    scene.step(0, Command::Retry { request: REQUEST, owner: "ana".into(), task, new });
    assert!(
        shown(&mut scene, "g").starts_with("> g Running [0, 1, 0, 0, 0, 0] 0 forgotten 1 retried")
    );
}

#[test]
fn a_list_is_filtered_by_group_and_by_code() {
    let mut scene = Scene::new(Limits::default());
    scene.step(0, connect(1, 2));
    scene.step(0, submit(&[1]));
    scene.step(0, submit_in("g", &[2, 3]));
    scene.step(0, fail(1, attempt(1, 1)));
    let of = |filter: TaskFilter| list_of(filter, None, 9);
    let group = TaskFilter { group: Some(named("g")), ..TaskFilter::default() };
    assert_eq!(last(&scene.step(0, of(group.clone()))), "> tasks [3, 2] next None");
    let code = |code: &str| TaskFilter { code: Some(code.to_owned()), ..TaskFilter::default() };
    assert_eq!(last(&scene.step(0, of(code("HANDLER_ERROR")))), "> tasks [1] next None");
    assert_eq!(last(&scene.step(0, of(code("QUARANTINED")))), "> tasks [] next None");
    let both = TaskFilter { group: Some(named("g")), ..code("HANDLER_ERROR") };
    assert_eq!(last(&scene.step(0, of(both))), "> tasks [] next None");
}

#[test]
fn whoever_watches_a_group_goes_on_at_the_new_principal_where_the_old_one_ended() {
    let mut scene = Scene::new(Limits::default());
    scene.step(0, connect(1, 2));
    scene.step(0, submit_in("g", &[1, 2, 3]));
    scene.step(0, submit(&[4]));
    scene.step(0, succeed(1, attempt(1, 1)));
    let begun = "> looked [2/1 Running at w1, 3/1 Running at w1] to 1 all true open true";
    assert_eq!(last(&scene.step(0, look(Some("g"), None))), begun);
    scene.step(1, succeed(1, attempt(2, 1)));
    scene.step(1, cancel(4));
    scene.step(1, succeed(1, attempt(3, 1)));
    scene.fail_over(2);
    let rest = "2/1 Succeeded at w1, 3/1 Succeeded at w1";
    let of_group = last(&scene.step(2, look(Some("g"), Some(1))));
    assert!(of_group.starts_with(&format!("> looked [{rest}]")), "{of_group}");
    assert!(of_group.ends_with("all true open false"), "{of_group}");
    let all = last(&scene.step(2, look(None, Some(1))));
    assert!(all.contains("4/"), "{all}");
    assert!(all.ends_with("all true open true"), "{all}");
    // The places go on where they ended although nothing is left to tell them.
    let mut scene = Scene::new(Limits { max_finished_tasks: 0, ..Limits::default() });
    scene.step(0, submit(&[1, 2]));
    scene.step(0, cancel(1));
    let (here, there) = (scene.rebuilt(), last(&scene.step(0, look(None, None))));
    scene.principal = here;
    scene.principal.take_office(orquestrador_core::ids::Timestamp(0), &mut Step::default());
    assert_eq!(last(&scene.step(0, look(None, None))), there);
    assert_eq!(there, "> looked [] to 1 all true open true");
}
