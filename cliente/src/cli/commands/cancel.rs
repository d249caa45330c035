//! `cliente cancel`

use common::array_id;
use common::exit;

use super::super::Context;
use super::super::failure::{self, Failure};
use super::super::output::{self, TaskView};

/// One that cannot be cancelled keeps none of the others from it; its refusal is the exit code.
pub async fn run(context: &Context, task_ids: &[String]) -> Result<u8, Failure> {
    let mut code = exit::OK;
    for task_id in task_ids {
        let cancelled = match array_id::is_array(task_id) {
            true => context
                .client
                .cancel_array(task_id)
                .await
                .map(|(array, receipt)| context.output.array(&array, &receipt)),
            false => context.client.cancel(task_id).await.map(|(task, receipt)| {
                context.output.change(&TaskView::without_result(task, Some(receipt)))
            }),
        };
        match cancelled {
            Ok(shown) => output::print(&shown)?,
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
