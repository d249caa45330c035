//! The process group of a program.

use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};
use tokio::process::Child;
use tokio_util::sync::CancellationToken;

use super::GRACE;
use crate::handlers::guardian::Guardian;

/// How often it is looked whether a group has ended.
const LOOK: Duration = Duration::from_millis(20);

/// Kills the whole group when the attempt ends, however it ends: nothing of it may go on.
pub struct Group<'a> {
    id: Option<Pid>,
    /// Does the same should this process be killed.
    guardian: &'a Guardian,
}

impl<'a> Group<'a> {
    pub fn of(child: &Child, guardian: &'a Guardian) -> Self {
        let id = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        if let Some(group) = id {
            guardian.guard(group);
        }
        Self { id, guardian }
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
        while self.id.is_some_and(|group| test_kill_process_group(group).is_ok()) {
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
}

impl Drop for Group<'_> {
    fn drop(&mut self) {
        self.end();
    }
}

/// Asks the group to end when the attempt is to stop, and kills it when it does not.
pub async fn stopping(group: &Group<'_>, stop: &CancellationToken) {
    stop.cancelled().await;
    group.signal(Signal::TERM);
    tokio::time::sleep(GRACE).await;
    group.signal(Signal::KILL);
}
