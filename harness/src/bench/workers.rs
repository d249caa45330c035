//! The same work over one worker and over a thousand: what a task costs must not depend on how many there are.
//! These workers are streams of this process that answer at once; the slots of all together stay the same.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use common::endpoint::Endpoint;
use common::proto::orchestrator_message::Message as FromOrchestrator;
use common::proto::worker_message::Message;
use common::proto::worker_service_client::WorkerServiceClient;
use common::proto::{
    Outcome, Outcomes, Prefetch, Register, WorkerHeartbeat, WorkerMessage, outcome,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio_stream::wrappers::ReceiverStream;

use super::figures::Runs;
use super::rig::Rig;
use super::throughput::drive;

const ALL_SLOTS: usize = 2_048;
const PREFETCH: u32 = 256;
const OUTBOX: usize = 64;
const WARM_UP: usize = 2_000;
/// Workers that connect at once: a thousand would time out behind each other.
const CONNECTING: usize = 32;

/// Tasks by second with so many workers, and what each task costs the principal.
pub async fn run(dir: &Path, workers: usize, tasks: usize, runs: &mut Runs) -> anyhow::Result<f64> {
    let rig = Rig::start(dir, 0, &[])?;
    let principal: Endpoint = rig.cluster.layout.orchestrators()[0].parse()?;
    let slots = u32::try_from((ALL_SLOTS / workers).max(1))?;
    let mut crowd = JoinSet::new();
    let (registered, mut registrations) = mpsc::channel(workers);
    let door = Arc::new(Semaphore::new(CONNECTING));
    for nth in 0..workers {
        let (principal, registered, door) = (principal.clone(), registered.clone(), door.clone());
        crowd.spawn(async move {
            let turn = door.acquire_owned().await?;
            work(principal, nth, slots, (turn, registered)).await
        });
    }
    for _ in 0..workers {
        tokio::select! {
            Some(()) = registrations.recv() => {}
            Some(ended) = crowd.join_next() => ended??,
        }
    }
    drive(&rig.client, WARM_UP).await?;
    let before = rig.usage()?;
    let rate = drive(&rig.client, tasks).await?;
    runs.higher(format!("workers_{workers}"), "tasks/s", rate);
    let [(_, principal), ..] = rig.usage()?.cost(&before, tasks);
    runs.lower(format!("workers_{workers}_cpu_principal"), "us/task", principal);
    crowd.abort_all();
    Ok(rate)
}

async fn work(
    principal: Endpoint,
    nth: usize,
    slots: u32,
    (turn, registered): (OwnedSemaphorePermit, mpsc::Sender<()>),
) -> anyhow::Result<()> {
    let (outbox, outgoing) = mpsc::channel(OUTBOX);
    let say = |message| WorkerMessage { message: Some(message) };
    let register = Register {
        worker_id: format!("simulated-{nth}:1"),
        incarnation: uuid::Uuid::new_v4().to_string(),
        slots,
        handlers: vec!["echo".into()],
        ..Register::default()
    };
    outbox.send(say(Message::Register(register))).await?;
    let mut inbox = WorkerServiceClient::new(principal.channel())
        .session(ReceiverStream::new(outgoing))
        .await?
        .into_inner();
    let welcome = inbox.message().await?.and_then(|message| message.message);
    let Some(FromOrchestrator::Registered(welcome)) = welcome else {
        anyhow::bail!("the first message is no registration: {welcome:?}")
    };
    // As a worker does that has seen short tasks.
    outbox.send(say(Message::Prefetch(Prefetch { tasks: PREFETCH }))).await?;
    registered.send(()).await.context("nobody counts")?;
    drop(turn);
    let mut beat =
        tokio::time::interval(Duration::from_millis(welcome.heartbeat_interval_ms.into()));
    let mut sequence = 0;
    loop {
        tokio::select! {
            message = inbox.message() => {
                let message = message?.context("the principal ended the session")?;
                if let Some(FromOrchestrator::Assignments(assigned)) = message.message {
                    let outcomes = assigned.assignments.into_iter().map(|task| Outcome {
                        task_id: task.task_id,
                        attempt: task.attempt,
                        outcome: Some(outcome::Outcome::Succeeded(task.payload)),
                        ..Outcome::default()
                    });
                    let outcomes = Outcomes { outcomes: outcomes.collect() };
                    ensure!(!outcomes.outcomes.is_empty(), "an empty message");
                    outbox.send(say(Message::Outcomes(outcomes))).await?;
                }
            }
            _ = beat.tick() => {
                sequence += 1;
                outbox.send(say(Message::Heartbeat(WorkerHeartbeat { sequence }))).await?;
            }
        }
    }
}
