//! `cargo xtask demo`: real work on a real cluster, with a worker and the principal killed in the middle.

pub mod files;
pub mod picture;
pub mod report;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use cliente::{Client, TaskSpec};
use common::proto::{TaskState, TaskUpdate};
use futures::StreamExt as _;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use worker::handlers::mandelbrot::{Tile, render};

use crate::process::Process;
use files::Hashed;
use picture::Picture;
use report::Report;

/// What the demo does.
#[derive(Clone, Debug)]
pub struct Options {
    /// Points of the picture's side.
    pub size: u32,
    /// Points of a tile's side.
    pub tile: u32,
    /// Whose files are hashed.
    pub repository: PathBuf,
    /// Where the picture goes.
    pub picture: PathBuf,
    /// How many points of the side become one.
    pub shrink: u32,
}

/// Who is killed while it runs.
pub struct Victims<'a> {
    pub worker: &'a mut Option<Process>,
    pub principal: &'a mut Option<Process>,
}

/// What a task must come to.
enum Expected {
    Tile(Tile),
    Hash(Hashed),
}

/// The share of finished tasks at which the worker and then the principal are killed.
const KILL_WORKER_AT: f64 = 0.25;
const KILL_PRINCIPAL_AT: f64 = 0.50;

/// Runs on a started cluster.
///
/// # Errors
/// The demo could not be carried through; what the platform did wrong is in the report.
pub async fn run(
    options: &Options,
    mut victims: Victims<'_>,
    client: &Client,
) -> anyhow::Result<Report> {
    let began = Instant::now();
    let mut open = expectations(options)?;
    let specs: Vec<TaskSpec> =
        open.iter().map(|(id, expected)| specification(id, expected)).collect();
    let total = specs.len();
    let mut report = Report { submitted: total, ..Report::default() };
    client.submit_many(specs, false).await.context("failed to submit")?;
    report.acknowledged = total;

    let bar = progress_bar(total);
    let mut picture = Picture::new(options.size);
    let ids: Vec<String> = open.keys().cloned().collect();
    let mut updates = std::pin::pin!(client.wait_many(ids, true));
    let mut finished = 0;
    while let Some(update) = updates.next().await {
        let update = update.context("failed to wait")?;
        let Some(task) = &update.task else { continue };
        let Some(expected) = open.remove(&task.task_id) else {
            report.duplicated += 1;
            continue;
        };
        finished += 1;
        bar.inc(1);
        report.count(task);
        if !is_right(&expected, &update, &mut picture)? {
            report.wrong += 1;
        }
        kill_in_the_middle(finished as f64 / total as f64, &mut victims, client, &mut report, &bar)
            .await?;
    }
    bar.finish_and_clear();
    report.lost = open.len();
    picture.shrunk(options.shrink).write(&options.picture)?;
    report.elapsed = began.elapsed();
    Ok(report)
}

fn expectations(options: &Options) -> anyhow::Result<HashMap<String, Expected>> {
    let tiles = picture::tiles(options.size, options.tile).into_iter().map(Expected::Tile);
    let hashes = files::repository(&options.repository)?.into_iter().map(Expected::Hash);
    Ok(tiles.chain(hashes).map(|expected| (cliente::new_task_id(), expected)).collect())
}

fn specification(id: &str, expected: &Expected) -> TaskSpec {
    let (handler, payload) = match expected {
        Expected::Tile(tile) => ("mandelbrot", json!(tile)),
        Expected::Hash(file) => ("command", json!({ "argv": ["sha256sum", file.path] })),
    };
    TaskSpec { task_id: id.to_owned(), ..TaskSpec::new(handler, payload.to_string().into_bytes()) }
}

/// Compares with a computation of our own; a tile goes into the picture.
fn is_right(
    expected: &Expected,
    update: &TaskUpdate,
    picture: &mut Picture,
) -> anyhow::Result<bool> {
    let succeeded = update.task.as_ref().is_some_and(|task| task.state() == TaskState::Succeeded);
    if !succeeded {
        return Ok(false);
    }
    match expected {
        Expected::Tile(tile) => {
            if update.result != render(tile) {
                return Ok(false);
            }
            picture.put(tile, &update.result)?;
            Ok(true)
        }
        Expected::Hash(file) => {
            let result: serde_json::Value = serde_json::from_slice(&update.result)?;
            Ok(result["stdout"].as_str().is_some_and(|text| text.contains(&file.sha256)))
        }
    }
}

async fn kill_in_the_middle(
    share: f64,
    victims: &mut Victims<'_>,
    client: &Client,
    report: &mut Report,
    bar: &ProgressBar,
) -> anyhow::Result<()> {
    if share >= KILL_WORKER_AT
        && let Some(mut victim) = victims.worker.take()
    {
        bar.println(format!("kill -9 {} ({})", victim.id(), victim.name()));
        victim.kill()?;
    }
    if share >= KILL_PRINCIPAL_AT
        && let Some(mut victim) = victims.principal.take()
    {
        bar.println(format!("kill -9 {} ({})", victim.id(), victim.name()));
        victim.kill()?;
        report.failover = Some(time_to_acknowledge(client).await?);
    }
    Ok(())
}

/// From the kill to the acknowledgement of a submission that began after it.
async fn time_to_acknowledge(client: &Client) -> anyhow::Result<Duration> {
    let began = Instant::now();
    client.submit(TaskSpec::new("echo", b"depois da queda".to_vec()), false).await?;
    Ok(began.elapsed())
}

fn progress_bar(total: usize) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} tarefas  {per_sec}  {elapsed}");
    ProgressBar::new(total as u64)
        .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

/// The top of the repository that this program was built from, or the current directory.
pub fn repository_root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .filter(|path| path.join(".git").exists())
        .map_or_else(|| PathBuf::from("."), Path::to_owned)
}
