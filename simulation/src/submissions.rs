//! The tasks that clients submit: what each is follows from its id, so that a repeated submission is the same.

use orquestrador_core::command::{After, Condition, Delivery, NewArray, NewTask, Start};
use orquestrador_core::ids::{ArrayId, Blob, BlobId, BlobRef, GroupName, HandlerName, TaskId};
use orquestrador_core::needs::Needs;
use orquestrador_core::terms::{RetryPolicy, Terms, TimeLimits};
use orquestrador_core::trace::TraceContext;

use crate::client::ID_SHIFT;

/// One in four that is not the first of its batch comes after the one before it, whether that must succeed or not.
pub fn with_order(ids: &[TaskId]) -> Vec<NewTask> {
    let mut tasks: Vec<_> = ids.iter().map(|id| new_task(*id)).collect();
    for nth in 1..tasks.len() {
        let (before, id) = (tasks[nth - 1].id, tasks[nth].id);
        if (id.0 / 4).is_multiple_of(4) {
            let any_end = (id.0 / 16).is_multiple_of(2);
            let condition = if any_end { Condition::Finished } else { Condition::Succeeded };
            let after = After { tasks: vec![before], condition, sources: vec![before] };
            (tasks[nth].after, tasks[nth].start) = (Some(Box::new(after)), Start::Now);
        }
    }
    tasks
}

fn new_task(id: TaskId) -> NewTask {
    let payload = Blob::copy_from_slice(&id.to_bytes());
    // One in four; by the id, so that a repeated submission is the same.
    let once = id.0.is_multiple_of(4);
    let delivery = if once { Delivery::AtMostOnce } else { Delivery::AtLeastOnce };
    // One in five begins later.
    let start = if id.0.is_multiple_of(5) { Start::After(300) } else { Start::Now };
    NewTask {
        id,
        handler: HandlerName::from("simulated"),
        payload,
        terms: terms(id, delivery).into(),
        start,
        after: None,
        key: None,
        blobs: blobs_of(id, 0).into_iter().collect(),
        trace: trace(id),
    }
}

/// What it refers to, from its submission (0) or its end (1) on: of one in three of those that may be started again, so that
/// one that is submitted once more after it was forgotten may be, too.
pub fn blobs_of(id: TaskId, when: u128) -> Option<BlobRef> {
    let has_any = id.0 % 6 == 1;
    let nth = ((id.0 >> 8) + when) % 40;
    let blob = BlobRef { id: BlobId([nth as u8; 32]), bytes: nth as u64 * 10 };
    has_any.then_some(blob)
}

/// Of those that may be started again, one in three is retried.
fn terms(id: TaskId, delivery: Delivery) -> Terms {
    let retry =
        RetryPolicy { max_attempts: 3, first_delay_ms: 400, max_delay_ms: 600, codes: Vec::new() };
    // One in nineteen fails with the first worker that it loses.
    let fails_with_its_worker = delivery == Delivery::AtLeastOnce && id.0.is_multiple_of(19);
    let is_retried = delivery == Delivery::AtLeastOnce && id.0.is_multiple_of(3);
    let queue = ["default", "a", "b"][(id.0 % 3) as usize].into();
    // One in seven must begin soon, one in eleven must end soon.
    let times = TimeLimits {
        attempt_ms: None,
        begin_ms: id.0.is_multiple_of(7).then_some(900),
        end_ms: id.0.is_multiple_of(11).then_some(1_500),
    };
    let priority = (id.0 % 5) as i8 - 2;
    let retry = is_retried.then(|| Box::new(retry));
    let needs = Needs { resources: vec![(RESOURCE.to_owned(), 1)], ..Needs::default() };
    let needs = needs_something(id).then(|| Box::new(needs));
    // Some belong to one of two groups.
    let group = (["even", "odd"].get((id.0 % 4) as usize)).map(|group| GroupName::from(*group));
    // One in six is told of, and never of those that may be submitted once more under the same name.
    let target = (id.0 % 6 == 2).then_some(id.0 / 6 % 3);
    let webhook = target.map(|nth| format!("https://{nth}.example/hook").as_str().into());
    let max_lost_attempts = fails_with_its_worker.then_some(1);
    let terms = Terms {
        delivery,
        retry,
        queue,
        priority,
        times,
        needs,
        group,
        webhook,
        ..Terms::default()
    };
    Terms { max_lost_attempts, ..terms }
}

/// One in thirteen needs what each worker has one of.
pub fn needs_something(id: TaskId) -> bool {
    id.0.is_multiple_of(13)
}

/// What each worker has one of.
pub const RESOURCE: &str = "gpus";

/// Numbered from 1 on.
/// One in seven belongs to one.
fn trace(id: TaskId) -> Option<TraceContext> {
    let trace = TraceContext { trace: id.0, span: 1, sampled: true };
    id.0.is_multiple_of(7).then_some(trace)
}

pub fn new_array(id: ArrayId, count: u32) -> NewArray {
    let NewTask { handler, payload, terms, .. } = new_task(TaskId(id.0 >> ID_SHIFT));
    let terms = Terms { times: TimeLimits::default(), ..Terms::clone(&terms) }.shared();
    // Of some, the second task is left out.
    let without =
        if count > 1 && id.0 >> 127 == 1 { std::iter::once(1..2).collect() } else { vec![] };
    let (start, after, blobs) = (Start::Now, None, vec![]);
    let trace = trace(TaskId(id.0));
    NewArray { id, handler, payload, terms, first: 1, count, without, start, after, blobs, trace }
}
