//! A database that is full, and room in it again.

use harness::etcd::Settings;
use orquestrador_etcd::AlarmKind;

use super::*;

#[tokio::test]
async fn a_full_database_takes_writes_again_after_it_was_compacted() -> anyhow::Result<()> {
    let settings = Settings { quota_bytes: Some(4 << 20), ..Settings::default() };
    let cluster = EtcdCluster::start_with(3, settings)?;
    let etcd = client(&cluster)?;
    let value = vec![7; 128 << 10];
    let mut last = put(&etcd, "a", value.clone()).await?;
    assert_eq!(etcd.alarms().await?, []);
    let full = loop {
        match put(&etcd, "a", value.clone()).await {
            Ok(revision) => last = revision,
            Err(error) => break error,
        }
    };
    assert!(matches!(full, Error::NoSpace), "{full:?}");
    assert_eq!(etcd.get(b"a").await?.map(|found| found.mod_revision), Some(last), "it is read on");
    let alarms =
        until("an alarm", async || etcd.alarms().await.ok().filter(|alarms| !alarms.is_empty()))
            .await;
    assert!(alarms.iter().all(|alarm| alarm.kind == AlarmKind::NoSpace), "{alarms:?}");
    let sizes = async || -> Result<u64> {
        let each = etcd.status_of_each().await.into_iter();
        each.map(|(_, status)| status.map(|status| status.db_size)).sum()
    };
    let before = sizes().await?;

    etcd.compact(last).await?;
    for endpoint in cluster.endpoints() {
        etcd.defragment(&endpoint).await?;
    }
    assert!(sizes().await? < before);
    // Each member raises its own.
    until("no alarm", async || {
        let alarms = etcd.alarms().await.ok()?;
        for alarm in &alarms {
            etcd.disarm(*alarm).await.ok()?;
        }
        alarms.is_empty().then_some(())
    })
    .await;
    put(&etcd, "a", value).await?;
    let stranger = etcd.defragment("127.0.0.1:1").await;
    assert!(matches!(stranger, Err(Error::Endpoint(_))), "{stranger:?}");
    Ok(())
}
