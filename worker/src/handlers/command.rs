//! A real process, in a group of its own.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use futures::future::BoxFuture;
use rustix::process::{Pid, Signal, kill_process_group};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::os::unix::process::ExitStatusExt as _;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, Command};

use super::{Context, Failure, Handler, parse};

/// `command`: only offered when the operator names it, because it runs what the submitter says.
pub struct CommandHandler;

/// Bytes of each stream that are kept unless the payload says otherwise.
const DEFAULT_OUTPUT_LIMIT: usize = 1 << 20;
/// Both streams and their JSON form must fit a result.
const MAX_OUTPUT_LIMIT: usize = 1 << 20;
/// Between asking a group to end and killing it.
const GRACE: Duration = Duration::from_secs(2);

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
struct Group(Option<Pid>);

impl Group {
    fn signal(&self, signal: Signal) {
        if let Some(group) = self.0
            && let Err(error) = kill_process_group(group, signal)
            && error != rustix::io::Errno::SRCH
        {
            tracing::warn!(%error, "failed to signal a process group");
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
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
        Box::pin(async move {
            let order: Order = parse(&payload)?;
            let limit = order.output_limit.unwrap_or(DEFAULT_OUTPUT_LIMIT).min(MAX_OUTPUT_LIMIT);
            let mut child = spawn(&order, &context)?;
            let group =
                Group(child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw));
            tokio::select! {
                done = finish(&mut child, &group, order.stdin, limit) => done,
                () = context.cancelled.cancelled() => {
                    group.signal(Signal::TERM);
                    if tokio::time::timeout(GRACE, child.wait()).await.is_err() {
                        group.signal(Signal::KILL);
                        drop(child.wait().await);
                    }
                    Err(Failure::new("CANCELLED", "cancelled"))
                }
            }
        })
    }
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
        Failure::new("SPAWN_FAILED", format!("failed to start `{program}`: {error}"))
    })
}

async fn finish(
    child: &mut Child,
    group: &Group,
    stdin: String,
    limit: usize,
) -> Result<Vec<u8>, Failure> {
    let (input, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let feed = async {
        if let Some(mut input) = input {
            // A program that does not read all of its input is not a failure.
            drop(input.write_all(stdin.as_bytes()).await);
        }
    };
    // What the program leaves behind ends with it, and with that the streams that it holds open.
    let wait = async {
        let status = child.wait().await;
        group.signal(Signal::KILL);
        status
    };
    let (status, (), stdout, stderr) =
        tokio::join!(wait, feed, capture(stdout, limit), capture(stderr, limit));
    let status = status.map_err(|error| Failure::handler(format!("failed to wait: {error}")))?;
    let report = Report {
        exit_code: status.code(),
        truncated: stdout.truncated || stderr.truncated,
        stdout: stdout.value(),
        stderr: stderr.value(),
    };
    let output =
        serde_json::to_vec(&report).map_err(|error| Failure::handler(error.to_string()))?;
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

#[derive(Default)]
struct Captured {
    bytes: Vec<u8>,
    truncated: bool,
}

impl Captured {
    /// Text where it is text; otherwise the bytes in hexadecimal, under a name that says so.
    fn value(self) -> Value {
        match String::from_utf8(self.bytes) {
            Ok(text) => Value::String(text),
            Err(error) => {
                // A limit may have cut a character; what is before it is still text.
                let (valid, bytes) = (error.utf8_error().valid_up_to(), error.into_bytes());
                if self.truncated && bytes.len() - valid < 4 {
                    return Value::String(String::from_utf8_lossy(&bytes[..valid]).into_owned());
                }
                let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
                serde_json::json!({ "hex": hex })
            }
        }
    }
}

/// Reads to the end, keeps what fits.
async fn capture(stream: Option<impl AsyncRead + Unpin>, limit: usize) -> Captured {
    let mut captured = Captured::default();
    let Some(mut stream) = stream else { return captured };
    let mut buffer = vec![0; 16 << 10];
    loop {
        match stream.read(&mut buffer).await {
            Ok(0) => return captured,
            Ok(count) => {
                let room = limit - captured.bytes.len();
                captured.truncated |= count > room;
                captured.bytes.extend_from_slice(&buffer[..count.min(room)]);
            }
            Err(error) => {
                tracing::debug!(%error, "failed to read a program's output");
                return captured;
            }
        }
    }
}
