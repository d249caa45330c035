use std::collections::BTreeMap;

use orquestrador_core::command::{NewLimits, NewTask, QuotaChange, Role};
use orquestrador_core::effect::PendingReason;
use orquestrador_core::terms::Terms;
use orquestrador_core::{Answer, Command, Effect, Limits, Rejection, Step};

use proptest::prelude::*;

use crate::scene::*;

/// Of a user, or of all.
fn limit(user: &str, change: QuotaChange) -> Command {
    let user = Some(user).filter(|user| *user != "all").map(Into::into);
    let first = user.clone();
    Command::ChangeQuota { request: REQUEST, user, first, change }
}

fn running(most: u32) -> QuotaChange {
    let max_running = Some(Some(most).filter(|most| *most > 0));
    QuotaChange::Set(NewLimits { max_running, ..NewLimits::default() })
}

fn active(most: u64) -> QuotaChange {
    QuotaChange::Set(NewLimits { max_active: Some(Some(most)), ..NewLimits::default() })
}

fn bytes(most: u64) -> QuotaChange {
    QuotaChange::Set(NewLimits { max_bytes: Some(Some(most)), ..NewLimits::default() })
}

fn rate(most: u32) -> QuotaChange {
    QuotaChange::Set(NewLimits { submit_rate: Some(Some(most)), ..NewLimits::default() })
}

fn of(owner: &str, ids: std::ops::Range<u128>) -> Command {
    submit_tasks(owner, ids.map(|id| task(id, "echo", "payload")).collect())
}

fn assigned(step: &Step) -> Vec<u128> {
    let task = |effect: &Effect| match effect {
        Effect::Assign { assignment, .. } => Some(assignment.attempt.task.0),
        _ => None,
    };
    step.effects.iter().filter_map(task).collect()
}

/// Why the last request was refused.
fn refusal(step: Step) -> Option<String> {
    match step.effects.into_iter().next_back() {
        Some(Effect::Answer { answer, .. }) => answer.err().map(|rejection| rejection.to_string()),
        other => panic!("{other:?}"),
    }
}

fn told(scene: &mut Scene, now: u64, command: Command) -> String {
    lines(&scene.step(now, command)).pop().unwrap_or_default()
}

fn list() -> Command {
    Command::ListUsers { request: REQUEST }
}

/// Any change.
pub fn quota_change() -> impl Strategy<Value = QuotaChange> {
    let most = || proptest::option::of(proptest::option::weighted(0.7, 1..4u32));
    let wide = |most: Option<Option<u32>>, by| most.map(|m| m.map(|m| u64::from(m * by)));
    let set = (most(), most(), most(), most());
    let set = set.prop_map(move |(active, bytes, max_running, submit_rate)| NewLimits {
        max_active: wide(active, 4),
        max_bytes: wide(bytes, 10),
        max_running,
        submit_rate,
    });
    let set = set.prop_map(QuotaChange::Set);
    prop_oneof![4 => set, 1 => Just(QuotaChange::Clear)]
}

#[test]
fn no_more_tasks_of_a_user_run_than_may_and_others_go_on() {
    let mut scene = Scene::new(Limits::default());
    scene.step(0, limit("ana", running(2)));
    scene.step(0, connect(1, 8));
    assert_eq!(assigned(&scene.step(0, of("ana", 1..6))), [1, 2]);
    let waits = scene.step(0, query("ana", 3)).effects.pop();
    let Some(Effect::Answer { answer: Ok(Answer::Task { snapshot, .. }), .. }) = waits else {
        panic!("{waits:?}")
    };
    assert_eq!(snapshot.pending, Some(PendingReason::UserLimit));
    assert_eq!(assigned(&scene.step(0, of("bia", 10..13))), [10, 11, 12]);
    assert_eq!(assigned(&scene.step(0, succeed(1, attempt(1, 1)))), [3]);
    assert_eq!(assigned(&scene.step(0, cancel(2))), [], "a cancelled one runs until it has ended");
    assert_eq!(assigned(&scene.step(0, ended(1, attempt(2, 1)))), [4]);
    assert_eq!(assigned(&scene.step(0, limit("ana", running(0)))), [5]);
}

#[test]
fn a_limit_that_is_lowered_stops_nothing_and_holds_from_then_on() {
    let mut scene = Scene::new(Limits::default());
    scene.step(0, connect(1, 4));
    scene.step(0, of("ana", 1..7));
    scene.step(0, limit("ana", running(2)));
    for done in 1..3 {
        assert_eq!(assigned(&scene.step(0, succeed(1, attempt(done, 1)))), [], "{done}");
    }
    assert_eq!(assigned(&scene.step(0, succeed(1, attempt(3, 1)))), [5]);
}

#[test]
fn a_task_that_may_not_run_keeps_no_worker_from_others() {
    let mut scene = Scene::new(Limits::default());
    scene.step(0, limit("ana", running(1)));
    scene.step(0, connect(1, 2));
    let urgent = |id| NewTask {
        terms: Terms { priority: 9, ..Terms::default() }.into(),
        ..task(id, "echo", "payload")
    };
    assert_eq!(assigned(&scene.step(0, submit_tasks("ana", vec![urgent(1), urgent(2)]))), [1]);
    assert_eq!(assigned(&scene.step(0, of("bia", 10..12))), [10]);
    assert_eq!(assigned(&scene.step(0, succeed(1, attempt(10, 1)))), [11]);
    assert_eq!(assigned(&scene.step(0, succeed(1, attempt(1, 1)))), [2]);
}

#[test]
fn users_take_turns_where_all_may_run_as_much() {
    let mut scene = Scene::new(Limits::default());
    scene.step(0, limit("all", running(3)));
    scene.step(0, of("ana", 1..9));
    scene.step(0, of("bia", 11..19));
    let first = assigned(&scene.step(0, connect(1, 4)));
    assert_eq!(first, [1, 11, 2, 12]);
    assert_eq!(assigned(&scene.step(0, succeed(1, attempt(11, 1)))), [3]);
    assert_eq!(assigned(&scene.step(0, succeed(1, attempt(12, 1)))), [13], "ana runs three");
    assert_eq!(assigned(&scene.step(0, succeed(1, attempt(13, 1)))), [14]);
    assert_eq!(assigned(&scene.step(0, succeed(1, attempt(1, 1)))), [4]);
}

#[test]
fn who_has_too_much_unfinished_is_refused_until_there_is_room() {
    let mut scene = Scene::new(Limits::default());
    scene.step(0, connect(1, 1));
    scene.step(0, limit("ana", active(4)));
    scene.step(0, of("ana", 1..3));
    let two = |scene: &mut Scene| refusal(scene.step(0, of("ana", 3..6)));
    let expected = "the user is at a limit: 4 unfinished tasks of one user (max_active)";
    assert_eq!(two(&mut scene).as_deref(), Some(expected));
    assert_eq!(refusal(scene.step(0, of("bia", 20..30))), None, "it is ana's limit");
    assert_eq!(refusal(scene.step(0, submit_array(1, 0..2))), None, "of ana");
    assert_eq!(refusal(scene.step(0, of("ana", 1..3))), None, "repeated, it takes no room");
    scene.step(0, succeed(1, attempt(1, 1)));
    assert!(two(&mut scene).is_some());
    scene.step(0, cancel(2));
    scene.step(
        0,
        Command::CancelArray { request: REQUEST, owner: "ana".into(), array: array_id(1) },
    );
    assert_eq!(two(&mut scene), None);
    let never =
        "this can never be accepted: at most 4 unfinished tasks of one user (max_active) fit";
    assert_eq!(refusal(scene.step(0, submit_array(2, 0..5))).as_deref(), Some(never));
}

#[test]
fn who_keeps_too_many_bytes_is_refused_until_there_is_room() {
    let mut scene = Scene::new(Limits::default());
    scene.step(0, connect(1, 1));
    scene.step(0, limit("ana", bytes(14)));
    assert_eq!(refusal(scene.step(0, of("ana", 1..3))), None, "seven bytes each");
    assert!(refusal(scene.step(0, of("ana", 3..4))).is_some_and(|why| why.contains("max_bytes")));
    scene.step(0, succeed(1, attempt(1, 1)));
    assert_eq!(refusal(scene.step(0, of("ana", 3..4))), None);
    let never = refusal(scene.step(0, of("ana", 4..7)));
    assert!(never.as_ref().is_some_and(|why| why.contains("never")), "{never:?}");
}

#[test]
fn a_repetition_counts_like_any_other_task() {
    let mut scene = Scene::new(Limits::default());
    scene.step(0, connect(1, 1));
    scene.step(0, limit("ana", active(1)));
    scene.step(0, of("ana", 1..2));
    scene.step(0, fail(1, attempt(1, 1)));
    let again = |new| Command::Retry {
        request: REQUEST,
        owner: "ana".into(),
        task: orquestrador_core::ids::TaskId(1),
        new: orquestrador_core::ids::TaskId(new),
    };
    assert_eq!(refusal(scene.step(0, again(2))), None);
    assert!(refusal(scene.step(0, again(3))).is_some());
    assert_eq!(refusal(scene.step(0, again(2))), None, "it is done already");
}

#[test]
fn who_submits_too_fast_is_told_when_to_come_again() {
    let mut scene = Scene::new(Limits::default());
    scene.step(0, limit("ana", rate(10)));
    assert_eq!(refusal(scene.step(0, of("ana", 1..31))), None, "a bucket of ten, twenty owed");
    let told = |scene: &mut Scene, now| refusal(scene.step(now, of("ana", 31..32)));
    let expected = "the user is at a limit: 10 submissions a second (submit_rate); the next one is \
                    taken in 2100 ms";
    assert_eq!(told(&mut scene, 0).as_deref(), Some(expected));
    assert_eq!(refusal(scene.step(0, of("bia", 140..190))), None, "it is ana's limit");
    assert_eq!(refusal(scene.step(0, of("ana", 1..31))), None, "repeated, it costs nothing");
    assert!(told(&mut scene, 2_099).is_some());
    assert_eq!(told(&mut scene, 2_100), None);
    assert_eq!(refusal(scene.step(9_000, submit_array(1, 0..1_000))), None, "costs one");
    assert_eq!(refusal(scene.step(9_000, of("ana", 50..59))), None, "nine are left");
    assert!(refusal(scene.step(9_000, of("ana", 60..61))).is_some());
    scene.fail_over(9_000);
    assert_eq!(refusal(scene.step(9_000, of("ana", 60..61))), None, "a new principal begins anew");
}

#[test]
fn a_refused_submission_costs_nothing() {
    let mut scene = Scene::new(Limits::default());
    scene.step(0, limit("ana", rate(1)));
    scene.step(0, limit("ana", active(1)));
    assert!(refusal(scene.step(0, of("ana", 1..3))).is_some());
    assert_eq!(refusal(scene.step(0, of("ana", 1..2))), None);
}

#[test]
fn a_clock_that_is_set_back_keeps_nobody_out() {
    let mut scene = Scene::new(Limits::default());
    scene.step(0, limit("ana", rate(1)));
    scene.step(1_000_000, of("ana", 1..2));
    assert!(refusal(scene.step(500, of("ana", 2..3))).is_some());
    assert_eq!(refusal(scene.step(1_500, of("ana", 2..3))), None);
}

#[test]
fn quotas_outlive_everything_but_their_users() {
    let mut scene = Scene::new(Limits::default());
    scene.step(0, add_user("root", Role::Admin));
    scene.step(0, add_user("ana", Role::Submitter));
    scene.step(0, limit("all", active(100)));
    scene.step(0, limit("ana", running(2)));
    scene.step(0, of("ana", 1..2));
    let expected = "> users ana 1 active 7 bytes 0+0 running of [100 - 2 -]*, \
                    root admin of [100 - - -]; default [100 - - -]";
    assert_eq!(told(&mut scene, 0, list()), expected);
    scene.fail_over(0);
    assert_eq!(told(&mut scene, 0, list()), expected);
    scene.step(0, limit("all", QuotaChange::Clear));
    scene.step(0, remove_user("ana"));
    let expected = "> users ana unknown 1 active 7 bytes 0+0 running, root admin";
    assert_eq!(told(&mut scene, 0, list()), expected);
    scene.rebuilt();
}

#[test]
fn an_own_quota_counts_instead_of_the_default_one() {
    let mut scene = Scene::new(Limits::default());
    scene.step(0, limit("all", running(1)));
    scene.step(0, limit("ana", running(0)));
    scene.step(0, connect(1, 9));
    assert_eq!(assigned(&scene.step(0, of("ana", 1..4))), [1, 2, 3], "nothing limits them");
    assert_eq!(assigned(&scene.step(0, of("bia", 11..14))), [11]);
    scene.step(0, limit("ana", QuotaChange::Clear));
    assert_eq!(assigned(&scene.step(0, of("ana", 4..6))), []);
    assert_eq!(assigned(&scene.step(0, limit("all", running(2)))), [12]);
    assert_eq!(assigned(&scene.step(0, limit("all", QuotaChange::Clear))), [4, 13, 5]);
}

#[test]
fn only_users_have_quotas() {
    let mut scene = Scene::new(Limits::default());
    assert_eq!(refusal(scene.step(0, limit("ana", active(1)))), None, "the demo's are not known");
    scene.step(0, add_user("root", Role::Admin));
    let slip = limit("rot", active(1));
    assert_eq!(lines(&scene.step(0, slip)), [format!("> refused: {:?}", Rejection::UserNotFound)]);
    assert_eq!(refusal(scene.step(0, limit("ana", QuotaChange::Clear))), None);
    assert_eq!(told(&mut scene, 0, list()), "> users root admin");
}

#[test]
fn a_user_sees_what_is_theirs() {
    let mut scene = Scene::new(Limits::default());
    scene.step(0, limit("ana", rate(5)));
    let me = |user: &str| Command::QueryUser { request: REQUEST, user: user.into() };
    assert_eq!(told(&mut scene, 0, me("ana")), "> ana unknown of [- - - 5]*");
    assert_eq!(told(&mut scene, 0, me("bia")), "> bia unknown");
}

#[test]
fn what_changes_nothing_is_not_recorded() {
    let mut scene = Scene::new(Limits::default());
    for change in [QuotaChange::Set(NewLimits::default()), QuotaChange::Clear] {
        assert_eq!(scene.step(0, limit("all", change)).events, []);
    }
    assert_eq!(scene.step(0, limit("ana", QuotaChange::Clear)).events, []);
    scene.step(0, limit("ana", active(7)));
    assert_eq!(scene.step(0, limit("ana", active(7))).events, []);
}

#[test]
fn a_user_with_many_classes_is_passed_over_at_once() {
    let mut scene = Scene::new(Limits::default());
    scene.step(0, limit("ana", running(1)));
    let mut given = BTreeMap::<i8, u32>::new();
    let tasks = (0..40u128).map(|id| {
        let priority = (id % 5) as i8;
        let queue = format!("q{}", id % 3).as_str().into();
        NewTask {
            terms: Terms { priority, queue, ..Terms::default() }.into(),
            ..task(id + 1, "echo", "payload")
        }
    });
    scene.step(0, submit_tasks("ana", tasks.collect()));
    let mut next = assigned(&scene.step(0, connect(1, 8)));
    while let Some(done) = next.pop() {
        assert_eq!(next, [], "one at a time");
        *given.entry(((done - 1) % 5) as i8).or_default() += 1;
        next = assigned(&scene.step(0, succeed(1, attempt(done, 1))));
    }
    assert_eq!(given.into_values().collect::<Vec<_>>(), [8; 5]);
}

#[test]
fn who_may_not_run_more_is_not_overtaken_for_too_long_either() {
    let mut scene = Scene::new(Limits { patience_ms: 0, ..Limits::default() });
    scene.step(0, limit("ana", running(1)));
    scene.step(0, connect(1, 2));
    let urgent = |id| NewTask {
        terms: Terms { priority: 9, ..Terms::default() }.into(),
        ..task(id, "echo", "payload")
    };
    assert_eq!(assigned(&scene.step(0, of("ana", 1..3))), [1]);
    let mut next = assigned(&scene.step(0, of("bia", 40..42)));
    scene.step(0, submit_tasks("bia", (10..30).map(urgent).collect()));
    let mut order = Vec::new();
    while let Some(done) = next.pop() {
        order.push(done);
        next = assigned(&scene.step(0, succeed(1, attempt(done, 1))));
    }
    assert!(!order.contains(&2), "{order:?}");
    assert_ne!(order.last(), Some(&41), "patience is for those who may: {order:?}");
}
