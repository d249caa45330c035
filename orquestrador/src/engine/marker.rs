//! Which engine a data directory belongs to: the journal of a node whose log is in etcd is a copy, and must not
//! be taken for the log of a pair, nor the other way round.

use std::fs::File;
use std::io::{ErrorKind, Write as _};
use std::path::Path;

/// There where the log is in etcd.
const FILE: &str = "engine";
const UNFINISHED: &str = "engine.new";
const ETCD: &str = "etcd\n";
/// How it begins where the log is being taken there; the prefix follows.
const MOVING: &str = "moving to etcd ";

/// The directory belongs to another engine than the one that is asked for.
#[derive(Debug)]
pub struct OtherEngine;

/// Checks a data directory, or marks one that is `new`.
///
/// # Errors
/// The file cannot be read or written; or it says otherwise.
pub fn check(dir: &Path, wants_etcd: bool, new: bool) -> std::io::Result<Result<(), OtherEngine>> {
    if wants_etcd && new {
        return write(dir).map(Ok);
    }
    let is_etcd = read(dir)? != Mark::Pair;
    Ok(if is_etcd == wants_etcd { Ok(()) } else { Err(OtherEngine) })
}

/// What a data directory says of its engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mark {
    Pair,
    /// A pair's, whose way to etcd was begun and may have ended.
    Moving {
        prefix: String,
    },
    Etcd,
}

/// # Errors
/// The file cannot be read.
pub fn read(dir: &Path) -> std::io::Result<Mark> {
    let text = match std::fs::read(dir.join(FILE)) {
        Ok(text) => String::from_utf8_lossy(&text).into_owned(),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Mark::Pair),
        Err(error) => return Err(error),
    };
    Ok(match text.strip_prefix(MOVING) {
        Some(prefix) => Mark::Moving { prefix: prefix.trim_end().to_owned() },
        None => Mark::Etcd,
    })
}

/// From now on the log is in etcd.
///
/// # Errors
/// The file could not be written.
pub fn write(dir: &Path) -> std::io::Result<()> {
    replace(dir, ETCD)
}

/// No pair starts from the directory any more.
///
/// # Errors
/// The file could not be written.
pub fn write_moving(dir: &Path, prefix: &str) -> std::io::Result<()> {
    replace(dir, &format!("{MOVING}{prefix}\n"))
}

/// A crash leaves the old or the new one.
fn replace(dir: &Path, text: &str) -> std::io::Result<()> {
    let new = dir.join(UNFINISHED);
    let mut file = File::create(&new)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&new, dir.join(FILE))?;
    File::open(dir)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_keeps_its_engine() {
        let dir = tempfile::tempdir().expect("a directory");
        let is_ours = |wants, new| check(dir.path(), wants, new).expect("can be read").is_ok();
        assert!(is_ours(false, true) && is_ours(false, false));
        assert!(!is_ours(true, false), "there is the history of a pair");
        assert!(is_ours(true, true) && is_ours(true, false));
        assert!(!is_ours(false, false), "its log is in etcd");
    }
    #[test]
    fn one_that_is_on_its_way_is_no_pair_any_more() {
        let dir = tempfile::tempdir().expect("a directory");
        assert_eq!(read(dir.path()).expect("can be read"), Mark::Pair);
        write_moving(dir.path(), "/a/").expect("can be written");
        assert_eq!(read(dir.path()).expect("can be read"), Mark::Moving { prefix: "/a/".into() });
        assert!(check(dir.path(), false, false).expect("can be read").is_err());
        write(dir.path()).expect("can be written");
        assert_eq!(read(dir.path()).expect("can be read"), Mark::Etcd);
    }
}
