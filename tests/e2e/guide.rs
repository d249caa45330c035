//! The README's guide and its two scenarios, with the lines that it quotes.

use std::time::Duration;

use harness::{Cli, Cluster, Layout};
use rustix::process::Signal;

const SOON: Duration = Duration::from_secs(20);
const WHILE_A_TASK_RUNS: Duration = Duration::from_secs(40);

fn started(workers: usize) -> anyhow::Result<(tempfile::TempDir, Cluster, Cli)> {
    let dir = tempfile::tempdir()?;
    let layout = Layout::new(dir.path(), workers)?;
    let cli = Cli::new(&layout);
    let mut cluster = Cluster::new(layout);
    cluster.start()?;
    Ok((dir, cluster, cli))
}

#[test]
fn the_principal_warns_until_the_backup_is_there() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let mut cluster = Cluster::new(Layout::new(dir.path(), 0)?);
    cluster.start_principal()?;
    let port = cluster.layout.principal_port;
    let principal = cluster.principal.as_ref().expect("it was started");
    principal.wait_for(&format!("Orquestrador Principal iniciado na porta {port}..."), SOON)?;
    principal.wait_for("backup indisponível", SOON)?;
    cluster.start_backup()?;
    let port = cluster.layout.backup_port;
    let backup = cluster.backup.as_ref().expect("it was started");
    backup.wait_for(&format!("Orquestrador Backup iniciado na porta {port}..."), SOON)?;
    let principal = cluster.principal.as_ref().expect("it was started");
    principal.wait_for("Backup sincronizado", SOON)?;
    Ok(())
}

#[test]
fn tasks_go_round_the_workers() -> anyhow::Result<()> {
    let (_dir, cluster, cli) = started(3)?;
    let ports = cluster.layout.worker_ports.clone();
    let principal = cluster.principal.as_ref().expect("it was started");
    let mut told = Vec::new();
    for _ in 0..3 {
        let id = cli.submit(&["--handler", "echo", "--payload", "x"])?;
        let line = principal.wait_for(&format!("Tarefa [{id}] atribuída ao worker ["), SOON)?;
        told.push(line);
    }
    for port in ports {
        let worker = format!("ao worker [localhost:{port}]");
        let count = told.iter().filter(|line| line.contains(&worker)).count();
        assert_eq!(count, 1, "{told:#?}");
    }
    Ok(())
}

#[test]
fn scenario_1_a_dead_workers_task_goes_to_another() -> anyhow::Result<()> {
    let (_dir, mut cluster, cli) = started(3)?;
    let id = cli.submit(&[
        "--handler",
        "simulated",
        "--payload",
        r#"{"description":"soma","seconds":2}"#,
    ])?;
    let principal = cluster.principal.as_ref().expect("it was started");
    let line = principal.wait_for(&format!("Tarefa [{id}] atribuída ao worker ["), SOON)?;
    let ports = cluster.layout.worker_ports.clone();
    let holder =
        ports.iter().position(|port| line.contains(&format!(":{port}]"))).expect("one of them");
    let mut dead = cluster.workers[holder].take().expect("it was started");
    dead.signal(Signal::INT)?;
    dead.wait(SOON)?;
    principal
        .wait_for(&format!("Worker [localhost:{}] considerado falho.", ports[holder]), SOON)?;
    let again = principal
        .wait_for(&format!("Reatribuindo tarefa [{id}] para o worker [localhost:"), SOON)?;
    assert!(!again.contains(&format!(":{}]", ports[holder])), "{again}");
    let task = cli.finished(&id, 300)?.expect("it finishes");
    assert_eq!((task["state"].as_str(), task["attempt"].as_u64()), (Some("SUCCEEDED"), Some(2)));
    Ok(())
}

#[test]
fn scenario_2_the_backup_takes_over_and_the_task_is_not_started_again() -> anyhow::Result<()> {
    let (_dir, mut cluster, cli) = started(3)?;
    let id = cli.submit(&[
        "--handler",
        "simulated",
        "--payload",
        r#"{"description":"soma","seconds":3}"#,
    ])?;
    let principal = cluster.principal.as_mut().expect("it was started");
    principal.wait_for(&format!("Tarefa [{id}] atribuída ao worker ["), SOON)?;
    principal.signal(Signal::INT)?;
    principal.wait(SOON)?;
    let backup = cluster.backup.as_ref().expect("it was started");
    backup.wait_for("!!!! FALHA NO PRINCIPAL DETECTADA. ASSUMINDO CONTROLE !!!!", SOON)?;
    backup.wait_for("Backup promovido a principal.", SOON)?;
    let task = cli.json(&["status", &id])?.pop().expect("one object");
    assert_eq!(task["state"].as_str(), Some("RUNNING"), "{task}");
    let task = cli.finished(&id, 300)?.expect("it finishes");
    assert_eq!((task["state"].as_str(), task["attempt"].as_u64()), (Some("SUCCEEDED"), Some(1)));

    // The old principal joins as standby, and takes over in turn.
    cluster.principal = None;
    cluster.start_principal()?;
    let old = cluster.principal.as_ref().expect("it was started");
    old.wait_for("Sincronizado: pronto para assumir", WHILE_A_TASK_RUNS)?;
    cluster.backup.take().expect("it was started").kill()?;
    let old = cluster.principal.as_ref().expect("it was started");
    old.wait_for("!!!! FALHA NO PRINCIPAL DETECTADA. ASSUMINDO CONTROLE !!!!", SOON)?;
    let task = cli.json(&["status", &id])?.pop().expect("one object");
    assert_eq!(task["state"].as_str(), Some("SUCCEEDED"), "{task}");
    Ok(())
}
