//! Who is where, and which links are cut: as plain data, and as the rules of a packet filter.

use std::fmt::Write as _;
use std::net::Ipv4Addr;

/// Workers of a spread cluster: as many as make a set of witnesses.
pub const WORKERS: u8 = 3;
/// Members of etcd, where that is the engine: the loss of one is survived.
pub const ETCD_MEMBERS: u8 = 3;

/// A machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Host {
    /// Where `orquestrador` runs, whatever its part is now.
    Principal,
    /// Where `orquestrador-backup` runs, whatever its part is now.
    Backup,
    /// Where one more `orquestrador-backup` runs, if etcd is the engine.
    Third,
    /// Counted from 0.
    Worker(u8),
    /// Where a member of etcd runs, if that is the engine; counted from 0.
    Etcd(u8),
    /// Where the client runs.
    User,
}

impl Host {
    /// All machines.
    pub fn all() -> impl Iterator<Item = Self> {
        [Self::Principal, Self::Backup, Self::User]
            .into_iter()
            .chain(Self::workers())
            .chain([Self::Third])
            .chain(Self::etcd())
    }

    pub fn workers() -> impl Iterator<Item = Self> {
        (0..WORKERS).map(Self::Worker)
    }

    pub fn etcd() -> impl Iterator<Item = Self> {
        (0..ETCD_MEMBERS).map(Self::Etcd)
    }

    /// The other orchestrator; of any other machine, the principal.
    #[must_use]
    pub fn peer(self) -> Self {
        match self {
            Self::Principal => Self::Backup,
            Self::Backup | Self::Third | Self::Worker(_) | Self::Etcd(_) | Self::User => {
                Self::Principal
            }
        }
    }

    pub fn address(self) -> Ipv4Addr {
        let last = match self {
            Self::Principal => 1,
            Self::Backup => 2,
            Self::Third => 3,
            Self::Worker(nth) => 11 + nth,
            Self::Etcd(nth) => 21 + nth,
            Self::User => 101,
        };
        Ipv4Addr::new(10, 77, 0, last)
    }

    /// Short enough for the name of an interface.
    pub fn name(self) -> String {
        match self {
            Self::Principal => "principal".to_owned(),
            Self::Backup => "backup".to_owned(),
            Self::Third => "third".to_owned(),
            Self::Worker(nth) => format!("worker{}", nth + 1),
            Self::Etcd(nth) => format!("etcd{}", nth + 1),
            Self::User => "user".to_owned(),
        }
    }
}

/// Who keeps the log and the office, and with that which machines there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Engine {
    /// Two orchestrators, with the workers as witnesses.
    #[default]
    Pair,
    /// Three members of etcd, for three orchestrators.
    Etcd,
}

impl Engine {
    /// The word for it on the command line.
    pub fn word(self) -> &'static str {
        match self {
            Self::Pair => "pair",
            Self::Etcd => "etcd",
        }
    }

    /// In the order in which they start.
    pub fn orchestrators(self) -> &'static [Host] {
        match self {
            Self::Pair => &[Host::Principal, Host::Backup],
            Self::Etcd => &[Host::Principal, Host::Backup, Host::Third],
        }
    }

    /// The machines of its members; a pair is its own engine.
    pub fn members(self) -> impl Iterator<Item = Host> {
        Host::etcd().filter(move |_| self == Self::Etcd)
    }

    /// All machines that there are.
    pub fn hosts(self) -> Vec<Host> {
        let others = Host::workers().chain([Host::User]).chain(self.members());
        self.orchestrators().iter().copied().chain(others).collect()
    }
}

impl std::str::FromStr for Engine {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = [Self::Pair, Self::Etcd];
        let found = known.into_iter().find(|engine| engine.word() == text);
        found.ok_or_else(|| "`pair` or `etcd`".to_owned())
    }
}

/// What becomes of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum How {
    /// It is lost, and nobody hears of it.
    Drop,
    /// Its sender gets a reset at once, as from a firewall in between.
    Reject,
}

/// One direction of one link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cut {
    pub from: Host,
    pub to: Host,
    pub how: How,
}

impl Cut {
    /// Nothing of `from` comes to `to`.
    pub fn one_way(from: Host, to: Host) -> Vec<Self> {
        vec![Self { from, to, how: How::Drop }]
    }

    /// Both directions.
    pub fn link(one: Host, other: Host, how: How) -> Vec<Self> {
        vec![Self { from: one, to: other, how }, Self { from: other, to: one, how }]
    }

    /// Nobody hears `host`, which hears everybody.
    pub fn mute(host: Host) -> Vec<Self> {
        others(host).flat_map(|other| Self::one_way(host, other)).collect()
    }

    /// `host` hears nobody, and everybody hears it.
    pub fn deafen(host: Host) -> Vec<Self> {
        others(host).flat_map(|other| Self::one_way(other, host)).collect()
    }

    /// `host` and the others are silent to each other.
    pub fn isolate(host: Host, how: How) -> Vec<Self> {
        others(host).flat_map(|other| Self::link(host, other, how)).collect()
    }
}

fn others(host: Host) -> impl Iterator<Item = Host> {
    Host::all().filter(move |other| *other != host)
}

/// What `iptables-restore` is told on `host`: these cuts, and no others.
pub(super) fn ruleset(host: Host, cuts: &[Cut]) -> String {
    let mut text =
        String::from("*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n");
    for cut in cuts {
        let written = match cut.how {
            // Where it arrives: the sender cannot know.
            How::Drop if cut.to == host => {
                writeln!(text, "-A INPUT -s {} -j DROP", cut.from.address())
            }
            // Where it leaves: the reset must come although the way back may be cut too.
            How::Reject if cut.from == host => writeln!(
                text,
                "-A OUTPUT -d {} -p tcp -j REJECT --reject-with tcp-reset",
                cut.to.address()
            ),
            How::Drop | How::Reject => Ok(()),
        };
        written.expect("a string takes everything");
    }
    text.push_str("COMMIT\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(host: Host, cuts: &[Cut]) -> Vec<String> {
        let text = ruleset(host, cuts);
        text.lines().filter(|line| line.starts_with("-A")).map(str::to_owned).collect()
    }

    #[test]
    fn a_one_way_cut_is_seen_by_the_receiver_only() {
        let cuts = Cut::one_way(Host::Principal, Host::Backup);
        assert_eq!(rules(Host::Backup, &cuts), ["-A INPUT -s 10.77.0.1 -j DROP"]);
        assert!(rules(Host::Principal, &cuts).is_empty());
        assert!(rules(Host::User, &cuts).is_empty());
    }

    #[test]
    fn an_isolated_machine_hears_nobody_and_is_heard_by_nobody() {
        let cuts = Cut::isolate(Host::Principal, How::Drop);
        assert_eq!(rules(Host::Principal, &cuts).len(), others(Host::Principal).count());
        for host in others(Host::Principal) {
            assert_eq!(rules(host, &cuts), ["-A INPUT -s 10.77.0.1 -j DROP"], "{host:?}");
        }
    }

    #[test]
    fn a_refused_packet_is_refused_where_it_leaves() {
        let cuts = Cut::link(Host::Principal, Host::Backup, How::Reject);
        for host in [Host::Principal, Host::Backup] {
            let rule = format!("-A OUTPUT -d {} -p tcp", host.peer().address());
            let found = rules(host, &cuts);
            assert!(found.len() == 1 && found[0].starts_with(&rule), "{found:?}");
        }
    }

    #[test]
    fn each_machine_has_an_address_of_its_own() {
        let all: std::collections::BTreeSet<_> = Host::all().map(Host::address).collect();
        assert_eq!(all.len(), Host::all().count());
    }
}
