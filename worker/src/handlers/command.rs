//! A real process, in a group of its own.

mod captured;
mod cgroup;
mod group;
mod memory;
mod programs;
mod removal;
mod work_dir;

use std::collections::BTreeMap;
use std::fmt::Display;
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::pin::pin;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use common::array_id;
use common::blobs::{InputFrom, StagedFile};
use common::console::Console;
use common::messages::worker::WorkerMessage;
use common::supervisor::VARIABLES as SUPERVISOR;
use common::traces;
use futures::future::BoxFuture;
use serde::Deserialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::io::AsyncWriteExt as _;
use tokio::process::{Child, ChildStderr, Command};
use uuid::Uuid;

use self::captured::{Captured, HEAD_BYTES, Unusual, of_unstarted, report};
use self::group::{Group, stopping};
use self::memory::{Limit, Limits};
pub use self::programs::Programs;
use self::work_dir::{OwnDir, WorkRoot};
use super::guardian::Guardian;
use super::{Context, Failure, Handler, parse};
use crate::files::Files;
use crate::live::{Live, Stream};

/// `command`: only offered when the operator names it, because it runs what the submitter says.
#[derive(Clone)]
pub struct CommandHandler {
    machine: Arc<Machine>,
}

/// What attempts share.
struct Machine {
    work_root: WorkRoot,
    /// Those that may be started.
    programs: Programs,
    /// Found before the first program starts.
    limits: OnceLock<Limits>,
    /// Started with the first program.
    guardian: Guardian,
}

/// In the environment of each program, and so of all that it starts: what leaves its process group is found by it.
pub const RUN_ID: &str = "MUTIRAO_RUN_ID";
/// What a shell says that could not start a program has this room at least.
const OF_SHELL: u64 = 4 << 10;
/// What a shell ends with where there is no such program, and where there is one that it cannot start.
const NOT_FOUND: u8 = 127;
const NOT_EXECUTABLE: u8 = 126;
/// Between asking a group to end and killing it; also how long streams may stay open after the program's
/// end, in the hands of something that left the group.
const GRACE: Duration = Duration::from_secs(2);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Order {
    argv: Vec<String>,
    #[serde(default)]
    env: BTreeMap<String, String>,
    /// For its standard input; empty otherwise.
    #[serde(default, deserialize_with = "input")]
    stdin: Vec<u8>,
    cwd: Option<PathBuf>,
    /// In a directory of its own instead.
    #[serde(default)]
    own_dir: bool,
    /// What is put into its own directory; implies that it has one.
    #[serde(default)]
    inputs: Vec<StagedFile>,
    /// What other tasks left, and is put there, too.
    #[serde(default)]
    inputs_from: Vec<InputFrom>,
    /// What is taken out of it, by names and patterns; implies that it has one.
    #[serde(default)]
    outputs: Vec<String>,
    /// Bytes.
    memory_limit: Option<u64>,
    output_limit: Option<u64>,
}

/// Text, or base64 of what is none.
#[derive(Deserialize)]
#[serde(untagged)]
enum Input {
    Text(String),
    Encoded { base64: String },
}

fn input<'de, D: serde::Deserializer<'de>>(given: D) -> Result<Vec<u8>, D::Error> {
    match Input::deserialize(given)? {
        Input::Text(text) => Ok(text.into_bytes()),
        Input::Encoded { base64 } => BASE64.decode(base64).map_err(serde::de::Error::custom),
    }
}

impl Order {
    fn has_own_dir(&self) -> bool {
        let files = [self.inputs.is_empty(), self.inputs_from.is_empty(), self.outputs.is_empty()];
        self.own_dir || files.contains(&false)
    }

    /// Bytes of each stream that are kept.
    fn output_limit(&self, files: &Files) -> u64 {
        let most = files.max_result_bytes().unwrap_or(HEAD_BYTES as u64);
        self.output_limit.unwrap_or(most).min(most)
    }
}

/// How a program ended, and what it had printed.
struct Ended {
    status: ExitStatus,
    stdout: Captured,
    stderr: Captured,
}

impl Ended {
    /// What is long goes to the orchestrators, unless nobody wants it any more.
    async fn store_output(&mut self, context: &Context) {
        let store = async {
            self.stdout.store(&context.files).await;
            self.stderr.store(&context.files).await;
        };
        tokio::select! {
            biased;
            () = context.unwanted.cancelled() => {}
            () = store => {}
        }
        self.stdout.cut_to_head();
        self.stderr.cut_to_head();
    }
}

impl CommandHandler {
    /// Directories of attempts are made in this one, which must be there, by an absolute path.
    pub fn in_root(work_root: PathBuf) -> Self {
        Self::limited_to(Programs::default(), work_root)
    }

    /// The same, of these programs alone.
    pub fn limited_to(programs: Programs, work_root: PathBuf) -> Self {
        let work_root = WorkRoot::new(work_root);
        let (limits, guardian) = (OnceLock::new(), Guardian::default());
        Self { machine: Arc::new(Machine { work_root, programs, limits, guardian }) }
    }
}

/// Directories of attempts are made in the system's temporary directory.
impl Default for CommandHandler {
    fn default() -> Self {
        Self::in_root(std::env::temp_dir())
    }
}

impl Handler for CommandHandler {
    fn name(&self) -> &str {
        "command"
    }

    fn begin(&self, worker_id: &str, console: Console) {
        if let Err(work_dir::Error { place, source }) = self.machine.work_root.begin(worker_id) {
            let (dir, error) = (place.display().to_string(), source.to_string());
            console.warn(&WorkerMessage::WorkRootUnusable { dir, error });
        }
        console.info(&match self.machine.limits(worker_id) {
            Limits::Cgroups(parent) => {
                WorkerMessage::MemoryByCgroup { dir: parent.dir().display().to_string() }
            }
            Limits::Ulimit(why) => {
                tracing::debug!(%why, "no cgroups for memory limits");
                WorkerMessage::MemoryByUlimit
            }
        });
    }

    fn run(
        &self,
        context: Context,
        payload: Vec<u8>,
    ) -> BoxFuture<'static, Result<Vec<u8>, Failure>> {
        let machine = Arc::clone(&self.machine);
        Box::pin(async move {
            let stop = context.cancelled.clone();
            match machine.run(&context, parse(&payload)?).await {
                done if !stop.is_cancelled() => done,
                Ok(output) | Err(Failure { output, .. }) => {
                    Err(Failure { output, ..Failure::new("CANCELLED", "cancelled") })
                }
            }
        })
    }
}

impl Machine {
    fn limits(&self, worker_id: &str) -> &Limits {
        self.limits.get_or_init(|| Limits::find(worker_id))
    }

    async fn run(&self, context: &Context, mut order: Order) -> Result<Vec<u8>, Failure> {
        check(&order)?;
        self.programs.admit(&mut order.argv, &order.env)?;
        let limits = self.limits(&context.worker_id);
        let attempt = format!("{}-{}", context.task_id, context.attempt);
        // Should the attempt be dropped, the program ends first: what is declared last is dropped first.
        let own_dir = match order.has_own_dir() {
            true => Some(self.work_root.own_dir(&context.worker_id, &attempt)?),
            false => None,
        };
        if let Some(dir) = &own_dir {
            let from = (&*context.task_id, &*order.inputs_from);
            // What is cancelled meanwhile needs no files any more.
            tokio::select! {
                staged = context.files.stage(dir.path(), &order.inputs, from) => staged?,
                () = context.cancelled.cancelled() => {
                    return Err(Failure::new("CANCELLED", "cancelled"));
                }
            }
        }
        let memory = match order.memory_limit.map(|bytes| limits.limit(&attempt, bytes)) {
            Some(limit) => Some(limit.map_err(|error| {
                not_started(&order, format!("failed to limit its memory: {error}"), NOT_EXECUTABLE)
            })?),
            None => None,
        };
        let run = Uuid::new_v4();
        let mut child = spawn(&order, (context, run), own_dir.as_ref(), memory.as_ref())?;
        let mut group = Group::of(&child, run, &self.guardian);
        let ended = finish(&mut child, &mut group, &order, memory.as_ref(), context).await;
        let done = match ended {
            Ok(mut ended) => {
                let made = match &own_dir {
                    Some(dir) => collect(context, dir, &order, ended.status.success()).await,
                    None => Ok(Vec::new()),
                };
                ended.store_output(context).await;
                let files = match context.unwanted.is_cancelled() {
                    true => Files::default(),
                    false => context.files.clone(),
                };
                outcome((ended, made), &order, (memory.as_ref(), &files)).await
            }
            Err(failure) => Err(failure),
        };
        if let Some(memory) = memory {
            memory.clear().await;
        }
        if let Some(own_dir) = own_dir {
            own_dir.remove().await;
        }
        done
    }
}

/// What could not mean anything, or not all that it says.
fn check(order: &Order) -> Result<(), Failure> {
    if order.has_own_dir() && order.cwd.is_some() {
        let why = "own_dir, inputs and outputs, and cwd exclude each other";
        return Err(Failure::invalid_payload(why));
    }
    if order.memory_limit == Some(0) {
        return Err(Failure::invalid_payload("memory_limit must not be 0"));
    }
    let lost = order.env.keys().find(|name| !memory::can_be_kept(name));
    match lost.filter(|_| order.memory_limit.is_some()) {
        Some(name) => Err(Failure::invalid_payload(format!(
            "with memory_limit the program cannot have a variable `{name}`: letters, digits and _ only"
        ))),
        None => Ok(()),
    }
}

/// What a repetition repeats; for a task of an array, and for one that repeats it: which array, and the
/// task's number in it.
fn origin_variables(context: &Context) -> Vec<(&'static str, String)> {
    let origin = context.origin.as_deref();
    let of = origin.map(|origin| ("MUTIRAO_RETRY_OF", origin.task_id.clone()));
    let first = origin.map_or(&context.task_id, |origin| &origin.first_task_id);
    let array = array_id::of_task(first).map(|(array, number)| {
        [("MUTIRAO_ARRAY_ID", array), ("MUTIRAO_ARRAY_INDEX", number.to_string())]
    });
    of.into_iter().chain(array.into_iter().flatten()).collect()
}

/// Of a task that a schedule made: which one, and the moment at which it was due.
fn schedule_variables(context: &Context) -> Vec<(&'static str, String)> {
    let Some(scheduled) = context.scheduled.as_deref() else { return Vec::new() };
    let at = i128::from(scheduled.at_ms) * 1_000_000;
    let at = OffsetDateTime::from_unix_timestamp_nanos(at).ok();
    let at = at.and_then(|at| at.format(&Rfc3339).ok());
    let at = at.map(|at| ("MUTIRAO_SCHEDULED_AT", at));
    [("MUTIRAO_SCHEDULE", scheduled.schedule.clone())].into_iter().chain(at).collect()
}

fn spawn(
    order: &Order,
    (context, run): (&Context, Uuid),
    own_dir: Option<&OwnDir>,
    memory: Option<&Limit>,
) -> Result<Child, Failure> {
    let [program, args @ ..] = order.argv.as_slice() else {
        return Err(Failure::invalid_payload("argv must not be empty"));
    };
    let mut command = match memory {
        Some(limit) => limit.command(&order.argv),
        None => {
            let mut command = Command::new(program);
            command.args(args);
            command
        }
    };
    match own_dir {
        Some(dir) => command.env("TMPDIR", dir.path()),
        None => &mut command,
    }
    // The program does not speak for the worker.
    .env_remove(SUPERVISOR[0])
    .env_remove(SUPERVISOR[1])
    .env_remove(SUPERVISOR[2])
    .envs(&order.env)
    .env("MUTIRAO_TASK_ID", &context.task_id)
    .envs(origin_variables(context))
    .envs(schedule_variables(context))
    .env("MUTIRAO_ATTEMPT", context.attempt.to_string())
    .env("MUTIRAO_EPOCH", context.epoch.to_string())
    .envs(context.trace.as_ref().map(|span| ("TRACEPARENT", traces::traceparent(span))))
    .env("MUTIRAO_WORKER_ID", context.worker_id.as_ref())
    .env(RUN_ID, run.to_string())
    // Not for the submitter's program, wherever the worker has it from.
    .env_remove("MUTIRAO_TOKEN")
    // That of another one, if the worker is itself a task.
    .env_remove("MUTIRAO_WORK_DIR")
    .stdin(if order.stdin.is_empty() { Stdio::null() } else { Stdio::piped() })
    .stdout(Stdio::piped())
    .stderr(Stdio::piped())
    .process_group(0);
    if let Some(dir) = own_dir {
        command.env("MUTIRAO_WORK_DIR", dir.path());
    }
    if let Some(dir) = own_dir.map(OwnDir::path).or(order.cwd.as_deref()) {
        command.current_dir(dir);
    }
    command.spawn().map_err(|error| {
        let is_missing = error.kind() == std::io::ErrorKind::NotFound;
        not_started(order, error, if is_missing { NOT_FOUND } else { NOT_EXECUTABLE })
    })
}

/// `code`: what a shell would have ended with.
fn not_started(order: &Order, why: impl Display, code: u8) -> Failure {
    let program = order.argv.first().map_or("", String::as_str);
    // The system says the same of a missing folder as of a missing program.
    let (why, code) = match order.cwd.as_ref().filter(|dir| !dir.is_dir()) {
        Some(dir) => (format!("this worker has no folder `{}`", dir.display()), NOT_EXECUTABLE),
        None => (why.to_string(), code),
    };
    let text = format!("failed to start `{program}`: {why}");
    match of_unstarted(code) {
        Ok(output) => Failure { output, ..Failure::new("SPAWN_FAILED", text) },
        Err(failure) => failure,
    }
}

async fn finish(
    child: &mut Child,
    group: &mut Group<'_>,
    order: &Order,
    memory: Option<&Limit>,
    Context { cancelled: stop, live, files, .. }: &Context,
) -> Result<Ended, Failure> {
    let (input, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let (mut out, mut err) = (Captured::default(), Captured::default());
    let feed = async {
        if let Some(mut input) = input {
            // A program that does not read all of its input is not a failure.
            drop(input.write_all(&order.stdin).await);
        }
    };
    let streams = async {
        let limit = order.output_limit(files);
        let out = out.read(stdout, (limit, files), |bytes| live.say(Stream::Stdout, bytes));
        tokio::join!(feed, out, read_errors(&mut err, stderr, (limit, files), (memory, live)));
    };
    let mut streams = Box::pin(streams);
    let mut closed = false;
    let status = {
        let mut stopping = pin!(stopping(group, stop));
        loop {
            tokio::select! {
                status = child.wait() => {
                    if stop.is_cancelled() {
                        // What it started has its time, too.
                        tokio::select! { () = group.emptied() => {}, () = &mut stopping => {} }
                    }
                    break status;
                }
                () = &mut streams, if !closed => closed = true,
                // The group was killed, and the program with it.
                () = &mut stopping => break child.wait().await,
            }
        }
    };
    // What the program leaves behind ends with it, and with that the streams that it holds open.
    group.end();
    if stop.is_cancelled() {
        group.end_strays().await;
    }
    if !closed && tokio::time::timeout(GRACE, &mut streams).await.is_err() {
        tracing::debug!("something that left the program's group holds its streams open");
    }
    let status = status.map_err(|error| Failure::handler(format!("failed to wait: {error}")))?;
    drop(streams);
    live.end_of_errors();
    Ok(Ended { status, stdout: out, stderr: err })
}

/// Standard error; what a shell says that could not start the program is not told as the program's.
async fn read_errors(
    err: &mut Captured,
    stderr: Option<ChildStderr>,
    (limit, files): (u64, &Files),
    (memory, live): (Option<&Limit>, &Live),
) {
    let say = |bytes: &[u8]| live.say(Stream::Stderr, bytes);
    let Some(mut words) = memory.map(Limit::words) else {
        return err.read(stderr, (limit, files), say).await;
    };
    err.read(stderr, (limit.max(OF_SHELL), files), |bytes| words.hear(bytes, say)).await;
    words.end(say);
}

/// What it made, unless nobody wants it any more.
async fn collect(
    context: &Context,
    dir: &OwnDir,
    order: &Order,
    has_succeeded: bool,
) -> Result<Vec<StagedFile>, Failure> {
    tokio::select! {
        files = context.files.collect(dir.path(), &order.outputs, has_succeeded) => files,
        () = context.unwanted.cancelled() => Ok(Vec::new()),
    }
}

/// A file that is missing is the failure of a program that succeeded, and no news of one that failed.
async fn outcome(
    (ended, made): (Ended, Result<Vec<StagedFile>, Failure>),
    order: &Order,
    (memory, files): (Option<&Limit>, &Files),
) -> Result<Vec<u8>, Failure> {
    let Ended { status, stdout, mut stderr } = ended;
    if let Some(why) = memory.and_then(|memory| memory.not_started(stderr.bytes())) {
        let is_missing = status.code() == Some(NOT_FOUND.into());
        return Err(not_started(order, why, if is_missing { NOT_FOUND } else { NOT_EXECUTABLE }));
    }
    stderr.cut(usize::try_from(order.output_limit(files)).unwrap_or(usize::MAX));
    let exceeded = memory.filter(|memory| !status.success() && memory.was_exceeded());
    let (made, lost) = match made {
        Ok(made) => (made, None),
        Err(failure) => (Vec::new(), Some(failure)),
    };
    let unusual = Unusual { signal: status.signal(), ..Unusual::default() };
    let output = report((status.code(), unusual), (stdout, stderr), &made, files).await?;
    let failure = match (exceeded, status.code()) {
        (Some(memory), _) => {
            let text = format!("killed: it needed more memory than {} bytes", memory.bytes());
            Failure::new("OUT_OF_MEMORY", text)
        }
        (None, Some(0)) => match lost {
            Some(failure) => failure,
            None => return Ok(output),
        },
        (None, Some(code)) => Failure::new("NON_ZERO_EXIT", format!("exit code {code}")),
        (None, None) => {
            let text = format!("killed by signal {}", status.signal().unwrap_or_default());
            Failure::new("KILLED_BY_SIGNAL", text)
        }
    };
    Err(Failure { output, ..failure })
}
