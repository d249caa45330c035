//! The acceptor's part of the register R(e) (V3, V4), and learning its decisions.

use super::message::Message;
use super::view::{Acceptor, Ballot, Outbid, View};
use super::{Effect, Mutation, Notice, Role, Turn};

impl Role {
    pub(super) fn on_prepare(&mut self, view: View, ballot: Ballot, turn: &mut Turn<'_>) {
        let number = view.number;
        if !self.register_is_open(view, turn) {
            return;
        }
        let answer = match self.promise(ballot, turn) {
            Ok(accepted) => Message::Promise { view: number, ballot, accepted },
            Err(Outbid(highest_round)) => Message::Nack { view: number, highest_round },
        };
        turn.send(answer);
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
        let answer = match self.accept(ballot, proposed, turn) {
            Ok(()) => Message::Accepted { view: number, ballot },
            Err(Outbid(highest_round)) => Message::Nack { view: number, highest_round },
        };
        turn.send(answer);
    }

    /// V4: answers only for the newest view known, having learnt it if it is newer, and only if it lists
    /// this node; names the newest to whoever asks about an older one.
    fn register_is_open(&mut self, view: View, turn: &mut Turn<'_>) -> bool {
        let number = view.number;
        self.hear_of(view, turn);
        let me = self.me.node;
        self.newest().is_some_and(|newest| newest.number == number && newest.replica(me).is_some())
    }

    /// Promises to no lower ballot, on disk first.
    pub(super) fn promise(
        &mut self,
        ballot: Ballot,
        turn: &mut Turn<'_>,
    ) -> Result<Option<(Ballot, View)>, Outbid> {
        self.highest_round = self.highest_round.max(ballot.round);
        let accepted = self.durable.acceptor.promise(ballot)?;
        self.persist_acceptor(turn);
        Ok(accepted)
    }

    /// Accepts unless a higher ballot was promised, on disk first.
    pub(super) fn accept(
        &mut self,
        ballot: Ballot,
        proposed: View,
        turn: &mut Turn<'_>,
    ) -> Result<(), Outbid> {
        self.durable.acceptor.accept(ballot, proposed)?;
        self.persist_acceptor(turn);
        Ok(())
    }

    fn persist_acceptor(&self, turn: &mut Turn<'_>) {
        if !self.lacks(Mutation::ForgetfulAcceptor) {
            turn.effects.push(Effect::Persist(self.durable.clone()));
        }
    }

    /// Takes note of a decided view, on disk before anything is done in it; older ones are nothing new.
    /// The register of the older view is dropped in the same write (V4).
    pub(super) fn learn(&mut self, view: View, turn: &mut Turn<'_>) {
        if self.durable.newest.as_ref().is_some_and(|newest| newest.number >= view.number) {
            return;
        }
        let handed_over = self.is_handed_over_in(&view);
        // Elected again in a later epoch is another office: in between, another one may have served.
        if view.principal_process != self.me.process || view.epoch != self.epoch() {
            self.step_down(turn);
            self.handing_over = false;
        }
        // Nobody is left to take the office; a wish that stayed would keep everybody from joining again.
        self.handing_over &= !view.is_single();
        self.note_view(view.epoch != self.epoch());
        self.proposal = None;
        self.proposals = 0;
        self.not_before = None;
        self.refresh_wanted_since = None;
        self.asked = 0;
        self.durable.acceptor = Acceptor::of(view.number);
        self.durable.newest = Some(view.clone());
        turn.effects.push(Effect::Persist(self.durable.clone()));
        turn.notice(Notice::ViewChanged { view: view.clone(), handed_over });
        if view.principal_process == self.me.process {
            self.enter_office(view, turn);
        } else {
            self.begin_following(turn);
        }
    }
}
