//! `cliente status --explain`: why a task waits, why it was run again, how it ended.

use common::array_id;
use common::exit;
use common::messages::operator::OperatorMessage;
use common::proto::{ExplainTaskResponse, Task, Worker};
use serde_json::json;

use super::super::Context;
use super::super::failure::Failure;
use super::super::output::{self, TaskView, time};

pub async fn run(context: &Context, task_id: &str) -> Result<u8, Failure> {
    let answer = context.client.explain(task_id).await?;
    let task = answer.task.clone().unwrap_or_default();
    let workers = match task.pending_reason.as_str() {
        "" => Vec::new(),
        _ => context.client.workers().await?,
    };
    let text = match context.is_json {
        true => format!("{}\n", object(&answer, &task, &workers)),
        false => {
            let view = TaskView::without_result(task.clone(), answer.receipt);
            let lines = lines(&answer, &task, &workers);
            let lines = lines.iter().map(|line| format!("{}\n", line.text(context.lang)));
            context.output.task(&view) + &lines.collect::<String>()
        }
    };
    output::print(&text)?;
    Ok(exit::OK)
}

/// By its last task: what happens to that before it begins happens to all of them.
pub async fn array(context: &Context, id: &str) -> Result<u8, Failure> {
    let (array, receipt) = context.client.array(id).await?;
    let last = array.first.saturating_add(array.count).saturating_sub(1);
    let answer = context.client.explain(&array_id::task(id, last).unwrap_or_default()).await?;
    let task = answer.task.clone().unwrap_or_default();
    let workers = match task.pending_reason.as_str() {
        "" => Vec::new(),
        _ => context.client.workers().await?,
    };
    let text = match context.is_json {
        true => {
            let mut object = object(&answer, &task, &workers);
            object["array_id"] = id.into();
            format!("{object}\n")
        }
        false => {
            let lines = lines(&answer, &task, &workers);
            let lines = lines.iter().map(|line| format!("{}\n", line.text(context.lang)));
            context.output.array(&array, &receipt) + &lines.collect::<String>()
        }
    };
    output::print(&text)?;
    Ok(exit::OK)
}

/// Of those that offer the handler.
struct Offers {
    connected: usize,
    free_slots: u64,
}

fn offers(task: &Task, workers: &[Worker]) -> Offers {
    let offering = workers.iter().filter(|worker| {
        worker.connected && !worker.draining && worker.handlers.contains(&task.handler)
    });
    let (mut connected, mut free_slots) = (0, 0);
    for worker in offering {
        connected += 1;
        free_slots += u64::from(worker.slots.saturating_sub(worker.busy));
    }
    Offers { connected, free_slots }
}

/// A head, and a line for each step.
pub fn steps(answer: &ExplainTaskResponse) -> Vec<OperatorMessage> {
    let mut lines = vec![OperatorMessage::Steps { is_cut: answer.cut }];
    lines.extend(answer.steps.iter().map(|step| OperatorMessage::Step {
        at: time(step.at_ms),
        what: step.what.clone(),
        attempt: step.attempt,
        worker: step.worker_id.clone(),
        cause: step.cause.clone(),
        index: step.journal_index,
        epoch: step.epoch,
    }));
    lines
}

fn lines(answer: &ExplainTaskResponse, task: &Task, workers: &[Worker]) -> Vec<OperatorMessage> {
    let mut lines = steps(answer);
    // What waits for a moment does not wait for a worker.
    if !task.pending_reason.is_empty() && task.not_before_ms == 0 {
        let Offers { connected, free_slots } = offers(task, workers);
        let handler = task.handler.clone();
        lines.push(OperatorMessage::Offers { handler, connected, free_slots });
    }
    lines
}

fn object(answer: &ExplainTaskResponse, task: &Task, workers: &[Worker]) -> serde_json::Value {
    let steps: Vec<_> = answer
        .steps
        .iter()
        .map(|step| {
            json!({
                "at_ms": step.at_ms, "what": step.what, "attempt": step.attempt,
                "worker_id": known(&step.worker_id), "cause": known(&step.cause),
                "journal_index": step.journal_index, "epoch": step.epoch,
                "not_before_ms": (step.not_before_ms > 0).then_some(step.not_before_ms),
            })
        })
        .collect();
    let Offers { connected, free_slots } = offers(task, workers);
    let waits = !task.pending_reason.is_empty();
    json!({
        "task_id": task.task_id,
        "pending_reason": waits.then_some(&task.pending_reason),
        "waits_for": (task.waits_for > 0).then_some(task.waits_for),
        "waits_on": (task.waits_for > 0).then_some(&task.waits_on),
        "workers_offering": waits.then_some(connected),
        "free_slots": waits.then_some(free_slots),
        "steps": steps,
        "cut": answer.cut,
    })
}

/// Null for what there is not.
fn known(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}
