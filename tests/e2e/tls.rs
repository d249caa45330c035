//! Everything by TLS with certificates of one authority; and strangers, who are told what they lack.

#[path = "tls/strangers.rs"]
mod strangers;

use std::time::Duration;

use common::auth::{DEMO_TOKEN, DEMO_USER};
use common::connections::Connections;
use common::exit;
use common::proto::task_orchestrator_client::TaskOrchestratorClient;
use common::tls::{self, Role, Tls};
use harness::cli::Run;
use harness::{Certificates, Cli, Cluster, Layout};
use serde_json::Value;
use tokio_stream::StreamExt as _;

const SOON: Duration = Duration::from_secs(20);
/// Looks, a tenth of a second apart.
const TRIES: usize = 200;

fn secured(dir: &std::path::Path, workers: usize) -> anyhow::Result<(Cli, Cluster)> {
    let mut layout = Layout::new(dir, workers)?.secured()?;
    layout.worker_args = ["--handlers", "default,command"].map(str::to_owned).to_vec();
    let cli = Cli::new(&layout);
    let mut cluster = Cluster::new(layout);
    cluster.start()?;
    Ok((cli, cluster))
}

fn certificates(cluster: &Cluster) -> &Certificates {
    cluster.layout.certificates.as_ref().expect("it has some")
}

fn refused(run: &Run, code: u8, said: &str) {
    assert_eq!(run.code, Some(i32::from(code)), "{run:?}");
    assert!(run.stderr.contains(said), "`{said}` is not in: {}", run.stderr);
}

#[test]
fn tasks_files_and_witnesses_survive_the_principal_over_tls() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let (cli, mut cluster) = secured(dir.path(), 3)?;
    let by_witnesses =
        |nodes: &[Value]| nodes.iter().all(|n| n["failover"].as_str() == Some("BY_WITNESSES"));
    let explained = cli.until(&["cluster", "explain"], TRIES, by_witnesses)?;
    assert!(explained.is_some(), "the workers testify over TLS");
    let input = dir.path().join("given.txt");
    std::fs::write(&input, "um arquivo")?;
    let input = format!("{}=given.txt", input.display());
    let through = ["run", "--own-dir", "--input", &input, "--", "cat", "given.txt"];
    let run = cli.run(&through)?;
    assert_eq!((run.code, run.stdout.as_str()), (Some(0), "um arquivo"), "{run:?}");
    let seconds = ["--", "sh", "-c", "sleep 3; echo fim"];
    let running = cli.submit(&seconds)?;
    let is_running = |tasks: &[Value]| tasks[0]["state"].as_str() == Some("RUNNING");
    assert!(cli.until(&["status", &running], TRIES, is_running)?.is_some());
    cluster.kill_principal()?;
    let backup = cluster.backup.as_ref().expect("runs");
    backup.wait_for("Backup promovido a principal.", SOON)?;
    let task = cli.finished(&running, TRIES)?.expect("it finishes");
    assert_eq!(task["state"].as_str(), Some("SUCCEEDED"), "{task}");
    assert_eq!(task["attempt"].as_u64().or(task["attempts"].as_u64()), Some(1), "{task}");
    // The file is at the other one too.
    let run = cli.run(&through)?;
    assert_eq!((run.code, run.stdout.as_str()), (Some(0), "um arquivo"), "{run:?}");
    cluster.start_principal()?;
    let back = cluster.principal.as_ref().expect("runs");
    back.wait_for("Sincronizado: pronto para assumir", SOON)?;
    Ok(())
}

#[test]
fn a_client_is_told_what_is_wrong_with_the_connection() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let (cli, cluster) = secured(dir.path(), 0)?;
    let address = |scheme: &str| format!("{scheme}localhost:{}", cluster.layout.principal_port);
    let plain = || {
        let mut command = cli.command(&["list"]);
        command.env_remove("MUTIRAO_TLS_CA");
        command
    };
    let with = |mut command: std::process::Command, args: &[&str]| -> anyhow::Result<Run> {
        Ok(command.args(args).output()?.into())
    };
    let run = with(plain(), &["--orchestrators", &address("http://")])?;
    refused(&run, exit::REFUSED, "Este orquestrador só fala TLS");
    let run = with(plain(), &["--orchestrators", &address("http://"), "--lang", "en"])?;
    refused(&run, exit::REFUSED, "speaks TLS only; call it by https:// and give --tls-ca");
    let run = with(plain(), &["--orchestrators", &address("https://")])?;
    refused(&run, exit::USAGE, "https:// precisa de --tls-ca");
    let run = with(cli.command(&["list"]), &["--orchestrators", &address("http://")])?;
    refused(&run, exit::USAGE, "com --tls-ca os endereços são https://");
    // Where it is not said how, the certificates say it.
    let run = with(cli.command(&["list"]), &["--orchestrators", &address("")])?;
    assert_eq!(run.code, Some(0), "{run:?}");
    // The names in the certificate count.
    let elsewhere =
        Certificates::new(&cluster.layout.binary("cliente"), &dir.path().join("other"))?;
    let other = elsewhere.authority().display().to_string();
    let run = with(cli.command(&["list"]), &["--tls-ca", &other])?;
    refused(&run, exit::UNAVAILABLE, "not signed by the authority that is trusted here");
    Ok(())
}

#[test]
fn a_client_with_certificates_is_told_that_a_port_has_none() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let mut cluster = Cluster::new(Layout::new(dir.path(), 0)?);
    cluster.start_principal()?;
    let made = Certificates::new(&cluster.layout.binary("cliente"), &dir.path().join("certs"))?;
    let address = format!("localhost:{}", cluster.layout.principal_port);
    let trusted = made.authority().display().to_string();
    let args = ["--tls-ca", &trusted, "--orchestrators", &address, "list"];
    let run: Run = std::process::Command::new(cluster.layout.binary("cliente"))
        .args(args)
        .env("MUTIRAO_USER", "user1")
        .env("MUTIRAO_TOKEN", "token_valido_123")
        .output()?
        .into();
    refused(&run, exit::UNAVAILABLE, "does not speak TLS");
    Ok(())
}

/// It would be noticed when others need it, at a failover.
#[test]
fn an_orchestrator_says_that_its_certificate_is_of_another_host() -> anyhow::Result<()> {
    let said = |args: &[&str]| {
        let dir = tempfile::tempdir()?;
        let mut layout = Layout::new(dir.path(), 0)?.secured()?;
        layout.orchestrator_args = args.iter().map(|arg| (*arg).to_owned()).collect();
        let mut cluster = Cluster::new(layout);
        cluster.start_principal()?;
        let principal = cluster.principal.as_ref().expect("runs");
        principal.wait_for("Novo cluster fundado", SOON)?;
        let lines = principal.lines();
        anyhow::Ok(lines.into_iter().filter(|line| line.contains("não vale para")).count())
    };
    assert_eq!(said(&[])?, 0);
    assert_eq!(said(&["--advertise", "https://elsewhere.example:1"])?, 1);
    Ok(())
}

/// What an orchestrator shows that is not one.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_called_must_be_an_orchestrator() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let layout = Layout::new(dir.path(), 0)?.secured()?;
    let made = layout.certificates.as_ref().expect("it has some");
    let caller = Tls::read(&made.flags("client"))?;
    let asked = async |shown: &tls::Flags, host: &str| {
        let ip = if host == "localhost" { "127.0.0.1" } else { host };
        let listener = tokio::net::TcpListener::bind((ip, 0)).await?;
        let port = listener.local_addr()?.port();
        let acceptor = Tls::read(shown)?.acceptor();
        let serving = tokio::spawn(async move {
            let mut connections =
                std::pin::pin!(tls::incoming(listener, acceptor, Connections::at_most(8)));
            while connections.next().await.is_some() {}
        });
        let endpoint: common::endpoint::Endpoint = format!("https://{host}:{port}").parse()?;
        let mut tasks = TaskOrchestratorClient::new(endpoint.channel_by(&caller));
        let answer = tasks.get_task(common::proto::GetTaskRequest::default()).await;
        serving.abort();
        anyhow::Ok(answer.expect_err("nobody answers").message().to_owned())
    };
    let worker = asked(&made.flags("worker"), "localhost").await?;
    assert!(worker.contains("its role is worker, not orchestrator"), "{worker}");
    let client = asked(&made.flags("client"), "localhost").await?;
    assert!(client.contains("may not be used for this side"), "{client}");
    let expired = asked(&made.expired(Role::Orchestrator)?, "localhost").await?;
    assert!(expired.contains("it expired at"), "{expired}");
    let own = harness::certificates::self_signed(dir.path(), Role::Orchestrator, made.authority())?;
    let own = asked(&own, "localhost").await?;
    assert!(own.contains("certificate of localhost"), "{own}");
    let elsewhere = asked(&made.flags("orchestrator"), "127.0.0.2").await?;
    assert!(elsewhere.contains("not for 127.0.0.2"), "{elsewhere}");
    Ok(())
}

#[test]
fn what_login_keeps_by_tls_serves_the_commands_that_follow() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let (cli, cluster) = secured(dir.path(), 0)?;
    let layout = &cluster.layout;
    // As a person writes addresses: how they are spoken to follows from the authority.
    let addresses = format!("localhost:{},localhost:{}", layout.principal_port, layout.backup_port);
    let bare = || {
        let mut command = std::process::Command::new(layout.binary("cliente"));
        command.env("XDG_CONFIG_HOME", dir.path());
        for name in ["ORCHESTRATORS", "USER", "TOKEN", "TLS_CA", "LANG"] {
            command.env_remove(format!("MUTIRAO_{name}"));
        }
        command
    };
    let authority = certificates(&cluster).authority();
    let mut login = bare();
    login.args(["--orchestrators", &addresses, "--tls-ca"]).arg(authority).arg("login");
    login.env("MUTIRAO_USER", DEMO_USER).env("MUTIRAO_TOKEN", DEMO_TOKEN);
    let login = login.output()?;
    assert!(login.status.success(), "{login:?}");
    let listed = bare().arg("list").output()?;
    assert!(listed.status.success(), "{listed:?}");
    cli.ok(&["list"])
}
