//! How a task is to be run.

use std::sync::Arc;

use common::proto;
use orquestrador_core::command::Delivery;
use orquestrador_core::ids::QueueName;
use orquestrador_core::needs::Needs;
use orquestrador_core::terms::{Origin, RetryPolicy, Terms, TimeLimits};

use super::CodecError;
use super::event::{id, task};

pub(super) fn is_at_most_once(delivery: Delivery) -> bool {
    match delivery {
        Delivery::AtLeastOnce => false,
        Delivery::AtMostOnce => true,
    }
}

pub(super) fn delivery(at_most_once: bool) -> Delivery {
    if at_most_once { Delivery::AtMostOnce } else { Delivery::AtLeastOnce }
}

pub(super) fn retry_to_proto(terms: &Terms) -> Option<proto::RetryTerms> {
    terms.retry.as_ref().map(|retry| proto::RetryTerms {
        max_attempts: retry.max_attempts.into(),
        first_delay_ms: retry.first_delay_ms,
        max_delay_ms: retry.max_delay_ms,
        codes: retry.codes.clone(),
    })
}

pub(super) fn terms(
    at_most_once: bool,
    retry: Option<proto::RetryTerms>,
    terms: Option<proto::TaskTerms>,
) -> Result<Arc<Terms>, CodecError> {
    let delivery = delivery(at_most_once);
    let terms = terms.unwrap_or_default();
    let needs = needs(&terms);
    let origin = origin(&terms)?;
    let schedule = Some(terms.schedule.as_str()).filter(|name| !name.is_empty());
    let schedule = schedule.map(Into::into);
    let proto::TaskTerms { priority, attempt_ms, begin_ms, end_ms, .. } = terms;
    let (queue, group) = (terms.queue, terms.group);
    let group = (!group.is_empty()).then(|| group.as_str().into());
    let webhook = (!terms.webhook.is_empty()).then(|| terms.webhook.as_str().into());
    let priority = i8::try_from(priority).map_err(|_| CodecError::Invalid("priority"))?;
    let times = TimeLimits { attempt_ms, begin_ms, end_ms };
    let max_lost_attempts = match terms.max_lost_attempts {
        0 => None,
        most => Some(u16::try_from(most).map_err(|_| CodecError::Invalid("max_lost_attempts"))?),
    };
    let retry = retry.map(|retry| -> Result<_, CodecError> {
        let proto::RetryTerms { max_attempts, first_delay_ms, max_delay_ms, codes } = retry;
        let max_attempts =
            u16::try_from(max_attempts).map_err(|_| CodecError::Invalid("max_attempts"))?;
        Ok(Box::new(RetryPolicy { max_attempts, first_delay_ms, max_delay_ms, codes }))
    });
    let (queue, retry) = (named(&queue), retry.transpose()?);
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
    Ok(terms.shared())
}

fn origin(terms: &proto::TaskTerms) -> Result<Option<Box<Origin>>, CodecError> {
    let (of, first) = match (&terms.origin, &terms.origin_first) {
        (Some(of), Some(first)) => (task(of)?, task(first)?),
        (None, None) => return Ok(None),
        (Some(_), None) | (None, Some(_)) => return Err(CodecError::Missing("origin")),
    };
    Ok(Some(Box::new(Origin { of, first })))
}

fn needs(terms: &proto::TaskTerms) -> Option<Box<Needs>> {
    let needs = Needs {
        slots: terms.slots.max(1),
        labels: terms.labels.iter().map(|l| (l.key.clone(), l.value.clone())).collect(),
        resources: terms.resources.iter().map(|r| (r.name.clone(), r.count)).collect(),
    };
    (needs != Needs::default()).then(|| Box::new(needs))
}

/// `None` where they say nothing.
pub(super) fn terms_to_proto(terms: &Terms) -> Option<proto::TaskTerms> {
    let Terms { queue, priority, times, needs, origin, schedule, group, webhook, .. } = terms;
    let needs = needs.as_deref().cloned().unwrap_or_default();
    let is_default = *queue == QueueName::default();
    let terms = proto::TaskTerms {
        queue: if is_default { String::new() } else { queue.to_string() },
        priority: i32::from(*priority),
        attempt_ms: times.attempt_ms,
        begin_ms: times.begin_ms,
        end_ms: times.end_ms,
        slots: if needs.slots == 1 { 0 } else { needs.slots },
        labels: needs.labels.iter().map(label_to_proto).collect(),
        resources: needs.resources.iter().map(resource_to_proto).collect(),
        origin: origin.as_deref().map(|origin| id(origin.of)),
        origin_first: origin.as_deref().map(|origin| id(origin.first)),
        schedule: schedule.as_ref().map(ToString::to_string).unwrap_or_default(),
        group: group.as_ref().map(ToString::to_string).unwrap_or_default(),
        max_lost_attempts: terms.max_lost_attempts.unwrap_or_default().into(),
        webhook: webhook.as_ref().map(ToString::to_string).unwrap_or_default(),
    };
    (terms != proto::TaskTerms::default()).then_some(terms)
}

fn named(queue: &str) -> QueueName {
    if queue.is_empty() { QueueName::default() } else { queue.into() }
}

pub(super) fn resource_to_proto((name, count): &(String, u64)) -> proto::JournalResource {
    proto::JournalResource { name: name.clone(), count: *count }
}

pub(super) fn label_to_proto((key, value): &(String, String)) -> proto::JournalLabel {
    proto::JournalLabel { key: key.clone(), value: value.clone() }
}
