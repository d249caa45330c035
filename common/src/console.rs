//! Console lines: what a person who watches a terminal reads.

use std::io::Write as _;

use crate::lang::Lang;
use crate::messages::Message;
use crate::messages::words::plain;

/// The target of console lines; [`telemetry`](crate::telemetry) prints them without decoration.
pub const TARGET: &str = "mutirao::console";

/// Writes console lines in one language.
#[derive(Clone, Copy, Debug)]
pub struct Console {
    lang: Lang,
}

macro_rules! line {
    ($level:ident, $self:ident, $message:ident) => {{
        let fields = $message.fields();
        tracing::$level!(
            target: TARGET,
            event = $message.event(),
            task.id = fields.task,
            worker.id = fields.worker,
            epoch = fields.epoch,
            "{}",
            plain(&$message.text($self.lang))
        );
    }};
}

impl Console {
    /// A console that speaks `lang`.
    pub fn new(lang: Lang) -> Self {
        Self { lang }
    }

    /// The language it speaks.
    pub fn lang(self) -> Lang {
        self.lang
    }

    /// What an operator cares about.
    pub fn info(self, message: &impl Message) {
        line!(info, self, message);
    }

    /// Odd, but working.
    pub fn warn(self, message: &impl Message) {
        line!(warn, self, message);
    }

    /// We stop, or a guarantee is lost.
    pub fn error(self, message: &impl Message) {
        line!(error, self, message);
    }
}

/// A line on standard error, for whom it may concern: a disk that is full, or nobody who reads, ends no program.
pub fn say(text: &str) {
    drop(writeln!(std::io::stderr(), "{text}"));
}

/// An error with its causes, on one line.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
