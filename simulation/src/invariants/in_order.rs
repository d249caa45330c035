//! G2: a task is not given to a worker before what it comes after has ended as it must.

use orquestrador_core::command::Condition;
use orquestrador_core::effect::TaskState;
use orquestrador_core::event::Blockage;
use orquestrador_core::ids::TaskId;

use super::{Violation, ensure};
use crate::truth::Truth;

const NAME: &str = "G2 in order";

/// A task is given to a worker.
pub fn on_assigned(truth: &Truth, task: TaskId) -> Result<(), Violation> {
    let Some(Blockage { after, condition, .. }) = truth.after.get(&task) else { return Ok(()) };
    for other in after {
        let story = truth.tasks.get(other);
        if story.is_some_and(|story| story.is_reborn) {
            // It came after the one that had this name before.
            continue;
        }
        let now = story.map(|story| story.now().state);
        let fits = match condition {
            Condition::Succeeded => now == Some(TaskState::Succeeded),
            Condition::Finished => now.is_some_and(TaskState::is_finished),
        };
        ensure(fits, NAME, || format!("task {task} begins and comes after {other}, {now:?}"))?;
    }
    Ok(())
}
