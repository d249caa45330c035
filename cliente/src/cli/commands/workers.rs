//! `cliente workers`

use common::exit;

use super::super::Context;
use super::super::failure::Failure;
use super::super::output;

pub async fn run(context: &Context) -> Result<u8, Failure> {
    output::print(&context.output.workers(&context.client.workers().await?))?;
    Ok(exit::OK)
}
