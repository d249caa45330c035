//! Events.

use common::proto;
use common::proto::journal_event::Event as Kind;
use orquestrador_core::Event;
use orquestrador_core::command::{Condition, Failure, Role};
use orquestrador_core::event::Blockage;
use orquestrador_core::ids::{Attempt, BlobId, BlobRef, KeyName, TaskId, Timestamp, UserName};
use orquestrador_core::quota::Quota;
use orquestrador_core::settings::QueueSettings;
use orquestrador_core::trace::TraceContext;

use super::terms::{
    is_at_most_once, label_to_proto, resource_to_proto, retry_to_proto, terms, terms_to_proto,
};
use super::words::{cause_from_proto, cause_to_proto, expiry_from_proto, expiry_to_proto};
use super::{CodecError, array, group, restored, schedule, webhook};
use orquestrador_wire::process;

pub fn event_to_proto(event: &Event) -> proto::JournalEvent {
    proto::JournalEvent { event: Some(to_kind(event)) }
}

pub fn event_from_proto(event: proto::JournalEvent) -> Result<Event, CodecError> {
    from_kind(event.event.ok_or(CodecError::Missing("event"))?)
}

fn to_kind(event: &Event) -> Kind {
    match event {
        Event::TaskSubmitted { task, owner, handler, payload, terms, at } => {
            Kind::TaskSubmitted(proto::TaskSubmitted {
                task_id: id(*task).into(),
                owner: owner.to_string(),
                handler: handler.to_string(),
                payload: payload.clone(),
                at_ms: at.0,
                at_most_once: is_at_most_once(terms.delivery),
                retry: retry_to_proto(terms),
                terms: terms_to_proto(terms),
            })
        }
        Event::ArraySubmitted {
            array,
            owner,
            handler,
            payload,
            terms,
            first,
            count,
            without,
            at,
        } => Kind::ArraySubmitted(proto::ArraySubmitted {
            array_id: array.to_bytes().to_vec(),
            owner: owner.to_string(),
            handler: handler.to_string(),
            payload: payload.clone(),
            at_ms: at.0,
            at_most_once: is_at_most_once(terms.delivery),
            retry: retry_to_proto(terms),
            terms: terms_to_proto(terms),
            first: *first,
            count: *count,
            without: array::ranges_to_proto(without),
        }),
        Event::ArrayCancelled { array, at } => Kind::ArrayCancelled(proto::ArrayCancelled {
            array_id: array.to_bytes().to_vec(),
            at_ms: at.0,
        }),
        Event::ArrayFailed { array, failure, at } => Kind::ArrayFailed(proto::ArrayFailed {
            array_id: array.to_bytes().to_vec(),
            failure: Some(array::failure_to_proto(*failure)),
            at_ms: at.0,
        }),
        Event::TaskAssigned { task, attempt, worker, at } => {
            Kind::TaskAssigned(proto::TaskAssigned {
                task_id: id(*task).into(),
                attempt: attempt.0,
                worker_id: worker.to_string(),
                at_ms: at.0,
            })
        }
        Event::TaskSucceeded { task, attempt, result, at } => {
            Kind::TaskSucceeded(proto::TaskSucceeded {
                task_id: id(*task).into(),
                attempt: attempt.0,
                result: result.clone(),
                at_ms: at.0,
            })
        }
        Event::TaskFailed { task, attempt, failure, at } => Kind::TaskFailed(proto::TaskFailed {
            task_id: id(*task),
            attempt: attempt.0,
            code: failure.code.clone(),
            message: failure.message.clone(),
            output: failure.output.to_vec(),
            at_ms: at.0,
        }),
        Event::TaskCancelled { task, at } => {
            Kind::TaskCancelled(proto::TaskCancelled { task_id: id(*task), at_ms: at.0 })
        }
        Event::TaskRequeued { task, attempt, at } => Kind::TaskRequeued(proto::TaskRequeued {
            task_id: id(*task),
            attempt: attempt.0,
            at_ms: at.0,
        }),
        Event::TaskReturned { task, attempt, returned, begun, at } => {
            Kind::TaskReturned(proto::TaskReturned {
                task_id: id(*task),
                attempt: attempt.0,
                returned: u32::from(*returned),
                begun: *begun,
                at_ms: at.0,
            })
        }
        Event::TaskRetried { task, attempt, failed, until, code, message, at } => {
            Kind::TaskRetried(proto::TaskRetried {
                task_id: id(*task),
                attempt: attempt.0,
                failed: u32::from(*failed),
                until_ms: until.0,
                code: code.clone(),
                message: message.clone(),
                at_ms: at.0,
            })
        }
        Event::TaskDelayed { task, until, at } => Kind::TaskDelayed(proto::TaskDelayed {
            task_id: id(*task),
            until_ms: until.0,
            at_ms: at.0,
        }),
        Event::TaskDue { task, at } => {
            Kind::TaskDue(proto::TaskDue { task_id: id(*task), at_ms: at.0 })
        }
        Event::TaskLost { task, attempt, cause, at } => Kind::TaskLost(proto::TaskLost {
            task_id: id(*task),
            attempt: attempt.0,
            cause: cause_to_proto(*cause).into(),
            at_ms: at.0,
        }),
        Event::TaskExpired { task, expiry, at } => Kind::TaskExpired(proto::TaskExpired {
            task_id: id(*task),
            expiry: expiry_to_proto(*expiry).into(),
            at_ms: at.0,
        }),
        Event::QueueChanged { queue, settings, at } => Kind::QueueChanged(proto::QueueChanged {
            queue: queue.to_string(),
            weight: settings.weight,
            max_running: settings.max_running,
            paused: settings.paused,
            at_ms: at.0,
        }),
        Event::QuotaChanged { user, quota, at } => Kind::QuotaChanged(proto::QuotaChanged {
            user: user.as_ref().map(ToString::to_string),
            quota: quota.map(|quota| proto::JournalQuota {
                max_active: quota.max_active,
                max_bytes: quota.max_bytes,
                max_running: quota.max_running,
                submit_rate: quota.submit_rate,
            }),
            at_ms: at.0,
        }),
        Event::TaskBlocked { task, blockage, at } => Kind::TaskBlocked(proto::TaskBlocked {
            task_id: id(*task),
            after: blockage.after.iter().map(|other| id(*other)).collect(),
            any_end: blockage.condition == Condition::Finished,
            failed: blockage.failed.map(id),
            at_ms: at.0,
        }),
        Event::TaskReleased { task, at } => {
            Kind::TaskReleased(proto::TaskReleased { task_id: id(*task), at_ms: at.0 })
        }
        Event::TaskSkipped { task, because, after, at } => Kind::TaskSkipped(proto::TaskSkipped {
            task_id: id(*task),
            because: id(*because),
            at_ms: at.0,
            after: after.iter().map(|other| id(*other)).collect(),
        }),
        Event::SourcesTaken { task, of } => Kind::SourcesTaken(proto::SourcesTaken {
            task_id: id(*task),
            of: of.iter().map(|source| id(*source)).collect(),
        }),
        Event::TaskTraced { task, trace } => Kind::TaskTraced(proto::TaskTraced {
            task_id: id(*task),
            trace_id: trace.trace.to_be_bytes().to_vec(),
            span_id: trace.span.to_be_bytes().to_vec(),
            sampled: trace.sampled,
        }),
        Event::TaskRepeated { task, by } => {
            Kind::TaskRepeated(proto::TaskRepeated { task_id: id(*task), by: id(*by) })
        }
        Event::TaskKeyed { task, owner, key, fingerprint, until } => {
            Kind::TaskKeyed(proto::TaskKeyed {
                task_id: id(*task),
                owner: owner.to_string(),
                key: key.to_string(),
                fingerprint: *fingerprint,
                until_ms: until.0,
            })
        }
        Event::OutputKept { task, output } => {
            Kind::OutputKept(proto::OutputKept { task_id: id(*task), output: output.to_vec() })
        }
        Event::BlobsReferred { task, blobs } => {
            let blob = |b: &BlobRef| proto::ReferredBlob { id: b.id.0.to_vec(), bytes: b.bytes };
            let blobs = blobs.iter().map(blob).collect();
            Kind::BlobsReferred(proto::BlobsReferred { task_id: id(*task), blobs })
        }
        Event::WebhookDelivered { task, at } => webhook::delivered(*task, *at),
        Event::WebhookDelayed { task, tries, until, error, at } => {
            webhook::delayed((*task, *tries), error, (*until, *at))
        }
        Event::WebhookGivenUp { task, error, kept, at } => {
            webhook::given_up(*task, error, *kept, *at)
        }
        Event::WebhookOwed(owed) => webhook::owed(owed),
        Event::WebhooksRetried { tasks, at } => webhook::retried(tasks, *at),
        Event::KeysReleased { keys } => {
            let owned = |(owner, key): &(UserName, KeyName)| proto::OwnedKey {
                owner: owner.to_string(),
                key: key.to_string(),
            };
            Kind::KeysReleased(proto::KeysReleased { keys: keys.iter().map(owned).collect() })
        }
        Event::GroupRestored(restored) => Kind::GroupRestored(group::to_proto(restored)),
        Event::OrderRestored { next } => Kind::OrderRestored(proto::OrderRestored { next: *next }),
        Event::TasksPruned { tasks } => Kind::TasksPruned(proto::TasksPruned {
            task_ids: tasks.iter().map(|task| id(*task)).collect(),
        }),
        Event::WorkerRegistered { worker, incarnation, slots, handlers, labels, resources, at } => {
            Kind::WorkerRegistered(proto::WorkerRegistered {
                worker_id: worker.to_string(),
                incarnation: incarnation.to_bytes().to_vec(),
                slots: *slots,
                handlers: handlers.iter().map(ToString::to_string).collect(),
                labels: labels.iter().map(label_to_proto).collect(),
                resources: resources.iter().map(resource_to_proto).collect(),
                at_ms: at.0,
            })
        }
        Event::HandlersLearned { handlers } => Kind::HandlersLearned(proto::HandlersLearned {
            handlers: handlers.iter().map(ToString::to_string).collect(),
        }),
        Event::WorkerLost { worker, incarnation, at } => Kind::WorkerLost(proto::WorkerLost {
            worker_id: worker.to_string(),
            incarnation: incarnation.to_bytes().to_vec(),
            at_ms: at.0,
        }),
        Event::AttemptEnded { task, attempt, worker } => Kind::AttemptEnded(proto::AttemptEnded {
            task_id: id(*task),
            attempt: attempt.0,
            worker_id: worker.to_string(),
        }),
        Event::TaskRestored(restored) => Kind::TaskRestored(restored::to_proto(restored)),
        Event::ArrayRestored(restored) => Kind::ArrayRestored(array::to_proto(restored)),
        Event::ScheduleSet { owner, name, schedule: what, paused, created, next, at } => {
            let (now, since) = ((*paused, *next), (*created, *at));
            Kind::ScheduleSet(schedule::set_to_proto((owner, name), what, now, since))
        }
        Event::ScheduleFired { owner, name, due, firing, next, at } => {
            let when = (*due, *next);
            Kind::ScheduleFired(schedule::fired_to_proto((owner, name), firing, when, *at))
        }
        Event::ScheduleRemoved { owner, name, at } => {
            Kind::ScheduleRemoved(proto::ScheduleRemoved {
                owner: owner.to_string(),
                name: name.to_string(),
                at_ms: at.0,
            })
        }
        Event::UserAdded { user, token_hash, role, at } => Kind::UserAdded(proto::UserAdded {
            user: user.to_string(),
            token_hash: token_hash.to_string(),
            admin: *role == Role::Admin,
            viewer: *role == Role::Viewer,
            at_ms: at.0,
        }),
        Event::UserRemoved { user } => {
            Kind::UserRemoved(proto::UserRemoved { user: user.to_string() })
        }
        Event::TokenIssued { user, name, hash, expires_at, at } => {
            Kind::TokenIssued(proto::TokenIssued {
                user: user.to_string(),
                name: name.to_string(),
                token_hash: hash.to_string(),
                expires_at_ms: expires_at.map(|at| at.0),
                at_ms: at.0,
            })
        }
        Event::TokenRevoked { user, name } => Kind::TokenRevoked(proto::TokenRevoked {
            user: user.to_string(),
            name: name.to_string(),
        }),
    }
}

fn from_kind(kind: Kind) -> Result<Event, CodecError> {
    Ok(match kind {
        Kind::TaskSubmitted(e) => Event::TaskSubmitted {
            task: task(&e.task_id)?,
            owner: e.owner.as_str().into(),
            handler: e.handler.as_str().into(),
            payload: e.payload,
            terms: terms(e.at_most_once, e.retry, e.terms)?,
            at: Timestamp(e.at_ms),
        },
        Kind::ArraySubmitted(e) => Event::ArraySubmitted {
            array: array::id(&e.array_id)?,
            owner: e.owner.as_str().into(),
            handler: e.handler.as_str().into(),
            payload: e.payload,
            terms: terms(e.at_most_once, e.retry, e.terms)?,
            first: e.first,
            count: e.count,
            without: array::ranges_from_proto(e.without)?,
            at: Timestamp(e.at_ms),
        },
        Kind::ArrayCancelled(e) => {
            Event::ArrayCancelled { array: array::id(&e.array_id)?, at: Timestamp(e.at_ms) }
        }
        Kind::ArrayFailed(e) => Event::ArrayFailed {
            array: array::id(&e.array_id)?,
            failure: array::failure_from_proto(e.failure.ok_or(CodecError::Missing("failure"))?)?,
            at: Timestamp(e.at_ms),
        },
        Kind::TaskAssigned(e) => Event::TaskAssigned {
            task: task(&e.task_id)?,
            attempt: Attempt(e.attempt),
            worker: e.worker_id.as_str().into(),
            at: Timestamp(e.at_ms),
        },
        Kind::TaskSucceeded(e) => Event::TaskSucceeded {
            task: task(&e.task_id)?,
            attempt: Attempt(e.attempt),
            result: e.result,
            at: Timestamp(e.at_ms),
        },
        Kind::TaskFailed(e) => Event::TaskFailed {
            task: task(&e.task_id)?,
            attempt: Attempt(e.attempt),
            failure: Failure { code: e.code, message: e.message, output: e.output.into() },
            at: Timestamp(e.at_ms),
        },
        Kind::TaskCancelled(e) => {
            Event::TaskCancelled { task: task(&e.task_id)?, at: Timestamp(e.at_ms) }
        }
        Kind::TaskRequeued(e) => Event::TaskRequeued {
            task: task(&e.task_id)?,
            attempt: Attempt(e.attempt),
            at: Timestamp(e.at_ms),
        },
        Kind::TaskReturned(e) => Event::TaskReturned {
            task: task(&e.task_id)?,
            attempt: Attempt(e.attempt),
            returned: u16::try_from(e.returned).map_err(|_| CodecError::Invalid("returned"))?,
            begun: e.begun,
            at: Timestamp(e.at_ms),
        },
        Kind::TaskRetried(e) => Event::TaskRetried {
            task: task(&e.task_id)?,
            attempt: Attempt(e.attempt),
            failed: u16::try_from(e.failed).map_err(|_| CodecError::Invalid("failed"))?,
            until: Timestamp(e.until_ms),
            code: e.code,
            message: e.message,
            at: Timestamp(e.at_ms),
        },
        Kind::TaskDelayed(e) => Event::TaskDelayed {
            task: task(&e.task_id)?,
            until: Timestamp(e.until_ms),
            at: Timestamp(e.at_ms),
        },
        Kind::TaskDue(e) => Event::TaskDue { task: task(&e.task_id)?, at: Timestamp(e.at_ms) },
        Kind::TaskLost(e) => Event::TaskLost {
            task: task(&e.task_id)?,
            attempt: Attempt(e.attempt),
            cause: cause_from_proto(e.cause)?,
            at: Timestamp(e.at_ms),
        },
        Kind::TaskExpired(e) => Event::TaskExpired {
            task: task(&e.task_id)?,
            expiry: expiry_from_proto(e.expiry)?,
            at: Timestamp(e.at_ms),
        },
        Kind::QueueChanged(e) => Event::QueueChanged {
            queue: e.queue.as_str().into(),
            settings: QueueSettings {
                weight: e.weight.max(1),
                max_running: e.max_running,
                paused: e.paused,
            },
            at: Timestamp(e.at_ms),
        },
        Kind::QuotaChanged(e) => Event::QuotaChanged {
            user: e.user.map(|user| user.as_str().into()),
            quota: e.quota.map(|quota| Quota {
                max_active: quota.max_active,
                max_bytes: quota.max_bytes,
                max_running: quota.max_running,
                submit_rate: quota.submit_rate,
            }),
            at: Timestamp(e.at_ms),
        },
        Kind::TaskBlocked(e) => Event::TaskBlocked {
            task: task(&e.task_id)?,
            blockage: Blockage {
                after: e.after.iter().map(|id| task(id)).collect::<Result<_, _>>()?,
                condition: if e.any_end { Condition::Finished } else { Condition::Succeeded },
                failed: e.failed.map(|id| task(&id)).transpose()?,
            },
            at: Timestamp(e.at_ms),
        },
        Kind::TaskReleased(e) => {
            Event::TaskReleased { task: task(&e.task_id)?, at: Timestamp(e.at_ms) }
        }
        Kind::TaskSkipped(e) => Event::TaskSkipped {
            task: task(&e.task_id)?,
            because: task(&e.because)?,
            after: e.after.iter().map(|id| task(id)).collect::<Result<_, _>>()?,
            at: Timestamp(e.at_ms),
        },
        Kind::SourcesTaken(e) => Event::SourcesTaken {
            task: task(&e.task_id)?,
            of: e.of.iter().map(|id| task(id)).collect::<Result<_, _>>()?,
        },
        Kind::TaskTraced(e) => {
            let trace = e.trace_id.try_into().map_err(|_| CodecError::Length("trace_id"))?;
            let span = e.span_id.try_into().map_err(|_| CodecError::Length("span_id"))?;
            let trace = TraceContext {
                trace: u128::from_be_bytes(trace),
                span: u64::from_be_bytes(span),
                sampled: e.sampled,
            };
            Event::TaskTraced { task: task(&e.task_id)?, trace }
        }
        Kind::TaskRepeated(e) => Event::TaskRepeated { task: task(&e.task_id)?, by: task(&e.by)? },
        Kind::TaskKeyed(e) => Event::TaskKeyed {
            task: task(&e.task_id)?,
            owner: e.owner.as_str().into(),
            key: e.key.as_str().into(),
            fingerprint: e.fingerprint,
            until: Timestamp(e.until_ms),
        },
        Kind::OutputKept(e) => {
            Event::OutputKept { task: task(&e.task_id)?, output: e.output.into() }
        }
        Kind::BlobsReferred(e) => {
            let blob = |b: proto::ReferredBlob| {
                let id = BlobId::from_bytes(&b.id).ok_or(CodecError::Length("blob"))?;
                Ok(BlobRef { id, bytes: b.bytes })
            };
            let blobs = e.blobs.into_iter().map(blob).collect::<Result<_, CodecError>>()?;
            Event::BlobsReferred { task: task(&e.task_id)?, blobs }
        }
        Kind::KeysReleased(e) => {
            let owned = |k: proto::OwnedKey| (k.owner.as_str().into(), k.key.as_str().into());
            Event::KeysReleased { keys: e.keys.into_iter().map(owned).collect() }
        }
        Kind::GroupRestored(e) => Event::GroupRestored(Box::new(group::from_proto(e))),
        Kind::OrderRestored(e) => Event::OrderRestored { next: e.next },
        Kind::TasksPruned(e) => Event::TasksPruned {
            tasks: e.task_ids.iter().map(|id| task(id)).collect::<Result<_, _>>()?,
        },
        Kind::WorkerRegistered(e) => Event::WorkerRegistered {
            worker: e.worker_id.as_str().into(),
            incarnation: process(&e.incarnation, "incarnation")?,
            slots: e.slots,
            handlers: e.handlers.iter().map(|h| h.as_str().into()).collect(),
            labels: e.labels.into_iter().map(|l| (l.key, l.value)).collect(),
            resources: e.resources.into_iter().map(|r| (r.name, r.count)).collect(),
            at: Timestamp(e.at_ms),
        },
        Kind::HandlersLearned(e) => Event::HandlersLearned {
            handlers: e.handlers.iter().map(|h| h.as_str().into()).collect(),
        },
        Kind::WorkerLost(e) => Event::WorkerLost {
            worker: e.worker_id.as_str().into(),
            incarnation: process(&e.incarnation, "incarnation")?,
            at: Timestamp(e.at_ms),
        },
        Kind::AttemptEnded(e) => Event::AttemptEnded {
            task: task(&e.task_id)?,
            attempt: Attempt(e.attempt),
            worker: e.worker_id.as_str().into(),
        },
        Kind::WebhookDelivered(e) => webhook::delivered_from_proto(&e)?,
        Kind::WebhookDelayed(e) => webhook::delayed_from_proto(e)?,
        Kind::WebhookGivenUp(e) => webhook::given_up_from_proto(e)?,
        Kind::WebhookOwed(e) => Event::WebhookOwed(webhook::owed_from_proto(e)?.into()),
        Kind::WebhookReport(e) => webhook::report_from_proto(e)?,
        Kind::WebhookKept(e) => webhook::kept_from_proto(e)?,
        Kind::WebhooksRetried(e) => webhook::retried_from_proto(&e)?,
        Kind::TaskRestored(e) => Event::TaskRestored(Box::new(restored::from_proto(e)?)),
        Kind::ArrayRestored(e) => Event::ArrayRestored(Box::new(array::from_proto(e)?)),
        Kind::ScheduleSet(e) => schedule::set_from_proto(e)?,
        Kind::ScheduleFired(e) => schedule::fired_from_proto(e)?,
        Kind::ScheduleRemoved(e) => Event::ScheduleRemoved {
            owner: e.owner.as_str().into(),
            name: e.name.as_str().into(),
            at: Timestamp(e.at_ms),
        },
        Kind::UserAdded(e) => Event::UserAdded {
            user: e.user.as_str().into(),
            token_hash: e.token_hash.into(),
            role: match (e.admin, e.viewer) {
                (true, false) => Role::Admin,
                (false, true) => Role::Viewer,
                (false, false) => Role::Submitter,
                (true, true) => return Err(CodecError::Invalid("viewer")),
            },
            at: Timestamp(e.at_ms),
        },
        Kind::UserRemoved(e) => Event::UserRemoved { user: e.user.as_str().into() },
        Kind::TokenIssued(e) => Event::TokenIssued {
            user: e.user.as_str().into(),
            name: e.name.as_str().into(),
            hash: e.token_hash.into(),
            expires_at: e.expires_at_ms.map(Timestamp),
            at: Timestamp(e.at_ms),
        },
        Kind::TokenRevoked(e) => {
            Event::TokenRevoked { user: e.user.as_str().into(), name: e.name.as_str().into() }
        }
    })
}

pub(super) fn id(task: TaskId) -> Vec<u8> {
    task.to_bytes().to_vec()
}

pub(super) fn task(bytes: &[u8]) -> Result<TaskId, CodecError> {
    TaskId::from_bytes(bytes).ok_or(CodecError::Length("task_id"))
}
