//! A cluster that works while strangers call it: an honest worker, an honest user, and who keeps order.

use std::path::Path;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use cliente::{Client, ClientConfig, NewLimits, QueueChange, QuotaChange, TaskSpec};
use common::auth::{Credentials, DEMO_TOKEN, DEMO_USER};
use common::endpoint::Endpoint;
use common::proto::{Role, TaskState};
use harness::{Cluster, Layout, Process};

use crate::memory::Memory;
use crate::words;

/// Of every user of the rig; not a word that is said at random.
pub const TOKEN: &str = "of-the-rig-0123456789";
/// The queue of the honest user.
const QUEUE: &str = "honest";
/// Resident bytes of a node that bounds what it holds, with the limits below: a quarter of it is what tasks may take.
const MOST_RESIDENT: u64 = 1 << 30;
const LIMITS: [&str; 12] = [
    "--max-active-tasks",
    "20000",
    "--max-active-bytes",
    "128MiB",
    "--max-finished-tasks",
    "5000",
    "--max-finished-bytes",
    "64MiB",
    "--max-blob-bytes",
    "256MiB",
    "--blob-grace-ms",
    "30000",
];

/// The running cluster.
pub struct Rig {
    cluster: Cluster,
    runtime: tokio::runtime::Runtime,
    keeper: Client,
    honest: Client,
    /// The id of the cluster.
    pub cluster_id: [u8; 16],
    panics: Arc<Mutex<Vec<String>>>,
    /// Looks so far.
    looks: u64,
    /// Of principal, standby and worker.
    memory: [Memory; 3],
}

impl Rig {
    /// Starts everything below `dir`.
    ///
    /// # Errors
    /// Something did not start.
    pub fn start(dir: &Path) -> anyhow::Result<Self> {
        let mut layout = Layout::new(dir, 1)?;
        layout.orchestrator_args = LIMITS.map(str::to_owned).to_vec();
        layout.worker_args =
            ["--handlers", "echo", "--labels", "kind=honest"].map(str::to_owned).to_vec();
        let panics: Arc<Mutex<Vec<String>>> = Arc::default();
        let heard = panics.clone();
        let mut cluster = Cluster::new(layout).on_line(move |name, line| {
            if line.contains("panicked at") || line.contains("overflowed its stack") {
                let mut heard = heard.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                heard.push(format!("{name}: {line}"));
            }
        });
        cluster.start()?;
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let addresses = cluster.layout.orchestrators().into_iter();
        let endpoints =
            addresses.map(|address| address.parse::<Endpoint>()).collect::<Result<Vec<_>, _>>()?;
        let client = |user: &str, token: &str| {
            let config = ClientConfig::new(endpoints.clone(), Credentials::new(user, token)?);
            anyhow::Ok(Client::new(config))
        };
        let _guard = runtime.enter();
        let (first, keeper) = (client(DEMO_USER, DEMO_TOKEN)?, client("keeper", TOKEN)?);
        let honest = client("honest", TOKEN)?;
        let told = runtime.block_on(async {
            first.add_user("keeper", TOKEN, Role::Admin).await?;
            keeper.add_user("honest", TOKEN, Role::Submitter).await?;
            keeper.cluster().await
        })?;
        let id = uuid::Uuid::parse_str(&told.cluster_id)?;
        drop(_guard);
        let mut rig = Self {
            cluster,
            runtime,
            keeper,
            honest,
            cluster_id: id.into_bytes(),
            panics,
            looks: 0,
            memory: Default::default(),
        };
        rig.check()?;
        Ok(rig)
    }

    pub fn runtime(&self) -> &tokio::runtime::Runtime {
        &self.runtime
    }

    /// Of principal, standby and worker.
    pub fn ports(&self) -> [u16; 3] {
        let layout = &self.cluster.layout;
        [layout.principal_port, layout.backup_port, layout.worker_ports[0]]
    }

    /// Users as they were.
    fn keep_users(&self) -> anyhow::Result<()> {
        let roles = [Role::Admin, Role::Submitter, Role::Viewer];
        let limits = NewLimits {
            max_active: Some(4_000),
            max_bytes: Some(24 << 20),
            max_running: Some(2),
            submit_rate: Some(0),
        };
        self.runtime.block_on(async {
            for (user, role) in words::USERS.into_iter().zip(roles) {
                self.keeper.add_user(user, TOKEN, role).await?;
                self.keeper.set_quota(Some(user), QuotaChange::Set(limits)).await?;
            }
            Ok(())
        })
    }

    /// Limits and queues as they were: administrators among the strangers may have changed them.
    fn keep_order(&self) -> anyhow::Result<()> {
        self.runtime.block_on(async {
            let free = NewLimits {
                max_active: Some(0),
                max_bytes: Some(0),
                max_running: Some(0),
                submit_rate: Some(0),
            };
            self.keeper.set_quota(Some("honest"), QuotaChange::Set(free)).await?;
            self.keeper.set_quota(None, QuotaChange::Clear).await?;
            for queue in self.keeper.queues().await? {
                if queue.name != QUEUE && queue.queued > 1_000 {
                    self.keeper.purge_queue(&queue.name).await?;
                }
            }
            let open =
                QueueChange { weight: Some(1_000), max_running: Some(0), paused: Some(false) };
            self.keeper.change_queue(QUEUE, open).await?;
            Ok(())
        })
    }

    /// Of principal, standby and worker: resident, and at most so far.
    pub fn memory(&self) -> String {
        let each = self.memory.iter().map(|m| format!("{}/{}", m.resident >> 20, m.most >> 20));
        each.collect::<Vec<_>>().join(" ") + " MiB"
    }

    /// After a batch: nobody has panicked or ended, memory is bounded, and an honest task is done.
    ///
    /// # Errors
    /// What is not as it must be.
    pub fn check(&mut self) -> anyhow::Result<()> {
        self.alive()?;
        // Tokens that have changed cost all who use them some time.
        if self.looks.is_multiple_of(3) {
            self.keep_users().context("the users could not be kept")?;
        }
        self.looks += 1;
        self.keep_order().context("order could not be kept")?;
        self.serves().context("the honest user was not served")?;
        self.alive()
    }

    fn alive(&mut self) -> anyhow::Result<()> {
        let heard = std::mem::take(
            &mut *self.panics.lock().unwrap_or_else(std::sync::PoisonError::into_inner),
        );
        ensure!(heard.is_empty(), "panics: {heard:#?}");
        let Cluster { principal, backup, workers, .. } = &mut self.cluster;
        let all = [principal.as_mut(), backup.as_mut(), workers[0].as_mut()];
        for (memory, process) in self.memory.iter_mut().zip(all) {
            let process: &mut Process = process.context("does not run")?;
            if !process.is_running() {
                let lines = process.lines();
                bail!(
                    "{} has ended: {:#?}",
                    process.name(),
                    &lines[lines.len().saturating_sub(5)..]
                );
            }
            *memory = Memory::of(&process.id().to_string())?;
            ensure!(memory.most <= MOST_RESIDENT, "{} holds {} bytes", process.name(), memory.most);
        }
        Ok(())
    }

    /// A task is submitted, done by the honest worker, and its result is what was asked for.
    fn serves(&self) -> anyhow::Result<()> {
        self.runtime.block_on(async {
            let mut spec = TaskSpec::new("echo", b"honest".to_vec());
            spec.place.queue = QUEUE.to_owned();
            spec.needs.labels = [("kind".to_owned(), "honest".to_owned())].into();
            let id = spec.task_id.clone();
            self.honest.submit(spec, false).await?;
            let finished = async {
                loop {
                    let (task, _) = self.honest.task(&id).await?;
                    if cliente::is_final(task.state()) {
                        return anyhow::Ok(task);
                    }
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            };
            let task = tokio::time::timeout(Duration::from_secs(60), finished).await??;
            ensure!(task.state() == TaskState::Succeeded, "the honest task: {task:?}");
            let (_, result, _) = self.honest.result(&id).await?;
            ensure!(result == b"honest", "the honest result: {result:?}");
            Ok(())
        })
    }
}
