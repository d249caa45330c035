//! A client that asks for streams and never reads them.

use std::time::Duration;

use common::auth::{Credentials, DEMO_TOKEN, DEMO_USER};
use common::error_code::ErrorCode;
use common::grpc_status;
use common::proto::task_orchestrator_client::TaskOrchestratorClient;
use common::proto::{FollowOutputRequest, WatchTasksRequest};
use tonic::transport::Channel;
use tonic::{Request, Streaming};

use super::{SOON, TRIES, cluster, most_resident, serves};

const WATCHES: usize = 60;
const FOLLOWERS: usize = 60;
/// Of each result.
const BYTES: usize = 40_000;
/// Each tells of itself in several messages, more than wait for a reader.
const TASKS: usize = 1_000;
/// A node with what it does here, and not the messages for all who do not read.
const MOST_RESIDENT: u64 = 768 << 20;

fn request<T>(message: T) -> anyhow::Result<Request<T>> {
    let mut request = Request::new(message);
    Credentials::new(DEMO_USER, DEMO_TOKEN)?.attach(request.metadata_mut());
    Ok(request)
}

/// Of somebody whose machine takes little, so that what is not read waits at the node.
async fn client(port: u16) -> anyhow::Result<TaskOrchestratorClient<Channel>> {
    let endpoint = tonic::transport::Endpoint::try_from(format!("http://localhost:{port}"))?
        .initial_stream_window_size(65_535)
        .initial_connection_window_size(65_535);
    Ok(TaskOrchestratorClient::new(endpoint.connect().await?).max_decoding_message_size(64 << 20))
}

async fn ends_with<T>(stream: &mut Streaming<T>) -> Option<ErrorCode> {
    loop {
        match stream.message().await {
            Ok(Some(_)) => {}
            Ok(None) => return None,
            Err(status) => return Some(grpc_status::meaning(&status).code),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn watches_that_nobody_reads_are_ended_and_hold_little() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let (cli, cluster) = cluster(dir.path())?;
    let port = cluster.layout.principal_port;
    let mut unread = Vec::new();
    for _ in 0..WATCHES {
        let all = WatchTasksRequest { include_results: true, ..WatchTasksRequest::default() };
        let mut client = client(port).await?;
        unread.push((client.watch_tasks(request(all)?).await?.into_inner(), client));
    }
    let credentials = Credentials::new(DEMO_USER, DEMO_TOKEN)?;
    let endpoints = vec![format!("http://localhost:{port}").parse()?];
    let honest = cliente::Client::new(cliente::ClientConfig::new(endpoints, credentials));
    for _ in 0..TASKS {
        let task = cliente::TaskSpec::new("echo", vec![b'x'; BYTES]);
        honest.submit(task, false).await?;
    }
    serves(&cli)?;
    let held = most_resident(&cluster)?;
    assert!(held < MOST_RESIDENT, "{held} bytes are held");
    for (stream, _client) in &mut unread {
        let end = tokio::time::timeout(SOON, ends_with(stream)).await?;
        assert_eq!(end, Some(ErrorCode::WatchLagged));
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn output_that_nobody_reads_holds_little() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let (cli, cluster) = cluster(dir.path())?;
    let port = cluster.layout.principal_port;
    let (gate, end) = (dir.path().join("gate"), dir.path().join("end"));
    let script = format!(
        "until [ -e {} ]; do sleep 0.05; done; for i in $(seq 40); do head -c 1000000 /dev/zero | tr '\\0' x; sleep 0.05; done; until [ -e {} ]; do sleep 0.05; done",
        gate.display(),
        end.display()
    );
    let id = cli.submit(&["--", "sh", "-c", &script])?;
    let mut unread = Vec::new();
    for _ in 0..FOLLOWERS {
        let all = FollowOutputRequest { task_id: id.clone(), ..FollowOutputRequest::default() };
        let mut client = client(port).await?;
        unread.push((client.follow_output(request(all)?).await?.into_inner(), client));
    }
    std::fs::write(&gate, "")?;
    // While it speaks.
    serves(&cli)?;
    let mut reader = client(port).await?;
    let follow = FollowOutputRequest { task_id: id.clone(), ..FollowOutputRequest::default() };
    let mut heard = reader.follow_output(request(follow)?).await?.into_inner();
    let mut last = 0;
    while last < 40_000_000 {
        let next = tokio::time::timeout(SOON, heard.message()).await??;
        let Some(told) = next else { break };
        let ends = told.pieces.iter().map(|piece| piece.offset + piece.data.len() as u64);
        last = ends.max().unwrap_or(last).max(last);
    }
    assert_eq!(last, 40_000_000, "all of it was heard by who reads");
    let held = most_resident(&cluster)?;
    assert!(held < MOST_RESIDENT, "{held} bytes are held");
    std::fs::write(&end, "")?;
    assert!(cli.finished(&id, TRIES)?.is_some());
    // Each that begins to read has the end.
    for (stream, _client) in &mut unread {
        let ended: Result<Option<ErrorCode>, _> =
            tokio::time::timeout(Duration::from_secs(90), ends_with(stream)).await;
        assert!(matches!(ended?, None | Some(ErrorCode::WatchLagged)));
    }
    Ok(())
}
