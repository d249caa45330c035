//! A simulated worker: the rules of `worker::run` around the real [`Slots`].

mod reports;

use std::collections::VecDeque;

use common::error_code::ErrorCode;
use common::grpc_status::{self, Meaning};
use common::proto::orchestrator_message::Message as FromOrchestrator;
use common::proto::worker_message::Message;
use common::proto::{
    Assignment, AttemptRef, Delivery, Failure, OrchestratorMessage, Outcome, Outcomes, Register,
    WorkerHeartbeat, WorkerMessage, outcome,
};
use orquestrador_core::ids::{BlobRef, TaskId};
use uuid::Uuid;
use worker::slots::{Cancellation, Ending, Key, Reception, Slots};

use crate::clock::{MILLI, Micros};
use crate::invariants::{Violation, epochs, one_outcome, started_once};
use crate::network::{ConnId, End, Party, Side, Wire};
use crate::node::Place;
use crate::random::Random;
use crate::submissions::{RESOURCE, blobs_of};
use crate::witness::Bearing;
use crate::world::{Event, Phase, World};

const OPEN_TIMEOUT: Micros = 500 * MILLI;
const BACKOFF: (Micros, Micros) = (20 * MILLI, 500 * MILLI);
/// A stopped attempt takes so long to end, at most.
const STOPPING: Micros = 30 * MILLI;

/// What a worker wakes up for.
#[derive(Clone, Debug)]
pub enum WorkerEvent {
    Start,
    Search,
    OpenTimeout(ConnId),
    Heartbeat(ConnId),
    Silence(ConnId),
    Ended {
        key: Key,
    },
    /// As it was told to.
    Stopped {
        key: Key,
    },
    /// The control stream to this place is due.
    Control(usize),
    ControlTimeout(usize, ConnId),
    Ping(usize, ConnId),
}

struct Session {
    conn: ConnId,
    /// `None` until it is registered.
    epoch: Option<u64>,
    heard: Micros,
    lease: Micros,
    beat: Micros,
    sequence: u64,
}

pub struct Worker {
    nth: usize,
    pub life: u32,
    pub is_alive: bool,
    pub incarnation: u128,
    pub paused_until: Micros,
    slots: Slots,
    /// Not started yet, the oldest first.
    waiting: VecDeque<(Key, Delivery)>,
    session: Option<Session>,
    /// It gives up what it runs, and ends.
    drains: bool,
    highest_epoch: u64,
    pub cluster_id: String,
    /// Once it knows its cluster.
    pub bearing: Option<Bearing>,
    /// The places still to be asked in this round.
    candidates: Vec<usize>,
    backoff: Micros,
    chance: Random,
}

impl Worker {
    pub fn new(nth: usize, chance: Random) -> Self {
        Self {
            nth,
            life: 0,
            is_alive: false,
            incarnation: 0,
            paused_until: 0,
            slots: Slots::default(),
            waiting: VecDeque::new(),
            session: None,
            drains: false,
            highest_epoch: 0,
            cluster_id: String::new(),
            bearing: None,
            candidates: Vec::new(),
            backoff: BACKOFF.0,
            chance,
        }
    }

    /// What has not begun is left behind with it.
    fn end_session(&mut self) -> Option<Session> {
        for (key, _) in self.waiting.drain(..) {
            self.slots.give_back(&key);
        }
        self.session.take()
    }

    pub fn name(nth: usize) -> String {
        format!("localhost:{}", 50_061 + nth)
    }

    pub fn end(&self) -> End {
        End { party: Party::Worker(self.nth), life: self.life }
    }

    /// This incarnation runs, under this name, and is not about to leave.
    pub fn is(&self, name: &str, incarnation: u128) -> bool {
        self.is_alive
            && !self.drains
            && self.incarnation == incarnation
            && Self::name(self.nth) == name
    }

    /// The stream of its session.
    pub fn conn(&self) -> Option<ConnId> {
        self.session.as_ref().map(|session| session.conn)
    }

    /// What keeps a run from being over.
    pub fn open(&self) -> Option<String> {
        let name = Self::name(self.nth);
        if !self.is_alive || self.session.as_ref().is_none_or(|s| s.epoch.is_none()) {
            return Some(format!("{name} has no session"));
        }
        if self.drains {
            return Some(format!("{name} is about to leave"));
        }
        (!self.slots.is_empty()).then(|| format!("{name} holds {:?}", self.slots.held()))
    }

    fn registration(&self, slots: u32) -> Register {
        let mut held = self.slots.held();
        held.sort_by(|a, b| (&a.task_id, a.attempt).cmp(&(&b.task_id, b.attempt)));
        Register {
            worker_id: Self::name(self.nth),
            incarnation: Uuid::from_u128(self.incarnation).to_string(),
            slots,
            handlers: vec!["simulated".into()],
            labels: std::collections::HashMap::default(),
            resources: [(RESOURCE.to_owned(), 1)].into(),
            held,
            highest_epoch: self.highest_epoch,
            cluster_id: self.cluster_id.clone(),
        }
    }
}

impl World {
    pub fn start_worker(&mut self, nth: usize, at: Micros) {
        let worker = &mut self.workers[nth];
        worker.life += 1;
        self.schedule.put(at, Event::Worker(worker.end(), WorkerEvent::Start));
    }

    /// The process ends; another incarnation comes later.
    pub fn kill_worker(&mut self, nth: usize) {
        if !std::mem::replace(&mut self.workers[nth].is_alive, false) {
            return;
        }
        let end = self.workers[nth].end();
        for (conn, side) in self.network.held_by(end) {
            self.hang_up(conn, side);
        }
        self.workers[nth].paused_until = 0;
        self.workers[nth].session = None;
        self.tell(|_| format!("worker {nth} is dead"));
        let at = self.now() + self.chance.between(10, 3_000) * MILLI;
        self.start_worker(nth, at);
    }

    pub fn worker_event(&mut self, end: End, event: WorkerEvent) -> Result<(), Violation> {
        let Party::Worker(nth) = end.party else { return Ok(()) };
        let now = self.now();
        let worker = &mut self.workers[nth];
        if worker.life != end.life {
            return Ok(());
        }
        if worker.paused_until > now {
            self.schedule.put(worker.paused_until, Event::Worker(end, event));
            return Ok(());
        }
        match event {
            WorkerEvent::Start => {
                worker.is_alive = true;
                worker.incarnation = worker.chance.wide();
                worker.slots = Slots::default();
                worker.waiting.clear();
                worker.drains = false;
                worker.highest_epoch = 0;
                worker.cluster_id = String::new();
                worker.bearing = None;
                worker.backoff = BACKOFF.0;
                self.search(nth);
            }
            WorkerEvent::Search => self.search(nth),
            WorkerEvent::OpenTimeout(conn) => {
                let is_open = |s: &Session| s.conn == conn && s.epoch.is_none();
                if worker.session.as_ref().is_some_and(is_open) {
                    self.leave_session(nth);
                    self.ask_next(nth);
                }
            }
            WorkerEvent::Heartbeat(conn) => self.beat(nth, conn),
            WorkerEvent::Silence(conn) => self.check_silence(nth, conn),
            WorkerEvent::Ended { key } => {
                self.attempt_ended(nth, &key, false);
                self.fill_slots(nth)?;
            }
            WorkerEvent::Stopped { key } => {
                self.attempt_ended(nth, &key, true);
                self.fill_slots(nth)?;
            }
            WorkerEvent::Control(place) => self.open_control(nth, place),
            WorkerEvent::ControlTimeout(place, conn) => self.control_times_out(nth, place, conn),
            WorkerEvent::Ping(place, conn) => self.ping(nth, place, conn),
        }
        Ok(())
    }

    // ---- Finding the principal. ----

    fn search(&mut self, nth: usize) {
        let worker = &mut self.workers[nth];
        if worker.session.is_none() && worker.is_alive {
            worker.candidates = vec![1, 0];
            self.ask_next(nth);
        }
    }

    /// Asks the next candidate; without one, rests.
    fn ask_next(&mut self, nth: usize) {
        let now = self.now();
        let worker = &mut self.workers[nth];
        let end = worker.end();
        let Some(place) = worker.candidates.pop() else {
            let pause = worker.backoff * worker.chance.between(500, 1_000) / 1_000;
            worker.backoff = (worker.backoff * 2).min(BACKOFF.1);
            self.schedule.put(now + pause, Event::Worker(end, WorkerEvent::Search));
            return;
        };
        let register = worker.registration(self.plan.slots);
        let server = self.places[place].end();
        let is_clear = self.network.is_clear(end.party, server.party, now);
        let conn = self.network.open(end, server);
        self.workers[nth].session =
            Some(Session { conn, epoch: None, heard: now, lease: 0, beat: 0, sequence: 0 });
        let event = Event::Worker(end, WorkerEvent::OpenTimeout(conn));
        self.schedule.put(now + OPEN_TIMEOUT, event);
        if self.places[place].process.is_none() && is_clear {
            let delay = self.network.delay();
            self.schedule.put(now + delay, Event::Broken(conn, Side::Dialler));
        } else {
            self.say(nth, conn, Message::Register(register));
        }
    }

    pub fn say(&mut self, _nth: usize, conn: ConnId, message: Message) {
        let message = WorkerMessage { message: Some(message) };
        self.send(conn, Side::Dialler, Wire::Worker(Box::new(message)));
    }

    fn leave_session(&mut self, nth: usize) {
        if let Some(session) = self.workers[nth].end_session() {
            self.hang_up(session.conn, Side::Dialler);
        }
    }

    /// A principal has named itself: a session of a lower epoch is over (V14).
    pub fn follow_principal(&mut self, nth: usize, place: usize, epoch: u64) {
        let present = self.workers[nth].session.as_ref().and_then(|session| session.epoch);
        if present.is_some_and(|present| present < epoch) {
            self.leave_session(nth);
            self.workers[nth].candidates = vec![1 - place, place];
            self.ask_next(nth);
        }
    }

    /// The stream ended by itself.
    pub fn worker_loses(&mut self, end: End, conn: ConnId) -> Result<(), Violation> {
        let Party::Worker(nth) = end.party else { return Ok(()) };
        let worker = &mut self.workers[nth];
        if worker.life != end.life || self.loses_control(nth, conn) {
            return Ok(());
        }
        if self.workers[nth].session.as_ref().is_some_and(|s| s.conn == conn) {
            self.session_over(nth);
        }
        Ok(())
    }

    /// One that was registered is searched for anew; one that was not was a failed try.
    fn session_over(&mut self, nth: usize) {
        let was_registered = self.workers[nth].end_session().is_some_and(|s| s.epoch.is_some());
        if was_registered { self.search(nth) } else { self.ask_next(nth) }
    }

    // ---- Conversation. ----

    pub fn worker_receives(
        &mut self,
        receiver: End,
        conn: ConnId,
        wire: Wire,
    ) -> Result<(), Violation> {
        let Party::Worker(nth) = receiver.party else { return Ok(()) };
        let now = self.now();
        let worker = &mut self.workers[nth];
        if worker.life != receiver.life {
            return Ok(());
        }
        let message = match wire {
            Wire::Control(message) => return self.witness_hears(nth, conn, message),
            Wire::Orchestrator(message) => message,
            Wire::Peer(_)
            | Wire::Worker(_)
            | Wire::Witness(_)
            | Wire::Call(_)
            | Wire::Answer(_) => return Ok(()),
        };
        let Some(session) = worker.session.as_mut().filter(|s| s.conn == conn) else {
            return Ok(());
        };
        let message = match message {
            Ok(message) => message,
            Err(status) => {
                let Meaning { code, principal, retry_after: _ } = grpc_status::meaning(&status);
                if code == ErrorCode::ForeignCluster {
                    let what = "a worker met a foreign cluster, but there is only one";
                    return Err(Violation::new("one history", what));
                }
                let named = (0..2).find(|p| principal.as_ref() == Some(&Place::address(*p)));
                worker.candidates.extend(named);
                worker.candidates.truncate(3);
                self.network.close(conn, Side::Dialler);
                self.session_over(nth);
                return Ok(());
            }
        };
        session.heard = now;
        match (session.epoch, message.epoch) {
            (None, epoch) => self.registered(nth, epoch, *message),
            (Some(present), epoch) if present == epoch => self.told(nth, *message),
            (Some(_), _) => {
                self.leave_session(nth);
                self.search(nth);
                Ok(())
            }
        }
    }

    fn registered(
        &mut self,
        nth: usize,
        epoch: u64,
        message: OrchestratorMessage,
    ) -> Result<(), Violation> {
        let now = self.now();
        let worker = &mut self.workers[nth];
        let Some(FromOrchestrator::Registered(registered)) = message.message else {
            self.leave_session(nth);
            self.ask_next(nth);
            return Ok(());
        };
        epochs::on_registered(worker.highest_epoch, epoch)?;
        self.tell(|_| format!("worker {nth} registers in epoch {epoch}"));
        let worker = &mut self.workers[nth];
        worker.highest_epoch = epoch;
        worker.cluster_id = registered.cluster_id;
        worker.backoff = BACKOFF.0;
        let end = worker.end();
        let Some(session) = &mut worker.session else { return Ok(()) };
        session.epoch = Some(epoch);
        session.beat = u64::from(registered.heartbeat_interval_ms) * MILLI;
        session.lease = u64::from(registered.lease_ms) * MILLI;
        let (conn, lease) = (session.conn, session.lease);
        let mut outcomes = worker.slots.outcomes();
        outcomes.sort_by(|a, b| (&a.task_id, a.attempt).cmp(&(&b.task_id, b.attempt)));
        self.schedule.put(now, Event::Worker(end, WorkerEvent::Heartbeat(conn)));
        self.schedule.put(now + lease, Event::Worker(end, WorkerEvent::Silence(conn)));
        self.bear_witness(nth);
        if !outcomes.is_empty() {
            self.say(nth, conn, Message::Outcomes(Outcomes { outcomes }));
        }
        self.tell_given_up(nth);
        Ok(())
    }

    fn beat(&mut self, nth: usize, conn: ConnId) {
        let now = self.now();
        let worker = &mut self.workers[nth];
        let end = worker.end();
        let Some(session) = worker.session.as_mut().filter(|s| s.conn == conn) else { return };
        session.sequence += 1;
        let sequence = session.sequence;
        self.schedule.put(now + session.beat, Event::Worker(end, WorkerEvent::Heartbeat(conn)));
        self.say(nth, conn, Message::Heartbeat(WorkerHeartbeat { sequence }));
        self.ask_ahead(nth, conn);
        self.drain(nth, conn);
    }

    fn check_silence(&mut self, nth: usize, conn: ConnId) {
        let now = self.now();
        let worker = &mut self.workers[nth];
        let end = worker.end();
        let Some(session) = worker.session.as_ref().filter(|s| s.conn == conn) else { return };
        let due = session.heard + session.lease;
        if due > now {
            self.schedule.put(due, Event::Worker(end, WorkerEvent::Silence(conn)));
        } else {
            self.leave_session(nth);
            self.search(nth);
        }
    }

    fn told(&mut self, nth: usize, message: OrchestratorMessage) -> Result<(), Violation> {
        match message.message {
            Some(FromOrchestrator::Assignments(assignments)) => {
                for assignment in assignments.assignments {
                    // Deliveries are at least once.
                    if self.phase == Phase::Faults && self.chance.one_in_thousand(50) {
                        self.assigned(nth, assignment.clone())?;
                    }
                    self.assigned(nth, assignment)?;
                }
            }
            Some(FromOrchestrator::Acknowledged(acknowledged)) => {
                for attempt in &acknowledged.attempts {
                    let task = task_id(&attempt.task_id)?;
                    let memory = &self.memory.one_outcome;
                    memory.on_acknowledged(&self.truth, task, attempt.attempt)?;
                    self.tell(|_| format!("worker {nth} forgets {}", attempt.task_id));
                    self.workers[nth].slots.acknowledge(&attempt.into());
                }
            }
            Some(FromOrchestrator::Cancel(cancel)) => {
                for attempt in &cancel.attempts {
                    self.tell(|_| format!("worker {nth} stops {}", attempt.task_id));
                    self.cancelled(nth, attempt);
                }
            }
            // Nobody stops the whole cluster here, or moves a part of it.
            Some(
                FromOrchestrator::Heartbeat(_)
                | FromOrchestrator::Registered(_)
                | FromOrchestrator::Members(_)
                | FromOrchestrator::Stop(_),
            )
            | None => {}
        }
        Ok(())
    }

    // ---- Work. ----

    fn assigned(&mut self, nth: usize, assignment: Assignment) -> Result<(), Violation> {
        self.tell(|_| format!("worker {nth} gets {}/{}", assignment.task_id, assignment.attempt));
        let worker = &mut self.workers[nth];
        match worker.slots.receive(&assignment) {
            Reception::Start { stop } => {
                if let Some(older) = stop {
                    worker.slots.cancel(&older);
                    self.stop(nth, older);
                }
                let delivery = assignment.delivery();
                let key = Key { task_id: assignment.task_id, attempt: assignment.attempt };
                if self.workers[nth].drains {
                    self.workers[nth].slots.give_back(&key);
                    self.give_back(nth, vec![AttemptRef::from(&key)], false);
                    return Ok(());
                }
                self.workers[nth].waiting.push_back((key, delivery));
                self.fill_slots(nth)?;
            }
            Reception::Done(outcome) => self.report(nth, vec![outcome]),
            // That it was stopped got lost on the way.
            Reception::StartedBefore if worker.drains => {
                let (task_id, attempt) = (assignment.task_id, assignment.attempt);
                self.give_back(nth, vec![AttemptRef { task_id, attempt }], true);
            }
            Reception::StartedBefore => return Err(started_once::replayed(&assignment.task_id)),
            Reception::Running | Reception::Stale => {}
        }
        Ok(())
    }

    fn fill_slots(&mut self, nth: usize) -> Result<(), Violation> {
        let now = self.now();
        loop {
            let (slots, worker) = (self.plan.slots as usize, &mut self.workers[nth]);
            let started = worker.slots.running() - worker.waiting.len();
            if started >= slots {
                return Ok(());
            }
            let Some((key, delivery)) = worker.waiting.pop_front() else { return Ok(()) };
            let (end, incarnation) = (worker.end(), worker.incarnation);
            let duration = worker.chance.around(self.plan.work);
            let task = task_id(&key.task_id)?;
            self.memory.one_outcome.on_start(task, key.attempt, incarnation)?;
            self.memory.started_once.on_start(&self.truth, task, delivery)?;
            if let Some(conn) = self.registered_conn(nth) {
                self.speak(nth, conn, &key);
            }
            self.schedule.put(now + duration, Event::Worker(end, WorkerEvent::Ended { key }));
        }
    }

    fn stop(&mut self, nth: usize, key: Key) {
        let worker = &mut self.workers[nth];
        if worker.waiting.iter().any(|(waiting, _)| *waiting == key) {
            worker.waiting.retain(|(waiting, _)| *waiting != key);
            worker.slots.give_back(&key);
            self.report_end(nth, AttemptRef::from(&key));
            return;
        }
        let at = self.now() + self.chance.between(0, STOPPING);
        let end = self.workers[nth].end();
        self.schedule.put(at, Event::Worker(end, WorkerEvent::Stopped { key }));
    }

    fn cancelled(&mut self, nth: usize, attempt: &AttemptRef) {
        let key = Key::from(attempt);
        match self.workers[nth].slots.cancel(&key) {
            Cancellation::Stop => self.stop(nth, key),
            Cancellation::Ended => self.report_end(nth, attempt.clone()),
        }
    }

    fn attempt_ended(&mut self, nth: usize, key: &Key, was_stopped: bool) {
        let Ok(task) = Uuid::try_parse(&key.task_id) else { return };
        let task = TaskId(task.as_u128());
        let came_to = if was_stopped || one_outcome::fails(task, key.attempt) {
            let (code, message) = ("HANDLER_ERROR".into(), "it was to fail".into());
            outcome::Outcome::Failed(Failure { code, message, ..Failure::default() })
        } else {
            let result = one_outcome::result_of(task, key.attempt);
            outcome::Outcome::Succeeded(result.into_bytes().into())
        };
        let outcome = Outcome {
            task_id: key.task_id.clone(),
            attempt: key.attempt,
            outcome: Some(came_to),
            blobs: blobs_of(task, 1).map(to_proto).into_iter().collect(),
            ..Outcome::default()
        };
        self.tell(|_| format!("worker {nth} ends {}/{}", key.task_id, key.attempt));
        let slots = &mut self.workers[nth].slots;
        // One that was stopped may end before its time and once more at it.
        if !slots.held().contains(&AttemptRef::from(key)) {
            return;
        }
        let was_running = slots.running();
        match slots.finish(key, outcome) {
            Ending::Report(outcome) => self.report(nth, vec![outcome]),
            Ending::GivenUp => self.tell_given_up(nth),
            Ending::Ended if self.workers[nth].slots.running() < was_running => {
                self.report_end(nth, key.into());
            }
            Ending::Ended => {}
        }
    }

    fn registered_conn(&self, nth: usize) -> Option<ConnId> {
        self.workers[nth].session.as_ref().filter(|s| s.epoch.is_some()).map(|s| s.conn)
    }
}

fn to_proto(blob: BlobRef) -> common::proto::BlobRef {
    common::proto::BlobRef { id: blob.id.0.to_vec(), bytes: blob.bytes }
}

fn task_id(text: &str) -> Result<TaskId, Violation> {
    let parsed = Uuid::try_parse(text)
        .map_err(|error| Violation::new("the wire", format!("{text} is no task: {error}")))?;
    Ok(TaskId(parsed.as_u128()))
}
