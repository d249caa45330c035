//! Runs attempts and collects what they come to.

use std::collections::{HashMap, VecDeque};
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use common::blobs::Content;
use common::endpoint::MAX_PAYLOAD_BYTES;
use common::proto::{self, Assignment, AttemptOutput, Outcome};
use common::traces::Traces;
use futures::FutureExt as _;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::faults::Faults;
use crate::files::Files;
use crate::handlers::{Context, Failure, Handler, Origin, Scheduled};
use crate::live::Live;
use crate::slots::Key;
use crate::traced::Traced;

/// How long an attempt that took too long may take to end by itself.
const GRACE: Duration = Duration::from_secs(10);

/// Of what attempts say, at once.
const OUTPUT_BYTES: usize = 2 << 20;

/// An attempt that ended.
pub type Ended = (Key, Outcome);

/// Owns everything that runs, and what waits for a slot.
pub struct Executor {
    handlers: HashMap<String, Arc<dyn Handler>>,
    worker_id: Arc<str>,
    files: Files,
    faults: Faults,
    traces: Traces,
    started: u64,
    slots: u32,
    /// Of what runs.
    taken: u32,
    running: HashMap<Key, Running>,
    /// The oldest first.
    waiting: VecDeque<Waiting>,
    attempts: JoinSet<()>,
    ended: mpsc::Sender<Ended>,
}

struct Running {
    slots: u32,
    /// Fires when nobody waits for its outcome any more.
    unwanted: CancellationToken,
    live: Live,
    began: Instant,
}

struct Waiting {
    key: Key,
    handler: Arc<dyn Handler>,
    payload: Payload,
    epoch: u64,
    slots: u32,
    /// What it may take once it runs.
    timeout: Option<Duration>,
    origin: Option<Box<Origin>>,
    scheduled: Option<Box<Scheduled>>,
    traced: Option<Box<Traced>>,
    since: Instant,
}

/// What an attempt begins with.
enum Payload {
    Given(Vec<u8>),
    /// To be fetched.
    Referred(Content),
    /// It has given this, which is too long for a message.
    Done(Vec<u8>),
}

/// What became of an assignment at once.
pub enum Start {
    /// It runs, or will once a slot is free; its end comes through the channel.
    Running,
    /// It is done, and took so long if it ran at all.
    Done(Outcome, Option<Duration>),
    /// The operator asked for silence now.
    Hang,
}

impl Executor {
    /// Ends come through the receiver; there is room for one of each slot.
    pub fn new(
        handlers: HashMap<String, Arc<dyn Handler>>,
        (worker_id, files): (Arc<str>, Files),
        (faults, traces): (Faults, Traces),
        slots: usize,
    ) -> (Self, mpsc::Receiver<Ended>) {
        let (ended, receiver) = mpsc::channel(slots.max(1));
        let executor = Self {
            handlers,
            worker_id,
            files,
            faults,
            traces,
            started: 0,
            slots: u32::try_from(slots.max(1)).unwrap_or(u32::MAX),
            taken: 0,
            running: HashMap::new(),
            waiting: VecDeque::new(),
            attempts: JoinSet::new(),
            ended,
        };
        (executor, receiver)
    }

    pub fn start(&mut self, assignment: Assignment, epoch: u64) -> Start {
        self.started += 1;
        if self.faults.crash_after.is_some_and(|limit| self.started > limit) {
            tracing::error!("crashing as asked");
            std::process::abort();
        }
        if self.faults.hang_after.is_some_and(|limit| self.started > limit) {
            return Start::Hang;
        }
        let traced = Traced::begin(&self.traces, &assignment, &self.worker_id);
        let key = Key { task_id: assignment.task_id, attempt: assignment.attempt };
        let Some(handler) = self.handlers.get(&assignment.handler).cloned() else {
            let text = format!("this worker does not offer `{}`", assignment.handler);
            return Start::Done(outcome(&key, Err(Failure::new("UNKNOWN_HANDLER", text))), None);
        };
        if self.faults.fails() {
            let failure = Failure::new("FAULT_INJECTED", "the worker was asked to fail attempts");
            return Start::Done(outcome(&key, Err(failure)), None);
        }
        let timeout = assignment.timeout_ms.map(Duration::from_millis);
        let (of, first) = (assignment.retry_of, assignment.first_task_id);
        let origin = Origin { task_id: of, first_task_id: first };
        let origin = (!origin.task_id.is_empty()).then(|| Box::new(origin));
        let (schedule, at_ms) = (assignment.schedule, assignment.scheduled_at_ms);
        let scheduled = (!schedule.is_empty()).then(|| Box::new(Scheduled { schedule, at_ms }));
        // One that takes more than all would never start.
        let slots = assignment.slots.clamp(1, self.slots);
        let payload = Vec::from(assignment.payload);
        let payload = if let Some(blob) = &assignment.payload_blob {
            let Some(content) = Content::of_ref(blob) else {
                let failure = Failure::invalid_payload("the payload is a blob without a name");
                return Start::Done(outcome(&key, Err(failure)), None);
            };
            Payload::Referred(content)
        } else if self.faults.slowdown > 1.0 {
            Payload::Given(payload)
        } else {
            let began = Instant::now();
            let inline = AssertUnwindSafe(|| handler.run_inline(payload));
            let done = match std::panic::catch_unwind(inline) {
                Ok(Ok(result)) => Ok(Ok(result)),
                Ok(Err(payload)) => Err(payload),
                Err(_) => Ok(Err(panicked())),
            };
            match done {
                Ok(Ok(result)) if result.len() > MAX_PAYLOAD_BYTES => Payload::Done(result),
                Ok(done) => {
                    let outcome = outcome(&key, done);
                    if let Some(traced) = traced {
                        traced.end(&outcome);
                    }
                    return Start::Done(outcome, Some(began.elapsed()));
                }
                Err(payload) => Payload::Given(payload),
            }
        };
        self.waiting.push_back(Waiting {
            key,
            handler,
            payload,
            epoch,
            slots,
            timeout,
            origin,
            scheduled,
            traced,
            since: Instant::now(),
        });
        self.fill_slots();
        Start::Running
    }

    fn fill_slots(&mut self) {
        while let Some(next) =
            self.waiting.pop_front_if(|next| self.taken + next.slots <= self.slots)
        {
            self.spawn(next);
        }
    }

    fn spawn(&mut self, waiting: Waiting) {
        let Waiting { key, handler, payload, epoch, slots, timeout, .. } = waiting;
        let Waiting { origin, scheduled, mut traced, .. } = waiting;
        if let Some(traced) = &mut traced {
            traced.starts_now();
        }
        let (unwanted, began) = (CancellationToken::new(), Instant::now());
        let cancelled = unwanted.child_token();
        let live = Live::default();
        let running = Running { slots, unwanted: unwanted.clone(), live: live.clone(), began };
        self.running.insert(key.clone(), running);
        self.taken += slots;
        let files = self.files.of_attempt();
        let context = Context {
            task_id: key.task_id.clone(),
            attempt: key.attempt,
            epoch,
            worker_id: Arc::clone(&self.worker_id),
            origin,
            live,
            scheduled,
            trace: traced.as_ref().map(|traced| traced.context()),
            files: files.clone(),
            cancelled: cancelled.clone(),
            unwanted: unwanted.clone(),
        };
        let (ended, faults) = (self.ended.clone(), self.faults.clone());
        self.attempts.spawn(async move {
            let stop = &unwanted;
            let run = async {
                let payload = match payload {
                    Payload::Given(payload) => payload,
                    Payload::Referred(content) => unless(stop, files.payload(content)).await?,
                    Payload::Done(result) => return Ok(result),
                };
                handler.run(context, payload).await
            };
            let run = AssertUnwindSafe(run)
                .catch_unwind()
                .map(|done| done.unwrap_or_else(|_| Err(panicked())));
            let done = within(timeout, run, &cancelled, &files).await;
            if let Some(delay) = faults.delay(began) {
                tokio::time::sleep(delay).await;
            }
            let mut outcome = stored(&key, done, &files, &unwanted).await;
            outcome.blobs = files.take_made().into_iter().map(Into::into).collect();
            if let Some(traced) = traced {
                traced.end(&outcome);
            }
            if ended.send((key, outcome)).await.is_err() {
                tracing::debug!("an attempt ended after the worker");
            }
        });
        // What has ended is not kept.
        while self.attempts.try_join_next().is_some() {}
    }

    /// Asks an attempt to stop; its end still comes through the channel. `false`: it only waited, and that
    /// was its end.
    pub fn stop(&mut self, key: &Key) -> bool {
        if let Some(running) = self.running.get(key) {
            running.unwanted.cancel();
            return true;
        }
        let waited = self.waiting.len();
        self.waiting.retain(|waiting| waiting.key != *key);
        self.waiting.len() == waited
    }

    /// An attempt came to its end; the next takes its slot. Gives how long it took, and what those who follow it have
    /// not heard yet.
    pub fn forget(&mut self, key: &Key) -> Option<(Duration, Option<AttemptOutput>)> {
        let ended = self.running.remove(key);
        self.taken -= ended.as_ref().map_or(0, |running| running.slots);
        self.fill_slots();
        let Running { live, began, .. } = ended?;
        let is_unheard = live.is_news() && live.was_told();
        Some((began.elapsed(), is_unheard.then(|| live.news(key, OUTPUT_BYTES))))
    }

    /// What attempts said since this was asked last; of what is too much at once, the rest the next time.
    pub fn output(&self) -> Vec<AttemptOutput> {
        let news = || self.running.iter().filter(|(_, running)| running.live.is_news());
        let most = OUTPUT_BYTES / news().count().max(1) / 2;
        news().map(|(key, running)| running.live.news(key, most)).collect()
    }

    /// Whoever is principal now has heard nothing.
    pub fn forget_told(&self) {
        self.running.values().for_each(|running| running.live.forget_told());
    }

    /// Since when the one that has waited longest for a slot waits.
    pub fn waiting_since(&self) -> Option<Instant> {
        self.waiting.front().map(|waiting| waiting.since)
    }

    /// Those that wait for a slot are not started any more.
    pub fn give_up_waiting(&mut self) -> Vec<Key> {
        self.waiting.drain(..).map(|waiting| waiting.key).collect()
    }

    /// Drops everything that runs, and what it started with it.
    pub async fn abort(&mut self) {
        self.attempts.shutdown().await;
    }
}

/// How the attempt ends. One that takes too long is asked to stop, and has failed once it has.
async fn within(
    timeout: Option<Duration>,
    run: impl Future<Output = Result<Vec<u8>, Failure>>,
    cancelled: &CancellationToken,
    files: &Files,
) -> Result<Vec<u8>, Failure> {
    let Some(timeout) = timeout else { return run.await };
    let mut run = pin!(run);
    if let Ok(done) = tokio::time::timeout(timeout, &mut run).await {
        return done;
    }
    if cancelled.is_cancelled() {
        return run.await;
    }
    cancelled.cancel();
    // One that does not listen is dropped, unless it is giving what it has.
    let output = loop {
        match tokio::time::timeout(GRACE, &mut run).await {
            Ok(ended) => break ended.err().map(|failure| failure.output).unwrap_or_default(),
            Err(_) if files.is_giving() => {}
            Err(_) => break Vec::new(),
        }
    };
    let text = format!("took longer than {} ms, and was stopped", timeout.as_millis());
    Err(Failure { output, ..Failure::new("TIMEOUT", text) })
}

/// Of an attempt that was started before, and whose outcome is no longer kept.
pub fn started_before(key: &Key) -> Outcome {
    let text = "the task may be started once only, and this worker did so before";
    outcome(key, Err(Failure::new("ALREADY_STARTED", text)))
}

fn panicked() -> Failure {
    Failure::new("PANICKED", "the handler panicked")
}

/// What nobody waits for any more ends.
async fn unless<T>(
    unwanted: &CancellationToken,
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    tokio::select! {
        done = work => done,
        () = unwanted.cancelled() => Err(Failure::new("CANCELLED", "cancelled")),
    }
}

/// The outcome; what is too long for a message is put before, and referred to. A failure whose output cannot be put is the
/// same failure without the rest of it.
async fn stored(
    key: &Key,
    done: Result<Vec<u8>, Failure>,
    files: &Files,
    unwanted: &CancellationToken,
) -> Outcome {
    let limit = files.max_result_bytes().unwrap_or(MAX_PAYLOAD_BYTES as u64);
    let bytes = match &done {
        Ok(result) => result,
        Err(failure) => &failure.output,
    };
    if bytes.len() <= MAX_PAYLOAD_BYTES {
        return outcome(key, done);
    }
    let put = async |bytes: Vec<u8>| {
        let bytes = bytes::Bytes::from(bytes);
        let hashed = bytes.clone();
        let content = tokio::task::spawn_blocking(move || Content::of(&hashed)).await;
        let content = content.map_err(|error| Failure::handler(error.to_string()))?;
        unless(unwanted, files.store(bytes.into(), content)).await
    };
    match done {
        Ok(result) if result.len() as u64 > limit => {
            let text = format!(
                "the result has {} bytes, at most {limit} (--max-result-bytes) are kept",
                result.len()
            );
            outcome(key, Err(Failure::new("RESULT_TOO_LARGE", text)))
        }
        Ok(result) => match put(result).await {
            Ok(content) => Outcome {
                result_blob: Some(Box::new(content.into())),
                ..outcome(key, Ok(Vec::new()))
            },
            Err(failure) => outcome(key, Err(failure)),
        },
        Err(Failure { code, message, mut output }) => {
            let head = output[..MAX_PAYLOAD_BYTES].to_vec();
            output.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
            match put(output).await {
                Ok(content) => Outcome {
                    result_blob: Some(Box::new(content.into())),
                    ..outcome(key, Err(Failure { code, message, output: Vec::new() }))
                },
                Err(error) => {
                    let error = error.message;
                    tracing::warn!(%error, "the output of a failure is not kept as a whole");
                    outcome(key, Err(Failure { code, message, output: head }))
                }
            }
        }
    }
}

/// Of what fits a message.
fn outcome(key: &Key, done: Result<Vec<u8>, Failure>) -> Outcome {
    Outcome {
        task_id: key.task_id.clone(),
        attempt: key.attempt,
        blobs: Vec::new(),
        result_blob: None,
        outcome: Some(match done {
            Ok(result) => proto::outcome::Outcome::Succeeded(result.into()),
            Err(Failure { code, message, output }) => {
                proto::outcome::Outcome::Failed(proto::Failure { code, message, output })
            }
        }),
    }
}
