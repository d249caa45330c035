//! One state for all that differ only in the names of witnesses, in the order of what is under way between
//! them and the nodes, or in messages that can do nothing any more.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use orquestrador_core::ids::{ProcessId, ViewNumber};
use orquestrador_core::role::{Ballot, Inquiry, Sender, View};

use super::World;
use super::witness::Errand;

const NOBODY: ProcessId = ProcessId(0);

impl World {
    /// The same state, under the first of its names.
    pub fn normalise(&mut self) {
        self.drop_idle_errands();
        self.sort_workers();
        self.errands.sort();
        self.errands.dedup();
        self.ballots.sort();
    }

    /// Every errand may be lost, so the check need not keep those whose arrival shows nothing that the arrival
    /// of others before it does not.
    fn drop_idle_errands(&mut self) {
        let all = std::mem::take(&mut self.errands);
        self.errands = all.iter().filter(|errand| !self.is_idle(errand, &all)).cloned().collect();
    }

    fn is_idle(&self, errand: &Errand, all: &[Errand]) -> bool {
        let role = |at: usize, process: ProcessId| {
            let role = self.nodes[at].process.as_ref().map(|p| &p.role);
            role.filter(|role| role.sender().process == process)
        };
        match errand {
            Errand::Testimony { to, at, .. } => role(*at, *to).is_none(),
            Errand::Inquiry { from, at, worker, inquiry } => match role(*at, from.process) {
                // A promise to the dead, or what binds the witness to nothing new.
                None => !is_accept(inquiry) || !self.binds(*worker, *from, inquiry),
                // Its process asked something later, or knows the decision.
                Some(role) => {
                    let newer = |v: &View| v.number > view_of(inquiry).number;
                    role.newest().is_some_and(newer)
                        || (!is_accept(inquiry) && all.iter().any(|other| other.follows(errand)))
                }
            },
        }
    }

    fn binds(&self, worker: ProcessId, from: Sender, inquiry: &Inquiry) -> bool {
        let Some(worker) = self.workers.iter().find(|w| w.incarnation == worker) else {
            return false;
        };
        let Some(before) = &worker.witness else { return true };
        let mut after = before.clone();
        let _ = after.answer(0, from, inquiry.clone());
        after != *before
    }

    /// Workers that never restarted stand in the same views, so they may take each other's place.
    fn sort_workers(&mut self) {
        let slots: Vec<usize> =
            (0..self.workers.len()).filter(|nth| self.workers[*nth].is_first()).collect();
        // Selection sort: each exchange renames everywhere.
        for (rank, slot) in slots.iter().enumerate() {
            let least = slots[rank..].iter().min_by_key(|other| self.likeness(**other));
            if let Some(least) = least
                && self.likeness(*least) < self.likeness(*slot)
            {
                self.exchange(*slot, *least);
            }
        }
    }

    /// Equal for workers between which nothing tells a difference but the name.
    fn likeness(&self, nth: usize) -> u64 {
        let worker = &self.workers[nth];
        let mut hasher = DefaultHasher::new();
        worker.witness.as_ref().map(|witness| witness.named(NOBODY)).hash(&mut hasher);
        for node in &self.nodes {
            let counts = |p: &super::node::Process| p.role.counts_on(worker.incarnation);
            node.process.as_ref().is_some_and(counts).hash(&mut hasher);
        }
        let mut errands: Vec<Errand> = self
            .errands
            .iter()
            .filter(|errand| errand.worker() == worker.incarnation)
            .map(|errand| errand.clone().with(NOBODY))
            .collect();
        errands.sort();
        errands.hash(&mut hasher);
        hasher.finish()
    }

    fn exchange(&mut self, one: usize, other: usize) {
        let (a, b) = (self.workers[one].incarnation, self.workers[other].incarnation);
        let (at_one, at_other) =
            (self.workers[one].witness.take(), self.workers[other].witness.take());
        self.workers[one].witness = at_other.map(|witness| witness.named(a));
        self.workers[other].witness = at_one.map(|witness| witness.named(b));
        for errand in &mut self.errands {
            let worker = errand.worker();
            if worker == a || worker == b {
                *errand = errand.clone().with(if worker == a { b } else { a });
            }
        }
        for node in &mut self.nodes {
            if let Some(process) = &mut node.process {
                process.role.exchange(a, b);
            }
        }
    }
}

impl Errand {
    /// The same process asked the same worker this after that.
    fn follows(&self, before: &Self) -> bool {
        match (self, before) {
            (
                Self::Inquiry { from, worker, inquiry, .. },
                Self::Inquiry { from: asker, worker: asked, inquiry: earlier, .. },
            ) => from.process == asker.process && worker == asked && when(inquiry) > when(earlier),
            (Self::Testimony { .. }, _) | (_, Self::Testimony { .. }) => false,
        }
    }
}

fn is_accept(inquiry: &Inquiry) -> bool {
    matches!(inquiry, Inquiry::Accept { .. })
}

fn view_of(inquiry: &Inquiry) -> &View {
    let (Inquiry::Prepare { view, .. } | Inquiry::Accept { view, .. }) = inquiry;
    view
}

/// Later questions of one process compare greater.
fn when(inquiry: &Inquiry) -> (ViewNumber, Ballot, bool) {
    let (Inquiry::Prepare { view, ballot } | Inquiry::Accept { view, ballot, .. }) = inquiry;
    (view.number, *ballot, is_accept(inquiry))
}
