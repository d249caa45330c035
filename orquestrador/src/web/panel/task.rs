//! Tasks as JSON.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use common::proto::{
    Delivery, ExplainTaskResponse, GetTaskResultResponse, OutputPiece, OutputStream, Task,
    TaskSpec, TaskState, TaskStep,
};
use serde_json::{Value, json};

/// Of a result or a payload that a page shows.
const SHOWN_BYTES: usize = 64 << 10;

const STATE: &str = "TASK_STATE_";

fn state_word(state: TaskState) -> &'static str {
    state.as_str_name().trim_start_matches(STATE)
}

/// `None` for no state's word.
pub fn state_named(word: &str) -> Option<TaskState> {
    TaskState::from_str_name(&format!("{STATE}{word}"))
}

pub fn task(task: &Task) -> Value {
    let error = task.error.as_ref().map(|e| json!({ "code": e.code, "message": e.message }));
    let progress =
        task.progress.as_ref().map(|p| json!({ "fraction": p.fraction, "message": p.message }));
    json!({
        "task_id": task.task_id,
        "handler": task.handler,
        "state": state_word(task.state()),
        "attempt": task.attempt,
        "worker_id": task.worker_id,
        "owner": task.owner,
        "queue": task.queue,
        "priority": task.priority,
        "group": task.group,
        "schedule": task.schedule,
        "at_most_once": task.delivery() == Delivery::AtMostOnce,
        "submitted_ms": task.submitted_at_ms,
        "started_ms": task.started_at_ms,
        "finished_ms": task.finished_at_ms,
        "not_before_ms": task.not_before_ms,
        "pending_reason": task.pending_reason,
        "waits_for": task.waits_for,
        "retry_of": task.retry_of,
        "retried_as": task.retried_as,
        "result_bytes": task.result_bytes,
        "error": error,
        "progress": progress,
    })
}

/// With what was asked for, and what came of it.
pub fn whole(answer: &GetTaskResultResponse) -> Value {
    let result = match &answer.result_blob {
        Some(blob) => json!({ "bytes": blob.bytes, "is_blob": true }),
        None => content(&answer.result),
    };
    json!({
        "task": answer.task.as_ref().map(task),
        "result": result,
        "asked": answer.spec.as_ref().map(asked),
    })
}

fn asked(spec: &TaskSpec) -> Value {
    let retry = spec.retry.as_deref();
    let needs = spec.needs.as_deref();
    json!({
        "payload": content(&spec.payload),
        "max_attempts": retry.map_or(1, |retry| retry.max_attempts),
        "attempt_timeout_ms": spec.attempt_timeout_ms,
        "deadline_after_ms": spec.deadline_after_ms,
        "labels": needs.map(|needs| &needs.labels),
        "resources": needs.map(|needs| &needs.resources),
    })
}

/// As text where it is text, and no more than a page can show.
fn content(bytes: &[u8]) -> Value {
    let shown = &bytes[..bytes.len().min(SHOWN_BYTES)];
    let text = match std::str::from_utf8(shown) {
        Ok(text) => Some(text),
        // The limit may lie within a character.
        Err(error) if error.error_len().is_none() && shown.len() < bytes.len() => {
            std::str::from_utf8(&shown[..error.valid_up_to()]).ok()
        }
        Err(_) => None,
    };
    json!({ "bytes": bytes.len(), "text": text, "is_cut": shown.len() < bytes.len() })
}

pub fn steps(answer: &ExplainTaskResponse) -> Value {
    let step = |step: &TaskStep| {
        json!({
            "what": step.what, "at_ms": step.at_ms, "attempt": step.attempt, "worker_id": step.worker_id,
            "cause": step.cause, "epoch": step.epoch, "journal_index": step.journal_index,
            "not_before_ms": step.not_before_ms,
        })
    };
    json!({ "steps": answer.steps.iter().map(step).collect::<Vec<_>>(), "is_cut": answer.cut })
}

/// A character may be cut in two, so the bytes go out as they are.
pub fn piece(piece: &OutputPiece) -> Value {
    let is_stderr = piece.stream() == OutputStream::Stderr;
    json!({
        "attempt": piece.attempt,
        "stream": if is_stderr { "stderr" } else { "stdout" },
        "offset": piece.offset,
        "data": BASE64.encode(&piece.data),
    })
}
