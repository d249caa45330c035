//! The binary on a stage: a scripted pair, a home directory of its own, and what a run left.

use std::io::Write as _;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;

use serde_json::Value;

use super::{Node, Pair, TOKEN, pair};

pub const ID: &str = "0190b4a0-0000-7000-8000-000000000001";
pub const OTHER: &str = "0190b4a0-0000-7000-8000-000000000002";

/// A scripted pair, and a home directory of its own.
pub struct Stage {
    pub pair: Arc<Pair>,
    pub principal: Node,
    pub standby: Node,
    pub home: tempfile::TempDir,
}

/// What a run left.
#[derive(Debug)]
pub struct Run {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Stage {
    pub fn new() -> Self {
        let (pair, principal, standby) = pair();
        let home = tempfile::tempdir().expect("a directory");
        Self { pair, principal, standby, home }
    }

    /// One that finishes whatever is submitted at once.
    pub fn working() -> Self {
        let stage = Self::new();
        stage.pair.store().works = true;
        stage
    }

    pub fn orchestrators(&self) -> String {
        format!("{},{}", self.principal.address(), self.standby.address())
    }

    /// Without credentials.
    pub fn stranger(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cliente"));
        command
            .args(args)
            .env_clear()
            .env("XDG_CONFIG_HOME", self.home.path())
            .env("MUTIRAO_ORCHESTRATORS", self.orchestrators())
            .stdin(Stdio::null());
        command
    }

    pub fn spawn(&self, args: &[&str]) -> std::process::Child {
        let mut command = self.command(args);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("starts")
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = self.stranger(args);
        command.env("MUTIRAO_USER", "ana").env("MUTIRAO_TOKEN", TOKEN);
        command
    }

    pub fn run(&self, args: &[&str]) -> Run {
        read(self.command(args).output().expect("starts"))
    }

    pub fn json(&self, args: &[&str]) -> Vec<Value> {
        let all: Vec<_> = ["--output", "json"].iter().chain(args).copied().collect();
        let run = self.run(&all);
        let parse = |line| serde_json::from_str(line).expect("is JSON");
        run.stdout.lines().map(parse).collect()
    }
}

pub fn read(output: Output) -> Run {
    Run {
        code: output.status.code().expect("was not killed"),
        stdout: String::from_utf8(output.stdout).expect("is text"),
        stderr: String::from_utf8(output.stderr).expect("is text"),
    }
}

pub fn with_input(command: Command, input: &str) -> Run {
    with_bytes(command, input.as_bytes())
}

pub fn with_bytes(mut command: Command, input: &[u8]) -> Run {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("starts");
    child.stdin.take().expect("is piped").write_all(input).expect("is read");
    read(child.wait_with_output().expect("ends"))
}
