//! etcd as the engine: three orchestrators, of which any one is enough, on an etcd of three members, of which any may go.

#[path = "etcd/offices.rs"]
mod offices;
#[path = "etcd/secured.rs"]
mod secured;
#[path = "etcd/snapshots.rs"]
mod snapshots;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use common::exit;
use harness::etcd::EtcdCluster;
use harness::process::Process;
use harness::{Cli, Cluster, Layout, ports};
use mutirao_tests::wait_for;
use rustix::process::Signal;
use serde_json::Value;

const SOON: Duration = Duration::from_secs(60);
/// Looks, a tenth of a second apart.
const TRIES: usize = 300;
/// Together more than one value of etcd takes, submitted at once.
const LINES: usize = 40;
const LINE_BYTES: usize = 100_000;

/// Three orchestrators, the third beside the two of a [`Cluster`].
struct Stage {
    cluster: Cluster,
    third: Option<Process>,
    cli: Cli,
    etcd: EtcdCluster,
    _dir: tempfile::TempDir,
}

fn engine(etcd: &EtcdCluster) -> String {
    format!("etcd://{}/teste", etcd.endpoints().join(","))
}

fn layout(dir: &Path, etcd: &EtcdCluster, workers: usize) -> anyhow::Result<Layout> {
    let more_ports = ports::free(1)?;
    Ok(Layout { engine: Some(engine(etcd)), more_ports, ..Layout::new(dir, workers)? })
}

impl Stage {
    fn start(args: &[&str]) -> anyhow::Result<Self> {
        Self::on(EtcdCluster::start(3)?, args)
    }

    fn on(etcd: EtcdCluster, args: &[&str]) -> anyhow::Result<Self> {
        let dir = tempfile::tempdir()?;
        let mut layout = layout(dir.path(), &etcd, 1)?;
        layout.orchestrator_args = args.iter().map(|arg| (*arg).to_owned()).collect();
        let cli = Cli::new(&layout);
        let mut cluster = Cluster::new(layout);
        cluster.start()?;
        let third = cluster.start_another(cluster.layout.more_ports[0])?;
        third.wait_for("Sincronizado: pronto para assumir", SOON)?;
        Ok(Self { cluster, third: Some(third), cli, etcd, _dir: dir })
    }

    /// Where each of the three orchestrators is kept.
    fn places(&mut self) -> [&mut Option<Process>; 3] {
        [&mut self.cluster.principal, &mut self.cluster.backup, &mut self.third]
    }

    fn ports(&self) -> [u16; 3] {
        let layout = &self.cluster.layout;
        [layout.principal_port, layout.backup_port, layout.more_ports[0]]
    }

    /// Which of the three is principal; waits until one is.
    fn principal(&self) -> usize {
        let ports = self.ports();
        wait_for("a principal", || {
            ports
                .iter()
                .position(|port| readiness(*port, "?role=principal").is_some_and(|r| r.0 == 200))
        })
    }

    fn kill(&mut self, nth: usize) -> anyhow::Result<()> {
        self.places()[nth].take().context("it does not run")?.kill()
    }

    /// A task from its submission to its end.
    fn work(&self) -> anyhow::Result<String> {
        let id = self.cli.submit(&["--handler", "echo", "--payload", "x"])?;
        let task = self.cli.finished(&id, TRIES)?.context("it does not finish")?;
        assert_eq!(task["state"], "SUCCEEDED", "{task}");
        Ok(id)
    }

    /// More than one value of etcd takes, at once; what each task is to give back is its number, and a lot.
    fn submit_large(&self) -> anyhow::Result<Vec<String>> {
        let lines: Vec<String> = (0..LINES).map(line).collect();
        let file = self.cluster.layout.dir.join("lines");
        std::fs::write(&file, lines.join("\n"))?;
        let path = file.display().to_string();
        let args = ["submit", "--handler", "echo", "--payload", "{}", "--each-line", &path];
        let id = |task: &Value| task["task_id"].as_str().map(str::to_owned);
        let tasks: Vec<String> = self.cli.json(&args)?.iter().filter_map(id).collect();
        assert_eq!(tasks.len(), LINES);
        Ok(tasks)
    }

    fn has_all(&self, tasks: &[String]) -> anyhow::Result<()> {
        for id in tasks {
            let task = self.cli.json(&["status", id])?.pop().context("no answer")?;
            assert_eq!(task["state"], "SUCCEEDED", "{task}");
        }
        Ok(())
    }
}

fn line(nth: usize) -> String {
    format!("{nth} {}", "x".repeat(LINE_BYTES))
}

/// Status and body of `/readyz`.
fn readiness(port: u16, query: &str) -> Option<(u16, Value)> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(SOON)).ok()?;
    let request =
        format!("GET /readyz{query} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    Some((head.split(' ').nth(1)?.parse().ok()?, serde_json::from_str(body.trim()).ok()?))
}

#[test]
fn two_of_three_orchestrators_may_die_and_a_lost_disk_comes_back_from_etcd() -> anyhow::Result<()> {
    let mut stage = Stage::start(&[])?;
    let mut tasks = vec![stage.work()?];
    for _ in 0..2 {
        let principal = stage.principal();
        stage.kill(principal)?;
        tasks.push(stage.work()?);
    }
    let survivor = stage.principal();
    // One of the dead returns without anything.
    let returns = (survivor + 1) % 3;
    let port = stage.ports()[returns];
    std::fs::remove_dir_all(stage.cluster.layout.data_dir(port))?;
    let process = stage.cluster.start_another(port)?;
    process.wait_for("Sincronizado: pronto para assumir", SOON)?;
    *stage.places()[returns] = Some(process);
    stage.kill(survivor)?;
    assert_eq!(stage.principal(), returns);
    tasks.push(stage.work()?);
    stage.has_all(&tasks)
}

#[test]
fn members_of_etcd_may_die_or_stand_still_and_without_a_majority_nothing_is_acknowledged()
-> anyhow::Result<()> {
    let mut stage = Stage::start(&[])?;
    let mut tasks = vec![stage.work()?];
    let leader = stage.etcd.leader()?;
    stage.etcd.kill(leader)?;
    tasks.push(stage.work()?);
    stage.etcd.start_again(leader)?;
    stage.etcd.wait()?;
    let leader = stage.etcd.leader()?;
    stage.etcd.pause(leader)?;
    tasks.push(stage.work()?);
    stage.etcd.resume(leader)?;
    stage.etcd.wait()?;
    for member in [0, 1] {
        stage.etcd.kill(member)?;
    }
    for port in stage.ports() {
        let (status, body) = wait_for("a node that says that etcd is silent", || {
            readiness(port, "").filter(|(_, body)| body["etcd"] == "silent")
        });
        assert_eq!(status, 503, "{body}");
    }
    let refused = stage.cli.run(&["--timeout", "2s", "submit", "--handler", "echo"])?;
    assert_ne!(refused.code, Some(0), "{}{}", refused.stdout, refused.stderr);
    for member in [0, 1] {
        stage.etcd.start_again(member)?;
    }
    tasks.push(stage.work()?);
    for port in stage.ports() {
        wait_for("a node that is ready again", || {
            readiness(port, "").filter(|(status, _)| *status == 200)
        });
    }
    stage.has_all(&tasks)
}

#[test]
fn the_office_is_handed_over_when_the_principal_is_told_to_end_or_an_operator_wants_it()
-> anyhow::Result<()> {
    let mut stage = Stage::start(&[])?;
    let first = stage.principal();
    stage.cli.ok(&["cluster", "switchover"])?;
    let second = stage.principal();
    assert_ne!(first, second);
    let process = stage.places()[second].take().context("it does not run")?;
    process.signal(Signal::TERM)?;
    let mut process = process;
    assert!(process.wait(SOON)?.success());
    let third = stage.principal();
    assert_ne!(second, third);
    let places = stage.places();
    let lines = places[third].as_ref().context("it does not run")?.lines();
    assert!(!lines.iter().any(|line| line.contains("FALHA NO PRINCIPAL")), "{lines:#?}");
    stage.work().map(drop)
}

#[test]
fn a_data_directory_keeps_its_engine_and_its_cluster() -> anyhow::Result<()> {
    let etcd = EtcdCluster::start(1)?;
    let dir = tempfile::tempdir()?;
    let layout = layout(dir.path(), &etcd, 0)?;
    let mut cluster = Cluster::new(layout.clone());
    cluster.start_principal()?;
    let principal = cluster.principal.take().context("it was started")?;
    // It serves, so it has the cluster on its disk.
    principal.wait_for("nenhum outro orquestrador está ligado", SOON)?;
    drop(principal);
    // Its log is in etcd: as one of a pair it would go on alone.
    let mut as_pair = Cluster::new(Layout { engine: None, ..layout.clone() });
    assert!(as_pair.start_principal().is_err());
    let run = std::process::Command::new(layout.binary("orquestrador"))
        .args(["--port", &layout.principal_port.to_string(), "--data-dir"])
        .arg(layout.data_dir(layout.principal_port))
        .output()?;
    assert_eq!(run.status.code(), Some(i32::from(exit::USAGE)), "{run:?}");
    // What etcd has lost is not founded anew.
    let elsewhere = format!("{}-2", engine(&etcd));
    let mut lost = Cluster::new(Layout { engine: Some(elsewhere), ..layout });
    lost.start_principal()?;
    let lost = lost.principal.as_ref().context("it was started")?;
    lost.wait_for("não tem em /teste-2/ o cluster deste diretório", SOON)?;
    Ok(())
}

/// What fits no value of etcd is written in parts, and read again by others.
#[test]
fn payloads_that_fit_no_value_of_etcd_survive_a_takeover() -> anyhow::Result<()> {
    let mut stage = Stage::start(&[])?;
    let tasks = stage.submit_large()?;
    let parts = stage.etcd.control(&["get", "--prefix", "--keys-only", "/teste/part/"])?;
    assert!(parts.contains("/teste/part/"), "nothing was too large");
    let principal = stage.principal();
    stage.kill(principal)?;
    stage.principal();
    for (nth, id) in tasks.iter().enumerate() {
        stage.cli.finished(id, TRIES)?.context("it does not finish")?;
        let result = stage.cli.run(&["result", id])?;
        assert_eq!(result.stdout.trim_end(), line(nth), "{}", result.stderr);
    }
    Ok(())
}

/// What has been written is more than etcd may hold: the log is cut, and whoever comes without anything begins with the
/// snapshot.
#[test]
fn the_log_is_cut_before_etcd_is_full_and_a_snapshot_stands_for_it() -> anyhow::Result<()> {
    let mut stage = Stage::start(&["--etcd-quota", "8MiB", "--max-finished-bytes", "1MiB"])?;
    let lines: Vec<String> = (0..2 * LINES).map(|_| "x".repeat(LINE_BYTES)).collect();
    let file = stage.cluster.layout.dir.join("lines");
    std::fs::write(&file, lines.join("\n"))?;
    let path = file.display().to_string();
    stage.cli.ok(&[
        "submit",
        "--handler",
        "echo",
        "--payload",
        "{}",
        "--each-line",
        &path,
        "--wait",
    ])?;
    let principal = stage.principal();
    let places = stage.places();
    let process = places[principal].as_ref().context("it does not run")?;
    process.wait_for("tarefas novas são recusadas", SOON)?;
    process.wait_for("O etcd tem espaço de novo", SOON)?;
    let kept = stage.work()?;
    let returns = (principal + 1) % 3;
    stage.kill(returns)?;
    let port = stage.ports()[returns];
    std::fs::remove_dir_all(stage.cluster.layout.data_dir(port))?;
    let process = stage.cluster.start_another(port)?;
    process.wait_for("Estado recebido do etcd", SOON)?;
    process.wait_for("Sincronizado: pronto para assumir", SOON)?;
    *stage.places()[returns] = Some(process);
    let epoch = |stage: &Stage| -> anyhow::Result<u64> {
        let cluster = stage.cli.json(&["cluster"])?.pop().context("no answer")?;
        cluster["epoch"].as_u64().context("no epoch")
    };
    let before = epoch(&stage)?;
    stage.etcd.control(&["del", "--prefix", "/teste/snap"])?;
    for nth in (0..3).filter(|nth| *nth != returns) {
        stage.kill(nth)?;
    }
    assert_eq!(stage.principal(), returns);
    assert!(epoch(&stage)? > before);
    // It brings its own: that on its disk is newer than what etcd holds.
    let snapshot = || stage.etcd.control(&["get", "--keys-only", "/teste/snapshot"]).ok();
    wait_for("a snapshot in etcd", || snapshot().filter(|keys| keys.contains("/teste/snapshot")));
    stage.work()?;
    stage.has_all(&[kept])
}

/// It wins the office before it has read what others wrote while it stood still; that is no reason to give it back.
#[test]
fn whoever_wins_while_it_is_behind_reads_on_and_serves() -> anyhow::Result<()> {
    let mut stage = Stage::start(&[])?;
    assert_eq!(stage.principal(), 0);
    let third = stage.third.as_ref().context("it does not run")?;
    third.signal(Signal::STOP)?;
    let tasks = stage.submit_large()?;
    for id in &tasks {
        stage.cli.finished(id, TRIES)?.context("it does not finish")?;
    }
    for nth in [0, 1] {
        stage.kill(nth)?;
    }
    let office = || stage.etcd.control(&["get", "--prefix", "--keys-only", "/teste/office/"]);
    wait_for("leases that are over", || office().ok().filter(|keys| keys.trim().is_empty()));
    let third = stage.third.as_ref().context("it does not run")?;
    third.signal(Signal::CONT)?;
    assert_eq!(stage.principal(), 2);
    let third = stage.third.as_ref().context("it does not run")?;
    let won = third.lines().iter().filter(|line| line.contains("FALHA NO PRINCIPAL")).count();
    assert_eq!(won, 1, "{:#?}", third.lines());
    stage.has_all(&tasks)
}
