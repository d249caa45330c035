//! What the role machine can tell people: whether the cluster would go on by itself, and why not.

use super::view::View;
use super::{Role, Standing};
use crate::ids::ProcessId;

/// What happens when one orchestrator dies now, as far as this node knows.
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
    /// This node is in no view.
    NotListed,
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
    /// The other node became principal without the one before.
    TookOver,
    /// The other node became principal, and the one before stays a replica.
    HandedOver,
    /// The same node, another process.
    Restarted,
    Forced,
}

impl Role {
    /// Whether the cluster would go on by itself. `is_alive`: of a witness, as the shell sees it.
    pub fn failover(&self, is_alive: impl Fn(ProcessId) -> bool) -> Failover {
        let Some(view) = self.newest() else { return Failover::NotFounded };
        if view.replica(self.me.node).is_none() {
            return match self.standing() {
                Standing::Learner if self.principal_is_up() => Failover::CatchingUp,
                _ => Failover::NotListed,
            };
        }
        if view.is_single() {
            let follows = self.office.as_ref().is_some_and(|o| o.follower_acknowledged().is_some());
            return if follows { Failover::CatchingUp } else { Failover::NoStandby };
        }
        if view.witnesses.is_empty() {
            return if self.me.loopback { Failover::ByRefusedPort } else { Failover::NoWitnesses };
        }
        let alive = view.witnesses.iter().filter(|witness| is_alive(**witness)).count();
        if alive * 2 > view.witnesses.len() {
            Failover::ByWitnesses
        } else {
            Failover::FewWitnesses
        }
    }
}

impl View {
    /// Why this view was decided, given the newest one known before it.
    pub fn cause(&self, before: Option<&View>) -> Cause {
        if self.forced {
            return Cause::Forced;
        }
        let Some(before) = before.filter(|b| b.number.next() == self.number) else {
            let first = self.number.0 == 1;
            return if first { Cause::Founded } else { Cause::Learnt };
        };
        if self.principal_node != before.principal_node {
            let stays = self.replica(before.principal_node).is_some();
            return if stays { Cause::HandedOver } else { Cause::TookOver };
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

/// Machines of which each single one, if lost, leaves no quorum of the view: neither all replicas nor one
/// of them with a majority of the witnesses. `replicas` and `witnesses` name their machines, those of the
/// newest view, each as often as it has one.
pub fn critical_hosts(replicas: &[String], witnesses: &[String]) -> Vec<String> {
    let mut hosts: Vec<&String> = replicas.iter().chain(witnesses).collect();
    hosts.sort();
    hosts.dedup();
    let survives = |lost: &String| {
        let left = replicas.iter().filter(|host| *host != lost).count();
        let minds = witnesses.iter().filter(|host| *host != lost).count();
        left == replicas.len() || (left > 0 && minds * 2 > witnesses.len())
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
        assert_eq!(critical_hosts(&pair, &hosts(&["c", "d", "e"])), hosts(&[]));
        assert_eq!(critical_hosts(&pair, &hosts(&["a", "d", "e"])), hosts(&[]));
        assert_eq!(critical_hosts(&pair, &hosts(&["a", "a", "e"])), hosts(&["a"]));
        assert_eq!(critical_hosts(&pair, &[]), hosts(&["a", "b"]), "without witnesses both are");
        assert_eq!(critical_hosts(&hosts(&["a", "a"]), &hosts(&["b", "c", "d"])), hosts(&["a"]));
    }
}
