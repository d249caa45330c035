//! What does a task once more.

use common::array_id;
use common::proto::Task;

use super::super::Context;
use super::super::failure::Failure;

/// The last in the row of those that do the task once more, as long as they are so; the task itself if the first one
/// is not.
pub async fn last(
    context: &Context,
    mut task: Task,
    is_so: impl Fn(&Task) -> bool,
) -> Result<Task, Failure> {
    while !task.retried_as.is_empty() {
        let next = match array_id::of_task(&task.task_id) {
            Some((_, number)) if array_id::is_array(&task.retried_as) => {
                array_id::task(&task.retried_as, number).unwrap_or_default()
            }
            _ => task.retried_as.clone(),
        };
        let next = context.client.task(&next).await?.0;
        if !is_so(&next) {
            break;
        }
        task = next;
    }
    Ok(task)
}
