//! A program on a terminal, and what stands on its screen.

use std::io::{Read as _, Write as _};
use std::num::NonZeroU16;
use std::process::Child;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use harness::Cli;
use pty_process::Size;
use pty_process::blocking::{Command, Pty, open};
use rustix::process::{Pid, Signal, kill_process};
use rustix::termios::{Termios, tcgetattr};
use vt100::{Parser, Screen};

/// Whoever waits longer has failed.
const PATIENCE: Duration = Duration::from_secs(30);

pub struct Sight {
    terminal: Arc<Pty>,
    screen: Arc<Shown>,
    child: Child,
}

struct Shown {
    parser: Mutex<Parser>,
    changed: Condvar,
}

/// How the terminal treats what comes in and goes out.
#[derive(Debug, PartialEq, Eq)]
pub struct Found(String);

impl Sight {
    /// Of so many columns and rows.
    pub fn open(cli: &Cli, args: &[&str], (columns, rows): (u16, u16)) -> anyhow::Result<Self> {
        let (terminal, inside) = open()?;
        terminal.resize(Size::new(rows, columns))?;
        let wanted = cli.command(args);
        let mut command = Command::new(wanted.get_program()).args(wanted.get_args());
        for (name, value) in wanted.get_envs() {
            command = match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        let child = command.env("TERM", "xterm-256color").env_remove("NO_COLOR").spawn(inside)?;
        let (rows, columns) = (size(rows)?, size(columns)?);
        let parser = Mutex::new(Parser::new(rows, columns, 0));
        let screen = Arc::new(Shown { parser, changed: Condvar::new() });
        let terminal = Arc::new(terminal);
        let (from, to) = (Arc::clone(&terminal), Arc::clone(&screen));
        std::thread::spawn(move || read(&from, &to));
        Ok(Self { terminal, screen, child })
    }

    pub fn press(&self, keys: &str) -> anyhow::Result<()> {
        Ok((&*self.terminal).write_all(keys.as_bytes())?)
    }

    pub fn resize(&self, (columns, rows): (u16, u16)) -> anyhow::Result<()> {
        let (high, wide) = (size(rows)?, size(columns)?);
        let mut parser = self.screen.parser.lock().unwrap_or_else(PoisonError::into_inner);
        parser.set_size(high, wide);
        Ok(self.terminal.resize(Size::new(rows, columns))?)
    }

    /// Waits for what is to be seen.
    pub fn until(&self, what: &str, holds: impl Fn(&Screen) -> bool) -> anyhow::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        let mut parser = self.screen.parser.lock().unwrap_or_else(PoisonError::into_inner);
        while !holds(parser.screen()) {
            let Some(left) = deadline.checked_duration_since(Instant::now()) else {
                bail!("{what}; the screen has:\n{}", parser.screen().contents());
            };
            let waited = self.screen.changed.wait_timeout(parser, left);
            parser = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        Ok(())
    }

    pub fn until_said(&self, text: &str) -> anyhow::Result<()> {
        self.until(text, |screen| screen.contents().contains(text))
    }

    pub fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).context("no pid")?;
        Ok(kill_process(pid, signal)?)
    }

    /// The exit code, once it has ended.
    pub fn ended(&mut self) -> anyhow::Result<Option<i32>> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status.code());
            }
            ensure!(Instant::now() < deadline, "it goes on");
            std::thread::yield_now();
        }
    }

    pub fn until_stopped(&self) -> anyhow::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        let file = format!("/proc/{}/stat", self.child.id());
        loop {
            let stat = std::fs::read_to_string(&file)?;
            if stat.rsplit_once(')').is_some_and(|(_, rest)| rest.trim_start().starts_with('T')) {
                return Ok(());
            }
            ensure!(Instant::now() < deadline, "it goes on: {stat}");
            std::thread::yield_now();
        }
    }

    /// As `stty -a` tells it.
    pub fn found(&self) -> Found {
        let described = |found: Termios| {
            let modes = (found.input_modes, found.output_modes, found.local_modes);
            format!("{modes:?} {:?} {:?}", found.control_modes, found.special_codes)
        };
        Found(tcgetattr(&*self.terminal).map_or_else(|error| error.to_string(), described))
    }

    /// Nothing of what was shown there is left, and keys mean what they meant.
    pub fn is_as(&self, found: &Found) -> anyhow::Result<()> {
        self.until("the screen is left, with a cursor", |screen| {
            !screen.alternate_screen() && !screen.hide_cursor() && screen.contents().is_empty()
        })?;
        let now = self.found();
        ensure!(now == *found, "it was {found:?} and is {now:?}");
        Ok(())
    }
}

impl Drop for Sight {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn size(number: u16) -> anyhow::Result<NonZeroU16> {
    NonZeroU16::new(number).context("a terminal has a size")
}

/// The kernel tells of the end of a terminal by an error.
fn read(mut terminal: &Pty, shown: &Shown) {
    let mut part = [0; 4_096];
    while let Ok(count @ 1..) = terminal.read(&mut part) {
        let mut parser = shown.parser.lock().unwrap_or_else(PoisonError::into_inner);
        parser.process(&part[..count]);
        shown.changed.notify_all();
    }
}

/// Whether this word is dim, and reversed, where it stands first.
pub fn style_of(screen: &Screen, word: &str) -> Option<(bool, bool)> {
    let (_, columns) = screen.size();
    let rows = screen.rows(0, columns.into()).enumerate();
    let (row, column) = rows.into_iter().find_map(|(row, text)| {
        let before = text.find(word)?;
        Some((row, text[..before].chars().count()))
    })?;
    let cell = screen.cell(u16::try_from(row).ok()?, u16::try_from(column).ok()?)?;
    Some((cell.dim(), cell.inverse()))
}
