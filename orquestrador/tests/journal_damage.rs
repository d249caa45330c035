//! Cut, altered and missing files: what opens is whole, what is not whole is reported.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod journal_common;

use std::fs;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use journal_common::{append_events, copy_directory, event, role, temporary};
use orquestrador::journal::{Content, Entry, Error, Journal, inspect};
use orquestrador_core::Event;
use orquestrador_core::ids::{Epoch, Index, NodeId, ProcessId};
use orquestrador_core::role::{Durable, EntryId, View};
use proptest::prelude::*;

/// All that a directory says, read completely.
#[derive(Debug, PartialEq)]
struct Said {
    node: NodeId,
    role: Durable,
    snapshot: Option<(EntryId, Vec<Event>)>,
    entries: Vec<Entry>,
}

fn read_all(dir: &Path) -> Result<Said, Error> {
    let (journal, recovered) = Journal::open(dir)?;
    let snapshot = match journal.snapshot_reader()? {
        Some(reader) => Some((reader.id(), reader.events()?.collect::<Result<_, _>>()?)),
        None => None,
    };
    let entries = journal.read(journal.first(), usize::MAX)?;
    Ok(Said { node: recovered.node, role: recovered.role, snapshot, entries })
}

/// A pruned journal with a snapshot, role state and 60 entries kept.
fn write_example(dir: &Path) -> Said {
    write_example_in(dir, Epoch(1))
}

/// Another epoch makes another history.
fn write_example_in(dir: &Path, epoch: Epoch) -> Said {
    let (journal, recovered) = Journal::open(dir).unwrap();
    let entries = append_events(&journal, epoch, 100);
    journal.save_role(&role(recovered.node)).unwrap();
    journal.save_snapshot(entries[49].id, &[], (0..20).map(event)).unwrap();
    journal.prune_below(Index(41)).unwrap();
    drop(journal);
    read_all(dir).unwrap()
}

fn log_file(dir: &Path) -> PathBuf {
    let mut logs: Vec<_> = files(&dir.join("store"))
        .into_iter()
        .filter(|path| path.extension().is_some_and(|e| e == "log"))
        .collect();
    assert_eq!(logs.len(), 1);
    logs.remove(0)
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for child in fs::read_dir(dir).unwrap() {
        let path = child.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

/// Without zeroes at the end.
fn written(path: &Path) -> Vec<u8> {
    let mut bytes = fs::read(path).unwrap();
    let length = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    bytes.truncate(length);
    bytes
}

#[test]
fn append_torn_by_a_crash_is_not_there_and_all_before_it_is() {
    let dir = temporary();
    let (journal, _) = Journal::open(dir.path()).unwrap();
    let acknowledged = append_events(&journal, Epoch(1), 20);
    drop(journal);
    // As it was before the last append began.
    let bounds = fs::read(dir.path().join("bounds")).unwrap();
    let before = written(&log_file(dir.path())).len();
    let (journal, _) = Journal::open(dir.path()).unwrap();
    let torn = journal_common::entries_after(journal.last(), Epoch(1), 5);
    journal.append(&torn).unwrap();
    drop(journal);

    let whole = written(&log_file(dir.path()));
    let cuts = (before..whole.len()).step_by(7).chain([whole.len() - 1, whole.len()]);
    for cut in cuts {
        for reserved in [0, 1000] {
            let copy = temporary();
            copy_directory(dir.path(), copy.path());
            fs::write(copy.path().join("bounds"), &bounds).unwrap();
            let mut log = whole[..cut].to_vec();
            log.resize(cut + reserved, 0);
            fs::write(log_file(copy.path()), log).unwrap();
            let entries = read_all(copy.path()).unwrap().entries;
            let all = [&acknowledged[..], &torn].concat();
            // Entries of the torn append that are whole may be there, without a gap.
            assert_eq!(entries, all[..entries.len()], "cut at {cut} of {}", whole.len());
            assert!(entries.len() >= acknowledged.len(), "cut at {cut}");
            assert_eq!(entries.len() == all.len(), cut == whole.len(), "cut at {cut}");
            // What was torn is out of the way of what comes next.
            assert!(fs::read(log_file(copy.path())).unwrap().len() <= cut, "cut at {cut}");
        }
    }
}

#[test]
fn append_whose_end_was_written_before_its_middle_is_not_there() {
    let dir = temporary();
    let (journal, _) = Journal::open(dir.path()).unwrap();
    let acknowledged = append_events(&journal, Epoch(1), 20);
    drop(journal);
    let bounds = fs::read(dir.path().join("bounds")).unwrap();
    let before = written(&log_file(dir.path())).len();
    let (journal, _) = Journal::open(dir.path()).unwrap();
    let payload = Bytes::from(vec![7; 10_000]);
    journal_common::append_payload(&journal, Epoch(1), payload);
    drop(journal);

    let whole = written(&log_file(dir.path()));
    for hole in [before..before + 4096, before + 64..before + 600, before + 4096..before + 8192] {
        let copy = temporary();
        copy_directory(dir.path(), copy.path());
        fs::write(copy.path().join("bounds"), &bounds).unwrap();
        let mut log = whole.clone();
        log[hole.clone()].fill(0);
        log.resize(log.len() + 1000, 0);
        fs::write(log_file(copy.path()), log).unwrap();
        assert_eq!(read_all(copy.path()).unwrap().entries, acknowledged, "hole {hole:?}");
        // It is as good as any journal from then on.
        let (journal, _) = Journal::open(copy.path()).unwrap();
        let more = append_events(&journal, Epoch(2), 3);
        drop(journal);
        let entries = read_all(copy.path()).unwrap().entries;
        assert_eq!(entries, [&acknowledged[..], &more].concat());
    }
}

#[test]
fn log_that_lost_durable_entries_is_reported() {
    let dir = temporary();
    let (journal, _) = Journal::open(dir.path()).unwrap();
    append_events(&journal, Epoch(1), 20);
    drop(journal);
    let whole = written(&log_file(dir.path()));
    for cut in (0..whole.len()).step_by(97) {
        let copy = temporary();
        copy_directory(dir.path(), copy.path());
        fs::write(log_file(copy.path()), &whole[..cut]).unwrap();
        let said = read_all(copy.path());
        assert!(matches!(said, Err(Error::Corrupt { .. })), "cut at {cut}: {said:?}");
    }
}

#[test]
fn nothing_is_founded_in_a_directory_of_something_else() {
    let dir = temporary();
    fs::write(dir.path().join("notes.md"), "of somebody").unwrap();
    let refused = Journal::open(dir.path()).err();
    assert!(
        matches!(&refused, Some(Error::ForeignDirectory { found, .. }) if found == "notes.md"),
        "{refused:?}"
    );
    assert_eq!(files(dir.path()), [dir.path().join("notes.md")]);
    // Beside a journal it is no matter, nor is what a file system or a repair leaves.
    let own = temporary();
    write_example(own.path());
    fs::write(own.path().join("notes.md"), "of the operator").unwrap();
    assert!(Journal::open(own.path()).is_ok());
    let mounted = temporary();
    fs::create_dir(mounted.path().join("lost+found")).unwrap();
    fs::write(mounted.path().join("peer"), "").unwrap();
    assert!(Journal::open(mounted.path()).is_ok());
}

#[test]
fn missing_file_is_reported() {
    let dir = temporary();
    write_example(dir.path());
    for missing in ["format", "bounds", "role", "snapshot", "store"] {
        let copy = temporary();
        copy_directory(dir.path(), copy.path());
        let path = copy.path().join(missing);
        if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }.unwrap();
        let said = read_all(copy.path());
        assert!(matches!(said, Err(Error::Corrupt { .. })), "without {missing}: {said:?}");
    }
}

#[test]
fn interrupted_creation_starts_over() {
    let dir = temporary();
    drop(Journal::open(dir.path()).unwrap());
    fs::rename(dir.path().join("format"), dir.path().join("format.new")).unwrap();
    fs::remove_file(dir.path().join("bounds")).unwrap();
    let (journal, recovered) = Journal::open(dir.path()).unwrap();
    assert!(recovered.created);
    append_events(&journal, Epoch(1), 3);
}

#[test]
fn damage_names_the_file_and_what_to_do() {
    let dir = temporary();
    write_example(dir.path());
    fs::write(dir.path().join("role"), b"rubbish").unwrap();
    let text = read_all(dir.path()).unwrap_err().to_string();
    assert!(text.contains(&dir.path().join("role").display().to_string()), "{text}");
    assert!(text.contains("journal repair --from-peer"), "{text}");
}

#[test]
fn altered_bytes_all_over_are_reported_or_harmless() {
    let dir = temporary();
    let said = write_example(dir.path());
    let mut reported = 0;
    for path in files(dir.path()) {
        let written = written(&path);
        for position in (0..written.len()).step_by(37) {
            reported += usize::from(is_reported(dir.path(), &path, position, 0x04, &said));
        }
    }
    assert!(reported > 30, "only {reported}");
}

/// Whether altering this byte is reported; otherwise it must have changed nothing.
fn is_reported(dir: &Path, path: &Path, position: usize, flip: u8, said: &Said) -> bool {
    let copy = temporary();
    copy_directory(dir, copy.path());
    let target = copy.path().join(path.strip_prefix(dir).unwrap());
    let mut bytes = fs::read(&target).unwrap();
    bytes[position] ^= flip;
    fs::write(&target, bytes).unwrap();
    match read_all(copy.path()) {
        Ok(found) => {
            assert_eq!(&found, said, "{} byte {position} flip {flip}", path.display());
            false
        }
        Err(Error::Corrupt { .. } | Error::Version { .. }) => true,
        Err(other) => panic!("{} byte {position} flip {flip}: {other:?}", path.display()),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_alterations_are_reported_or_harmless(
        file: prop::sample::Index,
        position: prop::sample::Index,
        flip in 1u8..,
    ) {
        thread_local! {
            static EXAMPLE: (tempfile::TempDir, Said) = {
                let dir = temporary();
                let said = write_example(dir.path());
                (dir, said)
            };
        }
        EXAMPLE.with(|(dir, said)| {
            let files: Vec<_> =
                files(dir.path()).into_iter().filter(|f| !written(f).is_empty()).collect();
            let path = file.get(&files);
            is_reported(dir.path(), path, position.index(written(path).len()), flip, said);
        });
    }
}

/// Whatever was copied into the wrong directory: nothing of it passes for the node's own, or for what a peer sent.
#[test]
fn files_of_another_cluster_are_reported() {
    let (ours, theirs) = (temporary(), temporary());
    write_example(ours.path());
    write_example_in(theirs.path(), Epoch(2));
    let log = log_file(ours.path()).strip_prefix(ours.path()).unwrap().to_owned();
    let swaps = [
        vec![PathBuf::from("snapshot")],
        vec![PathBuf::from("role")],
        vec![log.clone(), PathBuf::from("bounds")],
    ];
    for swap in swaps {
        let copy = temporary();
        copy_directory(ours.path(), copy.path());
        for file in &swap {
            fs::copy(theirs.path().join(file), copy.path().join(file)).unwrap();
        }
        let looked = inspect::inspect(copy.path(), &mut |_| {}).unwrap();
        assert!(looked.stops_node(), "{swap:?} looks whole");
        let refused = read_all(copy.path()).unwrap_err();
        assert!(matches!(refused, Error::Corrupt { .. }), "{swap:?}: {refused:?}");
        let text = refused.to_string();
        assert!(text.contains("journal repair --from-peer"), "{text}");
    }
}

/// The role state knows the one view of its number, which an entry records.
#[test]
fn the_role_state_of_another_history_is_reported() {
    let dir = temporary();
    let (journal, recovered) = Journal::open(dir.path()).unwrap();
    let known = role(recovered.node);
    let view = known.newest.clone().unwrap();
    journal_common::append_payload(&journal, view.epoch, Content::View(view.clone()).encode());
    journal.save_role(&known).unwrap();
    let other = View { principal_process: ProcessId(99), ..view.clone() };
    let other = Durable { newest: Some(other), ..known.clone() };
    // As a founder that has stepped back and does not follow yet.
    journal.save_role(&other).unwrap();
    drop(journal);
    assert!(!inspect::inspect(dir.path(), &mut |_| {}).unwrap().stops_node());
    let (journal, _) = Journal::open(dir.path()).unwrap();
    journal.save_role(&known).unwrap();
    journal_common::append_payload(&journal, view.epoch, Content::Events(Vec::new()).encode());
    journal.save_role(&other).unwrap();
    drop(journal);
    assert!(inspect::inspect(dir.path(), &mut |_| {}).unwrap().stops_node());
    let refused = read_all(dir.path()).unwrap_err();
    assert!(matches!(refused, Error::Corrupt { .. }), "{refused:?}");
}
