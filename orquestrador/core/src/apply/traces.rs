//! What events do to the traces that tasks belong to.

use super::Applied;
use crate::digest;
use crate::ids::TaskId;
use crate::state::State;
use crate::trace::TraceContext;

impl State {
    /// The task, or the array, belongs to the trace as long as it is not finished.
    pub(super) fn task_traced(&mut self, task: TaskId, trace: TraceContext) -> Applied {
        if !self.is_open(task) {
            return Err("there is no such task, or array, that is not finished");
        }
        if self.traces.insert(task, trace).is_some() {
            return Err("it belongs to a trace already");
        }
        self.digest = self.digest.wrapping_add(digest::trace(task, trace));
        Ok(())
    }

    /// Of a task that is not finished, or of its array.
    pub(crate) fn trace_of(&self, task: TaskId) -> Option<TraceContext> {
        let of = |id: TaskId| self.traces.get(&id).copied();
        if self.traces.is_empty() {
            return None;
        }
        of(task).or_else(|| task.in_array().and_then(|(array, _)| of(TaskId(array.0))))
    }

    pub(super) fn trace_no_more(&mut self, task: TaskId) {
        if let Some(trace) = self.traces.remove(&task) {
            self.digest = self.digest.wrapping_sub(digest::trace(task, trace));
        }
    }
}
