//! Who is counted among those that may take over, who is told to end, and who is said to be principal.

use anyhow::Context as _;
use common::exit;
use common::proto::EtcdNode;
use harness::etcd::EtcdCluster;
use harness::{Cli, Cluster};
use mutirao_tests::wait_for;
use orquestrador::engine::Keys;
use orquestrador_core::ids::NodeId;
use orquestrador_etcd::{Etcd, Op, Txn};
use prost::Message as _;
use serde_json::Value;

use super::{SOON, Stage, layout, readiness};

#[test]
fn a_shutdown_of_the_cluster_ends_all_orchestrators_and_none_takes_over() -> anyhow::Result<()> {
    let mut stage = Stage::start(&[])?;
    let task = stage.work()?;
    stage.cli.ok(&["cluster", "shutdown"])?;
    for place in stage.places() {
        let mut process = place.take().context("it does not run")?;
        let status = process.wait(SOON)?;
        assert_eq!(status.code(), Some(0), "{:#?}", process.lines());
        let lines = process.lines();
        assert!(!lines.iter().any(|line| line.contains("FALHA NO PRINCIPAL")), "{lines:#?}");
    }
    let office = stage.etcd.control(&["get", "--prefix", "--keys-only", "/teste/office/"])?;
    assert_eq!(office.trim(), "", "nobody is there");
    // None of them takes itself for ended.
    stage.cluster.start_principal()?;
    assert_eq!(stage.principal(), 0);
    stage.has_all(&[task])
}

/// Another orchestrator, as etcd tells of it.
async fn announce(etcd: &Etcd, in_sync: bool) -> anyhow::Result<()> {
    let (id, keys) = (NodeId(7), Keys::new("teste", None));
    let bytes = |id: u128| id.to_be_bytes().to_vec();
    let (node_id, process_id) = (bytes(7), bytes(8));
    let node = EtcdNode { node_id, process_id, address: "http://localhost:1".into(), in_sync };
    etcd.txn(Txn::new().then(Op::put(keys.node(id), node.encode_to_vec()))).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_yet_to_read_the_log_is_no_successor() -> anyhow::Result<()> {
    let (dir, cluster_of_etcd) = (tempfile::tempdir()?, EtcdCluster::start(1)?);
    let etcd = Etcd::new(cluster_of_etcd.options(SOON))?;
    let layout = layout(dir.path(), &cluster_of_etcd, 0)?;
    let cli = Cli::new(&layout);
    let mut cluster = Cluster::new(layout);
    cluster.start_principal()?;
    let port = cluster.layout.principal_port;
    let nodes = || cli.json(&["cluster"]).ok()?.pop()?["nodes"].as_array().cloned();
    let role = |role: &'static str| {
        wait_for("the other one in the answer", || {
            let other = nodes()?.into_iter().find(|node| node["this_node"] == false)?;
            (other["role"] == role).then_some(other)
        })
    };
    let failover = || {
        let explained = cli.json(&["cluster", "explain"]).unwrap_or_default();
        let of_principal = explained.into_iter().find(|node| node["standing"] == "PRINCIPAL");
        of_principal.map(|node| node["failover"].clone())
    };
    wait_for("a principal", || readiness(port, "?role=principal").filter(|r| r.0 == 200));

    announce(&etcd, false).await?;
    let other = role("LEARNER");
    assert_eq!((&other["in_sync"], &other["journal_index"]), (&Value::Bool(false), &Value::Null));
    assert_eq!(failover(), Some("ENGINE_ALONE".into()));
    let refused = cli.run(&["cluster", "switchover"])?;
    assert_eq!(refused.code, Some(i32::from(exit::REFUSED)), "{}", refused.stderr);

    announce(&etcd, true).await?;
    role("STANDBY");
    assert_eq!(failover(), Some("BY_ENGINE".into()));
    Ok(())
}

/// The key of the office is there until the lease is over.
#[test]
fn a_restarted_principal_names_nobody_until_it_has_won() -> anyhow::Result<()> {
    let (dir, etcd) = (tempfile::tempdir()?, EtcdCluster::start(1)?);
    let mut layout = layout(dir.path(), &etcd, 0)?;
    layout.orchestrator_args = vec!["--etcd-lease".to_owned(), "20".to_owned()];
    let mut cluster = Cluster::new(layout);
    cluster.start_principal()?;
    let port = cluster.layout.principal_port;
    wait_for("a principal", || readiness(port, "?role=principal").filter(|r| r.0 == 200));
    cluster.kill_principal()?;
    cluster.start_principal()?;
    let body = wait_for("a node that has heard who has the office", || {
        let (_, body) = readiness(port, "")?;
        (body["standing"] == "standby").then_some(body)
    });
    assert_eq!(body["principal"], Value::Null, "{body}");
    let process = cluster.principal.as_ref().context("it runs")?;
    let lines = process.lines();
    assert!(!lines.iter().any(|line| line.contains("Seguindo o principal")), "{lines:#?}");
    Ok(())
}
