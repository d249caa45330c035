//! Which node is principal: the rules V1–V15 of `docs/failover.md`, as pure code.
//!
//! [`Role`] takes messages, link changes and the progress of the journal, and says what the shell must
//! do, in order. It never reads a clock, draws no random number and does no I/O: the same code runs in
//! production and under the model checker.

mod acceptor;
mod clock;
mod consider;
mod effect;
mod explain;
mod follower;
mod founding;
mod input;
mod liveness;
mod log;
mod message;
mod mutation;
mod office;
mod proposal;
mod takeover;
mod view;
mod witness;
mod witnesses;

pub use effect::{Effect, Notice};
pub use explain::{Cause, Failover, critical_hosts};
pub use input::Input;
pub use log::{EntrySummary, Log};
pub use message::{Append, Hello, Message, Sender};
#[cfg(feature = "mutations")]
pub use mutation::Mutation;
pub use view::{Acceptor, Ballot, Durable, EntryHash, EntryId, Replica, View, Voter};
pub use witness::{Inquiry, Testimony, Witness, WitnessTiming};
pub use witnesses::Candidate;

use clock::WakefulClock;
use liveness::{Peer, PeerLink};
#[cfg(not(feature = "mutations"))]
use mutation::Mutation;
use office::Office;
use proposal::Proposal;

use crate::ids::{ClusterId, Epoch, Index, NodeId, ProcessId, ViewNumber};

/// Milliseconds of a monotonic clock.
pub type Millis = u64;

/// Who this node is, for one run of its process.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Identity {
    pub node: NodeId,
    pub process: ProcessId,
    /// Started as `orquestrador`: may found a cluster, and proposes first when nothing else decides.
    pub preferred: bool,
    /// The id of the cluster that this process would found.
    pub fresh_cluster: ClusterId,
    /// Both nodes are reached by loopback addresses only, so that a refused port means a dead process.
    pub loopback: bool,
}

/// Delays that are not about safety.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Timing {
    /// A node that is not preferred lets the other one propose first for so long.
    pub courtesy_ms: Millis,
    /// A proposal without an answer is repeated with a higher ballot after so long.
    pub retry_ms: Millis,
    /// A witness still holds to a principal whose death it may not have noticed: asked again after so long
    /// at first, later more seldom.
    pub loyal_retry_ms: Millis,
    /// The longest of those delays.
    pub max_retry_ms: Millis,
    /// Nothing heard, or no progress made, for so long: the other node is given up.
    pub silence_ms: Millis,
    /// A principal that has committed nothing for so long, although something waits, is given up.
    pub stall_ms: Millis,
    /// A new principal is not given up for its silence before this.
    pub tenure_ms: Millis,
    /// The longest time between two ticks that counts in full; more is our own stall.
    pub longest_tick_ms: Millis,
    /// The witness set is changed when it has been other than wanted for so long.
    pub refresh_ms: Millis,
    /// The same, when a majority of it is gone or it can become larger: time enough for workers to come back
    /// from a broken stream, or to say that they are linked to a new principal.
    pub urgent_refresh_ms: Millis,
    /// How many entries a learner may be behind when it is made a replica.
    pub growth_slack: u64,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            courtesy_ms: 500,
            retry_ms: 250,
            loyal_retry_ms: 20,
            max_retry_ms: 2_000,
            silence_ms: 1_000,
            stall_ms: 5_000,
            tenure_ms: 2_000,
            longest_tick_ms: 250,
            refresh_ms: 2_000,
            urgent_refresh_ms: 500,
            growth_slack: 64,
        }
    }
}

/// Where the node stands.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Standing {
    /// Has no history and has found no principal.
    Unfounded,
    /// Follows a principal without being in its view.
    Learner,
    /// In the view, and the principal is alive to it.
    Standby,
    /// In the view; the other node must be asked and does not answer.
    Waiting,
    /// Principal; its view's record is not committed yet.
    Elected,
    /// Principal, serving.
    Principal,
}

/// The role machine of one process.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Role {
    me: Identity,
    timing: Timing,
    durable: Durable,
    clock: WakefulClock,
    peer: Peer,
    /// Workers that could be witnesses, as the shell sees them, by incarnation.
    candidates: Vec<Candidate>,
    /// Since when the witness set should be another one.
    refresh_wanted_since: Option<Millis>,
    proposal: Option<Proposal>,
    office: Option<Office>,
    /// The view for which V11 lets this process decide alone.
    armed: Option<ViewNumber>,
    /// Our journal is fsynced up to here.
    journal_durable: Index,
    committed: Index,
    /// What the principal said is committed, as far as our journal agrees with its.
    heard_commit: Index,
    /// The highest nonce that the principal of the newest view asked with.
    asked: u64,
    highest_round: u64,
    not_before: Option<Millis>,
    /// Proposals in this register so far: each waits longer than the one before.
    proposals: u32,
    handing_over: bool,
    #[cfg(feature = "mutations")]
    mutation: Option<Mutation>,
}

impl Role {
    /// `durable` and `journal_durable`: what the disk holds; `committed`: up to where the state that
    /// was read is known to be committed.
    pub fn new(
        me: Identity,
        timing: Timing,
        durable: Durable,
        journal_durable: Index,
        committed: Index,
    ) -> Self {
        Self {
            clock: WakefulClock::new(timing.longest_tick_ms),
            me,
            timing,
            durable,
            peer: Peer::default(),
            candidates: Vec::new(),
            refresh_wanted_since: None,
            proposal: None,
            office: None,
            armed: None,
            journal_durable,
            committed,
            heard_commit: committed,
            asked: 0,
            highest_round: 0,
            not_before: None,
            proposals: 0,
            handing_over: false,
            #[cfg(feature = "mutations")]
            mutation: None,
        }
    }

    /// The only entry: takes one input and appends what must be done.
    pub fn handle(&mut self, now: Millis, input: Input, log: &dyn Log, effects: &mut Vec<Effect>) {
        self.clock.advance(now);
        let mut turn = Turn { now, log, effects, changed_journal: false };
        match input {
            Input::Tick => {}
            Input::Dialed { peer, hello } => self.on_dialed(peer, hello, &mut turn),
            Input::DialLost => self.on_link_lost(PeerLink::Unknown, &mut turn),
            Input::PeerRefused => self.on_link_lost(PeerLink::Refused, &mut turn),
            Input::PeerUnreachable => self.on_link_lost(PeerLink::Unreachable, &mut turn),
            Input::Message { from, message } => self.on_message(from, message, &mut turn),
            Input::Testimony { from, testimony } => self.on_testimony(from, testimony, &mut turn),
            Input::Candidates(mut candidates) => {
                candidates.sort_unstable();
                self.candidates = candidates;
            }
            Input::Durable { index } => self.on_durable(index, &mut turn),
            Input::SnapshotInstalled { from, last, view } => {
                self.on_snapshot_installed(from, last, view, &mut turn);
            }
            Input::PeerMoved { loopback } => {
                // What was so at the start may end, but not begin: V11 counts on it for the whole run.
                self.me.loopback &= loopback;
                self.on_link_lost(PeerLink::Unknown, &mut turn);
            }
            Input::Promote => self.promote_by_force(&mut turn),
            Input::HandOver => self.handing_over = true,
            Input::KeepOffice => self.handing_over = false,
        }
        // What a turn adds to the journal is not in `log` yet: its fsync brings the next turn.
        if !turn.changed_journal {
            self.consider(&mut turn);
        }
    }

    fn on_link_lost(&mut self, link: PeerLink, turn: &mut Turn<'_>) {
        self.peer.link = link;
        if let Some(office) = &mut self.office
            && office.lose_follower()
        {
            turn.effects.push(Effect::StopReplication);
        }
    }

    fn on_message(&mut self, from: Sender, message: Message, turn: &mut Turn<'_>) {
        if from.cluster != self.durable.cluster && !matches!(message, Message::Hello(_)) {
            return;
        }
        self.recognise(from, turn);
        self.note_life(from, &message);
        match message {
            Message::Hello(hello) => {
                if self.same_cluster(from, &hello, turn) {
                    self.meet(from, &hello, turn);
                    self.recognise(from, turn);
                }
            }
            Message::Heartbeat { newest, uncommitted_ms: _ } => {
                if let Some(view) = newest {
                    self.hear_of(view, turn);
                }
            }
            Message::Prepare { view, ballot } => self.on_prepare(view, ballot, turn),
            Message::Promise { view, ballot, accepted } => {
                self.on_promise(Voter::Replica(from.node), view, ballot, accepted, turn);
            }
            Message::Accept { view, ballot, proposed } => {
                self.on_accept(view, ballot, proposed, turn)
            }
            Message::Accepted { view, ballot } => {
                self.on_accepted(Voter::Replica(from.node), view, ballot, turn);
            }
            Message::Nack { view, highest_round } => self.on_nack(view, highest_round, turn),
            Message::Newest { view } => {
                self.learn(view, turn);
                if self.principal_is_up() {
                    self.acknowledge(turn);
                }
            }
            Message::Append(append) => self.on_append(from, append, turn),
            Message::AppendAck { view, durable, nonce, word } => {
                self.on_append_ack(from, view, durable, nonce, word, turn);
            }
            Message::Probe { view, index } => self.on_probe(view, index, turn),
            Message::ProbeReply { view: _, entry } => self.on_probe_reply(from, entry, turn),
        }
    }

    /// The sender is behind: tell it. It is ahead: learn from it.
    fn hear_of(&mut self, view: View, turn: &mut Turn<'_>) {
        match &self.durable.newest {
            Some(newest) if newest.number > view.number => {
                turn.effects.push(Effect::Send(Message::Newest { view: newest.clone() }));
            }
            Some(_) | None => self.learn(view, turn),
        }
    }

    fn on_durable(&mut self, index: Index, turn: &mut Turn<'_>) {
        self.journal_durable = self.journal_durable.max(index);
        self.acknowledge(turn);
        self.advance_commit(turn);
    }

    // ---- What the shell may ask. ----

    /// Who this node is.
    pub fn identity(&self) -> &Identity {
        &self.me
    }

    /// What is on disk, or about to be: the effects of the last call must be done first.
    pub fn durable(&self) -> &Durable {
        &self.durable
    }

    /// The newest decided view known.
    pub fn newest(&self) -> Option<&View> {
        self.durable.newest.as_ref()
    }

    /// The fencing number of the newest view.
    pub fn epoch(&self) -> Epoch {
        self.newest().map_or(Epoch(0), |v| v.epoch)
    }

    pub fn committed(&self) -> Index {
        self.committed
    }

    /// The follower has fsynced up to here, and is a replica: what an acknowledgement may call
    /// replicated. `None` while no replica stands by.
    pub fn replicated(&self) -> Option<Index> {
        let office = self.office.as_ref()?;
        let view = self.newest()?;
        (!view.is_single()).then(|| office.acknowledged())
    }

    /// What the linked follower has fsynced of our journal; `None` out of office or without one.
    pub fn acknowledged(&self) -> Option<Index> {
        self.office.as_ref().and_then(Office::follower_acknowledged)
    }

    /// The office is to be given to the other replica: the shell appends nothing more, or it would wait for
    /// ever.
    pub fn is_handing_over(&self) -> bool {
        let is_pair = self.newest().is_some_and(|view| !view.is_single());
        self.handing_over && self.office.is_some() && is_pair
    }

    /// V2: in a view of two, an answer that appends nothing needs the standby's word.
    pub fn needs_word(&self) -> bool {
        self.newest().is_some_and(|v| !v.is_single())
    }

    /// Whether a snapshot that stands for `last` may replace the journal: the principal that this node
    /// follows sent it, and the journal holds nothing that anybody counts on: it is a learner's, or all of it is
    /// older than the snapshot, which holds what is committed. To be asked before it is installed: what was
    /// sent before the follower became a replica may arrive after it has more.
    pub fn may_install_snapshot(&self, from: Sender, last: EntryId, log: &dyn Log) -> bool {
        self.office.is_none()
            && log.id_at(last.index) != Some(last)
            && self.newest().is_some_and(|view| {
                let counts = view.replica(self.me.node).is_some();
                let is_ahead = last.index > log.last().index;
                view.principal_process == from.process && (!counts || is_ahead)
            })
    }

    /// V15: the principal is linked to this node, and nothing speaks against its being alive.
    pub fn hears_principal(&self) -> bool {
        self.principal_is_up() && self.principal_may_be_alive()
    }

    /// Whether an acknowledgement of this node carries its word now (V2).
    pub fn gives_word(&self) -> bool {
        self.newest().is_some_and(|view| self.may_give_word(view))
    }

    /// The first message of a link.
    pub fn hello(&self, log: &dyn Log) -> Hello {
        Hello { newest: self.durable.newest.clone(), last: log.last(), may_found: self.may_found() }
    }

    /// How this node signs its messages.
    pub fn sender(&self) -> Sender {
        Sender { node: self.me.node, process: self.me.process, cluster: self.durable.cluster }
    }

    /// Where the node stands.
    pub fn standing(&self) -> Standing {
        let Some(view) = self.newest() else { return Standing::Unfounded };
        if let Some(office) = &self.office {
            return if office.serving() { Standing::Principal } else { Standing::Elected };
        }
        let follows = self.principal_is_up() && self.principal_may_be_alive();
        match (view.replica(self.me.node), follows) {
            (Some(_), true) => Standing::Standby,
            (Some(_), false) => Standing::Waiting,
            (None, _) => Standing::Learner,
        }
    }
}

/// One call of [`Role::handle`].
struct Turn<'a> {
    now: Millis,
    log: &'a dyn Log,
    effects: &'a mut Vec<Effect>,
    /// An effect of this turn makes the journal another one than `log` shows.
    changed_journal: bool,
}

impl Turn<'_> {
    fn append_record(&mut self, view: View) {
        self.changed_journal = true;
        self.effects.push(Effect::AppendRecord(view));
    }

    fn store(&mut self, keep: Option<Index>, skip: usize) {
        self.changed_journal = true;
        self.effects.push(Effect::Store { keep, skip });
    }

    fn send(&mut self, message: Message) {
        self.effects.push(Effect::Send(message));
    }

    fn inquire(&mut self, inquiry: Inquiry) {
        self.effects.push(Effect::Inquire(inquiry));
    }

    fn notice(&mut self, notice: Notice) {
        self.effects.push(Effect::Notice(notice));
    }
}
