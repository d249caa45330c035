use std::collections::BTreeMap;

use orquestrador_core::command::{Delivery, Failure, Role};
use orquestrador_core::event::{
    ArrayFailure, Forgotten, LossCause, RestoredArray, RestoredEnd, RestoredTask,
};
use orquestrador_core::ids::{Attempt, ProcessId, QueueName, TaskId, Timestamp};
use orquestrador_core::terms::{Expiry, RetryPolicy, Terms};
use orquestrador_core::webhook::Settled;
use orquestrador_core::{Event, Limits, Machine, invariants};

use crate::scene::*;

#[test]
fn the_digest_does_not_depend_on_the_path() {
    let mut one = Scene::new(Limits::default());
    one.step(0, connect(1, 1));
    one.step(0, submit(&[1]));
    one.step(0, succeed(1, attempt(1, 1)));
    let mut other = Scene::new(Limits::default());
    other.step(0, submit(&[1]));
    assert_ne!(one.principal.digest(), other.principal.digest());
    other.step(0, connect(1, 1));
    assert_ne!(one.principal.digest(), other.principal.digest());
    other.step(0, succeed(1, attempt(1, 1)));
    assert_eq!(one.principal.digest(), other.principal.digest());
}

fn settled(is_delivered: bool) -> Box<Settled> {
    Box::new(Settled { is_delivered, tries: 1, error: String::new(), at: Timestamp(5) })
}

fn lost(cause: LossCause, output: &str) -> RestoredEnd {
    RestoredEnd::Lost { cause, output: output.as_bytes().to_vec().into() }
}

fn cancelled(output: &str) -> RestoredEnd {
    RestoredEnd::Cancelled { output: output.as_bytes().to_vec().into() }
}

#[test]
fn the_digest_covers_every_field_of_a_finished_task() {
    type Change = fn(&mut RestoredTask);
    let changes: [Change; 22] = [
        |_| {},
        |task| task.task = TaskId(2),
        |task| task.owner = "bia".into(),
        |task| task.handler = "render".into(),
        |task| task.group = Some("g".into()),
        |task| task.webhook = Some(settled(true)),
        |task| task.webhook = Some(settled(false)),
        |task| task.fingerprint = 8,
        |task| task.attempt = Attempt(2),
        |task| task.worker = Some("w2".into()),
        |task| task.submitted_at = Timestamp(2),
        |task| task.started_at = None,
        |task| task.finished_at = Timestamp(4),
        |task| task.finish_order = None,
        |task| task.end = RestoredEnd::Succeeded { result: b"other"[..].into() },
        |task| task.end = cancelled(""),
        |task| task.end = cancelled("half"),
        |task| task.delivery = Delivery::AtMostOnce,
        |task| task.end = lost(LossCause::WorkerSilent, ""),
        |task| task.end = lost(LossCause::WorkerRestarted, ""),
        |task| task.end = lost(LossCause::WorkerRestarted, "half"),
        |task| task.end = failed("CODE", "message", "output"),
    ];
    let ends = [("C", "message", "output"), ("CODE", "m", "output"), ("CODE", "message", "o")];
    let tasks = changes.into_iter().map(|change| {
        let mut task = finished();
        change(&mut task);
        task
    });
    let failures = ends.into_iter().map(|(code, message, output)| RestoredTask {
        end: failed(code, message, output),
        ..finished()
    });
    assert_distinct(
        tasks.chain(failures).map(|task| vec![worker(), Event::TaskRestored(Box::new(task))]),
    );
}

fn retried(max_attempts: u16) -> Terms {
    let (first_delay_ms, max_delay_ms, codes) = (100, 1_000, vec![]);
    let retry = RetryPolicy { max_attempts, first_delay_ms, max_delay_ms, codes };
    Terms { retry: Some(Box::new(retry)), ..Terms::default() }
}

#[test]
fn the_digest_covers_the_failures_of_a_task_and_when_it_is_due() {
    let retried = |failed, until| {
        let submitted = Event::TaskSubmitted {
            task: TaskId(1),
            owner: "ana".into(),
            handler: "echo".into(),
            payload: b"payload"[..].into(),
            terms: retried(9).into(),
            at: Timestamp(1),
        };
        let retried = Event::TaskRetried {
            task: TaskId(1),
            attempt: Attempt(2),
            failed,
            until: Timestamp(until),
            code: "CODE".into(),
            message: "message".into(),
            at: Timestamp(1),
        };
        vec![submitted, retried]
    };
    assert_distinct([retried(1, 1), retried(2, 1), retried(1, 2), retried(1, 3)]);
}

#[test]
fn the_digest_covers_every_field_of_an_array() {
    type Change = fn(&mut RestoredArray);
    let changes: [Change; 21] = [
        |_| {},
        |array| array.array = array_id(2),
        |array| array.owner = "bia".into(),
        |array| array.handler = "render".into(),
        |array| array.fingerprint = 8,
        |array| array.terms = Delivery::AtMostOnce.into(),
        |array| array.terms = retried(3).into(),
        |array| array.first = 4,
        |array| array.count = 11,
        |array| array.at = Timestamp(2),
        |array| array.begun = 6,
        |array| array.early = vec![8..9],
        |array| array.early = vec![7..9],
        |array| array.forgotten.succeeded = 2,
        |array| array.forgotten.failed = 1,
        |array| array.forgotten.cancelled = 1,
        |array| array.forgotten.lost = 1,
        |array| array.failed = Some(ArrayFailure::Expired(Expiry::NotBegun)),
        |array| array.failed = Some(ArrayFailure::Expired(Expiry::NotEnded)),
        |array| array.failed = Some(ArrayFailure::Skipped { because: TaskId(1) }),
        |array| array.failed = Some(ArrayFailure::Skipped { because: TaskId(1 << 64) }),
    ];
    assert_distinct(changes.into_iter().map(|change| {
        let mut array = RestoredArray {
            array: array_id(1),
            owner: "ana".into(),
            handler: "echo".into(),
            fingerprint: 7,
            payload: b"payload"[..].into(),
            terms: Delivery::AtLeastOnce.into(),
            first: 3,
            count: 10,
            at: Timestamp(1),
            begun: 5,
            early: vec![7..8],
            forgotten: Forgotten { succeeded: 1, ..Forgotten::default() },
            failed: None,
        };
        change(&mut array);
        vec![Event::ArrayRestored(Box::new(array))]
    }));
}

#[test]
fn the_digest_covers_every_field_of_a_running_task_a_worker_and_a_user() {
    let submitted = |payload: &str| Event::TaskSubmitted {
        task: TaskId(1),
        owner: "ana".into(),
        handler: "echo".into(),
        payload: payload.as_bytes().to_vec().into(),
        terms: Delivery::AtLeastOnce.into(),
        at: Timestamp(1),
    };
    let assigned = |attempt, worker: &str, at| Event::TaskAssigned {
        task: TaskId(1),
        attempt: Attempt(attempt),
        worker: worker.into(),
        at: Timestamp(at),
    };
    let other_worker = registered("w2", 1, 1, &[], &[]);
    let running = [("payload", 1, "w1", 1), ("p", 1, "w1", 1), ("payload", 2, "w1", 1)]
        .into_iter()
        .chain([("payload", 1, "w2", 1), ("payload", 1, "w1", 2)])
        .map(|(payload, attempt, runner, at)| {
            let events = [submitted(payload), assigned(attempt, runner, at)];
            [worker(), other_worker.clone()].into_iter().chain(events).collect()
        });
    assert_distinct(running);

    let user = |name: &str, hash: &str, role, at| {
        let (user, token_hash, at) = (name.into(), hash.into(), Timestamp(at));
        Event::UserAdded { user, token_hash, role, at }
    };
    assert_distinct(
        [
            registered("w1", 1, 1, &["echo"], &[]),
            registered("w2", 1, 1, &["echo"], &[]),
            registered("w1", 2, 1, &["echo"], &[]),
            registered("w1", 1, 2, &["echo"], &[]),
            registered("w1", 1, 1, &["echo", "render"], &[]),
            registered("w1", 1, 1, &["echo"], &[("zone", "a")]),
            registered("w1", 1, 1, &["echo"], &[("zone", "b")]),
            registered("w1", 1, 1, &["echo"], &[("place", "a")]),
            Event::HandlersLearned { handlers: vec!["echo".into()] },
            Event::HandlersLearned { handlers: vec!["render".into()] },
            user("ana", "hash", Role::Admin, 1),
            user("bia", "hash", Role::Admin, 1),
            user("ana", "other", Role::Admin, 1),
            user("ana", "hash", Role::Submitter, 1),
            user("ana", "hash", Role::Viewer, 1),
            user("ana", "hash", Role::Admin, 2),
        ]
        .map(|event| vec![event]),
    );
    let token = |name: &str, hash: &str, expires: Option<u64>, at| {
        let (user, name, hash) = ("ana".into(), name.into(), hash.into());
        let (expires_at, at) = (expires.map(Timestamp), Timestamp(at));
        Event::TokenIssued { user, name, hash, expires_at, at }
    };
    assert_distinct(
        [
            token("main", "other", None, 1),
            token("main", "hash", None, 2),
            token("main", "hash", Some(9), 1),
            token("ci", "hash", None, 1),
            token("cd", "hash", None, 1),
            token("ci", "other", None, 1),
            token("ci", "hash", Some(9), 1),
            token("ci", "hash", None, 2),
        ]
        .map(|event| vec![user("ana", "hash", Role::Admin, 1), event])
        .into_iter()
        .chain([vec![user("ana", "hash", Role::Admin, 1)]]),
    );
}

#[test]
fn an_event_that_does_not_fit_is_left_out_and_remembered() {
    let mut scene = Scene::new(Limits::default());
    scene.step(0, submit(&[1]));
    let digest = scene.principal.digest();
    let (task, at) = (TaskId(1), Timestamp(0));
    let event = Event::TaskSucceeded { task, attempt: Attempt(1), result: [][..].into(), at };
    scene.principal.apply(&event);
    assert_eq!(scene.principal.digest(), digest);
    assert!(scene.principal.misfit().is_some_and(|text| text.starts_with("the transition")));
    assert!(invariants::check(&scene.principal).is_err());
}

#[track_caller]
fn assert_distinct(histories: impl IntoIterator<Item = Vec<Event>>) {
    let mut seen = BTreeMap::new();
    for history in histories {
        let mut machine = Machine::new(Limits::default());
        history.iter().for_each(|event| machine.apply(event));
        assert_eq!(machine.misfit(), None);
        let before = seen.insert(machine.digest(), format!("{history:?}"));
        assert_eq!(before, None, "has the same digest as {history:?}");
    }
}

fn worker() -> Event {
    registered("w1", 1, 1, &["echo"], &[])
}

fn registered(
    worker: &str,
    incarnation: u128,
    slots: u32,
    handlers: &[&str],
    labels: &[(&str, &str)],
) -> Event {
    Event::WorkerRegistered {
        worker: worker.into(),
        incarnation: ProcessId(incarnation),
        slots,
        handlers: handlers.iter().map(|name| (*name).into()).collect(),
        labels: labels.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect(),
        resources: vec![],
        at: Timestamp(0),
    }
}

fn finished() -> RestoredTask {
    RestoredTask {
        task: TaskId(1),
        owner: "ana".into(),
        handler: "echo".into(),
        fingerprint: 7,
        attempt: Attempt(1),
        worker: Some("w1".into()),
        submitted_at: Timestamp(1),
        started_at: Some(Timestamp(2)),
        finished_at: Timestamp(3),
        finish_order: Some(0),
        delivery: Delivery::AtLeastOnce,
        queue: QueueName::default(),
        priority: 0,
        needs: None,
        origin: None,
        schedule: None,
        group: None,
        again: None,
        webhook: None,
        end: RestoredEnd::Succeeded { result: b"result"[..].into() },
    }
}

fn failed(code: &str, message: &str, output: &str) -> RestoredEnd {
    RestoredEnd::Failed(Failure {
        code: code.to_owned(),
        message: message.to_owned(),
        output: output.as_bytes().to_vec().into(),
    })
}
