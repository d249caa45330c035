//! Accepting flows: tasks and arrays and the order among them, all of it or none. A repeated submission is accepted and
//! changes nothing.

use std::collections::BTreeSet;

use super::submit::Part;
use crate::command::NewWork;
use crate::effect::Answer;
use crate::ids::{ArrayId, Timestamp, UserName};
use crate::machine::{Machine, Step};
use crate::rejection::Rejection;

impl Machine {
    pub(super) fn submit_flow(
        &mut self,
        now: Timestamp,
        owner: &UserName,
        work: Vec<NewWork>,
        allow_unknown_handler: bool,
        step: &mut Step,
    ) -> Result<Answer, Rejection> {
        let is_new = self.admit_work(owner, &work, allow_unknown_handler)?;
        let new = is_new.iter().filter(|is_new| **is_new).count();
        self.take_rate(now, owner, new)?;
        let mut tasks = 0;
        for (part, _) in work.into_iter().zip(is_new).filter(|(_, is_new)| *is_new) {
            tasks += part.load().0;
            match part {
                NewWork::Task(task) => self.accept(now, owner, task, step),
                NewWork::Array(array) => self.accept_array(now, owner, array, step),
            }
        }
        self.assign_ready(now, step);
        let accepted = u32::try_from(new).unwrap_or(u32::MAX);
        Ok(Answer::FlowSubmitted { accepted, tasks })
    }

    /// For each part whether it is new.
    pub(super) fn admit_work(
        &self,
        owner: &UserName,
        work: &[NewWork],
        allow_unknown_handler: bool,
    ) -> Result<Vec<bool>, Rejection> {
        let (mut names, mut is_new) = (BTreeSet::new(), Vec::with_capacity(work.len()));
        for part in work {
            let is_known = match part {
                NewWork::Task(task) => self.is_repeated(owner, task)?,
                NewWork::Array(array) => self.known_array(owner, array)?.is_some(),
            };
            if !names.insert(part.id()) {
                return Err(match part {
                    NewWork::Task(task) => Rejection::TaskIdConflict { task: task.id },
                    NewWork::Array(array) => {
                        Rejection::ArrayConflict { array: ArrayId(array.id.0) }
                    }
                });
            }
            is_new.push(!is_known);
        }
        let parts = work.iter().map(Part::from).zip(is_new.iter().copied());
        self.admit_new(owner, parts, allow_unknown_handler)?;
        Ok(is_new)
    }
}
