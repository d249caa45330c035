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

/// Of `/proc/PID/stat`, as proc(5) has it: the process and its parent.
fn member(stat: &str) -> Option<(Member, i32)> {
    let (begin, fields) = stat.rsplit_once(')')?;
    let pid = begin.split(' ').next()?.parse().ok()?;
    let mut fields = fields.split_whitespace().skip(1);
    let parent = fields.next()?.parse().ok()?;
    let began = fields.nth(17)?.parse().ok()?;
    Some((Member { pid, began }, parent))
}

fn stats() -> Vec<(Member, i32)> {
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let stats = processes.filter_map(|process| {
        process.file_name().to_str()?.parse::<u32>().ok()?;
        member(&std::fs::read_to_string(process.path().join("stat")).ok()?)
    });
    stats.collect()
}

/// The descendants of the process.
fn family_of(leader: i32) -> BTreeSet<Member> {
    let all = stats();
    let mut family = BTreeSet::new();
    let mut parents = BTreeSet::from([leader]);
    loop {
        let is_new = |(member, parent): &&(Member, i32)| {
            parents.contains(parent) && !parents.contains(&member.pid)
        };
        let children: Vec<_> = all.iter().filter(is_new).map(|(member, _)| *member).collect();
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
    for (member, _) in stats() {
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
    group.look_for_family();
    group.signal(Signal::TERM);
    tokio::time::sleep(GRACE).await;
    group.look_for_family();
    group.signal(Signal::KILL);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_known_by_its_number_and_its_begin() {
        let stat = "71 (a) b) S 1 70 70 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 12345 99 1";
        assert_eq!(member(stat), Some((Member { pid: 71, began: 12_345 }, 1)));
        assert_eq!(member("71 (sh) S 1"), None);
        let own = i32::try_from(std::process::id()).expect("it is a number of a process");
        assert!(stats().iter().any(|(member, _)| member.pid == own));
    }

    #[test]
    fn what_has_ended_does_not_run_although_nobody_has_taken_note() {
        let group = Pid::from_raw(70).expect("it is none of 0");
        assert!(runs_in("71 (a) b) S 1 70 70 0 -1", group));
        assert!(!runs_in("71 (sh) Z 1 70 70 0 -1", group));
        assert!(!runs_in("71 (sh) S 1 71 70 0 -1", group));
        assert!(!runs_in("", group));
    }
}
