//! `cliente cluster explain`: who is principal and why, as each orchestrator sees it.

use cliente::Error;
use common::error_code::ErrorCode;
use common::exit;
use common::messages::error::text as error_text;
use common::messages::operator::OperatorMessage;
use common::proto::ExplainClusterResponse;
use serde_json::{Value, json};

use super::super::super::Context;
use super::super::super::failure::Failure;
use super::super::super::output::{self, time};

pub async fn run(context: &Context) -> Result<u8, Failure> {
    let (mut text, mut refusal) = (String::new(), None);
    let mut answered = false;
    for node in &context.orchestrators {
        match context.client.explain_at(node).await {
            Ok(answer) => {
                answered = true;
                text.push_str(&show(context, &answer));
            }
            Err(error) => {
                text.push_str(&failed(context, &node.to_string(), &error));
                text.push('\n');
                refusal = Some(Error::more_telling(refusal, error));
            }
        }
    }
    match refusal {
        Some(error) if !answered => Err(error.into()),
        Some(_) | None => {
            output::print(&text)?;
            Ok(exit::OK)
        }
    }
}

/// What a node's refusal, or its silence, looks like among the answers of others.
pub(super) fn failed(context: &Context, address: &str, error: &Error) -> String {
    let why = error_text(error.code, &error.message, context.lang);
    if context.is_json {
        let error = json!({ "code": error.code.word(), "message": why });
        return json!({ "address": address, "standing": null, "error": error }).to_string();
    }
    let address = address.to_owned();
    let line = match error.code {
        ErrorCode::Unavailable => OperatorMessage::NodeSilent { address },
        _ => OperatorMessage::NodeRefused { address, why },
    };
    line.text(context.lang)
}

fn show(context: &Context, answer: &ExplainClusterResponse) -> String {
    if context.is_json {
        return format!("{}\n", object(answer));
    }
    let lines = lines(answer);
    lines.iter().map(|line| format!("{}\n", line.text(context.lang))).collect()
}

/// What it says, one line after another.
pub fn lines(answer: &ExplainClusterResponse) -> Vec<OperatorMessage> {
    let view = answer.view.as_ref();
    let alive = answer.witnesses.iter().filter(|witness| witness.alive).count();
    let mut lines = vec![
        OperatorMessage::Node {
            address: answer.address.clone(),
            standing: answer.standing.clone(),
            view: view.map_or(0, |view| view.number),
            epoch: view.map_or(0, |view| view.epoch),
        },
        OperatorMessage::Failover {
            failover: answer.failover.clone(),
            alive,
            witnesses: answer.witnesses.len(),
            peer: answer.peer.as_ref().map(|peer| peer.address.clone()).unwrap_or_default(),
        },
    ];
    if !answer.critical_hosts.is_empty() {
        lines.push(OperatorMessage::CriticalHosts { hosts: answer.critical_hosts.join(", ") });
    }
    lines.extend(answer.witnesses.iter().map(|witness| OperatorMessage::Witness {
        incarnation: witness.incarnation.clone(),
        host: witness.host.clone(),
        alive: witness.alive,
    }));
    lines.push(OperatorMessage::Views);
    lines.extend(answer.views.iter().rev().map(|view| OperatorMessage::View {
        number: view.number,
        epoch: view.epoch,
        cause: view.cause.clone(),
        at: time(view.at_ms),
        replicas: view.replicas,
        witnesses: view.witnesses,
    }));
    lines
}

fn object(answer: &ExplainClusterResponse) -> Value {
    let view = answer.view.as_ref();
    let witnesses: Vec<_> = answer
        .witnesses
        .iter()
        .map(|w| json!({ "incarnation": w.incarnation, "host": w.host, "alive": w.alive }))
        .collect();
    let views: Vec<_> = answer
        .views
        .iter()
        .map(|v| {
            json!({
                "number": v.number, "epoch": v.epoch, "cause": v.cause, "at_ms": v.at_ms,
                "principal_node": v.principal_node, "replicas": v.replicas,
                "witnesses": v.witnesses,
            })
        })
        .collect();
    json!({
        "address": answer.address,
        "node_id": answer.node_id,
        "standing": answer.standing,
        "view": view.map(|view| view.number),
        "epoch": view.map(|view| view.epoch),
        "failover": answer.failover,
        "witnesses": witnesses,
        "critical_hosts": answer.critical_hosts,
        "views": views,
        "cluster_id": known(&answer.cluster_id),
        "last_index": answer.last_index,
        "peer": answer.peer.as_ref().map(|peer| json!({
            "address": peer.address, "node_id": known(&peer.node_id),
            "member": peer.member, "foreign": peer.foreign,
        })),
    })
}

/// Null for what is not known.
fn known(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}
