//! The workers and the shell around a principal, driven by what happens next.

use std::collections::{BTreeMap, BTreeSet};

use orquestrador_core::command::{AttemptRef, ConnectWorker, Outcome, ReportedOutcome};
use orquestrador_core::ids::{HandlerName, ProcessId, SessionId, TaskId, UserName, WorkerId};
use orquestrador_core::webhook::Posted;
use orquestrador_core::{Command, Effect, Event, Step};

use crate::blobs::nth_blob;
use crate::scene::{REQUEST, array_id};

/// What happens next.
#[derive(Clone, Debug)]
pub enum Action {
    Wait(u64),
    Do(Command),
    /// The n-th worker connects under a session of its own and says truthfully what it runs, or
    /// forgets some of it.
    Connect {
        worker: u8,
        incarnation: u8,
        slots: u32,
        handlers: Vec<HandlerName>,
        forgets: bool,
    },
    /// The n-th assignment that was delivered so far is reported.
    Report {
        nth: usize,
        outcome: Outcome,
    },
    /// The n-th attempt that was to be stopped so far is said to have ended.
    Ended {
        nth: usize,
    },
    /// The n-th assignment that was delivered so far is given back.
    Return {
        nth: usize,
    },
    /// The n-th task or array so far that failed is done once more, by its owner.
    Again {
        nth: usize,
        new: u32,
    },
    /// The n-th worker wants tasks beyond its slots.
    Prefetch {
        worker: u8,
        tasks: u32,
    },
    /// What the n-th attempt to tell a receiver so far came to.
    Posted {
        nth: usize,
        posted: Posted,
    },
    FailOver,
}

/// Turns actions into commands, as the workers and the shell around a principal would.
#[derive(Default)]
pub struct Surroundings {
    pub now: u64,
    sessions: u64,
    session_of: BTreeMap<WorkerId, SessionId>,
    pub worker_of: BTreeMap<SessionId, WorkerId>,
    /// What each session was told to run, in order.
    assigned: Vec<(SessionId, AttemptRef)>,
    stopped: Vec<(SessionId, AttemptRef)>,
    posts: Vec<(TaskId, u16)>,
    owners: BTreeMap<TaskId, UserName>,
    failed: Vec<TaskId>,
    running: BTreeMap<WorkerId, BTreeSet<AttemptRef>>,
}

impl Surroundings {
    pub fn command(&mut self, action: Action) -> Option<Command> {
        match action {
            Action::Wait(ms) => {
                self.now += ms;
                Some(Command::ExpireTimers)
            }
            Action::Do(command) => Some(command),
            Action::Connect { worker, incarnation, slots, handlers, forgets } => {
                let worker = WorkerId::from(format!("w{worker}").as_str());
                self.sessions += 1;
                let session = SessionId(self.sessions);
                self.session_of.insert(worker.clone(), session);
                self.worker_of.insert(session, worker.clone());
                let mut held = self.running.get(&worker).cloned().unwrap_or_default();
                if forgets {
                    held.pop_first();
                }
                Some(Command::ConnectWorker(ConnectWorker {
                    session,
                    worker,
                    incarnation: ProcessId(incarnation.into()),
                    slots,
                    handlers,
                    labels: match incarnation % 2 {
                        0 => vec![label("gpu", "1"), label("zone", "a")],
                        _ => vec![label("zone", "b")],
                    },
                    resources: match slots {
                        0 | 1 => vec![],
                        _ => vec![("gpus".to_owned(), 1), ("memory".to_owned(), 3)],
                    },
                    held: held.into_iter().collect(),
                }))
            }
            Action::Report { nth, outcome } => {
                let (session, attempt) = nth_last(&self.assigned, nth)?;
                let session = self.present(session);
                let blobs = vec![nth_blob(nth as u8 % 4)];
                let outcomes = vec![ReportedOutcome { attempt, outcome, blobs }];
                Some(Command::ReportOutcomes { session, outcomes })
            }
            Action::Ended { nth } => {
                let (session, attempt) = nth_last(&self.stopped, nth)?;
                let session = self.present(session);
                self.forget(attempt);
                Some(Command::ReportEnded { session, attempts: vec![attempt] })
            }
            Action::Return { nth } => {
                let (session, attempt) = nth_last(&self.assigned, nth)?;
                let session = self.present(session);
                self.forget(attempt);
                let begun = nth % 2 == 1;
                Some(Command::ReturnAttempts { session, attempts: vec![attempt], begun })
            }
            Action::Again { nth, new } => {
                let task = nth_last(&self.failed, nth)?;
                let whole = task.in_array().map_or(task, |(array, _)| TaskId(array.0));
                let owner = self.owners.get(&whole)?.clone();
                let new = match task.is_array() {
                    true => TaskId(array_id(u128::from(100 + new)).0),
                    false => TaskId(u128::from(100 + new)),
                };
                Some(Command::Retry { request: REQUEST, owner, task, new })
            }
            Action::Prefetch { worker, tasks } => {
                let worker = WorkerId::from(format!("w{worker}").as_str());
                let session = *self.session_of.get(&worker)?;
                Some(Command::SetPrefetch { session, tasks })
            }
            Action::Posted { nth, posted } => {
                let (task, tries) = nth_last(&self.posts, nth)?;
                Some(Command::ReportPost { task, tries, posted })
            }
            Action::FailOver => None,
        }
    }

    /// The newest session of the worker that once had this one.
    fn present(&self, session: SessionId) -> SessionId {
        self.session_of[&self.worker_of[&session]]
    }

    /// No worker holds it any more.
    fn forget(&mut self, attempt: AttemptRef) {
        for held in self.running.values_mut() {
            held.remove(&attempt);
        }
    }

    pub fn follow(&mut self, step: &Step) {
        for event in &step.events {
            match event {
                Event::TaskSubmitted { task, owner, .. } => {
                    self.owners.insert(*task, owner.clone());
                }
                Event::ArraySubmitted { array, owner, .. } => {
                    self.owners.insert(TaskId(array.0), owner.clone());
                }
                Event::TaskFailed { task, .. }
                | Event::TaskSkipped { task, .. }
                | Event::TaskExpired { task, .. }
                | Event::TaskLost { task, .. } => self.failed.push(*task),
                Event::ArrayFailed { array, .. } => self.failed.push(TaskId(array.0)),
                _ => {}
            }
        }
        for effect in &step.effects {
            match effect {
                Effect::Assign { session, assignment } => {
                    self.assigned.push((*session, assignment.attempt));
                    let worker = self.worker_of[session].clone();
                    self.running.entry(worker).or_default().insert(assignment.attempt);
                }
                Effect::CancelAttempt { session, attempt } => {
                    self.stopped.push((*session, *attempt));
                }
                Effect::Post { owed } => self.posts.push((owed.report.task, owed.tries)),
                Effect::AcknowledgeOutcome { attempt, .. } => self.forget(*attempt),
                Effect::Answer { .. }
                | Effect::Welcome { .. }
                | Effect::CloseSession { .. }
                | Effect::TaskChanged { .. }
                | Effect::EndedInArray { .. }
                | Effect::GroupEnded { .. }
                | Effect::Notice(_)
                | Effect::UsersChanged { .. } => {}
            }
        }
    }
}

fn nth_last<T: Copy>(items: &[T], nth: usize) -> Option<T> {
    let place = items.len().checked_sub(1 + nth % items.len().max(1))?;
    items.get(place).copied()
}

pub fn label(key: &str, value: &str) -> (String, String) {
    (key.to_owned(), value.to_owned())
}
