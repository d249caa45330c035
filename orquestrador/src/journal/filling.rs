//! Filling a new data directory so that a node starts from all of it or not at all.

use std::fs;
use std::path::{Path, PathBuf};

use orquestrador_core::ids::NodeId;

use super::directory::{self, Directory, LOCK_FILE};
use super::error::Error;

/// Below the directory: what is to become its content. Beside it no node starts, because it is nothing of one.
const FOLDER: &str = "restoring";
/// Moved last: without it what is there counts as damaged, not as new.
const LAST: &str = "format";
/// What a new disk has, too.
const IS_NO_MATTER: &str = "lost+found";

/// There is something in the directory.
#[derive(Debug, thiserror::Error)]
#[error("{} is not empty: it holds {found}", dir.display())]
pub struct NotEmpty {
    pub dir: PathBuf,
    pub found: String,
}

/// A directory that is being filled.
pub struct Filling {
    dir: PathBuf,
    folder: PathBuf,
}

impl Filling {
    /// Makes the directory if there is none; what an interrupted filling left is gone afterwards.
    ///
    /// # Errors
    /// It holds something else, or cannot be written.
    pub fn begin(dir: &Path) -> Result<Result<Self, NotEmpty>, Error> {
        let folder = dir.join(FOLDER);
        fs::create_dir_all(dir).map_err(|e| Error::io("create", dir, e))?;
        for child in fs::read_dir(dir).map_err(|e| Error::io("list", dir, e))? {
            let name = child.map_err(|e| Error::io("list", dir, e))?.file_name();
            let name = name.to_string_lossy().into_owned();
            if name != FOLDER && name != IS_NO_MATTER {
                return Ok(Err(NotEmpty { dir: dir.to_path_buf(), found: name }));
            }
        }
        if folder.exists() {
            fs::remove_dir_all(&folder).map_err(|e| Error::io("remove", &folder, e))?;
        }
        Ok(Ok(Self { dir: dir.to_path_buf(), folder }))
    }

    /// One that was filled for this node, and perhaps moved in part; `None`: there is none.
    ///
    /// # Errors
    /// The directory cannot be read, or what is there is damaged.
    pub fn resume(dir: &Path, node: NodeId) -> Result<Option<Self>, Error> {
        let folder = dir.join(FOLDER);
        if !folder.exists() {
            return Ok(None);
        }
        let of_folder = Directory::lock_to_read(&folder)?.node()?;
        let found = match of_folder {
            Some(found) => Some(found),
            None => Directory::lock_to_read(dir)?.node()?,
        };
        Ok((found == Some(node)).then(|| Self { dir: dir.to_path_buf(), folder }))
    }

    /// What is to be filled, as if it were the data directory.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Makes it the content of the directory; durable when it returns.
    ///
    /// # Errors
    /// Something could not be moved: no node starts there.
    pub fn finish(self) -> Result<(), Error> {
        let Self { dir, folder } = self;
        let mut names = Vec::new();
        for child in fs::read_dir(&folder).map_err(|e| Error::io("list", &folder, e))? {
            names.push(child.map_err(|e| Error::io("list", &folder, e))?.file_name());
        }
        names.retain(|name| name != LOCK_FILE);
        names.sort_by_key(|name| name == LAST);
        for name in names {
            let (from, to) = (folder.join(&name), dir.join(&name));
            directory::rename(&from, &to)?;
        }
        fs::remove_dir_all(&folder).map_err(|e| Error::io("remove", &folder, e))?;
        directory::sync_directory(&dir)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::Journal;

    fn begun(dir: &Path) -> Filling {
        let filling = Filling::begin(dir).expect("it can be written").expect("it is empty");
        Journal::open(filling.folder()).expect("it is created");
        filling
    }

    #[test]
    fn no_node_starts_from_one_that_is_not_finished() {
        let dir = tempfile::tempdir().expect("a directory");
        begun(dir.path());
        assert!(matches!(Journal::open(dir.path()), Err(Error::ForeignDirectory { .. })));
        // Interrupted there, it may begin again; not where it has begun to move what it made.
        let filling = begun(dir.path());
        fs::rename(filling.folder().join("role"), dir.path().join("role")).expect("is moved");
        assert!(Journal::open(dir.path()).is_err_and(|error| error.is_damage()));
        assert!(Filling::begin(dir.path()).expect("it can be read").is_err());
    }

    #[test]
    fn a_finished_one_is_a_data_directory() {
        let dir = tempfile::tempdir().expect("a directory");
        begun(dir.path()).finish().expect("it is moved");
        let (_journal, recovered) = Journal::open(dir.path()).expect("it opens");
        assert!(!recovered.created);
    }
    #[test]
    fn one_that_is_filled_is_moved_by_whoever_knows_its_node() {
        let dir = tempfile::tempdir().expect("a directory");
        let filling = Filling::begin(dir.path()).expect("it can be written").expect("it is empty");
        let (journal, recovered) = Journal::open(filling.folder()).expect("it is created");
        drop(journal);
        fs::rename(filling.folder().join("role"), dir.path().join("role")).expect("is moved");
        let other = NodeId(recovered.node.0 ^ 1);
        let resumed = |node| Filling::resume(dir.path(), node).expect("it can be read");
        assert!(resumed(other).is_none());
        resumed(recovered.node).expect("it is its").finish().expect("it is moved");
        let (_journal, again) = Journal::open(dir.path()).expect("it opens");
        assert_eq!(again.node, recovered.node);
        assert!(resumed(recovered.node).is_none());
    }
}
