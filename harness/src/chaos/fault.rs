//! What is done to the cluster, as plain data.

use std::time::Duration;

use crate::net::{Host, How};

/// One thing that goes wrong, or is done to the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// `kill -9`; started again later.
    Kill(Host),
    /// Several orchestrators, or several members of etcd, in this order; started again in that one.
    KillSeveral {
        down: Vec<Host>,
        up: Vec<Host>,
    },
    /// SIGSTOP; SIGCONT later.
    Pause(Host),
    /// The same of several members of etcd.
    PauseSeveral(Vec<Host>),
    /// Of the member of etcd that leads.
    Leader(Harm),
    /// The link between the orchestrators.
    CutLink(How),
    Isolate(Host, How),
    OneWay {
        from: Host,
        to: Host,
    },
    /// Nobody hears it.
    Mute(Host),
    /// It hears nobody.
    Deafen(Host),
    /// What these orchestrators send to the other one, or to etcd, comes late.
    Slow {
        from: Vec<Host>,
        delay: Duration,
    },
    /// Its data directory is deleted while it is down and another one, which has everything, serves.
    LoseDisk(Host),
    FillDisk(Host),
    /// As planned by an operator. No fault, but it must not lose anything either.
    Switchover,
}

/// What is done to whoever leads etcd when it is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Harm {
    Kill,
    Pause,
    Isolate(How),
}

impl Harm {
    pub fn to(self, host: Host) -> Fault {
        match self {
            Self::Kill => Fault::Kill(host),
            Self::Pause => Fault::Pause(host),
            Self::Isolate(how) => Fault::Isolate(host, how),
        }
    }
}

/// A fault, perhaps with another one beside it, until both are healed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Episode {
    pub fault: Fault,
    /// So long after the first.
    pub company: Option<(Duration, Fault)>,
    /// It strikes while nothing is written, and nobody beside an orchestrator writes while it lasts: a read waits
    /// for what was written before it, which hides who would answer falsely. Not where a disk must be written.
    pub quiet: bool,
    pub lasts: Duration,
    pub rest: Duration,
}

impl Fault {
    /// For counting: what is done to whom, as the parts are now.
    pub fn name(&self, serving: Option<Host>) -> String {
        let part = |host: Host| part(host, serving);
        match self {
            Self::Kill(host) => format!("kill {}", part(*host)),
            Self::KillSeveral { down, .. } => format!("kill {}", several(down)),
            Self::Pause(host) => format!("pause {}", part(*host)),
            Self::PauseSeveral(hosts) => format!("pause {}", several(hosts)),
            Self::Leader(Harm::Kill) => "kill leader of etcd".to_owned(),
            Self::Leader(Harm::Pause) => "pause leader of etcd".to_owned(),
            Self::Leader(Harm::Isolate(_)) => "isolate leader of etcd".to_owned(),
            Self::CutLink(_) => "cut principal-standby".to_owned(),
            Self::Isolate(host, _) => format!("isolate {}", part(*host)),
            Self::OneWay { to, .. } => format!("one-way cut, deaf {}", part(*to)),
            Self::Mute(host) => format!("mute {}", part(*host)),
            Self::Deafen(host) => format!("deafen {}", part(*host)),
            Self::Slow { .. } => "slow link".to_owned(),
            Self::LoseDisk(host) => format!("delete disk of {}", part(*host)),
            Self::FillDisk(host) => format!("fill disk of {}", part(*host)),
            Self::Switchover => "switch-over".to_owned(),
        }
    }

    /// It needs another orchestrator, in sync and unharmed.
    pub fn needs_whole(&self) -> bool {
        matches!(self, Self::LoseDisk(_) | Self::FillDisk(_))
    }

    /// Whose processes it stops or ends.
    pub fn hosts(&self) -> Vec<Host> {
        match self {
            Self::Kill(host)
            | Self::Pause(host)
            | Self::Isolate(host, _)
            | Self::Mute(host)
            | Self::Deafen(host)
            | Self::LoseDisk(host)
            | Self::FillDisk(host) => vec![*host],
            Self::KillSeveral { down: hosts, .. } | Self::PauseSeveral(hosts) => hosts.clone(),
            // Whoever leads then.
            Self::Leader(_) => Host::etcd().collect(),
            Self::CutLink(_) | Self::OneWay { .. } | Self::Slow { .. } | Self::Switchover => vec![],
        }
    }
}

/// Who is on that machine.
fn part(host: Host, serving: Option<Host>) -> &'static str {
    match host {
        Host::Worker(_) => "worker",
        Host::Etcd(_) => "member of etcd",
        Host::User => "client",
        Host::Principal | Host::Backup | Host::Third if serving == Some(host) => "principal",
        Host::Principal | Host::Backup | Host::Third if serving.is_some() => "standby",
        Host::Principal | Host::Backup | Host::Third => "an orchestrator",
    }
}

fn several(hosts: &[Host]) -> String {
    let is_etcd = hosts.iter().any(|host| matches!(host, Host::Etcd(_)));
    let what = if is_etcd { "members of etcd" } else { "orchestrators" };
    format!("{} {what}", hosts.len())
}
