//! Several clients at once, each with a library of its own, that submit, look, list and cancel; every call is
//! recorded for the check of linearizability.
//!
//! Two of them sit on the orchestrators' own machines, which no cut silences: to them a principal that was cut off
//! would answer what is no longer true. For some seconds at a time they only look, because a look waits
//! for what was written before it.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context as _, bail};
use cliente::{Client, ClientConfig, Error, TaskFilter, TaskSpec};
use common::auth::Credentials;
use common::endpoint::Endpoint;
use common::error_code::ErrorCode;
use common::proto::Task;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use super::work::Work;
use crate::linearizability::{Answer, Asked, Call, Histories, Sight};
use crate::net::{Host, SpreadCluster};

/// Its tasks are the clients' alone, so that a list shows no others.
pub const USER: &str = "chaos";
pub const TOKEN: &str = "a-token-of-the-chaos";
const ON_THE_CLIENTS_MACHINE: std::ops::RangeInclusive<usize> = 3..=5;
/// After these times, in seconds, a call is given up; what came of it is not known.
const PATIENCE_S: [u64; 4] = [1, 3, 10, 30];
const PACE_MS: std::ops::Range<u64> = 10..60;
/// Questions are about one of so many tasks, the newest: each is asked about often.
const RECENT: usize = 12;
const PAGE: u32 = 10;
/// How long somebody beside an orchestrator only looks, or does everything.
const MOOD_MS: std::ops::Range<u64> = 1_000..6_000;
/// Of a hundred wishes those that change nothing.
const LOOKS: std::ops::Range<u32> = 40..90;
/// So many answers that nobody should get are told.
const TOLD: usize = 5;

/// What a client does next.
#[derive(Clone, Copy)]
enum Wish {
    SubmitNew,
    SubmitAgain,
    Status,
    Result,
    List,
    Cancel,
}

impl Wish {
    /// `among`: of a hundred.
    fn any(random: &mut StdRng, among: std::ops::Range<u32>) -> Self {
        match random.random_range(among) {
            0..35 => Self::SubmitNew,
            35..40 => Self::SubmitAgain,
            40..62 => Self::Status,
            62..80 => Self::Result,
            80..90 => Self::List,
            90.. => Self::Cancel,
        }
    }
}

/// A task that somebody submits, or tried to.
#[derive(Debug)]
pub struct Submission {
    pub work: Work,
    pub spec: TaskSpec,
    pub acknowledged: AtomicBool,
    /// Somebody asked for it.
    pub cancelled: AtomicBool,
}

/// What the clients share.
#[derive(Default)]
struct Shared {
    /// Where tasks that run at most once note their start.
    starts: PathBuf,
    histories: Histories,
    /// Oldest first.
    submissions: Mutex<Vec<Arc<Submission>>>,
    /// Answers that nobody should get.
    refusals: Mutex<Vec<String>>,
    stopping: AtomicBool,
    /// Nobody writes.
    quiet: AtomicBool,
    /// Nobody beside an orchestrator writes.
    quiet_beside: AtomicBool,
}

/// The running clients.
pub struct Clients {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<anyhow::Result<()>>>,
}

/// What they leave.
pub struct Recorded {
    pub submissions: Vec<Arc<Submission>>,
    /// Answers that nobody should get.
    pub refusals: Vec<String>,
    pub histories: Histories,
}

impl Clients {
    /// # Errors
    /// There are no threads to be had.
    pub fn start(on: &SpreadCluster, random: &mut StdRng, starts: PathBuf) -> anyhow::Result<Self> {
        let shared = Arc::new(Shared { starts, ..Shared::default() });
        let orchestrators = on.engine().orchestrators();
        let all = on.endpoints()?;
        // Whoever is on an orchestrator's machine asks that one first.
        let beside = |host| {
            let own = orchestrators.iter().position(|one| *one == host).unwrap_or(0);
            let mut endpoints = all.clone();
            endpoints.rotate_left(own);
            endpoints
        };
        let count = random.random_range(ON_THE_CLIENTS_MACHINE);
        let hosts = std::iter::repeat_n(Host::User, count).chain(orchestrators.iter().copied());
        let mut threads = Vec::new();
        for (number, host) in hosts.enumerate() {
            let (endpoints, shared) = (beside(host), Arc::clone(&shared));
            let random = StdRng::seed_from_u64(random.random());
            threads.push(on.network().spawn(host, move || async move {
                OneClient::new(number, host, &endpoints, random, shared)?.work().await;
                Ok(())
            })?);
        }
        Ok(Self { shared, threads })
    }

    /// Whether everybody only looks from now on.
    pub fn be_quiet(&self, quiet: bool) {
        self.shared.quiet.store(quiet, Ordering::Relaxed);
    }

    /// The same of those beside the orchestrators.
    pub fn be_quiet_beside(&self, quiet: bool) {
        self.shared.quiet_beside.store(quiet, Ordering::Relaxed);
    }

    /// Ends them, each after its present call.
    ///
    /// # Errors
    /// One of them could not work.
    pub fn stop(mut self) -> anyhow::Result<Recorded> {
        self.shared.stopping.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let Ok(done) = thread.join() else { bail!("a client panicked") };
            done.context("a client ended")?;
        }
        let shared = std::mem::take(&mut self.shared);
        let shared = Arc::into_inner(shared).context("a client is still there")?;
        let submissions = shared.submissions.into_inner().unwrap_or_else(PoisonError::into_inner);
        let refusals = shared.refusals.into_inner().unwrap_or_else(PoisonError::into_inner);
        Ok(Recorded { submissions, refusals, histories: shared.histories })
    }
}

impl Drop for Clients {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::Relaxed);
    }
}

struct OneClient {
    number: usize,
    /// Where some of the time it only looks.
    is_beside: bool,
    client: Client,
    random: StdRng,
    shared: Arc<Shared>,
}

impl OneClient {
    fn new(
        number: usize,
        host: Host,
        endpoints: &[Endpoint],
        mut random: StdRng,
        shared: Arc<Shared>,
    ) -> anyhow::Result<Self> {
        let credentials = Credentials::new(USER, TOKEN)?;
        let timeout = Duration::from_secs(PATIENCE_S[random.random_range(0..PATIENCE_S.len())]);
        let endpoints = endpoints.to_vec();
        let client =
            Client::new(ClientConfig { timeout, ..ClientConfig::new(endpoints, credentials) });
        Ok(Self { number, is_beside: host != Host::User, client, random, shared })
    }

    async fn work(mut self) {
        let mut only_looks = false;
        let mut until = Duration::ZERO;
        while !self.shared.stopping.load(Ordering::Relaxed) {
            if self.is_beside && self.shared.histories.now() >= until {
                only_looks = !only_looks;
                let mood = Duration::from_millis(self.random.random_range(MOOD_MS));
                until = self.shared.histories.now() + mood;
            }
            let wishes = if only_looks || self.must_be_quiet() { LOOKS } else { 0..100 };
            let wish = Wish::any(&mut self.random, wishes);
            self.ask(wish).await;
            let pause = self.random.random_range(PACE_MS);
            tokio::time::sleep(Duration::from_millis(pause)).await;
        }
    }

    fn must_be_quiet(&self) -> bool {
        let shared = &self.shared;
        shared.quiet.load(Ordering::Relaxed)
            || self.is_beside && shared.quiet_beside.load(Ordering::Relaxed)
    }

    async fn ask(&mut self, wish: Wish) {
        let Some(task) = self.recent() else { return self.submit_new().await };
        match wish {
            Wish::SubmitNew => self.submit_new().await,
            Wish::SubmitAgain => self.submit(&task).await,
            Wish::Status => self.status(&task).await,
            Wish::Result => self.result(&task).await,
            Wish::List => self.list().await,
            Wish::Cancel => self.cancel(&task).await,
        }
    }

    fn recent(&mut self) -> Option<Arc<Submission>> {
        let submissions = self.shared.submissions();
        let newest = self.random.random_range(0..RECENT);
        submissions.iter().rev().nth(newest).or(submissions.last()).cloned()
    }

    async fn submit_new(&mut self) {
        let work = Work::any(&mut self.random);
        let spec = work.task(&mut self.random, &self.shared.starts);
        let (acknowledged, cancelled) = (AtomicBool::new(false), AtomicBool::new(false));
        let submission = Arc::new(Submission { work, spec, acknowledged, cancelled });
        // Others may ask about it before it is accepted.
        self.shared.submissions().push(Arc::clone(&submission));
        self.submit(&submission).await;
    }

    async fn submit(&self, task: &Submission) {
        let began = self.shared.histories.now();
        let answer = match self.client.submit(task.spec.clone(), true).await {
            Ok(accepted) => {
                task.acknowledged.store(true, Ordering::Relaxed);
                let (sight, existed) = (sight(&accepted.task, None), accepted.existed);
                Some(Answer::Accepted { sight, existed })
            }
            Err(error) => self.definite(&error),
        };
        self.record(task, Asked::Submit, began, answer);
    }

    async fn status(&self, task: &Submission) {
        let began = self.shared.histories.now();
        let answer = match self.client.task(&task.spec.task_id).await {
            Ok((task, _)) => Some(Answer::Shown(sight(&task, None))),
            Err(error) => self.definite(&error),
        };
        self.record(task, Asked::Status, began, answer);
    }

    async fn result(&self, task: &Submission) {
        let began = self.shared.histories.now();
        let answer = match self.client.result(&task.spec.task_id).await {
            Ok((task, result, _)) => Some(Answer::Shown(sight(&task, Some(&result)))),
            Err(error) => self.definite(&error),
        };
        self.record(task, Asked::Result, began, answer);
    }

    async fn cancel(&self, task: &Submission) {
        task.cancelled.store(true, Ordering::Relaxed);
        let began = self.shared.histories.now();
        let answer = match self.client.cancel(&task.spec.task_id).await {
            Ok((task, _)) => Some(Answer::Cancelled(sight(&task, None))),
            Err(error) => self.definite(&error),
        };
        self.record(task, Asked::Cancel, began, answer);
    }

    async fn list(&self) {
        let began = self.shared.histories.now();
        let tasks = match self.client.list(&TaskFilter::default(), PAGE, "").await {
            Ok((tasks, _, _)) => tasks,
            Err(error) => {
                self.definite(&error);
                return;
            }
        };
        let ended = self.shared.histories.now();
        for task in tasks {
            let answered = Some((ended, Answer::Shown(sight(&task, None))));
            let call = Call { client: self.number, asked: Asked::List, began, answered };
            self.shared.histories.add(&task.task_id, call);
        }
    }

    /// `None`: it may or may not have happened.
    fn definite(&self, error: &Error) -> Option<Answer> {
        let answers = [
            (ErrorCode::TaskNotFound, Answer::NotFound),
            (ErrorCode::TaskFinished, Answer::Finished),
        ];
        let answer = answers.into_iter().find(|(code, _)| *code == error.code);
        if answer.is_none() && !error.code.retryable() {
            let mut refusals = self.shared.refusals.lock().unwrap_or_else(PoisonError::into_inner);
            if refusals.len() < TOLD {
                refusals.push(format!("client {} was answered {error}", self.number));
            }
        }
        answer.map(|(_, answer)| answer)
    }

    fn record(&self, task: &Submission, asked: Asked, began: Duration, answer: Option<Answer>) {
        let answered = answer.map(|answer| (self.shared.histories.now(), answer));
        let call = Call { client: self.number, asked, began, answered };
        self.shared.histories.add(&task.spec.task_id, call);
    }
}

impl Shared {
    fn submissions(&self) -> std::sync::MutexGuard<'_, Vec<Arc<Submission>>> {
        self.submissions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `result`: where it was asked for. Only that of a finished task is one.
pub fn sight(task: &Task, result: Option<&[u8]>) -> Sight {
    let sight = Sight { state: task.state(), attempt: task.attempt, result: None };
    let digest = |result: &[u8]| {
        let mut hasher = DefaultHasher::new();
        result.hash(&mut hasher);
        hasher.finish()
    };
    Sight { result: result.filter(|_| sight.is_finished()).map(digest), ..sight }
}
