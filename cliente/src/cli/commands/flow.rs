//! `cliente submit --file FLOW.toml`: tasks and the order among them, submitted together.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use clap::ValueEnum as _;
use cliente::{After, ArraySpec, Produced, RetryPolicy, Start, TaskSpec, TimeLimits, Work};
use common::blobs::{InputFrom, relative_path};
use common::exit;
use common::messages::Message as _;
use common::messages::client::ClientMessage;
use common::messages::client_arrays::ArrayMessage;
use common::messages::client_files::FilesMessage;
use common::messages::client_usage::UsageMessage;
use common::messages::flow::FlowProblem;
use common::proto::{Array, Receipt, Task, TaskState, TaskUpdate};
use futures::future::try_join;
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use indicatif::ProgressBar;

use super::super::Context;
use super::super::args::{self, Submit, Surroundings};
use super::super::failure::Failure;
use super::super::files::{self, Prepared, Sender};
use super::super::flow::{self, Common, Written};
use super::super::folder;
use super::super::output::{self, TaskView};
use super::super::report;
use super::super::taken;
use super::super::terminal::say;
use super::order::{Order, Place};
use super::wait::{self, Tally};
use super::{array, payload};

/// Characters of the name of a group that are the file's, and those that are random.
const MAX_STEM: usize = 24;
const SUFFIX: usize = 8;
/// Of a file of tasks.
const MAX_BYTES: u64 = 16 << 20;
/// Arrays that are asked for at a time.
const ARRAYS_AT_ONCE: usize = 8;

pub async fn submit(context: &Context, options: &Submit, source: &str) -> Result<u8, Failure> {
    let text = payload::text(source, payload::read_within(source, MAX_BYTES)?)?;
    let refused = |problem: FlowProblem| {
        Failure::usage(ClientMessage::Flow { source: source.to_owned(), problem })
    };
    let flow = flow::read(&text).map_err(refused)?;
    let written = flow.tasks;
    let group = options.way.group.clone().or(flow.group);
    // What is submitted once more under its id is the same altogether.
    let id = options.id.clone().unwrap_or_else(cliente::new_task_id);
    let group = group.unwrap_or_else(|| group_of(source, &id));
    let mut ids = BTreeMap::new();
    let mut all = Vec::new();
    // All of a flow is submitted together, so to one group of orchestrators.
    let queue = written.first().and_then(|(_, task)| task.common.queue.clone());
    let queue = queue.unwrap_or_else(|| options.way.place().queue);
    let sender = Sender::new(context.client.clone(), queue);
    let mut sources = Prepared::default();
    for (name, task) in &written {
        not_made_by_others(&written, task)?;
        known_codes(task)?;
        let prepared = sender.prepare(&task.inputs).await?;
        sources.sources.extend(prepared.sources.iter().cloned());
        let bad =
            |(field, value)| refused(FlowProblem::BadValue { task: name.clone(), field, value });
        let spec = spec(task, options, (&ids, &prepared)).map_err(bad)?;
        let spec = TaskSpec { group: Some(group.clone()), ..spec };
        let part = work(task, spec, (&id, name)).map_err(bad)?;
        ids.insert(name.clone(), part.id().to_owned());
        all.push(part);
    }
    let submit = || context.client.submit_together(all.clone(), options.allow_unknown_handler);
    let submitted = files::submit_with(&sender, &sources, submit).await?;
    let batch = submitted.map_err(|error| by_name(error, &written))?;
    if !context.is_json {
        let (count, group) = (all.iter().map(tasks_of).sum(), group.clone());
        let accepted = match batch.accepted {
            0 => ClientMessage::Arrays(ArrayMessage::KnownFlow { group }),
            _ => ClientMessage::AcceptedFlow { count, group },
        };
        say(&accepted.text(context.lang));
    }
    let accepted: Vec<_> = written.iter().map(|(name, _)| name.as_str()).zip(&all).collect();
    if !options.wait.wait {
        accepted.iter().try_for_each(|accepted| tell(context, *accepted, batch.receipt))?;
        return Ok(exit::OK);
    }
    let names = ids.into_iter().map(|(name, id)| (id, name)).collect();
    let open = RefCell::new(names);
    let finished = until_finished(context, &all, (&open, batch.receipt));
    let waited = wait::within(options.wait.wait_timeout, finished).await;
    if waited.is_err() {
        let open = open.borrow();
        let mut open = accepted.into_iter().filter(|(_, work)| open.contains_key(work.id()));
        open.try_for_each(|accepted| tell(context, accepted, batch.receipt))?;
    }
    let tally = waited?;
    if !context.is_json {
        say(&tally.summary().text(context.lang));
    }
    Ok(tally.exit_code())
}

/// `open`: the names of what is not finished, by id.
async fn until_finished(
    context: &Context,
    all: &[Work],
    (open, receipt): (&RefCell<BTreeMap<String, String>>, Receipt),
) -> Result<Tally, Failure> {
    let name_of = |id: &str| open.borrow_mut().remove(id).unwrap_or_default();
    let show = |update: TaskUpdate| {
        let Some(task) = update.task else { return Ok(()) };
        let name = name_of(&task.task_id);
        let result = Produced::read(update.result, update.result_blob.as_deref())?;
        let view = TaskView::new(task, result, Some(receipt));
        output::print(&context.output.named(("name", &name), &view))?;
        report::say_failure(context, &view);
        Ok(())
    };
    let tasks = all.iter().filter(|work| matches!(work, Work::Task(_)));
    let tasks: Vec<_> = tasks.map(|work| work.id().to_owned()).collect();
    let of_tasks = async {
        match tasks.is_empty() {
            true => Ok(Tally::default()),
            false => wait::until_finished(context, tasks, show).await,
        }
    };
    let arrays = all.iter().filter(|work| matches!(work, Work::Array(_)));
    let hidden = ProgressBar::hidden();
    // No harm is done if the end of one is seen later than that of the next.
    let mut ends = stream::iter(arrays)
        .map(|work| array::until_ended(context, work.id(), (&hidden, false)))
        .buffer_unordered(ARRAYS_AT_ONCE);
    let of_arrays = async {
        let mut tally = Tally::default();
        while let Some(array) = ends.try_next().await? {
            let name = name_of(&array.array_id);
            output::print(&context.output.named_array(("name", &name), &array, &receipt))?;
            tally.add(&Tally::of_array(&array));
        }
        Ok(tally)
    };
    let (mut tally, of_arrays) = try_join(of_tasks, of_arrays).await?;
    tally.add(&of_arrays);
    Ok(tally)
}

/// Whoever names as input what another task leaves behind hears that it is not taken along.
fn not_made_by_others(all: &[(String, Written)], task: &Written) -> Result<(), Failure> {
    let missing = task.inputs.iter().filter(|input| !Path::new(input).exists());
    for input in missing {
        let made = all.iter().find(|(_, other)| other.outputs.contains(input));
        if let Some((other, _)) = made {
            let (input, other) = (input.clone(), other.clone());
            let message = FilesMessage::MadeByAnother { input, other };
            return Err(Failure::usage(ClientMessage::Files(message)));
        }
    }
    Ok(())
}

fn known_codes(task: &Written) -> Result<(), Failure> {
    let codes = task.common.retry_on.as_deref().unwrap_or_default();
    match args::unknown_code(codes, task.handler.is_some()) {
        Some((code, meant)) => {
            Err(Failure::usage(ClientMessage::Usage(UsageMessage::UnknownFailure {
                flag: "retry_on",
                code,
                meant,
            })))
        }
        None => Ok(()),
    }
}

/// The name of the file and something that is only this submission's.
fn group_of(source: &str, id: &str) -> String {
    let stem = Path::new(source).file_stem().filter(|_| source != payload::STDIN);
    let stem = stem.map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let is_fit = |c: &char| !c.is_whitespace() && !c.is_control();
    let stem: String = stem.chars().filter(is_fit).take(MAX_STEM).collect();
    let stem = if stem.is_empty() { "flow" } else { &stem };
    let (_, suffix) = id.split_at(id.len().saturating_sub(SUFFIX));
    format!("{stem}-{suffix}")
}

/// Of what is not finished its name and its id.
fn tell(context: &Context, (name, work): (&str, &Work), receipt: Receipt) -> Result<(), Failure> {
    let text = match work {
        Work::Task(spec) => {
            let (task_id, handler) = (spec.task_id.clone(), spec.handler.clone());
            let (state, group) = (TaskState::Queued.into(), spec.group.clone().unwrap_or_default());
            let task = Task { task_id, handler, state, group, ..Task::default() };
            let view = TaskView::without_result(task, Some(receipt));
            context.output.named(("name", name), &view)
        }
        Work::Array(spec) => {
            let array = Array {
                array_id: spec.array_id.clone(),
                handler: spec.handler.clone(),
                state: TaskState::Queued.into(),
                first: spec.numbers.start,
                count: spec.numbers.end - spec.numbers.start,
                queued: spec.numbers.end - spec.numbers.start,
                group: spec.group.clone().unwrap_or_default(),
                ..Array::default()
            };
            context.output.named_array(("name", name), &array, &receipt)
        }
    };
    output::print(&text)
}

fn tasks_of(work: &Work) -> u64 {
    match work {
        Work::Task(_) => 1,
        Work::Array(spec) => (spec.numbers.end - spec.numbers.start).into(),
    }
}

/// One task, or as many as it has numbers.
fn work(written: &Written, spec: TaskSpec, (of, name): (&str, &str)) -> Result<Work, BadValue> {
    let Some(numbers) = &written.array else {
        return Ok(Work::Task(TaskSpec { task_id: cliente::part_id(of, name), ..spec }));
    };
    let array_id = cliente::part_array_id(of, name);
    match args::numbers(numbers) {
        Ok(numbers) => Ok(Work::Array(ArraySpec { array_id, ..ArraySpec::like(spec, numbers.0) })),
        Err(_) => Err(("array", numbers.clone())),
    }
}

/// The orchestrator knows the tasks by their number in the request.
fn by_name(mut error: cliente::Error, tasks: &[(String, Written)]) -> cliente::Error {
    for (nth, (name, _)) in tasks.iter().enumerate() {
        let number = format!("parts[{nth}]");
        if error.message.contains(&number) {
            error.message = error.message.replace(&number, name);
        }
    }
    error
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
        None => {
            let order = order(task, &options.surroundings, prepared)?;
            Order { inputs_from: taken(task, ids)?, ..order }.payload()
        }
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
    spec.max_lost_attempts = common.max_lost_attempts.or(options.retry.max_lost_attempts);
    if let Some(most) = spec.max_lost_attempts
        && (!(1..=1_000).contains(&most) || spec.delivery == cliente::Delivery::AtMostOnce)
    {
        return Err(("max_lost_attempts", most.to_string()));
    }
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
    let after = task.comes_after(|name| ids.contains_key(name));
    let after: BTreeSet<_> = after.filter_map(|other| ids.get(other)).collect();
    let sources = task.inputs_from.iter().map(|from| taken::source(from, |n| ids.contains_key(n)));
    let sources: BTreeSet<_> = sources.filter_map(|name| ids.get(name)).collect();
    let all = |ids: BTreeSet<&String>| ids.into_iter().cloned().collect();
    spec.after = After { ids: all(after), any_end: task.after_any_end, sources: all(sources) };
    spec.start = match (&task.delay, &task.not_before) {
        (Some(delay), _) => {
            Start::After(args::duration(delay).map_err(|_| ("delay", delay.clone()))?)
        }
        (None, Some(at)) => Start::At(args::moment(at).map_err(|_| ("not_before", at.clone()))?),
        (None, None) => Start::Now,
    };
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
    let limit = limit.map(|text| args::memory(text).map_err(|_| ("memory_limit", text.clone())));
    let memory_limit = limit.transpose()?.or(flags.memory_limit);
    if let Some(name) = task.outputs.iter().find(|name| relative_path(name).is_err()) {
        return Err(("outputs", name.clone()));
    }
    let files = [&task.inputs, &task.inputs_from, &task.outputs];
    if place.cwd.is_some() && files.into_iter().any(|files| !files.is_empty()) {
        return Err(("cwd", place.cwd.unwrap_or_default()));
    }
    let mut env: BTreeMap<_, _> = flags.env.iter().cloned().collect();
    env.extend(task.env.clone());
    Ok(Order {
        argv,
        env,
        stdin: task.stdin.clone().into_bytes().into(),
        place,
        memory_limit,
        inputs: prepared.inputs.clone(),
        inputs_from: Vec::new(),
        outputs: task.outputs.clone(),
    })
}

/// What it takes of the tasks before it.
fn taken(task: &Written, ids: &BTreeMap<String, String>) -> Result<Vec<InputFrom>, BadValue> {
    let one = |text: &String| {
        let bad = || ("inputs_from", text.clone());
        let name = taken::source(text, |name| ids.contains_key(name));
        let id = ids.get(name).ok_or_else(bad)?;
        taken::named(id.clone(), (text, name)).map_err(|_| bad())
    };
    task.inputs_from.iter().map(one).collect()
}

fn retry(common: &Common) -> Result<Option<RetryPolicy>, BadValue> {
    let Some(retries) = common.retries.filter(|retries| *retries > 0) else { return Ok(None) };
    let policy = RetryPolicy::new(retries.saturating_add(1));
    let first = time("retry_delay", common.retry_delay.as_deref())?;
    let first_delay = first.unwrap_or(policy.first_delay);
    let most = time("retry_max_delay", common.retry_max_delay.as_deref())?;
    let max_delay = most.unwrap_or(policy.max_delay.max(first_delay));
    let codes = common.retry_on.iter().flatten().map(|code| code.to_uppercase()).collect();
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
