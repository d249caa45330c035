//! Data on standard output, for people or for programs.

use std::io::{ErrorKind, Write as _};

use base64::Engine as _;
use comfy_table::{Table, presets};
use common::lang::Lang;
use common::messages::Message as _;
use common::messages::client::{ClientMessage, state_word};
use common::proto::{
    Durability, GetClusterResponse, NodeRole, Receipt, Task, TaskState, User, Worker,
};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::args::Format;
use super::failure::Failure;

/// In which form, and in which language for people.
#[derive(Clone, Copy)]
pub struct Output {
    format: Format,
    lang: Lang,
}

/// A task with what else is known of it.
pub struct Shown<'a> {
    pub task: &'a Task,
    pub result: Option<&'a [u8]>,
    pub receipt: Option<&'a Receipt>,
}

impl<'a> Shown<'a> {
    pub fn new(task: &'a Task) -> Self {
        Self { task, result: None, receipt: None }
    }
}

impl Output {
    pub fn new(format: Format, lang: Lang) -> Self {
        Self { format, lang }
    }

    pub fn is_json(self) -> bool {
        self.format == Format::Json
    }

    /// One line for each task: an object, or what a person reads.
    pub fn task(self, shown: &Shown<'_>) -> Result<(), Failure> {
        match self.format {
            Format::Json => line(&task_json(shown).to_string()),
            Format::Table => line(&self.task_text(shown)),
        }
    }

    fn task_text(self, shown: &Shown<'_>) -> String {
        let task = shown.task;
        let mut text = format!("{}  {}", task.task_id, state_word(task.state()));
        let mut add = |label: &str, value: &str| {
            if !value.is_empty() {
                text.push_str(&format!("  {label}{value}"));
            }
        };
        add("", &task.handler);
        add("", &task.worker_id);
        if task.attempt > 1 {
            add("#", &task.attempt.to_string());
        }
        if let Some(receipt) = shown.receipt {
            add("", durability(receipt));
        }
        if let Some(error) = &task.error {
            add("", &format!("{}: {}", error.code, error.message));
        }
        if let Some(result) = shown.result {
            add("→ ", String::from_utf8_lossy(result).trim_end());
        }
        text
    }

    pub fn tasks(self, tasks: &[Task]) -> Result<(), Failure> {
        if self.is_json() {
            return tasks.iter().try_for_each(|task| self.task(&Shown::new(task)));
        }
        let head = ClientMessage::TaskColumns.text(self.lang);
        let rows = tasks.iter().map(|task| {
            vec![
                task.task_id.clone(),
                state_word(task.state()).to_owned(),
                task.handler.clone(),
                task.attempt.to_string(),
                task.worker_id.clone(),
                time_text(task.submitted_at_ms),
                time_text(task.finished_at_ms),
            ]
        });
        line(&table(&head, rows))
    }

    pub fn workers(self, workers: &[Worker]) -> Result<(), Failure> {
        if self.is_json() {
            return workers.iter().try_for_each(|worker| line(&worker_json(worker).to_string()));
        }
        let head = ClientMessage::WorkerColumns.text(self.lang);
        let rows = workers.iter().map(|worker| {
            let state = match (worker.connected, worker.draining) {
                (true, true) => ClientMessage::WorkerDraining,
                (true, false) => ClientMessage::WorkerConnected,
                (false, _) => ClientMessage::WorkerSilent,
            };
            vec![
                worker.worker_id.clone(),
                state.text(self.lang),
                format!("{}/{}", worker.busy, worker.slots),
                worker.assigned_total.to_string(),
                worker.handlers.join(","),
            ]
        });
        line(&table(&head, rows))
    }

    pub fn cluster(self, cluster: &GetClusterResponse) -> Result<(), Failure> {
        if self.is_json() {
            return line(&cluster_json(cluster).to_string());
        }
        let head = ClientMessage::NodeColumns.text(self.lang);
        let rows = cluster.nodes.iter().map(|node| {
            vec![
                node.address.clone(),
                ClientMessage::Role { role: node.role() }.text(self.lang),
                ClientMessage::YesNo { yes: node.in_sync }.text(self.lang),
                node.journal_index.to_string(),
            ]
        });
        line(
            &ClientMessage::ClusterLine {
                epoch: cluster.epoch,
                view: cluster.view_number,
                principal: cluster.principal.clone(),
            }
            .text(self.lang),
        )?;
        line(&table(&head, rows))?;
        let counts: Vec<_> = cluster
            .task_counts
            .iter()
            .map(|count| format!("{} {}", count.state, count.count))
            .collect();
        if !counts.is_empty() {
            line(&counts.join("  "))?;
        }
        if cluster.workers.is_empty() { Ok(()) } else { self.workers(&cluster.workers) }
    }

    pub fn users(self, users: &[User]) -> Result<(), Failure> {
        if self.is_json() {
            return users.iter().try_for_each(|user| {
                let added_at = time_json(user.added_at_ms);
                line(
                    &json!({ "user": user.user, "admin": user.admin, "added_at": added_at })
                        .to_string(),
                )
            });
        }
        let head = ClientMessage::UserColumns.text(self.lang);
        let rows = users.iter().map(|user| {
            let admin = ClientMessage::YesNo { yes: user.admin }.text(self.lang);
            vec![user.user.clone(), admin, time_text(user.added_at_ms)]
        });
        line(&table(&head, rows))
    }
}

/// A line of data. A reader that has left is no error.
pub fn line(text: &str) -> Result<(), Failure> {
    bytes(format!("{text}\n").as_bytes())
}

/// For people, on standard error. A reader that has left is no error.
pub fn note(text: &str) {
    if writeln!(std::io::stderr(), "{text}").is_err() {
        tracing::trace!("nobody reads standard error");
    }
}

/// Data as it is.
pub fn bytes(data: &[u8]) -> Result<(), Failure> {
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(data).and_then(|()| stdout.flush()).map_err(|error| match error.kind() {
        ErrorKind::BrokenPipe => Failure::ClosedOutput,
        _ => Failure::io("stdout")(error),
    })
}

fn table(head: &str, rows: impl Iterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_header(head.split('|').map(str::to_owned).collect::<Vec<_>>());
    for row in rows {
        table.add_row(row);
    }
    table.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}

fn durability(receipt: &Receipt) -> &'static str {
    match receipt.durability() {
        Durability::Replicated => "REPLICATED",
        Durability::LocalOnly => "LOCAL_ONLY",
        Durability::Unspecified => "",
    }
}

/// The task object of `docs/client.md`.
pub fn task_json(shown: &Shown<'_>) -> Value {
    let task = shown.task;
    let finished = task.state() == TaskState::Succeeded || task.state() == TaskState::Failed;
    json!({
        "task_id": task.task_id,
        "state": task.state().as_str_name().trim_start_matches("TASK_STATE_"),
        "handler": task.handler,
        "attempt": task.attempt,
        "worker_id": (!task.worker_id.is_empty()).then_some(&task.worker_id),
        "submitted_at": time_json(task.submitted_at_ms),
        "started_at": time_json(task.started_at_ms),
        "finished_at": time_json(task.finished_at_ms),
        "result": shown.result.filter(|_| finished).map(result_json),
        "error": task.error.as_ref().map(|e| json!({ "code": e.code, "message": e.message })),
        "durability": shown.receipt.map(durability),
        "epoch": shown.receipt.map(|r| r.epoch),
        "journal_index": shown.receipt.map(|r| r.journal_index),
        "pending_reason": (!task.pending_reason.is_empty()).then_some(&task.pending_reason),
    })
}

/// An object if it is one, else text, else base64.
fn result_json(result: &[u8]) -> Value {
    match std::str::from_utf8(result) {
        Ok(text) => match serde_json::from_str::<Value>(text) {
            Ok(object @ Value::Object(_)) => object,
            Ok(_) | Err(_) => Value::String(text.to_owned()),
        },
        Err(_) => {
            json!({ "base64": base64::engine::general_purpose::STANDARD.encode(result) })
        }
    }
}

fn worker_json(worker: &Worker) -> Value {
    json!({
        "worker_id": worker.worker_id,
        "incarnation": worker.incarnation,
        "connected": worker.connected,
        "draining": worker.draining,
        "slots": worker.slots,
        "busy": worker.busy,
        "handlers": worker.handlers,
        "labels": worker.labels,
        "heartbeat_age_ms": worker.connected.then_some(worker.heartbeat_age_ms),
        "assigned_total": worker.assigned_total,
    })
}

fn cluster_json(cluster: &GetClusterResponse) -> Value {
    let nodes: Vec<_> = cluster
        .nodes
        .iter()
        .map(|node| {
            json!({
                "address": node.address,
                "role": node.role().as_str_name().trim_start_matches("NODE_ROLE_"),
                "in_sync": node.in_sync,
                "journal_index": node.journal_index,
                "reachable": node.role() != NodeRole::Unreachable,
                "digest": (!node.digest.is_empty()).then_some(&node.digest),
                "applied_index": node.applied_index,
            })
        })
        .collect();
    let counts: serde_json::Map<_, _> =
        cluster.task_counts.iter().map(|count| (count.state.clone(), count.count.into())).collect();
    json!({
        "cluster_id": cluster.cluster_id,
        "epoch": cluster.epoch,
        "view": cluster.view_number,
        "principal": (!cluster.principal.is_empty()).then_some(&cluster.principal),
        "nodes": nodes,
        "workers": cluster.workers.iter().map(worker_json).collect::<Vec<_>>(),
        "tasks": counts,
        "waiting_for": (!cluster.waiting_for.is_empty()).then_some(&cluster.waiting_for),
    })
}

fn time_of(ms: u64) -> Option<OffsetDateTime> {
    let nanos = i128::from(ms) * 1_000_000;
    (ms > 0).then(|| OffsetDateTime::from_unix_timestamp_nanos(nanos).ok()).flatten()
}

fn time_json(ms: u64) -> Value {
    time_of(ms).and_then(|t| t.format(&Rfc3339).ok()).map_or(Value::Null, Value::String)
}

fn time_text(ms: u64) -> String {
    let format = time::macros::format_description!("[year]-[month]-[day] [hour]:[minute]:[second]");
    time_of(ms).and_then(|t| t.format(&format).ok()).unwrap_or_default()
}
