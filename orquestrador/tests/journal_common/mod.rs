//! What the tests of the journal share.

#![allow(dead_code, reason = "each test file uses its part")]

use bytes::Bytes;
use orquestrador::journal::{Content, Entry, Journal};
use orquestrador_core::Event;
use orquestrador_core::ids::{
    Attempt, ClusterId, Epoch, NodeId, ProcessId, TaskId, Timestamp, ViewNumber,
};
use orquestrador_core::role::{Acceptor, Ballot, Durable, EntryId, Replica, View};

pub fn temporary() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary directory")
}

pub fn event(number: u64) -> Event {
    Event::TaskAssigned {
        task: TaskId(u128::from(number)),
        attempt: Attempt(1),
        worker: "localhost:50061".into(),
        at: Timestamp(number),
    }
}

pub fn entries_after(mut previous: EntryId, epoch: Epoch, count: u64) -> Vec<Entry> {
    (0..count)
        .map(|_| {
            let payload = Content::Events(vec![event(previous.index.0 + 1)]).encode();
            let entry = Entry::following(&previous, epoch, payload);
            previous = entry.id;
            entry
        })
        .collect()
}

/// In batches of a few.
pub fn append_events(journal: &Journal, epoch: Epoch, count: u64) -> Vec<Entry> {
    let entries = entries_after(journal.last(), epoch, count);
    for batch in entries.chunks(7) {
        journal.append(batch).expect("an append");
    }
    entries
}

pub fn append_payload(journal: &Journal, epoch: Epoch, payload: Bytes) -> Entry {
    let entry = Entry::following(&journal.last(), epoch, payload);
    journal.append(std::slice::from_ref(&entry)).expect("an append");
    entry
}

pub fn view(number: u64) -> View {
    View {
        number: ViewNumber(number),
        epoch: Epoch(number + 1),
        principal_node: NodeId(1),
        principal_process: ProcessId(2),
        replicas: vec![
            Replica { node: NodeId(1), since: ViewNumber(1) },
            Replica { node: NodeId(3), since: ViewNumber(number) },
        ],
        witnesses: vec![ProcessId(4), ProcessId(5), ProcessId(6)],
        forced: false,
    }
}

pub fn role(node: NodeId) -> Durable {
    let ballot = |round| Ballot { round, process: ProcessId(9) };
    Durable {
        cluster: Some(ClusterId(node.0 ^ 1)),
        newest: Some(view(4)),
        acceptor: Acceptor {
            view: ViewNumber(4),
            promised: Some(ballot(3)),
            accepted: Some((ballot(2), view(5))),
        },
    }
}

/// Files and folders below `from`, into `to`.
pub fn copy_directory(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for child in std::fs::read_dir(from).expect("a folder") {
        let child = child.expect("a folder's entry");
        let target = to.join(child.file_name());
        if child.path().is_dir() {
            copy_directory(&child.path(), &target);
        } else {
            std::fs::copy(child.path(), target).expect("a copy");
        }
    }
}
