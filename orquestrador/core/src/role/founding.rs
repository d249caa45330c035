//! V12: who founds a cluster, who joins one, and whom this node will not talk to.

use super::message::{Hello, Sender};
use super::view::{EntryId, Replica, View};
use super::{Durable, Effect, Notice, PeerLink, Role, Turn};
use crate::ids::{Epoch, Index, ViewNumber};

impl Role {
    pub(super) fn consider_founding(&mut self, turn: &mut Turn<'_>) {
        if self.durable.cluster.is_none() && self.ought_to_found() {
            self.found(turn);
        }
    }

    pub(super) fn may_found(&self) -> bool {
        self.me.preferred && self.durable.cluster.is_none()
    }

    /// Only `orquestrador` without a history, after asking the other node.
    fn ought_to_found(&self) -> bool {
        self.may_found()
            && match &self.peer.link {
                PeerLink::Unreachable => true,
                // Elsewhere something in front of it may refuse for a moment.
                PeerLink::Refused => self.me.loopback,
                PeerLink::Unknown | PeerLink::Foreign { .. } => false,
                PeerLink::Up { sender, hello } => {
                    sender.cluster.is_none() && (!hello.may_found || self.me.node < sender.node)
                }
            }
    }

    fn found(&mut self, turn: &mut Turn<'_>) {
        let cluster = self.me.fresh_cluster;
        self.durable.cluster = Some(cluster);
        turn.notice(Notice::Founded { cluster });
        self.learn(
            View {
                number: ViewNumber(1),
                epoch: Epoch(1),
                principal_node: self.me.node,
                principal_process: self.me.process,
                replicas: vec![Replica { node: self.me.node, since: ViewNumber(1) }],
                witnesses: Vec::new(),
                forced: false,
            },
            turn,
        );
    }

    /// A node without a history takes the cluster of the one it meets.
    pub(super) fn join(&mut self, peer: Sender, hello: &Hello, turn: &mut Turn<'_>) {
        if self.durable.cluster.is_none()
            && let Some(cluster) = peer.cluster
            && let Some(view) = &hello.newest
        {
            self.durable.cluster = Some(cluster);
            self.learn(view.clone(), turn);
        }
    }

    pub(super) fn on_dialed(&mut self, peer: Sender, hello: Hello, turn: &mut Turn<'_>) {
        if !self.same_cluster(peer, &hello, turn) {
            self.peer.link = PeerLink::Foreign { sender: peer, hello };
            return;
        }
        if !self.peer.confirmed.contains(&peer.node) {
            self.peer.confirmed.push(peer.node);
        }
        self.note_link();
        let another = !matches!(&self.peer.link, PeerLink::Up { sender, .. } if *sender == peer);
        self.peer.link = PeerLink::Up { sender: peer, hello: hello.clone() };
        self.meet(peer, &hello, turn);
        if another {
            self.begin_following(turn);
        }
        // What was said on the link before may be lost with it.
        if self.principal_is_up() {
            self.acknowledge(turn);
        }
    }

    /// One of us two stepped back since the link was opened: it is no stranger any more.
    pub(super) fn recognise(&mut self, from: Sender, turn: &mut Turn<'_>) {
        if from.cluster == self.durable.cluster
            && let PeerLink::Foreign { sender, hello } = &self.peer.link
            && sender.process == from.process
        {
            // The view that it named then is one of the other cluster.
            let hello = Hello { newest: None, ..hello.clone() };
            self.on_dialed(from, hello, turn);
        }
    }

    /// What a greeting tells: a cluster to join, a newer view.
    pub(super) fn meet(&mut self, peer: Sender, hello: &Hello, turn: &mut Turn<'_>) {
        self.join(peer, hello, turn);
        if peer.cluster == self.durable.cluster
            && let Some(view) = hello.newest.clone()
        {
            self.hear_of(view, turn);
        }
    }

    /// V12: nodes of different clusters refuse each other; a founder that has acknowledged nothing
    /// steps back.
    pub(super) fn same_cluster(
        &mut self,
        peer: Sender,
        hello: &Hello,
        turn: &mut Turn<'_>,
    ) -> bool {
        let (Some(ours), Some(theirs)) = (self.durable.cluster, peer.cluster) else {
            return true;
        };
        if ours == theirs {
            return true;
        }
        let we_are_new = is_new(self.sender(), self.newest(), turn.log.last());
        let they_are_new = is_new(peer, hello.newest.as_ref(), hello.last);
        if we_are_new && (!they_are_new || theirs < ours) {
            self.step_down(turn);
            self.durable = Durable::default();
            turn.effects.push(Effect::AbandonHistory);
            turn.effects.push(Effect::Persist(self.durable.clone()));
            self.journal_durable = Index(0);
            self.committed = Index(0);
            self.heard_commit = Index(0);
            self.armed = None;
            return true;
        }
        if !they_are_new {
            turn.notice(Notice::ForeignCluster { node: peer.node });
        }
        false
    }
}

/// V12: has acknowledged nothing and is nobody's acceptor: the very process that founded, with nothing but
/// the record of that. Who is new ceases to be so once and for all: a restart, which may lose entries, is
/// another process. So two nodes never both step back.
fn is_new(node: Sender, newest: Option<&View>, last: EntryId) -> bool {
    let founded = newest
        .is_some_and(|view| view.number == ViewNumber(1) && view.principal_process == node.process);
    founded && last.index <= Index(1)
}
