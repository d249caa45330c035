//! Accepting flows: tasks and arrays and the order among them, all of it or none. A repeated submission is accepted and
//! changes nothing.

use std::collections::BTreeSet;

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
        let (mut count, mut bytes, mut reports) = (0, 0, 0);
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
            if !is_known {
                let ((handler, terms), (tasks, payload)) = (part.way(), part.load());
                if !allow_unknown_handler {
                    self.check_handler(handler)?;
                    self.check_needs(handler, terms.needs.as_deref())?;
                }
                (count, bytes) = (count + tasks, bytes + payload);
                reports += terms.webhook.as_ref().map_or(0, |_| tasks);
            }
            is_new.push(!is_known);
        }
        if count > 0 {
            let parts = work.iter().zip(&is_new);
            let new = || parts.clone().filter(|(_, is_new)| **is_new).map(|(part, _)| part);
            self.check_terms(owner, new().map(NewWork::way))?;
            self.check_backlog(owner, (count, bytes))?;
            self.check_webhooks(reports)?;
            self.check_references(new().map(|part| part.blobs().len()).sum())?;
            let work = parts.clone().map(|(p, is_new)| (p.id(), p.after().filter(|_| *is_new)));
            self.check_dependencies(owner, work)?;
        }
        Ok(is_new)
    }
}
