//! Workers that speak the protocol and lie, clients that ask and never read, and strangers who pass for the other orchestrator.

#[path = "liars/files.rs"]
mod files;
#[path = "liars/readers.rs"]
mod readers;
#[path = "liars/strangers.rs"]
mod strangers;
#[path = "liars/workers.rs"]
mod workers;

use std::path::Path;
use std::time::Duration;

use common::endpoint::Endpoint;
use harness::{Cli, Cluster};
use tonic::transport::Channel;

const SOON: Duration = Duration::from_secs(60);
/// Looks, a tenth of a second apart.
const TRIES: usize = 600;

/// With one honest worker that runs programs.
fn cluster(dir: &Path) -> anyhow::Result<(Cli, Cluster)> {
    Cluster::with_programs(dir, 1, &["--labels", "kind=honest"])
}

fn channel(cluster: &Cluster) -> anyhow::Result<Channel> {
    let port = cluster.layout.principal_port;
    Ok(format!("http://localhost:{port}").parse::<Endpoint>()?.channel())
}

/// Somebody else is served meanwhile.
fn serves(cli: &Cli) -> anyhow::Result<()> {
    let id = cli.submit(&["--handler", "echo", "--payload", "x", "--label", "kind=honest"])?;
    let task = cli.finished(&id, TRIES)?.expect("it finishes");
    assert_eq!(task["state"].as_str(), Some("SUCCEEDED"), "{task}");
    Ok(())
}

/// Resident bytes of the principal, at most so far.
fn most_resident(cluster: &Cluster) -> anyhow::Result<u64> {
    let id = cluster.principal.as_ref().expect("it runs").id();
    let status = std::fs::read_to_string(format!("/proc/{id}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("Linux tells it");
    let kilobytes: u64 = line.split_whitespace().next().expect("a number").parse()?;
    Ok(kilobytes << 10)
}
