//! How much memory an attempt may have: by a control group where the worker may make them, for all of its
//! processes together; otherwise by `ulimit`, for each of them.
//!
//! A shell sets the limit for itself and then becomes the program, so nothing of it runs without. Between fork
//! and exec this process itself could do it by unsafe code alone.

use std::io;
use std::path::PathBuf;

use rustix::process::{Resource, getrlimit};
use tokio::process::Command;
use uuid::Uuid;

use super::cgroup::{self, Cgroup};

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
    /// What the shell's own words begin with, and no program's.
    shell: String,
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
        Ok(Limit { cgroup, bytes, shell: format!("\u{2}{}", Uuid::new_v4()) })
    }
}

impl Limit {
    /// The program, or what becomes it.
    pub fn command(&self, argv: &[String]) -> Command {
        let (set, value) = match &self.cgroup {
            Some(group) => ("echo $$ > \"$1\"", group.entrance()),
            None => ("ulimit -v \"$1\"", PathBuf::from(kibibytes(self.bytes).to_string())),
        };
        // No variables: they could be the program's. A shell begins what it says with its name.
        let script = format!("{set} && shift && exec \"$@\"");
        let mut command = Command::new("/bin/sh");
        command.arg("-c").arg(script).arg(&self.shell).arg(value).args(argv);
        command
    }

    /// Why the program was not started, if it was not: by all that was written to standard error.
    pub fn not_started(&self, stderr: &[u8]) -> Option<String> {
        let is_shell = stderr.starts_with(self.shell.as_bytes());
        is_shell
            .then(|| String::from_utf8_lossy(stderr).replace(&self.shell, "sh").trim().to_owned())
    }

    /// What of standard error is the program's, as it comes.
    pub fn words(&self) -> Words<'_> {
        Words { shell: self.shell.as_bytes(), unclear: Some(Vec::new()) }
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

/// Tells the program's words from those of the shell before it.
pub struct Words<'a> {
    shell: &'a [u8],
    /// All that came, as long as it may be the shell's.
    unclear: Option<Vec<u8>>,
}

impl Words<'_> {
    /// Says what of it, and of what came before, is the program's.
    pub fn hear(&mut self, bytes: &[u8], say: impl Fn(&[u8])) {
        let Some(all) = &mut self.unclear else { return say(bytes) };
        all.extend_from_slice(bytes);
        let compared = all.len().min(self.shell.len());
        if all[..compared] != self.shell[..compared] {
            say(all);
            self.unclear = None;
        }
    }

    /// Nothing more comes.
    pub fn end(self, say: impl Fn(&[u8])) {
        let all = self.unclear.filter(|all| !all.starts_with(self.shell));
        say(&all.unwrap_or_default());
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
        let output = limit.command(&argv).output().await.expect("a shell starts");
        let stdout = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        (output.status.code(), stdout, limit.not_started(&output.stderr))
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

    #[test]
    fn only_the_words_of_the_program_are_told() {
        let limits = Limits::Ulimit(cgroup::Error::NoController);
        let limit = limits.limit("task-1", 1 << 30).expect("is set");
        let told = |parts: &[&str]| {
            let all = std::cell::RefCell::new(Vec::new());
            let say = |bytes: &[u8]| all.borrow_mut().extend_from_slice(bytes);
            let mut words = limit.words();
            for part in parts {
                words.hear(part.as_bytes(), say);
            }
            words.end(say);
            String::from_utf8(all.take()).expect("is text")
        };
        assert_eq!(told(&["a", "b"]), "ab");
        assert_eq!(told(&["\u{2}", "b", "c"]), "\u{2}bc");
        assert_eq!(told(&["\u{2}"]), "\u{2}");
        let (begin, end) = limit.shell.split_at(9);
        assert_eq!(told(&[begin, end, ": 1: exec: x: not found\n"]), "");
    }
}
