//! Removes a tree of directories, whatever programs made of it: directories without permissions, however
//! many within each other, symbolic links, which are removed and not followed.
//!
//! Each directory found is moved up before it is emptied. So the depth needs neither stack nor long paths
//! nor many open files, and a name is only ever looked up in a directory that is held open.

use std::ffi::CString;
use std::fs::{File, Permissions};
use std::io;
use std::os::fd::{AsFd, AsRawFd as _};
use std::os::unix::fs::PermissionsExt as _;
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{AtFlags, Dir, Mode, OFlags, openat, renameat, unlinkat};
use rustix::io::Errno;
use rustix::path::Arg;
use uuid::Uuid;

/// Its owner may do everything with it, and nobody else anything.
const PRIVATE: u32 = 0o700;
/// What was killed may write for a moment: how long and how often it is tried to remove a directory.
const PATIENCE: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(2);

/// What is in a directory.
pub fn names(dir: impl AsFd) -> io::Result<Vec<CString>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(dir)? {
        let name = entry?.file_name().to_owned();
        if !matches!(name.to_bytes(), b"." | b"..") {
            names.push(name);
        }
    }
    Ok(names)
}

/// Removes `name` in `root`, with all that is in it, as far as that is possible; `root` takes in what is moved
/// up. That it is not there is fine.
pub fn remove(root: &File, name: impl Arg + Copy) -> io::Result<()> {
    let until = Instant::now() + PATIENCE;
    let mut open: Vec<String> = unlink_or_move(root, name, root)?.into_iter().collect();
    let mut failed = None;
    while let Some(name) = open.pop() {
        let emptied = empty(root, &name, &mut open);
        match emptied.and_then(|()| Ok(unlinkat(root, &name, AtFlags::REMOVEDIR)?)) {
            Ok(()) => {}
            Err(error)
                if error.kind() == io::ErrorKind::DirectoryNotEmpty
                    && failed.is_none()
                    && Instant::now() < until =>
            {
                thread::sleep(PAUSE);
                open.push(name);
            }
            Err(error) => failed = failed.or(Some(error)),
        }
    }
    failed.map_or(Ok(()), Err)
}

/// Removes what is in it, and adds what was moved out of it to `open`.
fn empty(root: &File, name: &str, open: &mut Vec<String>) -> io::Result<()> {
    let dir = opened(root, name)?;
    let mut failed = None;
    for inner in names(&dir)? {
        match unlink_or_move(&dir, inner.as_c_str(), root) {
            Ok(moved) => open.extend(moved),
            Err(error) => failed = failed.or(Some(error)),
        }
    }
    failed.map_or(Ok(()), Err)
}

/// A directory is moved into `root`, under the name that is given; everything else is gone.
fn unlink_or_move(from: &File, name: impl Arg + Copy, root: &File) -> io::Result<Option<String>> {
    match unlinkat(from, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => return Ok(None),
        // Of a directory, by Linux and by others.
        Err(Errno::ISDIR | Errno::PERM) => {}
        Err(error) => return Err(error.into()),
    }
    // Without permissions it could not be moved: its entry `..` changes.
    opened(from, name)?;
    let moved = format!("removing-{}", Uuid::new_v4());
    renameat(from, name, root, &moved)?;
    Ok(Some(moved))
}

/// Opens a directory, and gives its owner all permissions.
fn opened(dir: &File, name: impl Arg) -> io::Result<File> {
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let path = File::from(openat(dir, name, flags | OFlags::PATH, Mode::empty())?);
    if path.metadata()?.permissions().mode() & PRIVATE != PRIVATE {
        // What is open as a path cannot be changed by itself, and this name leads to nothing else.
        let itself = format!("/proc/self/fd/{}", path.as_raw_fd());
        std::fs::set_permissions(itself, Permissions::from_mode(PRIVATE))?;
    }
    Ok(File::from(openat(&path, ".", flags | OFlags::RDONLY, Mode::empty())?))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn what_is_deep_closed_or_a_link_is_removed_and_nothing_else() {
        let outside = tempfile::tempdir().expect("a directory");
        let precious = outside.path().join("precious");
        fs::write(&precious, "").expect("is written");
        let root = tempfile::tempdir().expect("a directory");
        let tree = root.path().join("tree");
        fs::create_dir_all(tree.join("closed/inner")).expect("is made");
        fs::write(tree.join("closed/inner/file"), "").expect("is written");
        symlink(outside.path(), tree.join("closed/link")).expect("is made");
        symlink(&precious, tree.join("link")).expect("is made");
        for (dir, mode) in [("closed/inner", 0o000), ("closed", 0o500), ("", 0o500)] {
            let permissions = Permissions::from_mode(mode);
            fs::set_permissions(tree.join(dir), permissions).expect("is changed");
        }
        let dir = File::open(root.path()).expect("is open");
        remove(&dir, "tree").expect("is removed");
        remove(&dir, "tree").expect("is no longer there");
        assert_eq!(names(&dir).expect("is read"), Vec::<CString>::new());
        assert!(precious.exists());
        symlink(outside.path(), root.path().join("root-is-a-link")).expect("is made");
        remove(&dir, "root-is-a-link").expect("is removed");
        assert!(precious.exists());
    }

    #[test]
    fn what_is_still_written_to_is_removed_once_that_ends() {
        let root = tempfile::tempdir().expect("a directory");
        let top = File::open(root.path()).expect("is open");
        for _ in 0..20 {
            rustix::fs::mkdirat(&top, "d", Mode::from_raw_mode(PRIVATE)).expect("is made");
            let dir = opened(&top, "d").expect("is open");
            let (began, begins) = std::sync::mpsc::channel();
            let writer = thread::spawn(move || {
                for nth in 0..2_000 {
                    if nth == 1 {
                        began.send(()).expect("somebody waits");
                    }
                    let file = format!("file-{nth}");
                    let flags = OFlags::CREATE | OFlags::WRONLY | OFlags::CLOEXEC;
                    if openat(&dir, file, flags, Mode::RUSR).is_err() {
                        return;
                    }
                }
            });
            begins.recv().expect("it began");
            remove(&top, "d").expect("is removed");
            writer.join().expect("does not panic");
            assert_eq!(names(&top).expect("is read"), Vec::<CString>::new());
        }
    }

    #[test]
    fn depth_is_no_trouble() {
        let root = tempfile::tempdir().expect("a directory");
        let top = File::open(root.path()).expect("is open");
        let mut dir = File::open(root.path()).expect("is open");
        for _ in 0..5_000 {
            rustix::fs::mkdirat(&dir, "d", Mode::from_raw_mode(PRIVATE)).expect("is made");
            dir = opened(&dir, "d").expect("is open");
        }
        remove(&top, "d").expect("is removed");
        assert_eq!(names(&top).expect("is read"), Vec::<CString>::new());
    }
}
