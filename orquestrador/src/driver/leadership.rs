//! Which rules decide who is principal: those of a pair, or those of etcd. What the driver asks of either.

use orquestrador_core::election::Election;
use orquestrador_core::ids::{Epoch, Index, ProcessId};
use orquestrador_core::role::{Durable, Failover, Identity, Role, Sender, Standing, View};

/// The role of this process.
pub enum Leadership {
    /// Two orchestrators that keep the log themselves, with workers as witnesses.
    Pair(Box<Role>),
    /// Any number of orchestrators; the log and the office are in etcd.
    Etcd(Box<Election>),
}

impl Leadership {
    /// The rules of a pair, if they are what decides.
    pub fn pair(&self) -> Option<&Role> {
        match self {
            Self::Pair(role) => Some(role),
            Self::Etcd(_) => None,
        }
    }

    /// Those of etcd, likewise.
    pub fn election(&self) -> Option<&Election> {
        match self {
            Self::Pair(_) => None,
            Self::Etcd(election) => Some(election),
        }
    }

    pub fn identity(&self) -> &Identity {
        match self {
            Self::Pair(role) => role.identity(),
            Self::Etcd(election) => election.identity(),
        }
    }

    pub fn durable(&self) -> &Durable {
        match self {
            Self::Pair(role) => role.durable(),
            Self::Etcd(election) => election.durable(),
        }
    }

    pub fn newest(&self) -> Option<&View> {
        match self {
            Self::Pair(role) => role.newest(),
            Self::Etcd(election) => election.newest(),
        }
    }

    pub fn epoch(&self) -> Epoch {
        match self {
            Self::Pair(role) => role.epoch(),
            Self::Etcd(election) => election.epoch(),
        }
    }

    pub fn committed(&self) -> Index {
        match self {
            Self::Pair(role) => role.committed(),
            Self::Etcd(election) => election.committed(),
        }
    }

    /// Up to here an acknowledgement may say that it survives the loss of this machine; `None`: nothing may.
    pub fn replicated(&self) -> Option<Index> {
        match self {
            Self::Pair(role) => role.replicated(),
            // A majority of etcd's members has fsynced what is in the log.
            Self::Etcd(election) => Some(election.committed()),
        }
    }

    /// What the linked follower has fsynced of our journal; `None` without one.
    pub fn acknowledged(&self) -> Option<Index> {
        self.pair().and_then(Role::acknowledged)
    }

    /// An answer that appends nothing needs the word of somebody else first.
    pub fn needs_word(&self) -> bool {
        match self {
            Self::Pair(role) => role.needs_word(),
            Self::Etcd(_) => true,
        }
    }

    pub fn is_handing_over(&self) -> bool {
        match self {
            Self::Pair(role) => role.is_handing_over(),
            Self::Etcd(election) => election.is_handing_over(),
        }
    }

    /// The office may still go to another one although it is no longer to be given away.
    pub fn may_lose_office(&self) -> bool {
        match self {
            Self::Pair(role) => role.may_lose_office(),
            Self::Etcd(election) => election.has_resigned(),
        }
    }

    /// The principal is alive, as far as this node knows.
    pub fn hears_principal(&self) -> bool {
        match self {
            Self::Pair(role) => role.hears_principal(),
            Self::Etcd(election) => election.holder().is_some() && !election.is_silent(),
        }
    }

    pub fn sender(&self) -> Sender {
        match self {
            Self::Pair(role) => role.sender(),
            Self::Etcd(election) => election.sender(),
        }
    }

    pub fn standing(&self) -> Standing {
        match self {
            Self::Pair(role) => role.standing(),
            Self::Etcd(election) => election.standing(),
        }
    }

    /// Whether the cluster would go on by itself. `is_alive`: of a witness; `successors`: orchestrators beside this
    /// one that could take the office, as they say in etcd.
    pub fn failover(&self, is_alive: impl Fn(ProcessId) -> bool, successors: usize) -> Failover {
        match self {
            Self::Pair(role) => role.failover(is_alive),
            Self::Etcd(election) => election.failover(successors),
        }
    }
}
