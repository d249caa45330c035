//! Where the other orchestrator is: as configured, unless an operator put another machine in its place.
//! That choice is kept beside the journal, and holds until the configuration names another address.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use common::endpoint::Endpoint;
use common::tls::{Problem, Tls};
use tokio::sync::watch;
use tonic::transport::Channel;

use crate::driver::engine::Member;

/// Two lines: the configured address that was replaced, and what replaced it.
const FILE: &str = "peer";

/// The address of the other orchestrator.
pub struct Peer {
    dir: PathBuf,
    configured: Endpoint,
    tls: Tls,
    current: watch::Sender<Endpoint>,
}

impl Peer {
    /// # Errors
    /// The file is there and cannot be read, or says something else than two addresses.
    pub fn load(dir: &Path, configured: Endpoint, tls: Tls) -> std::io::Result<Self> {
        let current = replacement(dir, &configured)?.unwrap_or_else(|| configured.clone());
        Ok(Self { dir: dir.to_owned(), configured, tls, current: watch::Sender::new(current) })
    }

    pub fn current(&self) -> Endpoint {
        self.current.borrow().clone()
    }

    /// To wherever it is now.
    pub fn channel(&self) -> Channel {
        self.current.borrow().channel_by(&self.tls)
    }

    /// To each of these; what cannot be an address is left out.
    pub fn channels(&self, members: &[Member]) -> Vec<Channel> {
        let endpoint = |member: &Member| match member.address.parse::<Endpoint>() {
            Ok(endpoint) => Some(endpoint.settled(&self.tls).channel_by(&self.tls)),
            Err(error) => {
                tracing::warn!(address = %member.address, %error, "no address of an orchestrator");
                None
            }
        };
        members.iter().filter_map(endpoint).collect()
    }

    /// An address that an operator gives, as this node can call it.
    ///
    /// # Errors
    /// It is one without TLS and this node has certificates, or the other way round.
    pub fn callable(&self, address: &Endpoint) -> Result<Endpoint, Problem> {
        let settled = address.settled(&self.tls);
        settled.check(&self.tls).map(|()| settled)
    }

    /// Hears of every change.
    pub fn follow(&self) -> watch::Receiver<Endpoint> {
        self.current.subscribe()
    }

    /// Another machine takes the place; on disk before anybody hears of it.
    ///
    /// # Errors
    /// It could not be written; nothing has changed.
    pub fn replace(&self, address: Endpoint) -> std::io::Result<()> {
        let (path, new) = (self.dir.join(FILE), self.dir.join("peer.new"));
        let mut file = std::fs::File::create(&new)?;
        write!(file, "{}\n{address}\n", self.configured)?;
        file.sync_all()?;
        std::fs::rename(&new, &path)?;
        std::fs::File::open(&self.dir)?.sync_all()?;
        self.current.send_replace(address);
        Ok(())
    }
}

fn replacement(dir: &Path, configured: &Endpoint) -> std::io::Result<Option<Endpoint>> {
    let path = dir.join(FILE);
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let addresses: Result<Vec<Endpoint>, _> = text.lines().map(str::parse).collect();
    match addresses.as_deref() {
        Ok([replaced, by]) => Ok((replaced == configured).then(|| by.clone())),
        Ok(_) | Err(_) => Err(std::io::Error::new(
            std::io::ErrorKind::InvalidData,
            format!("{} does not hold two addresses: remove it to use --peer", path.display()),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(text: &str) -> Endpoint {
        text.parse().expect("is an address")
    }

    #[test]
    fn a_replacement_outlives_the_process_until_the_configuration_changes() {
        let dir = tempfile::tempdir().expect("a directory");
        let configured = endpoint("http://old:1");
        let peer = Peer::load(dir.path(), configured.clone(), Tls::default()).expect("loads");
        assert_eq!(peer.current(), configured);
        peer.replace(endpoint("http://new:2")).expect("is written");
        let again = Peer::load(dir.path(), configured, Tls::default()).expect("loads");
        assert_eq!(again.current(), endpoint("http://new:2"));
        let moved =
            Peer::load(dir.path(), endpoint("http://third:3"), Tls::default()).expect("loads");
        assert_eq!(moved.current(), endpoint("http://third:3"));
    }

    #[test]
    fn a_damaged_file_is_an_error_that_names_it() {
        let dir = tempfile::tempdir().expect("a directory");
        std::fs::write(dir.path().join(FILE), "nonsense\n").expect("is written");
        let error =
            Peer::load(dir.path(), endpoint("http://old:1"), Tls::default()).err().expect("fails");
        assert!(error.to_string().contains("peer"), "{error}");
    }
}
