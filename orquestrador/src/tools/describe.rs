//! Entries in words and as JSON objects. Tokens and payloads are not shown, only how many bytes they have.

use std::collections::BTreeMap;

use orquestrador_core::Event;
use orquestrador_core::command::{Condition, Delivery, Role};
use orquestrador_core::content;
use orquestrador_core::event::{ArrayFailure, Firing, RestoredEnd, RestoredTask};
use orquestrador_core::ids::TaskId;
use orquestrador_core::role::{EntryHash, EntryId, View};
use orquestrador_core::terms::{Terms, TimeLimits};
use serde_json::{Value, json};

use crate::journal::Content;
use crate::journal::inspect::Found;

/// Tasks named in a line for people.
const MAX_TASKS: usize = 8;

pub(super) fn entry_id(id: &EntryId) -> Value {
    json!({ "index": id.index.0, "epoch": id.epoch.0, "hash": hex(&id.hash.0) })
}

/// Index, epoch, the beginning of the hash, and what it records.
pub(super) fn text(found: &Found<'_>) -> String {
    let id = &found.entry.id;
    let what = match found.content {
        Some(Content::View(view)) => view_text(view),
        Some(Content::Events(events)) => events_text(events),
        None => "?".to_owned(),
    };
    format!("{:>8}  e{}  {}  {what}", id.index.0, id.epoch.0, short(&id.hash))
}

pub(super) fn object(found: &Found<'_>) -> Value {
    let mut object = entry_id(&found.entry.id);
    match found.content {
        Some(Content::View(what)) => {
            object["kind"] = "VIEW".into();
            object["view"] = view(what);
        }
        Some(Content::Events(events)) => {
            object["kind"] = "EVENTS".into();
            object["events"] = events.iter().map(event).collect();
        }
        None => object["kind"] = "UNREADABLE".into(),
    }
    object
}

pub(super) fn view(view: &View) -> Value {
    let replica = |r: &orquestrador_core::role::Replica| json!({ "node_id": r.node.to_string(), "since": r.since.0 });
    json!({
        "number": view.number.0,
        "epoch": view.epoch.0,
        "principal_node": view.principal_node.to_string(),
        "principal_process": view.principal_process.to_string(),
        "replicas": view.replicas.iter().map(replica).collect::<Vec<_>>(),
        "witnesses": view.witnesses.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "forced": view.forced,
    })
}

fn view_text(view: &View) -> String {
    let names: Vec<_> = view.replicas.iter().map(|r| r.node.to_string()).collect();
    let (number, principal, members) = (view.number, view.principal_node, names.join(","));
    let forced = if view.forced { " forced" } else { "" };
    let witnesses = view.witnesses.len();
    format!("VIEW {number} principal={principal} replicas={members} witnesses={witnesses}{forced}")
}

fn events_text(events: &[Event]) -> String {
    let mut counts = BTreeMap::<&str, u64>::new();
    let mut tasks: Vec<TaskId> = Vec::new();
    for event in events {
        *counts.entry(kind(event)).or_default() += 1;
        for task in tasks_of(event) {
            if tasks.len() <= MAX_TASKS && !tasks.contains(&task) {
                tasks.push(task);
            }
        }
    }
    let counts: Vec<_> = counts.iter().map(|(kind, count)| format!("{kind}×{count}")).collect();
    let mut text = counts.join(" ");
    for task in tasks.iter().take(MAX_TASKS) {
        text = format!("{text} {task}");
    }
    if tasks.len() > MAX_TASKS { format!("{text} …") } else { text }
}

fn tasks_of(event: &Event) -> Vec<TaskId> {
    match event {
        Event::TaskSubmitted { task, .. }
        | Event::TaskAssigned { task, .. }
        | Event::TaskSucceeded { task, .. }
        | Event::TaskFailed { task, .. }
        | Event::TaskCancelled { task, .. }
        | Event::TaskRequeued { task, .. }
        | Event::TaskReturned { task, .. }
        | Event::TaskRetried { task, .. }
        | Event::TaskDelayed { task, .. }
        | Event::TaskDue { task, .. }
        | Event::TaskLost { task, .. }
        | Event::TaskExpired { task, .. }
        | Event::TaskBlocked { task, .. }
        | Event::TaskReleased { task, .. }
        | Event::TaskSkipped { task, .. }
        | Event::TaskRepeated { task, .. }
        | Event::SourcesTaken { task, .. }
        | Event::TaskTraced { task, .. }
        | Event::TaskKeyed { task, .. }
        | Event::OutputKept { task, .. }
        | Event::WebhookDelivered { task, .. }
        | Event::WebhookDelayed { task, .. }
        | Event::WebhookGivenUp { task, .. }
        | Event::BlobsReferred { task, .. }
        | Event::AttemptEnded { task, .. } => vec![*task],
        Event::ArraySubmitted { array, .. }
        | Event::ArrayCancelled { array, .. }
        | Event::ArrayFailed { array, .. } => vec![TaskId(array.0)],
        Event::ArrayRestored(restored) => vec![TaskId(restored.array.0)],
        Event::TasksPruned { tasks } | Event::WebhooksRetried { tasks, .. } => tasks.clone(),
        Event::ScheduleFired { firing, .. } => firing_word(firing).1.into_iter().collect(),
        Event::TaskRestored(restored) => vec![restored.task],
        Event::WebhookOwed(owed) => vec![owed.report.task],
        Event::WorkerRegistered { .. }
        | Event::HandlersLearned { .. }
        | Event::WorkerLost { .. }
        | Event::UserAdded { .. }
        | Event::QueueChanged { .. }
        | Event::QuotaChanged { .. }
        | Event::KeysReleased { .. }
        | Event::ScheduleSet { .. }
        | Event::ScheduleRemoved { .. }
        | Event::GroupRestored(_)
        | Event::OrderRestored { .. }
        | Event::UserRemoved { .. }
        | Event::TokenIssued { .. }
        | Event::TokenRevoked { .. } => Vec::new(),
    }
}

fn kind(event: &Event) -> &'static str {
    match event {
        Event::TaskSubmitted { .. } => "TASK_SUBMITTED",
        Event::ArraySubmitted { .. } => "ARRAY_SUBMITTED",
        Event::ArrayCancelled { .. } => "ARRAY_CANCELLED",
        Event::ArrayFailed { .. } => "ARRAY_FAILED",
        Event::TaskAssigned { .. } => "TASK_ASSIGNED",
        Event::TaskSucceeded { .. } => "TASK_SUCCEEDED",
        Event::TaskFailed { .. } => "TASK_FAILED",
        Event::TaskCancelled { .. } => "TASK_CANCELLED",
        Event::TaskRequeued { .. } => "TASK_REQUEUED",
        Event::TaskReturned { .. } => "TASK_RETURNED",
        Event::TaskRetried { .. } => "TASK_RETRIED",
        Event::TaskDelayed { .. } => "TASK_DELAYED",
        Event::TaskDue { .. } => "TASK_DUE",
        Event::TaskLost { .. } => "TASK_LOST",
        Event::TaskExpired { .. } => "TASK_EXPIRED",
        Event::QueueChanged { .. } => "QUEUE_CHANGED",
        Event::QuotaChanged { .. } => "QUOTA_CHANGED",
        Event::TaskBlocked { .. } => "TASK_BLOCKED",
        Event::TaskReleased { .. } => "TASK_RELEASED",
        Event::TaskSkipped { .. } => "TASK_SKIPPED",
        Event::TaskRepeated { .. } => "TASK_REPEATED",
        Event::SourcesTaken { .. } => "SOURCES_TAKEN",
        Event::TaskTraced { .. } => "TASK_TRACED",
        Event::TaskKeyed { .. } => "TASK_KEYED",
        Event::KeysReleased { .. } => "KEYS_RELEASED",
        Event::OutputKept { .. } => "OUTPUT_KEPT",
        Event::WebhookDelivered { .. } => "WEBHOOK_DELIVERED",
        Event::WebhookDelayed { .. } => "WEBHOOK_DELAYED",
        Event::WebhookGivenUp { .. } => "WEBHOOK_GIVEN_UP",
        Event::WebhookOwed(_) => "WEBHOOK_OWED",
        Event::WebhooksRetried { .. } => "WEBHOOKS_RETRIED",
        Event::ScheduleSet { .. } => "SCHEDULE_SET",
        Event::ScheduleFired { .. } => "SCHEDULE_FIRED",
        Event::ScheduleRemoved { .. } => "SCHEDULE_REMOVED",
        Event::GroupRestored(_) => "GROUP_RESTORED",
        Event::OrderRestored { .. } => "ORDER_RESTORED",
        Event::BlobsReferred { .. } => "BLOBS_REFERRED",
        Event::TasksPruned { .. } => "TASKS_PRUNED",
        Event::WorkerRegistered { .. } => "WORKER_REGISTERED",
        Event::HandlersLearned { .. } => "HANDLERS_LEARNED",
        Event::WorkerLost { .. } => "WORKER_LOST",
        Event::AttemptEnded { .. } => "ATTEMPT_ENDED",
        Event::TaskRestored(_) => "TASK_RESTORED",
        Event::ArrayRestored(_) => "ARRAY_RESTORED",
        Event::UserAdded { .. } => "USER_ADDED",
        Event::UserRemoved { .. } => "USER_REMOVED",
        Event::TokenIssued { .. } => "TOKEN_ISSUED",
        Event::TokenRevoked { .. } => "TOKEN_REVOKED",
    }
}

fn event(event: &Event) -> Value {
    let mut object = fields(event);
    object["event"] = kind(event).into();
    object
}

fn fields(event: &Event) -> Value {
    let text = |id: &dyn std::fmt::Display| id.to_string();
    match event {
        Event::TaskSubmitted { task, owner, handler, payload, terms, at } => json!({
            "task_id": text(task), "owner": text(owner), "handler": text(handler),
            "payload_bytes": content::length(payload), "delivery": delivery_word(terms.delivery),
            "retry": retry(terms), "queue": text(&terms.queue), "priority": terms.priority,
            "times": times(terms), "needs": needs(terms), "at_ms": at.0,
        }),
        Event::ArraySubmitted {
            array,
            owner,
            handler,
            payload,
            terms,
            first,
            count,
            without,
            at,
        } => {
            json!({
                "array_id": text(array), "owner": text(owner), "handler": text(handler),
                "payload_bytes": payload.len(), "delivery": delivery_word(terms.delivery),
                "retry": retry(terms), "queue": text(&terms.queue), "priority": terms.priority,
                "times": times(terms), "needs": needs(terms), "first": first, "count": count, "without": ranges(without), "at_ms": at.0,
            })
        }
        Event::ArrayCancelled { array, at } => {
            json!({ "array_id": text(array), "at_ms": at.0 })
        }
        Event::ArrayFailed { array, failure, at } => {
            let because = match failure {
                ArrayFailure::Skipped { because } => Some(text(because)),
                ArrayFailure::Expired(_) => None,
            };
            json!({
                "array_id": text(array), "code": failure.failure().code, "because": because,
                "at_ms": at.0,
            })
        }
        Event::TaskAssigned { task, attempt, worker, at } => json!({
            "task_id": text(task), "attempt": attempt.0, "worker_id": text(worker), "at_ms": at.0,
        }),
        Event::TaskSucceeded { task, attempt, result, at } => json!({
            "task_id": text(task), "attempt": attempt.0, "result_bytes": content::length(result), "at_ms": at.0,
        }),
        Event::TaskFailed { task, attempt, failure, at } => json!({
            "task_id": text(task), "attempt": attempt.0, "code": failure.code,
            "message": failure.message, "at_ms": at.0,
        }),
        Event::TaskCancelled { task, at } => json!({ "task_id": text(task), "at_ms": at.0 }),
        Event::TaskRequeued { task, attempt, at } => {
            json!({ "task_id": text(task), "attempt": attempt.0, "at_ms": at.0 })
        }
        Event::TaskReturned { task, attempt, returned, begun, at } => json!({
            "task_id": text(task), "attempt": attempt.0, "returned": returned, "begun": begun,
            "at_ms": at.0,
        }),
        Event::TaskRetried { task, attempt, failed, until, code, message, at } => json!({
            "task_id": text(task), "attempt": attempt.0, "failed": failed, "until_ms": until.0,
            "code": code, "message": message, "at_ms": at.0,
        }),
        Event::TaskDelayed { task, until, at } => json!({
            "task_id": text(task), "until_ms": until.0, "at_ms": at.0,
        }),
        Event::TaskDue { task, at } => json!({ "task_id": text(task), "at_ms": at.0 }),
        Event::TaskLost { task, attempt, cause, at } => json!({
            "task_id": text(task), "attempt": attempt.0, "cause": cause.code(), "at_ms": at.0,
        }),
        Event::TaskExpired { task, expiry, at } => json!({
            "task_id": text(task), "code": expiry.code(), "at_ms": at.0,
        }),
        Event::TaskBlocked { task, blockage, at } => json!({
            "task_id": text(task), "after": blockage.after.iter().map(|t| text(t)).collect::<Vec<_>>(),
            "any_end": blockage.condition == Condition::Finished,
            "failed": blockage.failed.map(|t| text(&t)), "at_ms": at.0,
        }),
        Event::TaskReleased { task, at } => json!({ "task_id": text(task), "at_ms": at.0 }),
        Event::TaskSkipped { task, because, after, at } => json!({
            "task_id": text(task), "because": text(because),
            "after": after.iter().map(|t| text(t)).collect::<Vec<_>>(), "at_ms": at.0,
        }),
        Event::SourcesTaken { task, of } => json!({
            "task_id": text(task), "of": of.iter().map(|t| text(t)).collect::<Vec<_>>(),
        }),
        Event::TaskTraced { task, trace } => json!({
            "task_id": text(task), "trace_id": format!("{:032x}", trace.trace),
            "span_id": format!("{:016x}", trace.span), "sampled": trace.sampled,
        }),
        Event::TaskRepeated { task, by } => json!({ "task_id": text(task), "by": text(by) }),
        Event::QueueChanged { queue, settings, at } => json!({
            "queue": text(queue), "weight": settings.weight, "max_running": settings.max_running,
            "paused": settings.paused, "at_ms": at.0,
        }),
        Event::QuotaChanged { user, quota, at } => json!({
            "user": user.as_ref().map(|user| text(user)),
            "quota": quota.map(|quota| json!({
                "max_active": quota.max_active, "max_bytes": quota.max_bytes,
                "max_running": quota.max_running, "submit_rate": quota.submit_rate,
            })),
            "at_ms": at.0,
        }),
        Event::TaskKeyed { task, owner, key, until, .. } => json!({
            "task_id": text(task), "owner": text(owner), "key": text(key), "until_ms": until.0,
        }),
        Event::BlobsReferred { task, blobs } => {
            let blobs = blobs.iter().map(|b| json!({"blob": text(&b.id), "bytes": b.bytes}));
            json!({ "task_id": text(task), "blobs": blobs.collect::<Vec<_>>() })
        }
        Event::KeysReleased { keys } => {
            let keys =
                keys.iter().map(|(owner, key)| json!({"owner": text(owner), "key": text(key)}));
            json!({ "keys": keys.collect::<Vec<_>>() })
        }
        Event::WebhookDelivered { task, at } => json!({ "task_id": text(task), "at_ms": at.0 }),
        Event::WebhookDelayed { task, tries, until, error, at } => json!({
            "task_id": text(task), "tries": tries, "until_ms": until.0, "error": error,
            "at_ms": at.0,
        }),
        Event::WebhookGivenUp { task, error, kept, at } => json!({
            "task_id": text(task), "error": error, "is_kept": kept.is_some(),
            "instead_of": kept.and_then(|kept| kept.instead_of).map(|task| text(&task)),
            "at_ms": at.0,
        }),
        Event::WebhooksRetried { tasks, at } => json!({
            "task_ids": tasks.iter().map(|task| text(task)).collect::<Vec<_>>(), "at_ms": at.0,
        }),
        Event::WebhookOwed(owed) => json!({
            "task_id": text(&owed.report.task), "url": text(&owed.url), "tries": owed.tries,
            "next_ms": owed.next.0, "error": owed.error,
            "given_up_at_ms": owed.given_up.map(|at| at.0),
            "tasks": owed.report.rest.as_ref().map(|rest| rest.tasks),
        }),
        Event::OutputKept { task, output } => {
            json!({ "task_id": text(task), "output_bytes": content::length(output) })
        }
        Event::ScheduleSet { owner, name, schedule, paused, created, next, at } => json!({
            "owner": text(owner), "schedule": text(name), "expression": schedule.expression,
            "zone": schedule.zone, "handler": text(&schedule.handler),
            "payload_bytes": schedule.payload.len(), "paused": paused,
            "created_at_ms": created.0, "next_ms": next.map(|next| next.0), "at_ms": at.0,
        }),
        Event::ScheduleFired { owner, name, due, firing, next, at } => {
            let (what, task) = firing_word(firing);
            json!({
                "owner": text(owner), "schedule": text(name), "due_ms": due.0, "what": what,
                "task_id": task.map(|task| text(&task)), "next_ms": next.map(|next| next.0),
                "at_ms": at.0,
            })
        }
        Event::ScheduleRemoved { owner, name, at } => json!({
            "owner": text(owner), "schedule": text(name), "at_ms": at.0,
        }),
        Event::GroupRestored(restored) => json!({
            "owner": text(&restored.owner), "group": text(&restored.group),
            "forgotten": restored.past.forgotten.iter().sum::<u64>(),
        }),
        Event::OrderRestored { next } => json!({ "next": next }),
        Event::TasksPruned { tasks } => {
            json!({ "task_ids": tasks.iter().map(|task| text(task)).collect::<Vec<_>>() })
        }
        Event::WorkerRegistered { worker, incarnation, slots, handlers, labels, resources, at } => {
            json!({
                "worker_id": text(worker), "incarnation": text(incarnation), "slots": slots,
                "handlers": handlers.iter().map(|handler| text(handler)).collect::<Vec<_>>(),
                "labels": labels.iter().cloned().collect::<BTreeMap<_, _>>(),
                "resources": resources.iter().cloned().collect::<BTreeMap<_, _>>(), "at_ms": at.0,
            })
        }
        Event::HandlersLearned { handlers } => {
            json!({ "handlers": handlers.iter().map(|handler| text(handler)).collect::<Vec<_>>() })
        }
        Event::WorkerLost { worker, incarnation, at } => json!({
            "worker_id": text(worker), "incarnation": text(incarnation), "at_ms": at.0,
        }),
        Event::AttemptEnded { task, attempt, worker } => json!({
            "task_id": text(task), "attempt": attempt.0, "worker_id": text(worker),
        }),
        Event::TaskRestored(task) => restored(task),
        Event::ArrayRestored(array) => json!({
            "array_id": text(&array.array), "owner": text(&array.owner), "handler": text(&array.handler),
            "payload_bytes": array.payload.len(), "delivery": delivery_word(array.terms.delivery),
            "retry": retry(&array.terms), "queue": text(&array.terms.queue),
            "priority": array.terms.priority, "times": times(&array.terms),
            "needs": needs(&array.terms),
            "first": array.first, "count": array.count, "begun": array.begun,
            "early": ranges(&array.early), "forgotten": array.forgotten.total(), "at_ms": array.at.0,
        }),
        Event::UserAdded { user, token_hash: _, role, at } => {
            json!({ "user": text(user), "role": role_word(*role), "at_ms": at.0 })
        }
        Event::UserRemoved { user } => json!({ "user": text(user) }),
        Event::TokenIssued { user, name, hash: _, expires_at, at } => json!({
            "user": text(user), "name": text(name), "expires_at_ms": expires_at.map(|at| at.0),
            "at_ms": at.0,
        }),
        Event::TokenRevoked { user, name } => json!({ "user": text(user), "name": text(name) }),
    }
}

fn firing_word(firing: &Firing) -> (&'static str, Option<TaskId>) {
    match firing {
        Firing::Made(task) => ("MADE", Some(*task)),
        Firing::ByHand(task) => ("BY_HAND", Some(*task)),
        Firing::Missed => ("MISSED", None),
        Firing::Overlapped => ("OVERLAPPED", None),
        Firing::Refused { .. } => ("REFUSED", None),
    }
}

fn restored(task: &RestoredTask) -> Value {
    let end = match &task.end {
        RestoredEnd::Succeeded { .. } => "SUCCEEDED",
        RestoredEnd::Failed(_) => "FAILED",
        RestoredEnd::Cancelled { .. } => "CANCELLED",
        RestoredEnd::Lost { .. } => "LOST",
    };
    json!({
        "task_id": task.task.to_string(),
        "owner": task.owner.to_string(),
        "handler": task.handler.to_string(),
        "attempt": task.attempt.0,
        "worker_id": task.worker.as_ref().map(ToString::to_string),
        "state": end,
        "delivery": delivery_word(task.delivery),
        "queue": task.queue.to_string(),
        "priority": task.priority,
        "submitted_at_ms": task.submitted_at.0,
        "finished_at_ms": task.finished_at.0,
    })
}

fn role_word(role: Role) -> &'static str {
    match role {
        Role::Submitter => "SUBMITTER",
        Role::Admin => "ADMIN",
        Role::Viewer => "VIEWER",
    }
}

/// Null: a failure is the end.
fn retry(terms: &Terms) -> Value {
    terms.retry.as_ref().map_or(Value::Null, |retry| {
        json!({
            "max_attempts": retry.max_attempts, "first_delay_ms": retry.first_delay_ms,
            "max_delay_ms": retry.max_delay_ms, "codes": retry.codes,
        })
    })
}

/// In milliseconds; null: as long as it takes.
fn times(terms: &Terms) -> Value {
    let TimeLimits { attempt_ms, begin_ms, end_ms } = terms.times;
    json!({ "attempt_ms": attempt_ms, "begin_ms": begin_ms, "end_ms": end_ms })
}

/// Null: one slot anywhere.
fn needs(terms: &Terms) -> Value {
    terms.needs.as_ref().map_or(Value::Null, |needs| {
        json!({
            "slots": needs.slots,
            "labels": needs.labels.iter().cloned().collect::<BTreeMap<_, _>>(),
            "resources": needs.resources.iter().cloned().collect::<BTreeMap<_, _>>(),
        })
    })
}

/// Beginning and length of each.
fn ranges(ranges: &[std::ops::Range<u32>]) -> Value {
    ranges.iter().map(|range| json!([range.start, range.end - range.start])).collect()
}

fn delivery_word(delivery: Delivery) -> &'static str {
    match delivery {
        Delivery::AtLeastOnce => "AT_LEAST_ONCE",
        Delivery::AtMostOnce => "AT_MOST_ONCE",
    }
}

fn short(hash: &EntryHash) -> String {
    hex(&hash.0[..4])
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
