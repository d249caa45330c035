//! `cliente run -- PROGRAM`: a program on a worker, as if it ran here.

use std::path::Path;
use std::pin::pin;
use std::time::Duration;

use cliente::{TaskSpec, is_final};
use common::error_code::ErrorCode;
use common::exit;
use common::messages::Message as _;
use common::messages::client::ClientMessage;
use common::messages::client_files::FilesMessage;
use common::proto::{Task, TaskState};
use futures::StreamExt as _;
use futures::stream::BoxStream;
use tokio::sync::oneshot;

use super::super::Context;
use super::super::args::{Run, Submit};
use super::super::failure::Failure;
use super::super::files::{self, RESENDS, Sender};
use super::super::output::{self, TaskView};
use super::super::report::Report;
use super::super::terminal::{self, say};
use super::live::Live;
use super::payload::Template;
use super::{result, wait};

/// What ends sooner is shown when it has ended.
const LIVE_AFTER: Duration = Duration::from_millis(250);
/// How long the last words may come after the end; a program has two seconds to end, then it is killed.
const LAST_WORDS: Duration = Duration::from_millis(2_500);
/// And of one that has said nothing so far.
const LAST_OF_SILENT: Duration = Duration::from_millis(300);
/// Between two looks for them.
const LOOK: Duration = Duration::from_millis(30);

type Ran = Result<(Task, Vec<u8>), cliente::Error>;
type Parts = BoxStream<'static, Result<common::proto::FollowOutputResponse, cliente::Error>>;

/// What `timeout` ends with, and with what the task has failed then.
const TIME_IS_UP: u8 = 124;
const LIMITS: [&str; 2] = ["TIMEOUT", "DEADLINE_EXCEEDED"];

/// Its program ended with another exit code than 0: what it has said of that is enough.
const NON_ZERO_EXIT: &str = "NON_ZERO_EXIT";

/// Ends with the exit code of the program, as a shell would give it. Ctrl+C ends the program, too, and so does a reader of the output that leaves.
pub async fn run(context: &Context, options: Run) -> Result<u8, Failure> {
    let options = Submit::from(options);
    let template = Template::read(&options)?;
    let sender = Sender::new(context.client.clone(), options.way.place().queue);
    let outputs = template.outputs(str::to_owned)?;
    let prepared = sender.prepare(&template.inputs(str::to_owned)).await?;
    let taken = template.taken(str::to_owned)?;
    let template = template.with_files((&prepared, taken), &outputs);
    sender.send(&prepared).await?;
    let task = template.task(template.only_payload());
    let (client, id) = (context.client.clone(), task.task_id.clone());
    let (all_shown, is_all_shown) = oneshot::channel::<()>();
    let until_it_ends = terminal::before_end(async move {
        cancel(&client, &id).await;
        // Dropped unused, when there is nothing to be shown.
        drop(is_all_shown.await);
    });
    let mut live = Live::whole(context);
    let mut ran = while_it_runs(context, &task, options.allow_unknown_handler, &mut live).await;
    for _ in 0..RESENDS {
        match &ran {
            // It went with the orchestrator that had it.
            Ok(Err(error)) if error.code == ErrorCode::BlobNotFound => sender.forget().await,
            Ok(_) | Err(_) => break,
        }
        sender.send(&prepared).await?;
        ran = while_it_runs(context, &task, options.allow_unknown_handler, &mut live).await;
    }
    if until_it_ends.was_interrupted() && !context.is_json {
        last_of_cancelled(context, &task.task_id, &mut live).await?;
    }
    drop(all_shown);
    until_it_ends.over().await;
    let ran = match ran {
        Ok(ran) => ran,
        Err(failure) => {
            cancel(&context.client, &task.task_id).await;
            return Err(failure);
        }
    };
    if let Err(error) = &ran
        && error.code.retryable()
    {
        tell_that_it_may_go_on(context, task)?;
    }
    let (task, result) = ran?;
    let report = Report::read(&result);
    let program = report.as_ref().and_then(Report::as_of_shell);
    // It succeeded, and the task did not: a file is missing, say.
    let program = program.filter(|code| *code != 0 || task.state() == TaskState::Succeeded);
    let is_cut = report.as_ref().is_some_and(Report::is_cut);
    if let Some(report) = report.filter(|_| !outputs.is_empty()) {
        files::receive(&context.client, &report.files, &outputs, Path::new(".")).await?;
    }
    let is_late = task.error.as_ref().is_some_and(|error| LIMITS.contains(&error.code.as_str()));
    let code = match program.unwrap_or_else(|| result::exit_code(task.state())) {
        _ if is_late => TIME_IS_UP,
        // Whoever reads the output must not take it for the whole.
        exit::OK if is_cut => exit::BROKEN,
        code => code,
    };
    if options.stdin_from.is_none() && terminal::input_waits() {
        say(&ClientMessage::Files(FilesMessage::InputIgnored).text(context.lang));
    }
    if context.is_json {
        output::print(&context.output.task(&TaskView::new(task, result, None)))?;
        return Ok(code);
    }
    let is_shown = live.rest(&task, &result).await?.is_some();
    let mut shown = TaskView::new(task, result, None);
    if is_shown {
        shown.result = None;
    }
    shown.task.error = shown.task.error.filter(|error| error.code != NON_ZERO_EXIT);
    result::show(context, &shown, false).await?;
    Ok(code)
}

/// Runs it, and shows what it says meanwhile. A failure is one of showing it.
async fn while_it_runs(
    context: &Context,
    task: &TaskSpec,
    allow_unknown_handler: bool,
    live: &mut Live<'_>,
) -> Result<Ran, Failure> {
    let mut run = pin!(context.client.run(task.clone(), allow_unknown_handler));
    let mut parts: Option<Parts> = None;
    let mut reader_left = pin!(terminal::reader_left());
    let mut long_waited = pin!(tokio::time::sleep(wait::PATIENCE));
    let mut is_told = context.is_json;
    loop {
        let next = async {
            match &mut parts {
                Some(parts) => parts.next().await,
                None => {
                    tokio::time::sleep(LIVE_AFTER).await;
                    None
                }
            }
        };
        tokio::select! {
            ran = &mut run => {
                if ran.is_ok() && let Some(parts) = parts {
                    last_words(parts, live).await?;
                }
                return Ok(ran);
            }
            // Where there is much at once, what a file or a pipe is to have whole waits for the end.
            () = &mut reader_left => return Err(Failure::ClosedOutput),
            () = &mut long_waited, if !is_told => {
                is_told = true;
                wait::say_why_pending(context, &task.task_id).await;
            }
            part = next, if !context.is_json => match part {
                Some(Ok(part)) => live.part(&part)?,
                Some(Err(error)) => {
                    // It may not be accepted yet.
                    tracing::debug!(%error, "its output cannot be followed now");
                    parts = None;
                }
                None if parts.is_none() => {
                    parts = Some(context.client.follow_output(&task.task_id).boxed());
                }
                None => parts = None,
            }
        }
    }
}

/// Those that the end has overtaken.
async fn last_words(mut parts: Parts, live: &mut Live<'_>) -> Result<(), Failure> {
    let until_its_end = async {
        while let Some(Ok(part)) = parts.next().await {
            live.part(&part)?;
            if part.task.is_some_and(|task| is_final(task.state())) {
                break;
            }
        }
        Ok(())
    };
    // Without them there is still the result.
    tokio::time::timeout(LAST_WORDS, until_its_end).await.unwrap_or(Ok(()))
}

/// What the program says when it is asked to end stays with the task, once nothing of it runs any more.
async fn last_of_cancelled(
    context: &Context,
    id: &str,
    live: &mut Live<'_>,
) -> Result<(), Failure> {
    let patience = if live.has_printed() { LAST_WORDS } else { LAST_OF_SILENT };
    let kept = async {
        loop {
            match context.client.result(id).await {
                Ok((task, result, _)) if !result.is_empty() => break Some((task, result)),
                Ok(_) => tokio::time::sleep(LOOK).await,
                Err(_) => break None,
            }
        }
    };
    if let Ok(Some((task, result))) = tokio::time::timeout(patience, kept).await
        && Report::read(&result).is_some_and(|report| !report.is_cut())
    {
        live.rest(&task, &result).await?;
    }
    Ok(())
}

/// Best effort: whoever asks has left.
async fn cancel(client: &cliente::Client, id: &str) {
    match client.cancel(id).await {
        Err(error) if error.code != ErrorCode::TaskNotFound => {
            tracing::warn!(%error, task = id, "the program may go on");
        }
        Ok(_) | Err(_) => {}
    }
}

/// It may have been accepted, and go on; whoever knows its id can ask.
fn tell_that_it_may_go_on(context: &Context, task: TaskSpec) -> Result<(), Failure> {
    let task = Task { task_id: task.task_id, handler: task.handler, ..Task::default() };
    if context.is_json {
        return output::print(&context.output.accepted(&[TaskView::without_result(task, None)]));
    }
    say(&ClientMessage::MayGoOn { task: task.task_id }.text(context.lang));
    Ok(())
}
