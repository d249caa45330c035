//! What is done to the cluster, as plain data; the seed decides in which order.

use std::time::Duration;

use rand::Rng as _;
use rand::rngs::StdRng;
use rand::seq::{IndexedRandom as _, SliceRandom as _};

use crate::net::{Host, How};

/// How long a fault lasts, in milliseconds: from less than anybody notices to longer than any timeout.
const LASTS_MS: std::ops::Range<u64> = 100..4_000;
/// Between two faults.
const REST_MS: std::ops::Range<u64> = 0..1_500;
/// One in so many faults has company.
const COMPANY: u32 = 3;
/// One in so many strikes in silence.
const QUIET: u32 = 3;

/// One thing that goes wrong, or is done to the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// `kill -9`; started again later.
    Kill(Host),
    /// Both orchestrators, in this order, and started again in that one.
    KillBoth {
        down: [Host; 2],
        up: [Host; 2],
    },
    /// SIGSTOP; SIGCONT later.
    Pause(Host),
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
    /// What these orchestrators send to the other one comes late.
    Slow {
        from: Vec<Host>,
        delay: Duration,
    },
    /// Its data directory is deleted while it is down and the other one, which has everything, serves.
    LoseDisk(Host),
    FillDisk(Host),
    /// As planned by an operator. No fault, but it must not lose anything either.
    Switchover,
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
            Self::KillBoth { .. } => "kill both orchestrators".to_owned(),
            Self::Pause(host) => format!("pause {}", part(*host)),
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

    /// It needs the other orchestrator, in sync and unharmed.
    pub fn needs_whole(&self) -> bool {
        matches!(self, Self::LoseDisk(_) | Self::FillDisk(_))
    }

    /// Whose processes it stops or ends.
    fn hosts(&self) -> Vec<Host> {
        match self {
            Self::Kill(host)
            | Self::Pause(host)
            | Self::Isolate(host, _)
            | Self::Mute(host)
            | Self::Deafen(host)
            | Self::LoseDisk(host)
            | Self::FillDisk(host) => vec![*host],
            Self::KillBoth { .. } => ORCHESTRATORS.to_vec(),
            Self::CutLink(_) | Self::OneWay { .. } | Self::Slow { .. } | Self::Switchover => vec![],
        }
    }
}

/// Who is on that machine.
fn part(host: Host, serving: Option<Host>) -> &'static str {
    match host {
        Host::Worker(_) => "worker",
        Host::User => "client",
        Host::Principal | Host::Backup if serving == Some(host) => "principal",
        Host::Principal | Host::Backup if serving.is_some() => "standby",
        Host::Principal | Host::Backup => "an orchestrator",
    }
}

pub const ORCHESTRATORS: [Host; 2] = [Host::Principal, Host::Backup];

/// All kinds of faults, shuffled, dealt one after the other, and again: none is left out for long.
pub struct Deck {
    random: StdRng,
    cards: Vec<Fault>,
}

impl Deck {
    pub fn new(random: StdRng) -> Self {
        Self { random, cards: Vec::new() }
    }

    fn fault(&mut self) -> Fault {
        if self.cards.is_empty() {
            self.cards = all(&mut self.random);
            self.cards.shuffle(&mut self.random);
        }
        self.cards.pop().unwrap_or(Fault::Switchover)
    }

    pub fn episode(&mut self) -> Episode {
        let fault = self.fault();
        let lasts = Duration::from_millis(self.random.random_range(LASTS_MS));
        let rest = Duration::from_millis(self.random.random_range(REST_MS));
        let wanted = self.random.random_ratio(1, COMPANY);
        let company = company(&mut self.random)
            .filter(|other| wanted && goes_with(&fault, other))
            .map(|other| (lasts.mul_f64(self.random.random_range(0.0..1.0)), other));
        let quiet = self.random.random_ratio(1, QUIET) && !fault.needs_whole();
        Episode { fault, company, quiet, lasts, rest }
    }
}

/// Each kind once, with details of its own.
fn all(random: &mut StdRng) -> Vec<Fault> {
    let [principal, backup] = ORCHESTRATORS;
    let [down, up] = [order(random), order(random)];
    vec![
        Fault::Kill(principal),
        Fault::Kill(backup),
        Fault::Kill(worker(random)),
        Fault::KillBoth { down, up },
        Fault::Pause(principal),
        Fault::Pause(backup),
        Fault::Pause(worker(random)),
        Fault::CutLink(how(random)),
        Fault::Isolate(principal, how(random)),
        Fault::Isolate(backup, how(random)),
        Fault::Isolate(worker(random), how(random)),
        Fault::OneWay { from: principal, to: backup },
        Fault::OneWay { from: backup, to: principal },
        Fault::Mute(order(random)[0]),
        Fault::Deafen(order(random)[0]),
        Fault::Slow { from: slow_senders(random), delay: delay(random) },
        Fault::LoseDisk(principal),
        Fault::LoseDisk(backup),
        Fault::FillDisk(principal),
        Fault::FillDisk(backup),
        Fault::Switchover,
    ]
}

fn company(random: &mut StdRng) -> Option<Fault> {
    let orchestrator = order(random)[0];
    [
        Fault::Kill(orchestrator),
        Fault::Pause(orchestrator),
        Fault::Isolate(orchestrator, how(random)),
        Fault::Kill(worker(random)),
        Fault::Pause(worker(random)),
        Fault::Isolate(worker(random), how(random)),
        Fault::CutLink(how(random)),
        Fault::Switchover,
    ]
    .choose(random)
    .cloned()
}

/// A lost or full disk is company enough, and nobody is struck twice.
fn goes_with(fault: &Fault, other: &Fault) -> bool {
    !fault.needs_whole() && !fault.hosts().iter().any(|host| other.hosts().contains(host))
}

fn order(random: &mut StdRng) -> [Host; 2] {
    let [principal, backup] = ORCHESTRATORS;
    if random.random() { [principal, backup] } else { [backup, principal] }
}

fn worker(random: &mut StdRng) -> Host {
    Host::workers().collect::<Vec<_>>().choose(random).copied().unwrap_or(Host::Worker(0))
}

fn how(random: &mut StdRng) -> How {
    if random.random() { How::Drop } else { How::Reject }
}

fn slow_senders(random: &mut StdRng) -> Vec<Host> {
    if random.random() { ORCHESTRATORS.to_vec() } else { vec![order(random)[0]] }
}

fn delay(random: &mut StdRng) -> Duration {
    Duration::from_millis(random.random_range(20..1_500))
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;

    use super::*;

    fn episodes(seed: u64, count: usize) -> Vec<Episode> {
        let mut deck = Deck::new(StdRng::seed_from_u64(seed));
        (0..count).map(|_| deck.episode()).collect()
    }

    #[test]
    fn a_seed_decides_everything() {
        assert_eq!(episodes(7, 100), episodes(7, 100));
        assert_ne!(episodes(7, 100), episodes(8, 100));
    }

    #[test]
    fn each_fault_is_dealt_before_one_comes_again() {
        let kinds = all(&mut StdRng::seed_from_u64(0)).len();
        let names: Vec<_> =
            episodes(3, 3 * kinds).iter().map(|e| e.fault.name(Some(Host::Backup))).collect();
        let rounds: Vec<_> = names
            .chunks(kinds)
            .map(|round| round.iter().collect::<std::collections::BTreeSet<_>>().len())
            .collect();
        // Mute and deafen choose a machine: they may differ between rounds, never within one.
        assert_eq!(rounds, [kinds; 3]);
    }

    #[test]
    fn whoever_loses_a_disk_loses_nothing_else_and_no_other_is_harmed() {
        let mut with_company = 0;
        for episode in episodes(5, 1_000) {
            with_company += usize::from(episode.company.is_some());
            assert!(!episode.fault.needs_whole() || episode.company.is_none(), "{episode:?}");
        }
        assert!(with_company > 100, "{with_company}");
    }
}
