//! The kinds of work. One trait to add another.

pub mod command;
mod echo;
mod guardian;
pub mod mandelbrot;
mod simulated;

use std::path::Path;
use std::sync::Arc;

use common::console::Console;
use common::traces::SpanContext;
use futures::future::BoxFuture;
use serde::de::DeserializeOwned;
use tokio_util::sync::CancellationToken;

use crate::files::Files;
use crate::live::Live;

pub use command::{CommandHandler, Programs, RunAs};
pub use echo::Echo;
pub use mandelbrot::Mandelbrot;
pub use simulated::Simulated;

/// One kind of work. Attempts of the same handler run at the same time, one for each slot.
pub trait Handler: Send + Sync + 'static {
    /// The name that tasks ask for.
    fn name(&self) -> &str;

    /// Called once, when the worker has its port and before its first attempt: to look at the machine, and to say
    /// what its operator should know.
    fn begin(&self, worker_id: &str, console: Console) {
        let _ = (worker_id, console);
    }

    /// Does the work: payload in, result out. It may be run more than once for the same task (an attempt
    /// whose worker died is repeated elsewhere), so it should be idempotent.
    ///
    /// When `context.cancelled` fires the outcome is decided already; the future should end soon. It is
    /// dropped if it does not, so what it started must end with it.
    fn run(
        &self,
        context: Context,
        payload: Vec<u8>,
    ) -> BoxFuture<'static, Result<Vec<u8>, Failure>>;

    /// For work of microseconds, done without a task of its own. `Err` gives the payload back: use
    /// [`Handler::run`].
    fn run_inline(&self, payload: Vec<u8>) -> Result<Vec<u8>, Vec<u8>> {
        Err(payload)
    }
}

/// Which attempt is running.
#[derive(Clone, Debug)]
pub struct Context {
    /// The task's id, a UUID.
    pub task_id: String,
    /// From 1; grows with each attempt.
    pub attempt: u32,
    /// The epoch of the principal that assigned it.
    pub epoch: u64,
    /// This worker.
    pub worker_id: Arc<str>,
    /// Of a task that does once more what failed.
    pub origin: Option<Box<Origin>>,
    /// For those who follow the task while it runs.
    pub live: Live,
    /// Of a task that a schedule made.
    pub scheduled: Option<Box<Scheduled>>,
    /// The span of this work, of a task that is traced: what it starts in turn belongs to it.
    pub trace: Option<SpanContext>,
    /// What the attempt takes and makes.
    pub files: Files,
    /// Fires when the attempt is to stop.
    pub cancelled: CancellationToken,
    /// Fires, too, when nobody waits for what it has made by then: it was cancelled, rather than took too long.
    pub unwanted: CancellationToken,
}

/// What a repetition repeats.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The task that failed or was lost.
    pub task_id: String,
    /// The first one of all, which may be of an array.
    pub first_task_id: String,
}

/// The firing of a schedule that a task is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scheduled {
    /// The schedule's name.
    pub schedule: String,
    /// When it was due, in milliseconds since the Unix epoch.
    pub at_ms: u64,
}

/// The attempt did not succeed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// A word of `docs/errors.md`, or your own, in capitals.
    pub code: String,
    /// For people.
    pub message: String,
    /// What had been produced by then.
    pub output: Vec<u8>,
}

impl Failure {
    /// A failure without output.
    pub fn new(code: &str, message: impl Into<String>) -> Self {
        Self { code: code.to_owned(), message: message.into(), output: Vec::new() }
    }

    /// The work itself failed.
    pub fn handler(message: impl Into<String>) -> Self {
        Self::new("HANDLER_ERROR", message)
    }

    /// The payload is not what the handler takes.
    pub fn invalid_payload(message: impl Into<String>) -> Self {
        Self::new("INVALID_PAYLOAD", message)
    }
}

/// A JSON payload.
fn parse<T: DeserializeOwned>(payload: &[u8]) -> Result<T, Failure> {
    serde_json::from_slice(payload)
        .map_err(|error| Failure::invalid_payload(format!("not the expected JSON: {error}")))
}

/// The handler of this name that comes with the worker; what it makes for attempts is below `work_root`.
pub fn built_in(
    name: &str,
    work_root: &Path,
    of_programs: &(Programs, RunAs),
) -> Option<Arc<dyn Handler>> {
    Some(match name {
        "simulated" => Arc::new(Simulated),
        "echo" => Arc::new(Echo),
        "mandelbrot" => Arc::new(Mandelbrot),
        "command" => {
            Arc::new(CommandHandler::limited_to(of_programs.clone(), work_root.to_owned()))
        }
        _ => return None,
    })
}

/// Offered unless the operator chooses: everything that runs no program of the submitter.
pub const DEFAULT: [&str; 3] = ["simulated", "echo", "mandelbrot"];
