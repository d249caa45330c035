//! What ran where: every attempt, by mouse, keyboard and ear.

use anyhow::{Context as _, ensure};
use common::auth::{DEMO_TOKEN, DEMO_USER};
use harness::{Browser, Cli, Cluster};
use serde_json::Value;

use super::{enter, has_no_errors, panel, window};

/// Looks at a task, a tenth of a second apart.
const TRIES: usize = 600;

/// What the bars of one task say to those who hear them.
fn told(page: &Browser, id: &str) -> anyhow::Result<Vec<String>> {
    let script = "return [...document.querySelectorAll('.bars a')].map((bar) => bar.ariaLabel) \
        .filter((told) => told.includes(arguments[0]))";
    let found = page.run(script, &[&id[id.len() - 12..]])?;
    Ok(serde_json::from_value(found)?)
}

/// How the task stands once it does so.
pub fn until(cli: &Cli, id: &str, is_so: impl Fn(&Value) -> bool) -> anyhow::Result<Value> {
    let is_so = |all: &[Value]| all.first().is_some_and(&is_so);
    let told = cli.until(&["status", id], TRIES, is_so)?;
    told.and_then(|mut all| all.pop()).with_context(|| format!("{id} never stood so"))
}

#[test]
fn every_attempt_has_a_bar_with_a_name_and_a_way_by_keyboard() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let Some(page) =
        window("every_attempt_has_a_bar_with_a_name_and_a_way_by_keyboard", dir.path())?
    else {
        return Ok(());
    };
    let (cli, mut cluster) = Cluster::with_programs(dir.path(), 2, &["--slots", "4"])?;
    let lost = cli.submit(&["--", "sleep", "600"])?;
    let status = until(&cli, &lost, |task| task["state"] == "RUNNING")?;
    let worker = status["worker_id"].as_str().context("it runs somewhere")?.to_owned();
    let ports = cluster.layout.worker_ports.clone();
    let nth = ports.iter().position(|port| worker.ends_with(&port.to_string()));
    let mut first = cluster.workers[nth.context("it is one of them")?].take().context("it runs")?;
    first.kill()?;
    let failed = cli.submit(&["--retries", "2", "--retry-delay", "1ms", "--", "false"])?;
    let cancelled = cli.submit(&["--", "sleep", "600"])?;
    until(&cli, &lost, |task| task["attempt"] == 2 && task["state"] == "RUNNING")?;
    until(&cli, &cancelled, |task| task["state"] == "RUNNING")?;
    cli.ok(&["cancel", &cancelled])?;
    until(&cli, &failed, |task| task["state"] == "FAILED")?;

    page.open(&format!("{}panel/#/workers", panel(&cluster, cluster.layout.principal_port)))?;
    enter(&page, DEMO_USER, DEMO_TOKEN)?;
    for (id, states) in [
        (&lost, &["tentativa 1 · Perdida", "tentativa 2 · Em execução"][..]),
        (&failed, &["tentativa 1 · Falhou", "tentativa 2 · Falhou", "tentativa 3 · Falhou"]),
        (&cancelled, &["tentativa 1 · Cancelada"]),
    ] {
        page.until(&format!("the attempts of {id}: {states:?}"), |page| {
            let told = told(page, id)?;
            Ok(told.len() == states.len()
                && states.iter().all(|state| told.iter().any(|bar| bar.contains(state))))
        })?;
    }
    // Each kind of bar has a mark of its own, in the legend too.
    let marks = "return [...document.querySelectorAll('.marks-legend .run')].map((mark) => mark.textContent)";
    let mut marks: Vec<String> = serde_json::from_value(page.run(marks, &[])?)?;
    marks.sort();
    marks.dedup();
    ensure!(marks.len() == 6, "{marks:?}");

    // Tab stops at one of them; arrows lead on, to another worker too, and Enter opens.
    let stops = "return document.querySelectorAll('.bars a[tabindex=\"0\"]').length";
    ensure!(page.run(stops, &[])? == 1);
    let walk = "document.querySelector('.bars a[tabindex=\"0\"]').focus(); \
        const seen = new Set(); \
        for (const key of [...Array(9).fill('ArrowLeft'), 'ArrowDown', 'ArrowUp', 'Home', ...Array(9).fill('ArrowRight'), 'ArrowDown', 'ArrowUp']) { \
          document.activeElement.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true, cancelable: true })); \
          seen.add(document.activeElement.ariaLabel); } \
        return seen.size";
    let seen = page.run(walk, &[])?;
    ensure!(seen.as_u64() >= Some(6), "{seen} of six bars were reached");
    ensure!(page.run(stops, &[])? == 1, "wherever one is, Tab comes back there");
    has_no_errors(&page)
}
