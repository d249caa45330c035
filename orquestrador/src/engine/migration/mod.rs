//! Taking a cluster from a pair to etcd and back, while nobody runs: the same cluster, with the same state.
//!
//! Nothing counts before all of it is where it goes and was read back. What an interrupted move leaves is no cluster to
//! anybody, and the next attempt begins anew or ends it.

mod back;
mod doubt;
mod state;
mod there;

use std::path::PathBuf;

use common::messages::node_migrate::MigrateMessage;
use orquestrador_core::ids::ClusterId;
use orquestrador_etcd::{Etcd, Options};

use super::keys::Keys;
use super::{EtcdConfig, STEADY};
use crate::journal;

pub use back::bring_back;
use state::State;
pub use there::{Arrival, take_there};

/// Why a cluster was not moved.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Engine(#[from] super::Error),
    #[error(transparent)]
    Etcd(#[from] orquestrador_etcd::Error),
    #[error(transparent)]
    Journal(#[from] journal::Error),
    #[error(transparent)]
    NotEmpty(#[from] journal::NotEmpty),
    #[error("failed to mark the data directory")]
    Marker(#[from] std::io::Error),
    /// What was read is not the state of a cluster.
    #[error("the state contradicts itself: {0}")]
    Contradiction(String),
    /// It is not to be moved as things are.
    #[error("{0:?}")]
    Refused(Box<MigrateMessage>),
}

impl From<MigrateMessage> for Error {
    fn from(message: MigrateMessage) -> Self {
        Self::Refused(Box::new(message))
    }
}

/// What is to be taken to etcd.
#[derive(Debug)]
pub struct Departure {
    /// The data directory.
    pub dir: PathBuf,
    /// It may lack what was acknowledged.
    pub accept_incomplete: bool,
    /// The file `role` of the other node of the pair.
    pub other_role: Option<PathBuf>,
}

/// What was moved, and that it is the same at both ends.
#[derive(Debug)]
pub struct Moved {
    pub cluster: ClusterId,
    /// Of the state in the data directory.
    pub of_journal: u128,
    /// Of that in etcd.
    pub of_etcd: u128,
    /// Files of tasks that the state refers to.
    pub blobs: usize,
}

impl Moved {
    /// # Errors
    /// They are not the same.
    fn new(cluster: ClusterId, journal: &State, etcd: &State) -> Result<Self, Error> {
        let (of_journal, of_etcd) = (journal.machine.digest(), etcd.machine.digest());
        match of_journal == of_etcd {
            true => Ok(Self { cluster, of_journal, of_etcd, blobs: journal.blobs() }),
            false => Err(MigrateMessage::Differs { of_journal, of_etcd }.into()),
        }
    }
}

/// Whoever watches is told how it goes.
pub type Tell<'a> = &'a dyn Fn(&MigrateMessage);

/// A prefix of an etcd.
struct Place {
    etcd: Etcd,
    keys: Keys,
}

impl Place {
    fn new(config: &EtcdConfig) -> Result<Self, Error> {
        let options = Options { timeout: STEADY, ..config.options.clone() };
        Ok(Self {
            etcd: Etcd::new(options)?,
            keys: Keys::new(&config.prefix, config.shard.as_deref()),
        })
    }

    fn prefix(&self) -> String {
        self.keys.prefix().to_owned()
    }

    /// Somebody else has written there meanwhile.
    fn interfered(&self) -> Error {
        MigrateMessage::Interfered { prefix: self.prefix() }.into()
    }
}
