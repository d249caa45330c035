//! Random commands, some of them sensible: what holds after every one of them.

use std::collections::{BTreeMap, BTreeSet};

use orquestrador_core::command::{
    AttemptRef, ConnectWorker, Delivery, Failure, NewTask, Outcome, ReportedOutcome, StateFilter,
};
use orquestrador_core::ids::{
    Attempt, HandlerName, ProcessId, RequestId, SessionId, TaskId, Timestamp, UserName, WorkerId,
};
use orquestrador_core::{Answer, Command, Effect, Event, Limits, Machine, Step, invariants};
use proptest::prelude::*;
use proptest::sample::subsequence;

use crate::scene::{Scene, connect};

const REQUEST: RequestId = RequestId(0);
const HANDLERS: [&str; 3] = ["echo", "render", "zip"];
const OWNERS: [&str; 2] = ["ana", "bia"];

/// What happens next.
#[derive(Clone, Debug)]
enum Action {
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
    /// The n-th worker wants tasks beyond its slots.
    Prefetch {
        worker: u8,
        tasks: u32,
    },
    FailOver,
}

fn actions(max: usize) -> impl Strategy<Value = Vec<Action>> {
    proptest::collection::vec(action(), 1..max)
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        2 => (0..1_500u64).prop_map(Action::Wait),
        6 => command().prop_map(Action::Do),
        3 => (0..4u8, 0..8u8, 0..4u32, handlers(), any::<bool>()).prop_map(
            |(worker, run, slots, handlers, forgets)| Action::Connect {
                // Restarts are seldom.
                worker, incarnation: run / 7, slots, handlers, forgets,
            }
        ),
        8 => (0..64usize, outcome()).prop_map(|(nth, outcome)| Action::Report { nth, outcome }),
        2 => (0..8usize).prop_map(|nth| Action::Ended { nth }),
        2 => (0..16usize).prop_map(|nth| Action::Return { nth }),
        2 => (0..4u8, 0..4u32).prop_map(|(worker, tasks)| Action::Prefetch { worker, tasks }),
        1 => Just(Action::FailOver),
    ]
}

fn command() -> impl Strategy<Value = Command> {
    let session = || (0..40u64).prop_map(SessionId);
    prop_oneof![
        8 => submission(),
        3 => (owner(), id()).prop_map(|(owner, task)| Command::Cancel {
            request: REQUEST, owner, task
        }),
        1 => (owner(), id()).prop_map(|(owner, task)| Command::Query {
            request: REQUEST, owner, task, with_result: true
        }),
        1 => (owner(), 0..64u8, proptest::option::of(id()), 0..5usize).prop_map(
            |(owner, filter, after, limit)| Command::List {
                request: REQUEST, owner, filter: StateFilter(filter), after, limit
            }
        ),
        1 => session().prop_map(|session| Command::DisconnectWorker { session }),
        1 => session().prop_map(|session| Command::WorkerHeartbeat { session }),
        1 => session().prop_map(|session| Command::DrainWorker { session }),
        1 => (session(), reference(), outcome()).prop_map(|(session, attempt, outcome)| {
            let outcomes = vec![ReportedOutcome { attempt, outcome }];
            Command::ReportOutcomes { session, outcomes }
        }),
        1 => (session(), reference()).prop_map(|(session, attempt)| {
            Command::ReportEnded { session, attempts: vec![attempt] }
        }),
        1 => (owner(), any::<bool>()).prop_map(|(user, admin)| Command::AddUser {
            request: REQUEST, token_hash: user.to_string(), user, admin
        }),
        1 => owner().prop_map(|user| Command::RemoveUser { request: REQUEST, user }),
        1 => Just(Command::Overview { request: REQUEST }),
        2 => Just(Command::ExpireTimers),
    ]
}

fn submission() -> impl Strategy<Value = Command> {
    let task = (id(), handler(), 0..2u8, delivery());
    let task = task.prop_map(|(id, handler, payload, delivery)| NewTask {
        id,
        handler,
        payload: vec![payload; 3].into(),
        delivery,
    });
    let tasks = proptest::collection::vec(task, 1..6);
    (owner(), tasks, any::<bool>()).prop_map(|(owner, tasks, allow_unknown_handler)| {
        Command::Submit { request: REQUEST, owner, tasks, allow_unknown_handler }
    })
}

fn id() -> impl Strategy<Value = TaskId> {
    (0..40u128).prop_map(TaskId)
}

fn delivery() -> impl Strategy<Value = Delivery> {
    proptest::sample::select(&[Delivery::AtLeastOnce, Delivery::AtMostOnce][..])
}

fn reference() -> impl Strategy<Value = AttemptRef> {
    (id(), 0..4u32).prop_map(|(task, n)| AttemptRef { task, attempt: Attempt(n) })
}

fn owner() -> impl Strategy<Value = UserName> {
    proptest::sample::select(&OWNERS[..]).prop_map(UserName::from)
}

fn handler() -> impl Strategy<Value = HandlerName> {
    proptest::sample::select(&HANDLERS[..]).prop_map(HandlerName::from)
}

fn handlers() -> impl Strategy<Value = Vec<HandlerName>> {
    subsequence(&HANDLERS[..], 0..=3)
        .prop_map(|names| names.into_iter().map(HandlerName::from).collect())
}

fn outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        3 => (0..3u8).prop_map(|n| Outcome::Succeeded { result: vec![n; n as usize].into() }),
        1 => Just(Outcome::Failed(Failure {
            code: "HANDLER_ERROR".into(),
            message: "it broke".into(),
            output: b"half"[..].into(),
        })),
    ]
}

fn limits() -> Limits {
    Limits {
        max_active_tasks: 24,
        max_finished_tasks: 6,
        max_finished_bytes: 20,
        prune_batch: 3,
        worker_lease_ms: 3_000,
        max_lost_attempts: 2,
        ..Limits::default()
    }
}

/// Turns actions into commands, as the workers and the shell around a principal would.
#[derive(Default)]
struct Surroundings {
    now: u64,
    sessions: u64,
    session_of: BTreeMap<WorkerId, SessionId>,
    worker_of: BTreeMap<SessionId, WorkerId>,
    /// What each session was told to run, in order.
    assigned: Vec<(SessionId, AttemptRef)>,
    stopped: Vec<(SessionId, AttemptRef)>,
    running: BTreeMap<WorkerId, BTreeSet<AttemptRef>>,
}

impl Surroundings {
    fn command(&mut self, action: Action) -> Option<Command> {
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
                    labels: vec![],
                    held: held.into_iter().collect(),
                }))
            }
            Action::Report { nth, outcome } => {
                let (session, attempt) = nth_last(&self.assigned, nth)?;
                let session = self.present(session);
                let outcomes = vec![ReportedOutcome { attempt, outcome }];
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
                Some(Command::ReturnAttempts { session, attempts: vec![attempt] })
            }
            Action::Prefetch { worker, tasks } => {
                let worker = WorkerId::from(format!("w{worker}").as_str());
                let session = *self.session_of.get(&worker)?;
                Some(Command::SetPrefetch { session, tasks })
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

    fn follow(&mut self, step: &Step) {
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
                Effect::AcknowledgeOutcome { attempt, .. } => self.forget(*attempt),
                Effect::Answer { .. }
                | Effect::Welcome { .. }
                | Effect::CloseSession { .. }
                | Effect::TaskChanged { .. }
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

/// What the events alone say, told apart from the machine's own books.
#[derive(Default)]
struct Ledger {
    tasks: BTreeMap<TaskId, Entry>,
    submissions: u64,
    slots: BTreeMap<WorkerId, u32>,
    handlers: BTreeMap<WorkerId, Vec<HandlerName>>,
    /// What each worker may hold beyond its slots: never more than it asked for lately.
    prefetch: BTreeMap<WorkerId, u32>,
    /// Which attempts take a slot of which worker.
    taken: BTreeMap<AttemptRef, WorkerId>,
    /// Those of them that are cancelled.
    cancelled: BTreeSet<AttemptRef>,
}

struct Entry {
    seq: u64,
    handler: HandlerName,
    attempt: Attempt,
    /// So many of them were given back.
    returned: u32,
    delivery: Delivery,
    stage: Stage,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    Queued,
    Running,
    Finished,
}

impl Ledger {
    fn record(&mut self, event: &Event) {
        match event {
            Event::TaskSubmitted { task, handler, delivery, .. } => {
                let seq = self.submissions;
                self.submissions += 1;
                let (handler, attempt, stage) = (handler.clone(), Attempt(0), Stage::Queued);
                let (returned, delivery) = (0, *delivery);
                let entry = Entry { seq, handler, attempt, returned, delivery, stage };
                assert!(self.tasks.insert(*task, entry).is_none(), "{task} was submitted twice");
            }
            Event::TaskAssigned { task, attempt, worker, .. } => {
                self.assert_oldest(*task);
                let entry = self.tasks.get_mut(task).expect("assigned tasks exist");
                assert_eq!((entry.stage, entry.attempt.next()), (Stage::Queued, *attempt));
                let once = entry.delivery == Delivery::AtMostOnce;
                let is_first = attempt.0 == entry.returned + 1;
                assert!(!once || is_first, "{task} is given out again");
                (entry.stage, entry.attempt) = (Stage::Running, *attempt);
                let busy = self.taken.values().filter(|taker| *taker == worker).count();
                let slots = self.slots[worker] as usize;
                let prefetch = self.prefetch.get(worker).map_or(0, |tasks| *tasks as usize);
                assert!(busy < slots + prefetch, "{worker} has no slot for {task}");
                let may_wait = !once && is_first;
                assert!(busy < slots || may_wait, "{task} must not wait at {worker}");
                assert!(busy < slots || !self.passes(*task, worker), "{task} passes another");
                let reference = AttemptRef { task: *task, attempt: *attempt };
                assert!(self.taken.insert(reference, worker.clone()).is_none());
            }
            Event::TaskSucceeded { task, attempt, .. }
            | Event::TaskFailed { task, attempt, .. } => {
                self.end(*task, *attempt, Stage::Finished);
            }
            Event::TaskRequeued { task, attempt, .. } => {
                self.end(*task, *attempt, Stage::Queued);
                assert_eq!(self.tasks[task].delivery, Delivery::AtLeastOnce, "{task} goes back");
            }
            Event::TaskReturned { task, attempt, .. } => {
                self.end(*task, *attempt, Stage::Queued);
                self.tasks.get_mut(task).expect("it was there just now").returned += 1;
            }
            Event::TaskLost { task, attempt, .. } => {
                self.end(*task, *attempt, Stage::Finished);
                assert_eq!(self.tasks[task].delivery, Delivery::AtMostOnce, "{task} is lost");
            }
            Event::TaskCancelled { task, .. } => {
                let entry = self.tasks.get_mut(task).expect("cancelled tasks exist");
                assert_ne!(entry.stage, Stage::Finished, "{task} has two outcomes");
                if entry.stage == Stage::Running {
                    self.cancelled.insert(AttemptRef { task: *task, attempt: entry.attempt });
                }
                entry.stage = Stage::Finished;
            }
            Event::TasksPruned { tasks } => {
                for task in tasks {
                    let entry = self.tasks.remove(task).expect("forgotten tasks existed");
                    assert_eq!(entry.stage, Stage::Finished);
                }
            }
            Event::WorkerRegistered { worker, slots, handlers, .. } => {
                self.slots.insert(worker.clone(), *slots);
                self.handlers.insert(worker.clone(), handlers.clone());
            }
            Event::WorkerLost { worker, .. } => {
                let Self { taken, cancelled, .. } = self;
                taken.retain(|attempt, taker| taker != worker || !cancelled.remove(attempt));
                self.slots.remove(worker);
            }
            Event::AttemptEnded { task, attempt, worker } => {
                let reference = AttemptRef { task: *task, attempt: *attempt };
                assert!(self.cancelled.remove(&reference));
                assert_eq!(self.taken.remove(&reference).as_ref(), Some(worker));
            }
            Event::HandlersLearned { .. } | Event::UserAdded { .. } | Event::UserRemoved { .. } => {
            }
            Event::TaskRestored(_) => panic!("nobody decides {event:?}"),
        }
    }

    fn end(&mut self, task: TaskId, attempt: Attempt, stage: Stage) {
        let entry = self.tasks.get_mut(&task).expect("tasks with an outcome exist");
        assert_eq!((entry.stage, entry.attempt), (Stage::Running, attempt), "{task}");
        entry.stage = stage;
        assert!(self.taken.remove(&AttemptRef { task, attempt }).is_some(), "{task} had no slot");
    }

    /// An older task of another handler may not wait with this worker, and so needs its next slot.
    fn passes(&self, task: TaskId, worker: &WorkerId) -> bool {
        let seq = self.tasks[&task].seq;
        self.tasks.values().any(|other| {
            let is_first = other.attempt.0 == other.returned;
            other.stage == Stage::Queued
                && other.seq < seq
                && self.handlers[worker].contains(&other.handler)
                && !(is_first && other.delivery == Delivery::AtLeastOnce)
                && self.is_head(other)
        })
    }

    fn is_head(&self, entry: &Entry) -> bool {
        !self.tasks.values().any(|other| {
            other.stage == Stage::Queued && other.handler == entry.handler && other.seq < entry.seq
        })
    }

    /// Among the queued tasks of its handler.
    fn assert_oldest(&self, task: TaskId) {
        let chosen = &self.tasks[&task];
        let older = self.tasks.values().filter(|other| {
            other.stage == Stage::Queued
                && other.handler == chosen.handler
                && other.seq < chosen.seq
        });
        assert_eq!(older.count(), 0, "{task} was assigned before an older one");
    }

    /// Each worker is as busy as the events say.
    fn compare(&self, machine: &mut Machine, now: u64) {
        let mut step = Step::default();
        machine.handle(Timestamp(now), Command::Overview { request: REQUEST }, &mut step);
        let Some(Effect::Answer { answer: Ok(Answer::Overview(overview)), .. }) =
            step.effects.pop()
        else {
            panic!("an overview is always answered")
        };
        for worker in overview.workers {
            let taken = self.taken.values().filter(|taker| **taker == worker.worker).count();
            assert_eq!(worker.busy as usize, taken, "{}", worker.worker);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// The invariants, an equal standby, one outcome per task, exact slots, FIFO per handler: all with
    /// changes of the principal in between.
    #[test]
    fn whatever_happens_the_books_are_right(actions in actions(120)) {
        let (mut scene, mut ledger) = (Scene::new(limits()), Ledger::default());
        let mut around = Surroundings::default();
        for action in actions {
            match around.command(action) {
                Some(command) => {
                    if let Command::SetPrefetch { session, tasks } = &command {
                        ledger.prefetch.insert(around.worker_of[session].clone(), *tasks);
                    }
                    let step = scene.step(around.now, command);
                    step.events.iter().for_each(|event| ledger.record(event));
                    around.follow(&step);
                }
                None => scene.fail_over(around.now),
            }
            ledger.compare(&mut scene.principal, around.now);
        }
    }

    /// A snapshot holds all that the future depends on.
    #[test]
    fn a_machine_rebuilt_from_its_history_decides_the_same(
        before in actions(80),
        after in actions(80),
    ) {
        let (mut scene, mut around) = (Scene::new(limits()), Surroundings::default());
        for action in before {
            if let Some(command) = around.command(action) {
                let step = scene.step(around.now, command);
                around.follow(&step);
            }
        }
        let now = Timestamp(around.now);
        let mut rebuilt = scene.rebuilt();
        scene.principal.take_office(now, &mut Step::default());
        rebuilt.take_office(now, &mut Step::default());
        for action in after {
            let Some(command) = around.command(action) else { continue };
            let step = scene.step(around.now, command.clone());
            around.follow(&step);
            let mut again = Step::default();
            rebuilt.handle(Timestamp(around.now), command, &mut again);
            prop_assert_eq!(&again, &step);
            prop_assert_eq!(rebuilt.digest(), scene.principal.digest());
        }
        prop_assert_eq!(invariants::check_principal(&rebuilt), Ok(()));
    }

    /// G6: whatever the batches and whoever else is there, workers that are equal and always free get
    /// the same number of tasks, give or take one.
    #[test]
    fn equal_free_workers_get_equal_shares(
        others in proptest::collection::vec((1..4u32, handlers()), 0..4),
        equals in 2..6u64,
        batches in proptest::collection::vec(
            (proptest::collection::vec(handler(), 1..8), any::<bool>()), 1..40),
    ) {
        let mut scene = Scene::new(Limits::default());
        let all: Vec<_> = HANDLERS.into_iter().map(HandlerName::from).collect();
        for worker in 0..equals {
            let plenty = ConnectWorker { handlers: all.clone(), ..hello(worker, 10_000) };
            scene.step(0, Command::ConnectWorker(plenty));
        }
        for (worker, (slots, handlers)) in (equals..).zip(others) {
            let other = ConnectWorker { handlers, ..hello(worker, slots) };
            scene.step(0, Command::ConnectWorker(other));
        }
        let mut counts = vec![0u32; equals as usize];
        let mut next = 0;
        for (handlers, finishes) in batches {
            let tasks = handlers.into_iter().map(|handler| {
                next += 1;
                NewTask {
                    id: TaskId(next),
                    handler,
                    payload: [][..].into(),
                    delivery: Delivery::default(),
                }
            });
            let tasks = tasks.collect();
            let owner = UserName::from("ana");
            let step = scene.step(0, Command::Submit {
                request: REQUEST, owner, tasks, allow_unknown_handler: false
            });
            for effect in &step.effects {
                let Effect::Assign { session, assignment } = effect else { continue };
                if let Some(count) = counts.get_mut(session.0 as usize) {
                    *count += 1;
                }
                let spread = counts.iter().max().unwrap() - counts.iter().min().unwrap();
                prop_assert!(spread <= 1, "{counts:?}");
                if finishes {
                    let outcome = Outcome::Succeeded { result: [][..].into() };
                    let outcomes = vec![ReportedOutcome { attempt: assignment.attempt, outcome }];
                    scene.step(0, Command::ReportOutcomes { session: *session, outcomes });
                }
            }
        }
    }
}

fn hello(worker: u64, slots: u32) -> ConnectWorker {
    let Command::ConnectWorker(connect) = connect(worker, slots) else {
        unreachable!("`connect` makes nothing else")
    };
    connect
}
