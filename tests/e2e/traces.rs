//! Traces: one for each task, from the client through the orchestrators and workers to the program, over a failover.

#[path = "traces/collector.rs"]
mod collector;

use std::path::Path;

use anyhow::Context as _;
use collector::{Collector, Got};
use harness::{Cli, Cluster, Layout};
use serde_json::Value;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const SPAN: &str = "00f067aa0ba902b7";

fn cluster(dir: &Path, workers: usize, collector: &Collector) -> anyhow::Result<(Cli, Cluster)> {
    let mut layout = Layout::new(dir, workers)?;
    let otlp = ["--otlp", &collector.url()].map(str::to_owned);
    let programs = ["--handlers", "default,command", "--slots", "1"].map(str::to_owned);
    layout.worker_args = programs.into_iter().chain(otlp.clone()).collect();
    layout.orchestrator_args = otlp.into_iter().chain(["--worker-lease-ms=1000".into()]).collect();
    let cli = Cli::new(&layout);
    let mut cluster = Cluster::new(layout);
    cluster.start()?;
    Ok((cli, cluster))
}

fn of<'a>(spans: &'a [Got], task: &str, name: &str) -> Vec<&'a Got> {
    let is_of = |span: &&Got| {
        span.name == name && span.attributes.get("mutirao.task.id").is_some_and(|id| id == task)
    };
    spans.iter().filter(is_of).collect()
}

fn only<'a>(spans: &'a [Got], task: &str, name: &str) -> &'a Got {
    let found = of(spans, task, name);
    assert_eq!(found.len(), 1, "{name}: {found:#?}");
    found[0]
}

/// `child` is part of `parent`.
fn assert_within(child: &Got, parent: &Got) {
    assert_eq!((&child.trace, &child.parent), (&parent.trace, &parent.id), "{child:#?}");
    assert!(child.start <= child.end, "{child:#?}");
}

#[test]
fn a_task_is_one_trace_from_the_client_to_the_program() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let collector = Collector::start()?;
    let (cli, _cluster) = cluster(dir.path(), 1, &collector)?;
    let told = dir.path().join("told");
    let script = format!("echo $TRACEPARENT > {}", told.display());
    let args = ["--otlp", &collector.url(), "--output", "json", "run", "--", "sh", "-c", &script];
    let run = cli.command(&args).env("TRACEPARENT", format!("00-{TRACE}-{SPAN}-01")).output()?;
    assert!(run.status.success(), "{run:?}");
    let spans = collector.wait_for(|spans| spans.len() >= 4)?;
    assert!(spans.iter().all(|span| span.trace == TRACE), "{spans:#?}");
    let client = spans.iter().find(|span| span.name == "cliente run").expect("it is told of");
    assert_eq!((client.service.as_str(), client.parent.as_str()), ("mutirao-cliente", SPAN));
    let task = spans.iter().find(|span| span.name == "task").expect("it is told of");
    let id = task.attributes["mutirao.task.id"].clone();
    assert_within(task, client);
    assert_eq!(task.service, "mutirao-orquestrador");
    assert_eq!(task.attributes["mutirao.state"], "SUCCEEDED");
    let attempt = only(&spans, &id, "attempt");
    assert_within(attempt, task);
    let work = only(&spans, &id, "run command");
    assert_within(work, attempt);
    assert_eq!(work.service, "mutirao-worker");
    // What the program does in turn belongs to what the worker did.
    let told = std::fs::read_to_string(told)?;
    assert_eq!(told.trim(), format!("00-{TRACE}-{}-01", work.id));
    // Nobody is told of what its submitter does not record.
    let unsampled = cli
        .command(&["run", "--", "sh", "-c", "echo $TRACEPARENT"])
        .env("TRACEPARENT", format!("00-{TRACE}-{SPAN}-00"))
        .output()?;
    let told = String::from_utf8_lossy(&unsampled.stdout).into_owned();
    assert!(told.starts_with(&format!("00-{TRACE}-")) && told.trim().ends_with("-00"), "{told}");
    // One that comes after it is a trace of its own, called by the task's id.
    let other = cli.submit(&["--handler", "echo", "--payload", "x"])?;
    let spans = collector.wait_for(|spans| {
        ["task", "attempt", "run echo"].iter().all(|name| !of(spans, &other, name).is_empty())
    })?;
    let work = only(&spans, &other, "run echo");
    assert_eq!(work.trace, other.replace('-', ""));
    assert_eq!(spans.iter().filter(|span| span.trace == TRACE).count(), 4, "{spans:#?}");
    Ok(())
}

#[test]
fn a_trace_goes_on_when_a_worker_and_the_principal_are_killed() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let collector = Collector::start()?;
    let (cli, mut cluster) = cluster(dir.path(), 2, &collector)?;
    let go_on = dir.path().join("go-on");
    let script = format!("until test -e {}; do sleep 0.05; done", go_on.display());
    let args = ["--handler", "command", "--output", "json", "--", "sh", "-c", &script];
    let mut submit = cli.command(&["submit"]);
    let output = submit.args(args).env("TRACEPARENT", format!("00-{TRACE}-{SPAN}-01")).output()?;
    let accepted: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    let id = accepted["task_id"].as_str().expect("it was accepted").to_owned();
    let running = |but: &str| -> anyhow::Result<String> {
        let worker = |answer: &[Value]| answer.first()?["worker_id"].as_str().map(str::to_owned);
        let is_there = |answer: &[Value]| {
            answer[0]["state"] == "RUNNING" && worker(answer).is_some_and(|worker| worker != but)
        };
        let found = cli.until(&["status", &id], 300, is_there)?;
        found.as_deref().and_then(worker).context("it runs on no other worker")
    };
    let first = running("")?;
    let ports = cluster.layout.worker_ports.clone();
    let nth = ports.iter().position(|port| first.ends_with(&port.to_string()));
    cluster.workers[nth.expect("it is ours")].take().expect("it runs").kill()?;
    running(&first)?;
    cluster.kill_principal()?;
    std::fs::write(go_on, "")?;
    let task = cli.finished(&id, 400)?.expect("it finishes");
    assert_eq!(task["state"], "SUCCEEDED", "{task}");
    let spans = collector.wait_for(|spans| {
        !of(spans, &id, "task").is_empty() && !of(spans, &id, "run command").is_empty()
    })?;
    let whole = only(&spans, &id, "task");
    assert_eq!((whole.trace.as_str(), whole.parent.as_str()), (TRACE, SPAN));
    let attempts = of(&spans, &id, "attempt");
    assert!(attempts.iter().all(|attempt| attempt.parent == whole.id), "{attempts:#?}");
    // Each principal called it the same.
    let last = attempts.iter().find(|attempt| attempt.error.is_none()).expect("one succeeded");
    assert_eq!(last.attributes["mutirao.attempt"], "2");
    assert_within(only(&spans, &id, "run command"), last);
    Ok(())
}

#[test]
fn a_share_of_what_belongs_to_no_trace_is_told_of() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let collector = Collector::start()?;
    let mut layout = Layout::new(dir.path(), 1)?;
    let args = ["--otlp", &collector.url(), "--trace-ratio", "0.2"].map(str::to_owned);
    layout.orchestrator_args = args.to_vec();
    let cli = Cli::new(&layout);
    let mut cluster = Cluster::new(layout);
    cluster.start()?;
    cli.ok(&["submit", "--handler", "echo", "--count", "500", "--payload", "x", "--wait"])?;
    // Those that are told of are told of before this one.
    let last = cli
        .command(&["submit", "--handler", "echo", "--payload", "x", "--wait"])
        .env("TRACEPARENT", format!("00-{TRACE}-{SPAN}-01"))
        .output()?;
    assert!(last.status.success(), "{last:?}");
    let spans = collector
        .wait_for(|spans| spans.iter().any(|span| span.trace == TRACE && span.name == "task"))?;
    let told = spans.iter().filter(|span| span.name == "task" && span.trace != TRACE).count();
    assert!((20..=220).contains(&told), "{told} of 500");
    Ok(())
}

#[test]
fn what_cannot_be_sent_to_is_said_at_the_start_and_a_dead_collector_stops_nobody()
-> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let mut layout = Layout::new(dir.path(), 1)?;
    let dead = format!("http://127.0.0.1:{}", harness::ports::free(1)?[0]);
    layout.orchestrator_args = ["--otlp", &dead].map(str::to_owned).to_vec();
    layout.worker_args = layout.orchestrator_args.clone();
    let cli = Cli::new(&layout);
    let refused = cli.run(&["--otlp", "no url", "--lang", "en", "submit", "--handler", "echo"])?;
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(refused.stderr.contains("--otlp"), "{refused:?}");
    let mut cluster = Cluster::new(layout);
    cluster.start()?;
    let id = cli.submit(&["--otlp", &dead, "--handler", "echo", "--payload", "x"])?;
    let task = cli.finished(&id, 200)?.expect("it finishes");
    assert_eq!(task["state"], "SUCCEEDED", "{task}");
    Ok(())
}
