//! Emptying a data directory without deleting anything, and beginning another node of the same cluster in it.

use std::fs;
use std::path::{Path, PathBuf};

use orquestrador_core::ids::NodeId;
use orquestrador_core::role::Durable;

use super::directory::{self, Directory, LOCK_FILE, SET_ASIDE_FOLDER};
use super::error::Error;
use super::{recovery, role_file};

/// Where the contents of a damaged directory go: `damaged-1`, `damaged-2`, …, within it, because the
/// directory itself may be a mounted disk.
const PREFIX: &str = "damaged-";
/// What is no part of the journal of the node that is given up: the peer's address, and set-aside tails,
/// which can still be submitted again.
const STAYS: [&str; 4] = [LOCK_FILE, "peer", SET_ASIDE_FOLDER, UNDER_WAY];
/// Holds the new node's role state while the directory is emptied: no node starts until that is finished.
const UNDER_WAY: &str = "repair";
/// Moved last: it tells the cluster and the newest view if this is interrupted and begun again.
const LAST: &str = "role";

/// Where the contents are now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MovedAside {
    pub folder: PathBuf,
}

/// What [`replace`] did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replaced {
    /// Where the contents are now.
    pub folder: PathBuf,
    /// The new node.
    pub node: NodeId,
}

/// Sets the journal aside and begins another, empty node that knows `role`: it never founds a cluster.
///
/// Interrupted, it leaves a directory that no node starts from ([`Error::RepairInterrupted`]); to be finished
/// with what [`interrupted`] gives.
///
/// # Errors
/// A process has the directory open, or something could not be moved or written.
pub fn replace(dir: &Path, role: &Durable) -> Result<Replaced, Error> {
    begin(dir, role)?;
    let MovedAside { folder } = move_aside(dir)?;
    let (journal, recovered) = recovery::open_unfinished(dir)?;
    journal.save_role(role)?;
    drop(journal);
    let marker = dir.join(UNDER_WAY);
    fs::remove_file(&marker).map_err(|e| Error::io("remove", &marker, e))?;
    directory::sync_directory(dir)?;
    Ok(Replaced { folder, node: recovered.node })
}

/// The first step of [`replace`]; durable when it returns.
///
/// # Errors
/// A process has the directory open, or it cannot be written.
pub fn begin(dir: &Path, role: &Durable) -> Result<(), Error> {
    let _directory = Directory::lock(dir)?;
    role_file::save(&dir.join(UNDER_WAY), role)
}

/// What an interrupted [`replace`] was given.
///
/// # Errors
/// That cannot be read.
pub fn interrupted(dir: &Path) -> Result<Option<Durable>, Error> {
    let marker = dir.join(UNDER_WAY);
    if marker.exists() { role_file::load(&marker).map(Some) } else { Ok(None) }
}

/// The folder that [`move_aside`] would take.
pub fn aside_folder(dir: &Path) -> PathBuf {
    let name = |number: u32| dir.join(format!("{PREFIX}{number}"));
    (1..).map(name).find(|folder| !folder.exists()).unwrap_or_else(|| name(0))
}

/// Moves the journal into a folder of its own; durable when it returns.
///
/// Interrupted, it leaves a directory that no node starts from, and that can be moved aside again.
///
/// # Errors
/// A process has the directory open, or something could not be moved.
pub fn move_aside(dir: &Path) -> Result<MovedAside, Error> {
    let _directory = Directory::lock(dir)?;
    let folder = aside_folder(dir);
    fs::create_dir(&folder).map_err(|e| Error::io("create", &folder, e))?;
    directory::sync_directory(dir)?;
    let mut names = names(dir)?;
    names.sort_by_key(|name| name == LAST);
    for name in names {
        let (from, to) = (dir.join(&name), folder.join(&name));
        fs::rename(&from, &to).map_err(|e| Error::io("rename to", &to, e))?;
    }
    directory::sync_directory(&folder)?;
    directory::sync_directory(dir)?;
    Ok(MovedAside { folder })
}

/// What is to be moved.
fn names(dir: &Path) -> Result<Vec<String>, Error> {
    let mut names = Vec::new();
    for child in fs::read_dir(dir).map_err(|e| Error::io("list", dir, e))? {
        let name = child.map_err(|e| Error::io("list", dir, e))?.file_name();
        if let Some(name) = name.to_str()
            && !STAYS.contains(&name)
            && !name.starts_with(PREFIX)
        {
            names.push(name.to_owned());
        }
    }
    Ok(names)
}
