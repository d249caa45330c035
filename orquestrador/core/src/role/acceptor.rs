//! The acceptor's part of the register R(e) (V3, V4), and learning its decisions.

use super::message::Message;
use super::view::{Acceptor, Ballot, View};
use super::{Effect, Notice, Role, Turn};
use crate::ids::ViewNumber;

/// What our own acceptor says.
pub(super) enum Verdict {
    Promised {
        accepted: Option<(Ballot, View)>,
    },
    Accepted,
    Outbid {
        highest_round: u64,
    },
    /// We are no acceptor of that register, or it is over.
    Silent,
}

impl Role {
    pub(super) fn on_prepare(&mut self, view: View, ballot: Ballot, turn: &mut Turn<'_>) {
        let number = view.number;
        if !self.register_is_open(view, turn) {
            return;
        }
        let message = match self.promise(number, ballot, turn) {
            Verdict::Promised { accepted } => Message::Promise { view: number, ballot, accepted },
            Verdict::Outbid { highest_round } => Message::Nack { view: number, highest_round },
            Verdict::Accepted | Verdict::Silent => return,
        };
        turn.send(message);
    }

    pub(super) fn on_accept(
        &mut self,
        view: View,
        ballot: Ballot,
        proposed: View,
        turn: &mut Turn<'_>,
    ) {
        let number = view.number;
        if !self.register_is_open(view, turn) {
            return;
        }
        let message = match self.accept(number, ballot, proposed, turn) {
            Verdict::Accepted => Message::Accepted { view: number, ballot },
            Verdict::Outbid { highest_round } => Message::Nack { view: number, highest_round },
            Verdict::Promised { .. } | Verdict::Silent => return,
        };
        turn.send(message);
    }

    /// V4: answers only for the newest view known, having learnt it if it is newer, and names the
    /// newest to whoever asks about an older one.
    fn register_is_open(&mut self, view: View, turn: &mut Turn<'_>) -> bool {
        let number = view.number;
        self.hear_of(view, turn);
        self.durable.newest.as_ref().is_some_and(|newest| newest.number == number)
    }

    /// Promises to no lower ballot, on disk first.
    pub(super) fn promise(
        &mut self,
        view: ViewNumber,
        ballot: Ballot,
        turn: &mut Turn<'_>,
    ) -> Verdict {
        if !self.is_acceptor(view) {
            return Verdict::Silent;
        }
        self.highest_round = self.highest_round.max(ballot.round);
        let acceptor = &mut self.durable.acceptor;
        if let Some(promised) = acceptor.promised
            && promised > ballot
        {
            return Verdict::Outbid { highest_round: promised.round };
        }
        acceptor.promised = Some(ballot);
        let accepted = acceptor.accepted.clone();
        turn.effects.push(Effect::Persist(self.durable.clone()));
        Verdict::Promised { accepted }
    }

    /// Accepts unless a higher ballot was promised, on disk first.
    pub(super) fn accept(
        &mut self,
        view: ViewNumber,
        ballot: Ballot,
        proposed: View,
        turn: &mut Turn<'_>,
    ) -> Verdict {
        if !self.is_acceptor(view) {
            return Verdict::Silent;
        }
        let acceptor = &mut self.durable.acceptor;
        if let Some(promised) = acceptor.promised
            && promised > ballot
        {
            return Verdict::Outbid { highest_round: promised.round };
        }
        acceptor.promised = Some(ballot);
        acceptor.accepted = Some((ballot, proposed));
        turn.effects.push(Effect::Persist(self.durable.clone()));
        Verdict::Accepted
    }

    fn is_acceptor(&self, view: ViewNumber) -> bool {
        self.durable
            .newest
            .as_ref()
            .is_some_and(|newest| newest.number == view && newest.replica(self.me.node).is_some())
    }

    /// Takes note of a decided view, on disk before anything is done in it; older ones are nothing new.
    /// The register of the older view is dropped in the same write (V4).
    pub(super) fn learn(&mut self, view: View, turn: &mut Turn<'_>) {
        if self.durable.newest.as_ref().is_some_and(|newest| newest.number >= view.number) {
            return;
        }
        // Elected again in a later epoch is another office: in between, another one may have served.
        if view.principal_process != self.me.process || view.epoch != self.epoch() {
            self.step_down(turn);
        }
        self.proposal = None;
        self.not_before = None;
        self.asked = 0;
        self.durable.acceptor = Acceptor { view: view.number, ..Acceptor::default() };
        self.durable.newest = Some(view.clone());
        turn.effects.push(Effect::Persist(self.durable.clone()));
        turn.notice(Notice::ViewChanged { view: view.clone() });
        if view.principal_process == self.me.process {
            self.enter_office(view, turn);
        } else {
            self.begin_following(turn);
        }
    }
}
