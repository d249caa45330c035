//! The spans of what this worker runs, within those of the attempts that the principal tells of.

use std::sync::Arc;
use std::time::SystemTime;

use common::proto::{self, Assignment, Outcome};
use common::traces::{self, KeyValue, Span, SpanContext, SpanKind, Traces};

/// What runs, of a task that is traced.
pub struct Traced {
    traces: Traces,
    context: SpanContext,
    attempt: SpanContext,
    start: SystemTime,
    name: String,
    attributes: Vec<KeyValue>,
}

impl Traced {
    /// `None` for a task that is not traced.
    pub fn begin(traces: &Traces, assignment: &Assignment, worker: &Arc<str>) -> Option<Box<Self>> {
        if assignment.traceparent.is_empty() {
            return None;
        }
        let Some(attempt) = traces::parse(&assignment.traceparent) else {
            tracing::debug!(assignment.traceparent, "an assignment's span has no name");
            return None;
        };
        let attributes = vec![
            KeyValue::new("mutirao.task.id", assignment.task_id.clone()),
            KeyValue::new("mutirao.attempt", i64::from(assignment.attempt)),
            KeyValue::new("mutirao.worker", worker.to_string()),
        ];
        Some(Box::new(Self {
            traces: traces.clone(),
            // Where nobody is told of it, what it starts is part of the attempt itself.
            context: match traces.is_on() {
                true => traces::child_of(Some(&attempt)),
                false => attempt.clone(),
            },
            attempt,
            start: SystemTime::now(),
            name: format!("run {}", assignment.handler),
            attributes,
        }))
    }

    /// What the work itself starts is part of this.
    pub fn context(&self) -> SpanContext {
        self.context.clone()
    }

    /// It waited for a slot until now.
    pub fn starts_now(&mut self) {
        self.start = SystemTime::now();
    }

    pub fn end(self, outcome: &Outcome) {
        let error = match &outcome.outcome {
            Some(proto::outcome::Outcome::Failed(failure)) => {
                Some(format!("{}: {}", failure.code, failure.message))
            }
            Some(proto::outcome::Outcome::Succeeded(_)) | None => None,
        };
        self.traces.record(Span {
            name: self.name.into(),
            kind: SpanKind::Consumer,
            context: self.context,
            parent: Some(self.attempt),
            start: self.start,
            end: SystemTime::now(),
            attributes: self.attributes,
            error,
        });
    }
}
