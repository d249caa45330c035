//! Ends the programs of a worker that was killed: a shell of its own that reads from a pipe which process
//! groups run, and kills those when the pipe breaks. `PR_SET_PDEATHSIG` would do it for the program alone,
//! not for its children, and needs unsafe code.

use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::process::{ChildStdin, Command, Stdio};
use std::sync::{Mutex, PoisonError};

use rustix::process::Pid;

/// Reads `+ GROUP` and `- GROUP` until the worker is gone, however it ended.
const SCRIPT: &str = r#"
held=
while read -r sign group; do
    others=
    for other in $held; do [ "$other" = "$group" ] || others="$others $other"; done
    held=$others
    if [ "$sign" = + ]; then held="$held $group"; fi
done
for group in $held; do kill -s KILL -- "-$group"; done
"#;

/// The pipe to the shell. Without a shell the programs of a killed worker go on.
pub struct Guardian(Option<Mutex<ChildStdin>>);

impl Guardian {
    /// Starts the shell, which outlives this process by a moment.
    pub fn start() -> Self {
        let spawned = Command::new("/bin/sh")
            .args(["-c", SCRIPT, "mutirao-guardian"])
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Ctrl+C in the worker's terminal is not meant for it.
            .process_group(0)
            .spawn();
        match spawned {
            Ok(mut shell) => Self(shell.stdin.take().map(Mutex::new)),
            Err(error) => {
                tracing::warn!(%error, "no shell watches over the programs: they outlive a killed worker");
                Self(None)
            }
        }
    }

    /// A group began.
    pub fn guard(&self, group: Pid) {
        self.tell('+', group);
    }

    /// It ended: its number may belong to another one.
    pub fn release(&self, group: Pid) {
        self.tell('-', group);
    }

    /// A line is shorter than a pipe's atomic write, and the shell reads at once.
    fn tell(&self, sign: char, group: Pid) {
        let Some(pipe) = &self.0 else { return };
        let line = format!("{sign} {}\n", group.as_raw_nonzero());
        let mut pipe = pipe.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = pipe.write_all(line.as_bytes()) {
            tracing::warn!(%error, "the shell that watches over the programs is gone");
        }
    }
}
