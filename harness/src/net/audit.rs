//! Whether a cluster that is whole again has all that it acknowledged.

use std::collections::BTreeSet;

use anyhow::ensure;
use cliente::{Client, Verdict};
use common::proto::TaskState;
use futures::StreamExt as _;

use super::cluster::{PATIENCE, SpreadCluster, client};
use super::cut::Host;
use super::history::History;

/// Tasks whose presence is asked for in one request.
const AUDITED_AT_ONCE: usize = 5_000;

impl SpreadCluster {
    /// With everything back: all acknowledged tasks are finished once and as they should, both journals are one
    /// chain and come to the same state, and nothing was answered that must not be.
    ///
    /// # Errors
    /// What is wrong.
    pub fn audit(&self, history: &History) -> anyhow::Result<()> {
        let violations = history.violations();
        ensure!(violations.is_empty(), "{}", violations.join("\n"));
        let tasks = history.acknowledged();
        ensure!(!tasks.is_empty(), "nothing was acknowledged");
        let endpoints = self.endpoints()?;
        self.network().run(Host::User, || async move {
            let client = client(&endpoints)?;
            finished(&client, tasks.clone()).await?;
            for some in tasks.chunks(AUDITED_AT_ONCE) {
                let audit = client.audit(some).await?;
                ensure!(audit.verdict() == Verdict::Proven, "{audit:#?}");
            }
            Ok(())
        })
    }
}

async fn finished(client: &Client, tasks: Vec<String>) -> anyhow::Result<()> {
    let mut open: BTreeSet<_> = tasks.iter().cloned().collect();
    let deadline = tokio::time::Instant::now() + PATIENCE;
    let mut updates = std::pin::pin!(client.wait_many(tasks, false));
    while let Ok(Some(update)) = tokio::time::timeout_at(deadline, updates.next()).await {
        let update = update?;
        let Some(task) = update.task.as_ref().filter(|_| !update.not_found) else { continue };
        ensure!(task.state() == TaskState::Succeeded, "it did not succeed: {task:?}");
        open.remove(&task.task_id);
    }
    ensure!(open.is_empty(), "acknowledged and lost or not finished: {open:?}");
    Ok(())
}
