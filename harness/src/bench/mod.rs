//! `cargo xtask bench`: what a client sees, measured with every guarantee on.

mod failover;
mod figures;

use std::time::Instant;

use anyhow::Context as _;
use cliente::{Client, TaskSpec};
use futures::StreamExt as _;

use crate::chaos;
use crate::cluster::{Cluster, Layout};

use failover::{Accident, Rehearsal};
pub use figures::{Figure, print_json, print_table};

/// What is measured.
#[derive(Clone, Debug)]
pub struct Options {
    /// Echo tasks in one throughput run.
    pub tasks: usize,
    /// Submissions one after the other in one latency run.
    pub probes: usize,
    /// Failovers of each kind.
    pub failovers: usize,
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
    let dir = tempfile::tempdir()?;
    let mut rehearsal = Rehearsal::new(dir.path())?;
    let mut waits = |accident: Accident| -> anyhow::Result<Vec<f64>> {
        (1..=options.failovers)
            .map(|nth| {
                say(&format!("{accident:?} {nth}/{}", options.failovers));
                runtime.block_on(rehearsal.run(accident))
            })
            .collect()
    };
    let (killed, stopped) = (waits(Accident::Kill)?, waits(Accident::Stop)?);
    let switched = waits(Accident::Switchover)?;
    Ok(vec![
        Figure::new("throughput", "tasks/s", throughput),
        Figure::new("latency_p50", "ms", p50),
        Figure::new("latency_p99", "ms", p99),
        Figure::new("failover_kill", "ms", killed),
        Figure::new("failover_silence", "ms", stopped),
        Figure::new("switchover", "ms", switched),
    ])
}

fn started(dir: &std::path::Path) -> anyhow::Result<(Cluster, Client)> {
    let mut layout = Layout::new(dir, WORKERS)?;
    layout.worker_args = vec!["--slots".into(), SLOTS.into()];
    let client = chaos::rounds::client(&layout)?;
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

/// The value below which the given share of them lies.
fn percentile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = ((sorted.len().saturating_sub(1)) as f64 * share).round() as usize;
    sorted.get(at).copied().unwrap_or(f64::NAN)
}
