//! The driver where etcd keeps the log: what it makes goes there first, and into the journal of this node when it is
//! in the log (E4); what others make comes from there.

use std::collections::VecDeque;

use common::messages::node::NodeMessage;
use common::messages::node_engine::EngineMessage;
use orquestrador_core::election::{self, Effect, Fence};
use orquestrador_core::ids::{Index, NodeId, ViewNumber};
use orquestrador_core::role::{EntryId, Log as _, Standing};

use tokio::sync::OwnedSemaphorePermit;

use super::input::Received;
use super::leadership::Leadership;
use super::state::Applied;
use super::store::{Install, Store};
use super::{Driver, Error};
use crate::journal::{Content, Entry};
use crate::replication::convert;

/// Payload bytes in the log that this principal's disk does not have: beyond it no new work is taken.
const MAX_UNWRITTEN_BYTES: usize = 64 << 20;
/// Of the log that is read: beyond it the reading waits, for less time than [`Liveness`](crate::engine::Liveness) takes
/// for a hanging disk.
const MAX_READ_AHEAD_BYTES: usize = 16 << 20;

/// The log and the office, as the driver uses them. Nothing here waits; an [`Input::Engine`](super::input::Input::Engine)
/// tells what came of it.
pub trait Engine: Send {
    /// Reads the log after this entry, from now on.
    fn follow(&mut self, after: EntryId);

    /// Tells others whether this node has read the log up to near its end.
    fn announce(&mut self, in_sync: bool);

    /// Tries for the office.
    fn campaign(&mut self);

    /// Writes to the log after this entry, from now on, as long as the office is that of `fence`.
    fn lead(&mut self, fence: Fence, after: EntryId);

    /// Writes these to the log, after what was given before.
    fn append(&mut self, entries: Vec<Entry>);

    /// Asks whether the office is still ours.
    fn confirm(&mut self, nonce: u64);

    /// Gives the office back.
    fn resign(&mut self, fence: Fence);

    /// There is a new snapshot on this node's disk.
    fn snapshot_saved(&mut self);

    /// Tells all other orchestrators to end, as the operator wishes.
    fn end_all(&mut self, fence: Fence);

    /// The operator ends the whole cluster: this process is to end.
    fn end(&mut self);

    /// The process ends: nobody shall wait for it.
    fn leave(&mut self);
}

/// What the engine tells the driver.
pub enum News {
    /// For the election.
    Election(election::Input),
    /// What this node wrote is in the log up to here.
    Written(EntryId),
    /// These follow in the log. `room`: what they take of the space for what is under way.
    Read { entries: Vec<Received>, room: OwnedSemaphorePermit },
    /// The log begins with this snapshot.
    Snapshot { last: EntryId, snapshot: Install },
    /// A snapshot is to be taken: it lets the log be cut.
    WantsSnapshot,
    /// The orchestrators that are alive, as etcd knows them; this one too.
    Members(Vec<Member>),
}

/// Of those in a journal and its snapshot.
pub(super) fn newest_record(records: &[(ViewNumber, Index)]) -> ViewNumber {
    records.iter().map(|(view, _)| *view).max().unwrap_or_default()
}

/// An orchestrator.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Member {
    pub node: NodeId,
    /// Where others reach it.
    pub address: String,
    /// It has read the log up to near its end.
    pub in_sync: bool,
}

/// The engine, and what is on its way through it.
pub struct Engaged {
    engine: Box<dyn Engine>,
    /// Made in this turn.
    outgoing: Vec<Entry>,
    /// Given to the engine, and not known to be in the log.
    unconfirmed: VecDeque<Entry>,
    /// The highest question that was asked.
    asked: u64,
    members: Vec<Member>,
    /// As it was announced last.
    in_sync: bool,
    /// The log seemed to end here when the office was won, and we have more.
    doubted: Option<EntryId>,
}

impl Engaged {
    pub fn new(engine: Box<dyn Engine>) -> Self {
        let (outgoing, unconfirmed) = (Vec::new(), VecDeque::new());
        let (asked, members, in_sync, doubted) = (0, Vec::new(), false, None);
        Self { engine, outgoing, unconfirmed, asked, members, in_sync, doubted }
    }

    pub fn append(&mut self, entry: Entry) {
        self.outgoing.push(entry);
    }

    /// What the turn made goes out, and its question.
    pub fn flush(&mut self, nonce: u64) {
        if !self.outgoing.is_empty() {
            self.unconfirmed.extend(self.outgoing.iter().cloned());
            self.engine.append(std::mem::take(&mut self.outgoing));
        }
        if nonce > self.asked {
            self.asked = nonce;
            self.engine.confirm(nonce);
        }
    }

    pub fn members(&self) -> &[Member] {
        &self.members
    }

    pub fn snapshot_saved(&mut self) {
        self.engine.snapshot_saved();
    }
}

impl<S: Store> Driver<S> {
    /// Gives the driver its engine, which begins to read the log where the journal ends.
    #[must_use]
    pub fn with_engine(mut self, engine: impl Engine + 'static) -> Self {
        let mut engaged = Engaged::new(Box::new(engine));
        engaged.engine.follow(self.tail.last());
        self.engaged = Some(engaged);
        self
    }

    /// Orchestrators that etcd knows beside this one.
    pub(super) fn others(&self) -> Vec<&Member> {
        let me = self.role.identity().node;
        let members = self.engaged.as_ref().map(Engaged::members).unwrap_or_default();
        members.iter().filter(|member| member.node != me).collect()
    }

    /// Those of them that could take the office.
    pub(super) fn successors(&self) -> usize {
        self.others().into_iter().filter(|other| other.in_sync).count()
    }

    /// Where a node is, as it says in etcd.
    pub(super) fn member_address(&self, node: NodeId) -> Option<String> {
        let members = self.engaged.as_ref().map(Engaged::members).unwrap_or_default();
        members.iter().find(|member| member.node == node).map(|member| member.address.clone())
    }

    pub(super) fn leave_engine(&mut self) {
        if let Some(engaged) = &mut self.engaged {
            engaged.engine.leave();
        }
    }

    /// The workers have ended, and so shall all other orchestrators.
    pub(super) fn end_others(&mut self) {
        let fence = self.role.election().and_then(election::Election::fence);
        if let (Some(engaged), Some(fence)) = (&mut self.engaged, fence) {
            engaged.engine.end_all(fence);
        }
    }

    pub(super) fn take_news(&mut self, news: News) -> Result<(), Error> {
        match news {
            News::Election(input) => self.election_input(input),
            News::Written(up_to) => self.written(up_to),
            News::Read { entries, room } => {
                self.read_from_log(entries)?;
                drop(room);
                Ok(())
            }
            News::Snapshot { last, snapshot } => self.adopt_log_snapshot(last, snapshot),
            News::WantsSnapshot => {
                self.want_snapshot();
                Ok(())
            }
            News::Members(members) => {
                self.note_members(members);
                Ok(())
            }
        }
    }

    fn note_members(&mut self, members: Vec<Member>) {
        let Some(engaged) = &mut self.engaged else { return };
        if engaged.members != members {
            engaged.members = members;
            let (epoch, members) = (self.role.epoch(), self.members());
            self.sessions.send_all(epoch, &members);
        }
    }

    pub(super) fn election_input(&mut self, input: election::Input) -> Result<(), Error> {
        let Leadership::Etcd(election) = &mut self.role else { return Ok(()) };
        let mut effects = Vec::new();
        election.handle(self.clock.monotonic(), input, self.tail.last(), &mut effects);
        effects.into_iter().try_for_each(|effect| self.election_effect(effect))?;
        self.announce();
        Ok(())
    }

    fn announce(&mut self) {
        let in_sync = self.role.election().is_some_and(election::Election::is_near);
        if let Some(engaged) = &mut self.engaged
            && std::mem::replace(&mut engaged.in_sync, in_sync) != in_sync
        {
            engaged.engine.announce(in_sync);
        }
    }

    fn election_effect(&mut self, effect: Effect) -> Result<(), Error> {
        let Some(engaged) = &mut self.engaged else { return Ok(()) };
        match effect {
            Effect::Persist(durable) => self.store.save_role(&durable)?,
            Effect::Campaign => engaged.engine.campaign(),
            Effect::Lead { fence, after } => {
                if after != self.tail.last() {
                    return self.doubt(fence, after);
                }
                engaged.engine.lead(fence, after);
            }
            Effect::Resign(fence) => engaged.engine.resign(fence),
            Effect::End => {
                self.ending = true;
                engaged.engine.end();
            }
            Effect::AppendRecord(view) => self.append_content(&Content::View(view))?,
            Effect::Follow(node) => self.tell_principal(node),
            Effect::Word { nonce } => self.word = self.word.max(nonce),
            Effect::Serve { epoch } => self.begin_service(epoch),
            Effect::StepDown => self.leave_office()?,
            Effect::Notice(notice) => self.role_notice(notice),
        }
        Ok(())
    }

    fn tell_principal(&mut self, node: NodeId) {
        let principal = self.member_address(node).unwrap_or_else(|| node.to_string());
        match std::mem::take(&mut self.has_led) {
            Some(epoch) => self.console.warn(&NodeMessage::SteppedDown { epoch, principal }),
            None => self.console.info(&EngineMessage::Following { principal }),
        }
    }

    /// This node can take over, in this epoch.
    pub(super) fn tell_standby(&mut self) {
        let epoch = self.role.epoch();
        if self.role.standing() == Standing::Standby && self.told_standby != Some(epoch) {
            self.told_standby = Some(epoch);
            self.console.info(&NodeMessage::StandbyInSync { epoch: epoch.0 });
        }
    }

    /// Says what is missing, seldom enough to be read: a principal alone, an etcd without a cluster.
    pub(super) fn warn_of_engine(&mut self) {
        let others = self.others().into_iter().filter(|other| other.in_sync);
        let others: Vec<String> = others.map(|other| other.address.clone()).collect();
        if self.role.standing() != Standing::Principal {
            return;
        }
        if others.is_empty() {
            self.warnings.told_in_sync = false;
            self.console.warn(&EngineMessage::Alone);
        } else if !std::mem::replace(&mut self.warnings.told_in_sync, true) {
            let addresses = others.join(", ");
            self.console.info(&EngineMessage::StandbyKnown { addresses });
        }
    }

    /// What this node made and nobody acknowledged is taken back: whoever has the office now does not know of it, unless
    /// it comes from the log.
    fn leave_office(&mut self) -> Result<(), Error> {
        if self.serving {
            self.has_led = Some(self.role.epoch().0);
        }
        self.end_service()?;
        if let Some(engaged) = &mut self.engaged {
            engaged.outgoing.clear();
            engaged.unconfirmed.clear();
        }
        self.uncommitted.clear();
        self.truncate(self.role.committed())?;
        let last = self.tail.last();
        if let Some(engaged) = &mut self.engaged {
            engaged.engine.follow(last);
        }
        Ok(())
    }

    /// E4: in the log, so it is committed; and now it goes into the journal.
    fn written(&mut self, up_to: EntryId) -> Result<(), Error> {
        // Of an office that is over: it comes from the log.
        if self.tail.id_at(up_to.index) != Some(up_to) {
            return Ok(());
        }
        let Some(engaged) = &mut self.engaged else { return Ok(()) };
        while let Some(entry) = engaged.unconfirmed.pop_front_if(|e| e.id.index <= up_to.index) {
            self.store.append(entry)?;
        }
        self.election_input(election::Input::Stored(up_to.index))
    }

    /// Nobody waits for the journal of this node, so it may be far behind the log: no new work is taken then.
    pub(super) fn lags_behind_log(&self) -> bool {
        self.engaged.is_some() && self.store.unwritten_bytes() > MAX_UNWRITTEN_BYTES
    }

    /// Who leads has read all that was there before: what comes from the log is its own, or the office is over.
    fn read_from_log(&mut self, entries: Vec<Received>) -> Result<(), Error> {
        // The log comes as fast as etcd gives it.
        if self.store.unwritten_bytes() > MAX_READ_AHEAD_BYTES {
            self.store.settle()?;
        }
        for Received { entry, mut content } in entries {
            let (id, is_known) = (entry.id, entry.id.index <= self.tail.last().index);
            if is_known && self.tail.id_at(id.index).is_none_or(|known| known == id) {
                continue;
            }
            if is_known && id.index <= self.role.committed() {
                return Err(self.parted(id.index));
            }
            if is_known || self.leads() {
                self.election_input(self.deposition())?;
            }
            if !entry.follows(&self.tail.last()) {
                return Err(self.parted(id.index));
            }
            let record = convert::record(&content).cloned();
            self.applied.apply_entry(&self.store, id.index, &mut content);
            self.note_entry(&entry, record.as_ref().map(|view| view.number));
            self.store.append(entry)?;
            if let Some(view) = record {
                self.election_input(election::Input::Recorded(view))?;
            }
            self.note_records();
            self.election_input(election::Input::Stored(id.index))?;
        }
        Ok(())
    }

    fn leads(&self) -> bool {
        self.role.election().is_some_and(election::Election::leads)
    }

    /// Somebody else writes to the log.
    fn deposition(&self) -> election::Input {
        let fence = self.role.election().and_then(election::Election::fence);
        fence.map_or(election::Input::Tick, |fence| election::Input::Deposed { fence })
    }

    /// The office is ours, and we have more than the log: either it was lost since, and others have written, or the log
    /// is not what it was. If nobody has written when it is won the next time, it is the latter.
    fn doubt(&mut self, fence: Fence, tip: EntryId) -> Result<(), Error> {
        let Some(engaged) = &mut self.engaged else { return Ok(()) };
        let is_seen_again = engaged.doubted.replace(tip) == Some(tip);
        if is_seen_again || self.tail.id_at(tip.index).is_some_and(|known| known != tip) {
            return Err(self.parted(tip.index));
        }
        self.election_input(election::Input::Deposed { fence })
    }

    /// The log is another one than it was: nothing can be promised any more.
    fn parted(&self, at: Index) -> Error {
        Error::Misfit(format!(
            "the log in etcd parts from the journal of this node at entry {at}; is this data directory of another \
             cluster, or was etcd restored from an earlier backup?"
        ))
    }

    /// What is on the disk is older than the log's beginning.
    fn adopt_log_snapshot(&mut self, last: EntryId, snapshot: Install) -> Result<(), Error> {
        if self.leads() || last.index <= self.tail.last().index {
            return Ok(());
        }
        let meta = self.store.install(snapshot)?;
        let limits = self.applied.limits().clone();
        let users = self.users.clone();
        let (records, recent) = (meta.view_records, self.tuning.recent_bytes);
        let recorded = newest_record(&records);
        let (applied, tail) = Applied::recover(&self.store, limits, users, records, recent)?;
        (self.applied, self.tail) = (applied, tail);
        self.note_records();
        self.forget_snapshots();
        self.durable_reported = last.index;
        self.console.info(&EngineMessage::SnapshotAdopted { entries: last.index.0 });
        self.election_input(election::Input::Replaced { index: last.index, recorded })
    }
}
