//! How many bytes the journal needs for an event: the protobuf message of `proto/mutirao/v1/journal.proto`, as a
//! field of its entry. Counted, not encoded: the codec is another crate's.

use orquestrador_core::Event;
use orquestrador_core::command::Delivery;
use orquestrador_core::event::{RestoredEnd, RestoredTask};

const ID: u64 = bytes(16);

/// Where the number of the field is below 16.
const TAG: u64 = 1;

/// `None` for those that no day brings.
pub fn of(event: &Event) -> Option<u64> {
    let message = match event {
        Event::TaskSubmitted { owner, handler, payload, terms, at, .. } if terms.is_plain() => {
            let once = if terms.delivery == Delivery::AtMostOnce { TAG + 1 } else { 0 };
            ID + text(&owner.0) + text(&handler.0) + blob(payload) + number(at.0) + once
        }
        Event::TaskAssigned { attempt, worker, at, .. } => {
            ID + number(attempt.0.into()) + text(&worker.0) + number(at.0)
        }
        Event::TaskSucceeded { attempt, result, at, .. } => {
            ID + number(attempt.0.into()) + blob(result) + number(at.0)
        }
        Event::TaskFailed { attempt, failure, at, .. } => {
            let told = text(&failure.code) + text(&failure.message) + blob(&failure.output);
            ID + number(attempt.0.into()) + told + number(at.0)
        }
        Event::TaskCancelled { at, .. } => ID + number(at.0),
        Event::TaskRequeued { attempt, at, .. } => ID + number(attempt.0.into()) + number(at.0),
        Event::TaskReturned { attempt, returned, begun, at, .. } => {
            let begun = number(u64::from(*begun));
            let numbers =
                number(attempt.0.into()) + number((*returned).into()) + number(at.0) + begun;
            // The number of its field takes a byte more.
            return Some(bytes(bytes(ID + numbers) + 1));
        }
        Event::TaskLost { attempt, cause, at, .. } => {
            ID + number(attempt.0.into()) + number(*cause as u64) + number(at.0)
        }
        Event::TasksPruned { tasks } => tasks.len() as u64 * ID,
        Event::WorkerRegistered { worker, slots, handlers, labels, resources, at, .. } => {
            let offered: u64 = handlers.iter().map(|handler| text(&handler.0)).sum();
            let labels: u64 =
                labels.iter().map(|(key, value)| bytes(text(key) + text(value))).sum();
            let resources: u64 =
                resources.iter().map(|(name, count)| bytes(text(name) + number(*count))).sum();
            let offers = offered + labels + resources;
            text(&worker.0) + ID + number((*slots).into()) + offers + number(at.0)
        }
        Event::HandlersLearned { handlers } => {
            handlers.iter().map(|handler| text(&handler.0)).sum()
        }
        Event::WorkerLost { worker, at, .. } => text(&worker.0) + ID + number(at.0),
        Event::AttemptEnded { attempt, worker, .. } => {
            ID + number(attempt.0.into()) + text(&worker.0)
        }
        Event::TaskRestored(task) => restored(task),
        Event::TaskSubmitted { .. }
        | Event::TaskRetried { .. }
        | Event::ScheduleSet { .. }
        | Event::ScheduleFired { .. }
        | Event::ScheduleRemoved { .. }
        | Event::TaskDelayed { .. }
        | Event::TaskDue { .. }
        | Event::ArraySubmitted { .. }
        | Event::ArrayCancelled { .. }
        | Event::ArrayFailed { .. }
        | Event::ArrayRestored(_)
        | Event::UserAdded { .. }
        | Event::TaskExpired { .. }
        | Event::TaskBlocked { .. }
        | Event::TaskReleased { .. }
        | Event::TaskSkipped { .. }
        | Event::TaskRepeated { .. }
        | Event::SourcesTaken { .. }
        | Event::TaskTraced { .. }
        | Event::TaskKeyed { .. }
        | Event::KeysReleased { .. }
        | Event::OutputKept { .. }
        | Event::WebhookDelivered { .. }
        | Event::WebhookDelayed { .. }
        | Event::WebhookGivenUp { .. }
        | Event::WebhookOwed(_)
        | Event::WebhooksRetried { .. }
        | Event::GroupRestored(_)
        | Event::OrderRestored { .. }
        | Event::BlobsReferred { .. }
        | Event::QueueChanged { .. }
        | Event::QuotaChanged { .. }
        | Event::UserRemoved { .. }
        | Event::TokenIssued { .. }
        | Event::TokenRevoked { .. } => return None,
    };
    // A message within the event, and the event within the entry.
    Some(bytes(bytes(message)))
}

/// As a snapshot holds it.
fn restored(task: &RestoredTask) -> u64 {
    let end = match &task.end {
        RestoredEnd::Succeeded { result } => bytes(result.len() as u64),
        RestoredEnd::Failed(failure) => {
            bytes(text(&failure.code) + text(&failure.message) + blob(&failure.output))
        }
        // The number of the field takes a byte more.
        RestoredEnd::Cancelled { output } => {
            bytes(0) + blob(output) + u64::from(!output.is_empty())
        }
        RestoredEnd::Lost { cause, output } => {
            let tag = u64::from(!output.is_empty());
            TAG + varint(*cause as u64) + blob(output) + tag
        }
    };
    let fingerprint = if task.fingerprint == 0 { 0 } else { TAG + 8 };
    let names = text(&task.owner.0) + text(&task.handler.0) + fingerprint;
    let worker = task.worker.as_ref().map_or(0, |worker| bytes(worker.0.len() as u64));
    let times = number(task.submitted_at.0) + number(task.finished_at.0);
    let optional = [task.started_at.map(|at| at.0), task.finish_order];
    let optional: u64 = optional.iter().flatten().map(|number| TAG + varint(*number)).sum();
    let once = if task.delivery == Delivery::AtMostOnce { TAG + 1 } else { 0 };
    ID + names + number(task.attempt.0.into()) + worker + times + optional + end + once
}

/// A field of so many bytes.
const fn bytes(length: u64) -> u64 {
    TAG + varint(length) + length
}

fn text(text: &str) -> u64 {
    blob(text.as_bytes())
}

/// Empty fields are left out.
fn blob(blob: &[u8]) -> u64 {
    if blob.is_empty() { 0 } else { bytes(blob.len() as u64) }
}

fn number(number: u64) -> u64 {
    if number == 0 { 0 } else { TAG + varint(number) }
}

const fn varint(number: u64) -> u64 {
    (64 - (number | 1).leading_zeros() as u64).div_ceil(7)
}
