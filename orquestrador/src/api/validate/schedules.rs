//! Schedules, as clients say them.

use common::grpc_status;
use common::proto;
use orquestrador_core::command::NewTask;
use orquestrador_core::ids::ScheduleName;
use orquestrador_core::schedule::{CatchUp, Overlap, Schedule};
use orquestrador_schedule::{Error, Plan};
use tonic::Status;
use uuid::Uuid;

use super::{LastName, Violations, name_violation};

const DEFAULT_ZONE: &str = "UTC";

/// # Errors
/// `INVALID_ARGUMENT` naming the field.
pub fn schedule_name(name: &str) -> Result<ScheduleName, Status> {
    match name_violation(name) {
        Some(why) => Err(grpc_status::invalid([("name".to_owned(), why)])),
        None => Ok(name.into()),
    }
}

/// # Errors
/// `INVALID_ARGUMENT`: there is none, or one violation for each field that is wrong.
pub fn new_schedule(spec: Option<proto::ScheduleSpec>) -> Result<(ScheduleName, Schedule), Status> {
    let mut violations = Violations::default();
    let Some(spec) = spec else {
        violations.add("spec", "must be given");
        return Err(grpc_status::invalid(violations.0));
    };
    let proto::ScheduleSpec { name, expression, zone, task, catch_up, overlap } = spec;
    violations.name("spec.name", &name);
    let zone = if zone.is_empty() { DEFAULT_ZONE.to_owned() } else { zone };
    if let Err(error) = Plan::parse(&expression, &zone) {
        let field = match error {
            Error::Zone { .. } => "spec.zone",
            Error::Expression { .. } | Error::Word { .. } | Error::Period | Error::Never => {
                "spec.expression"
            }
        };
        violations.add(field, error.to_string());
    }
    let task = violations.template(task);
    let catch_up = violations.catch_up(catch_up);
    let overlap = violations.overlap(overlap);
    match task {
        Some(NewTask { handler, payload, terms, .. }) if violations.0.is_empty() => {
            let schedule =
                Schedule { expression, zone, catch_up, overlap, handler, payload, terms };
            Ok((name.as_str().into(), schedule))
        }
        Some(_) | None => Err(grpc_status::invalid(violations.0)),
    }
}

impl Violations {
    /// A task that is made when the schedule says so, and called what follows from it.
    fn template(&mut self, task: Option<proto::TaskSpec>) -> Option<NewTask> {
        let Some(task) = task else {
            self.add("spec.task", "must be given");
            return None;
        };
        for (field, is_given) in [
            ("task_id", !task.task_id.is_empty()),
            ("start", task.start.is_some()),
            ("after", !task.after.is_empty()),
            ("unique", task.unique.is_some()),
            ("payload_blob", task.payload_blob.is_some()),
            // Nothing would keep them from one firing to the next.
            ("blobs", !task.blobs.is_empty()),
            // Each is made later, by itself.
            ("traceparent", !task.traceparent.is_empty()),
        ] {
            if is_given {
                self.add(format!("spec.task.{field}"), "is not for the tasks of a schedule");
            }
        }
        // Any name: it is not kept.
        let task_id = Uuid::max().to_string();
        let task = proto::TaskSpec {
            task_id,
            start: None,
            after: Vec::new(),
            unique: None,
            payload_blob: None,
            ..task
        };
        self.task(|| "spec.task".to_owned(), task, &mut LastName::default())
    }

    fn catch_up(&mut self, catch_up: i32) -> CatchUp {
        match proto::CatchUp::try_from(catch_up) {
            Ok(proto::CatchUp::Unspecified | proto::CatchUp::Skip) => CatchUp::Skip,
            Ok(proto::CatchUp::One) => CatchUp::One,
            Ok(proto::CatchUp::All) => CatchUp::All,
            Err(_) => {
                self.add("spec.catch_up", format!("{catch_up} is not a way to catch up"));
                CatchUp::default()
            }
        }
    }

    fn overlap(&mut self, overlap: i32) -> Overlap {
        match proto::Overlap::try_from(overlap) {
            Ok(proto::Overlap::Unspecified | proto::Overlap::Allow) => Overlap::Allow,
            Ok(proto::Overlap::Skip) => Overlap::Skip,
            Err(_) => {
                self.add("spec.overlap", format!("{overlap} is not a way to overlap"));
                Overlap::default()
            }
        }
    }
}
