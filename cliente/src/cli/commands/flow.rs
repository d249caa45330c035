//! `cliente submit --file FLOW.toml`: tasks and the order among them, submitted together.

use std::collections::BTreeMap;
use std::path::Path;

use clap::ValueEnum as _;
use cliente::{After, RetryPolicy, TaskSpec, TimeLimits};
use common::blobs::relative_path;
use common::exit;
use common::messages::Message as _;
use common::messages::client::ClientMessage;
use common::messages::flow::FlowProblem;
use common::proto::{Receipt, Task, TaskState, TaskUpdate};

use super::super::Context;
use super::super::args::{self, Submit, Surroundings};
use super::super::failure::Failure;
use super::super::files::{self, Prepared, Sender};
use super::super::flow::{self, Common, Problem, Written};
use super::super::folder;
use super::super::output::{self, TaskView};
use super::super::report;
use super::super::terminal::say;
use super::order::{Order, Place};
use super::{payload, wait};

/// Characters of the name of a group that are the file's, and those that are random.
const MAX_STEM: usize = 24;
const SUFFIX: usize = 8;

pub async fn submit(context: &Context, options: &Submit, source: &str) -> Result<u8, Failure> {
    let text = payload::text(source, payload::read(source)?)?;
    let refused = |problem: FlowProblem| {
        Failure::usage(ClientMessage::Flow { source: source.to_owned(), problem })
    };
    let flow = flow::read(&text).map_err(|problem| refused(told(problem)))?;
    let written = flow.tasks;
    let group = options.way.group.clone().or(flow.group);
    let group = group.unwrap_or_else(|| new_group(source));
    let mut ids = BTreeMap::new();
    let mut specs = Vec::new();
    let sender = Sender::new(context.client.clone());
    let mut all = Prepared::default();
    for (name, task) in &written {
        let prepared = sender.prepare(&task.inputs).await?;
        all.sources.extend(prepared.sources.iter().cloned());
        let spec = spec(task, options, (&ids, &prepared)).map_err(|(field, value)| {
            refused(FlowProblem::BadValue { task: name.clone(), field, value })
        })?;
        ids.insert(name.clone(), spec.task_id.clone());
        specs.push(TaskSpec { group: Some(group.clone()), ..spec });
    }
    let submit = || context.client.submit_together(specs.clone(), options.allow_unknown_handler);
    let submitted = files::submit_with(&sender, &all, submit).await?;
    let batch = submitted.map_err(|error| by_name(error, &written))?;
    if !context.is_json {
        let count = batch.task_ids.len() as u64;
        let group = group.clone();
        say(&ClientMessage::AcceptedFlow { count, group }.text(context.lang));
    }
    let accepted: Vec<_> = batch.task_ids.iter().map(String::as_str).zip(&written).collect();
    if !options.wait.wait {
        accepted.iter().try_for_each(|accepted| tell(context, *accepted, &group, batch.receipt))?;
        return Ok(exit::OK);
    }
    let mut open: BTreeMap<String, String> = ids.into_iter().map(|(name, id)| (id, name)).collect();
    let show = |update: TaskUpdate| {
        let Some(task) = update.task else { return Ok(()) };
        let name = open.remove(&task.task_id).unwrap_or_default();
        let view = TaskView::new(task, update.result, Some(batch.receipt));
        output::print(&context.output.named(("name", &name), &view))?;
        report::say_failure(context, &view);
        Ok(())
    };
    let finished = wait::until_finished(context, batch.task_ids.clone(), show);
    let waited = wait::within(options.wait.wait_timeout, finished).await;
    if waited.is_err() {
        let mut open = accepted.into_iter().filter(|(id, _)| open.contains_key(*id));
        open.try_for_each(|accepted| tell(context, accepted, &group, batch.receipt))?;
    }
    let tally = waited?;
    if !context.is_json {
        say(&tally.summary().text(context.lang));
    }
    Ok(tally.exit_code())
}

/// The name of the file and something that is only this submission's.
fn new_group(source: &str) -> String {
    let stem = Path::new(source).file_stem().filter(|_| source != payload::STDIN);
    let stem = stem.map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let is_fit = |c: &char| !c.is_whitespace() && !c.is_control();
    let stem: String = stem.chars().filter(is_fit).take(MAX_STEM).collect();
    let stem = if stem.is_empty() { "flow" } else { &stem };
    let id = cliente::new_task_id();
    let (_, suffix) = id.split_at(id.len().saturating_sub(SUFFIX));
    format!("{stem}-{suffix}")
}

/// Of a task that is not finished its name and its id.
fn tell(
    context: &Context,
    (id, (name, task)): (&str, &(String, Written)),
    group: &str,
    receipt: Receipt,
) -> Result<(), Failure> {
    let handler = task.handler.clone().unwrap_or_else(|| payload::COMMAND.to_owned());
    let (task_id, state) = (id.to_owned(), TaskState::Queued.into());
    let task = Task { task_id, handler, state, group: group.to_owned(), ..Task::default() };
    let view = TaskView::without_result(task, Some(receipt));
    output::print(&context.output.named(("name", name), &view))
}

/// The orchestrator knows the tasks by their number in the request.
fn by_name(mut error: cliente::Error, tasks: &[(String, Written)]) -> cliente::Error {
    for (nth, (name, _)) in tasks.iter().enumerate() {
        let number = format!("tasks[{nth}]");
        if error.message.contains(&number) {
            error.message = error.message.replace(&number, name);
        }
    }
    error
}

fn told(problem: Problem) -> FlowProblem {
    match problem {
        Problem::Unreadable(why) => FlowProblem::Unreadable { why },
        Problem::Empty => FlowProblem::Empty,
        Problem::UnknownField { task, field } => FlowProblem::UnknownField { task, field },
        Problem::UnknownTask { task, other } => FlowProblem::UnknownTask { task, other },
        Problem::Cycle(names) => FlowProblem::Cycle { names: names.join(" → ") },
        Problem::WorkNotClear { task } => FlowProblem::WorkNotClear { task },
        Problem::Contradiction { task, fields } => FlowProblem::Contradiction { task, fields },
        Problem::Useless { task, field } => FlowProblem::Useless { task, field },
    }
}

/// A field and its value, which is none.
type BadValue = (&'static str, String);

/// `ids`: of the tasks before it, by name.
/// What neither the task nor the file's defaults say is as the flags say.
fn spec(
    task: &Written,
    options: &Submit,
    (ids, prepared): (&BTreeMap<String, String>, &Prepared),
) -> Result<TaskSpec, BadValue> {
    let Common { queue, priority, delivery, .. } = &task.common;
    let handler = task.handler.as_deref().unwrap_or(payload::COMMAND);
    let content = match &task.handler {
        Some(_) => task.payload.clone().unwrap_or_default().into_bytes(),
        None => order(task, &options.surroundings, prepared)?.payload(),
    };
    let mut spec = TaskSpec::new(handler, content);
    spec.blobs = prepared.sources.iter().map(|(content, _)| *content).collect();
    let (place, times, needs) = (options.way.place(), options.way.times(), options.way.needs());
    spec.delivery = match delivery {
        Some(mode) => {
            let known = args::Delivery::from_str(mode, false);
            known.map_err(|_| ("delivery", mode.clone()))?.into()
        }
        None => options.delivery.into(),
    };
    spec.place = cliente::Place {
        queue: queue.clone().unwrap_or(place.queue),
        priority: priority.unwrap_or(place.priority),
    };
    spec.retry = match task.common.retries {
        Some(_) => retry(&task.common)?,
        None => options.retry.policy(),
    };
    if spec.retry.is_some() && spec.delivery == cliente::Delivery::AtMostOnce {
        return Err(("retries", "at-most-once".to_owned()));
    }
    let common = &task.common;
    spec.times = TimeLimits {
        attempt: time("attempt_timeout", common.attempt_timeout.as_deref())?.or(times.attempt),
        begin: time("expires", common.expires.as_deref())?.or(times.begin),
        end: time("deadline", common.deadline.as_deref())?.or(times.end),
    };
    spec.needs = cliente::Needs {
        slots: common.slots.unwrap_or(needs.slots),
        labels: common.labels.clone().unwrap_or(needs.labels),
        resources: common.resources.clone().unwrap_or(needs.resources),
    };
    spec.webhook = common.webhook.clone().or_else(|| options.way.webhook.clone());
    let after = task.after.iter().filter_map(|other| ids.get(other).cloned()).collect();
    spec.after = After { ids: after, any_end: task.after_any_end };
    Ok(spec)
}

/// Of the handler `command`. What the file does not say of its surroundings, the flags may.
fn order(task: &Written, flags: &Surroundings, prepared: &Prepared) -> Result<Order, BadValue> {
    let argv = match (&task.command, &task.shell) {
        (Some(argv), _) => argv.clone(),
        (None, Some(line)) => vec!["sh".into(), "-c".into(), line.clone()],
        (None, None) => Vec::new(),
    };
    let Common { cwd, own_dir, memory_limit, .. } = &task.common;
    let place = match (cwd, own_dir) {
        (Some(dir), _) => {
            let dir = folder::absolute(dir).map_err(|_| ("cwd", dir.clone()))?;
            Place { cwd: Some(dir), own_dir: false }
        }
        (None, Some(true)) => Place { cwd: None, own_dir: true },
        (None, Some(false)) => Place { own_dir: false, ..flags.into() },
        (None, None) => flags.into(),
    };
    let limit = memory_limit.as_ref();
    let limit = limit.map(|text| args::bytes(text).map_err(|_| ("memory_limit", text.clone())));
    let memory_limit = limit.transpose()?.or(flags.memory_limit);
    if let Some(name) = task.outputs.iter().find(|name| relative_path(name).is_err()) {
        return Err(("outputs", name.clone()));
    }
    if place.cwd.is_some() && !(task.inputs.is_empty() && task.outputs.is_empty()) {
        return Err(("cwd", place.cwd.unwrap_or_default()));
    }
    Ok(Order {
        argv,
        env: task.env.clone(),
        stdin: task.stdin.clone(),
        place,
        memory_limit,
        inputs: prepared.inputs.clone(),
        outputs: task.outputs.clone(),
    })
}

fn retry(common: &Common) -> Result<Option<RetryPolicy>, BadValue> {
    let Some(retries) = common.retries.filter(|retries| *retries > 0) else { return Ok(None) };
    let policy = RetryPolicy::new(retries.saturating_add(1));
    let first = time("retry_delay", common.retry_delay.as_deref())?;
    let first_delay = first.unwrap_or(policy.first_delay);
    let most = time("retry_max_delay", common.retry_max_delay.as_deref())?;
    let max_delay = most.unwrap_or(policy.max_delay.max(first_delay));
    let codes = common.retry_on.clone().unwrap_or_default();
    Ok(Some(RetryPolicy { first_delay, max_delay, codes, ..policy }))
}

fn time(field: &'static str, text: Option<&str>) -> Result<Option<std::time::Duration>, BadValue> {
    let bad = |text: &str| (field, text.to_owned());
    let parsed = text.map(|text| match field {
        "retry_delay" | "retry_max_delay" => args::duration(text).map_err(|_| bad(text)),
        _ => args::positive_duration(text).map_err(|_| bad(text)),
    });
    parsed.transpose()
}
