//! Failover that only witnesses make possible: what does not die, but falls silent.

use std::time::Duration;

use harness::{Cli, Cluster, Layout};
use rustix::process::Signal;
use serde_json::Value;

const SOON: Duration = Duration::from_secs(20);
/// Looks, a tenth of a second apart.
const TRIES: usize = 200;

fn cluster() -> anyhow::Result<(tempfile::TempDir, Cluster, Cli)> {
    let dir = tempfile::tempdir()?;
    let layout = Layout::new(dir.path(), 3)?;
    let cli = Cli::new(&layout);
    let mut cluster = Cluster::new(layout);
    cluster.start()?;
    wait_for(&cli, "BY_WITNESSES")?;
    Ok((dir, cluster, cli))
}

fn wait_for(cli: &Cli, failover: &str) -> anyhow::Result<()> {
    let is_so = |nodes: &[Value]| nodes.iter().all(|n| n["failover"].as_str() == Some(failover));
    let explained = cli.until(&["cluster", "explain"], TRIES, is_so)?;
    assert!(explained.is_some(), "the cluster did not come to {failover}");
    Ok(())
}

fn succeeds(cli: &Cli, id: &str) -> anyhow::Result<()> {
    let task = cli.finished(id, TRIES)?.expect("it finishes");
    assert_eq!(task["state"].as_str(), Some("SUCCEEDED"), "{task}");
    Ok(())
}

/// G3: it computes nothing after another one took over, and comes back as the backup.
#[test]
fn a_stopped_principal_is_succeeded_and_steps_down_when_it_wakes() -> anyhow::Result<()> {
    let (_dir, cluster, cli) = cluster()?;
    let (principal, backup) = (cluster.principal.as_ref(), cluster.backup.as_ref());
    let (principal, backup) = (principal.expect("runs"), backup.expect("runs"));
    let before = cli.submit(&["--handler", "echo", "--payload", "antes"])?;
    principal.signal(Signal::STOP)?;
    backup.wait_for("Backup promovido a principal.", SOON)?;
    let during = cli.submit(&["--handler", "echo", "--payload", "durante"])?;
    succeeds(&cli, &before)?;
    succeeds(&cli, &during)?;
    principal.signal(Signal::CONT)?;
    principal.wait_for("Sincronizado: pronto para assumir", SOON)?;
    wait_for(&cli, "BY_WITNESSES")?;
    let audit = cli.json(&["audit"])?.pop().expect("one object");
    assert_eq!(audit["verdict"].as_str(), Some("PROVEN"), "{audit}");
    Ok(())
}

/// V9: with the witnesses the principal goes on without a backup that is silent.
#[test]
fn a_stopped_backup_does_not_stop_the_principal() -> anyhow::Result<()> {
    let (_dir, cluster, cli) = cluster()?;
    let backup = cluster.backup.as_ref().expect("runs");
    backup.signal(Signal::STOP)?;
    let id = cli.submit(&["--handler", "echo", "--payload", "só"])?;
    succeeds(&cli, &id)?;
    let task = cli.json(&["status", &id])?.pop().expect("one object");
    assert_eq!(task["durability"].as_str(), Some("LOCAL_ONLY"), "{task}");
    assert_eq!(task["epoch"].as_u64(), Some(1), "no failover: {task}");
    backup.signal(Signal::CONT)?;
    wait_for(&cli, "BY_WITNESSES")?;
    Ok(())
}

/// One of three witnesses and the principal at once: the majority is left.
#[test]
fn a_worker_and_the_principal_die_together() -> anyhow::Result<()> {
    let (_dir, mut cluster, cli) = cluster()?;
    let id = cli.submit(&["--handler", "simulated", "--payload", r#"{"seconds": 1}"#])?;
    cluster.workers[0] = None;
    cluster.principal = None;
    let backup = cluster.backup.as_ref().expect("runs");
    backup.wait_for("Backup promovido a principal.", SOON)?;
    succeeds(&cli, &id)
}

/// V13: two of three still tell a silent principal from a busy one; on one machine a new set needs three.
#[test]
fn the_witnesses_follow_the_workers() -> anyhow::Result<()> {
    let (_dir, mut cluster, cli) = cluster()?;
    cluster.workers[2] = None;
    let one_is_gone = |nodes: &[Value]| {
        nodes.iter().all(|node| {
            let witnesses = node["witnesses"].as_array();
            witnesses.is_some_and(|all| all.iter().any(|w| w["alive"] == Value::Bool(false)))
        })
    };
    assert!(cli.until(&["cluster", "explain"], TRIES, one_is_gone)?.is_some(), "it is seen");
    let (principal, backup) = (cluster.principal.as_ref(), cluster.backup.as_ref());
    let (principal, backup) = (principal.expect("runs"), backup.expect("runs"));
    principal.signal(Signal::STOP)?;
    backup.wait_for("Backup promovido a principal.", SOON)?;
    principal.signal(Signal::CONT)?;
    principal.wait_for("Sincronizado: pronto para assumir", SOON)?;
    wait_for(&cli, "BY_REFUSED_PORT")?;
    cluster.start_worker(2)?;
    wait_for(&cli, "BY_WITNESSES")
}
