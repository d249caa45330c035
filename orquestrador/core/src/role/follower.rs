//! The standby's and the learner's part: taking entries, acknowledging them, giving the word.

use super::log::EntrySummary;
use super::message::{Append, Message, Sender};
use super::view::{EntryId, View};
use super::{Mutation, Role, Turn};
use crate::ids::{Index, ViewNumber};

impl Role {
    pub(super) fn on_append(&mut self, from: Sender, append: Append, turn: &mut Turn<'_>) {
        let number = append.view.number;
        if self.lacks(Mutation::WordAfterRegister)
            && let Some(durable) = turn.log.id_at(self.journal_durable)
        {
            let nonce = append.nonce;
            turn.send(Message::AppendAck { view: number, durable, nonce, word: true });
        }
        self.hear_of(append.view.clone(), turn);
        let from_principal = self.newest().is_some_and(|newest| {
            newest.number == number && newest.principal_process == from.process
        });
        if !from_principal || from.process == self.me.process {
            return;
        }
        if !is_contiguous(&append) {
            return;
        }
        // What is below the floor is committed and cannot be compared any more: never truncate there.
        let comparable = append.previous.index >= turn.log.floor();
        if !comparable || turn.log.id_at(append.previous.index) != Some(append.previous) {
            let entry = nearest(turn, append.previous.index);
            turn.send(Message::ProbeReply { view: number, entry });
            return;
        }
        self.asked = self.asked.max(append.nonce);
        let matched = append.entries.last().map_or(append.previous.index, |e| e.id.index);
        let stored = self.store_new(&append.entries, number, turn);
        self.heard_commit = self.heard_commit.max(append.commit.min(matched));
        self.advance_commit(turn);
        if !stored {
            self.acknowledge(turn);
        }
    }

    /// Appends what is not here yet; what stands in its place was never acknowledged (V6).
    fn store_new(
        &mut self,
        entries: &[EntrySummary],
        newest: ViewNumber,
        turn: &mut Turn<'_>,
    ) -> bool {
        let by_index = self.lacks(Mutation::TruncateByIndex);
        let is_here = |entry: &&EntrySummary| {
            turn.log.id_at(entry.id.index).is_some_and(|ours| ours == entry.id || by_index)
        };
        let skip = entries.iter().take_while(is_here).count();
        let Some(first) = entries.get(skip) else { return false };
        let before = Index(first.id.index.0.saturating_sub(1));
        let keep = (turn.log.last().index > before).then_some(before);
        if keep.is_some() {
            self.journal_durable = self.journal_durable.min(before);
            // Only an override (V15) can take back what was committed here.
            self.committed = self.committed.min(before);
            self.heard_commit = self.heard_commit.min(before);
        }
        // V11: this process is the first to append the record of the newest view, and has it from
        // that view's principal itself.
        let records =
            |e: &EntrySummary| e.record.as_ref().is_some_and(|view| view.number == newest);
        if entries[skip..].iter().any(records) {
            self.armed = Some(newest);
            // A refusal seen before says nothing of the process that sent the record.
            self.peer.forget_refusal();
        }
        turn.store(keep, skip);
        true
    }

    /// Says what is fsynced here, and gives the word for every question asked so far (V2).
    pub(super) fn acknowledge(&mut self, turn: &mut Turn<'_>) {
        let Some(view) = self.newest() else { return };
        if self.office.is_some() {
            return;
        }
        let hasty = self.lacks(Mutation::AckBeforeFsync);
        let index = if hasty { turn.log.last().index } else { self.journal_durable };
        let Some(durable) = turn.log.id_at(index) else { return };
        let message = Message::AppendAck {
            view: view.number,
            durable,
            nonce: self.asked,
            word: self.may_give_word(view),
        };
        turn.send(message);
    }

    /// V2: the newest view known is the one asked about, and nothing was promised in its register.
    /// V8: a learner gives no word.
    pub(super) fn may_give_word(&self, view: &View) -> bool {
        view.replica(self.me.node).is_some()
            && self.durable.acceptor.promised.is_none()
            && self.proposal.is_none()
    }

    pub(super) fn on_probe(&mut self, view: ViewNumber, index: Index, turn: &mut Turn<'_>) {
        let entry = nearest(turn, index);
        turn.send(Message::ProbeReply { view, entry });
    }

    /// A learner far behind now starts from the principal's snapshot.
    pub(super) fn on_snapshot_installed(
        &mut self,
        from: Sender,
        last: EntryId,
        view: View,
        turn: &mut Turn<'_>,
    ) {
        self.journal_durable = last.index;
        self.committed = last.index;
        self.heard_commit = last.index;
        self.learn(view, turn);
        if self.newest().is_some_and(|v| v.principal_process == from.process) {
            self.acknowledge(turn);
        }
    }
}

/// Each entry follows the one before it.
fn is_contiguous(append: &Append) -> bool {
    let mut at = append.previous.index;
    append.entries.iter().all(|entry| {
        at = at.next();
        entry.id.index == at
    })
}

/// The entry at `index`, or the nearest that is known: the last one, or that of the snapshot.
fn nearest(turn: &Turn<'_>, index: Index) -> EntryId {
    let within = index.max(turn.log.floor()).min(turn.log.last().index);
    turn.log.id_at(within).unwrap_or_else(|| turn.log.last())
}
