//! What a principal tells a collector of tasks: one span for each task, from its submission to its end, and within it one for
//! each attempt, from the assignment to the outcome. Their ids follow from those of the task, so that a worker and the next
//! principal call them the same without asking.
//!
//! A task that was submitted within a trace belongs to it, and that trace decides whether it is recorded. Any other one is a
//! trace of its own, called by the id of the task; so many of them are recorded as was asked for.

use std::collections::HashMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use common::traces::{KeyValue, Span, SpanContext, SpanId, SpanKind, TraceId, Traces};
use common::traces::{context, parse, traceparent};
use orquestrador_core::command::{AttemptRef, Failure};
use orquestrador_core::effect::{Assignment, TaskState, Timeline};
use orquestrador_core::ids::{Attempt, HandlerName, TaskId, Timestamp, WorkerId};
use orquestrador_core::trace::TraceContext;
use tonic::metadata::MetadataMap;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Seeds of hashes of a task's id: whether it is recorded, and its span; attempts follow.
const RECORDED: u64 = 0;
const WHOLE: u64 = 1;

/// Of this node, while it is principal.
#[derive(Debug, Default)]
pub struct Tracer {
    traces: Traces,
    /// Of tasks that belong to no trace of their submitter's, so many are recorded: 0 to 1.
    ratio: f64,
    /// Attempts that this principal assigned, of tasks that are recorded.
    running: HashMap<TaskId, Running>,
}

#[derive(Debug)]
struct Running {
    attempt: Attempt,
    handler: HandlerName,
    worker: WorkerId,
    task: SpanContext,
    since: SystemTime,
}

impl Tracer {
    pub fn new(traces: Traces, ratio: f64) -> Self {
        Self { traces, ratio, running: HashMap::new() }
    }

    /// The worker is told this of the attempt's span; empty: nothing.
    pub fn assigned(&mut self, assignment: &Assignment) -> String {
        let AttemptRef { task, attempt } = assignment.attempt;
        let Some(whole) = self.place(task, assignment.trace) else { return String::new() };
        let place = place_of(&whole, task, attempt);
        let before = self.running.get(&task);
        if self.traces.is_on()
            && whole.is_sampled()
            && before.is_none_or(|before| before.attempt != attempt)
        {
            let (handler, worker) = (assignment.handler.clone(), assignment.worker.clone());
            let since = moment(assignment.assigned_at);
            let running = Running { attempt, handler, worker, task: whole, since };
            if let Some(before) = self.running.insert(task, running) {
                let why = Some("another attempt followed it".to_owned());
                self.end_attempt(task, before, since, why);
            }
        }
        traceparent(&place)
    }

    pub fn retried(&mut self, task: TaskId, failure: &Failure, now: Timestamp) {
        if let Some(running) = self.running.remove(&task) {
            self.end_attempt(task, running, moment(now), Some(words(failure)));
        }
    }

    pub fn finished(
        &mut self,
        task: TaskId,
        (state, failure): (TaskState, Option<&Failure>),
        timeline: &Timeline,
    ) {
        let running = self.running.remove(&task);
        if !self.traces.is_on() {
            return;
        }
        let Some(whole) = self.place(task, timeline.trace).filter(SpanContext::is_sampled) else {
            return;
        };
        let end = moment(timeline.finished_at);
        let error = match state {
            TaskState::Succeeded => None,
            TaskState::Failed => Some(failure.map(words).unwrap_or_default()),
            TaskState::Queued | TaskState::Running | TaskState::Cancelled | TaskState::Lost => {
                Some(format!("{state:?}").to_uppercase())
            }
        };
        // One that an earlier principal assigned is known by its end alone, one that was lost by its beginning.
        let ran = timeline.started_at.zip(timeline.worker.clone()).map(|(since, worker)| {
            let (attempt, handler) = (timeline.attempt, timeline.handler.clone());
            Running { attempt, handler, worker, task: whole.clone(), since: moment(since) }
        });
        if let Some(ended) = ran.or(running) {
            self.end_attempt(task, ended, end, error.clone());
        }
        let parent = timeline.trace.map(of_submitter);
        let mut attributes = attributes(task, &timeline.handler);
        attributes.extend([
            KeyValue::new("mutirao.queue", timeline.queue.to_string()),
            KeyValue::new("mutirao.state", format!("{state:?}").to_uppercase()),
            KeyValue::new("mutirao.attempts", i64::from(timeline.attempt.0)),
        ]);
        self.traces.record(Span {
            name: "task".into(),
            kind: SpanKind::Consumer,
            context: whole,
            parent,
            start: moment(timeline.submitted_at),
            end,
            attributes,
            error,
        });
    }

    /// Another node is principal: it tells of the ends to come.
    pub fn leave_office(&mut self) {
        self.running.clear();
    }

    /// The span of the task as a whole; `None`: nobody is to hear of it.
    fn place(&self, task: TaskId, given: Option<TraceContext>) -> Option<SpanContext> {
        let span = SpanId::from(hash(task, WHOLE));
        match given {
            Some(given) => Some(context(TraceId::from(given.trace), span, given.sampled)),
            None => {
                let share = hash(task, RECORDED) as f64 / u64::MAX as f64;
                let is_recorded = self.traces.is_on() && share < self.ratio;
                is_recorded.then(|| context(TraceId::from(task.0), span, true))
            }
        }
    }

    fn end_attempt(&self, task: TaskId, ended: Running, end: SystemTime, error: Option<String>) {
        let mut attributes = attributes(task, &ended.handler);
        attributes.extend([
            KeyValue::new("mutirao.attempt", i64::from(ended.attempt.0)),
            KeyValue::new("mutirao.worker", ended.worker.to_string()),
        ]);
        self.traces.record(Span {
            name: "attempt".into(),
            kind: SpanKind::Producer,
            context: place_of(&ended.task, task, ended.attempt),
            parent: Some(ended.task),
            start: ended.since,
            end,
            attributes,
            error,
        });
    }
}

fn attributes(task: TaskId, handler: &HandlerName) -> Vec<KeyValue> {
    vec![
        KeyValue::new("mutirao.task.id", task.to_string()),
        KeyValue::new("mutirao.handler", handler.to_string()),
    ]
}

fn place_of(whole: &SpanContext, task: TaskId, attempt: Attempt) -> SpanContext {
    let span = SpanId::from(hash(task, WHOLE + u64::from(attempt.0)));
    context(whole.trace_id(), span, whole.is_sampled())
}

/// Never 0, which names no span.
fn hash(task: TaskId, seed: u64) -> u64 {
    xxh3_64_with_seed(&task.to_bytes(), seed).max(1)
}

/// Where its submitter stands.
pub fn of_submitter(TraceContext { trace, span, sampled }: TraceContext) -> SpanContext {
    context(TraceId::from(trace), SpanId::from(span), sampled)
}

/// Within which span the caller is, if it says so; what is malformed says nothing, as W3C Trace Context has it.
pub fn of_call(metadata: &MetadataMap) -> Option<TraceContext> {
    let text = metadata.get("traceparent")?.to_str().ok()?;
    parse(text).map(|given| kept(&given))
}

/// What does not name a trace of its own belongs to that of the call.
pub fn put_in<'a>(
    trace: Option<TraceContext>,
    submitted: impl Iterator<Item = &'a mut Option<TraceContext>>,
) {
    for own in submitted {
        *own = own.or(trace);
    }
}

/// As the core keeps it.
pub fn kept(of: &SpanContext) -> TraceContext {
    TraceContext {
        trace: u128::from_be_bytes(of.trace_id().to_bytes()),
        span: u64::from_be_bytes(of.span_id().to_bytes()),
        sampled: of.is_sampled(),
    }
}

fn words(Failure { code, message, .. }: &Failure) -> String {
    format!("{code}: {message}")
}

fn moment(at: Timestamp) -> SystemTime {
    UNIX_EPOCH.checked_add(Duration::from_millis(at.0)).unwrap_or(UNIX_EPOCH)
}
