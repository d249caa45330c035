//! `cliente run -- PROGRAM`: a program on a worker, as if it ran here.

use common::error_code::ErrorCode;
use common::messages::Message as _;
use common::messages::client::ClientMessage;
use common::proto::Task;

use super::super::Context;
use super::super::args::{Run, Submit};
use super::super::failure::Failure;
use super::super::output::{self, TaskView};
use super::super::report::Report;
use super::super::terminal::{self, say};
use super::payload::Template;
use super::result;

/// Ends with the exit code of the program. Ctrl+C ends the program, too.
pub async fn run(context: &Context, options: Run) -> Result<u8, Failure> {
    let options = Submit::from(options);
    let template = Template::read(&options)?;
    let task = template.task(template.only_payload());
    let (client, id) = (context.client.clone(), task.task_id.clone());
    let until_it_ends = terminal::before_end(async move {
        match client.cancel(&id).await {
            Err(error) if error.code != ErrorCode::TaskNotFound => {
                tracing::warn!(%error, task = id, "the program may go on");
            }
            Ok(_) | Err(_) => {}
        }
    });
    let ran = context.client.run(task.clone(), options.allow_unknown_handler).await;
    until_it_ends.over().await;
    if let Err(error) = &ran
        && error.code.retryable()
    {
        // It may have been accepted, and go on; whoever knows its id can ask.
        let task = Task { task_id: task.task_id, handler: task.handler, ..Task::default() };
        match context.is_json {
            true => {
                output::print(&context.output.accepted(&[TaskView::without_result(task, None)]))?
            }
            false => say(&ClientMessage::MayGoOn { task: task.task_id }.text(context.lang)),
        }
    }
    let (task, result) = ran?;
    let program = Report::read(&result).and_then(|report| report.exit_code);
    let code = program.unwrap_or_else(|| result::exit_code(task.state()));
    let view = TaskView::new(task, result, None);
    if context.is_json {
        output::print(&context.output.task(&view))?;
        return Ok(code);
    }
    let mut shown = view;
    if program.is_some() {
        // What the program says of its failure is enough.
        shown.task.error = None;
    }
    result::show(context, &shown, false)?;
    Ok(code)
}
