//! The control streams of workers: what this node asks them as witnesses, and which of them could be.
//! It carries messages and notes who is alive; what they mean is for the role machine.

pub mod service;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use common::endpoint::Endpoint;
use common::proto::ControlMessage;
use common::proto::control_message::Message;
use orquestrador_core::ids::ProcessId;
use orquestrador_core::role::{Candidate, Inquiry, Millis, Sender};
use orquestrador_wire::{control_to_proto, inquiry_to_proto};
use tokio::sync::{mpsc, watch};
use tonic::Status;

use crate::driver::DriverHandle;
use crate::driver::input::Input;
use crate::driver::store::{Clock, SystemClock};

/// A witness that has not pinged for so long is no candidate.
const SILENCE: Millis = 1_000;
/// How often the role machine hears who could be a witness.
const SURVEY: Duration = Duration::from_millis(100);

/// Where messages to one witness go.
pub type Outbox = mpsc::Sender<Result<ControlMessage, Status>>;

/// The open control streams. Cheap to clone.
#[derive(Clone, Default)]
pub struct Witnesses(Arc<Mutex<Streams>>);

#[derive(Default)]
struct Streams {
    opened: u64,
    open: BTreeMap<ProcessId, Stream>,
}

struct Stream {
    number: u64,
    host: Arc<str>,
    outbox: Outbox,
    pinged: Millis,
    linked_to_all: bool,
}

/// Which of the streams of an incarnation: a newer one takes the place of an older.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StreamId {
    pub incarnation: ProcessId,
    number: u64,
}

impl Witnesses {
    /// A poisoned lock guards nothing that a panic could leave half done.
    fn streams(&self) -> MutexGuard<'_, Streams> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A stream was opened by this incarnation, on a machine of this name.
    pub fn open(
        &self,
        incarnation: ProcessId,
        host: &str,
        outbox: Outbox,
        now: Millis,
    ) -> StreamId {
        let mut streams = self.streams();
        streams.opened += 1;
        let number = streams.opened;
        let stream =
            Stream { number, host: host.into(), outbox, pinged: now, linked_to_all: false };
        streams.open.insert(incarnation, stream);
        StreamId { incarnation, number }
    }

    /// It ended, unless a newer one took its place.
    pub fn close(&self, id: StreamId) {
        let mut streams = self.streams();
        if streams.open.get(&id.incarnation).is_some_and(|stream| stream.number == id.number) {
            streams.open.remove(&id.incarnation);
        }
    }

    /// It is alive.
    pub fn pinged(&self, id: StreamId, linked_to_all: bool, now: Millis) {
        if let Some(stream) = self.streams().open.get_mut(&id.incarnation)
            && stream.number == id.number
        {
            stream.pinged = now;
            stream.linked_to_all = linked_to_all;
        }
    }

    /// Those alive now.
    pub fn candidates(&self, now: Millis, orchestrator_hosts: &[&str]) -> Vec<Candidate> {
        self.streams()
            .open
            .iter()
            .filter(|(_, stream)| now.saturating_sub(stream.pinged) <= SILENCE)
            .map(|(incarnation, stream)| Candidate {
                incarnation: *incarnation,
                host: stream.host.clone(),
                beside_orchestrator: orchestrator_hosts.contains(&&*stream.host),
                linked_to_all: stream.linked_to_all,
            })
            .collect()
    }

    /// Those that pinged lately, with their machines.
    pub fn alive(&self, now: Millis) -> BTreeMap<ProcessId, Arc<str>> {
        let streams = self.streams();
        let alive = streams.open.iter().filter(|(_, s)| now.saturating_sub(s.pinged) <= SILENCE);
        alive.map(|(incarnation, stream)| (*incarnation, stream.host.clone())).collect()
    }

    /// Asks every witness of the view in question that has a stream to us. What is lost is asked again.
    pub fn inquire(&self, sender: Sender, inquiry: &Inquiry) {
        let (Inquiry::Prepare { view, .. } | Inquiry::Accept { view, .. }) = inquiry;
        let streams = self.streams();
        for witness in &view.witnesses {
            let Some(stream) = streams.open.get(witness) else { continue };
            let message = control_to_proto(sender, inquiry_to_proto(inquiry));
            if stream.outbox.try_send(Ok(message)).is_err() {
                tracing::debug!(%witness, "a witness does not read what it is asked");
            }
        }
    }

    /// Answers one witness.
    pub fn tell(&self, id: StreamId, sender: Sender, message: Message) {
        let streams = self.streams();
        let Some(stream) = streams.open.get(&id.incarnation) else { return };
        if stream.number == id.number
            && stream.outbox.try_send(Ok(control_to_proto(sender, message))).is_err()
        {
            tracing::debug!(witness = %id.incarnation, "no room for an echo");
        }
    }
}

/// Tells the role machine who could be a witness, whenever that changes. Ends with the driver.
pub async fn survey(
    witnesses: Witnesses,
    driver: DriverHandle,
    clock: SystemClock,
    own_host: String,
    peer: watch::Receiver<Endpoint>,
) {
    let mut told = Vec::new();
    let mut ticks = tokio::time::interval(SURVEY);
    loop {
        ticks.tick().await;
        let peer_host = peer.borrow().host().to_owned();
        let candidates = witnesses.candidates(clock.monotonic(), &[&own_host, &peer_host]);
        if candidates == told {
            continue;
        }
        told.clone_from(&candidates);
        if driver.send(Input::Candidates(candidates)).await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(witnesses: &Witnesses, incarnation: u128, now: Millis) -> StreamId {
        let (outbox, _) = mpsc::channel(1);
        witnesses.open(ProcessId(incarnation), "localhost", outbox, now)
    }

    fn fit(witnesses: &Witnesses, now: Millis) -> Vec<u128> {
        let all = witnesses.candidates(now, &[]);
        all.iter().filter(|c| c.linked_to_all).map(|c| c.incarnation.0).collect()
    }

    #[test]
    fn a_candidate_pings_and_is_linked_to_both() {
        let witnesses = Witnesses::default();
        let (one, two) = (open(&witnesses, 1, 0), open(&witnesses, 2, 0));
        assert_eq!(fit(&witnesses, 0), [0; 0], "nobody said that it is linked");
        witnesses.pinged(one, true, 100);
        witnesses.pinged(two, false, 100);
        assert_eq!(fit(&witnesses, 100), [1]);
        assert_eq!(fit(&witnesses, 100 + SILENCE + 1), [0; 0]);
    }

    #[test]
    fn the_end_of_an_older_stream_does_not_end_the_newer() {
        let witnesses = Witnesses::default();
        let older = open(&witnesses, 1, 0);
        let newer = open(&witnesses, 1, 0);
        witnesses.close(older);
        witnesses.pinged(newer, true, 0);
        assert_eq!(fit(&witnesses, 0), [1]);
        witnesses.close(newer);
        assert_eq!(fit(&witnesses, 0), [0; 0]);
    }
}
