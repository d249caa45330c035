//! What workers left in a work root that were killed and never came back: removed by the next worker that starts
//! there. A living one holds the lock of its directory; nothing else tells whether it lives, no process id and no age.
//!
//! Only on file systems of this machine alone: on others a lock may be seen by nobody else.

use std::fs::{File, TryLockError};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::thread;

use rustix::fs::{AtFlags, Mode, OFlags, fstatfs, openat, renameat, statat, unlinkat};
use uuid::Uuid;

use super::super::removal;
use super::warn;

/// No worker's directory has it in its name.
const TAKEN: &str = "~";
/// Only its user may use it.
const OWN: Mode = Mode::RUSR.union(Mode::WUSR);
/// The kernel's numbers for ext, XFS, Btrfs, tmpfs, overlay, ZFS, F2FS and bcachefs.
const LOCAL: [u32; 8] = [
    0xEF53,
    0x5846_5342,
    0x9123_683E,
    0x0102_1994,
    0x794C_7630,
    0x2FC1_2FC1,
    0xF2F5_2010,
    0xCA45_1A4E,
];

/// Closed while somebody takes a directory, for itself or to remove it: one that a worker is about to lock is not
/// taken away from under it, and a worker that starts does not take one that is about to go for another worker's.
pub struct Gate(#[expect(dead_code, reason = "holds the lock")] File);

impl Gate {
    /// Waits for the moment that it takes others. `root`: the directory in which it is.
    pub fn close(root: &Path) -> io::Result<Self> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let path = root.join(format!("{}.lock", prefix().trim_end_matches('-')));
        let file = File::from(rustix::fs::open(path, flags | OFlags::CLOEXEC, OWN)?);
        let metadata = file.metadata()?;
        if !metadata.is_file() || !is_own(metadata.uid()) {
            return Err(io::Error::other("its lock belongs to another user"));
        }
        file.lock()?;
        Ok(Self(file))
    }
}

/// What the names of directories of this user's workers begin with.
pub fn prefix() -> String {
    format!("mutirao-{}-", rustix::process::geteuid().as_raw())
}

pub fn is_own(user: u32) -> bool {
    user == rustix::process::geteuid().as_raw()
}

/// In a thread of its own, because it may be much.
pub fn begin_to_remove(root: &Path) {
    let path = root.to_owned();
    let remove = move || {
        if let Err(error) = remove_all(&path) {
            tracing::debug!(%error, root = %path.display(), "what other workers left was not sought");
        }
    };
    if let Err(error) = thread::Builder::new().name("gone-workers".into()).spawn(remove) {
        warn(root, &error);
    }
}

fn remove_all(path: &Path) -> io::Result<()> {
    let root = File::open(path)?;
    if !u32::try_from(fstatfs(&root)?.f_type).is_ok_and(|kind| LOCAL.contains(&kind)) {
        return Err(io::Error::other("others may use this file system, too"));
    }
    let prefix = prefix();
    for name in removal::names(&root)? {
        if !name.to_bytes().starts_with(prefix.as_bytes()) {
            continue;
        }
        let shown = path.join(std::ffi::OsStr::from_bytes(name.to_bytes()));
        match take((path, &root), &name) {
            Ok(Some((dir, name))) => {
                if let Err(error) = remove(&root, &dir, &name) {
                    warn(&shown, &error);
                }
            }
            Ok(None) => {}
            Err(error) => tracing::debug!(%error, path = %shown.display(), "was not taken"),
        }
    }
    Ok(())
}

/// Gives it another name and holds its lock, so that a worker with its id can make a new one; `None`: a living one
/// has it, or it is no directory of this user's.
fn take((path, root): (&Path, &File), name: &std::ffi::CStr) -> io::Result<Option<(File, String)>> {
    let _gate = Gate::close(path)?;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let dir = File::from(openat(root, name, flags, Mode::empty())?);
    let metadata = dir.metadata()?;
    if !is_own(metadata.uid()) {
        return Ok(None);
    }
    match dir.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(None),
        Err(TryLockError::Error(error)) => return Err(error),
    }
    let taken = format!("{}{TAKEN}{}", prefix(), Uuid::new_v4());
    renameat(root, name, root, &taken)?;
    // Where others may write, they may have put another in its place meanwhile.
    let moved = statat(root, &taken, AtFlags::SYMLINK_NOFOLLOW)?;
    let is_it = (moved.st_dev, moved.st_ino) == (metadata.dev(), metadata.ino());
    Ok(is_it.then_some((dir, taken)))
}

fn remove(root: &File, dir: &File, name: &str) -> io::Result<()> {
    for inner in removal::names(dir)? {
        removal::remove(dir, inner.as_c_str())?;
    }
    Ok(unlinkat(root, name, AtFlags::REMOVEDIR)?)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::path::PathBuf;

    use super::super::Held;
    use super::*;

    fn left_by(root: &Path, worker: &str) -> PathBuf {
        let dir = root.join(format!("{}{worker}", prefix()));
        fs::create_dir_all(dir.join("task-1/deep")).expect("is made");
        fs::write(dir.join("task-1/deep/file"), "x").expect("is written");
        dir
    }

    #[test]
    fn what_a_worker_left_that_is_gone_is_removed_and_nothing_else() {
        let root = tempfile::tempdir().expect("a directory");
        let outside = tempfile::tempdir().expect("a directory");
        let precious = outside.path().join("precious");
        fs::write(&precious, "").expect("is written");
        let living = left_by(root.path(), "living");
        let held = Held::take(root.path(), living.clone(), 0o700).expect("is nobody else's");
        let gone = left_by(root.path(), "gone");
        symlink(outside.path(), gone.join("link")).expect("is made");
        // Of an earlier removal that was killed itself.
        let half = left_by(root.path(), "~half");
        let link = root.path().join(format!("{}link", prefix()));
        symlink(outside.path(), &link).expect("is made");
        let file = root.path().join(format!("{}file", prefix()));
        fs::write(&file, "").expect("is written");
        let foreign = root.path().join("mutirao-cache");
        fs::create_dir(&foreign).expect("is made");

        remove_all(root.path()).expect("is local");
        assert!(!gone.exists() && !half.exists());
        for stays in [&precious, &living.join("task-1/deep/file"), &link, &file, &foreign] {
            assert!(stays.exists(), "{}", stays.display());
        }
        drop(held);
        remove_all(root.path()).expect("is local");
        assert!(!living.exists(), "its worker is gone, too");
    }

    #[test]
    fn workers_that_start_together_take_their_own_and_remove_those_of_others() {
        let root = tempfile::tempdir().expect("a directory");
        let path = root.path();
        for _ in 0..20 {
            let gone: Vec<_> = (0..4).map(|nth| left_by(path, &format!("w{nth}"))).collect();
            let held: Vec<_> = thread::scope(|scope| {
                let start = |dir: &PathBuf| {
                    let dir = dir.clone();
                    scope.spawn(move || {
                        let held = Held::take(path, dir, 0o700).expect("is nobody else's");
                        remove_all(path).expect("is local");
                        held
                    })
                };
                let threads: Vec<_> = gone.iter().map(start).collect();
                threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
            });
            for (held, dir) in held.iter().zip(&gone) {
                let (now, then) = (fs::metadata(dir).expect("is there"), held.dir.metadata());
                assert_eq!(now.ino(), then.expect("is open").ino(), "it was taken away");
            }
        }
    }

    #[test]
    fn a_worker_whose_directory_is_about_to_go_takes_a_new_one() {
        let root = tempfile::tempdir().expect("a directory");
        let path = root.path();
        for _ in 0..20 {
            let dir = left_by(path, "worker");
            let gate = Gate::close(path).expect("is nobody else's");
            let going = File::open(&dir).expect("is there");
            going.try_lock().expect("nobody has it");
            let (began, begins) = std::sync::mpsc::channel();
            thread::scope(|scope| {
                let taking = scope.spawn(|| {
                    began.send(()).expect("somebody waits");
                    Held::take(path, dir.clone(), 0o700)
                });
                begins.recv().expect("it began");
                (0..100).for_each(|_| thread::yield_now());
                fs::rename(&dir, path.join(Uuid::new_v4().to_string())).expect("is moved");
                drop(gate);
                taking.join().expect("no panic").expect("it takes no other worker for itself");
            });
        }
    }

    #[test]
    fn a_lock_of_something_else_is_not_used() {
        let root = tempfile::tempdir().expect("a directory");
        let gone = left_by(root.path(), "gone");
        let lock = root.path().join(format!("{}.lock", prefix().trim_end_matches('-')));
        symlink(root.path().join("elsewhere"), &lock).expect("is made");
        remove_all(root.path()).expect("is local");
        assert!(gone.exists() && !root.path().join("elsewhere").exists());
        Held::take(root.path(), gone, 0o700).expect("a worker works without it");
    }
}
