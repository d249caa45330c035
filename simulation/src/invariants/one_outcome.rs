//! G2: each task has one outcome, from the attempt that ran; an attempt runs in one process, once.

use std::collections::BTreeMap;

use orquestrador_core::effect::TaskState;
use orquestrador_core::ids::{Attempt, TaskId};

use super::{Violation, ensure};
use crate::truth::{Step, Truth};

const NAME: &str = "G2 one outcome";

/// Which incarnation started an attempt.
#[derive(Default)]
pub struct Memory {
    started: BTreeMap<(TaskId, u32), u128>,
}

/// What an attempt gives for a result.
pub fn result_of(task: TaskId, attempt: u32) -> String {
    format!("{task}/{attempt}")
}

/// Whether a worker lets this attempt fail: one in three of the tasks that are retried, and of few others.
pub fn fails(task: TaskId, attempt: u32) -> bool {
    task.0.is_multiple_of(3) && (task.0 / 3 + u128::from(attempt)).is_multiple_of(3)
}

/// An outcome of another attempt was taken for this one's.
pub fn names_its_attempt(task: TaskId, attempt: Attempt, result: &[u8]) -> Result<(), Violation> {
    ensure(result == result_of(task, attempt.0).as_bytes(), NAME, || {
        let found = String::from_utf8_lossy(result);
        format!("attempt {attempt} of task {task} is recorded with the result of {found}")
    })
}

/// The transitions that there are.
pub fn may_follow(task: TaskId, before: Step, next: Step) -> Result<(), Violation> {
    let fits = match (before.state, next.state) {
        (TaskState::Queued, TaskState::Running) => next.attempt == before.attempt + 1,
        (TaskState::Queued, TaskState::Cancelled) => true,
        // Only by being out of time; see `fails_while_it_runs`.
        (TaskState::Queued, TaskState::Failed) => next.attempt == before.attempt,
        (
            TaskState::Running,
            TaskState::Queued
            | TaskState::Succeeded
            | TaskState::Failed
            | TaskState::Cancelled
            | TaskState::Lost,
        ) => next.attempt == before.attempt,
        (TaskState::Queued | TaskState::Running, _)
        | (TaskState::Succeeded | TaskState::Failed | TaskState::Cancelled | TaskState::Lost, _) => {
            false
        }
    };
    ensure(fits, NAME, || format!("task {task} goes from {before:?} to {next:?}"))
}

/// A failure other than by time is that of an attempt.
pub fn fails_while_it_runs(task: TaskId, before: Step) -> Result<(), Violation> {
    ensure(before.state == TaskState::Running, NAME, || {
        format!("task {task} fails and is {before:?}")
    })
}

impl Memory {
    /// It is forgotten, and a task of this name begins anew.
    pub fn forget(&mut self, task: TaskId) {
        self.started.retain(|(started, _), _| *started != task);
    }

    /// A worker begins to run an attempt.
    pub fn on_start(
        &mut self,
        task: TaskId,
        attempt: u32,
        incarnation: u128,
    ) -> Result<(), Violation> {
        let before = self.started.insert((task, attempt), incarnation);
        ensure(before.is_none(), NAME, || {
            format!("attempt {attempt} of task {task} was started twice, {before:x?} came first")
        })
    }

    /// A worker was told to forget an outcome.
    pub fn on_acknowledged(
        &self,
        truth: &Truth,
        task: TaskId,
        attempt: u32,
    ) -> Result<(), Violation> {
        let Some(story) = truth.tasks.get(&task) else {
            return Err(Violation::new(NAME, format!("an outcome of unknown task {task}")));
        };
        let now = story.now();
        let is_decided = now.state.is_finished() || now.attempt > attempt;
        let is_fenced = now.state == TaskState::Queued;
        // What is forgotten may be the outcome of the one that had this name before.
        ensure(is_decided || is_fenced || story.is_reborn, NAME, || {
            format!("the outcome of attempt {attempt} of task {task} is forgotten, it is {now:?}")
        })
    }
}
