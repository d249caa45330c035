//! Faults, done and undone.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use cliente::{Client, ClientConfig};
use rustix::process::Signal;

use super::fault::Fault;
use crate::net::{self, Cut, Engine, Host, Load, SlowLink, SmallDisk, SpreadCluster};

/// Nobody waits longer for a planned switch-over: the fault beside it is to end in time.
const SWITCHOVER_PATIENCE: Duration = Duration::from_secs(1);

/// The cluster with what can be done to it. What it holds ends in this order.
pub struct Injector {
    pub cluster: SpreadCluster,
    links: BTreeMap<Host, Vec<SlowLink>>,
    disks: BTreeMap<Host, SmallDisk>,
    broken: Broken,
    /// Planned switch-overs that were refused: there was nobody to take over.
    pub refused: u32,
}

/// What is to be healed.
#[derive(Default)]
struct Broken {
    cuts: Vec<Cut>,
    paused: Vec<Host>,
    /// In the order in which they start again.
    down: Vec<Host>,
    full: Vec<Host>,
}

impl Injector {
    /// Nothing runs yet.
    ///
    /// # Errors
    /// There can be no network or no disks of the cluster's own.
    pub fn new(engine: Engine, dir: &Path, disk_megabytes: u32) -> anyhow::Result<Self> {
        let cluster = SpreadCluster::with_engine(engine, dir)?;
        let (mut links, mut disks) = (BTreeMap::new(), BTreeMap::new());
        for host in engine.orchestrators().iter().copied() {
            disks.insert(host, SmallDisk::mount(&cluster.data_dir(host), disk_megabytes)?);
            links.insert(host, cluster.slow_links(host)?);
        }
        Ok(Self { cluster, links, disks, broken: Broken::default(), refused: 0 })
    }

    /// # Errors
    /// The cluster does not do what it must in this fault, or the system refuses.
    pub fn inject(&mut self, fault: &Fault, load: &Load) -> anyhow::Result<()> {
        match fault {
            Fault::Kill(host) => self.kill(*host),
            Fault::KillSeveral { down, up } => {
                down.iter().try_for_each(|host| self.cluster.kill(*host))?;
                self.broken.down.extend(up);
                Ok(())
            }
            Fault::Pause(host) => self.pause(*host),
            Fault::PauseSeveral(hosts) => hosts.iter().try_for_each(|host| self.pause(*host)),
            Fault::Leader(harm) => {
                let leader = self.cluster.etcd_leader()?;
                self.inject(&harm.to(leader), load)
            }
            Fault::CutLink(how) => self.cut(Cut::link(Host::Principal, Host::Backup, *how)),
            Fault::Isolate(host, how) => self.cut(Cut::isolate(*host, *how)),
            Fault::OneWay { from, to } => self.cut(Cut::one_way(*from, *to)),
            Fault::Mute(host) => self.cut(Cut::mute(*host)),
            Fault::Deafen(host) => self.cut(Cut::deafen(*host)),
            Fault::Slow { from, delay } => {
                self.delay(from, *delay);
                Ok(())
            }
            Fault::LoseDisk(host) => self.lose_disk(*host, load),
            Fault::FillDisk(host) => self.fill_disk(*host, load),
            Fault::Switchover => self.switch_over(),
        }
    }

    fn kill(&mut self, host: Host) -> anyhow::Result<()> {
        self.cluster.kill(host)?;
        self.broken.down.push(host);
        Ok(())
    }

    fn pause(&mut self, host: Host) -> anyhow::Result<()> {
        self.broken.paused.push(host);
        self.cluster.signal(host, Signal::STOP)
    }

    fn cut(&mut self, cuts: Vec<Cut>) -> anyhow::Result<()> {
        self.broken.cuts.extend(cuts);
        self.cluster.cut(&self.broken.cuts)
    }

    fn delay(&self, from: &[Host], delay: Duration) {
        let links = from.iter().filter_map(|host| self.links.get(host)).flatten();
        links.for_each(|link| link.delay(delay));
    }

    /// Only once another one serves: until then the disk may be the only one that has everything.
    fn lose_disk(&mut self, host: Host, load: &Load) -> anyhow::Result<()> {
        self.kill(host)?;
        load.wait_served(load.mark())?;
        self.disks.get(&host).context("it has no disk of its own")?.wipe()
    }

    /// The process ends by itself, and another one serves.
    fn fill_disk(&mut self, host: Host, load: &Load) -> anyhow::Result<()> {
        self.broken.full.push(host);
        self.disks.get(&host).context("it has no disk of its own")?.fill()?;
        let ended = self.cluster.wait_end(host);
        self.broken.down.push(host);
        ended.context("its disk is full")?;
        load.wait_served(load.mark()).map(drop)
    }

    fn switch_over(&mut self) -> anyhow::Result<()> {
        let endpoints = self.cluster.endpoints()?;
        let credentials = net::credentials()?;
        let done = self.cluster.network().run(Host::User, || async move {
            let timeout = SWITCHOVER_PATIENCE;
            Ok(Client::new(ClientConfig { timeout, ..ClientConfig::new(endpoints, credentials) })
                .switchover()
                .await)
        })?;
        self.refused += u32::from(done.is_err());
        Ok(())
    }

    /// Undoes all faults; what was down starts.
    ///
    /// # Errors
    /// A process does not start, or ended by itself meanwhile.
    pub fn heal(&mut self) -> anyhow::Result<()> {
        let broken = std::mem::take(&mut self.broken);
        self.cluster.heal()?;
        self.delay(self.cluster.engine().orchestrators(), Duration::ZERO);
        for host in broken.full {
            self.disks.get(&host).context("it has no disk of its own")?.free()?;
        }
        for host in broken.paused {
            self.cluster.signal(host, Signal::CONT)?;
        }
        for host in broken.down {
            self.cluster.start_on(host)?;
        }
        let ended = self.cluster.ended();
        ensure!(ended.is_empty(), "{ended:?} ended without being told to");
        Ok(())
    }
}
