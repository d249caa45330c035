//! Arrays: `cliente submit --array`, and their place where tasks are named.

use std::time::Duration;

use cliente::TaskFilter;
use common::array_id;
use common::error_code::ErrorCode;
use common::exit;
use common::messages::Message as _;
use common::messages::client::ClientMessage;
use common::messages::client_arrays::ArrayMessage;
use common::proto::{Array, Task, TaskState};
use indicatif::ProgressBar;
use tokio::time::Instant;

use super::super::Context;
use super::super::args::{Numbers, Submit};
use super::super::failure::Failure;
use super::super::files::{self, Prepared, Sender};
use super::super::output;
use super::super::terminal::say;
use super::list;
use super::payload::Template;
use super::wait::{self, Tally};

/// Failures that are looked at.
const FEW: u32 = 10_000;
/// Numbers of failed tasks that are told.
const NAMED: usize = 20;
/// Between two looks at an array that is waited for, at first and at most.
const LOOK: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));

pub async fn submit(
    context: &Context,
    options: &Submit,
    template: &Template,
    numbers: &Numbers,
    (sender, prepared): (&Sender, &Prepared),
) -> Result<u8, Failure> {
    let mut spec = template.array(numbers.0.clone());
    if let Some(id) = &options.id {
        spec.array_id.clone_from(id);
    }
    let submit = || context.client.submit_array(spec.clone(), options.allow_unknown_handler);
    let done = files::submit_with(sender, prepared, submit).await??;
    if !context.is_json {
        let (array, tasks) = (done.array.array_id.clone(), done.array.count);
        let durability = done.receipt.durability();
        let accepted = ArrayMessage::Accepted { array, tasks, durability, existed: done.existed };
        say(&accepted.text(context.lang));
    }
    if !options.wait.wait {
        output::print(&context.output.accepted_array(&done.array, &done.receipt))?;
        return Ok(exit::OK);
    }
    let finished = until_finished(context, &done.array);
    let waited = wait::within(options.wait.wait_timeout, finished).await;
    match &waited {
        Ok(array) => output::print(&context.output.array(array, &done.receipt))?,
        Err(_) => output::print(&context.output.accepted_array(&done.array, &done.receipt))?,
    }
    let array = waited?;
    let tally = Tally::of_array(&array);
    if !context.is_json {
        say(&tally.summary().text(context.lang));
        say_which_failed(context, &array).await?;
        if options.files.makes_any() && array.succeeded > 0 {
            let array = array.array_id.clone();
            say(&ArrayMessage::FilesLeft { array }.text(context.lang));
        }
    }
    Ok(tally.exit_code())
}

/// The numbers of the first ones that did not succeed.
async fn say_which_failed(context: &Context, array: &Array) -> Result<(), Failure> {
    let count = array.failed.saturating_add(array.lost);
    if count == 0 || array.state() == TaskState::Succeeded {
        return Ok(());
    }
    // Of very many nobody reads which were the first.
    let is_few = count <= FEW;
    let mut numbers = if is_few { unsuccessful(context, &array.array_id).await? } else { vec![] };
    let is_all = is_few && numbers.len() <= NAMED;
    numbers.truncate(NAMED);
    if !(is_few && numbers.is_empty()) {
        let array = array.array_id.clone();
        say(&ArrayMessage::DidNotSucceed { array, numbers, is_all }.text(context.lang));
    }
    Ok(())
}

/// However many tasks it has, only their numbers are asked for.
async fn until_finished(context: &Context, array: &Array) -> Result<Array, Failure> {
    let bar = wait::bar(array.count as usize);
    let _until_it_ends = wait::tell_if_interrupted(context);
    until_ended(context, &array.array_id, (&bar, !context.is_json)).await
}

/// The numbers of those that did not succeed, but for those without a record.
async fn unsuccessful(context: &Context, array_id: &str) -> Result<Vec<u32>, Failure> {
    let filter = TaskFilter {
        states: vec![TaskState::Failed, TaskState::Lost, TaskState::Cancelled],
        array_id: Some(array_id.to_owned()),
        ..TaskFilter::default()
    };
    let tasks = list::all(context, &filter).await?;
    let number = |task: &Task| array_id::of_task(&task.task_id).map(|(_, number)| number);
    // They come the newest first.
    Ok(tasks.iter().rev().filter_map(number).collect())
}

/// Also until what does tasks of it once more has ended. `is_alone`: nothing else says why it waits.
pub async fn until_ended(
    context: &Context,
    array_id: &str,
    (bar, is_alone): (&ProgressBar, bool),
) -> Result<Array, Failure> {
    let begun = Instant::now();
    let (mut pause, mut is_told) = (LOOK.0, !is_alone);
    loop {
        let now = match context.client.array(array_id).await {
            Ok((now, _)) => now,
            Err(error) => {
                if error.code == ErrorCode::ArrayNotFound && !context.is_json {
                    let array = array_id.to_owned();
                    say(&ArrayMessage::Forgotten { array }.text(context.lang));
                }
                return Err(error.into());
            }
        };
        let open = now.queued.saturating_add(now.running);
        bar.set_position(now.count.saturating_sub(open).into());
        if open == 0 && !matches!(now.state(), TaskState::Queued | TaskState::Running) {
            bar.finish_and_clear();
            return Ok(now);
        }
        if !is_told && now.queued == now.count && begun.elapsed() >= wait::PATIENCE {
            is_told = true;
            if let Some(first) = cliente::array_task_ids(&now).next() {
                wait::say_why_pending(context, &first).await;
            }
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LOOK.1);
    }
}

pub async fn status(context: &Context, array_id: &str) -> Result<u8, Failure> {
    let (array, receipt) = context.client.array(array_id).await?;
    output::print(&context.output.array(&array, &receipt))?;
    Ok(exit::OK)
}

/// The ids of tasks; for that of an array those of all its tasks, which are not made before they are needed.
pub async fn tasks(
    context: &Context,
    ids: Vec<String>,
) -> Result<impl Iterator<Item = String> + Send + use<>, Failure> {
    let mut tasks: Vec<Box<dyn Iterator<Item = String> + Send>> = Vec::with_capacity(ids.len());
    for id in ids {
        if array_id::is_array(&id) {
            let (array, _) = context.client.array(&id).await?;
            tasks.push(Box::new(cliente::array_task_ids(&array)));
        } else {
            tasks.push(Box::new(std::iter::once(id)));
        }
    }
    Ok(tasks.into_iter().flatten())
}

/// Refuses the id of an array where that of a task is meant.
pub fn check_task(id: &str) -> Result<(), Failure> {
    match array_id::is_array(id) {
        false => Ok(()),
        true => {
            let message = ArrayMessage::IsAnArray { array: id.to_owned() };
            Err(Failure::usage(ClientMessage::Arrays(message)))
        }
    }
}
