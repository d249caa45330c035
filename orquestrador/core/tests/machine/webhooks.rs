use std::collections::BTreeMap;
use std::sync::Arc;

use orquestrador_core::command::NewTask;
use orquestrador_core::effect::TaskState;
use orquestrador_core::ids::{TaskId, Timestamp, WebhookUrl};
use orquestrador_core::rejection::Rejection;
use orquestrador_core::terms::Terms;
use orquestrador_core::webhook::{Owed, Posted, WebhookStanding};
use orquestrador_core::{Answer, Command, Effect, Event, Limits, Step};
use proptest::prelude::*;

use crate::scene::*;

const URL: &str = "https://a.example/hook";

/// One of few.
pub fn any_url() -> impl Strategy<Value = WebhookUrl> {
    (0..3u8).prop_map(|n| format!("https://{n}.example/").as_str().into())
}

/// Of any task, most of which are told of nowhere.
pub fn any_report(task: BoxedStrategy<TaskId>) -> impl Strategy<Value = Command> {
    let error = || "no".to_owned();
    let posted = prop_oneof![
        2 => Just(Posted::Accepted),
        3 => proptest::option::of(0..9_000u64)
            .prop_map(move |after_ms| Posted::Failed { error: error(), after_ms }),
        1 => Just(Posted::Gone { error: "no".to_owned() }),
    ];
    (task, 0..3u16, posted).prop_map(|(task, tries, posted)| Command::ReportPost {
        task,
        tries,
        posted,
    })
}

/// Whose end is still to be told, and how often that failed.
#[derive(Default)]
pub struct Book(BTreeMap<TaskId, u16>);

impl Book {
    pub fn owe(&mut self, task: TaskId) {
        self.0.insert(task, 0);
    }

    pub fn record(&mut self, event: &Event, limits: &Limits) {
        match event {
            Event::WebhookDelayed { task, tries, until, at, .. } => {
                let before = self.0.get_mut(task).expect("what is delayed was owed");
                *before += 1;
                assert_eq!(before, tries);
                assert!(*tries < limits.webhook_attempts && until > at);
            }
            Event::WebhookDelivered { task, .. } | Event::WebhookGivenUp { task, .. } => {
                assert!(self.0.remove(task).is_some(), "nobody was to be told of {task}");
            }
            other => panic!("{other:?} is of something else"),
        }
    }
}

fn told(id: u128, url: &str) -> NewTask {
    let terms = Terms { webhook: Some(url.into()), ..Terms::default() };
    NewTask { terms: terms.into(), ..task(id, "echo", "payload") }
}

fn submit_told(ids: &[u128]) -> Command {
    submit_tasks("ana", ids.iter().map(|id| told(*id, URL)).collect())
}

fn posted(id: u128, tries: u16, posted: Posted) -> Command {
    Command::ReportPost { task: TaskId(id), tries, posted }
}

fn failed(why: &str) -> Posted {
    Posted::Failed { error: why.to_owned(), after_ms: None }
}

/// What a step posts: task and failed tries before.
fn posts(step: &Step) -> Vec<(u128, u16)> {
    let owed = |effect: &Effect| match effect {
        Effect::Post { owed } => Some((owed.report.task.0, owed.tries)),
        _ => None,
    };
    step.effects.iter().filter_map(owed).collect()
}

fn first_post(step: &Step) -> Owed {
    let owed = step.effects.iter().find_map(|effect| match effect {
        Effect::Post { owed } => Some(Owed::clone(owed)),
        _ => None,
    });
    owed.expect("something is posted")
}

fn standing(scene: &mut Scene, id: u128) -> Option<WebhookStanding> {
    let step = scene.step(0, query("ana", id));
    match step.effects.first() {
        Some(Effect::Answer { answer: Ok(Answer::Task { snapshot, .. }), .. }) => {
            snapshot.webhook.as_deref().cloned()
        }
        other => panic!("{other:?}"),
    }
}

fn until(step: &Step) -> Option<u64> {
    step.events.iter().find_map(|event| match event {
        Event::WebhookDelayed { until, .. } => Some(until.0),
        _ => None,
    })
}

fn finished(limits: Limits, ids: &[u128]) -> Scene {
    let mut scene = Scene::new(limits);
    scene.step(0, connect(1, 99));
    scene.step(0, submit_told(ids));
    for id in ids {
        scene.step(5, succeed(1, attempt(*id, 1)));
    }
    scene
}

#[test]
fn the_end_of_a_task_is_posted_once_and_nothing_more_once_it_is_confirmed() {
    let mut scene = Scene::new(Limits::default());
    scene.step(0, connect(1, 1));
    scene.step(0, submit_told(&[1]));
    assert_eq!(standing(&mut scene, 1), Some(WebhookStanding::Expected(URL.into())));
    assert!(posts(&scene.step(1, expire())).is_empty());
    scene.step(5, succeed(1, attempt(1, 1)));
    let owed = first_post(&scene.step(6, expire()));
    assert_eq!((owed.report.state, owed.report.result_bytes), (TaskState::Succeeded, 6));
    assert_eq!((owed.report.finished_at, &*owed.url.0), (Timestamp(5), URL));
    assert!(posts(&scene.step(7, expire())).is_empty(), "it is under way");
    let step = scene.step(8, posted(1, 0, Posted::Accepted));
    assert_eq!(lines(&step), ["told of 1"]);
    assert!(posts(&scene.step(9, expire())).is_empty());
    scene.rebuilt();
    let Some(WebhookStanding::Settled(settled)) = standing(&mut scene, 1) else { panic!("owed") };
    assert!(settled.is_delivered && settled.tries == 1 && settled.at == Timestamp(8));
}

#[test]
fn every_kind_of_end_is_told() {
    let mut scene = Scene::new(Limits::default());
    scene.step(0, connect(1, 9));
    scene.step(0, submit_told(&[1, 2, 3]));
    scene.step(1, fail(1, attempt(1, 1)));
    scene.step(1, cancel(2));
    let once = Terms {
        delivery: orquestrador_core::command::Delivery::AtMostOnce,
        ..Terms::clone(&told(4, URL).terms)
    };
    scene.step(1, submit_tasks("ana", vec![NewTask { terms: once.into(), ..told(4, URL) }]));
    let step = scene.step(60_000, expire());
    let states = step.effects.iter().filter_map(|effect| match effect {
        Effect::Post { owed } => {
            let error = owed.report.error.clone().map(|(code, _)| code).unwrap_or_default();
            Some((owed.report.task.0, owed.report.state, error))
        }
        _ => None,
    });
    let states: Vec<_> = states.collect();
    let expected = [
        (1, TaskState::Failed, "HANDLER_ERROR"),
        (2, TaskState::Cancelled, ""),
        (4, TaskState::Lost, "WORKER_SILENT"),
    ];
    assert_eq!(states, expected.map(|(task, state, code)| (task, state, code.to_owned())));
}

#[test]
fn what_fails_is_tried_again_later_and_later_and_then_given_up() {
    let limits = Limits { webhook_attempts: 4, webhook_retry_ms: 1_000, ..Limits::default() };
    let mut scene = finished(limits, &[1]);
    let mut now = 6;
    for (tries, whole) in [(0, 1_000), (1, 3_000), (2, 9_000)] {
        assert_eq!(posts(&scene.step(now, expire())), [(1, tries)]);
        let step = scene.step(now, posted(1, tries, failed("refused")));
        let delay = until(&step).expect("it is tried again") - now;
        assert!((whole / 2..=whole).contains(&delay), "{delay} of {whole}");
        assert!(posts(&scene.step(now + delay - 1, expire())).is_empty(), "too early");
        let Some(WebhookStanding::Owed { tries: known, error, .. }) = standing(&mut scene, 1)
        else {
            panic!("it is owed")
        };
        assert_eq!((known, &*error), (tries + 1, "refused"));
        scene.rebuilt();
        now += delay;
    }
    scene.step(now, expire());
    let step = scene.step(now, posted(1, 3, failed("refused")));
    let given_up = [
        "given up to tell of 1: refused",
        &format!("> task 1 is not told to {URL}: 4 tries, refused"),
    ];
    assert_eq!(lines(&step), given_up);
    assert!(
        matches!(standing(&mut scene, 1), Some(WebhookStanding::Settled(s)) if !s.is_delivered)
    );
}

#[test]
fn a_receiver_that_is_gone_is_not_asked_again_and_one_that_asks_for_time_gets_it() {
    let mut scene = finished(Limits::default(), &[1, 2]);
    scene.step(6, expire());
    let step = scene.step(7, posted(1, 0, Posted::Gone { error: "410".into() }));
    assert_eq!(lines(&step)[0], "given up to tell of 1: 410");
    let later = Posted::Failed { error: "503".into(), after_ms: Some(600_000) };
    assert_eq!(until(&scene.step(7, posted(2, 0, later))), Some(600_007));
}

#[test]
fn a_takeover_goes_on_with_what_is_owed_even_of_tasks_that_are_forgotten() {
    let limits = Limits { max_finished_tasks: 1, ..Limits::default() };
    let mut scene = finished(limits, &[1, 2]);
    assert_eq!(posts(&scene.step(6, expire())), [(1, 0), (2, 0)]);
    let until = until(&scene.step(6, posted(2, 0, failed("no")))).expect("it is tried again");
    scene.fail_over(10);
    assert_eq!(posts(&scene.step(11, expire())), [(1, 0)], "the other one is not due");
    assert_eq!(scene.principal.next_deadline(), Some(Timestamp(10 + 3_000)), "of the lease");
    scene.step(12, posted(1, 0, Posted::Accepted));
    // Of the former office, or for the second time: nothing follows.
    assert!(scene.step(12, posted(1, 0, Posted::Accepted)).events.is_empty());
    assert!(scene.step(12, posted(2, 0, failed("no"))).events.is_empty());
    assert_eq!(posts(&scene.step(until, expire())), [(2, 1)]);
    scene.rebuilt();
}

#[test]
fn the_name_of_a_task_is_taken_as_long_as_its_end_is_to_be_told() {
    let limits = Limits { max_finished_tasks: 0, ..Limits::default() };
    let mut scene = finished(limits, &[1]);
    let refused = "> refused: TaskIdConflict { task: 00000000-0000-0000-0000-000000000001 }";
    assert_eq!(lines(&scene.step(6, submit(&[1]))), [refused]);
    scene.step(7, expire());
    scene.step(7, posted(1, 0, Posted::Accepted));
    assert!(!scene.step(8, submit(&[1])).events.is_empty());
}

#[test]
fn a_slow_receiver_does_not_keep_others_waiting() {
    let limits = Limits { max_posts: 3, max_posts_to_target: 2, ..Limits::default() };
    let mut scene = finished(limits, &[1, 2, 3, 4]);
    scene.step(6, submit_tasks("ana", vec![told(9, "https://b.example/")]));
    scene.step(6, succeed(1, attempt(9, 1)));
    let mut all = posts(&scene.step(7, expire()));
    all.sort_unstable();
    assert_eq!(all, [(1, 0), (2, 0), (9, 0)]);
    assert_eq!(posts(&scene.step(8, posted(9, 0, Posted::Accepted))), [], "its target has two");
    assert_eq!(posts(&scene.step(9, posted(1, 0, Posted::Accepted))), [(3, 0)]);
}

#[test]
fn tasks_of_arrays_are_told_of_but_not_those_that_never_began() {
    let mut scene = Scene::new(Limits::default());
    scene.step(0, connect(1, 1));
    let mut array = submit_array(1, 0..7);
    if let Command::SubmitArray { array, .. } = &mut array {
        Arc::make_mut(&mut array.terms).webhook = Some(URL.into());
    }
    scene.step(0, array);
    scene.step(1, succeed(1, attempt(in_array(1, 0), 1)));
    scene.step(2, cancel(in_array(1, 6)));
    scene.step(3, cancel_array(1));
    let mut told: Vec<_> =
        posts(&scene.step(4, expire())).into_iter().map(|(task, _)| task).collect();
    told.sort_unstable();
    // Finished, running, next in the queue, and cancelled by itself.
    assert_eq!(told, [0, 1, 2, 6].map(|number| in_array(1, number)));
    scene.rebuilt();
}

#[test]
fn no_more_is_accepted_than_may_be_owed() {
    let limits = Limits { max_webhooks: 2, ..Limits::default() };
    let mut scene = finished(limits, &[1]);
    scene.step(6, submit_told(&[2]));
    let refusal = |step: &Step| match step.effects.first() {
        Some(Effect::Answer { answer: Err(rejection), .. }) => rejection.clone(),
        other => panic!("{other:?}"),
    };
    let unit = "tasks whose webhooks are not delivered";
    let full = Rejection::BacklogFull { limit: 2, unit };
    assert_eq!(refusal(&scene.step(7, submit_told(&[3]))), full);
    assert_eq!(
        refusal(&scene.step(7, submit_told(&[3, 4, 5]))),
        Rejection::NeverFits { limit: 2, unit }
    );
    assert!(!scene.step(7, submit(&[6])).events.is_empty(), "others are accepted");
    scene.step(7, expire());
    scene.step(7, posted(1, 0, Posted::Accepted));
    assert!(!scene.step(8, submit_told(&[3])).events.is_empty());
}

#[test]
fn what_is_done_once_more_is_told_too() {
    let mut scene = Scene::new(Limits::default());
    scene.step(0, connect(1, 1));
    scene.step(0, submit_told(&[1]));
    scene.step(1, fail(1, attempt(1, 1)));
    let (request, owner) = (REQUEST, "ana".into());
    scene.step(2, Command::Retry { request, owner, task: TaskId(1), new: TaskId(2) });
    scene.step(3, succeed(1, attempt(2, 1)));
    let step = scene.step(4, expire());
    assert_eq!(posts(&step), [(1, 0), (2, 0)]);
}
