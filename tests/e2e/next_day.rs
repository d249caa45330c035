//! Everything stopped with Ctrl+C, and started again in any order.

use std::time::Duration;

use harness::{Cli, Cluster, Layout, Process};
use rustix::process::Signal;

const SOON: Duration = Duration::from_secs(20);

fn interrupt(process: &mut Option<Process>) -> anyhow::Result<()> {
    if let Some(mut process) = process.take() {
        process.signal(Signal::INT)?;
        process.wait(SOON)?;
    }
    Ok(())
}

/// A cluster with a queued task that no worker has seen, all stopped.
fn stopped_overnight() -> anyhow::Result<(tempfile::TempDir, Cluster, Cli, String)> {
    let dir = tempfile::tempdir()?;
    let layout = Layout::new(dir.path(), 1)?;
    let cli = Cli::new(&layout);
    let mut cluster = Cluster::new(layout);
    cluster.start_principal()?;
    cluster.start_backup()?;
    cluster.wait_in_sync()?;
    let id = cli.submit(&["--handler", "echo", "--payload", "amanhã"])?;
    interrupt(&mut cluster.principal)?;
    let backup = cluster.backup.as_ref().expect("it was started");
    backup.wait_for("Backup promovido a principal.", SOON)?;
    interrupt(&mut cluster.backup)?;
    Ok((dir, cluster, cli, id))
}

fn work_goes_on(cluster: &mut Cluster, cli: &Cli, id: &str) -> anyhow::Result<()> {
    cluster.start_worker(0)?;
    let task = cli.finished(id, 300)?.expect("it finishes");
    assert_eq!(task["state"].as_str(), Some("SUCCEEDED"), "{task}");
    let result = cli.json(&["result", id])?.pop().expect("one object");
    assert_eq!(result["result"].as_str(), Some("amanhã"), "{result}");
    Ok(())
}

/// The backup may greet before the cluster is founded; it must not be forgotten for that.
#[test]
fn a_pair_that_starts_at_the_same_moment_finds_itself() -> anyhow::Result<()> {
    for _ in 0..8 {
        let dir = tempfile::tempdir()?;
        let mut cluster = Cluster::new(Layout::new(dir.path(), 0)?);
        cluster.start_pair_at_once()?;
        cluster.wait_in_sync()?;
    }
    Ok(())
}

#[test]
fn the_principal_first() -> anyhow::Result<()> {
    let (_dir, mut cluster, cli, id) = stopped_overnight()?;
    cluster.start_principal()?;
    cluster.start_backup()?;
    work_goes_on(&mut cluster, &cli, &id)
}

#[test]
fn the_backup_first() -> anyhow::Result<()> {
    let (_dir, mut cluster, cli, id) = stopped_overnight()?;
    cluster.start_backup()?;
    cluster.start_principal()?;
    work_goes_on(&mut cluster, &cli, &id)
}

/// The backup took over when the principal was stopped first, so it is the one that knows everything.
#[test]
fn a_node_that_may_lack_work_waits_for_the_other_and_says_so() -> anyhow::Result<()> {
    let (_dir, mut cluster, cli, id) = stopped_overnight()?;
    cluster.start_principal()?;
    let principal = cluster.principal.as_ref().expect("it was started");
    principal.wait_for("Aguardando o outro orquestrador", SOON)?;
    cluster.start_backup()?;
    work_goes_on(&mut cluster, &cli, &id)
}

#[test]
fn the_node_that_was_alone_needs_nobody() -> anyhow::Result<()> {
    let (_dir, mut cluster, cli, id) = stopped_overnight()?;
    // The principal was stopped first: the backup went on alone until it was stopped too.
    cluster.start_backup()?;
    work_goes_on(&mut cluster, &cli, &id)
}
