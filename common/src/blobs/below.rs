//! Files of a directory that somebody else may be changing: a name is only ever looked up in a directory that is held open,
//! and no symbolic link is followed.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Component, Path};

use rustix::fs::{Mode, OFlags, openat};
use rustix::process::geteuid;

/// What everybody on the machine may read.
const OTHERS_READ: u32 = 0o004;

/// A directory that is held open.
#[derive(Debug)]
pub struct Below {
    dir: OwnedFd,
    /// Whose files alone are given out, besides those that everybody may read: of a directory that is another user's than this
    /// process's. That user could make a hard link to a file of somebody else, and let this process read it.
    owner: Option<u32>,
}

impl Below {
    /// # Errors
    /// It is no directory, or cannot be opened.
    pub fn open(dir: &Path) -> io::Result<Self> {
        let dir = File::open(dir)?;
        let metadata = dir.metadata()?;
        if !metadata.is_dir() {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        let owner = Some(metadata.uid()).filter(|uid| *uid != geteuid().as_raw());
        Ok(Self { dir: dir.into(), owner })
    }

    pub(super) fn root(&self) -> io::Result<OwnedFd> {
        self.dir.try_clone()
    }

    /// A regular file, by its name relative to the directory.
    ///
    /// # Errors
    /// It is none, a symbolic link is on the way, or it is not the owner's to give.
    pub fn file(&self, name: &Path) -> io::Result<File> {
        let (mut dir, file_name) = self.parent(name)?;
        // Of a pipe nobody waits for the other end.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let opened = openat(dir.as_fd(), file_name, flags, Mode::empty());
        dir = opened.map_err(|error| match error {
            rustix::io::Errno::LOOP => io::Error::other("it is a symbolic link"),
            error => error.into(),
        })?;
        let file = File::from(dir);
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::Error::other("it is no regular file"));
        }
        let may_give = |owner| metadata.uid() == owner || metadata.mode() & OTHERS_READ != 0;
        if !self.owner.is_none_or(may_give) {
            return Err(io::Error::other("it belongs to another user"));
        }
        Ok(file)
    }

    /// What is there by that name, whatever it is.
    ///
    /// # Errors
    /// Nothing, or a symbolic link is on the way.
    pub fn kind(&self, name: &Path) -> io::Result<rustix::fs::FileType> {
        let (dir, file_name) = self.parent(name)?;
        let stat = rustix::fs::statat(&dir, file_name, rustix::fs::AtFlags::SYMLINK_NOFOLLOW)?;
        Ok(rustix::fs::FileType::from_raw_mode(stat.st_mode))
    }

    fn parent<'a>(&self, name: &'a Path) -> io::Result<(OwnedFd, &'a std::ffi::OsStr)> {
        let bad = || io::Error::from(io::ErrorKind::InvalidInput);
        let file_name = name.file_name().ok_or_else(bad)?;
        let mut dir = self.root()?;
        for component in name.parent().into_iter().flat_map(Path::components) {
            let Component::Normal(part) = component else { return Err(bad()) };
            dir = directory(&dir, part)?;
        }
        Ok((dir, file_name))
    }
}

/// One step down.
pub(super) fn directory(dir: impl AsFd, name: impl rustix::path::Arg) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(openat(dir, name, flags, Mode::empty())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_and_what_is_no_file_are_not_opened() {
        let dir = tempfile::tempdir().expect("a directory");
        let outside = tempfile::tempdir().expect("a directory");
        std::fs::write(outside.path().join("secret"), "secret").expect("is written");
        std::fs::create_dir(dir.path().join("in")).expect("is made");
        std::fs::write(dir.path().join("in/file"), "mine").expect("is written");
        let link = |to: &Path, name: &str| {
            std::os::unix::fs::symlink(to, dir.path().join(name)).expect("is made");
        };
        link(outside.path(), "out");
        link(&outside.path().join("secret"), "link");
        let fifo = dir.path().join("fifo");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &fifo,
            rustix::fs::FileType::Fifo,
            Mode::RUSR | Mode::WUSR,
            0,
        )
        .expect("is made");
        let below = Below::open(dir.path()).expect("is one");
        let text = below.file(Path::new("in/file")).and_then(std::io::read_to_string);
        assert_eq!(text.expect("is read"), "mine");
        for name in ["out/secret", "link", "fifo", "in", "../x", "/etc/passwd", "none", "."] {
            assert!(below.file(Path::new(name)).is_err(), "{name}");
        }
    }

    /// As root, because only root may give a directory away.
    #[test]
    fn hard_links_to_files_of_others_are_not_given_out() {
        if !geteuid().is_root() {
            return eprintln!("skipped: needs root, to make a directory of another user");
        }
        let dir = tempfile::tempdir().expect("a directory");
        let secret = dir.path().join("secret");
        std::fs::write(&secret, "secret").expect("is written");
        let own = dir.path().join("own");
        std::fs::create_dir(&own).expect("is made");
        std::fs::hard_link(&secret, own.join("linked")).expect("is made");
        std::fs::write(own.join("file"), "mine").expect("is written");
        let (mode, user) = (std::os::unix::fs::PermissionsExt::from_mode(0o600), Some(4_321));
        std::fs::set_permissions(&secret, mode).expect("is closed");
        for given in [&own, &own.join("file")] {
            std::os::unix::fs::chown(given, user, user).expect("is given away");
        }
        let below = Below::open(&own).expect("is one");
        assert!(below.file(Path::new("file")).is_ok());
        let refused = below.file(Path::new("linked")).expect_err("is another user's");
        assert_eq!(refused.to_string(), "it belongs to another user");
    }
}
