//! Tasks that are retried, or not to begin at once, while the principal is killed.

use std::path::Path;
use std::time::{Duration, Instant};

use harness::{Cli, Cluster};
use serde_json::Value;

const SOON: Duration = Duration::from_secs(60);

/// Writes down that it runs, and fails before its `succeeds_in`th time.
fn script(runs: &Path, succeeds_in: usize) -> String {
    let runs = runs.display();
    format!("echo $MUTIRAO_ATTEMPT >> {runs}; [ $(wc -l < {runs}) -ge {succeeds_in} ] || exit 7")
}

fn runs(file: &Path) -> anyhow::Result<Vec<String>> {
    Ok(std::fs::read_to_string(file)?.lines().map(str::to_owned).collect())
}

/// What happened to it, and why.
fn steps(cli: &Cli, id: &str) -> anyhow::Result<Vec<(String, String)>> {
    let explained = cli.json(&["status", id, "--explain"])?.remove(0);
    let word = |step: &Value, field: &str| step[field].as_str().unwrap_or_default().to_owned();
    let steps = explained["steps"].as_array().cloned().unwrap_or_default();
    Ok(steps.iter().map(|step| (word(step, "what"), word(step, "cause"))).collect())
}

#[test]
fn what_failed_waits_through_a_failover_and_is_tried_again() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let (cli, mut cluster) = Cluster::with_programs(dir.path(), 2, &[])?;
    let file = dir.path().join("runs");
    let retry = ["--retries", "3", "--retry-delay", "4s", "--retry-max-delay", "4s"];
    let program = ["--", "sh", "-c", &script(&file, 2)];
    let id = cli.submit(&[&retry[..], &program[..]].concat())?;
    let deadline = Instant::now() + SOON;
    let waiting = loop {
        let status = cli.json(&["status", &id])?.remove(0);
        if status["pending_reason"] == "BACKOFF" {
            break status;
        }
        assert!(Instant::now() < deadline, "it does not wait: {status}");
    };
    assert_eq!((&waiting["state"], &waiting["attempt"]), (&"QUEUED".into(), &1.into()));
    assert_eq!(waiting["error"]["code"], "NON_ZERO_EXIT", "{waiting}");
    assert!(waiting["not_before"].is_string(), "{waiting}");
    cluster.kill_principal()?;
    let ended = cli.json(&["result", &id, "--wait"])?.remove(0);
    assert_eq!((&ended["state"], &ended["attempt"]), (&"SUCCEEDED".into(), &2.into()));
    assert_eq!(runs(&file)?, ["1", "2"]);
    let told: Vec<_> = steps(&cli, &id)?;
    let told: Vec<_> = told.iter().map(|(what, cause)| (what.as_str(), cause.as_str())).collect();
    assert_eq!(
        told,
        [
            ("SUBMITTED", ""),
            ("ASSIGNED", ""),
            ("RETRIED", "NON_ZERO_EXIT"),
            ("DUE", ""),
            ("ASSIGNED", ""),
            ("SUCCEEDED", ""),
        ]
    );
    Ok(())
}

#[test]
fn retries_end_and_are_only_for_the_failures_that_are_named() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let (cli, _cluster) = Cluster::with_programs(dir.path(), 2, &[])?;
    let (often, once) = (dir.path().join("often"), dir.path().join("once"));
    let run = |retry: &[&str], file: &Path| {
        let options = ["--output", "json", "run", "--retries", "2", "--retry-delay", "1ms"];
        let program = ["--", "sh", "-c", &script(file, 100)];
        cli.run(&[&options[..], retry, &program[..]].concat())
    };
    let failed = run(&[], &often)?;
    assert_eq!(failed.code, Some(7), "the exit code of the last attempt: {}", failed.stderr);
    assert_eq!(runs(&often)?, ["1", "2", "3"]);
    let failed = run(&["--retry-on", "UNKNOWN_HANDLER,HANDLER_ERROR"], &once)?;
    assert_eq!(failed.code, Some(7), "{}", failed.stderr);
    assert_eq!(runs(&once)?, ["1"]);

    let mut cluster_of_waiting = Vec::new();
    for _ in 0..3 {
        let retry = ["--retries", "9", "--retry-delay", "1h", "--retry-max-delay", "1h"];
        let program = ["--", "sh", "-c", "exit 1"];
        cluster_of_waiting.push(cli.submit(&[&retry[..], &program[..]].concat())?);
    }
    let deadline = Instant::now() + SOON;
    while !cluster_of_waiting.iter().all(|id| {
        cli.json(&["status", id]).is_ok_and(|status| status[0]["pending_reason"] == "BACKOFF")
    }) {
        assert!(Instant::now() < deadline, "they do not wait");
    }
    for id in &cluster_of_waiting {
        assert_eq!(cli.json(&["cancel", id])?[0]["state"], "CANCELLED");
    }
    Ok(())
}

#[test]
fn what_is_to_begin_later_does_so_under_another_principal() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let (cli, mut cluster) = Cluster::with_programs(dir.path(), 2, &[])?;
    let submit = ["--handler", "echo", "--payload", "x"];
    let soon = cli.submit(&[&submit[..], &["--delay", "3s"]].concat())?;
    let late =
        cli.submit(&[&submit[..], &["--not-before", "2999-12-31T23:00:00-03:00"]].concat())?;
    let past = cli.submit(&[&submit[..], &["--not-before", "2001-01-01T00:00:00Z"]].concat())?;
    let waiting = cli.json(&["status", &late])?.remove(0);
    assert_eq!((&waiting["state"], &waiting["attempt"]), (&"QUEUED".into(), &0.into()));
    assert_eq!(waiting["pending_reason"], "NOT_BEFORE");
    assert_eq!(waiting["not_before"], "3000-01-01T02:00:00Z");
    cluster.kill_principal()?;
    for id in [&soon, &past] {
        assert_eq!(cli.json(&["result", id, "--wait"])?[0]["state"], "SUCCEEDED");
    }
    let told: Vec<_> = steps(&cli, &soon)?.into_iter().map(|(what, _)| what).collect();
    assert_eq!(told, ["SUBMITTED", "DELAYED", "DUE", "ASSIGNED", "SUCCEEDED"]);
    assert_eq!(cli.json(&["cancel", &late])?[0]["state"], "CANCELLED");
    Ok(())
}

#[test]
fn a_policy_that_cannot_be_is_refused() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let (cli, _cluster) = Cluster::with_programs(dir.path(), 2, &[])?;
    let submit = ["submit", "--handler", "echo", "--payload", "x"];
    let once =
        cli.run(&[&submit[..], &["--retries", "2", "--delivery", "at-most-once"]].concat())?;
    assert_eq!(once.code, Some(2), "{}", once.stderr);
    assert!(once.stderr.contains("--retries"), "{}", once.stderr);
    for (flags, named) in [
        (&["--retries", "2", "--retry-max-delay", "48h"][..], "task.retry.max_delay_ms"),
        (&["--retries", "2", "--retry-delay", "2s", "--retry-max-delay", "1s"], "max_delay_ms"),
        (&["--retries", "2", "--retry-on", "no code"], "task.retry.codes"),
        (&["--delay", "9000h"], "task.start_delay_ms"),
    ] {
        let refused = cli.run(&[&submit[..], flags].concat())?;
        assert_eq!(refused.code, Some(3), "{flags:?}: {}", refused.stderr);
        assert!(refused.stderr.contains(named), "{flags:?}: {}", refused.stderr);
    }
    Ok(())
}
