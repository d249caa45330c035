//! One copy of one task, asked by one client at a time: absent, then waiting or running with attempts that never
//! go back, then finished, which never changes.
//!
//! Workers move a task by themselves. So this is not its state but what the answers so far tell about it: an answer
//! is possible if the task can have come there from what is known.

use common::proto::TaskState;
use stateright::semantics::SequentialSpec;

use super::history::{Answer, Asked, Sight};

/// What is known of a task.
#[derive(Clone, Debug, Default)]
pub enum KnownTask {
    #[default]
    Absent,
    /// As far as this, or further.
    Active(Progress),
    Ended(End),
}

/// Waiting, first attempt, waiting again, second attempt, ...: it only grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Progress(u64);

impl Progress {
    fn queued(attempts: u32) -> Self {
        Self(2 * u64::from(attempts) + 1)
    }

    fn of(sight: Sight) -> Self {
        let queued = Self::queued(sight.attempt);
        if sight.state == TaskState::Running { Self(queued.0 - 1) } else { queued }
    }
}

/// An end; what is not known of it yet is `None`.
#[derive(Clone, Debug)]
pub struct End {
    /// It had come so far before.
    after: Progress,
    state: Option<TaskState>,
    /// It was said that it is too late to cancel.
    beyond_cancelling: bool,
    attempt: Option<u32>,
    result: Option<u64>,
}

impl End {
    fn after(after: Progress) -> Self {
        Self { after, state: None, beyond_cancelling: false, attempt: None, result: None }
    }

    /// False: it contradicts what is known.
    fn show(&mut self, sight: Sight) -> bool {
        let possible = Progress::queued(sight.attempt) >= self.after
            && !(self.beyond_cancelling && sight.state == TaskState::Cancelled);
        possible
            && learn(&mut self.state, sight.state)
            && learn(&mut self.attempt, sight.attempt)
            && sight.result.is_none_or(|result| learn(&mut self.result, result))
    }
}

/// False: something else was known.
fn learn<T: PartialEq + Copy>(known: &mut Option<T>, shown: T) -> bool {
    *known.get_or_insert(shown) == shown
}

impl KnownTask {
    /// False: it cannot look like this now.
    fn show(&mut self, sight: Sight) -> bool {
        match self {
            Self::Absent => false,
            // Nobody but a client cancels.
            Self::Active(_) if sight.state == TaskState::Cancelled => false,
            Self::Active(progress) if sight.is_finished() => {
                let mut end = End::after(*progress);
                let possible = end.show(sight);
                *self = Self::Ended(end);
                possible
            }
            Self::Active(progress) => {
                let shown = Progress::of(sight);
                let possible = shown >= *progress;
                *progress = shown;
                possible
            }
            Self::Ended(end) => sight.is_finished() && end.show(sight),
        }
    }

    /// False: it can still be cancelled, or was.
    fn refuse_to_cancel(&mut self) -> bool {
        let mut end = match self {
            Self::Absent => return false,
            Self::Active(progress) => End::after(*progress),
            Self::Ended(end) => end.clone(),
        };
        end.beyond_cancelling = true;
        let possible = end.state != Some(TaskState::Cancelled);
        *self = Self::Ended(end);
        possible
    }
}

impl SequentialSpec for KnownTask {
    type Op = Asked;
    /// `None`: of a call without a definite answer.
    type Ret = Option<Answer>;

    fn invoke(&mut self, asked: &Asked) -> Option<Answer> {
        match (asked, &self) {
            (Asked::Submit, Self::Absent) => *self = Self::Active(Progress::queued(0)),
            (Asked::Cancel, Self::Active(progress)) => {
                let mut end = End::after(*progress);
                end.state = Some(TaskState::Cancelled);
                *self = Self::Ended(end);
            }
            // Repeated it changes nothing, and the others never do.
            (Asked::Submit | Asked::Cancel | Asked::Status | Asked::Result | Asked::List, _) => {}
        }
        None
    }

    fn is_valid_step(&mut self, asked: &Asked, answer: &Option<Answer>) -> bool {
        let Some(answer) = answer else {
            self.invoke(asked);
            return true;
        };
        match *answer {
            Answer::Accepted { sight, existed } => {
                let possible = existed != matches!(self, Self::Absent);
                self.invoke(&Asked::Submit);
                possible && self.show(sight)
            }
            Answer::Shown(sight) => self.show(sight),
            Answer::Cancelled(sight) => {
                self.invoke(&Asked::Cancel);
                sight.state == TaskState::Cancelled && self.show(sight)
            }
            Answer::NotFound => matches!(self, Self::Absent),
            Answer::Finished => self.refuse_to_cancel(),
        }
    }
}
