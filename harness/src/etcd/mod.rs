//! A real etcd on loopback: members that are killed, frozen and started again.

mod certificates;
mod programs;

use std::future::Future;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use orquestrador_etcd::{Etcd, Options, Status, TlsOptions};
use rustix::process::Signal;
use tempfile::TempDir;

use crate::{Process, ports};

pub use certificates::EtcdCertificates;
pub use programs::Programs;

/// How long a cluster may take until it answers.
const START_TIMEOUT: Duration = Duration::from_secs(60);

/// So long each member may take to say how it is.
const LOOK_TIMEOUT: Duration = Duration::from_secs(1);

/// How a cluster differs from what etcd does by itself.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// So large the database of each member may become, in bytes.
    pub quota_bytes: Option<u64>,
    /// Clients speak TLS, and show a certificate.
    pub tls: Option<EtcdCertificates>,
    /// More flags of `etcd`, for each member.
    pub args: Vec<String>,
}

/// Some members, by number from 0 on. All are killed, and their directory removed, when it is dropped.
pub struct EtcdCluster {
    // Before the directory: they are dropped in this order.
    members: Vec<Member>,
    programs: Programs,
    settings: Settings,
    dir: TempDir,
}

struct Member {
    client_port: u16,
    args: Vec<String>,
    process: Option<Process>,
}

impl EtcdCluster {
    /// So many members, that answer when this returns.
    ///
    /// # Errors
    /// There is no etcd, there are no ports, or it does not answer.
    pub fn start(members: usize) -> anyhow::Result<Self> {
        Self::start_with(members, Settings::default())
    }

    /// The same with settings.
    ///
    /// # Errors
    /// As [`EtcdCluster::start`].
    pub fn start_with(members: usize, settings: Settings) -> anyhow::Result<Self> {
        let programs = Programs::find()?;
        let dir = tempfile::tempdir()?;
        let ports = ports::free(2 * members)?;
        let (client_ports, peer_ports) = ports.split_at(members);
        let peers: Vec<String> =
            peer_ports.iter().map(|port| format!("http://127.0.0.1:{port}")).collect();
        let named = peers.iter().enumerate().map(|(n, peer)| format!("m{n}={peer}"));
        let all = named.collect::<Vec<_>>().join(",");
        let secure = if settings.tls.is_some() { "https" } else { "http" };
        let member = |(n, (port, peer)): (usize, (&u16, &String))| Member {
            client_port: *port,
            args: settings.args_of(&MemberPlace {
                name: format!("m{n}"),
                client_url: format!("{secure}://127.0.0.1:{port}"),
                peer_url: peer.clone(),
                all: all.clone(),
            }),
            process: None,
        };
        let members = client_ports.iter().zip(&peers).enumerate().map(member).collect();
        let mut cluster = Self { members, programs, settings, dir };
        for n in 0..cluster.members.len() {
            cluster.start_again(n)?;
        }
        cluster.wait()?;
        Ok(cluster)
    }

    /// Waits until all members that run answer, and one of them leads.
    ///
    /// # Errors
    /// They do not within a minute; the error has what they printed.
    pub fn wait(&self) -> anyhow::Result<()> {
        let deadline = Instant::now() + START_TIMEOUT;
        loop {
            let looked = self.status_of_each()?;
            let of_running = looked.iter().zip(&self.members).filter(|(_, m)| m.process.is_some());
            let is_ready = |status: &Option<Status>| {
                let complains =
                    |status: &Status| status.errors.iter().any(|e| e.contains("no leader"));
                status.as_ref().is_some_and(|status| !complains(status))
            };
            let leads = |status: &Option<Status>| status.as_ref().is_some_and(|s| s.is_leader);
            let states: Vec<_> = of_running.map(|(status, _)| status).collect();
            if states.iter().all(|one| is_ready(one)) && states.iter().any(|one| leads(one)) {
                return Ok(());
            }
            if Instant::now() >= deadline {
                bail!("etcd is not ready: {states:?}; it printed:\n{}", self.printed());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Where clients find each member, as `127.0.0.1:PORT`.
    pub fn endpoints(&self) -> Vec<String> {
        self.members.iter().map(|member| format!("127.0.0.1:{}", member.client_port)).collect()
    }

    /// For a client of all members, with the certificates if there are some.
    pub fn options(&self, timeout: Duration) -> Options {
        let tls = self.settings.tls.as_ref().map(EtcdCertificates::client);
        Options { endpoints: self.endpoints(), tls, credentials: None, timeout }
    }

    /// SIGKILL, and waits for the end.
    ///
    /// # Errors
    /// It does not run.
    pub fn kill(&mut self, member: usize) -> anyhow::Result<()> {
        let mut process = self.member(member)?.process.take().context("it does not run")?;
        process.kill()
    }

    /// The member goes on existing, and does nothing.
    ///
    /// # Errors
    /// It does not run.
    pub fn pause(&mut self, member: usize) -> anyhow::Result<()> {
        self.signal(member, Signal::STOP)
    }

    /// A paused member goes on.
    ///
    /// # Errors
    /// It does not run.
    pub fn resume(&mut self, member: usize) -> anyhow::Result<()> {
        self.signal(member, Signal::CONT)
    }

    /// A killed member, with what it had stored. Does not wait until it answers, which it does once a majority runs:
    /// [`EtcdCluster::wait`].
    ///
    /// # Errors
    /// It runs, or cannot be started.
    pub fn start_again(&mut self, member: usize) -> anyhow::Result<()> {
        let (program, dir) = (self.programs.etcd.clone(), self.dir.path().to_owned());
        let member = self.member(member)?;
        if member.process.is_some() {
            bail!("it runs");
        }
        member.process = Some(Process::start("etcd", &program, &member.args, &dir, None)?);
        Ok(())
    }

    /// The number of the member that leads; waits until there is one.
    ///
    /// # Errors
    /// There is none within a minute.
    pub fn leader(&self) -> anyhow::Result<usize> {
        let deadline = Instant::now() + START_TIMEOUT;
        loop {
            let looked = self.status_of_each()?;
            // One that was paused may take itself for the leader of a term that is over.
            let leading = looked.iter().enumerate().filter_map(|(n, status)| {
                status.as_ref().filter(|s| s.is_leader).map(|s| (s.raft_term, n))
            });
            if let Some((_, leader)) = leading.max() {
                return Ok(leader);
            }
            if Instant::now() >= deadline {
                bail!("etcd has no leader; it printed:\n{}", self.printed());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// `etcdctl` with these arguments, and what it prints.
    ///
    /// # Errors
    /// It fails; the error has what it printed.
    pub fn control(&self, args: &[&str]) -> anyhow::Result<String> {
        let mut command = Command::new(&self.programs.etcdctl);
        let secure = if self.settings.tls.is_some() { "https" } else { "http" };
        let urls = self.endpoints().into_iter().map(|one| format!("{secure}://{one}"));
        command
            .env("ETCDCTL_API", "3")
            .arg(format!("--endpoints={}", urls.collect::<Vec<_>>().join(",")));
        if let Some(TlsOptions { authority, identity: Some((cert, key)) }) =
            self.settings.tls.as_ref().map(EtcdCertificates::client)
        {
            let pairs: [(&str, PathBuf); 3] =
                [("--cacert", authority), ("--cert", cert), ("--key", key)];
            command.args(pairs.map(|(flag, path)| format!("{flag}={}", path.display())));
        }
        let done = command.args(args).output()?;
        if !done.status.success() {
            bail!("etcdctl {args:?} failed: {}", String::from_utf8_lossy(&done.stderr));
        }
        Ok(String::from_utf8_lossy(&done.stdout).into_owned())
    }

    /// `None` of those that do not answer.
    fn status_of_each(&self) -> anyhow::Result<Vec<Option<Status>>> {
        let etcd = Etcd::new(self.options(LOOK_TIMEOUT))?;
        let each = wait_apart(async move { etcd.status_of_each().await })?;
        Ok(each.into_iter().map(|(_, status)| status.ok()).collect())
    }

    fn member(&mut self, member: usize) -> anyhow::Result<&mut Member> {
        self.members.get_mut(member).context("there is no such member")
    }

    fn signal(&mut self, member: usize, signal: Signal) -> anyhow::Result<()> {
        self.member(member)?.process.as_ref().context("it does not run")?.signal(signal)
    }

    /// By all members.
    fn printed(&self) -> String {
        let processes = self.members.iter().filter_map(|member| member.process.as_ref());
        processes.flat_map(Process::lines).collect::<Vec<_>>().join("\n")
    }
}

/// Who a member is, and where.
#[derive(Clone, Debug)]
pub struct MemberPlace {
    /// Of the member, and of its directory.
    pub name: String,
    pub client_url: String,
    pub peer_url: String,
    /// `NAME=PEER_URL` of each member, with commas.
    pub all: String,
}

impl MemberPlace {
    /// Flags of `etcd`.
    pub fn args(&self) -> Vec<String> {
        let Self { name, client_url, peer_url, all } = self;
        vec![
            format!("--name={name}"),
            format!("--data-dir={name}"),
            format!("--listen-client-urls={client_url}"),
            format!("--advertise-client-urls={client_url}"),
            format!("--listen-peer-urls={peer_url}"),
            format!("--initial-advertise-peer-urls={peer_url}"),
            format!("--initial-cluster={all}"),
            "--initial-cluster-state=new".to_owned(),
            "--logger=zap".to_owned(),
            "--log-level=warn".to_owned(),
            // On one machine; a busy one must not lose its leader for that.
            "--heartbeat-interval=50".to_owned(),
            "--election-timeout=500".to_owned(),
            "--pre-vote=true".to_owned(),
        ]
    }
}

impl Settings {
    fn args_of(&self, place: &MemberPlace) -> Vec<String> {
        let mut args = place.args();
        args.extend(self.quota_bytes.map(|bytes| format!("--quota-backend-bytes={bytes}")));
        args.extend(self.tls.iter().flat_map(EtcdCertificates::args));
        args.extend(self.args.iter().cloned());
        args
    }
}

/// On a thread of its own: whoever calls may be inside of a runtime, which must not wait.
fn wait_apart<T: Send>(future: impl Future<Output = T> + Send) -> anyhow::Result<T> {
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            anyhow::Ok(runtime.block_on(future))
        });
        waiting.join().map_err(|_| anyhow::anyhow!("asking etcd panicked"))?
    })
}
