//! Processes that die while they write: what they had acknowledged is there.
//!
//! The dying process is this test binary again, running one of the tests named `child_…`, which do
//! nothing when the environment does not say where.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod journal_common;

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use bytes::Bytes;
use journal_common::{event, temporary};
use orquestrador::journal::{Entry, Error, Journal};
use orquestrador_core::ids::{Epoch, Index, NodeId, ProcessId};
use orquestrador_core::role::{Ballot, Durable};

const DIRECTORY: &str = "MUTIRAO_TEST_JOURNAL";

/// Of a length that differs from entry to entry, up to several pages.
fn payload(index: Index) -> Bytes {
    let length = (index.0 * 7919 % 9001) as usize;
    let bytes = (0..length).map(|i| (i as u64 + index.0) as u8 | 0x80);
    bytes.collect::<Vec<_>>().into()
}

fn next_entries(journal: &Journal, count: u64) -> Vec<Entry> {
    let mut last = journal.last();
    let entries = (0..count).map(|_| {
        let entry = Entry::following(&last, Epoch(1), payload(last.index.next()));
        last = entry.id;
        entry
    });
    entries.collect()
}

fn role_of_round(round: u64) -> Durable {
    let mut role = journal_common::role(NodeId(1));
    role.acceptor.promised = Some(Ballot { round, process: ProcessId(1) });
    role
}

fn round_of(role: &Durable) -> u64 {
    role.acceptor.promised.map_or(0, |ballot| ballot.round)
}

fn child_directory() -> Option<PathBuf> {
    std::env::var_os(DIRECTORY).map(PathBuf::from)
}

fn acknowledge(what: &str, number: u64) {
    // Not `println!`: the harness captures it.
    let mut out = std::io::stdout().lock();
    writeln!(out, "{what} {number}").and_then(|()| out.flush()).expect("the parent reads");
}

#[test]
fn child_writes_until_it_is_killed() {
    let Some(dir) = child_directory() else { return };
    let (journal, recovered) = Journal::open(&dir).unwrap();
    let mut round = round_of(&recovered.role);
    let mut saved = recovered.snapshot;
    for turn in 0u64.. {
        journal.append(&next_entries(&journal, 1 + turn % 5)).unwrap();
        acknowledge("entry", journal.last().index.0);
        if turn % 16 == 3 {
            round += 1;
            journal.save_role(&role_of_round(round)).unwrap();
            acknowledge("role", round);
        }
        if turn % 32 == 20 {
            saved = Some(journal.last());
            journal.save_snapshot(journal.last(), &[], (0..100).map(event)).unwrap();
            acknowledge("snapshot", journal.last().index.0);
        }
        if turn % 32 == 30
            && let Some(id) = saved
        {
            journal.prune_below(id.index).unwrap();
        }
        if turn % 32 == 10 {
            let last = journal.last().index;
            journal.append(&next_entries(&journal, 3)).unwrap();
            journal.set_aside_after(last).unwrap();
        }
    }
}

#[derive(Default)]
struct Acknowledged {
    entry: u64,
    role: u64,
    snapshot: u64,
    lines: u64,
}

fn spawn(command: &mut Command, dir: &Path) -> Child {
    command.env(DIRECTORY, dir).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
}

/// Reads acknowledgements until the process dies, killing it after so many.
fn follow(child: &mut Child, kill_after: u64) -> Acknowledged {
    let mut said = Acknowledged::default();
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        // The harness talks too.
        let Some((what, number)) = line.split_once(' ') else { continue };
        let Ok(number) = number.parse() else { continue };
        match what {
            "entry" => said.entry = number,
            "role" => said.role = number,
            "snapshot" => said.snapshot = number,
            _ => continue,
        }
        said.lines += 1;
        if said.lines == kill_after {
            child.kill().unwrap();
        }
    }
    child.wait().unwrap();
    said
}

#[test]
fn what_a_killed_process_acknowledged_is_there() {
    let dir = temporary();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "child_writes_until_it_is_killed", "--nocapture"]);
    for round in 0..12u64 {
        let mut child = spawn(&mut command, dir.path());
        let said = follow(&mut child, 1 + round * 37 % 150);
        assert!(said.lines > 0, "round {round}");

        let (journal, recovered) = Journal::open(dir.path()).unwrap();
        assert!(recovered.last.index.0 >= said.entry, "round {round}");
        assert!(round_of(&recovered.role) >= said.role, "round {round}");
        let snapshot = recovered.snapshot.map_or(0, |id| id.index.0);
        assert!(snapshot >= said.snapshot, "round {round}");
        let entries = journal.read(journal.first(), usize::MAX).unwrap();
        assert_eq!(entries.last().unwrap().id, recovered.last);
        for entry in entries {
            assert_eq!(entry.payload, payload(entry.id.index));
        }
        if let Some(reader) = journal.snapshot_reader().unwrap() {
            assert_eq!(reader.events().unwrap().map(Result::unwrap).count(), 100);
        }
    }
}

#[test]
fn child_writes_until_the_disk_is_full() {
    let Some(dir) = child_directory() else { return };
    let (journal, _) = Journal::open(&dir).unwrap();
    let error = loop {
        match journal.append(&next_entries(&journal, 3)) {
            Ok(()) => acknowledge("entry", journal.last().index.0),
            Err(error) => break error,
        }
    };
    assert!(error.is_disk_full(), "{error:?}");
    // There may be room again, but nobody knows what the disk has.
    let after = journal.append(&next_entries(&journal, 1)).unwrap_err();
    assert!(matches!(after, Error::Poisoned), "{after:?}");
    let after = journal.save_role(&Durable::default()).unwrap_err();
    assert!(matches!(after, Error::Poisoned), "{after:?}");
    acknowledge("role", 1);
}

/// A limit on the length of files stands for a full disk: the same failure of the same calls.
#[test]
fn full_disk_is_told_apart_and_loses_nothing() {
    let dir = temporary();
    let (journal, _) = Journal::open(dir.path()).unwrap();
    journal.append(&next_entries(&journal, 10)).unwrap();
    drop(journal);
    let mut command = Command::new("sh");
    command.args(["-c", r#"trap "" XFSZ; ulimit -f 20000; exec "$0" "$@""#]);
    command.arg(std::env::current_exe().unwrap());
    command.args(["--exact", "child_writes_until_the_disk_is_full", "--nocapture"]);
    let mut child = spawn(&mut command, dir.path());
    let said = follow(&mut child, 0);
    assert_eq!(said.role, 1, "the child saw what it expected");
    assert!(said.entry > 10);

    let (journal, recovered) = Journal::open(dir.path()).unwrap();
    assert!(recovered.last.index.0 >= said.entry);
    journal.append(&next_entries(&journal, 1)).unwrap();
}
