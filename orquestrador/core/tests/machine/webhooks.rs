use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use orquestrador_core::command::{NewTask, WebhookChoice};
use orquestrador_core::effect::TaskState;
use orquestrador_core::ids::{ArrayId, TaskId, Timestamp, UserName, WebhookUrl};
use orquestrador_core::rejection::Rejection;
use orquestrador_core::terms::Terms;
use orquestrador_core::webhook::{Owed, Posted, Rest, WebhookStanding};
use orquestrador_core::{Answer, Command, Effect, Event, Limits, Step};
use proptest::prelude::*;

use crate::scene::*;

const URL: &str = "https://a.example/hook";

/// One of few.
pub fn any_url() -> impl Strategy<Value = WebhookUrl> {
    (0..3u8).prop_map(|n| format!("https://{n}.example/").as_str().into())
}

/// What an attempt comes to.
pub fn any_posted() -> impl Strategy<Value = Posted> {
    let error = || "no".to_owned();
    prop_oneof![
        2 => Just(Posted::Accepted),
        3 => proptest::option::of(0..9_000u64)
            .prop_map(move |after_ms| Posted::Failed { error: error(), after_ms }),
        1 => Just(Posted::Gone { error: "no".to_owned() }),
    ]
}

/// Of any task, most of which are told of nowhere.
pub fn any_report(task: BoxedStrategy<TaskId>) -> impl Strategy<Value = Command> {
    (task, 0..3u16, any_posted()).prop_map(|(task, tries, posted)| Command::ReportPost {
        task,
        tries,
        posted,
    })
}

/// Somebody looks at what is owed, or wants it told at once.
pub fn any_look(
    owner: BoxedStrategy<UserName>,
    task: BoxedStrategy<TaskId>,
) -> impl Strategy<Value = Command> {
    let choice = prop_oneof![
        proptest::collection::vec(task.clone(), 1..3).prop_map(WebhookChoice::These),
        proptest::option::of(task.clone()).prop_map(|after| WebhookChoice::All { after }),
    ];
    let look = (proptest::option::of(task), any::<bool>(), 0..3usize);
    (proptest::option::of(owner), choice, proptest::option::of(look)).prop_map(
        |(owner, choice, look)| match look {
            None => Command::RetryWebhooks { request: REQUEST, owner, choice },
            Some((after, only_given_up, limit)) => {
                Command::ListWebhooks { request: REQUEST, owner, only_given_up, after, limit }
            }
        },
    )
}

/// Whose end is still to be told, and how often that failed.
#[derive(Default)]
pub struct Book {
    owed: BTreeMap<TaskId, u16>,
    /// The oldest first.
    given_up: Vec<TaskId>,
    /// What ended just now with its array, and how: it is told with the next event.
    rest: Option<(ArrayId, Vec<TaskId>, TaskState)>,
}

impl Book {
    pub fn owe(&mut self, task: TaskId) {
        self.given_up.retain(|other| *other != task);
        self.owed.insert(task, 0);
    }

    pub fn expect_rest(&mut self, array: ArrayId, tasks: &[TaskId], end: TaskState) {
        self.rest = Some((array, tasks.to_vec(), end));
    }

    pub fn assert_rest_told(&self, next: &Event) {
        let is_told = matches!(next, Event::WebhookOwed(_)) == self.rest.is_some();
        assert!(is_told, "{next:?}, and to be told of was {:?}", self.rest);
    }

    pub fn record(&mut self, event: &Event, limits: &Limits) {
        match event {
            Event::WebhookDelayed { task, tries, until, at, .. } => {
                let before = self.owed.get_mut(task).expect("what is delayed was owed");
                *before += 1;
                assert_eq!(before, tries);
                assert!(*tries < limits.webhook_attempts && until > at);
            }
            Event::WebhookDelivered { task, .. } => {
                assert!(self.owed.remove(task).is_some(), "nobody was to be told of {task}");
            }
            Event::WebhookGivenUp { task, kept, .. } => {
                assert!(self.owed.remove(task).is_some(), "nobody was to be told of {task}");
                let kept = kept.expect("what is given up is kept");
                let is_full = self.given_up.len() == limits.max_given_up;
                let oldest = is_full.then(|| self.given_up.remove(0));
                assert_eq!(kept.instead_of.is_some(), is_full);
                // Those of one moment are as old as each other.
                if let Some((instead_of, oldest)) = kept.instead_of.zip(oldest)
                    && let Some(same) = self.given_up.iter_mut().find(|task| **task == instead_of)
                {
                    *same = oldest;
                }
                self.given_up.push(*task);
            }
            Event::WebhookOwed(owed) => {
                let (array, tasks, end) = self.rest.take().expect("an array just ended");
                let rest = owed.report.rest.as_ref().expect("tasks have their own ends");
                let numbers = rest.numbers.iter().cloned().flatten();
                let told: Vec<_> = numbers.map(|number| array.task(number)).collect();
                assert_eq!((told, owed.report.state), (tasks, end));
                assert_eq!(rest.tasks as usize, rest.numbers.iter().map(Range::len).sum::<usize>());
                self.owe(TaskId(array.0));
            }
            Event::WebhooksRetried { tasks, .. } => {
                for task in tasks {
                    let is_given_up = self.given_up.contains(task);
                    assert_ne!(is_given_up, self.owed.contains_key(task), "{task}");
                    if is_given_up {
                        self.owe(*task);
                    }
                }
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
fn tasks_of_arrays_are_told_of_and_those_that_never_began_in_one() {
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
    // The rest, then: finished, running, next in the queue, and cancelled by itself.
    let whole = array_id(1).0;
    assert_eq!(told, [whole, in_array(1, 0), in_array(1, 1), in_array(1, 2), in_array(1, 6)]);
    scene.rebuilt();
    let Some(WebhookStanding::Owed { url, .. }) = standing(&mut scene, in_array(1, 4)) else {
        panic!("it is told with the others")
    };
    assert_eq!(&*url.0, URL);
    let of_rest =
        |of: u128| Command::ReportPost { task: TaskId(of), tries: 0, posted: Posted::Accepted };
    scene.step(5, of_rest(whole));
    assert_eq!(standing(&mut scene, in_array(1, 4)), None);
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

/// An array of which something had a turn of its own, and of which the rest ended before.
fn ended_before_its_turn() -> (Scene, Step) {
    let mut scene = Scene::new(Limits::default());
    scene.step(0, connect(1, 0));
    let mut array = submit_array(1, 0..9);
    if let Command::SubmitArray { array, .. } = &mut array {
        let terms = Arc::make_mut(&mut array.terms);
        terms.webhook = Some(URL.into());
        terms.times.begin_ms = Some(10);
    }
    scene.step(0, array);
    scene.step(1, cancel(in_array(1, 4)));
    let step = scene.step(50, expire());
    (scene, step)
}

#[test]
fn the_rest_of_an_array_that_fails_is_told_in_one_with_its_numbers_and_why() {
    let (mut scene, step) = ended_before_its_turn();
    let whole = array_id(1).0;
    let mut told: Vec<_> = posts(&step).into_iter().map(|(task, _)| task).collect();
    told.extend(posts(&scene.step(51, expire())).into_iter().map(|(task, _)| task));
    told.sort_unstable();
    assert_eq!(told, [whole, in_array(1, 0), in_array(1, 4)]);
    let owed = step.events.iter().find_map(|event| match event {
        Event::WebhookOwed(owed) => Some(Owed::clone(owed)),
        _ => None,
    });
    let report = owed.expect("the rest is owed").report;
    let rest = Rest { tasks: 7, numbers: vec![1..4, 5..9] };
    assert_eq!((report.rest, report.state), (Some(rest), TaskState::Failed));
    assert_eq!(report.error.map(|(code, _)| code).as_deref(), Some("EXPIRED"));
    scene.rebuilt();
}

#[test]
fn the_name_of_an_array_is_taken_as_long_as_the_end_of_its_rest_is_to_be_told() {
    let limits = Limits { max_finished_tasks: 0, ..Limits::default() };
    let mut scene = Scene::new(limits);
    scene.step(0, connect(1, 0));
    let mut array = submit_array(1, 0..3);
    if let Command::SubmitArray { array, .. } = &mut array {
        Arc::make_mut(&mut array.terms).webhook = Some(URL.into());
    }
    scene.step(0, array.clone());
    scene.step(1, cancel_array(1));
    scene.step(2, expire());
    let again = scene.step(3, array.clone());
    assert!(lines(&again)[0].starts_with("> refused: ArrayConflict"), "{:?}", lines(&again));
    let accepted = Posted::Accepted;
    scene.step(4, Command::ReportPost { task: TaskId(array_id(1).0), tries: 0, posted: accepted });
    assert!(!scene.step(5, array).events.is_empty());
}

fn retry(owner: Option<&str>, choice: WebhookChoice) -> Command {
    Command::RetryWebhooks { request: REQUEST, owner: owner.map(UserName::from), choice }
}

fn list(owner: Option<&str>, only_given_up: bool) -> Command {
    let (owner, after) = (owner.map(UserName::from), None);
    Command::ListWebhooks { request: REQUEST, owner, only_given_up, after, limit: 9 }
}

#[test]
fn what_was_given_up_is_kept_and_told_again_from_the_beginning_if_somebody_wants_it() {
    let limits = Limits { webhook_attempts: 1, ..Limits::default() };
    let mut scene = finished(limits, &[1, 2]);
    scene.step(6, expire());
    scene.step(7, posted(1, 0, failed("refused")));
    assert_eq!(lines(&scene.step(8, list(Some("ana"), true))), ["> webhooks [1] next None"]);
    assert_eq!(lines(&scene.step(8, list(None, false))), ["> webhooks [1 2] next None"]);
    assert_eq!(lines(&scene.step(8, list(Some("bia"), false))), ["> webhooks [] next None"]);
    scene.rebuilt();
    let these = |id| WebhookChoice::These(vec![TaskId(id)]);
    let of_others = scene.step(9, retry(Some("bia"), these(1)));
    assert!(lines(&of_others)[0].contains("WebhookNotFound"), "{:?}", lines(&of_others));
    let again = scene.step(9, retry(Some("ana"), these(1)));
    assert_eq!(posts(&again), [(1, 0)]);
    assert!(matches!(standing(&mut scene, 1), Some(WebhookStanding::Owed { tries: 0, .. })));
    scene.rebuilt();
    scene.step(10, posted(1, 0, Posted::Accepted));
    let Some(WebhookStanding::Settled(settled)) = standing(&mut scene, 1) else { panic!("owed") };
    assert!(settled.is_delivered);
    assert_eq!(lines(&scene.step(11, list(None, true))), ["> webhooks [] next None"]);
    scene.rebuilt();
}

#[test]
fn what_waits_for_its_next_attempt_need_not() {
    let mut scene = finished(Limits::default(), &[1, 2, 3]);
    scene.step(6, expire());
    scene.step(7, posted(1, 0, failed("refused")));
    scene.step(7, posted(2, 0, failed("refused")));
    let all = WebhookChoice::All { after: None };
    let step = scene.step(8, retry(Some("ana"), all));
    assert_eq!(posts(&step), [(1, 1), (2, 1)], "the third is under way");
    assert!(lines(&step).contains(&"> 3 told again, next None".to_owned()), "{:?}", lines(&step));
    scene.rebuilt();
}

#[test]
fn of_what_was_given_up_only_the_last_are_kept() {
    let limits = Limits { webhook_attempts: 1, max_given_up: 2, ..Limits::default() };
    let mut scene = finished(limits, &[1, 2, 3]);
    scene.step(6, expire());
    for (now, task) in [(7, 3), (8, 1), (9, 2)] {
        scene.step(now, posted(task, 0, failed("refused")));
    }
    assert_eq!(lines(&scene.step(10, list(None, true))), ["> webhooks [1 2] next None"]);
    assert!(
        matches!(standing(&mut scene, 3), Some(WebhookStanding::Settled(s)) if !s.is_delivered)
    );
    scene.rebuilt();
}
