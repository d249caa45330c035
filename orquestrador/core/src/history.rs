//! The shortest history that leads to a state, one event at a time.

use std::collections::BTreeMap;

use crate::event::{Event, RestoredEnd, RestoredTask};
use crate::ids::{Attempt, Blob, Timestamp};
use crate::state::State;
use crate::state::slab::Slot;
use crate::state::tasks::{Body, Chain, End, Finished, Seq, Task};
use crate::state::workers::Worker;

/// Users, handlers and workers, then all tasks in the order of their submission.
pub fn events(state: &State) -> impl Iterator<Item = Event> + '_ {
    let users = state.users.values().map(|user| Event::UserAdded {
        user: user.user.clone(),
        token_hash: user.token_hash.clone(),
        admin: user.admin,
        at: user.added_at,
    });
    let handlers: Vec<_> = state.handlers.learned().cloned().collect();
    let learned = (!handlers.is_empty()).then_some(Event::HandlersLearned { handlers });
    let workers = state.workers.iter().map(|(_, worker)| registration(state, worker));
    users.chain(learned).chain(workers).chain(TaskEvents::new(state))
}

fn registration(state: &State, worker: &Worker) -> Event {
    Event::WorkerRegistered {
        worker: worker.id.clone(),
        incarnation: worker.incarnation,
        slots: worker.slots,
        handlers: worker.handlers.iter().map(|h| state.handlers[*h].name.clone()).collect(),
        labels: worker.labels.clone(),
        // Nobody asks when it registered.
        at: Timestamp(0),
    }
}

/// Merges the owners' chains, so that nothing needs to be sorted or copied beforehand.
struct TaskEvents<'a> {
    state: &'a State,
    heads: BTreeMap<Seq, Slot<Task>>,
    /// What follows the last submission.
    second: Option<Event>,
}

impl<'a> TaskEvents<'a> {
    fn new(state: &'a State) -> Self {
        let heads = state.owners.iter().filter_map(|(_, owner)| owner.tasks.first);
        let heads = heads.map(|slot| (state.tasks[slot].seq, slot)).collect();
        Self { state, heads, second: None }
    }
}

impl Iterator for TaskEvents<'_> {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        if let Some(second) = self.second.take() {
            return Some(second);
        }
        let (_, slot) = self.heads.pop_first()?;
        if let Some(newer) = self.state.tasks.newer(slot, Chain::Owner) {
            self.heads.insert(self.state.tasks[newer].seq, newer);
        }
        let task = &self.state.tasks[slot];
        match &task.body {
            Body::Queued { payload, .. } => {
                if task.attempt > Attempt(0) {
                    let (task, attempt, at) = (task.id(), task.attempt, task.submitted_at);
                    self.second = Some(Event::TaskRequeued { task, attempt, at });
                }
                Some(submission(self.state, task, payload))
            }
            Body::Running { payload, worker, started_at } => {
                self.second = Some(Event::TaskAssigned {
                    task: task.id(),
                    attempt: task.attempt,
                    worker: self.state.workers[*worker].id.clone(),
                    at: *started_at,
                });
                Some(submission(self.state, task, payload))
            }
            Body::Finished(finished) => Some(restored(self.state, task, finished)),
        }
    }
}

fn submission(state: &State, task: &Task, payload: &[u8]) -> Event {
    Event::TaskSubmitted {
        task: task.id(),
        owner: state.owners[task.owner].name.clone(),
        handler: state.handlers[task.handler].name.clone(),
        payload: Blob::copy_from_slice(payload),
        delivery: task.delivery,
        at: task.submitted_at,
    }
}

fn restored(state: &State, task: &Task, finished: &Finished) -> Event {
    Event::TaskRestored(Box::new(RestoredTask {
        task: task.id(),
        owner: state.owners[task.owner].name.clone(),
        handler: state.handlers[task.handler].name.clone(),
        fingerprint: task.fingerprint,
        attempt: task.attempt,
        worker: finished.worker.clone(),
        submitted_at: task.submitted_at,
        started_at: finished.started_at,
        finished_at: finished.finished_at,
        finish_order: finished.order.map(|order| order.0),
        delivery: task.delivery,
        end: match &finished.end {
            End::Succeeded { result } => {
                RestoredEnd::Succeeded { result: Blob::copy_from_slice(result) }
            }
            End::Failed(failure) => RestoredEnd::Failed(failure.clone()),
            End::Cancelled => RestoredEnd::Cancelled,
            End::Lost(cause) => RestoredEnd::Lost(*cause),
        },
    }))
}
