//! The members of etcd in a spread cluster, each on a machine of its own.

use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use orquestrador_etcd::{Etcd, Options, Status};

use super::cluster::{PATIENCE, SpreadCluster};
use super::cut::{Engine, Host};
use crate::etcd::{MemberPlace, Programs};

pub(super) const CLIENT_PORT: u16 = 2379;
const PEER_PORT: u16 = 2380;
/// So long each member may take to say how it is.
const LOOK_TIMEOUT: Duration = Duration::from_millis(500);
const POLL: Duration = Duration::from_millis(50);

/// What orchestrators are told of their engine; `None`: they are one themselves.
pub(super) fn engine_flag(engine: Engine) -> Option<String> {
    let members: Vec<_> = engine.members().map(client_address).collect();
    (!members.is_empty()).then(|| format!("etcd://{}", members.join(",")))
}

/// Where a member listens for orchestrators, as `HOST:PORT`.
pub(super) fn client_address(member: Host) -> String {
    format!("{}:{CLIENT_PORT}", member.address())
}

fn peer_url(member: Host) -> String {
    format!("http://{}:{PEER_PORT}", member.address())
}

impl SpreadCluster {
    /// All members, until one of them leads; nothing if etcd is not the engine.
    pub(super) fn start_etcd(&mut self) -> anyhow::Result<()> {
        let members: Vec<_> = self.engine().members().collect();
        members.iter().try_for_each(|member| self.start_on(*member))?;
        if members.is_empty() { Ok(()) } else { self.etcd_leader().map(drop) }
    }

    /// With what it had stored. Does not wait until it answers.
    ///
    /// # Errors
    /// There is no etcd, or it cannot be started.
    pub fn start_etcd_member(&mut self, nth: u8) -> anyhow::Result<()> {
        let host = Host::Etcd(nth);
        let named = self.engine().members().map(|one| format!("{}={}", one.name(), peer_url(one)));
        let place = MemberPlace {
            name: host.name(),
            client_url: format!("http://{}", client_address(host)),
            peer_url: peer_url(host),
            all: named.collect::<Vec<_>>().join(","),
        };
        let process = self.spawn_program(host, &Programs::find()?.etcd, &place.args())?;
        *self.place(host)? = Some(process);
        Ok(())
    }

    /// The machine of the member that leads; waits until there is one.
    ///
    /// # Errors
    /// There is none in time.
    pub fn etcd_leader(&self) -> anyhow::Result<Host> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let looked = self.etcd_status()?;
            // One that was paused may take itself for the leader of a term that is over.
            let leading = looked.iter().filter_map(|(address, status)| {
                let status = status.as_ref().filter(|status| status.is_leader)?;
                Some((status.raft_term, address))
            });
            if let Some((_, address)) = leading.max() {
                let is_there = |host: &Host| client_address(*host) == *address;
                return Host::etcd().find(is_there).context("a stranger leads");
            }
            if Instant::now() >= deadline {
                bail!("etcd has no leader: {looked:?}");
            }
            std::thread::sleep(POLL);
        }
    }

    /// `None` of those that do not answer the client's machine.
    fn etcd_status(&self) -> anyhow::Result<Vec<(String, Option<Status>)>> {
        let endpoints = self.engine().members().map(client_address).collect();
        self.network().run(Host::User, || async move {
            let timeout = LOOK_TIMEOUT;
            let etcd = Etcd::new(Options { endpoints, tls: None, credentials: None, timeout })?;
            let each = etcd.status_of_each().await;
            Ok(each.into_iter().map(|(address, status)| (address, status.ok())).collect())
        })
    }
}
