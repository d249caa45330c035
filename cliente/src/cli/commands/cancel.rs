//! `cliente cancel`

use common::exit;

use super::super::Context;
use super::super::failure::{self, Failure};
use super::super::output::{self, TaskView};

/// One that cannot be cancelled keeps none of the others from it; its refusal is the exit code.
pub async fn run(context: &Context, task_ids: &[String]) -> Result<u8, Failure> {
    let mut code = exit::OK;
    for task_id in task_ids {
        match context.client.cancel(task_id).await {
            Ok((task, receipt)) => {
                let view = TaskView::without_result(task, Some(receipt));
                output::print(&context.output.change(&view))?;
            }
            Err(refusal) if failure::refused(refusal.code) == exit::UNAVAILABLE => {
                return Err(refusal.into());
            }
            Err(refusal) => {
                code = if code == exit::OK { failure::refused(refusal.code) } else { code };
                Failure::from(refusal).tell(context.is_json, context.lang);
            }
        }
    }
    Ok(code)
}
