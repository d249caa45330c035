//! Each end of a task with a webhook is owed to its receiver, is delivered or given up in the end, and is told only once it is
//! committed, always in the same words.

use std::collections::{BTreeMap, BTreeSet};

use orquestrador_core::effect::TaskState;
use orquestrador_core::ids::{ArrayId, TaskId};
use orquestrador_core::webhook::{Posted, Report};
use orquestrador_core::{Event, Limits};

use super::{Violation, ensure};
use crate::truth::Story;

const NAME: &str = "webhooks";

/// What the committed history says of webhooks, and what receivers were told.
pub struct Webhooks {
    limits: Limits,
    /// Tasks that have one and have not ended.
    expected: BTreeSet<TaskId>,
    /// How often an attempt failed.
    owed: BTreeMap<TaskId, u16>,
    /// It may be tried again.
    given_up: BTreeSet<TaskId>,
    /// How what is or was owed ended.
    ends: BTreeMap<TaskId, TaskState>,
    /// What of an array ended with it just now.
    rest: Option<(ArrayId, Vec<u32>)>,
    /// What was said of each.
    said: BTreeMap<TaskId, Report>,
    accepted: BTreeSet<TaskId>,
    gone: BTreeSet<TaskId>,
}

impl Webhooks {
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            expected: BTreeSet::new(),
            owed: BTreeMap::new(),
            given_up: BTreeSet::new(),
            ends: BTreeMap::new(),
            rest: None,
            said: BTreeMap::new(),
            accepted: BTreeSet::new(),
            gone: BTreeSet::new(),
        }
    }

    /// So many reports are owed, or will be.
    pub fn open(&self) -> usize {
        self.owed.len() + self.expected.len()
    }

    /// `tasks`: after the event.
    pub fn follow(
        &mut self,
        tasks: &BTreeMap<TaskId, Story>,
        event: &Event,
    ) -> Result<(), Violation> {
        let is_of_rest = matches!(event, Event::WebhookOwed(_));
        ensure(self.rest.is_some() == is_of_rest, NAME, || {
            format!("the rest of an array, {:?}, is followed by {event:?}", self.rest)
        })?;
        match event {
            Event::TaskSubmitted { task, terms, .. } if terms.webhook.is_some() => {
                self.expect(*task);
            }
            Event::ArraySubmitted { array, terms, first, count, without, .. }
                if terms.webhook.is_some() =>
            {
                let places = (0..*count).filter(|p| !without.iter().any(|r| r.contains(p)));
                places.for_each(|place| self.expect(array.task(first + place)));
            }
            Event::ArrayCancelled { array, .. } | Event::ArrayFailed { array, .. } => {
                self.end_in_array(*array, tasks);
            }
            Event::TaskSucceeded { task, .. } => self.owe(*task, TaskState::Succeeded),
            Event::TaskCancelled { task, .. } => self.owe(*task, TaskState::Cancelled),
            Event::TaskLost { task, .. } => self.owe(*task, TaskState::Lost),
            Event::TaskFailed { task, .. }
            | Event::TaskExpired { task, .. }
            | Event::TaskSkipped { task, .. } => self.owe(*task, TaskState::Failed),
            Event::WebhookOwed(owed) => self.owe_rest(&owed.report)?,
            Event::WebhookDelayed { task, tries, .. } => {
                let failed = self.owed.get_mut(task).map(|failed| {
                    *failed += 1;
                    *failed
                });
                ensure(failed == Some(*tries), NAME, || {
                    format!("{task} is told later, after {tries} and not {failed:?} failures")
                })?;
            }
            Event::WebhookDelivered { task, .. } => {
                self.settle(*task)?;
                ensure(self.accepted.contains(task), NAME, || {
                    format!("{task} counts as told, and its receiver knows nothing of it")
                })?;
            }
            Event::WebhookGivenUp { task, .. } => {
                let failed = self.settle(*task)? + 1;
                let may_be = failed >= self.limits.webhook_attempts || self.gone.contains(task);
                ensure(may_be, NAME, || format!("{task} is given up after {failed} failures"))?;
                self.given_up.insert(*task);
            }
            Event::WebhooksRetried { tasks, .. } => {
                tasks.iter().try_for_each(|task| self.retry(*task))?;
            }
            _ => {}
        }
        Ok(())
    }

    fn expect(&mut self, task: TaskId) {
        self.expected.insert(task);
        // Of an earlier one of this name.
        self.said.remove(&task);
        self.accepted.remove(&task);
        self.gone.remove(&task);
    }

    fn owe(&mut self, task: TaskId, end: TaskState) {
        if self.expected.remove(&task) {
            self.owed.insert(task, 0);
            self.ends.insert(task, end);
        }
    }

    fn end_in_array(&mut self, array: ArrayId, tasks: &BTreeMap<TaskId, Story>) {
        let all = array.task(0)..=array.task(u32::MAX - 1);
        let is_dropped = |task: &TaskId| tasks.get(task).is_some_and(|story| story.is_dropped);
        let ended: Vec<_> = self.expected.range(all).copied().filter(is_dropped).collect();
        if ended.is_empty() {
            return;
        }
        ended.iter().for_each(|task| {
            self.expected.remove(task);
        });
        let numbers = ended.iter().filter_map(|task| task.in_array()).map(|(_, number)| number);
        self.rest = Some((array, numbers.collect()));
    }

    fn owe_rest(&mut self, report: &Report) -> Result<(), Violation> {
        let told =
            report.rest.as_ref().map(|rest| rest.numbers.iter().cloned().flatten().collect());
        let told = told.map(|numbers: Vec<u32>| (TaskId(report.task.0), numbers));
        let ended = self.rest.take().map(|(array, numbers)| (TaskId(array.0), numbers));
        ensure(told == ended, NAME, || format!("of {ended:?} it is told that {told:?} ended"))?;
        self.expect(report.task);
        self.owe(report.task, report.state);
        Ok(())
    }

    fn retry(&mut self, task: TaskId) -> Result<(), Violation> {
        if self.given_up.remove(&task) {
            self.owed.insert(task, 0);
        }
        let is_known = self.owed.contains_key(&task);
        ensure(is_known, NAME, || format!("{task} is retried, and nothing is owed of it"))
    }

    fn settle(&mut self, task: TaskId) -> Result<u16, Violation> {
        let failed = self.owed.remove(&task);
        failed.ok_or_else(|| Violation::new(NAME, format!("{task} is settled and was not owed")))
    }

    /// A node begins to tell.
    pub fn on_posted(&mut self, report: &Report) -> Result<(), Violation> {
        let task = report.task;
        ensure(self.ends.get(&task) == Some(&report.state), NAME, || {
            format!("{report:?} is told, and committed is {:?}", self.ends.get(&task))
        })?;
        let said = self.said.entry(task).or_insert_with(|| report.clone());
        ensure(said == report, NAME, || format!("it was {said:?}, and now it is {report:?}"))
    }

    /// The receiver answers.
    pub fn on_answered(&mut self, task: TaskId, posted: &Posted) {
        match posted {
            Posted::Accepted => self.accepted.insert(task),
            Posted::Gone { .. } => self.gone.insert(task),
            Posted::Failed { .. } => false,
        };
    }
}
