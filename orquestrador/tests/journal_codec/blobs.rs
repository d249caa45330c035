//! What references to blobs leave in the journal.

use orquestrador_core::Event;
use orquestrador_core::ids::{BlobId, BlobRef, TaskId};
use proptest::prelude::*;

pub fn example(task: TaskId) -> Event {
    Event::BlobsReferred {
        task,
        blobs: vec![BlobRef { id: BlobId([0xab; 32]), bytes: 52_428_800 }],
    }
}

pub fn any_event() -> impl Strategy<Value = Event> {
    let blobs = proptest::collection::vec((any::<[u8; 32]>(), any::<u64>()), 0..4);
    (any::<u128>(), blobs).prop_map(|(task, blobs)| {
        let blob = |(id, bytes)| BlobRef { id: BlobId(id), bytes };
        Event::BlobsReferred { task: TaskId(task), blobs: blobs.into_iter().map(blob).collect() }
    })
}
