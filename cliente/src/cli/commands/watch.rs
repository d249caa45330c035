//! `cliente watch`

use std::collections::HashMap;
use std::pin::Pin;

use cliente::{Error, Produced, is_final};
use common::error_code::ErrorCode;
use common::messages::Message as _;
use common::proto::TaskUpdate;
use futures::{Stream, StreamExt as _};
use tokio::time::{MissedTickBehavior, interval};

use super::super::Context;
use super::super::failure::Failure;
use super::super::output::TaskView;
use super::super::screen::{REDRAW, Screen};
use super::super::terminal::say;
use super::array;
use super::wait::Tally;

type Updates = Pin<Box<dyn Stream<Item = Result<TaskUpdate, Error>>>>;

/// Every change of these tasks, or of a group, until they are finished; without any, of all tasks from now on.
pub async fn run(
    context: &Context,
    ids: Vec<String>,
    group: Option<String>,
) -> Result<u8, Failure> {
    let updates: Updates = match &group {
        Some(group) => Box::pin(context.client.watch_group(group, true)),
        None if ids.is_empty() => Box::pin(context.client.watch_all(true)),
        None => Box::pin(context.client.watch(array::tasks(context, ids).await?, true)),
    };
    let mut screen = Screen::open(context);
    let shown = show(context, updates, &mut screen).await;
    screen.close()?;
    let shown = shown?;
    let Some(group) = group else { return Ok(shown.exit_code()) };
    // What had ended before counts, too.
    let tally = Tally::of_group(&context.client.group(&group).await?.0);
    if !context.is_json {
        say(&tally.summary().text(context.lang));
    }
    Ok(tally.exit_code())
}

async fn show(
    context: &Context,
    mut updates: Updates,
    screen: &mut Screen,
) -> Result<Tally, Failure> {
    let mut redraw = interval(REDRAW);
    redraw.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut told: HashMap<String, (i32, u32)> = HashMap::new();
    let mut tally = Tally::default();
    loop {
        let update = tokio::select! {
            update = updates.next() => update,
            _ = redraw.tick(), if screen.is_table() => {
                screen.draw()?;
                continue;
            }
        };
        let Some(update) = update.transpose()? else { return Ok(tally) };
        tally.count(&update);
        let Some(task) = update.task else { continue };
        if update.not_found {
            let refusal = Error::new(ErrorCode::TaskNotFound, task.task_id);
            screen.aside(|| Failure::from(refusal).tell(context.is_json, context.lang));
            continue;
        }
        // After a failover the present state comes again.
        let state = (task.state, task.attempt);
        let before = match is_final(task.state()) {
            true => told.remove(&task.task_id),
            false => told.insert(task.task_id.clone(), state),
        };
        if before != Some(state) {
            let result = Produced::read(update.result, update.result_blob.as_deref())?;
            screen.change(context, &TaskView::new(task, result, None))?;
        }
    }
}
