//! Twice as much as can be done: the node goes on answering, refuses what is too much, loses nobody, and is as
//! quick as before once it is over.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use cliente::{Client, TaskSpec};
use common::proto::TaskState;

use super::backlog;
use super::figures::{Runs, percentile};
use super::latency::probe;
use super::onlooker::Onlooker;
use super::rig::{MANY_SLOTS, PAYLOAD, Rig};
use super::throughput;

const WORKERS: usize = 2;
const LOAD: Duration = Duration::from_secs(5);
/// Calls that this process has under way: what comes when it has as many is lost to the count, as it
/// would be to a caller whose queue is full.
const MAX_IN_FLIGHT: usize = 20_000;
const LOOK: Duration = Duration::from_millis(20);
const PROBES: usize = 100;
const TOO_LONG: Duration = Duration::from_secs(120);

/// Relative to what is sustained when nobody offers more.
pub async fn run(dir: &Path, runs: &mut Runs) -> anyhow::Result<()> {
    let rig = Rig::start(dir, WORKERS, &MANY_SLOTS)?;
    let rate = throughput::drive_one_by_one(&rig.client, 20_000).await?;
    let before = rig.client.cluster().await?;
    let idle = percentile(&probe(&rig.client, PROBES).await?, 0.5);
    let onlooker = Onlooker::start(&rig.cluster.layout)?;
    let offered = offer(&rig.client, 2.0 * rate).await?;
    let status = onlooker.stop().await?;
    let began = Instant::now();
    while backlog::unfinished(&rig.client).await? > 0 {
        ensure!(began.elapsed() < TOO_LONG, "the backlog is not worked off");
        tokio::time::sleep(LOOK).await;
    }
    runs.lower("overload_drained", "s", began.elapsed().as_secs_f64());
    let after = rig.client.cluster().await?;
    ensure!(after.epoch == before.epoch, "a failover without a failure");
    let principal = rig.cluster.principal.as_ref().context("the principal runs")?;
    let lost = principal.lines().iter().filter(|line| line.contains("considerado falho")).count();
    ensure!(lost == 0, "{lost} workers were declared dead");
    let done = backlog::count(&rig.client, TaskState::Succeeded).await?;
    ensure!(done as usize >= offered.acknowledged, "acknowledged, and not done");
    runs.higher("overload_offered", "× sustained", offered.sent as f64 / LOAD.as_secs_f64() / rate);
    runs.higher(
        "overload_goodput",
        "× sustained",
        offered.acknowledged as f64 / offered.seconds / rate,
    );
    runs.lower("overload_status_p99", "ms", percentile(&status, 0.99));
    let recovered = percentile(&probe(&rig.client, PROBES).await?, 0.5);
    runs.lower("overload_latency_after", "× idle", recovered / idle);
    Ok(())
}

struct Offered {
    sent: usize,
    acknowledged: usize,
    /// Until the last answer.
    seconds: f64,
}

/// At a fixed rate, whatever the answers do.
async fn offer(client: &Client, rate: f64) -> anyhow::Result<Offered> {
    let began = Instant::now();
    let acknowledged = Arc::new(AtomicUsize::new(0));
    let in_flight = Arc::new(AtomicUsize::new(0));
    let mut calls = tokio::task::JoinSet::new();
    let mut sent = 0;
    while began.elapsed() < LOAD {
        let due = (began.elapsed().as_secs_f64() * rate) as usize;
        while sent < due {
            sent += 1;
            if in_flight.load(Ordering::Relaxed) >= MAX_IN_FLIGHT {
                continue;
            }
            in_flight.fetch_add(1, Ordering::Relaxed);
            let (client, acknowledged) = (client.clone(), Arc::clone(&acknowledged));
            let in_flight = Arc::clone(&in_flight);
            calls.spawn(async move {
                let done = client.submit(TaskSpec::new("echo", PAYLOAD.to_vec()), false).await;
                acknowledged.fetch_add(usize::from(done.is_ok()), Ordering::Relaxed);
                in_flight.fetch_sub(1, Ordering::Relaxed);
            });
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    while let Some(call) = calls.join_next().await {
        call?;
    }
    let acknowledged = acknowledged.load(Ordering::Relaxed);
    Ok(Offered { sent, acknowledged, seconds: began.elapsed().as_secs_f64() })
}
