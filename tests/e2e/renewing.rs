//! Certificates that are renewed and revoked while the cluster works.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use common::exit;
use common::tls::{Certificate, Role};
use harness::cli::Run;
use harness::{Certificates, Cli, Cluster, Layout, Process, certificates, ports};
use rustix::process::Signal;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::Value;

const SOON: Duration = Duration::from_secs(30);
/// Looks, a tenth of a second apart.
const TRIES: usize = 400;
const READ: &str = "Certificados lidos de novo";

struct Stage {
    cli: Cli,
    cluster: Cluster,
    certificates: Certificates,
}

impl Stage {
    /// Everybody reads the list of revoked certificates, which is empty.
    fn new(dir: &Path, workers: usize) -> anyhow::Result<Self> {
        let mut layout = Layout::new(dir, workers)?.secured()?;
        let certificates = layout.certificates.clone().expect("it has some");
        let list = ["--tls-crl".to_owned(), certificates.list().display().to_string()];
        layout.orchestrator_args = list.to_vec();
        layout.worker_args = ["--handlers", "default,command"].map(str::to_owned).to_vec();
        layout.worker_args.extend(list);
        let cli = Cli::new(&layout);
        let mut cluster = Cluster::new(layout);
        cluster.start()?;
        Ok(Self { cli, cluster, certificates })
    }

    fn certs(&self, args: &[&str]) -> anyhow::Result<()> {
        self.certificates.run(&self.cluster.layout.binary("cliente"), args)
    }

    fn orchestrators(&self) -> [&Process; 2] {
        let both = [&self.cluster.principal, &self.cluster.backup];
        both.map(|process| process.as_ref().expect("runs"))
    }

    fn call(&self, port: u16) -> anyhow::Result<StreamOwned<ClientConnection, TcpStream>> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(&fs::read(self.certificates.authority())?)?)?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let client = ClientConnection::new(Arc::new(config), ServerName::try_from("localhost")?)?;
        let mut stream = StreamOwned::new(client, TcpStream::connect(("127.0.0.1", port))?);
        stream.flush()?;
        Ok(stream)
    }

    /// Of what an orchestrator shows who calls it.
    fn shown_by(&self, port: u16) -> anyhow::Result<String> {
        let stream = self.call(port)?;
        let shown = stream.conn.peer_certificates().and_then(<[_]>::first).expect("shows one");
        Ok(Certificate::of_der(shown)?.serial)
    }

    /// The end of its certificate, as its metrics tell it.
    fn end_told_by(&self, port: u16) -> anyhow::Result<f64> {
        let mut stream = self.call(port)?;
        stream
            .write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        let name = r#"mutirao_certificate_expiry_seconds{certificate="own"} "#;
        let told = text.lines().find_map(|line| line.strip_prefix(name)).context("is not told")?;
        Ok(told.parse()?)
    }

    /// Of the file.
    fn serial(&self, name: &str) -> anyhow::Result<String> {
        let path = self.certificates.flags(name).tls_cert.expect("has one");
        Ok(Certificate::of_pem(&fs::read(path)?)?.serial)
    }
}

/// A worker with a certificate of its own, which others have not.
fn worker(stage: &Stage, name: &str, more: &[String]) -> anyhow::Result<Process> {
    let layout = &stage.cluster.layout;
    let port = ports::free(1)?[0].to_string();
    let mut args = ["--port", &port, "--handlers", "default,command"].map(str::to_owned).to_vec();
    args.extend(["--orchestrators".to_owned(), layout.orchestrators().join(",")]);
    args.extend(stage.certificates.args(name));
    args.extend(more.iter().cloned());
    Process::start(name, &layout.binary("worker"), &args, &layout.dir, None)
}

fn refused(run: &Run, code: u8, said: &str) {
    assert_eq!(run.code, Some(i32::from(code)), "{run:?}");
    assert!(run.stderr.contains(said), "`{said}` is not in: {run:?}");
}

#[test]
fn renewed_certificates_count_while_tasks_go_on_and_nothing_is_lost() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let mut stage = Stage::new(dir.path(), 2)?;
    let port = stage.cluster.layout.principal_port;
    let before = stage.serial("orchestrator")?;
    assert_eq!(stage.shown_by(port)?, before);
    let end = stage.end_told_by(port)?;
    let task = ["submit", "--count", "40", "--wait", "--", "sh", "-c", "sleep 1"];
    let flow = stage.cli.start(&task)?;
    let is_running = |tasks: &[Value]| !tasks.is_empty();
    assert!(stage.cli.until(&["list", "--state", "running"], TRIES, is_running)?.is_some());
    for name in ["orchestrator", "worker"] {
        stage.certs(&["renew", name, "--days", "400"])?;
    }
    // One is asked, the others find out.
    stage.orchestrators()[0].signal(Signal::HUP)?;
    let workers = stage.cluster.workers.iter().flatten();
    for process in stage.orchestrators().into_iter().chain(workers) {
        process.wait_for(READ, SOON)?;
    }
    let renewed = stage.serial("orchestrator")?;
    assert_ne!(renewed, before);
    assert_eq!(stage.shown_by(port)?, renewed);
    let later = stage.end_told_by(port)?;
    assert!(later > end, "{later} after {end}: the renewed one is good for longer");
    assert_eq!(stage.shown_by(stage.cluster.layout.backup_port)?, renewed);
    // What is new must do for what comes next: everybody calls the other one.
    stage.cluster.kill_principal()?;
    let backup = stage.cluster.backup.as_ref().expect("runs");
    backup.wait_for("Backup promovido a principal.", SOON)?;
    let flow = flow.wait_with_output()?;
    assert!(flow.status.success(), "{flow:?}");
    let all = stage.cli.json(&["list", "--limit", "100"])?;
    let succeeded = all.iter().filter(|task| task["state"].as_str() == Some("SUCCEEDED")).count();
    assert_eq!(succeeded, 40, "{all:?}");
    Ok(())
}

#[test]
fn files_that_do_not_belong_together_change_nothing() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let stage = Stage::new(dir.path(), 1)?;
    let port = stage.cluster.layout.principal_port;
    let before = stage.serial("orchestrator")?;
    let flags = stage.certificates.flags("orchestrator");
    let key = flags.tls_key.expect("has one");
    let kept = fs::read(&key)?;
    let [principal, backup] = stage.orchestrators();
    for (broken, said) in [
        (fs::read(stage.certificates.flags("worker").tls_key.expect("has one"))?, "não é a chave"),
        (b"-----BEGIN".to_vec(), "não é um arquivo PEM"),
    ] {
        fs::write(&key, broken)?;
        principal.signal(Signal::HUP)?;
        let line = principal.wait_for(said, SOON)?;
        assert!(line.contains("continuam os anteriores"), "{line}");
    }
    // Found without being asked, too.
    backup.wait_for("continuam os anteriores", SOON)?;
    let list = stage.certificates.list();
    let empty = fs::read(&list)?;
    let elsewhere =
        Certificates::new(&stage.cluster.layout.binary("cliente"), &dir.path().join("elsewhere"))?;
    fs::write(&key, &kept)?;
    fs::copy(elsewhere.list(), &list)?;
    principal.signal(Signal::HUP)?;
    principal.wait_for("não foi assinada pela autoridade", SOON)?;
    assert_eq!(stage.shown_by(port)?, before);
    assert_eq!(stage.cli.run(&["run", "--", "true"])?.code, Some(0));
    assert!(!principal.lines().iter().any(|line| line.contains(READ)));
    fs::write(&list, empty)?;
    principal.signal(Signal::HUP)?;
    principal.wait_for(READ, SOON)?;
    Ok(())
}

#[test]
fn a_revoked_worker_is_put_out_and_its_tasks_go_to_others() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let mut stage = Stage::new(dir.path(), 1)?;
    // The one that stays comes later.
    stage.cluster.workers[0].take().expect("runs").kill()?;
    stage.certs(&["issue", "stolen", "--role", "worker"])?;
    let stolen = worker(&stage, "stolen", &[])?;
    let go = dir.path().join("go");
    let script = format!("test -e {} || sleep 1000", go.display());
    let task = stage.cli.submit(&["--", "sh", "-c", &script])?;
    let is_running = |tasks: &[Value]| tasks[0]["state"].as_str() == Some("RUNNING");
    assert!(stage.cli.until(&["status", &task], TRIES, is_running)?.is_some());
    fs::write(&go, "")?;
    stage.cluster.start_worker(0)?;
    stage.certs(&["revoke", "stolen"])?;
    for process in stage.orchestrators() {
        process.wait_for(READ, SOON)?;
    }
    let line = stolen.wait_for("Sem sessão com o orquestrador", SOON)?;
    assert!(line.contains("it was revoked"), "{line}");
    let ended = stage.cli.finished(&task, TRIES)?.expect("it finishes elsewhere");
    let good = format!("localhost:{}", stage.cluster.layout.worker_ports[0]);
    assert_eq!(ended["state"].as_str(), Some("SUCCEEDED"), "{ended}");
    assert_eq!(ended["worker_id"].as_str(), Some(&*good), "{ended}");
    // One that starts anew is told, by the orchestrator or by the list itself.
    let mut again = worker(&stage, "stolen", &[])?;
    assert_eq!(again.wait(SOON)?.code(), Some(i32::from(exit::REFUSED)));
    again.wait_for("it was revoked", SOON)?;
    let list = ["--tls-crl".to_owned(), stage.certificates.list().display().to_string()];
    let mut again = worker(&stage, "stolen", &list)?;
    assert_eq!(again.wait(SOON)?.code(), Some(i32::from(exit::USAGE)));
    again.wait_for("foi revogado", SOON)?;
    Ok(())
}

#[test]
fn a_revoked_client_and_a_revoked_orchestrator_are_told_apart_from_others() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let stage = Stage::new(dir.path(), 0)?;
    let with = |args: &[String]| -> anyhow::Result<Run> {
        let mut command: Command = stage.cli.command(&["list"]);
        Ok(command.args(args).output()?.into())
    };
    let client = certificates::args(&stage.certificates.flags(Role::Client.word()));
    assert_eq!(with(&client)?.code, Some(0));
    // By its number, as people write it.
    let serial = stage.serial("client")?;
    let spelt: Vec<_> = serial.as_bytes().rchunks(2).rev().map(String::from_utf8_lossy).collect();
    stage.certs(&["revoke", &spelt.join(":").to_uppercase()])?;
    for process in stage.orchestrators() {
        process.wait_for(READ, SOON)?;
    }
    refused(&with(&client)?, exit::UNAUTHENTICATED, "it was revoked");
    assert_eq!(with(&[])?.code, Some(0), "the others go on");
    // The orchestrators do not know yet; a client that does trusts them no more.
    let copy: PathBuf = dir.path().join("newer.pem");
    stage.certs(&["revoke", "orchestrator"])?;
    fs::rename(stage.certificates.list(), &copy)?;
    let list = ["--tls-crl".to_owned(), copy.display().to_string()];
    refused(&with(&list)?, exit::UNAVAILABLE, "it was revoked");
    Ok(())
}

#[test]
fn only_what_the_authority_issued_can_be_revoked() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let layout = Layout::new(dir.path(), 0)?;
    let made = |name: &str| {
        let dir = dir.path().join(name);
        Certificates::new(&layout.binary("cliente"), &dir).map(|made| (made, dir))
    };
    let ((own, folder), (other, _)) = (made("own")?, made("other")?);
    let certs = |args: &[&str]| -> anyhow::Result<Run> {
        let mut command = Command::new(layout.binary("cliente"));
        command.args(["--output", "json", "certs"]).args(args).arg("--dir").arg(&folder);
        Ok(command.output()?.into())
    };
    let foreign = other.flags("worker").tls_cert.expect("has one").display().to_string();
    refused(&certs(&["revoke", &foreign])?, exit::USAGE, "não foi emitido por esta autoridade");
    refused(&certs(&["revoke", "ca"])?, exit::USAGE, "não foi emitido por esta autoridade");
    refused(&certs(&["revoke", "nada"])?, exit::USAGE, "número de série");
    refused(&certs(&["renew", "nada"])?, exit::USAGE, "nada.pem");
    let before = fs::read(own.flags("worker").tls_cert.expect("has one"))?;
    let revoked = certs(&["revoke", "worker", "client", "worker"])?;
    let told: Value = serde_json::from_str(&revoked.stdout)?;
    assert_eq!(told["all"].as_u64(), Some(2), "{told}");
    let again: Value = serde_json::from_str(&certs(&["revoke"])?.stdout)?;
    assert_eq!(again["all"].as_u64(), Some(2), "what was revoked stays so: {again}");
    let renewed: Value = serde_json::from_str(&certs(&["renew", "worker"])?.stdout)?;
    let before = Certificate::of_pem(&before)?;
    assert_eq!(renewed["subject"].as_str(), Some("worker"));
    assert_eq!(renewed["role"].as_str(), Some("worker"));
    assert_eq!(renewed["hosts"].as_array().map(Vec::len), Some(before.hosts.len()));
    assert_ne!(renewed["serial"].as_str(), Some(&*before.serial));
    Ok(())
}
