//! Ends the programs of a worker that was killed: a shell of its own that reads from a pipe which programs run, and kills
//! those when the pipe breaks. `PR_SET_PDEATHSIG` would do it for the program alone, not for its children, and needs
//! unsafe code.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Mutex, PoisonError};

use rustix::process::Pid;
use uuid::Uuid;

use super::command::RUN_ID;

/// Reads `+ GROUP RUN` and `- GROUP RUN` until the worker is gone, however it ended. What has left the group descends from the
/// program, whose number is the group's, or names its run in its environment.
const SCRIPT: &str = r#"
held=
while read -r sign group run; do
    others=
    for other in $held; do [ "$other" = "$group:$run" ] || others="$others $other"; done
    held=$others
    if [ "$sign" = + ]; then held="$held $group:$run"; fi
done
[ "$held" ] || exit 0
family=' '
marks=
for program in $held; do
    family="$family${program%%:*} "
    marks="$marks -e $1=${program#*:}"
done
grown=1
while [ "$grown" ]; do
    grown=
    for stat in /proc/[0-9]*/stat; do
        read -r line < "$stat" || continue
        set -- ${line##*) }
        case $family in *" ${line%% *} "*) continue ;; esac
        case $family in *" $2 "*) family="$family${line%% *} "; grown=1 ;; esac
    done
done
for program in $held; do kill -s KILL -- "-${program%%:*}"; done
kill -s KILL $family
for place in $(grep -asl $marks /proc/[0-9]*/environ); do
    pid=${place#/proc/}
    kill -s KILL "${pid%/environ}"
done
"#;

/// The pipe to the shell. Without a shell the programs of a killed worker go on.
#[derive(Default)]
pub struct Guardian(Mutex<Watch>);

#[derive(Default)]
struct Watch {
    shell: Option<(Child, ChildStdin)>,
    /// What runs.
    held: BTreeMap<i32, Uuid>,
}

impl Guardian {
    /// A program began, in a group of its own.
    pub fn guard(&self, group: Pid, run: Uuid) {
        let group = group.as_raw_nonzero().get();
        self.change('+', group, |held| {
            held.insert(group, run);
            run
        });
    }

    /// It ended: the group's number may belong to another one.
    pub fn release(&self, group: Pid) {
        let group = group.as_raw_nonzero().get();
        self.change('-', group, |held| held.remove(&group).unwrap_or_default());
    }

    /// A line is shorter than a pipe's atomic write, and the shell reads at once. One that is gone, or was never there, is
    /// started with all that runs.
    fn change(
        &self,
        sign: char,
        group: i32,
        change: impl FnOnce(&mut BTreeMap<i32, Uuid>) -> Uuid,
    ) {
        let mut watch = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let run = change(&mut watch.held);
        if let Some((_, pipe)) = &mut watch.shell {
            match pipe.write_all(line(sign, group, run).as_bytes()) {
                Ok(()) => return,
                Err(error) => {
                    tracing::warn!(%error, "the shell that watches over the programs is gone")
                }
            }
        }
        if let Err(error) = watch.start() {
            tracing::warn!(%error, "no shell watches over the programs: they outlive a killed worker");
        }
    }
}

impl Watch {
    /// The shell outlives this process by a moment.
    fn start(&mut self) -> std::io::Result<()> {
        if let Some((mut before, _)) = self.shell.take() {
            // It is gone, and nobody else takes note of it.
            before.kill()?;
            before.wait()?;
        }
        let mut shell = Command::new("/bin/sh")
            .args(["-c", SCRIPT, "mutirao-guardian", RUN_ID])
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Ctrl+C in the worker's terminal is not meant for it.
            .process_group(0)
            .spawn()?;
        let Some(mut pipe) = shell.stdin.take() else { return Ok(()) };
        let all: String = self.held.iter().map(|(group, run)| line('+', *group, *run)).collect();
        pipe.write_all(all.as_bytes())?;
        self.shell = Some((shell, pipe));
        Ok(())
    }
}

fn line(sign: char, group: i32, run: Uuid) -> String {
    format!("{sign} {group} {run}\n")
}
