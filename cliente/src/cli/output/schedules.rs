//! Schedules, for people and for programs.

use common::messages::client_tables::{Columns, Label};
use common::messages::words::unmade_text;
use common::proto::{CatchUp, Overlap, Schedule, ScheduleSpec, TaskSpec, Unmade};
use serde_json::{Value, json};

use super::json::{result_value, word};
use super::table::{Table, queue, time};

/// As a line of a table.
pub fn row(table: &Table, schedule: &Schedule) -> Vec<String> {
    let (spec, _) = parts(schedule);
    let condition = if schedule.paused { Label::Paused } else { Label::Active };
    vec![
        spec.name,
        table.label(condition).to_owned(),
        spec.expression,
        spec.zone,
        time(schedule.next_ms),
        time(schedule.last_due_ms),
        schedule.last_task_id.clone(),
        schedule.unmade.as_ref().map(|unmade| why(table, unmade)).unwrap_or_default(),
    ]
}

pub fn table(table: &Table, schedules: &[Schedule]) -> String {
    table.table(Columns::Schedules, schedules.iter().map(|schedule| row(table, schedule)))
}

/// All that is known of one.
pub fn details(table: &Table, schedule: &Schedule) -> String {
    let (spec, task) = parts(schedule);
    let condition = if schedule.paused { Label::Paused } else { Label::Active };
    let unmade = schedule.unmade.as_ref();
    let unmade = unmade.map(|unmade| format!("{}  {}", time(unmade.due_ms), why(table, unmade)));
    let mut text = table.details(&[
        (Label::Schedule, spec.name.clone()),
        (Label::Status, table.label(condition).to_owned()),
        (Label::Expression, format!("{}  {}", spec.expression, spec.zone)),
        (Label::CatchUp, catch_up(spec.catch_up()).to_lowercase()),
        (Label::Overlap, overlap(spec.overlap()).to_lowercase()),
        (Label::Handler, task.handler.clone()),
        (Label::Payload, payload(&task)),
        (Label::Queue, queue(&task.queue, task.priority)),
        (Label::Webhook, task.webhook.clone()),
        (Label::LastFiring, time(schedule.last_due_ms)),
        (Label::Task, schedule.last_task_id.clone()),
        (Label::Unmade, unmade.unwrap_or_default()),
    ]);
    let rows = schedule.upcoming_ms.iter().map(|at| vec![time(*at)]);
    text.push('\n');
    text.push_str(&table.table(Columns::Upcoming, rows));
    text
}

pub fn json(schedule: &Schedule, with_payload: bool) -> Value {
    let (spec, task) = parts(schedule);
    let at = super::json::time;
    let mut value = json!({
        "schedule": spec.name,
        "cron": spec.expression,
        "zone": spec.zone,
        "catch_up": catch_up(spec.catch_up()),
        "overlap": overlap(spec.overlap()),
        "paused": schedule.paused,
        "handler": task.handler,
        "queue": task.queue,
        "priority": task.priority,
        "group": word(&task.group),
        "webhook": word(&task.webhook),
        "created_at": at(schedule.created_at_ms),
        "changed_at": at(schedule.changed_at_ms),
        "next": at(schedule.next_ms),
        "last_task_id": word(&schedule.last_task_id),
        "last_due": at(schedule.last_due_ms),
        "last_by_hand": schedule.last_by_hand,
        "unmade": schedule.unmade.as_ref().map(|unmade| json!({
            "due": at(unmade.due_ms), "reason": unmade.reason, "message": word(&unmade.message),
        })),
    });
    if with_payload {
        let upcoming: Vec<_> = schedule.upcoming_ms.iter().map(|ms| at(*ms)).collect();
        value["payload"] = result_value(&task.handler, &task.payload);
        value["upcoming"] = upcoming.into();
    }
    value
}

fn parts(schedule: &Schedule) -> (ScheduleSpec, TaskSpec) {
    let spec = schedule.spec.clone().unwrap_or_default();
    let task = spec.task.clone().unwrap_or_default();
    (spec, task)
}

fn why(table: &Table, unmade: &Unmade) -> String {
    unmade_text(&unmade.reason, &unmade.message, table.lang())
}

/// The command line, or the text, of what is made.
pub fn payload(task: &TaskSpec) -> String {
    let value: Option<Value> = serde_json::from_slice(&task.payload).ok();
    let argv = value.as_ref().and_then(|value| value["argv"].as_array());
    match argv {
        Some(argv) => {
            let words: Vec<_> = argv.iter().filter_map(Value::as_str).collect();
            words.join(" ")
        }
        None => table_text(&task.payload),
    }
}

fn table_text(payload: &[u8]) -> String {
    std::str::from_utf8(payload).map(super::table::shortened).unwrap_or_default()
}

fn catch_up(catch_up: CatchUp) -> &'static str {
    match catch_up {
        CatchUp::Unspecified | CatchUp::Skip => "SKIP",
        CatchUp::One => "ONE",
        CatchUp::All => "ALL",
    }
}

fn overlap(overlap: Overlap) -> &'static str {
    match overlap {
        Overlap::Unspecified | Overlap::Allow => "ALLOW",
        Overlap::Skip => "SKIP",
    }
}
