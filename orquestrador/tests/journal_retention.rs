//! Setting entries aside, pruning, and the memory of view records.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod journal_common;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use journal_common::{append_events, append_payload, entries_after, event, temporary, view};
use orquestrador::journal::{Content, Error, Journal, SetAside, read_set_aside};
use orquestrador_core::ids::{Epoch, Index, ViewNumber};
use orquestrador_core::role::Durable;

#[test]
fn entries_set_aside_are_in_the_file_and_no_longer_in_the_journal() {
    let dir = temporary();
    let (journal, recovered) = Journal::open(dir.path()).unwrap();
    let entries = append_events(&journal, Epoch(2), 10);
    let SetAside { path, entries: count } = journal.set_aside_after(Index(6)).unwrap().unwrap();
    assert_eq!(count, 4);
    assert_eq!(path, dir.path().join("set-aside/7-10-e2.journal"));
    assert_eq!(journal.last(), entries[5].id);
    assert_eq!(journal.id_at(Index(7)).unwrap(), None);

    let reader = read_set_aside(&path).unwrap();
    assert_eq!((reader.node(), reader.previous()), (recovered.node, entries[5].id));
    assert_eq!(reader.collect::<Result<Vec<_>, _>>().unwrap(), entries[6..]);

    // Another history goes on in their place, and that is what the disk has.
    let others = append_events(&journal, Epoch(3), 10);
    drop(journal);
    let (journal, recovered) = Journal::open(dir.path()).unwrap();
    assert_eq!(recovered.last, others[9].id);
    assert_eq!(journal.read(Index(1), usize::MAX).unwrap(), [&entries[..6], &others].concat());
    assert_eq!(journal.set_aside_after(Index(16)).unwrap(), None);
}

#[test]
fn the_same_entries_can_be_set_aside_again_without_overwriting() {
    let dir = temporary();
    let (journal, _) = Journal::open(dir.path()).unwrap();
    let entries = append_events(&journal, Epoch(2), 3);
    let first = journal.set_aside_after(Index(1)).unwrap().unwrap();
    journal.append(&entries[1..]).unwrap();
    let second = journal.set_aside_after(Index(1)).unwrap().unwrap();
    assert_ne!(first.path, second.path);
    assert_eq!(fs::read(first.path).unwrap(), fs::read(second.path).unwrap());
}

#[test]
fn damaged_file_of_entries_set_aside_is_reported() {
    let dir = temporary();
    let (journal, _) = Journal::open(dir.path()).unwrap();
    append_events(&journal, Epoch(2), 3);
    let path = journal.set_aside_after(Index(0)).unwrap().unwrap().path;
    let whole = fs::read(&path).unwrap();
    for position in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[position] ^= 0x10;
        fs::write(&path, bytes).unwrap();
        let read = read_set_aside(&path).and_then(|r| r.collect::<Result<Vec<_>, _>>());
        assert!(matches!(read, Err(Error::Corrupt { .. })), "byte {position}: {read:?}");
        fs::write(&path, &whole[..position]).unwrap();
        let read = read_set_aside(&path).and_then(|r| r.collect::<Result<Vec<_>, _>>());
        assert!(matches!(read, Err(Error::Corrupt { .. })), "cut at {position}: {read:?}");
    }
}

#[test]
fn what_the_snapshot_stands_for_cannot_be_set_aside() {
    let dir = temporary();
    let (journal, _) = Journal::open(dir.path()).unwrap();
    let entries = append_events(&journal, Epoch(1), 10);
    journal.save_snapshot(entries[4].id, &[], (0..3).map(event)).unwrap();
    let refused = journal.set_aside_after(Index(4)).unwrap_err();
    assert!(matches!(refused, Error::SnapshotBoundary { .. }), "{refused}");
    assert_eq!(journal.set_aside_after(Index(5)).unwrap().unwrap().entries, 5);
}

#[test]
fn pruned_entries_are_gone_and_the_rest_still_follows() {
    let dir = temporary();
    let (journal, _) = Journal::open(dir.path()).unwrap();
    let entries = append_events(&journal, Epoch(1), 50);
    let early = journal.prune_below(Index(2)).unwrap_err();
    assert!(matches!(early, Error::SnapshotBoundary { .. }), "{early}");
    journal.save_snapshot(entries[29].id, &[], std::iter::empty()).unwrap();
    let beyond = journal.prune_below(Index(31)).unwrap_err();
    assert!(matches!(beyond, Error::SnapshotBoundary { .. }), "{beyond}");
    journal.prune_below(Index(30)).unwrap();
    journal.prune_below(Index(3)).unwrap();

    let check = |journal: &Journal| {
        assert_eq!(journal.first(), Index(30));
        assert_eq!(journal.read(Index(30), usize::MAX).unwrap(), entries[29..]);
        let pruned = journal.read(Index(29), usize::MAX).unwrap_err();
        assert!(matches!(pruned, Error::Pruned { first: Index(30), .. }), "{pruned}");
        // The boundary is still known, the pruned are not.
        assert_eq!(journal.id_at(Index(29)).unwrap(), Some(entries[28].id));
        assert_eq!(journal.id_at(Index(28)).unwrap(), None);
    };
    check(&journal);
    drop(journal);
    check(&Journal::open(dir.path()).unwrap().0);
}

#[test]
fn view_records_are_found_and_remembered_after_pruning() {
    let dir = temporary();
    let (journal, _) = Journal::open(dir.path()).unwrap();
    let mut records = Vec::new();
    for number in 1..=4 {
        know(&journal, number);
        let record = append_payload(&journal, Epoch(number), Content::View(view(number)).encode());
        records.push((ViewNumber(number), record.id.index));
        append_events(&journal, Epoch(number), 5);
    }
    let journal = {
        drop(journal);
        let (journal, recovered) = Journal::open(dir.path()).unwrap();
        assert_eq!(recovered.view_records, records);
        journal
    };
    // Between the third and the fourth record.
    let place = journal.id_at(Index(15)).unwrap().unwrap();
    journal.save_snapshot(place, &records, std::iter::empty()).unwrap();
    let remembered = journal.snapshot_reader().unwrap().unwrap().meta().view_records.clone();
    assert_eq!(remembered, records[..3]);
    journal.prune_below(Index(15)).unwrap();
    drop(journal);
    let (_journal, recovered) = Journal::open(dir.path()).unwrap();
    assert_eq!(recovered.view_records, records);
}

/// A node's own file must be at least as new as what its journal says.
#[test]
fn a_role_file_older_than_the_recorded_views_is_reported() {
    let dir = temporary();
    let (journal, _) = Journal::open(dir.path()).unwrap();
    know(&journal, 1);
    append_payload(&journal, Epoch(1), Content::View(view(1)).encode());
    append_payload(&journal, Epoch(2), Content::View(view(2)).encode());
    drop(journal);
    let error = Journal::open(dir.path()).err().unwrap();
    assert!(error.to_string().contains("role"), "{error}");
}

fn know(journal: &Journal, number: u64) {
    let newest = Some(view(number));
    journal.save_role(&Durable { newest, ..Durable::default() }).unwrap();
}

#[test]
fn data_is_for_its_owner_only() {
    let parent = temporary();
    let dir = parent.path().join("a/b");
    let (journal, _) = Journal::open(&dir).unwrap();
    journal.append(&entries_after(journal.last(), Epoch(1), 2)).unwrap();
    assert_eq!(fs::metadata(&dir).unwrap().permissions().mode() & 0o777, 0o700);
    let usage = journal.disk_usage().unwrap();
    assert!(usage.entries > 0);
    assert_eq!((usage.snapshot, usage.set_aside), (0, 0));
}
