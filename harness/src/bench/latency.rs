//! How long one task takes from its submission until the client holds its result: with nothing else going
//! on, and at a fixed rate of arrivals.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use cliente::{Client, TaskSpec, is_final};
use common::proto::TaskState;
use futures::StreamExt as _;

use super::figures::{Runs, percentile};
use super::rig::{MANY_SLOTS, PAYLOAD, Rig};

const WORKERS: usize = 2;
const WARM_UP: usize = 50;
/// Arrivals by second.
const RATES: [u32; 3] = [500, 2_000, 8_000];
const OPEN_LOOP: Duration = Duration::from_secs(4);
/// What arrives so early is not counted.
const SETTLING: Duration = Duration::from_millis(500);
/// Long after everything must be finished.
const TOO_LONG: Duration = Duration::from_secs(60);

pub async fn idle(dir: &Path, probes: usize, runs: &mut Runs) -> anyhow::Result<()> {
    let rig = Rig::start(dir, WORKERS, &MANY_SLOTS)?;
    probe(&rig.client, WARM_UP).await?;
    let waits = probe(&rig.client, probes).await?;
    runs.lower("latency_p50", "ms", percentile(&waits, 0.5));
    runs.lower("latency_p99", "ms", percentile(&waits, 0.99));
    let (mut submissions, mut reads) = (Vec::new(), Vec::new());
    for _ in 0..probes {
        let began = Instant::now();
        let task = rig.client.submit(echo(), false).await?.task;
        submissions.push(began.elapsed().as_secs_f64() * 1e3);
        let began = Instant::now();
        rig.client.task(&task.task_id).await?;
        reads.push(began.elapsed().as_secs_f64() * 1e3);
    }
    runs.lower("latency_submit_p50", "ms", percentile(&submissions, 0.5));
    runs.lower("latency_status_p50", "ms", percentile(&reads, 0.5));
    Ok(())
}

fn echo() -> TaskSpec {
    TaskSpec::new("echo", PAYLOAD.to_vec())
}

/// Milliseconds from a submission to its result, one at a time.
pub async fn probe(client: &Client, count: usize) -> anyhow::Result<Vec<f64>> {
    let mut waits = Vec::with_capacity(count);
    for _ in 0..count {
        let spec = echo();
        let began = Instant::now();
        let (task, result) = client.run(spec, false).await?;
        waits.push(began.elapsed().as_secs_f64() * 1e3);
        ensure!(result == PAYLOAD[..], "a wrong result: {task:?}");
    }
    Ok(waits)
}

/// Each rate on a new cluster.
pub async fn open_loop(dir: &Path, runs: &mut Runs) -> anyhow::Result<()> {
    for rate in RATES {
        let rig = Rig::start(dir, WORKERS, &MANY_SLOTS)?;
        probe(&rig.client, WARM_UP).await?;
        let waits = arrivals(&rig.client, rate, OPEN_LOOP).await?;
        for (name, share) in [("p50", 0.5), ("p99", 0.99), ("p999", 0.999)] {
            runs.lower(format!("open_loop_{rate}_{name}"), "ms", percentile(&waits, share));
        }
    }
    Ok(())
}

/// Milliseconds from the moment at which each task was due, whether or not it could be sent then: what waits
/// behind a slow answer counts as waiting (coordinated omission; Tene, "How NOT to measure latency").
async fn arrivals(client: &Client, rate: u32, duration: Duration) -> anyhow::Result<Vec<f64>> {
    let due: Arc<Mutex<HashMap<String, Instant>>> = Arc::default();
    let mut updates = std::pin::pin!(client.watch_all(true));
    let interval = Duration::from_secs(1) / rate;
    let count = (duration.as_secs_f64() * f64::from(rate)) as u32;
    let began = Instant::now();
    let submitting =
        tokio::spawn(submit_all(client.clone(), Arc::clone(&due), began, interval, count));
    let (mut waits, mut seen) = (Vec::with_capacity(count as usize), 0);
    while seen < count {
        let update = tokio::time::timeout(TOO_LONG, updates.next()).await;
        let update = update.context("the tasks do not end")?.context("the watch ended")??;
        let Some(task) = update.task else { bail!("an update without a task") };
        if !is_final(task.state()) {
            continue;
        }
        ensure!(task.state() == TaskState::Succeeded, "a task did not succeed: {task:?}");
        let Some(at) = due.lock().ok().and_then(|mut due| due.remove(&task.task_id)) else {
            continue;
        };
        seen += 1;
        if at.duration_since(began) >= SETTLING {
            waits.push(at.elapsed().as_secs_f64() * 1e3);
        }
    }
    submitting.await??;
    Ok(waits)
}

async fn submit_all(
    client: Client,
    due: Arc<Mutex<HashMap<String, Instant>>>,
    began: Instant,
    interval: Duration,
    count: u32,
) -> anyhow::Result<()> {
    // The timers of the runtime have a resolution of a millisecond, those of the system have not.
    let (arrive, mut arrivals) = tokio::sync::mpsc::unbounded_channel();
    let pacer = tokio::task::spawn_blocking(move || {
        for at in (0..count).map(|nth| began + interval * nth) {
            std::thread::sleep(at.saturating_duration_since(Instant::now()));
            if arrive.send(at).is_err() {
                return;
            }
        }
    });
    let mut under_way = tokio::task::JoinSet::new();
    while let Some(at) = arrivals.recv().await {
        let spec = TaskSpec::new("echo", PAYLOAD.to_vec());
        if let Ok(mut due) = due.lock() {
            due.insert(spec.task_id.clone(), at);
        }
        let client = client.clone();
        under_way.spawn(async move { client.submit(spec, false).await });
        while let Some(submitted) = under_way.try_join_next() {
            submitted??;
        }
    }
    while let Some(submitted) = under_way.join_next().await {
        submitted??;
    }
    pacer.await?;
    Ok(())
}
