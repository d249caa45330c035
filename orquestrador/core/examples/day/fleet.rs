//! The workers as they know themselves: what runs there, what they have not told yet, which stream is open.

use orquestrador_core::command::{AttemptRef, ConnectWorker, ReportedOutcome};
use orquestrador_core::ids::{ProcessId, SessionId, WorkerId};

use crate::agenda::Nth;
use crate::load::HANDLERS;
use crate::settings::Settings;

pub struct Worker {
    id: WorkerId,
    pub slots: u32,
    pub incarnation: u64,
    /// Its process runs.
    pub is_up: bool,
    pub running: Vec<AttemptRef>,
    /// Ended and not acknowledged yet.
    pub done: Vec<ReportedOutcome>,
    pub assigned: u64,
    /// It was not there for the whole of the day.
    pub was_away: bool,
}

pub struct Fleet {
    workers: Vec<Worker>,
    /// Of each worker, the stream that it takes for open.
    sessions: Vec<Option<SessionId>>,
    opened: u64,
}

impl Fleet {
    pub fn new(count: u64) -> Self {
        let workers = (0..count).map(|nth| Worker {
            id: address(nth).as_str().into(),
            slots: Settings::slots_of(nth),
            incarnation: 1,
            is_up: true,
            running: Vec::new(),
            done: Vec::new(),
            assigned: 0,
            was_away: false,
        });
        Self { workers: workers.collect(), sessions: vec![None; count as usize], opened: 0 }
    }

    /// The first message of a new stream.
    pub fn dial(&mut self, nth: Nth) -> ConnectWorker {
        self.opened += 1;
        let session = SessionId(self.opened * self.count() + u64::from(nth));
        self.sessions[nth as usize] = Some(session);
        let worker = &self[nth];
        let done = worker.done.iter().map(|outcome| outcome.attempt);
        ConnectWorker {
            session,
            worker: worker.id.clone(),
            incarnation: ProcessId(u128::from(nth) << 64 | u128::from(worker.incarnation)),
            slots: worker.slots,
            handlers: HANDLERS.iter().map(|(name, _)| (*name).into()).collect(),
            labels: Vec::new(),
            resources: Vec::new(),
            held: worker.running.iter().copied().chain(done).collect(),
        }
    }

    pub fn hang_up(&mut self, nth: Nth) -> Option<SessionId> {
        self.sessions[nth as usize].take()
    }

    /// The process is no more, with all that it held; the stream that it had.
    pub fn kill(&mut self, nth: Nth) -> Option<SessionId> {
        let worker = &mut self[nth];
        worker.is_up = false;
        worker.was_away = true;
        worker.running.clear();
        worker.done.clear();
        self.hang_up(nth)
    }

    pub fn start(&mut self, nth: Nth) {
        let worker = &mut self[nth];
        worker.is_up = true;
        worker.incarnation += 1;
    }

    pub fn count(&self) -> u64 {
        self.workers.len() as u64
    }

    pub fn session(&self, nth: Nth) -> Option<SessionId> {
        self.sessions[nth as usize]
    }

    /// The sessions of every so many workers, from one on.
    pub fn sessions(&self, from: usize, step: usize) -> impl Iterator<Item = SessionId> {
        self.sessions.iter().skip(from).step_by(step).flatten().copied()
    }

    pub fn worker_of(&self, session: SessionId) -> Nth {
        (session.0 % self.count()) as Nth
    }

    /// Whom a message reaches: nobody where the worker has given the stream up.
    pub fn listener(&self, session: SessionId) -> Option<Nth> {
        let nth = self.worker_of(session);
        (self.session(nth) == Some(session)).then_some(nth)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Worker> {
        self.workers.iter()
    }
}

impl std::ops::Index<Nth> for Fleet {
    type Output = Worker;

    fn index(&self, nth: Nth) -> &Worker {
        &self.workers[nth as usize]
    }
}

impl std::ops::IndexMut<Nth> for Fleet {
    fn index_mut(&mut self, nth: Nth) -> &mut Worker {
        &mut self.workers[nth as usize]
    }
}

fn address(nth: u64) -> String {
    format!("{}:50061", host(nth))
}

pub fn host(nth: u64) -> String {
    format!("10.{}.{}.{}", nth / 62_500, nth / 250 % 250, nth % 250)
}
