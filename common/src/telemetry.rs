//! Where logs go: console lines plain, developer logs with their target and fields, or all as JSON.

use std::fmt;
use std::io::IsTerminal as _;

use time::OffsetDateTime;
use time::format_description::FormatItem;
use time::macros::format_description;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::{Format, Writer};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use crate::console;

/// How logs are written, to standard error of a client and standard output of a server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One object per line, for machines.
    Json,
}

/// Starts logging. `MUTIRAO_LOG` filters developer logs (`info` by default, for example
/// `debug,h2=warn`).
pub fn init(format: LogFormat) {
    let filter = EnvFilter::try_from_env("MUTIRAO_LOG")
        .unwrap_or_else(|_| EnvFilter::new("warn,mutirao::console=info"));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false);
    match format {
        LogFormat::Text => {
            builder.event_format(ConsoleFormat { colour: colour() }).init();
        }
        LogFormat::Json => builder.json().flatten_event(true).with_current_span(false).init(),
    }
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
        writeln!(writer, "{now} {before}{}{after}", sentence.0)
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
