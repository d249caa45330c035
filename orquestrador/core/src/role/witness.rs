//! A worker as a witness: the third opinion on who is principal (V3, V4, V10).
//!
//! Its state lives in the memory of one incarnation; a restarted worker is another witness. It answers
//! only for a view that lists it, and tells whoever asks about an older one which view is newer.

use super::clock::WakefulClock;
use super::message::Sender;
use super::view::{Acceptor, Ballot, Outbid, View};
use super::{Millis, Mutation};
use crate::ids::{ClusterId, ProcessId, ViewNumber};

/// What a proposer asks of the witnesses of a view.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Inquiry {
    Prepare { view: View, ballot: Ballot },
    Accept { view: View, ballot: Ballot, proposed: View },
}

/// What a witness answers.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Testimony {
    Promise {
        view: ViewNumber,
        ballot: Ballot,
        accepted: Option<(Ballot, View)>,
    },
    Accepted {
        view: ViewNumber,
        ballot: Ballot,
    },
    /// A higher ballot was promised.
    Nack {
        view: ViewNumber,
        highest_round: u64,
    },
    /// V10: the principal is alive to this witness.
    Loyal {
        view: ViewNumber,
    },
    /// A later view is known: the register is over.
    Newest {
        view: View,
    },
}

/// Delays of a witness; none is about safety.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct WitnessTiming {
    /// An echo older than this is no sign of life.
    pub silence_ms: Millis,
    /// A principal that has committed nothing for so long, although something waits, is of no use.
    pub stall_ms: Millis,
    /// The longest time between two ticks that counts in full.
    pub longest_tick_ms: Millis,
}

impl Default for WitnessTiming {
    fn default() -> Self {
        Self { silence_ms: 1_000, stall_ms: 5_000, longest_tick_ms: 250 }
    }
}

/// The last sign of life of one orchestrator process.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Sign {
    process: ProcessId,
    /// When the echoed ping was sent.
    at: Millis,
    /// For how long its oldest entry has waited for its commit.
    uncommitted_ms: Millis,
}

/// The witness in one worker process.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Witness {
    pub(super) me: ProcessId,
    cluster: ClusterId,
    timing: WitnessTiming,
    clock: WakefulClock,
    newest: Option<View>,
    acceptor: Acceptor,
    sign: Option<Sign>,
    #[cfg(feature = "mutations")]
    pub(super) mutation: Option<Mutation>,
}

impl Witness {
    /// Of the cluster that this incarnation has worked for.
    pub fn new(me: ProcessId, cluster: ClusterId, timing: WitnessTiming) -> Self {
        let clock = WakefulClock::new(timing.longest_tick_ms);
        Self {
            me,
            cluster,
            timing,
            clock,
            newest: None,
            acceptor: Acceptor::default(),
            sign: None,
            #[cfg(feature = "mutations")]
            mutation: None,
        }
    }

    /// The number of the next ping, to be echoed by an orchestrator: the witness's own clock.
    pub fn ping(&mut self, now: Millis) -> u64 {
        self.clock.advance(now);
        self.clock.now()
    }

    /// An orchestrator echoed a ping. `uncommitted_ms`: how long its oldest entry has waited to be committed.
    pub fn on_echo(&mut self, from: Sender, ping: u64, uncommitted_ms: Millis) {
        let is_principal =
            self.newest.as_ref().is_some_and(|v| v.principal_process == from.process);
        let is_ours = ping <= self.clock.now();
        if is_principal && is_ours {
            self.sign = Some(Sign { process: from.process, at: ping, uncommitted_ms });
        }
    }

    /// The stream to this process broke: it is not alive to us until it echoes again.
    pub fn on_lost(&mut self, process: ProcessId) {
        if self.sign.as_ref().is_some_and(|sign| sign.process == process) {
            self.sign = None;
        }
    }

    /// A decided view, named by an orchestrator of our cluster. The register of an older one is over.
    pub fn learn(&mut self, from: Sender, view: View) {
        if from.cluster != Some(self.cluster) {
            return;
        }
        if self.newest.as_ref().is_none_or(|newest| newest.number < view.number) {
            self.acceptor = Acceptor::of(view.number);
            self.newest = Some(view);
        }
    }

    /// Answers a proposer. `None`: the question is of another cluster, or for a view without us.
    pub fn answer(&mut self, now: Millis, from: Sender, inquiry: Inquiry) -> Option<Testimony> {
        if from.cluster != Some(self.cluster) {
            return None;
        }
        self.clock.advance(now);
        let (Inquiry::Prepare { view, .. } | Inquiry::Accept { view, .. }) = &inquiry;
        self.learn(from, view.clone());
        let newest = self.newest.as_ref()?;
        let number = view.number;
        if newest.number > number && !self.lacks(Mutation::AnswerClosedRegister) {
            return Some(Testimony::Newest { view: newest.clone() });
        }
        if !view.witnesses.contains(&self.me) {
            return None;
        }
        if from.process != newest.principal_process && self.principal_is_alive() {
            return Some(Testimony::Loyal { view: number });
        }
        let said = match inquiry {
            Inquiry::Prepare { ballot, .. } => self
                .acceptor
                .promise(ballot)
                .map(|accepted| Testimony::Promise { view: number, ballot, accepted }),
            Inquiry::Accept { ballot, proposed, .. } => self
                .acceptor
                .accept(ballot, proposed)
                .map(|()| Testimony::Accepted { view: number, ballot }),
        };
        Some(said.unwrap_or_else(|Outbid(highest_round)| Testimony::Nack {
            view: number,
            highest_round,
        }))
    }

    /// V10: a fresh echo, and commits that go on.
    pub fn principal_is_alive(&self) -> bool {
        let (Some(sign), Some(newest)) = (&self.sign, &self.newest) else { return false };
        sign.process == newest.principal_process
            && self.clock.now().saturating_sub(sign.at) <= self.timing.silence_ms
            && sign.uncommitted_ms <= self.timing.stall_ms
    }

    /// The newest decided view that it knows.
    pub fn newest(&self) -> Option<&View> {
        self.newest.as_ref()
    }

    /// The cluster that it belongs to.
    pub fn cluster(&self) -> ClusterId {
        self.cluster
    }
}
