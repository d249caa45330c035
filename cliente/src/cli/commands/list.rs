//! `cliente list`

use common::exit;
use common::proto::TaskState;

use super::super::Context;
use super::super::args::State;
use super::super::failure::Failure;
use super::super::output;

/// Tasks asked for at once.
const PAGE: usize = 1_000;

pub async fn run(
    context: &Context,
    states: &[State],
    limit: usize,
    all: bool,
) -> Result<u8, Failure> {
    let states: Vec<TaskState> = states.iter().map(|state| TaskState::from(*state)).collect();
    let mut left = if all { usize::MAX } else { limit };
    let mut token = String::new();
    let mut rows = Vec::new();
    while left > 0 {
        let page = u32::try_from(left.min(PAGE)).unwrap_or(u32::MAX);
        let (mut tasks, next, _) = context.client.list(&states, page, &token).await?;
        tasks.truncate(left);
        left -= tasks.len();
        if context.is_json {
            output::print(&context.output.tasks(&tasks))?;
        } else {
            // The widths of a table depend on all of its rows.
            rows.append(&mut tasks);
        }
        token = next;
        if token.is_empty() {
            break;
        }
    }
    if !context.is_json {
        output::print(&context.output.tasks(&rows))?;
    }
    Ok(exit::OK)
}
