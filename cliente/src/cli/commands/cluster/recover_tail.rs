//! `cliente cluster recover-tail`: submits once more what an orchestrator set aside.

use common::endpoint::Endpoint;
use common::error_code::ErrorCode;
use common::exit;
use common::messages::operator::OperatorMessage;
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
    let mut found = 0_usize;
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
            let accepted = context.client.recover_tail(&node, &tail.name).await?;
            let text = if context.is_json {
                json!({
                    "node": node.to_string(), "tail": tail.name, "entries": tail.entries,
                    "tasks": tail.tasks, "accepted": accepted, "withheld": tail.withheld,
                })
                .to_string()
            } else {
                let (node, name) = (node.to_string(), tail.name.clone());
                let (tasks, withheld) = (tail.tasks, tail.withheld);
                OperatorMessage::TailRecovered { node, tail: name, tasks, accepted, withheld }
                    .text(context.lang)
            };
            output::print(&format!("{text}\n"))?;
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
        (1.., _, _) => Ok(exit::OK),
    }
}
