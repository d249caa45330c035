//! Wire messages into types that cannot be wrong. All that is wrong is named at once.

mod arrays;
mod schedules;
mod terms;

use std::collections::BTreeMap;

use common::auth::token_name;
use common::blobs::{MAX_BLOB_BYTES, MAX_BLOBS};
use common::grpc_status;
use common::proto;
use orquestrador_core::command::{AttemptRef, ConnectWorker, NewTask, TaskFilter};
use orquestrador_core::content::{self, Content};
use orquestrador_core::effect::TaskState;
use orquestrador_core::ids::{
    Attempt, Blob, BlobId, BlobRef, GroupName, HandlerName, ProcessId, SessionId, TaskId,
    Timestamp, TokenName, WorkerId,
};
use tonic::Status;
use uuid::Uuid;

pub use arrays::{array_id, flow, new_array, part_of_array};
pub use schedules::{new_schedule, schedule_name};
use terms::Way;

/// Tasks in one request.
pub const MAX_TASKS: usize = 10_000;
/// Tasks on one page.
pub const MAX_PAGE: usize = 1_000;
const DEFAULT_PAGE: usize = 100;
/// Bytes of a name: of a handler, a user, a worker, a label.
pub const MAX_NAME: usize = 128;
const MAX_TOKEN: usize = 256;
pub const MIN_TOKEN: usize = 8;
pub const MAX_SLOTS: u32 = 4_096;
const MAX_HANDLERS: usize = 256;
const MAX_LABELS: usize = 64;
/// Violations that one answer names.
const MAX_VIOLATIONS: usize = 20;
/// Bytes of an error message that are kept.
const MAX_MESSAGE: usize = 4_096;

/// What is wrong with a request, field by field.
#[derive(Default)]
struct Violations(Vec<(String, String)>);

/// The tasks of a batch mostly have the same handler: its name is kept once.
#[derive(Default)]
struct LastName(Option<HandlerName>);

impl LastName {
    fn of(&mut self, handler: &str) -> HandlerName {
        match &self.0 {
            Some(last) if *last.0 == *handler => last.clone(),
            Some(_) | None => self.0.insert(handler.into()).clone(),
        }
    }
}

impl Violations {
    fn add(&mut self, field: impl Into<String>, text: impl Into<String>) {
        self.0.push((field.into(), text.into()));
    }

    fn or<T>(self, value: T) -> Result<T, Status> {
        if self.0.is_empty() { Ok(value) } else { Err(grpc_status::invalid(self.0)) }
    }

    /// The task, if nothing is wrong with it; `path` names it in the request.
    fn task(
        &mut self,
        path: impl Fn() -> String,
        spec: proto::TaskSpec,
        names: &mut LastName,
    ) -> Option<NewTask> {
        let before = self.0.len();
        let id = parse_id(&spec.task_id)
            .and_then(not_for_arrays)
            .map_err(|why| self.add(format!("{}.task_id", path()), why))
            .ok();
        let way = Way {
            delivery: spec.delivery,
            retry: spec.retry.map(|retry| *retry),
            max_lost_attempts: spec.max_lost_attempts,
            queue: &spec.queue,
            priority: spec.priority,
            attempt_ms: spec.attempt_timeout_ms,
            begin_ms: spec.expires_after_ms,
            end_ms: spec.deadline_after_ms,
            needs: spec.needs.map(|needs| *needs),
            group: &spec.group,
            webhook: &spec.webhook,
        };
        let end = spec.expires_after_ms.into_iter().chain(spec.deadline_after_ms).min();
        let terms = self.work(&path, (&spec.handler, &spec.payload), way);
        let is_delayed = spec.start.is_some();
        let start = self.start(&path, spec.start, end);
        let after =
            self.after(&path, (&spec.after, &spec.sources), spec.after_condition, is_delayed);
        let key = spec.unique.and_then(|unique| self.key(&path, *unique));
        let mut referred = spec.blobs;
        let payload = match spec.payload_blob {
            Some(_) if !spec.payload.is_empty() => {
                self.add(format!("{}.payload_blob", path()), "is not for a task with a payload");
                return None;
            }
            Some(blob) => {
                let read = blob_ref(&blob);
                referred.push(*blob);
                let wrong = |why| self.add(format!("{}.payload_blob", path()), why);
                Content::Referred(read.map_err(wrong).ok()?)
            }
            None => Content::Inline(spec.payload),
        };
        let payload = payload.into_kept();
        let blobs = blob_refs(&referred)
            .map_err(|why| self.add(format!("{}.blobs", path()), why))
            .unwrap_or_default();
        let trace = self.trace(&path, &spec.traceparent);
        let id = id.filter(|_| self.0.len() == before)?;
        let handler = names.of(&spec.handler);
        Some(NewTask { id, handler, payload, terms: terms?, start, after, key, blobs, trace })
    }

    fn page_size(&mut self, size: u32) -> usize {
        match size as usize {
            0 => DEFAULT_PAGE,
            size @ 1..=MAX_PAGE => size,
            size => {
                self.add("page_size", format!("is {size}, at most {MAX_PAGE} is allowed"));
                0
            }
        }
    }

    /// Empty: from the beginning.
    fn page_token(&mut self, token: &str) -> Option<TaskId> {
        if token.is_empty() {
            return None;
        }
        let id = parse_id(token).ok();
        if id.is_none() {
            self.add("page_token", "is not the token of an earlier page");
        }
        id
    }

    /// Empty: none.
    fn optional_name<'n>(&mut self, field: &str, name: &'n str) -> Option<&'n str> {
        if name.is_empty() {
            return None;
        }
        self.name(field, name);
        Some(name)
    }

    fn name(&mut self, field: &str, name: &str) {
        if let Some(text) = name_violation(name) {
            self.add(field, text);
        }
    }
}

/// Each once.
pub fn blob_refs(blobs: &[proto::BlobRef]) -> Result<Vec<BlobRef>, String> {
    if blobs.len() > MAX_BLOBS {
        return Err(format!("are {}, at most {MAX_BLOBS} are allowed", blobs.len()));
    }
    let read: BTreeMap<_, _> =
        blobs.iter().map(blob_ref).map(|b| b.map(|b| (b.id, b))).collect::<Result<_, _>>()?;
    Ok(read.into_values().collect())
}

pub fn blob_ref(blob: &proto::BlobRef) -> Result<BlobRef, String> {
    match BlobId::from_bytes(&blob.id) {
        Some(_) if blob.bytes > MAX_BLOB_BYTES => {
            Err(format!("has {} bytes, at most {MAX_BLOB_BYTES} are allowed", blob.bytes))
        }
        Some(id) => Ok(BlobRef { id, bytes: blob.bytes }),
        None => Err("must be named by 32 bytes".to_owned()),
    }
}

/// What was submitted in good order, unless a payload is longer than `limit`.
///
/// # Errors
/// `INVALID_ARGUMENT` that names the limit.
pub fn within_payload_limit<'a>(
    payloads: impl Iterator<Item = &'a Blob>,
    limit: u64,
    path: impl Fn(usize) -> String,
) -> Result<(), Status> {
    let mut lengths = payloads.map(|payload| content::length(payload)).enumerate();
    let Some((nth, bytes)) = lengths.find(|(_, bytes)| *bytes > limit) else { return Ok(()) };
    let path = path(nth);
    let why = format!("has {bytes} bytes, at most {limit} (--max-payload-bytes) are allowed");
    Err(grpc_status::invalid([(format!("{path}.payload"), why)]))
}

pub fn name_violation(name: &str) -> Option<String> {
    if name.is_empty() {
        Some("must not be empty".into())
    } else if name.len() > MAX_NAME {
        Some(format!("has {} bytes, at most {MAX_NAME} are allowed", name.len()))
    } else if name.chars().any(|c| c.is_control() || c.is_whitespace()) {
        Some("must not contain spaces or control characters".into())
    } else {
        None
    }
}

/// # Errors
/// `INVALID_ARGUMENT` naming `field`.
pub fn task_id(field: &str, text: &str) -> Result<TaskId, Status> {
    parse_id(text).map_err(|why| grpc_status::invalid([(field.to_owned(), why)]))
}

/// Of a task that is to be made.
///
/// # Errors
/// `INVALID_ARGUMENT` naming `field`.
pub fn new_task_id(field: &str, text: &str) -> Result<TaskId, Status> {
    let id = parse_id(text).and_then(not_for_arrays);
    id.map_err(|why| grpc_status::invalid([(field.to_owned(), why)]))
}

fn not_for_arrays(id: TaskId) -> Result<TaskId, String> {
    match id.is_for_arrays() {
        false => Ok(id),
        true => Err("must not be of version 8, which is for arrays".to_owned()),
    }
}

fn parse_id(text: &str) -> Result<TaskId, String> {
    match Uuid::try_parse(text) {
        Ok(id) if id.is_nil() => Err("must not be the nil UUID".into()),
        Ok(id) if text.len() == 36 => Ok(TaskId(id.as_u128())),
        _ => Err("must be a UUID in its canonical form of 36 characters".into()),
    }
}

/// # Errors
/// `INVALID_ARGUMENT`: there is none, or one violation for each field that is wrong.
pub fn new_task(spec: Option<proto::TaskSpec>) -> Result<NewTask, Status> {
    let mut violations = Violations::default();
    let task = match spec {
        Some(spec) => violations.task(|| "task".to_owned(), spec, &mut LastName::default()),
        None => {
            violations.add("task", "must be given");
            None
        }
    };
    task.ok_or_else(|| grpc_status::invalid(violations.0))
}

/// # Errors
/// `INVALID_ARGUMENT`: one violation for each field of each task that is wrong, the first 20.
pub fn new_tasks(specs: Vec<proto::TaskSpec>) -> Result<Vec<NewTask>, Status> {
    let mut violations = Violations::default();
    if specs.is_empty() || specs.len() > MAX_TASKS {
        violations.add("tasks", format!("has {} tasks, 1 to {MAX_TASKS} are allowed", specs.len()));
        return violations.or(Vec::new());
    }
    let (mut tasks, mut names) = (Vec::with_capacity(specs.len()), LastName::default());
    for (nth, spec) in specs.into_iter().enumerate() {
        if spec.unique.is_some() {
            violations.add(format!("tasks[{nth}].unique"), "is only for a task submitted alone");
        }
        tasks.extend(violations.task(|| format!("tasks[{nth}]"), spec, &mut names));
        if violations.0.len() >= MAX_VIOLATIONS {
            break;
        }
    }
    violations.or(tasks)
}

/// # Errors
/// `INVALID_ARGUMENT` for too many ids or a malformed one.
pub fn task_ids(field: &str, ids: &[String]) -> Result<Vec<TaskId>, Status> {
    if ids.len() > MAX_TASKS {
        let text = format!("has {} ids, at most {MAX_TASKS} are allowed", ids.len());
        return Err(grpc_status::invalid([(field.to_owned(), text)]));
    }
    ids.iter().enumerate().map(|(nth, id)| task_id(&format!("{field}[{nth}]"), id)).collect()
}

/// What a watch asks for.
pub enum Watch {
    Tasks(Vec<TaskId>),
    /// `None`: all that the caller has.
    Beyond {
        group: Option<GroupName>,
        since: Option<u64>,
    },
}

/// # Errors
/// `INVALID_ARGUMENT`: one violation for each field that is wrong.
pub fn watch(request: &proto::WatchTasksRequest) -> Result<Watch, Status> {
    let mut violations = Violations::default();
    let tasks = task_ids("task_ids", &request.task_ids)?;
    let group = violations.optional_name("group", &request.group).map(Into::into);
    let since = request.since_position;
    if tasks.is_empty() {
        return violations.or(Watch::Beyond { group, since });
    }
    if group.is_some() {
        violations.add("group", "is not for a watch of task_ids");
    }
    if since.is_some() {
        violations.add("since_position", "is not for a watch of task_ids");
    }
    violations.or(Watch::Tasks(tasks))
}

/// What a listing asks for.
pub struct Page {
    pub filter: Box<TaskFilter>,
    pub after: Option<TaskId>,
    pub limit: usize,
}

/// # Errors
/// `INVALID_ARGUMENT` for an unknown state, page size or token, or what cannot be a name.
pub fn page(request: &proto::ListTasksRequest) -> Result<Page, Status> {
    let mut violations = Violations::default();
    let mut filter = Box::<TaskFilter>::default();
    for wanted in &request.states {
        match proto::TaskState::try_from(*wanted).ok().and_then(known_state) {
            Some(state) => filter.states.0 |= bit(state),
            None => violations.add("states", format!("{wanted} is not a task state")),
        }
    }
    let limit = violations.page_size(request.page_size);
    let after = violations.page_token(&request.page_token);
    filter.queue = violations.optional_name("queue", &request.queue).map(Into::into);
    filter.handler = violations.optional_name("handler", &request.handler).map(Into::into);
    filter.worker = violations.optional_name("worker_id", &request.worker_id).map(Into::into);
    filter.since = request.submitted_since_ms.map(Timestamp);
    filter.until = request.submitted_until_ms.map(Timestamp);
    filter.group = violations.optional_name("group", &request.group).map(Into::into);
    filter.code = violations.optional_name("error_code", &request.error_code).map(Into::into);
    filter.schedule = violations.optional_name("schedule", &request.schedule).map(Into::into);
    filter.array = match request.array_id.is_empty() {
        true => None,
        false => {
            let known = super::validate::array_id("array_id", &request.array_id);
            known.map_err(|_| violations.add("array_id", "is not the id of an array")).ok()
        }
    };
    if !request.task_id.is_empty() {
        let is_alone = *filter == TaskFilter::default() && after.is_none();
        match task_id("task_id", &request.task_id) {
            Ok(task) if is_alone => filter.task = Some(task),
            Ok(_) => {
                violations.add("task_id", "is not for a list with other filters, or a later page")
            }
            Err(_) => violations.add("task_id", "is not the id of a task"),
        }
    }
    violations.or(Page { filter, after, limit })
}

/// # Errors
/// `INVALID_ARGUMENT` naming the field.
pub fn group_name(name: &str) -> Result<GroupName, Status> {
    match name_violation(name) {
        Some(why) => Err(grpc_status::invalid([("group".to_owned(), why)])),
        None => Ok(name.into()),
    }
}

/// # Errors
/// `INVALID_ARGUMENT` for a page size or token.
pub fn page_of_groups(
    request: &proto::ListGroupsRequest,
) -> Result<(Option<GroupName>, usize), Status> {
    let mut violations = Violations::default();
    let limit = violations.page_size(request.page_size);
    let after = violations.optional_name("page_token", &request.page_token).map(Into::into);
    violations.or((after, limit))
}

/// # Errors
/// `INVALID_ARGUMENT` for a page size or token.
pub fn page_of_webhooks(
    request: &proto::ListWebhooksRequest,
) -> Result<(Option<TaskId>, usize), Status> {
    let mut violations = Violations::default();
    let limit = violations.page_size(request.page_size);
    let after = violations.page_token(&request.page_token);
    violations.or((after, limit))
}

/// # Errors
/// `INVALID_ARGUMENT` for what is no token.
pub fn page_after(token: &str) -> Result<Option<TaskId>, Status> {
    let mut violations = Violations::default();
    let after = violations.page_token(token);
    violations.or(after)
}

fn known_state(state: proto::TaskState) -> Option<TaskState> {
    match state {
        proto::TaskState::Unspecified => None,
        proto::TaskState::Queued => Some(TaskState::Queued),
        proto::TaskState::Running => Some(TaskState::Running),
        proto::TaskState::Succeeded => Some(TaskState::Succeeded),
        proto::TaskState::Failed => Some(TaskState::Failed),
        proto::TaskState::Cancelled => Some(TaskState::Cancelled),
        proto::TaskState::Lost => Some(TaskState::Lost),
    }
}

fn bit(state: TaskState) -> u8 {
    TaskState::ALL.iter().position(|s| *s == state).map_or(0, |nth| 1 << nth)
}

/// The session is filled in by the caller.
///
/// # Errors
/// `INVALID_ARGUMENT`
pub fn registration(register: proto::Register) -> Result<ConnectWorker, Status> {
    let mut violations = Violations::default();
    violations.name("worker_id", &register.worker_id);
    let incarnation = Uuid::try_parse(&register.incarnation).unwrap_or_default();
    if incarnation.is_nil() {
        violations.add("incarnation", "must be a UUID");
    }
    if !(1..=MAX_SLOTS).contains(&register.slots) {
        violations.add("slots", format!("is {}, 1 to {MAX_SLOTS} are allowed", register.slots));
    }
    if register.handlers.is_empty() || register.handlers.len() > MAX_HANDLERS {
        violations.add("handlers", format!("must name 1 to {MAX_HANDLERS} handlers"));
    }
    for handler in &register.handlers {
        violations.name("handlers", handler);
    }
    if register.labels.len() > MAX_LABELS {
        violations.add("labels", format!("has more than {MAX_LABELS} labels"));
    }
    for (key, value) in &register.labels {
        violations.name("labels", key);
        if value.len() > MAX_NAME {
            violations
                .add("labels", format!("the value of `{key}` is longer than {MAX_NAME} bytes"));
        }
    }
    if register.resources.len() > MAX_LABELS {
        violations.add("resources", format!("has more than {MAX_LABELS} resources"));
    }
    for name in register.resources.keys() {
        violations.name("resources", name);
    }
    let mut held = Vec::with_capacity(register.held.len());
    for attempt in &register.held {
        match parse_id(&attempt.task_id) {
            Ok(task) => held.push(AttemptRef { task, attempt: Attempt(attempt.attempt) }),
            Err(why) => violations.add("held", why),
        }
    }
    let mut handlers: Vec<_> =
        register.handlers.iter().map(|h| HandlerName::from(h.as_str())).collect();
    handlers.sort();
    handlers.dedup();
    let mut labels: Vec<_> = register.labels.into_iter().collect();
    labels.sort();
    let mut resources: Vec<_> = register.resources.into_iter().collect();
    resources.sort();
    violations.or(ConnectWorker {
        session: SessionId::default(),
        worker: WorkerId::from(register.worker_id.as_str()),
        incarnation: ProcessId(incarnation.as_u128()),
        slots: register.slots,
        handlers,
        labels,
        resources,
        held,
    })
}

/// # Errors
/// `INVALID_ARGUMENT`
pub fn new_user(request: &proto::AddUserRequest) -> Result<(), Status> {
    let mut violations = Violations::default();
    violations.name("user", &request.user);
    if !request.user.is_ascii() {
        violations.add("user", "must be ASCII");
    }
    let length = request.token.len();
    if !(MIN_TOKEN..=MAX_TOKEN).contains(&length) {
        violations.add("token", format!("must have {MIN_TOKEN} to {MAX_TOKEN} characters"));
    }
    if !request.token.bytes().all(|b| b.is_ascii_graphic()) {
        violations.add("token", "must be visible ASCII characters");
    }
    if token_name(&request.token).is_some_and(|name| name != TokenName::MAIN) {
        violations.add("token", "must not look like a token of a name other than `main`");
    }
    violations.or(())
}

/// # Errors
/// `INVALID_ARGUMENT` for something that is no word.
pub fn failure_code(code: String) -> Result<String, Status> {
    match name_violation(&code) {
        None => Ok(code),
        Some(why) => Err(grpc_status::invalid([("code".to_owned(), why)])),
    }
}

/// Cut at a character's border.
pub fn shortened(mut message: String) -> String {
    if message.len() > MAX_MESSAGE {
        let end = (0..=MAX_MESSAGE).rev().find(|&at| message.is_char_boundary(at)).unwrap_or(0);
        message.truncate(end);
    }
    message
}
