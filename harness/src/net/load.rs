//! Who keeps asking while the links are cut: a client in a submit loop, and on each orchestrator's own
//! machine somebody who asks that one alone.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use cliente::{Client, TaskFilter, TaskSpec};
use common::auth::Credentials;
use common::proto::task_orchestrator_client::TaskOrchestratorClient;
use common::proto::{Durability, ListTasksRequest, Receipt, SubmitTaskRequest};
use tonic::Request;
use tonic::transport::Channel;

use super::cluster::{self, PATIENCE, SpreadCluster};
use super::cut::Host;
use super::history::{Answer, History, Kind, Source};

/// Between two submissions of the client, so that several clusters fit one machine.
const USER_PACE: Duration = Duration::from_millis(5);
/// Between two questions on an orchestrator's machine.
const PROBE_PACE: Duration = Duration::from_millis(25);
/// After it nobody waits for an orchestrator on its own machine.
const PROBE_TIMEOUT: Duration = Duration::from_secs(1);

/// Some threads that ask until [`Load::stop`].
pub struct Load {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<anyhow::Result<()>>>,
}

#[derive(Default)]
struct Shared {
    history: Mutex<History>,
    grown: Condvar,
    stopping: AtomicBool,
    /// The client reads instead of submitting.
    quiet: AtomicBool,
}

/// A moment in the history.
#[derive(Clone, Copy, Debug)]
pub struct Mark {
    answers: usize,
    at: Instant,
}

impl Load {
    /// # Errors
    /// There are no threads to be had.
    pub fn start(on: &SpreadCluster) -> anyhow::Result<Self> {
        Self::start_with(on, true)
    }

    /// The same; on the orchestrators' machines nobody writes, so that no read waits for a write.
    ///
    /// # Errors
    /// There are no threads to be had.
    pub fn start_with_readers(on: &SpreadCluster) -> anyhow::Result<Self> {
        Self::start_with(on, false)
    }

    fn start_with(on: &SpreadCluster, probes_write: bool) -> anyhow::Result<Self> {
        let shared = Arc::new(Shared::default());
        let (endpoints, credentials) = (on.endpoints()?, cluster::credentials()?);
        let mut threads = vec![on.network().spawn(Host::User, {
            let shared = Arc::clone(&shared);
            || async move { user(&cluster::client(&endpoints)?, &shared).await }
        })?];
        for host in on.engine().orchestrators().iter().copied() {
            let (shared, credentials) = (Arc::clone(&shared), credentials.clone());
            threads.push(on.network().spawn(host, move || async move {
                Probe::new(host, credentials)?.ask(&shared, probes_write).await;
                Ok(())
            })?);
        }
        Ok(Self { shared, threads })
    }

    /// Now.
    pub fn mark(&self) -> Mark {
        let answers = self.shared.history().answers.len();
        Mark { answers, at: Instant::now() }
    }

    /// Waits for an answer to something asked after `mark`; gives it.
    ///
    /// # Errors
    /// There was none in time.
    pub fn wait_for(
        &self,
        mark: Mark,
        what: &str,
        is_wanted: impl Fn(&Answer) -> bool,
    ) -> anyhow::Result<Answer> {
        let deadline = Instant::now() + PATIENCE;
        let mut history = self.shared.history();
        loop {
            let new = history.answers.iter().skip(mark.answers);
            if let Some(answer) = new.filter(|a| a.began >= mark.at).find(|a| is_wanted(a)) {
                return Ok(answer.clone());
            }
            let Some(left) = deadline.checked_duration_since(Instant::now()) else {
                let since = history.answers.len() - mark.answers;
                bail!(
                    "no {what} came; {since} other answers, the last {:?}",
                    history.answers.last()
                );
            };
            let waited = self.shared.grown.wait_timeout(history, left);
            history = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Whether the client only reads from now on, so that nothing is written.
    pub fn be_quiet(&self, quiet: bool) {
        self.shared.quiet.store(quiet, Ordering::Relaxed);
    }

    /// The client gets an acknowledgement for something that it asked after `mark`.
    ///
    /// # Errors
    /// It did not.
    pub fn wait_served(&self, mark: Mark) -> anyhow::Result<Answer> {
        self.wait_for(mark, "acknowledgement", |answer| {
            answer.source == Source::User && answer.kind != Kind::Read
        })
    }

    /// The longest time, of those that overlap with this one, without an answer for the client.
    pub fn outage_during(&self, from: Instant, to: Instant) -> Duration {
        self.shared.history().outage_during(from, to)
    }

    /// Ends it and gives what was answered.
    ///
    /// # Errors
    /// One of the threads could not work.
    pub fn stop(mut self) -> anyhow::Result<History> {
        self.shared.stopping.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let Ok(done) = thread.join() else { bail!("a thread panicked") };
            done.context("a load ended")?;
        }
        Ok(self.shared.history().clone())
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::Relaxed);
    }
}

impl Shared {
    fn history(&self) -> std::sync::MutexGuard<'_, History> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn goes_on(&self) -> bool {
        !self.stopping.load(Ordering::Relaxed)
    }

    fn add(&self, source: Source, kind: Kind, receipt: &Receipt, began: Instant) {
        let replicated = receipt.durability() == Durability::Replicated;
        let (epoch, ended) = (receipt.epoch, Instant::now());
        self.history().answers.push(Answer { source, kind, epoch, replicated, began, ended });
        self.grown.notify_all();
    }
}

/// Whether that orchestrator answers somebody on its own machine as a principal does, be it a read or a
/// submission.
///
/// # Errors
/// There is no thread to be had.
pub fn answers(on: &SpreadCluster, host: Host) -> anyhow::Result<bool> {
    let credentials = cluster::credentials()?;
    on.network().run(host, move || async move {
        let mut probe = Probe::new(host, credentials)?;
        // The read comes first: what is read waits for what was written before.
        Ok(probe.read().await.is_some() || probe.submit(task()).await.is_some())
    })
}

fn task() -> TaskSpec {
    TaskSpec::new("echo", b"x".to_vec())
}

async fn user(client: &Client, shared: &Shared) -> anyhow::Result<()> {
    while shared.goes_on() {
        let (task, began) = (task(), Instant::now());
        let id = task.task_id.clone();
        let answered = if shared.quiet.load(Ordering::Relaxed) {
            client
                .list(&TaskFilter::default(), 1, "")
                .await
                .map(|(_, _, receipt)| (Kind::Read, receipt))
        } else {
            client.submit(task, true).await.map(|s| (Kind::Submit(id), s.receipt))
        };
        match answered {
            Ok((kind, receipt)) => shared.add(Source::User, kind, &receipt, began),
            Err(error) => tracing::debug!(%error, "not answered"),
        }
        tokio::time::sleep(USER_PACE).await;
    }
    Ok(())
}

/// Asks one orchestrator, on its own machine.
struct Probe {
    host: Host,
    client: TaskOrchestratorClient<Channel>,
    credentials: Credentials,
}

impl Probe {
    fn new(host: Host, credentials: Credentials) -> anyhow::Result<Self> {
        let client = TaskOrchestratorClient::new(cluster::endpoint(host)?.channel());
        Ok(Self { host, client, credentials })
    }

    async fn ask(&mut self, shared: &Shared, writes: bool) {
        let source = Source::At(self.host);
        while shared.goes_on() {
            let (task, began) = (task(), Instant::now());
            let id = task.task_id.clone();
            if writes && let Some(receipt) = self.submit(task).await {
                shared.add(source, Kind::Submit(id), &receipt, began);
            }
            let began = Instant::now();
            if let Some(receipt) = self.read().await {
                shared.add(source, Kind::Read, &receipt, began);
            }
            tokio::time::sleep(PROBE_PACE).await;
        }
    }

    /// `None`: it was refused, or not answered in time.
    async fn submit(&mut self, task: TaskSpec) -> Option<Receipt> {
        let task = Some(task.into());
        let request = self.request(SubmitTaskRequest { task, allow_unknown_handler: true });
        let answered = self.client.submit_task(request);
        tokio::time::timeout(PROBE_TIMEOUT, answered).await.ok()?.ok()?.into_inner().receipt
    }

    async fn read(&mut self) -> Option<Receipt> {
        let request = self.request(ListTasksRequest { page_size: 1, ..Default::default() });
        let answered = self.client.list_tasks(request);
        tokio::time::timeout(PROBE_TIMEOUT, answered).await.ok()?.ok()?.into_inner().receipt
    }

    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        self.credentials.attach(request.metadata_mut());
        request
    }
}
