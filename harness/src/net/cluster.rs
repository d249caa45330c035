//! Two orchestrators or, with etcd, three of them and of its members, and three workers, each on a machine of its own,
//! with a client on another.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use cliente::{Client, ClientConfig};
use common::auth::{Credentials, DEMO_TOKEN, DEMO_USER};
use common::endpoint::{DEFAULT_PRINCIPAL, Endpoint};
use rustix::process::Signal;

use super::cut::{Cut, Engine, Host, WORKERS};
use super::etcd::engine_flag;
use super::network::Network;
use crate::cluster::{Layout, OnNamedLine, START_TIMEOUT};
use crate::process::Process;

/// Ports of the guide; the machines differ.
const PORTS: [u16; 3] = [50051, 50052, 50053];
const WORKER_PORT: u16 = 50061;
/// What comes by itself comes within this time, or is taken not to come.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// The demo's user is one of loopback only.
const USER: &str = "admin";
const TOKEN: &str = "a-token-of-the-harness";

/// The running processes and their network. All of it ends when it is dropped, the processes first.
pub struct SpreadCluster {
    pub principal: Option<Process>,
    pub backup: Option<Process>,
    pub third: Option<Process>,
    pub workers: Vec<Option<Process>>,
    pub etcd: Vec<Option<Process>>,
    /// Gets the name of the machine and each line that its process prints.
    pub on_line: Option<OnNamedLine>,
    /// Its further arguments are given to the processes; its ports are not used.
    pub layout: Layout,
    engine: Engine,
    network: Network,
}

impl SpreadCluster {
    /// A pair, of which nothing runs yet. Data directories are made below `dir`.
    ///
    /// # Errors
    /// The binaries are not built, or there can be no network ([`Network::unavailable`]).
    pub fn new(dir: &Path) -> anyhow::Result<Self> {
        Self::with_engine(Engine::Pair, dir)
    }

    /// The same with that engine.
    ///
    /// # Errors
    /// As [`SpreadCluster::new`].
    pub fn with_engine(engine: Engine, dir: &Path) -> anyhow::Result<Self> {
        Ok(Self {
            principal: None,
            backup: None,
            third: None,
            workers: (0..WORKERS).map(|_| None).collect(),
            etcd: engine.members().map(|_| None).collect(),
            on_line: None,
            layout: Layout { engine: engine_flag(engine), ..Layout::with_ports(dir, &PORTS)? },
            engine,
            network: Network::new(engine)?,
        })
    }

    /// Everything, until it is whole.
    ///
    /// # Errors
    /// A process did not start, or it did not come to that.
    pub fn start(&mut self) -> anyhow::Result<()> {
        self.start_etcd()?;
        self.add_user()?;
        for host in self.engine.orchestrators() {
            self.start_orchestrator(*host)?;
        }
        for nth in 0..WORKERS {
            self.start_worker(nth)?;
        }
        self.wait_whole()
    }

    /// Founds the cluster on loopback, as an operator would: without users nobody may ask from elsewhere.
    fn add_user(&self) -> anyhow::Result<()> {
        let data_dir = self.data_dir(Host::Principal).display().to_string();
        let mut args = vec!["--data-dir".to_owned(), data_dir];
        args.extend(self.layout.engine_args());
        let founder = self.spawn(Host::Principal, "orquestrador", &args)?;
        founder.wait_for("iniciado na porta", START_TIMEOUT)?;
        self.network.run(Host::Principal, || async {
            let demo = Credentials::new(DEMO_USER, DEMO_TOKEN)?;
            let client = Client::new(ClientConfig::new(vec![DEFAULT_PRINCIPAL.parse()?], demo));
            Ok(client.add_user(USER, TOKEN, common::proto::Role::Admin).await?)
        })
    }

    /// Somebody whose tasks are nobody else's.
    ///
    /// # Errors
    /// It was refused.
    pub fn add_another_user(&self, name: &'static str, token: &'static str) -> anyhow::Result<()> {
        let endpoints = self.endpoints()?;
        self.network.run(Host::User, move || async move {
            Ok(client(&endpoints)?.add_user(name, token, common::proto::Role::Submitter).await?)
        })
    }

    /// Whose process should run and does not.
    pub fn ended(&mut self) -> Vec<Host> {
        let hosts = self.engine.hosts().into_iter().filter(|host| *host != Host::User);
        hosts.filter(|host| !self.runs(*host)).collect()
    }

    /// Whether the process of that machine runs.
    pub fn runs(&mut self, host: Host) -> bool {
        let Ok(Some(process)) = self.place(host) else { return false };
        process.is_running()
    }

    /// # Errors
    /// It did not start in time, or there is none on that machine.
    pub fn start_orchestrator(&mut self, host: Host) -> anyhow::Result<()> {
        let (binary, port) = match host {
            Host::Principal => ("orquestrador", port(host)),
            Host::Backup | Host::Third => ("orquestrador-backup", port(host)),
            Host::Worker(_) | Host::Etcd(_) | Host::User => {
                bail!("no orchestrator belongs on {host:?}")
            }
        };
        let peer = endpoint(host.peer())?;
        let mut args = vec![
            "--port".to_owned(),
            port.to_string(),
            "--listen".to_owned(),
            host.address().to_string(),
            "--insecure-network".to_owned(),
            "--peer".to_owned(),
            peer.to_string(),
            "--data-dir".to_owned(),
            self.data_dir(host).display().to_string(),
        ];
        args.extend(self.layout.engine_args());
        args.extend(self.layout.orchestrator_args.iter().cloned());
        let process = self.spawn(host, binary, &args)?;
        process.wait_for(&format!("iniciado na porta {port}"), START_TIMEOUT)?;
        *self.place(host)? = Some(process);
        Ok(())
    }

    /// # Errors
    /// It could not be started.
    pub fn start_worker(&mut self, nth: u8) -> anyhow::Result<()> {
        let host = Host::Worker(nth);
        let addresses: Vec<_> = self.endpoints()?.iter().map(Endpoint::to_string).collect();
        let mut args = vec![
            "--port".to_owned(),
            WORKER_PORT.to_string(),
            "--listen".to_owned(),
            host.address().to_string(),
            "--insecure-network".to_owned(),
            "--advertise".to_owned(),
            format!("{}:{WORKER_PORT}", host.address()),
            "--orchestrators".to_owned(),
            addresses.join(","),
            "--slots".to_owned(),
            "8".to_owned(),
        ];
        args.extend(self.layout.worker_args.iter().cloned());
        self.workers[usize::from(nth)] = Some(self.spawn(host, "worker", &args)?);
        Ok(())
    }

    fn spawn(&self, host: Host, binary: &str, args: &[String]) -> anyhow::Result<Process> {
        self.spawn_program(host, &self.layout.binary(binary), args)
    }

    pub(super) fn spawn_program(
        &self,
        host: Host,
        program: &Path,
        args: &[String],
    ) -> anyhow::Result<Process> {
        let on_line = self.on_line.clone().map(|tell| {
            Arc::new(move |line: &str| tell(&host.name(), line)) as crate::process::OnLine
        });
        self.network.start(host, program, args, &self.layout.dir, on_line)
    }

    /// Where the process of that machine is kept.
    pub(super) fn place(&mut self, host: Host) -> anyhow::Result<&mut Option<Process>> {
        match host {
            Host::Principal => Ok(&mut self.principal),
            Host::Backup => Ok(&mut self.backup),
            Host::Third => Ok(&mut self.third),
            Host::Worker(nth) => self.workers.get_mut(usize::from(nth)).context("no such worker"),
            Host::Etcd(nth) => self.etcd.get_mut(usize::from(nth)).context("no such member"),
            Host::User => bail!("nothing runs on {host:?}"),
        }
    }

    /// An orchestrator, a worker or a member of etcd.
    ///
    /// # Errors
    /// It did not start in time, or none belongs there.
    pub fn start_on(&mut self, host: Host) -> anyhow::Result<()> {
        match host {
            Host::Worker(nth) => self.start_worker(nth),
            Host::Etcd(nth) => self.start_etcd_member(nth),
            Host::Principal | Host::Backup | Host::Third | Host::User => {
                self.start_orchestrator(host)
            }
        }
    }

    /// Sends a signal to the process of that machine.
    ///
    /// # Errors
    /// It does not run.
    pub fn signal(&mut self, host: Host, signal: Signal) -> anyhow::Result<()> {
        self.place(host)?.as_ref().with_context(|| format!("{host:?} does not run"))?.signal(signal)
    }

    /// The process of an orchestrator.
    ///
    /// # Errors
    /// It does not run.
    pub fn orchestrator(&self, host: Host) -> anyhow::Result<&Process> {
        let process = match host {
            Host::Backup => &self.backup,
            Host::Third => &self.third,
            Host::Principal | Host::Worker(_) | Host::Etcd(_) | Host::User => &self.principal,
        };
        process.as_ref().with_context(|| format!("{host:?} does not run"))
    }

    /// `kill -9`.
    ///
    /// # Errors
    /// It does not run.
    pub fn kill(&mut self, host: Host) -> anyhow::Result<()> {
        let process = self.place(host)?.take();
        process.with_context(|| format!("{host:?} does not run"))?.kill()
    }

    /// Waits for an orchestrator that ends by itself, and gives it with what it printed.
    ///
    /// # Errors
    /// It did not end.
    pub fn wait_end(&mut self, host: Host) -> anyhow::Result<Process> {
        let process = self.place(host)?.take();
        let mut process = process.with_context(|| format!("{host:?} does not run"))?;
        process.wait(PATIENCE)?;
        Ok(process)
    }

    pub fn data_dir(&self, host: Host) -> PathBuf {
        self.layout.data_dir(port(host))
    }

    pub fn engine(&self) -> Engine {
        self.engine
    }

    pub fn network(&self) -> &Network {
        &self.network
    }

    /// These cuts, and no others.
    ///
    /// # Errors
    /// The packet filter refuses.
    pub fn cut(&self, cuts: &[Cut]) -> anyhow::Result<()> {
        self.network.apply(cuts)
    }

    /// No cuts.
    ///
    /// # Errors
    /// The packet filter refuses.
    pub fn heal(&self) -> anyhow::Result<()> {
        self.network.apply(&[])
    }

    /// Of all orchestrators, principal first.
    ///
    /// # Errors
    /// Never: they are addresses.
    pub fn endpoints(&self) -> anyhow::Result<Vec<Endpoint>> {
        self.engine.orchestrators().iter().map(|host| endpoint(*host)).collect()
    }
}

/// # Errors
/// Never for an orchestrator's machine.
pub(super) fn endpoint(host: Host) -> anyhow::Result<Endpoint> {
    Ok(format!("{}:{}", host.address(), port(host)).parse()?)
}

/// Of an orchestrator.
pub(super) fn port(host: Host) -> u16 {
    match host {
        Host::Backup => PORTS[1],
        Host::Third => PORTS[2],
        Host::Principal | Host::Worker(_) | Host::Etcd(_) | Host::User => PORTS[0],
    }
}

pub fn credentials() -> anyhow::Result<Credentials> {
    Ok(Credentials::new(USER, TOKEN)?)
}

/// A client, within the present machine.
pub fn client(endpoints: &[Endpoint]) -> anyhow::Result<Client> {
    Ok(Client::new(ClientConfig::new(endpoints.to_vec(), credentials()?)))
}
