//! Schedules: each firing makes one task, whoever is principal when it is due.

use std::sync::Arc;

use orquestrador_core::command::Role;
use orquestrador_core::effect::ScheduleSnapshot;
use orquestrador_core::event::Firing;
use orquestrador_core::ids::{TaskId, Timestamp};
use orquestrador_core::schedule::{CatchUp, Overlap, Schedule, moment_of};
use orquestrador_core::{Answer, Command, Effect, Event, Limits, Step};

use crate::scene::*;

const MINUTE: u64 = 60_000;

fn every_minute() -> Schedule {
    Schedule {
        expression: "* * * * *".to_owned(),
        zone: "UTC".to_owned(),
        catch_up: CatchUp::Skip,
        overlap: Overlap::Allow,
        handler: "echo".into(),
        payload: b"again"[..].into(),
        terms: Default::default(),
    }
}

fn set(name: &str, schedule: Schedule) -> Command {
    let (owner, name, schedule) = ("ana".into(), name.into(), Arc::new(schedule));
    Command::SetSchedule { request: REQUEST, owner, name, schedule, allow_unknown_handler: false }
}

fn pause(paused: bool) -> Command {
    Command::PauseSchedule { request: REQUEST, owner: "ana".into(), name: "s".into(), paused }
}

fn run(task: u128) -> Command {
    let (owner, name) = ("ana".into(), "s".into());
    Command::RunSchedule { request: REQUEST, owner, name, task: TaskId(task) }
}

fn look(scene: &mut Scene, now: u64) -> ScheduleSnapshot {
    let query = Command::QuerySchedule { request: REQUEST, owner: "ana".into(), name: "s".into() };
    match scene.step(now, query).effects.pop() {
        Some(Effect::Answer { answer: Ok(Answer::Schedule { snapshot }), .. }) => snapshot,
        other => panic!("it is known: {other:?}"),
    }
}

/// For which moments tasks were submitted.
fn made(step: &Step) -> Vec<u64> {
    let made = step.events.iter().filter_map(|event| match event {
        Event::TaskSubmitted { task, terms, .. } => {
            assert_eq!(terms.schedule, Some("s".into()));
            Some(moment_of(*task).0)
        }
        _ => None,
    });
    made.collect()
}

fn refusal(step: &Step) -> String {
    match step.effects.first() {
        Some(Effect::Answer { answer: Err(rejection), .. }) => rejection.to_string(),
        other => panic!("it is refused: {other:?}"),
    }
}

fn scene(schedule: Schedule) -> Scene {
    let mut scene = Scene::new(Limits::default());
    scene.step(1, set("s", schedule));
    scene
}

#[test]
fn each_firing_makes_one_task_when_it_is_due() {
    let mut scene = scene(every_minute());
    assert_eq!(scene.principal.next_deadline(), Some(Timestamp(MINUTE)));
    assert!(made(&scene.step(MINUTE - 1, expire())).is_empty());
    let fired = scene.step(MINUTE + 20, expire());
    assert_eq!(made(&fired), [MINUTE]);
    assert!(made(&scene.step(MINUTE + 30, expire())).is_empty());
    assert_eq!(scene.principal.next_deadline(), Some(Timestamp(2 * MINUTE)));
    let told = look(&mut scene, MINUTE + 40);
    let Some((due, task, false)) = told.made else { panic!("{told:?}") };
    assert_eq!(
        (due, told.next, told.unmade),
        (Timestamp(MINUTE), Some(Timestamp(2 * MINUTE)), None)
    );
    assert_eq!(moment_of(task), due);
    // The worker hears of it.
    let assigned = scene.step(MINUTE + 50, connect(1, 1)).effects;
    let schedule = assigned.iter().find_map(|effect| match effect {
        Effect::Assign { assignment, .. } => assignment.schedule.clone(),
        _ => None,
    });
    assert_eq!(schedule, Some("s".into()));
}

#[test]
fn a_failover_between_the_moment_and_its_firing_makes_one_task() {
    for fired_before in [false, true] {
        let mut scene = scene(every_minute());
        let first = if fired_before { made(&scene.step(MINUTE, expire())) } else { vec![] };
        scene.fail_over(MINUTE + 4_000);
        let then = made(&scene.step(MINUTE + 4_000, expire()));
        assert_eq!([first, then].concat(), [MINUTE], "fired before: {fired_before}");
        scene.rebuilt();
    }
}

#[test]
fn a_clock_that_is_behind_makes_nothing_twice() {
    let mut scene = scene(every_minute());
    assert_eq!(made(&scene.step(3 * MINUTE, expire())), [2 * MINUTE, 3 * MINUTE]);
    scene.fail_over(MINUTE);
    assert!(made(&scene.step(MINUTE, expire())).is_empty());
    // Nor does another content, or another plan.
    scene.step(MINUTE, set("s", Schedule { payload: b"else"[..].into(), ..every_minute() }));
    scene.step(MINUTE, set("s", Schedule { expression: "*/1 * * * *".into(), ..every_minute() }));
    assert!(made(&scene.step(3 * MINUTE, expire())).is_empty());
    assert_eq!(made(&scene.step(4 * MINUTE, expire())), [4 * MINUTE]);
}

#[test]
fn a_run_by_hand_makes_nothing_of_the_past_come_again() {
    for by_snapshot in [false, true] {
        let mut scene = scene(every_minute());
        assert_eq!(made(&scene.step(3 * MINUTE, expire())), [2 * MINUTE, 3 * MINUTE]);
        scene.fail_over(MINUTE);
        scene.step(MINUTE, run(7));
        if by_snapshot {
            scene.principal = scene.rebuilt();
            scene.principal.take_office(Timestamp(MINUTE), &mut Step::default());
        }
        let other = Schedule { expression: "*/1 * * * *".into(), ..every_minute() };
        scene.step(MINUTE, set("s", other));
        let told = look(&mut scene, MINUTE);
        assert_eq!(told.next, Some(Timestamp(4 * MINUTE)), "by a snapshot: {by_snapshot}");
    }
}

#[test]
fn what_is_missed_is_made_up_for_as_the_schedule_says() {
    // The last minute is not over yet: what was due then is late, not missed.
    let late = [9 * MINUTE, 10 * MINUTE];
    for (catch_up, missed) in [
        (CatchUp::Skip, vec![]),
        (CatchUp::One, vec![8 * MINUTE]),
        (CatchUp::All, (1..=8).map(|n| n * MINUTE).collect()),
    ] {
        let mut scene = scene(Schedule { catch_up, ..every_minute() });
        scene.fail_over(10 * MINUTE);
        let step = scene.step(10 * MINUTE, expire());
        assert_eq!(made(&step), [missed, late.to_vec()].concat(), "{catch_up:?}");
        assert!(made(&scene.step(10 * MINUTE, expire())).is_empty());
        assert_eq!(look(&mut scene, 10 * MINUTE).next, Some(Timestamp(11 * MINUTE)));
    }
}

#[test]
fn no_more_than_the_last_so_many_are_made_up_for() {
    let limits = Limits { max_catch_up: 3, fire_batch: 2, ..Limits::default() };
    let mut scene = Scene::new(limits);
    scene.step(1, set("s", Schedule { catch_up: CatchUp::All, ..every_minute() }));
    let steps: Vec<_> = (0..5).map(|_| made(&scene.step(100 * MINUTE, expire()))).collect();
    assert_eq!(steps.concat(), [96, 97, 98, 99, 100].map(|n| n * MINUTE));
    assert!(steps.iter().all(|made| made.len() <= 2), "{steps:?}");
}

#[test]
fn a_pause_misses_what_is_due_in_it() {
    for (catch_up, expect) in [
        (CatchUp::Skip, vec![]),
        (CatchUp::One, vec![5 * MINUTE]),
        (CatchUp::All, vec![2 * MINUTE, 3 * MINUTE, 4 * MINUTE, 5 * MINUTE]),
    ] {
        let mut scene = scene(Schedule { catch_up, ..every_minute() });
        assert_eq!(made(&scene.step(MINUTE, expire())), [MINUTE]);
        scene.step(MINUTE + 1, pause(true));
        assert!(made(&scene.step(3 * MINUTE, expire())).is_empty());
        scene.fail_over(3 * MINUTE);
        assert_eq!(scene.step(3 * MINUTE, pause(true)).events, []);
        scene.step(5 * MINUTE + 1, pause(false));
        assert_eq!(made(&scene.step(5 * MINUTE + 2, expire())), expect, "{catch_up:?}");
        assert_eq!(made(&scene.step(6 * MINUTE, expire())), [6 * MINUTE]);
    }
}

#[test]
fn one_at_a_time_skips_what_is_due_while_the_last_one_runs() {
    let mut scene = scene(Schedule { overlap: Overlap::Skip, ..every_minute() });
    scene.step(1, connect(1, 2));
    assert_eq!(made(&scene.step(MINUTE, expire())), [MINUTE]);
    scene.step(2 * MINUTE, connect(1, 2));
    assert!(made(&scene.step(2 * MINUTE, expire())).is_empty());
    let told = look(&mut scene, 2 * MINUTE);
    assert_eq!(told.unmade, Some((Timestamp(2 * MINUTE), Firing::Overlapped)));
    scene.fail_over(2 * MINUTE);
    let Some((_, task, _)) = told.made else { panic!("{told:?}") };
    scene.step(2 * MINUTE + 1, cancel(task.0));
    assert_eq!(made(&scene.step(3 * MINUTE, expire())), [3 * MINUTE]);
    assert_eq!(look(&mut scene, 3 * MINUTE).unmade, None);
}

#[test]
fn what_cannot_be_accepted_stays_due_and_says_why() {
    let mut scene = Scene::new(Limits { max_active_tasks: 1, ..Limits::default() });
    scene.step(1, set("s", every_minute()));
    scene.step(2, submit(&[1]));
    assert!(made(&scene.step(MINUTE, expire())).is_empty());
    let Some((due, Firing::Refused { why })) = look(&mut scene, MINUTE).unmade else {
        panic!("it says why")
    };
    assert_eq!(due, Timestamp(MINUTE));
    assert!(why.contains("backlog is full"), "{why}");
    assert_eq!(scene.step(MINUTE + 999, expire()).events, [], "not at once");
    assert_eq!(scene.step(MINUTE + 1_000, expire()).events, [], "told once");
    scene.fail_over(2 * MINUTE);
    scene.step(9 * MINUTE, cancel(1));
    // Although that was long ago; what was due since then was missed.
    assert_eq!(made(&scene.step(9 * MINUTE, expire())), [MINUTE]);
    let task = look(&mut scene, 9 * MINUTE).made.map(|(_, task, _)| task.0);
    scene.step(9 * MINUTE, cancel(task.unwrap_or_default()));
    assert_eq!(made(&scene.step(9 * MINUTE + 1_000, expire())), [8 * MINUTE]);
}

#[test]
fn by_hand_it_makes_one_task_more_however_often_that_is_asked_for() {
    let mut scene = scene(every_minute());
    scene.step(1, pause(true));
    let step = scene.step(5_000, run(7));
    assert_eq!(step.events.len(), 2, "{step:?}");
    scene.fail_over(6_000);
    assert_eq!(scene.step(6_000, run(7)).events, []);
    let told = look(&mut scene, 6_000);
    assert_eq!(told.made, Some((Timestamp(5_000), TaskId(7), true)));
    assert_eq!((told.next, told.paused), (Some(Timestamp(MINUTE)), true));
    scene.step(6_000, submit(&[8]));
    assert!(refusal(&scene.step(6_000, run(8))).contains("submitted before"));
}

#[test]
fn the_same_content_once_more_changes_nothing_and_a_new_one_not_when_it_is_due() {
    let mut scene = scene(every_minute());
    assert_eq!(scene.step(2, set("s", every_minute())).events, []);
    let other = Schedule { payload: b"else"[..].into(), ..every_minute() };
    // It is due, and nobody has looked yet.
    scene.step(MINUTE, set("s", other));
    assert_eq!(made(&scene.step(MINUTE, expire())), [MINUTE]);
    let hourly = Schedule { expression: "@hourly".into(), ..every_minute() };
    scene.step(2 * MINUTE, set("s", hourly));
    assert!(made(&scene.step(2 * MINUTE, expire())).is_empty());
    assert_eq!(look(&mut scene, 2 * MINUTE).next, Some(Timestamp(60 * MINUTE)));
}

#[test]
fn a_zone_says_when_on_the_days_on_which_clocks_are_changed_too() {
    // From noon in UTC of the day before, in half hours.
    for (zone, expression, noon, expect) in [
        ("America/New_York", "30 2 * * *", 1_772_884_800_000, [38, 85]),
        ("America/New_York", "30 1 * * *", 1_793_448_000_000, [35, 85]),
        ("Europe/Lisbon", "30 1 * * *", 1_774_699_200_000, [26, 73]),
        ("Europe/Lisbon", "30 1 * * *", 1_792_843_200_000, [25, 75]),
        ("America/Sao_Paulo", "@daily", 1_541_246_400_000, [30, 76]),
        ("America/Sao_Paulo", "30 23 * * *", 1_518_868_800_000, [27, 77]),
    ] {
        let mut scene = Scene::new(Limits::default());
        let (expression, zone) = (expression.to_owned(), zone.to_owned());
        scene.step(noon, set("s", Schedule { expression, zone: zone.clone(), ..every_minute() }));
        let half_hours = (1..=96).filter(|nth| {
            let now = noon + nth * 30 * MINUTE;
            let made = made(&scene.step(now, expire()));
            assert!(made.is_empty() || made == [now], "{zone}: {made:?}");
            !made.is_empty()
        });
        assert_eq!(half_hours.collect::<Vec<_>>(), expect, "{zone} from {noon}");
    }
}

#[test]
fn schedules_are_their_users_own_and_go_with_them() {
    let mut scene = scene(every_minute());
    scene.step(1, add_user("root", Role::Admin));
    scene.step(1, add_user("ana", Role::Submitter));
    let theirs =
        Command::RemoveSchedule { request: REQUEST, owner: "bia".into(), name: "s".into() };
    assert!(refusal(&scene.step(2, theirs)).contains("no schedule s"));
    let list = Command::ListSchedules { request: REQUEST, owner: "bia".into() };
    let listed = scene.step(2, list).effects.pop();
    assert!(matches!(
        listed,
        Some(Effect::Answer { answer: Ok(Answer::Schedules { schedules }), .. }) if schedules.is_empty()
    ));
    scene.step(3, remove_user("ana"));
    assert_eq!(scene.principal.next_deadline(), None);
    assert!(made(&scene.step(MINUTE, expire())).is_empty());
}

#[test]
fn limits_hold_and_what_is_wrong_is_said() {
    let limits = Limits {
        max_schedules: 3,
        max_user_schedules: 2,
        max_schedule_bytes: 12,
        ..Limits::default()
    };
    let mut scene = Scene::new(limits);
    scene.step(1, connect(1, 1));
    for (name, change, expect) in [
        ("s", Schedule { expression: "61 * * * *".into(), ..every_minute() }, "schedule s: "),
        ("s", Schedule { zone: "Mars".into(), ..every_minute() }, "`Mars` is not in the IANA"),
        ("s", Schedule { handler: "other".into(), ..every_minute() }, "handler other"),
        ("s", Schedule { payload: vec![0; 13].into(), ..every_minute() }, "12 bytes of schedules"),
    ] {
        let why = refusal(&scene.step(2, set(name, change)));
        assert!(why.contains(expect), "{why}");
    }
    for name in ["a", "b"] {
        assert_eq!(scene.step(3, set(name, every_minute())).events.len(), 1);
    }
    assert!(refusal(&scene.step(3, set("c", every_minute()))).contains("2 schedules of one user"));
    assert_eq!(
        scene
            .step(3, set("b", Schedule { payload: vec![0; 7].into(), ..every_minute() }))
            .events
            .len(),
        1
    );
}
