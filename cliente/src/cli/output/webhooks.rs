//! What is still to be told of tasks' ends, for people and for programs.

use common::messages::client_tables::{Columns, Label};
use common::proto::{UndeliveredWebhook, WebhookState};
use serde_json::{Value, json};

use super::json::word;
use super::table::{Table, time};

pub fn table(table: &Table, webhooks: &[UndeliveredWebhook]) -> String {
    table.table(Columns::Webhooks, webhooks.iter().map(|webhook| row(table, webhook)))
}

fn row(table: &Table, webhook: &UndeliveredWebhook) -> Vec<String> {
    let label = match webhook.state() {
        WebhookState::GivenUp => Label::WebhookGivenUp,
        WebhookState::Unspecified
        | WebhookState::Expected
        | WebhookState::Owed
        | WebhookState::Delivered => Label::WebhookOwed,
    };
    vec![
        webhook.task_id.clone(),
        table.label(label).to_owned(),
        webhook.target.clone(),
        webhook.tries.to_string(),
        time(webhook.next_at_ms),
        webhook.owner.clone(),
        webhook.error.clone(),
    ]
}

pub fn json(webhook: &UndeliveredWebhook) -> Value {
    let at = super::json::time;
    json!({
        "task_id": webhook.task_id,
        "tasks": Some(webhook.tasks).filter(|tasks| *tasks > 0),
        "owner": webhook.owner,
        "state": match webhook.state() {
            WebhookState::Unspecified | WebhookState::Expected | WebhookState::Delivered => None,
            WebhookState::Owed => Some("OWED"),
            WebhookState::GivenUp => Some("GIVEN_UP"),
        },
        "target": webhook.target,
        "tries": webhook.tries,
        "next_at": at(webhook.next_at_ms),
        "given_up_at": at(webhook.given_up_at_ms),
        "error": word(&webhook.error),
        "finished_at": at(webhook.finished_at_ms),
    })
}
