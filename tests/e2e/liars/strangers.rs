//! Somebody who passes for the other orchestrator without being of the cluster.

use bytes::Bytes;
use common::auth::{Credentials, DEMO_TOKEN, DEMO_USER};
use common::error_code::ErrorCode;
use common::grpc_status;
use common::proto::peer_message::Message;
use common::proto::synchronization_service_client::SynchronizationServiceClient;
use common::proto::{self, Farewell, PeerMessage};
use harness::Process;
use orquestrador::journal::chain;
use orquestrador_core::ids::Epoch;
use orquestrador_core::role::EntryId;

use super::{SOON, channel, cluster, serves};

#[tokio::test(flavor = "multi_thread")]
async fn a_farewell_from_elsewhere_ends_nobody() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let (cli, mut cluster) = cluster(dir.path())?;
    let credentials = Credentials::new(DEMO_USER, DEMO_TOKEN)?;
    let addresses = vec![cluster.layout.orchestrators()[0].parse()?];
    let client = cliente::Client::new(cliente::ClientConfig::new(addresses, credentials));
    let ours = client.cluster().await?.cluster_id.replace('-', "");
    let ours = (0..16).map(|n| u8::from_str_radix(&ours[2 * n..2 * n + 2], 16));
    let ours = ours.collect::<Result<Vec<_>, _>>()?;
    // Of another cluster, of none, and of this one without being one of its orchestrators.
    for cluster_id in [vec![7; 16], Vec::new(), ours] {
        let farewell = PeerMessage {
            cluster_id,
            node_id: vec![1; 16],
            process_id: vec![2; 16],
            epoch: u64::MAX,
            message: Some(Message::Farewell(Farewell {})),
        };
        let mut client = SynchronizationServiceClient::new(channel(&cluster)?);
        let mut told = client.link(tokio_stream::once(farewell)).await?.into_inner();
        let end = loop {
            match told.message().await {
                Ok(Some(_)) => {}
                Ok(None) => break None,
                Err(status) => break Some(grpc_status::meaning(&status).code),
            }
        };
        assert_eq!(end, Some(ErrorCode::ForeignCluster));
    }
    serves(&cli)?;
    assert!(cluster.principal.as_mut().is_some_and(Process::is_running));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_newer_orchestrator_writes_is_not_guessed_at_and_that_is_told() -> anyhow::Result<()>
{
    let dir = tempfile::tempdir()?;
    let (cli, cluster) = cluster(dir.path())?;
    // One event, of a kind that there is not yet.
    let (payload, epoch) = (Bytes::from_static(&[0x12, 0x00]), Epoch(1));
    let id = chain(&EntryId::default(), epoch, &payload);
    let entry = proto::JournalEntry {
        index: id.index.0,
        epoch: epoch.0,
        payload,
        hash: id.hash.0.to_vec().into(),
    };
    let previous = proto::EntryId { hash: vec![0; 32], ..proto::EntryId::default() };
    let append = PeerMessage {
        cluster_id: vec![7; 16],
        node_id: vec![1; 16],
        process_id: vec![2; 16],
        epoch: 1,
        message: Some(Message::Append(proto::Append {
            previous: Some(previous),
            entries: vec![entry],
            ..proto::Append::default()
        })),
    };
    let mut client = SynchronizationServiceClient::new(channel(&cluster)?);
    let _told = client.link(tokio_stream::once(append)).await?.into_inner();
    let principal = cluster.principal.as_ref().expect("it runs");
    let line = principal.wait_for("envia o que este programa não conhece", SOON)?;
    assert!(line.contains("event"), "{line}");
    serves(&cli)
}
