//! A running pair with workers and a client, and what its processes use.

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use cliente::Client;

use crate::chaos;
use crate::cluster::{Cluster, Layout};
use crate::process::Process;

/// Every payload and result.
pub const PAYLOAD: &[u8; 64] = &[b'm'; 64];
/// Of the workers, where slots shall not be what limits.
pub const MANY_SLOTS: [&str; 2] = ["--slots", "1024"];

/// A new cluster in a directory of its own.
pub struct Rig {
    pub cluster: Cluster,
    pub client: Client,
    _dir: tempfile::TempDir,
}

impl Rig {
    /// Everything started and in sync. Below `dir`, whose file system is measured with it.
    ///
    /// # Errors
    /// A process did not start in time.
    pub fn start(dir: &Path, workers: usize, worker_args: &[&str]) -> anyhow::Result<Self> {
        Self::start_with(dir, workers, worker_args, &[])
    }

    /// The same on an engine; `None`: as a pair.
    ///
    /// # Errors
    /// A process did not start in time.
    pub fn start_on(
        dir: &Path,
        engine: Option<String>,
        workers: usize,
        worker_args: &[&str],
    ) -> anyhow::Result<Self> {
        Self::start_laid_out(dir, workers, worker_args, |layout| layout.engine = engine)
    }

    /// The same with more in the environment of both orchestrators.
    ///
    /// # Errors
    /// A process did not start in time.
    pub fn start_with(
        dir: &Path,
        workers: usize,
        worker_args: &[&str],
        environment: &[(&str, &str)],
    ) -> anyhow::Result<Self> {
        let owned = environment.iter().map(|(name, value)| ((*name).into(), (*value).into()));
        Self::start_laid_out(dir, workers, worker_args, |layout| {
            layout.orchestrator_environment = owned.collect();
        })
    }

    /// As the layout is after that.
    ///
    /// # Errors
    /// A process did not start in time.
    pub fn start_laid_out(
        dir: &Path,
        workers: usize,
        worker_args: &[&str],
        lay_out: impl FnOnce(&mut Layout),
    ) -> anyhow::Result<Self> {
        let dir = tempfile::tempdir_in(dir)?;
        let mut layout = Layout::new(dir.path(), workers)?;
        layout.worker_args = worker_args.iter().map(|arg| (*arg).to_owned()).collect();
        lay_out(&mut layout);
        let client = chaos::rounds::client(&layout)?;
        let mut cluster = Cluster::new(layout);
        cluster.start()?;
        Ok(Self { cluster, client, _dir: dir })
    }

    /// What each has used so far, this process as the client.
    ///
    /// # Errors
    /// A process has ended.
    pub fn usage(&self) -> anyhow::Result<Usage> {
        let of = |process: &Option<Process>| process.as_ref().map_or(Ok(Used::default()), used);
        let mut workers = Used::default();
        for worker in self.cluster.workers.iter().flatten() {
            let worker = used(worker)?;
            workers.cpu += worker.cpu;
            workers.resident += worker.resident;
        }
        Ok(Usage {
            principal: of(&self.cluster.principal)?,
            standby: of(&self.cluster.backup)?,
            workers,
            client: used_by("self")?,
        })
    }
}

/// Of one process, or of all workers together.
#[derive(Clone, Copy, Debug, Default)]
pub struct Used {
    /// On all cores, in user and kernel mode.
    pub cpu: Duration,
    /// Bytes.
    pub resident: u64,
}

#[derive(Clone, Copy, Debug)]
pub struct Usage {
    pub principal: Used,
    pub standby: Used,
    pub workers: Used,
    pub client: Used,
}

impl Usage {
    /// CPU microseconds for each of `count` since `before`, by process.
    pub fn cost(&self, before: &Self, count: usize) -> [(&'static str, f64); 4] {
        let each = |now: Used, then: Used| {
            now.cpu.saturating_sub(then.cpu).as_secs_f64() * 1e6 / count.max(1) as f64
        };
        [
            ("principal", each(self.principal, before.principal)),
            ("standby", each(self.standby, before.standby)),
            ("workers", each(self.workers, before.workers)),
            ("client", each(self.client, before.client)),
        ]
    }
}

fn used(process: &Process) -> anyhow::Result<Used> {
    used_by(&process.id().to_string())
        .with_context(|| format!("{} does not run any more", process.name()))
}

/// From `/proc/PID/stat`: fields 14 and 15 are clock ticks, field 24 is pages (proc(5)).
fn used_by(process: &str) -> anyhow::Result<Used> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    // The second field is the program's name in parentheses, and may contain anything.
    let (_, rest) = stat.rsplit_once(')').context("no process status")?;
    let fields: Vec<u64> = rest.split_whitespace().map(|f| f.parse().unwrap_or(0)).collect();
    let field = |number: usize| fields.get(number - 3).copied().unwrap_or(0);
    let ticks = rustix::param::clock_ticks_per_second();
    Ok(Used {
        cpu: Duration::from_secs_f64((field(14) + field(15)) as f64 / ticks as f64),
        resident: field(24) * rustix::param::page_size() as u64,
    })
}
