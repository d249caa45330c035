//! One process of ours, with what it printed.

use std::io::{BufRead as _, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use rustix::process::{Pid, Signal, kill_process};

/// What is done with each line as it comes.
pub type OnLine = Arc<dyn Fn(&str) + Send + Sync>;

/// A running (or ended) child. Killed when dropped.
pub struct Process {
    name: String,
    child: Child,
    output: Arc<Output>,
}

#[derive(Default)]
struct Output {
    lines: Mutex<Vec<String>>,
    grown: Condvar,
}

impl Process {
    /// Starts `program` and collects what it prints.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn start(
        name: &str,
        program: &Path,
        args: &[String],
        dir: &Path,
        on_line: Option<OnLine>,
    ) -> anyhow::Result<Self> {
        Self::start_with(name, program, args, &[], dir, on_line)
    }

    /// The same with more in its environment.
    ///
    /// # Errors
    /// It could not be started.
    pub fn start_with(
        name: &str,
        program: &Path,
        args: &[String],
        environment: &[(String, String)],
        dir: &Path,
        on_line: Option<OnLine>,
    ) -> anyhow::Result<Self> {
        let mut child = Command::new(program)
            .args(args)
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .current_dir(dir)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("failed to start {}", program.display()))?;
        let output = Arc::new(Output::default());
        if let Some(stdout) = child.stdout.take() {
            collect(stdout, Arc::clone(&output), on_line.clone());
        }
        if let Some(stderr) = child.stderr.take() {
            collect(stderr, Arc::clone(&output), on_line);
        }
        Ok(Self { name: name.to_owned(), child, output })
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it printed so far.
    pub fn lines(&self) -> Vec<String> {
        self.output.lines.lock().map(|lines| lines.clone()).unwrap_or_default()
    }

    /// Waits until a line that contains `text` was printed, among all or the first of them that come
    /// after `skip` lines.
    ///
    /// # Errors
    /// It did not come within `timeout`; the error shows what was printed instead.
    pub fn wait_for(&self, text: &str, timeout: Duration) -> anyhow::Result<String> {
        let deadline = Instant::now() + timeout;
        let Ok(mut lines) = self.output.lines.lock() else {
            bail!("a reader of {} panicked", self.name)
        };
        loop {
            if let Some(line) = lines.iter().find(|line| line.contains(text)) {
                return Ok(line.clone());
            }
            let Some(left) = deadline.checked_duration_since(Instant::now()) else {
                bail!("{} did not print `{text}`; it printed:\n{}", self.name, lines.join("\n"));
            };
            lines = match self.output.grown.wait_timeout(lines, left) {
                Ok((lines, _)) => lines,
                Err(_) => bail!("a reader of {} panicked", self.name),
            };
        }
    }

    /// SIGKILL, and waits for the end.
    ///
    /// # Errors
    /// The system refuses.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        self.child.kill().with_context(|| format!("failed to kill {}", self.name))?;
        self.child.wait().with_context(|| format!("failed to wait for {}", self.name))?;
        Ok(())
    }

    /// Sends a signal and returns at once.
    ///
    /// # Errors
    /// It has ended.
    pub fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        let pid =
            i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).context("no process id")?;
        kill_process(pid, signal).with_context(|| format!("failed to signal {}", self.name))
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// It did not end within `timeout`.
    pub fn wait(&mut self, timeout: Duration) -> anyhow::Result<ExitStatus> {
        let deadline = Instant::now() + timeout;
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            if Instant::now() >= deadline {
                bail!("{} did not end; it printed:\n{}", self.name, self.lines().join("\n"));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// It has not ended.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already; a child of ours that is not waited for stays as a zombie.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn collect(stream: impl Read + Send + 'static, output: Arc<Output>, on_line: Option<OnLine>) {
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines() {
            let Ok(line) = line else { return };
            if let Some(on_line) = &on_line {
                on_line(&line);
            }
            if let Ok(mut lines) = output.lines.lock() {
                lines.push(line);
                output.grown.notify_all();
            }
        }
    });
}
