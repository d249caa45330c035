//! `cliente audit`: reads the journals of both orchestrators and proves what they promise.

use std::io::Read as _;

use cliente::Audit;
use common::exit;
use common::messages::audit::AuditMessage;
use serde_json::{Value, json};

use super::super::Context;
use super::super::failure::Failure;
use super::super::output;

/// `acknowledged`: a file of task ids or of the JSON lines that `submit` wrote; `-` is standard input.
pub async fn run(context: &Context, acknowledged: Option<&str>) -> Result<u8, Failure> {
    let ids = acknowledged.map(read_ids).transpose()?.unwrap_or_default();
    let audit = context.client.audit(&ids).await?;
    let verdict = audit.verdict();
    let text = if context.is_json {
        format!("{}\n", object(&audit, ids.len()))
    } else {
        lines(&audit, ids.len())
            .iter()
            .map(|line| format!("{}\n", line.text(context.lang)))
            .collect()
    };
    output::print(&text)?;
    Ok(match verdict {
        cliente::Verdict::Proven => exit::OK,
        cliente::Verdict::OneNodeOnly | cliente::Verdict::Incomplete => exit::UNAVAILABLE,
        cliente::Verdict::Violated => exit::BROKEN,
    })
}

fn read_ids(path: &str) -> Result<Vec<String>, Failure> {
    let mut text = String::new();
    let read = match path {
        "-" => std::io::stdin().read_to_string(&mut text),
        path => std::fs::File::open(path).and_then(|mut file| file.read_to_string(&mut text)),
    };
    read.map_err(Failure::input(path))?;
    Ok(text.lines().filter_map(id_of).collect())
}

/// A bare id, or the `task_id` of a JSON object.
fn id_of(line: &str) -> Option<String> {
    let line = line.trim();
    match serde_json::from_str::<Value>(line) {
        Ok(Value::Object(task)) => task.get("task_id")?.as_str().map(str::to_owned),
        Ok(Value::String(id)) => Some(id),
        Ok(_) | Err(_) => (!line.is_empty()).then(|| line.to_owned()),
    }
}

/// What each journal holds, what was not read, and what it comes to.
pub fn lines(audit: &Audit, asked: usize) -> Vec<AuditMessage> {
    let mut lines = Vec::new();
    for node in &audit.nodes {
        let report = &node.report;
        lines.push(AuditMessage::Node {
            address: node.address.to_string(),
            first: report.first_index,
            at: report.at_index,
            tasks: report.tasks,
            epoch: report.highest_epoch,
            second_outcomes: report.second_outcomes,
            epoch_regressions: report.epoch_regressions,
            missing: report.missing.len(),
            contradiction: report.contradiction.clone(),
        });
        let missing = report.missing.iter();
        lines.extend(missing.map(|task| AuditMessage::Missing { task: task.clone() }));
        if !report.forgotten.is_empty() {
            lines.push(AuditMessage::Forgotten { count: report.forgotten.len() });
        }
    }
    lines.extend(audit.not_read.iter().map(|node| {
        let (address, id, why) = (node.address.to_string(), node.node_id.clone(), node.why);
        AuditMessage::NotRead { address, id, why }
    }));
    lines.extend(audit.overrides.iter().map(|forced| AuditMessage::Override {
        view: forced.number,
        epoch: forced.epoch,
        index: forced.journal_index,
    }));
    lines.push(AuditMessage::Verdict { proof: audit.verdict(), asked });
    lines
}

fn object(audit: &Audit, asked: usize) -> Value {
    let nodes: Vec<_> = audit
        .nodes
        .iter()
        .map(|node| {
            let report = &node.report;
            json!({
                "address": node.address.to_string(),
                "node_id": report.node_id,
                "first_index": report.first_index,
                "at_index": report.at_index,
                "hash": report.hash,
                "digest": report.digest,
                "tasks": report.tasks,
                "highest_epoch": report.highest_epoch,
                "second_outcomes": report.second_outcomes,
                "epoch_regressions": report.epoch_regressions,
                "missing": report.missing,
                "forgotten": report.forgotten,
                "contradiction": report.contradiction,
            })
        })
        .collect();
    let not_read: Vec<_> = audit
        .not_read
        .iter()
        .map(|node| {
            let node_id = (!node.node_id.is_empty()).then_some(&node.node_id);
            json!({ "address": node.address.to_string(), "node_id": node_id, "why": node.why.word() })
        })
        .collect();
    let overrides: Vec<_> = audit
        .overrides
        .iter()
        .map(|o| {
            let index = (o.journal_index > 0).then_some(o.journal_index);
            json!({ "view": o.number, "epoch": o.epoch, "journal_index": index })
        })
        .collect();
    json!({
        "verdict": audit.verdict().word(),
        "acknowledged": asked,
        "hashes_equal": audit.hashes_equal(),
        "digests_equal": audit.digests_equal(),
        "nodes": nodes,
        "members": audit.members,
        "not_read": not_read,
        "overrides": overrides,
    })
}
