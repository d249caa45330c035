//! Arrays, and flows of tasks and arrays, as clients say them.

use common::grpc_status;
use common::proto;
use common::proto::flow_part::Part;
use orquestrador_core::command::{NewArray, NewWork};
use orquestrador_core::content::Content;
use orquestrador_core::ids::{ArrayId, HandlerName};
use orquestrador_core::ranges::Ranges;
use tonic::Status;

use super::terms::Way;
use super::{LastName, MAX_TASKS, MAX_VIOLATIONS, Violations, blob_refs, parse_id};

/// # Errors
/// `INVALID_ARGUMENT` naming `field`.
pub fn array_id(field: &str, text: &str) -> Result<ArrayId, Status> {
    parse_array_id(text).map_err(|why| grpc_status::invalid([(field.to_owned(), why)]))
}

fn parse_array_id(text: &str) -> Result<ArrayId, String> {
    let id = ArrayId(parse_id(text)?.0);
    match id.is_valid() {
        true => Ok(id),
        false => Err("must be a UUID of version 8 whose last four bytes are 0".into()),
    }
}

/// # Errors
/// `INVALID_ARGUMENT`: there is none, or one violation for each field that is wrong.
pub fn new_array(spec: Option<proto::ArraySpec>) -> Result<NewArray, Status> {
    let mut violations = Violations::default();
    let array = match spec {
        Some(spec) => violations.array(&|| "array".to_owned(), spec),
        None => {
            violations.add("array", "must be given");
            None
        }
    };
    array.ok_or_else(|| grpc_status::invalid(violations.0))
}

/// An array without the tasks at these places.
///
/// # Errors
/// `INVALID_ARGUMENT`: one violation for each field that is wrong.
pub fn part_of_array(
    spec: proto::ArraySpec,
    except: Vec<proto::PlaceRange>,
) -> Result<NewArray, Status> {
    let array = new_array(Some(spec))?;
    let mut without = Ranges::default();
    for proto::PlaceRange { first, count } in except {
        match first.checked_add(count).filter(|end| *end <= array.count) {
            Some(end) => without.insert(first..end),
            None => {
                let why = format!("{count} places from {first} on are too many");
                return Err(grpc_status::invalid([("except".to_owned(), why)]));
            }
        }
    }
    if without.count() == array.count {
        return Err(grpc_status::invalid([("except".to_owned(), "leaves no task".to_owned())]));
    }
    Ok(NewArray { without: without.iter().collect(), ..array })
}

/// # Errors
/// `INVALID_ARGUMENT`: one violation for each field of each part that is wrong, the first 20.
pub fn flow(parts: Vec<proto::FlowPart>) -> Result<Vec<NewWork>, Status> {
    let mut violations = Violations::default();
    if parts.is_empty() || parts.len() > MAX_TASKS {
        violations.add("parts", format!("has {} parts, 1 to {MAX_TASKS} are allowed", parts.len()));
        return violations.or(Vec::new());
    }
    let (mut work, mut names) = (Vec::with_capacity(parts.len()), LastName::default());
    for (nth, proto::FlowPart { part }) in parts.into_iter().enumerate() {
        let path = || format!("parts[{nth}]");
        match part {
            Some(Part::Task(spec)) => {
                if spec.unique.is_some() {
                    let why = "is only for a task submitted alone";
                    violations.add(format!("{}.unique", path()), why);
                }
                work.extend(violations.task(path, spec, &mut names).map(NewWork::Task));
            }
            Some(Part::Array(spec)) => {
                work.extend(violations.array(&path, spec).map(NewWork::Array));
            }
            None => violations.add(path(), "must be a task or an array"),
        }
        if violations.0.len() >= MAX_VIOLATIONS {
            break;
        }
    }
    violations.or(work)
}

impl Violations {
    /// The array, if nothing is wrong with it; `path` names it in the request.
    fn array(&mut self, path: &impl Fn() -> String, spec: proto::ArraySpec) -> Option<NewArray> {
        let before = self.0.len();
        let proto::ArraySpec { array_id, handler, payload, first, count, .. } = spec;
        let id = parse_array_id(&array_id);
        let id = id.map_err(|why| self.add(format!("{}.array_id", path()), why)).ok();
        let way = Way {
            delivery: spec.delivery,
            retry: spec.retry,
            max_lost_attempts: spec.max_lost_attempts,
            queue: &spec.queue,
            priority: spec.priority,
            attempt_ms: spec.attempt_timeout_ms,
            begin_ms: spec.expires_after_ms,
            end_ms: spec.deadline_after_ms,
            needs: spec.needs,
            group: &spec.group,
            webhook: &spec.webhook,
        };
        let terms = self.work(path, (&handler, &payload), way);
        if count == 0 || first.checked_add(count).is_none() {
            let why = format!("{count} tasks from number {first} on are too few or too many");
            self.add(format!("{}.count", path()), why);
        }
        let end = spec.expires_after_ms.into_iter().chain(spec.deadline_after_ms).min();
        let is_delayed = spec.start.is_some();
        let start = self.start(path, spec.start.map(like_a_task), end);
        let after =
            self.after(path, (&spec.after, &spec.sources), spec.after_condition, is_delayed);
        let blobs = blob_refs(&spec.blobs)
            .map_err(|why| self.add(format!("{}.blobs", path()), why))
            .unwrap_or_default();
        let trace = self.trace(path, &spec.traceparent);
        let (id, terms) = id.zip(terms).filter(|_| self.0.len() == before)?;
        let (handler, without) = (HandlerName::from(handler.as_str()), Vec::new());
        let payload = Content::Inline(payload).into_kept();
        Some(NewArray {
            id,
            handler,
            payload,
            terms,
            first,
            count,
            without,
            start,
            after,
            blobs,
            trace,
        })
    }
}

fn like_a_task(start: proto::array_spec::Start) -> proto::task_spec::Start {
    match start {
        proto::array_spec::Start::StartDelayMs(ms) => proto::task_spec::Start::StartDelayMs(ms),
        proto::array_spec::Start::NotBeforeMs(ms) => proto::task_spec::Start::NotBeforeMs(ms),
    }
}
