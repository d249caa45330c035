//! Out of office: taking over (V5–V7, V11), and the operator's override (V15).

use super::proposal::Authority;
use super::view::{Replica, View};
use super::{Effect, Mutation, Notice, Role, Turn};
use crate::ids::{Epoch, ViewNumber};

/// V15: more views than a node decides alone while it is thought to be gone.
const FORCED_LEAP: u64 = 1_000_000;
/// Two overrides that start from the same view meet with different numbers, but for one case in so many.
const FORCED_SPREAD: u128 = 1_000_000;

impl Role {
    pub(super) fn consider_taking_over(&mut self, view: &View, mine: Replica, turn: &mut Turn<'_>) {
        if self.principal_may_be_alive() || !self.is_eligible(view, mine, turn) {
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
        let alone = View { replicas: vec![mine], witnesses: Vec::new(), ..successor.clone() };
        let Some(other) = view.other(self.me.node).map(|other| other.node) else {
            return self.propose(alone, Authority::Quorum, turn);
        };
        if self.may_decide_alone(view.number, other) {
            self.propose(alone, Authority::Alone, turn);
        } else if self.other_replica_is_up(other) {
            let courtesy = if self.me.preferred { 0 } else { self.timing.courtesy_ms };
            self.not_before.get_or_insert(turn.now + courtesy);
            if self.is_time_to_propose(turn) {
                self.propose(successor, Authority::Quorum, turn);
            }
        } else if !view.witnesses.is_empty() && self.is_time_to_propose(turn) {
            self.propose(alone, Authority::Quorum, turn);
        }
    }

    /// V5: our fsynced journal holds the record of a view of our unbroken membership. The only replica
    /// of a view is eligible without: only a founder, an eligible node or the operator's choice becomes
    /// it, and nothing is committed in the view without its record.
    fn is_eligible(&self, view: &View, mine: Replica, turn: &Turn<'_>) -> bool {
        let newest_needed = self.lacks(Mutation::RecordOfNewestNeeded);
        let since = if newest_needed { view.number } else { mine.since };
        let recorded = turn.log.record(since, view.number);
        (view.is_single() && !newest_needed && !self.lacks(Mutation::RecordAlwaysNeeded))
            || recorded.is_some_and(|at| at <= self.journal_durable)
            || self.lacks(Mutation::AnyoneEligible)
    }

    /// V15: takes office although the other node was not asked; or goes on without it, as a principal that waits
    /// for its acknowledgements. The shell has checked that no other principal is alive to this node, and that it
    /// is a replica or the operator accepts what it may lack.
    pub(super) fn promote_by_force(&mut self, turn: &mut Turn<'_>) {
        let Some(view) = self.durable.newest.clone() else { return };
        if self.office.is_some() && view.is_single() {
            return;
        }
        turn.notice(Notice::Forced);
        // Far above whatever the other node may have decided meanwhile, so that this view wins when the two
        // meet; and apart from the one that an override at the other node would make.
        let leap = match self.lacks(Mutation::ForcedWithoutLeap) {
            true => 1,
            false => FORCED_LEAP + u64::try_from(self.me.process.0 % FORCED_SPREAD).unwrap_or(0),
        };
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

impl View {
    /// V15: between `known` and this view there was an override: nothing else leaps so far. What followed
    /// `known` elsewhere may have been acknowledged.
    pub fn is_past_override(&self, known: ViewNumber) -> bool {
        self.number.0.saturating_sub(known.0) >= FORCED_LEAP
    }
}
