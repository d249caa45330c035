//! How a task is to be run. Many tasks have the same terms, so records refer to them.

use std::sync::{Arc, LazyLock};

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use crate::command::{Delivery, Failure};
use crate::ids::{
    ArrayId, Attempt, GroupName, QueueName, ScheduleName, TaskId, Timestamp, WebhookUrl,
};
use crate::needs::Needs;

/// How a task is to be run.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Terms {
    pub delivery: Delivery,
    /// `None`: an attempt that fails is the last one.
    pub retry: Option<Box<RetryPolicy>>,
    /// With so many attempts lost with their workers it fails, at least 1; `None`: as many as the cluster says.
    pub max_lost_attempts: Option<u16>,
    pub queue: QueueName,
    /// Of two tasks in a queue, the one of the higher priority goes first.
    pub priority: i8,
    pub times: TimeLimits,
    /// `None`: what every worker has that offers the handler.
    pub needs: Option<Box<Needs>>,
    /// Which task it does once more, by somebody's wish.
    pub origin: Option<Box<Origin>>,
    /// Which schedule of its owner's made it.
    pub schedule: Option<ScheduleName>,
    /// Of its owner's own, that it belongs to.
    pub group: Option<GroupName>,
    /// Where its end is told to.
    pub webhook: Option<WebhookUrl>,
}

/// Which task another one does once more; of an array, which array.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Origin {
    pub of: TaskId,
    /// The first one, of which `of` may be a repetition itself.
    pub first: TaskId,
}

impl Origin {
    /// Of one of the tasks that have these terms: of a repeated array's the task of the same number.
    #[must_use]
    fn of_task(self, task: TaskId) -> Self {
        let same = |id: TaskId| match task.in_array().filter(|_| id.is_array()) {
            Some((_, number)) => ArrayId(id.0).task(number),
            None => id,
        };
        Self { of: same(self.of), first: same(self.first) }
    }
}

/// How long things may take; `None`: as long as they do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct TimeLimits {
    /// Milliseconds of an attempt, from its start at the worker, which then ends it as failed.
    pub attempt_ms: Option<u64>,
    /// The first attempt begins within so many milliseconds of the submission, or the task fails.
    pub begin_ms: Option<u64>,
    /// The task ends within so many milliseconds of the submission, or fails then.
    pub end_ms: Option<u64>,
}

impl TimeLimits {
    /// The moment at which a task fails that was submitted then, unless something happens before.
    pub fn due(&self, submitted_at: Timestamp, has_begun: bool) -> Option<(Timestamp, Expiry)> {
        let at = |ms: Option<u64>| ms.map(|ms| submitted_at.plus_ms(ms));
        let begin = at(self.begin_ms.filter(|_| !has_begun)).map(|at| (at, Expiry::NotBegun));
        let end = at(self.end_ms).map(|at| (at, Expiry::NotEnded));
        begin.into_iter().chain(end).min()
    }
}

/// Why a task fails because of the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Expiry {
    /// It had not begun by the moment by which it was to begin.
    NotBegun = 1,
    /// It had not ended by the moment by which it was to end.
    NotEnded = 2,
}

impl Expiry {
    pub const ALL: [Self; 2] = [Self::NotBegun, Self::NotEnded];

    /// A word from `docs/errors.md`.
    pub fn code(self) -> &'static str {
        match self {
            Self::NotBegun => "EXPIRED",
            Self::NotEnded => "DEADLINE_EXCEEDED",
        }
    }

    /// For developers.
    pub fn message(self) -> &'static str {
        match self {
            Self::NotBegun => "the task had not begun by the moment that it was submitted with",
            Self::NotEnded => "the task had not ended by the moment that it was submitted with",
        }
    }
}

impl From<Delivery> for Terms {
    fn from(delivery: Delivery) -> Self {
        Self { delivery, ..Self::default() }
    }
}

impl From<Delivery> for Arc<Terms> {
    /// Nothing is made for it: most tasks have such terms.
    fn from(delivery: Delivery) -> Self {
        static PLAIN: LazyLock<[Arc<Terms>; 2]> = LazyLock::new(|| {
            [Delivery::AtLeastOnce, Delivery::AtMostOnce].map(|delivery| Arc::new(delivery.into()))
        });
        let [at_least_once, at_most_once] = &*PLAIN;
        Self::clone(match delivery {
            Delivery::AtLeastOnce => at_least_once,
            Delivery::AtMostOnce => at_most_once,
        })
    }
}

impl Terms {
    /// What the task, which has these terms, does once more.
    #[must_use]
    pub fn origin_of(&self, task: TaskId) -> Option<Origin> {
        self.origin.as_deref().map(|origin| origin.of_task(task))
    }

    /// For the many that have the same.
    pub fn shared(self) -> Arc<Self> {
        if self.is_plain() { self.delivery.into() } else { Arc::new(self) }
    }

    /// Equal for equal terms. Of terms that say nothing but the delivery, it is that; what says nothing else adds nothing,
    /// so that the hash of terms outlives what is added to them.
    pub fn hash(&self) -> u64 {
        let mut bytes = vec![self.delivery as u8];
        if let Some(retry) = &self.retry {
            bytes.extend(retry.max_attempts.to_le_bytes());
            bytes.extend(retry.first_delay_ms.to_le_bytes());
            bytes.extend(retry.max_delay_ms.to_le_bytes());
            for code in &retry.codes {
                bytes.extend((code.len() as u64).to_le_bytes());
                bytes.extend(code.as_bytes());
            }
        }
        if self.priority != 0 || self.queue != QueueName::default() {
            // No code is so long.
            bytes.extend(u64::MAX.to_le_bytes());
            bytes.extend(self.priority.to_le_bytes());
            bytes.extend(self.queue.0.as_bytes());
        }
        let TimeLimits { attempt_ms, begin_ms, end_ms } = self.times;
        if self.times != TimeLimits::default() {
            bytes.extend((u64::MAX - 1).to_le_bytes());
            for ms in [attempt_ms, begin_ms, end_ms] {
                bytes.extend(ms.map_or(0, |ms| ms.saturating_add(1)).to_le_bytes());
            }
        }
        if let Some(Needs { slots, labels, resources }) = self.needs.as_deref() {
            bytes.extend((u64::MAX - 2).to_le_bytes());
            bytes.extend(slots.to_le_bytes());
            let texts = |bytes: &mut Vec<u8>, text: &str| {
                bytes.extend((text.len() as u64).to_le_bytes());
                bytes.extend(text.as_bytes());
            };
            bytes.extend((labels.len() as u64).to_le_bytes());
            for (key, value) in labels {
                texts(&mut bytes, key);
                texts(&mut bytes, value);
            }
            for (name, count) in resources {
                texts(&mut bytes, name);
                bytes.extend(count.to_le_bytes());
            }
        }
        if let Some(Origin { of, first }) = self.origin.as_deref() {
            bytes.extend((u64::MAX - 3).to_le_bytes());
            bytes.extend(of.to_bytes());
            bytes.extend(first.to_bytes());
        }
        if let Some(schedule) = &self.schedule {
            bytes.extend((u64::MAX - 4).to_le_bytes());
            bytes.extend(schedule.0.as_bytes());
        }
        if let Some(GroupName(group)) = &self.group {
            bytes.extend((u64::MAX - 5).to_le_bytes());
            bytes.extend(group.as_bytes());
        }
        if let Some(WebhookUrl(url)) = &self.webhook {
            bytes.extend((u64::MAX - 6).to_le_bytes());
            bytes.extend(url.as_bytes());
        }
        if let Some(lost) = self.max_lost_attempts {
            bytes.extend((u64::MAX - 7).to_le_bytes());
            bytes.extend(lost.to_le_bytes());
        }
        if bytes.len() == 1 { self.delivery as u64 } else { xxh3_64(&bytes) }
    }

    /// They say nothing but the delivery.
    pub fn is_plain(&self) -> bool {
        !self.is_policy()
            && self.origin.is_none()
            && self.schedule.is_none()
            && self.group.is_none()
            && self.priority == 0
            && self.queue == QueueName::default()
    }

    /// Whether they say what matters to a task that is not finished only.
    pub fn is_policy(&self) -> bool {
        self.retry.is_some()
            || self.max_lost_attempts.is_some()
            || self.needs.is_some()
            || self.times != TimeLimits::default()
            || self.webhook.is_some()
    }

    /// Whether they count for the limit of policies. Those of a repetition are its own, and few: no more than tasks failed.
    pub fn is_counted(&self) -> bool {
        self.is_policy() && self.origin.is_none()
    }

    /// What still matters once the task is finished.
    #[must_use]
    pub fn ended(&self) -> Self {
        let (times, max_lost_attempts) = (TimeLimits::default(), None);
        let (retry, needs, webhook) = (None, None, None);
        Self { retry, max_lost_attempts, needs, times, webhook, ..self.clone() }
    }
}

/// When an attempt that failed is followed by another one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RetryPolicy {
    /// The task fails with this attempt, not counting those that were lost with their worker; at least 2.
    pub max_attempts: u16,
    /// Between the first failure and the next attempt, at most.
    pub first_delay_ms: u32,
    /// The delay doubles with each failure up to this.
    pub max_delay_ms: u32,
    /// Failures that are retried, by code; sorted, without duplicates. Empty: all of them.
    pub codes: Vec<String>,
}

impl RetryPolicy {
    /// Whether another attempt follows this failure, which is the `failed`th.
    pub fn admits(&self, failed: u16, failure: &Failure) -> bool {
        failed < self.max_attempts && (self.codes.is_empty() || self.codes.contains(&failure.code))
    }

    /// Milliseconds until the next attempt, after `failed` failures: exponential backoff, of which one half is fixed and
    /// the other is spread by the attempt's name ("equal jitter" of M. Brooker, "Exponential Backoff And Jitter",
    /// AWS Architecture Blog, 2015), so that what failed together does not come back together.
    pub fn delay_ms(&self, failed: u16, task: TaskId, attempt: Attempt) -> u64 {
        let doublings = u32::from(failed.saturating_sub(1)).min(32);
        let whole = (u64::from(self.first_delay_ms) << doublings).min(self.max_delay_ms.into());
        let fixed = whole / 2;
        let spread = xxh3_64_with_seed(&task.to_bytes(), attempt.0.into());
        fixed + spread % (whole - fixed + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy() -> RetryPolicy {
        RetryPolicy { max_attempts: 9, first_delay_ms: 100, max_delay_ms: 1_000, codes: vec![] }
    }

    #[test]
    fn delays_double_up_to_their_bound_and_are_spread_over_the_upper_half() {
        for (failed, whole) in [(1, 100), (2, 200), (3, 400), (4, 800), (5, 1_000), (40, 1_000)] {
            let delays: Vec<_> = (0..500)
                .map(|task| policy().delay_ms(failed, TaskId(task), Attempt(failed.into())))
                .collect();
            let (least, most) = (delays.iter().min().copied(), delays.iter().max().copied());
            assert!(least.is_some_and(|least| least >= whole / 2 && least < whole * 6 / 10));
            assert!(most.is_some_and(|most| most <= whole && most > whole * 9 / 10));
        }
    }

    #[test]
    fn no_delay_and_the_longest_are_possible() {
        let none = RetryPolicy { first_delay_ms: 0, max_delay_ms: 0, ..policy() };
        assert_eq!(none.delay_ms(7, TaskId(1), Attempt(7)), 0);
        let long = RetryPolicy { first_delay_ms: u32::MAX, max_delay_ms: u32::MAX, ..policy() };
        assert!(long.delay_ms(u16::MAX, TaskId(1), Attempt(1)) >= u64::from(u32::MAX / 2));
    }

    #[test]
    fn only_the_named_failures_are_retried_and_only_so_often() {
        let failure = |code: &str| Failure {
            code: code.to_owned(),
            message: String::new(),
            output: crate::ids::Blob::default(),
        };
        let some = RetryPolicy { codes: vec!["NON_ZERO_EXIT".into()], ..policy() };
        assert!(some.admits(8, &failure("NON_ZERO_EXIT")));
        assert!(!some.admits(9, &failure("NON_ZERO_EXIT")));
        assert!(!some.admits(1, &failure("HANDLER_ERROR")));
        assert!(policy().admits(1, &failure("HANDLER_ERROR")));
    }

    #[test]
    fn the_hash_covers_everything() {
        let all = [
            RetryPolicy { max_attempts: 8, ..policy() },
            RetryPolicy { first_delay_ms: 8, ..policy() },
            RetryPolicy { max_delay_ms: 8, ..policy() },
            RetryPolicy { codes: vec!["A".into()], ..policy() },
            RetryPolicy { codes: vec!["A".into(), "B".into()], ..policy() },
            RetryPolicy { codes: vec!["AB".into()], ..policy() },
            policy(),
        ];
        let mut hashes: Vec<_> = [Delivery::AtLeastOnce, Delivery::AtMostOnce]
            .into_iter()
            .flat_map(|delivery| {
                let plain = Terms::from(delivery);
                let retry = all.iter().map(|retry| Some(Box::new(retry.clone())));
                let retry = retry.chain([None]).flat_map(|retry| {
                    let terms = Terms { retry, ..plain.clone() };
                    let queue = Terms { queue: "AB".into(), ..terms.clone() };
                    let some = TimeLimits { begin_ms: Some(0), ..TimeLimits::default() };
                    let other = TimeLimits { end_ms: Some(0), ..TimeLimits::default() };
                    let timed = [some, other].map(|times| Terms { times, ..queue.clone() });
                    let [timed, also] = timed;
                    let needs = Needs { slots: 2, ..Needs::default() };
                    let more = Terms { needs: Some(Box::new(needs)), ..also.clone() };
                    let origin = Origin { of: TaskId(1), first: TaskId(2) };
                    let again = Terms { origin: Some(Box::new(origin)), ..more.clone() };
                    let made = Terms { schedule: Some("AB".into()), ..terms.clone() };
                    let lower = Terms { priority: -1, ..terms.clone() };
                    let group = Terms { group: Some("AB".into()), ..terms.clone() };
                    let told = Terms { webhook: Some("AB".into()), ..terms.clone() };
                    [lower, group, told, terms, queue, timed, also, more, again, made]
                });
                retry.collect::<Vec<_>>()
            })
            .map(|terms| terms.hash())
            .collect();
        hashes.sort_unstable();
        hashes.dedup();
        assert_eq!(hashes.len(), 160);
    }
}
