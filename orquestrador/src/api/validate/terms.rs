//! How a task is to be run, as clients say it.

use std::sync::Arc;

use common::endpoint::MAX_PAYLOAD_BYTES;
use common::proto;
use orquestrador_core::command::{After, Condition, Delivery, Start, UniqueKey};
use orquestrador_core::ids::{QueueName, Timestamp, WebhookUrl};
use orquestrador_core::needs::Needs;
use orquestrador_core::terms::{RetryPolicy, Terms, TimeLimits};
use orquestrador_core::trace::TraceContext;

use crate::{traces, webhooks};

use super::{MAX_NAME, MAX_SLOTS, MAX_TASKS, Violations, name_violation, parse_id};

/// Of one task, that fail, or are lost.
const MAX_ATTEMPTS: u16 = 1_000;
/// A day.
const MAX_DELAY_MS: u32 = 86_400_000;
const MAX_RETRY_CODES: usize = 16;
/// Labels, and resources, of one task.
const MAX_NEEDS: usize = 16;
/// 366 days.
const MAX_START_DELAY_MS: u64 = 366 * MAX_DELAY_MS as u64;
/// The end of the year 9999.
const LAST_MOMENT_MS: u64 = 253_402_300_799_999;

/// How tasks and arrays are to be run.
pub(super) struct Way<'a> {
    pub delivery: i32,
    pub retry: Option<proto::RetryPolicy>,
    /// 0: as many as the cluster says.
    pub max_lost_attempts: u32,
    pub queue: &'a str,
    pub priority: i32,
    pub attempt_ms: Option<u64>,
    pub begin_ms: Option<u64>,
    pub end_ms: Option<u64>,
    pub needs: Option<proto::Needs>,
    /// Empty: none.
    pub group: &'a str,
    /// Empty: none.
    pub webhook: &'a str,
}

impl Violations {
    pub(super) fn start(
        &mut self,
        path: &impl Fn() -> String,
        start: Option<proto::task_spec::Start>,
        out_of_time_ms: Option<u64>,
    ) -> Start {
        match start {
            None => Start::Now,
            Some(proto::task_spec::Start::StartDelayMs(ms)) => {
                if ms > MAX_START_DELAY_MS {
                    let why = format!("is {ms}, at most {MAX_START_DELAY_MS} is allowed");
                    self.add(format!("{}.start_delay_ms", path()), why);
                }
                if let Some(end) = out_of_time_ms.filter(|end| ms >= *end) {
                    let why = format!("is {ms}, and the task is out of time after {end}");
                    self.add(format!("{}.start_delay_ms", path()), why);
                }
                Start::After(ms)
            }
            Some(proto::task_spec::Start::NotBeforeMs(at)) => {
                if at > LAST_MOMENT_MS {
                    let why = format!("is {at}, at most {LAST_MOMENT_MS} is allowed");
                    self.add(format!("{}.not_before_ms", path()), why);
                }
                Start::At(Timestamp(at))
            }
        }
    }

    pub(super) fn after(
        &mut self,
        path: &impl Fn() -> String,
        (ids, sources): (&[String], &[String]),
        condition: i32,
        is_delayed: bool,
    ) -> Option<Box<After>> {
        if let Some(source) = sources.iter().find(|source| !ids.contains(source)) {
            self.add(format!("{}.sources", path()), format!("{source} is none of `after`"));
        }
        if ids.is_empty() {
            return None;
        }
        if ids.len() > MAX_TASKS {
            let why = format!("has {} ids, at most {MAX_TASKS} are allowed", ids.len());
            self.add(format!("{}.after", path()), why);
            return None;
        }
        if is_delayed {
            let why = "is not for tasks that are not to begin before a moment";
            self.add(format!("{}.after", path()), why);
        }
        let condition = match proto::Condition::try_from(condition) {
            Ok(proto::Condition::Unspecified | proto::Condition::Succeeded) => Condition::Succeeded,
            Ok(proto::Condition::Finished) => Condition::Finished,
            Err(_) => {
                let why = format!("{condition} is not a condition");
                self.add(format!("{}.after_condition", path()), why);
                return None;
            }
        };
        let mut read = |ids: &[String]| {
            let read = ids.iter().map(|id| parse_id(id)).collect::<Result<Vec<_>, _>>();
            read.map_err(|why| self.add(format!("{}.after", path()), why)).ok()
        };
        let (tasks, sources) = (read(ids)?, read(sources)?);
        Some(Box::new(After { tasks, condition, sources }))
    }

    pub(super) fn key(
        &mut self,
        path: &impl Fn() -> String,
        unique: proto::UniqueKey,
    ) -> Option<Box<UniqueKey>> {
        let proto::UniqueKey { key, window_ms } = unique;
        if let Some(why) = name_violation(&key) {
            self.add(format!("{}.unique.key", path()), why);
        }
        if window_ms > MAX_START_DELAY_MS {
            let why = format!("is {window_ms}, at most {MAX_START_DELAY_MS} is allowed");
            self.add(format!("{}.unique.window_ms", path()), why);
        }
        Some(Box::new(UniqueKey { name: key.as_str().into(), window_ms }))
    }

    pub(super) fn trace(&mut self, path: &impl Fn() -> String, text: &str) -> Option<TraceContext> {
        if text.is_empty() {
            return None;
        }
        let trace = common::traces::parse(text).map(|given| traces::kept(&given));
        if trace.is_none() {
            let why = "is no `traceparent` of W3C Trace Context";
            self.add(format!("{}.traceparent", path()), why);
        }
        trace
    }

    /// What tasks and arrays have in common.
    pub(super) fn work(
        &mut self,
        path: &impl Fn() -> String,
        (handler, payload): (&str, &[u8]),
        way: Way<'_>,
    ) -> Option<Arc<Terms>> {
        let Way { delivery, retry, queue, priority, attempt_ms, begin_ms, end_ms, .. } = way;
        let (group, needs, webhook) = (way.group, way.needs, way.webhook);
        let needs = needs.and_then(|needs| self.needs(path, needs));
        if let Some(why) = name_violation(handler) {
            self.add(format!("{}.handler", path()), why);
        }
        let size = payload.len();
        if size > MAX_PAYLOAD_BYTES {
            let why = format!("has {size} bytes, at most {MAX_PAYLOAD_BYTES} are allowed");
            self.add(format!("{}.payload", path()), why);
        }
        let known = known_delivery(delivery);
        if known.is_none() {
            self.add(format!("{}.delivery", path()), format!("{delivery} is not a delivery mode"));
        }
        let retry = match retry {
            Some(_) if known == Some(Delivery::AtMostOnce) => {
                let why = "is not for tasks that may be started once at most";
                self.add(format!("{}.retry", path()), why);
                None
            }
            Some(retry) => self.retry(path, retry),
            None => None,
        };
        let max_lost_attempts = self.max_lost(path, way.max_lost_attempts, known);
        if let Some(why) = name_violation(queue).filter(|_| !queue.is_empty()) {
            self.add(format!("{}.queue", path()), why);
        }
        if let Some(why) = name_violation(group).filter(|_| !group.is_empty()) {
            self.add(format!("{}.group", path()), why);
        }
        let group = (!group.is_empty()).then(|| group.into());
        let webhook = self.webhook(path, webhook);
        let queue = if queue.is_empty() { QueueName::default() } else { queue.into() };
        let known_priority = i8::try_from(priority);
        if known_priority.is_err() {
            let why = format!("is {priority}, -128 to 127 are allowed");
            self.add(format!("{}.priority", path()), why);
        }
        let fields = ["attempt_timeout_ms", "expires_after_ms", "deadline_after_ms"];
        for (field, ms) in fields.into_iter().zip([attempt_ms, begin_ms, end_ms]) {
            if ms.is_some_and(|ms| !(1..=MAX_START_DELAY_MS).contains(&ms)) {
                let why = format!("must be 1 to {MAX_START_DELAY_MS}");
                self.add(format!("{}.{field}", path()), why);
            }
        }
        let times = TimeLimits { attempt_ms, begin_ms, end_ms };
        let (delivery, priority) = (known?, known_priority.ok()?);
        let (retry, needs) = (retry.map(Box::new), needs.map(Box::new));
        let (origin, schedule) = (None, None);
        let terms = Terms {
            delivery,
            retry,
            max_lost_attempts,
            queue,
            priority,
            times,
            needs,
            origin,
            schedule,
            group,
            webhook,
        };
        Some(terms.shared())
    }

    fn max_lost(
        &mut self,
        path: &impl Fn() -> String,
        most: u32,
        delivery: Option<Delivery>,
    ) -> Option<u16> {
        let field = || format!("{}.max_lost_attempts", path());
        let most = u16::try_from(most).ok().filter(|most| *most <= MAX_ATTEMPTS);
        if most.is_none() {
            self.add(field(), format!("1 to {MAX_ATTEMPTS} are allowed, and 0 for the cluster's"));
        }
        let most = most.filter(|most| *most > 0);
        if most.is_some() && delivery == Some(Delivery::AtMostOnce) {
            self.add(field(), "is not for tasks that may be started once at most");
        }
        most
    }

    /// In its normal form; empty: none.
    fn webhook(&mut self, path: &impl Fn() -> String, text: &str) -> Option<WebhookUrl> {
        if text.is_empty() {
            return None;
        }
        match webhooks::parse(text) {
            Ok(url) => Some(url.as_str().into()),
            Err(why) => {
                self.add(format!("{}.webhook", path()), why.to_string());
                None
            }
        }
    }

    /// `None` also of needs that every worker meets.
    fn needs(&mut self, path: &impl Fn() -> String, needs: proto::Needs) -> Option<Needs> {
        let proto::Needs { slots, labels, resources } = needs;
        if slots > MAX_SLOTS {
            let why = format!("is {slots}, 1 to {MAX_SLOTS} are allowed");
            self.add(format!("{}.needs.slots", path()), why);
        }
        let is_bad = |name: &String| name_violation(name).is_some();
        let is_long = |value: &String| value.len() > MAX_NAME;
        if labels.len() > MAX_NEEDS || labels.keys().any(is_bad) || labels.values().any(is_long) {
            let why = format!("has more than {MAX_NEEDS} labels, or one that is none");
            self.add(format!("{}.needs.labels", path()), why);
        }
        let is_none = resources.values().any(|count| *count == 0);
        if resources.len() > MAX_NEEDS || resources.keys().any(is_bad) || is_none {
            let why = format!("has more than {MAX_NEEDS} resources, or one that is none");
            self.add(format!("{}.needs.resources", path()), why);
        }
        let (mut labels, mut resources): (Vec<_>, Vec<_>) =
            (labels.into_iter().collect(), resources.into_iter().collect());
        labels.sort();
        resources.sort();
        let needs = Needs { slots: slots.max(1), labels, resources };
        (needs != Needs::default()).then_some(needs)
    }

    fn retry(
        &mut self,
        path: &impl Fn() -> String,
        retry: proto::RetryPolicy,
    ) -> Option<RetryPolicy> {
        let before = self.0.len();
        let proto::RetryPolicy { max_attempts, first_delay_ms, max_delay_ms, mut codes } = retry;
        let attempts = u16::try_from(max_attempts).ok().filter(|n| (2..=MAX_ATTEMPTS).contains(n));
        if attempts.is_none() {
            let why = format!("is {max_attempts}, 2 to {MAX_ATTEMPTS} are allowed");
            self.add(format!("{}.retry.max_attempts", path()), why);
        }
        if max_delay_ms > MAX_DELAY_MS || first_delay_ms > max_delay_ms {
            let why = format!(
                "is {max_delay_ms}, at least first_delay_ms ({first_delay_ms}) and at most {MAX_DELAY_MS} are allowed"
            );
            self.add(format!("{}.retry.max_delay_ms", path()), why);
        }
        if codes.len() > MAX_RETRY_CODES || codes.iter().any(|code| name_violation(code).is_some())
        {
            let why = format!("has more than {MAX_RETRY_CODES} codes, or one that is none");
            self.add(format!("{}.retry.codes", path()), why);
        }
        codes.sort_unstable();
        codes.dedup();
        let max_attempts = attempts.filter(|_| self.0.len() == before)?;
        Some(RetryPolicy { max_attempts, first_delay_ms, max_delay_ms, codes })
    }
}

fn known_delivery(delivery: i32) -> Option<Delivery> {
    match proto::Delivery::try_from(delivery).ok()? {
        proto::Delivery::Unspecified | proto::Delivery::AtLeastOnce => Some(Delivery::AtLeastOnce),
        proto::Delivery::AtMostOnce => Some(Delivery::AtMostOnce),
    }
}
