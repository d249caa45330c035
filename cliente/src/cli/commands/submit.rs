//! `cliente submit`

use std::collections::HashMap;
use std::io::Read as _;

use cliente::TaskSpec;
use common::exit;
use common::messages::client::ClientMessage;
use common::proto::{Receipt, Task, TaskState};
use serde_json::json;

use super::super::Context;
use super::super::args::Submit;
use super::super::failure::Failure;
use super::super::output::Shown;
use super::wait;

/// What takes the place of `{}`.
const PLACEHOLDER: &str = "{}";

pub async fn run(context: &Context, options: Submit) -> Result<u8, Failure> {
    let tasks = tasks(&options)?;
    let ids: Vec<String> = tasks.iter().map(|task| task.task_id.clone()).collect();
    let mut receipts = HashMap::new();
    if let [task] = tasks.as_slice() {
        let done = context.client.submit(task.clone(), options.allow_unknown_handler).await?;
        receipts.insert(task.task_id.clone(), done.receipt);
        if !options.wait {
            context
                .output
                .task(&Shown { receipt: Some(&done.receipt), ..Shown::new(&done.task) })?;
            return Ok(exit::OK);
        }
    } else if !tasks.is_empty() {
        let handlers: Vec<_> =
            tasks.iter().map(|task| (task.task_id.clone(), task.handler.clone())).collect();
        let batches = context.client.submit_many(tasks, options.allow_unknown_handler).await?;
        if !options.wait {
            return show_all(context, handlers, batches.last().map(|batch| &batch.receipt));
        }
        for batch in batches {
            receipts.extend(batch.task_ids.into_iter().map(|id| (id, batch.receipt)));
        }
    }
    if !options.wait {
        return Ok(exit::OK);
    }
    let finish = wait::finish(context, ids, &receipts);
    match options.wait_timeout {
        Some(limit) => {
            tokio::time::timeout(limit, finish).await.unwrap_or(Err(Failure::WaitedEnough))
        }
        None => finish.await,
    }
}

/// What is known of tasks that were accepted together.
fn show_all(
    context: &Context,
    accepted: Vec<(String, String)>,
    receipt: Option<&Receipt>,
) -> Result<u8, Failure> {
    for (task_id, handler) in accepted {
        let task = Task { task_id, handler, state: TaskState::Queued.into(), ..Task::default() };
        context.output.task(&Shown { receipt, ..Shown::new(&task) })?;
    }
    Ok(exit::OK)
}

fn tasks(options: &Submit) -> Result<Vec<TaskSpec>, Failure> {
    match &options.each_line {
        Some(source) => {
            let text = String::from_utf8(read(source)?)
                .map_err(|_| Failure::usage(ClientMessage::NotText { source: source.clone() }))?;
            text.lines()
                .filter(|line| !line.is_empty())
                .map(|line| Ok(TaskSpec::new(handler(options), payload(options, Some(line))?)))
                .collect()
        }
        None => (0..options.count)
            .map(|_| {
                let mut task = TaskSpec::new(handler(options), payload(options, None)?);
                if let Some(id) = &options.id {
                    task.task_id.clone_from(id);
                }
                Ok(task)
            })
            .collect(),
    }
}

/// Arguments after `--` are a program's.
fn handler(options: &Submit) -> &str {
    match &options.handler {
        Some(handler) => handler,
        None if !options.argv.is_empty() => "command",
        None => "simulated",
    }
}

/// `line` replaces each `{}`; without any, it is the payload, or the last argument.
fn payload(options: &Submit, line: Option<&str>) -> Result<Vec<u8>, Failure> {
    if !options.argv.is_empty() {
        let argv = argv(&options.argv, line);
        return Ok(json!({ "argv": argv }).to_string().into_bytes());
    }
    match (&options.payload, line) {
        (Some(payload), Some(line)) => Ok(payload.replace(PLACEHOLDER, line).into_bytes()),
        (None, Some(line)) => Ok(line.as_bytes().to_vec()),
        (Some(payload), None) if payload == "-" => read(payload),
        (Some(payload), None) => match payload.strip_prefix('@') {
            Some(path) => read(path),
            None => Ok(payload.as_bytes().to_vec()),
        },
        (None, None) if handler(options) == "command" => {
            Err(Failure::usage(ClientMessage::NoCommandLine))
        }
        (None, None) => Ok(Vec::new()),
    }
}

fn argv(template: &[String], line: Option<&str>) -> Vec<String> {
    let Some(line) = line else { return template.to_vec() };
    let mut argv: Vec<String> = template.iter().map(|arg| arg.replace(PLACEHOLDER, line)).collect();
    if !template.iter().any(|arg| arg.contains(PLACEHOLDER)) {
        argv.push(line.to_owned());
    }
    argv
}

/// A file, or standard input for `-`.
fn read(source: &str) -> Result<Vec<u8>, Failure> {
    if source != "-" {
        return std::fs::read(source).map_err(Failure::io(source));
    }
    let mut content = Vec::new();
    std::io::stdin().read_to_end(&mut content).map_err(Failure::io("stdin"))?;
    Ok(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn a_line_replaces_the_placeholder_or_comes_last() {
        assert_eq!(argv(&words("convert {} {}.png"), Some("a")), words("convert a a.png"));
        assert_eq!(argv(&words("sha256sum"), Some("a b")), ["sha256sum", "a b"]);
        assert_eq!(argv(&words("true {}"), None), words("true {}"));
    }
}
