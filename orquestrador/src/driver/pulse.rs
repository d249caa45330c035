//! Signs of life that others can read while the driver is busy: who this node is, the newest view it knows,
//! and for how long something has waited.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use common::proto;
use orquestrador_core::ids::{Epoch, ViewNumber};
use orquestrador_core::role::{Message, Millis, Sender, View};

use super::leadership::Leadership;
use crate::replication::convert;

/// What the driver left at the end of its last turn. Cheap to clone.
#[derive(Clone, Default)]
pub struct Pulse(Arc<Mutex<Beat>>);

#[derive(Default)]
struct Beat {
    sender: Option<Sender>,
    epoch: Epoch,
    newest: Option<View>,
    /// Since when the oldest effect has waited for its commit.
    waiting_since: Option<Millis>,
    /// Since when the turn under way has taken.
    turn_since: Option<Millis>,
}

impl Pulse {
    /// A poisoned lock guards nothing that a panic could leave half done.
    fn beat(&self) -> MutexGuard<'_, Beat> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn begin_turn(&self, now: Millis) {
        self.beat().turn_since = Some(now);
    }

    pub(super) fn end_turn(&self, role: &Leadership, waiting_since: Option<Millis>) {
        let mut beat = self.beat();
        beat.turn_since = None;
        beat.waiting_since = waiting_since;
        beat.sender = Some(role.sender());
        beat.epoch = role.epoch();
        let known = beat.newest.as_ref().map(|view| view.number);
        if known != role.newest().map(|view| view.number) {
            beat.newest = role.newest().cloned();
        }
    }

    /// How this node signs; `None` before its first turn.
    pub fn sender(&self) -> Option<Sender> {
        self.beat().sender
    }

    /// The newest view, if it is newer than this one.
    pub fn newest_after(&self, known: ViewNumber) -> Option<View> {
        self.beat().newest.clone().filter(|view| view.number > known)
    }

    /// For how long the oldest effect has waited for its commit, or the present turn has taken. A hung
    /// disk shows here, and so does a driver that hangs.
    pub fn uncommitted_ms(&self, now: Millis) -> Millis {
        let beat = self.beat();
        let age = |since: Option<Millis>| since.map_or(0, |since| now.saturating_sub(since));
        age(beat.waiting_since).max(age(beat.turn_since))
    }

    /// For how long the turn under way has taken.
    pub fn turn_ms(&self, now: Millis) -> Millis {
        self.beat().turn_since.map_or(0, |since| now.saturating_sub(since))
    }

    /// A heartbeat for the other orchestrator; `None` before the first turn.
    pub fn heartbeat(&self, now: Millis) -> Option<proto::PeerMessage> {
        let uncommitted_ms = self.uncommitted_ms(now);
        let beat = self.beat();
        let message = Message::Heartbeat { newest: beat.newest.clone(), uncommitted_ms };
        let message = convert::to_wire(message, "")?;
        Some(convert::envelope(beat.sender?, beat.epoch, message))
    }
}
