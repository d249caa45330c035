//! Reports of tasks' ends.

use orquestrador_core::effect::TaskState;
use orquestrador_core::event::Kept;
use orquestrador_core::ids::{Attempt, TaskId, Timestamp};
use orquestrador_core::webhook::{Owed, Report, Rest, Settled};
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
        Event::WebhookGivenUp { task, error: "the answer was 410".into(), kept: None, at },
        Event::WebhookOwed(owed(task, at).into()),
        Event::WebhookOwed(of_rest(task, at).into()),
        Event::WebhookOwed(Owed { given_up: Some(at.plus_ms(7)), ..owed(task, at) }.into()),
        Event::WebhookGivenUp {
            task,
            error: "the answer was 503".into(),
            kept: Some(Kept { instead_of: Some(TaskId(3)) }),
            at,
        },
        Event::WebhooksRetried { tasks: vec![task, TaskId(3)], at },
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
            rest: None,
        },
        url: "https://hooks.example.com/mutirao".into(),
        tries: 2,
        next: at.plus_ms(30_000),
        error: "the connection was refused".into(),
        given_up: None,
    }
}

fn of_rest(task: TaskId, at: Timestamp) -> Owed {
    let mut owed = owed(task, at);
    owed.report.rest = Some(Rest { tasks: 12, numbers: vec![3..7, 9..17] });
    owed
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
        (task(), ".{0,12}", proptest::option::of(proptest::option::of(task())), at()).prop_map(
            |(task, error, kept, at)| {
                let kept = kept.map(|instead_of| Kept { instead_of });
                Event::WebhookGivenUp { task, error, kept, at }
            }
        ),
        (proptest::collection::vec(task(), 0..4), at())
            .prop_map(|(tasks, at)| Event::WebhooksRetried { tasks, at }),
        (task(), at(), plain).prop_map(|(task, at, (state, has, tries, name))| {
            let mut owed = Owed { tries, error: name.clone(), ..owed(task, at) };
            let report = &mut owed.report;
            (report.state, report.queue) = (state, name.as_str().into());
            report.started_at = has.then_some(at);
            report.error = has.then(|| (name.clone(), name.clone()));
            report.group = has.then(|| name.as_str().into());
            report.schedule = (!has).then(|| name.as_str().into());
            report.retry_of = has.then_some(task);
            report.rest = has.then(|| Rest { tasks: tries.into(), numbers: vec![1..2, 5..9] });
            owed.given_up = tries.is_multiple_of(3).then_some(at);
            Event::WebhookOwed(owed.into())
        }),
    ]
}
