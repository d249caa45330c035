//! What the role machine can tell people: whether the cluster would go on by itself, and why not.

use super::liveness::PeerLink;
use super::view::View;
use super::{Role, Standing};
use crate::ids::ProcessId;

/// What happens when one orchestrator dies now, or what is missing already, as far as this node knows.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Failover {
    /// A majority of the witnesses lives: the other one goes on.
    ByWitnesses,
    /// V11: both are on this machine, and a refused port proves a process dead.
    ByRefusedPort,
    /// The principal is alone.
    NoStandby,
    /// Another node catches up.
    CatchingUp,
    /// Two machines, and no worker that could be a witness.
    NoWitnesses,
    /// Too few witnesses live for a majority.
    FewWitnesses,
    /// There is no cluster yet.
    NotFounded,
    /// This node is in no view, and hears no principal.
    NotListed,
    /// This principal needs the other replica, which is gone: it commits nothing.
    Blocked,
    /// This replica needs the other one, which it does not hear.
    Waiting,
    /// The node at the other one's address is of another cluster.
    ForeignPeer,
    /// The principal answers and sends nothing: it stands still, or has its backup elsewhere.
    NotExpected,
    /// Another orchestrator stands by, and etcd gives it the office.
    ByEngine,
    /// No other orchestrator that has read the log is known to etcd.
    EngineAlone,
    /// etcd does not answer.
    EngineSilent,
}

/// Why a view followed another.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Cause {
    Founded,
    /// The one before is not known here.
    Learnt,
    Grew,
    Shrank,
    /// Same members; other witnesses, or none of them changed.
    Refreshed,
    /// The other node became principal.
    TookOver,
    /// The other node became principal because the one before gave its office away.
    HandedOver,
    /// The same node, another process.
    Restarted,
    Forced,
}

impl Cause {
    pub const ALL: [Self; 9] = [
        Self::Founded,
        Self::Learnt,
        Self::Grew,
        Self::Shrank,
        Self::Refreshed,
        Self::TookOver,
        Self::HandedOver,
        Self::Restarted,
        Self::Forced,
    ];

    /// For programs, and in files.
    pub fn word(self) -> &'static str {
        match self {
            Self::Founded => "FOUNDED",
            Self::Learnt => "LEARNT",
            Self::Grew => "GREW",
            Self::Shrank => "SHRANK",
            Self::Refreshed => "REFRESHED",
            Self::TookOver => "TOOK_OVER",
            Self::HandedOver => "HANDED_OVER",
            Self::Restarted => "RESTARTED",
            Self::Forced => "FORCED",
        }
    }
}

impl Role {
    /// Whether the cluster would go on by itself. `is_alive`: of a witness, as the shell sees it.
    pub fn failover(&self, is_alive: impl Fn(ProcessId) -> bool) -> Failover {
        let is_foreign = matches!(self.peer.link, PeerLink::Foreign { .. });
        let Some(view) = self.newest() else { return Failover::NotFounded };
        if view.replica(self.me.node).is_none() {
            return self.failover_without_us(is_foreign);
        }
        let Some(other) = view.other(self.me.node) else {
            let follows = self.office.as_ref().is_some_and(|o| o.follower_acknowledged().is_some());
            return match (is_foreign, follows) {
                (true, _) => Failover::ForeignPeer,
                (false, true) => Failover::CatchingUp,
                (false, false) => Failover::NoStandby,
            };
        };
        let alive = view.witnesses.iter().filter(|witness| is_alive(**witness)).count();
        let has_majority = alive * 2 > view.witnesses.len();
        match self.standing() {
            Standing::Waiting if is_foreign => return Failover::ForeignPeer,
            Standing::Waiting => return Failover::Waiting,
            Standing::Principal | Standing::Elected => {
                let decides = has_majority || self.may_decide_alone(view.number, other.node);
                if self.follower_is_gone(other.node) && !decides {
                    return Failover::Blocked;
                }
            }
            Standing::Unfounded | Standing::Learner | Standing::Standby => {}
        }
        match (view.witnesses.is_empty(), self.me.loopback) {
            (true, true) => Failover::ByRefusedPort,
            (true, false) => Failover::NoWitnesses,
            (false, _) if has_majority => Failover::ByWitnesses,
            (false, _) => Failover::FewWitnesses,
        }
    }

    fn failover_without_us(&self, is_foreign: bool) -> Failover {
        match (is_foreign, self.principal_is_up(), self.principal_may_be_alive()) {
            (true, _, _) => Failover::ForeignPeer,
            (false, true, true) => Failover::CatchingUp,
            (false, true, false) => Failover::NotExpected,
            (false, false, _) => Failover::NotListed,
        }
    }

    /// Whether the principal of the newest view gives its office away in `next`. Both nodes can tell: the one
    /// wanted to, the other one becomes principal without having proposed itself.
    pub(super) fn is_handed_over_in(&self, next: &View) -> bool {
        let Some(view) = self.newest() else { return false };
        if view.principal_node == next.principal_node {
            return false;
        }
        match self.office {
            Some(_) => self.handing_over,
            None => next.principal_process == self.me.process && self.proposal.is_none(),
        }
    }
}

impl View {
    /// Why this view was decided, given the newest one known before it, and whether the principal of that one
    /// is known to have given its office away.
    pub fn cause(&self, before: Option<&View>, handed_over: bool) -> Cause {
        if self.forced {
            return Cause::Forced;
        }
        let Some(before) = before.filter(|b| b.number.next() == self.number) else {
            let first = self.number.0 == 1;
            return if first { Cause::Founded } else { Cause::Learnt };
        };
        if self.principal_node != before.principal_node {
            return if handed_over { Cause::HandedOver } else { Cause::TookOver };
        }
        if self.principal_process != before.principal_process {
            return Cause::Restarted;
        }
        match self.replicas.len().cmp(&before.replicas.len()) {
            std::cmp::Ordering::Greater => Cause::Grew,
            std::cmp::Ordering::Less => Cause::Shrank,
            std::cmp::Ordering::Equal => Cause::Refreshed,
        }
    }
}

/// Machines of which each single one, if lost, stops the next automatic failover: either it takes an
/// orchestrator with it and the other one cannot go on, or so many witnesses that the death of an orchestrator
/// would leave no majority. `witnesses`: how many the newest view has; `alive`: where those are that live.
pub fn critical_hosts(replicas: &[String], alive: &[String], witnesses: usize) -> Vec<String> {
    let mut hosts: Vec<&String> = replicas.iter().chain(alive).collect();
    hosts.sort();
    hosts.dedup();
    let survives = |lost: &String| {
        let left = replicas.iter().any(|host| host != lost);
        let minds = alive.iter().filter(|host| *host != lost).count();
        left && minds * 2 > witnesses
    };
    hosts.into_iter().filter(|host| !survives(host)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn a_machine_that_holds_too_much_is_named() {
        let pair = hosts(&["a", "b"]);
        let critical = |alive: &[&str], of| critical_hosts(&pair, &hosts(alive), of);
        assert_eq!(critical(&["c", "d", "e"], 3), hosts(&[]));
        assert_eq!(critical(&["a", "d", "e"], 3), hosts(&[]));
        assert_eq!(critical(&["a", "a", "e"], 3), hosts(&["a"]));
        assert_eq!(critical(&["c", "c", "e"], 3), hosts(&["c"]), "e alone is no majority");
        assert_eq!(critical(&["c"], 1), hosts(&["c"]), "the only witness");
        assert_eq!(critical(&["c", "d"], 3), hosts(&["c", "d"]), "one is silent already");
        assert_eq!(critical(&[], 0), hosts(&["a", "b"]), "without witnesses both are");
        let one = hosts(&["a", "a"]);
        assert_eq!(critical_hosts(&one, &hosts(&["b", "c", "d"]), 3), hosts(&["a"]));
    }

    #[test]
    fn every_cause_has_a_word_of_its_own() {
        let words: std::collections::BTreeSet<_> = Cause::ALL.map(Cause::word).into();
        assert_eq!(words.len(), Cause::ALL.len());
    }
}
