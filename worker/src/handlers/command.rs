//! A real process, in a group of its own.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::pin::pin;
use std::process::Stdio;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use common::array_id;
use common::endpoint::MAX_PAYLOAD_BYTES;
use futures::future::BoxFuture;
use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::os::unix::process::ExitStatusExt as _;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, Command};
use tokio_util::sync::CancellationToken;

use super::guardian::Guardian;
use super::{Context, Failure, Handler, parse};
use crate::live::Stream;

/// `command`: only offered when the operator names it, because it runs what the submitter says.
#[derive(Clone, Default)]
pub struct CommandHandler {
    /// Started with the first program.
    guardian: Arc<OnceLock<Guardian>>,
}

/// Bytes of each stream that are kept unless the payload says otherwise.
const DEFAULT_OUTPUT_LIMIT: usize = 1 << 20;
/// Both streams and their JSON form must fit a result.
const MAX_OUTPUT_LIMIT: usize = 1 << 20;
/// Between asking a group to end and killing it; also how long streams may stay open after the program's
/// end, in the hands of something that left the group.
const GRACE: Duration = Duration::from_secs(2);
/// How often it is looked whether a group has ended.
const LOOK: Duration = Duration::from_millis(20);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Order {
    argv: Vec<String>,
    #[serde(default)]
    env: BTreeMap<String, String>,
    /// Text for its standard input; empty otherwise.
    #[serde(default)]
    stdin: String,
    cwd: Option<PathBuf>,
    output_limit: Option<usize>,
}

/// The result, and the output of a failure.
#[derive(Serialize)]
struct Report {
    exit_code: Option<i32>,
    stdout: Value,
    stderr: Value,
    truncated: bool,
}

/// Kills the whole group when the attempt ends, however it ends: nothing of it may go on.
struct Group<'a> {
    id: Option<Pid>,
    /// Does the same should this process be killed.
    guardian: &'a Guardian,
}

impl<'a> Group<'a> {
    fn of(child: &Child, guardian: &'a Guardian) -> Self {
        let id = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        if let Some(group) = id {
            guardian.guard(group);
        }
        Self { id, guardian }
    }

    fn signal(&self, signal: Signal) {
        if let Some(group) = self.id
            && let Err(error) = kill_process_group(group, signal)
            && error != rustix::io::Errno::SRCH
        {
            tracing::warn!(%error, "failed to signal a process group");
        }
    }

    /// Waits until nothing of it is left.
    async fn emptied(&self) {
        while self.id.is_some_and(|group| test_kill_process_group(group).is_ok()) {
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Kills what is left; afterwards the number may belong to another group.
    fn end(&mut self) {
        self.signal(Signal::KILL);
        if let Some(group) = self.id.take() {
            self.guardian.release(group);
        }
    }
}

impl Drop for Group<'_> {
    fn drop(&mut self) {
        self.end();
    }
}

impl Handler for CommandHandler {
    fn name(&self) -> &str {
        "command"
    }

    fn run(
        &self,
        context: Context,
        payload: Vec<u8>,
    ) -> BoxFuture<'static, Result<Vec<u8>, Failure>> {
        let guardian = Arc::clone(&self.guardian);
        Box::pin(async move {
            let guardian = guardian.get_or_init(Guardian::start);
            let order: Order = parse(&payload)?;
            let limit = order.output_limit.unwrap_or(DEFAULT_OUTPUT_LIMIT).min(MAX_OUTPUT_LIMIT);
            let mut child = spawn(&order, &context)?;
            let mut group = Group::of(&child, guardian);
            let done = finish(&mut child, &mut group, order.stdin, limit, &context).await;
            match done {
                done if !context.cancelled.is_cancelled() => done,
                Ok(output) | Err(Failure { output, .. }) => {
                    Err(Failure { output, ..Failure::new("CANCELLED", "cancelled") })
                }
            }
        })
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

fn spawn(order: &Order, context: &Context) -> Result<Child, Failure> {
    let [program, args @ ..] = order.argv.as_slice() else {
        return Err(Failure::invalid_payload("argv must not be empty"));
    };
    let mut command = Command::new(program);
    command
        .args(args)
        .envs(&order.env)
        .env("MUTIRAO_TASK_ID", &context.task_id)
        .envs(origin_variables(context))
        .env("MUTIRAO_ATTEMPT", context.attempt.to_string())
        .env("MUTIRAO_EPOCH", context.epoch.to_string())
        .env("MUTIRAO_WORKER_ID", context.worker_id.as_ref())
        // Not for the submitter's program, wherever the worker has it from.
        .env_remove("MUTIRAO_TOKEN")
        .stdin(if order.stdin.is_empty() { Stdio::null() } else { Stdio::piped() })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0);
    if let Some(dir) = &order.cwd {
        command.current_dir(dir);
    }
    command.spawn().map_err(|error| {
        // The system says the same of a missing folder as of a missing program.
        let why = match order.cwd.as_ref().filter(|dir| !dir.is_dir()) {
            Some(dir) => format!("this worker has no folder `{}`", dir.display()),
            None => error.to_string(),
        };
        Failure::new("SPAWN_FAILED", format!("failed to start `{program}`: {why}"))
    })
}

async fn finish(
    child: &mut Child,
    group: &mut Group<'_>,
    stdin: String,
    limit: usize,
    Context { cancelled: stop, live, .. }: &Context,
) -> Result<Vec<u8>, Failure> {
    let (input, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let (mut out, mut err) = (Captured::default(), Captured::default());
    let feed = async {
        if let Some(mut input) = input {
            // A program that does not read all of its input is not a failure.
            drop(input.write_all(stdin.as_bytes()).await);
        }
    };
    let streams = async {
        let out = out.read(stdout, limit, |bytes| live.say(Stream::Stdout, bytes));
        let err = err.read(stderr, limit, |bytes| live.say(Stream::Stderr, bytes));
        tokio::join!(feed, out, err);
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
    if !closed && tokio::time::timeout(GRACE, &mut streams).await.is_err() {
        tracing::debug!("something that left the program's group holds its streams open");
    }
    let status = status.map_err(|error| Failure::handler(format!("failed to wait: {error}")))?;
    drop(streams);
    let output = report(status.code(), out, err)?;
    match (status.code(), status.signal()) {
        (Some(0), _) => Ok(output),
        (Some(code), _) => {
            Err(Failure { output, ..Failure::new("NON_ZERO_EXIT", format!("exit code {code}")) })
        }
        (None, signal) => {
            let text = format!("killed by signal {}", signal.unwrap_or_default());
            Err(Failure { output, ..Failure::new("KILLED_BY_SIGNAL", text) })
        }
    }
}

/// Asks the group to end when the attempt is to stop, and kills it when it does not.
async fn stopping(group: &Group<'_>, stop: &CancellationToken) {
    stop.cancelled().await;
    group.signal(Signal::TERM);
    tokio::time::sleep(GRACE).await;
    group.signal(Signal::KILL);
}

/// The result. JSON takes up to six bytes for one of the output: what does not fit is cut, and said to be.
fn report(
    exit_code: Option<i32>,
    mut stdout: Captured,
    mut stderr: Captured,
) -> Result<Vec<u8>, Failure> {
    loop {
        let report = Report {
            exit_code,
            truncated: stdout.truncated || stderr.truncated,
            stdout: stdout.value(),
            stderr: stderr.value(),
        };
        let output =
            serde_json::to_vec(&report).map_err(|error| Failure::handler(error.to_string()))?;
        if output.len() <= MAX_PAYLOAD_BYTES {
            return Ok(output);
        }
        let longer =
            if stdout.bytes.len() >= stderr.bytes.len() { &mut stdout } else { &mut stderr };
        longer.bytes.truncate(longer.bytes.len() / 2);
        longer.truncated = true;
    }
}

#[derive(Default)]
struct Captured {
    bytes: Vec<u8>,
    truncated: bool,
}

impl Captured {
    /// Text where it is text; otherwise the bytes, under a name that says how.
    fn value(&self) -> Value {
        match std::str::from_utf8(&self.bytes) {
            Ok(text) => text.into(),
            Err(error) => {
                // A limit may have cut a character; what is before it is still text.
                let (valid, rest) = self.bytes.split_at(error.valid_up_to());
                if self.truncated && rest.len() < 4 {
                    return String::from_utf8_lossy(valid).into();
                }
                serde_json::json!({ "base64": BASE64.encode(&self.bytes) })
            }
        }
    }

    /// Reads to the end, says what comes, keeps what fits.
    async fn read(
        &mut self,
        stream: Option<impl AsyncRead + Unpin>,
        limit: usize,
        say: impl Fn(&[u8]),
    ) {
        let Some(mut stream) = stream else { return };
        let mut buffer = vec![0; 16 << 10];
        loop {
            match stream.read(&mut buffer).await {
                Ok(0) => return,
                Ok(count) => {
                    say(&buffer[..count]);
                    let room = limit - self.bytes.len();
                    self.truncated |= count > room;
                    self.bytes.extend_from_slice(&buffer[..count.min(room)]);
                }
                Err(error) => {
                    tracing::debug!(%error, "failed to read a program's output");
                    return;
                }
            }
        }
    }
}
