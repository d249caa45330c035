//! Reports of tasks' ends.

use orquestrador_core::effect::TaskState;
use orquestrador_core::ids::{Attempt, TaskId, Timestamp};
use orquestrador_core::webhook::{Owed, Report, Settled};
use orquestrador_core::{Event, command::Delivery, terms::Terms};
use proptest::prelude::*;

pub fn examples(task: TaskId, at: Timestamp) -> Vec<Event> {
    vec![
        Event::TaskSubmitted {
            task,
            owner: "user1".into(),
            handler: "echo".into(),
            payload: b"hello"[..].into(),
            terms: Terms {
                webhook: Some("https://hooks.example.com/mutirao".into()),
                ..Delivery::AtLeastOnce.into()
            }
            .into(),
            at,
        },
        Event::WebhookDelivered { task, at },
        Event::WebhookDelayed {
            task,
            tries: 3,
            until: at.plus_ms(90_000),
            error: "the answer was 503".into(),
            at,
        },
        Event::WebhookGivenUp { task, error: "the answer was 410".into(), at },
        Event::WebhookOwed(owed(task, at).into()),
    ]
}

fn owed(task: TaskId, at: Timestamp) -> Owed {
    Owed {
        report: Report {
            task,
            owner: "user1".into(),
            handler: "command".into(),
            state: TaskState::Failed,
            attempt: Attempt(2),
            submitted_at: at,
            started_at: Some(at.plus_ms(1)),
            finished_at: at.plus_ms(2),
            error: Some(("NON_ZERO_EXIT".into(), "exit status 3".into())),
            result_bytes: 17,
            queue: "night".into(),
            group: Some("build-7".into()),
            schedule: Some("nightly".into()),
            retry_of: Some(TaskId(1)),
        },
        url: "https://hooks.example.com/mutirao".into(),
        tries: 2,
        next: at.plus_ms(30_000),
        error: "the connection was refused".into(),
    }
}

pub fn settled(at: Timestamp) -> Settled {
    let is_delivered = at.0.is_multiple_of(2);
    Settled { is_delivered, tries: at.0 as u16, error: "gone".into(), at }
}

pub fn any_event() -> impl Strategy<Value = Event> {
    let task = || any::<u128>().prop_map(TaskId);
    let at = || any::<u64>().prop_map(Timestamp);
    let states =
        &[TaskState::Succeeded, TaskState::Failed, TaskState::Cancelled, TaskState::Lost][..];
    let plain = (proptest::sample::select(states), any::<bool>(), any::<u16>(), ".{1,8}");
    prop_oneof![
        (task(), at()).prop_map(|(task, at)| Event::WebhookDelivered { task, at }),
        (task(), any::<u16>(), at(), ".{0,12}", at()).prop_map(
            |(task, tries, until, error, at)| {
                Event::WebhookDelayed { task, tries, until, error, at }
            }
        ),
        (task(), ".{0,12}", at()).prop_map(|(task, error, at)| Event::WebhookGivenUp {
            task,
            error,
            at
        }),
        (task(), at(), plain).prop_map(|(task, at, (state, has, tries, name))| {
            let mut owed = Owed { tries, error: name.clone(), ..owed(task, at) };
            let report = &mut owed.report;
            (report.state, report.queue) = (state, name.as_str().into());
            report.started_at = has.then_some(at);
            report.error = has.then(|| (name.clone(), name.clone()));
            report.group = has.then(|| name.as_str().into());
            report.schedule = (!has).then(|| name.as_str().into());
            report.retry_of = has.then_some(task);
            Event::WebhookOwed(owed.into())
        }),
    ]
}
