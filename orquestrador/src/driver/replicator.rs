//! Streams the journal to the follower: what is new at once, what is older from memory or disk.

use common::proto;
use orquestrador_core::ids::Index;
use orquestrador_core::role::{EntryId, Log as _, Role};
use tokio::sync::mpsc;

use super::store::Store;
use super::tail::Tail;
use crate::journal;
use crate::replication::convert;

/// Payload bytes sent and not yet acknowledged.
const WINDOW_BYTES: u64 = 16 << 20;
/// Payload bytes in one message.
const MESSAGE_BYTES: usize = 1 << 20;

/// The outgoing link.
pub type Link = mpsc::Sender<proto::PeerMessage>;

/// What was sent to the present follower.
#[derive(Default)]
pub struct Replicator {
    link: Option<Link>,
    /// The last entry sent; `None` while not streaming.
    sent: Option<EntryId>,
    /// Sizes of what is not acknowledged yet, oldest first.
    in_flight: std::collections::VecDeque<(Index, u64)>,
    in_flight_bytes: u64,
    /// The highest question that went out.
    asked: u64,
}

impl Replicator {
    pub fn set_link(&mut self, link: Option<Link>) {
        self.link = link;
        self.stop();
    }

    pub fn link(&self) -> Option<&Link> {
        self.link.as_ref()
    }

    pub fn start(&mut self, after: EntryId) {
        self.stop();
        self.sent = Some(after);
    }

    pub fn stop(&mut self) {
        self.sent = None;
        self.in_flight.clear();
        self.in_flight_bytes = 0;
    }

    pub fn acknowledged(&mut self, up_to: Index) {
        while let Some((index, bytes)) = self.in_flight.front()
            && *index <= up_to
        {
            self.in_flight_bytes -= bytes;
            self.in_flight.pop_front();
        }
    }

    /// Sends what is not sent yet, as far as the window allows.
    ///
    /// # Errors
    /// The journal could not be read.
    pub fn pump(
        &mut self,
        role: &Role,
        tail: &Tail,
        store: &impl Store,
        nonce: u64,
    ) -> Result<(), journal::Error> {
        while let Some(sent) = self.sent
            && sent.index < tail.last().index
            && self.in_flight_bytes < WINDOW_BYTES
        {
            let from = sent.index.next();
            let entries = match tail.recent_from(from, MESSAGE_BYTES) {
                Some(entries) => entries,
                None => store.read(from, MESSAGE_BYTES)?,
            };
            let Some(last) = entries.last().map(|e| e.id) else { return Ok(()) };
            let sizes: Vec<_> =
                entries.iter().map(|e| (e.id.index, e.payload.len() as u64)).collect();
            let Some(message) = convert::append(role, sent, entries, nonce) else { return Ok(()) };
            if !self.send(message) {
                return Ok(());
            }
            self.in_flight_bytes += sizes.iter().map(|(_, bytes)| bytes).sum::<u64>();
            self.in_flight.extend(sizes);
            self.sent = Some(last);
            self.asked = self.asked.max(nonce);
        }
        Ok(())
    }

    /// An append without entries: a question for the follower's word, and news of the commit index.
    pub fn ask(&mut self, role: &Role, nonce: u64) {
        if let Some(sent) = self.sent
            && let Some(message) = convert::append(role, sent, Vec::new(), nonce)
            && self.send(message)
        {
            self.asked = self.asked.max(nonce);
        }
    }

    /// The highest question that went out; one that was lost with its link is repeated by the tick.
    pub fn asked(&self) -> u64 {
        self.asked
    }

    /// False when the link is full or gone; what was not sent is sent later, or after a reconnection.
    pub fn send(&self, message: proto::PeerMessage) -> bool {
        self.link.as_ref().is_some_and(|link| link.try_send(message).is_ok())
    }

    pub fn is_streaming(&self) -> bool {
        self.sent.is_some()
    }
}
