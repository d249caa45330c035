//! What `orquestrador journal` says to a person who asks for what is not there, or whose disk does not let it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod journal_common;

use std::path::Path;
use std::process::{Command, Output};

use common::exit;
use journal_common::{append_events, temporary};
use orquestrador::journal::{Journal, begin};
use orquestrador_core::ids::Epoch;
use orquestrador_core::role::Durable;

const BINARY: &str = env!("CARGO_BIN_EXE_orquestrador");

fn dump(dir: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(BINARY);
    command.args(["journal", "dump", "--lang", "en", "--data-dir"]).arg(dir).args(args);
    command.output().unwrap()
}

#[track_caller]
fn check(output: &Output, code: u8, text: &str) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(i32::from(code)), "{said}");
    assert!(said.contains(text), "{said}");
}

#[test]
fn entries_that_are_not_there_are_not_passed_over_in_silence() {
    let dir = temporary();
    let (journal, _) = Journal::open(dir.path()).unwrap();
    append_events(&journal, Epoch(1), 20);
    drop(journal);
    let all = dump(dir.path(), &["--from", "5", "--to", "7"]);
    check(&all, exit::OK, "");
    assert_eq!(String::from_utf8_lossy(&all.stdout).lines().count(), 3);
    check(&dump(dir.path(), &["--from", "999"]), exit::OK, "from 1 to 20");
    check(&dump(dir.path(), &["--from", "10", "--to", "5"]), exit::USAGE, "from 10 to 5");
    check(&dump(dir.path(), &["--file", "/no/such/file"]), exit::RESOURCE, "/no/such/file");
    check(&dump(Path::new("/no/such/dir"), &[]), exit::RESOURCE, "There is no journal in");
}

/// A limit on the length of files stands for a full disk.
#[test]
fn a_repair_on_a_full_disk_says_that_it_is_one() {
    let dir = temporary();
    let (journal, _) = Journal::open(dir.path()).unwrap();
    append_events(&journal, Epoch(1), 5);
    drop(journal);
    // Interrupted after its first step, it needs no peer to be finished.
    begin(dir.path(), &Durable::default()).unwrap();
    let limited = format!(
        "trap '' XFSZ; ulimit -f 0; exec {BINARY} journal repair --from-peer --lang en --data-dir {}",
        dir.path().display()
    );
    let failed = Command::new("sh").args(["-c", &limited]).output().unwrap();
    check(&failed, exit::RESOURCE, "the node could not be made anew: the disk of");
    let said = String::from_utf8_lossy(&failed.stderr);
    assert!(!said.contains("examined") && !said.contains("restart"), "{said}");
}
