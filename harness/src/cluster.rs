//! A pair of orchestrators and some workers on loopback.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};

use common::tls::Role;

use crate::certificates::Certificates;
use crate::cli::Cli;
use crate::ports;
use crate::process::{OnLine, Process};

/// How long a process may take to say that it is ready.
pub const START_TIMEOUT: Duration = Duration::from_secs(20);

/// Where everything is.
#[derive(Clone, Debug)]
pub struct Layout {
    /// The four binaries.
    pub binaries: PathBuf,
    /// Data directories are made below it.
    pub dir: PathBuf,
    pub principal_port: u16,
    pub backup_port: u16,
    pub worker_ports: Vec<u16>,
    /// Of orchestrators beside the two, where etcd is the engine.
    pub more_ports: Vec<u16>,
    /// Given to every worker.
    pub worker_args: Vec<String>,
    /// Given to both orchestrators.
    pub orchestrator_args: Vec<String>,
    /// In the environment of both.
    pub orchestrator_environment: Vec<(String, String)>,
    /// `--engine` of the orchestrators; `None`: they are a pair.
    pub engine: Option<String>,
    /// Everything speaks TLS with these.
    pub certificates: Option<Certificates>,
}

impl Layout {
    /// Free ports, and the binaries beside the running program.
    ///
    /// # Errors
    /// The binaries are not built, or there are no ports.
    pub fn new(dir: &Path, workers: usize) -> anyhow::Result<Self> {
        let ports = ports::free(2 + workers)?;
        Self::with_ports(dir, &ports)
    }

    /// `ports`: principal, backup, workers.
    ///
    /// # Errors
    /// The binaries are not built.
    pub fn with_ports(dir: &Path, ports: &[u16]) -> anyhow::Result<Self> {
        let [principal_port, backup_port, worker_ports @ ..] = ports else {
            bail!("two ports are needed at least");
        };
        Ok(Self {
            binaries: binaries()?,
            dir: dir.to_owned(),
            principal_port: *principal_port,
            backup_port: *backup_port,
            worker_ports: worker_ports.to_vec(),
            more_ports: Vec::new(),
            worker_args: Vec::new(),
            orchestrator_args: Vec::new(),
            orchestrator_environment: Vec::new(),
            engine: engine_of_tests(),
            certificates: None,
        })
    }

    /// The same with certificates, made below its directory.
    ///
    /// # Errors
    /// `cliente certs` fails.
    pub fn secured(self) -> anyhow::Result<Self> {
        let made = Certificates::new(&self.binary("cliente"), &self.dir.join("certs"))?;
        Ok(Self { certificates: Some(made), ..self })
    }

    /// Of the orchestrators, for `--orchestrators`.
    pub fn orchestrators(&self) -> Vec<String> {
        let pair = [self.principal_port, self.backup_port];
        pair.iter().chain(&self.more_ports).map(|port| self.address(*port)).collect()
    }

    fn address(&self, port: u16) -> String {
        let scheme = if self.certificates.is_some() { "https" } else { "http" };
        format!("{scheme}://localhost:{port}")
    }

    fn certificates(&self, role: Role) -> Vec<String> {
        self.certificates.as_ref().map_or_else(Vec::new, |all| all.args(role.word()))
    }

    /// `--engine`, if there is one.
    pub fn engine_args(&self) -> Vec<String> {
        let engine = self.engine.iter();
        engine.flat_map(|engine| ["--engine".to_owned(), engine.clone()]).collect()
    }

    /// A binary of ours.
    pub fn binary(&self, name: &str) -> PathBuf {
        self.binaries.join(name)
    }

    pub fn data_dir(&self, port: u16) -> PathBuf {
        self.dir.join(format!("orquestrador-{port}"))
    }
}

/// In the environment of tests: an etcd, on which each cluster gets a prefix of its own.
pub const ENGINE: &str = "MUTIRAO_TEST_ENGINE";

fn engine_of_tests() -> Option<String> {
    let engine = std::env::var(ENGINE).ok().filter(|engine| !engine.is_empty())?;
    Some(format!("{engine}/{}", uuid::Uuid::new_v4().simple()))
}

/// `target/<profile>`, where the running program or test lies in or one level below.
fn binaries() -> anyhow::Result<PathBuf> {
    let exe = std::env::current_exe()?;
    exe.ancestors()
        .skip(1)
        .take(3)
        .find(|dir| dir.join("orquestrador").is_file() && dir.join("worker").is_file())
        .map(Path::to_owned)
        .context("the binaries are not built: run `cargo build --workspace --bins`")
}

/// Gets the name of a process and a line that it printed.
pub type OnNamedLine = Arc<dyn Fn(&str, &str) + Send + Sync>;

/// The running processes. All of them are killed when it is dropped.
pub struct Cluster {
    pub layout: Layout,
    pub principal: Option<Process>,
    pub backup: Option<Process>,
    pub workers: Vec<Option<Process>>,
    on_line: Option<OnNamedLine>,
}

impl Cluster {
    /// Nothing runs yet.
    pub fn new(layout: Layout) -> Self {
        let workers = layout.worker_ports.iter().map(|_| None).collect();
        Self { layout, principal: None, backup: None, workers, on_line: None }
    }

    /// With workers that run programs too, all of it started. `args`: more of theirs.
    ///
    /// # Errors
    /// As [`Layout::new`] and [`Cluster::start`].
    pub fn with_programs(dir: &Path, workers: usize, args: &[&str]) -> anyhow::Result<(Cli, Self)> {
        let mut layout = Layout::new(dir, workers)?;
        let programs = ["--handlers", "default,command"].iter();
        layout.worker_args = programs.chain(args).map(|arg| (*arg).to_owned()).collect();
        let cli = Cli::new(&layout);
        let mut cluster = Self::new(layout);
        cluster.start()?;
        Ok((cli, cluster))
    }

    /// As `kill -9` of the principal, and its end.
    ///
    /// # Errors
    /// It does not run.
    pub fn kill_principal(&mut self) -> anyhow::Result<()> {
        self.principal.take().context("the principal does not run")?.kill()
    }

    /// `on_line` gets the name of the process and each line that it prints.
    #[must_use]
    pub fn on_line(mut self, on_line: impl Fn(&str, &str) + Send + Sync + 'static) -> Self {
        self.on_line = Some(Arc::new(on_line));
        self
    }

    /// Everything in the order of the guide, the pair in sync and the workers registered.
    ///
    /// # Errors
    /// A process did not start, or not in time.
    pub fn start(&mut self) -> anyhow::Result<()> {
        self.start_principal()?;
        self.start_backup()?;
        self.wait_in_sync()?;
        for nth in 0..self.workers.len() {
            self.start_worker(nth)?;
            self.wait_registered(nth)?;
        }
        Ok(())
    }

    /// # Errors
    /// It did not start in time.
    pub fn start_principal(&mut self) -> anyhow::Result<()> {
        let (port, peer) = (self.layout.principal_port, self.layout.backup_port);
        let process = self.orchestrator("orquestrador", "principal", port, peer)?;
        process.wait_for(&format!("iniciado na porta {port}"), START_TIMEOUT)?;
        self.principal = Some(process);
        Ok(())
    }

    /// # Errors
    /// It did not start in time.
    pub fn start_backup(&mut self) -> anyhow::Result<()> {
        let (port, peer) = (self.layout.backup_port, self.layout.principal_port);
        let process = self.orchestrator("orquestrador-backup", "backup", port, peer)?;
        process.wait_for(&format!("iniciado na porta {port}"), START_TIMEOUT)?;
        self.backup = Some(process);
        Ok(())
    }

    /// Both orchestrators at the same moment, as a script would start them.
    ///
    /// # Errors
    /// One of them could not be started.
    pub fn start_pair_at_once(&mut self) -> anyhow::Result<()> {
        let (principal, backup) = (self.layout.principal_port, self.layout.backup_port);
        self.principal = Some(self.orchestrator("orquestrador", "principal", principal, backup)?);
        self.backup =
            Some(self.orchestrator("orquestrador-backup", "backup", backup, principal)?);
        Ok(())
    }

    /// One more orchestrator than the two, where etcd is the engine.
    ///
    /// # Errors
    /// It did not start in time.
    pub fn start_another(&self, port: u16) -> anyhow::Result<Process> {
        let (name, peer) = (format!("orquestrador-{port}"), self.layout.principal_port);
        let process = self.orchestrator("orquestrador-backup", &name, port, peer)?;
        process.wait_for(&format!("iniciado na porta {port}"), START_TIMEOUT)?;
        Ok(process)
    }

    fn orchestrator(
        &self,
        binary: &str,
        name: &str,
        port: u16,
        peer: u16,
    ) -> anyhow::Result<Process> {
        let mut args = vec![
            "--port".to_owned(),
            port.to_string(),
            "--peer".to_owned(),
            self.layout.address(peer),
            "--data-dir".to_owned(),
            self.layout.data_dir(port).display().to_string(),
        ];
        args.extend(self.layout.engine_args());
        args.extend(self.layout.certificates(Role::Orchestrator));
        args.extend(self.layout.orchestrator_args.iter().cloned());
        self.spawn(binary, name, &args, &self.layout.orchestrator_environment)
    }

    /// Waits until the pair says that it is in sync, whoever is principal.
    ///
    /// # Errors
    /// It did not come to that in time.
    pub fn wait_in_sync(&self) -> anyhow::Result<()> {
        let backup = self.backup.as_ref().context("the backup does not run")?;
        backup.wait_for("Sincronizado: pronto para assumir", START_TIMEOUT)?;
        Ok(())
    }

    /// # Errors
    /// It could not be started.
    pub fn start_worker(&mut self, nth: usize) -> anyhow::Result<()> {
        let port = *self.layout.worker_ports.get(nth).context("no such worker")?;
        let mut args = vec![
            "--port".to_owned(),
            port.to_string(),
            "--orchestrators".to_owned(),
            self.layout.orchestrators().join(","),
        ];
        args.extend(self.layout.certificates(Role::Worker));
        args.extend(self.layout.worker_args.iter().cloned());
        self.workers[nth] =
            Some(self.spawn("worker", &format!("worker-{}", nth + 1), &args, &[])?);
        Ok(())
    }

    /// Waits until whoever is principal has taken note of the worker.
    ///
    /// # Errors
    /// It did not come to that in time.
    pub fn wait_registered(&self, nth: usize) -> anyhow::Result<()> {
        let line = format!("Novo worker registrado: localhost:{}", self.layout.worker_ports[nth]);
        let principal =
            self.principal.as_ref().or(self.backup.as_ref()).context("no orchestrator runs")?;
        principal.wait_for(&line, START_TIMEOUT)?;
        Ok(())
    }

    fn spawn(
        &self,
        binary: &str,
        name: &str,
        args: &[String],
        environment: &[(String, String)],
    ) -> anyhow::Result<Process> {
        let on_line: Option<OnLine> = self.on_line.clone().map(|tell| {
            let name = name.to_owned();
            Arc::new(move |line: &str| tell(&name, line)) as OnLine
        });
        let (binary, dir) = (self.layout.binary(binary), &self.layout.dir);
        Process::start_with(name, &binary, args, environment, dir, on_line)
    }
}
