//! The terminal: what is said on standard error, what is asked, and what Ctrl+C does.

use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::pin::Pin;
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::Duration;

use common::exit;
use common::messages::words::plain;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};
use rustyline::error::ReadlineError;
use rustyline::{Config, DefaultEditor};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::failure::Failure;

/// How often the terminal is looked at while something else is shown.
const LOOK: Duration = Duration::from_millis(100);

/// A line on standard error, for whom it may concern.
pub fn say(text: &str) {
    common::console::say(&plain(text));
}

/// Returns when nobody reads our standard output any more, also while there is nothing to be written.
pub async fn reader_left() {
    let mut looks = tokio::time::interval(LOOK);
    loop {
        looks.tick().await;
        let output = std::io::stdout();
        let mut watched = [PollFd::new(&output, PollFlags::empty())];
        let has_left = poll(&mut watched, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).is_ok()
            && watched[0].revents().contains(PollFlags::ERR);
        if has_left {
            return;
        }
    }
}

/// Something that nobody has read came on standard input: the beginning of a file, or what is in a pipe. What is left of
/// a file belongs to whoever has read its beginning, such as the loop of a script.
pub fn input_waits() -> bool {
    let input = std::io::stdin();
    let Ok(found) = rustix::fs::fstat(&input) else { return false };
    match rustix::fs::FileType::from_raw_mode(found.st_mode) {
        rustix::fs::FileType::RegularFile => found.st_size > 0 && rustix::fs::tell(&input) == Ok(0),
        rustix::fs::FileType::Fifo => rustix::io::ioctl_fionread(&input).is_ok_and(|n| n > 0),
        _ => false,
    }
}

/// What a program printed there, as it was.
pub fn say_bytes(data: &[u8]) {
    drop(std::io::stderr().write_all(data));
}

/// Ctrl+C, a request to end, or the loss of its terminal ends the process at once, with the terminal as it was found: a prompt
/// may have changed it.
pub fn end_when_interrupted() -> Result<(), Failure> {
    let found = tcgetattr(std::io::stdin()).ok();
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Failure::io("SIGINT"))?;
    let mut terminate = signal(SignalKind::terminate()).map_err(Failure::io("SIGTERM"))?;
    // Whoever started it so, as nohup does, wants it to outlive the terminal.
    let is_detached = is_hangup_ignored();
    let mut hangup = signal(SignalKind::hangup()).map_err(Failure::io("SIGHUP"))?;
    tokio::spawn(async move {
        let code = tokio::select! {
            _ = interrupt.recv() => exit::INTERRUPTED,
            _ = terminate.recv() => exit_code_of(SignalKind::terminate()),
            _ = hangup.recv(), if !is_detached => exit_code_of(SignalKind::hangup()),
        };
        let last = LAST.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(last) = last
            && tokio::time::timeout(LAST_TIMEOUT, last).await.is_err()
        {
            tracing::warn!("what was to be done before the end took too long");
        }
        super::files::remove_coming();
        if let Some(found) = found
            && let Err(error) = tcsetattr(std::io::stdin(), OptionalActions::Now, &found)
        {
            tracing::debug!(%error, "failed to restore the terminal");
        }
        // Whoever waits leaves behind what it has to, and ends.
        if SIGNALLED.send(Some(code)).is_ok() {
            tokio::time::sleep(LAST_TIMEOUT).await;
        }
        std::process::exit(code.into());
    });
    Ok(())
}

fn exit_code_of(signal: SignalKind) -> u8 {
    u8::try_from(128 + signal.as_raw_value()).unwrap_or(exit::INTERRUPTED)
}

/// The exit code for the signal that came.
static SIGNALLED: LazyLock<watch::Sender<Option<u8>>> = LazyLock::new(|| watch::Sender::new(None));

/// Returns once a signal wants the end, with its exit code. While somebody waits for this, it ends the process a little later.
pub async fn signalled() -> u8 {
    let mut codes = SIGNALLED.subscribe();
    let came = codes.wait_for(Option::is_some).await.map(|code| *code);
    match came {
        Ok(Some(code)) => code,
        Ok(None) | Err(_) => std::future::pending().await,
    }
}

/// From `/proc/self/status`, as proc(5) has it: the lowest bit of the ignored signals is that of the first one.
fn is_hangup_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    ignored
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .is_some_and(|mask| mask & 1 == 1)
}

type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What Ctrl+C does before it ends the process.
static LAST: Mutex<Option<Work>> = Mutex::new(None);
const LAST_TIMEOUT: Duration = Duration::from_secs(3);

/// Until it is dropped, Ctrl+C does this first.
pub struct BeforeEnd(());

impl BeforeEnd {
    /// Ctrl+C came.
    pub fn was_interrupted(&self) -> bool {
        LAST.lock().unwrap_or_else(PoisonError::into_inner).is_none()
    }

    /// What could be interrupted is over. Where Ctrl+C came before, it ends the process, and nothing else does.
    pub async fn over(self) {
        if self.was_interrupted() {
            std::future::pending::<()>().await;
        }
    }
}

impl Drop for BeforeEnd {
    fn drop(&mut self) {
        *LAST.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// Ctrl+C does this first, for three seconds at most.
#[must_use]
pub fn before_end(work: impl Future<Output = ()> + Send + 'static) -> BeforeEnd {
    *LAST.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::pin(work));
    BeforeEnd(())
}

/// A line of standard input, with the prompt on standard error. `None` at the end of the input.
pub fn ask_line(prompt: &str) -> Result<Option<String>, Failure> {
    let mut stderr = std::io::stderr();
    stderr
        .write_all(prompt.as_bytes())
        .and_then(|()| stderr.flush())
        .map_err(Failure::io("stderr"))?;
    read_line()
}

fn read_line() -> Result<Option<String>, Failure> {
    let mut line = String::new();
    let read = || std::io::stdin().lock().read_line(&mut line);
    let count = tokio::task::block_in_place(read).map_err(Failure::io("stdin"))?;
    Ok((count > 0).then(|| line.trim().to_owned()))
}

/// Not echoed on a terminal. `None` at the end of the input.
pub fn ask_token(prompt: &str) -> Result<Option<String>, Failure> {
    if !std::io::stdin().is_terminal() {
        return ask_line(prompt);
    }
    match tokio::task::block_in_place(|| rpassword::prompt_password(prompt)) {
        Ok(token) => Ok(Some(token.trim().to_owned())),
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(Failure::io("terminal")(error)),
    }
}

/// Waits for a line on the terminal and takes it. Leaves nothing behind when it is dropped, as a read would.
pub async fn enter_pressed() -> Result<(), Failure> {
    let stdin = std::io::stdin();
    loop {
        tokio::time::sleep(LOOK).await;
        let mut fds = [PollFd::new(&stdin, PollFlags::IN)];
        let ready = poll(&mut fds, Some(&Timespec::default()));
        if ready.map_err(|error| Failure::io("stdin")(error.into()))? > 0 {
            return read_line().map(|_| ());
        }
    }
}

/// Lines from a terminal with editing and history, or from a pipe.
pub enum Lines {
    Terminal(Box<DefaultEditor>),
    Pipe,
}

impl Lines {
    pub fn open() -> Result<Self, Failure> {
        if !std::io::stdin().is_terminal() {
            return Ok(Self::Pipe);
        }
        let config = Config::builder().auto_add_history(true).build();
        let editor = DefaultEditor::with_config(config).map_err(of_editor)?;
        Ok(Self::Terminal(Box::new(editor)))
    }

    pub fn is_terminal(&self) -> bool {
        match self {
            Self::Terminal(_) => true,
            Self::Pipe => false,
        }
    }

    /// `None` at the end of the input, which is Ctrl+D on a terminal.
    pub fn ask(&mut self, prompt: &str) -> Result<Option<String>, Failure> {
        match self {
            Self::Terminal(editor) => {
                match tokio::task::block_in_place(|| editor.readline(prompt)) {
                    Ok(line) => Ok(Some(line.trim().to_owned())),
                    Err(ReadlineError::Eof) => Ok(None),
                    Err(error) => Err(of_editor(error)),
                }
            }
            Self::Pipe => {
                super::output::print(prompt)?;
                let line = read_line()?;
                // On a terminal the person's Enter does this.
                super::output::print("\n")?;
                Ok(line)
            }
        }
    }
}

fn of_editor(error: ReadlineError) -> Failure {
    match error {
        ReadlineError::Interrupted => Failure::Interrupted,
        error => Failure::io("terminal")(std::io::Error::other(error)),
    }
}
