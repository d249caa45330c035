//! Examples of what schedules leave in the journal.

use std::sync::Arc;

use orquestrador_core::Event;
use orquestrador_core::event::Firing;
use orquestrador_core::ids::{TaskId, Timestamp};
use orquestrador_core::schedule::{CatchUp, Overlap, Schedule};
use orquestrador_core::terms::Terms;
use proptest::prelude::*;

pub fn examples(task: TaskId, at: Timestamp) -> Vec<Event> {
    vec![
        Event::ScheduleSet {
            owner: "user1".into(),
            name: "nightly".into(),
            schedule: Arc::new(nightly()),
            paused: false,
            created: at,
            next: Some(Timestamp(1_700_000_060_000)),
            at,
        },
        fired(Firing::Made(task)),
        fired(Firing::ByHand(task)),
        fired(Firing::Missed),
        fired(Firing::Overlapped),
        fired(Firing::Refused { why: "the backlog is full".into() }),
        Event::ScheduleRemoved { owner: "user1".into(), name: "nightly".into(), at },
        Event::TaskSubmitted {
            task,
            owner: "user1".into(),
            handler: "echo".into(),
            payload: b"hello"[..].into(),
            terms: Terms { schedule: Some("nightly".into()), ..Terms::default() }.into(),
            at,
        },
    ]
}

fn fired(firing: Firing) -> Event {
    Event::ScheduleFired {
        owner: "user1".into(),
        name: "nightly".into(),
        due: Timestamp(1_700_000_000_000),
        firing,
        next: Some(Timestamp(1_700_000_060_000)),
        at: Timestamp(1_700_000_000_123),
    }
}

fn nightly() -> Schedule {
    Schedule {
        expression: "0 3 * * 1-5".into(),
        zone: "America/Sao_Paulo".into(),
        catch_up: CatchUp::One,
        overlap: Overlap::Skip,
        handler: "echo".into(),
        payload: b"hello"[..].into(),
        terms: Terms { priority: 3, ..Terms::default() }.into(),
    }
}

pub fn any_event(terms: BoxedStrategy<Terms>) -> impl Strategy<Value = Event> {
    let at = || any::<u64>().prop_map(Timestamp);
    let text = || ".{0,12}";
    let blob = proptest::collection::vec(any::<u8>(), 0..64);
    prop_oneof![
        (text(), text(), blob, terms, proptest::option::of(at()), at()).prop_map(
            |(owner, name, payload, terms, next, at)| Event::ScheduleSet {
                owner: owner.as_str().into(),
                name: name.as_str().into(),
                schedule: Arc::new(Schedule {
                    payload: payload.into(),
                    terms: terms.into(),
                    ..nightly()
                }),
                paused: next.is_none(),
                created: at,
                next,
                at,
            }
        ),
        (text(), at(), firing(), proptest::option::of(at()), at()).prop_map(
            |(name, due, firing, next, at)| {
                let (owner, name) = (name.as_str().into(), name.as_str().into());
                Event::ScheduleFired { owner, name, due, firing, next, at }
            }
        ),
        (text(), at()).prop_map(|(name, at)| {
            let (owner, name) = (name.as_str().into(), name.as_str().into());
            Event::ScheduleRemoved { owner, name, at }
        }),
    ]
}

fn firing() -> impl Strategy<Value = Firing> {
    let task = || any::<u128>().prop_map(TaskId);
    prop_oneof![
        task().prop_map(Firing::Made),
        task().prop_map(Firing::ByHand),
        Just(Firing::Missed),
        Just(Firing::Overlapped),
        ".{0,12}".prop_map(|why| Firing::Refused { why }),
    ]
}
