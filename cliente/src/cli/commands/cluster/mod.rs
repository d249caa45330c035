//! `cliente cluster`, and what operators do with it.

mod backup;
mod drill;
pub mod explain;
mod log_filter;
mod recover_tail;
pub mod restore;
mod switchover;

use common::endpoint::Endpoint;
use common::exit;
use common::messages::client::ClientMessage;
use common::messages::operator::OperatorMessage;
use serde_json::json;

use super::super::Context;
use super::super::args::ClusterAction;
use super::super::failure::Failure;
use super::super::output;

pub async fn run(context: &Context, action: Option<ClusterAction>) -> Result<u8, Failure> {
    let text = match action {
        None => context.output.cluster(&context.client.cluster().await?),
        // The parser insists on the force.
        Some(ClusterAction::Promote { node, force: _, accept_incomplete }) => {
            let node = match node {
                Some(node) => node,
                None => only_answering_node(context).await?,
            };
            let epoch = context.client.promote(&node, accept_incomplete).await?;
            context.output.promoted(&node.to_string(), epoch)
        }
        Some(ClusterAction::Switchover) => return switchover::run(context).await,
        Some(ClusterAction::Replace { address }) => {
            let address = address.settled(&context.tls);
            context.client.replace_peer(&address).await?;
            let address = address.to_string();
            if context.is_json {
                format!("{}\n", json!({ "peer": address }))
            } else {
                format!("{}\n", OperatorMessage::PeerReplaced { address }.text(context.lang))
            }
        }
        Some(ClusterAction::Shutdown { wait }) => {
            let interrupted = context.client.shutdown(wait).await?;
            if context.is_json {
                format!("{}\n", json!({ "interrupted": interrupted }))
            } else {
                format!("{}\n", OperatorMessage::ShutDown { interrupted }.text(context.lang))
            }
        }
        Some(ClusterAction::RecoverTail { name, node }) => {
            return recover_tail::run(context, name.as_deref(), node).await;
        }
        Some(ClusterAction::LogFilter { filter, reset: _, node }) => {
            return log_filter::run(context, filter.as_deref(), node).await;
        }
        Some(ClusterAction::Backup { file, overwrite }) => {
            return backup::run(context, &file, overwrite).await;
        }
        Some(ClusterAction::Restore { file, data_dir, check }) => {
            let how = (context.is_json, context.lang);
            return restore::run(how, &file, data_dir.as_deref(), check);
        }
        Some(ClusterAction::Explain) => return explain::run(context).await,
        Some(ClusterAction::Drill(options)) => return drill::run(context, &options).await,
    };
    output::print(&text)?;
    Ok(exit::OK)
}

/// The node that an override is about, when it is plain which.
async fn only_answering_node(context: &Context) -> Result<Endpoint, Failure> {
    let mut answering = Vec::new();
    for endpoint in &context.orchestrators {
        if context.client.cluster_at(endpoint).await.is_ok() {
            answering.push(endpoint.clone());
        }
    }
    match answering.as_slice() {
        [only] => Ok(only.clone()),
        nodes => Err(Failure::usage(ClientMessage::WhichToPromote { answering: nodes.len() })),
    }
}
