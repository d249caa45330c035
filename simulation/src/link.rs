//! The link that each node dials, and what travels on it. It does what `replication::dial` and
//! `replication::service` do.

use std::sync::Arc;

use common::proto::peer_message::Message as Peer;
use common::proto::{PeerMessage, SnapshotChunk};
use orquestrador::driver::input::Input;
use orquestrador::driver::store::{Install, Signature};
use orquestrador::journal::codec::{
    entry_id_from_proto, entry_id_to_proto, view_from_proto, view_to_proto,
};
use orquestrador::replication::convert;
use tokio::sync::{mpsc, oneshot};

use crate::clock::{MILLI, Micros};
use crate::disk::{Disk, Snapshot, lock};
use crate::invariants::Violation;
use crate::network::{ConnId, End, Party, Side, Wire};
use crate::plan::Shape;
use crate::store::Link;
use crate::world::{Event, Phase, World};

const LINK_QUEUE: usize = 1_024;
const RETRY: Micros = 50 * MILLI;
const GREETING_TIMEOUT: Micros = 500 * MILLI;
/// Attempts before a node that is not on loopback counts as unreachable.
const UNREACHABLE_AFTER: u32 = 6;
/// Messages that a snapshot is cut into.
const CHUNKS: u64 = 3;

/// How far this node has come with its link.
#[derive(Default)]
pub struct Dialling {
    conn: Option<ConnId>,
    /// Set once the other node has greeted.
    outgoing: Option<mpsc::Receiver<PeerMessage>>,
    failures: u32,
}

impl World {
    pub fn dial(&mut self, place: usize) -> Result<(), Violation> {
        let now = self.now();
        let (me, other) = (Party::Node(place), Party::Node(1 - place));
        if !self.network.is_clear(me, other, now) {
            self.no_link(place, false);
            return Ok(());
        }
        if self.places[1 - place].process.is_none() {
            self.no_link(place, true);
            return Ok(());
        }
        let Some(greeting) = self.greet(place)? else { return Ok(()) };
        let ends = (self.places[place].end(), self.places[1 - place].end());
        let conn = self.network.open(ends.0, ends.1);
        let Some(process) = &mut self.places[place].process else { return Ok(()) };
        process.dialling.conn = Some(conn);
        process.dialling.outgoing = None;
        self.send(conn, Side::Dialler, Wire::Peer(Box::new(greeting)));
        self.schedule.put(now + GREETING_TIMEOUT, Event::DialTimeout(ends.0, conn));
        Ok(())
    }

    fn greet(&mut self, place: usize) -> Result<Option<PeerMessage>, Violation> {
        let (reply, mut answer) = oneshot::channel();
        self.drive(place, vec![Input::Greet { reply }])?;
        Ok(answer.try_recv().ok())
    }

    /// That a refusal proves the process dead is for the role machine to judge (V11).
    fn no_link(&mut self, place: usize, refused: bool) {
        let end = self.places[place].end();
        let Some(process) = &mut self.places[place].process else { return };
        process.dialling.failures += 1;
        let is_far = process.dialling.failures >= UNREACHABLE_AFTER;
        let is_loopback = self.plan.shape == Shape::Loopback;
        if refused && (is_loopback || !is_far) {
            self.put_in(place, Input::PeerRefused);
        } else if is_far && !is_loopback {
            self.put_in(place, Input::PeerUnreachable);
        }
        self.schedule.put(self.now() + RETRY, Event::Dial(end));
    }

    pub fn give_up_dialling(&mut self, place: usize, conn: ConnId) {
        let Some(process) = &mut self.places[place].process else { return };
        let dialling = &mut process.dialling;
        if dialling.conn == Some(conn) && dialling.outgoing.is_none() {
            dialling.conn = None;
            self.hang_up(conn, Side::Dialler);
            self.no_link(place, false);
        }
    }

    /// The stream that this node dialled is broken.
    pub fn link_lost(&mut self, place: usize, conn: ConnId) {
        let end = self.places[place].end();
        let Some(process) = &mut self.places[place].process else { return };
        if process.dialling.conn != Some(conn) {
            return;
        }
        process.dialling.conn = None;
        let had_link = process.dialling.outgoing.take().is_some();
        self.tell(|_| format!("node {place} loses its link"));
        if had_link {
            self.put_in(place, Input::DialLost);
            self.schedule.put(self.now() + MILLI, Event::Dial(end));
        } else {
            self.no_link(place, false);
        }
    }

    /// A message of the other node, on the stream that it dialled or as the answer to our greeting.
    pub fn peer_arrives(
        &mut self,
        receiver: End,
        conn: ConnId,
        side: Side,
        message: PeerMessage,
    ) -> Result<(), Violation> {
        let Party::Node(place) = receiver.party else { return Ok(()) };
        match (side, message.message) {
            (Side::Dialler, Some(Peer::Hello(hello))) => {
                let message = PeerMessage { message: None, ..message };
                let (Ok((peer, _)), Ok((hello, address))) =
                    (convert::sender(&message), convert::read_hello(hello))
                else {
                    return Err(unreadable("a greeting"));
                };
                let Some(process) = &mut self.places[place].process else { return Ok(()) };
                let (link, outgoing) = mpsc::channel(LINK_QUEUE);
                process.dialling.outgoing = Some(outgoing);
                process.dialling.failures = 0;
                self.tell(|_| format!("node {place} has its link"));
                self.put_in(place, Input::Dialed { peer, hello, address, link });
                Ok(())
            }
            (Side::Dialler, _) => Err(unreadable("a message on the way back")),
            (Side::Server, Some(Peer::SnapshotChunk(chunk))) => {
                let message = PeerMessage { message: None, ..message };
                self.chunk_arrives(place, conn, &message, chunk)
            }
            (Side::Server, content) => {
                if matches!(content, Some(Peer::Hello(_)))
                    && let Some(greeting) = self.greet_once(place, conn)?
                {
                    self.send(conn, Side::Server, Wire::Peer(Box::new(greeting)));
                }
                let message = PeerMessage { message: content, ..message };
                let read = convert::read(message).map_err(|_| unreadable("a peer's message"))?;
                if let Some(convert::Incoming { from, epoch, message, entries }) = read {
                    self.put_in(place, Input::Peer { from, epoch, message, entries });
                }
                Ok(())
            }
        }
    }

    /// The first greeting on a stream is answered.
    fn greet_once(&mut self, place: usize, conn: ConnId) -> Result<Option<PeerMessage>, Violation> {
        let Some(process) = &mut self.places[place].process else { return Ok(None) };
        if process.greeted.insert(conn) { self.greet(place) } else { Ok(None) }
    }

    /// What the driver has put on the link goes out; some of it is lost, some comes twice.
    pub fn tell_peer(&mut self, place: usize) {
        let Some(process) = &mut self.places[place].process else { return };
        let (Some(conn), Some(outgoing)) = (process.dialling.conn, &mut process.dialling.outgoing)
        else {
            return;
        };
        let mut messages = Vec::new();
        while let Ok(message) = outgoing.try_recv() {
            messages.push(message);
        }
        let faulty = self.phase == Phase::Faults;
        for message in messages {
            self.tell(|_| format!("node {place} tells: {}", brief(&message)));
            let is_lossy = may_be_lost(&message);
            if faulty && is_lossy && self.chance.one_in_thousand(self.plan.lost) {
                continue;
            }
            if faulty && is_lossy && self.chance.one_in_thousand(self.plan.repeated) {
                self.send(conn, Side::Dialler, Wire::Peer(Box::new(message.clone())));
            }
            self.send(conn, Side::Dialler, Wire::Peer(Box::new(message)));
        }
    }

    // ---- Snapshots. ----

    pub fn save_snapshot(&mut self, place: usize) {
        let Some(process) = &mut self.places[place].process else { return };
        let save = process.requests.lock().ok().and_then(|mut requests| requests.save.take());
        let Some(new) = save else { return };
        let meta = orquestrador::journal::SnapshotMeta {
            id: new.id,
            view_records: new.records,
            cluster: None,
            node: None,
        };
        let snapshot = Snapshot { meta, events: Arc::new(new.history.collect()), damaged: false };
        let saved = lock(&self.places[place].disk).save_snapshot(snapshot);
        self.tell(|_| {
            let ended = if saved.is_ok() { "is saved" } else { "cannot be saved" };
            format!("node {place}: its snapshot at {} {ended}", new.id.index)
        });
        self.put_in(place, Input::SnapshotSaved(saved));
    }

    /// The snapshot itself stays in the world; the messages carry its number.
    pub fn send_snapshot(&mut self, place: usize, link: &Link, signature: &Signature) {
        let Some(snapshot) = lock(&self.places[place].disk).snapshot.clone() else { return };
        let id = snapshot.meta.id;
        let number = self.snapshots.len() as u64;
        self.snapshots.push(snapshot);
        for nth in 0..CHUNKS {
            let chunk = SnapshotChunk {
                view: Some(view_to_proto(&signature.view)),
                last_entry: Some(entry_id_to_proto(&id)),
                offset: nth,
                content: number.to_be_bytes().to_vec().into(),
                last: nth + 1 == CHUNKS,
            };
            let chunk = Peer::SnapshotChunk(chunk);
            let message = convert::envelope(signature.sender, signature.epoch, chunk);
            if link.try_send(message).is_err() {
                return;
            }
        }
        self.tell_peer(place);
    }

    fn chunk_arrives(
        &mut self,
        place: usize,
        conn: ConnId,
        envelope: &PeerMessage,
        chunk: SnapshotChunk,
    ) -> Result<(), Violation> {
        let Some(process) = &mut self.places[place].process else { return Ok(()) };
        let so_far = process.learning.entry(conn).or_default();
        if chunk.offset == 0 {
            *so_far = 0;
        }
        if chunk.offset != *so_far {
            return Err(unreadable("a chunk of a snapshot out of order"));
        }
        *so_far += 1;
        if self.phase == Phase::Faults && self.chance.one_in_thousand(self.plan.damaged) {
            // Whoever receives it finds that, now or when it is whole, and hears no more on this stream.
            self.tell(|_| format!("a snapshot comes to node {place} damaged"));
            self.hang_up(conn, Side::Server);
            let end = self.places[place].end();
            return self.node_loses(end, conn, Side::Server);
        }
        if !chunk.last {
            return Ok(());
        }
        let number = chunk.content.first_chunk().map_or(u64::MAX, |b| u64::from_be_bytes(*b));
        let (Some(snapshot), Ok((from, _)), Some(Ok(view)), Some(Ok(last))) = (
            self.snapshots.get(number as usize).cloned(),
            convert::sender(envelope),
            chunk.view.map(view_from_proto),
            chunk.last_entry.map(entry_id_from_proto),
        ) else {
            return Err(unreadable("a snapshot"));
        };
        self.tell(|_| format!("a snapshot at {} has come to node {place}", last.index));
        let disk = self.places[place].disk.clone();
        let records = snapshot.meta.view_records.clone();
        let run = Box::new(move || Disk::install(&mut lock(&disk), snapshot));
        let snapshot = Install { records, run };
        self.put_in(place, Input::SnapshotReceived { from, view, last, snapshot });
        Ok(())
    }
}

/// Single messages are lost when a link is full. A snapshot waits for room.
fn may_be_lost(message: &PeerMessage) -> bool {
    !matches!(message.message, Some(Peer::SnapshotChunk(_)))
}

/// No fault of a simulated network makes a message unreadable.
fn unreadable(what: &str) -> Violation {
    Violation::new("the wire", format!("{what} cannot be read"))
}

/// A message in a few words.
fn brief(message: &PeerMessage) -> String {
    let Some(content) = &message.message else { return "nothing".into() };
    let last = |entry: &Option<common::proto::EntryId>| entry.as_ref().map_or(0, |id| id.index);
    match content {
        Peer::Append(append) => format!(
            "Append after {}, {} entries, committed {}, nonce {}",
            last(&append.previous),
            append.entries.len(),
            append.commit_index,
            append.nonce
        ),
        Peer::AppendAck(ack) => {
            format!("AppendAck {}, nonce {}, word {}", last(&ack.durable), ack.nonce, ack.word)
        }
        Peer::ProbeReply(reply) => format!("ProbeReply {}", last(&reply.entry)),
        other => format!("{other:?}"),
    }
}
