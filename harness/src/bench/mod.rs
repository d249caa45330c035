//! `cargo xtask bench`: what a client sees, measured with every guarantee on.

mod figures;

use std::time::{Duration, Instant};

use anyhow::Context as _;
use cliente::{Client, TaskSpec};
use futures::StreamExt as _;

use crate::chaos;
use crate::cluster::{Cluster, Layout};

pub use figures::{Figure, print_json, print_table};

/// What is measured.
#[derive(Clone, Debug)]
pub struct Options {
    /// Echo tasks in one throughput run.
    pub tasks: usize,
    /// Submissions one after the other in one latency run.
    pub probes: usize,
    /// Kills of the principal.
    pub kills: usize,
    /// Runs of throughput and latency; the median is reported.
    pub repetitions: usize,
}

/// Every payload and result.
const PAYLOAD: &[u8; 64] = &[b'm'; 64];
const WORKERS: usize = 2;
const SLOTS: &str = "1024";

/// Runs all of it.
///
/// # Errors
/// The cluster could not be started, or a task was not acknowledged.
pub fn run(options: &Options, say: impl Fn(&str)) -> anyhow::Result<Vec<Figure>> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let _entered = runtime.enter();
    let (mut throughput, mut p50, mut p99) = (Vec::new(), Vec::new(), Vec::new());
    for repetition in 1..=options.repetitions {
        say(&format!("throughput and latency, run {repetition}/{}", options.repetitions));
        let dir = tempfile::tempdir()?;
        let (_cluster, client) = started(dir.path())?;
        runtime.block_on(drive(&client, 2_000))?;
        throughput.push(runtime.block_on(drive(&client, options.tasks))?);
        let latencies = runtime.block_on(probe(&client, options.probes))?;
        p50.push(percentile(&latencies, 0.50));
        p99.push(percentile(&latencies, 0.99));
    }
    let mut failovers = Vec::new();
    for kill in 1..=options.kills {
        say(&format!("failover {kill}/{}", options.kills));
        let dir = tempfile::tempdir()?;
        let (mut cluster, client) = started(dir.path())?;
        failovers.push(runtime.block_on(fail_over(&mut cluster, &client))?);
    }
    Ok(vec![
        Figure::new("throughput", "tasks/s", throughput),
        Figure::new("latency_p50", "ms", p50),
        Figure::new("latency_p99", "ms", p99),
        Figure::new("failover", "ms", failovers),
    ])
}

fn started(dir: &std::path::Path) -> anyhow::Result<(Cluster, Client)> {
    let mut layout = Layout::new(dir, WORKERS)?;
    layout.worker_args = vec!["--slots".into(), SLOTS.into()];
    let client = chaos::client(&layout)?;
    let mut cluster = Cluster::new(layout);
    cluster.start()?;
    Ok((cluster, client))
}

/// Tasks per second from the first submission until the client holds the last result.
async fn drive(client: &Client, count: usize) -> anyhow::Result<f64> {
    let specs: Vec<_> = (0..count).map(|_| TaskSpec::new("echo", PAYLOAD.to_vec())).collect();
    let ids: Vec<String> = specs.iter().map(|spec| spec.task_id.clone()).collect();
    let began = Instant::now();
    client.submit_many(specs, false).await.context("failed to submit")?;
    let mut results = std::pin::pin!(client.wait_many(ids, true));
    let mut right = 0;
    while let Some(update) = results.next().await {
        right += usize::from(update?.result == PAYLOAD);
    }
    anyhow::ensure!(right == count, "{right} of {count} results are right");
    Ok(count as f64 / began.elapsed().as_secs_f64())
}

/// Milliseconds from a submission to its result, one at a time.
async fn probe(client: &Client, count: usize) -> anyhow::Result<Vec<f64>> {
    let mut latencies = Vec::with_capacity(count);
    for _ in 0..count {
        let spec = TaskSpec::new("echo", PAYLOAD.to_vec());
        let id = spec.task_id.clone();
        let began = Instant::now();
        client.submit(spec, false).await?;
        let mut result = std::pin::pin!(client.wait_many(vec![id], true));
        result.next().await.context("no result")??;
        latencies.push(began.elapsed().as_secs_f64() * 1e3);
    }
    Ok(latencies)
}

/// Milliseconds from `kill -9` of the principal to the next acknowledgement in a tight loop of submissions;
/// every acknowledged task must still be known afterwards.
async fn fail_over(cluster: &mut Cluster, client: &Client) -> anyhow::Result<f64> {
    let mut acknowledged = Vec::new();
    let began = Instant::now();
    while began.elapsed() < Duration::from_millis(300) {
        acknowledged.push(submit_one(client).await?);
    }
    let mut principal = cluster.principal.take().context("the principal runs")?;
    principal.kill()?;
    let killed = Instant::now();
    acknowledged.push(submit_one(client).await?);
    let outage = killed.elapsed().as_secs_f64() * 1e3;
    for id in &acknowledged {
        client.task(id).await.with_context(|| format!("the acknowledged task {id} is lost"))?;
    }
    Ok(outage)
}

async fn submit_one(client: &Client) -> anyhow::Result<String> {
    Ok(client.submit(TaskSpec::new("echo", PAYLOAD.to_vec()), false).await?.task.task_id)
}

/// The value below which the given share of them lies.
fn percentile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = ((sorted.len().saturating_sub(1)) as f64 * share).round() as usize;
    sorted.get(at).copied().unwrap_or(f64::NAN)
}
