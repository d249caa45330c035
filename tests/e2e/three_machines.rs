//! A cluster on three machines as the documents tell to set one up: certificates of one authority, users with roles, and the
//! work of `cargo xtask demo`, with a machine's worker and its principal killed in the middle. Strangers from a fourth.
//!
//! It needs root, `ip` and `iptables`, as the tests of partitions do.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::ensure;
use cliente::{Client, ClientConfig};
use common::auth::Credentials;
use common::exit;
use common::tls::{Flags, Tls};
use harness::cli::Run;
use harness::demo::{self, Options, Victims};
use harness::net::{Engine, Host, Network};
use harness::{Layout, Process, ports};

/// Set where a skipped test is a failed one.
const REQUIRED: &str = "MUTIRAO_TEST_PARTITIONS";
const SOON: Duration = Duration::from_secs(60);
const FIRST: &str = "o-token-de-quem-comeca";
const ROOT: &str = "um-token-de-verdade-0";
const ANA: &str = "um-token-de-verdade-1";
const VERA: &str = "outro-token-de-verdade-2";
/// One of the principal, one of the backup, one for work and people; and one that nobody asked to join.
const MACHINES: [Host; 3] = [Host::Principal, Host::Backup, Host::User];
const STRANGER: Host = Host::Worker(0);

struct Machines {
    network: Network,
    layout: Layout,
    dir: PathBuf,
}

impl Machines {
    fn new(dir: &Path) -> anyhow::Result<Self> {
        let layout = Layout::with_ports(dir, &ports::GUIDE)?;
        let machines = Self { network: Network::new(Engine::Pair)?, layout, dir: dir.to_owned() };
        machines.certs("ours", &["init"])?;
        for (name, host) in [("a", Host::Principal), ("b", Host::Backup)] {
            let host = host.address().to_string();
            machines.certs("ours", &["issue", name, "--role", "orchestrator", "--host", &host])?;
        }
        machines.certs("ours", &["issue", "worker", "--role", "worker"])?;
        machines.certs("ours", &["issue", "client", "--role", "client"])?;
        Ok(machines)
    }

    fn certs(&self, folder: &str, args: &[&str]) -> anyhow::Result<()> {
        let mut command = Command::new(self.layout.binary("cliente"));
        let done: Run = command
            .arg("certs")
            .args(args)
            .arg("--dir")
            .arg(self.dir.join(folder))
            .output()?
            .into();
        ensure!(done.code == Some(0), "{done:?}");
        Ok(())
    }

    fn flags(&self, folder: &str, name: &str) -> Flags {
        let file = |name: String| Some(self.dir.join(folder).join(name));
        Flags {
            tls_cert: file(format!("{name}.pem")),
            tls_key: file(format!("{name}-key.pem")),
            tls_ca: file("ca.pem".to_owned()),
            tls_crl: None,
        }
    }

    fn orchestrators(&self) -> [String; 2] {
        let [principal, backup, ..] = ports::GUIDE;
        [(Host::Principal, principal), (Host::Backup, backup)]
            .map(|(host, port)| format!("https://{}:{port}", host.address()))
    }

    fn start(
        &self,
        host: Host,
        binary: &str,
        tls: &Flags,
        args: &[&str],
    ) -> anyhow::Result<Process> {
        let mut all: Vec<_> = args.iter().map(|arg| (*arg).to_owned()).collect();
        all.extend(harness::certificates::args(tls));
        self.network.start(host, &self.layout.binary(binary), &all, &self.dir, None)
    }

    fn orchestrator(&self, host: Host, token_file: &Path) -> anyhow::Result<Process> {
        let (binary, name, other) = match host {
            Host::Backup => ("orquestrador-backup", "b", &self.orchestrators()[0]),
            _ => ("orquestrador", "a", &self.orchestrators()[1]),
        };
        let (listen, dir) = (host.address().to_string(), self.dir.join(name).display().to_string());
        let token = token_file.display().to_string();
        let args = [
            "--listen",
            &listen,
            "--peer",
            other,
            "--data-dir",
            &dir,
            "--admin-token-file",
            &token,
        ];
        let process = self.start(host, binary, &self.flags("ours", name), &args)?;
        process.wait_for("iniciado na porta", SOON)?;
        Ok(process)
    }

    fn worker(&self, host: Host, tls: &Flags) -> anyhow::Result<Process> {
        let all = self.orchestrators().join(",");
        let listen = host.address().to_string();
        let port = ports::GUIDE[2].to_string();
        let name = format!("{listen}:{port}");
        let own = ["--port", &port, "--advertise", &name];
        let args = [&own[..], &["--orchestrators", &all, "--handlers", "all", "--slots", "2"]];
        let args = args.concat();
        self.start(host, "worker", tls, &args)
    }

    /// The client, from the machine where people are.
    fn client(&self, (user, token): (&str, &str), args: &[&str]) -> anyhow::Result<Run> {
        self.client_at(Host::User, (user, token), Some("ours"), args)
    }

    fn client_at(
        &self,
        host: Host,
        whose: (&str, &str),
        trusted: Option<&str>,
        args: &[&str],
    ) -> anyhow::Result<Run> {
        Ok(self.client_command(host, whose, trusted).args(args).output()?.into())
    }

    fn client_command(
        &self,
        host: Host,
        (user, token): (&str, &str),
        trusted: Option<&str>,
    ) -> Command {
        let mut command = self.network.command(host, &self.layout.binary("cliente"));
        if let Some(folder) = trusted {
            command.arg("--tls-ca").arg(self.dir.join(folder).join("ca.pem"));
        }
        command
            .args(["--orchestrators", &self.orchestrators().join(","), "--timeout", "5s"])
            .env("MUTIRAO_USER", user)
            .env("MUTIRAO_TOKEN", token);
        command
    }

    fn add_user(
        &self,
        by: (&str, &str),
        name: &str,
        token: &str,
        role: &str,
    ) -> anyhow::Result<()> {
        let file = self.dir.join(name);
        std::fs::write(&file, token)?;
        let mut add = self.client_command(Host::User, by, Some("ours"));
        add.args(["users", "add", name, "--role", role]).stdin(File::open(file)?);
        let done: Run = add.output()?.into();
        ensure!(done.code == Some(0), "{done:?}");
        Ok(())
    }
}

/// `None`, said aloud, where there can be no network namespaces.
fn machines(dir: &Path) -> anyhow::Result<Option<Machines>> {
    if let Some(reason) = Network::unavailable() {
        ensure!(std::env::var_os(REQUIRED).is_none(), "three machines are required: {reason}");
        // Past the test runner, which shows what is printed only when a test fails.
        writeln!(std::io::stderr(), "SKIPPED three_machines: {reason}")?;
        return Ok(None);
    }
    Machines::new(dir).map(Some)
}

fn refused(run: &Run, code: u8, said: &str) {
    assert_eq!(run.code, Some(i32::from(code)), "{run:?}");
    assert!(run.stderr.contains(said), "`{said}` is not in: {run:?}");
}

#[test]
fn the_work_of_the_demo_on_three_machines_with_certificates_and_roles() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let Some(machines) = machines(dir.path())? else { return Ok(()) };
    let token = dir.path().join("first-token");
    std::fs::write(&token, FIRST)?;
    let mut principal = Some(machines.orchestrator(Host::Principal, &token)?);
    let _backup = machines.orchestrator(Host::Backup, &token)?;
    principal.as_ref().expect("it runs").wait_for("Backup sincronizado", SOON)?;
    let tls = machines.flags("ours", "worker");
    let mut workers = Vec::new();
    for host in MACHINES {
        workers.push(Some(machines.worker(host, &tls)?));
    }
    machines.add_user(("admin", FIRST), "root", ROOT, "admin")?;
    machines.add_user(("root", ROOT), "ana", ANA, "submitter")?;
    machines.add_user(("root", ROOT), "vera", VERA, "viewer")?;
    strangers_are_refused(&machines)?;
    wait_for_witnesses(&machines)?;

    let options = Options {
        size: 512,
        tile: 64,
        repository: demo::repository_root(),
        picture: dir.path().join("picture.png"),
        shrink: 1,
    };
    let endpoints = machines.orchestrators().map(|endpoint| endpoint.parse());
    let endpoints = endpoints.into_iter().collect::<Result<Vec<_>, _>>()?;
    let trust = Flags { tls_ca: machines.flags("ours", "").tls_ca, ..Flags::default() };
    let mut worker = workers[0].take();
    let report = machines.network.run(Host::User, move || async move {
        let mut config = ClientConfig::new(endpoints, Credentials::new("ana", ANA)?);
        config.tls = Tls::read(&trust)?;
        let victims = Victims { worker: &mut worker, principal: &mut principal };
        demo::run(&options, victims, &Client::new(config)).await
    })?;
    // Past the test runner, which shows what is printed only when a test fails.
    writeln!(std::io::stderr(), "three_machines:\n{report}")?;
    assert!(report.is_clean(), "{report}");
    assert_eq!(report.by_worker.len(), MACHINES.len(), "all machines worked: {report}");
    // Roles hold at the new principal too.
    refused(
        &machines.client(("vera", VERA), &["submit", "--handler", "echo", "--payload", "x"])?,
        exit::REFUSED,
        "",
    );
    refused(&machines.client(("ana", ANA), &["users", "list"])?, exit::REFUSED, "");
    let seen = machines.client(("vera", VERA), &["list", "--as", "ana", "--limit", "1"])?;
    assert_eq!(seen.code, Some(0), "{seen:?}");
    let others = machines.client(("root", ROOT), &["audit"])?;
    assert!(others.stdout.contains(machines.orchestrators()[1].as_str()), "{others:?}");
    Ok(())
}

fn wait_for_witnesses(machines: &Machines) -> anyhow::Result<()> {
    let deadline = Instant::now() + SOON;
    let explain = ["--output", "json", "cluster", "explain"];
    loop {
        let explained = machines.client(("root", ROOT), &explain)?;
        if explained.stdout.matches("BY_WITNESSES").count() == 2 {
            return Ok(());
        }
        ensure!(Instant::now() < deadline, "the workers became no witnesses: {explained:?}");
    }
}

/// On the machine of nobody: without a certificate, or with the wrong one, none of these gets in.
fn strangers_are_refused(machines: &Machines) -> anyhow::Result<()> {
    machines.certs("theirs", &["init"])?;
    machines.certs("theirs", &["issue", "worker", "--role", "worker"])?;
    machines.certs("theirs", &["issue", "b", "--role", "orchestrator"])?;
    let ended = |mut process: Process| anyhow::Ok((process.wait(SOON)?.code(), process));
    let authority =
        |folder: &str| Flags { tls_ca: machines.flags(folder, "").tls_ca, ..Flags::default() };
    for (tls, code, said) in [
        (authority("ours"), exit::USAGE, "--tls-cert"),
        (machines.flags("ours", "client"), exit::USAGE, "aqui precisa ser worker"),
        (machines.flags("theirs", "worker"), exit::REFUSED, "not signed by the authority"),
    ] {
        let (ended, process) = ended(machines.worker(STRANGER, &tls)?)?;
        process.wait_for(said, SOON)?;
        assert_eq!(ended, Some(code.into()), "{:?}", process.lines());
    }
    let data = machines.dir.join("stranger").display().to_string();
    let peer = &machines.orchestrators()[0];
    let listen = STRANGER.address().to_string();
    let standby = ["--listen", &listen, "--peer", peer, "--data-dir", &data];
    let mut foreign = machines.start(
        STRANGER,
        "orquestrador-backup",
        &machines.flags("theirs", "b"),
        &standby,
    )?;
    foreign.wait_for("not signed by the authority", SOON)?;
    foreign.kill()?;

    let list = ["list"];
    let client = |user, token, trusted| machines.client_at(STRANGER, (user, token), trusted, &list);
    refused(&client("ana", ANA, None)?, exit::USAGE, "--tls-ca");
    refused(&client("ana", ANA, Some("theirs"))?, exit::UNAVAILABLE, "not signed by the authority");
    refused(&client("ana", "um-token-errado", Some("ours"))?, exit::UNAUTHENTICATED, "token");
    refused(&client("user1", "token_valido_123", Some("ours"))?, exit::UNAUTHENTICATED, "token");
    Ok(())
}
