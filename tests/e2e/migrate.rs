//! A pair's cluster goes to etcd and comes back: the same cluster, with all that it had. An interrupted move is nobody's
//! cluster, and is repeated.

#[path = "migrate/stalling.rs"]
mod stalling;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, bail};
use common::exit;
use harness::cli::Run;
use harness::cluster::START_TIMEOUT;
use harness::{Cli, Cluster, EtcdCluster, Layout, Process};
use rustix::process::Signal;
use serde_json::Value;
use stalling::{Direction, Stalling};

const SOON: Duration = Duration::from_secs(30);
/// Looks, a tenth of a second apart.
const TRIES: usize = 300;
const ROOT: &str = "um-token-de-verdade-1";
const ANA: &str = "outro-token-de-verdade-2";
/// Nobody offers it: the task waits.
const WAITS: [&str; 5] = ["--handler", "ausente", "--allow-unknown-handler", "--payload", "x"];
/// More than one part of a snapshot in etcd.
const LARGE: usize = 3 << 20;

fn text(path: &Path) -> &str {
    path.to_str().expect("a name of ours")
}

fn code(code: u8) -> Option<i32> {
    Some(i32::from(code))
}

fn migration(layout: &Layout, way: &str, url: &str, dir: &Path, more: &[&str]) -> Command {
    let mut command = Command::new(layout.binary("orquestrador"));
    command.args(["migrate", way, url, "--data-dir", text(dir), "--lang", "en"]).args(more);
    command
}

fn migrate(layout: &Layout, way: &str, url: &str, dir: &Path, more: &[&str]) -> Run {
    let done = migration(layout, way, url, dir, more).output().expect("it can be started");
    done.into()
}

/// The last line, whose two digests are the same.
fn digest(run: &Run) -> String {
    assert_eq!(run.code, Some(0), "{}{}", run.stdout, run.stderr);
    let last = run.stdout.lines().last().expect("it says something");
    let (journal, etcd) = last.split_once("; in etcd: ").expect("both");
    let journal = journal.rsplit(' ').next().expect("a word");
    assert_eq!((journal, journal.len()), (etcd.trim_end_matches('.'), 16), "{last}");
    journal.to_owned()
}

fn refused(run: &Run, with: u8, says: &str) {
    assert_eq!(run.code, code(with), "{}{}", run.stdout, run.stderr);
    assert!(run.stderr.contains(says), "{}", run.stderr);
}

/// Everybody's tasks and their states.
fn tasks(cli: &Cli) -> anyhow::Result<BTreeMap<String, String>> {
    let all = cli.json(&["list", "--all", "--all-users"])?;
    let word = |task: &Value, name: &str| task[name].as_str().unwrap_or_default().to_owned();
    Ok(all.iter().map(|task| (word(task, "task_id"), word(task, "state"))).collect())
}

/// As whoever has heard of it says.
fn cluster_id(cli: &Cli) -> anyhow::Result<String> {
    let nodes = cli.json(&["cluster", "explain"])?;
    let mut ids = nodes.iter().filter_map(|node| node["cluster_id"].as_str());
    ids.next().map(str::to_owned).context("nobody knows")
}

/// Of the newest view that anybody tells of.
fn epoch(cli: &Cli) -> anyhow::Result<u64> {
    let nodes = cli.json(&["cluster", "explain"])?;
    let epochs =
        nodes.iter().filter_map(|node| node["views"].as_array()?.last()?["epoch"].as_u64());
    epochs.max().context("no view")
}

fn is_alone(nodes: &[Value]) -> bool {
    let last =
        |node: &Value| node["views"].as_array()?.last()?["cause"].as_str().map(str::to_owned);
    nodes.iter().any(|node| last(node).as_deref() == Some("SHRANK"))
}

/// Waits until somebody is principal and that is done.
fn serves(cli: &Cli, cluster: &Cluster, args: &[&str]) -> anyhow::Result<()> {
    for _ in 0..TRIES {
        if cli.run(args)?.code == Some(0) {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    let both = [&cluster.principal, &cluster.backup].into_iter().flatten();
    let said: Vec<_> = both.flat_map(Process::lines).collect();
    bail!("{args:?} is not done:\n{}", said.join("\n"))
}

fn end(process: &mut Option<Process>) -> anyhow::Result<()> {
    let mut process = process.take().context("it does not run")?;
    process.signal(Signal::TERM)?;
    assert!(process.wait(SOON)?.success(), "{:?}", process.lines());
    Ok(())
}

/// A pair with a worker, none of it in the etcd that tests may be told to use.
fn pair(dir: &Path) -> anyhow::Result<(Cli, Cluster)> {
    let layout = Layout { engine: None, ..Layout::new(dir, 1)? };
    let cli = Cli::new(&layout);
    let mut cluster = Cluster::new(layout);
    cluster.start()?;
    Ok((cli, cluster))
}

/// First the principal, whose office the other one takes; that one goes on alone until it ends. Gives their directories.
fn stop_pair(cli: &Cli, cluster: &mut Cluster) -> anyhow::Result<(PathBuf, PathBuf)> {
    end(&mut cluster.principal)?;
    cli.until(&["cluster", "explain"], TRIES, is_alone)?.context("it is not alone")?;
    end(&mut cluster.backup)?;
    let of = |port| cluster.layout.data_dir(port);
    Ok((of(cluster.layout.principal_port), of(cluster.layout.backup_port)))
}

fn set_aside(dir: &Path) -> anyhow::Result<()> {
    Ok(fs::rename(dir, dir.with_extension("former"))?)
}

/// Something in every state that lasts, and whoever it belongs to.
fn populate(demo: &Cli) -> anyhow::Result<(Cli, String)> {
    demo.run_with_input(&["users", "add", "root", "--admin"], ROOT)?;
    let cli = demo.with_credentials("root", ROOT);
    cli.run_with_input(&["users", "add", "ana"], ANA)?;
    let done = cli.submit(&["--handler", "echo", "--payload", "olá"])?;
    cli.finished(&done, TRIES)?.context("it does not finish")?;
    cli.submit(&WAITS)?;
    cli.submit(&["--handler", "echo", "--payload", "depois", "--delay", "1h"])?;
    cli.with_credentials("ana", ANA).submit(&WAITS)?;
    cli.ok(&[
        "schedule",
        "set",
        "noite",
        "--cron",
        "0 3 1 1 *",
        "--handler",
        "echo",
        "--payload",
        "x",
    ])?;
    Ok((cli, done))
}

fn goes_on(cli: &Cli, done: &str) -> anyhow::Result<()> {
    assert_eq!(cli.run(&["result", done])?.stdout, "olá");
    cli.with_credentials("ana", ANA).ok(&["list"])?;
    assert_eq!(cli.json(&["schedule", "list"])?.len(), 1);
    let more = cli.submit(&["--handler", "echo", "--payload", "segue"])?;
    assert_eq!(cli.finished(&more, TRIES)?.context("it does not finish")?["state"], "SUCCEEDED");
    Ok(())
}

#[test]
fn a_cluster_goes_to_etcd_and_comes_back_with_all_that_it_had() -> anyhow::Result<()> {
    let (dir, etcd) = (tempfile::tempdir()?, EtcdCluster::start(1)?);
    let url = format!("etcd://{}/team", etcd.endpoints().join(","));
    let (demo, mut cluster) = pair(dir.path())?;
    let (cli, done) = populate(&demo)?;
    let (before, id) = (tasks(&cli)?, cluster_id(&cli)?);
    let (principal, backup) = stop_pair(&demo.with_credentials("root", ROOT), &mut cluster)?;

    // One whose other node went on does not pass for the cluster.
    let stale = migrate(&cluster.layout, "--to", &url, &principal, &[]);
    refused(&stale, exit::REFUSED, "--other-role");
    let role = backup.join("role");
    let stale = migrate(&cluster.layout, "--to", &url, &principal, &["--other-role", text(&role)]);
    refused(&stale, exit::REFUSED, "has gone on alone");
    let first = digest(&migrate(&cluster.layout, "--to", &url, &backup, &[]));
    let again = migrate(&cluster.layout, "--to", &url, &backup, &[]);
    refused(&again, exit::RESOURCE, "is in etcd already");
    let occupied = migrate(&cluster.layout, "--to", &url, &principal, &["--accept-incomplete"]);
    refused(&occupied, exit::REFUSED, "is not empty");
    let started = cluster.start_backup();
    assert!(started.is_err_and(|error| error.to_string().contains("--engine")), "as a pair's");

    // A node with nothing on its disk, and the one whose directory was moved.
    set_aside(&principal)?;
    cluster.layout.engine = Some(url.clone());
    cluster.start_principal()?;
    cluster.start_backup()?;
    serves(&cli, &cluster, &["list"])?;
    assert_eq!((tasks(&cli)?, cluster_id(&cli)?), (before, id.clone()));
    let in_etcd = epoch(&cli)?;
    goes_on(&cli, &done)?;
    let running = migrate(&cluster.layout, "--from", &url, &dir.path().join("new"), &[]);
    refused(&running, exit::REFUSED, "Stop all of them");
    let before = tasks(&cli)?;
    end(&mut cluster.backup)?;
    end(&mut cluster.principal)?;

    let full = migrate(&cluster.layout, "--from", &url, &principal, &[]);
    refused(&full, exit::RESOURCE, "is not empty");
    fs::rename(&principal, dir.path().join("of-etcd"))?;
    set_aside(&backup)?;
    let back = migrate(&cluster.layout, "--from", &url, &principal, &[]);
    assert_ne!(digest(&back), first, "there are more tasks now");
    let twice = migrate(&cluster.layout, "--from", &url, &backup, &[]);
    refused(&twice, exit::REFUSED, "was taken out of etcd before");
    let returned = migrate(&cluster.layout, "--to", &url, &principal, &[]);
    refused(&returned, exit::REFUSED, "is not empty");
    cluster.layout.engine = None;
    cluster.start_principal()?;
    cluster.start_backup()?;
    cluster.wait_in_sync()?;
    serves(&cli, &cluster, &["list"])?;
    assert_eq!((tasks(&cli)?, cluster_id(&cli)?), (before, id));
    assert!(epoch(&cli)? > in_etcd);
    goes_on(&cli, &done)?;
    serves(&cli, &cluster, &["audit"])?;

    // Who is still told to look there serves nothing.
    let port = harness::ports::free(1)?[0];
    cluster.layout.engine = Some(url);
    let late = cluster.start_another(port)?;
    late.wait_for("levado de volta a um par", START_TIMEOUT)?;
    Ok(())
}

/// A directory with more than one request to etcd can carry, and etcd itself.
fn large(dir: &Path) -> anyhow::Result<(Cli, Cluster, PathBuf, EtcdCluster)> {
    let (cli, mut cluster) = pair(dir)?;
    let payload = dir.join("payload");
    fs::write(&payload, vec![b'x'; LARGE])?;
    let waits = ["--handler", "ausente", "--allow-unknown-handler"];
    cli.submit(&[&waits[..], &["--payload", &format!("@{}", text(&payload))]].concat())?;
    let (_, data) = stop_pair(&cli, &mut cluster)?;
    Ok((cli, cluster, data, EtcdCluster::start(1)?))
}

/// Kills the tool when so much has passed, and nothing more does.
fn killed(mut tool: Command, stalling: &Stalling) -> anyhow::Result<()> {
    let mut tool = tool.spawn()?;
    stalling.wait(SOON)?;
    tool.kill()?;
    tool.wait()?;
    Ok(())
}

#[test]
fn what_a_killed_move_leaves_is_no_cluster_and_no_hindrance() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let (cli, mut cluster, data, etcd) = large(dir.path())?;
    let endpoint = etcd.endpoints().pop().context("it has one")?;
    let url = format!("etcd://{endpoint}/team");
    let via = |stalling: &Stalling| format!("etcd://{}/team", stalling.address());

    let stalling = Stalling::before(&endpoint, Direction::ToServer, LARGE / 2)?;
    killed(migration(&cluster.layout, "--to", &via(&stalling), &data, &[]), &stalling)?;
    let keys = etcd.control(&["get", "--prefix", "/team/", "--keys-only"])?;
    assert!(keys.contains("/team/migrating") && keys.contains("/team/snap/"), "{keys}");
    assert!(!keys.contains("/team/cluster") && !data.join("engine").exists(), "{keys}");
    // Nobody founds a cluster on it; the pair could go on.
    cluster.layout.engine = Some(url.clone());
    let principal = cluster.layout.data_dir(cluster.layout.principal_port);
    set_aside(&principal)?;
    cluster.start_principal()?;
    let waiting = cluster.principal.as_ref().context("it runs")?;
    waiting.wait_for("está sendo trazido", START_TIMEOUT)?;
    let there = digest(&migrate(&cluster.layout, "--to", &url, &data, &[]));
    let keys = etcd.control(&["get", "--prefix", "/team/", "--keys-only"])?;
    assert!(!keys.contains("/team/migrating"), "{keys}");
    // It goes on by itself.
    waiting.wait_for("encontrado no etcd", SOON)?;
    let before = cli.until(&["list", "--all"], TRIES, |tasks| !tasks.is_empty())?;
    assert!(before.is_some());
    end(&mut cluster.principal)?;

    let new = dir.path().join("new");
    let stalling = Stalling::before(&endpoint, Direction::ToClient, LARGE / 2)?;
    killed(migration(&cluster.layout, "--from", &via(&stalling), &new, &[]), &stalling)?;
    assert!(!new.join("format").exists());
    let cluster_key = etcd.control(&["get", "/team/cluster"])?;
    assert!(!cluster_key.contains("moved"), "{cluster_key}");
    assert_eq!(digest(&migrate(&cluster.layout, "--from", &url, &new, &[])), there);

    // As if it had been killed between leaving etcd and putting everything in its place.
    let filled = new.join("restoring");
    fs::create_dir(&filled)?;
    for name in ["format", "role", "snapshot", "store"] {
        fs::rename(new.join(name), filled.join(name))?;
    }
    let elsewhere = migrate(&cluster.layout, "--from", &url, &dir.path().join("other"), &[]);
    refused(&elsewhere, exit::REFUSED, "was taken out of etcd before");
    assert_eq!(digest(&migrate(&cluster.layout, "--from", &url, &new, &[])), there);
    assert!(new.join("format").exists() && !filled.exists());
    Ok(())
}
