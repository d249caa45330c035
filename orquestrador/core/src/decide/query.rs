//! Answers that change nothing.

use crate::command::StateFilter;
use crate::effect::{Answer, TaskState};
use crate::ids::{HandlerName, TaskId, Timestamp, UserName};
use crate::machine::Machine;
use crate::rejection::Rejection;
use crate::state::names::Handler;
use crate::state::slab::Slot;
use crate::state::tasks::Chain;

/// Records that one page of a list looks at. A page may end here with fewer tasks than asked for, or
/// none; `next` then tells where to go on.
pub const MAX_SCANNED: usize = 100_000;

impl StateFilter {
    /// Bit `i` stands for [`TaskState::ALL`]`[i]`; no bit at all stands for every state.
    pub fn admits(self, state: TaskState) -> bool {
        self.0 == 0 || self.0 & (1 << state as u8) != 0
    }
}

impl Machine {
    pub(super) fn query(
        &self,
        owner: &UserName,
        id: TaskId,
        with_result: bool,
    ) -> Result<Answer, Rejection> {
        let slot = self.state.task_of(owner, id).ok_or(Rejection::TaskNotFound { task: id })?;
        let result = if with_result { self.output(slot) } else { None };
        Ok(Answer::Task { snapshot: self.snapshot(slot), result })
    }

    pub(super) fn query_many(
        &self,
        owner: &UserName,
        ids: &[TaskId],
        with_results: bool,
    ) -> Answer {
        let known = ids.iter().filter_map(|id| self.state.task_of(owner, *id));
        let tasks = known.map(|slot| {
            let result = if with_results { self.output(slot) } else { None };
            (self.snapshot(slot), result)
        });
        Answer::Tasks { tasks: tasks.collect(), next: None }
    }

    /// Newest first. `after` must still be known.
    pub(super) fn list(
        &self,
        owner: &UserName,
        filter: StateFilter,
        after: Option<TaskId>,
        limit: usize,
    ) -> Result<Answer, Rejection> {
        let older = |slot| self.state.tasks.older(slot, Chain::Owner);
        let mut at = match after {
            Some(id) => {
                older(self.state.task_of(owner, id).ok_or(Rejection::TaskNotFound { task: id })?)
            }
            None => self.state.owners.find(owner).and_then(|o| self.state.owners[o].tasks.last),
        };
        let mut tasks = Vec::new();
        let mut next = None;
        for _ in 0..MAX_SCANNED {
            let Some(slot) = at.filter(|_| tasks.len() < limit.max(1)) else { break };
            if filter.admits(self.state.tasks[slot].state()) {
                tasks.push((self.snapshot(slot), None));
            }
            next = Some(self.state.tasks[slot].id());
            at = older(slot);
        }
        Ok(Answer::Tasks { tasks, next: next.filter(|_| at.is_some()) })
    }

    pub(super) fn overview(&self, now: Timestamp) -> Answer {
        Answer::Overview(self.overview_of_all(now))
    }

    pub(super) fn handler_names(&self, handlers: &[Slot<Handler>]) -> Vec<HandlerName> {
        handlers.iter().map(|handler| self.state.handlers[*handler].name.clone()).collect()
    }
}
