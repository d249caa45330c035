//! `cliente watch`

use std::collections::HashMap;
use std::pin::pin;

use cliente::is_final;
use common::error_code::ErrorCode;
use common::exit;
use futures::StreamExt as _;

use super::super::Context;
use super::super::failure::Failure;
use super::super::output::{self, TaskView};
use super::array;
use super::wait::Tally;

/// Every change of these tasks until they are finished; without any, of all tasks from now on.
pub async fn run(context: &Context, ids: Vec<String>) -> Result<u8, Failure> {
    if ids.is_empty() {
        let mut updates = pin!(context.client.watch_all(true));
        while let Some(update) = updates.next().await {
            let update = update?;
            if let Some(task) = update.task {
                output::print(&context.output.change(&TaskView::new(task, update.result, None)))?;
            }
        }
        return Ok(exit::OK);
    }
    let tasks = array::tasks(context, ids).await?;
    let mut updates = pin!(context.client.watch(tasks, true));
    let mut told: HashMap<String, (i32, u32)> = HashMap::new();
    let mut tally = Tally::default();
    while let Some(update) = updates.next().await {
        let update = update?;
        tally.count(&update);
        let Some(task) = update.task else { continue };
        if update.not_found {
            let refusal = cliente::Error::new(ErrorCode::TaskNotFound, task.task_id);
            Failure::from(refusal).tell(context.is_json, context.lang);
            continue;
        }
        // After a failover the present state comes again.
        let state = (task.state, task.attempt);
        let before = match is_final(task.state()) {
            true => told.remove(&task.task_id),
            false => told.insert(task.task_id.clone(), state),
        };
        if before != Some(state) {
            output::print(&context.output.change(&TaskView::new(task, update.result, None)))?;
        }
    }
    Ok(tally.exit_code())
}
