//! The streams of workers and the calls of clients, as a node serves them. It does what `dispatch` and
//! `api` do.

use common::proto::worker_message::Message;
use common::proto::{OrchestratorMessage, Receipt, WorkerMessage};
use orquestrador::dispatch;
use orquestrador::driver::input::{Committed, Input};
use orquestrador::journal::Content;
use orquestrador_core::ids::{Epoch, SessionId};
use orquestrador_core::role::Standing;
use orquestrador_core::{Command, Event};
use tokio::sync::mpsc::error::TryRecvError;
use tokio::sync::{mpsc, oneshot};
use tonic::Status;

use crate::client::Call;
use crate::clock::{MILLI, Micros};
use crate::disk::lock;
use crate::invariants::running_work::{self, GivenUp};
use crate::invariants::{Violation, acknowledged, one_principal};
use crate::network::{ConnId, End, Party, Side, Wire};
use crate::world::{Phase, World};

/// Messages that wait for a worker; small, so that it is full sometimes.
const OUTBOX: usize = 16;

type ToWorker = Result<OrchestratorMessage, Status>;

/// The stream of one worker.
pub struct ServedSession {
    id: SessionId,
    worker: String,
    epoch: Epoch,
    outbox: mpsc::Sender<ToWorker>,
    queue: mpsc::Receiver<ToWorker>,
}

impl World {
    pub fn node_receives(
        &mut self,
        receiver: End,
        conn: ConnId,
        side: Side,
        wire: Wire,
    ) -> Result<(), Violation> {
        let Party::Node(place) = receiver.party else { return Ok(()) };
        if self.places[place].living(receiver).is_none() {
            return Ok(());
        }
        match wire {
            Wire::Peer(message) => self.peer_arrives(receiver, conn, side, *message),
            Wire::Worker(message) => self.worker_speaks(place, conn, *message),
            Wire::Call(call) => {
                self.call_arrives(place, conn, *call);
                Ok(())
            }
            Wire::Witness(message) => self.witness_speaks(place, conn, *message),
            Wire::Orchestrator(_) | Wire::Answer(_) | Wire::Control(_) => Ok(()),
        }
    }

    /// A stream of this node is broken.
    pub fn node_loses(&mut self, end: End, conn: ConnId, side: Side) -> Result<(), Violation> {
        let Party::Node(place) = end.party else { return Ok(()) };
        let Some(process) = self.places[place].living(end) else { return Ok(()) };
        process.calls.remove(&conn);
        process.learning.remove(&conn);
        process.greeted.remove(&conn);
        self.control_ends(place, conn);
        let Some(process) = self.places[place].living(end) else { return Ok(()) };
        if let Some(session) = process.sessions.remove(&conn) {
            let session = session.id;
            self.put_in(place, Input::Session(Command::DisconnectWorker { session }));
        }
        if side == Side::Dialler {
            self.link_lost(place, conn);
        }
        Ok(())
    }

    // ---- Workers. ----

    fn worker_speaks(
        &mut self,
        place: usize,
        conn: ConnId,
        message: WorkerMessage,
    ) -> Result<(), Violation> {
        let Some(message) = message.message else { return Ok(()) };
        let register = match message {
            Message::Register(register) => register,
            other => return self.session_goes_on(place, conn, other),
        };
        let (reply, mut answer) = oneshot::channel();
        self.drive(place, vec![Input::Describe { reply }])?;
        let Ok(node) = answer.try_recv() else { return Ok(()) };
        let Some(process) = &mut self.places[place].process else { return Ok(()) };
        let id = process.handle.session_id();
        let worker = register.worker_id.clone();
        let command = match dispatch::connect(&node, id, register) {
            Ok(command) => command,
            Err(status) => {
                self.send(conn, Side::Server, Wire::Orchestrator(Err(status)));
                return Ok(());
            }
        };
        let (outbox, queue) = mpsc::channel(OUTBOX);
        process.hearing.push(worker.clone());
        let session =
            ServedSession { id, worker, epoch: node.epoch, outbox: outbox.clone(), queue };
        process.sessions.insert(conn, session);
        self.put_in(place, Input::OpenSession { session: id, command, outbox });
        Ok(())
    }

    fn session_goes_on(
        &mut self,
        place: usize,
        conn: ConnId,
        message: Message,
    ) -> Result<(), Violation> {
        let Some(process) = &mut self.places[place].process else { return Ok(()) };
        let Some(session) = process.sessions.get(&conn) else { return Ok(()) };
        let (session_id, worker) = (session.id, session.worker.clone());
        let message = match message {
            // No sign of life: it does not come to the driver.
            Message::Output(output) => {
                self.note_words(place, &worker, output);
                return Ok(());
            }
            message => message,
        };
        process.hearing.push(worker.clone());
        if let Message::Heartbeat(beat) = &message {
            // Without room for it the worker hears less, and perhaps gives up.
            drop(session.outbox.try_send(Ok(dispatch::echo(beat.sequence, session.epoch))));
        }
        let command = dispatch::command(session_id, message)
            .map_err(|status| Violation::new("the wire", status.to_string()))?;
        if !matches!(command, Command::WorkerHeartbeat { .. }) {
            self.tell(|_| format!("node {place} hears {worker}: {command:?}"));
        }
        self.put_in(place, Input::Session(command));
        Ok(())
    }

    /// What the driver has put into the outboxes goes out.
    pub fn tell_workers(&mut self, place: usize) -> Result<(), Violation> {
        let Some(process) = &mut self.places[place].process else { return Ok(()) };
        let (mut messages, mut over) = (Vec::new(), Vec::new());
        for (conn, session) in &mut process.sessions {
            loop {
                match session.queue.try_recv() {
                    Ok(Ok(message)) => {
                        one_principal::Memory::on_word(
                            &mut self.memory.one_principal,
                            message.epoch,
                            process.id,
                        )?;
                        messages.push((*conn, Ok(Box::new(message))));
                    }
                    Ok(Err(status)) => {
                        messages.push((*conn, Err(status)));
                        over.push(*conn);
                        break;
                    }
                    Err(TryRecvError::Empty | TryRecvError::Disconnected) => break,
                }
            }
        }
        for conn in over {
            process.sessions.remove(&conn);
        }
        for (conn, message) in messages {
            self.send(conn, Side::Server, Wire::Orchestrator(message));
        }
        Ok(())
    }

    // ---- Clients. ----

    fn call_arrives(&mut self, place: usize, conn: ConnId, call: Call) {
        let Some(process) = &mut self.places[place].process else { return };
        let request = process.handle.request_id();
        let (reply, answer) = oneshot::channel();
        process.calls.insert(conn, answer);
        let command = call.command(request);
        self.put_in(place, Input::Call { request, command, reply });
    }

    /// What the driver has answered goes out.
    pub fn answer_calls(&mut self, place: usize) -> Result<(), Violation> {
        let Some(process) = &mut self.places[place].process else { return Ok(()) };
        let mut answers: Vec<(ConnId, Result<Committed, Status>)> = Vec::new();
        for (conn, answer) in &mut process.calls {
            match answer.try_recv() {
                Ok(answer) => answers.push((*conn, answer)),
                Err(oneshot::error::TryRecvError::Closed) => {
                    answers.push((*conn, Err(Status::unavailable("the office ended"))));
                }
                Err(oneshot::error::TryRecvError::Empty) => {}
            }
        }
        for (conn, answer) in answers {
            if let Some(process) = &mut self.places[place].process {
                process.calls.remove(&conn);
                if let Ok(Committed { receipt, .. }) = &answer {
                    let Receipt { epoch, .. } = *receipt;
                    self.memory.one_principal.on_word(epoch, process.id)?;
                    acknowledged::on_release(&self.truth, place, receipt)?;
                }
            }
            self.send(conn, Side::Server, Wire::Answer(Box::new(answer)));
        }
        Ok(())
    }

    // ---- What the invariants look at. ----

    /// A principal has put new entries into its journal: may it?
    pub fn check_decisions(&mut self, place: usize) -> Result<(), Violation> {
        let entries = std::mem::take(&mut lock(&self.places[place].disk).newly_appended);
        let now = self.awake(place);
        let Some(process) = &self.places[place].process else { return Ok(()) };
        if process.driver.role().standing() != Standing::Principal {
            return Ok(());
        }
        for entry in entries {
            let Ok(Content::Events(events)) = Content::decode(&entry.payload) else { continue };
            for (nth, event) in events.iter().enumerate() {
                let Event::WorkerLost { worker, incarnation, .. } = event else { continue };
                // A stream of another process of this name came, be it one that has ended since.
                let is_replaced = events[nth..].iter().any(
                    |event| matches!(event, Event::WorkerRegistered { worker: by, .. } if by == worker),
                );
                let name = worker.to_string();
                let heard = process.heard.get(&name).copied();
                let since = heard.max(process.in_office).unwrap_or(now);
                let is_gone =
                    is_replaced || !self.workers.iter().any(|w| w.is(&name, incarnation.0));
                running_work::on_given_up(&GivenUp {
                    worker: name,
                    is_gone,
                    silent: now - since,
                    lease: self.lease(),
                })?;
            }
        }
        Ok(())
    }

    /// A clock that is set on by no more than the time of a heartbeat makes a lease shorter by that.
    fn lease(&self) -> Micros {
        let lease = self.plan.limits.worker_lease_ms * MILLI;
        match self.plan.weights.set_clock {
            0 => lease,
            _ => lease - lease / dispatch::HEARTBEATS_PER_LEASE,
        }
    }

    /// New in the history: the last batch is counted.
    pub fn follow_committed(&mut self, events: &[Event]) {
        if self.phase != Phase::Spreading {
            return;
        }
        for event in events {
            if let Event::TaskAssigned { worker, .. } = event {
                *self.spread.entry(worker.to_string()).or_default() += 1;
            }
        }
    }
}
