//! What the orchestrators of a spread cluster say of themselves, and waiting until they say what they should.

use std::time::{Duration, Instant};

use anyhow::bail;
use common::proto::ExplainClusterResponse;

use super::cluster::{PATIENCE, SpreadCluster, client};
use super::cut::{Engine, Host, WORKERS};

const POLL: Duration = Duration::from_millis(50);

impl SpreadCluster {
    /// How each orchestrator that answers the client's machine sees the cluster.
    ///
    /// # Errors
    /// There is no thread to be had.
    pub fn explain(&self) -> anyhow::Result<Vec<ExplainClusterResponse>> {
        let endpoints = self.endpoints()?;
        self.network().run(Host::User, || async move {
            let client = client(&endpoints)?;
            let mut answers = Vec::new();
            for endpoint in &endpoints {
                answers.extend(client.explain_at(endpoint).await.ok());
            }
            Ok(answers)
        })
    }

    /// Where the principal is; `None` when nobody says so.
    ///
    /// # Errors
    /// There is no thread to be had.
    pub fn serving(&self) -> anyhow::Result<Option<Host>> {
        let nodes = self.explain()?;
        let principals = nodes.iter().filter(|node| node.standing == "PRINCIPAL");
        let newest = principals.max_by_key(|node| node.view.as_ref().map(|view| view.number));
        let is_at = |host: &Host| {
            newest.is_some_and(|node| node.address.contains(&host.address().to_string()))
        };
        Ok(self.engine().orchestrators().iter().copied().find(is_at))
    }

    /// Waits until all orchestrators say what `is_wanted`.
    ///
    /// # Errors
    /// It did not come to that; the error says what they said last.
    pub fn wait_until(
        &self,
        what: &str,
        is_wanted: impl Fn(&[ExplainClusterResponse]) -> bool,
    ) -> anyhow::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let answers = self.explain()?;
            if answers.len() == self.engine().orchestrators().len() && is_wanted(&answers) {
                return Ok(());
            }
            if Instant::now() >= deadline {
                bail!("it did not come to {what}:\n{}", self.condition());
            }
            std::thread::sleep(POLL);
        }
    }

    /// What the orchestrators say of themselves, and what they printed.
    pub fn condition(&self) -> String {
        let mut text = match self.explain() {
            Ok(nodes) => nodes.iter().map(in_a_line).collect(),
            Err(error) => format!("{error:#}\n"),
        };
        for process in [&self.principal, &self.backup, &self.third].into_iter().flatten() {
            text.push_str(&format!("{}:\n{}\n", process.name(), process.lines().join("\n")));
        }
        text
    }

    /// Waits until there are a principal and standbys in sync, and in a pair all workers are their witnesses.
    ///
    /// # Errors
    /// It did not come to that.
    pub fn wait_whole(&self) -> anyhow::Result<()> {
        let stand = |nodes: &[ExplainClusterResponse]| {
            let stands = |standing: &str| nodes.iter().filter(|n| n.standing == standing).count();
            stands("PRINCIPAL") == 1 && stands("STANDBY") == nodes.len() - 1
        };
        match self.engine() {
            Engine::Pair => self.wait_until("a pair with witnesses", |nodes| {
                let witnessed = |node: &ExplainClusterResponse| {
                    node.failover == "BY_WITNESSES" && node.witnesses.len() == usize::from(WORKERS)
                };
                stand(nodes) && nodes.iter().all(witnessed)
            }),
            Engine::Etcd => self.wait_until("a principal and standbys by etcd", |nodes| {
                stand(nodes) && nodes.iter().all(|node| node.failover == "BY_ENGINE")
            }),
        }
    }
}

fn in_a_line(node: &ExplainClusterResponse) -> String {
    let (number, epoch, replicas) =
        node.view.as_ref().map_or((0, 0, 0), |view| (view.number, view.epoch, view.replicas.len()));
    let alive = node.witnesses.iter().filter(|witness| witness.alive).count();
    format!(
        "{}: {}, {}; view {number}, epoch {epoch}, {replicas} replicas, {alive} of {} witnesses alive\n",
        node.address,
        node.standing,
        node.failover,
        node.witnesses.len()
    )
}
