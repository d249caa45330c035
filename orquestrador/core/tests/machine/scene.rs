//! The one place of these tests that touches the machine's API; the tests themselves are data.

mod words;

use orquestrador_core::command::{
    AttemptRef, ConnectWorker, Delivery, Failure, NewArray, NewTask, NewToken, Outcome,
    ReportedOutcome, Role, Start, StateFilter, TaskFilter,
};
use orquestrador_core::effect::{
    ArraySnapshot, GroupSnapshot, Notice, QueueSnapshot, TaskSnapshot, UserSnapshot,
};
use orquestrador_core::event::RestoredEnd;
use orquestrador_core::ids::{
    ArrayId, Attempt, ProcessId, RequestId, SessionId, TaskId, Timestamp,
};
use orquestrador_core::quota::{Quota, Usage};
use orquestrador_core::{Answer, Command, Effect, Event, Limits, Machine, Step, invariants};

pub use words::lines;

/// A command and when it comes.
#[derive(Clone, Debug)]
pub struct At(pub u64, pub Command);

impl From<Command> for At {
    fn from(command: Command) -> Self {
        Self(0, command)
    }
}

/// Runs `given` on a new principal, then `command`, and compares what that led to: events, then
/// effects, one line each.
#[track_caller]
pub fn check<const N: usize>(given: [At; N], command: impl Into<At>, expect: &str) {
    check_within(Limits::default(), given, command, expect);
}

#[track_caller]
pub fn check_within<const N: usize>(
    limits: Limits,
    given: [At; N],
    command: impl Into<At>,
    expect: &str,
) {
    let mut scene = Scene::new(limits);
    for At(now, command) in given {
        scene.step(now, command);
    }
    let At(now, command) = command.into();
    let expect: Vec<_> = expect.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    assert_eq!(lines(&scene.step(now, command)).join("\n"), expect.join("\n"));
}

/// A principal, and a standby that applies what it decides.
pub struct Scene {
    pub principal: Machine,
    pub standby: Machine,
    limits: Limits,
}

impl Scene {
    pub fn new(limits: Limits) -> Self {
        let mut principal = Machine::new(limits.clone());
        principal.take_office(Timestamp(0), &mut Step::default());
        Self { principal, standby: Machine::new(limits.clone()), limits }
    }

    #[track_caller]
    pub fn step(&mut self, now: u64, command: Command) -> Step {
        let mut step = Step::default();
        self.principal.handle(Timestamp(now), command, &mut step);
        step.events.iter().for_each(|event| self.standby.apply(event));
        self.verify();
        step
    }

    #[track_caller]
    fn verify(&self) {
        assert_eq!(invariants::check_principal(&self.principal), Ok(()));
        assert_eq!(invariants::check(&self.standby), Ok(()));
        assert_eq!(self.standby.digest(), self.principal.digest(), "the standby has another state");
    }

    /// A machine from the principal's history.
    #[track_caller]
    pub fn rebuilt(&self) -> Machine {
        let mut machine = Machine::new(self.limits.clone());
        self.principal.history().for_each(|event| machine.apply(&event));
        assert_eq!(invariants::check(&machine), Ok(()));
        assert_eq!(machine.digest(), self.principal.digest(), "the history leads elsewhere");
        machine
    }

    /// The principal dies, the standby takes over.
    pub fn fail_over(&mut self, now: u64) {
        self.principal = std::mem::replace(&mut self.standby, Machine::new(self.limits.clone()));
        self.principal.take_office(Timestamp(now), &mut Step::default());
        self.standby = self.rebuilt();
    }
}

// ---- Commands, in short. ----

pub const REQUEST: RequestId = RequestId(1);

/// Echo tasks of ana with these ids.
pub fn submit(ids: &[u128]) -> Command {
    submit_to("echo", ids)
}

pub fn submit_to(handler: &str, ids: &[u128]) -> Command {
    submit_tasks("ana", ids.iter().map(|id| task(*id, handler, "payload")).collect())
}

pub fn submit_tasks(owner: &str, tasks: Vec<NewTask>) -> Command {
    let owner = owner.into();
    Command::Submit { request: REQUEST, owner, tasks, allow_unknown_handler: false }
}

pub fn task(id: u128, handler: &str, payload: &str) -> NewTask {
    let (handler, payload) = (handler.into(), payload.as_bytes().to_vec().into());
    NewTask {
        id: TaskId(id),
        handler,
        payload,
        terms: Delivery::AtLeastOnce.into(),
        start: Start::Now,
        after: None,
        key: None,
        blobs: vec![],
        trace: None,
    }
}

/// The n-th array.
pub fn array_id(n: u128) -> ArrayId {
    ArrayId(n << 96 | 8 << 76)
}

/// The task with this number in the n-th array.
pub fn in_array(n: u128, number: u32) -> u128 {
    array_id(n).task(number).0
}

/// The n-th array, of echo tasks of ana with these numbers.
pub fn submit_array(n: u128, numbers: std::ops::Range<u32>) -> Command {
    let (first, count) = (numbers.start, numbers.end - numbers.start);
    let NewTask { handler, payload, terms, .. } = task(0, "echo", "payload");
    let array = NewArray {
        id: array_id(n),
        handler,
        payload,
        terms,
        first,
        count,
        without: vec![],
        start: Start::Now,
        after: None,
        blobs: vec![],
        trace: None,
    };
    Command::SubmitArray {
        request: REQUEST,
        owner: "ana".into(),
        array: Box::new(array),
        allow_unknown_handler: false,
    }
}

/// The same without the tasks at these places.
pub fn submit_array_without(
    n: u128,
    numbers: std::ops::Range<u32>,
    places: &[std::ops::Range<u32>],
) -> Command {
    let mut command = submit_array(n, numbers);
    if let Command::SubmitArray { array, .. } = &mut command {
        array.without = places.to_vec();
    }
    command
}

pub fn cancel_array(n: u128) -> Command {
    Command::CancelArray { request: REQUEST, owner: "ana".into(), array: array_id(n) }
}

pub fn query_array(owner: &str, n: u128) -> Command {
    Command::QueryArray { request: REQUEST, owner: owner.into(), array: array_id(n) }
}

/// Like [`submit`], of tasks that may be started once only.
pub fn submit_once(ids: &[u128]) -> Command {
    let once =
        |id: &u128| NewTask { terms: Delivery::AtMostOnce.into(), ..task(*id, "echo", "payload") };
    submit_tasks("ana", ids.iter().map(once).collect())
}

pub fn query(owner: &str, id: u128) -> Command {
    Command::Query { request: REQUEST, owner: owner.into(), task: TaskId(id), with_result: true }
}

pub fn list(filter: u8, after: Option<u128>, limit: usize) -> Command {
    list_of(TaskFilter { states: StateFilter(filter), ..TaskFilter::default() }, after, limit)
}

pub fn list_of(filter: TaskFilter, after: Option<u128>, limit: usize) -> Command {
    let (filter, after) = (Box::new(filter), after.map(TaskId));
    Command::List { request: REQUEST, owner: Some("ana".into()), filter, after, limit }
}

pub fn cancel(id: u128) -> Command {
    Command::Cancel { request: REQUEST, owner: "ana".into(), task: TaskId(id) }
}

/// Session and worker have the same number; incarnation 1, echo only, nothing held.
pub fn connect(worker: u64, slots: u32) -> Command {
    Command::ConnectWorker(hello(worker, slots))
}

pub fn hello(worker: u64, slots: u32) -> ConnectWorker {
    ConnectWorker {
        session: SessionId(worker),
        worker: format!("w{worker}").as_str().into(),
        incarnation: ProcessId(1),
        slots,
        handlers: vec!["echo".into()],
        labels: vec![],
        resources: vec![],
        held: vec![],
    }
}

pub fn disconnect(session: u64) -> Command {
    Command::DisconnectWorker { session: SessionId(session) }
}

pub fn heartbeat(session: u64) -> Command {
    Command::WorkerHeartbeat { session: SessionId(session) }
}

pub fn drain(session: u64) -> Command {
    Command::DrainWorker { session: SessionId(session) }
}

pub fn attempt(task: u128, attempt: u32) -> AttemptRef {
    AttemptRef { task: TaskId(task), attempt: Attempt(attempt) }
}

pub fn succeed(session: u64, attempt: AttemptRef) -> Command {
    report(session, attempt, Outcome::Succeeded { result: b"result"[..].into() })
}

pub fn fail(session: u64, attempt: AttemptRef) -> Command {
    let failure = Failure {
        code: "HANDLER_ERROR".into(),
        message: "it broke".into(),
        output: b"half"[..].into(),
    };
    report(session, attempt, Outcome::Failed(failure))
}

pub fn report(session: u64, attempt: AttemptRef, outcome: Outcome) -> Command {
    let outcomes = vec![ReportedOutcome { attempt, outcome, blobs: vec![] }];
    Command::ReportOutcomes { session: SessionId(session), outcomes }
}

pub fn ended(session: u64, attempt: AttemptRef) -> Command {
    Command::ReportEnded { session: SessionId(session), attempts: vec![attempt] }
}

pub fn prefetch(session: u64, tasks: u32) -> Command {
    Command::SetPrefetch { session: SessionId(session), tasks }
}

pub fn give_back(session: u64, attempts: &[AttemptRef]) -> Command {
    let (session, attempts) = (SessionId(session), attempts.to_vec());
    Command::ReturnAttempts { session, attempts, begun: false }
}

pub fn give_up(session: u64, attempts: &[AttemptRef]) -> Command {
    let (session, attempts) = (SessionId(session), attempts.to_vec());
    Command::ReturnAttempts { session, attempts, begun: true }
}

pub fn expire() -> Command {
    Command::ExpireTimers
}

pub fn overview() -> Command {
    Command::Overview { request: REQUEST }
}

pub fn add_user(user: &str, role: Role) -> Command {
    let token_hash = format!("hash of {user}").into();
    Command::AddUser { request: REQUEST, user: user.into(), token_hash, role }
}

pub fn issue_token(user: &str, name: &str, expires_at: Option<u64>) -> Command {
    let expires_at = expires_at.map(Timestamp);
    let token = NewToken { name: name.into(), hash: "hash".into(), expires_at };
    Command::IssueToken { request: REQUEST, user: user.into(), token, replace: false }
}

/// In the place of the one of this name.
pub fn rotate_token(user: &str, name: &str, expires_at: Option<u64>) -> Command {
    match issue_token(user, name, expires_at) {
        Command::IssueToken { request, user, token, replace: _ } => {
            Command::IssueToken { request, user, token, replace: true }
        }
        other => other,
    }
}

pub fn revoke_token(user: &str, name: &str) -> Command {
    Command::RevokeToken { request: REQUEST, user: user.into(), name: name.into() }
}

pub fn remove_user(user: &str) -> Command {
    Command::RemoveUser { request: REQUEST, user: user.into() }
}

// ---- Steps, in short. ----
