//! What clients ask beside tasks: schedules, limits of users, settings of queues, groups, webhooks, and tasks that have a key.

use std::sync::Arc;

use orquestrador_core::command::{
    Delivery, NewLimits, NewTask, QueueChange, QuotaChange, Start, UniqueKey, WebhookChoice,
};
use orquestrador_core::ids::{
    Blob, GroupName, HandlerName, Index, KeyName, QueueName, RequestId, ScheduleName, TaskId,
    UserName,
};
use orquestrador_core::schedule::{CatchUp, Overlap, Schedule};
use orquestrador_core::terms::Terms;
use orquestrador_core::{Answer, Command, Rejection};

use crate::invariants::Violation;
use crate::random::Random;
use crate::world::World;

const SCHEDULES: [&str; 3] = ["s0", "s1", "s2"];
/// Each of them is a grid of moments: [`crate::invariants::timetable`] computes them otherwise.
const EXPRESSIONS: [&str; 8] = [
    "@every 1s",
    "@every 1s",
    "@every 3s",
    "@every 90s",
    "* * * * * *",
    "*/2 * * * * *",
    "* * * * *",
    "*/5 * * * *",
];
const ZONES: [&str; 2] = ["UTC", "America/Sao_Paulo"];
const QUEUES: [&str; 3] = ["default", "a", "b"];
const GROUPS: [&str; 2] = ["even", "odd"];
const KEYS: [&str; 2] = ["k0", "k1"];
/// Of the task of a schedule.
pub const SCHEDULED: &[u8] = b"again";

/// Which of these there are in a world.
#[derive(Clone, Copy, Debug)]
pub struct Features {
    pub schedules: bool,
    pub quotas: bool,
    pub queues: bool,
    pub keys: bool,
}

#[derive(Clone, Debug)]
pub enum Order {
    SetSchedule(ScheduleName, Arc<Schedule>),
    PauseSchedule(ScheduleName, bool),
    RemoveSchedule(ScheduleName),
    /// Now, under this name.
    RunSchedule(ScheduleName, TaskId),
    ListSchedules,
    ChangeQuota(Option<UserName>, QuotaChange),
    ChangeQueue(QueueName, QueueChange),
    PurgeQueue(QueueName),
    CancelGroup(GroupName),
    /// Whosever they are.
    RetryWebhooks,
    /// Submits a task that has a key, for so many milliseconds.
    Keyed(TaskId, KeyName, u64),
}

impl Order {
    /// `None`: nothing of that kind is in this world, or not now.
    pub fn draw(chance: &mut Random, features: Features, new: TaskId) -> Option<Self> {
        let kind = chance.between(0, 3);
        match kind {
            0 if features.schedules => Some(Self::about_schedules(chance, new)),
            1 if features.quotas => {
                let users = [None, Some("user0"), Some("user1")];
                let user = users[chance.index(users.len())].map(UserName::from);
                Some(Self::ChangeQuota(user, quota_change(chance)))
            }
            2 if features.queues => {
                let queue = QueueName::from(QUEUES[chance.index(QUEUES.len())]);
                let group = GroupName::from(GROUPS[chance.index(GROUPS.len())]);
                Some(match chance.between(0, 6) {
                    0 => Self::PurgeQueue(queue),
                    1 => Self::CancelGroup(group),
                    2 => Self::RetryWebhooks,
                    _ => Self::ChangeQueue(queue, queue_change(chance)),
                })
            }
            3 if features.keys => {
                let key = KeyName::from(KEYS[chance.index(KEYS.len())]);
                let window = if chance.coin() { 0 } else { chance.between(1, 3_000) };
                Some(Self::Keyed(new, key, window))
            }
            _ => None,
        }
    }

    fn about_schedules(chance: &mut Random, new: TaskId) -> Self {
        let name = ScheduleName::from(SCHEDULES[chance.index(SCHEDULES.len())]);
        match chance.between(0, 10) {
            0..=3 => Self::SetSchedule(name, Arc::new(schedule(chance))),
            4..=5 => Self::PauseSchedule(name, true),
            6..=7 => Self::PauseSchedule(name, false),
            8 => Self::RunSchedule(name, new),
            9 => Self::RemoveSchedule(name),
            _ => Self::ListSchedules,
        }
    }

    /// The task that comes of it, if it is not refused.
    pub fn task(&self) -> Option<TaskId> {
        match self {
            Self::RunSchedule(_, task) | Self::Keyed(task, ..) => Some(*task),
            Self::SetSchedule(..)
            | Self::PauseSchedule(..)
            | Self::RemoveSchedule(_)
            | Self::ListSchedules
            | Self::ChangeQuota(..)
            | Self::ChangeQueue(..)
            | Self::PurgeQueue(_)
            | Self::RetryWebhooks
            | Self::CancelGroup(_) => None,
        }
    }

    pub fn command(&self, request: RequestId, owner: UserName) -> Command {
        match self.clone() {
            Self::SetSchedule(name, schedule) => {
                let allow_unknown_handler = true;
                Command::SetSchedule { request, owner, name, schedule, allow_unknown_handler }
            }
            Self::PauseSchedule(name, paused) => {
                Command::PauseSchedule { request, owner, name, paused }
            }
            Self::RemoveSchedule(name) => Command::RemoveSchedule { request, owner, name },
            Self::RunSchedule(name, task) => Command::RunSchedule { request, owner, name, task },
            Self::ListSchedules => Command::ListSchedules { request, owner },
            Self::ChangeQuota(user, change) => {
                Command::ChangeQuota { request, first: user.clone(), user, change }
            }
            Self::ChangeQueue(queue, change) => Command::ChangeQueue { request, queue, change },
            Self::PurgeQueue(queue) => Command::PurgeQueue { request, queue },
            Self::CancelGroup(group) => Command::CancelGroup { request, owner, group },
            Self::RetryWebhooks => {
                let choice = WebhookChoice::All { after: None };
                Command::RetryWebhooks { request, owner: None, choice }
            }
            Self::Keyed(task, key, window) => {
                let tasks = vec![keyed(task, key, window)];
                Command::Submit { request, owner, tasks, allow_unknown_handler: true }
            }
        }
    }
}

/// Of one key all tasks are alike, but for one in eight.
fn keyed(id: TaskId, name: KeyName, window_ms: u64) -> NewTask {
    let other = id.0.is_multiple_of(8);
    let payload = format!("{name}{}", if other { " otherwise" } else { "" });
    NewTask {
        id,
        handler: HandlerName::from("simulated"),
        payload: Blob::copy_from_slice(payload.as_bytes()),
        terms: Terms::from(Delivery::AtLeastOnce).into(),
        start: Start::Now,
        after: None,
        key: Some(Box::new(UniqueKey { name, window_ms })),
        blobs: vec![],
        trace: None,
    }
}

fn schedule(chance: &mut Random) -> Schedule {
    let catch_up = [CatchUp::Skip, CatchUp::One, CatchUp::All][chance.index(3)];
    let overlap = if chance.coin() { Overlap::Allow } else { Overlap::Skip };
    Schedule {
        expression: EXPRESSIONS[chance.index(EXPRESSIONS.len())].to_owned(),
        zone: ZONES[chance.index(ZONES.len())].to_owned(),
        catch_up,
        overlap,
        handler: HandlerName::from("simulated"),
        payload: Blob::copy_from_slice(SCHEDULED),
        terms: Terms::default().into(),
    }
}

fn quota_change(chance: &mut Random) -> QuotaChange {
    if chance.one_in_thousand(200) {
        return QuotaChange::Clear;
    }
    let mut most = |low: u64, high: u64| match chance.between(0, 3) {
        0 => Some(None),
        1 => Some(Some(chance.between(low, high))),
        _ => None,
    };
    let (max_active, max_bytes) = (most(1, 30), most(10, 400));
    let narrow = |most: Option<Option<u64>>| most.map(|most| most.map(|most| most as u32));
    let (max_running, submit_rate) = (narrow(most(1, 4)), narrow(most(2, 40)));
    QuotaChange::Set(NewLimits { max_active, max_bytes, max_running, submit_rate })
}

fn queue_change(chance: &mut Random) -> QueueChange {
    let weight = chance.coin().then(|| chance.between(1, 4) as u32);
    let max_running = chance.coin().then(|| chance.coin().then(|| chance.between(1, 4) as u32));
    // Most are soon open again.
    let paused = chance.coin().then(|| chance.one_in_thousand(300));
    QueueChange { weight, max_running, paused }
}

impl World {
    /// When the faults are over: settings go first, then schedules, once none of them is behind.
    pub fn tidy(&mut self) {
        let now = self.principals_clock();
        for nth in 0..self.clients.len() {
            let owner = self.clients[nth].owner().clone();
            if !self.clients[nth].is_idle() {
                continue;
            }
            let truth = &self.truth;
            let settings = truth.settings.iter().next().map(|queue| {
                let open =
                    QueueChange { weight: Some(1), max_running: Some(None), paused: Some(false) };
                Order::ChangeQueue(queue.clone(), open)
            });
            let quota = || {
                let limited = truth.quotas.limited();
                limited.map(|user| Order::ChangeQuota(user, QuotaChange::Clear))
            };
            let schedule = || {
                let is_behind = now.is_none_or(|now| truth.timetable.is_behind(now));
                let named = (!is_behind).then(|| truth.timetable.first_of(&owner)).flatten();
                named.map(Order::RemoveSchedule)
            };
            if let Some(order) = settings.or_else(quota).or_else(schedule) {
                self.order(nth, order);
            }
        }
    }

    pub fn judge_order(
        &self,
        owner: &UserName,
        order: &Order,
        answer: &Result<Answer, Rejection>,
        index: Index,
    ) -> Option<Result<(), Violation>> {
        let (timetable, quotas) = (&self.truth.timetable, &self.truth.quotas);
        Some(match (order, answer) {
            (Order::PauseSchedule(name, paused), Ok(Answer::Schedule { snapshot })) => {
                match snapshot.paused == *paused {
                    true => timetable.check_known(owner, name, true, index),
                    false => {
                        let what = format!("schedule {name} is answered as it was not left");
                        Err(Violation::new("G4 linearizable", what))
                    }
                }
            }
            (
                Order::SetSchedule(name, _) | Order::RemoveSchedule(name),
                Ok(Answer::Schedule { .. }),
            ) => timetable.check_known(owner, name, true, index),
            (
                Order::PauseSchedule(name, _)
                | Order::RemoveSchedule(name)
                | Order::RunSchedule(name, _),
                Err(Rejection::ScheduleNotFound { .. }),
            ) => timetable.check_known(owner, name, false, index),
            (Order::ListSchedules, Ok(Answer::Schedules { schedules })) => {
                let listed = |name: &ScheduleName| schedules.iter().any(|s| s.name == *name);
                let mut all = SCHEDULES.map(ScheduleName::from).into_iter();
                all.try_for_each(|name| timetable.check_known(owner, &name, listed(&name), index))
            }
            (Order::Keyed(task, key, _), Ok(Answer::Submitted { first, .. })) => {
                self.truth.keys.check_holder(owner, key, (*task, first.id), index)
            }
            (
                Order::Keyed(_, key, _),
                Err(
                    Rejection::KeyConflict { task: holder, .. }
                    | Rejection::KeySpent { task: holder, .. },
                ),
            ) => self.truth.keys.check_named(owner, key, *holder, index),
            (Order::RunSchedule(..), Ok(Answer::Submitted { .. }))
            | (Order::ChangeQuota(..), Ok(Answer::Users { .. }))
            | (Order::ChangeQueue(..), Ok(Answer::Queues { .. }))
            | (Order::PurgeQueue(_), Ok(Answer::Purged { .. }))
            | (Order::PurgeQueue(_), Err(Rejection::QueueNotFound { .. }))
            | (Order::RetryWebhooks, Ok(Answer::WebhooksRetried { .. }))
            | (Order::CancelGroup(_), Ok(Answer::GroupCancelled { .. }))
            | (Order::CancelGroup(_), Err(Rejection::GroupNotFound { .. })) => Ok(()),
            (Order::RunSchedule(..), Err(rejection)) => {
                return quotas.check_refusal(owner, (1, SCHEDULED.len() as u64), rejection, index);
            }
            (Order::Keyed(..), Err(rejection)) => {
                return quotas.check_refusal(owner, (1, 32), rejection, index);
            }
            _ => return None,
        })
    }
}
