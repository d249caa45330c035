//! `cliente cluster recover-tail`: submits once more what an orchestrator set aside.

use common::endpoint::Endpoint;
use common::error_code::ErrorCode;
use common::exit;
use common::messages::operator::OperatorMessage;
use common::proto::Tail;
use serde_json::json;

use super::super::super::Context;
use super::super::super::failure::Failure;
use super::super::super::output;
use super::super::super::terminal::say;

/// All tails of all orchestrators that answer, unless one is named.
pub async fn run(
    context: &Context,
    name: Option<&str>,
    node: Option<Endpoint>,
) -> Result<u8, Failure> {
    let nodes = node.map_or_else(|| context.orchestrators.clone(), |node| vec![node]);
    let (mut found, mut is_damaged) = (0_usize, false);
    let (mut answered, mut refusal) = (0_usize, None);
    for node in nodes {
        let tails = match context.client.tails_at(&node).await {
            Ok(tails) => {
                answered += 1;
                tails
            }
            Err(error) => {
                say(&super::explain::failed(context, &node.to_string(), &error));
                refusal = Some(cliente::Error::more_telling(refusal, error));
                continue;
            }
        };
        for tail in tails.iter().filter(|tail| name.is_none_or(|name| tail.name == name)) {
            found += 1;
            if tail.damage.is_empty() {
                let accepted = context.client.recover_tail(&node, &tail.name).await?;
                output::print(&recovered(context, &node, tail, accepted))?;
            } else {
                // The others are none the worse for it.
                is_damaged = true;
                output::print(&damaged(context, &node, tail))?;
            }
        }
    }
    match (found, refusal, name) {
        (0, Some(error), _) if answered == 0 => Err(error.into()),
        (0, _, Some(name)) => {
            let none = format!("no orchestrator has set aside `{name}`");
            Err(cliente::Error::new(ErrorCode::TailNotFound, none).into())
        }
        (0, refusal, None) => {
            if !context.is_json {
                output::print(&format!("{}\n", OperatorMessage::NoTails.text(context.lang)))?;
            }
            // Who was not asked may have one.
            Ok(if refusal.is_some() { exit::UNAVAILABLE } else { exit::OK })
        }
        (1.., _, _) if is_damaged => Ok(exit::BROKEN),
        (1.., _, _) => Ok(exit::OK),
    }
}

fn recovered(context: &Context, node: &Endpoint, tail: &Tail, accepted: u64) -> String {
    let node = node.to_string();
    if context.is_json {
        let object = json!({
            "node": node, "tail": tail.name, "entries": tail.entries, "tasks": tail.tasks,
            "accepted": accepted, "finished": tail.finished, "withheld": tail.withheld,
            "withheld_ids": tail.withheld_ids, "damage": null,
        });
        return format!("{object}\n");
    }
    let Tail { name: tail_name, tasks, finished, withheld, withheld_ids, .. } = tail.clone();
    let first = OperatorMessage::TailRecovered {
        node,
        tail: tail_name,
        tasks,
        accepted,
        finished,
        withheld,
    };
    let named = withheld_ids.into_iter().map(|task| OperatorMessage::TaskWithheld { task });
    std::iter::once(first)
        .chain(named)
        .map(|message| format!("{}\n", message.text(context.lang)))
        .collect()
}

fn damaged(context: &Context, node: &Endpoint, tail: &Tail) -> String {
    let (node, damage) = (node.to_string(), tail.damage.clone());
    if context.is_json {
        let object = json!({
            "node": node, "tail": tail.name, "entries": null, "tasks": null, "accepted": 0,
            "finished": null, "withheld": null, "withheld_ids": [], "damage": damage,
        });
        return format!("{object}\n");
    }
    let message = OperatorMessage::TailDamaged { node, tail: tail.name.clone(), damage };
    format!("{}\n", message.text(context.lang))
}
