//! Starts the program of an attempt: with its environment and limits, in its directory, as its user.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::Stdio;

use common::array_id;
use common::supervisor::VARIABLES as SUPERVISOR;
use common::traces;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::process::{Child, ChildStderr, ChildStdout, Command};
use uuid::Uuid;

use super::mark::Mark;
use super::memory::Limit;
use super::user::User;
use super::work_dir::OwnDir;
use super::{Order, RUN_ID};
use crate::handlers::Context;

/// How one program is to be started.
pub struct Launch<'a> {
    pub order: &'a Order,
    pub context: &'a Context,
    pub run: Uuid,
    pub own_dir: Option<&'a OwnDir>,
    pub memory: Option<&'a Limit>,
    /// Not the worker's.
    pub user: Option<&'a User>,
    /// Of whoever becomes the program.
    pub mark: &'a Mark,
}

/// What is said to a collector of traces with each request.
const HEADERS: [&str; 2] = ["OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_TRACES_HEADERS"];

/// A variable; `None`: not to be there.
type Variable = (&'static str, Option<OsString>);

impl Launch<'_> {
    /// Something stands before the program that may speak instead of it.
    pub fn is_marked(&self) -> bool {
        self.memory.is_some() || self.user.is_some()
    }

    /// `argv` is not empty.
    pub fn start(&self) -> io::Result<Child> {
        let input = if self.order.stdin.is_empty() { Stdio::null() } else { Stdio::piped() };
        match self.user {
            None => {
                let mut command = self.becoming(self.order.argv.iter().map(OsString::from));
                command.envs(self.dir_variable()).envs(&self.order.env);
                set(&mut command, self.own_variables());
                if let Some(dir) = self.dir() {
                    command.current_dir(dir);
                }
                let command = command.stdin(input).process_group(0);
                command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()
            }
            Some(user) => {
                let mut command = self.of_user(user)?;
                command.stdin(input).process_group(0);
                spawn_for(command, user)
            }
        }
    }

    /// Nothing that the task says has a meaning for what still has the rights of the worker: neither variables (`LD_PRELOAD`),
    /// which have other names until then, nor a directory, which the user enters, or cannot.
    fn of_user(&self, user: &User) -> io::Result<Command> {
        let own = self.own_variables();
        let is_own = |name: &str| own.iter().any(|(own, _)| *own == name);
        let given = self.order.env.iter().filter(|(name, _)| !is_own(name));
        let given: Vec<_> = given.map(|(name, value)| format!("{name}={value}")).collect();
        let mut script = String::from("cd \"$1\" && shift");
        for nth in 0..given.len() {
            let hidden = hidden(nth);
            script += &format!(" && export \"${hidden}\" && unset {hidden}");
        }
        script += " && exec \"$@\"";
        let dir = std::path::absolute(self.dir().unwrap_or(Path::new("/")))?;
        let shell = ["/bin/sh", "-c", &script, self.mark.text()].map(OsString::from);
        let argv = self.order.argv.iter().map(OsString::from);
        let words = user.prefix().chain(shell).chain([dir.into()]).chain(argv);
        let mut command = self.becoming(words);
        set(&mut command, user.environment());
        command.envs(self.dir_variable()).current_dir("/");
        command.envs(given.iter().enumerate().map(|(nth, given)| (hidden(nth), given)));
        set(&mut command, own);
        Ok(command)
    }

    fn becoming(&self, words: impl Iterator<Item = OsString>) -> Command {
        let words: Vec<_> = words.collect();
        match (self.memory, &*words) {
            (Some(limit), words) => limit.command(self.mark, words),
            (None, [program, args @ ..]) => {
                let mut command = Command::new(program);
                command.args(args);
                command
            }
            (None, []) => Command::new(""),
        }
    }

    fn dir(&self) -> Option<&Path> {
        self.own_dir.map(OwnDir::path).or(self.order.cwd.as_deref())
    }

    /// Which the task may set otherwise.
    fn dir_variable(&self) -> Option<(&'static str, &Path)> {
        self.own_dir.map(|dir| ("TMPDIR", dir.path()))
    }

    /// Which it may not.
    fn own_variables(&self) -> Vec<Variable> {
        let context = self.context;
        let text = |text: &str| Some(OsString::from(text));
        let traceparent = context.trace.as_ref().map(|span| traces::traceparent(span).into());
        let mut own: Vec<Variable> = vec![
            // The program does not speak for the worker.
            (SUPERVISOR[0], self.order.env.get(SUPERVISOR[0]).map(OsString::from)),
            (SUPERVISOR[1], self.order.env.get(SUPERVISOR[1]).map(OsString::from)),
            (SUPERVISOR[2], self.order.env.get(SUPERVISOR[2]).map(OsString::from)),
            ("MUTIRAO_TASK_ID", text(&context.task_id)),
            ("MUTIRAO_ATTEMPT", text(&context.attempt.to_string())),
            ("MUTIRAO_EPOCH", text(&context.epoch.to_string())),
            ("MUTIRAO_WORKER_ID", text(&context.worker_id)),
            (
                "TRACEPARENT",
                traceparent.or_else(|| self.order.env.get("TRACEPARENT").map(OsString::from)),
            ),
            (RUN_ID, text(&self.run.to_string())),
            // Keys of a collector's are the worker's alone.
            (HEADERS[0], self.order.env.get(HEADERS[0]).map(OsString::from)),
            (HEADERS[1], self.order.env.get(HEADERS[1]).map(OsString::from)),
            // Not for the submitter's program, wherever the worker has it from.
            ("MUTIRAO_TOKEN", None),
            // Of another one, if the worker is itself a task.
            ("MUTIRAO_WORK_DIR", self.own_dir.map(|dir| dir.path().into())),
        ];
        let others = origin_variables(context).into_iter().chain(schedule_variables(context));
        own.extend(others.map(|(name, value)| (name, Some(value.into()))));
        own
    }
}

/// The name of a variable of the task until there is nothing left that it could mean anything to.
fn hidden(nth: usize) -> String {
    format!("MUTIRAO_VARIABLE_{nth}")
}

fn set(
    command: &mut Command,
    variables: impl IntoIterator<Item = (impl AsRef<OsStr>, Option<OsString>)>,
) {
    for (name, value) in variables {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
}

/// With pipes that are the user's, who could not open `/dev/stderr` otherwise.
fn spawn_for(mut command: Command, user: &User) -> io::Result<Child> {
    let ((out, into_out), (err, into_err)) = (std::io::pipe()?, std::io::pipe()?);
    user.give(&out)?;
    user.give(&err)?;
    let mut child = command.stdout(into_out).stderr(into_err).spawn()?;
    let (out, err) = (OwnedFd::from(out), OwnedFd::from(err));
    child.stdout = Some(ChildStdout::from_std(out.into())?);
    child.stderr = Some(ChildStderr::from_std(err.into())?);
    Ok(child)
}

/// Where the program is to run, if there is no such folder. Not told to another user's programs: it could be in one that is
/// closed to them.
pub fn missing_dir<'a>(order: &'a Order, user: Option<&User>) -> Option<&'a Path> {
    order.cwd.as_deref().filter(|dir| user.is_none() && !dir.is_dir())
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
