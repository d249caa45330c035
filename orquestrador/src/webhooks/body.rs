//! What a receiver gets: `docs/webhooks.md`.

use bytes::Bytes;
use orquestrador_core::effect::TaskState;
use orquestrador_core::ids::{TaskId, Timestamp};
use orquestrador_core::webhook::{Report, Rest};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Of one task.
const TASK: &str = "task.finished";
/// Of what of an array ended with it before its turn.
const REST: &str = "array.rest_finished";

/// The same for every attempt, so that a receiver can tell repetitions.
pub fn id(task: TaskId) -> String {
    format!("finished_{task}")
}

/// The same for every attempt.
pub fn body(report: &Report) -> Bytes {
    let array = report.task.in_array();
    let mut body = json!({
        "type": TASK,
        "timestamp": moment(report.finished_at),
        "data": {
            "task_id": report.task.to_string(),
            "owner": &*report.owner.0,
            "handler": &*report.handler.0,
            "state": word(report.state),
            "attempt": report.attempt.0,
            "error": report.error.as_ref().map(|(code, message)| {
                json!({ "code": code, "message": message })
            }),
            "result_bytes": report.result_bytes,
            "submitted_at": moment(report.submitted_at),
            "started_at": report.started_at.and_then(moment),
            "finished_at": moment(report.finished_at),
            "queue": &*report.queue.0,
            "group": report.group.as_ref().map(|group| &*group.0),
            "schedule": report.schedule.as_ref().map(|schedule| &*schedule.0),
            "retry_of": report.retry_of.map(|task| task.to_string()),
            "array_id": array.map(|(array, _)| array.to_string()),
            "array_index": array.map(|(_, number)| number),
        },
    });
    if let Some(rest) = &report.rest {
        body["type"] = REST.into();
        name_rest(&mut body["data"], report.task, rest);
    }
    body.to_string().into()
}

/// In the place of one task's name.
fn name_rest(data: &mut Value, array: TaskId, rest: &Rest) {
    let ranges = rest.numbers.iter().map(|range| json!([range.start, range.end - 1]));
    data["task_id"] = Value::Null;
    data["array_id"] = array.to_string().into();
    data["tasks"] = rest.tasks.into();
    data["array_indexes"] = ranges.collect();
}

/// `None` of what no calendar knows.
fn moment(at: Timestamp) -> Option<String> {
    let moment = OffsetDateTime::from_unix_timestamp_nanos(i128::from(at.0) * 1_000_000);
    moment.ok()?.format(&Rfc3339).ok()
}

fn word(state: TaskState) -> &'static str {
    match state {
        TaskState::Queued => "QUEUED",
        TaskState::Running => "RUNNING",
        TaskState::Succeeded => "SUCCEEDED",
        TaskState::Failed => "FAILED",
        TaskState::Cancelled => "CANCELLED",
        TaskState::Lost => "LOST",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use orquestrador_core::ids::{ArrayId, Attempt};
    use serde_json::Value;

    #[test]
    fn the_body_is_what_is_documented() {
        let array = ArrayId(0x0192_0000_0000_8000_8000_0000_0000_0000);
        let report = Report {
            task: array.task(7),
            owner: "ana".into(),
            handler: "command".into(),
            state: TaskState::Failed,
            attempt: Attempt(2),
            submitted_at: Timestamp(1_700_000_000_000),
            started_at: None,
            finished_at: Timestamp(1_700_000_001_500),
            error: Some(("NON_ZERO_EXIT".into(), "exit status 3".into())),
            result_bytes: 12,
            queue: "default".into(),
            group: Some("build".into()),
            schedule: None,
            retry_of: None,
            rest: None,
        };
        let told: Value = serde_json::from_slice(&body(&report)).expect("is JSON");
        let expected = json!({
            "type": "task.finished",
            "timestamp": "2023-11-14T22:13:21.5Z",
            "data": {
                "task_id": "01920000-0000-8000-8000-000000000008",
                "owner": "ana",
                "handler": "command",
                "state": "FAILED",
                "attempt": 2,
                "error": { "code": "NON_ZERO_EXIT", "message": "exit status 3" },
                "result_bytes": 12,
                "submitted_at": "2023-11-14T22:13:20Z",
                "started_at": null,
                "finished_at": "2023-11-14T22:13:21.5Z",
                "queue": "default",
                "group": "build",
                "schedule": null,
                "retry_of": null,
                "array_id": array.to_string(),
                "array_index": 7,
            },
        });
        assert_eq!(told, expected);
        assert_eq!(id(TaskId(1)), "finished_00000000-0000-0000-0000-000000000001");

        let rest = Rest { tasks: 5, numbers: vec![7..8, 10..14] };
        let rest = Report { task: TaskId(array.0), rest: Some(rest), ..report };
        let told: Value = serde_json::from_slice(&body(&rest)).expect("is JSON");
        assert_eq!(told["type"], "array.rest_finished");
        let data = &told["data"];
        assert_eq!(
            [&data["task_id"], &data["array_id"], &data["array_index"], &data["array_indexes"]],
            [&Value::Null, &array.to_string().into(), &Value::Null, &json!([[7, 7], [10, 13]])]
        );
        assert_eq!((&data["tasks"], &data["state"]), (&5.into(), &"FAILED".into()));
    }
}
