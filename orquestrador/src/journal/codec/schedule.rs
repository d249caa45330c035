//! Schedules.

use std::sync::Arc;

use common::proto;
use common::proto::schedule_fired::Firing as WireFiring;
use orquestrador_core::Event;
use orquestrador_core::event::Firing;
use orquestrador_core::ids::{Blob, ScheduleName, Timestamp, UserName};
use orquestrador_core::schedule::{CatchUp, Overlap, Schedule};

use super::CodecError;
use super::event::{id, task};
use super::terms::{is_at_most_once, retry_to_proto, terms, terms_to_proto};

/// Whose, and which.
pub type Names<'a> = (&'a UserName, &'a ScheduleName);

pub fn set_to_proto(
    (owner, name): Names<'_>,
    schedule: &Schedule,
    (paused, next): (bool, Option<Timestamp>),
    (created, at): (Timestamp, Timestamp),
) -> proto::ScheduleSet {
    let Schedule { expression, zone, catch_up, overlap, handler, payload, terms } = schedule;
    proto::ScheduleSet {
        owner: owner.to_string(),
        name: name.to_string(),
        expression: expression.clone(),
        zone: zone.clone(),
        catch_up_one: *catch_up == CatchUp::One,
        catch_up_all: *catch_up == CatchUp::All,
        skip_overlaps: *overlap == Overlap::Skip,
        handler: handler.to_string(),
        payload: payload.clone(),
        at_most_once: is_at_most_once(terms.delivery),
        retry: retry_to_proto(terms),
        terms: terms_to_proto(terms),
        paused,
        created_at_ms: created.0,
        next_ms: next.map(|next| next.0),
        at_ms: at.0,
    }
}

pub fn set_from_proto(e: proto::ScheduleSet) -> Result<Event, CodecError> {
    let schedule = Schedule {
        expression: e.expression,
        zone: e.zone,
        catch_up: match (e.catch_up_one, e.catch_up_all) {
            (false, false) => CatchUp::Skip,
            (true, false) => CatchUp::One,
            (false, true) => CatchUp::All,
            (true, true) => return Err(CodecError::Invalid("catch_up")),
        },
        overlap: if e.skip_overlaps { Overlap::Skip } else { Overlap::Allow },
        handler: e.handler.as_str().into(),
        payload: Blob::clone(&e.payload),
        terms: terms(e.at_most_once, e.retry, e.terms)?,
    };
    Ok(Event::ScheduleSet {
        owner: e.owner.as_str().into(),
        name: e.name.as_str().into(),
        schedule: Arc::new(schedule),
        paused: e.paused,
        created: Timestamp(e.created_at_ms),
        next: e.next_ms.map(Timestamp),
        at: Timestamp(e.at_ms),
    })
}

pub fn fired_to_proto(
    (owner, name): Names<'_>,
    firing: &Firing,
    (due, next): (Timestamp, Option<Timestamp>),
    at: Timestamp,
) -> proto::ScheduleFired {
    proto::ScheduleFired {
        owner: owner.to_string(),
        name: name.to_string(),
        due_ms: due.0,
        firing: Some(match firing {
            Firing::Made(task) => WireFiring::Made(id(*task)),
            Firing::ByHand(task) => WireFiring::ByHand(id(*task)),
            Firing::Missed => WireFiring::Missed(proto::FiringMissed {}),
            Firing::Overlapped => WireFiring::Overlapped(proto::FiringOverlapped {}),
            Firing::Refused { why } => {
                WireFiring::Refused(proto::FiringRefused { why: why.clone() })
            }
        }),
        next_ms: next.map(|next| next.0),
        at_ms: at.0,
    }
}

pub fn fired_from_proto(e: proto::ScheduleFired) -> Result<Event, CodecError> {
    Ok(Event::ScheduleFired {
        owner: e.owner.as_str().into(),
        name: e.name.as_str().into(),
        due: Timestamp(e.due_ms),
        firing: match e.firing.ok_or(CodecError::Missing("firing"))? {
            WireFiring::Made(made) => Firing::Made(task(&made)?),
            WireFiring::ByHand(made) => Firing::ByHand(task(&made)?),
            WireFiring::Missed(proto::FiringMissed {}) => Firing::Missed,
            WireFiring::Overlapped(proto::FiringOverlapped {}) => Firing::Overlapped,
            WireFiring::Refused(proto::FiringRefused { why }) => Firing::Refused { why },
        },
        next: e.next_ms.map(Timestamp),
        at: Timestamp(e.at_ms),
    })
}
