//! Finished tasks, as snapshots hold them.

use std::sync::Arc;

use common::proto;
use common::proto::task_restored::End;
use common::proto::{RestoredCancellation, RestoredFailure, TaskRestored};
use orquestrador_core::command::Failure;
use orquestrador_core::event::{RestoredAgain, RestoredEnd, RestoredTask};
use orquestrador_core::ids::{Attempt, Timestamp};
use orquestrador_core::terms::Terms;

use super::event::{id, task};
use super::terms::{is_at_most_once, retry_to_proto, terms, terms_to_proto};
use super::words::{cause_from_proto, cause_to_proto};
use super::{CodecError, webhook};

pub fn to_proto(restored: &RestoredTask) -> TaskRestored {
    TaskRestored {
        task_id: id(restored.task),
        owner: restored.owner.to_string(),
        handler: restored.handler.to_string(),
        fingerprint: restored.fingerprint,
        attempt: restored.attempt.0,
        worker_id: restored.worker.as_ref().map(ToString::to_string),
        submitted_at_ms: restored.submitted_at.0,
        started_at_ms: restored.started_at.map(|at| at.0),
        finished_at_ms: restored.finished_at.0,
        finish_order: restored.finish_order,
        end: Some(match &restored.end {
            RestoredEnd::Succeeded { result } => End::Succeeded(result.to_vec()),
            RestoredEnd::Failed(failure) => End::Failed(RestoredFailure {
                code: failure.code.clone(),
                message: failure.message.clone(),
                output: failure.output.to_vec(),
            }),
            RestoredEnd::Cancelled { .. } => End::Cancelled(RestoredCancellation {}),
            RestoredEnd::Lost { cause, .. } => End::Lost(cause_to_proto(*cause).into()),
        }),
        lost_output: match &restored.end {
            RestoredEnd::Lost { output, .. } | RestoredEnd::Cancelled { output } => output.to_vec(),
            RestoredEnd::Succeeded { .. } | RestoredEnd::Failed(_) => Vec::new(),
        },
        at_most_once: is_at_most_once(restored.delivery),
        terms: terms_to_proto(&Terms {
            queue: restored.queue.clone(),
            priority: restored.priority,
            needs: restored.needs.clone(),
            origin: restored.origin.clone(),
            schedule: restored.schedule.clone(),
            group: restored.group.clone(),
            ..Terms::default()
        }),
        webhook: restored.webhook.as_deref().map(webhook::settled_to_proto),
        again: restored.again.as_ref().map(|again| proto::RestoredAgain {
            payload: again.payload.to_vec(),
            at_most_once: is_at_most_once(again.terms.delivery),
            retry: retry_to_proto(&again.terms),
            terms: terms_to_proto(&again.terms),
            after: again.after.iter().copied().map(id).collect(),
            by: again.by.map(id),
            sources: again.sources.iter().copied().map(id).collect(),
        }),
    }
}

pub fn from_proto(e: TaskRestored) -> Result<RestoredTask, CodecError> {
    let again = e.again.map(|again| -> Result<_, CodecError> {
        let terms = terms(again.at_most_once, again.retry, again.terms)?;
        let after = again.after.iter().map(|id| task(id)).collect::<Result<_, _>>()?;
        let by = again.by.map(|id| task(&id)).transpose()?;
        let sources = again.sources.iter().map(|id| task(id)).collect::<Result<_, _>>()?;
        let payload = again.payload.into();
        Ok(Box::new(RestoredAgain { payload, terms, after, sources, by }))
    });
    let again = again.transpose()?;
    let settled = e.webhook.map(webhook::settled_from_proto).transpose()?;
    let Terms { delivery, queue, priority, needs, origin, schedule, group, .. } =
        Arc::unwrap_or_clone(terms(e.at_most_once, None, e.terms)?);
    Ok(RestoredTask {
        task: task(&e.task_id)?,
        owner: e.owner.as_str().into(),
        handler: e.handler.as_str().into(),
        fingerprint: e.fingerprint,
        attempt: Attempt(e.attempt),
        worker: e.worker_id.map(|worker| worker.as_str().into()),
        submitted_at: Timestamp(e.submitted_at_ms),
        started_at: e.started_at_ms.map(Timestamp),
        finished_at: Timestamp(e.finished_at_ms),
        finish_order: e.finish_order,
        delivery,
        queue,
        priority,
        needs,
        origin,
        schedule,
        group,
        again,
        webhook: settled.map(Box::new),
        end: match e.end.ok_or(CodecError::Missing("end"))? {
            End::Succeeded(result) => RestoredEnd::Succeeded { result: result.into() },
            End::Failed(RestoredFailure { code, message, output }) => {
                RestoredEnd::Failed(Failure { code, message, output: output.into() })
            }
            End::Cancelled(RestoredCancellation {}) => {
                RestoredEnd::Cancelled { output: e.lost_output.into() }
            }
            End::Lost(cause) => {
                RestoredEnd::Lost { cause: cause_from_proto(cause)?, output: e.lost_output.into() }
            }
        },
    })
}
