//! The history that some principal has committed, as the world knows it. Everything that nodes,
//! workers and clients see is compared with it.

use std::collections::{BTreeMap, HashMap};

use orquestrador::journal::{Content, Entry};
use orquestrador_core::command::Delivery;
use orquestrador_core::effect::TaskState;
use orquestrador_core::event::Blockage;
use orquestrador_core::ids::{Blob, Index, TaskId, UserName};
use orquestrador_core::role::{EntryHash, EntryId};
use orquestrador_core::{Event, Limits, Machine};

use crate::invariants::{Violation, in_order, one_outcome, started_once};

/// Where a task stood from one entry on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Step {
    pub index: Index,
    pub state: TaskState,
    pub attempt: u32,
}

/// What happened to one task.
pub struct Story {
    pub owner: UserName,
    pub delivery: Delivery,
    pub steps: Vec<Step>,
    /// Of a task that succeeded.
    pub result: Option<Blob>,
    /// Cancelled with its array, without ever having had a record.
    pub is_dropped: bool,
}

impl Story {
    pub fn now(&self) -> Step {
        *self.steps.last().expect("a story begins with its submission")
    }

    /// The steps that someone may see who looks while the entry is made: the one before it, and its own.
    pub fn visible_at(&self, index: Index) -> impl Iterator<Item = &Step> {
        let before = self.steps.iter().rposition(|step| step.index < index).unwrap_or(0);
        self.steps[before..].iter().take_while(move |step| step.index <= index)
    }

    pub fn begins(&self) -> Index {
        self.steps.first().map_or(Index(0), |step| step.index)
    }
}

pub struct Truth {
    /// The committed entries; the first has index 1.
    ids: Vec<EntryId>,
    /// Of the state after each.
    digests: Vec<u128>,
    pub tasks: BTreeMap<TaskId, Story>,
    /// What tasks come after.
    pub after: BTreeMap<TaskId, Blockage>,
    /// How many tasks were known after each.
    counts: Vec<u64>,
    pub machine: Machine,
    /// On which places an entry was ever fsynced, as bits.
    pub fsynced: HashMap<EntryHash, u8>,
}

impl Truth {
    pub fn new(limits: Limits) -> Self {
        Self {
            ids: Vec::new(),
            digests: Vec::new(),
            tasks: BTreeMap::new(),
            after: BTreeMap::new(),
            counts: Vec::new(),
            machine: Machine::new(limits),
            fsynced: HashMap::new(),
        }
    }

    pub fn last(&self) -> EntryId {
        self.ids.last().copied().unwrap_or_default()
    }

    pub fn id_at(&self, index: Index) -> Option<EntryId> {
        match index.0 {
            0 => Some(EntryId::default()),
            nth => self.ids.get(nth as usize - 1).copied(),
        }
    }

    pub fn digest_at(&self, index: Index) -> Option<u128> {
        self.digests.get((index.0 as usize).checked_sub(1)?).copied()
    }

    /// How many tasks there were after this entry.
    pub fn count_at(&self, index: Index) -> u64 {
        (index.0 as usize).checked_sub(1).and_then(|nth| self.counts.get(nth)).copied().unwrap_or(0)
    }

    /// A principal committed the entry that follows. Gives its events.
    pub fn extend(&mut self, entry: &Entry) -> Result<Vec<Event>, Violation> {
        let content = Content::decode(&entry.payload)
            .map_err(|error| Violation::new("one history", error.to_string()))?;
        let events = match content {
            Content::View(_) => Vec::new(),
            Content::Events(events) => events,
        };
        for event in &events {
            self.follow(entry.id.index, event)?;
            self.machine.apply(event);
        }
        if let Some(misfit) = self.machine.misfit() {
            return Err(Violation::new("one history", format!("an event does not fit: {misfit}")));
        }
        self.ids.push(entry.id);
        self.digests.push(self.machine.digest());
        self.counts.push(self.machine.task_count());
        Ok(events)
    }

    fn follow(&mut self, index: Index, event: &Event) -> Result<(), Violation> {
        let step = |state, attempt| Step { index, state, attempt };
        match event {
            Event::TaskSubmitted { task, owner, terms, .. } => {
                self.begin(*task, owner, terms.delivery, index)?;
            }
            Event::ArraySubmitted { array, owner, terms, first, count, without, .. } => {
                for place in 0..*count {
                    let task = array.task(*first + place);
                    self.begin(task, owner, terms.delivery, index)?;
                    if without.iter().any(|range| range.contains(&place)) {
                        self.drop_without_record(task, index)?;
                    }
                }
            }
            Event::ArrayCancelled { array, .. } | Event::ArrayFailed { array, .. } => {
                let all = array.task(0)..=array.task(u32::MAX - 1);
                let begun = |story: &Story| story.now().state != TaskState::Queued;
                let waits = |story: &Story| !begun(story) && story.now().attempt == 0;
                let waiting = self.tasks.range(all).filter(|(_, story)| waits(story));
                // The front has a record, and ends by itself.
                let waiting: Vec<_> = waiting.map(|(task, _)| *task).skip(1).collect();
                for task in waiting {
                    self.drop_without_record(task, index)?;
                }
            }
            Event::TaskBlocked { task, blockage, .. } => {
                self.after.insert(*task, blockage.clone());
            }
            Event::TaskAssigned { task, attempt, .. } => {
                in_order::on_assigned(self, *task)?;
                self.go(*task, step(TaskState::Running, attempt.0))?;
            }
            Event::TaskSucceeded { task, attempt, result, .. } => {
                one_outcome::names_its_attempt(*task, *attempt, result)?;
                self.go(*task, step(TaskState::Succeeded, attempt.0))?;
                if let Some(story) = self.tasks.get_mut(task) {
                    story.result = Some(result.clone());
                }
            }
            Event::TaskFailed { task, attempt, .. } => {
                if let Some(story) = self.tasks.get(task) {
                    one_outcome::fails_while_it_runs(*task, story.now())?;
                }
                self.go(*task, step(TaskState::Failed, attempt.0))?;
            }
            Event::TaskCancelled { task, .. } => {
                let attempt = self.tasks.get(task).map_or(0, |story| story.now().attempt);
                self.go(*task, step(TaskState::Cancelled, attempt))?;
            }
            Event::TaskExpired { task, .. } | Event::TaskSkipped { task, .. } => {
                let attempt = self.tasks.get(task).map_or(0, |story| story.now().attempt);
                self.go(*task, step(TaskState::Failed, attempt))?;
            }
            Event::TaskRequeued { task, attempt, .. } => {
                self.go(*task, step(TaskState::Queued, attempt.0))?;
            }
            Event::TaskRetried { task, attempt, .. } => {
                self.go(*task, step(TaskState::Queued, attempt.0))?;
            }
            Event::TaskReturned { task, attempt, .. } => {
                self.go(*task, step(TaskState::Queued, attempt.0))?;
            }
            Event::TaskLost { task, attempt, .. } => {
                self.go(*task, step(TaskState::Lost, attempt.0))?;
                if let Some(story) = self.tasks.get(task) {
                    started_once::may_be_lost(*task, story.delivery)?;
                }
            }
            Event::TasksPruned { .. }
            | Event::TaskKeyed { .. }
            | Event::KeysReleased { .. }
            | Event::OutputKept { .. }
            | Event::WebhookDelivered { .. }
            | Event::WebhookDelayed { .. }
            | Event::WebhookGivenUp { .. }
            | Event::WebhookOwed(_)
            | Event::ScheduleSet { .. }
            | Event::ScheduleFired { .. }
            | Event::ScheduleRemoved { .. }
            | Event::GroupRestored(_)
            | Event::OrderRestored { .. }
            | Event::BlobsReferred { .. }
            | Event::TaskDelayed { .. }
            | Event::TaskDue { .. }
            | Event::TaskRestored(_)
            | Event::ArrayRestored(_)
            | Event::WorkerRegistered { .. }
            | Event::HandlersLearned { .. }
            | Event::WorkerLost { .. }
            | Event::AttemptEnded { .. }
            | Event::UserAdded { .. }
            | Event::QueueChanged { .. }
            | Event::QuotaChanged { .. }
            | Event::TaskReleased { .. }
            | Event::UserRemoved { .. } => {}
        }
        Ok(())
    }

    fn begin(
        &mut self,
        task: TaskId,
        owner: &UserName,
        delivery: Delivery,
        index: Index,
    ) -> Result<(), Violation> {
        let steps = vec![Step { index, state: TaskState::Queued, attempt: 0 }];
        let story =
            Story { owner: owner.clone(), delivery, steps, result: None, is_dropped: false };
        match self.tasks.insert(task, story) {
            None => Ok(()),
            Some(_) => {
                let what = format!("task {task} was accepted twice");
                Err(Violation::new("one history", what))
            }
        }
    }

    /// It is cancelled, and nothing lists or counts it any more.
    fn drop_without_record(&mut self, task: TaskId, index: Index) -> Result<(), Violation> {
        self.go(task, Step { index, state: TaskState::Cancelled, attempt: 0 })?;
        if let Some(story) = self.tasks.get_mut(&task) {
            story.is_dropped = true;
        }
        Ok(())
    }

    fn go(&mut self, task: TaskId, step: Step) -> Result<(), Violation> {
        let story = self.tasks.get_mut(&task).ok_or_else(|| {
            Violation::new("one history", format!("task {task} goes on without a beginning"))
        })?;
        one_outcome::may_follow(task, story.now(), step)?;
        story.steps.push(step);
        Ok(())
    }
}
