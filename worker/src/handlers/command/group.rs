//! The process group of a program.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
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
    /// What the program and all that it started have in their environment, unless somebody cleaned it.
    run: Uuid,
    /// What came of the program, as far as it was looked for.
    family: Mutex<BTreeSet<Member>>,
    /// Does the same should this process be killed.
    guardian: &'a Guardian,
}

impl<'a> Group<'a> {
    pub fn of(child: &Child, run: Uuid, guardian: &'a Guardian) -> Self {
        let id = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        if let Some(group) = id {
            guardian.guard(group, run);
        }
        Self { id, run, family: Mutex::default(), guardian }
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

    /// Takes note of the descendants of the program: some may be in other groups, with another environment.
    fn look_for_family(&self) {
        let Some(leader) = self.id else { return };
        let family = family_of(leader.as_raw_nonzero().get());
        self.family.lock().unwrap_or_else(PoisonError::into_inner).extend(family);
    }

    fn family(&self) -> BTreeSet<Member> {
        self.family.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Kills what has left the group. Of a program that was to be stopped nothing may go on; one that ended by itself
    /// may have left a daemon behind on purpose.
    pub async fn end_strays(&self) {
        let (run, family) = (self.run, self.family());
        if let Err(error) = tokio::task::spawn_blocking(move || end_strays(run, &family)).await {
            tracing::warn!(%error, "failed to look for what has left a process group");
        }
    }
}

/// A process, which no other one of the same number is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Member {
    pid: i32,
    /// When it began, in ticks of the system.
    began: u64,
}

/// What `/proc/PID/stat` tells, as proc(5) has it.
#[derive(Debug, PartialEq, Eq)]
struct Process {
    member: Member,
    parent: i32,
    group: i32,
    has_ended: bool,
}

impl Process {
    fn read(stat: &str) -> Option<Self> {
        let (begin, fields) = stat.rsplit_once(')')?;
        let pid = begin.split(' ').next()?.parse().ok()?;
        let mut fields = fields.split_whitespace();
        let has_ended = matches!(fields.next()?, "Z" | "X");
        let (parent, group) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
        let began = fields.nth(16)?.parse().ok()?;
        Some(Self { member: Member { pid, began }, parent, group, has_ended })
    }

    fn runs_in(&self, group: i32) -> bool {
        self.group == group && !self.has_ended
    }
}

/// All that are there; `None` without their file system.
fn processes() -> Option<Vec<Process>> {
    let read = std::fs::read_dir("/proc").ok()?.flatten().filter_map(|process| {
        process.file_name().to_str()?.parse::<u32>().ok()?;
        Process::read(&std::fs::read_to_string(process.path().join("stat")).ok()?)
    });
    Some(read.collect())
}

/// The descendants of the process.
fn family_of(leader: i32) -> BTreeSet<Member> {
    let all = processes().unwrap_or_default();
    let mut family = BTreeSet::new();
    let mut parents = BTreeSet::from([leader]);
    loop {
        let is_new = |process: &&Process| {
            parents.contains(&process.parent) && !parents.contains(&process.member.pid)
        };
        let children: Vec<_> = all.iter().filter(is_new).map(|process| process.member).collect();
        if children.is_empty() {
            return family;
        }
        parents.extend(children.iter().map(|member| member.pid));
        family.extend(children);
    }
}

/// Without the file system of processes nobody can tell; what belongs to another user is not ours.
fn end_strays(run: Uuid, family: &BTreeSet<Member>) {
    let mark = format!("{RUN_ID}={run}");
    for Process { member, .. } in processes().unwrap_or_default() {
        let environment = format!("/proc/{}/environ", member.pid);
        let is_marked = || {
            let environment = std::fs::read(environment).unwrap_or_default();
            environment.split(|byte| *byte == 0).any(|variable| variable == mark.as_bytes())
        };
        if let Some(pid) = Pid::from_raw(member.pid)
            && (family.contains(&member) || is_marked())
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
    let id = group.as_raw_nonzero().get();
    test_kill_process_group(group).is_ok()
        // Without this file system nobody can tell.
        && processes().is_none_or(|all| all.iter().any(|process| process.runs_in(id)))
}

/// Asks the group to end when the attempt is to stop, and kills it when it does not.
pub async fn stopping(group: &Group<'_>, stop: &CancellationToken) {
    stop.cancelled().await;
    group.look_for_family();
    group.signal(Signal::TERM);
    tokio::time::sleep(GRACE).await;
    group.look_for_family();
    group.signal(Signal::KILL);
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAT: &str = "71 (a) b) S 1 70 70 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 12345 99 1";

    #[test]
    fn a_process_is_known_by_its_number_and_its_begin() {
        let member = Member { pid: 71, began: 12_345 };
        let expected = Process { member, parent: 1, group: 70, has_ended: false };
        assert_eq!(Process::read(STAT), Some(expected));
        assert_eq!(Process::read("71 (sh) S 1"), None);
        let own = i32::try_from(std::process::id()).expect("it is a number of a process");
        let all = processes().expect("there is such a file system");
        assert!(all.iter().any(|process| process.member.pid == own));
    }

    #[test]
    fn what_has_ended_does_not_run_although_nobody_has_taken_note() {
        let runs = |stat: &str| Process::read(stat).is_some_and(|process| process.runs_in(70));
        assert!(runs(STAT));
        assert!(!runs(&STAT.replace(") S ", ") Z ")));
        assert!(!runs(&STAT.replace("1 70", "1 71")));
    }
}
