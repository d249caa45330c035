//! Which of any number of orchestrators is principal, where etcd keeps the log and the office: the rules E1–E7 of
//! `docs/etcd.md`, as pure code.
//!
//! [`Election`] is told what etcd says, and says what the shell must do, in order. Nothing here counts on a clock: the
//! office ends with its key in etcd, and each write to the log is refused once the key is another one. How long something
//! takes decides only who tries when.

mod message;

pub use message::{Effect, Fence, Holder, Input};

use crate::ids::{Epoch, Index, NodeId, ViewNumber};
use crate::role::{
    Durable, EntryId, Failover, Identity, Millis, Notice, Replica, Sender, Standing, View,
};

/// Delays that are not about safety.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Timing {
    /// Who is not preferred lets another one found the cluster for so long.
    pub courtesy_ms: Millis,
    /// An office that nobody takes is taken by a node that has yet to read much of the log after so long: whoever gave it
    /// away, and has all of it, may want it back before.
    pub patience_ms: Millis,
    /// A campaign that failed is repeated after so long.
    pub retry_ms: Millis,
    /// Who gave the office away does not want it back for so long.
    pub abstinence_ms: Millis,
    /// How many entries a node may be behind that takes the office at once.
    pub slack: u64,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            courtesy_ms: 1_000,
            patience_ms: 4_000,
            retry_ms: 200,
            abstinence_ms: 3_000,
            slack: 64,
        }
    }
}

/// An office that is held.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Office {
    fence: Fence,
    /// The end of the log when it was taken: nobody else adds to it any more.
    tip: EntryId,
    /// Its view, and where the record of it stands; `None` until all up to the tip is in our hands.
    record: Option<(View, Index)>,
    is_serving: bool,
    has_resigned: bool,
}

/// The role of one process.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Election {
    me: Identity,
    timing: Timing,
    durable: Durable,
    /// Who holds the office, as etcd said last: `None` before it has said anything.
    holder: Option<Option<Holder>>,
    /// The revision of etcd at which it said so.
    heard_at: i64,
    /// etcd does not answer.
    is_silent: bool,
    /// Whoever held the office last gave it away.
    was_given_away: bool,
    /// Another node has held it since this process began: only then it can have failed.
    met_another: bool,
    /// Since when nobody holds it.
    vacant_since: Option<Millis>,
    not_before: Millis,
    is_campaigning: bool,
    office: Option<Office>,
    /// The log up to here is in our hands: read from it, or written to it.
    stored: Index,
    /// The log ended here when that was last heard; `None` before.
    tip: Option<Index>,
    /// Records of views up to this one are in what the journal's snapshot stands for.
    recorded: ViewNumber,
    /// All of the log that there was has been read once.
    has_caught_up: bool,
    handing_over: bool,
    /// The operator ends the whole cluster: nobody takes over from whom.
    is_ending: bool,
}

impl Election {
    /// `durable`: what the disk holds; `stored`: what the journal holds of the log; `recorded`: the newest view whose
    /// record is in it, or in what its snapshot stands for.
    pub fn new(
        me: Identity,
        timing: Timing,
        durable: Durable,
        stored: Index,
        recorded: ViewNumber,
    ) -> Self {
        Self {
            me,
            timing,
            durable,
            holder: None,
            heard_at: 0,
            is_silent: false,
            was_given_away: false,
            met_another: false,
            vacant_since: None,
            not_before: 0,
            is_campaigning: false,
            office: None,
            stored,
            tip: None,
            recorded,
            has_caught_up: false,
            handing_over: false,
            is_ending: false,
        }
    }

    /// The only entry: takes one input and appends what must be done. `last`: of the entries that this node knows,
    /// whether they are in the log or not.
    pub fn handle(&mut self, now: Millis, input: Input, last: EntryId, effects: &mut Vec<Effect>) {
        match input {
            Input::Tick => {}
            Input::Cluster(cluster) => {
                self.durable.cluster = Some(cluster);
                effects.push(Effect::Persist(Box::new(self.durable.clone())));
            }
            Input::Heard { revision, holder } => self.hear(now, revision, holder, effects),
            Input::Silent => self.is_silent = true,
            Input::Won { fence, tip } => self.take_office(fence, tip, effects),
            Input::NotWon => {
                self.is_campaigning = false;
                self.not_before = self.not_before.max(now + self.timing.retry_ms);
            }
            Input::Tip(tip) => {
                self.tip = self.tip.max(Some(tip));
                self.note_progress();
            }
            Input::Recorded(view) => self.learn(view, effects),
            Input::Stored(index) => {
                self.stored = self.stored.max(index);
                self.is_silent = false;
                self.note_progress();
            }
            Input::Replaced { index, recorded } => {
                self.stored = index;
                self.recorded = recorded;
                self.note_progress();
            }
            Input::Confirmed { fence, nonce } => {
                self.is_silent = false;
                if self.holds(fence) {
                    effects.push(Effect::Word { nonce });
                }
            }
            Input::Deposed { fence } => {
                if self.holds(fence) {
                    self.leave_office(effects);
                    // Should the key be ours still, nobody could have the office while this process lives.
                    effects.push(Effect::Resign(fence));
                }
            }
            Input::HandOver => self.handing_over = true,
            Input::KeepOffice => self.handing_over = false,
        }
        self.consider_office(now, last, effects);
        self.consider_campaign(now, effects);
    }

    /// E2: the office belongs to whoever the key names; one that is not ours any more ends at once.
    fn hear(
        &mut self,
        now: Millis,
        revision: i64,
        holder: Option<Holder>,
        effects: &mut Vec<Effect>,
    ) {
        self.is_silent = false;
        if revision < self.heard_at {
            return;
        }
        self.heard_at = revision;
        match &holder {
            Some(holder) => {
                self.was_given_away = holder.is_leaving;
                self.met_another |= holder.node != self.me.node;
                self.vacant_since = None;
            }
            None => {
                self.vacant_since.get_or_insert(now);
            }
        }
        let is_ours = |office: &Office| holder.as_ref().is_some_and(|h| h.fence == office.fence);
        let is_lost = self.office.as_ref().is_some_and(|office| !is_ours(office));
        let before = self.holder.replace(holder).flatten();
        let is_news = self.holder().map(|h| h.fence) != before.map(|h| h.fence);
        let ending = self.holder().filter(|h| h.is_ending && h.process != self.me.process);
        let is_told_to_end = ending.is_some();
        if is_told_to_end && !std::mem::replace(&mut self.is_ending, true) {
            effects.push(Effect::End);
        }
        let other = self.holder().filter(|h| is_news && h.node != self.me.node);
        if let Some(other) = other.map(|holder| holder.node) {
            effects.push(Effect::Follow(other));
        }
        if is_lost {
            if self.office.as_ref().is_some_and(|office| office.has_resigned) {
                self.not_before = now + self.timing.abstinence_ms;
            }
            self.leave_office(effects);
        }
    }

    fn holds(&self, fence: Fence) -> bool {
        self.office.as_ref().is_some_and(|office| office.fence == fence)
    }

    fn leave_office(&mut self, effects: &mut Vec<Effect>) {
        let left = self.office.take().map(|office| office.fence);
        self.handing_over = false;
        // It may be ours no more for a reason that only the next news tells.
        if self.holder().is_some_and(|holder| Some(holder.fence) == left) {
            self.holder = None;
        }
        effects.push(Effect::StepDown);
    }

    fn take_office(&mut self, fence: Fence, tip: EntryId, effects: &mut Vec<Effect>) {
        self.is_campaigning = false;
        self.is_silent = false;
        // Older than what is known already: it was lost since, unless that says that it is ours.
        let is_known = self.holder().is_some_and(|holder| holder.fence == fence);
        if (fence.0 < self.heard_at && !is_known) || self.office.is_some() {
            return;
        }
        self.heard_at = self.heard_at.max(fence.0);
        self.handing_over = false;
        self.vacant_since = None;
        self.tip = self.tip.max(Some(tip.index));
        let (node, process) = (self.me.node, self.me.process);
        let (is_leaving, is_ending) = (false, false);
        self.holder = Some(Some(Holder { fence, node, process, is_leaving, is_ending }));
        let had_another = self.newest().is_some_and(|view| view.principal_node != self.me.node);
        if had_another && self.met_another && !self.was_given_away {
            effects.push(Effect::Notice(Notice::TakingOver));
        }
        self.office =
            Some(Office { fence, tip, record: None, is_serving: false, has_resigned: false });
    }

    /// E3: service begins when the record of the view is in the log, after all that was there.
    fn consider_office(&mut self, now: Millis, last: EntryId, effects: &mut Vec<Effect>) {
        let Some(tip) = self.office.as_ref().map(|office| office.tip) else { return };
        let successor = self.successor(tip);
        let Some(office) = &mut self.office else { return };
        match &office.record {
            None if self.stored >= office.tip.index => {
                let (fence, after) = (office.fence, office.tip);
                office.record = Some((successor.clone(), after.index.next()));
                effects.push(Effect::Lead { fence, after });
                effects.push(Effect::AppendRecord(successor));
            }
            Some((view, at)) if !office.is_serving && self.stored >= *at => {
                let view = view.clone();
                office.is_serving = true;
                let epoch = view.epoch;
                self.learn(view, effects);
                effects.push(Effect::Serve { epoch });
            }
            Some(_) if self.handing_over && !office.has_resigned && office.is_serving => {
                // E6: only what is in the log is handed over; nothing is appended meanwhile.
                if self.stored == last.index {
                    office.has_resigned = true;
                    self.not_before = now + self.timing.abstinence_ms;
                    effects.push(Effect::Resign(office.fence));
                }
            }
            None | Some(_) => {}
        }
    }

    /// Both numbers grow, also where the record of the newest view is in a snapshot, which does not have it.
    fn successor(&self, tip: EntryId) -> View {
        let newest = self.newest();
        let number = newest.map_or(self.recorded, |view| view.number.max(self.recorded)).next();
        let epoch = newest.map_or(tip.epoch, |view| view.epoch.max(tip.epoch)).next();
        View {
            number,
            epoch,
            principal_node: self.me.node,
            principal_process: self.me.process,
            replicas: vec![Replica { node: self.me.node, since: number }],
            witnesses: Vec::new(),
            forced: false,
        }
    }

    fn learn(&mut self, view: View, effects: &mut Vec<Effect>) {
        if self.newest().is_some_and(|newest| newest.number >= view.number) {
            return;
        }
        let handed_over = self.was_given_away;
        self.durable.newest = Some(view.clone());
        effects.push(Effect::Persist(Box::new(self.durable.clone())));
        effects.push(Effect::Notice(Notice::ViewChanged { view, handed_over }));
    }

    fn note_progress(&mut self) {
        self.has_caught_up |= self.is_near();
    }

    /// The log is in our hands up to near its end, as far as that was heard: who tries for the office at once (E1).
    pub fn is_near(&self) -> bool {
        self.tip.is_some_and(|tip| tip.0.saturating_sub(self.stored.0) <= self.timing.slack)
    }

    /// E1: whoever has read the log tries for a vacant office; etcd gives it to one.
    fn consider_campaign(&mut self, now: Millis, effects: &mut Vec<Effect>) {
        let (Some(since), Some(_), None, false, false) = (
            self.vacant_since,
            self.durable.cluster,
            &self.office,
            self.is_campaigning,
            self.is_silent || self.is_ending,
        ) else {
            return;
        };
        let is_new = self.newest().is_none() && self.tip == Some(Index(0));
        let patience = match (is_new, self.me.preferred, self.is_near()) {
            (true, false, _) => self.timing.courtesy_ms,
            (_, _, false) => self.timing.patience_ms,
            (_, _, true) => 0,
        };
        if now >= (since + patience).max(self.not_before) {
            self.is_campaigning = true;
            effects.push(Effect::Campaign);
        }
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

    /// The newest view whose record this node has read, or made.
    pub fn newest(&self) -> Option<&View> {
        self.durable.newest.as_ref()
    }

    /// Of the office held, else of the newest view.
    pub fn epoch(&self) -> Epoch {
        let record = self.office.as_ref().and_then(|office| office.record.as_ref());
        record.map(|(view, _)| view).or(self.newest()).map_or(Epoch(0), |view| view.epoch)
    }

    /// E4: what is in the log is committed.
    pub fn committed(&self) -> Index {
        self.stored
    }

    /// How this node signs its messages.
    pub fn sender(&self) -> Sender {
        Sender { node: self.me.node, process: self.me.process, cluster: self.durable.cluster }
    }

    /// Who holds the office, as far as is known.
    pub fn holder(&self) -> Option<&Holder> {
        self.holder.as_ref()?.as_ref()
    }

    /// Which node serves, as far as is known: nobody, while the key is of an earlier process of this node.
    pub fn principal(&self) -> Option<NodeId> {
        let is_past = |h: &Holder| h.node == self.me.node && h.process != self.me.process;
        self.holder().filter(|holder| !is_past(holder)).map(|holder| holder.node)
    }

    /// Nobody but this node adds to the log, as far as it knows: it has read all that was there before.
    pub fn leads(&self) -> bool {
        self.office.as_ref().is_some_and(|office| office.record.is_some())
    }

    /// Of the office that this node holds.
    pub fn fence(&self) -> Option<Fence> {
        self.office.as_ref().map(|office| office.fence)
    }

    /// The office is to be given away: nothing more is appended.
    pub fn is_handing_over(&self) -> bool {
        self.handing_over && self.office.is_some()
    }

    /// The office was given away, and is not taken back any more.
    pub fn has_resigned(&self) -> bool {
        self.office.as_ref().is_some_and(|office| office.has_resigned)
    }

    /// etcd has not answered for a while.
    pub fn is_silent(&self) -> bool {
        self.is_silent
    }

    /// Where the node stands.
    pub fn standing(&self) -> Standing {
        match (&self.office, self.holder()) {
            (Some(office), _) if office.is_serving => Standing::Principal,
            (Some(_), _) => Standing::Elected,
            (None, None) if self.newest().is_none() => Standing::Unfounded,
            (None, _) if !self.has_caught_up => Standing::Learner,
            (None, Some(_)) if !self.is_silent => Standing::Standby,
            (None, _) => Standing::Waiting,
        }
    }

    /// Whether the cluster would go on by itself; `successors`: how many other orchestrators could take the office.
    pub fn failover(&self, successors: usize) -> Failover {
        match self.standing() {
            Standing::Unfounded => Failover::NotFounded,
            _ if self.is_silent || self.holder.is_none() => Failover::EngineSilent,
            Standing::Learner => Failover::CatchingUp,
            _ if successors == 0 => Failover::EngineAlone,
            Standing::Standby | Standing::Waiting | Standing::Elected | Standing::Principal => {
                Failover::ByEngine
            }
        }
    }
}
