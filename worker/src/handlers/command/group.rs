//! The process group of a program.

use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process, kill_process_group, test_kill_process_group};
use tokio::process::Child;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{GRACE, RUN_ID};
use crate::handlers::guardian::Guardian;

/// How often it is looked whether a group has ended.
const LOOK: Duration = Duration::from_millis(20);

/// Kills the whole group when the attempt ends, however it ends: nothing of it may go on.
pub struct Group<'a> {
    id: Option<Pid>,
    /// What the program and all that it started have in their environment.
    run: Uuid,
    /// Does the same should this process be killed.
    guardian: &'a Guardian,
}

impl<'a> Group<'a> {
    pub fn of(child: &Child, run: Uuid, guardian: &'a Guardian) -> Self {
        let id = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        if let Some(group) = id {
            guardian.guard(group, run);
        }
        Self { id, run, guardian }
    }

    fn signal(&self, signal: Signal) {
        if let Some(group) = self.id
            && let Err(error) = kill_process_group(group, signal)
            && error != rustix::io::Errno::SRCH
        {
            tracing::warn!(%error, "failed to signal a process group");
        }
    }

    /// Waits until nothing of it is left.
    pub async fn emptied(&self) {
        while self.id.is_some_and(is_alive) {
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Kills what is left; afterwards the number may belong to another group.
    pub fn end(&mut self) {
        self.signal(Signal::KILL);
        if let Some(group) = self.id.take() {
            self.guardian.release(group);
        }
    }

    /// Kills what has left the group. Of a program that was to be stopped nothing may go on; one that ended by itself
    /// may have left a daemon behind on purpose.
    pub async fn end_strays(&self) {
        let run = self.run;
        if let Err(error) = tokio::task::spawn_blocking(move || end_strays(run)).await {
            tracing::warn!(%error, "failed to look for what has left a process group");
        }
    }
}

/// Without the file system of processes nobody can tell; what belongs to another user is not ours.
fn end_strays(run: Uuid) {
    let mark = format!("{RUN_ID}={run}");
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    for process in processes {
        let pid = process.file_name().to_str().and_then(|name| name.parse().ok());
        let Some(pid) = pid.and_then(Pid::from_raw) else { continue };
        let environment = std::fs::read(process.path().join("environ")).unwrap_or_default();
        if environment.split(|byte| *byte == 0).any(|variable| variable == mark.as_bytes())
            && let Err(error) = kill_process(pid, Signal::KILL)
            && error != rustix::io::Errno::SRCH
        {
            tracing::warn!(%error, "failed to kill what has left a process group");
        }
    }
}

impl Drop for Group<'_> {
    fn drop(&mut self) {
        self.end();
    }
}

/// Something of the group runs still. What has ended may be there for long: whoever is the first process of the machine, or of
/// its container, may be slow to take note of orphans, or never do so.
fn is_alive(group: Pid) -> bool {
    test_kill_process_group(group).is_ok()
        // Without this file system nobody can tell.
        && std::fs::read_dir("/proc").map_or(true, |processes| {
            let stats = processes.flatten().filter_map(|process| {
                process.file_name().to_str()?.parse::<u32>().ok()?;
                std::fs::read_to_string(process.path().join("stat")).ok()
            });
            stats.into_iter().any(|stat| runs_in(&stat, group))
        })
}

/// Of `/proc/PID/stat`, as proc(5) has it: the name in parentheses, the state, the parent, the group.
fn runs_in(stat: &str, group: Pid) -> bool {
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
    let mut fields = fields.split_whitespace();
    let state = fields.next().unwrap_or_default();
    let of = fields.nth(1).and_then(|of| of.parse::<i32>().ok());
    of == Some(group.as_raw_nonzero().get()) && !matches!(state, "Z" | "X")
}

/// Asks the group to end when the attempt is to stop, and kills it when it does not.
pub async fn stopping(group: &Group<'_>, stop: &CancellationToken) {
    stop.cancelled().await;
    group.signal(Signal::TERM);
    tokio::time::sleep(GRACE).await;
    group.signal(Signal::KILL);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_ended_does_not_run_although_nobody_has_taken_note() {
        let group = Pid::from_raw(70).expect("it is none of 0");
        assert!(runs_in("71 (a) b) S 1 70 70 0 -1", group));
        assert!(!runs_in("71 (sh) Z 1 70 70 0 -1", group));
        assert!(!runs_in("71 (sh) S 1 71 70 0 -1", group));
        assert!(!runs_in("", group));
    }
}
