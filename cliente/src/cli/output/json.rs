//! One JSON object for each line, as `docs/client.md` describes them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use common::array_id;
use common::blobs::Content;
use common::proto::{
    Array, Delivery, Durability, GetClusterResponse, Group, ListUsersResponse, NodeRole,
    NodeStatus, Queue, Quota, Receipt, Schedule, Shard, Task, TaskSpec, TaskState, Token,
    UndeliveredWebhook, Usage, User, Webhook, WebhookState, Worker,
};
use serde_json::{Map, Value, json};
use time::format_description::well_known::Rfc3339;

use super::{Output, TaskView, journal_index, role, schedules, time_of, webhooks};

/// Handlers whose results are JSON objects.
const OBJECTS: [&str; 2] = ["command", "simulated"];

pub struct Json;

impl Output for Json {
    fn accepted(&self, tasks: &[TaskView]) -> String {
        tasks.iter().map(|view| line(&task(view))).collect()
    }

    fn task(&self, view: &TaskView) -> String {
        let mut value = task(view);
        if let Some(spec) = &view.asked {
            value["asked"] = asked(spec);
        }
        line(&value)
    }

    fn named(&self, (field, name): (&str, &str), view: &TaskView) -> String {
        let mut value = task(view);
        value[field] = name.into();
        line(&value)
    }

    fn named_array(&self, (field, name): (&str, &str), array: &Array, receipt: &Receipt) -> String {
        let mut value = self::array(array, receipt);
        value[field] = name.into();
        line(&value)
    }

    fn accepted_array(&self, array: &Array, receipt: &Receipt) -> String {
        line(&self::array(array, receipt))
    }

    fn array(&self, array: &Array, receipt: &Receipt) -> String {
        line(&self::array(array, receipt))
    }

    fn change(&self, view: &TaskView) -> String {
        line(&task(view))
    }

    fn tasks(&self, tasks: &[Task], _: bool) -> String {
        tasks.iter().map(|t| line(&task(&TaskView::without_result(t.clone(), None)))).collect()
    }

    fn workers(&self, workers: &[Worker]) -> String {
        workers.iter().map(|w| line(&worker(w))).collect()
    }

    fn cluster(&self, cluster: &GetClusterResponse) -> String {
        let nodes: Vec<_> = cluster.nodes.iter().map(node).collect();
        let workers: Vec<_> = cluster.workers.iter().map(worker).collect();
        let groups: Vec<_> = cluster.shards.iter().map(shard).collect();
        let counts: Map<_, _> =
            cluster.task_counts.iter().map(|c| (c.state.clone(), c.count.into())).collect();
        line(&json!({
            "cluster_id": word(&cluster.cluster_id),
            "epoch": cluster.epoch,
            "view": cluster.view_number,
            "principal": word(&cluster.principal),
            "nodes": nodes,
            "workers": workers,
            "tasks": counts,
            "waiting_for": word(&cluster.waiting_for),
            "group": word(&cluster.shard),
            "groups": groups,
        }))
    }

    fn users(&self, all: &ListUsersResponse) -> String {
        let ListUsersResponse { users, others, default_quota } = all;
        let user = |user: &User| {
            let Usage { active, bytes, running } = user.usage.unwrap_or_default();
            json!({
                "user": user.user, "role": word(role(user.role())), "admin": user.admin, "added_at": time(user.added_at_ms),
                "quota": quota(user.quota.unwrap_or_default()), "has_own_quota": user.has_own_quota,
                "active": active, "bytes": bytes, "running": running,
            })
        };
        // A line that is nobody's, where there is one.
        let default = default_quota.filter(|quota| *quota != Quota::default());
        let default = default.map(|default| json!({ "user": null, "quota": quota(default) }));
        users.iter().chain(others).map(user).chain(default).map(|value| line(&value)).collect()
    }

    fn tokens(&self, tokens: &[Token]) -> String {
        let token = |token: &Token| {
            let expires_at = token.expires_at_ms.and_then(time);
            json!({ "name": token.name, "issued_at": time(token.issued_at_ms), "expires_at": expires_at })
        };
        tokens.iter().map(|known| line(&token(known))).collect()
    }

    fn queues(&self, queues: &[Queue]) -> String {
        queues.iter().map(|q| line(&queue(q))).collect()
    }

    fn changed_queue(&self, changed: &Queue, created: bool) -> String {
        let mut object = queue(changed);
        object["created"] = created.into();
        line(&object)
    }

    fn schedules(&self, schedules: &[Schedule]) -> String {
        schedules.iter().map(|schedule| line(&schedules::json(schedule, false))).collect()
    }

    fn schedule(&self, schedule: &Schedule) -> String {
        line(&schedules::json(schedule, true))
    }

    fn groups(&self, groups: &[Group]) -> String {
        groups.iter().map(|g| line(&group(g, None))).collect()
    }

    fn group(&self, group: &Group, receipt: &Receipt) -> String {
        line(&self::group(group, Some(receipt)))
    }

    fn webhooks(&self, webhooks: &[UndeliveredWebhook]) -> String {
        webhooks.iter().map(|webhook| line(&webhooks::json(webhook))).collect()
    }

    fn retried_webhooks(&self, count: u64) -> String {
        line(&json!({ "retried": count }))
    }

    fn promoted(&self, node: &str, epoch: u64) -> String {
        line(&json!({ "principal": node, "epoch": epoch }))
    }
}

fn queue(queue: &Queue) -> Value {
    json!({
        "queue": queue.name, "queued": queue.queued, "running": queue.running,
        "weight": queue.weight, "max_running": queue.max_running, "paused": queue.paused,
    })
}

pub fn line(value: &Value) -> String {
    format!("{value}\n")
}

fn quota(quota: Quota) -> Value {
    let Quota { max_active, max_bytes, max_running, submit_rate } = quota;
    json!({
        "max_active": max_active, "max_bytes": max_bytes,
        "max_running": max_running, "submit_rate": submit_rate,
    })
}

fn task(view: &TaskView) -> Value {
    let TaskView { task, result, blob, receipt, existed, asked: _ } = view;
    let blob = blob
        .as_ref()
        .map(|Content { hash, bytes }| json!({ "blob": hash.to_string(), "bytes": bytes }));
    let (array, index) = array_id::of_task(&task.task_id).unzip();
    json!({
        "task_id": task.task_id,
        "array_id": array,
        "array_index": index,
        "state": state(task.state()),
        "handler": task.handler,
        "delivery": delivery(task.delivery()),
        "queue": word(&task.queue),
        "priority": task.priority,
        "attempt": task.attempt,
        "worker_id": word(&task.worker_id),
        "owner": word(&task.owner),
        "submitted_at": time(task.submitted_at_ms),
        "started_at": time(task.started_at_ms),
        "finished_at": time(task.finished_at_ms),
        "pending_reason": word(&task.pending_reason),
        "existed": existed,
        "progress": task.progress.as_ref().map(|progress| json!({ "fraction": progress.fraction, "message": progress.message })),
        "not_before": time(task.not_before_ms),
        "waits_for": (task.waits_for > 0).then_some(task.waits_for),
        "waits_on": (task.waits_for > 0).then_some(&task.waits_on),
        "retry_of": word(&task.retry_of),
        "retried_as": word(&task.retried_as),
        "schedule": word(&task.schedule),
        "group": word(&task.group),
        "webhook": task.webhook.as_deref().map(webhook),
        "result": result.as_ref().map(|result| result_value(&task.handler, result)).or(blob),
        "error": task.error.as_ref().map(|e| json!({ "code": e.code, "message": e.message })),
        "durability": receipt.as_ref().map(durability),
        "epoch": receipt.as_ref().map(|r| r.epoch),
        "journal_index": receipt.as_ref().map(|r| r.journal_index),
    })
}

fn asked(spec: &TaskSpec) -> Value {
    let retry = spec.retry.as_deref();
    let needs = spec.needs.as_deref();
    json!({
        "payload": (!spec.payload.is_empty()).then(|| result_value(&spec.handler, &spec.payload)),
        "max_attempts": retry.map_or(1, |retry| retry.max_attempts),
        "retry_on": retry.map(|retry| &retry.codes),
        "max_lost_attempts": (spec.max_lost_attempts > 0).then_some(spec.max_lost_attempts),
        "attempt_timeout_ms": spec.attempt_timeout_ms,
        "expires_after_ms": spec.expires_after_ms,
        "deadline_after_ms": spec.deadline_after_ms,
        "slots": needs.map_or(1, |needs| needs.slots.max(1)),
        "labels": needs.map(|needs| &needs.labels),
        "resources": needs.map(|needs| &needs.resources),
    })
}

fn webhook(webhook: &Webhook) -> Value {
    json!({
        "state": match webhook.state() {
            WebhookState::Unspecified => None,
            WebhookState::Expected => Some("EXPECTED"),
            WebhookState::Owed => Some("OWED"),
            WebhookState::Delivered => Some("DELIVERED"),
            WebhookState::GivenUp => Some("GIVEN_UP"),
        },
        "url": word(&webhook.url),
        "tries": webhook.tries,
        "next_at": time(webhook.next_at_ms),
        "error": word(&webhook.error),
        "settled_at": time(webhook.settled_at_ms),
    })
}

fn array(array: &Array, receipt: &Receipt) -> Value {
    json!({
        "array_id": array.array_id,
        "handler": array.handler,
        "delivery": delivery(array.delivery()),
        "queue": word(&array.queue),
        "priority": array.priority,
        "group": word(&array.group),
        "first": array.first,
        "count": array.count,
        "owner": word(&array.owner),
        "submitted_at": time(array.submitted_at_ms),
        "state": state(array.state()),
        "retried": array.retried,
        "tasks": {
            "QUEUED": array.queued,
            "RUNNING": array.running,
            "SUCCEEDED": array.succeeded,
            "FAILED": array.failed,
            "CANCELLED": array.cancelled,
            "LOST": array.lost,
        },
        "forgotten": array.forgotten,
        "pending_reason": word(&array.pending_reason),
        "not_before": time(array.not_before_ms),
        "waits_for": (array.waits_for > 0).then_some(array.waits_for),
        "waits_on": (array.waits_for > 0).then_some(&array.waits_on),
        "durability": durability(receipt),
        "epoch": receipt.epoch,
        "journal_index": receipt.journal_index,
    })
}

fn group(group: &Group, receipt: Option<&Receipt>) -> Value {
    json!({
        "group": group.name,
        "state": state(group.state()),
        "tasks": {
            "QUEUED": group.queued,
            "RUNNING": group.running,
            "SUCCEEDED": group.succeeded,
            "FAILED": group.failed,
            "CANCELLED": group.cancelled,
            "LOST": group.lost,
        },
        "forgotten": group.forgotten,
        "retried": group.retried,
        "submitted_at": time(group.submitted_at_ms),
        "started_at": time(group.started_at_ms),
        "finished_at": time(group.finished_at_ms),
        "durability": receipt.map(durability),
        "epoch": receipt.map(|r| r.epoch),
        "journal_index": receipt.map(|r| r.journal_index),
    })
}

fn state(state: TaskState) -> &'static str {
    state.as_str_name().trim_start_matches("TASK_STATE_")
}

fn delivery(delivery: Delivery) -> Value {
    match delivery {
        Delivery::AtLeastOnce => "AT_LEAST_ONCE".into(),
        Delivery::AtMostOnce => "AT_MOST_ONCE".into(),
        Delivery::Unspecified => Value::Null,
    }
}

fn durability(receipt: &Receipt) -> Value {
    match receipt.durability() {
        Durability::Replicated => "REPLICATED".into(),
        Durability::LocalOnly => "LOCAL_ONLY".into(),
        Durability::Unspecified => Value::Null,
    }
}

/// The object of a handler that gives one; else text, or base64 of what is not text.
pub fn result_value(handler: &str, result: &[u8]) -> Value {
    if OBJECTS.contains(&handler)
        && let Ok(object @ Value::Object(_)) = serde_json::from_slice(result)
    {
        return object;
    }
    match std::str::from_utf8(result) {
        Ok(text) => text.into(),
        Err(_) => json!({ "base64": BASE64.encode(result) }),
    }
}

fn worker(worker: &Worker) -> Value {
    json!({
        "worker_id": worker.worker_id,
        "incarnation": worker.incarnation,
        "connected": worker.connected,
        "draining": worker.draining,
        "slots": worker.slots,
        "busy": worker.busy,
        "handlers": worker.handlers,
        "labels": worker.labels.iter().collect::<std::collections::BTreeMap<_, _>>(),
        "heartbeat_age_ms": worker.connected.then_some(worker.heartbeat_age_ms),
        "assigned_total": worker.assigned_total,
        "resources": worker.resources.iter().collect::<std::collections::BTreeMap<_, _>>(),
        "resources_used": worker.resources_used.iter().collect::<std::collections::BTreeMap<_, _>>(),
    })
}

/// A group of orchestrators.
fn shard(shard: &Shard) -> Value {
    json!({ "group": shard.name, "queues": shard.queues, "orchestrators": shard.orchestrators })
}

fn node(node: &NodeStatus) -> Value {
    let role = match node.role() {
        NodeRole::Unspecified => "UNREACHABLE",
        role => role.as_str_name().trim_start_matches("NODE_ROLE_"),
    };
    json!({
        "address": node.address,
        "role": role,
        "in_sync": node.in_sync,
        "journal_index": journal_index(node),
        "node_id": word(&node.node_id),
        "this_node": node.answering,
        "digest": word(&node.digest),
        "applied_index": node.answering.then_some(node.applied_index),
    })
}

/// An empty word is no word.
pub fn word(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

pub fn time(ms: u64) -> Option<String> {
    time_of(ms).and_then(|time| time.format(&Rfc3339).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_is_text_where_it_is_text() {
        assert_eq!(result_value("echo", b"ol\xc3\xa1"), json!("olá"));
        assert_eq!(result_value("echo", b""), json!(""));
        assert_eq!(result_value("mandelbrot", &[0xff, 0x00]), json!({ "base64": "/wA=" }));
    }

    #[test]
    fn a_result_is_an_object_only_where_the_handler_gives_one() {
        assert_eq!(result_value("echo", br#"{"a":1}"#), json!(r#"{"a":1}"#));
        assert_eq!(result_value("command", br#"{"exit_code":0}"#), json!({ "exit_code": 0 }));
        assert_eq!(result_value("command", b"broken"), json!("broken"));
    }

    #[test]
    fn times_are_rfc_3339_or_null() {
        assert_eq!(time(0), None);
        assert_eq!(time(1_767_225_600_123).as_deref(), Some("2026-01-01T00:00:00.123Z"));
    }
}
