//! No user has more unfinished, or running, than was allowed when it was accepted, or began; who is refused is at the
//! limit that the refusal names.

use std::collections::BTreeMap;

use orquestrador_core::Rejection;
use orquestrador_core::ids::{Epoch, Index, TaskId, Timestamp, UserName, WorkerId};
use orquestrador_core::quota::{Quota, UserLimit};

use super::{Violation, ensure};

const NAME: &str = "quotas";

/// What somebody has.
#[derive(Clone, Copy, Default, Debug)]
struct Usage {
    active: u64,
    /// At least: payloads of tasks that are not in arrays.
    least_bytes: u64,
    /// At most: as if each task of an array had its own payload.
    most_bytes: u64,
    running: u64,
}

impl Usage {
    fn highest(self, other: Self) -> Self {
        Self {
            active: self.active.max(other.active),
            least_bytes: self.least_bytes.max(other.least_bytes),
            most_bytes: self.most_bytes.max(other.most_bytes),
            running: self.running.max(other.running),
        }
    }
}

/// The most of it in an entry, and what was left after it.
#[derive(Clone, Copy)]
struct Span {
    index: Index,
    high: Usage,
    last: Usage,
}

/// How fast one submits: since the limit was set, or the principal took office.
#[derive(Clone, Copy, Default)]
struct Pace {
    rate: u32,
    epoch: Epoch,
    accepted: u64,
    elapsed_ms: u64,
    last: Timestamp,
    index: Index,
}

/// What the committed history says of users.
#[derive(Default)]
pub struct Quotas {
    /// Clocks go on evenly, so that rates can be told.
    are_clocks_even: bool,
    limits: BTreeMap<Option<UserName>, Quota>,
    changes: Vec<(Index, Option<UserName>, Option<Quota>)>,
    usage: BTreeMap<UserName, Vec<Span>>,
    /// Cancelled, and perhaps still running.
    held: BTreeMap<TaskId, (UserName, WorkerId)>,
    /// Who was given a task last.
    given: BTreeMap<TaskId, WorkerId>,
    paces: BTreeMap<UserName, Pace>,
}

/// How a task counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Count {
    Not,
    Waiting,
    Running,
}

impl Quotas {
    pub fn new(are_clocks_even: bool) -> Self {
        Self { are_clocks_even, ..Self::default() }
    }

    pub fn on_changed(&mut self, user: &Option<UserName>, quota: Option<Quota>, index: Index) {
        // A default one that limits nothing is none.
        let is_none = user.is_none() && quota == Some(Quota::default());
        match quota.filter(|_| !is_none) {
            Some(quota) => self.limits.insert(user.clone(), quota),
            None => self.limits.remove(user),
        };
        self.changes.push((index, user.clone(), quota));
        self.paces.clear();
    }

    /// A task counts otherwise than before. `bytes`: of its payload.
    pub fn on_count(
        &mut self,
        owner: &UserName,
        (bytes, is_in_array): (u64, bool),
        (before, after): (Count, Count),
        index: Index,
    ) {
        let spans = self.usage.entry(owner.clone()).or_default();
        let last = spans.last().map_or(Usage::default(), |span| span.last);
        if spans.last().is_none_or(|span| span.index < index) {
            spans.push(Span { index, high: last, last });
        }
        let Some(span) = spans.last_mut() else { return };
        let step = |value: &mut u64, by: u64, was: bool, is: bool| match (was, is) {
            (false, true) => *value += by,
            (true, false) => *value -= by,
            _ => {}
        };
        let now = &mut span.last;
        let (was, is) = (before != Count::Not, after != Count::Not);
        step(&mut now.active, 1, was, is);
        step(&mut now.most_bytes, bytes, was, is);
        step(&mut now.least_bytes, if is_in_array { 0 } else { bytes }, was, is);
        step(&mut now.running, 1, before == Count::Running, after == Count::Running);
        span.high = span.high.highest(span.last);
    }

    fn now(&self, owner: &UserName) -> Usage {
        let spans = self.usage.get(owner);
        spans.and_then(|spans| spans.last()).map_or(Usage::default(), |span| span.last)
    }

    fn of(limits: &BTreeMap<Option<UserName>, Quota>, owner: &UserName) -> Quota {
        let own = limits.get(&Some(owner.clone()));
        own.or_else(|| limits.get(&None)).copied().unwrap_or_default()
    }

    /// Something of this owner's was accepted, and is counted.
    pub fn on_accepted(&self, owner: &UserName) -> Result<(), Violation> {
        let (quota, usage) = (Self::of(&self.limits, owner), self.now(owner));
        let fits = quota.max_active.is_none_or(|most| usage.active <= most)
            && quota.max_bytes.is_none_or(|most| usage.least_bytes <= most);
        ensure(fits, NAME, || format!("{owner} has {usage:?} and may have {quota:?}"))
    }

    /// The owner's own submission was accepted.
    pub fn on_submitted(
        &mut self,
        owner: &UserName,
        at: Timestamp,
        (epoch, index): (Epoch, Index),
    ) -> Result<(), Violation> {
        let Some(rate) = Self::of(&self.limits, owner).submit_rate else { return Ok(()) };
        let pace = self.paces.entry(owner.clone()).or_default();
        if (pace.rate, pace.epoch) != (rate, epoch) {
            *pace = Pace { rate, epoch, last: at, ..Pace::default() };
        }
        pace.elapsed_ms += at.0.saturating_sub(pace.last.0);
        pace.last = at;
        let is_first = std::mem::replace(&mut pace.index, index) != index;
        let tokens = (u64::from(rate) * (1_000 + pace.elapsed_ms)).saturating_sub(1_000);
        // Of the others in this entry it is not told whether they came in one batch.
        let fits = !is_first || pace.accepted * 1_000 <= tokens;
        pace.accepted += 1;
        let pace = *pace;
        ensure(fits || !self.are_clocks_even, NAME, || {
            format!(
                "{owner} may submit {rate} a second; {} were accepted in {} ms",
                pace.accepted, pace.elapsed_ms
            )
        })
    }

    /// A task is given to a worker, and is counted.
    pub fn on_assigned(
        &mut self,
        owner: &UserName,
        task: TaskId,
        worker: &WorkerId,
    ) -> Result<(), Violation> {
        self.given.insert(task, worker.clone());
        let quota = Self::of(&self.limits, owner);
        let held = self.held.values().filter(|(of, _)| of == owner).count() as u64;
        let running = self.now(owner).running;
        let fits = quota.max_running.is_none_or(|most| running + held <= u64::from(most));
        ensure(fits, NAME, || {
            format!("{owner} runs {running} tasks, has {held} that end, and may have {quota:?}")
        })
    }

    /// A running task is over, and its attempt may run on.
    pub fn on_held(&mut self, owner: &UserName, task: TaskId) {
        if let Some(worker) = self.given.get(&task) {
            self.held.insert(task, (owner.clone(), worker.clone()));
        }
    }

    pub fn on_ended(&mut self, task: TaskId) {
        self.held.remove(&task);
    }

    pub fn on_lost(&mut self, lost: &WorkerId) {
        self.held.retain(|_, (_, worker)| worker != lost);
    }

    /// Who has a limit, of those that have one.
    pub fn limited(&self) -> Option<Option<UserName>> {
        self.limits.keys().next().cloned()
    }

    /// A firing was refused just now.
    pub fn check_firing(&self, owner: &UserName, bytes: u64, why: &str) -> Result<(), Violation> {
        let (quota, usage) = (Self::of(&self.limits, owner), self.now(owner));
        let fits = quota.max_active.is_some_and(|most| usage.active + 1 > most)
            || quota.max_bytes.is_some_and(|most| usage.most_bytes + bytes > most);
        ensure(fits, NAME, || {
            format!("a firing of {owner} is refused ({why}), who has {usage:?} and may {quota:?}")
        })
    }

    /// A submission of so many tasks and bytes, at most, was refused. `None`: for another reason.
    pub fn check_refusal(
        &self,
        owner: &UserName,
        (tasks, bytes): (u64, u64),
        rejection: &Rejection,
        index: Index,
    ) -> Option<Result<(), Violation>> {
        let usage = self.highest_at(owner, index);
        let mut limits = self.in_force_at(owner, index).into_iter();
        let fits = match rejection {
            Rejection::QuotaExceeded { limit, what: UserLimit::MaxActive } => {
                limits.any(|q| q.max_active == Some(*limit)) && usage.active + tasks > *limit
            }
            Rejection::QuotaExceeded { limit, what: UserLimit::MaxBytes } => {
                limits.any(|q| q.max_bytes == Some(*limit)) && usage.most_bytes + bytes > *limit
            }
            Rejection::NeverFitsQuota { limit, what: UserLimit::MaxActive } => {
                limits.any(|q| q.max_active == Some(*limit)) && tasks > *limit
            }
            Rejection::NeverFitsQuota { limit, what: UserLimit::MaxBytes } => {
                limits.any(|q| q.max_bytes == Some(*limit)) && bytes > *limit
            }
            Rejection::RateLimited { rate, retry_after_ms } => {
                limits.any(|q| q.submit_rate == Some(*rate)) && *retry_after_ms > 0
            }
            _ => return None,
        };
        Some(ensure(fits, NAME, || {
            format!("{owner} is refused {tasks} tasks at entry {index} ({rejection}): {usage:?}")
        }))
    }

    /// The most that the owner had while this entry was made.
    fn highest_at(&self, owner: &UserName, index: Index) -> Usage {
        let spans = self.usage.get(owner).map(Vec::as_slice).unwrap_or_default();
        match spans.iter().rev().find(|span| span.index <= index) {
            Some(span) if span.index == index => span.high,
            Some(span) => span.last,
            None => Usage::default(),
        }
    }

    /// What held for the owner before this entry, and after each change in it.
    fn in_force_at(&self, owner: &UserName, index: Index) -> Vec<Quota> {
        let mut limits = BTreeMap::new();
        let mut all = Vec::new();
        for (changed, user, quota) in self.changes.iter().take_while(|(at, ..)| *at <= index) {
            if *changed == index {
                all.push(Self::of(&limits, owner));
            }
            match quota {
                Some(quota) => limits.insert(user.clone(), *quota),
                None => limits.remove(user),
            };
        }
        all.push(Self::of(&limits, owner));
        all
    }
}
