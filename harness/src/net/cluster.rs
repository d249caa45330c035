//! A pair of orchestrators and three workers, each on a machine of its own, with a client on another.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use cliente::{Client, ClientConfig};
use common::auth::{Credentials, DEMO_TOKEN, DEMO_USER};
use common::endpoint::{DEFAULT_PRINCIPAL, Endpoint};
use common::proto::ExplainClusterResponse;
use rustix::process::Signal;

use super::cut::{Cut, Host, WORKERS};
use super::network::Network;
use crate::cluster::{Layout, OnNamedLine, START_TIMEOUT};
use crate::process::Process;

/// Ports of the guide; the machines differ.
const PORTS: [u16; 2] = [50051, 50052];
const WORKER_PORT: u16 = 50061;
/// What comes by itself comes within this time, or is taken not to come.
pub const PATIENCE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(50);
/// The demo's user is one of loopback only.
const USER: &str = "admin";
const TOKEN: &str = "a-token-of-the-harness";

/// The running processes and their network. All of it ends when it is dropped, the processes first.
pub struct SpreadCluster {
    pub principal: Option<Process>,
    pub backup: Option<Process>,
    pub workers: Vec<Option<Process>>,
    /// Gets the name of the machine and each line that its process prints.
    pub on_line: Option<OnNamedLine>,
    /// Its further arguments are given to the processes; its ports are not used.
    pub layout: Layout,
    network: Network,
}

impl SpreadCluster {
    /// Nothing runs yet. Data directories are made below `dir`.
    ///
    /// # Errors
    /// The binaries are not built, or there can be no network ([`Network::unavailable`]).
    pub fn new(dir: &Path) -> anyhow::Result<Self> {
        Ok(Self {
            principal: None,
            backup: None,
            workers: (0..WORKERS).map(|_| None).collect(),
            on_line: None,
            layout: Layout::with_ports(dir, &PORTS)?,
            network: Network::new()?,
        })
    }

    /// Everything, until the pair is in sync and the workers are its witnesses.
    ///
    /// # Errors
    /// A process did not start, or it did not come to that.
    pub fn start(&mut self) -> anyhow::Result<()> {
        self.add_user()?;
        self.start_orchestrator(Host::Principal)?;
        self.start_orchestrator(Host::Backup)?;
        for nth in 0..WORKERS {
            self.start_worker(nth)?;
        }
        self.wait_whole()
    }

    /// Founds the cluster on loopback, as an operator would: without users nobody may ask from elsewhere.
    fn add_user(&self) -> anyhow::Result<()> {
        let data_dir = self.data_dir(Host::Principal).display().to_string();
        let args = ["--data-dir".to_owned(), data_dir];
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

    /// The orchestrators and workers that should run and do not.
    pub fn ended(&mut self) -> Vec<Host> {
        let hosts = [Host::Principal, Host::Backup].into_iter().chain(Host::workers());
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
            Host::Principal => ("orquestrador", PORTS[0]),
            Host::Backup => ("orquestrador-backup", PORTS[1]),
            Host::Worker(_) | Host::User => bail!("no orchestrator belongs on {host:?}"),
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
        let mut args = vec![
            "--port".to_owned(),
            WORKER_PORT.to_string(),
            "--listen".to_owned(),
            host.address().to_string(),
            "--insecure-network".to_owned(),
            "--advertise".to_owned(),
            format!("{}:{WORKER_PORT}", host.address()),
            "--orchestrators".to_owned(),
            self.endpoints()?.map(|endpoint| endpoint.to_string()).join(","),
            "--slots".to_owned(),
            "8".to_owned(),
        ];
        args.extend(self.layout.worker_args.iter().cloned());
        self.workers[usize::from(nth)] = Some(self.spawn(host, "worker", &args)?);
        Ok(())
    }

    fn spawn(&self, host: Host, binary: &str, args: &[String]) -> anyhow::Result<Process> {
        let on_line = self.on_line.clone().map(|tell| {
            Arc::new(move |line: &str| tell(&host.name(), line)) as crate::process::OnLine
        });
        let program = self.layout.binary(binary);
        self.network.start(host, &program, args, &self.layout.dir, on_line)
    }

    /// Where the process of that machine is kept.
    fn place(&mut self, host: Host) -> anyhow::Result<&mut Option<Process>> {
        match host {
            Host::Principal => Ok(&mut self.principal),
            Host::Backup => Ok(&mut self.backup),
            Host::Worker(nth) => self.workers.get_mut(usize::from(nth)).context("no such worker"),
            Host::User => bail!("nothing runs on {host:?}"),
        }
    }

    /// An orchestrator or a worker.
    ///
    /// # Errors
    /// It did not start in time, or none belongs there.
    pub fn start_on(&mut self, host: Host) -> anyhow::Result<()> {
        match host {
            Host::Worker(nth) => self.start_worker(nth),
            Host::Principal | Host::Backup | Host::User => self.start_orchestrator(host),
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
        let process = if host == Host::Backup { &self.backup } else { &self.principal };
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
        self.layout.data_dir(if host == Host::Backup { PORTS[1] } else { PORTS[0] })
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

    /// Of both orchestrators, principal first.
    ///
    /// # Errors
    /// Never: they are addresses.
    pub fn endpoints(&self) -> anyhow::Result<[Endpoint; 2]> {
        Ok([endpoint(Host::Principal)?, endpoint(Host::Backup)?])
    }

    /// How each orchestrator that answers the client's machine sees the cluster.
    ///
    /// # Errors
    /// There is no thread to be had.
    pub fn explain(&self) -> anyhow::Result<Vec<ExplainClusterResponse>> {
        let endpoints = self.endpoints()?;
        self.network.run(Host::User, || async move {
            let client = client(&endpoints)?;
            let mut answers = Vec::new();
            for endpoint in &endpoints {
                answers.extend(client.explain_at(endpoint).await.ok());
            }
            Ok(answers)
        })
    }

    /// Where the principal is; `None` when nobody says so.
    ///
    /// # Errors
    /// There is no thread to be had.
    pub fn serving(&self) -> anyhow::Result<Option<Host>> {
        let nodes = self.explain()?;
        let principals = nodes.iter().filter(|node| node.standing == "PRINCIPAL");
        let newest = principals.max_by_key(|node| node.view.as_ref().map(|view| view.number));
        let is_at = |host: &Host| {
            newest.is_some_and(|node| node.address.contains(&host.address().to_string()))
        };
        Ok([Host::Principal, Host::Backup].into_iter().find(is_at))
    }

    /// Waits until both orchestrators say what `is_wanted`.
    ///
    /// # Errors
    /// It did not come to that; the error says what they said last.
    pub fn wait_until(
        &self,
        what: &str,
        is_wanted: impl Fn(&[ExplainClusterResponse]) -> bool,
    ) -> anyhow::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let answers = self.explain()?;
            if answers.len() == 2 && is_wanted(&answers) {
                return Ok(());
            }
            if Instant::now() >= deadline {
                bail!("it did not come to {what}:\n{}", self.condition());
            }
            std::thread::sleep(POLL);
        }
    }

    /// What the orchestrators say of themselves, and what they printed.
    pub fn condition(&self) -> String {
        let mut text = match self.explain() {
            Ok(nodes) => nodes.iter().map(in_a_line).collect(),
            Err(error) => format!("{error:#}\n"),
        };
        for process in [&self.principal, &self.backup].into_iter().flatten() {
            text.push_str(&format!("{}:\n{}\n", process.name(), process.lines().join("\n")));
        }
        text
    }

    /// Waits until there are a principal and a standby in sync, and all workers are their witnesses.
    ///
    /// # Errors
    /// It did not come to that.
    pub fn wait_whole(&self) -> anyhow::Result<()> {
        self.wait_until("a pair with witnesses", |nodes| {
            let stands = |standing: &str| nodes.iter().filter(|n| n.standing == standing).count();
            let witnessed = |node: &ExplainClusterResponse| {
                node.failover == "BY_WITNESSES" && node.witnesses.len() == usize::from(WORKERS)
            };
            stands("PRINCIPAL") == 1 && stands("STANDBY") == 1 && nodes.iter().all(witnessed)
        })
    }
}

fn in_a_line(node: &ExplainClusterResponse) -> String {
    let (number, epoch, replicas) =
        node.view.as_ref().map_or((0, 0, 0), |view| (view.number, view.epoch, view.replicas.len()));
    let alive = node.witnesses.iter().filter(|witness| witness.alive).count();
    format!(
        "{}: {}, {}; view {number}, epoch {epoch}, {replicas} replicas, {alive} of {} witnesses alive\n",
        node.address,
        node.standing,
        node.failover,
        node.witnesses.len()
    )
}

/// # Errors
/// Never for an orchestrator's machine.
pub(super) fn endpoint(host: Host) -> anyhow::Result<Endpoint> {
    let port = if host == Host::Backup { PORTS[1] } else { PORTS[0] };
    Ok(format!("{}:{port}", host.address()).parse()?)
}

pub fn credentials() -> anyhow::Result<Credentials> {
    Ok(Credentials::new(USER, TOKEN)?)
}

/// A client, within the present machine.
pub fn client(endpoints: &[Endpoint]) -> anyhow::Result<Client> {
    Ok(Client::new(ClientConfig::new(endpoints.to_vec(), credentials()?)))
}
