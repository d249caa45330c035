//! `cliente result`

use std::path::Path;

use cliente::{Produced, TaskFilter};
use common::array_id;
use common::blobs::StagedFile;
use common::exit;
use common::messages::Message as _;
use common::messages::client::ClientMessage;
use common::messages::client_files::FilesMessage;
use common::proto::{Task, TaskState};
use indicatif::ProgressBar;

use super::super::Context;
use super::super::args::Wait;
use super::super::failure::Failure;
use super::super::files;
use super::super::output::{self, TaskView};
use super::super::report::{self, Report};
use super::super::terminal::say;
use super::{array, list, repetition, wait};

/// Its files instead of what it printed. Those of a task of an array are in a folder named by its number.
pub async fn files(context: &Context, id: &str, into: &Path, wait: &Wait) -> Result<u8, Failure> {
    let mut code = exit::OK;
    let count = match array_id::is_array(id) {
        true => files_of_array(context, id, into, wait).await?,
        false => {
            if wait.wait {
                let finished = wait::until_finished(context, vec![id.to_owned()], |_| Ok(()));
                wait::within(wait.wait_timeout, finished).await?;
            }
            let (task, _) = context.client.task(id).await?;
            let last = last_that_ended(context, task).await?;
            let count = files_of_task(context, &last.task_id, (into, None)).await?;
            if count == 0 {
                code = exit_code(last.state());
            }
            count
        }
    };
    if !context.is_json {
        let into = into.display().to_string();
        say(&ClientMessage::Files(FilesMessage::FilesReceived { count, into }).text(context.lang));
    }
    Ok(code)
}

async fn files_of_array(
    context: &Context,
    id: &str,
    into: &Path,
    wait: &Wait,
) -> Result<u64, Failure> {
    let array = match wait.wait {
        true => {
            let bar = ProgressBar::hidden();
            let ended = array::until_ended(context, id, (&bar, true));
            wait::within(wait.wait_timeout, ended).await?
        }
        false => context.client.array(id).await?.0,
    };
    if array.queued > 0 || array.running > 0 {
        let (task, state) = (array.array_id, TaskState::Running);
        return Err(Failure::TimedOut(Box::new(ClientMessage::NotFinished { task, state })));
    }
    let filter = TaskFilter { array_id: Some(array.array_id), ..TaskFilter::default() };
    let mut count = 0;
    for task in list::all(context, &filter).await? {
        let Some((_, number)) = array_id::of_task(&task.task_id) else { continue };
        let into = into.join(number.to_string());
        let id = last_that_ended(context, task).await?.task_id;
        count += files_of_task(context, &id, (&into, Some(number))).await?;
    }
    Ok(count)
}

/// What was done once more stands for what it repeats, as for a task that takes its files.
async fn last_that_ended(context: &Context, task: Task) -> Result<Task, Failure> {
    repetition::last(context, task, |task| cliente::is_final(task.state())).await
}

/// `number`: in its array.
async fn files_of_task(
    context: &Context,
    id: &str,
    (into, number): (&Path, Option<u32>),
) -> Result<u64, Failure> {
    let (task, result, _) = context.client.produced(id).await?;
    if !cliente::is_final(task.state()) {
        let (task, state) = (task.task_id.clone(), task.state());
        return Err(Failure::TimedOut(Box::new(ClientMessage::NotFinished { task, state })));
    }
    let report = match &result {
        Produced::Bytes(result) => Report::of(&task, result),
        // The report of a program is short.
        Produced::Blob(_) => None,
    };
    let made = report.map(|report| report.files).unwrap_or_default();
    let count = files::receive(&context.client, &made, &[], into).await?;
    if context.is_json {
        let line = |file: &StagedFile| {
            let mut file = serde_json::json!(file);
            if let Some(number) = number {
                file["array_index"] = number.into();
            }
            format!("{file}\n")
        };
        output::bytes(made.iter().map(line).collect::<String>().as_bytes())?;
    }
    Ok(count)
}

pub async fn run(context: &Context, task_id: &str, raw: bool, wait: &Wait) -> Result<u8, Failure> {
    if wait.wait {
        let ids = vec![task_id.to_owned()];
        wait::within(wait.wait_timeout, wait::until_finished(context, ids, |_| Ok(()))).await?;
    }
    let (task, result, receipt) = context.client.produced(task_id).await?;
    let is_finished = cliente::is_final(task.state());
    let view = TaskView::new(task, result, Some(receipt));
    if context.is_json {
        output::print(&context.output.task(&view))?;
        return Ok(if is_finished { exit_code(view.task.state()) } else { exit::TIMEOUT });
    }
    if !is_finished {
        let (task, state) = (view.task.task_id.clone(), view.task.state());
        return Err(Failure::TimedOut(Box::new(ClientMessage::NotFinished { task, state })));
    }
    let code = show(context, &view, raw).await?;
    let made = view.result.as_ref().and_then(|result| Report::of(&view.task, result));
    let made = made.map(|report| report.files).unwrap_or_default();
    if !made.is_empty() && !raw {
        let (count, bytes) = (made.len(), made.iter().map(|file| file.bytes).sum());
        let left = FilesMessage::FilesLeft { task: view.task.task_id.clone(), count, bytes };
        say(&ClientMessage::Files(left).text(context.lang));
    }
    Ok(code)
}

/// What a finished task gave: data on standard output, the rest on standard error.
pub async fn show(context: &Context, view: &TaskView, raw: bool) -> Result<u8, Failure> {
    let task = &view.task;
    if let Some(result) = &view.result {
        match if raw { None } else { Report::of(task, result) } {
            Some(report) => report.received(&context.client).await?.show(context, None)?,
            None => output::bytes(result)?,
        }
    }
    if let Some(content) = view.blob {
        report::show_blob(&context.client, content).await?;
    }
    if let Some(error) = &task.error {
        let (code, message) = (error.code.clone(), error.message.clone());
        say(&ClientMessage::TaskError { code, message }.text(context.lang));
    }
    report::say_repetition(context, task);
    if task.state() == TaskState::Cancelled {
        let (task, state, worker) = (task.task_id.clone(), task.state(), task.worker_id.clone());
        say(&ClientMessage::Ended { task, state, worker }.text(context.lang));
    }
    Ok(exit_code(task.state()))
}

/// The exit code of the work.
pub fn exit_code(state: TaskState) -> u8 {
    if state == TaskState::Succeeded { exit::OK } else { exit::TASK_FAILED }
}
