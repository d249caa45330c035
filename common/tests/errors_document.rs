//! `docs/errors.md` says what the source says.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use common::error_code::ErrorCode;
use common::failure_code;
use tonic::Code;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).expect("is readable")
}

/// The rows of the table under `heading`, without its head.
fn table(heading: &str) -> Vec<Vec<String>> {
    let document = read("docs/errors.md");
    let section = document.split("\n## ").find(|s| s.starts_with(heading)).expect("is a section");
    let cells = |line: &str| -> Vec<String> {
        line.trim_matches('|').split('|').map(|cell| cell.trim().replace('`', "")).collect()
    };
    section.lines().filter(|line| line.starts_with('|')).skip(2).map(cells).collect()
}

/// As the gRPC documents spell it.
fn spelled(code: Code) -> String {
    let mut text = String::new();
    for (nth, letter) in format!("{code:?}").chars().enumerate() {
        if letter.is_uppercase() && nth > 0 {
            text.push('_');
        }
        text.push(letter.to_ascii_uppercase());
    }
    text
}

#[test]
fn every_error_code_is_documented_as_it_is_and_in_order() {
    let documented: Vec<_> =
        table("Error codes").into_iter().map(|row| row[..3].to_vec()).collect();
    let expected: Vec<_> = ErrorCode::ALL
        .iter()
        .map(|code| {
            let retry = if code.retryable() { "yes" } else { "no" };
            vec![code.word().to_owned(), spelled(code.grpc()), retry.to_owned()]
        })
        .collect();
    assert_eq!(documented, expected);
}

#[test]
fn every_exit_code_is_documented() {
    let documented: Vec<_> =
        table("Exit codes").into_iter().map(|row| (row[1].clone(), row[0].clone())).collect();
    let constant = |line: &str| {
        let (name, value) = line.strip_prefix("pub const ")?.split_once(": u8 = ")?;
        Some((name.to_owned(), value.trim_end_matches(';').to_owned()))
    };
    let expected: Vec<_> = read("common/src/exit.rs").lines().filter_map(constant).collect();
    assert!(expected.len() > 5, "the constants were not found");
    assert_eq!(documented, expected);
}

#[test]
fn every_failure_code_is_documented() {
    let documented: BTreeSet<_> =
        table("Failure codes").into_iter().map(|row| row[0].clone()).collect();
    let mut used = BTreeSet::new();
    for path in rust_files(&root().join("worker/src")) {
        let text = fs::read_to_string(path).expect("is readable");
        for rest in text.split("new(").skip(1) {
            let word = rest.trim_start().strip_prefix('"').and_then(|rest| rest.split('"').next());
            let is_code = |word: &&str| {
                word.len() > 3 && word.bytes().all(|b| b.is_ascii_uppercase() || b == b'_')
            };
            used.extend(word.filter(is_code).map(str::to_owned));
        }
    }
    assert!(used.contains("NON_ZERO_EXIT") && used.contains("RESULT_TOO_LARGE"), "{used:?}");
    // Those that the orchestrator decides.
    used.extend(
        ["QUARANTINED", "EXPIRED", "DEADLINE_EXCEEDED", "DEPENDENCY_FAILED"].map(str::to_owned),
    );
    assert_eq!(documented, used);
    assert_eq!(documented, failure_code::ALL.iter().map(|word| (*word).to_owned()).collect());
}

fn rust_files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).expect("is a directory") {
        let path = entry.expect("is readable").path();
        if path.is_dir() {
            found.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}
