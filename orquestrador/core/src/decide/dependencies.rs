//! Tasks that wait for others: who may, and what becomes of them.

use std::collections::{BTreeMap, BTreeSet};

use crate::command::After;
use crate::event::{ArrayFailure, Event};
use crate::ids::{ArrayId, TaskId, Timestamp, UserName};
use crate::limits::Limits;
use crate::machine::{Machine, Step};
use crate::rejection::Rejection;
use crate::state::slab::Slot;
use crate::state::tasks::Task;

/// Tasks of an array whose files another one may take.
const MAX_SOURCES: u32 = 20_000;

impl Machine {
    /// What they wait for is their owner's, or comes before them in their batch; and there is room for so many waits.
    ///
    /// `work`: tasks and arrays, and of the new ones what they come after.
    pub(super) fn check_dependencies<'a>(
        &self,
        owner: &UserName,
        work: impl Iterator<Item = (TaskId, Option<&'a After>)> + Clone,
    ) -> Result<(), Rejection> {
        if work.clone().all(|(_, after)| after.is_none()) {
            return Ok(());
        }
        let (mut before, mut waits) = (BTreeSet::new(), 0);
        let mut new = BTreeMap::<TaskId, usize>::new();
        for (task, after) in work {
            if let Some(After { tasks, sources, .. }) = after {
                self.check_sources(sources)?;
                let is_known =
                    |other: &&TaskId| before.contains(*other) || self.owns(owner, **other);
                if let Some(unknown) = tasks.iter().find(|other| !is_known(other)) {
                    return Err(Rejection::DependencyNotFound { task, other: *unknown });
                }
                waits += tasks.len();
                tasks.iter().for_each(|other| *new.entry(*other).or_default() += 1);
            }
            before.insert(task);
        }
        let Limits { max_dependencies, max_dependents, .. } = self.limits;
        let most = new.iter().map(|(other, new)| self.state.dependents.count(*other) + new).max();
        for (count, limit, unit) in [
            (
                self.state.dependents.len() + waits,
                max_dependencies,
                "dependencies of tasks that wait",
            ),
            (most.unwrap_or_default(), max_dependents, "tasks that come after the same one"),
        ] {
            if count > limit {
                return Err(Rejection::BacklogFull { limit: limit as u64, unit });
            }
        }
        Ok(())
    }

    fn check_sources(&self, sources: &[TaskId]) -> Result<(), Rejection> {
        let arrays = sources.iter().filter_map(|of| self.state.arrays.find(ArrayId(of.0)));
        let unit = "tasks of an array whose files another one takes";
        match arrays.map(|slot| self.state.arrays[slot].count).max() {
            Some(count) if count > MAX_SOURCES => {
                Err(Rejection::NeverFits { limit: MAX_SOURCES.into(), unit })
            }
            _ => Ok(()),
        }
    }

    /// A task or an array of this owner that is still known.
    fn owns(&self, owner: &UserName, id: TaskId) -> bool {
        let state = &self.state;
        let is_theirs = state.task_of(owner, id).is_some()
            || state.array_of(owner, ArrayId(id.0)).is_some()
            || state.without_record(owner, id).is_some();
        is_theirs && state.fate(id).is_some()
    }

    /// Those whose wait is over; one batch at most, so that no step takes long.
    pub(crate) fn resolve(&mut self, now: Timestamp, step: &mut Step) {
        if self.state.resolved.is_empty() {
            return;
        }
        for _ in 0..self.limits.wake_batch.max(1) {
            let Some((_, slot)) = self.state.resolved.first_key_value() else { break };
            self.resolve_one(now, *slot, step);
        }
        self.assign_ready(now, step);
        self.prune(step);
    }

    fn resolve_one(&mut self, now: Timestamp, slot: Slot<Task>, step: &mut Step) {
        let task = &self.state.tasks[slot];
        let (id, class) = (task.id(), task.class);
        match task.wait().and_then(|wait| wait.failed) {
            None => {
                self.record(Event::TaskReleased { task: id, at: now }, step);
                self.office.refresh_class(&self.state, class);
            }
            Some(because) => {
                self.fail_behind(now, slot, ArrayFailure::Skipped { because }, step);
                let wait = self.state.tasks[slot].wait();
                let others = wait.into_iter().flat_map(|wait| wait.open.union(&wait.failed_too));
                let after = [because].into_iter().chain(others.copied()).collect();
                let trace = self.state.trace_of(id);
                self.record(Event::TaskSkipped { task: id, because, after, at: now }, step);
                let failure = self.state.tasks[slot].failure().cloned();
                self.tell_finish(slot, (trace, failure), step);
            }
        }
        self.tell_change(slot, step);
    }
}
