//! What is kept of attempts that were lost, and their tasks with them, or cancelled.

use super::Applied;
use crate::command::Failure;
use crate::digest;
use crate::ids::{Blob, TaskId};
use crate::state::State;
use crate::state::tasks::{Body, End};

impl State {
    /// Of one that ended without any.
    pub(super) fn output_kept(&mut self, id: TaskId, kept: &Blob) -> Applied {
        let slot = self.tasks.find(id).ok_or("there is no such task")?;
        let counted = self.count_out(slot);
        let Body::Finished(finished) = &mut self.tasks[slot].body else {
            return Err("the task is not finished");
        };
        match &mut finished.end {
            End::Lost { output, .. }
            | End::Failed(Failure { output, .. })
            | End::Cancelled { output }
                if output.is_empty() =>
            {
                *output = kept.clone();
            }
            End::Lost { .. } | End::Failed(_) | End::Succeeded { .. } | End::Cancelled { .. } => {
                return Err("the task has what it produced, or produced nothing");
            }
        }
        finished.content_hash = digest::content(&finished.end);
        self.totals.finished_bytes += kept.len() as u64;
        self.count_in(slot, counted);
        // What is owed of its end may have been told already, and is told as it was.
        Ok(())
    }
}
