//! What is told of a task's end, to whom, and what became of it.

use std::ops::Range;

use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::effect::TaskState;
use crate::ids::{
    Attempt, GroupName, HandlerName, QueueName, ScheduleName, TaskId, Timestamp, UserName,
    WebhookUrl,
};

/// Of a message, as it is told and as it is kept.
pub const MAX_REPORTED_MESSAGE: usize = 256;

/// Ranges of numbers in the report of an array's rest; the last one takes in whatever follows.
pub const MAX_REPORTED_RANGES: usize = 100;

/// So many times the delay grows with each failed attempt.
const GROWTH: u64 = 3;
/// A day: no delay is longer, whatever the receiver asks for.
const MAX_DELAY_MS: u64 = 86_400_000;

/// How a task ended, or the rest of an array. Whole by itself: retention may forget the task before it is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Of the rest of an array, the array.
    pub task: TaskId,
    pub owner: UserName,
    pub handler: HandlerName,
    pub state: TaskState,
    pub attempt: Attempt,
    pub submitted_at: Timestamp,
    pub started_at: Option<Timestamp>,
    pub finished_at: Timestamp,
    /// Code and message of a failure or a loss.
    pub error: Option<(String, String)>,
    /// Of the result, or of what a failed attempt had produced.
    pub result_bytes: u64,
    pub queue: QueueName,
    pub group: Option<GroupName>,
    pub schedule: Option<ScheduleName>,
    pub retry_of: Option<TaskId>,
    /// `None` of a task.
    pub rest: Option<Rest>,
}

/// What of an array ended with it before its turn, all in the same way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rest {
    pub tasks: u32,
    /// Their numbers, in order; at most [`MAX_REPORTED_RANGES`].
    pub numbers: Vec<Range<u32>>,
}

impl Rest {
    /// `numbers`: all of them, in order.
    pub fn new(mut numbers: Vec<Range<u32>>) -> Self {
        let tasks = numbers.iter().map(|range| range.end - range.start).sum();
        let end = numbers.last().map_or(0, |last| last.end);
        numbers.truncate(MAX_REPORTED_RANGES);
        if let Some(last) = numbers.get_mut(MAX_REPORTED_RANGES - 1) {
            last.end = end;
        }
        Self { tasks, numbers }
    }
}

/// A report that its receiver has not confirmed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owed {
    pub report: Report,
    pub url: WebhookUrl,
    /// So many attempts failed; since somebody wanted it again, if it had been given up.
    pub tries: u16,
    /// Not before.
    pub next: Timestamp,
    /// Of the last attempt; empty before the first.
    pub error: String,
    /// When it was given up: it is kept, and told only if somebody wants it.
    pub given_up: Option<Timestamp>,
}

impl Owed {
    /// Not told yet.
    pub fn new(report: Report, url: WebhookUrl, next: Timestamp) -> Self {
        Self { report, url, tries: 0, next, error: String::new(), given_up: None }
    }

    /// How it stands.
    pub fn standing(&self) -> WebhookStanding {
        let Self { tries, error, .. } = self.clone();
        match self.given_up {
            Some(at) => WebhookStanding::Settled(Settled { is_delivered: false, tries, error, at }),
            None => {
                let (url, next) = (self.url.clone(), self.next);
                WebhookStanding::Owed { url, tries, next, error }
            }
        }
    }
}

/// What became of a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settled {
    /// It was confirmed; otherwise it was given up.
    pub is_delivered: bool,
    /// Attempts, the last one included.
    pub tries: u16,
    /// Why it was given up.
    pub error: String,
    pub at: Timestamp,
}

/// What an attempt came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Posted {
    /// The receiver has it.
    Accepted,
    /// It is to be tried again, if the receiver said so not before so many milliseconds.
    Failed { error: String, after_ms: Option<u64> },
    /// The receiver wants no more of it.
    Gone { error: String },
}

/// How a webhook stands, for the owner of the task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WebhookStanding {
    /// The task has not ended.
    Expected(WebhookUrl),
    Owed {
        url: WebhookUrl,
        tries: u16,
        next: Timestamp,
        error: String,
    },
    Settled(Settled),
}

/// Milliseconds until the next attempt, after `failed` failures: they grow exponentially, and one half of each is spread
/// by the task's name, so that what failed together does not come back together.
pub fn delay_ms(first_ms: u64, failed: u16, task: TaskId) -> u64 {
    let growth = GROWTH.saturating_pow(u32::from(failed.saturating_sub(1)));
    let whole = first_ms.saturating_mul(growth).min(MAX_DELAY_MS);
    let fixed = whole / 2;
    fixed + xxh3_64_with_seed(&task.to_bytes(), failed.into()) % (whole - fixed + 1)
}

/// What the receiver asked for, as far as it is obeyed.
pub fn asked_ms(after_ms: Option<u64>) -> u64 {
    after_ms.unwrap_or(0).min(MAX_DELAY_MS)
}

/// Cut at a character's border.
pub fn shortened(message: &str) -> String {
    message[..message.floor_char_boundary(MAX_REPORTED_MESSAGE)].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_attempts_take_about_a_day() {
        let total =
            |task| (1..10).map(|failed| delay_ms(10_000, failed, TaskId(task))).sum::<u64>();
        for task in 0..200 {
            let hours = total(task) / 3_600_000;
            assert!((13..=27).contains(&hours), "{hours} hours");
        }
    }

    #[test]
    fn no_delay_is_longer_than_a_day() {
        assert!(delay_ms(u64::MAX, u16::MAX, TaskId(1)) <= MAX_DELAY_MS);
        assert_eq!(asked_ms(Some(u64::MAX)), MAX_DELAY_MS);
        assert_eq!(asked_ms(None), 0);
    }

    #[test]
    fn what_would_be_too_many_ranges_is_joined_to_the_last() {
        let ranges = |count: usize| (0..count as u32).map(|n| 3 * n..3 * n + 2).collect();
        let few = Rest::new(ranges(MAX_REPORTED_RANGES));
        assert_eq!((few.tasks, few.numbers), (200, ranges(MAX_REPORTED_RANGES)));
        let many = Rest::new(ranges(MAX_REPORTED_RANGES + 7));
        assert_eq!((many.tasks, many.numbers.len()), (214, MAX_REPORTED_RANGES));
        assert_eq!(many.numbers.last(), Some(&(297..320)));
    }

    #[test]
    fn the_target_is_scheme_host_and_port() {
        for (url, target) in [
            ("https://a.example/b/c", "https://a.example"),
            ("http://[::1]:80?d", "http://[::1]:80"),
            ("http://a", "http://a"),
            ("nonsense", "nonsense"),
        ] {
            assert_eq!(WebhookUrl::from(url).target(), target);
        }
    }
}
