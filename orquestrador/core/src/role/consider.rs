//! What the node should do now, given where it stands: the one place where a view is proposed.

use super::message::{Hello, Sender};
use super::office::Office;
use super::proposal::Authority;
use super::view::{Replica, View};
use super::{Effect, Mutation, Notice, PeerLink, Role, Turn};
use crate::ids::{Epoch, NodeId, ViewNumber};

/// V15: more views than a node decides alone while it is thought to be gone.
const FORCED_LEAP: u64 = 1_000_000;
/// Two overrides that start from the same view meet with different numbers, but for one case in so many.
const FORCED_SPREAD: u128 = 1_000_000;

impl Role {
    pub(super) fn consider(&mut self, turn: &mut Turn<'_>) {
        let Some(view) = self.durable.newest.clone() else {
            if self.durable.cluster.is_none() && self.ought_to_found() {
                self.found(turn);
            }
            return;
        };
        self.repeat_probe(turn);
        if self.office.is_some() {
            self.consider_in_office(&view, turn);
        } else if let Some(mine) = view.replica(self.me.node) {
            self.consider_taking_over(&view, mine, turn);
        }
    }

    // ---- V12: founding and joining. ----

    /// Only `orquestrador` without a history, after asking the other node.
    fn ought_to_found(&self) -> bool {
        self.may_found()
            && match &self.peer.link {
                PeerLink::Refused | PeerLink::Unreachable => true,
                PeerLink::Unknown | PeerLink::Foreign { .. } => false,
                PeerLink::Up { sender, hello } => {
                    sender.cluster.is_none() && (!hello.may_found || self.me.node < sender.node)
                }
            }
    }

    fn found(&mut self, turn: &mut Turn<'_>) {
        let cluster = self.me.fresh_cluster;
        self.durable.cluster = Some(cluster);
        turn.notice(Notice::Founded { cluster });
        self.learn(
            View {
                number: ViewNumber(1),
                epoch: Epoch(1),
                principal_node: self.me.node,
                principal_process: self.me.process,
                replicas: vec![Replica { node: self.me.node, since: ViewNumber(1) }],
                witnesses: Vec::new(),
                forced: false,
            },
            turn,
        );
    }

    /// A node without a history takes the cluster of the one it meets.
    pub(super) fn join(&mut self, peer: Sender, hello: &Hello, turn: &mut Turn<'_>) {
        if self.durable.cluster.is_none()
            && let Some(cluster) = peer.cluster
            && let Some(view) = &hello.newest
        {
            self.durable.cluster = Some(cluster);
            self.learn(view.clone(), turn);
        }
    }

    // ---- In office: growth (V8), shrinking (V9), handover. ----

    fn consider_in_office(&mut self, view: &View, turn: &mut Turn<'_>) {
        let next = View { number: view.number.next(), forced: false, ..view.clone() };
        let mine = view.replica(self.me.node);
        if !view.is_single() && self.may_decide_alone(view) {
            self.propose(
                View { replicas: mine.into_iter().collect(), ..next },
                Authority::Alone,
                turn,
            );
            return;
        }
        let Some((node, process, acknowledged)) =
            self.office.as_ref().and_then(|office| office.steady_follower())
        else {
            return;
        };
        if view.is_single() {
            let recorded = self.office.as_ref().is_some_and(|o| acknowledged >= o.record());
            let close = acknowledged.0 + self.timing.growth_slack >= self.committed.0;
            let caught_up = recorded && close;
            if caught_up && !self.handing_over && view.replica(node).is_none() {
                let learner = Replica { node, since: next.number };
                let replicas = mine.into_iter().chain([learner]).collect();
                self.propose(View { replicas, ..next }, Authority::Quorum, turn);
            }
        } else if self.ought_to_refresh(node) && self.is_time_to_propose(turn) {
            self.propose(next, Authority::Quorum, turn);
        } else if self.handing_over && self.is_time_to_propose(turn) {
            // Its acknowledgement covers the record of a view that lists it, so it is eligible (V5).
            let covered = self.office.as_ref().is_some_and(|o| acknowledged >= o.record());
            if covered && view.replica(node).is_some() {
                let successor = View {
                    epoch: view.epoch.next(),
                    principal_node: node,
                    principal_process: process,
                    ..next
                };
                self.propose(successor, Authority::Quorum, turn);
            }
        }
    }

    /// The standby restarted so quickly that nobody decided without it: its new process may not use the
    /// loopback rule (V11) before it has appended the record of a view. So the same view is decided anew.
    fn ought_to_refresh(&self, follower: NodeId) -> bool {
        self.me.loopback
            && !self.handing_over
            && self.newest().is_some_and(|view| view.replica(follower).is_some())
            && self.office.as_ref().is_some_and(Office::follower_is_unarmed)
    }

    // ---- Out of office: taking over (V6, V7, V11). ----

    fn consider_taking_over(&mut self, view: &View, mine: Replica, turn: &mut Turn<'_>) {
        if self.principal_is_up() || !self.is_eligible(view, mine, turn) {
            return;
        }
        let successor = View {
            number: view.number.next(),
            epoch: if self.lacks(Mutation::SameEpoch) { view.epoch } else { view.epoch.next() },
            principal_node: self.me.node,
            principal_process: self.me.process,
            forced: false,
            ..view.clone()
        };
        if view.is_single() {
            self.propose(successor, Authority::Quorum, turn);
        } else if self.may_decide_alone(view) {
            turn.notice(Notice::TakingOver);
            self.propose(View { replicas: vec![mine], ..successor }, Authority::Alone, turn);
        } else if self.other_replica_is_up(view) {
            let courtesy = if self.me.preferred { 0 } else { self.timing.courtesy_ms };
            self.not_before.get_or_insert(turn.now + courtesy);
            if self.is_time_to_propose(turn) {
                self.propose(successor, Authority::Quorum, turn);
            }
        }
    }

    fn is_time_to_propose(&self, turn: &Turn<'_>) -> bool {
        self.not_before.is_none_or(|at| at <= turn.now)
            && self.proposal.as_ref().is_none_or(|p| p.retry_at <= turn.now)
    }

    /// V5: our fsynced journal holds the record of a view of our unbroken membership. The only replica
    /// of a view is eligible without: only a founder, an eligible node or the operator's choice becomes
    /// it, and nothing is committed in the view without its record.
    fn is_eligible(&self, view: &View, mine: Replica, turn: &Turn<'_>) -> bool {
        let recorded = turn.log.record(mine.since, view.number);
        (view.is_single() && !self.lacks(Mutation::RecordAlwaysNeeded))
            || recorded.is_some_and(|at| at <= self.journal_durable)
            || self.lacks(Mutation::AnyoneEligible)
    }

    /// V11: the other process is dead, and this one first appended the record of the view.
    fn may_decide_alone(&self, view: &View) -> bool {
        let other = view.other(self.me.node).map(|other| other.node);
        let other_was_here = other.is_some_and(|node| self.peer.confirmed.contains(&node));
        // Nobody holds the other's port, or another node does (its disk was wiped).
        let has_lost_its_port = match &self.peer.link {
            PeerLink::Refused => true,
            PeerLink::Up { sender, .. } | PeerLink::Foreign { sender, .. } => {
                other.is_some_and(|node| node != sender.node)
            }
            PeerLink::Unknown | PeerLink::Unreachable => false,
        };
        self.me.loopback
            && (self.armed == Some(view.number) || self.lacks(Mutation::ArmedByAnything))
            && has_lost_its_port
            && other_was_here
    }

    fn other_replica_is_up(&self, view: &View) -> bool {
        match (&self.peer.link, view.other(self.me.node)) {
            (PeerLink::Up { sender, .. }, Some(other)) => sender.node == other.node,
            _ => false,
        }
    }

    // ---- V15: the operator's override. ----

    /// Takes office although the other node was not asked. The shell has checked that no principal is
    /// alive to this node.
    pub(super) fn promote_by_force(&mut self, turn: &mut Turn<'_>) {
        let Some(view) = self.durable.newest.clone() else { return };
        if self.office.is_some() {
            return;
        }
        turn.notice(Notice::Forced);
        // Far above whatever the other node may have decided meanwhile, so that this view wins when the two
        // meet; and apart from the one that an override at the other node would make.
        let leap = FORCED_LEAP + u64::try_from(self.me.process.0 % FORCED_SPREAD).unwrap_or(0);
        let number = ViewNumber(view.number.0.saturating_add(leap));
        let mine =
            view.replica(self.me.node).unwrap_or(Replica { node: self.me.node, since: number });
        let successor = View {
            number,
            epoch: Epoch(view.epoch.0.saturating_add(leap)),
            principal_node: self.me.node,
            principal_process: self.me.process,
            replicas: vec![mine],
            witnesses: Vec::new(),
            forced: true,
        };
        turn.effects.push(Effect::StopReplication);
        self.learn(successor, turn);
    }
}
