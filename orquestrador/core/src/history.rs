//! The shortest history that leads to a state, one event at a time.

use std::collections::{BTreeMap, VecDeque};
use std::iter::Peekable;
use std::sync::Arc;

use crate::effect::UserRecord;
use crate::event::{
    Blockage, Event, Firing, RestoredAgain, RestoredArray, RestoredEnd, RestoredGroup, RestoredTask,
};
use crate::ids::{Attempt, BlobRef, HandlerName, TaskId, Timestamp, TokenName, UserName, WorkerId};
use crate::needs::Needs;
use crate::schedule::task_of;
use crate::state::State;
use crate::state::arrays::Array;
use crate::state::classes::Class;
use crate::state::kept::Kept;
use crate::state::keys::Key;
use crate::state::schedules::{Entry, ScheduleKey};
use crate::state::slab::{Beside, Shared, Slot};
use crate::state::tasks::{Body, Chain, End, Finished, Seq, Task, Wait};
use crate::state::workers::Worker;
use crate::terms::Terms;
use crate::webhook::Owed;

/// Users, handlers, workers, queues and quotas, then all tasks in the order of their submission.
///
/// Of the state at one moment: the machine may go on meanwhile, and the events may be taken elsewhere. Beginning
/// one takes time for each owner, array, worker, user, queue, quota, group, class, task with blobs and report that is owed, but
/// not for each task.
pub struct History {
    /// What comes before the tasks.
    first: std::vec::IntoIter<Event>,
    tasks: Shared<Task>,
    classes: Beside<Class, Option<Names>>,
    workers: Beside<Worker, Option<WorkerId>>,
    /// The owners' chains are merged, so that nothing needs to be sorted or copied beforehand.
    heads: BTreeMap<Seq, Slot<Task>>,
    arrays: Shared<Array>,
    /// In the order of submission; each comes before its tasks.
    next_arrays: Peekable<std::vec::IntoIter<(Seq, Slot<Array>)>>,
    /// What cancelled tasks that still hold a slot need.
    held: BTreeMap<TaskId, Option<Box<Needs>>>,
    /// What follows the last submission.
    rest: VecDeque<Event>,
    /// After all tasks, because those that are forgotten hold keys, too.
    next_keys: std::vec::IntoIter<Slot<Key>>,
    keys: Shared<Key>,
    /// At the end.
    last: std::vec::IntoIter<Event>,
    /// The very last.
    blobs: std::vec::IntoIter<(TaskId, Vec<BlobRef>)>,
    /// After these.
    owed: std::vec::IntoIter<Arc<Owed>>,
}

impl History {
    pub(crate) fn new(state: &State) -> Self {
        let users = state.users.values().flat_map(user);
        let handlers: Vec<_> = state.handlers.learned().cloned().collect();
        let learned = (!handlers.is_empty()).then_some(Event::HandlersLearned { handlers });
        let workers = state.workers.iter().map(|(_, worker)| registration(state, worker));
        let arrays: Vec<_> = state.arrays.iter().map(|(slot, array)| (array.seq, slot)).collect();
        let queues = state.queues.iter().filter(|(_, queue)| queue.settings != Default::default());
        let queues = queues.map(|(_, queue)| Event::QueueChanged {
            queue: queue.name.clone(),
            settings: queue.settings,
            // Nobody asks when.
            at: Timestamp(0),
        });
        let quotas = state.owners.quotas().map(|(user, quota)| Event::QuotaChanged {
            user: user.cloned(),
            quota: Some(quota),
            at: Timestamp(0),
        });
        let schedules = state.schedules.iter().flat_map(|(key, entry)| scheduled(key, entry));
        let first = users.chain(learned).chain(workers).chain(queues).chain(quotas);
        let first: Vec<_> = first.chain(schedules).collect();
        let (next_keys, keys) = state.keys.share();
        let groups = state.groups.iter().map(|(_, group)| {
            let (owner, group, past) = (group.owner.clone(), group.name.clone(), group.past);
            Event::GroupRestored(Box::new(RestoredGroup { owner, group, past }))
        });
        let told = state.retained.last_key_value().map_or(0, |(last, _)| last.0 + 1);
        let next = state.next_order.0;
        let order = (next > told).then_some(Event::OrderRestored { next });
        let taken = state.sources.iter().map(|(task, of)| {
            let of = of.iter().copied().collect();
            Event::SourcesTaken { task, of }
        });
        let traces = state.traces.iter();
        let traced = traces.map(|(task, trace)| Event::TaskTraced { task: *task, trace: *trace });
        let last: Vec<_> = groups.chain(order).chain(taken).chain(traced).collect();
        let mut history = Self {
            last: last.into_iter(),
            first: first.into_iter(),
            tasks: state.tasks.share(),
            classes: Beside::default(),
            workers: Beside::default(),
            heads: BTreeMap::new(),
            arrays: state.arrays.share(),
            next_arrays: arrays.into_iter().peekable(),
            held: BTreeMap::new(),
            rest: VecDeque::new(),
            next_keys: next_keys.into_iter(),
            keys,
            blobs: state.blobs.all().into_iter(),
            owed: state.webhooks.iter().map(Arc::clone).collect::<Vec<_>>().into_iter(),
        };
        for (_, owner) in state.owners.iter() {
            history.heads.extend(owner.tasks.first.map(|task| (state.tasks[task].seq, task)));
        }
        for (slot, class) in state.classes.iter() {
            *history.classes.get_mut(slot) = Some(Names {
                owner: state.owner_of(slot).name.clone(),
                handler: state.handler_of(slot).name.clone(),
                terms: Arc::clone(&class.terms),
            });
        }
        for (slot, worker) in state.workers.all() {
            *history.workers.get_mut(slot) = Some(worker.id.clone());
            let held = worker.cancelled.iter().map(|(of, held)| (of.task, held.needs.clone()));
            history.held.extend(held);
        }
        history
    }

    fn submission(&self, task: &Task, payload: &Kept) -> Event {
        let Names { owner, handler, terms } = name(&self.classes, task.class);
        Event::TaskSubmitted {
            task: task.id(),
            owner,
            handler,
            payload: payload.to_blob(),
            terms: Arc::clone(&terms),
            at: task.submitted_at,
        }
    }

    fn array(&self, array: &Array) -> Event {
        let Names { owner, handler, terms } = name(&self.classes, array.class);
        Event::ArrayRestored(Box::new(RestoredArray {
            array: array.id,
            owner,
            handler,
            fingerprint: array.fingerprint,
            payload: array.payload.to_blob(),
            terms: Arc::clone(&terms),
            first: array.first,
            count: array.count,
            at: array.submitted_at,
            begun: array.begun,
            early: array.early.places().iter().collect(),
            forgotten: array.forgotten,
            failed: array.failed,
        }))
    }

    fn restored(&self, task: &Task, finished: &Finished) -> Event {
        let Names { owner, handler, terms } = name(&self.classes, task.class);
        Event::TaskRestored(Box::new(RestoredTask {
            task: task.id(),
            owner,
            handler,
            fingerprint: task.fingerprint,
            attempt: task.attempt,
            worker: finished.worker.clone(),
            submitted_at: task.submitted_at,
            started_at: finished.started_at,
            finished_at: finished.finished_at,
            finish_order: finished.order.map(|order| order.0),
            delivery: terms.delivery,
            queue: terms.queue.clone(),
            priority: terms.priority,
            needs: self.held.get(&task.id()).cloned().flatten(),
            origin: terms.origin.clone(),
            schedule: terms.schedule.clone(),
            group: terms.group.clone(),
            webhook: finished.webhook.clone(),
            again: finished.again.as_ref().map(|again| {
                let (payload, after) = (again.payload.to_blob(), again.after.clone());
                let terms = Arc::clone(&again.terms);
                let sources = again.sources.clone();
                Box::new(RestoredAgain { payload, terms, after, sources, by: again.by })
            }),
            end: match &finished.end {
                End::Succeeded { result } => RestoredEnd::Succeeded { result: result.clone() },
                End::Failed(failure) => RestoredEnd::Failed(failure.clone()),
                End::Cancelled { output } => RestoredEnd::Cancelled { output: output.clone() },
                End::Lost { cause, output } => {
                    RestoredEnd::Lost { cause: *cause, output: output.clone() }
                }
            },
        }))
    }
}

impl Iterator for History {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        if let Some(event) = self.first.next().or_else(|| self.rest.pop_front()) {
            return Some(event);
        }
        let Some((head, _)) = self.heads.first_key_value() else {
            let key = self.next_keys.next().map(|slot| keyed(&self.keys[slot]));
            let last = key.or_else(|| self.last.next());
            let blobs = last.or_else(|| {
                self.blobs.next().map(|(task, blobs)| Event::BlobsReferred { task, blobs })
            });
            return blobs.or_else(|| self.owed.next().map(Event::WebhookOwed));
        };
        if let Some((_, array)) = self.next_arrays.next_if(|(seq, _)| seq <= head) {
            return Some(self.array(&self.arrays[array]));
        }
        let (_, slot) = self.heads.pop_first()?;
        let task = &self.tasks[slot];
        if let Some(newer) = task.links(Chain::Owner).next {
            self.heads.insert(self.tasks[newer].seq, newer);
        }
        let task = &self.tasks[slot];
        match &task.body {
            Body::Queued { payload, .. }
            | Body::Delayed { payload, .. }
            | Body::Blocked { payload, .. } => {
                let event = self.submission(task, payload);
                self.rest = earlier(task);
                if task.attempt > Attempt(0) && task.body.failed() == 0 {
                    let (task, attempt, at) = (task.id(), task.attempt, task.submitted_at);
                    self.rest.push_back(Event::TaskRequeued { task, attempt, at });
                }
                Some(event)
            }
            Body::Running { payload, worker, started_at, .. } => {
                let event = self.submission(task, payload);
                self.rest = earlier(task);
                self.rest.push_back(Event::TaskAssigned {
                    task: task.id(),
                    attempt: task.attempt,
                    worker: name(&self.workers, *worker),
                    at: *started_at,
                });
                Some(event)
            }
            Body::Finished(finished) => Some(self.restored(task, finished)),
        }
    }
}

/// How many attempts were given back, and how many failed, where any did; which they were no longer matters.
fn earlier(task: &Task) -> VecDeque<Event> {
    let (id, attempt, at) = (task.id(), task.attempt, task.submitted_at);
    let (returned, failed) = (task.returned, task.body.failed());
    if let Some(Wait { open, condition, failed, failed_too, .. }) = task.wait() {
        let after = open.union(failed_too).copied().collect();
        let blockage = Blockage { after, condition: *condition, failed: *failed };
        return VecDeque::from([Event::TaskBlocked { task: id, blockage, at }]);
    }
    if (returned, failed) == (0, 0) && task.delay().is_none() {
        // As with most of millions.
        return VecDeque::new();
    }
    let attempt_then = Attempt(u32::from(returned));
    let give_back =
        Event::TaskReturned { task: id, attempt: attempt_then, returned, begun: false, at };
    // Whether it is delayed must not depend on the clock by which it was submitted.
    let (at, until, (code, message)) = match task.delay() {
        Some(delay) => (Timestamp(0), delay.until, delay.error.clone()),
        None => (at, Timestamp(0), Default::default()),
    };
    let retry = Event::TaskRetried { task: id, attempt, failed, until, code, message, at };
    let first = task.delay().filter(|_| failed == 0);
    let delay = first.map(|delay| Event::TaskDelayed {
        task: id,
        until: delay.until,
        at: task.submitted_at,
    });
    let give_back = (returned > 0).then_some(give_back);
    let retry = (failed > 0).then_some(retry);
    give_back.into_iter().chain(retry).chain(delay).collect()
}

/// With the main token as long as it is as it was then.
fn user(record: &UserRecord) -> impl Iterator<Item = Event> {
    let UserRecord { user, tokens, role, added_at } = record;
    let main = tokens.get(TokenName::MAIN);
    let main = main.filter(|main| main.issued_at == *added_at && main.expires_at.is_none());
    let added = Event::UserAdded {
        user: user.clone(),
        token_hash: main.map_or_else(|| Arc::from(""), |main| main.hash.clone()),
        role: *role,
        at: *added_at,
    };
    let told = main.map(|_| TokenName::main());
    let others = tokens.iter().filter(move |(name, _)| Some(*name) != told.as_ref());
    let issued = others.map(|(name, token)| Event::TokenIssued {
        user: user.clone(),
        name: name.clone(),
        hash: token.hash.clone(),
        expires_at: token.expires_at,
        at: token.issued_at,
    });
    std::iter::once(added).chain(issued)
}

fn keyed(key: &Key) -> Event {
    Event::TaskKeyed {
        task: key.task,
        owner: key.owner.clone(),
        key: key.name.clone(),
        fingerprint: key.fingerprint,
        until: key.until,
    }
}

fn scheduled((owner, name): &ScheduleKey, entry: &Entry) -> impl Iterator<Item = Event> {
    let set = Event::ScheduleSet {
        owner: owner.clone(),
        name: name.clone(),
        schedule: Arc::clone(&entry.schedule),
        paused: entry.paused,
        created: entry.created,
        next: entry.next,
        at: entry.changed,
    };
    let fired = |due, firing, at| {
        let (owner, name) = (owner.clone(), name.clone());
        Event::ScheduleFired { owner, name, due, firing, next: entry.next, at }
    };
    let made = entry.made.as_ref().map(|made| {
        let firing = if made.by_hand { Firing::ByHand } else { Firing::Made };
        fired(made.due, firing(made.task), made.at)
    });
    // What was decided last, where what came after it, by hand or refused, is what is told.
    let last = entry.made.as_ref().filter(|made| !made.by_hand).map(|made| made.due);
    let told = entry.unmade.as_ref().filter(|_| !entry.is_refused()).map(|unmade| unmade.due);
    let decided = entry.decided.filter(|decided| Some(*decided) > last.max(told));
    let decided = decided.and_then(|due| {
        let task = task_of(owner, name, entry.created, due);
        let firing = match (&entry.made, &entry.unmade) {
            (Some(_), _) => Firing::Made(task),
            (None, Some(_)) => Firing::Missed,
            // It was refused under another plan, and before that made nothing.
            (None, None) => return None,
        };
        Some(fired(due, firing, entry.changed))
    });
    let unmade = entry.unmade.as_ref();
    let unmade = unmade.map(|unmade| fired(unmade.due, unmade.firing.clone(), unmade.at));
    [Some(set), decided, made, unmade].into_iter().flatten()
}

/// What the tasks of a class have in common.
#[derive(Clone)]
struct Names {
    owner: UserName,
    handler: HandlerName,
    terms: Arc<Terms>,
}

fn name<T, N: Clone>(names: &Beside<T, Option<N>>, slot: Slot<T>) -> N {
    names.get(slot).cloned().flatten().expect("what a task refers to is there as long as the task")
}

fn registration(state: &State, worker: &Worker) -> Event {
    Event::WorkerRegistered {
        worker: worker.id.clone(),
        incarnation: worker.incarnation,
        slots: worker.slots,
        handlers: worker.handlers.iter().map(|h| state.handlers[*h].name.clone()).collect(),
        labels: worker.labels.clone(),
        resources: worker.resources.clone(),
        // Nobody asks when it registered.
        at: Timestamp(0),
    }
}
