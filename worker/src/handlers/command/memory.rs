//! How much memory an attempt may have: by a control group where the worker may make them, for all of its
//! processes together; otherwise by `ulimit`, for each of them.
//!
//! A shell sets the limit for itself and then becomes the program, so nothing of it runs without. Between fork
//! and exec this process itself could do it by unsafe code alone.

use std::ffi::OsStr;
use std::io;
use std::path::PathBuf;

use rustix::process::{Resource, getrlimit};
use tokio::process::Command;

use super::cgroup::{self, Cgroup};
use super::mark::Mark;

/// How a program's limit is set on this machine.
pub enum Limits {
    Cgroups(cgroup::Parent),
    /// And why not by control groups.
    Ulimit(cgroup::Error),
}

/// That of one attempt.
pub struct Limit {
    cgroup: Option<Cgroup>,
    bytes: u64,
}

impl Limits {
    /// Finds out by trying. Processes that this one has started before may be in its way.
    pub fn find(worker_id: &str) -> Self {
        cgroup::Parent::find(worker_id).map_or_else(Self::Ulimit, Self::Cgroups)
    }

    pub fn limit(&self, attempt: &str, bytes: u64) -> io::Result<Limit> {
        let cgroup = match self {
            Self::Cgroups(parent) => Some(parent.child(attempt, bytes)?),
            Self::Ulimit(_) => None,
        };
        Ok(Limit { cgroup, bytes })
    }
}

impl Limit {
    /// The program, or what becomes it.
    pub fn command(&self, mark: &Mark, argv: &[impl AsRef<OsStr>]) -> Command {
        let (set, value) = match &self.cgroup {
            Some(group) => ("echo $$ > \"$1\"", group.entrance()),
            None => ("ulimit -v \"$1\"", PathBuf::from(kibibytes(self.bytes).to_string())),
        };
        // No variables: they could be the program's. A shell begins what it says with its name.
        let script = format!("{set} && shift && exec \"$@\"");
        let mut command = Command::new("/bin/sh");
        command.arg("-c").arg(script).arg(mark.text()).arg(value).args(argv);
        command
    }

    /// Whether it was killed because it needed more, as far as that can be known.
    pub fn was_exceeded(&self) -> bool {
        self.cgroup.as_ref().is_some_and(Cgroup::ran_out)
    }

    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Once the program has ended.
    pub async fn clear(self) {
        if let Some(group) = self.cgroup {
            group.remove().await;
        }
    }
}

/// What `ulimit -v` takes; not more than this process may give.
fn kibibytes(bytes: u64) -> u64 {
    let most = getrlimit(Resource::As).maximum.unwrap_or(u64::MAX);
    (bytes.min(most) / 1024).max(1)
}

/// A shell keeps no others, and would not give them to the program.
pub fn can_be_kept(variable: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_';
    let mut bytes = variable.bytes();
    bytes.next().is_some_and(is_letter)
        && bytes.all(|byte| is_letter(byte) || byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn run(bytes: u64, argv: &[&str]) -> (Option<i32>, String, Option<String>) {
        let limits = Limits::Ulimit(cgroup::Error::NoController);
        let limit = limits.limit("task-1", bytes).expect("is set");
        let argv: Vec<_> = argv.iter().map(|arg| (*arg).to_owned()).collect();
        let mark = Mark::default();
        let output = limit.command(&mark, &argv).output().await.expect("a shell starts");
        let stdout = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        (output.status.code(), stdout, mark.not_started(&output.stderr))
    }

    #[tokio::test]
    async fn a_program_has_its_limit_from_the_beginning() {
        let (code, stdout, _) = run(100 << 20, &["sh", "-c", "ulimit -v; exit 3"]).await;
        assert_eq!((code, stdout.as_str()), (Some(3), "102400"));
        let (code, ..) = run(50 << 20, &["sh", "-c", "head -c 200000000 /dev/zero | tail"]).await;
        assert_ne!(code, Some(0), "there was memory enough");
    }

    #[tokio::test]
    async fn one_that_cannot_be_started_is_told_from_one_that_fails_alike() {
        let (code, _, why) = run(100 << 20, &["sh", "-c", "echo not found >&2; exit 127"]).await;
        assert_eq!((code, why), (Some(127), None));
        for program in ["/nao/existe", "nao-existe", "/etc/passwd"] {
            let (_, _, why) = run(100 << 20, &[program]).await;
            assert!(why.as_ref().is_some_and(|why| why.contains(program)), "{program}: {why:?}");
        }
    }
}
