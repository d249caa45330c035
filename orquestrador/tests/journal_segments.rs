//! A journal of several segment files: pruned from the front, cut from the back, damaged inside.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod journal_common;

use std::fs;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use journal_common::{append_events, append_payload, copy_directory, temporary};
use orquestrador::journal::{Entry, Error, Journal};
use orquestrador_core::ids::{Epoch, Index};

/// 48 MiB, which is three segments and the start of a fourth.
fn append_large(journal: &Journal) -> Vec<Entry> {
    let payload = Bytes::from(vec![0x80; 1 << 20]);
    (0..48).map(|_| append_payload(journal, Epoch(1), payload.clone())).collect()
}

fn segments(dir: &Path) -> Vec<PathBuf> {
    let children = fs::read_dir(dir.join("store")).unwrap();
    let mut paths: Vec<_> = children.map(|child| child.unwrap().path()).collect();
    paths.sort();
    paths
}

#[test]
fn entries_are_read_across_segments() {
    let dir = temporary();
    let (journal, _) = Journal::open(dir.path()).unwrap();
    let entries = append_large(&journal);
    assert!(segments(dir.path()).len() >= 3);
    let check = |journal: &Journal| {
        assert_eq!(journal.read(Index(1), usize::MAX).unwrap(), entries);
        assert_eq!(journal.read(Index(10), 20 << 20).unwrap(), entries[9..29]);
        for entry in &entries {
            assert_eq!(journal.id_at(entry.id.index).unwrap(), Some(entry.id));
        }
    };
    check(&journal);
    drop(journal);
    check(&Journal::open(dir.path()).unwrap().0);
}

#[test]
fn pruning_gives_the_disk_back() {
    let dir = temporary();
    let (journal, _) = Journal::open(dir.path()).unwrap();
    let entries = append_large(&journal);
    let before = journal.disk_usage().unwrap().entries;
    journal.save_snapshot(entries[39].id, &[], std::iter::empty()).unwrap();
    journal.prune_below(Index(40)).unwrap();
    let after = journal.disk_usage().unwrap().entries;
    assert!(before > 48 << 20 && after < 26 << 20, "{before} before, {after} after");
    drop(journal);
    let (journal, _) = Journal::open(dir.path()).unwrap();
    assert_eq!(journal.read(Index(40), usize::MAX).unwrap(), entries[39..]);
}

#[test]
fn cutting_reaches_back_over_segments() {
    let dir = temporary();
    let (journal, _) = Journal::open(dir.path()).unwrap();
    let entries = append_large(&journal);
    assert_eq!(journal.set_aside_after(Index(8)).unwrap().unwrap().entries, 40);
    let more = append_events(&journal, Epoch(2), 5);
    drop(journal);
    let (journal, _) = Journal::open(dir.path()).unwrap();
    let expected = [&entries[..8], &more].concat();
    assert_eq!(journal.read(Index(1), usize::MAX).unwrap(), expected);
}

#[test]
fn reader_that_is_overtaken_by_cutting_or_pruning_sees_no_damage() {
    let dir = temporary();
    let (journal, _) = Journal::open(dir.path()).unwrap();
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for round in 0..40u64 {
                let epoch = Epoch(round + 1);
                let kept = append_events(&journal, epoch, 40)[20].id;
                journal.set_aside_after(kept.index).unwrap();
                append_events(&journal, epoch, 5);
                if round % 4 == 3 {
                    journal.save_snapshot(kept, &[], std::iter::empty()).unwrap();
                    journal.prune_below(kept.index).unwrap();
                }
            }
            done.store(true, std::sync::atomic::Ordering::Release);
        });
        let mut from = Index(1);
        while !done.load(std::sync::atomic::Ordering::Acquire) {
            match journal.read(from, 2000) {
                Ok(entries) => from = entries.last().map_or(from, |entry| entry.id.index),
                Err(Error::Pruned { first, .. }) => from = first,
                Err(other) => panic!("{other:?}"),
            }
        }
    });
}

#[test]
fn damage_in_an_older_segment_is_reported_as_such() {
    let dir = temporary();
    drop(append_large(&Journal::open(dir.path()).unwrap().0));
    let segments = segments(dir.path());
    let middle = segments[1].strip_prefix(dir.path()).unwrap();
    let copy = temporary();
    copy_directory(dir.path(), copy.path());
    let path = copy.path().join(middle);

    fs::remove_file(&path).unwrap();
    let missing = Journal::open(copy.path()).map(|_| ()).unwrap_err();
    assert!(matches!(missing, Error::Corrupt { .. }), "{missing:?}");

    let whole = fs::read(dir.path().join(middle)).unwrap();
    for alter in [
        |bytes: &mut Vec<u8>| bytes.truncate(10_000_000),
        |bytes: &mut Vec<u8>| bytes.push(1),
        |bytes: &mut Vec<u8>| bytes[5_000_000] ^= 1,
        |bytes: &mut Vec<u8>| bytes.truncate(40),
    ] {
        let mut bytes = whole.clone();
        alter(&mut bytes);
        fs::write(&path, bytes).unwrap();
        let altered = Journal::open(copy.path()).map(|_| ()).unwrap_err();
        let named = matches!(&altered, Error::Corrupt { path: named, .. } if *named == path);
        assert!(named, "{altered:?}");
    }
    fs::write(&path, whole).unwrap();
    Journal::open(copy.path()).unwrap();
}
