//! What arrays leave in the journal that fail as a whole.

use orquestrador_core::Event;
use orquestrador_core::command::Delivery;
use orquestrador_core::event::{ArrayFailure, Forgotten, RestoredArray};
use orquestrador_core::ids::{ArrayId, TaskId, Timestamp};
use orquestrador_core::terms::Expiry;
use proptest::prelude::*;

pub fn examples(array: ArrayId, because: TaskId, at: Timestamp) -> [Event; 3] {
    let skipped = ArrayFailure::Skipped { because };
    let restored = RestoredArray {
        array,
        owner: "user1".into(),
        handler: "echo".into(),
        fingerprint: 0x0123_4567_89ab_cdef,
        payload: [][..].into(),
        terms: Delivery::AtLeastOnce.into(),
        first: 1,
        count: 1_000,
        at,
        begun: 1,
        early: Vec::new(),
        forgotten: Forgotten { failed: 999, ..Forgotten::default() },
        failed: Some(skipped),
    };
    [
        Event::ArrayFailed { array, failure: skipped, at },
        Event::ArrayFailed { array, failure: ArrayFailure::Expired(Expiry::NotBegun), at },
        Event::ArrayRestored(Box::new(restored)),
    ]
}

pub fn any_event() -> impl Strategy<Value = Event> {
    let failure = prop_oneof![
        any::<u128>().prop_map(|id| ArrayFailure::Skipped { because: TaskId(id) }),
        proptest::sample::select(&Expiry::ALL[..]).prop_map(ArrayFailure::Expired),
    ];
    (any::<u128>(), failure, any::<u64>()).prop_map(|(array, failure, at)| Event::ArrayFailed {
        array: ArrayId(array),
        failure,
        at: Timestamp(at),
    })
}
