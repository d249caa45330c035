//! `cliente cluster log-filter`

use common::endpoint::Endpoint;
use common::exit;
use common::messages::operator::OperatorMessage;
use serde_json::json;

use crate::cli::Context;
use crate::cli::failure::Failure;
use crate::cli::output;

/// One orchestrator, or each that is known: those that do not answer are the first error, told when the others are done.
pub async fn run(
    context: &Context,
    filter: Option<&str>,
    node: Option<Endpoint>,
) -> Result<u8, Failure> {
    let nodes = match node {
        Some(node) => vec![node.settled(&context.tls)],
        None => context.orchestrators.clone(),
    };
    let mut failed = None;
    for node in nodes {
        match context.client.set_log_filter(&node, filter).await {
            Ok(()) => {
                let address = node.to_string();
                output::print(&match context.is_json {
                    true => format!("{}\n", json!({ "node": address, "filter": filter })),
                    false => {
                        format!(
                            "{}\n",
                            OperatorMessage::LogFilterSet { address }.text(context.lang)
                        )
                    }
                })?;
            }
            Err(error) => failed = failed.or(Some(error)),
        }
    }
    match failed {
        Some(error) => Err(error.into()),
        None => Ok(exit::OK),
    }
}
