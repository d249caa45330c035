//! `cliente submit`

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::future::ready;
use std::path::Path;
use std::pin::pin;

use cliente::{Produced, Submitted, TaskSpec};
use common::exit;
use common::messages::Message as _;
use common::messages::client::ClientMessage;
use common::proto::{Receipt, Task, TaskState, TaskUpdate};
use futures::stream::{self, Stream, StreamExt as _, TryStreamExt as _};
use tokio_stream::wrappers::ReceiverStream;

use super::super::Context;
use super::super::args::{Submit, Wait};
use super::super::failure::Failure;
use super::super::files::{self, Output, Prepared, Sender};
use super::super::output::{self, TaskView};
use super::super::report::Report;
use super::super::terminal::say;
use super::payload::{self, PLACEHOLDER, Template};
use super::{array, flow, result, wait};

/// Tasks that are made at once where no input limits them.
const CHUNK: u64 = 20_000;
/// And their payload bytes, as long as it is more than one task.
const CHUNK_BYTES: u64 = 64 << 20;
/// Of tasks that name none.
const DEFAULT_QUEUE: &str = "default";

pub async fn run(context: &Context, options: Submit) -> Result<u8, Failure> {
    if let Some(source) = &options.file {
        return flow::submit(context, &options, source).await;
    }
    let mut template = Template::read(&options)?;
    let sender = Sender::new(context.client.clone(), options.way.place().queue);
    let outputs = template.outputs(str::to_owned)?;
    let mut prepared = Prepared::default();
    if options.each_line.is_none() {
        prepared = sender.prepare(&template.inputs(str::to_owned)).await?;
        let taken = template.taken(str::to_owned)?;
        template = template.with_files((&prepared, taken), &outputs);
    }
    if let Some(numbers) = &options.array {
        return array::submit(context, &options, &template, numbers, (&sender, &prepared)).await;
    }
    match &options.each_line {
        None if options.count == 1 => {
            one(context, &options, &template, (&sender, &prepared, &outputs)).await
        }
        None => {
            sender.send(&prepared).await?;
            let tasks = repeated(&template, options.count);
            many(context, &options, &template, stream::iter(tasks.map(Ok))).await
        }
        Some(source) => {
            let lines = ReceiverStream::new(payload::lines(source, payload::End::Newline)?);
            let tasks = lines.and_then(|lines| of_lines(&template, &sender, lines));
            many(context, &options, &template, tasks).await
        }
    }
}

/// A task for each line, whose files the orchestrators have.
async fn of_lines(
    template: &Template,
    sender: &Sender,
    lines: Vec<String>,
) -> Result<Vec<TaskSpec>, Failure> {
    let mut tasks = Vec::with_capacity(lines.len());
    for line in &lines {
        if !template.has_files() {
            tasks.push(template.task(template.payload(line)));
            continue;
        }
        let fill = |text: &str| text.replace(PLACEHOLDER, line);
        let prepared = sender.prepare(&template.inputs(fill)).await?;
        sender.send(&prepared).await?;
        let taken = template.taken(fill)?;
        let filled = template.clone().with_files((&prepared, taken), &template.outputs(fill)?);
        tasks.push(filled.task(filled.payload(line)));
    }
    Ok(tasks)
}

fn repeated(template: &Template, count: u64) -> impl Iterator<Item = Vec<TaskSpec>> {
    let payload_bytes = template.only_payload().len() as u64;
    let chunk = (CHUNK_BYTES / payload_bytes.max(1)).clamp(1, CHUNK);
    (0..count).step_by(chunk as usize).map(move |first| {
        let task = |_| template.task(template.only_payload());
        (first..count.min(first + chunk)).map(task).collect()
    })
}

async fn one(
    context: &Context,
    options: &Submit,
    template: &Template,
    (sender, prepared, outputs): (&Sender, &Prepared, &[Output]),
) -> Result<u8, Failure> {
    let mut task = template.task(template.only_payload());
    if let Some(id) = &options.id {
        task.task_id.clone_from(id);
    }
    let submit = || context.client.submit(task.clone(), options.allow_unknown_handler);
    let done = files::submit_with(sender, prepared, submit).await??;
    tell(context, done, &options.wait, outputs).await
}

/// Says what was accepted, and how it ends if that is waited for.
pub async fn tell(
    context: &Context,
    done: Submitted,
    options: &Wait,
    outputs: &[Output],
) -> Result<u8, Failure> {
    // Another one than this, if that has its key.
    let id = done.task.task_id.clone();
    let durability = done.receipt.durability();
    if !context.is_json {
        let accepted =
            ClientMessage::Accepted { task: id.clone(), durability, existed: done.existed };
        say(&accepted.text(context.lang));
    }
    if !options.wait {
        output::print(&context.output.accepted(&[accepted(done)]))?;
        return Ok(exit::OK);
    }
    let mut end = None;
    let keep = |update: TaskUpdate| {
        end = Some(update);
        Ok(())
    };
    let finished = wait::until_finished(context, vec![id], keep);
    let waited = wait::within(options.wait_timeout, finished).await;
    if waited.is_err() && context.is_json {
        // A person has read the id before.
        output::print(&context.output.accepted(&[accepted(done)]))?;
        return waited.map(|_| exit::OK);
    }
    waited?;
    let Some(TaskUpdate { task: Some(task), result, result_blob, .. }) = end else {
        return Ok(exit::OK);
    };
    let made = Report::of(&task, &result).map(|report| report.files).unwrap_or_default();
    let produced = Produced::read(result, result_blob.as_deref())?;
    let view = TaskView::new(task, produced, Some(done.receipt));
    let view = TaskView { existed: Some(done.existed), ..view };
    let code = if context.is_json {
        output::print(&context.output.task(&view))?;
        result::exit_code(view.task.state())
    } else {
        result::show(context, &view, false).await?
    };
    if !outputs.is_empty() {
        files::receive(&context.client, &made, outputs, Path::new(".")).await?;
    }
    Ok(code)
}

fn accepted(done: Submitted) -> TaskView {
    let view = TaskView::without_result(done.task, Some(done.receipt));
    TaskView { existed: Some(done.existed), ..view }
}

async fn many(
    context: &Context,
    options: &Submit,
    template: &Template,
    tasks: impl Stream<Item = Result<Vec<TaskSpec>, Failure>>,
) -> Result<u8, Failure> {
    let (accepted, failure) = submit_all(context, options, template, tasks).await?;
    if !context.is_json && (accepted.count > 0 || failure.is_none()) {
        say(&ClientMessage::AcceptedMany { count: accepted.count }.text(context.lang));
    }
    let mut open = accepted.open;
    let finished = match failure {
        Some(failure) => Err(failure),
        None if !options.wait.wait => return Ok(exit::OK),
        None => {
            let ids = open.keys().cloned().collect();
            let show = |update: TaskUpdate| {
                let receipt = update.task.as_ref().and_then(|task| open.remove(&task.task_id));
                wait::show_change(context, update, receipt)
            };
            let finished = wait::until_finished(context, ids, show);
            wait::within(options.wait.wait_timeout, finished).await
        }
    };
    match finished {
        Ok(tally) => {
            if !context.is_json {
                say(&tally.summary().text(context.lang));
            }
            Ok(tally.exit_code())
        }
        Err(failure) => {
            let open = open.into_iter().map(|(id, receipt)| view(id, receipt, template));
            output::print(&context.output.accepted(&open.collect::<Vec<_>>()))?;
            Err(failure)
        }
    }
}

/// What came of many submissions.
#[derive(Default)]
struct Accepted {
    count: u64,
    /// What is to be waited for, and was not told yet.
    open: BTreeMap<String, Receipt>,
}

/// Submits until the tasks, or the first failure, end it; what was under way then is counted too.
async fn submit_all(
    context: &Context,
    options: &Submit,
    template: &Template,
    tasks: impl Stream<Item = Result<Vec<TaskSpec>, Failure>>,
) -> Result<(Accepted, Option<Failure>), Failure> {
    let failure: RefCell<Option<Failure>> = RefCell::default();
    let sound = tasks.scan((), |(), tasks| {
        let mut failure = failure.borrow_mut();
        let tasks = tasks.map_err(|error| *failure = Some(error)).ok();
        ready(tasks.filter(|_| failure.is_none()))
    });
    let mut batches = pin!(context.client.submit_all(sound, options.allow_unknown_handler));
    let mut accepted = Accepted::default();
    while let Some(batch) = batches.next().await {
        let batch = match batch {
            Ok(batch) => batch,
            Err(refusal) => {
                failure.borrow_mut().get_or_insert(refusal.into());
                continue;
            }
        };
        accepted.count += batch.task_ids.len() as u64;
        let ids = batch.task_ids.into_iter();
        if options.wait.wait {
            accepted.open.extend(ids.map(|id| (id, batch.receipt)));
        } else {
            let views = ids.map(|id| view(id, batch.receipt, template));
            output::print(&context.output.accepted(&views.collect::<Vec<_>>()))?;
        }
    }
    let failure = failure.take();
    Ok((accepted, failure))
}

/// What is known of a task that was accepted among others.
fn view(task_id: String, receipt: Receipt, template: &Template) -> TaskView {
    let TaskSpec { handler, delivery, place, group, .. } = template.task(Vec::new());
    let queue = if place.queue.is_empty() { DEFAULT_QUEUE.to_owned() } else { place.queue };
    let priority = place.priority.into();
    let delivery = common::proto::Delivery::from(delivery).into();
    let state = TaskState::Queued.into();
    let group = group.unwrap_or_default();
    let task =
        Task { task_id, handler, state, delivery, queue, priority, group, ..Task::default() };
    TaskView::without_result(task, Some(receipt))
}
