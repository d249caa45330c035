//! `cliente list`

use cliente::TaskFilter;
use common::exit;
use common::messages::Message as _;
use common::messages::client::ClientMessage;
use common::proto::Task;
use serde_json::json;

use super::super::Context;
use super::super::args::{self, List};
use super::super::failure::Failure;
use super::super::output;
use super::super::terminal::say;
use super::array;

/// Tasks asked for at once.
const PAGE: u32 = 1_000;

pub async fn run(context: &Context, options: List) -> Result<u8, Failure> {
    let filter = options.filter();
    args::check_code(filter.error_code.as_deref())?;
    let mut left = match options.all {
        true => usize::MAX,
        false => usize::try_from(options.limit).unwrap_or(usize::MAX),
    };
    let mut token = options.after.unwrap_or_default();
    if !token.is_empty() {
        array::check_task(&token)?;
    }
    let mut rows = Vec::new();
    let (mut is_end, mut is_empty) = (false, true);
    while left > 0 && !is_end {
        let page = u32::try_from(left).unwrap_or(u32::MAX).min(PAGE);
        let (mut tasks, next, _) = context.client.list(&filter, page, &token).await?;
        tasks.truncate(left);
        left -= tasks.len();
        is_empty &= tasks.is_empty();
        if context.is_json {
            output::print(&context.output.tasks(&tasks, filter.all_users))?;
        } else {
            // The widths of a table depend on all of its rows.
            rows.append(&mut tasks);
        }
        is_end = next.is_empty();
        token = next;
    }
    if let (true, false, Some(schedule)) = (is_empty, filter.all_users, &filter.schedule) {
        // None of its tasks may fit, or they are forgotten; or the name is a slip.
        context.client.schedule(schedule).await?;
    }
    if !context.is_json {
        output::print(&context.output.tasks(&rows, filter.all_users))?;
    }
    if !is_end && !token.is_empty() {
        say_where_to_go_on(context, token);
    }
    Ok(exit::OK)
}

/// All pages, the newest first.
pub async fn all(context: &Context, filter: &TaskFilter) -> Result<Vec<Task>, Failure> {
    let (mut all, mut token) = (Vec::new(), String::new());
    loop {
        let (tasks, next, _) = context.client.list(filter, PAGE, &token).await?;
        all.extend(tasks);
        if next.is_empty() {
            return Ok(all);
        }
        token = next;
    }
}

fn say_where_to_go_on(context: &Context, after: String) {
    say(&match context.is_json {
        true => json!({ "next": { "after": after } }).to_string(),
        false => ClientMessage::MoreTasks { after }.text(context.lang),
    });
}
