//! All faults, dealt like cards; the seed decides in which order.

use std::time::Duration;

use rand::Rng as _;
use rand::rngs::StdRng;
use rand::seq::{IndexedRandom as _, SliceRandom as _};

use super::fault::{Episode, Fault, Harm};
use crate::net::{Engine, Host, How};

/// How long a fault lasts, in milliseconds: from less than anybody notices to longer than any timeout.
const LASTS_MS: std::ops::Range<u64> = 100..4_000;
/// Between two faults.
const REST_MS: std::ops::Range<u64> = 0..1_500;
/// One in so many faults has company.
const COMPANY: u32 = 3;
/// One in so many strikes in silence.
const QUIET: u32 = 3;

/// All kinds of faults, shuffled, dealt one after the other, and again: none is left out for long.
pub struct Deck {
    engine: Engine,
    random: StdRng,
    cards: Vec<Fault>,
}

impl Deck {
    pub fn new(engine: Engine, random: StdRng) -> Self {
        Self { engine, random, cards: Vec::new() }
    }

    fn fault(&mut self) -> Fault {
        if self.cards.is_empty() {
            self.cards = all(self.engine, &mut self.random);
            self.cards.shuffle(&mut self.random);
        }
        self.cards.pop().unwrap_or(Fault::Switchover)
    }

    pub fn episode(&mut self) -> Episode {
        let fault = self.fault();
        let lasts = Duration::from_millis(self.random.random_range(LASTS_MS));
        let rest = Duration::from_millis(self.random.random_range(REST_MS));
        let wanted = self.random.random_ratio(1, COMPANY);
        let company = company(self.engine, &mut self.random)
            .filter(|other| wanted && goes_with(&fault, other))
            .map(|other| (lasts.mul_f64(self.random.random_range(0.0..1.0)), other));
        let quiet = self.random.random_ratio(1, QUIET) && !fault.needs_whole();
        Episode { fault, company, quiet, lasts, rest }
    }
}

/// Each kind once, with details of its own.
fn all(engine: Engine, random: &mut StdRng) -> Vec<Fault> {
    match engine {
        Engine::Pair => all_of_a_pair(random),
        Engine::Etcd => all_with_etcd(random),
    }
}

fn all_of_a_pair(random: &mut StdRng) -> Vec<Fault> {
    let [principal, backup] = PAIR;
    let [down, up] = [order(random).to_vec(), order(random).to_vec()];
    vec![
        Fault::Kill(principal),
        Fault::Kill(backup),
        Fault::Kill(worker(random)),
        Fault::KillSeveral { down, up },
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

/// The orchestrators do not speak to each other: what lies between is etcd.
fn all_with_etcd(random: &mut StdRng) -> Vec<Fault> {
    let orchestrators = Engine::Etcd.orchestrators();
    let mut faults: Vec<Fault> = orchestrators
        .iter()
        .flat_map(|host| {
            let isolated = Fault::Isolate(*host, how(random));
            [Fault::Kill(*host), Fault::Pause(*host), isolated, Fault::LoseDisk(*host)]
        })
        .collect();
    let (worker, one) = (worker(random), some(orchestrators, 1, random));
    let late = random.random_range(1..=orchestrators.len());
    let member = some(&members(), 1, random);
    let (from, to) = (one[0], member[0]);
    faults.extend([
        Fault::Kill(worker),
        Fault::Pause(worker),
        Fault::Isolate(worker, how(random)),
        kill_some(orchestrators, 2, random),
        kill_some(orchestrators, orchestrators.len(), random),
        Fault::OneWay { from, to },
        Fault::OneWay { from: to, to: from },
        Fault::Mute(some(orchestrators, 1, random)[0]),
        Fault::Deafen(some(orchestrators, 1, random)[0]),
        Fault::Slow { from: some(orchestrators, late, random), delay: delay(random) },
        Fault::FillDisk(from),
        Fault::Switchover,
        Fault::Leader(Harm::Kill),
        Fault::Leader(Harm::Pause),
        Fault::Leader(Harm::Isolate(how(random))),
        Fault::Kill(some(&members(), 1, random)[0]),
        Fault::Pause(some(&members(), 1, random)[0]),
        Fault::Isolate(some(&members(), 1, random)[0], how(random)),
        kill_some(&members(), 2, random),
        Fault::PauseSeveral(some(&members(), 2, random)),
        kill_some(&members(), members().len(), random),
    ]);
    faults
}

fn company(engine: Engine, random: &mut StdRng) -> Option<Fault> {
    let between = match engine {
        Engine::Pair => None,
        Engine::Etcd => Some(some(&members(), 1, random)[0]),
    };
    let orchestrator = match engine {
        Engine::Pair => order(random)[0],
        Engine::Etcd => some(engine.orchestrators(), 1, random)[0],
    };
    let mut faults = vec![
        Fault::Kill(orchestrator),
        Fault::Pause(orchestrator),
        Fault::Isolate(orchestrator, how(random)),
        Fault::Kill(worker(random)),
        Fault::Pause(worker(random)),
        Fault::Isolate(worker(random), how(random)),
    ];
    match between {
        None => faults.push(Fault::CutLink(how(random))),
        Some(member) => faults.extend([
            Fault::Kill(member),
            Fault::Pause(member),
            Fault::Isolate(member, how(random)),
            Fault::Leader(Harm::Kill),
        ]),
    }
    faults.push(Fault::Switchover);
    faults.choose(random).cloned()
}

/// A lost or full disk is company enough, and nobody is struck twice.
fn goes_with(fault: &Fault, other: &Fault) -> bool {
    !fault.needs_whole() && !fault.hosts().iter().any(|host| other.hosts().contains(host))
}

fn members() -> Vec<Host> {
    Engine::Etcd.members().collect()
}

/// So many of these, in any order.
fn some(of: &[Host], count: usize, random: &mut StdRng) -> Vec<Host> {
    let mut hosts = of.to_vec();
    hosts.shuffle(random);
    hosts.truncate(count);
    hosts
}

fn kill_some(of: &[Host], count: usize, random: &mut StdRng) -> Fault {
    let down = some(of, count, random);
    let up = some(&down, count, random);
    Fault::KillSeveral { down, up }
}

const PAIR: [Host; 2] = [Host::Principal, Host::Backup];

fn order(random: &mut StdRng) -> [Host; 2] {
    let [principal, backup] = PAIR;
    if random.random() { [principal, backup] } else { [backup, principal] }
}

fn worker(random: &mut StdRng) -> Host {
    Host::workers().collect::<Vec<_>>().choose(random).copied().unwrap_or(Host::Worker(0))
}

fn how(random: &mut StdRng) -> How {
    if random.random() { How::Drop } else { How::Reject }
}

fn slow_senders(random: &mut StdRng) -> Vec<Host> {
    if random.random() { PAIR.to_vec() } else { vec![order(random)[0]] }
}

fn delay(random: &mut StdRng) -> Duration {
    Duration::from_millis(random.random_range(20..1_500))
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;

    use super::*;

    const ENGINES: [Engine; 2] = [Engine::Pair, Engine::Etcd];

    fn episodes(engine: Engine, seed: u64, count: usize) -> Vec<Episode> {
        let mut deck = Deck::new(engine, StdRng::seed_from_u64(seed));
        (0..count).map(|_| deck.episode()).collect()
    }

    #[test]
    fn a_seed_decides_everything() {
        for engine in ENGINES {
            assert_eq!(episodes(engine, 7, 100), episodes(engine, 7, 100));
            assert_ne!(episodes(engine, 7, 100), episodes(engine, 8, 100));
        }
    }

    #[test]
    fn each_fault_is_dealt_before_one_comes_again() {
        for engine in ENGINES {
            let kinds = all(engine, &mut StdRng::seed_from_u64(0));
            let kind = |fault: &Fault| fault.name(None);
            let mut expected: Vec<_> = kinds.iter().map(kind).collect();
            expected.sort();
            for round in episodes(engine, 3, 3 * kinds.len()).chunks(kinds.len()) {
                let mut dealt: Vec<_> = round.iter().map(|e| kind(&e.fault)).collect();
                dealt.sort();
                assert_eq!(dealt, expected);
            }
        }
    }

    #[test]
    fn without_etcd_nothing_is_done_to_its_members() {
        let is_there =
            |fault: &Fault| fault.hosts().iter().all(|host| Engine::Pair.hosts().contains(host));
        assert!(episodes(Engine::Pair, 9, 500).iter().all(|e| is_there(&e.fault)));
        assert!(!episodes(Engine::Etcd, 9, 500).iter().all(|e| is_there(&e.fault)));
    }

    #[test]
    fn whoever_loses_a_disk_loses_nothing_else_and_no_other_is_harmed() {
        for engine in ENGINES {
            let mut with_company = 0;
            for episode in episodes(engine, 5, 1_000) {
                with_company += usize::from(episode.company.is_some());
                assert!(!episode.fault.needs_whole() || episode.company.is_none(), "{episode:?}");
            }
            assert!(with_company > 100, "{with_company}");
        }
    }
}
