//! What may take how long: attempts, the wait for the first, and tasks as a whole.

use std::path::Path;
use std::time::{Duration, Instant};

use harness::{Cli, Cluster};
use serde_json::Value;

const SOON: Duration = Duration::from_secs(60);

/// Starts a program of its own, says which it is, and does not end.
fn endless(pids: &Path) -> String {
    format!("echo began; sleep 1000 & echo $! >> {}; wait", pids.display())
}

fn pids(file: &Path) -> Vec<String> {
    std::fs::read_to_string(file).unwrap_or_default().lines().map(str::to_owned).collect()
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + SOON;
    while !holds() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::yield_now();
    }
}

/// As long as it has not been waited for, it is there and runs no more.
fn runs(pid: &String) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with('Z'))
}

fn ended(cli: &Cli, id: &str) -> anyhow::Result<Value> {
    let ended = cli.run(&["--output", "json", "result", id, "--wait"])?;
    Ok(serde_json::from_str(&ended.stdout)?)
}

#[test]
fn an_attempt_that_takes_too_long_is_ended_whole_and_may_be_retried() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let (cli, _cluster) = Cluster::with_programs(dir.path(), 1, &["--slots", "1"])?;
    let file = dir.path().join("pids");
    let flags = ["--attempt-timeout", "700ms", "--retries", "1", "--retry-delay", "10ms"];
    let id = cli.submit(&[&flags[..], &["--", "sh", "-c", &endless(&file)]].concat())?;
    let ended = ended(&cli, &id)?;
    assert_eq!((&ended["state"], &ended["attempt"]), (&"FAILED".into(), &2.into()), "{ended}");
    assert_eq!(ended["error"]["code"], "TIMEOUT", "{ended}");
    assert_eq!(ended["result"]["stdout"], "began\n", "what it had said is kept: {ended}");
    assert_eq!(pids(&file).len(), 2);
    until("something of it runs on", || !pids(&file).iter().any(runs));
    Ok(())
}

#[test]
fn one_that_ends_in_time_has_its_outcome() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let (cli, _cluster) = Cluster::with_programs(dir.path(), 1, &["--slots", "1"])?;
    let times = ["--attempt-timeout", "50s", "--expires", "50s", "--deadline", "50s"];
    let done = cli.run(&[&["run"], &times[..], &["--", "sh", "-c", "echo ok; exit 4"]].concat())?;
    assert_eq!((done.code, done.stdout.as_str()), (Some(4), "ok\n"), "{done:?}");
    Ok(())
}

#[test]
fn a_deadline_holds_through_a_failover_and_the_slot_is_free_afterwards() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let (cli, mut cluster) = Cluster::with_programs(dir.path(), 1, &["--slots", "1"])?;
    let file = dir.path().join("pids");
    let program = ["--deadline", "6s", "--", "sh", "-c", &endless(&file)];
    let id = cli.submit(&program)?;
    until("it does not begin", || !pids(&file).is_empty());
    cluster.kill_principal()?;
    let ended = ended(&cli, &id)?;
    assert_eq!((&ended["state"], &ended["attempt"]), (&"FAILED".into(), &1.into()), "{ended}");
    assert_eq!(ended["error"]["code"], "DEADLINE_EXCEEDED", "{ended}");
    assert_eq!(cli.run(&["run", "--", "true"])?.code, Some(0), "there is one slot");
    assert!(!pids(&file).iter().any(runs), "the slot was given away before it had ended");
    let explained = cli.json(&["status", &id, "--explain"])?.remove(0);
    let last = explained["steps"].as_array().and_then(|steps| steps.last()).cloned();
    assert_eq!(last.expect("there are some")["what"], "EXPIRED");
    Ok(())
}

#[test]
fn what_does_not_begin_in_time_never_does() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let (cli, _cluster) = Cluster::with_programs(dir.path(), 1, &["--slots", "1"])?;
    cli.ok(&["queues", "pause", "default"])?;
    let file = dir.path().join("ran");
    let touch = file.display().to_string();
    let id = cli.submit(&["--expires", "300ms", "--", "touch", &touch])?;
    let ended = ended(&cli, &id)?;
    assert_eq!((&ended["state"], &ended["attempt"]), (&"FAILED".into(), &0.into()), "{ended}");
    assert_eq!(ended["error"]["code"], "EXPIRED", "{ended}");
    cli.ok(&["queues", "resume", "default"])?;
    assert_eq!(cli.run(&["run", "--", "true"])?.code, Some(0));
    assert!(!file.exists());
    Ok(())
}
