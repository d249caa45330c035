//! What the events alone say, told apart from the machine's own books.

use std::collections::{BTreeMap, BTreeSet};

use orquestrador_core::command::{AttemptRef, Condition, Delivery};
use orquestrador_core::effect::TaskState;
use orquestrador_core::event::ArrayFailure;
use orquestrador_core::ids::{
    Attempt, GroupName, HandlerName, KeyName, QueueName, RequestId, TaskId, Timestamp, UserName,
    WorkerId,
};
use orquestrador_core::needs::Needs;
use orquestrador_core::quota::Quota;
use orquestrador_core::settings::QueueSettings;
use orquestrador_core::terms::Terms;
use orquestrador_core::{Answer, Command, Effect, Event, Limits, Machine, Step};

use crate::timetable::Timetable;
use crate::webhooks;
use arrays::whole;

mod arrays;
mod groups;

const REQUEST: RequestId = RequestId(0);

/// A group and whose it is.
type GroupOf = (UserName, GroupName);

/// Kept up by [`Ledger::record`].
#[derive(Default)]
pub struct Ledger {
    tasks: BTreeMap<TaskId, Entry>,
    submissions: u64,
    slots: BTreeMap<WorkerId, u32>,
    handlers: BTreeMap<WorkerId, Vec<HandlerName>>,
    labels: BTreeMap<WorkerId, Vec<(String, String)>>,
    resources: BTreeMap<WorkerId, BTreeMap<String, u64>>,
    /// What each worker may hold beyond its slots: never more than it asked for lately.
    pub prefetch: BTreeMap<WorkerId, u32>,
    /// Which attempts take what of which worker.
    taken: BTreeMap<AttemptRef, (WorkerId, Needs)>,
    /// Those of them that are cancelled.
    cancelled: BTreeSet<AttemptRef>,
    queues: BTreeMap<QueueName, QueueSettings>,
    /// Of users, and of those that have none.
    quotas: BTreeMap<Option<UserName>, Quota>,
    /// Whether what ended last under this name succeeded; of arrays too.
    ends: BTreeMap<TaskId, bool>,
    /// The tasks of each array, and whether some were left out.
    arrays: BTreeMap<TaskId, (Vec<TaskId>, bool)>,
    /// What tasks wait for, and what became of it.
    waits: BTreeMap<TaskId, Wait>,
    pub timetable: Timetable,
    limits: Limits,
    /// Who holds which key, and until when at least.
    keys: BTreeMap<(UserName, KeyName), (TaskId, Timestamp)>,
    /// How many tasks of each group have ended how, those that are forgotten included.
    groups: BTreeMap<GroupOf, [u64; 6]>,
    /// How those of groups ended that are not done once more.
    ended: BTreeMap<TaskId, (TaskState, Attempt, GroupOf)>,
    webhooks: webhooks::Book,
}

struct Entry {
    seq: u64,
    submitted_at: Timestamp,
    owner: UserName,
    handler: HandlerName,
    attempt: Attempt,
    /// So many of them were given back.
    returned: u32,
    /// So many of them failed and were followed by another.
    failed: u16,
    terms: Terms,
    stage: Stage,
}

struct Wait {
    condition: Condition,
    ends: BTreeMap<TaskId, Option<bool>>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    Queued,
    /// Until a moment that the event named.
    Delayed(Timestamp),
    /// Until others have ended.
    Blocked,
    Running,
    Finished,
}

impl Ledger {
    pub fn new(limits: Limits) -> Self {
        Self { limits, ..Self::default() }
    }

    pub fn record(&mut self, event: &Event) {
        self.webhooks.assert_rest_told(event);
        let Self { timetable, tasks, ends, .. } = self;
        timetable.record(event, &self.limits, |task| match tasks.get(&task) {
            Some(entry) => Some(entry.stage == Stage::Finished),
            None => ends.contains_key(&task).then_some(true),
        });
        match event {
            Event::TaskSubmitted { task, owner, handler, terms, at, .. } => {
                self.submit(*task, (owner, handler), terms, *at);
            }
            Event::ArraySubmitted {
                array,
                owner,
                handler,
                terms,
                first,
                count,
                without,
                at,
                ..
            } => {
                let places = (0..*count).filter(|p| !without.iter().any(|r| r.contains(p)));
                let tasks: Vec<_> = places.map(|place| array.task(first + place)).collect();
                self.ends.remove(&TaskId(array.0));
                let left_out = without.iter().cloned().flatten();
                self.ends.extend(left_out.map(|place| (array.task(first + place), false)));
                self.arrays.insert(TaskId(array.0), (tasks.clone(), !without.is_empty()));
                for task in tasks {
                    self.submit(task, (owner, handler), terms, *at);
                }
                if let Some(group) = &terms.group {
                    let left_out: u32 = without.iter().map(|range| range.end - range.start).sum();
                    let ends = self.groups.get_mut(&(owner.clone(), group.clone()));
                    ends.expect("it has tasks")[TaskState::Cancelled as usize] +=
                        u64::from(left_out);
                }
            }
            Event::ArrayCancelled { array, .. } => self.end_in_array(*array, TaskState::Cancelled),
            Event::ArrayFailed { array, failure, at } => {
                let front = self.waiting_in(*array)[0];
                match failure {
                    ArrayFailure::Skipped { because } => {
                        // The front's own end follows, and is looked at then.
                        assert_eq!(self.waits[&whole(front)].ends[because], Some(false));
                    }
                    ArrayFailure::Expired(expiry) => self.assert_due(front, *expiry, *at),
                }
                self.end_in_array(*array, TaskState::Failed);
            }
            Event::TaskAssigned { task, attempt, worker, .. } => {
                self.assert_first(*task);
                let entry = self.tasks.get_mut(task).expect("assigned tasks exist");
                assert_eq!((entry.stage, entry.attempt.next()), (Stage::Queued, *attempt));
                let once = entry.terms.delivery == Delivery::AtMostOnce;
                let is_first = attempt.0 == entry.returned + u32::from(entry.failed) + 1;
                assert!(!once || is_first, "{task} is given out again");
                (entry.stage, entry.attempt) = (Stage::Running, *attempt);
                let needs = entry.terms.needs.as_deref().cloned().unwrap_or_default();
                let (slots, prefetch) =
                    (self.slots[worker], self.prefetch.get(worker).copied().unwrap_or_default());
                let after = self.busy(worker) + needs.slots;
                assert!(after <= slots + prefetch, "{worker} has no slot for {task}");
                let may_wait = !once && is_first && needs.is_one_slot();
                assert!(after <= slots || may_wait, "{task} must not wait at {worker}");
                assert!(after <= slots || !self.passes(*task, worker), "{task} passes another");
                self.assert_met(*task, worker, &needs);
                let reference = AttemptRef { task: *task, attempt: *attempt };
                assert!(self.taken.insert(reference, (worker.clone(), needs)).is_none());
            }
            Event::TaskSucceeded { task, attempt, .. } => {
                self.end(*task, *attempt, Stage::Finished);
                self.count_end(*task, TaskState::Succeeded);
                self.note_end(*task, true);
            }
            Event::TaskFailed { task, attempt, .. } => {
                self.end(*task, *attempt, Stage::Finished);
                self.count_end(*task, TaskState::Failed);
                self.note_end(*task, false);
            }
            Event::TaskRequeued { task, attempt, .. } => {
                self.end(*task, *attempt, Stage::Queued);
                let delivery = self.tasks[task].terms.delivery;
                assert_eq!(delivery, Delivery::AtLeastOnce, "{task} goes back");
            }
            Event::TaskReturned { task, attempt, begun, .. } => {
                self.end(*task, *attempt, Stage::Queued);
                let entry = self.tasks.get_mut(task).expect("it was there just now");
                entry.returned += 1;
                let may_begin = !begun || entry.terms.delivery == Delivery::AtLeastOnce;
                assert!(may_begin, "{task} is started again");
            }
            Event::TaskRetried { task, attempt, failed, until, at, .. } => {
                let is_delayed = until > at;
                self.end(
                    *task,
                    *attempt,
                    if is_delayed { Stage::Delayed(*until) } else { Stage::Queued },
                );
                let entry = self.tasks.get_mut(task).expect("it was there just now");
                entry.failed += 1;
                let retry = entry.terms.retry.as_ref().expect("what is retried has a policy");
                assert_eq!(entry.failed, *failed);
                assert!(entry.failed < retry.max_attempts, "{task} is tried too often");
                let delay = until.0 - at.0;
                assert!(delay <= retry.max_delay_ms.into(), "{task} waits for {delay} ms");
            }
            Event::TaskDelayed { task, until, at } => {
                let entry = self.tasks.get_mut(task).expect("delayed tasks exist");
                assert_eq!((entry.stage, entry.attempt), (Stage::Queued, Attempt(0)));
                assert!(until > at, "{task} is delayed for nothing");
                self.assert_front(*task);
                self.stage_all(*task, Stage::Delayed(*until));
            }
            Event::TaskDue { task, at } => {
                let entry = self.tasks.get_mut(task).expect("delayed tasks exist");
                let Stage::Delayed(until) = entry.stage else { panic!("{task} is not delayed") };
                assert!(until <= *at, "{task} is due too early");
                match entry.attempt {
                    Attempt(0) => self.stage_all(*task, Stage::Queued),
                    Attempt(_) => entry.stage = Stage::Queued,
                }
            }
            Event::TaskLost { task, attempt, .. } => {
                self.end(*task, *attempt, Stage::Finished);
                assert_eq!(self.tasks[task].terms.delivery, Delivery::AtMostOnce, "{task} is lost");
                self.count_end(*task, TaskState::Lost);
                self.note_end(*task, false);
            }
            Event::TaskCancelled { task, .. } => {
                let entry = self.tasks.get_mut(task).expect("cancelled tasks exist");
                assert_ne!(entry.stage, Stage::Finished, "{task} has two outcomes");
                if entry.stage == Stage::Running {
                    self.cancelled.insert(AttemptRef { task: *task, attempt: entry.attempt });
                }
                entry.stage = Stage::Finished;
                self.count_end(*task, TaskState::Cancelled);
                self.note_end(*task, false);
            }
            Event::TaskExpired { task, expiry, at } => {
                self.assert_due(*task, *expiry, *at);
                let entry = self.tasks.get_mut(task).expect("expired tasks exist");
                assert_ne!(entry.stage, Stage::Finished, "{task} has two outcomes");
                if entry.stage == Stage::Running {
                    self.cancelled.insert(AttemptRef { task: *task, attempt: entry.attempt });
                }
                entry.stage = Stage::Finished;
                self.count_end(*task, TaskState::Failed);
                self.note_end(*task, false);
            }
            Event::TaskBlocked { task, blockage, .. } => {
                let entry = self.tasks.get_mut(task).expect("blocked tasks exist");
                assert_eq!((entry.stage, entry.attempt), (Stage::Queued, Attempt(0)));
                self.assert_front(*task);
                self.stage_all(*task, Stage::Blocked);
                let ends = blockage.after.iter();
                let ends = ends.map(|other| (*other, self.ends.get(other).copied())).collect();
                let condition = blockage.condition;
                self.waits.insert(whole(*task), Wait { condition, ends });
            }
            Event::TaskReleased { task, .. } => {
                self.assert_over(*task, None);
                self.stage_all(*task, Stage::Queued);
            }
            Event::TaskSkipped { task, because, .. } => {
                self.assert_over(*task, Some(*because));
                self.tasks.get_mut(task).expect("it was there just now").stage = Stage::Finished;
                self.count_end(*task, TaskState::Failed);
                self.note_end(*task, false);
            }
            Event::TaskRepeated { task, by } => self.repeat(*task, *by),
            Event::TaskKeyed { task, owner, key, until, .. } => {
                let entry = &self.tasks[task];
                assert_eq!(entry.owner, *owner);
                let name = (owner.clone(), key.clone());
                if let Some((other, until)) = self.keys.insert(name, (*task, *until)) {
                    let is_over = self.tasks.get(&other).is_none_or(|o| o.stage == Stage::Finished);
                    assert!(is_over && until <= entry.submitted_at, "{other} still has {key}");
                }
            }
            Event::OutputKept { task, .. } => {
                assert_eq!(self.tasks[task].stage, Stage::Finished, "{task} goes on");
            }
            Event::WebhookDelayed { .. }
            | Event::WebhookDelivered { .. }
            | Event::WebhookGivenUp { .. }
            | Event::WebhookOwed(_)
            | Event::WebhooksRetried { .. } => self.webhooks.record(event, &self.limits),
            Event::KeysReleased { keys } => {
                for name in keys {
                    let (task, _) = self.keys.remove(name).expect("released keys were held");
                    let is_over = self.tasks.get(&task).is_none_or(|o| o.stage == Stage::Finished);
                    assert!(is_over, "{task} loses its key {name:?}");
                }
            }
            Event::BlobsReferred { task, .. } if self.arrays.contains_key(task) => {}
            Event::BlobsReferred { task, blobs } => {
                let entry = &self.tasks[task];
                assert!(
                    entry.stage == Stage::Finished || entry.attempt == Attempt(0),
                    "{task} refers to {blobs:?} neither from its submission on nor from its end on"
                );
            }
            Event::TasksPruned { tasks } => {
                // A key may outlive its task, and another one may have its id by then.
                let held = self.keys.values_mut().filter(|(task, _)| tasks.contains(task));
                held.for_each(|(task, _)| *task = TaskId(u128::MAX));
                for task in tasks {
                    let entry = self.tasks.remove(task).expect("forgotten tasks existed");
                    assert_eq!(entry.stage, Stage::Finished);
                }
                let Self { tasks, groups, .. } = self;
                groups.retain(|group, _| tasks.values().any(|entry| entry.is_of(group)));
            }
            Event::WorkerRegistered { worker, slots, handlers, labels, resources, .. } => {
                self.labels.insert(worker.clone(), labels.clone());
                self.resources.insert(worker.clone(), resources.iter().cloned().collect());
                self.slots.insert(worker.clone(), *slots);
                self.handlers.insert(worker.clone(), handlers.clone());
            }
            Event::WorkerLost { worker, .. } => {
                let Self { taken, cancelled, .. } = self;
                taken.retain(|attempt, (taker, _)| taker != worker || !cancelled.remove(attempt));
                self.slots.remove(worker);
            }
            Event::AttemptEnded { task, attempt, worker } => {
                let reference = AttemptRef { task: *task, attempt: *attempt };
                assert!(self.cancelled.remove(&reference));
                let taken = self.taken.remove(&reference);
                assert_eq!(taken.map(|(taker, _)| taker).as_ref(), Some(worker));
            }
            Event::QueueChanged { queue, settings, .. } => {
                self.queues.insert(queue.clone(), *settings);
            }
            Event::QuotaChanged { user, quota, .. } => {
                match quota {
                    Some(quota) => self.quotas.insert(user.clone(), *quota),
                    None => self.quotas.remove(user),
                };
            }
            Event::HandlersLearned { .. }
            | Event::UserAdded { .. }
            | Event::UserRemoved { .. }
            | Event::TokenIssued { .. }
            | Event::TokenRevoked { .. } => {}
            Event::ScheduleSet { .. }
            | Event::ScheduleFired { .. }
            | Event::SourcesTaken { .. }
            | Event::TaskTraced { .. }
            | Event::ScheduleRemoved { .. } => {}
            Event::TaskRestored(_)
            | Event::ArrayRestored(_)
            | Event::GroupRestored(_)
            | Event::OrderRestored { .. } => panic!("nobody decides {event:?}"),
        }
    }

    fn submit(
        &mut self,
        task: TaskId,
        (owner, handler): (&UserName, &HandlerName),
        terms: &Terms,
        submitted_at: Timestamp,
    ) {
        let entry = Entry {
            seq: self.submissions,
            submitted_at,
            owner: owner.clone(),
            handler: handler.clone(),
            attempt: Attempt(0),
            returned: 0,
            failed: 0,
            terms: terms.clone(),
            stage: Stage::Queued,
        };
        if let Some(group) = &terms.group {
            self.groups.entry((owner.clone(), group.clone())).or_default();
        }
        self.submissions += 1;
        self.ends.remove(&task);
        assert!(self.tasks.insert(task, entry).is_none(), "{task} was submitted twice");
        let active = self.tasks.values();
        let active = active.filter(|e| e.owner == *owner && e.stage != Stage::Finished).count();
        let most = self.quota_of(owner).max_active;
        assert!(most.is_none_or(|most| active as u64 <= most), "{owner} has {active} of {most:?}");
    }

    fn quota_of(&self, owner: &UserName) -> Quota {
        let own = self.quotas.get(&Some(owner.clone()));
        own.or_else(|| self.quotas.get(&None)).copied().unwrap_or_default()
    }

    /// One more of this owner's tasks may run.
    fn has_room(&self, owner: &UserName) -> bool {
        let is_theirs = |task: &TaskId| self.tasks.get(task).is_some_and(|e| e.owner == *owner);
        let running = self.taken.keys().filter(|attempt| is_theirs(&attempt.task)).count();
        self.quota_of(owner).max_running.is_none_or(|most| running < most as usize)
    }

    /// All tasks of an owner, or of everybody, newest first.
    pub fn listed(&self, owner: Option<&UserName>) -> Vec<TaskId> {
        let is_theirs = |entry: &Entry| owner.is_none_or(|owner| entry.owner == *owner);
        let theirs = self.tasks.iter().filter(|(_, entry)| is_theirs(entry));
        let by_seq: BTreeMap<_, _> = theirs.map(|(task, entry)| (entry.seq, *task)).collect();
        by_seq.into_values().rev().collect()
    }

    /// Of a task, and with the last of them of its array.
    fn note_end(&mut self, task: TaskId, has_succeeded: bool) {
        let array = task.in_array().map(|(array, _)| TaskId(array.0));
        self.note_one_end(task, has_succeeded);
        let of_array = array.and_then(|array| Some((array, self.arrays.get(&array)?)));
        if let Some((array, (tasks, is_partial))) = of_array
            && tasks.iter().all(|task| self.ends.contains_key(task))
        {
            let all = !is_partial && tasks.iter().all(|task| self.ends[task]);
            self.note_one_end(array, all);
        }
    }

    fn note_one_end(&mut self, task: TaskId, has_succeeded: bool) {
        self.ends.insert(task, has_succeeded);
        for wait in self.waits.values_mut() {
            if let Some(end @ None) = wait.ends.get_mut(&task) {
                *end = Some(has_succeeded);
            }
        }
    }

    /// `because`: what it fails for.
    fn assert_over(&mut self, task: TaskId, because: Option<TaskId>) {
        assert_eq!(self.tasks[&task].stage, Stage::Blocked, "{task} does not wait");
        let Wait { condition, ends } = self.waits.remove(&whole(task)).expect("it waits");
        let is_wrong = |end: &Option<bool>| {
            end.is_none() || condition == Condition::Succeeded && *end == Some(false)
        };
        match because {
            None => assert!(!ends.values().any(is_wrong), "{task} is released: {ends:?}"),
            Some(other) => {
                assert_eq!(condition, Condition::Succeeded, "{task} comes after all ends");
                assert_eq!(ends[&other], Some(false), "{task} fails because of {other}");
            }
        }
    }

    fn end(&mut self, task: TaskId, attempt: Attempt, stage: Stage) {
        let entry = self.tasks.get_mut(&task).expect("tasks with an outcome exist");
        assert_eq!((entry.stage, entry.attempt), (Stage::Running, attempt), "{task}");
        entry.stage = stage;
        assert!(self.taken.remove(&AttemptRef { task, attempt }).is_some(), "{task} had no slot");
    }

    /// Slots that are taken.
    fn busy(&self, worker: &WorkerId) -> u32 {
        let of_worker = self.taken.values().filter(|(taker, _)| taker == worker);
        of_worker.map(|(_, needs)| needs.slots).sum()
    }

    /// The worker has its labels, and what it needs is there.
    fn assert_met(&self, task: TaskId, worker: &WorkerId, needs: &Needs) {
        for label in &needs.labels {
            assert!(self.labels[worker].contains(label), "{worker} has no {label:?} for {task}");
        }
        for (name, count) in &needs.resources {
            let of_worker = self.taken.values().filter(|(taker, _)| taker == worker);
            let of_name = of_worker.flat_map(|(_, taken)| &taken.resources);
            let used: u64 = of_name.filter(|(other, _)| other == name).map(|(_, n)| n).sum();
            let all = self.resources[worker].get(name).copied().unwrap_or_default();
            assert!(used + count <= all, "{worker} has {used} of {all} {name}: {task}");
        }
    }

    /// A task elsewhere that precedes it may not wait with this worker, and so needs its next slot.
    fn passes(&self, task: TaskId, worker: &WorkerId) -> bool {
        let chosen = &self.tasks[&task];
        self.tasks.values().any(|other| {
            let is_first = other.attempt.0 == other.returned + u32::from(other.failed);
            let is_beside = (&other.handler, &other.terms.queue, &other.terms.needs)
                == (&chosen.handler, &chosen.terms.queue, &chosen.terms.needs);
            other.stage == Stage::Queued
                && !is_beside
                && (chosen.terms.priority, other.seq) < (other.terms.priority, chosen.seq)
                && self.handlers[worker].contains(&other.handler)
                && !(is_first && other.terms.delivery == Delivery::AtLeastOnce)
                && self.has_what_it_needs(worker, other)
                && self.is_head(other)
                && self.is_open(&other.terms.queue)
                && self.has_room(&other.owner)
                && !self.can_start(&other.handler)
        })
    }

    fn has_what_it_needs(&self, worker: &WorkerId, entry: &Entry) -> bool {
        // Of what takes more than one slot nobody knows here for which worker it waits.
        let needs = entry.terms.needs.as_deref();
        needs.is_none_or(|needs| {
            needs.is_one_slot() && needs.labels.iter().all(|l| self.labels[worker].contains(l))
        })
    }

    /// A worker that may be there has a slot for it.
    fn can_start(&self, handler: &HandlerName) -> bool {
        self.slots.iter().any(|(worker, slots)| {
            self.busy(worker) < *slots && self.handlers[worker].contains(handler)
        })
    }

    /// Whosever turn it is.
    fn is_head(&self, entry: &Entry) -> bool {
        let is_beside = |other: &&Entry| {
            other.stage == Stage::Queued
                && (&other.handler, &other.terms.queue, &other.terms.needs)
                    == (&entry.handler, &entry.terms.queue, &entry.terms.needs)
        };
        !self.tasks.values().filter(is_beside).any(|other| {
            let is_others = other.owner != entry.owner;
            other.terms.priority > entry.terms.priority
                || other.terms.priority == entry.terms.priority
                    && (is_others || other.seq < entry.seq)
        })
    }

    /// One more of its tasks may run.
    fn is_open(&self, queue: &QueueName) -> bool {
        let settings = self.queues.get(queue).copied().unwrap_or_default();
        let of_queue = |task: &TaskId| {
            // Of one that is forgotten nobody knows any more.
            self.tasks.get(task).is_some_and(|entry| entry.terms.queue == *queue)
        };
        let running = self.taken.keys().filter(|attempt| of_queue(&attempt.task)).count();
        !settings.paused && settings.max_running.is_none_or(|most| running < most as usize)
    }

    /// Nothing of a higher priority waits in its queue for its handler, nor anything older of its owner.
    fn assert_first(&self, task: TaskId) {
        let chosen = &self.tasks[&task];
        let queue = &chosen.terms.queue;
        assert!(self.is_open(queue), "{task} is assigned although its queue {queue} is closed");
        assert!(self.has_room(&chosen.owner), "{task} is one too many of {}", chosen.owner);
        let before = self.tasks.values().filter(|other| {
            other.stage == Stage::Queued
                && self.has_room(&other.owner)
                && (&other.handler, &other.terms.queue) == (&chosen.handler, queue)
                && other.terms.needs == chosen.terms.needs
                && (other.terms.priority > chosen.terms.priority
                    || other.terms.priority == chosen.terms.priority
                        && other.owner == chosen.owner
                        && other.seq < chosen.seq)
        });
        assert_eq!(before.count(), 0, "{task} was assigned before another");
    }

    /// Each worker is as busy, and each group as far, as the events say.
    pub fn compare(&self, machine: &mut Machine, now: u64) {
        for owner in ["ana", "bia"].map(UserName::from) {
            let (mut step, after) = (Step::default(), None);
            let limit = self.groups.len() + 1;
            let list = Command::ListGroups { request: REQUEST, owner: owner.clone(), after, limit };
            machine.handle(Timestamp(now), list, &mut step);
            let Some(Effect::Answer { answer: Ok(Answer::Groups { groups, next: None }), .. }) =
                step.effects.pop()
            else {
                panic!("groups are always listed")
            };
            let listed = groups.into_iter().map(|group| (group.group.clone(), group.counts));
            let expected = self.groups.iter().filter(|((of, _), _)| *of == owner);
            let expected =
                expected.map(|(group, ends)| (group.1.clone(), self.counts(group, *ends)));
            assert_eq!(listed.collect::<Vec<_>>(), expected.collect::<Vec<_>>());
        }
        let mut step = Step::default();
        machine.handle(Timestamp(now), Command::Overview { request: REQUEST }, &mut step);
        let Some(Effect::Answer { answer: Ok(Answer::Overview(overview)), .. }) =
            step.effects.pop()
        else {
            panic!("an overview is always answered")
        };
        for worker in overview.workers {
            assert_eq!(worker.busy, self.busy(&worker.worker), "{}", worker.worker);
        }
    }
}
