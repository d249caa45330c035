//! The end of a turn: the entry is closed, the journal's progress is looked at, what is committed is
//! released. And what is done now and then: timers, warnings, snapshots.

use bytes::Bytes;
use common::messages::node::NodeMessage;
use orquestrador_core::election;
use orquestrador_core::ids::{Index, ViewNumber};
use orquestrador_core::role::{self, EntryId, Log as _, Millis, Standing};
use orquestrador_core::{Command, Step};

use super::leadership::Leadership;
use super::release::Held;
use super::store::{NewSnapshot, Store};
use super::{Driver, Error};
use crate::journal::{self, Content, Entry};
use crate::replication::convert;

/// How often the console repeats that something is missing.
const WARN_EVERY: Millis = 5_000;
/// A node that has just started gives the other one so long before it complains.
const WARN_AFTER: Millis = 700;

/// The snapshot under way, and what has been journalled since the last.
#[derive(Default)]
pub struct Snapshots {
    bytes: u64,
    entries: u64,
    /// State that waits until it is committed.
    ready: Option<(EntryId, orquestrador_core::History)>,
    is_saving: bool,
    /// The last one saved, while the other node still needs entries below it.
    saved: Option<EntryId>,
    /// The other node needs one, and there is none for it, or none that is intact.
    wanted: bool,
}

/// When the console says again that something is missing.
#[derive(Default)]
pub struct Warnings {
    next: Option<Millis>,
    /// The last standing that was told.
    pub(super) told_in_sync: bool,
}

impl<S: Store> Driver<S> {
    /// Puts the events of the turn so far into the journal and holds its effects until they are
    /// committed.
    pub(super) fn close_entry(&mut self) -> Result<(), Error> {
        // What does not fit its own state must not become anybody's history.
        if let Some(misfit) = self.applied.machine.misfit() {
            return Err(Error::Misfit(misfit.to_owned()));
        }
        let Step { events, effects } = std::mem::replace(&mut self.step, self.spares.step());
        let has_read = std::mem::take(&mut self.turn_has_read);
        self.turn_bytes = 0;
        if !events.is_empty() {
            self.append_payload(Content::encode_events(&events), None)?;
        }
        self.spares.keep_events(events);
        let nonce = (has_read && self.role.needs_word()).then(|| {
            self.nonce += 1;
            self.nonce
        });
        if !effects.is_empty() || nonce.is_some() {
            let (index, since) = (self.tail.last().index, self.clock.monotonic());
            self.pending.push(Held { index, nonce, effects, since });
        } else {
            self.spares.keep_effects(effects);
        }
        Ok(())
    }

    /// Appends one entry of our own making; the state has it already.
    pub(super) fn append_content(&mut self, content: &Content) -> Result<(), Error> {
        let record = convert::record(content).map(|view| view.number);
        self.append_payload(content.encode(), record)
    }

    fn append_payload(&mut self, payload: Bytes, record: Option<ViewNumber>) -> Result<(), Error> {
        let entry = Entry::following(&self.tail.last(), self.role.epoch(), payload);
        self.applied.index = entry.id.index;
        self.uncommitted.appended(entry.id.index, self.clock.monotonic());
        self.note_entry(&entry, record);
        match &mut self.engaged {
            Some(engaged) => engaged.append(entry),
            None => self.store.append(entry)?,
        }
        Ok(())
    }

    /// The entry that follows the last one.
    pub(super) fn note_entry(&mut self, entry: &Entry, record: Option<ViewNumber>) {
        self.snapshots.bytes += entry.payload.len() as u64;
        self.snapshots.entries += 1;
        self.tail.push(entry.clone(), record);
    }

    pub(super) fn end_turn(&mut self) -> Result<(), Error> {
        self.close_entry()?;
        self.flush()?;
        let durable = self.store.durable()?;
        if durable > self.durable_reported {
            self.durable_reported = durable;
            self.role_input(role::Input::Durable { index: durable })?;
        }
        if !self.step.events.is_empty() || !self.step.effects.is_empty() {
            // The office began.
            self.close_entry()?;
            self.flush()?;
        }
        match self.role.standing() {
            Standing::Principal | Standing::Elected => {
                self.uncommitted.committed(self.role.committed());
            }
            // What it appended is for others to commit.
            Standing::Unfounded | Standing::Learner | Standing::Standby | Standing::Waiting => {
                self.uncommitted.clear();
            }
        }
        self.release()?;
        // A read of this turn that no entry carries needs its own question.
        if self.nonce > self.replicator.asked() {
            self.ask();
        }
        self.save_ready_snapshot();
        self.answer_backups();
        if self.handing_over.is_some() {
            self.answer_hand_over();
        }
        // Last: the journal's thread is at its fsync meanwhile.
        self.save_views();
        Ok(())
    }

    /// What was appended goes to the disk, and to the other node or to etcd, which work at the same time.
    fn flush(&mut self) -> Result<(), Error> {
        self.pump()?;
        if let Some(engaged) = &mut self.engaged {
            engaged.flush(self.nonce);
        }
        Ok(self.store.flush()?)
    }

    /// Since when the oldest entry or effect of this principal has waited for its commit.
    pub(super) fn waiting_since(&self) -> Option<Millis> {
        self.pending.waiting_since().into_iter().chain(self.uncommitted.since()).min()
    }

    /// Every few tens of milliseconds.
    pub(super) fn tick(&mut self) -> Result<(), Error> {
        let lease = self.applied.limits().worker_lease_ms;
        let has_stalled = self.stalls.tick(self.clock.monotonic(), self.clock.wall(), lease);
        // Where heartbeats wait for the end of a handover, nobody is silent.
        if self.serving && !has_stalled && !self.is_giving_office_away() && !self.holds_any() {
            self.applied.machine.tell_changes(self.watch.is_needed());
            let before = self.step.events.len();
            self.applied.machine.handle(self.clock.wall(), Command::ExpireTimers, &mut self.step);
            self.keep_last_words(before);
            self.close_entry()?;
        }
        match &self.role {
            Leadership::Pair(_) => self.tick_pair()?,
            Leadership::Etcd(_) => {
                self.election_input(election::Input::Tick)?;
                self.tell_standby();
            }
        }
        self.lines.tick(self.clock.monotonic());
        self.watch.sweep();
        self.warn();
        self.consider_snapshot();
        Ok(())
    }

    fn tick_pair(&mut self) -> Result<(), Error> {
        self.ask();
        self.greet_again();
        // News of a decision may have been lost with a link.
        let newest = self.role.newest().cloned();
        let now = self.clock.monotonic();
        let uncommitted_ms = self.waiting_since().map_or(0, |since| now.saturating_sub(since));
        self.send_to_peer(role::Message::Heartbeat { newest, uncommitted_ms });
        self.role_input(role::Input::Tick)
    }

    /// The other replica for its word.
    fn ask(&mut self) {
        if let Leadership::Pair(role) = &self.role {
            self.replicator.ask(role, self.nonce);
        }
    }

    /// A node without a cluster hears nobody, and the greeting that names ours may have been lost.
    fn greet_again(&mut self) {
        let waits = self.peer.sender.is_some_and(|peer| peer.cluster.is_none());
        if waits
            && self.role.durable().cluster.is_some()
            && let Leadership::Pair(role) = &self.role
        {
            self.send_to_peer(role::Message::Hello(role.hello(&self.tail)));
        }
    }

    /// Says what is missing, seldom enough to be read.
    fn warn(&mut self) {
        let peer = self.start.peer_address.clone();
        let standing = self.role.standing();
        let in_sync = self.replicator.is_streaming() && self.role.needs_word();
        if self.engaged.is_none() && standing == Standing::Principal && in_sync {
            if !self.warnings.told_in_sync {
                self.warnings.told_in_sync = true;
                self.console.info(&NodeMessage::BackupInSync { address: peer });
            }
            self.warnings.next = None;
            return;
        }
        let now = self.clock.monotonic();
        if *self.warnings.next.get_or_insert(now + WARN_AFTER) > now {
            return;
        }
        self.warnings.next = Some(now + WARN_EVERY);
        if self.engaged.is_some() {
            return self.warn_of_engine();
        }
        match standing {
            // That was said when the two met, and is an error.
            Standing::Principal if self.peer.sender.is_some_and(|peer| self.is_foreign(peer)) => {}
            Standing::Principal | Standing::Elected if self.is_blocked() => {
                self.warnings.told_in_sync = false;
                self.console.warn(&NodeMessage::BackupBlocks { address: peer });
            }
            Standing::Principal | Standing::Elected => {
                self.warnings.told_in_sync = false;
                self.console.warn(&NodeMessage::BackupUnavailable { address: peer });
            }
            Standing::Waiting => self.console.warn(&NodeMessage::WaitingForPeer { peer }),
            Standing::Unfounded => self.console.warn(&NodeMessage::WaitingForPrincipal { peer }),
            Standing::Learner if self.peer.sender.is_none() => {
                self.console.warn(&NodeMessage::WaitingForPrincipal { peer });
            }
            Standing::Learner => self.warn_of_another_backup(),
            Standing::Standby => {}
        }
    }

    /// The other node answers and does not dial back: it looks for its partner elsewhere.
    fn warn_of_another_backup(&self) {
        let now = self.clock.monotonic();
        let is_silent = !self.peer.speaks && now.saturating_sub(self.peer.linked_at) >= WARN_AFTER;
        let expected = &self.peer.expects;
        if is_silent && !expected.is_empty() && *expected != self.start.own_address {
            self.console.warn(&NodeMessage::NotExpected {
                peer: self.start.peer_address.clone(),
                expected: expected.clone(),
                own: self.start.own_address.clone(),
            });
        }
    }

    // ---- Snapshots. ----

    fn consider_snapshot(&mut self) {
        let due = self.snapshots.bytes >= self.tuning.snapshot_bytes
            || self.snapshots.entries >= self.tuning.snapshot_entries
            || self.snapshots.wanted;
        if due
            && self.snapshots.ready.is_none()
            && !self.snapshots.is_saving
            && self.step.events.is_empty()
        {
            self.applied.debug_assert_current(&self.tail);
            let history = self.applied.machine.history();
            self.snapshots.ready = Some((self.tail.last(), history));
            self.snapshots.bytes = 0;
            self.snapshots.entries = 0;
        }
    }

    /// Only what is committed becomes a snapshot: it can no longer be taken back. And only what the journal has, which
    /// with etcd comes later.
    fn save_ready_snapshot(&mut self) {
        let there = self.role.committed().min(self.durable_reported);
        let Some((id, history)) = self.snapshots.ready.take_if(|(id, _)| id.index <= there) else {
            return;
        };
        self.snapshots.is_saving = true;
        let records: Vec<_> =
            self.tail.records().iter().copied().filter(|(_, index)| *index <= id.index).collect();
        if let Err(error) = self.store.save_snapshot(NewSnapshot { id, records, history }) {
            tracing::warn!(%error, "failed to begin a snapshot; trying again later");
            self.snapshots.is_saving = false;
        }
    }

    pub(super) fn snapshot_saved(
        &mut self,
        saved: Result<EntryId, journal::Error>,
    ) -> Result<(), Error> {
        self.snapshots.is_saving = false;
        let id = match saved {
            Ok(id) => id,
            // The history that it stood for was set aside, or replaced by a later one, meanwhile.
            Err(
                error @ (journal::Error::SnapshotBoundary { .. }
                | journal::Error::BrokenChain { .. }),
            ) => {
                tracing::debug!(%error, "a snapshot came too late");
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        if self.tail.id_at(id.index) != Some(id) {
            return Ok(());
        }
        // A follower that is behind still needs what it has not acknowledged, unless that is gone anyway.
        let keep =
            self.role.acknowledged().map_or(id.index, |acknowledged| acknowledged.min(id.index));
        self.snapshots.saved = Some(id);
        if let Some(engaged) = &mut self.engaged {
            engaged.snapshot_saved();
        }
        let was_wanted = std::mem::take(&mut self.snapshots.wanted);
        let is_needed = was_wanted && !self.replicator.is_streaming();
        if keep == id.index || is_needed {
            self.prune_to_saved_snapshot()?;
        }
        Ok(())
    }

    /// Nobody follows from the entries below it any more.
    pub(super) fn prune_to_saved_snapshot(&mut self) -> Result<(), Error> {
        if let Some(id) = self.snapshots.saved.take() {
            self.tail.raise_floor(id);
            self.store.prune_below(id.index)?;
        }
        Ok(())
    }

    /// The other node can follow only from a snapshot that is not there yet.
    pub(super) fn want_snapshot(&mut self) {
        self.snapshots.wanted = true;
    }

    /// After a truncation a snapshot of what is gone must not be written.
    pub(super) fn drop_snapshots_after(&mut self, keep: Index) {
        self.snapshots.ready.take_if(|(id, _)| id.index > keep);
        self.snapshots.saved.take_if(|id| id.index > keep);
    }

    /// The journal is another one: what was counted and encoded was of the former.
    pub(super) fn forget_snapshots(&mut self) {
        let is_saving = self.snapshots.is_saving;
        self.snapshots = Snapshots { is_saving, ..Snapshots::default() };
    }
}
