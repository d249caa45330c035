//! The span of a command that submits work: what it submits belongs to it.

use std::time::SystemTime;

use common::messages::client::ClientMessage;
use common::messages::client_usage::UsageMessage;
use common::traces::{self, Span, SpanContext, SpanKind, Traces};

use super::args::Global;
use super::failure::Failure;

/// A command, within the trace of whoever started it.
pub struct Traced {
    traces: Traces,
    name: Option<&'static str>,
    parent: Option<SpanContext>,
    own: Option<SpanContext>,
    start: SystemTime,
}

impl Traced {
    /// `name`: of the span; `None` for a command that submits nothing.
    ///
    /// # Errors
    /// Spans were asked for, and cannot be sent like that.
    pub fn begin(global: &Global, name: Option<&'static str>) -> Result<Self, Failure> {
        let parent = name.and_then(|_| traces::of_environment());
        let traces = match name {
            Some(_) => {
                let started =
                    global.traces.start("mutirao-cliente", &std::process::id().to_string());
                let problem =
                    |error: traces::Error| UsageMessage::Traces { why: error.to_string() };
                started.map_err(|error| Failure::usage(ClientMessage::Usage(problem(error))))?
            }
            None => Traces::default(),
        };
        let own = match traces.is_on() {
            true => Some(traces::child_of(parent.as_ref())),
            // Nobody would be told of another one.
            false => parent.clone(),
        };
        Ok(Self { traces, name, parent, own, start: SystemTime::now() })
    }

    /// What is submitted belongs to it.
    pub fn context(&self) -> Option<SpanContext> {
        self.own.clone()
    }

    pub async fn end(self, ended: &Result<u8, Failure>) {
        if let (Some(name), Some(context)) = (self.name, self.own) {
            let error = match ended {
                Ok(0) => None,
                Ok(code) => Some(format!("exit code {code}")),
                Err(failure) => Some(format!("exit code {}", failure.exit_code())),
            };
            self.traces.record(Span {
                name: name.into(),
                kind: SpanKind::Client,
                context,
                parent: self.parent,
                start: self.start,
                end: SystemTime::now(),
                attributes: Vec::new(),
                error,
            });
        }
        self.traces.close().await;
    }
}
