//! Which engine a data directory belongs to: the journal of a node whose log is in etcd is a copy, and must not
//! be taken for the log of a pair, nor the other way round.

use std::fs::File;
use std::io::{ErrorKind, Write as _};
use std::path::Path;

/// There where the log is in etcd.
const FILE: &str = "engine";
const ETCD: &str = "etcd\n";

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
    let is_etcd = match std::fs::read(dir.join(FILE)) {
        Ok(_) => true,
        Err(error) if error.kind() == ErrorKind::NotFound => false,
        Err(error) => return Err(error),
    };
    Ok(if is_etcd == wants_etcd { Ok(()) } else { Err(OtherEngine) })
}

/// From now on the log is in etcd.
///
/// # Errors
/// The file could not be written.
pub fn write(dir: &Path) -> std::io::Result<()> {
    let mut file = File::create(dir.join(FILE))?;
    file.write_all(ETCD.as_bytes())?;
    file.sync_all()?;
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
}
