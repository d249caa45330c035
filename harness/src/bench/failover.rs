//! What a client in a tight loop of submissions sees of a failover: its longest wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use cliente::{Client, TaskSpec};
use rustix::process::Signal;

use super::figures::Runs;
use crate::chaos;
use crate::cluster::{Cluster, Layout};
use crate::process::Process;

/// Three workers are witnesses, as in the guide.
const WORKERS: usize = 3;
/// The load before the accident, and after it at least.
const LOAD: Duration = Duration::from_millis(300);
/// A load that sees no acknowledgement for so long is broken.
const TOO_LONG: Duration = Duration::from_secs(30);

/// How the office changes hands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accident {
    /// `kill -9`.
    Kill,
    /// SIGSTOP: nothing breaks, nothing is heard any more.
    Stop,
    /// `cliente cluster switchover`.
    Switchover,
}

/// So many of each kind, one after the other, on one cluster.
///
/// # Errors
/// See [`Rehearsal::run`].
pub async fn all(
    dir: &std::path::Path,
    count: usize,
    say: &dyn Fn(&str),
    runs: &mut Runs,
) -> anyhow::Result<()> {
    let dir = tempfile::tempdir_in(dir)?;
    let mut rehearsal = Rehearsal::new(dir.path())?;
    for (accident, figure) in [
        (Accident::Kill, "failover_kill"),
        (Accident::Stop, "failover_silence"),
        (Accident::Switchover, "switchover"),
    ] {
        for nth in 1..=count {
            say(&format!("  {accident:?} {nth}/{count}"));
            runs.lower(figure, "ms", rehearsal.run(accident).await?);
        }
    }
    Ok(())
}

/// A cluster with witnesses, and the client that suffers.
pub struct Rehearsal {
    cluster: Cluster,
    client: Client,
}

impl Rehearsal {
    /// # Errors
    /// The cluster could not be started.
    pub fn new(dir: &std::path::Path) -> anyhow::Result<Self> {
        Self::with(Layout::new(dir, WORKERS)?)
    }

    /// On an engine; `None`: as a pair.
    ///
    /// # Errors
    /// The cluster could not be started.
    pub fn on(dir: &std::path::Path, engine: Option<String>) -> anyhow::Result<Self> {
        Self::with(Layout { engine, ..Layout::new(dir, WORKERS)? })
    }

    fn with(layout: Layout) -> anyhow::Result<Self> {
        let client = chaos::rounds::client(&layout)?;
        let mut cluster = Cluster::new(layout);
        cluster.start()?;
        Ok(Self { cluster, client })
    }

    /// The longest wait for an acknowledgement, in milliseconds. Every acknowledged task is looked up
    /// afterwards.
    ///
    /// # Errors
    /// A submission failed, an acknowledged task is lost, or the pair did not come back.
    pub async fn run(&mut self, accident: Accident) -> anyhow::Result<f64> {
        self.wait_until_safe().await?;
        let ends = Arc::new(AtomicBool::new(false));
        let load = tokio::spawn(load(self.client.clone(), ends.clone()));
        tokio::time::sleep(LOAD).await;
        let before = self.client.cluster().await?;
        match accident {
            Accident::Kill => self.principal(&before.principal)?.kill()?,
            Accident::Stop => self.principal(&before.principal)?.signal(Signal::STOP)?,
            Accident::Switchover => drop(self.client.switchover().await?),
        }
        self.wait_for_epoch_after(before.epoch).await?;
        tokio::time::sleep(LOAD).await;
        ends.store(true, Ordering::Relaxed);
        let (longest, acknowledged) = load.await??;
        for id in &acknowledged {
            let found = self.client.task(id).await;
            found.with_context(|| format!("the acknowledged task {id} is lost"))?;
        }
        match accident {
            Accident::Kill => self.restart(&before.principal)?,
            Accident::Stop => self.principal(&before.principal)?.signal(Signal::CONT)?,
            Accident::Switchover => {}
        }
        Ok(longest.as_secs_f64() * 1e3)
    }

    fn is_first(&self, address: &str) -> bool {
        address.ends_with(&format!(":{}", self.cluster.layout.principal_port))
    }

    fn principal(&mut self, address: &str) -> anyhow::Result<&mut Process> {
        let first = self.is_first(address);
        let process = if first { &mut self.cluster.principal } else { &mut self.cluster.backup };
        process.as_mut().context("the principal runs")
    }

    fn restart(&mut self, address: &str) -> anyhow::Result<()> {
        if self.is_first(address) {
            self.cluster.start_principal()
        } else {
            self.cluster.start_backup()
        }
    }

    /// Until each of the two says how the other's death would be met.
    async fn wait_until_safe(&self) -> anyhow::Result<()> {
        let began = Instant::now();
        let way = if self.cluster.layout.engine.is_some() { "BY_ENGINE" } else { "BY_WITNESSES" };
        while began.elapsed() < TOO_LONG {
            let mut nodes = 0;
            for address in self.cluster.layout.orchestrators() {
                let explained = self.client.explain_at(&address.parse()?).await;
                nodes += usize::from(explained.is_ok_and(|e| e.failover == way));
            }
            if nodes == 2 {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        anyhow::bail!("the orchestrators did not come together")
    }

    async fn wait_for_epoch_after(&self, epoch: u64) -> anyhow::Result<()> {
        let began = Instant::now();
        while began.elapsed() < TOO_LONG {
            if self.client.cluster().await.is_ok_and(|cluster| cluster.epoch > epoch) {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        anyhow::bail!("nobody took over")
    }
}

/// Submits one task after another; gives the longest wait and what was acknowledged.
async fn load(client: Client, ends: Arc<AtomicBool>) -> anyhow::Result<(Duration, Vec<String>)> {
    let (mut longest, mut acknowledged) = (Duration::ZERO, Vec::new());
    while !ends.load(Ordering::Relaxed) {
        let began = Instant::now();
        let task = client.submit(TaskSpec::new("echo", b"load".to_vec()), false).await?.task;
        longest = longest.max(began.elapsed());
        acknowledged.push(task.task_id);
    }
    Ok((longest, acknowledged))
}
