//! Snapshots: saved, read, sent, received, torn, damaged.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod journal_common;

use std::fs;

use journal_common::{append_events, event, temporary};
use orquestrador::journal::{Error, Journal, SnapshotReader};
use orquestrador_core::Event;
use orquestrador_core::ids::{Epoch, Index, ViewNumber};

fn events(reader: &SnapshotReader) -> Vec<Event> {
    reader.events().unwrap().collect::<Result<_, _>>().unwrap()
}

#[test]
fn saved_events_are_read_back_after_reopening() {
    let dir = temporary();
    let (journal, _) = Journal::open(dir.path()).unwrap();
    assert!(journal.snapshot_reader().unwrap().is_none());
    let entries = append_events(&journal, Epoch(1), 20);
    // Several chunks.
    let state: Vec<_> = (0..20_000).map(event).collect();
    journal.save_snapshot(entries[9].id, &[], state.iter().cloned()).unwrap();
    drop(journal);
    let (journal, recovered) = Journal::open(dir.path()).unwrap();
    assert_eq!(recovered.snapshot, Some(entries[9].id));
    assert_eq!(recovered.last, entries[19].id);
    let reader = journal.snapshot_reader().unwrap().unwrap();
    assert_eq!(reader.id(), entries[9].id);
    assert_eq!(events(&reader), state);
}

#[test]
fn newer_snapshot_replaces_the_older_while_it_is_being_read() {
    let dir = temporary();
    let (journal, _) = Journal::open(dir.path()).unwrap();
    let entries = append_events(&journal, Epoch(1), 20);
    journal.save_snapshot(entries[9].id, &[], (0..10).map(event)).unwrap();
    let older = journal.snapshot_reader().unwrap().unwrap();
    journal.save_snapshot(entries[14].id, &[], (0..15).map(event)).unwrap();
    assert_eq!(events(&older).len(), 10);
    assert_eq!(events(&journal.snapshot_reader().unwrap().unwrap()).len(), 15);

    let refused = journal.save_snapshot(entries[12].id, &[], std::iter::empty()).unwrap_err();
    assert!(matches!(refused, Error::SnapshotBoundary { .. }), "{refused}");
    let mut foreign = entries[16].id;
    foreign.hash.0[0] ^= 1;
    let refused = journal.save_snapshot(foreign, &[], std::iter::empty()).unwrap_err();
    assert!(matches!(refused, Error::BrokenChain { .. }), "{refused}");
}

#[test]
fn only_the_newest_64_view_records_are_remembered() {
    let dir = temporary();
    let (journal, _) = Journal::open(dir.path()).unwrap();
    let entries = append_events(&journal, Epoch(1), 100);
    let views: Vec<_> = (1..=100).map(|n| (ViewNumber(n), Index(n))).collect();
    journal.save_snapshot(entries[89].id, &views, std::iter::empty()).unwrap();
    let reader = journal.snapshot_reader().unwrap().unwrap();
    assert_eq!(reader.meta().view_records, views[26..90]);
}

#[test]
fn received_snapshot_replaces_all_that_the_journal_held() {
    let (from, to) = (temporary(), temporary());
    let (sender, _) = Journal::open(from.path()).unwrap();
    let entries = append_events(&sender, Epoch(2), 200);
    let views = [(ViewNumber(1), Index(1))];
    sender.save_snapshot(entries[149].id, &views, (0..30_000).map(event)).unwrap();

    // Longer than the snapshot and of another history.
    let (receiver, _) = Journal::open(to.path()).unwrap();
    append_events(&receiver, Epoch(1), 300);
    transfer(&sender, &receiver, 10_000);
    assert_eq!((receiver.first(), receiver.last()), (Index(151), entries[149].id));
    assert_eq!(receiver.id_at(Index(150)).unwrap(), Some(entries[149].id));
    assert_eq!(receiver.id_at(Index(151)).unwrap(), None);
    receiver.append(&entries[150..]).unwrap();
    drop(receiver);

    let (receiver, recovered) = Journal::open(to.path()).unwrap();
    assert_eq!(recovered.snapshot, Some(entries[149].id));
    assert_eq!(recovered.view_records, views);
    assert_eq!(receiver.read(Index(151), usize::MAX).unwrap(), entries[150..]);
    assert_eq!(events(&receiver.snapshot_reader().unwrap().unwrap()).len(), 30_000);
}

/// The histories parted below the receiver's own snapshot: it goes back to the sender's.
#[test]
fn an_older_snapshot_of_another_history_replaces_a_newer_one() {
    let (from, to) = (temporary(), temporary());
    let (sender, _) = Journal::open(from.path()).unwrap();
    let theirs = append_events(&sender, Epoch(2), 100);
    sender.save_snapshot(theirs[39].id, &[], (0..10).map(event)).unwrap();
    let (receiver, _) = Journal::open(to.path()).unwrap();
    let ours = append_events(&receiver, Epoch(1), 100);
    receiver.save_snapshot(ours[79].id, &[], (0..20).map(event)).unwrap();
    receiver.prune_below(ours[79].id.index).unwrap();
    transfer(&sender, &receiver, 1_000);
    assert_eq!((receiver.first(), receiver.last()), (Index(41), theirs[39].id));
    drop(receiver);
    let (receiver, recovered) = Journal::open(to.path()).unwrap();
    assert_eq!((recovered.snapshot, recovered.last), (Some(theirs[39].id), theirs[39].id));
    receiver.append(&theirs[40..]).unwrap();
    assert_eq!(receiver.read(Index(41), usize::MAX).unwrap(), theirs[40..]);
}

#[test]
fn crash_while_a_received_snapshot_is_installed_is_finished_by_opening() {
    let (from, to) = (temporary(), temporary());
    let (sender, _) = Journal::open(from.path()).unwrap();
    let entries = append_events(&sender, Epoch(2), 200);
    sender.save_snapshot(entries[149].id, &[], (0..10).map(event)).unwrap();
    for held in [0, 100, 150, 300] {
        let path = to.path().join(held.to_string());
        let (receiver, _) = Journal::open(&path).unwrap();
        append_events(&receiver, Epoch(1), held);
        drop(receiver);
        // As if the process died right after the rename.
        fs::copy(from.path().join("snapshot"), path.join("snapshot")).unwrap();
        let (receiver, recovered) = Journal::open(&path).unwrap();
        assert_eq!(recovered.last, entries[149].id, "held {held}");
        receiver.append(&entries[150..]).unwrap();
        assert_eq!(receiver.read(Index(151), usize::MAX).unwrap(), entries[150..]);
    }
}

#[test]
fn altered_or_incomplete_snapshot_is_not_installed() {
    let whole = small_snapshot();
    let dir = temporary();
    let (receiver, _) = Journal::open(dir.path()).unwrap();
    let entries = append_events(&receiver, Epoch(1), 3);
    let mut attempts: Vec<Vec<u8>> = (0..whole.len()).map(|n| whole[..n].to_vec()).collect();
    attempts.extend((0..whole.len()).map(|n| {
        let mut bytes = whole.clone();
        bytes[n] ^= 0x40;
        bytes
    }));
    for bytes in attempts {
        let mut attempt = receiver.receive_snapshot().unwrap();
        attempt.write(0, &bytes).unwrap();
        let refused = attempt.verify().err().unwrap();
        assert!(matches!(refused, Error::Corrupt { .. }), "{refused}");
    }
    let mut attempt = receiver.receive_snapshot().unwrap();
    attempt.write(0, &[&whole[..], &[0]].concat()).unwrap();
    let refused = attempt.verify().err().unwrap();
    assert!(matches!(refused, Error::Corrupt { .. }), "{refused}");
    let mut gap = receiver.receive_snapshot().unwrap();
    gap.write(0, &whole[..10]).unwrap();
    let refused = gap.write(11, &whole[11..]).unwrap_err();
    assert!(matches!(refused, Error::ChunkGap { expected: 10, found: 11 }), "{refused}");
    drop(gap);

    assert_eq!(receiver.read(Index(1), usize::MAX).unwrap(), entries);
    assert!(receiver.snapshot_reader().unwrap().is_none());
    assert!(!has_unfinished(dir.path()));
    let mut good = receiver.receive_snapshot().unwrap();
    good.write(0, &whole).unwrap();
    good.verify().unwrap().install().unwrap();
}

#[test]
fn half_written_snapshot_is_ignored_and_removed() {
    let dir = temporary();
    let (journal, _) = Journal::open(dir.path()).unwrap();
    let entries = append_events(&journal, Epoch(1), 10);
    journal.save_snapshot(entries[4].id, &[], (0..10).map(event)).unwrap();
    drop(journal);
    let whole = fs::read(dir.path().join("snapshot")).unwrap();
    for kind in ["saving", "receiving-7"] {
        fs::write(dir.path().join(format!("snapshot.{kind}")), &whole[..whole.len() / 2]).unwrap();
    }
    let (journal, recovered) = Journal::open(dir.path()).unwrap();
    assert_eq!(recovered.snapshot, Some(entries[4].id));
    assert_eq!(events(&journal.snapshot_reader().unwrap().unwrap()).len(), 10);
    assert!(!has_unfinished(dir.path()));
}

#[test]
fn damaged_snapshot_is_reported_and_gives_no_wrong_event() {
    let dir = temporary();
    let (journal, _) = Journal::open(dir.path()).unwrap();
    let entries = append_events(&journal, Epoch(1), 10);
    journal.save_snapshot(entries[4].id, &[], (0..10).map(event)).unwrap();
    drop(journal);
    let path = dir.path().join("snapshot");
    let whole = fs::read(&path).unwrap();
    for position in (0..whole.len()).step_by(7) {
        let mut bytes = whole.clone();
        bytes[position] ^= 1;
        fs::write(&path, bytes).unwrap();
        let read = Journal::open(dir.path()).and_then(|(journal, _)| {
            let reader = journal.snapshot_reader()?.expect("it is there");
            reader.events()?.collect::<Result<Vec<_>, _>>()
        });
        assert!(matches!(read, Err(Error::Corrupt { .. })), "byte {position}: {read:?}");
    }
}

/// Of an older place than most.
fn small_snapshot() -> Vec<u8> {
    let dir = temporary();
    let (journal, _) = Journal::open(dir.path()).unwrap();
    let entries = append_events(&journal, Epoch(1), 9);
    journal.save_snapshot(entries[8].id, &[], (0..5).map(event)).unwrap();
    fs::read(dir.path().join("snapshot")).unwrap()
}

fn has_unfinished(dir: &std::path::Path) -> bool {
    let names = fs::read_dir(dir).unwrap().map(|file| file.unwrap().file_name());
    names.into_iter().any(|name| name.to_string_lossy().starts_with("snapshot."))
}

/// The link of the first one broke, and its receiver ends only after the second one has begun.
#[test]
fn two_receivers_do_not_reach_into_each_other() {
    let whole = small_snapshot();
    let dir = temporary();
    let (journal, _) = Journal::open(dir.path()).unwrap();
    let mut late = journal.receive_snapshot().unwrap();
    late.write(0, &whole[..10]).unwrap();
    let mut second = journal.receive_snapshot().unwrap();
    second.write(0, &whole).unwrap();
    let second = second.verify().unwrap();
    late.write(10, &whole[..10]).unwrap();
    drop(late);
    let meta = second.install().unwrap();
    assert_eq!(*journal.snapshot_reader().unwrap().unwrap().meta(), meta);
    assert_eq!(events(&journal.snapshot_reader().unwrap().unwrap()).len(), 5);
    assert!(!has_unfinished(dir.path()));
}

fn transfer(sender: &Journal, receiver: &Journal, chunk_bytes: usize) {
    let reader = sender.snapshot_reader().unwrap().unwrap();
    let mut target = receiver.receive_snapshot().unwrap();
    loop {
        let chunk = reader.chunk(target.offset(), chunk_bytes).unwrap();
        target.write(chunk.offset, &chunk.bytes).unwrap();
        if chunk.last {
            break;
        }
    }
    assert_eq!(target.verify().unwrap().install().unwrap(), *reader.meta());
}
