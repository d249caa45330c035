//! Random kills under load, and the count of what was lost or done twice.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use cliente::{Client, ClientConfig, TaskSpec};
use common::auth::{Credentials, DEMO_TOKEN, DEMO_USER};
use common::proto::{TaskState, TaskUpdate};
use futures::StreamExt as _;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use crate::audit;
use crate::cluster::{Cluster, Layout};

const WORKERS: usize = 3;
/// A round's kill comes within this time after its batch.
const LATEST_KILL_MS: u64 = 60;
/// At the end everything runs again, and all must be finished by then.
const SETTLE: Duration = Duration::from_secs(120);

/// What to do.
#[derive(Clone, Debug)]
pub struct Options {
    pub rounds: u32,
    pub seed: u64,
    /// Echo tasks in one submission.
    pub batch: usize,
    pub dir: PathBuf,
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub struct Verdict {
    pub seed: u64,
    pub rounds: u32,
    pub submitted: usize,
    pub acknowledged: usize,
    /// Acknowledged, and not there or not finished in the end.
    pub lost: usize,
    /// Finished with more than one recorded outcome.
    pub duplicated: usize,
    /// Finished in another state or with another result than expected.
    pub wrong: usize,
    /// Attempts that were lost with their worker.
    pub requeued: u64,
    pub kills: HashMap<&'static str, u32>,
    pub epochs_monotone: bool,
    pub seconds: f64,
}

impl Verdict {
    /// Nothing is wrong.
    pub fn is_clean(&self) -> bool {
        self.lost == 0 && self.duplicated == 0 && self.wrong == 0 && self.epochs_monotone
    }
}

/// Who is killed in a round.
#[derive(Clone, Copy, Debug)]
enum Victim {
    Principal,
    Backup,
    Worker(usize),
}

/// Runs all rounds, lets everything finish, stops the cluster and reads its journals.
///
/// # Errors
/// The harness itself failed; what the platform does wrong is in the verdict.
pub fn run(options: &Options, say: impl Fn(&str)) -> anyhow::Result<Verdict> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let _entered = runtime.enter();
    let mut layout = Layout::new(&options.dir, WORKERS)?;
    layout.worker_args = vec!["--slots".into(), "8".into()];
    let client = client(&layout)?;
    let mut chaos = Chaos {
        cluster: Cluster::new(layout),
        random: StdRng::seed_from_u64(options.seed),
        verdict: Verdict { seed: options.seed, rounds: options.rounds, ..Verdict::default() },
        acknowledged: HashMap::new(),
    };
    let began = Instant::now();
    chaos.cluster.start()?;
    for round in 1..=options.rounds {
        let victim = chaos.round(options.batch, &client, &runtime)?;
        say(&format!(
            "round {round}/{}: killed {victim:?}, {} acknowledged so far",
            options.rounds, chaos.verdict.acknowledged
        ));
    }
    chaos.restart_all()?;
    runtime.block_on(chaos.settle(&client))?;
    chaos.stop_and_audit()?;
    chaos.verdict.seconds = began.elapsed().as_secs_f64();
    Ok(chaos.verdict)
}

/// A client of the demo user.
///
/// # Errors
/// An address is wrong.
pub fn client(layout: &Layout) -> anyhow::Result<Client> {
    let endpoints = layout
        .orchestrators()
        .iter()
        .map(|address| address.parse())
        .collect::<Result<Vec<_>, _>>()?;
    let credentials = Credentials::new(DEMO_USER, DEMO_TOKEN)?;
    Ok(Client::new(ClientConfig {
        timeout: Duration::from_secs(10),
        ..ClientConfig::new(endpoints, credentials)
    }))
}

struct Chaos {
    cluster: Cluster,
    random: StdRng,
    verdict: Verdict,
    /// The payload of each acknowledged task, which its result must equal.
    acknowledged: HashMap<String, Vec<u8>>,
}

impl Chaos {
    /// One batch with a kill at a random moment of it; who was dead before returns first, or not.
    fn round(
        &mut self,
        batch: usize,
        client: &Client,
        runtime: &tokio::runtime::Runtime,
    ) -> anyhow::Result<Victim> {
        self.revive_some()?;
        let specs: Vec<TaskSpec> = (0..batch)
            .map(|nth| {
                TaskSpec::new("echo", format!("{}-{nth}", self.random.random::<u64>()).into_bytes())
            })
            .collect();
        self.verdict.submitted += specs.len();
        let payloads: Vec<_> =
            specs.iter().map(|s| (s.task_id.clone(), s.payload.clone())).collect();
        let submission = runtime.spawn({
            let client = client.clone();
            async move { client.submit_many(specs, false).await }
        });
        std::thread::sleep(Duration::from_millis(self.random.random_range(0..LATEST_KILL_MS)));
        let victim = self.kill_one()?;
        if !self.an_orchestrator_may_serve() {
            self.restart_orchestrators()?;
        }
        // A submission that fails was not acknowledged: it may or may not have happened.
        if runtime.block_on(submission)?.is_ok() {
            self.verdict.acknowledged += payloads.len();
            self.acknowledged.extend(payloads);
        }
        Ok(victim)
    }

    fn kill_one(&mut self) -> anyhow::Result<Victim> {
        let victim = match self.random.random_range(0..2 + WORKERS) {
            0 => Victim::Principal,
            1 => Victim::Backup,
            nth => Victim::Worker(nth - 2),
        };
        let (process, name) = match victim {
            Victim::Principal => (self.cluster.principal.take(), "orquestrador"),
            Victim::Backup => (self.cluster.backup.take(), "orquestrador-backup"),
            Victim::Worker(nth) => (self.cluster.workers[nth].take(), "worker"),
        };
        if let Some(mut process) = process {
            process.kill()?;
            *self.verdict.kills.entry(name).or_default() += 1;
        }
        Ok(victim)
    }

    fn an_orchestrator_may_serve(&self) -> bool {
        self.cluster.principal.is_some() || self.cluster.backup.is_some()
    }

    /// Each dead process comes back with even chance.
    fn revive_some(&mut self) -> anyhow::Result<()> {
        if self.cluster.principal.is_none() && self.random.random() {
            self.cluster.start_principal()?;
        }
        if self.cluster.backup.is_none() && self.random.random() {
            self.cluster.start_backup()?;
        }
        for nth in 0..WORKERS {
            if self.cluster.workers[nth].is_none() && self.random.random() {
                self.cluster.start_worker(nth)?;
            }
        }
        Ok(())
    }

    fn restart_orchestrators(&mut self) -> anyhow::Result<()> {
        if self.cluster.principal.is_none() {
            self.cluster.start_principal()?;
        }
        if self.cluster.backup.is_none() {
            self.cluster.start_backup()?;
        }
        Ok(())
    }

    fn restart_all(&mut self) -> anyhow::Result<()> {
        self.restart_orchestrators()?;
        for nth in 0..WORKERS {
            if self.cluster.workers[nth].is_none() {
                self.cluster.start_worker(nth)?;
            }
        }
        Ok(())
    }

    /// Waits until every acknowledged task is finished, and compares its result.
    async fn settle(&mut self, client: &Client) -> anyhow::Result<()> {
        let ids: Vec<String> = self.acknowledged.keys().cloned().collect();
        let mut updates = std::pin::pin!(client.wait_many(ids, true));
        let mut open = self.acknowledged.clone();
        let deadline = tokio::time::Instant::now() + SETTLE;
        while !open.is_empty() {
            match tokio::time::timeout_at(deadline, updates.next()).await {
                Ok(Some(Ok(update))) => self.check(&mut open, &update),
                Ok(Some(Err(error))) => anyhow::bail!("failed to wait: {error}"),
                Ok(None) | Err(_) => break,
            }
        }
        self.verdict.lost += open.len();
        Ok(())
    }

    fn check(&mut self, open: &mut HashMap<String, Vec<u8>>, update: &TaskUpdate) {
        let Some(task) = &update.task else { return };
        if update.not_found {
            return;
        }
        if let Some(payload) = open.remove(&task.task_id)
            && (task.state() != TaskState::Succeeded || update.result != payload)
        {
            self.verdict.wrong += 1;
        }
    }

    fn stop_and_audit(&mut self) -> anyhow::Result<()> {
        let layout = self.cluster.layout.clone();
        for process in
            [self.cluster.principal.take(), self.cluster.backup.take()].into_iter().flatten()
        {
            drop(process);
        }
        self.verdict.epochs_monotone = true;
        for port in [layout.principal_port, layout.backup_port] {
            let audit = audit::read(&layout.data_dir(port)).context("failed to audit")?;
            self.verdict.duplicated = self.verdict.duplicated.max(audit.duplicated());
            self.verdict.requeued = self.verdict.requeued.max(audit.requeued);
            self.verdict.epochs_monotone &= audit.epochs_monotone;
        }
        Ok(())
    }
}
