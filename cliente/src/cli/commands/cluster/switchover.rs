//! `cliente cluster switchover`: the backup takes over as planned.

use std::time::Instant;

use common::exit;
use common::messages::operator::OperatorMessage;
use serde_json::json;

use super::super::super::Context;
use super::super::super::failure::Failure;
use super::super::super::output;

pub async fn run(context: &Context) -> Result<u8, Failure> {
    let began = Instant::now();
    let epoch = context.client.switchover().await?;
    let ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    let text = match context.is_json {
        true => json!({ "epoch": epoch, "ms": ms }).to_string(),
        false => OperatorMessage::SwitchedOver { epoch, ms }.text(context.lang),
    };
    output::print(&format!("{text}\n"))?;
    Ok(exit::OK)
}
