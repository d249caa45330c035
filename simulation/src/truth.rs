//! The history that some principal has committed, as the world knows it. Everything that nodes,
//! workers and clients see is compared with it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use orquestrador::journal::{Content, Entry};
use orquestrador_core::command::Delivery;
use orquestrador_core::effect::TaskState;
use orquestrador_core::event::{Blockage, Firing};
use orquestrador_core::ids::{Blob, Epoch, Index, QueueName, TaskId, Timestamp, UserName};
use orquestrador_core::role::{EntryHash, EntryId};
use orquestrador_core::settings::QueueSettings;
use orquestrador_core::{Event, Limits, Machine};

use crate::invariants::blobs::Blobs;
use crate::invariants::keys::Keys;
use crate::invariants::quotas::{Count, Quotas};
use crate::invariants::timetable::Timetable;
use crate::invariants::webhooks::Webhooks;
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
    /// Retention has forgotten it.
    pub is_forgotten: bool,
    /// Submitted again after it had been forgotten: nothing is told of its first life.
    pub is_reborn: bool,
    /// Of its payload.
    bytes: u64,
    is_in_array: bool,
}

impl Story {
    pub fn now(&self) -> Step {
        *self.steps.last().expect("a story begins with its submission")
    }

    /// It is not finished.
    pub fn is_open(&self) -> bool {
        !self.now().state.is_finished()
    }

    /// Nothing shows or counts it.
    pub fn is_gone(&self) -> bool {
        self.is_dropped || self.is_forgotten
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
    /// How many tasks were known in each, at least and at most.
    counts: Vec<(u64, u64)>,
    pub timetable: Timetable,
    pub quotas: Quotas,
    pub keys: Keys,
    pub blobs: Blobs,
    pub webhooks: Webhooks,
    /// Queues that are not served as they are by default.
    pub settings: BTreeSet<QueueName>,
    /// Tasks that were submitted again since somebody looked, after they had been forgotten.
    pub reborn: Vec<TaskId>,
    /// Of the last submission.
    submitted_at: Timestamp,
    pub machine: Machine,
    /// On which places an entry was ever fsynced, as bits.
    pub fsynced: HashMap<EntryHash, u8>,
}

impl Truth {
    pub fn new(limits: Limits, are_clocks_even: bool) -> Self {
        Self {
            ids: Vec::new(),
            digests: Vec::new(),
            tasks: BTreeMap::new(),
            after: BTreeMap::new(),
            counts: Vec::new(),
            timetable: Timetable::new(limits.clone()),
            quotas: Quotas::new(are_clocks_even),
            keys: Keys::default(),
            blobs: Blobs::default(),
            webhooks: Webhooks::new(limits.clone()),
            settings: BTreeSet::new(),
            reborn: Vec::new(),
            submitted_at: Timestamp(0),
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

    /// How many tasks there were while this entry was made, at least and at most.
    pub fn count_at(&self, index: Index) -> (u64, u64) {
        let nth = (index.0 as usize).checked_sub(1);
        nth.and_then(|nth| self.counts.get(nth)).copied().unwrap_or_default()
    }

    /// A principal committed the entry that follows. Gives its events.
    pub fn extend(&mut self, entry: &Entry) -> Result<Vec<Event>, Violation> {
        let content = Content::decode(&entry.payload)
            .map_err(|error| Violation::new("one history", error.to_string()))?;
        let events = match content {
            Content::View(_) => Vec::new(),
            Content::Events(events) => events,
        };
        let before = self.machine.task_count();
        let (mut low, mut high) = (before, before);
        for event in &events {
            self.follow(entry.id.index, event)?;
            self.follow_features((entry.id.epoch, entry.id.index), event)?;
            self.machine.apply(event);
            let now = self.machine.task_count();
            (low, high) = (low.min(now), high.max(now));
        }
        self.timetable.on_entry()?;
        if let Some(misfit) = self.machine.misfit() {
            return Err(Violation::new("one history", format!("an event does not fit: {misfit}")));
        }
        self.ids.push(entry.id);
        self.digests.push(self.machine.digest());
        self.counts.push((low, high));
        Ok(events)
    }

    fn follow(&mut self, index: Index, event: &Event) -> Result<(), Violation> {
        let step = |state, attempt| Step { index, state, attempt };
        match event {
            Event::TaskSubmitted { task, owner, terms, payload, .. } => {
                let content = (terms.delivery, payload.len() as u64, false);
                self.begin(*task, owner, content, index)?;
            }
            Event::ArraySubmitted {
                array, owner, terms, payload, first, count, without, ..
            } => {
                let content = (terms.delivery, payload.len() as u64, true);
                for place in 0..*count {
                    let task = array.task(*first + place);
                    self.begin(task, owner, content, index)?;
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
            Event::TaskRepeated { task, by } => {
                let ends = [TaskState::Failed, TaskState::Lost];
                if let Some(story) = self.tasks.get(task)
                    && !ends.contains(&story.now().state)
                {
                    let what = format!("{task} did not fail, and {by} repeats it");
                    return Err(Violation::new("one outcome", what));
                }
            }
            Event::TasksPruned { .. }
            | Event::SourcesTaken { .. }
            | Event::TaskTraced { .. }
            | Event::TaskKeyed { .. }
            | Event::KeysReleased { .. }
            | Event::OutputKept { .. }
            | Event::WebhookDelivered { .. }
            | Event::WebhookDelayed { .. }
            | Event::WebhookGivenUp { .. }
            | Event::WebhookOwed(_)
            | Event::WebhooksRetried { .. }
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
            | Event::UserRemoved { .. }
            | Event::TokenIssued { .. }
            | Event::TokenRevoked { .. } => {}
        }
        Ok(())
    }

    /// What else is kept up by events.
    fn follow_features(
        &mut self,
        (epoch, index): (Epoch, Index),
        event: &Event,
    ) -> Result<(), Violation> {
        self.timetable.follow(&self.tasks, index, event)?;
        self.webhooks.follow(&self.tasks, event)?;
        match event {
            Event::TaskSucceeded { task, at, .. }
            | Event::TaskCancelled { task, at }
            | Event::TaskExpired { task, at, .. }
            | Event::TaskSkipped { task, at, .. }
            | Event::TaskLost { task, at, .. } => self.keys.on_end(*task, *at),
            Event::TaskSubmitted { task, owner, terms, at, .. } => {
                self.submitted_at = *at;
                self.quotas.on_accepted(owner)?;
                match terms.schedule.as_ref().filter(|_| terms.origin.is_none()) {
                    Some(schedule) => self.timetable.on_submitted(owner, schedule, *task),
                    None => self.quotas.on_submitted(owner, *at, (epoch, index))?,
                }
            }
            Event::ArraySubmitted { owner, at, .. } => {
                self.quotas.on_accepted(owner)?;
                self.quotas.on_submitted(owner, *at, (epoch, index))?;
            }
            Event::TaskAssigned { task, worker, .. } => {
                if let Some(story) = self.tasks.get(task) {
                    self.quotas.on_assigned(&story.owner, *task, worker)?;
                }
            }
            // This attempt has ended.
            Event::AttemptEnded { task, .. } => self.quotas.on_ended(*task),
            Event::TaskFailed { task, at, .. } => {
                self.quotas.on_ended(*task);
                self.keys.on_end(*task, *at);
            }
            Event::WorkerLost { worker, .. } => self.quotas.on_lost(worker),
            Event::QuotaChanged { user, quota, .. } => {
                self.quotas.on_changed(user, *quota, index);
            }
            Event::ScheduleFired { owner, firing: Firing::Refused { why }, .. } => {
                self.quotas.check_firing(owner, SCHEDULED, why)?;
            }
            Event::TaskKeyed { task, owner, key, until, .. } => {
                let times = (self.submitted_at, *until);
                self.keys.on_keyed(&self.tasks, (*task, owner, key), times, index)?;
            }
            Event::KeysReleased { keys } => self.keys.on_released(&self.tasks, keys)?,
            Event::BlobsReferred { task, blobs } => self.blobs.on_referred(*task, blobs),
            Event::TasksPruned { tasks } => {
                tasks.iter().try_for_each(|task| self.forget(*task))?;
            }
            Event::QueueChanged { queue, settings, .. } => {
                self.settings.remove(queue);
                if *settings != QueueSettings::default() {
                    self.settings.insert(queue.clone());
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn forget(&mut self, task: TaskId) -> Result<(), Violation> {
        self.blobs.on_forgotten(task);
        match self.tasks.get_mut(&task).filter(|story| !story.is_open() && !story.is_gone()) {
            Some(story) => {
                story.is_forgotten = true;
                Ok(())
            }
            None => Err(Violation::new("blobs are kept", format!("{task} may not be forgotten"))),
        }
    }

    fn begin(
        &mut self,
        task: TaskId,
        owner: &UserName,
        (delivery, bytes, is_in_array): (Delivery, u64, bool),
        index: Index,
    ) -> Result<(), Violation> {
        let steps = vec![Step { index, state: TaskState::Queued, attempt: 0 }];
        let is_reborn = self.tasks.get(&task).is_some_and(|before| before.is_forgotten);
        let story = Story {
            owner: owner.clone(),
            delivery,
            steps,
            result: None,
            is_dropped: false,
            is_forgotten: false,
            is_reborn,
            bytes,
            is_in_array,
        };
        self.quotas.on_count(owner, (bytes, is_in_array), (Count::Not, Count::Waiting), index);
        match self.tasks.insert(task, story) {
            None => Ok(()),
            Some(_) if is_reborn => {
                self.reborn.push(task);
                Ok(())
            }
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
        let before = story.now();
        one_outcome::may_follow(task, before, step)?;
        story.steps.push(step);
        let changes = (count(before.state), count(step.state));
        self.quotas.on_count(&story.owner, (story.bytes, story.is_in_array), changes, step.index);
        let may_run_on = before.state == TaskState::Running
            && matches!(step.state, TaskState::Cancelled | TaskState::Failed);
        if may_run_on {
            self.quotas.on_held(&story.owner, task);
        }
        Ok(())
    }
}

/// Payload bytes of the task of a schedule.
const SCHEDULED: u64 = crate::orders::SCHEDULED.len() as u64;

fn count(state: TaskState) -> Count {
    match state {
        TaskState::Queued => Count::Waiting,
        TaskState::Running => Count::Running,
        TaskState::Succeeded | TaskState::Failed | TaskState::Cancelled | TaskState::Lost => {
            Count::Not
        }
    }
}
