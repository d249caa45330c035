//! What must not be accepted: a clear error, a documented exit code, and everybody else served on.

use std::fs;
use std::time::{Duration, Instant};

use common::exit;
use harness::process::Process;
use harness::{Cli, Cluster, Layout, ports};
use orquestrador::journal::FORMAT_VERSION;

const SOON: Duration = Duration::from_secs(20);

fn pair_with_a_worker() -> anyhow::Result<(tempfile::TempDir, Cluster, Cli)> {
    let dir = tempfile::tempdir()?;
    let layout = Layout::new(dir.path(), 1)?;
    let cli = Cli::new(&layout);
    let mut cluster = Cluster::new(layout);
    cluster.start()?;
    Ok((dir, cluster, cli))
}

#[track_caller]
fn refused(run: &harness::cli::Run, code: u8, words: &str) {
    assert_eq!(run.code, Some(i32::from(code)), "{run:?}");
    assert!(run.stderr.contains(words), "expected `{words}` in {run:?}");
    assert!(!run.stderr.contains("panicked"), "{run:?}");
}

#[test]
fn bad_requests_are_refused_one_by_one() -> anyhow::Result<()> {
    let (dir, mut cluster, cli) = pair_with_a_worker()?;

    let unknown = cli.run(&["submit", "--handler", "inexistente", "--payload", "x"])?;
    refused(&unknown, exit::REFUSED, "inexistente");

    let malformed = cli.run(&["status", "nao-e-um-uuid"])?;
    assert!(matches!(malformed.code, Some(2 | 3)), "{malformed:?}");

    let missing = cli.run(&["status", "0190b4a0-0000-7000-8000-000000000001"])?;
    refused(&missing, exit::NOT_FOUND, "não encontrada");

    let stranger = cli.with_credentials("user1", "token_errado").run(&["list"])?;
    refused(&stranger, exit::UNAUTHENTICATED, "token");

    let large = dir.path().join("large");
    fs::write(&large, vec![b'x'; 10 << 20])?;
    let large = format!("@{}", large.display());
    let large = cli.run(&["submit", "--array", "0-1", "--handler", "echo", "--payload", &large])?;
    refused(&large, exit::REFUSED, "4194304");

    // An empty payload is a payload.
    let empty = cli.submit(&["--handler", "echo", "--payload", ""])?;
    let task = cli.finished(&empty, 100)?.expect("it finishes");
    assert_eq!(task["state"].as_str(), Some("SUCCEEDED"), "{task}");
    for process in [&mut cluster.principal, &mut cluster.backup, &mut cluster.workers[0]] {
        assert!(process.as_mut().is_some_and(Process::is_running));
    }
    Ok(())
}

#[test]
fn with_both_orchestrators_down_the_client_says_so_in_bounded_time() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let cli = Cli::new(&Layout::new(dir.path(), 0)?);
    let began = Instant::now();
    let run = cli.run(&["--timeout", "2s", "list"])?;
    refused(&run, exit::UNAVAILABLE, "Nenhum orquestrador respondeu");
    assert!(began.elapsed() < Duration::from_secs(30), "bounded, however slow the machine");
    Ok(())
}

#[test]
fn a_port_in_use_is_named() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let layout = Layout::new(dir.path(), 1)?;
    let taken = std::net::TcpListener::bind(("127.0.0.1", layout.principal_port))?;
    let port = layout.principal_port.to_string();
    let args = [
        "--port".to_owned(),
        port.clone(),
        "--data-dir".into(),
        dir.path().join("x").display().to_string(),
    ];
    let mut node =
        Process::start("principal", &layout.binary("orquestrador"), &args, dir.path(), None)?;
    assert_eq!(node.wait(SOON)?.code(), Some(i32::from(exit::RESOURCE)));
    node.wait_for(&port, SOON)?;
    drop(taken);

    let taken = std::net::TcpListener::bind(("127.0.0.1", layout.worker_ports[0]))?;
    let port = layout.worker_ports[0].to_string();
    let args = ["--port".to_owned(), port.clone()];
    let mut worker = Process::start("worker", &layout.binary("worker"), &args, dir.path(), None)?;
    assert_eq!(worker.wait(SOON)?.code(), Some(i32::from(exit::RESOURCE)));
    worker.wait_for(&port, SOON)?;
    drop(taken);
    Ok(())
}

#[test]
fn a_data_directory_in_use_or_of_another_version_is_refused() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let mut cluster = Cluster::new(Layout::new(dir.path(), 0)?);
    cluster.start_principal()?;
    let layout = cluster.layout.clone();
    let data = layout.data_dir(layout.principal_port);
    let other_port = ports::free(1)?[0].to_string();
    let args = ["--port".to_owned(), other_port, "--data-dir".into(), data.display().to_string()];
    let binary = layout.binary("orquestrador");
    let mut second = Process::start("second", &binary, &args, dir.path(), None)?;
    assert_eq!(second.wait(SOON)?.code(), Some(i32::from(exit::RESOURCE)));
    second.wait_for(&data.display().to_string(), SOON)?;

    cluster.principal.take().expect("it was started").kill()?;
    let format = data.join("format");
    let text = fs::read_to_string(&format)?;
    let (body, _) = text.split_once("check ").expect("it ends with a checksum");
    let body = body.replacen(&format!(" {FORMAT_VERSION}"), " 999", 1);
    let newer = format!("{body}check {}\n", blake3::hash(body.as_bytes()).to_hex());
    fs::write(&format, newer)?;
    let mut newer = Process::start("newer", &binary, &args, dir.path(), None)?;
    assert_eq!(newer.wait(SOON)?.code(), Some(i32::from(exit::RESOURCE)));
    newer.wait_for("999", SOON)?;
    Ok(())
}

/// Ctrl+S in a terminal, or a pipe whose reader hangs.
#[test]
fn an_output_that_nobody_reads_stops_nothing() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let layout = Layout::new(dir.path(), 0)?;
    let cli = Cli::new(&layout);
    let mut silent = std::process::Command::new(layout.binary("orquestrador"))
        .args(["--port", &layout.principal_port.to_string()])
        .args(["--peer", &layout.orchestrators()[1]])
        .arg("--data-dir")
        .arg(layout.data_dir(layout.principal_port))
        // A pipe holds 64 KiB: a few requests fill it.
        .env("MUTIRAO_LOG", "trace")
        .stdout(std::process::Stdio::piped())
        .spawn()?;
    let submit = ["submit", "--handler", "echo", "--allow-unknown-handler", "--count", "200"];
    let outcome = (0..5).try_for_each(|_| cli.json(&submit).map(drop));
    silent.kill()?;
    silent.wait()?;
    outcome
}

/// What it would write from then on would be gone with the process: no acknowledgement may count on it.
#[test]
fn a_data_directory_that_is_removed_stops_the_node() -> anyhow::Result<()> {
    let (_dir, mut cluster, cli) = pair_with_a_worker()?;
    let id = cli.submit(&["--handler", "echo", "--payload", "antes"])?;
    fs::remove_dir_all(cluster.layout.data_dir(cluster.layout.principal_port))?;
    let principal = cluster.principal.as_mut().expect("it was started");
    let status = principal.wait(SOON)?;
    assert_eq!(status.code(), Some(i32::from(exit::BROKEN)));
    let task = cli.finished(&id, 200)?.expect("the backup has it");
    assert_eq!(task["state"].as_str(), Some("SUCCEEDED"), "{task}");
    Ok(())
}

/// One task has one name, however it is written.
#[test]
fn an_id_in_another_spelling_is_the_same_task() -> anyhow::Result<()> {
    let (_dir, _cluster, cli) = pair_with_a_worker()?;
    let id = "0190B4A0-0000-7000-8000-00000000ABCD";
    let submitted = cli.json(&["submit", "--handler", "echo", "--id", id, "--wait"])?;
    assert_eq!(submitted[0]["task_id"].as_str(), Some(&*id.to_lowercase()), "{submitted:?}");
    let result = cli.json(&["result", "--wait", &id.replace('-', "")])?;
    assert_eq!(result[0]["state"].as_str(), Some("SUCCEEDED"), "{result:?}");
    let watched = cli.json(&["watch", id])?;
    assert_eq!(watched.len(), 1, "{watched:?}");
    Ok(())
}

#[test]
fn a_timeout_beyond_every_clock_is_just_long() -> anyhow::Result<()> {
    let (_dir, _cluster, cli) = pair_with_a_worker()?;
    let run = cli.run(&["--timeout", "18446744073709551615s", "list"])?;
    assert_eq!(run.code, Some(0), "{run:?}");
    Ok(())
}
