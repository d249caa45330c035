//! Real processes.

use std::path::Path;
use std::time::Instant;

use anyhow::{Context as _, ensure};
use cliente::TaskSpec;
use common::proto::TaskState;
use futures::StreamExt as _;

use super::figures::Runs;
use super::rig::Rig;

/// With one slot each: as many processes at once as the machine has cores.
const WORKERS: usize = 2;
const WORKER_ARGS: [&str; 4] = ["--slots", "1", "--handlers", "default,command"];
const WARM_UP: usize = 50;

/// `/bin/true`, so many times.
pub async fn run(dir: &Path, tasks: usize, runs: &mut Runs) -> anyhow::Result<()> {
    let rig = Rig::start(dir, WORKERS, &WORKER_ARGS)?;
    drive(&rig, WARM_UP).await?;
    let before = rig.usage()?;
    runs.higher("exec", "tasks/s", drive(&rig, tasks).await?);
    for (process, cost) in rig.usage()?.cost(&before, tasks) {
        runs.lower(format!("exec_cpu_{process}"), "us/task", cost);
    }
    Ok(())
}

async fn drive(rig: &Rig, count: usize) -> anyhow::Result<f64> {
    let payload = br#"{"argv":["/bin/true"]}"#;
    let specs: Vec<_> = (0..count).map(|_| TaskSpec::new("command", payload.to_vec())).collect();
    let ids: Vec<_> = specs.iter().map(|spec| spec.task_id.clone()).collect();
    let began = Instant::now();
    rig.client.submit_many(specs, false).await.context("failed to submit")?;
    let mut results = std::pin::pin!(rig.client.wait_many(ids, false));
    let mut done = 0;
    while let Some(update) = results.next().await {
        let succeeded = update?.task.is_some_and(|task| task.state() == TaskState::Succeeded);
        done += usize::from(succeeded);
    }
    ensure!(done == count, "{done} of {count} processes succeeded");
    Ok(count as f64 / began.elapsed().as_secs_f64())
}
