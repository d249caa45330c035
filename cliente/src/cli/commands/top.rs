//! `cliente top`

use std::io::IsTerminal as _;
use std::time::Duration;

use common::exit;
use common::messages::client::ClientMessage;
use common::messages::top::TopMessage;

use super::super::Context;
use super::super::args::Top;
use super::super::failure::Failure;
use super::super::{output, top};

/// More often nobody looks, and each look costs the principal something.
const LEAST_INTERVAL: Duration = Duration::from_millis(200);

/// Where nobody looks at a terminal, one picture as text.
pub async fn run(context: &Context, options: &Top) -> Result<u8, Failure> {
    let unusable = |why| Err(Failure::usage(ClientMessage::Top(why)));
    if context.is_json {
        return unusable(TopMessage::NoJson);
    }
    if options.interval < LEAST_INTERVAL {
        return unusable(TopMessage::TooOften);
    }
    if options.once || !std::io::stdout().is_terminal() {
        output::print(&top::once(context, (options.interval, options.all_users)).await?)?;
        return Ok(exit::OK);
    }
    let is_dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
    if is_dumb || !std::io::stdin().is_terminal() {
        return unusable(TopMessage::NoTerminal);
    }
    top::watch(context, (options.interval, options.all_users)).await
}
