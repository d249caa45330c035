//! Echo tasks as fast as one client can have them done: submitted in batches, and one by one.

use std::path::Path;
use std::time::Instant;

use anyhow::{Context as _, ensure};
use cliente::{Client, TaskSpec};
use futures::StreamExt as _;

use super::figures::Runs;
use super::rig::{MANY_SLOTS, PAYLOAD, Rig};

const WORKERS: usize = 2;
const WARM_UP: usize = 2_000;
/// Of the submissions one by one.
const IN_FLIGHT: usize = 1_000;

/// One run: tasks by second, and the CPU time that each cost, by process.
pub async fn batches(dir: &Path, tasks: usize, runs: &mut Runs) -> anyhow::Result<()> {
    let rig = Rig::start(dir, WORKERS, &MANY_SLOTS)?;
    drive(&rig.client, WARM_UP).await?;
    let before = rig.usage()?;
    runs.higher("throughput", "tasks/s", drive(&rig.client, tasks).await?);
    for (process, cost) in rig.usage()?.cost(&before, tasks) {
        runs.lower(format!("throughput_cpu_{process}"), "us/task", cost);
    }
    Ok(())
}

/// The same with one task in each request, 1,000 of them in flight.
pub async fn single(dir: &Path, tasks: usize, runs: &mut Runs) -> anyhow::Result<()> {
    let rig = Rig::start(dir, WORKERS, &MANY_SLOTS)?;
    drive_one_by_one(&rig.client, WARM_UP).await?;
    let before = rig.usage()?;
    runs.higher("single", "tasks/s", drive_one_by_one(&rig.client, tasks).await?);
    for (process, cost) in rig.usage()?.cost(&before, tasks) {
        runs.lower(format!("single_cpu_{process}"), "us/task", cost);
    }
    Ok(())
}

pub fn echoes(count: usize) -> Vec<TaskSpec> {
    (0..count).map(|_| TaskSpec::new("echo", PAYLOAD.to_vec())).collect()
}

fn ids(specs: &[TaskSpec]) -> Vec<String> {
    specs.iter().map(|spec| spec.task_id.clone()).collect()
}

/// Tasks by second from the first submission until the client holds the last result.
pub async fn drive(client: &Client, count: usize) -> anyhow::Result<f64> {
    let specs = echoes(count);
    let began = Instant::now();
    drive_these(client, specs).await?;
    Ok(count as f64 / began.elapsed().as_secs_f64())
}

/// Submits them, and waits for all results.
pub async fn drive_these(client: &Client, specs: Vec<TaskSpec>) -> anyhow::Result<()> {
    let ids = ids(&specs);
    client.submit_many(specs, false).await.context("failed to submit")?;
    collect(client, ids).await
}

pub async fn drive_one_by_one(client: &Client, count: usize) -> anyhow::Result<f64> {
    let specs = echoes(count);
    let ids = ids(&specs);
    let began = Instant::now();
    let mut submissions = futures::stream::iter(specs)
        .map(|spec| client.submit(spec, false))
        .buffer_unordered(IN_FLIGHT);
    while let Some(submitted) = submissions.next().await {
        submitted.context("failed to submit")?;
    }
    collect(client, ids).await?;
    Ok(count as f64 / began.elapsed().as_secs_f64())
}

/// Waits for all results and looks at each.
pub async fn collect(client: &Client, ids: Vec<String>) -> anyhow::Result<()> {
    let count = ids.len();
    let mut results = std::pin::pin!(client.wait_many(ids, true));
    let mut right = 0;
    while let Some(update) = results.next().await {
        right += usize::from(update?.result == PAYLOAD[..]);
    }
    ensure!(right == count, "{right} of {count} results are right");
    Ok(())
}
