//! A real process, in a group of its own.

mod captured;
mod cgroup;
mod group;
mod launch;
mod mark;
mod memory;
mod programs;
mod removal;
mod user;
mod work_dir;

use std::collections::BTreeMap;
use std::fmt::Display;
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::pin::pin;
use std::process::ExitStatus;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use common::blobs::{InputFrom, StagedFile};
use common::console::Console;
use common::messages::words::plain_cell;
use common::messages::worker::WorkerMessage;
use futures::future::BoxFuture;
use serde::Deserialize;
use tokio::io::AsyncWriteExt as _;
use tokio::process::{Child, ChildStderr};
use uuid::Uuid;

use self::captured::{Captured, HEAD_BYTES, Unusual, of_unstarted, report};
use self::group::{Group, stopping};
use self::launch::{Launch, missing_dir};
use self::mark::Mark;
use self::memory::{Limit, Limits};
pub use self::programs::Programs;
pub use self::user::RunAs;
use self::user::User;
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
    /// Whose rights they have.
    run_as: RunAs,
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
        Self::limited_to((Programs::default(), RunAs::default()), work_root)
    }

    /// The same, of these programs alone, and with these rights.
    pub fn limited_to((programs, run_as): (Programs, RunAs), work_root: PathBuf) -> Self {
        let work_root = WorkRoot::new(work_root, run_as.user().is_some());
        let (limits, guardian) = (OnceLock::new(), Guardian::default());
        Self { machine: Arc::new(Machine { work_root, programs, limits, run_as, guardian }) }
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
        match &self.machine.run_as {
            RunAs::Other(user) => {
                console.info(&WorkerMessage::RunsAs { user: user.name().to_owned() });
            }
            run_as if run_as.is_root_unsaid() => console.warn(&WorkerMessage::RunsAsRoot),
            RunAs::Unsaid | RunAs::Worker => {}
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
        let user = self.run_as.user();
        check(&order, user)?;
        self.programs.admit(&mut order.argv, &order.env)?;
        let limits = self.limits(&context.worker_id);
        let attempt = format!("{}-{}", context.task_id, context.attempt);
        // Should the attempt be dropped, the program ends first: what is declared last is dropped first.
        let own_dir = match order.has_own_dir() || user.is_some() && order.cwd.is_none() {
            true => Some(self.own_dir(context, &order, &attempt).await?),
            false => None,
        };
        let memory = match order.memory_limit.map(|bytes| limits.limit(&attempt, bytes)) {
            Some(limit) => Some(limit.map_err(|error| {
                let why = format!("failed to limit its memory: {error}");
                not_started((&order, user), why, NOT_EXECUTABLE)
            })?),
            None => None,
        };
        let run = Uuid::new_v4();
        let mark = Mark::default();
        let (own, limit) = (own_dir.as_ref(), memory.as_ref());
        let launch =
            Launch { order: &order, context, run, own_dir: own, memory: limit, user, mark: &mark };
        let mut child = spawn(&launch)?;
        let mark = Some(&mark).filter(|_| launch.is_marked());
        let mut group = Group::of(&child, run, &self.guardian);
        let ended = finish(&mut child, &mut group, &order, mark, context).await;
        let done = match ended {
            Ok(ended) => match mark.and_then(|mark| mark.not_started(ended.stderr.bytes())) {
                Some(why) => {
                    let is_missing = ended.status.code() == Some(NOT_FOUND.into());
                    let code = if is_missing { NOT_FOUND } else { NOT_EXECUTABLE };
                    Err(not_started((&order, user), why, code))
                }
                None => told(context, ended, &order, (own, limit)).await,
            },
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

    /// With what the task takes in it, and then the user's: before, nobody else can change what is put there.
    async fn own_dir(
        &self,
        context: &Context,
        order: &Order,
        attempt: &str,
    ) -> Result<OwnDir, Failure> {
        let dir = self.work_root.own_dir(&context.worker_id, attempt)?;
        let from = (&*context.task_id, &*order.inputs_from);
        // What is cancelled meanwhile needs no files any more.
        tokio::select! {
            staged = context.files.stage(dir.path(), &order.inputs, from) => staged?,
            () = context.cancelled.cancelled() => {
                return Err(Failure::new("CANCELLED", "cancelled"));
            }
        }
        match &self.run_as {
            RunAs::Other(user) => Ok(dir.given_to(user).await?),
            RunAs::Unsaid | RunAs::Worker => Ok(dir),
        }
    }
}

/// Stores what there is of a program that has ended.
async fn told(
    context: &Context,
    mut ended: Ended,
    order: &Order,
    (own_dir, memory): (Option<&OwnDir>, Option<&Limit>),
) -> Result<Vec<u8>, Failure> {
    let made = match own_dir {
        Some(dir) => collect(context, dir, order, ended.status.success()).await,
        None => Ok(Vec::new()),
    };
    ended.store_output(context).await;
    let files = match context.unwanted.is_cancelled() {
        true => Files::default(),
        false => context.files.clone(),
    };
    outcome((ended, made), order, (memory, &files)).await
}

/// What could not mean anything, or not all that it says.
fn check(order: &Order, user: Option<&User>) -> Result<(), Failure> {
    if order.has_own_dir() && order.cwd.is_some() {
        let why = "own_dir, inputs and outputs, and cwd exclude each other";
        return Err(Failure::invalid_payload(why));
    }
    if order.memory_limit == Some(0) {
        return Err(Failure::invalid_payload("memory_limit must not be 0"));
    }
    let has_shell = order.memory_limit.is_some() || user.is_some();
    let lost = order.env.keys().find(|name| !memory::can_be_kept(name));
    match lost.filter(|_| has_shell) {
        Some(name) => Err(Failure::invalid_payload(format!(
            "with memory_limit, or where programs run as another user, the program cannot have a variable `{name}`: letters, digits and _ only"
        ))),
        None => Ok(()),
    }
}

fn spawn(launch: &Launch<'_>) -> Result<Child, Failure> {
    if launch.order.argv.is_empty() {
        return Err(Failure::invalid_payload("argv must not be empty"));
    }
    launch.start().map_err(|error| {
        let is_missing = error.kind() == std::io::ErrorKind::NotFound;
        let code = if is_missing { NOT_FOUND } else { NOT_EXECUTABLE };
        not_started((launch.order, launch.user), error, code)
    })
}

/// `code`: what a shell would have ended with.
fn not_started((order, user): (&Order, Option<&User>), why: impl Display, code: u8) -> Failure {
    let program = order.argv.first().map_or("", String::as_str);
    // The system says the same of a missing folder as of a missing program.
    let (why, code) = match missing_dir(order, user) {
        Some(dir) => (format!("this worker has no folder `{}`", dir.display()), NOT_EXECUTABLE),
        None => (why.to_string(), code),
    };
    let text = format!("failed to start `{}`: {why}", plain_cell(program));
    match of_unstarted(code) {
        Ok(output) => Failure { output, ..Failure::new("SPAWN_FAILED", text) },
        Err(failure) => failure,
    }
}

async fn finish(
    child: &mut Child,
    group: &mut Group<'_>,
    order: &Order,
    mark: Option<&Mark>,
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
        tokio::join!(feed, out, read_errors(&mut err, stderr, (limit, files), (mark, live)));
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
    (mark, live): (Option<&Mark>, &Live),
) {
    let say = |bytes: &[u8]| live.say(Stream::Stderr, bytes);
    let Some(mut words) = mark.map(Mark::words) else {
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
