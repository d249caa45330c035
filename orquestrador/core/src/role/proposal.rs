//! The proposer's part of the register R(e): single-decree Paxos (Lamport, "Paxos Made Simple").

use super::acceptor::Verdict;
use super::message::Message;
use super::view::{Ballot, View};
use super::{Millis, Mutation, Role, Turn};
use crate::ids::{NodeId, ViewNumber};

/// A ballot of ours under way.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Proposal {
    pub view: ViewNumber,
    ballot: Ballot,
    phase: Phase,
    /// After this it is worth another, higher ballot.
    pub retry_at: Millis,
    authority: Authority,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
enum Phase {
    /// `best`: the accepted value of the highest ballot among the promises, which must be completed.
    Preparing {
        promised: Vec<NodeId>,
        best: Option<(Ballot, View)>,
        wanted: View,
    },
    Accepting {
        accepted: Vec<NodeId>,
        value: View,
    },
}

/// Whose acceptances decide.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Authority {
    /// V3: all replicas of the view.
    Quorum,
    /// V11 (the other process is dead) or V15 (the operator says so): our own acceptor.
    Alone,
}

impl Role {
    /// Proposes `wanted` as the successor of the newest view. A value found there is completed instead.
    pub(super) fn propose(&mut self, wanted: View, authority: Authority, turn: &mut Turn<'_>) {
        let Some(view) = self.durable.newest.clone() else { return };
        let ballot = self.next_ballot();
        let retry_at = turn.now + self.timing.retry_ms;
        let phase = Phase::Preparing { promised: Vec::new(), best: None, wanted };
        self.proposal = Some(Proposal { view: view.number, ballot, phase, retry_at, authority });
        let number = view.number;
        match self.promise(number, ballot, turn) {
            Verdict::Promised { accepted } => {
                if authority == Authority::Quorum && !view.is_single() {
                    turn.send(Message::Prepare { view, ballot });
                }
                self.on_promise(self.me.node, number, ballot, accepted, turn);
            }
            Verdict::Outbid { .. } | Verdict::Accepted | Verdict::Silent => self.proposal = None,
        }
    }

    /// Higher than any seen, and ours alone because the process id is.
    fn next_ballot(&mut self) -> Ballot {
        let promised = self.durable.acceptor.promised.map_or(0, |b| b.round);
        self.highest_round = self.highest_round.max(promised) + 1;
        Ballot { round: self.highest_round, process: self.me.process }
    }

    pub(super) fn on_promise(
        &mut self,
        from: NodeId,
        view: ViewNumber,
        ballot: Ballot,
        accepted: Option<(Ballot, View)>,
        turn: &mut Turn<'_>,
    ) {
        let Some(proposal) = self.proposal.as_mut().filter(|p| p.is(view, ballot)) else { return };
        let authority = proposal.authority;
        let Phase::Preparing { promised, best, wanted } = &mut proposal.phase else { return };
        if !promised.contains(&from) {
            promised.push(from);
        }
        if let Some((at, value)) = accepted
            && best.as_ref().is_none_or(|(b, _)| at > *b)
        {
            *best = Some((at, value));
        }
        let found = best.as_ref().map(|(_, value)| value.clone());
        let (wanted, promised) = (wanted.clone(), promised.clone());
        let found = found.filter(|_| !self.lacks(Mutation::OverrideFoundValue));
        let value = found.unwrap_or(wanted);
        if !self.decides(authority, &promised) {
            return;
        }
        if let Some(proposal) = &mut self.proposal {
            proposal.phase = Phase::Accepting { accepted: Vec::new(), value: value.clone() };
        }
        match self.accept(view, ballot, value.clone(), turn) {
            Verdict::Accepted => {
                self.ask_to_accept(authority, ballot, value, turn);
                self.on_accepted(self.me.node, view, ballot, turn);
            }
            Verdict::Outbid { .. } | Verdict::Promised { .. } | Verdict::Silent => {
                self.proposal = None
            }
        }
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
            turn.send(Message::Accept { view, ballot, proposed });
        }
    }

    pub(super) fn on_accepted(
        &mut self,
        from: NodeId,
        view: ViewNumber,
        ballot: Ballot,
        turn: &mut Turn<'_>,
    ) {
        let Some(proposal) = self.proposal.as_mut().filter(|p| p.is(view, ballot)) else { return };
        let authority = proposal.authority;
        let Phase::Accepting { accepted, value } = &mut proposal.phase else { return };
        if !accepted.contains(&from) {
            accepted.push(from);
        }
        let (accepted, value) = (accepted.clone(), value.clone());
        if self.decides(authority, &accepted) {
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
            self.not_before = Some(turn.now + self.timing.retry_ms * spread / 4);
        }
    }

    /// V3: all replicas of the newest view; witnesses will add the second kind of quorum here.
    fn decides(&self, authority: Authority, voters: &[NodeId]) -> bool {
        match authority {
            Authority::Alone => voters.contains(&self.me.node),
            Authority::Quorum => self
                .durable
                .newest
                .as_ref()
                .is_some_and(|view| view.replicas.iter().all(|r| voters.contains(&r.node))),
        }
    }
}

impl Proposal {
    fn is(&self, view: ViewNumber, ballot: Ballot) -> bool {
        self.view == view && self.ballot == ballot
    }
}
