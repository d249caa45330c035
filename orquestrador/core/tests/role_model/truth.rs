//! What an observer of both nodes knows, and what must hold.

use orquestrador_core::ids::{ClusterId, Index, ViewNumber};
use orquestrador_core::role::{EntryId, Standing, View};

use super::World;
use super::node::Pending;

/// Of one cluster, from its founding or from an operator's word (V15) on.
///
/// An override begins another truth: what the forced principal has. Who does not know of it goes on in the truth
/// before, in which everything still holds, until the two meet.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Truth {
    /// The forced view that it begins with; 0 for the founding.
    pub began: ViewNumber,
    /// Every view that some node took for decided.
    pub decided: Vec<View>,
    /// What was committed, by whomever. After an override: from all that was on the chosen disk on.
    pub committed: Vec<EntryId>,
    /// Up to here clients were told something.
    pub acknowledged: usize,
}

impl World {
    /// That of the newest view which the node knows.
    fn truth(&mut self, at: usize) -> Option<&mut Truth> {
        let role = &self.nodes[at].process.as_ref()?.role;
        let cluster: ClusterId = role.durable().cluster?;
        let number = role.newest().map_or(ViewNumber(0), |view| view.number);
        let fits = |(_, (id, truth)): &(usize, &(ClusterId, Truth))| {
            *id == cluster && truth.began <= number
        };
        let latest =
            self.truths.iter().enumerate().filter(fits).max_by_key(|(_, (_, truth))| truth.began);
        let position = latest.map(|(position, _)| position).unwrap_or_else(|| {
            self.truths.push((cluster, Truth::default()));
            self.truths.len() - 1
        });
        Some(&mut self.truths[position].1)
    }

    /// The operator has made this node principal, whatever the other one has.
    fn begin_afresh(&mut self, at: usize, forced: &View) {
        let node = &self.nodes[at];
        let Some(cluster) = node.process.as_ref().and_then(|p| p.role.durable().cluster) else {
            return;
        };
        let of_cluster = |(id, _): &&(ClusterId, Truth)| *id == cluster;
        if self.truths.iter().filter(of_cluster).any(|(_, truth)| truth.began == forced.number) {
            return;
        }
        let here = &node.journal.entries[..node.journal.synced];
        let committed: Vec<EntryId> = here.iter().map(|entry| entry.id).collect();
        // What clients were told and this disk has cannot be unsaid.
        let still_here = |truth: &Truth| {
            let told = truth.committed.iter().take(truth.acknowledged);
            told.zip(&committed).take_while(|(told, here)| told == here).count()
        };
        let acknowledged =
            self.truths.iter().filter(of_cluster).map(|(_, truth)| still_here(truth)).max();
        let acknowledged = acknowledged.unwrap_or(0);
        let truth = Truth { began: forced.number, decided: Vec::new(), committed, acknowledged };
        self.truths.push((cluster, truth));
        self.truths.sort_by_key(|(id, truth)| (*id, truth.began));
    }

    /// In every turn: one decision of one register, one principal of one epoch, overrides or not.
    pub fn watch(&mut self, at: usize) {
        let Some(newest) = self.nodes[at].newest().cloned() else { return };
        if newest.forced {
            self.begin_afresh(at, &newest);
        }
        let Some(truth) = self.truth(at) else { return };
        if truth.decided.contains(&newest) {
            return;
        }
        truth.decided.push(newest.clone());
        truth.decided.sort();
        let cluster = self.nodes[at].process.as_ref().and_then(|p| p.role.durable().cluster);
        let mut others = self
            .truths
            .iter()
            .filter(|(id, _)| Some(*id) == cluster)
            .flat_map(|(_, truth)| &truth.decided)
            .filter(|view| **view != newest);
        let shared = |view: &View| {
            view.epoch == newest.epoch && view.principal_process != newest.principal_process
        };
        if others.clone().any(|view| view.number == newest.number) {
            self.violate("two decisions of one register");
        } else if others.any(shared) {
            self.violate("two principals in one epoch");
        }
    }

    /// Everything committed is one history. A follower that does not have what an override chose may still hold
    /// what was committed before it, until it hears more from the new principal than its view.
    pub fn watch_commit(&mut self, at: usize, index: usize) {
        let node = self.nodes[at].clone();
        let in_office = matches!(node.standing(), Some(Standing::Elected | Standing::Principal));
        let Some(truth) = self.truth(at) else { return };
        let is_in = |truth: &Truth| {
            (1..=index).all(|n| truth.committed.get(n - 1).copied() == node.journal.id(n))
        };
        let agrees = |n: usize| node.journal.id(n) == truth.committed.get(n - 1).copied();
        let known = truth.committed.len();
        let is_one = if in_office {
            let is_one = (1..=index.min(known)).all(agrees);
            truth.committed.extend((known + 1..=index).filter_map(|n| node.journal.id(n)));
            is_one
        } else {
            let began = truth.began;
            let earlier = |(_, truth): &(ClusterId, Truth)| truth.began <= began && is_in(truth);
            self.truths.iter().any(earlier)
        };
        if index > node.journal.synced {
            self.violate("committed what is not fsynced here");
        }
        if !is_one {
            self.violate("two histories committed");
        }
    }

    /// V6: who serves in the newest view has everything, and its view's record is where it must be.
    pub fn watch_service(&mut self, at: usize) {
        let node = self.nodes[at].clone();
        let Some(newest) = node.newest().cloned() else { return };
        let Some(truth) = self.truth(at) else { return };
        let is_newest = truth.decided.iter().all(|view| view.number <= newest.number);
        let has_all =
            truth.committed.iter().enumerate().all(|(n, id)| node.journal.id(n + 1) == Some(*id));
        // The same turn may have decided growth already: any view of the epoch will do.
        let of_epoch: Vec<View> =
            truth.decided.iter().filter(|view| view.epoch == newest.epoch).cloned().collect();
        if is_newest && !has_all {
            self.violate("a principal serves without something committed");
        }
        let everywhere = of_epoch.iter().chain([&newest]).any(|view| {
            self.nodes
                .iter()
                .filter(|n| view.replica(n.node).is_some())
                .all(|n| n.journal.has_synced_record(view.number))
        });
        if is_newest && !everywhere {
            self.violate("a principal serves before its view is recorded everywhere");
        }
    }

    /// V2, G4: an answer shows at least what was acknowledged before its question.
    pub fn watch_release(&mut self, at: usize, pending: &Pending) {
        let journal = self.nodes[at].journal.clone();
        let Some(truth) = self.truth(at) else { return };
        let is_committed = truth.committed.len() >= pending.index
            && (1..=pending.index).all(|n| journal.id(n) == Some(truth.committed[n - 1]));
        truth.acknowledged = truth.acknowledged.max(pending.index);
        if pending.is_stale {
            self.violate("a stale read");
        }
        if !is_committed {
            self.violate("an answer before its commit");
        }
    }

    /// A committed entry is never set aside.
    pub fn watch_truncation(&mut self, at: usize, keep: usize) {
        let journal = self.nodes[at].journal.clone();
        let Some(truth) = self.truth(at) else { return };
        let drops = truth.committed.get(keep).is_some_and(|id| journal.id(keep + 1) == Some(*id));
        if drops {
            self.violate("something committed was set aside");
        }
    }

    /// A journal is one chain.
    pub fn watch_chain(&mut self, at: usize) {
        let ordered = self.nodes[at]
            .journal
            .entries
            .iter()
            .enumerate()
            .all(|(n, entry)| entry.id.index == Index(n as u64 + 1));
        if !ordered {
            self.violate("a journal with a hole");
        }
    }

    /// The node's state misses something that a client was told.
    pub fn lacks_acknowledged(&mut self, at: usize) -> bool {
        let journal = self.nodes[at].journal.clone();
        let Some(truth) = self.truth(at) else { return false };
        truth.committed[..truth.acknowledged.min(truth.committed.len())]
            .iter()
            .enumerate()
            .any(|(n, id)| journal.id(n + 1) != Some(*id))
    }
}
