//! `journal::inspect` finds what opening would refuse, past the first damage, and changes nothing.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod journal_common;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use common::messages::node_journal::Flaw;
use journal_common::{append_events, append_payload, copy_directory, event, role, temporary, view};
use orquestrador::journal::inspect::{Inspection, State, inspect};
use orquestrador::journal::{Content, Error, Journal, begin, interrupted, move_aside, replace};
use orquestrador_core::ids::{ClusterId, Epoch, Index, ViewNumber};
use orquestrador_core::role::Durable;

/// A pruned journal with a snapshot, role state, a set-aside tail and 40 entries kept.
fn write_example(dir: &Path) {
    let (journal, recovered) = Journal::open(dir).unwrap();
    let entries = append_events(&journal, Epoch(1), 80);
    journal.save_role(&role(recovered.node)).unwrap();
    journal.save_snapshot(entries[49].id, &[], (0..20).map(event)).unwrap();
    journal.prune_below(Index(41)).unwrap();
    append_events(&journal, Epoch(2), 5);
    journal.set_aside_after(Index(80)).unwrap();
}

fn seen(dir: &Path) -> (Inspection, Vec<u64>) {
    let mut indexes = Vec::new();
    let inspection = inspect(dir, &mut |found| indexes.push(found.entry.id.index.0)).unwrap();
    (inspection, indexes)
}

fn files(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for child in fs::read_dir(dir).unwrap() {
        let path = child.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            let bytes = fs::read(&path).unwrap();
            found.insert(path, bytes);
        }
    }
    found
}

fn segment(dir: &Path) -> PathBuf {
    files(&dir.join("store")).into_keys().next().unwrap()
}

/// Opens the journal and reads everything in it, as a node does that starts.
fn opens(dir: &Path) -> Result<(), Error> {
    let (journal, _) = Journal::open(dir)?;
    if let Some(reader) = journal.snapshot_reader()? {
        reader.events()?.try_for_each(|event| event.map(drop))?;
    }
    Ok(())
}

#[test]
fn a_whole_journal_is_whole_and_stays_untouched() {
    let dir = temporary();
    write_example(dir.path());
    let before = files(dir.path());
    let (found, indexes) = seen(dir.path());
    assert!(found.is_whole(), "{:?}", found.damage);
    assert_eq!(indexes, (41..=80).collect::<Vec<_>>());
    assert_eq!(found.last.unwrap().index, Index(80));
    assert_eq!(found.newest_view, Some(view(4)));
    assert!(found.pieces.iter().all(|piece| piece.state == State::Whole), "{:?}", found.pieces);
    assert_eq!(files(dir.path()), before);
}

#[test]
fn what_it_calls_damaged_is_what_does_not_open() {
    let dir = temporary();
    write_example(dir.path());
    let mut damaged = 0;
    for (path, bytes) in files(dir.path()) {
        let written = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        for position in (0..written).step_by(61) {
            let copy = temporary();
            copy_directory(dir.path(), copy.path());
            let name = path.strip_prefix(dir.path()).unwrap();
            let mut altered = bytes.clone();
            altered[position] ^= 0x10;
            fs::write(copy.path().join(name), altered).unwrap();
            let found = match inspect(copy.path(), &mut |_| {}) {
                Ok(found) => found,
                Err(error) => panic!("{} byte {position}: {error:?}", name.display()),
            };
            let place = format!("{} byte {position}: {:?}", name.display(), found.damage);
            assert_eq!(found.stops_node(), opens(copy.path()).is_err(), "{place}");
            if name.starts_with("set-aside") || name == Path::new("bounds") {
                assert!(!found.is_whole() && !found.stops_node(), "{place}");
            }
            damaged += usize::from(!found.is_whole());
        }
    }
    assert!(damaged > 20, "only {damaged}");
}

/// Either slot, and what lies between them.
#[test]
fn an_altered_copy_of_the_bounds_is_reported_and_written_anew() {
    let dir = temporary();
    write_example(dir.path());
    let path = dir.path().join("bounds");
    let whole = fs::read(&path).unwrap();
    for (position, offset) in [(50, 0), (4_150, 4_096), (1_000, 1_000)] {
        let mut altered = whole.clone();
        altered[position] ^= 1;
        fs::write(&path, altered).unwrap();
        let (found, _) = seen(dir.path());
        let [damage] = &found.damage[..] else { panic!("{:?}", found.damage) };
        assert_eq!((damage.offset, &damage.flaw), (Some(offset), &Flaw::OneCopyAltered));
        let (journal, _) = Journal::open(dir.path()).unwrap();
        assert_eq!(journal.mended_bounds(), Some((path.clone(), offset)));
        drop(journal);
        assert!(seen(dir.path()).0.is_whole(), "{position}");
        assert_eq!(Journal::open(dir.path()).unwrap().0.mended_bounds(), None);
    }
}

#[test]
fn missing_files_and_lost_entries_are_named() {
    let dir = temporary();
    write_example(dir.path());
    for missing in ["format", "bounds", "role", "snapshot", "store"] {
        let copy = temporary();
        copy_directory(dir.path(), copy.path());
        let path = copy.path().join(missing);
        if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) }.unwrap();
        let (found, _) = seen(copy.path());
        assert!(found.stops_node(), "without {missing}");
        assert!(found.damage.iter().any(|d| d.path == path), "{missing}: {:?}", found.damage);
        assert!(opens(copy.path()).is_err(), "without {missing}");
    }
    let copy = temporary();
    copy_directory(dir.path(), copy.path());
    let log = segment(copy.path());
    let bytes = fs::read(&log).unwrap();
    fs::write(&log, &bytes[..2_000]).unwrap();
    let (found, _) = seen(copy.path());
    let flaws: Vec<_> = found.damage.iter().map(|d| d.flaw.clone()).collect();
    assert!(matches!(flaws[..], [Flaw::Altered] | [Flaw::EntriesMissing]), "{flaws:?}");
}

#[test]
fn what_follows_an_altered_record_is_still_read() {
    let dir = temporary();
    let (journal, _) = Journal::open(dir.path()).unwrap();
    append_events(&journal, Epoch(1), 20);
    append_payload(&journal, Epoch(1), Content::View(view(6)).encode());
    append_events(&journal, Epoch(1), 5);
    let whole = fs::read(segment(dir.path())).unwrap();
    drop(journal);
    let mut at = Vec::new();
    inspect(dir.path(), &mut |found| at.push(found.entry.payload.clone())).unwrap();
    // The last byte of the payload of the tenth entry, which is found by its content.
    let place = whole.windows(at[9].len()).position(|window| *window == at[9][..]).unwrap();
    let mut altered = whole;
    altered[place + at[9].len() - 1] ^= 1;
    fs::write(segment(dir.path()), altered).unwrap();

    let (found, indexes) = seen(dir.path());
    let [damage] = &found.damage[..] else { panic!("{:?}", found.damage) };
    assert_eq!((damage.index, &damage.flaw), (Some(Index(10)), &Flaw::Altered));
    assert!(damage.offset.is_some_and(|offset| (offset as usize) < place));
    assert_eq!(indexes, (1..=9).chain(11..=26).collect::<Vec<_>>());
    assert_eq!(found.newest_view.unwrap().number, ViewNumber(6));
}

#[test]
fn an_interrupted_append_is_no_damage_and_is_reported_at_the_start() {
    let dir = temporary();
    let (journal, _) = Journal::open(dir.path()).unwrap();
    append_events(&journal, Epoch(1), 20);
    drop(journal);
    let bounds = fs::read(dir.path().join("bounds")).unwrap();
    let (journal, _) = Journal::open(dir.path()).unwrap();
    assert_eq!(journal.torn(), None);
    append_payload(&journal, Epoch(1), vec![7; 1_000].into());
    drop(journal);
    let mut log = fs::read(segment(dir.path())).unwrap();
    let written = log.iter().rposition(|byte| *byte != 0).unwrap();
    log[written] = 0;
    fs::write(segment(dir.path()), log).unwrap();
    fs::write(dir.path().join("bounds"), bounds).unwrap();

    let (found, indexes) = seen(dir.path());
    assert!(found.is_whole(), "{:?}", found.damage);
    assert_eq!(indexes.len(), 20);
    assert!(found.pieces.iter().any(|piece| piece.state == State::Torn), "{:?}", found.pieces);
    let (journal, _) = Journal::open(dir.path()).unwrap();
    let torn = journal.torn().unwrap();
    assert_eq!((&torn.path, torn.bytes), (&segment(dir.path()), written as u64 - torn.offset));
    drop(journal);
    assert_eq!(Journal::open(dir.path()).unwrap().0.torn(), None);
}

#[test]
fn a_directory_in_use_is_left_alone() {
    let dir = temporary();
    let (journal, _) = Journal::open(dir.path()).unwrap();
    assert!(matches!(inspect(dir.path(), &mut |_| {}), Err(Error::InUse { .. })));
    assert!(matches!(move_aside(dir.path()), Err(Error::InUse { .. })));
    drop(journal);
    assert!(inspect(dir.path(), &mut |_| {}).unwrap().is_whole());
}

#[test]
fn what_is_moved_aside_is_all_there_and_another_node_begins() {
    let dir = temporary();
    write_example(dir.path());
    fs::write(dir.path().join("peer"), "a\nb\n").unwrap();
    let before = Journal::open(dir.path()).unwrap().1;
    let names = |dir: &Path| {
        let inside = |path: PathBuf| path.strip_prefix(dir).unwrap().to_owned();
        files(dir)
            .into_iter()
            .map(|(path, bytes)| (inside(path), bytes))
            .collect::<BTreeMap<_, _>>()
    };
    let all = names(dir.path());
    let moved = move_aside(dir.path()).unwrap();
    let mut found = names(&moved.folder);
    let here = names(dir.path());
    for stays in ["lock", "peer"] {
        found.insert(stays.into(), here[Path::new(stays)].clone());
    }
    let tails = here.into_iter().filter(|(path, _)| path.starts_with("set-aside"));
    found.extend(tails);
    assert_eq!(found, all);

    let (journal, after) = Journal::open(dir.path()).unwrap();
    assert!(after.created && after.node != before.node);
    append_events(&journal, Epoch(9), 2);
    drop(journal);
    // What was moved can still be looked at, and a second time takes another folder.
    assert!(inspect(&moved.folder, &mut |_| {}).unwrap().is_whole());
    assert_ne!(move_aside(dir.path()).unwrap().folder, moved.folder);
}

/// Whatever was done when it was interrupted, no node starts, and it can be finished.
#[test]
fn an_interrupted_repair_is_finished_by_the_next() {
    let role = Durable { cluster: Some(ClusterId(7)), ..Durable::default() };
    for emptied in [false, true] {
        let dir = temporary();
        write_example(dir.path());
        begin(dir.path(), &role).unwrap();
        if emptied {
            move_aside(dir.path()).unwrap();
        }
        assert!(matches!(Journal::open(dir.path()), Err(Error::RepairInterrupted { .. })));
        let kept = interrupted(dir.path()).unwrap().unwrap();
        assert_eq!(kept, role);
        let replaced = replace(dir.path(), &kept).unwrap();
        assert_eq!(interrupted(dir.path()).unwrap(), None);
        let (_, recovered) = Journal::open(dir.path()).unwrap();
        assert_eq!((recovered.node, recovered.role), (replaced.node, role.clone()));
        assert!(inspect(&dir.path().join("damaged-1"), &mut |_| {}).unwrap().is_whole());
    }
}
