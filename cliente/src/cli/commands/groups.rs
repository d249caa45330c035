//! `cliente groups`: all that was submitted under one name.

use std::time::Duration;

use common::exit;
use common::messages::Message as _;
use common::messages::client::ClientMessage;
use common::proto::{Group, Receipt};
use tokio::time::Instant;

use super::super::Context;
use super::super::args::GroupsAction;
use super::super::failure::Failure;
use super::super::output;
use super::super::terminal::say;
use super::wait::{self, Tally};

/// Between two looks at a group that is waited for, at first and at most.
const LOOK: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));

pub async fn run(context: &Context, action: Option<GroupsAction>) -> Result<u8, Failure> {
    match action.unwrap_or(GroupsAction::List) {
        GroupsAction::List => {
            output::print(&context.output.groups(&context.client.groups().await?))?;
        }
        GroupsAction::Show { name } => {
            let (group, receipt) = context.client.group(&name).await?;
            output::print(&context.output.group(&group, &receipt))?;
        }
        GroupsAction::Wait { name, wait_timeout } => {
            let finished = until_finished(context, &name);
            let (group, receipt) = wait::within(wait_timeout, finished).await?;
            output::print(&context.output.group(&group, &receipt))?;
            let tally = Tally::of_group(&group);
            if !context.is_json {
                say(&tally.summary().text(context.lang));
            }
            return Ok(tally.exit_code());
        }
        GroupsAction::Cancel { name } => {
            let (tasks, group, receipt) = context.client.cancel_group(&name).await?;
            if !context.is_json {
                say(&ClientMessage::GroupCancelled { group: name, tasks }.text(context.lang));
            }
            output::print(&context.output.group(&group, &receipt))?;
        }
    }
    Ok(exit::OK)
}

/// However many tasks it has, only their numbers are asked for.
async fn until_finished(context: &Context, name: &str) -> Result<(Group, Receipt), Failure> {
    let bar = wait::bar(usize::MAX);
    let begun = Instant::now();
    let _until_it_ends = wait::tell_if_interrupted(context);
    let (mut pause, mut is_told) = (LOOK.0, context.is_json);
    loop {
        let (now, receipt) = context.client.group(name).await?;
        let open = now.queued + now.running;
        let done = now.succeeded + now.failed + now.cancelled + now.lost;
        bar.set_length(open + done);
        bar.set_position(done);
        if open == 0 {
            bar.finish_and_clear();
            return Ok((now, receipt));
        }
        if !is_told && now.started_at_ms == 0 && begun.elapsed() >= wait::PATIENCE {
            is_told = true;
            say_why_pending(context, name).await;
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LOOK.1);
    }
}

/// Best effort: the wait itself goes on.
async fn say_why_pending(context: &Context, name: &str) {
    let filter = cliente::TaskFilter { group: Some(name.to_owned()), ..Default::default() };
    match context.client.list(&filter, 1, "").await {
        Ok((tasks, _, _)) => {
            if let Some(task) = tasks.first() {
                wait::say_why_pending(context, &task.task_id).await;
            }
        }
        Err(error) => tracing::debug!(%error, "failed to ask why a group waits"),
    }
}
