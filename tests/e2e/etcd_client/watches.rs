//! Watches see everything once and in order, or say that they cannot.

use orquestrador_etcd::{Batch, Kind, Watch};

use super::*;

/// As `PUT key value@revision`.
fn told(batch: &Batch) -> Vec<String> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let one = |change: &orquestrador_etcd::Change| {
        let (key, revision) = (text(&change.kv.key), change.kv.mod_revision);
        match change.kind {
            Kind::Put => format!("put {key} {}@{revision}", text(&change.kv.value)),
            Kind::Delete => format!("delete {key}@{revision}"),
        }
    };
    batch.events.iter().map(one).collect()
}

/// The next batch that has something in it.
async fn next(watch: &mut Watch) -> Result<Batch> {
    let look = async {
        loop {
            let batch = watch.next().await?;
            if !batch.events.is_empty() {
                return Ok(batch);
            }
        }
    };
    tokio::time::timeout(SOON, look).await.expect("something happens")
}

#[tokio::test]
async fn changes_come_in_order_from_the_past_on() -> anyhow::Result<()> {
    let cluster = EtcdCluster::start(3)?;
    let etcd = client(&cluster)?;
    let first = put(&etcd, "w/a", "1").await?;
    put(&etcd, "x", "outside").await?;
    let second =
        etcd.txn(Txn::new().then(Op::put("w/b", "2")).then(Op::delete("w/a"))).await?.revision;
    let mut watch = etcd.watch(b"w/", b"w0", first).await?;
    let (mut past, mut batch) = (Vec::new(), Batch::default());
    while batch.revision < second {
        batch = next(&mut watch).await?;
        past.extend(told(&batch));
    }
    let expected = [
        format!("put w/a 1@{first}"),
        format!("put w/b 2@{second}"),
        format!("delete w/a@{second}"),
    ];
    assert_eq!(past, expected);

    watch.request_progress()?;
    let progress = watch.next().await?;
    assert_eq!((progress.revision, progress.events.len()), (second, 0));

    let third = put(&etcd, "w/c", "3").await?;
    let batch = next(&mut watch).await?;
    assert_eq!((told(&batch), batch.revision), (vec![format!("put w/c 3@{third}")], third));
    let lease = etcd.grant(Duration::from_secs(1)).await?;
    etcd.txn(Txn::new().then(Op::put("w/d", "4").lease(lease.id))).await?;
    assert_eq!(next(&mut watch).await?.events[0].kv.lease, lease.id);
    let gone = next(&mut watch).await?;
    assert_eq!(told(&gone), [format!("delete w/d@{}", gone.revision)], "its lease is over");
    Ok(())
}

#[tokio::test]
async fn a_large_past_comes_in_parts_and_no_revision_in_two() -> anyhow::Result<()> {
    let cluster = EtcdCluster::start(1)?;
    let etcd = client(&cluster)?;
    let value = vec![7; 600 << 10];
    let mut revisions = Vec::new();
    for n in 0..12 {
        let pair = Txn::new()
            .then(Op::put(format!("w/{n:02}/a"), value.clone()))
            .then(Op::put(format!("w/{n:02}/b"), value.clone()));
        revisions.push(etcd.txn(pair).await?.revision);
    }
    let mut watch = etcd.watch(b"w/", b"w0", revisions[0]).await?;
    let (mut seen, mut batches) = (Vec::new(), 0);
    while seen.last() != revisions.last() {
        let batch = next(&mut watch).await?;
        batches += 1;
        for pair in batch.events.chunks(2) {
            assert_eq!(pair[0].kv.mod_revision, pair[1].kv.mod_revision, "both in one batch");
            assert_eq!(
                (pair[0].kv.value.len(), pair[1].kv.value.len()),
                (value.len(), value.len())
            );
            seen.push(pair[0].kv.mod_revision);
        }
        assert_eq!(seen.last(), Some(&batch.revision));
    }
    assert_eq!(seen, revisions);
    assert!(batches > 1, "the servers cut it");
    Ok(())
}

#[tokio::test]
async fn what_is_forgotten_cannot_be_watched() -> anyhow::Result<()> {
    let cluster = EtcdCluster::start(3)?;
    let etcd = client(&cluster)?;
    let first = put(&etcd, "w", "1").await?;
    let last = put(&etcd, "w", "2").await?;
    etcd.compact(last).await?;
    let mut watch = etcd.watch(b"w", b"x", first).await?;
    let refused = tokio::time::timeout(SOON, next(&mut watch)).await?;
    assert!(
        matches!(refused, Err(Error::Compacted { revision }) if revision == last),
        "{refused:?}"
    );
    let mut watch = etcd.watch(b"w", b"x", last).await?;
    assert_eq!(told(&next(&mut watch).await?), [format!("put w 2@{last}")]);
    Ok(())
}
