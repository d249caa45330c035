//! The worker against a scripted orchestrator.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use common::grpc_status;
use common::lang::Lang;
use common::proto::orchestrator_message::Message as ToWorker;
use common::proto::worker_message::Message as FromWorker;
use common::proto::worker_service_server::{WorkerService, WorkerServiceServer};
use common::proto::{
    Assignment, Assignments, AttemptRef, CancelAttempts, Delivery, GetSourcesRequest,
    GetSourcesResponse, OrchestratorMessage, Outcome, OutcomesAcknowledged, Register, Registered,
    Stop, WorkerMessage, outcome,
};
use futures::future::BoxFuture;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_stream::Stream;
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tonic::{Request, Response, Status, Streaming};
use worker::{Config, Context, Failure, Handler};

/// Far beyond what a worker takes, even on a busy machine.
const DEADLINE: Duration = Duration::from_secs(30);

/// What never comes is a failure, not a test that never ends.
async fn in_time<T>(what: &str, wait: impl Future<Output = T>) -> T {
    let Ok(come) = tokio::time::timeout(DEADLINE, wait).await else {
        panic!("waited in vain for {what}")
    };
    come
}

/// An orchestrator whose every session the test conducts.
struct Script {
    port: u16,
    sessions: mpsc::Receiver<Session>,
}

struct Session {
    register: Register,
    from_worker: Streaming<WorkerMessage>,
    to_worker: mpsc::Sender<Result<OrchestratorMessage, Status>>,
    epoch: u64,
}

struct Service {
    sessions: mpsc::Sender<Session>,
    /// Names another node as the principal instead of opening sessions.
    refers_to: Option<u16>,
}

/// Refuses what every worker says of itself.
struct Strict;

#[tonic::async_trait]
impl WorkerService for Strict {
    type SessionStream = Outgoing;
    type GetSourcesStream = Left;

    async fn get_sources(&self, _: Request<GetSourcesRequest>) -> Result<Response<Left>, Status> {
        Err(Status::unimplemented("no test here takes files of another task"))
    }

    async fn session(
        &self,
        _request: Request<Streaming<WorkerMessage>>,
    ) -> Result<Response<Outgoing>, Status> {
        Err(grpc_status::invalid([("register.slots".into(), "are too many".into())]))
    }
}

type Left = futures::stream::Empty<Result<GetSourcesResponse, Status>>;
type Outgoing = Pin<Box<dyn Stream<Item = Result<OrchestratorMessage, Status>> + Send>>;

#[tonic::async_trait]
impl WorkerService for Service {
    type SessionStream = Outgoing;
    type GetSourcesStream = Left;

    async fn get_sources(&self, _: Request<GetSourcesRequest>) -> Result<Response<Left>, Status> {
        Err(Status::unimplemented("no test here takes files of another task"))
    }

    async fn session(
        &self,
        request: Request<Streaming<WorkerMessage>>,
    ) -> Result<Response<Outgoing>, Status> {
        if let Some(port) = self.refers_to {
            return Err(grpc_status::not_primary(Some(&format!("http://localhost:{port}"))));
        }
        let mut from_worker = request.into_inner();
        let Some(FromWorker::Register(register)) =
            from_worker.message().await?.and_then(|m| m.message)
        else {
            return Err(Status::invalid_argument("no registration"));
        };
        let (to_worker, stream) = mpsc::channel(16);
        let session = Session { register, from_worker, to_worker, epoch: 0 };
        self.sessions.send(session).await.map_err(|_| Status::unavailable("the test is over"))?;
        Ok(Response::new(Box::pin(ReceiverStream::new(stream))))
    }
}

impl Script {
    async fn start(refers_to: Option<u16>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("has one").port();
        let (sender, sessions) = mpsc::channel(4);
        let service = WorkerServiceServer::new(Service { sessions: sender, refers_to });
        let server = tonic::transport::Server::builder().add_service(service);
        tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
        Self { port, sessions }
    }

    /// The next session, registered under `epoch`.
    async fn session(&mut self, epoch: u64) -> Session {
        self.session_with_lease(epoch, 60_000).await
    }

    async fn session_with_lease(&mut self, epoch: u64, lease_ms: u32) -> Session {
        let mut session =
            in_time("a session", self.sessions.recv()).await.expect("the worker comes");
        session.epoch = epoch;
        let registered =
            Registered { cluster_id: "c".into(), heartbeat_interval_ms: 1_000, lease_ms };
        session.say(ToWorker::Registered(registered)).await;
        session
    }
}

impl Session {
    async fn say(&self, message: ToWorker) {
        let message = OrchestratorMessage { epoch: self.epoch, message: Some(message) };
        let sent = in_time("room for a message", self.to_worker.send(Ok(message))).await;
        sent.expect("the worker listens");
    }

    async fn assign(&self, task_id: &str, handler: &str) {
        self.assign_as(Delivery::AtLeastOnce, task_id, handler).await;
    }

    async fn assign_as(&self, delivery: Delivery, task_id: &str, handler: &str) {
        self.say(assignment(delivery, task_id, handler)).await;
    }

    /// What comes next besides heartbeats.
    async fn hear(&mut self) -> FromWorker {
        in_time("a message", self.hear_however_late()).await
    }

    async fn hear_however_late(&mut self) -> FromWorker {
        loop {
            let message = self.from_worker.message().await.expect("is open").expect("is no end");
            match message.message.expect("is not empty") {
                FromWorker::Heartbeat(_) => {}
                other => return other,
            }
        }
    }

    async fn outcome(&mut self) -> Outcome {
        match self.hear().await {
            FromWorker::Outcomes(mut outcomes) => outcomes.outcomes.remove(0),
            other => panic!("expected an outcome, got {other:?}"),
        }
    }
}

fn assignment(delivery: Delivery, task_id: &str, handler: &str) -> ToWorker {
    let assignment = Assignment {
        task_id: task_id.into(),
        attempt: 1,
        handler: handler.into(),
        payload: b"x".to_vec().into(),
        delivery: delivery.into(),
        timeout_ms: None,
        slots: 1,
        ..Assignment::default()
    };
    ToWorker::Assignments(Assignments { assignments: vec![assignment] })
}

/// Runs until it is told to go on, and counts how often it was started.
#[derive(Clone)]
struct Gate {
    started: Arc<AtomicUsize>,
    open: Arc<tokio::sync::Semaphore>,
}

impl Gate {
    fn new() -> Self {
        Self { started: Arc::default(), open: Arc::new(tokio::sync::Semaphore::new(0)) }
    }
}

impl Handler for Gate {
    fn name(&self) -> &str {
        "gate"
    }

    fn run(
        &self,
        context: Context,
        payload: Vec<u8>,
    ) -> BoxFuture<'static, Result<Vec<u8>, Failure>> {
        self.started.fetch_add(1, Ordering::SeqCst);
        let open = Arc::clone(&self.open);
        Box::pin(async move {
            tokio::select! {
                permit = open.acquire() => drop(permit),
                () = context.cancelled.cancelled() => return Err(Failure::new("CANCELLED", "cancelled")),
            }
            Ok(payload)
        })
    }
}

/// Does its work inline, and badly.
struct Panics;

impl Handler for Panics {
    fn name(&self) -> &str {
        "panics"
    }

    fn run(
        &self,
        _context: Context,
        payload: Vec<u8>,
    ) -> BoxFuture<'static, Result<Vec<u8>, Failure>> {
        Box::pin(std::future::ready(Ok(payload)))
    }

    fn run_inline(&self, _payload: Vec<u8>) -> Result<Vec<u8>, Vec<u8>> {
        panic!("as the test wants it")
    }
}

async fn start_worker(orchestrators: &[u16], gate: &Gate) -> JoinHandle<Result<u8, worker::Error>> {
    let own =
        TcpListener::bind("127.0.0.1:0").await.and_then(|l| l.local_addr()).expect("a port").port();
    let urls: Vec<_> =
        orchestrators.iter().map(|port| format!("http://localhost:{port}")).collect();
    let args =
        ["worker", "--port", &own.to_string(), "--slots", "2", "--orchestrators", &urls.join(",")];
    let config = Config::parse(&args).expect("is right");
    let handlers: Vec<Arc<dyn Handler>> = vec![Arc::new(gate.clone()), Arc::new(Panics)];
    tokio::spawn(worker::run(config, handlers))
}

/// A worker with two slots that has seen many short tasks, and what it asked for then.
async fn trusting_worker(script: &mut Script, gate: &Gate) -> (Session, u32) {
    gate.open.add_permits(1);
    start_worker(&[script.port], gate).await;
    let mut session = script.session(1).await;
    let (mut task, mut asked_for) = (100, None);
    loop {
        session.assign(&format!("01900000-0000-7000-8000-{task:012}"), "gate").await;
        task += 1;
        loop {
            match session.hear().await {
                FromWorker::Prefetch(prefetch) => asked_for = Some(prefetch.tasks),
                FromWorker::Outcomes(_) => break,
                other => panic!("expected an outcome, got {other:?}"),
            }
        }
        if let Some(tasks) = asked_for {
            assert_eq!(gate.open.forget_permits(1), 1, "nothing runs now");
            return (session, tasks);
        }
    }
}

impl Session {
    /// Three tasks: for both slots, and one more.
    async fn assign_three(&self) {
        for task in [TASK, OTHER_TASK, THIRD_TASK] {
            self.assign(task, "gate").await;
        }
    }

    async fn returned(&mut self) -> Vec<AttemptRef> {
        loop {
            match self.hear().await {
                FromWorker::Returned(returned) => return returned.attempts,
                FromWorker::Prefetch(_) | FromWorker::Outcomes(_) => {}
                other => panic!("expected something back, got {other:?}"),
            }
        }
    }
}

const TASK: &str = "01900000-0000-7000-8000-000000000001";

const OTHER_TASK: &str = "01900000-0000-7000-8000-000000000002";

const THIRD_TASK: &str = "01900000-0000-7000-8000-000000000003";

fn reference() -> AttemptRef {
    AttemptRef { task_id: TASK.into(), attempt: 1 }
}

#[tokio::test]
async fn a_worker_that_ends_in_order_finishes_what_it_runs_in_the_same_session() {
    let (mut script, gate) = (Script::start(None).await, Gate::new());
    let worker = start_worker(&[script.port], &gate).await;
    let mut session = script.session(1).await;
    session.assign(TASK, "gate").await;
    session.say(ToWorker::Stop(Stop { within_ms: None })).await;
    assert!(matches!(session.hear().await, FromWorker::Drain(_)));
    gate.open.add_permits(1);
    assert_eq!(session.outcome().await.task_id, TASK);
    let acknowledged = OutcomesAcknowledged { attempts: vec![reference()] };
    session.say(ToWorker::Acknowledged(acknowledged)).await;
    let ended = in_time("the end", worker).await.expect("no panic");
    assert_eq!(ended.expect("no error"), common::exit::OK);
    assert!(script.sessions.try_recv().is_err(), "it opened another session");
}

#[tokio::test]
async fn a_worker_that_nobody_will_ever_take_says_why_and_ends() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("has one").port();
    let server = tonic::transport::Server::builder().add_service(WorkerServiceServer::new(Strict));
    tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
    let worker = start_worker(&[port], &Gate::new()).await;
    let error = in_time("the end", worker).await.expect("no panic").expect_err("is refused");
    assert_eq!(error.exit_code(), common::exit::REFUSED);
    assert!(error.text(Lang::Pt).contains("register.slots"), "{error}");
}

#[tokio::test]
async fn a_running_task_survives_a_failover_and_is_not_started_again() {
    let (mut first, mut second, gate) =
        (Script::start(None).await, Script::start(None).await, Gate::new());
    start_worker(&[first.port, second.port], &gate).await;
    let session = first.session(1).await;
    session.assign(TASK, "gate").await;
    session.assign(TASK, "gate").await;
    let started = async {
        while gate.started.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
    };
    in_time("the start of the task", started).await;
    // The first principal goes silent for good: its stream ends, and nobody serves new ones there.
    drop(session);
    first.sessions.close();
    let mut session = second.session(2).await;
    assert_eq!(session.register.held, [reference()], "it says what it holds");
    assert_eq!(session.register.highest_epoch, 1);
    session.assign(TASK, "gate").await;
    gate.open.add_permits(1);
    assert_eq!(session.outcome().await.task_id, TASK);
    assert_eq!(gate.started.load(Ordering::SeqCst), 1, "started once");
}

#[tokio::test]
async fn an_outcome_is_repeated_until_it_is_acknowledged() {
    let (mut script, gate) = (Script::start(None).await, Gate::new());
    gate.open.add_permits(1);
    start_worker(&[script.port], &gate).await;
    let mut session = script.session(1).await;
    session.assign(TASK, "gate").await;
    let outcome = session.outcome().await;
    drop(session);
    let mut session = script.session(1).await;
    assert_eq!(session.register.held, [reference()]);
    assert_eq!(session.outcome().await, outcome, "the acknowledgement may have been lost");
    session.say(ToWorker::Acknowledged(OutcomesAcknowledged { attempts: vec![reference()] })).await;
    // The next answer shows that the acknowledgement was read.
    session.say(ToWorker::Cancel(CancelAttempts { attempts: vec![reference()] })).await;
    assert!(matches!(session.hear().await, FromWorker::Ended(_)));
    drop(session);
    assert_eq!(script.session(1).await.register.held, []);
}

#[tokio::test]
async fn an_at_most_once_task_is_not_started_again_even_after_it_was_acknowledged() {
    let (mut script, gate) = (Script::start(None).await, Gate::new());
    gate.open.add_permits(2);
    start_worker(&[script.port], &gate).await;
    let mut session = script.session(1).await;
    session.assign_as(Delivery::AtMostOnce, TASK, "gate").await;
    assert!(matches!(session.outcome().await.outcome, Some(outcome::Outcome::Succeeded(_))));
    session.say(ToWorker::Acknowledged(OutcomesAcknowledged { attempts: vec![reference()] })).await;
    drop(session);
    // A principal that lacks that history gives it out once more.
    let mut session = script.session(2).await;
    assert_eq!(session.register.held, []);
    session.assign_as(Delivery::AtMostOnce, TASK, "gate").await;
    let again = session.outcome().await;
    let Some(outcome::Outcome::Failed(failure)) = again.outcome else { panic!("{again:?}") };
    assert_eq!(failure.code, "ALREADY_STARTED");
    assert_eq!(gate.started.load(Ordering::SeqCst), 1, "started once");
}

#[tokio::test]
async fn a_principal_of_a_lower_epoch_is_left() {
    let (mut script, gate) = (Script::start(None).await, Gate::new());
    start_worker(&[script.port], &gate).await;
    drop(script.session(5).await);
    let stale = script.session(4).await;
    in_time("the end of the session", stale.to_worker.closed()).await;
    let session = script.session(5).await;
    assert_eq!(session.register.highest_epoch, 5);
}

#[tokio::test]
async fn a_refusal_that_names_the_principal_is_followed() {
    let (mut principal, gate) = (Script::start(None).await, Gate::new());
    let standby = Script::start(Some(principal.port)).await;
    // Only the standby is configured.
    start_worker(&[standby.port], &gate).await;
    principal.session(1).await;
}

#[tokio::test]
async fn a_cancelled_attempt_reports_its_end_and_no_outcome() {
    let (mut script, gate) = (Script::start(None).await, Gate::new());
    start_worker(&[script.port], &gate).await;
    let mut session = script.session(1).await;
    session.assign(TASK, "gate").await;
    session.say(ToWorker::Cancel(CancelAttempts { attempts: vec![reference()] })).await;
    match session.hear().await {
        FromWorker::Ended(ended) => assert_eq!(ended.attempts, [reference()]),
        other => panic!("expected the end, got {other:?}"),
    }
}

#[tokio::test]
async fn an_inline_handler_that_panics_fails_its_attempt_and_nothing_else() {
    let (mut script, gate) = (Script::start(None).await, Gate::new());
    gate.open.add_permits(1);
    start_worker(&[script.port], &gate).await;
    let mut session = script.session(1).await;
    session.assign(TASK, "panics").await;
    match session.outcome().await.outcome {
        Some(outcome::Outcome::Failed(failure)) => assert_eq!(failure.code, "PANICKED"),
        other => panic!("expected a failure, got {other:?}"),
    }
    session.assign(OTHER_TASK, "gate").await;
    assert_eq!(session.outcome().await.task_id, OTHER_TASK, "the same session goes on");
}

/// V14: what a silent principal still sends after the worker has told its successor what it holds must not start:
/// the successor may give the same attempt, or task, to another worker.
#[tokio::test]
async fn a_buffered_assignment_after_a_report() {
    let (mut first, mut second, gate) =
        (Script::start(None).await, Script::start(None).await, Gate::new());
    start_worker(&[first.port, second.port], &gate).await;
    let deposed = first.session_with_lease(1, 100).await;
    // It says nothing: the worker asks the others, and comes back to it only if they refuse.
    drop(first);
    let mut session = second.session(2).await;
    let late = assignment(Delivery::AtLeastOnce, TASK, "gate");
    let late = OrchestratorMessage { epoch: 1, message: Some(late) };
    // Whether it still arrives does not matter.
    drop(deposed.to_worker.try_send(Ok(late)));
    gate.open.add_permits(1);
    session.assign(OTHER_TASK, "gate").await;
    assert_eq!(session.outcome().await.task_id, OTHER_TASK);
    assert_eq!(gate.started.load(Ordering::SeqCst), 1, "the late assignment was started");
}

#[tokio::test]
async fn short_tasks_are_asked_for_ahead_and_given_back_when_they_wait_in_vain() {
    let (mut script, gate) = (Script::start(None).await, Gate::new());
    let (mut session, tasks) = trusting_worker(&mut script, &gate).await;
    assert!(tasks > 0);
    let before = gate.started.load(Ordering::SeqCst);
    session.assign_three().await;
    // The gate is closed, so both slots are taken for good.
    assert!(
        matches!(session.hear().await, FromWorker::Prefetch(prefetch) if prefetch.tasks == 0),
        "it asks for no more before it gives anything back"
    );
    let third = AttemptRef { task_id: THIRD_TASK.into(), attempt: 1 };
    assert_eq!(session.returned().await, [third]);
    assert_eq!(gate.started.load(Ordering::SeqCst), before + 2, "it was not started");
    // It may come again, and is started then.
    gate.open.add_permits(2);
    session.outcome().await;
    session.assign(THIRD_TASK, "gate").await;
    loop {
        if session.outcome().await.task_id == THIRD_TASK {
            break;
        }
    }
}

#[tokio::test]
async fn what_waits_for_a_slot_is_cancelled_at_once() {
    let (mut script, gate) = (Script::start(None).await, Gate::new());
    let (mut session, _) = trusting_worker(&mut script, &gate).await;
    let before = gate.started.load(Ordering::SeqCst);
    session.assign_three().await;
    let third = AttemptRef { task_id: THIRD_TASK.into(), attempt: 1 };
    session.say(ToWorker::Cancel(CancelAttempts { attempts: vec![third.clone()] })).await;
    match session.hear().await {
        FromWorker::Ended(ended) => assert_eq!(ended.attempts, [third]),
        other => panic!("expected an end, got {other:?}"),
    }
    assert_eq!(gate.started.load(Ordering::SeqCst), before + 2, "it was not started");
}

#[tokio::test]
async fn a_worker_that_drains_gives_back_what_it_has_not_started() {
    let (mut script, gate) = (Script::start(None).await, Gate::new());
    let (mut session, _) = trusting_worker(&mut script, &gate).await;
    session.assign_three().await;
    session.say(ToWorker::Stop(Stop { within_ms: None })).await;
    loop {
        match session.hear().await {
            FromWorker::Drain(_) => break,
            FromWorker::Prefetch(_) | FromWorker::Outcomes(_) => {}
            other => panic!("expected it to drain, got {other:?}"),
        }
    }
    let third = AttemptRef { task_id: THIRD_TASK.into(), attempt: 1 };
    assert_eq!(session.returned().await, [third]);
}

#[tokio::test]
async fn what_waits_for_a_slot_is_left_behind_with_its_session() {
    let (mut script, gate) = (Script::start(None).await, Gate::new());
    let (mut session, _) = trusting_worker(&mut script, &gate).await;
    session.assign_three().await;
    // The end of one that waits shows that all three have come.
    let fourth = "01900000-0000-7000-8000-000000000004";
    session.assign(fourth, "gate").await;
    let attempts = vec![AttemptRef { task_id: fourth.into(), attempt: 1 }];
    session.say(ToWorker::Cancel(CancelAttempts { attempts })).await;
    assert!(matches!(session.hear().await, FromWorker::Ended(_)));
    drop(session);

    let mut session = script.session(1).await;
    let mut held: Vec<_> = session.register.held.iter().map(|held| &held.task_id[..]).collect();
    held.retain(|task| [TASK, OTHER_TASK, THIRD_TASK].contains(task));
    held.sort_unstable();
    assert_eq!(
        held,
        [TASK, OTHER_TASK],
        "the orchestrator gives the third one again, or elsewhere"
    );
    // Nothing is given back in its name: the orchestrator may just have given it again.
    session.assign(THIRD_TASK, "gate").await;
    gate.open.add_permits(2);
    let mut done = Vec::new();
    while !done.iter().any(|task| task == THIRD_TASK) {
        match session.hear().await {
            FromWorker::Outcomes(outcomes) => {
                done.extend(outcomes.outcomes.into_iter().map(|outcome| outcome.task_id));
            }
            FromWorker::Prefetch(_) => {}
            other => panic!("expected outcomes, got {other:?}"),
        }
    }
}
