//! The operator's word that the other orchestrator is gone (V15), and another one in its place: what is refused,
//! and what can be had back.

use std::fs;
use std::time::Duration;

use anyhow::Context as _;
use common::exit;
use harness::cli::Run;
use harness::{Cli, Cluster, Layout};
use rustix::process::Signal;
use serde_json::Value;

const SOON: Duration = Duration::from_secs(20);
/// Looks, a tenth of a second apart.
const TRIES: usize = 200;
/// Nobody offers it: the task waits.
const WAITS: [&str; 3] = ["--handler", "ausente", "--allow-unknown-handler"];

fn code(code: u8) -> Option<i32> {
    Some(i32::from(code))
}

fn is_alone(nodes: &[Value]) -> bool {
    let last =
        |node: &Value| node["views"].as_array()?.last()?["cause"].as_str().map(str::to_owned);
    nodes.iter().any(|node| last(node).as_deref() == Some("SHRANK"))
}

fn refused(run: &Run, with: &str) {
    assert_eq!(run.code, code(exit::REFUSED), "{}{}", run.stdout, run.stderr);
    assert!(run.stderr.contains(with), "{}", run.stderr);
}

/// The principal alone, after its backup died, so that what it acknowledges is on its disk only.
fn alone(workers: usize) -> anyhow::Result<(tempfile::TempDir, Cluster, Cli)> {
    let dir = tempfile::tempdir()?;
    let layout = Layout::new(dir.path(), workers)?;
    let cli = Cli::new(&layout);
    let mut cluster = Cluster::new(layout);
    cluster.start()?;
    drop(cluster.backup.take());
    cli.until(&["cluster", "explain"], TRIES, is_alone)?.context("it is not alone")?;
    Ok((dir, cluster, cli))
}

/// A finished or cancelled task is not run again, one that may have begun is named, and a damaged file beside it
/// hides nothing.
#[test]
fn only_what_is_open_is_submitted_again() -> anyhow::Result<()> {
    let (_dir, mut cluster, cli) = alone(1)?;
    let done = cli.submit(&["--handler", "echo", "--payload", "x"])?;
    cli.finished(&done, TRIES)?.context("it does not finish")?;
    let cancelled = cli.submit(&WAITS)?;
    cli.json(&["cancel", &cancelled])?;
    let array = |numbers: &str, rest: &[&str]| -> anyhow::Result<String> {
        let array = cli.json(&[&["submit", "--array", numbers], rest].concat())?;
        Ok(array[0]["array_id"].as_str().context("it is no array")?.to_owned())
    };
    let all_done = array("0-2", &["--handler", "echo", "--payload", "x"])?;
    let is_done = |array: &[Value]| array.iter().all(|a| a["tasks"]["SUCCEEDED"] == 3);
    cli.until(&["status", &all_done], TRIES, is_done)?.context("it does not finish")?;
    let part_open = array("1-5", &WAITS)?;
    let cancelled_one = common::array_id::task(&part_open, 2).context("it is an array")?;
    cli.json(&["cancel", &cancelled_one])?;
    let slow = ["--handler", "simulated", "--payload", r#"{"seconds": 60}"#];
    let once = cli.submit(&[&slow[..], &["--delivery", "at-most-once"]].concat())?;
    let runs = |task: &[Value]| task.iter().all(|t| t["state"].as_str() == Some("RUNNING"));
    cli.until(&["status", &once], TRIES, runs)?.context("it does not run")?;
    let open = cli.submit(&WAITS)?;
    cluster.workers[0] = None;
    drop(cluster.principal.take());

    cluster.start_backup()?;
    let backup = cluster.backup.as_ref().context("it does not run")?;
    backup.wait_for("Aguardando o outro orquestrador", SOON)?;
    cli.json(&["cluster", "promote", "--force"])?;
    backup.wait_for("Backup promovido a principal.", SOON)?;
    cluster.start_principal()?;
    let loser = cluster.principal.as_ref().context("it does not run")?;
    loser.wait_for("podem ter sido confirmadas", SOON)?;
    loser.wait_for("Sincronizado: pronto para assumir", SOON)?;
    let folder = cluster.layout.data_dir(cluster.layout.principal_port).join("set-aside");
    let intact = fs::read_dir(&folder)?.next().context("nothing is set aside")??.path();
    let mut bytes = fs::read(&intact)?;
    bytes[500] ^= 1;
    fs::write(folder.join("0-damaged.journal"), bytes)?;

    let run = cli.run(&["--output", "json", "cluster", "recover-tail"])?;
    assert_eq!(run.code, code(exit::BROKEN), "{}{}", run.stdout, run.stderr);
    let tails: Vec<Value> =
        run.stdout.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    let [damaged, tail] = tails.as_slice() else { panic!("{tails:?}") };
    assert_eq!(damaged["tail"].as_str(), Some("0-damaged.journal"), "{damaged}");
    assert!(damaged["damage"].is_string(), "{damaged}");
    assert_eq!(tail["damage"], Value::Null, "{tail}");
    let counts = ["accepted", "finished", "withheld"].map(|name| tail[name].as_u64());
    assert_eq!(counts, [Some(5), Some(6), Some(1)], "{tail}");
    let part_open = cli.json(&["status", &part_open])?.remove(0);
    assert_eq!(
        (&part_open["tasks"]["QUEUED"], &part_open["tasks"]["CANCELLED"]),
        (&4.into(), &1.into())
    );
    assert_eq!(tail["withheld_ids"][0].as_str(), Some(&*once), "{tail}");
    assert_eq!(cli.json(&["status", &open])?[0]["state"].as_str(), Some("QUEUED"));
    for gone in [&done, &cancelled, &once, &all_done] {
        assert_eq!(cli.run(&["status", gone])?.code, code(exit::NOT_FOUND), "{gone}");
    }
    Ok(())
}

/// A node that was no replica when the principal died may lack nearly everything.
#[test]
fn a_learner_is_promoted_only_by_express_wish() -> anyhow::Result<()> {
    let (dir, cluster, cli) = alone(0)?;
    cli.submit(&WAITS)?;
    let mut elsewhere = Layout::new(&dir.path().join("elsewhere"), 0)?;
    elsewhere.backup_port = elsewhere.principal_port;
    elsewhere.principal_port = cluster.layout.principal_port;
    let here = format!("http://localhost:{}", elsewhere.backup_port);
    let mut other = Cluster::new(elsewhere);
    fs::create_dir_all(&other.layout.dir)?;
    other.start_backup()?;
    let learner = other.backup.as_ref().context("it does not run")?;
    let expected = format!("espera o outro em http://localhost:{}", cluster.layout.backup_port);
    learner.wait_for(&expected, SOON)?;
    let principal = cluster.principal.as_ref().context("it does not run")?;
    principal.signal(Signal::STOP)?;

    let force = ["cluster", "promote", "--node", &here, "--force"];
    let there = Cli::new(&other.layout);
    refused(&until_silent(&there, &force)?, "up to entry 0");
    let promoted = until_silent(&there, &[&force[..], &["--accept-incomplete"]].concat())?;
    assert_eq!(promoted.code, code(exit::OK), "{}", promoted.stderr);
    learner.wait_for("Backup promovido a principal.", SOON)?;

    // The one that was thought to be gone hears of it from a node that it never looked for.
    principal.signal(Signal::CONT)?;
    let deposed = principal.wait_for("Este nó não é mais o principal", SOON)?;
    let configured = format!(":{} ", cluster.layout.backup_port);
    assert!(!deposed.contains(&configured), "it names one that is not principal: {deposed}");
    Ok(())
}

/// The node may still believe that the principal is alive.
fn until_silent(cli: &Cli, args: &[&str]) -> anyhow::Result<Run> {
    for _ in 0..TRIES {
        let run = cli.run(args)?;
        if !run.stderr.contains("the principal is alive") {
            return Ok(run);
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    anyhow::bail!("it never took the principal for dead")
}

#[test]
fn a_principal_alone_hands_nothing_over() -> anyhow::Result<()> {
    let (_dir, mut cluster, _cli) = alone(0)?;
    let mut principal = cluster.principal.take().context("it does not run")?;
    principal.signal(Signal::TERM)?;
    assert_eq!(principal.wait(SOON)?.code(), code(exit::OK));
    let lines = principal.lines();
    assert!(lines.iter().any(|line| line.contains("não há backup que assuma")), "{lines:?}");
    assert!(!lines.iter().any(|line| line.contains("passando o controle")), "{lines:?}");
    Ok(())
}

/// What would end in a principal that follows itself, or in nobody who may enter.
#[test]
fn an_address_that_cannot_be_the_other_one_s_is_refused() -> anyhow::Result<()> {
    let (dir, mut cluster, cli) = alone(0)?;
    let (own, former) = (cluster.layout.principal_port, cluster.layout.backup_port);
    let replace = |address: &str| cli.run(&["cluster", "replace", address]);
    for name in ["localhost", "127.0.0.1"] {
        refused(&replace(&format!("http://{name}:{own}"))?, "is this orchestrator itself");
    }
    refused(&replace("http://no.such.host.invalid:50052")?, "cannot be resolved");
    refused(&replace("http://192.0.2.1:50052")?, "cliente users add");

    let spare = Layout::new(&dir.path().join("spare"), 0)?.principal_port;
    for port in [spare, former] {
        let run = replace(&format!("http://localhost:{port}"))?;
        assert_eq!(run.code, code(exit::OK), "{}", run.stderr);
    }
    // As an earlier release could leave it: a principal that looks for itself finds back.
    drop(cluster.principal.take());
    let file = cluster.layout.data_dir(own).join("peer");
    fs::write(file, format!("http://localhost:{former}\nhttp://localhost:{own}\n"))?;
    cluster.start_principal()?;
    let principal = cluster.principal.as_ref().context("it does not run")?;
    principal.wait_for("Atendendo como principal", SOON)?;
    let run = replace(&format!("http://localhost:{former}"))?;
    assert_eq!(run.code, code(exit::OK), "{}", run.stderr);
    cluster.start_backup()?;
    cluster.wait_in_sync()?;
    refused(&replace(&format!("http://localhost:{spare}"))?, "ainda faz parte");
    Ok(())
}
