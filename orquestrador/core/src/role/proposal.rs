//! The proposer's part of the register R(e): single-decree Paxos (Lamport, "Paxos Made Simple").

use super::message::Message;
use super::view::{Ballot, View, Voter};
use super::witness::{Inquiry, Testimony};
use super::{Millis, Mutation, Notice, Role, Turn};
use crate::ids::{ProcessId, ViewNumber};

/// A ballot of ours under way.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Proposal {
    view: ViewNumber,
    ballot: Ballot,
    phase: Phase,
    /// After this it is worth another, higher ballot.
    retry_at: Millis,
    authority: Authority,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
enum Phase {
    /// `best`: the accepted value of the highest ballot among the promises, which must be completed.
    Preparing {
        promised: Vec<Voter>,
        best: Option<(Ballot, View)>,
        wanted: View,
    },
    Accepting {
        accepted: Vec<Voter>,
        value: View,
    },
}

/// Whose acceptances decide.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Authority {
    /// V3: a quorum of the view's acceptors.
    Quorum,
    /// V11 (the other process is dead): our own acceptor.
    Alone,
}

impl Role {
    /// Proposes `wanted` as the successor of the newest view. A value found there is completed instead.
    pub(super) fn propose(&mut self, wanted: View, authority: Authority, turn: &mut Turn<'_>) {
        let Some(view) = self.durable.newest.clone() else { return };
        let ballot = self.next_ballot();
        let retry_at = turn.now + self.patience(self.timing.retry_ms);
        let number = view.number;
        let phase = Phase::Preparing { promised: Vec::new(), best: None, wanted };
        self.proposal = Some(Proposal { view: number, ballot, phase, retry_at, authority });
        self.proposals = self.proposals.saturating_add(1);
        // Asking says nothing of our own promise, which is on disk before it counts below: both at once.
        if authority == Authority::Quorum && !view.is_single() {
            turn.send(Message::Prepare { view: view.clone(), ballot });
            turn.inquire(Inquiry::Prepare { view, ballot });
        }
        match self.promise(ballot, turn) {
            Ok(accepted) => {
                self.on_promise(Voter::Replica(self.me.node), number, ballot, accepted, turn);
            }
            Err(_) => self.proposal = None,
        }
    }

    /// A successor of this process may still be decided in the register of the newest view, by a ballot under way
    /// or by an acceptance that a later ballot must complete.
    pub fn may_lose_office(&self) -> bool {
        let Some(newest) = self.newest() else { return false };
        let goes_elsewhere = |view: &View| view.principal_process != self.me.process;
        let under_way = self.proposal.as_ref().is_some_and(|proposal| match &proposal.phase {
            Phase::Preparing { best, wanted, .. } => {
                goes_elsewhere(best.as_ref().map_or(wanted, |(_, found)| found))
            }
            Phase::Accepting { value, .. } => goes_elsewhere(value),
        });
        let acceptor = &self.durable.acceptor;
        let accepted = acceptor.accepted.as_ref().filter(|_| acceptor.view == newest.number);
        under_way || accepted.is_some_and(|(_, view)| goes_elsewhere(view))
    }

    /// Higher than any seen, and ours alone because the process id is.
    fn next_ballot(&mut self) -> Ballot {
        if self.lacks(Mutation::BallotReused) {
            self.highest_round += 1;
            return Ballot { round: self.highest_round, process: ProcessId(self.me.node.0) };
        }
        let promised = self.durable.acceptor.promised.map_or(0, |b| b.round);
        self.highest_round = self.highest_round.max(promised) + 1;
        Ballot { round: self.highest_round, process: self.me.process }
    }

    /// How long to wait before the next ballot: longer each time, and not in step with another proposer.
    fn patience(&self, base: Millis) -> Millis {
        let doubled = base.saturating_mul(1 << self.proposals.saturating_sub(1).min(16));
        let most = doubled.min(self.timing.max_retry_ms.max(base));
        let mixed = (self.me.process.0 as u64 ^ u64::from(self.proposals))
            .wrapping_mul(0x9E37_79B9_7F4A_7C15);
        most - most * (mixed >> 60) / 64
    }

    pub(super) fn is_time_to_propose(&self, turn: &Turn<'_>) -> bool {
        self.not_before.is_none_or(|at| at <= turn.now)
            && self.proposal.as_ref().is_none_or(|p| p.retry_at <= turn.now)
    }

    pub(super) fn on_testimony(
        &mut self,
        from: ProcessId,
        testimony: Testimony,
        turn: &mut Turn<'_>,
    ) {
        let voter = Voter::Witness(from);
        match testimony {
            Testimony::Promise { view, ballot, accepted } => {
                self.on_promise(voter, view, ballot, accepted, turn);
            }
            Testimony::Accepted { view, ballot } => self.on_accepted(voter, view, ballot, turn),
            Testimony::Nack { view, highest_round } => self.on_nack(view, highest_round, turn),
            Testimony::Loyal { view } => self.on_loyal(view, turn),
            Testimony::Newest { view } => self.hear_of(view, turn),
        }
    }

    pub(super) fn on_promise(
        &mut self,
        from: Voter,
        view: ViewNumber,
        ballot: Ballot,
        accepted: Option<(Ballot, View)>,
        turn: &mut Turn<'_>,
    ) {
        let overrides = self.lacks(Mutation::OverrideFoundValue);
        let Some(proposal) = self.proposal.as_mut().filter(|p| p.is(view, ballot)) else { return };
        let authority = proposal.authority;
        let Phase::Preparing { promised, best, wanted } = &mut proposal.phase else { return };
        if !promised.contains(&from) {
            promised.push(from);
            promised.sort();
        }
        if let Some((at, value)) = accepted
            && best.as_ref().is_none_or(|(b, _)| at > *b)
        {
            *best = Some((at, value));
        }
        let found = best.as_ref().map(|(_, value)| value.clone()).filter(|_| !overrides);
        let (value, promised) = (found.unwrap_or_else(|| wanted.clone()), promised.clone());
        if !self.decides(authority, &promised) {
            return;
        }
        // Promised to a higher ballot meanwhile: what others would accept nobody might complete.
        if self.durable.acceptor.promised > Some(ballot) {
            self.proposal = None;
            return;
        }
        if let Some(proposal) = &mut self.proposal {
            proposal.phase = Phase::Accepting { accepted: Vec::new(), value: value.clone() };
        }
        self.ask_to_accept(authority, ballot, value.clone(), turn);
        if self.accept(ballot, value, turn).is_err() {
            self.proposal = None;
            return;
        }
        self.on_accepted(Voter::Replica(self.me.node), view, ballot, turn);
    }

    fn ask_to_accept(
        &mut self,
        authority: Authority,
        ballot: Ballot,
        proposed: View,
        turn: &mut Turn<'_>,
    ) {
        let Some(view) = self.durable.newest.clone() else { return };
        if authority == Authority::Quorum && !view.is_single() {
            turn.send(Message::Accept { view: view.clone(), ballot, proposed: proposed.clone() });
            turn.inquire(Inquiry::Accept { view, ballot, proposed });
        }
    }

    pub(super) fn on_accepted(
        &mut self,
        from: Voter,
        view: ViewNumber,
        ballot: Ballot,
        turn: &mut Turn<'_>,
    ) {
        let Some(proposal) = self.proposal.as_mut().filter(|p| p.is(view, ballot)) else { return };
        let authority = proposal.authority;
        let Phase::Accepting { accepted, value } = &mut proposal.phase else { return };
        if !accepted.contains(&from) {
            accepted.push(from);
            accepted.sort();
        }
        let (accepted, value) = (accepted.clone(), value.clone());
        if self.decides(authority, &accepted) {
            let takes_over = value.principal_process == self.me.process && value.is_single();
            if takes_over && self.office.is_none() && self.newest().is_some_and(|v| !v.is_single())
            {
                turn.notice(Notice::TakingOver);
            }
            // On disk before anybody hears of it.
            self.learn(value.clone(), turn);
            turn.send(Message::Newest { view: value });
        }
    }

    pub(super) fn on_nack(&mut self, view: ViewNumber, highest_round: u64, turn: &mut Turn<'_>) {
        self.highest_round = self.highest_round.max(highest_round);
        if self.proposal.as_ref().is_some_and(|p| p.view == view) {
            self.proposal = None;
            // Duelling proposers must not stay in step: the delay differs between processes and rounds.
            let spread =
                (self.me.process.0 as u64 ^ highest_round.wrapping_mul(0x9E37_79B9_7F4A_7C15)) % 4;
            self.not_before = Some(turn.now + self.patience(self.timing.retry_ms) * spread / 4);
        }
    }

    /// V10: the witness may not have noticed yet what we have. Soon asked again, later more seldom.
    fn on_loyal(&mut self, view: ViewNumber, turn: &mut Turn<'_>) {
        let soon = turn.now + self.patience(self.timing.loyal_retry_ms);
        if let Some(proposal) = self.proposal.as_mut().filter(|p| p.view == view) {
            proposal.retry_at = proposal.retry_at.min(soon);
        }
    }

    fn decides(&self, authority: Authority, voters: &[Voter]) -> bool {
        let mine = Voter::Replica(self.me.node);
        let Some(view) = self.newest() else { return false };
        let one_witness = voters.iter().any(|voter| matches!(voter, Voter::Witness(_)));
        match authority {
            Authority::Alone => voters.contains(&mine),
            Authority::Quorum => {
                view.is_quorum(voters) || (one_witness && self.lacks(Mutation::OneWitnessDecides))
            }
        }
    }
}

#[cfg(feature = "mutations")]
impl Proposal {
    pub(super) fn counts_on(&self, witness: ProcessId) -> bool {
        let (Phase::Preparing { promised: voters, .. } | Phase::Accepting { accepted: voters, .. }) =
            &self.phase;
        voters.contains(&Voter::Witness(witness))
    }

    pub(super) fn exchange(&mut self, one: ProcessId, other: ProcessId) {
        let (Phase::Preparing { promised: voters, .. } | Phase::Accepting { accepted: voters, .. }) =
            &mut self.phase;
        for voter in voters.iter_mut() {
            *voter = match *voter {
                Voter::Witness(witness) if witness == one => Voter::Witness(other),
                Voter::Witness(witness) if witness == other => Voter::Witness(one),
                Voter::Witness(_) | Voter::Replica(_) => *voter,
            };
        }
        voters.sort();
    }
}

impl Proposal {
    fn is(&self, view: ViewNumber, ballot: Ballot) -> bool {
        self.view == view && self.ballot == ballot
    }
}
