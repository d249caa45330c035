//! What an observer of both nodes knows, and what must hold.

use orquestrador_core::ids::{ClusterId, Index};
use orquestrador_core::role::{EntryId, View};

use super::World;
use super::node::Pending;

/// Of one cluster.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Truth {
    /// Every view that some node took for decided.
    pub decided: Vec<View>,
    /// What was committed, by whomever.
    pub committed: Vec<EntryId>,
    /// Up to here clients were told something.
    pub acknowledged: usize,
    /// An operator's word may have dropped something: only agreement is watched from then on.
    pub overridden: bool,
}

impl World {
    fn truth(&mut self, at: usize) -> Option<&mut Truth> {
        let cluster: ClusterId = self.nodes[at].process.as_ref()?.role.durable().cluster?;
        let position = self.truths.iter().position(|(id, _)| *id == cluster);
        let position = position.unwrap_or_else(|| {
            self.truths.push((cluster, Truth::default()));
            self.truths.len() - 1
        });
        Some(&mut self.truths[position].1)
    }

    /// After every turn: one decision of one register, one principal of one epoch.
    pub fn watch(&mut self, at: usize) {
        let Some(newest) = self.nodes[at].newest().cloned() else { return };
        let Some(truth) = self.truth(at) else { return };
        if truth.decided.contains(&newest) {
            return;
        }
        truth.overridden |= newest.forced;
        let overridden = truth.overridden;
        let twice = truth.decided.iter().any(|view| view.number == newest.number);
        let shared = truth.decided.iter().any(|view| {
            view.epoch == newest.epoch && view.principal_process != newest.principal_process
        });
        truth.decided.push(newest);
        truth.decided.sort();
        if twice && !overridden {
            self.violate("two decisions of one register");
        }
        if shared && !overridden {
            self.violate("two principals in one epoch");
        }
    }

    /// Everything committed is one history.
    pub fn watch_commit(&mut self, at: usize, index: usize) {
        let journal = self.nodes[at].journal.clone();
        let Some(truth) = self.truth(at) else { return };
        let known = truth.committed.len();
        let agrees = (1..=index.min(known)).all(|n| journal.id(n) == Some(truth.committed[n - 1]));
        for n in known + 1..=index {
            truth.committed.extend(journal.id(n));
        }
        let overridden = truth.overridden;
        if index > journal.synced {
            self.violate("committed what is not fsynced here");
        }
        if !agrees && !overridden {
            self.violate("two histories committed");
        }
        if overridden && let Some(truth) = self.truth(at) {
            // The override chose this history.
            truth.committed = (1..=index).filter_map(|n| journal.id(n)).collect();
            truth.acknowledged = truth.acknowledged.min(index);
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
        let overridden = truth.overridden;
        // The same turn may have decided growth already: any view of the epoch will do.
        let of_epoch: Vec<View> =
            truth.decided.iter().filter(|view| view.epoch == newest.epoch).cloned().collect();
        if is_newest && !has_all && !overridden {
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
        let overridden = truth.overridden;
        if pending.is_stale && !overridden {
            self.violate("a stale read");
        }
        if !is_committed && !overridden {
            self.violate("an answer before its commit");
        }
    }

    /// A committed entry is never set aside.
    pub fn watch_truncation(&mut self, at: usize, keep: usize) {
        let journal = self.nodes[at].journal.clone();
        let Some(truth) = self.truth(at) else { return };
        let drops = truth.committed.get(keep).is_some_and(|id| journal.id(keep + 1) == Some(*id));
        let overridden = truth.overridden;
        if drops && !overridden {
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
