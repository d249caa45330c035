//! Where logs go: console lines plain, developer logs with their target and fields, or all as JSON.
//!
//! A server never waits for whoever reads its output: a thread of its own writes, what does not fit its
//! queue is dropped, and the next line says how much.

use std::fmt;
use std::io::IsTerminal as _;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use time::OffsetDateTime;
use time::format_description::FormatItem;
use time::macros::format_description;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::fmt::format::{Format, Writer};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{EnvFilter, reload};

use crate::console;
use crate::lang::Lang;
use crate::messages::telemetry;

/// How logs are written, to standard error of a client and standard output of a server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One object per line, for machines.
    Json,
}

/// Lines waiting for a slow reader.
const QUEUED_LINES: usize = 8_192;

/// Writes what is still queued when it is dropped, unless nobody reads.
#[must_use = "lines that wait are lost with it"]
pub struct Output(#[allow(dead_code, reason = "its end is what counts")] WorkerGuard);

/// Starts logging of a server. `MUTIRAO_LOG` filters developer logs (`info` by default, for example
/// `debug,h2=warn`).
pub fn init(format: LogFormat, lang: Lang) -> Output {
    let (writer, guard) = NonBlockingBuilder::default()
        .lossy(true)
        .buffered_lines_limit(QUEUED_LINES)
        .finish(std::io::stdout());
    let dropped = writer.error_counter();
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter_of_start())
        .with_ansi(false)
        .with_writer(writer);
    let reload: Reload = match format {
        LogFormat::Text => {
            let told = AtomicUsize::new(0);
            let form = ConsoleFormat { colour: colour(), lang, dropped, told };
            let builder = builder.event_format(form).with_filter_reloading();
            let handle = builder.reload_handle();
            builder.init();
            Box::new(move |filter| handle.reload(filter))
        }
        LogFormat::Json => {
            let builder = builder.json().flatten_event(true).with_current_span(false);
            let builder = builder.with_filter_reloading();
            let handle = builder.reload_handle();
            builder.init();
            Box::new(move |filter| handle.reload(filter))
        }
    };
    // A second subscriber of one process has panicked by now.
    drop(RELOAD.set(reload));
    Output(guard)
}

type Reload = Box<dyn Fn(EnvFilter) -> Result<(), reload::Error> + Send + Sync>;

/// What is told can be changed while the process runs.
static RELOAD: OnceLock<Reload> = OnceLock::new();

fn filter_of_start() -> EnvFilter {
    EnvFilter::try_from_env("MUTIRAO_LOG")
        .unwrap_or_else(|_| EnvFilter::new("warn,mutirao::console=info"))
}

/// Why what is told was not changed.
#[derive(Debug, thiserror::Error)]
pub enum FilterError {
    /// It is no filter.
    #[error(transparent)]
    Wrong(#[from] ParseError),
    /// This process tells nothing.
    #[error("this process does not log")]
    Silent,
    /// The logger is gone.
    #[error(transparent)]
    Reload(#[from] reload::Error),
}

/// From now on the server tells what `filter` names, in the words of `MUTIRAO_LOG`, and the console's lines; `None`: what it
/// told when it started.
///
/// # Errors
/// It is no filter, or nothing is logged.
pub fn refilter(filter: Option<&str>) -> Result<(), FilterError> {
    let reload = RELOAD.get().ok_or(FilterError::Silent)?;
    let filter = match filter {
        None => filter_of_start(),
        Some(filter) => EnvFilter::builder().parse(format!("mutirao::console=info,{filter}"))?,
    };
    Ok(reload(filter)?)
}

/// Developer logs of a client, on standard error, and only when `MUTIRAO_LOG` asks for them: what a person
/// reads there is written without a log.
pub fn init_client() {
    if let Ok(filter) = EnvFilter::try_from_env("MUTIRAO_LOG") {
        tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_ansi(false)
            .with_writer(std::io::stderr)
            .init();
    }
}

/// Colour only for a terminal, and never with `NO_COLOR`.
fn colour() -> bool {
    std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none()
}

struct ConsoleFormat {
    colour: bool,
    lang: Lang,
    /// Lines that nobody read in time, and how many of them were told.
    dropped: ErrorCounter,
    told: AtomicUsize,
}

const CLOCK: &[FormatItem<'_>] = format_description!("[hour]:[minute]:[second]");

impl<S, N> FormatEvent<S, N> for ConsoleFormat
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let dropped = self.dropped.dropped_lines();
        let told = self.told.swap(dropped, Ordering::Relaxed);
        if dropped > told {
            writeln!(writer, "{}", telemetry::lines_dropped(dropped - told, self.lang))?;
        }
        if event.metadata().target() != console::TARGET {
            return Format::default().format_event(context, writer, event);
        }
        let mut sentence = Sentence::default();
        event.record(&mut sentence);
        let now = OffsetDateTime::now_utc().format(CLOCK).map_err(|_| fmt::Error)?;
        let (before, after) = match (self.colour, *event.metadata().level()) {
            (true, Level::WARN) => ("\x1b[33m", "\x1b[0m"),
            (true, Level::ERROR) => ("\x1b[1;31m", "\x1b[0m"),
            _ => ("", ""),
        };
        // What a task says may have lines of its own, and none of them is to look like one of ours.
        let sentence = sentence.0.replace('\n', "\n         ");
        writeln!(writer, "{now} {before}{sentence}{after}")
    }
}

/// Only the sentence: the fields are for machines.
#[derive(Default)]
struct Sentence(String);

impl Visit for Sentence {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}");
        }
    }
}
