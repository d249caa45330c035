//! The `cliente` binary as a user or a script runs it.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use anyhow::{Context as _, bail};
use common::auth::{DEMO_TOKEN, DEMO_USER};
use serde_json::Value;

use crate::certificates::Certificates;
use crate::cluster::Layout;

/// Runs subcommands against one cluster.
#[derive(Clone, Debug)]
pub struct Cli {
    binary: PathBuf,
    orchestrators: String,
    user: String,
    token: String,
    /// Of an authority, where everything speaks TLS.
    trusted: Option<PathBuf>,
}

/// What a run left.
#[derive(Clone, Debug)]
pub struct Run {
    /// `None` when it was killed.
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl From<Output> for Run {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

impl Cli {
    /// With the demo credentials.
    pub fn new(layout: &Layout) -> Self {
        Self {
            binary: layout.binary("cliente"),
            orchestrators: layout.orchestrators().join(","),
            user: DEMO_USER.to_owned(),
            token: DEMO_TOKEN.to_owned(),
            trusted: layout.certificates.as_ref().map(Certificates::authority),
        }
    }

    /// The same client with other credentials.
    #[must_use]
    pub fn with_credentials(&self, user: &str, token: &str) -> Self {
        Self { user: user.to_owned(), token: token.to_owned(), ..self.clone() }
    }

    /// To be started otherwise than by the others here.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);
        command
            .args(["--orchestrators", &self.orchestrators])
            .args(args)
            .env("MUTIRAO_USER", &self.user)
            .env("MUTIRAO_TOKEN", &self.token)
            .env_remove("MUTIRAO_LANG")
            .stdin(Stdio::null());
        match &self.trusted {
            Some(path) => command.env("MUTIRAO_TLS_CA", path),
            None => command.env_remove("MUTIRAO_TLS_CA"),
        };
        command
    }

    /// Runs to the end.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn run(&self, args: &[&str]) -> anyhow::Result<Run> {
        Ok(self.command(args).output().context("failed to start cliente")?.into())
    }

    /// Starts it, with what it says at hand.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn start(&self, args: &[&str]) -> anyhow::Result<std::process::Child> {
        let mut command = self.command(args);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().context("failed to start cliente")
    }

    /// The same with this on its standard input.
    ///
    /// # Errors
    /// It cannot be started, or ends before it has read that.
    pub fn run_with_input(&self, args: &[&str], input: &str) -> anyhow::Result<Run> {
        let mut command = self.command(args);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().context("failed to start cliente")?;
        child.stdin.take().context("is piped")?.write_all(input.as_bytes())?;
        Ok(child.wait_with_output()?.into())
    }

    /// Runs with `--output json`; one value for each line.
    ///
    /// # Errors
    /// It failed, or printed something else than JSON.
    pub fn json(&self, args: &[&str]) -> anyhow::Result<Vec<Value>> {
        let mut all = vec!["--output", "json"];
        all.extend(args);
        let run = self.run(&all)?;
        if run.code != Some(0) {
            bail!("cliente {args:?} ended with {:?}: {}{}", run.code, run.stdout, run.stderr);
        }
        run.stdout
            .lines()
            .filter(|line| !line.trim().is_empty())
            .map(|line| serde_json::from_str(line).with_context(|| format!("not JSON: {line}")))
            .collect()
    }

    /// Runs what must succeed.
    ///
    /// # Errors
    /// It failed.
    pub fn ok(&self, args: &[&str]) -> anyhow::Result<()> {
        let run = self.run(args)?;
        match run.code {
            Some(0) => Ok(()),
            code => bail!("cliente {args:?} ended with {code:?}: {}{}", run.stdout, run.stderr),
        }
    }

    /// Submits and gives the task's id.
    ///
    /// # Errors
    /// It was not accepted.
    pub fn submit(&self, args: &[&str]) -> anyhow::Result<String> {
        let mut all = vec!["submit"];
        all.extend(args);
        let answers = self.json(&all)?;
        let id = answers.first().and_then(|task| task["task_id"].as_str());
        id.map(str::to_owned).context("no task_id in the answer")
    }

    /// Waits until the task is finished; `None` after `tries` looks a tenth of a second apart.
    ///
    /// # Errors
    /// Nobody answers.
    pub fn finished(&self, id: &str, tries: usize) -> anyhow::Result<Option<Value>> {
        for _ in 0..tries {
            let task = self.json(&["status", id])?.pop().context("no answer")?;
            if matches!(task["state"].as_str(), Some("SUCCEEDED" | "FAILED" | "CANCELLED" | "LOST"))
            {
                return Ok(Some(task));
            }
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
        Ok(None)
    }

    /// Asks until an answer is as wanted; gives that one, or `None` after `tries` looks a tenth of a second
    /// apart.
    ///
    /// # Errors
    /// Nobody answers.
    pub fn until(
        &self,
        args: &[&str],
        tries: usize,
        is_wanted: impl Fn(&[Value]) -> bool,
    ) -> anyhow::Result<Option<Vec<Value>>> {
        for _ in 0..tries {
            let answer = self.json(args)?;
            if is_wanted(&answer) {
                return Ok(Some(answer));
            }
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
        Ok(None)
    }
}
