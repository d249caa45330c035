//! Runs attempts and collects what they come to.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use common::proto::{self, Assignment, Outcome};
use futures::FutureExt as _;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::faults::Faults;
use crate::handlers::{Context, Failure, Handler};
use crate::slots::Key;

/// An attempt that ended.
pub type Ended = (Key, Outcome);

/// Owns everything that runs.
pub struct Executor {
    handlers: HashMap<String, Arc<dyn Handler>>,
    worker_id: Arc<str>,
    faults: Faults,
    started: u64,
    cancellations: HashMap<Key, CancellationToken>,
    attempts: JoinSet<()>,
    ended: mpsc::Sender<Ended>,
}

/// What became of an assignment at once.
pub enum Start {
    /// It runs; its end comes through the channel.
    Running,
    /// It is done.
    Done(Outcome),
    /// The operator asked for silence now.
    Hang,
}

impl Executor {
    /// Ends come through the receiver; there is room for one of each slot.
    pub fn new(
        handlers: HashMap<String, Arc<dyn Handler>>,
        worker_id: Arc<str>,
        faults: Faults,
        slots: usize,
    ) -> (Self, mpsc::Receiver<Ended>) {
        let (ended, receiver) = mpsc::channel(slots.max(1));
        let executor = Self {
            handlers,
            worker_id,
            faults,
            started: 0,
            cancellations: HashMap::new(),
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
        let key = Key { task_id: assignment.task_id, attempt: assignment.attempt };
        let Some(handler) = self.handlers.get(&assignment.handler).cloned() else {
            let text = format!("this worker does not offer `{}`", assignment.handler);
            return Start::Done(outcome(&key, Err(Failure::new("UNKNOWN_HANDLER", text))));
        };
        if self.faults.fails() {
            let failure = Failure::new("FAULT_INJECTED", "the worker was asked to fail attempts");
            return Start::Done(outcome(&key, Err(failure)));
        }
        let payload = Vec::from(assignment.payload);
        let payload = if self.faults.slowdown > 1.0 {
            payload
        } else {
            let inline = AssertUnwindSafe(|| handler.run_inline(payload));
            match std::panic::catch_unwind(inline) {
                Ok(Ok(result)) => return Start::Done(outcome(&key, Ok(result))),
                Ok(Err(payload)) => payload,
                Err(_) => return Start::Done(outcome(&key, Err(panicked()))),
            }
        };
        self.spawn(key, handler, payload, epoch);
        Start::Running
    }

    fn spawn(&mut self, key: Key, handler: Arc<dyn Handler>, payload: Vec<u8>, epoch: u64) {
        let cancelled = CancellationToken::new();
        self.cancellations.insert(key.clone(), cancelled.clone());
        let context = Context {
            task_id: key.task_id.clone(),
            attempt: key.attempt,
            epoch,
            worker_id: Arc::clone(&self.worker_id),
            cancelled,
        };
        let (ended, faults) = (self.ended.clone(), self.faults.clone());
        self.attempts.spawn(async move {
            let began = Instant::now();
            let run = async { handler.run(context, payload).await };
            let done = AssertUnwindSafe(run).catch_unwind().await;
            if let Some(delay) = faults.delay(began) {
                tokio::time::sleep(delay).await;
            }
            let done = done.unwrap_or_else(|_| Err(panicked()));
            let outcome = outcome(&key, done);
            if ended.send((key, outcome)).await.is_err() {
                tracing::debug!("an attempt ended after the worker");
            }
        });
        // What has ended is not kept.
        while self.attempts.try_join_next().is_some() {}
    }

    /// Asks an attempt to stop; its end still comes through the channel.
    pub fn stop(&mut self, key: &Key) {
        if let Some(cancelled) = self.cancellations.get(key) {
            cancelled.cancel();
        }
    }

    pub fn forget(&mut self, key: &Key) {
        self.cancellations.remove(key);
    }

    /// Drops everything that runs, and what it started with it.
    pub async fn abort(&mut self) {
        self.attempts.shutdown().await;
    }
}

/// Of an attempt that was started before, and whose outcome is no longer kept.
pub fn started_before(key: &Key) -> Outcome {
    let text = "the task may be started once only, and this worker did so before";
    outcome(key, Err(Failure::new("ALREADY_STARTED", text)))
}

fn panicked() -> Failure {
    Failure::new("PANICKED", "the handler panicked")
}

fn outcome(key: &Key, done: Result<Vec<u8>, Failure>) -> Outcome {
    let limit = common::endpoint::MAX_PAYLOAD_BYTES;
    let done = match done {
        Ok(result) if result.len() > limit => Err(Failure::new(
            "RESULT_TOO_LARGE",
            format!("the result has {} bytes, at most {limit} are kept", result.len()),
        )),
        Err(Failure { code, message, mut output }) => {
            output.truncate(limit);
            Err(Failure { code, message, output })
        }
        done => done,
    };
    Outcome {
        task_id: key.task_id.clone(),
        attempt: key.attempt,
        outcome: Some(match done {
            Ok(result) => proto::outcome::Outcome::Succeeded(result.into()),
            Err(Failure { code, message, output }) => {
                proto::outcome::Outcome::Failed(proto::Failure { code, message, output })
            }
        }),
    }
}
