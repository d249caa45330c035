//! Appending, reading, the chain, the role state, the lock and the version.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod journal_common;

use std::fs;

use bytes::Bytes;
use journal_common::{append_events, entries_after, role, temporary};
use orquestrador::journal::{Error, Journal, chain};
use orquestrador_core::ids::{Epoch, Index};
use orquestrador_core::role::EntryId;

#[test]
fn new_directory_is_an_empty_journal_of_a_new_node() {
    let dir = temporary();
    let (journal, recovered) = Journal::open(dir.path()).unwrap();
    assert!(recovered.created);
    assert_eq!(recovered.last, EntryId::default());
    assert_eq!(recovered.snapshot, None);
    assert_eq!((journal.first(), journal.last()), (Index(1), EntryId::default()));
    assert!(journal.read(Index(1), 1000).unwrap().is_empty());
    drop(journal);

    let (_journal, again) = Journal::open(dir.path()).unwrap();
    assert!(!again.created);
    assert_eq!(again.node, recovered.node);
}

#[test]
fn appended_entries_are_there_after_reopening() {
    let dir = temporary();
    let (journal, _) = Journal::open(dir.path()).unwrap();
    let entries = append_events(&journal, Epoch(3), 100);
    drop(journal);

    let (journal, recovered) = Journal::open(dir.path()).unwrap();
    assert_eq!(recovered.last, entries[99].id);
    assert_eq!(journal.read(Index(1), usize::MAX).unwrap(), entries);
    assert_eq!(journal.id_at(Index(40)).unwrap(), Some(entries[39].id));
    assert_eq!(journal.id_at(Index(0)).unwrap(), Some(EntryId::default()));
    assert_eq!(journal.id_at(Index(101)).unwrap(), None);
}

#[test]
fn reading_stops_at_the_limit_but_gives_at_least_one_entry() {
    let dir = temporary();
    let (journal, _) = Journal::open(dir.path()).unwrap();
    let entries = entries_after(EntryId::default(), Epoch(1), 10);
    journal.append(&entries).unwrap();
    assert_eq!(journal.read(Index(4), 0).unwrap(), entries[3..4]);
    let two = entries[3].payload.len() + entries[4].payload.len();
    assert_eq!(journal.read(Index(4), two).unwrap(), entries[3..5]);
    assert!(journal.read(Index(11), 0).unwrap().is_empty());
}

#[test]
fn entries_that_do_not_follow_are_refused_and_leave_the_journal_usable() {
    let dir = temporary();
    let (journal, _) = Journal::open(dir.path()).unwrap();
    let entries = entries_after(EntryId::default(), Epoch(1), 3);
    let gap = journal.append(&entries[1..]).unwrap_err();
    assert!(matches!(gap, Error::Gap { expected: Index(1), found: Index(2) }), "{gap}");

    let mut forged = entries[0].clone();
    forged.payload = Bytes::from_static(b"something else");
    let broken = journal.append(&[forged]).unwrap_err();
    assert!(matches!(broken, Error::BrokenChain { index: Index(1) }), "{broken}");

    journal.append(&entries).unwrap();
    assert_eq!(journal.last(), entries[2].id);
}

#[test]
fn the_hash_depends_on_everything_before() {
    let payload = Bytes::from_static(b"payload");
    let first = chain(&EntryId::default(), Epoch(1), &payload);
    assert_eq!(first.index, Index(1));
    let other_epoch = chain(&EntryId::default(), Epoch(2), &payload);
    let other_payload = chain(&EntryId::default(), Epoch(1), &Bytes::from_static(b"q"));
    let second = chain(&first, Epoch(1), &payload);
    let hashes = [first.hash, other_epoch.hash, other_payload.hash, second.hash];
    for (i, hash) in hashes.iter().enumerate() {
        assert!(!hashes[..i].contains(hash));
    }
    let mut preimage = vec![0; 32];
    preimage.extend_from_slice(&1u64.to_be_bytes());
    preimage.extend_from_slice(&1u64.to_be_bytes());
    preimage.extend_from_slice(b"payload");
    assert_eq!(&first.hash.0, blake3::hash(&preimage).as_bytes());
}

#[test]
fn role_state_is_there_after_reopening_and_after_truncation() {
    let dir = temporary();
    let (journal, recovered) = Journal::open(dir.path()).unwrap();
    append_events(&journal, Epoch(1), 5);
    let role = role(recovered.node);
    journal.save_role(&role).unwrap();
    journal.set_aside_after(Index(2)).unwrap();
    drop(journal);
    let (_journal, recovered) = Journal::open(dir.path()).unwrap();
    assert_eq!(recovered.role, role);
    assert_eq!(recovered.last.index, Index(2));
}

#[test]
fn second_opening_is_refused_until_the_first_is_gone() {
    let dir = temporary();
    let (journal, _) = Journal::open(dir.path()).unwrap();
    let clone = journal.clone();
    drop(journal);
    match Journal::open(dir.path()).map(|_| ()) {
        Err(Error::InUse { dir: named }) => assert_eq!(named, dir.path()),
        other => panic!("{other:?}"),
    }
    drop(clone);
    Journal::open(dir.path()).unwrap();
}

#[test]
fn directory_of_another_version_is_refused() {
    let dir = temporary();
    drop(Journal::open(dir.path()).unwrap());
    let path = dir.path().join("format");
    let body = fs::read_to_string(&path).unwrap();
    let body = body.replace("mutirao-journal 1", "mutirao-journal 7");
    let body = body.split_once("check").unwrap().0;
    fs::write(&path, format!("{body}check {}\n", blake3::hash(body.as_bytes()).to_hex())).unwrap();
    match Journal::open(dir.path()).map(|_| ()) {
        Err(Error::Version { found: 7, supported: 1, .. }) => {}
        other => panic!("{other:?}"),
    }
}

#[test]
fn readers_go_on_while_another_thread_appends() {
    let dir = temporary();
    let (journal, _) = Journal::open(dir.path()).unwrap();
    let entries = entries_after(EntryId::default(), Epoch(1), 300);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            entries.iter().for_each(|e| journal.append(std::slice::from_ref(e)).unwrap())
        });
        let mut next = Index(1);
        while next.0 <= 300 {
            let read = journal.read(next, 4096).unwrap();
            let start = next.0 as usize - 1;
            assert_eq!(read, entries[start..start + read.len()]);
            next = Index(next.0 + read.len() as u64);
        }
    });
}
