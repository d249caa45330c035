//! Reports of tasks' ends, as events and snapshots hold them.

use common::proto;
use common::proto::journal_event::Event as Kind;
use orquestrador_core::Event;
use orquestrador_core::effect::TaskState;
use orquestrador_core::event::Kept;
use orquestrador_core::ids::{Attempt, TaskId, Timestamp};
use orquestrador_core::webhook::{Owed, Report, Rest, Settled};

use super::CodecError;
use super::array::{ranges_from_proto, ranges_to_proto};
use super::event::{id, task};

pub fn delivered(of: TaskId, at: Timestamp) -> Kind {
    Kind::WebhookDelivered(proto::WebhookDelivered { task_id: id(of), at_ms: at.0 })
}

pub fn delivered_from_proto(e: &proto::WebhookDelivered) -> Result<Event, CodecError> {
    Ok(Event::WebhookDelivered { task: task(&e.task_id)?, at: Timestamp(e.at_ms) })
}

pub fn delayed(
    (of, tries): (TaskId, u16),
    error: &str,
    (until, at): (Timestamp, Timestamp),
) -> Kind {
    Kind::WebhookDelayed(proto::WebhookDelayed {
        task_id: id(of),
        tries: tries.into(),
        until_ms: until.0,
        error: error.to_owned(),
        at_ms: at.0,
    })
}

pub fn delayed_from_proto(e: proto::WebhookDelayed) -> Result<Event, CodecError> {
    Ok(Event::WebhookDelayed {
        task: task(&e.task_id)?,
        tries: tries(e.tries)?,
        until: Timestamp(e.until_ms),
        error: e.error,
        at: Timestamp(e.at_ms),
    })
}

pub fn given_up(of: TaskId, error: &str, kept: Option<Kept>, at: Timestamp) -> Kind {
    let (task_id, error, at_ms) = (id(of), error.to_owned(), at.0);
    match kept {
        None => Kind::WebhookGivenUp(proto::WebhookGivenUp { task_id, error, at_ms }),
        Some(Kept { instead_of }) => {
            let instead_of = instead_of.map(id);
            Kind::WebhookKept(proto::WebhookKept { task_id, error, at_ms, instead_of })
        }
    }
}

pub fn given_up_from_proto(e: proto::WebhookGivenUp) -> Result<Event, CodecError> {
    let (task, at) = (task(&e.task_id)?, Timestamp(e.at_ms));
    Ok(Event::WebhookGivenUp { task, error: e.error, kept: None, at })
}

pub fn kept_from_proto(e: proto::WebhookKept) -> Result<Event, CodecError> {
    let instead_of = e.instead_of.map(|of| task(&of)).transpose()?;
    let (task, kept, at) = (task(&e.task_id)?, Some(Kept { instead_of }), Timestamp(e.at_ms));
    Ok(Event::WebhookGivenUp { task, error: e.error, kept, at })
}

pub fn retried(tasks: &[TaskId], at: Timestamp) -> Kind {
    let task_ids = tasks.iter().map(|task| id(*task)).collect();
    Kind::WebhooksRetried(proto::WebhooksRetried { task_ids, at_ms: at.0 })
}

pub fn retried_from_proto(e: &proto::WebhooksRetried) -> Result<Event, CodecError> {
    let tasks = e.task_ids.iter().map(|id| task(id)).collect::<Result<_, _>>()?;
    Ok(Event::WebhooksRetried { tasks, at: Timestamp(e.at_ms) })
}

/// What says more than a report did once is another event: who does not know it stops, and does not go on without it.
pub fn owed(owed: &Owed) -> Kind {
    let (plain, given_up) = (owed_to_proto(owed), owed.given_up);
    let rest = owed.report.rest.as_ref();
    if rest.is_none() && given_up.is_none() {
        return Kind::WebhookOwed(plain);
    }
    Kind::WebhookReport(proto::WebhookReport {
        owed: Some(plain),
        rest: rest.map(|rest| proto::ReportedRest {
            tasks: rest.tasks,
            numbers: ranges_to_proto(&rest.numbers),
        }),
        given_up_at_ms: given_up.map(|at| at.0),
    })
}

pub fn report_from_proto(e: proto::WebhookReport) -> Result<Event, CodecError> {
    let mut owed = owed_from_proto(e.owed.ok_or(CodecError::Invalid("owed"))?)?;
    let rest = |rest: proto::ReportedRest| {
        let (tasks, numbers) = (rest.tasks, ranges_from_proto(rest.numbers)?);
        Ok::<_, CodecError>(Rest { tasks, numbers })
    };
    owed.report.rest = e.rest.map(rest).transpose()?;
    owed.given_up = e.given_up_at_ms.map(Timestamp);
    Ok(Event::WebhookOwed(owed.into()))
}

fn tries(tries: u32) -> Result<u16, CodecError> {
    u16::try_from(tries).map_err(|_| CodecError::Invalid("tries"))
}

fn owed_to_proto(owed: &Owed) -> proto::WebhookOwed {
    let Owed { report, url, tries, next, error, given_up: _ } = owed;
    let (code, message) = report.error.clone().unwrap_or_default();
    proto::WebhookOwed {
        task_id: id(report.task),
        url: url.to_string(),
        tries: (*tries).into(),
        next_ms: next.0,
        error: error.clone(),
        owner: report.owner.to_string(),
        handler: report.handler.to_string(),
        end: end_to_proto(report.state).into(),
        attempt: report.attempt.0,
        submitted_at_ms: report.submitted_at.0,
        started_at_ms: report.started_at.map(|at| at.0),
        finished_at_ms: report.finished_at.0,
        failure: report.error.is_some().then_some(proto::ReportedFailure { code, message }),
        result_bytes: report.result_bytes,
        queue: report.queue.to_string(),
        group: report.group.as_ref().map(ToString::to_string).unwrap_or_default(),
        schedule: report.schedule.as_ref().map(ToString::to_string).unwrap_or_default(),
        retry_of: report.retry_of.map(id),
    }
}

pub fn owed_from_proto(e: proto::WebhookOwed) -> Result<Owed, CodecError> {
    let name = |name: &str| Some(name.to_owned()).filter(|name| !name.is_empty());
    let report = Report {
        task: task(&e.task_id)?,
        owner: e.owner.as_str().into(),
        handler: e.handler.as_str().into(),
        state: end_from_proto(e.end)?,
        attempt: Attempt(e.attempt),
        submitted_at: Timestamp(e.submitted_at_ms),
        started_at: e.started_at_ms.map(Timestamp),
        finished_at: Timestamp(e.finished_at_ms),
        error: e.failure.map(|failure| (failure.code, failure.message)),
        result_bytes: e.result_bytes,
        queue: e.queue.as_str().into(),
        group: name(&e.group).map(|group| group.as_str().into()),
        schedule: name(&e.schedule).map(|schedule| schedule.as_str().into()),
        retry_of: e.retry_of.map(|of| task(&of)).transpose()?,
        rest: None,
    };
    Ok(Owed {
        report,
        url: e.url.as_str().into(),
        tries: tries(e.tries)?,
        next: Timestamp(e.next_ms),
        error: e.error,
        given_up: None,
    })
}

pub fn settled_to_proto(settled: &Settled) -> proto::WebhookSettled {
    let Settled { is_delivered, tries, error, at } = settled;
    let (delivered, error) = (*is_delivered, error.clone());
    proto::WebhookSettled { delivered, tries: (*tries).into(), error, at_ms: at.0 }
}

pub fn settled_from_proto(e: proto::WebhookSettled) -> Result<Settled, CodecError> {
    Ok(Settled {
        is_delivered: e.delivered,
        tries: tries(e.tries)?,
        error: e.error,
        at: Timestamp(e.at_ms),
    })
}

/// Only ends are told.
fn end_to_proto(state: TaskState) -> proto::ReportedEnd {
    match state {
        TaskState::Queued | TaskState::Running => proto::ReportedEnd::Unspecified,
        TaskState::Succeeded => proto::ReportedEnd::Succeeded,
        TaskState::Failed => proto::ReportedEnd::Failed,
        TaskState::Cancelled => proto::ReportedEnd::Cancelled,
        TaskState::Lost => proto::ReportedEnd::Lost,
    }
}

fn end_from_proto(end: i32) -> Result<TaskState, CodecError> {
    match proto::ReportedEnd::try_from(end) {
        Ok(proto::ReportedEnd::Succeeded) => Ok(TaskState::Succeeded),
        Ok(proto::ReportedEnd::Failed) => Ok(TaskState::Failed),
        Ok(proto::ReportedEnd::Cancelled) => Ok(TaskState::Cancelled),
        Ok(proto::ReportedEnd::Lost) => Ok(TaskState::Lost),
        Ok(proto::ReportedEnd::Unspecified) | Err(_) => Err(CodecError::Invalid("end")),
    }
}
