//! Somebody who passes for the other orchestrator without being of the cluster.

use common::auth::{Credentials, DEMO_TOKEN, DEMO_USER};
use common::error_code::ErrorCode;
use common::grpc_status;
use common::proto::peer_message::Message;
use common::proto::synchronization_service_client::SynchronizationServiceClient;
use common::proto::{Farewell, PeerMessage};
use harness::Process;

use super::{channel, cluster, serves};

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
