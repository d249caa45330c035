//! Control groups (v2) in which attempts have so much memory and no more: children of the one in which the
//! worker is, if that is its to divide.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::work_dir::file_name;

/// What was killed takes a moment to be gone: how often, and in which distance, it is tried to remove its group.
const TRIES: u32 = 250;
const PAUSE: Duration = Duration::from_millis(2);
/// Groups of one name, of which all but the last one could not be removed.
const MOST_OF_ONE_NAME: u32 = 100;

/// The group whose children the attempts' are.
pub struct Parent {
    dir: PathBuf,
    /// How the names of this worker's children begin.
    prefix: String,
}

/// The group of one attempt. Ended and removed when it is dropped.
pub struct Cgroup {
    dir: PathBuf,
    /// It is removed, or cannot be.
    is_over: bool,
}

/// Why groups cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("no cgroup v2 with a memory controller")]
    NoController,
    #[error("{} is not this worker's to divide: {source}", dir.display())]
    NotOurs { dir: PathBuf, source: io::Error },
}

impl Parent {
    /// Finds it by trying. A group that holds processes cannot be divided (but for the topmost), so the worker
    /// moves into a child of it first, and back if it is not alone.
    pub fn find(worker_id: &str) -> Result<Self, Error> {
        let dir = own_dir().ok_or(Error::NoController)?;
        let prefix = format!("mutirao-{}-", file_name(worker_id));
        let parent = Self { dir, prefix };
        if !parent.has_memory("cgroup.controllers") {
            return Err(Error::NoController);
        }
        parent.remove_left();
        let not_ours = |source| Error::NotOurs { dir: parent.dir.clone(), source };
        if !parent.has_memory("cgroup.subtree_control") {
            parent.divide().map_err(not_ours)?;
        }
        // Now it must be possible.
        drop(parent.child("try", u64::MAX >> 1).map_err(not_ours)?);
        Ok(parent)
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// A group for an attempt, empty.
    pub fn child(&self, attempt: &str, limit: u64) -> io::Result<Cgroup> {
        let name = format!("{}{}", self.prefix, file_name(attempt));
        let mut dir = self.dir.join(&name);
        let mut made = fs::create_dir(&dir);
        for nth in 2..=MOST_OF_ONE_NAME {
            if !matches!(&made, Err(error) if error.kind() == io::ErrorKind::AlreadyExists) {
                break;
            }
            dir = self.dir.join(format!("{name}-{nth}"));
            made = fs::create_dir(&dir);
        }
        made?;
        let group = Cgroup { dir, is_over: false };
        group.write("memory.max", &limit.to_string())?;
        // Otherwise it would go on in swap. Not all kernels have these.
        for (file, value) in [("memory.swap.max", "0"), ("memory.oom.group", "1")] {
            group.write(file, value).or_else(|error| match error.kind() {
                io::ErrorKind::NotFound => Ok(()),
                _ => Err(error),
            })?;
        }
        Ok(group)
    }

    fn has_memory(&self, file: &str) -> bool {
        let text = fs::read_to_string(self.dir.join(file)).unwrap_or_default();
        text.split_whitespace().any(|controller| controller == "memory")
    }

    /// Lets children have memory limits.
    fn divide(&self) -> io::Result<()> {
        let leaf = self.dir.join(format!("{}worker", self.prefix));
        match fs::create_dir(&leaf) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            Ok(()) | Err(_) => {}
        }
        // The process that writes.
        let enter = |dir: &Path| write(&dir.join("cgroup.procs"), "0");
        let divided =
            enter(&leaf).and_then(|()| write(&self.dir.join("cgroup.subtree_control"), "+memory"));
        if divided.is_err()
            && let Err(error) = enter(&self.dir).and_then(|()| fs::remove_dir(&leaf))
        {
            tracing::warn!(%error, dir = %leaf.display(), "failed to leave a cgroup");
        }
        divided
    }

    /// Those of a worker that was killed. One in which something runs cannot be removed.
    fn remove_left(&self) {
        let Ok(entries) = fs::read_dir(&self.dir) else { return };
        for entry in entries.flatten() {
            let is_ours = entry.file_name().to_string_lossy().starts_with(&self.prefix);
            if is_ours && let Err(error) = fs::remove_dir(entry.path()) {
                tracing::debug!(%error, dir = %entry.path().display(), "a cgroup was not removed");
            }
        }
    }
}

impl Cgroup {
    /// Where a process enters, by its number.
    pub fn entrance(&self) -> PathBuf {
        self.dir.join("cgroup.procs")
    }

    /// Something in it was killed because there was no memory left.
    pub fn ran_out(&self) -> bool {
        let events = fs::read_to_string(self.dir.join("memory.events")).unwrap_or_else(|error| {
            tracing::warn!(%error, dir = %self.dir.display(), "nobody knows whether a cgroup had memory left");
            String::new()
        });
        let count = |line: &str| line.strip_prefix("oom_kill ").and_then(|n| n.parse().ok());
        events.lines().find_map(count).is_some_and(|kills: u64| kills > 0)
    }

    /// Ends what is in it, also what left the program's process group, and removes it.
    pub async fn remove(mut self) {
        for _ in 0..TRIES {
            if self.try_remove().is_ok() {
                return;
            }
            tokio::time::sleep(PAUSE).await;
        }
        self.give_up();
    }

    fn try_remove(&mut self) -> io::Result<()> {
        // Since Linux 5.14. Before, the process group has been killed at least.
        if let Err(error) = self.write("cgroup.kill", "1")
            && error.kind() != io::ErrorKind::NotFound
        {
            return Err(error);
        }
        fs::remove_dir(&self.dir)?;
        self.is_over = true;
        Ok(())
    }

    /// Tries for the last time.
    fn give_up(&mut self) {
        if let Err(error) = self.try_remove() {
            tracing::warn!(%error, dir = %self.dir.display(), "a cgroup was not removed");
        }
        self.is_over = true;
    }

    fn write(&self, file: &str, value: &str) -> io::Result<()> {
        write(&self.dir.join(file), value)
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        for _ in 0..TRIES {
            if self.is_over || self.try_remove().is_ok() {
                return;
            }
            std::thread::sleep(PAUSE);
        }
        self.give_up();
    }
}

/// Files of the kernel are there, or not: they are not created.
fn write(path: &Path, value: &str) -> io::Result<()> {
    io::Write::write_all(&mut fs::OpenOptions::new().write(true).open(path)?, value.as_bytes())
}

/// Where the group is in which this process is.
fn own_dir() -> Option<PathBuf> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
    place(&groups, &mounts)
}

/// `groups` and `mounts` as the kernel writes them, see cgroups(7) and proc(5).
fn place(groups: &str, mounts: &str) -> Option<PathBuf> {
    let own = groups.lines().find_map(|line| line.strip_prefix("0::"))?;
    mounts.lines().find_map(|line| {
        let (mount, filesystem) = line.split_once(" - ")?;
        if filesystem.split(' ').next() != Some("cgroup2") {
            return None;
        }
        let mut fields = mount.split(' ').skip(3);
        let (root, at) = (fields.next()?, fields.next()?);
        Some(Path::new(at).join(Path::new(own).strip_prefix(root).ok()?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_own_group_is_found_below_its_mount() {
        let unified = "30 1 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw\n";
        let hybrid = "30 1 0:26 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n\
                      31 1 0:27 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";
        let of_part = "31 1 0:27 /box /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";
        let group = |path: &str| format!("1:memory:/old\n0::{path}\n");
        let found = |path: &str, mounts: &str| {
            place(&group(path), mounts).map(|dir| dir.to_string_lossy().into_owned())
        };
        assert_eq!(found("/a/b", unified).as_deref(), Some("/sys/fs/cgroup/a/b"));
        assert_eq!(found("/a", hybrid).as_deref(), Some("/sys/fs/cgroup/unified/a"));
        assert_eq!(found("/box/a", of_part).as_deref(), Some("/sys/fs/cgroup/a"));
        assert_eq!(found("/other", of_part), None);
        assert_eq!(place("1:memory:/old\n", unified), None);
    }
}
