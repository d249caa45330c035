//! Workers as witnesses, and what travels between them and the nodes.
//!
//! They are never loyal here (V10 is about liveness): whatever a proposer asks they may answer.

use orquestrador_core::ids::{ClusterId, ProcessId};
use orquestrador_core::role::{
    Ballot, Candidate, Input, Inquiry, Sender, Testimony, View, Witness, WitnessTiming,
};

use super::{Action, World};

/// A worker's process, which restarts as another incarnation.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Worker {
    pub incarnation: ProcessId,
    /// Since it belongs to a cluster.
    pub witness: Option<Witness>,
}

/// On its way, in either direction.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Errand {
    Inquiry { from: Sender, at: usize, worker: ProcessId, inquiry: Inquiry },
    Testimony { to: ProcessId, at: usize, worker: ProcessId, testimony: Testimony },
}

impl Errand {
    /// The worker that it goes to, or comes from.
    pub fn worker(&self) -> ProcessId {
        let (Self::Inquiry { worker, .. } | Self::Testimony { worker, .. }) = self;
        *worker
    }

    /// The same errand to or from another worker.
    pub fn with(mut self, incarnation: ProcessId) -> Self {
        let (Self::Inquiry { worker, .. } | Self::Testimony { worker, .. }) = &mut self;
        *worker = incarnation;
        self
    }
}

impl Worker {
    pub fn new(nth: usize) -> Self {
        Self { incarnation: ProcessId(10_000 + 100 * nth as u128), witness: None }
    }

    /// It has accepted a successor of this view, or knows of one.
    pub fn has_accepted(&self, view: &View) -> bool {
        let Some(mut witness) = self.witness.clone() else { return false };
        let (node, process) = (view.principal_node, view.principal_process);
        let from = Sender { node, process, cluster: Some(witness.cluster()) };
        let ballot = Ballot { round: u64::MAX, process };
        match witness.answer(0, from, Inquiry::Prepare { view: view.clone(), ballot }) {
            Some(Testimony::Promise { accepted, .. }) => accepted.is_some(),
            Some(Testimony::Newest { .. }) => true,
            Some(Testimony::Accepted { .. } | Testimony::Nack { .. } | Testimony::Loyal { .. })
            | None => false,
        }
    }

    /// It never restarted.
    pub fn is_first(&self) -> bool {
        self.incarnation.0.is_multiple_of(100)
    }
}

impl World {
    pub(super) fn witnesses(&self, actions: &mut Vec<Action>) {
        for (nth, errand) in self.errands.iter().enumerate() {
            if !self.errands[..nth].contains(errand) && self.errand_may_arrive(errand) {
                actions.push(Action::Run(nth));
                if self.budget.losses > 0 && matches!(errand, Errand::Inquiry { .. }) {
                    actions.push(Action::RunInVain(nth));
                }
            }
        }
        for at in 0..2 {
            if self.nodes[at].is_awake() && self.survey_matters(at) {
                actions.push(Action::Survey(at));
            }
        }
        if self.budget.restarts > 0 {
            actions.extend((0..self.workers.len()).map(Action::Replace));
        }
    }

    fn errand_may_arrive(&self, errand: &Errand) -> bool {
        match errand {
            Errand::Inquiry { .. } => true,
            Errand::Testimony { at, .. } => self.nodes[*at].is_awake(),
        }
    }

    pub(super) fn inquire(&mut self, at: usize, inquiry: Inquiry) {
        let Some(process) = &self.nodes[at].process else { return };
        let from = process.role.sender();
        let (Inquiry::Prepare { view, ballot } | Inquiry::Accept { view, ballot, .. }) = &inquiry;
        if !self.ballots.contains(&(view.number, *ballot)) {
            self.ballots.push((view.number, *ballot));
        }
        for worker in view.witnesses.clone() {
            let inquiry = inquiry.clone();
            self.errands.push(Errand::Inquiry { from, at, worker, inquiry });
        }
    }

    pub(super) fn run_errand(&mut self, nth: usize) {
        if nth >= self.errands.len() {
            return;
        }
        match self.errands.remove(nth) {
            Errand::Inquiry { from, at, worker, inquiry } => {
                let Some(testimony) = self.ask(from, worker, inquiry) else { return };
                let to = from.process;
                let errand = Errand::Testimony { to, at, worker, testimony };
                // An answer that waits is as good as a question that does, unless every order counts.
                if self.rules.eager && self.errand_may_arrive(&errand) {
                    self.errands.push(errand);
                    self.run_errand(self.errands.len() - 1);
                } else {
                    self.errands.push(errand);
                }
            }
            Errand::Testimony { to, at, worker, testimony } => {
                let is_here =
                    self.nodes[at].process.as_ref().is_some_and(|p| p.role.sender().process == to);
                if is_here {
                    self.input(at, Input::Testimony { from: worker, testimony });
                }
            }
        }
    }

    pub(super) fn run_in_vain(&mut self, nth: usize) {
        if let Errand::Inquiry { from, worker, inquiry, .. } = self.errands.remove(nth) {
            self.ask(from, worker, inquiry);
        }
    }

    fn ask(&mut self, from: Sender, worker: ProcessId, inquiry: Inquiry) -> Option<Testimony> {
        let mutation = self.rules.mutation;
        let cluster = from.cluster?;
        let worker = self.workers.iter_mut().find(|w| w.incarnation == worker)?;
        let witness =
            worker.witness.get_or_insert_with(|| new_witness(worker.incarnation, cluster));
        if let Some(mutation) = mutation {
            witness.mutate(mutation);
        }
        witness.answer(0, from, inquiry)
    }

    /// All workers live: only a restart makes one unfit.
    fn candidates(&self) -> Vec<Candidate> {
        let candidate = |worker: &Worker| Candidate {
            incarnation: worker.incarnation,
            host: "host".into(),
            beside_orchestrator: false,
            linked_to_all: true,
        };
        self.workers.iter().map(candidate).collect()
    }

    fn survey_matters(&self, at: usize) -> bool {
        let Some(process) = &self.nodes[at].process else { return false };
        process.surveyed != self.workers.iter().map(|w| w.incarnation).collect::<Vec<_>>()
    }

    pub(super) fn survey(&mut self, at: usize) {
        if !self.survey_matters(at) {
            return;
        }
        let candidates = self.candidates();
        if let Some(process) = &mut self.nodes[at].process {
            process.surveyed = candidates.iter().map(|c| c.incarnation).collect();
        }
        self.input(at, Input::Candidates(candidates));
    }

    pub(super) fn replace_worker(&mut self, nth: usize) {
        let gone = self.workers[nth].incarnation;
        self.workers[nth] = Worker { incarnation: ProcessId(gone.0 + 1), witness: None };
        self.errands.retain(|errand| errand.worker() != gone);
    }

    /// The streams of a dead process break.
    pub(super) fn forget_errands_to(&mut self, node: usize) {
        self.errands.retain(|errand| match errand {
            // What it sent may have arrived already.
            Errand::Inquiry { .. } => true,
            Errand::Testimony { at, .. } => *at != node,
        });
    }
}

fn new_witness(incarnation: ProcessId, cluster: ClusterId) -> Witness {
    Witness::new(incarnation, cluster, WitnessTiming::default())
}
