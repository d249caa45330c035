//! `cliente webhooks`

use common::exit;
use common::messages::Message as _;
use common::messages::client_webhooks::WebhooksMessage;

use super::super::Context;
use super::super::args::WebhooksAction;
use super::super::failure::Failure;
use super::super::output;
use super::super::terminal::say;

pub async fn run(context: &Context, action: Option<WebhooksAction>) -> Result<u8, Failure> {
    match action.unwrap_or_default() {
        WebhooksAction::List { given_up, limit, all } => {
            let limit = if all { usize::MAX } else { limit };
            let webhooks = context.client.webhooks(given_up, limit).await?;
            output::print(&context.output.webhooks(&webhooks))?;
        }
        WebhooksAction::Retry { task_ids, all } => {
            let count = match all {
                true => context.client.retry_all_webhooks().await?,
                false => context.client.retry_webhooks(&task_ids).await?,
            };
            if context.is_json {
                output::print(&context.output.retried_webhooks(count))?;
            } else {
                say(&WebhooksMessage::Retried { count }.text(context.lang));
            }
        }
    }
    Ok(exit::OK)
}
