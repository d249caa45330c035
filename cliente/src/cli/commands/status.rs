//! `cliente status`

use common::exit;

use super::super::Context;
use super::super::failure::Failure;
use super::super::output::{self, TaskView};

/// With the result, if there is one: who asks for one task wants all of it.
pub async fn run(context: &Context, task_id: &str) -> Result<u8, Failure> {
    let (task, result, asked, receipt) = context.client.described(task_id).await?;
    let view = TaskView { asked, ..TaskView::new(task, result, Some(receipt)) };
    output::print(&context.output.task(&view))?;
    Ok(exit::OK)
}
