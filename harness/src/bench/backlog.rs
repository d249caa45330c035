//! Many queued tasks: how fast they come in without a worker, what each takes in memory, how fast they are
//! drained, and how soon a pair that was killed has them again.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use cliente::{ArraySpec, Client, QueueChange, TaskSpec};
use common::proto::TaskState;
use futures::{StreamExt as _, stream};

use super::figures::{Runs, percentile};
use super::onlooker::Onlooker;
use super::rig::{MANY_SLOTS, PAYLOAD, Rig, Usage};
use super::throughput::{drive, echoes};

/// Tasks that the client prepares at once.
const PART: usize = 50_000;
const WORKERS: usize = 2;
/// A handler that no worker offers.
const NOBODY: &str = "nobody";
const WARM_UP: usize = 2_000;
/// How often the counts are looked at.
const LOOK: Duration = Duration::from_millis(20);
/// The same where all is over soon.
const SHORT_LOOK: Duration = Duration::from_millis(1);
/// Tasks in all drains of one length, at least.
const SHORTEST_DRAIN: usize = 50_000;
/// The queue of whoever names none.
const QUEUE: &str = "default";
/// Of the drivers of both nodes, which then tell turns of more than 50 ms, and how.
const TELLS_LONG_TURNS: [(&str, &str); 1] = [("MUTIRAO_LOG", "info,orquestrador::driver=debug")];
const LONG_TURN: &str = "a long turn";
const TOO_LONG: Duration = Duration::from_secs(600);

/// `tasks`, then four times as many: the slope between leaves out what a process takes at all.
pub async fn enqueue_and_drain(dir: &Path, tasks: usize, runs: &mut Runs) -> anyhow::Result<()> {
    let mut rig = Rig::start_with(dir, WORKERS, &MANY_SLOTS, &TELLS_LONG_TURNS)?;
    stop_workers(&mut rig)?;
    let at_first = rig.usage()?;
    runs.higher("backlog_enqueue", "tasks/s", enqueue(&rig.client, tasks).await?);
    let before = rig.usage()?;
    for (process, cost) in before.cost(&at_first, tasks) {
        runs.lower(format!("backlog_enqueue_cpu_{process}"), "us/task", cost);
    }
    // Snapshots are written meanwhile.
    let onlooker = Onlooker::start(&rig.cluster.layout)?;
    enqueue(&rig.client, 3 * tasks).await?;
    let status = onlooker.stop().await?;
    runs.lower("backlog_status_p99", "ms", percentile(&status, 0.99));
    runs.lower("backlog_status_max", "ms", percentile(&status, 1.0));
    let after = rig.usage()?;
    let slope =
        |of: fn(&Usage) -> u64| (of(&after) as f64 - of(&before) as f64) / (3 * tasks) as f64;
    runs.lower("backlog_memory_principal", "B/task", slope(|u| u.principal.resident));
    runs.lower("backlog_memory_standby", "B/task", slope(|u| u.standby.resident));
    runs.higher("backlog_drain", "tasks/s", drain(&mut rig, 4 * tasks).await?);
    let nodes = [&rig.cluster.principal, &rig.cluster.backup].into_iter().flatten();
    let lines = nodes.flat_map(|node| node.lines());
    let long = lines.filter(|line| line.contains(LONG_TURN)).count();
    runs.lower("backlog_long_turns", "> 50 ms", long as f64);
    Ok(())
}

/// `tasks` as one array, and four times as many as another: until the first answer, what they take, and how fast they
/// are drained.
pub async fn array(dir: &Path, tasks: usize, runs: &mut Runs) -> anyhow::Result<()> {
    let mut rig = Rig::start(dir, WORKERS, &MANY_SLOTS)?;
    stop_workers(&mut rig)?;
    submit_array(&rig.client, 1).await?;
    let before = rig.usage()?;
    let began = Instant::now();
    submit_array(&rig.client, tasks).await?;
    runs.lower("array_submit", "ms", began.elapsed().as_secs_f64() * 1_000.0);
    submit_array(&rig.client, 4 * tasks).await?;
    let after = rig.usage()?;
    let grown = |of: fn(&Usage) -> u64| of(&after).saturating_sub(of(&before)) as f64 / 1024.0;
    runs.lower("array_memory_principal", "KiB", grown(|u| u.principal.resident));
    runs.lower("array_memory_standby", "KiB", grown(|u| u.standby.resident));
    runs.higher("array_drain", "tasks/s", drain(&mut rig, 5 * tasks + 1).await?);
    Ok(())
}

async fn submit_array(client: &Client, tasks: usize) -> anyhow::Result<()> {
    let numbers = 0..u32::try_from(tasks).context("too many tasks for an array")?;
    let done = client.submit_array(ArraySpec::new("echo", PAYLOAD.to_vec(), numbers), true).await?;
    ensure!(done.array.queued as usize == tasks, "{:?} was accepted", done.array);
    Ok(())
}

/// Both killed with so many tasks queued: seconds until the next submission is acknowledged.
pub async fn recovery(dir: &Path, tasks: usize, runs: &mut Runs) -> anyhow::Result<()> {
    let mut rig = Rig::start(dir, 1, &MANY_SLOTS)?;
    stop_workers(&mut rig)?;
    enqueue(&rig.client, tasks).await?;
    for process in [&mut rig.cluster.principal, &mut rig.cluster.backup] {
        process.as_mut().context("it runs")?.kill()?;
    }
    let began = Instant::now();
    rig.cluster.start_pair_at_once()?;
    rig.client.submit_many(echoes(1), true).await?;
    runs.lower("recovery", "s", began.elapsed().as_secs_f64());
    let queued = count(&rig.client, TaskState::Queued).await?;
    ensure!(queued == tasks as u64 + 1, "{queued} of {tasks} tasks are there");
    Ok(())
}

/// Tasks by second while so many others, which nobody can run, are queued.
pub async fn growth(dir: &Path, queued: usize, tasks: usize) -> anyhow::Result<f64> {
    let rig = Rig::start(dir, WORKERS, &MANY_SLOTS)?;
    enqueue_for(&rig.client, NOBODY, queued).await?;
    drive(&rig.client, WARM_UP).await?;
    drive(&rig.client, tasks).await
}

/// Tasks by second from the moment at which a queue of so many, which was paused, goes on.
pub async fn drain_of(dir: &Path, queued: usize) -> anyhow::Result<f64> {
    let rig = Rig::start(dir, WORKERS, &MANY_SLOTS)?;
    drive(&rig.client, WARM_UP).await?;
    let pause = async |paused| {
        let change = QueueChange { paused: Some(paused), ..QueueChange::default() };
        rig.client.change_queue(QUEUE, change).await
    };
    let mut took = Duration::ZERO;
    // A short queue is drained so soon that once says little.
    let times = (SHORTEST_DRAIN / queued).max(1);
    for _ in 0..times {
        pause(true).await?;
        enqueue(&rig.client, queued).await?;
        let began = Instant::now();
        pause(false).await?;
        while unfinished(&rig.client).await? > 0 {
            ensure!(began.elapsed() < TOO_LONG, "the tasks do not end");
            tokio::time::sleep(SHORT_LOOK).await;
        }
        took += began.elapsed();
    }
    Ok((times * queued) as f64 / took.as_secs_f64())
}

/// They have come once, so that their handlers are known.
fn stop_workers(rig: &mut Rig) -> anyhow::Result<()> {
    for worker in &mut rig.cluster.workers {
        if let Some(mut worker) = worker.take() {
            worker.kill()?;
        }
    }
    Ok(())
}

/// Tasks by second.
async fn enqueue(client: &Client, count: usize) -> anyhow::Result<f64> {
    enqueue_for(client, "echo", count).await
}

async fn enqueue_for(client: &Client, handler: &str, count: usize) -> anyhow::Result<f64> {
    let parts = (0..count).step_by(PART).map(|from| PART.min(count - from));
    let tasks = |count| (0..count).map(|_| TaskSpec::new(handler, PAYLOAD.to_vec())).collect();
    let began = Instant::now();
    let mut batches = std::pin::pin!(client.submit_all(stream::iter(parts.map(tasks)), true));
    let mut accepted = 0;
    while let Some(batch) = batches.next().await {
        accepted += batch?.accepted as usize;
    }
    ensure!(accepted == count, "{accepted} of {count} were accepted");
    Ok(count as f64 / began.elapsed().as_secs_f64())
}

/// Starts the workers; tasks by second from the first registration to the last outcome.
async fn drain(rig: &mut Rig, count: usize) -> anyhow::Result<f64> {
    for nth in 0..rig.cluster.workers.len() {
        rig.cluster.start_worker(nth)?;
    }
    let (mut began, deadline) = (None, Instant::now() + TOO_LONG);
    loop {
        let left = unfinished(&rig.client).await?;
        if began.is_none() && left < count as u64 {
            began = Some((Instant::now(), left));
        }
        if left == 0 {
            break;
        }
        ensure!(Instant::now() < deadline, "{left} tasks are still there");
        tokio::time::sleep(LOOK).await;
    }
    let (began, left) = began.context("nothing was drained")?;
    Ok(left as f64 / began.elapsed().as_secs_f64())
}

/// Tasks that wait or run.
pub async fn unfinished(client: &Client) -> anyhow::Result<u64> {
    Ok(count(client, TaskState::Queued).await? + count(client, TaskState::Running).await?)
}

pub async fn count(client: &Client, state: TaskState) -> anyhow::Result<u64> {
    let name = state.as_str_name().trim_start_matches("TASK_STATE_");
    let counts = client.cluster().await?.task_counts;
    Ok(counts.iter().find(|count| count.state == name).map_or(0, |count| count.count))
}
