//! Workers as witnesses: the control streams, and both ends of them. It does what `worker::witness` and
//! `orquestrador::witness` do, around the real [`Witness`] and the real [`Witnesses`](
//! orquestrador::witness::Witnesses).

use common::proto::control_message::Message as ToWitness;
use common::proto::witness_message::Message;
use common::proto::{ControlMessage, WitnessEcho, WitnessHello, WitnessMessage, WitnessPing};
use orquestrador::driver::input::Input;
use orquestrador::driver::store::Clock as _;
use orquestrador::witness::StreamId;
use orquestrador_core::ids::{ClusterId, ProcessId, ViewNumber};
use orquestrador_core::role::{Millis, Witness, WitnessTiming};
use orquestrador_wire::{
    inquiry_from_proto, sender_from_proto, testimony_from_proto, testimony_to_proto,
    view_from_proto, view_to_proto,
};
use tokio::sync::mpsc;
use tonic::Status;
use uuid::Uuid;

use crate::clock::{MILLI, Micros};
use crate::invariants::Violation;
use crate::mutation::Mutation;
use crate::network::{ConnId, Side, Wire};
use crate::plan::Shape;
use crate::worker::WorkerEvent;
use crate::world::{Event, World};

const PING: Micros = 100 * MILLI;
const SURVEY: Micros = 100 * MILLI;
const RETRY: Micros = 100 * MILLI;
const OUTBOX: usize = 64;

/// What a worker's process has of being a witness.
pub struct Bearing {
    witness: Witness,
    began: Micros,
    streams: [ControlStream; 2],
}

/// To one orchestrator.
#[derive(Default)]
struct ControlStream {
    conn: Option<ConnId>,
    is_open: bool,
    /// Who has spoken on it.
    process: Option<ProcessId>,
}

/// From one witness.
pub struct ServedControl {
    id: StreamId,
    queue: mpsc::Receiver<Result<ControlMessage, Status>>,
}

impl Bearing {
    fn new(
        incarnation: u128,
        cluster: ClusterId,
        began: Micros,
        mutation: Option<Mutation>,
    ) -> Self {
        let mut witness = Witness::new(ProcessId(incarnation), cluster, WitnessTiming::default());
        mutate(mutation, &mut witness);
        Self { witness, began, streams: Default::default() }
    }

    fn now(&self, now: Micros) -> Millis {
        (now - self.began) / MILLI
    }

    /// The principal's epoch, if the process that has spoken on this stream is principal.
    fn principal_epoch(&self, place: usize) -> Option<u64> {
        let view = self.witness.newest()?;
        (Some(view.principal_process) == self.streams[place].process).then_some(view.epoch.0)
    }
}

#[cfg(feature = "mutations")]
fn mutate(mutation: Option<Mutation>, witness: &mut Witness) {
    if let Some(Mutation::Role(mutation)) = mutation {
        witness.mutate(mutation);
    }
}

#[cfg(not(feature = "mutations"))]
fn mutate(mutation: Option<Mutation>, _: &mut Witness) {
    debug_assert!(mutation.is_none(), "there is none");
}

/// In the worker.
impl World {
    /// The worker knows its cluster: it can bear witness.
    pub fn bear_witness(&mut self, nth: usize) {
        let worker = &mut self.workers[nth];
        if !self.plan.witnesses || worker.bearing.is_some() {
            return;
        }
        let Ok(cluster) = Uuid::try_parse(&worker.cluster_id) else { return };
        let cluster = ClusterId(cluster.as_u128());
        let now = self.time.now();
        worker.bearing = Some(Bearing::new(worker.incarnation, cluster, now, self.mutation));
        for place in 0..2 {
            self.schedule.put(now, Event::Worker(worker.end(), WorkerEvent::Control(place)));
        }
    }

    /// Opens the stream to this place.
    pub fn open_control(&mut self, nth: usize, place: usize) {
        let now = self.now();
        let worker = &mut self.workers[nth];
        let end = worker.end();
        let (incarnation, worker_id) = (worker.incarnation, crate::worker::Worker::name(nth));
        let Some(bearing) = worker.bearing.as_mut() else { return };
        if bearing.streams[place].conn.is_some() {
            return;
        }
        let server = self.places[place].end();
        let conn = self.network.open(end, server);
        bearing.streams[place] = ControlStream { conn: Some(conn), ..Default::default() };
        let hello = WitnessHello {
            worker_id,
            incarnation: incarnation.to_be_bytes().to_vec(),
            cluster_id: bearing.witness.cluster().to_bytes().to_vec(),
        };
        let is_clear = self.network.is_clear(end.party, server.party, now);
        if self.places[place].process.is_none() && is_clear {
            let delay = self.network.delay();
            self.schedule.put(now + delay, Event::Broken(conn, Side::Dialler));
        } else {
            self.testify(conn, Message::Hello(hello));
        }
        let patience = Event::Worker(end, WorkerEvent::ControlTimeout(place, conn));
        self.schedule.put(now + 5 * RETRY, patience);
    }

    fn testify(&mut self, conn: ConnId, message: Message) {
        let message = WitnessMessage { message: Some(message) };
        self.send(conn, Side::Dialler, Wire::Witness(Box::new(message)));
    }

    pub fn ping(&mut self, nth: usize, place: usize, conn: ConnId) {
        let now = self.now();
        let worker = &mut self.workers[nth];
        let end = worker.end();
        let Some(bearing) = worker.bearing.as_mut() else { return };
        if bearing.streams[place].conn != Some(conn) {
            return;
        }
        let at = bearing.now(now);
        let ping = WitnessPing {
            number: bearing.witness.ping(at),
            newest_view: bearing.witness.newest().map_or(0, |view| view.number.0),
            linked_to_all: bearing.streams.iter().all(|stream| stream.is_open),
        };
        self.schedule.put(now + PING, Event::Worker(end, WorkerEvent::Ping(place, conn)));
        self.testify(conn, Message::Ping(ping));
    }

    /// True when it was a control stream of this worker.
    pub fn loses_control(&mut self, nth: usize, conn: ConnId) -> bool {
        let at = self.now() + RETRY;
        let worker = &mut self.workers[nth];
        let end = worker.end();
        let Some(bearing) = worker.bearing.as_mut() else { return false };
        let Some(place) = (0..2).find(|place| bearing.streams[*place].conn == Some(conn)) else {
            return false;
        };
        if let Some(process) = std::mem::take(&mut bearing.streams[place]).process {
            bearing.witness.on_lost(process);
        }
        self.schedule.put(at, Event::Worker(end, WorkerEvent::Control(place)));
        true
    }

    /// Nobody has let the witness in.
    pub fn control_times_out(&mut self, nth: usize, place: usize, conn: ConnId) {
        let Some(bearing) = &self.workers[nth].bearing else { return };
        let stream = &bearing.streams[place];
        if stream.conn == Some(conn) && !stream.is_open {
            self.hang_up(conn, Side::Dialler);
            self.loses_control(nth, conn);
        }
    }

    /// An orchestrator speaks on a control stream.
    pub fn witness_hears(
        &mut self,
        nth: usize,
        conn: ConnId,
        message: Result<Option<Box<ControlMessage>>, Status>,
    ) -> Result<(), Violation> {
        let now = self.now();
        let worker = &mut self.workers[nth];
        let end = worker.end();
        let Some(bearing) = worker.bearing.as_mut() else { return Ok(()) };
        let Some(place) = (0..2).find(|place| bearing.streams[*place].conn == Some(conn)) else {
            return Ok(());
        };
        let received = match message {
            Err(_) => {
                self.network.close(conn, Side::Dialler);
                self.loses_control(nth, conn);
                return Ok(());
            }
            Ok(None) => {
                bearing.streams[place].is_open = true;
                self.schedule.put(now, Event::Worker(end, WorkerEvent::Ping(place, conn)));
                return Ok(());
            }
            Ok(Some(received)) => *received,
        };
        let from = sender_from_proto(&received).map_err(|_| unreadable())?;
        bearing.streams[place].process = Some(from.process);
        let at = bearing.now(now);
        match received.message {
            Some(ToWitness::Echo(WitnessEcho { number, uncommitted_ms, newest_view })) => {
                let newest = newest_view.map(view_from_proto).transpose();
                if let Some(newest) = newest.map_err(|_| unreadable())? {
                    bearing.witness.learn(from, newest);
                }
                bearing.witness.on_echo(from, number, uncommitted_ms);
                if let Some(epoch) = bearing.principal_epoch(place) {
                    self.follow_principal(nth, place, epoch);
                }
            }
            Some(inquiry) => {
                let inquiry = inquiry_from_proto(inquiry).map_err(|_| unreadable())?;
                let said = inquiry.and_then(|i| bearing.witness.answer(at, from, i));
                if let Some(testimony) = said {
                    self.tell(|_| format!("witness {nth} says: {testimony:?}"));
                    self.testify(conn, testimony_to_proto(testimony));
                }
            }
            None => {}
        }
        Ok(())
    }
}

/// In the node.
impl World {
    /// Tells the role machine who could be a witness, whenever that changes.
    pub fn survey(&mut self, place: usize) {
        let hosts: &[&str] = match self.plan.shape {
            Shape::Loopback => &["localhost"],
            Shape::TwoMachines => &["10.0.0.1", "10.0.0.2"],
        };
        let end = self.places[place].end();
        let at = self.now() + SURVEY;
        let Some(process) = &mut self.places[place].process else { return };
        let candidates = process.driver.witnesses().candidates(process.clock.monotonic(), hosts);
        if candidates != process.candidates {
            process.candidates.clone_from(&candidates);
            self.put_in(place, Input::Candidates(candidates));
        }
        self.schedule.put(at, Event::Survey(end));
    }

    /// A witness speaks to a node.
    pub fn witness_speaks(
        &mut self,
        place: usize,
        conn: ConnId,
        message: WitnessMessage,
    ) -> Result<(), Violation> {
        let Some(message) = message.message else { return Ok(()) };
        let Some(process) = &mut self.places[place].process else { return Ok(()) };
        if let Message::Hello(hello) = message {
            let wire = self.admit(place, conn, &hello).map(|()| None);
            self.send(conn, Side::Server, Wire::Control(wire));
            return Ok(());
        }
        let Some(id) = process.controls.get(&conn).map(|control| control.id) else {
            return Ok(());
        };
        if let Message::Ping(ping) = message {
            self.echo(place, id, &ping);
            self.tell_witnesses(place);
            return Ok(());
        }
        let testimony = testimony_from_proto(message).map_err(|_| unreadable())?;
        if let Some(testimony) = testimony {
            self.put_in(place, Input::Testimony { from: id.incarnation, testimony });
        }
        Ok(())
    }

    /// V12: only workers of our own cluster bear witness.
    fn admit(&mut self, place: usize, conn: ConnId, hello: &WitnessHello) -> Result<(), Status> {
        let refused = || Status::unavailable("not of this cluster");
        let process = self.places[place].process.as_mut().ok_or_else(refused)?;
        let ours = process.driver.pulse().sender().and_then(|sender| sender.cluster);
        let theirs = ClusterId::from_bytes(&hello.cluster_id).ok_or_else(refused)?;
        let incarnation = ProcessId::from_bytes(&hello.incarnation).ok_or_else(refused)?;
        if ours != Some(theirs) {
            return Err(refused());
        }
        let (outbox, queue) = mpsc::channel(OUTBOX);
        let host = hello.worker_id.split(':').next().unwrap_or_default();
        let now = process.clock.monotonic();
        let id = process.driver.witnesses().open(incarnation, host, outbox, now);
        process.controls.insert(conn, ServedControl { id, queue });
        Ok(())
    }

    fn echo(&mut self, place: usize, id: StreamId, ping: &WitnessPing) {
        let Some(process) = &mut self.places[place].process else { return };
        let now = process.clock.monotonic();
        let (witnesses, pulse) = (process.driver.witnesses(), process.driver.pulse());
        witnesses.pinged(id, ping.linked_to_all, now);
        let Some(sender) = pulse.sender() else { return };
        let newest = pulse.newest_after(ViewNumber(ping.newest_view));
        let echo = WitnessEcho {
            number: ping.number,
            uncommitted_ms: pulse.uncommitted_ms(now),
            newest_view: newest.as_ref().map(view_to_proto),
        };
        witnesses.tell(id, sender, ToWitness::Echo(echo));
    }

    /// What is in the outboxes goes out.
    pub fn tell_witnesses(&mut self, place: usize) {
        let Some(process) = &mut self.places[place].process else { return };
        let mut messages = Vec::new();
        for (conn, control) in &mut process.controls {
            while let Ok(message) = control.queue.try_recv() {
                messages.push((*conn, message.map(|message| Some(Box::new(message)))));
            }
        }
        for (conn, message) in messages {
            self.send(conn, Side::Server, Wire::Control(message));
        }
    }

    /// A control stream ended.
    pub fn control_ends(&mut self, place: usize, conn: ConnId) {
        let Some(process) = &mut self.places[place].process else { return };
        if let Some(control) = process.controls.remove(&conn) {
            process.driver.witnesses().close(control.id);
        }
    }
}

fn unreadable() -> Violation {
    Violation::new("the wire", "a message of a control stream cannot be read")
}
