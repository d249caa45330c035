//! Arrays: `cliente submit --array`, and their place where tasks are named.

use common::array_id;
use common::exit;
use common::messages::Message as _;
use common::messages::client::ClientMessage;

use super::super::Context;
use super::super::args::{Numbers, Submit};
use super::super::failure::Failure;
use super::super::output;
use super::super::terminal::say;
use super::payload::Template;
use super::wait;

pub async fn submit(
    context: &Context,
    options: &Submit,
    template: &Template,
    numbers: &Numbers,
) -> Result<u8, Failure> {
    let mut spec = template.array(numbers.0.clone());
    if let Some(id) = &options.id {
        spec.array_id.clone_from(id);
    }
    let ids: Vec<_> = if options.wait.wait { spec.task_ids().collect() } else { Vec::new() };
    let done = context.client.submit_array(spec, options.allow_unknown_handler).await?;
    if !context.is_json {
        let (array, tasks) = (done.array.array_id.clone(), done.array.count);
        let durability = done.receipt.durability();
        let accepted =
            ClientMessage::AcceptedArray { array, tasks, durability, existed: done.existed };
        say(&accepted.text(context.lang));
    }
    let print = || output::print(&context.output.accepted_array(&done.array, &done.receipt));
    if !options.wait.wait {
        print()?;
        return Ok(exit::OK);
    }
    let show = |update| wait::show_change(context, update, None);
    let finished = wait::until_finished(context, ids, show);
    let waited = wait::within(options.wait.wait_timeout, finished).await;
    if waited.is_err() && context.is_json {
        // A person has read the id before.
        print()?;
    }
    let tally = waited?;
    if !context.is_json {
        say(&tally.summary().text(context.lang));
    }
    Ok(tally.exit_code())
}

pub async fn status(context: &Context, array_id: &str) -> Result<u8, Failure> {
    let (array, receipt) = context.client.array(array_id).await?;
    output::print(&context.output.array(&array, &receipt))?;
    Ok(exit::OK)
}

/// The ids of tasks; for that of an array those of all its tasks.
pub async fn tasks(context: &Context, ids: &[String]) -> Result<Vec<String>, Failure> {
    let mut tasks = Vec::with_capacity(ids.len());
    for id in ids {
        if array_id::is_array(id) {
            let (array, _) = context.client.array(id).await?;
            tasks.extend(cliente::array_task_ids(&array));
        } else {
            tasks.push(id.clone());
        }
    }
    Ok(tasks)
}
