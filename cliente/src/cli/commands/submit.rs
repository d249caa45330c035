//! `cliente submit`

use std::collections::HashMap;

use cliente::{Batch, TaskSpec};
use common::exit;
use common::messages::Message as _;
use common::messages::client::ClientMessage;
use common::proto::{Receipt, Task, TaskState, TaskUpdate};
use futures::stream::{self, Stream, TryStreamExt as _};
use tokio_stream::wrappers::ReceiverStream;

use super::super::Context;
use super::super::args::Submit;
use super::super::failure::Failure;
use super::super::output::{self, TaskView};
use super::super::terminal::say;
use super::payload::{self, Template};
use super::{result, wait};

/// Tasks that are made at once where no input limits them.
const CHUNK: u64 = 20_000;
/// Submissions under way at once.
const IN_FLIGHT: usize = 2;

pub async fn run(context: &Context, options: Submit) -> Result<u8, Failure> {
    let template = Template::read(&options)?;
    match &options.each_line {
        None if options.count == 1 => one(context, &options, &template).await,
        None => {
            let tasks = repeated(&template, options.count);
            many(context, &options, &template, stream::iter(tasks.map(Ok))).await
        }
        Some(source) => {
            let lines = ReceiverStream::new(payload::lines(source)?);
            let tasks = lines.map_ok(|lines| {
                let task = |line: &String| TaskSpec::new(&template.handler, template.payload(line));
                lines.iter().map(task).collect()
            });
            many(context, &options, &template, tasks).await
        }
    }
}

fn repeated(template: &Template, count: u64) -> impl Iterator<Item = Vec<TaskSpec>> {
    (0..count).step_by(CHUNK as usize).map(move |first| {
        let task = |_| TaskSpec::new(&template.handler, template.only_payload());
        (first..count.min(first + CHUNK)).map(task).collect()
    })
}

async fn one(context: &Context, options: &Submit, template: &Template) -> Result<u8, Failure> {
    let mut task = TaskSpec::new(&template.handler, template.only_payload());
    if let Some(id) = &options.id {
        task.task_id.clone_from(id);
    }
    let id = task.task_id.clone();
    let done = context.client.submit(task, options.allow_unknown_handler).await?;
    let durability = done.receipt.durability();
    if !context.is_json {
        let accepted =
            ClientMessage::Accepted { task: id.clone(), durability, existed: done.existed };
        say(&accepted.text(context.lang));
    }
    if !options.wait.wait {
        let view = TaskView::without_result(done.task, Some(done.receipt));
        output::print(&context.output.accepted(&[view]))?;
        return Ok(exit::OK);
    }
    let mut code = exit::OK;
    let show = |update: TaskUpdate| {
        let Some(task) = update.task else { return Ok(()) };
        let view = TaskView::new(task, update.result, Some(done.receipt));
        code = if context.is_json {
            output::print(&context.output.task(&view))?;
            result::exit_code(view.task.state())
        } else {
            result::show(context, &view, false)?
        };
        Ok(())
    };
    wait::within(options.wait.wait_timeout, wait::until_finished(context, vec![id], show)).await?;
    Ok(code)
}

async fn many(
    context: &Context,
    options: &Submit,
    template: &Template,
    tasks: impl Stream<Item = Result<Vec<TaskSpec>, Failure>>,
) -> Result<u8, Failure> {
    let submissions = tasks
        .map_ok(|tasks| async {
            let done = context.client.submit_many(tasks, options.allow_unknown_handler).await;
            done.map_err(Failure::from)
        })
        .try_buffered(IN_FLIGHT);
    let mut submissions = std::pin::pin!(submissions);
    let mut receipts: HashMap<String, Receipt> = HashMap::new();
    let mut count = 0;
    while let Some(batches) = submissions.try_next().await? {
        for batch in batches {
            count += batch.task_ids.len() as u64;
            if options.wait.wait {
                receipts.extend(batch.task_ids.into_iter().map(|id| (id, batch.receipt)));
            } else {
                output::print(&context.output.accepted(&views(batch, &template.handler)))?;
            }
        }
    }
    if !context.is_json {
        say(&ClientMessage::AcceptedMany { count }.text(context.lang));
    }
    if !options.wait.wait {
        return Ok(exit::OK);
    }
    let ids = receipts.keys().cloned().collect();
    let show = |update: TaskUpdate| {
        let Some(task) = update.task else { return Ok(()) };
        let receipt = receipts.get(&task.task_id).copied();
        output::print(&context.output.change(&TaskView::new(task, update.result, receipt)))
    };
    let finished = wait::until_finished(context, ids, show);
    let tally = wait::within(options.wait.wait_timeout, finished).await?;
    if !context.is_json {
        say(&tally.summary().text(context.lang));
    }
    Ok(tally.exit_code())
}

/// What is known of tasks that were accepted together.
fn views(batch: Batch, handler: &str) -> Vec<TaskView> {
    let view = |task_id| {
        let handler = handler.to_owned();
        let task = Task { task_id, handler, state: TaskState::Queued.into(), ..Task::default() };
        TaskView::without_result(task, Some(batch.receipt))
    };
    batch.task_ids.into_iter().map(view).collect()
}
