//! The core's types to and from the wire of clients and workers.

use crate::tails::{Summary, Tail};
use crate::task_history::{Step, What};
use common::error_code::ErrorCode;
use common::grpc_status;
use common::proto;
use common::proto::outcome::Outcome as WireOutcome;
use orquestrador_core::command::{
    AttemptRef, Condition, Delivery, Failure, Outcome, ReportedOutcome,
};
use orquestrador_core::content::Content;
use orquestrador_core::effect::{
    ArraySnapshot, Assignment, GroupSnapshot, PendingReason, QueueSnapshot, TaskSnapshot,
    TaskState, WorkerSnapshot,
};
use orquestrador_core::event::LossCause;
use orquestrador_core::ids::{
    Attempt, Blob, BlobRef, GroupName, HandlerName, ScheduleName, TaskId, Timestamp,
};
use orquestrador_core::schedule::moment_of;
use orquestrador_core::terms::Terms;
use orquestrador_core::webhook::{Settled, WebhookStanding};
use tonic::Status;

use super::validate;

pub fn state(state: TaskState) -> proto::TaskState {
    match state {
        TaskState::Queued => proto::TaskState::Queued,
        TaskState::Running => proto::TaskState::Running,
        TaskState::Succeeded => proto::TaskState::Succeeded,
        TaskState::Failed => proto::TaskState::Failed,
        TaskState::Cancelled => proto::TaskState::Cancelled,
        TaskState::Lost => proto::TaskState::Lost,
    }
}

/// Of a damaged one nothing is known but its name.
pub fn tail(tail: Tail) -> proto::Tail {
    let name = tail.name;
    match tail.content {
        Ok(Summary { entries, tasks, finished, withheld, named }) => proto::Tail {
            name,
            entries,
            tasks,
            finished,
            withheld,
            withheld_ids: named.iter().map(ToString::to_string).collect(),
            damage: String::new(),
        },
        Err(error) => {
            let damage = common::console::chain(&error);
            proto::Tail { name, damage, ..proto::Tail::default() }
        }
    }
}

pub fn delivery(delivery: Delivery) -> proto::Delivery {
    match delivery {
        Delivery::AtLeastOnce => proto::Delivery::AtLeastOnce,
        Delivery::AtMostOnce => proto::Delivery::AtMostOnce,
    }
}

pub fn condition(condition: Condition) -> proto::Condition {
    match condition {
        Condition::Succeeded => proto::Condition::Succeeded,
        Condition::Finished => proto::Condition::Finished,
    }
}

pub fn task(snapshot: &TaskSnapshot) -> proto::Task {
    let at = |time: Option<Timestamp>| time.map_or(0, |t| t.0);
    proto::Task {
        task_id: snapshot.id.to_string(),
        handler: (*snapshot.handler.0).into(),
        state: state(snapshot.state).into(),
        attempt: snapshot.attempt.0,
        worker_id: snapshot.worker.as_ref().map(|id| (*id.0).into()).unwrap_or_default(),
        submitted_at_ms: snapshot.submitted_at.0,
        started_at_ms: at(snapshot.started_at),
        finished_at_ms: at(snapshot.finished_at),
        error: snapshot.error.as_ref().map(|(code, message)| {
            let (code, message) = (code.clone(), message.clone());
            Box::new(proto::TaskError { code, message })
        }),
        result_bytes: snapshot.result_bytes,
        owner: (*snapshot.owner.0).into(),
        pending_reason: snapshot.pending.map(pending).unwrap_or_default().to_owned(),
        delivery: delivery(snapshot.delivery).into(),
        not_before_ms: at(snapshot.not_before),
        queue: (*snapshot.queue.0).into(),
        priority: snapshot.priority.into(),
        group: group(&snapshot.group),
        waits_for: u32::try_from(snapshot.waits_for).unwrap_or(u32::MAX),
        waits_on: snapshot.waits_on.iter().map(ToString::to_string).collect(),
        progress: None,
        webhook: snapshot.webhook.as_deref().map(webhook).map(Box::new),
        schedule: name(snapshot.schedule.as_ref()),
        retry_of: snapshot.retry_of.as_ref().map(ToString::to_string).unwrap_or_default(),
        retried_as: snapshot.retried_as.as_ref().map(ToString::to_string).unwrap_or_default(),
    }
}

fn webhook(standing: &WebhookStanding) -> proto::Webhook {
    let is =
        |state: proto::WebhookState| proto::Webhook { state: state.into(), ..Default::default() };
    match standing {
        WebhookStanding::Expected(url) => {
            proto::Webhook { url: url.to_string(), ..is(proto::WebhookState::Expected) }
        }
        WebhookStanding::Owed { url, tries, next, error } => proto::Webhook {
            url: url.to_string(),
            tries: (*tries).into(),
            next_at_ms: next.0,
            error: error.clone(),
            ..is(proto::WebhookState::Owed)
        },
        WebhookStanding::Settled(Settled { is_delivered, tries, error, at }) => proto::Webhook {
            tries: (*tries).into(),
            error: error.clone(),
            settled_at_ms: at.0,
            ..is(match is_delivered {
                true => proto::WebhookState::Delivered,
                false => proto::WebhookState::GivenUp,
            })
        },
    }
}

fn name(schedule: Option<&ScheduleName>) -> String {
    schedule.map(ToString::to_string).unwrap_or_default()
}

pub fn retry(terms: &Terms) -> Option<proto::RetryPolicy> {
    terms.retry.as_ref().map(|retry| proto::RetryPolicy {
        max_attempts: retry.max_attempts.into(),
        first_delay_ms: retry.first_delay_ms,
        max_delay_ms: retry.max_delay_ms,
        codes: retry.codes.clone(),
    })
}

pub fn webhook_url(terms: &Terms) -> String {
    terms.webhook.as_ref().map(ToString::to_string).unwrap_or_default()
}

pub fn needs(terms: &Terms) -> Option<proto::Needs> {
    terms.needs.as_ref().map(|needs| proto::Needs {
        slots: needs.slots,
        labels: needs.labels.iter().cloned().collect(),
        resources: needs.resources.iter().cloned().collect(),
    })
}

pub fn queue(snapshot: &QueueSnapshot) -> proto::Queue {
    proto::Queue {
        name: snapshot.queue.to_string(),
        weight: snapshot.settings.weight,
        max_running: snapshot.settings.max_running,
        paused: snapshot.settings.paused,
        queued: snapshot.queued,
        running: snapshot.running,
    }
}

pub fn array(snapshot: &ArraySnapshot) -> proto::Array {
    // No array has more tasks than that can say.
    let number = |count: u64| u32::try_from(count).unwrap_or(u32::MAX);
    let count = |state: TaskState| number(snapshot.counts[state as usize]);
    proto::Array {
        array_id: snapshot.id.to_string(),
        handler: (*snapshot.handler.0).into(),
        delivery: delivery(snapshot.delivery).into(),
        first: snapshot.first,
        count: snapshot.count,
        owner: (*snapshot.owner.0).into(),
        submitted_at_ms: snapshot.submitted_at.0,
        queued: count(TaskState::Queued),
        running: count(TaskState::Running),
        succeeded: count(TaskState::Succeeded),
        failed: count(TaskState::Failed),
        cancelled: count(TaskState::Cancelled),
        lost: count(TaskState::Lost),
        forgotten: number(snapshot.forgotten),
        state: state(snapshot.state).into(),
        retried: number(snapshot.retried),
        queue: (*snapshot.queue.0).into(),
        priority: snapshot.priority.into(),
        group: group(&snapshot.group),
        pending_reason: snapshot.wait.pending.map(pending).unwrap_or_default().to_owned(),
        not_before_ms: snapshot.wait.not_before.map_or(0, |at| at.0),
        waits_for: u32::try_from(snapshot.wait.waits_for).unwrap_or(u32::MAX),
        waits_on: snapshot.wait.waits_on.iter().map(ToString::to_string).collect(),
    }
}

pub fn group(group: &Option<GroupName>) -> String {
    group.as_ref().map(ToString::to_string).unwrap_or_default()
}

pub fn group_status(snapshot: &GroupSnapshot) -> proto::Group {
    let at = |time: Option<Timestamp>| time.map_or(0, |t| t.0);
    proto::Group {
        name: snapshot.group.to_string(),
        state: state(snapshot.state()).into(),
        queued: snapshot.count(TaskState::Queued),
        running: snapshot.count(TaskState::Running),
        succeeded: snapshot.count(TaskState::Succeeded),
        failed: snapshot.count(TaskState::Failed),
        cancelled: snapshot.count(TaskState::Cancelled),
        lost: snapshot.count(TaskState::Lost),
        forgotten: snapshot.forgotten,
        retried: snapshot.retried,
        submitted_at_ms: at(snapshot.submitted_at),
        started_at_ms: at(snapshot.started_at),
        finished_at_ms: at(snapshot.finished_at),
    }
}

pub fn task_step(step: &Step) -> proto::TaskStep {
    let base = proto::TaskStep {
        journal_index: step.index.0,
        epoch: step.epoch.0,
        at_ms: step.at.0,
        ..proto::TaskStep::default()
    };
    match &step.what {
        What::Submitted => proto::TaskStep { what: "SUBMITTED".into(), ..base },
        What::Assigned { attempt, worker } => proto::TaskStep {
            what: "ASSIGNED".into(),
            attempt: attempt.0,
            worker_id: worker.to_string(),
            ..base
        },
        What::Lost { attempt, cause } => {
            let (what, cause) = ("LOST".into(), cause.code().into());
            proto::TaskStep { what, attempt: attempt.0, cause, ..base }
        }
        What::Returned { attempt, begun } => {
            let cause = if *begun { LossCause::WorkerDrained.code() } else { "" };
            let (what, cause) = ("RETURNED".into(), cause.into());
            proto::TaskStep { what, attempt: attempt.0, cause, ..base }
        }
        What::Retried { attempt, code, until } => {
            let (what, cause) = ("RETRIED".into(), code.clone());
            proto::TaskStep { what, attempt: attempt.0, cause, not_before_ms: until.0, ..base }
        }
        What::Delayed { until } => {
            proto::TaskStep { what: "DELAYED".into(), not_before_ms: until.0, ..base }
        }
        What::Due => proto::TaskStep { what: "DUE".into(), ..base },
        What::Blocked => proto::TaskStep { what: "BLOCKED".into(), ..base },
        What::Released => proto::TaskStep { what: "RELEASED".into(), ..base },
        What::Skipped { because } => {
            let (what, cause) = ("SKIPPED".into(), because.to_string());
            proto::TaskStep { what, cause, ..base }
        }
        What::Succeeded { attempt } => {
            proto::TaskStep { what: "SUCCEEDED".into(), attempt: attempt.0, ..base }
        }
        What::Failed { attempt, code } => {
            let (what, cause) = ("FAILED".into(), code.clone());
            proto::TaskStep { what, attempt: attempt.0, cause, ..base }
        }
        What::TaskLost { attempt, cause } => {
            let (what, cause) = ("TASK_LOST".into(), cause.code().into());
            proto::TaskStep { what, attempt: attempt.0, cause, ..base }
        }
        What::Expired { expiry } => {
            let (what, cause) = ("EXPIRED".into(), expiry.code().into());
            proto::TaskStep { what, cause, ..base }
        }
        What::WebhookDelivered => proto::TaskStep { what: "WEBHOOK_DELIVERED".into(), ..base },
        What::WebhookDelayed { tries, error, until } => {
            let (what, cause) = ("WEBHOOK_DELAYED".into(), error.clone());
            let attempt = u32::from(*tries);
            proto::TaskStep { what, attempt, cause, not_before_ms: until.0, ..base }
        }
        What::WebhookGivenUp { error } => {
            let (what, cause) = ("WEBHOOK_GIVEN_UP".into(), error.clone());
            proto::TaskStep { what, cause, ..base }
        }
        What::Cancelled => proto::TaskStep { what: "CANCELLED".into(), ..base },
    }
}

/// What somebody wanted of a task, but for its start and what it comes after. A payload that is a blob is left out.
pub fn task_spec(
    (handler, payload): (&HandlerName, Option<&Blob>),
    terms: &Terms,
) -> proto::TaskSpec {
    proto::TaskSpec {
        handler: handler.to_string(),
        payload: payload.map(|payload| content(payload.clone()).0).unwrap_or_default(),
        delivery: delivery(terms.delivery).into(),
        retry: retry(terms).map(Box::new),
        max_lost_attempts: terms.max_lost_attempts.unwrap_or_default().into(),
        queue: terms.queue.to_string(),
        priority: terms.priority.into(),
        attempt_timeout_ms: terms.times.attempt_ms,
        expires_after_ms: terms.times.begin_ms,
        deadline_after_ms: terms.times.end_ms,
        needs: needs(terms).map(Box::new),
        webhook: webhook_url(terms),
        ..proto::TaskSpec::default()
    }
}

fn pending(reason: PendingReason) -> &'static str {
    match reason {
        PendingReason::NoWorker => "NO_WORKER",
        PendingReason::NoWorkerForHandler => "NO_WORKER_FOR_HANDLER",
        PendingReason::NoWorkerForNeeds => "NO_WORKER_FOR_NEEDS",
        PendingReason::AllBusy => "ALL_BUSY",
        PendingReason::Backoff => "BACKOFF",
        PendingReason::NotBefore => "NOT_BEFORE",
        PendingReason::Dependencies => "DEPENDENCIES",
        PendingReason::QueuePaused => "QUEUE_PAUSED",
        PendingReason::QueueFull => "QUEUE_LIMIT",
        PendingReason::UserLimit => "USER_LIMIT",
        PendingReason::Suspect => "SUSPECT",
    }
}

pub fn update(snapshot: &TaskSnapshot, result: Option<&Blob>) -> proto::TaskUpdate {
    let (result, result_blob) = result.cloned().map(content).unwrap_or_default();
    proto::TaskUpdate { task: Some(task(snapshot)), result, not_found: false, result_blob }
}

/// The bytes of a payload or result, or the blob that holds them.
pub fn content(kept: Blob) -> (Blob, Option<Box<proto::BlobRef>>) {
    match Content::of_kept(kept) {
        Content::Inline(bytes) => (bytes, None),
        Content::Referred(blob) => (Blob::new(), Some(Box::new(blob_ref(&blob)))),
    }
}

pub fn not_found(id: TaskId) -> proto::TaskUpdate {
    let task = proto::Task { task_id: id.to_string(), ..proto::Task::default() };
    proto::TaskUpdate { task: Some(task), not_found: true, ..proto::TaskUpdate::default() }
}

pub fn worker(worker: &WorkerSnapshot) -> proto::Worker {
    proto::Worker {
        worker_id: worker.worker.to_string(),
        incarnation: worker.incarnation.to_string(),
        connected: worker.connected,
        draining: worker.draining,
        slots: worker.slots,
        busy: worker.busy,
        handlers: worker.handlers.iter().map(ToString::to_string).collect(),
        labels: worker.labels.iter().cloned().collect(),
        heartbeat_age_ms: worker.silent_for_ms.unwrap_or_default(),
        assigned_total: worker.assigned_total,
        resources: worker.resources.iter().cloned().collect(),
        resources_used: worker.resources_used.iter().cloned().collect(),
    }
}

/// `traceparent`: the span of the attempt; empty: none.
pub fn assignment(assignment: Assignment, traceparent: String) -> proto::Assignment {
    let origin = assignment.origin;
    // Of a repetition the first task's: that is the schedule's own.
    let first = origin.map_or(assignment.attempt.task, |origin| origin.first);
    let scheduled_at = assignment.schedule.as_ref().map_or(0, |_| moment_of(first).0);
    let (payload, payload_blob) = content(assignment.payload);
    proto::Assignment {
        task_id: assignment.attempt.task.to_string(),
        attempt: assignment.attempt.attempt.0,
        handler: (*assignment.handler.0).into(),
        payload,
        payload_blob,
        delivery: delivery(assignment.delivery).into(),
        timeout_ms: assignment.timeout_ms,
        slots: assignment.slots,
        retry_of: origin.map(|origin| origin.of.to_string()).unwrap_or_default(),
        first_task_id: origin.map(|origin| origin.first.to_string()).unwrap_or_default(),
        schedule: name(assignment.schedule.as_ref()),
        scheduled_at_ms: scheduled_at,
        traceparent,
    }
}

/// # Errors
/// `INVALID_ARGUMENT` for a malformed task id.
pub fn attempts(attempts: Vec<proto::AttemptRef>) -> Result<Vec<AttemptRef>, Status> {
    attempts.into_iter().map(|a| attempt(&a.task_id, a.attempt)).collect()
}

fn attempt(task_id: &str, attempt: u32) -> Result<AttemptRef, Status> {
    Ok(AttemptRef { task: validate::task_id("task_id", task_id)?, attempt: Attempt(attempt) })
}

/// # Errors
/// `INVALID_ARGUMENT` for a malformed outcome.
pub fn outcomes(outcomes: proto::Outcomes) -> Result<Vec<ReportedOutcome>, Status> {
    outcomes.outcomes.into_iter().map(outcome).collect()
}

fn outcome(outcome: proto::Outcome) -> Result<ReportedOutcome, Status> {
    let attempt = attempt(&outcome.task_id, outcome.attempt)?;
    let mut reported = outcome.blobs;
    let kept = |field: &str, bytes: Blob| match &outcome.result_blob {
        Some(blob) => {
            let why = |why| grpc_status::invalid([("outcome.result_blob".to_owned(), why)]);
            Ok(Content::Referred(validate::blob_ref(blob).map_err(why)?).into_kept())
        }
        None => Ok::<_, Status>(Content::Inline(blob(field, bytes)?).into_kept()),
    };
    let result = match outcome.outcome {
        Some(WireOutcome::Succeeded(result)) => {
            Outcome::Succeeded { result: kept("result", result)? }
        }
        Some(WireOutcome::Failed(failure)) => Outcome::Failed(Failure {
            code: validate::failure_code(failure.code)?,
            message: validate::shortened(failure.message),
            output: kept("output", failure.output.into())?,
        }),
        None => return Err(grpc_status::status(ErrorCode::InvalidArgument, "an outcome is empty")),
    };
    reported.extend(outcome.result_blob.map(|blob| *blob));
    let wrong = |why| grpc_status::invalid([("outcome.blobs".to_owned(), why)]);
    let blobs = validate::blob_refs(&reported).map_err(wrong)?;
    Ok(ReportedOutcome { attempt, outcome: result, blobs })
}

pub fn blob_ref(blob: &BlobRef) -> proto::BlobRef {
    proto::BlobRef { id: blob.id.0.to_vec(), bytes: blob.bytes }
}

fn blob(field: &str, bytes: Blob) -> Result<Blob, Status> {
    if bytes.len() > common::endpoint::MAX_PAYLOAD_BYTES {
        let text = format!(
            "has {} bytes, at most {} are allowed",
            bytes.len(),
            common::endpoint::MAX_PAYLOAD_BYTES
        );
        return Err(grpc_status::invalid([(field.to_owned(), text)]));
    }
    Ok(bytes)
}
