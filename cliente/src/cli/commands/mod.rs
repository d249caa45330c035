//! One file for each subcommand that is more than a question and its answer.

pub mod login;
pub mod menu;
mod submit;
mod users;
mod wait;

use cliente::Client;
use common::endpoint::Endpoint;
use common::exit;
use common::messages::client::ClientMessage;
use common::proto::TaskState;

use super::Context;
use super::args::{ClusterAction, State, Subcommand};
use super::failure::Failure;
use super::output::{self, Shown};

pub async fn run(context: Context, command: Subcommand) -> Result<u8, Failure> {
    match command {
        Subcommand::Submit(options) => submit::run(&context, options).await,
        Subcommand::Status { task_id } => status(&context, &task_id).await,
        Subcommand::Result { task_id, raw } => result(&context, &task_id, raw).await,
        Subcommand::List { state, limit, all } => list(&context, &state, limit, all).await,
        Subcommand::Watch { task_ids } => wait::watch(&context, task_ids).await,
        Subcommand::Cancel { task_ids } => cancel(&context, &task_ids).await,
        Subcommand::Workers => {
            context.output.workers(&context.client.workers().await?)?;
            Ok(exit::OK)
        }
        Subcommand::Cluster { action: None } => {
            context.output.cluster(&context.client.cluster().await?)?;
            Ok(exit::OK)
        }
        Subcommand::Cluster { action: Some(ClusterAction::Promote { node, .. }) } => {
            let node = match node {
                Some(node) => node,
                None => only_waiting_node(&context).await?,
            };
            let epoch = context.client.promote(&node).await?;
            output::line(&serde_json::json!({ "epoch": epoch }).to_string())?;
            Ok(exit::OK)
        }
        Subcommand::Users { action } => users::run(&context, action).await,
        // These have no connection yet and never get here.
        Subcommand::Login | Subcommand::Logout | Subcommand::Menu => Ok(exit::OK),
    }
}

async fn status(context: &Context, task_id: &str) -> Result<u8, Failure> {
    let (task, receipt) = context.client.task(task_id).await?;
    context.output.task(&Shown { receipt: Some(&receipt), ..Shown::new(&task) })?;
    Ok(exit::OK)
}

/// The result as it is; with `--output json`, the task object that holds it.
async fn result(context: &Context, task_id: &str, raw: bool) -> Result<u8, Failure> {
    let (task, result, receipt) = context.client.result(task_id).await?;
    if context.output.is_json() {
        let shown = Shown { task: &task, result: Some(&result), receipt: Some(&receipt) };
        context.output.task(&shown)?;
    } else if task.handler == "command" && !raw {
        command_output(&result)?;
    } else {
        output::bytes(&result)?;
    }
    Ok(match task.state() {
        TaskState::Succeeded => exit::OK,
        TaskState::Failed | TaskState::Cancelled => exit::TASK_FAILED,
        TaskState::Queued | TaskState::Running | TaskState::Unspecified => exit::NOT_FOUND,
    })
}

/// What the program printed goes where it printed it.
fn command_output(result: &[u8]) -> Result<(), Failure> {
    match serde_json::from_slice::<serde_json::Value>(result) {
        Ok(report) => {
            if let Some(stderr) = report["stderr"].as_str() {
                output::note(stderr.trim_end());
            }
            match report["stdout"].as_str() {
                Some(stdout) => output::bytes(stdout.as_bytes()),
                None => output::line(&report["stdout"].to_string()),
            }
        }
        Err(_) => output::bytes(result),
    }
}

async fn list(context: &Context, states: &[State], limit: usize, all: bool) -> Result<u8, Failure> {
    let states: Vec<TaskState> = states.iter().map(|state| TaskState::from(*state)).collect();
    let mut token = String::new();
    let mut left = if all { usize::MAX } else { limit };
    let mut shown = Vec::new();
    while left > 0 {
        let page = u32::try_from(left.min(1_000)).unwrap_or(1_000);
        let (mut tasks, next, _) = context.client.list(&states, page, &token).await?;
        tasks.truncate(left);
        left -= tasks.len();
        shown.append(&mut tasks);
        token = next;
        if token.is_empty() {
            break;
        }
    }
    context.output.tasks(&shown)?;
    Ok(exit::OK)
}

async fn cancel(context: &Context, task_ids: &[String]) -> Result<u8, Failure> {
    for task_id in task_ids {
        let (task, receipt) = context.client.cancel(task_id).await?;
        context.output.task(&Shown { receipt: Some(&receipt), ..Shown::new(&task) })?;
    }
    Ok(exit::OK)
}

/// The node that an override is about, when it is plain which: the only one that answers.
async fn only_waiting_node(context: &Context) -> Result<Endpoint, Failure> {
    let mut answering = Vec::new();
    for endpoint in &context.orchestrators {
        if context.client.cluster_at(endpoint).await.is_ok() {
            answering.push(endpoint.clone());
        }
    }
    match answering.as_slice() {
        [only] => Ok(only.clone()),
        [] => Err(Failure::usage(ClientMessage::NobodyToPromote)),
        [_, ..] => Err(Failure::usage(ClientMessage::WhichToPromote)),
    }
}

/// Asks something harmless, to know whether the credentials are right.
async fn check_credentials(client: &Client) -> Result<(), cliente::Error> {
    client.list(&[], 1, "").await.map(|_| ())
}
