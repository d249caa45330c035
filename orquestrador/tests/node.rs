//! One node from outside, through the wire: a scripted client and a scripted worker.

use std::io::{BufRead as _, BufReader};
use std::net::{Ipv4Addr, TcpListener};
use std::process::{Child, Command, Stdio};

use common::auth::{Credentials, DEMO_TOKEN, DEMO_USER};
use common::error_code::ErrorCode;
use common::grpc_status::meaning;
use common::proto::cluster_service_client::ClusterServiceClient;
use common::proto::task_orchestrator_client::TaskOrchestratorClient;
use common::proto::worker_service_client::WorkerServiceClient;
use common::proto::{self, orchestrator_message, worker_message};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;
use tonic::{Request, Status, Streaming};

struct Node {
    child: Child,
    port: u16,
    _dir: tempfile::TempDir,
}

impl Node {
    /// A founder without a standby; ready when it says so.
    fn start() -> Self {
        let free = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|l| l.local_addr());
        let (port, peer) = (free().expect("a port").port(), free().expect("a port").port());
        let dir = tempfile::tempdir().expect("a directory");
        let mut child = Command::new(env!("CARGO_BIN_EXE_orquestrador"))
            .args([
                "--port",
                &port.to_string(),
                "--peer",
                &format!("http://localhost:{peer}"),
                "--data-dir",
            ])
            .arg(dir.path().join("data"))
            .stdout(Stdio::piped())
            .spawn()
            .expect("starts");
        let stdout = BufReader::new(child.stdout.take().expect("is piped"));
        let mut lines = stdout.lines().map_while(Result::ok);
        assert!(lines.any(|line| line.contains("modo de demonstração")), "it never served");
        std::thread::spawn(move || lines.count());
        Self { child, port, _dir: dir }
    }

    fn channel(&self) -> Channel {
        format!("localhost:{}", self.port)
            .parse::<common::endpoint::Endpoint>()
            .expect("is one")
            .channel()
    }

    fn tasks(&self) -> TaskOrchestratorClient<Channel> {
        TaskOrchestratorClient::new(self.channel())
    }

    fn cluster(&self) -> ClusterServiceClient<Channel> {
        ClusterServiceClient::new(self.channel())
    }

    async fn worker(&self, name: &str, held: Vec<proto::AttemptRef>, incarnation: u128) -> Worker {
        let (outbox, outgoing) = mpsc::channel(16);
        let register = proto::Register {
            worker_id: name.into(),
            incarnation: uuid::Uuid::from_u128(incarnation).to_string(),
            slots: 1,
            handlers: vec!["echo".into()],
            held,
            ..proto::Register::default()
        };
        let message = Some(worker_message::Message::Register(register));
        outbox.send(proto::WorkerMessage { message }).await.expect("is open");
        let inbox = WorkerServiceClient::new(self.channel())
            .session(ReceiverStream::new(outgoing))
            .await
            .expect("is accepted")
            .into_inner();
        let mut worker = Worker { outbox, inbox };
        assert!(matches!(worker.next().await, orchestrator_message::Message::Registered(_)));
        worker
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

struct Worker {
    outbox: mpsc::Sender<proto::WorkerMessage>,
    inbox: Streaming<proto::OrchestratorMessage>,
}

impl Worker {
    /// The next message that is not about where the orchestrators are.
    async fn next(&mut self) -> orchestrator_message::Message {
        loop {
            let message = self.inbox.message().await.expect("is open").expect("is no end");
            match message.message.expect("is not empty") {
                orchestrator_message::Message::Members(_) => {}
                other => return other,
            }
        }
    }

    async fn assignment(&mut self) -> proto::Assignment {
        match self.next().await {
            orchestrator_message::Message::Assignments(mut some) => some.assignments.remove(0),
            other => panic!("expected an assignment, got {other:?}"),
        }
    }

    async fn succeed(&mut self, assignment: &proto::Assignment) {
        let outcome = proto::Outcome {
            task_id: assignment.task_id.clone(),
            attempt: assignment.attempt,
            outcome: Some(proto::outcome::Outcome::Succeeded(assignment.payload.clone())),
            ..proto::Outcome::default()
        };
        self.report(outcome).await;
    }

    async fn report(&mut self, outcome: proto::Outcome) {
        let outcomes = proto::Outcomes { outcomes: vec![outcome] };
        let message = Some(worker_message::Message::Outcomes(outcomes));
        self.outbox.send(proto::WorkerMessage { message }).await.expect("is open");
    }

    async fn acknowledged(&mut self) -> proto::AttemptRef {
        match self.next().await {
            orchestrator_message::Message::Acknowledged(mut some) => some.attempts.remove(0),
            other => panic!("expected an acknowledgement, got {other:?}"),
        }
    }
}

fn as_user<T>(user: &str, token: &str, message: T) -> Request<T> {
    let mut request = Request::new(message);
    Credentials::new(user, token).expect("is ASCII").attach(request.metadata_mut());
    request
}

fn demo<T>(message: T) -> Request<T> {
    as_user(DEMO_USER, DEMO_TOKEN, message)
}

fn spec(payload: &str) -> proto::TaskSpec {
    proto::TaskSpec {
        task_id: uuid::Uuid::now_v7().to_string(),
        handler: "echo".into(),
        payload: payload.to_owned().into(),
        ..proto::TaskSpec::default()
    }
}

fn submission(task: proto::TaskSpec) -> proto::SubmitTaskRequest {
    proto::SubmitTaskRequest { task: Some(task), allow_unknown_handler: false }
}

fn code(status: &Status) -> ErrorCode {
    meaning(status).code
}

#[tokio::test]
async fn a_task_goes_to_a_worker_and_its_result_comes_back() {
    let node = Node::start();
    let mut tasks = node.tasks();
    let task = spec("oi");
    let first =
        tasks.submit_task(demo(submission(task.clone()))).await.expect("is accepted").into_inner();
    let receipt = first.receipt.expect("has one");
    assert!(!first.existed);
    assert_eq!(receipt.durability(), proto::Durability::LocalOnly);
    assert_eq!(first.task.expect("has one").pending_reason, "NO_WORKER");
    let again =
        tasks.submit_task(demo(submission(task.clone()))).await.expect("is accepted").into_inner();
    assert!(again.existed, "a retry adds nothing");

    let mut worker = node.worker("localhost:1", Vec::new(), 1).await;
    let assignment = worker.assignment().await;
    assert_eq!((&assignment.task_id, assignment.attempt), (&task.task_id, 1));
    worker.succeed(&assignment).await;
    assert_eq!(worker.acknowledged().await.task_id, task.task_id);

    let request = demo(proto::GetTaskResultRequest { task_id: task.task_id.clone() });
    let result = tasks.get_task_result(request).await.expect("is known").into_inner();
    assert_eq!(result.result, b"oi"[..]);
    assert_eq!(result.task.expect("has one").state(), proto::TaskState::Succeeded);
}

#[tokio::test]
async fn a_worker_that_reconnects_gets_what_it_does_not_hold_again() {
    let node = Node::start();
    let task = spec("de novo");
    node.tasks().submit_task(demo(submission(task.clone()))).await.expect("is accepted");
    let mut lost = node.worker("localhost:1", Vec::new(), 7).await;
    let assignment = lost.assignment().await;
    drop(lost);

    let mut back = node.worker("localhost:1", Vec::new(), 7).await;
    assert_eq!(back.assignment().await, assignment, "the same attempt, delivered again");
    drop(back);
    let held =
        proto::AttemptRef { task_id: assignment.task_id.clone(), attempt: assignment.attempt };
    let mut holding = node.worker("localhost:1", vec![held], 7).await;
    holding.succeed(&assignment).await;
    assert_eq!(holding.acknowledged().await.attempt, 1);
}

#[tokio::test]
async fn a_watch_shows_the_present_and_every_change_until_the_end() {
    let node = Node::start();
    let mut tasks = node.tasks();
    let task = spec("x");
    tasks.submit_task(demo(submission(task.clone()))).await.expect("is accepted");
    let task_ids = vec![task.task_id.clone()];
    let request = proto::WatchTasksRequest {
        task_ids,
        include_results: true,
        ..proto::WatchTasksRequest::default()
    };
    let ends = proto::WatchTasksRequest { only_ends: true, ..request.clone() };
    let mut watch = tasks.watch_tasks(demo(request)).await.expect("is accepted").into_inner();
    let present = watch.message().await.expect("is open").expect("is no end");
    assert!(present.established);
    assert_eq!(present.updates.len(), 1);
    let mut ends = tasks.watch_tasks(demo(ends)).await.expect("is accepted").into_inner();
    let present = ends.message().await.expect("is open").expect("is no end");
    assert_eq!((present.established, present.updates.len()), (true, 0), "it has not ended");
    let mut worker = node.worker("localhost:1", Vec::new(), 1).await;
    let assignment = worker.assignment().await;
    worker.succeed(&assignment).await;
    let mut states = Vec::new();
    let mut result = bytes::Bytes::new();
    while let Some(batch) = watch.message().await.expect("no error") {
        for update in batch.updates {
            states.push(update.task.as_ref().expect("has one").state());
            result = update.result;
        }
    }
    assert_eq!(states, [proto::TaskState::Running, proto::TaskState::Succeeded]);
    assert_eq!(result, b"x"[..]);
    let end = ends.message().await.expect("is open").expect("is no end");
    let states: Vec<_> = end.updates.into_iter().filter_map(|u| Some(u.task?.state())).collect();
    assert_eq!(states, [proto::TaskState::Succeeded]);
}

#[tokio::test]
async fn a_watch_of_a_group_ends_with_it_and_goes_on_where_another_one_ended() {
    let node = Node::start();
    let mut tasks = node.tasks();
    let grouped = |payload: &str| proto::TaskSpec { group: "g".into(), ..spec(payload) };
    let (first, second, other) = (grouped("1"), grouped("2"), spec("other"));
    for task in [&first, &second, &other] {
        tasks.submit_task(demo(submission(task.clone()))).await.expect("is accepted");
    }
    let of_group = |since_position| proto::WatchTasksRequest {
        group: "g".into(),
        include_results: true,
        since_position,
        ..proto::WatchTasksRequest::default()
    };
    let ids = |updates: &[proto::TaskUpdate]| {
        let tasks = updates.iter().filter_map(|update| update.task.as_ref());
        tasks.map(|task| (task.task_id.clone(), task.state())).collect::<Vec<_>>()
    };
    let watch = tasks.watch_tasks(demo(of_group(None))).await.expect("is accepted");
    let mut watch = watch.into_inner();
    let present = watch.message().await.expect("is open").expect("is no end");
    let queued = |task: &proto::TaskSpec| (task.task_id.clone(), proto::TaskState::Queued);
    assert_eq!(ids(&present.updates), [queued(&first), queued(&second)]);
    assert!(present.established && !present.is_over);

    let mut worker = node.worker("localhost:1", Vec::new(), 1).await;
    for _ in 0..3 {
        let assignment = worker.assignment().await;
        worker.succeed(&assignment).await;
        worker.acknowledged().await;
    }
    let (mut told, mut is_over) = (Vec::new(), false);
    while let Some(batch) = watch.message().await.expect("no error") {
        assert!(!is_over, "something follows the end");
        is_over = batch.is_over;
        told.extend(ids(&batch.updates));
    }
    let ended = |task: &proto::TaskSpec| (task.task_id.clone(), proto::TaskState::Succeeded);
    told.retain(|(_, state)| *state == proto::TaskState::Succeeded);
    assert_eq!((told, is_over), (vec![ended(&first), ended(&second)], true));

    // Elsewhere, later: what ended from there on, and that this is all.
    let since = Some(present.position + 1);
    let watch = tasks.watch_tasks(demo(of_group(since))).await.expect("is accepted");
    let mut watch = watch.into_inner();
    let rest = watch.message().await.expect("is open").expect("is no end");
    assert_eq!((ids(&rest.updates), rest.is_over), (vec![ended(&second)], true));
    assert_eq!(rest.updates[0].result, b"2"[..]);
    assert!(watch.message().await.expect("no error").is_none());

    let unknown = proto::WatchTasksRequest { group: "h".into(), ..of_group(None) };
    let mut unknown = tasks.watch_tasks(demo(unknown)).await.expect("is open").into_inner();
    let refusal = unknown.message().await.expect_err("there is none");
    assert_eq!(code(&refusal), ErrorCode::GroupNotFound);
    let both = proto::WatchTasksRequest { task_ids: vec![first.task_id], ..of_group(Some(0)) };
    let refusal = tasks.watch_tasks(demo(both)).await.expect_err("is refused");
    for field in ["group", "since_position"] {
        assert!(refusal.message().contains(field), "{refusal}");
    }
}

#[tokio::test]
async fn a_task_is_run_in_one_request_however_often_it_is_asked_for() {
    let node = Node::start();
    let task = spec("oi");
    let run = |task: &proto::TaskSpec| {
        let request = proto::RunTaskRequest { task: Some(task.clone()), ..Default::default() };
        let mut tasks = node.tasks();
        tokio::spawn(async move { tasks.run_task(demo(request)).await.map(|a| a.into_inner()) })
    };
    let ended = |answer: Result<Result<proto::RunTaskResponse, Status>, _>| {
        let answer: proto::RunTaskResponse = answer.expect("no panic").expect("is run");
        assert_eq!(answer.result, b"oi"[..]);
        assert_eq!(answer.task.expect("has one").state(), proto::TaskState::Succeeded);
    };
    let first = run(&task);
    let mut worker = node.worker("localhost:1", Vec::new(), 1).await;
    let assignment = worker.assignment().await;
    assert_eq!(assignment.task_id, task.task_id);
    // It exists, and is not finished.
    let second = run(&task);
    let watching = |task| proto::WatchTasksRequest {
        task_ids: vec![task],
        ..proto::WatchTasksRequest::default()
    };
    let mut tasks = node.tasks();
    let watch = tasks.watch_tasks(demo(watching(task.task_id.clone()))).await;
    let mut watch = watch.expect("is accepted").into_inner();
    watch.message().await.expect("is open").expect("is no end");
    worker.succeed(&assignment).await;
    ended(first.await);
    ended(second.await);
    ended(run(&task).await);

    let other = proto::TaskSpec { payload: "outra".into(), ..task };
    let refusal = run(&other).await.expect("no panic").expect_err("is another task");
    assert_eq!(code(&refusal), ErrorCode::TaskIdConflict);
    let unknown = proto::TaskSpec { handler: "inexistente".into(), ..spec("x") };
    let refusal = run(&unknown).await.expect("no panic").expect_err("nobody offers it");
    assert_eq!(code(&refusal), ErrorCode::UnknownHandler);
}

#[tokio::test]
async fn bad_requests_name_their_fields() {
    let node = Node::start();
    let mut tasks = node.tasks();
    let bad = proto::TaskSpec {
        task_id: "x".into(),
        handler: String::new(),
        payload: vec![0; (4 << 20) + 1].into(),
        delivery: 9,
        start: Some(proto::task_spec::Start::StartDelayMs(u64::MAX)),
        retry: Some(Box::new(common::proto::RetryPolicy { max_attempts: 1, ..Default::default() })),
        max_lost_attempts: 1_001,
        queue: "a b".into(),
        group: "a b".into(),
        priority: 128,
        attempt_timeout_ms: Some(0),
        expires_after_ms: Some(u64::MAX),
        deadline_after_ms: Some(0),
        after: vec!["x".into()],
        after_condition: 9,
        sources: vec![],
        needs: Some(Box::new(proto::Needs { slots: 5_000, ..Default::default() })),
        unique: Some(Box::new(proto::UniqueKey { key: String::new(), window_ms: u64::MAX })),
        payload_blob: None,
        webhook: String::new(),
        blobs: vec![proto::BlobRef { id: vec![1], bytes: 1 }],
        traceparent: "00-1-2-01".into(),
    };
    let status = tasks.submit_task(demo(submission(bad))).await.expect_err("is refused");
    assert_eq!(code(&status), ErrorCode::InvalidArgument);
    for field in [
        "task.task_id",
        "task.handler",
        "task.payload",
        "task.delivery",
        "task.retry.max_attempts",
        "task.max_lost_attempts",
        "task.start_delay_ms",
        "task.queue",
        "task.group",
        "task.priority",
        "task.attempt_timeout_ms",
        "task.expires_after_ms",
        "task.deadline_after_ms",
        "task.after",
        "task.after_condition",
        "task.needs.slots",
        "task.unique.key",
        "task.unique.window_ms",
        "task.blobs",
        "task.traceparent",
    ] {
        assert!(status.message().contains(field), "{status}");
    }
    let nothing =
        tasks.submit_task(demo(proto::SubmitTaskRequest::default())).await.expect_err("is refused");
    assert_eq!(code(&nothing), ErrorCode::InvalidArgument);
    assert!(nothing.message().contains("task: must be given"), "{nothing}");
}

#[tokio::test]
async fn without_the_right_token_nothing_is_answered() {
    let node = Node::start();
    let request = || proto::ListTasksRequest::default();
    let mut tasks = node.tasks();
    let missing = tasks.list_tasks(Request::new(request())).await.expect_err("is refused");
    let wrong =
        tasks.list_tasks(as_user(DEMO_USER, "errado", request())).await.expect_err("is refused");
    assert_eq!(
        (code(&missing), code(&wrong)),
        (ErrorCode::Unauthenticated, ErrorCode::Unauthenticated)
    );
}

#[tokio::test]
async fn the_first_user_ends_the_demo_mode_and_others_tasks_are_not_found() {
    let node = Node::start();
    let mut cluster = node.cluster();
    let user = |user: &str, admin| proto::AddUserRequest {
        user: user.into(),
        token: format!("segredo-{user}"),
        admin,
        role: 0,
    };
    let status =
        cluster.add_user(demo(user("bia", false))).await.expect_err("the first must be admin");
    assert_eq!(code(&status), ErrorCode::FirstUserNotAdmin);
    cluster.add_user(demo(user("ana", true))).await.expect("is added");
    let status = cluster.add_user(demo(user("bia", false))).await.expect_err("the demo is over");
    assert_eq!(code(&status), ErrorCode::Unauthenticated);
    cluster.add_user(as_user("ana", "segredo-ana", user("bia", false))).await.expect("is added");
    let status = cluster
        .add_user(as_user("bia", "segredo-bia", user("eva", false)))
        .await
        .expect_err("no admin");
    assert_eq!(code(&status), ErrorCode::PermissionDenied);

    let mut tasks = node.tasks();
    let task = spec("de ana");
    tasks
        .submit_task(as_user("ana", "segredo-ana", submission(task.clone())))
        .await
        .expect("is accepted");
    let request = proto::GetTaskRequest { task_id: task.task_id };
    let status =
        tasks.get_task(as_user("bia", "segredo-bia", request)).await.expect_err("is another's");
    assert_eq!(code(&status), ErrorCode::TaskNotFound);

    // All users' tasks are for who may see them.
    let all = || proto::ListTasksRequest { all_users: true, ..Default::default() };
    tasks.submit_task(as_user("bia", "segredo-bia", submission(spec("dela")))).await.expect("too");
    let told = tasks.list_tasks(as_user("ana", "segredo-ana", all())).await.expect("is told");
    let told = told.into_inner();
    let owners: Vec<_> = told.tasks.iter().map(|task| task.owner.as_str()).collect();
    assert_eq!((owners, told.all_users), (vec!["bia", "ana"], true));
    let one = proto::ListTasksRequest { task_id: told.tasks[0].task_id.clone(), ..all() };
    let told = tasks.list_tasks(as_user("ana", "segredo-ana", one.clone())).await.expect("is told");
    assert_eq!(told.into_inner().tasks.len(), 1);
    let filtered = proto::ListTasksRequest { queue: "default".into(), ..one };
    let mut in_her_place = as_user("ana", "segredo-ana", all());
    in_her_place.metadata_mut().insert("mutirao-as", "bia".parse().expect("is ASCII"));
    for (request, expected) in [
        (as_user("bia", "segredo-bia", all()), ErrorCode::PermissionDenied),
        (in_her_place, ErrorCode::InvalidArgument),
        (as_user("ana", "segredo-ana", filtered), ErrorCode::InvalidArgument),
    ] {
        let status = tasks.list_tasks(request).await.expect_err("is refused");
        assert_eq!(code(&status), expected);
    }
}

#[tokio::test]
async fn a_payload_may_be_a_blob_and_so_may_what_comes_of_it() {
    let node = Node::start();
    let mut blobs = proto::blob_service_client::BlobServiceClient::new(node.channel());
    let named = |content: &[u8]| {
        let id = blake3::hash(content).as_bytes().to_vec();
        Box::new(proto::BlobRef { id, bytes: content.len() as u64 })
    };
    let of = |blob| proto::TaskSpec { payload_blob: Some(blob), ..spec("") };
    let long = Box::new(proto::BlobRef { bytes: (256 << 20) + 1, ..*named(b"content") });
    let mut tasks = node.tasks();
    let mut refusals = Vec::new();
    for task in [of(long), proto::TaskSpec { payload: "x".into(), ..of(named(b"content")) }] {
        let refused = tasks.submit_task(demo(submission(task))).await.expect_err("is wrong");
        assert_eq!(code(&refused), ErrorCode::InvalidArgument);
        refusals.push(refused.message().to_owned());
    }
    assert!(refusals[0].contains("at most 268435456 (--max-payload-bytes)"), "{refusals:?}");
    let task = of(named(b"content"));
    let refused = tasks.submit_task(demo(submission(task.clone()))).await.expect_err("is missing");
    assert_eq!(code(&refused), ErrorCode::BlobNotFound);

    for content in [&b"content"[..], b"result"] {
        let parts = tokio_stream::iter(parts(content, content));
        blobs.put_blob(demo(parts)).await.expect("is stored");
    }
    tasks.submit_task(demo(submission(task.clone()))).await.expect("is accepted");
    let again = tasks.submit_task(demo(submission(task.clone()))).await.expect("is the same");
    assert!(again.into_inner().existed);
    let other = proto::TaskSpec { payload_blob: Some(named(b"result")), ..task.clone() };
    let refused = tasks.submit_task(demo(submission(other))).await.expect_err("is another");
    assert_eq!(code(&refused), ErrorCode::TaskIdConflict);

    let mut worker = node.worker("localhost:1", Vec::new(), 1).await;
    let assignment = worker.assignment().await;
    assert_eq!((assignment.payload.len(), assignment.payload_blob), (0, Some(named(b"content"))));
    let outcome = proto::Outcome {
        task_id: assignment.task_id,
        attempt: assignment.attempt,
        outcome: Some(proto::outcome::Outcome::Succeeded(Vec::new().into())),
        result_blob: Some(named(b"result")),
        ..proto::Outcome::default()
    };
    worker.report(outcome).await;
    let request = proto::GetTaskResultRequest { task_id: task.task_id };
    let result = loop {
        let answer = tasks.get_task_result(demo(request.clone())).await.expect("is known");
        let answer = answer.into_inner();
        if answer.task.as_ref().is_some_and(|task| task.finished_at_ms > 0) {
            break answer;
        }
    };
    assert_eq!((result.result.len(), result.result_blob), (0, Some(named(b"result"))));
    assert_eq!(result.task.expect("is set").result_bytes, 6);
}

fn parts(content: &[u8], claimed: &[u8]) -> Vec<proto::PutBlobRequest> {
    use proto::put_blob_request::Part;
    let id = blake3::hash(claimed).as_bytes().to_vec();
    let blob = proto::BlobRef { id, bytes: claimed.len() as u64 };
    let chunks = content.chunks(3).map(|chunk| Part::Chunk(chunk.to_vec().into()));
    let parts = std::iter::once(Part::Blob(blob)).chain(chunks);
    parts.map(|part| proto::PutBlobRequest { part: Some(part) }).collect()
}

#[tokio::test]
async fn a_task_may_refer_to_what_is_there_and_to_nothing_else() {
    let node = Node::start();
    let mut blobs = proto::blob_service_client::BlobServiceClient::new(node.channel());
    let stream = |content, claimed| tokio_stream::iter(parts(content, claimed));
    let refused = blobs.put_blob(stream(b"content", b"content")).await.expect_err("is a stranger");
    assert_eq!(code(&refused), ErrorCode::Unauthenticated);
    let mut foreign = Request::new(stream(b"content", b"content"));
    foreign.metadata_mut().insert("mutirao-cluster", "another".parse().expect("is ASCII"));
    let refused = blobs.put_blob(foreign).await.expect_err("is of another cluster");
    assert_eq!(code(&refused), ErrorCode::ForeignCluster);
    for wrong in [&b"contenT"[..], b"conten", b"content and more"] {
        let refused = blobs.put_blob(demo(stream(wrong, b"content"))).await.expect_err("differs");
        assert_eq!(code(&refused), ErrorCode::InvalidArgument);
    }

    let mut tasks = node.tasks();
    let id = blake3::hash(b"content").as_bytes().to_vec();
    let blob = proto::BlobRef { id: id.clone(), bytes: 7 };
    let task = proto::TaskSpec { blobs: vec![blob], ..spec("x") };
    let refused = tasks.submit_task(demo(submission(task.clone()))).await.expect_err("is missing");
    assert_eq!(code(&refused), ErrorCode::BlobNotFound);
    let put = blobs.put_blob(demo(stream(b"content", b"content"))).await.expect("is stored");
    assert_eq!(put.into_inner().durability(), proto::Durability::LocalOnly);
    tasks.submit_task(demo(submission(task))).await.expect("is accepted");
    let rest = proto::GetBlobRequest { id, offset: 4 };
    let mut rest = blobs.get_blob(demo(rest)).await.expect("is there").into_inner();
    let chunk = rest.message().await.expect("is sound").expect("is not empty").chunk;
    assert_eq!(&chunk[..], b"ent");
}
