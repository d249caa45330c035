//! A worker that lies. What it says of the work of others changes nothing; what cannot be meant is refused.

use std::path::Path;
use std::time::Duration;

use common::error_code::ErrorCode;
use common::grpc_status;
use common::proto::orchestrator_message::Message as Told;
use common::proto::worker_message::Message;
use common::proto::worker_service_client::WorkerServiceClient;
use common::proto::{
    AttemptOutput, AttemptRef, AttemptsEnded, AttemptsReturned, LiveOutput, Outcome, Outcomes,
    OutputPiece, Prefetch, Register, WorkerHeartbeat, WorkerMessage, outcome,
};
use harness::{Cli, Cluster};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;
use tonic::{Status, Streaming};

use super::{SOON, TRIES, channel, cluster, most_resident, serves};

/// Reports of the flood.
const LIES: u32 = 100_000;
/// In one message.
const AT_ONCE: u32 = 100;
const UNKNOWN: &str = "0199a5f2-7e00-7000-8000-00000000dead";

/// What is sent by a liar, and what it is told.
struct Liar {
    says: mpsc::Sender<WorkerMessage>,
    hears: Streaming<common::proto::OrchestratorMessage>,
}

fn register() -> Register {
    Register {
        worker_id: "liar:1".into(),
        incarnation: "0199a5f2-7e00-7000-8000-000000000001".into(),
        slots: 1,
        handlers: vec!["of-liars".into()],
        ..Register::default()
    }
}

fn said(message: Message) -> WorkerMessage {
    WorkerMessage { message: Some(message) }
}

impl Liar {
    async fn new(channel: Channel, first: Message) -> Result<Self, Status> {
        let (says, stream) = mpsc::channel(8);
        says.try_send(said(first)).expect("there is room");
        let mut client = WorkerServiceClient::new(channel).max_decoding_message_size(64 << 20);
        let hears = client.session(ReceiverStream::new(stream)).await?.into_inner();
        Ok(Self { says, hears })
    }

    /// Told is whatever is not the answer to a heartbeat.
    async fn told(&mut self) -> Result<Option<Told>, Status> {
        loop {
            let told = tokio::time::timeout(SOON, self.hears.message()).await;
            match told.expect("an answer in time")? {
                Some(message) => match message.message {
                    Some(Told::Heartbeat(_) | Told::Members(_) | Told::Registered(_)) | None => {}
                    other => return Ok(other),
                },
                None => return Ok(None),
            }
        }
    }

    /// Until the stream ends, and how.
    async fn end(&mut self) -> Option<ErrorCode> {
        loop {
            match self.told().await {
                Ok(Some(_)) => {}
                Ok(None) => return None,
                Err(status) => return Some(grpc_status::meaning(&status).code),
            }
        }
    }
}

fn succeeded(task: &str, attempt: u32, result: &[u8]) -> Outcome {
    Outcome {
        task_id: task.to_owned(),
        attempt,
        outcome: Some(outcome::Outcome::Succeeded(result.to_vec().into())),
        ..Outcome::default()
    }
}

/// A task that runs at the honest worker until the file is there.
fn held(cli: &Cli, gate: &Path) -> anyhow::Result<String> {
    let payload = serde_json::json!({
        "argv": ["sh", "-c", format!("until [ -e {} ]; do sleep 0.05; done; echo honest", gate.display())],
    });
    let id = cli.submit(&["--handler", "command", "--payload", &payload.to_string()])?;
    let runs = |tasks: &[serde_json::Value]| tasks[0]["state"].as_str() == Some("RUNNING");
    cli.until(&["status", &id], TRIES, runs)?.expect("it runs");
    Ok(id)
}

/// It was done once, by the honest worker, and its result is the honest one.
fn was_done_honestly(cli: &Cli, cluster: &Cluster, id: &str) -> anyhow::Result<()> {
    let task = cli.finished(id, TRIES)?.expect("it finishes");
    assert_eq!(task["state"].as_str(), Some("SUCCEEDED"), "{task}");
    assert_eq!(task["attempt"].as_u64(), Some(1), "{task}");
    let honest = format!("localhost:{}", cluster.layout.worker_ports[0]);
    assert_eq!(task["worker_id"].as_str(), Some(honest.as_str()), "{task}");
    let result = cli.run(&["result", id])?;
    assert!(result.stdout.contains("honest") && !result.stdout.contains("lie"), "{result:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn lies_about_the_work_of_others_change_nothing() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let (cli, cluster) = cluster(dir.path())?;
    let gate = dir.path().join("gate");
    let id = held(&cli, &gate)?;
    let mut liar = Liar::new(channel(&cluster)?, Message::Register(register())).await?;
    let attempts = [0, 1, 2, u32::MAX];
    let refs = || attempts.map(|attempt| AttemptRef { task_id: id.clone(), attempt }).to_vec();
    let lies: Vec<_> = attempts
        .into_iter()
        .map(|attempt| succeeded(&id, attempt, b"lie"))
        .chain([succeeded(UNKNOWN, 1, b"lie")])
        .collect();
    let count = lies.len();
    for message in [
        Message::Heartbeat(WorkerHeartbeat { sequence: u64::MAX }),
        Message::Output(LiveOutput {
            attempts: attempts
                .map(|attempt| AttemptOutput {
                    task_id: id.clone(),
                    attempt,
                    pieces: vec![OutputPiece { data: b"lie".to_vec(), ..OutputPiece::default() }],
                    ..AttemptOutput::default()
                })
                .to_vec(),
        }),
        Message::Ended(AttemptsEnded { attempts: refs() }),
        Message::Returned(AttemptsReturned { attempts: refs(), begun: true }),
        Message::Outcomes(Outcomes { outcomes: lies }),
    ] {
        liar.says.send(said(message)).await?;
    }
    // Each is acknowledged, so that an honest worker that was given up forgets it.
    let mut acknowledged = 0;
    while acknowledged < count {
        match liar.told().await? {
            Some(Told::Acknowledged(these)) => acknowledged += these.attempts.len(),
            other => panic!("the liar was told {other:?}"),
        }
    }
    let refused = format!("Resultado atrasado da tarefa [{id}], tentativa 1, recusado.");
    cluster.principal.as_ref().expect("it runs").wait_for(&refused, SOON)?;
    let task = cli.json(&["status", &id])?.pop().expect("an answer");
    assert_eq!(task["state"].as_str(), Some("RUNNING"), "{task}");
    std::fs::write(&gate, "")?;
    was_done_honestly(&cli, &cluster, &id)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_thousand_lies_hold_nobody_up() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let (cli, cluster) = cluster(dir.path())?;
    let gate = dir.path().join("gate");
    let id = held(&cli, &gate)?;
    let liar = Liar::new(channel(&cluster)?, Message::Register(register())).await?;
    let Liar { says, mut hears } = liar;
    let task = id.clone();
    let speaking = tokio::spawn(async move {
        for first in (0..LIES).step_by(AT_ONCE as usize) {
            let lies = first..first + AT_ONCE;
            let outcomes = lies.map(|n| succeeded(&task, n, &[b'l'; 1_000])).collect();
            says.send(said(Message::Outcomes(Outcomes { outcomes }))).await?;
            // Of tasks that there are not, and of no attempt: nothing of it is to be kept.
            let attempts = (0..AT_ONCE).map(|n| AttemptOutput {
                task_id: format!("0199a5f2-7e00-7000-8000-{:012x}", first + n),
                ..AttemptOutput::default()
            });
            says.send(said(Message::Output(LiveOutput { attempts: attempts.collect() }))).await?;
        }
        // Until all was heard it does not leave.
        anyhow::Ok(says)
    });
    let hearing = tokio::spawn(async move {
        let mut acknowledged = 0;
        while acknowledged < LIES as usize {
            if let Some(Told::Acknowledged(these)) = hears.message().await?.and_then(|m| m.message)
            {
                acknowledged += these.attempts.len();
            }
        }
        anyhow::Ok(acknowledged)
    });
    tokio::task::block_in_place(|| serves(&cli))?;
    let says = speaking.await??;
    assert_eq!(tokio::time::timeout(SOON, hearing).await???, LIES as usize);
    drop(says);
    std::fs::write(&gate, "")?;
    was_done_honestly(&cli, &cluster, &id)?;
    let lines = cluster.principal.as_ref().expect("it runs").lines();
    let told = lines.iter().filter(|line| line.contains("recusado")).count();
    assert!(told < 20_000, "{told} lines");
    let held = most_resident(&cluster)?;
    assert!(held < 512 << 20, "{held} bytes are held");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_registers_as_nobody_can_be_is_refused() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let (cli, cluster) = cluster(dir.path())?;
    let channel = channel(&cluster)?;
    let foreign = "00000000-0000-4000-8000-000000000001".to_owned();
    let cases = [
        (Register { slots: u32::MAX, ..register() }, ErrorCode::InvalidArgument),
        (Register { slots: 0, ..register() }, ErrorCode::InvalidArgument),
        (Register { worker_id: String::new(), ..register() }, ErrorCode::InvalidArgument),
        (Register { incarnation: "x".into(), ..register() }, ErrorCode::InvalidArgument),
        (Register { handlers: Vec::new(), ..register() }, ErrorCode::InvalidArgument),
        (Register { highest_epoch: u64::MAX, ..register() }, ErrorCode::StaleEpoch),
        (Register { cluster_id: foreign, ..register() }, ErrorCode::ForeignCluster),
    ];
    for (register, code) in cases {
        let refused = Liar::new(channel.clone(), Message::Register(register.clone())).await.err();
        let told = refused.as_ref().map(|status| grpc_status::meaning(status).code);
        assert_eq!(told, Some(code), "{register:?}: {refused:?}");
    }
    let unregistered = Message::Heartbeat(WorkerHeartbeat::default());
    let refused = Liar::new(channel.clone(), unregistered).await.err().expect("is refused");
    assert_eq!(grpc_status::meaning(&refused).code, ErrorCode::InvalidArgument);
    // Whatever is wrong with it, what it is told of that is short enough to arrive.
    let held = vec![AttemptRef { task_id: "x".into(), attempt: 1 }; 100_000];
    let many = Register { held, handlers: vec!["a b".into(); 10_000], ..register() };
    let refused =
        Liar::new(channel.clone(), Message::Register(many)).await.err().expect("is refused");
    assert_eq!(grpc_status::meaning(&refused).code, ErrorCode::InvalidArgument, "{refused:?}");
    serves(&cli)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_worker_cannot_mean_ends_its_session() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let (cli, cluster) = cluster(dir.path())?;
    let channel = channel(&cluster)?;
    let bad_task = vec![AttemptRef { task_id: "no id".into(), attempt: 1 }];
    let long = succeeded(UNKNOWN, 1, &vec![0; (4 << 20) + 1]);
    let cases = [
        (Message::Register(register()), ErrorCode::InvalidArgument),
        (Message::Prefetch(Prefetch { tasks: u32::MAX }), ErrorCode::InvalidArgument),
        (Message::Ended(AttemptsEnded { attempts: bad_task }), ErrorCode::InvalidArgument),
        (
            Message::Outcomes(Outcomes { outcomes: vec![Outcome::default()] }),
            ErrorCode::InvalidArgument,
        ),
        (Message::Outcomes(Outcomes { outcomes: vec![long] }), ErrorCode::InvalidArgument),
        (
            Message::Outcomes(Outcomes {
                outcomes: vec![succeeded(UNKNOWN, 1, &vec![0; 17 << 20])],
            }),
            ErrorCode::InvalidArgument,
        ),
    ];
    for (nth, (message, code)) in cases.into_iter().enumerate() {
        let worker_id = format!("liar:{nth}");
        let first = Register { worker_id, ..register() };
        let mut liar = Liar::new(channel.clone(), Message::Register(first)).await?;
        liar.says.send(said(message)).await?;
        assert_eq!(liar.end().await, Some(code), "the lie {nth}");
    }
    tokio::time::timeout(Duration::from_secs(60), async { serves(&cli) }).await?
}
