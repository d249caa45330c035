//! What the node should do now, given where it stands: growth (V8), shrinking (V9), refreshing (V13) and
//! handing over of a principal; a node out of office looks at whether to take over.

use super::proposal::Authority;
use super::view::{Replica, View};
use super::witnesses::{Candidate, choose};
use super::{Role, Turn};
use crate::ids::{NodeId, ProcessId};

impl Role {
    pub(super) fn consider(&mut self, turn: &mut Turn<'_>) {
        let Some(view) = self.durable.newest.clone() else {
            self.consider_founding(turn);
            return;
        };
        self.repeat_probe(turn);
        let Some(mine) = view.replica(self.me.node) else { return };
        if self.office.is_none() {
            self.consider_taking_over(&view, mine, turn);
        } else if let Some(other) = view.other(self.me.node) {
            self.consider_the_pair(&view, mine, other.node, turn);
        } else {
            self.consider_growing(&view, mine, turn);
        }
    }

    /// V8: a learner that keeps up becomes a replica, and the witnesses are chosen with it.
    fn consider_growing(&mut self, view: &View, mine: Replica, turn: &mut Turn<'_>) {
        let Some(office) = &self.office else { return };
        let Some((node, _, acknowledged)) = office.steady_follower() else {
            self.refresh_wanted_since = None;
            return;
        };
        let close = acknowledged.0 + self.timing.growth_slack >= self.committed.0;
        if acknowledged < office.record() || !close || self.handing_over {
            return;
        }
        if self.awaits_witnesses() {
            return;
        }
        let next = same_office(view);
        let learner = Replica { node, since: next.number };
        let witnesses = choose(&[], &self.candidates, self.me.loopback);
        self.propose(
            View { replicas: vec![mine, learner], witnesses, ..next },
            Authority::Quorum,
            turn,
        );
    }

    /// Workers that are about to be linked to the new replica too are waited for a little: without witnesses the
    /// next accident would stop the service.
    fn awaits_witnesses(&mut self) -> bool {
        let now = self.clock.now();
        let since = *self.refresh_wanted_since.get_or_insert(now);
        let come = self.candidates.iter().any(|candidate| !candidate.linked_to_all);
        come && now.saturating_sub(since) < self.timing.urgent_refresh_ms
    }

    fn consider_the_pair(
        &mut self,
        view: &View,
        mine: Replica,
        other: NodeId,
        turn: &mut Turn<'_>,
    ) {
        let alone = View { replicas: vec![mine], witnesses: Vec::new(), ..same_office(view) };
        if self.may_decide_alone(view.number, other) {
            return self.propose(alone, Authority::Alone, turn);
        }
        let wanted = self.wanted_witnesses(view);
        if !self.is_time_to_propose(turn) {
            return;
        }
        if self.follower_is_gone(other) {
            if !view.witnesses.is_empty() {
                self.propose(alone, Authority::Quorum, turn);
            }
            return;
        }
        let Some(office) = &self.office else { return };
        let Some((node, process, acknowledged)) = office.steady_follower() else { return };
        let unarmed = self.me.loopback && view.witnesses.is_empty() && office.follower_is_unarmed();
        if let Some(witnesses) = wanted {
            self.propose(View { witnesses, ..same_office(view) }, Authority::Quorum, turn);
        } else if office.follower_is_wordless() || (unarmed && !self.handing_over) {
            self.propose(same_office(view), Authority::Quorum, turn);
        } else if self.handing_over && acknowledged >= turn.log.last().index && node == other {
            // Its acknowledgement covers the record of a view that lists it, so it is eligible (V5). It has all
            // that is here, so that this node will have nothing to take back.
            let successor = View {
                epoch: view.epoch.next(),
                principal_node: node,
                principal_process: process,
                ..same_office(view)
            };
            self.propose(successor, Authority::Quorum, turn);
        }
    }

    /// V13: the witness set that should be instead of the present one, when it is time to change it: soon
    /// when the present one has no living majority or can become larger, otherwise after a while.
    fn wanted_witnesses(&mut self, view: &View) -> Option<Vec<ProcessId>> {
        let wanted = choose(&view.witnesses, &self.candidates, self.me.loopback);
        if wanted == view.witnesses || self.handing_over {
            self.refresh_wanted_since = None;
            return None;
        }
        let now = self.clock.now();
        let since = *self.refresh_wanted_since.get_or_insert(now);
        let is_fit = |c: &Candidate, w| c.incarnation == w && c.linked_to_all;
        let is_alive = |w: &ProcessId| self.candidates.iter().any(|c| is_fit(c, *w));
        let left = view.witnesses.iter().filter(|w| is_alive(w)).count();
        let no_majority = left * 2 <= view.witnesses.len();
        let is_urgent = no_majority || wanted.len() > view.witnesses.len();
        let patience =
            if is_urgent { self.timing.urgent_refresh_ms } else { self.timing.refresh_ms };
        (now.saturating_sub(since) >= patience).then_some(wanted)
    }
}

/// The next view of the same principal process: same epoch, same members.
fn same_office(view: &View) -> View {
    View { number: view.number.next(), forced: false, ..view.clone() }
}
