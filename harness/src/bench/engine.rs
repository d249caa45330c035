//! A pair, orchestrators on an etcd of three, and that etcd by itself, one after the other in each run.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::ensure;
use cliente::TaskSpec;
use futures::{StreamExt as _, TryStreamExt as _};
use orquestrador_etcd::{Etcd, Op, Txn};

use super::failover::{Accident, Rehearsal};
use super::figures::{Runs, percentile};
use super::latency::probe;
use super::rig::{MANY_SLOTS, Rig, Usage};
use super::throughput::{drive, drive_one_by_one, drive_these, echoes};
use crate::EtcdCluster;

const MEMBERS: usize = 3;
const WORKERS: usize = 2;
const WARM_UP: usize = 2_000;
/// Of what is measured of etcd by itself.
const DURATION: Duration = Duration::from_secs(3);
/// A request may take so long.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Of the small values.
const SMALL: usize = 256;
/// What a full transaction of ours is at most.
const LARGE: usize = 1 << 20;
/// Of the second group.
const QUEUE: &str = "second";

/// One run: the same load on both engines, and what etcd can write.
///
/// # Errors
/// A cluster could not be started, or a result is wrong.
pub async fn run(
    dir: &Path,
    tasks: usize,
    probes: usize,
    say: &dyn Fn(&str),
    runs: &mut Runs,
) -> anyhow::Result<()> {
    say("  pair");
    load(dir, None, ("pair", tasks, probes), runs).await?;
    say("  etcd by itself");
    let etcd = tokio::task::block_in_place(|| EtcdCluster::start(MEMBERS))?;
    write(&etcd, runs).await?;
    say("  orchestrators on it");
    load(dir, Some(address(&etcd, "load")), ("etcd", tasks, probes), runs).await?;
    say("  two groups of orchestrators on it");
    groups(dir, &address(&etcd, "groups"), tasks, runs).await
}

/// Half of the tasks are of a queue that the second group has; the client is told of the first one only.
async fn groups(dir: &Path, engine: &str, tasks: usize, runs: &mut Runs) -> anyhow::Result<()> {
    let group = |args: &[&str]| {
        let args = args.iter().map(|arg| (*arg).to_owned()).collect();
        Rig::start_laid_out(dir, WORKERS, &MANY_SLOTS, |layout| {
            layout.engine = Some(engine.to_owned());
            layout.orchestrator_args = args;
        })
    };
    let (first, second) = (group(&[])?, group(&["--group", "second", "--queues", QUEUE])?);
    for count in [WARM_UP, tasks] {
        let (mine, others) = (echoes(count / 2), of_queue(echoes(count / 2)));
        let before = (first.usage()?, second.usage()?);
        let began = Instant::now();
        let client = &first.client;
        futures::try_join!(drive_these(client, mine), drive_these(client, others))?;
        if count == tasks {
            let rate = count as f64 / began.elapsed().as_secs_f64();
            runs.higher("engine_groups_batches", "tasks/s", rate);
            let cost =
                |rig: &Rig, before: &Usage| anyhow::Ok(rig.usage()?.cost(before, count)[0].1);
            let cost = cost(&first, &before.0)? + cost(&second, &before.1)?;
            runs.lower("engine_groups_cpu_principals", "us/task", cost);
        }
    }
    Ok(())
}

fn of_queue(mut specs: Vec<TaskSpec>) -> Vec<TaskSpec> {
    for spec in &mut specs {
        QUEUE.clone_into(&mut spec.place.queue);
    }
    specs
}

/// `kill -9` of the principal, so many times on each engine.
///
/// # Errors
/// As [`Rehearsal::run`].
pub async fn failovers(
    dir: &Path,
    count: usize,
    say: &dyn Fn(&str),
    runs: &mut Runs,
) -> anyhow::Result<()> {
    let etcd = tokio::task::block_in_place(|| EtcdCluster::start(MEMBERS))?;
    let mut rehearsals = Vec::new();
    for (name, engine) in [("pair", None), ("etcd", Some(address(&etcd, "failover")))] {
        let dir = tempfile::tempdir_in(dir)?;
        let rehearsal = Rehearsal::on(dir.path(), engine)?;
        rehearsals.push((name, rehearsal, dir));
    }
    for nth in 1..=count {
        say(&format!("  kill {nth}/{count}"));
        for (name, rehearsal, _) in &mut rehearsals {
            let longest = rehearsal.run(Accident::Kill).await?;
            runs.lower(format!("engine_{name}_failover"), "ms", longest);
        }
    }
    Ok(())
}

fn address(etcd: &EtcdCluster, prefix: &str) -> String {
    format!("etcd://{}/{prefix}", etcd.endpoints().join(","))
}

async fn load(
    dir: &Path,
    engine: Option<String>,
    (name, tasks, probes): (&str, usize, usize),
    runs: &mut Runs,
) -> anyhow::Result<()> {
    let rig = Rig::start_on(dir, engine, WORKERS, &MANY_SLOTS)?;
    drive(&rig.client, WARM_UP).await?;
    let before = rig.usage()?;
    runs.higher(format!("engine_{name}_batches"), "tasks/s", drive(&rig.client, tasks).await?);
    let principal = rig.usage()?.cost(&before, tasks)[0].1;
    runs.lower(format!("engine_{name}_batches_cpu_principal"), "us/task", principal);
    let before = rig.usage()?;
    let single = drive_one_by_one(&rig.client, tasks / 2).await?;
    runs.higher(format!("engine_{name}_single"), "tasks/s", single);
    for (process, cost) in rig.usage()?.cost(&before, tasks / 2) {
        runs.lower(format!("engine_{name}_single_cpu_{process}"), "us/task", cost);
    }
    let waits = probe(&rig.client, probes).await?;
    runs.lower(format!("engine_{name}_latency_p50"), "ms", percentile(&waits, 0.5));
    runs.lower(format!("engine_{name}_latency_p99"), "ms", percentile(&waits, 0.99));
    Ok(())
}

/// What etcd writes: small values one after the other and many at once, and mebibytes.
async fn write(etcd: &EtcdCluster, runs: &mut Runs) -> anyhow::Result<()> {
    let etcd = Etcd::new(etcd.options(TIMEOUT))?;
    for (figure, bytes, at_once) in [
        ("limit_etcd_one", SMALL, 1),
        ("limit_etcd_many", SMALL, 1_000),
        ("limit_etcd_large", LARGE, 1),
    ] {
        runs.higher(figure, "/s", puts(&etcd, bytes, at_once).await?);
    }
    Ok(())
}

/// By second; each key is written again and again, so that nothing grows.
async fn puts(etcd: &Etcd, bytes: usize, at_once: usize) -> anyhow::Result<f64> {
    let began = Instant::now();
    let value = vec![b'm'; bytes];
    let writers = (0..at_once).map(|nth| {
        let value = value.clone();
        async move {
            let mut count = 0_u32;
            while began.elapsed() < DURATION {
                let put = Op::put(format!("/limit/{nth}"), value.clone());
                let done = etcd.txn(Txn::new().then(put)).await?;
                ensure!(done.succeeded, "etcd refused a value");
                count += 1;
            }
            Ok(count)
        }
    });
    let writers = futures::stream::iter(writers).buffer_unordered(at_once);
    let counts: Vec<u32> = writers.try_collect().await?;
    Ok(f64::from(counts.iter().sum::<u32>()) / began.elapsed().as_secs_f64())
}
