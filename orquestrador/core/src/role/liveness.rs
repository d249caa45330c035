//! How the other node looks from here. A guess, for liveness: no rule of safety asks it, but V11 for the
//! refused port.

use super::message::{Hello, Message, Sender};
use super::{Millis, Role};
use crate::ids::{NodeId, ViewNumber};

/// How the other node looks from here.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(super) struct Peer {
    pub link: PeerLink,
    /// Nodes that have answered at the peer's address during this run.
    pub confirmed: Vec<NodeId>,
    /// When it last showed what is expected of it: of a principal any message, of a follower progress.
    heard_at: Millis,
    /// It said that its commits do not come forward.
    stalled: bool,
    /// When the present principal was elected, if that was during this run.
    elected_at: Option<Millis>,
}

impl Peer {
    pub(super) fn forget_refusal(&mut self) {
        if self.link == PeerLink::Refused {
            self.link = PeerLink::Unknown;
        }
    }
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(super) enum PeerLink {
    /// Nothing is known yet, or the stream broke and nothing is known since.
    #[default]
    Unknown,
    Up {
        sender: Sender,
        hello: Hello,
    },
    /// Of another cluster, when it greeted.
    Foreign {
        sender: Sender,
        hello: Hello,
    },
    Refused,
    Unreachable,
}

impl Role {
    /// Takes a message as a sign of life, where it is one. An acknowledgement is judged by its progress.
    pub(super) fn note_life(&mut self, from: Sender, message: &Message) {
        if self.office.is_some() {
            let is_follower =
                self.office.as_ref().is_some_and(|office| office.is_searching(from.process));
            if is_follower {
                self.peer.heard_at = self.clock.now();
            }
            return;
        }
        let is_linked = matches!(
            &self.peer.link,
            PeerLink::Up { sender, .. } if sender.process == from.process
        );
        let is_principal = self.newest().is_some_and(|v| v.principal_process == from.process);
        if is_linked || is_principal {
            self.peer.heard_at = self.clock.now();
        }
        if is_principal && let Message::Heartbeat { uncommitted_ms, .. } = message {
            self.peer.stalled = *uncommitted_ms > self.timing.stall_ms;
        }
    }

    /// A link was opened.
    pub(super) fn note_link(&mut self) {
        if self.office.is_none() {
            self.peer.heard_at = self.clock.now();
        }
    }

    /// The follower did what was expected.
    pub(super) fn note_progress(&mut self) {
        self.peer.heard_at = self.clock.now();
    }

    /// Another view: whoever has a part in it begins afresh.
    pub(super) fn note_view(&mut self, of_another_epoch: bool) {
        self.peer.heard_at = self.clock.now();
        self.peer.stalled = false;
        if of_another_epoch {
            self.peer.elected_at = Some(self.clock.now());
        }
    }

    fn is_silent(&self) -> bool {
        self.clock.now().saturating_sub(self.peer.heard_at) > self.timing.silence_ms
    }

    /// The process that the newest view names is the one we are linked to.
    pub(super) fn principal_is_up(&self) -> bool {
        match (&self.peer.link, self.newest()) {
            (PeerLink::Up { sender, .. }, Some(view)) => sender.process == view.principal_process,
            _ => false,
        }
    }

    /// Nothing speaks against it: neither a refused port, nor another process in its place, nor silence
    /// once its tenure is over, nor commits that stall.
    pub(super) fn principal_may_be_alive(&self) -> bool {
        let Some(view) = self.newest() else { return false };
        let may_have_left = match &self.peer.link {
            PeerLink::Refused | PeerLink::Foreign { .. } => true,
            PeerLink::Up { sender, .. } => sender.process != view.principal_process,
            PeerLink::Unknown | PeerLink::Unreachable => false,
        };
        let in_tenure = self
            .peer
            .elected_at
            .is_some_and(|at| self.clock.now().saturating_sub(at) < self.timing.tenure_ms);
        view.principal_node != self.me.node
            && !may_have_left
            && !self.peer.stalled
            && (in_tenure || !self.is_silent())
    }

    /// V9: the other replica has left its port, or does not keep up.
    pub(super) fn follower_is_gone(&self, other: NodeId) -> bool {
        self.has_lost_its_port(other) || self.is_silent()
    }

    /// Nobody holds the other's port, or another node does (its disk was wiped).
    pub(super) fn has_lost_its_port(&self, other: NodeId) -> bool {
        match &self.peer.link {
            PeerLink::Refused => true,
            PeerLink::Up { sender, .. } | PeerLink::Foreign { sender, .. } => {
                other != sender.node && !self.lacks(super::Mutation::OnlyRefusalProves)
            }
            PeerLink::Unknown | PeerLink::Unreachable => false,
        }
    }

    /// The other replica of this view answers.
    pub(super) fn other_replica_is_up(&self, other: NodeId) -> bool {
        matches!(&self.peer.link, PeerLink::Up { sender, .. } if sender.node == other)
            && !self.is_silent()
            && !self.peer.stalled
    }

    /// V11: the other process is dead, and this one first appended the record of the view, which has no
    /// witness that could have decided without it.
    pub(super) fn may_decide_alone(&self, number: ViewNumber, other: NodeId) -> bool {
        let without_witnesses = self.newest().is_some_and(|view| view.witnesses.is_empty());
        self.me.loopback
            && (without_witnesses || self.lacks(super::Mutation::AloneDespiteWitnesses))
            && (self.armed == Some(number) || self.lacks(super::Mutation::ArmedByAnything))
            && self.has_lost_its_port(other)
            && self.peer.confirmed.contains(&other)
    }
}
