//! Members that are gone, silent, or too few.

use super::*;

/// A client that asks a member first which does not lead, and the number of that member.
fn by_follower(cluster: &EtcdCluster) -> anyhow::Result<(Etcd, usize)> {
    let follower = (cluster.leader()? + 1) % cluster.endpoints().len();
    let mut options = cluster.options(TIMEOUT);
    options.endpoints.rotate_left(follower);
    Ok((Etcd::new(options)?, follower))
}

#[tokio::test]
async fn another_member_answers_when_the_one_in_use_is_killed() -> anyhow::Result<()> {
    let mut cluster = EtcdCluster::start(3)?;
    let (etcd, used) = by_follower(&cluster)?;
    put(&etcd, "a", "1").await?;
    cluster.kill(used)?;
    assert_eq!(value(&etcd, "a").await?.as_deref(), Some("1"));
    put(&etcd, "a", "2").await?;

    let each = etcd.status_of_each().await;
    assert!(matches!(&each[0].1, Err(Error::Unavailable { .. })), "{each:?}");
    let leaders = each.iter().filter(|(_, status)| status.as_ref().is_ok_and(|s| s.is_leader));
    assert_eq!(leaders.count(), 1, "{each:?}");

    cluster.start_again(used)?;
    cluster.wait()?;
    assert_eq!(value(&by_member(&cluster, used)?, "a").await?.as_deref(), Some("2"));
    Ok(())
}

fn by_member(cluster: &EtcdCluster, member: usize) -> Result<Etcd> {
    let mut options = cluster.options(TIMEOUT);
    options.endpoints = vec![options.endpoints.swap_remove(member)];
    Etcd::new(options)
}

#[tokio::test]
async fn a_write_to_a_member_that_cannot_be_reached_is_done_by_another() -> anyhow::Result<()> {
    let mut cluster = EtcdCluster::start(3)?;
    let (etcd, first) = by_follower(&cluster)?;
    cluster.kill(first)?;
    put(&etcd, "a", "1").await?;
    assert_eq!(value(&etcd, "a").await?.as_deref(), Some("1"));
    Ok(())
}

#[tokio::test]
async fn a_frozen_member_is_left_and_its_write_is_not_repeated() -> anyhow::Result<()> {
    let mut cluster = EtcdCluster::start(3)?;
    let (etcd, used) = by_follower(&cluster)?;
    let created = put(&etcd, "a", "1").await?;
    let mut watch = etcd.watch(b"a", b"b", created + 1).await?;
    cluster.pause(used)?;
    let count = Txn::new().when(Compare::created("a", created)).then(Op::put("a", "2"));
    let unknown = etcd.txn(count).await;
    assert!(matches!(unknown, Err(Error::Unknown { .. })), "{unknown:?}");
    assert_eq!(value(&etcd, "a").await?.as_deref(), Some("1"), "nobody has repeated it");
    let ended = tokio::time::timeout(SOON, async {
        loop {
            if let Err(error) = watch.next().await {
                return error;
            }
        }
    });
    assert!(matches!(ended.await?, Error::Unavailable { .. }));
    let other = etcd.watch(b"a", b"b", created + 1).await?;
    drop(other);
    // The write that nobody knew of may come now, or never.
    cluster.resume(used)?;
    put(&etcd, "b", "after").await?;
    Ok(())
}

#[tokio::test]
async fn a_read_is_repeated_when_the_member_in_use_is_frozen() -> anyhow::Result<()> {
    let mut cluster = EtcdCluster::start(3)?;
    let (etcd, used) = by_follower(&cluster)?;
    put(&etcd, "a", "1").await?;
    cluster.pause(used)?;
    assert_eq!(value(&etcd, "a").await?.as_deref(), Some("1"));
    let lease = etcd.grant(SOON).await?;
    assert_eq!(etcd.keep_alive(lease.id).await?, lease.ttl);
    Ok(())
}

#[tokio::test]
async fn without_a_majority_nothing_is_done_and_with_it_everything_again() -> anyhow::Result<()> {
    let mut cluster = EtcdCluster::start(3)?;
    let etcd = client(&cluster)?;
    put(&etcd, "a", "1").await?;
    let mut watch = by_member(&cluster, 0)?.watch(b"a", b"b", 0).await?;
    cluster.kill(1)?;
    cluster.kill(2)?;
    let read = etcd.get(b"a").await;
    assert!(matches!(read, Err(Error::Unavailable { .. })), "{read:?}");
    // Until the member left knows that it is alone, it takes writes and cannot do them.
    until("a refusal", async || match put(&etcd, "a", "2").await {
        Err(Error::Unavailable { .. }) => Some(()),
        Err(Error::Unknown { .. }) => None,
        other => panic!("{other:?}"),
    })
    .await;
    let ended = tokio::time::timeout(SOON, async {
        loop {
            if let Err(error) = watch.next().await {
                return error;
            }
        }
    });
    assert!(matches!(ended.await?, Error::Unavailable { .. }), "it has no leader");
    let watch = etcd.watch(b"a", b"b", 0).await;
    assert!(matches!(watch, Err(Error::Unavailable { .. })), "{watch:?}");

    cluster.start_again(1)?;
    cluster.start_again(2)?;
    until("a write", async || put(&etcd, "a", "3").await.ok()).await;
    assert_eq!(value(&etcd, "a").await?.as_deref(), Some("3"));
    Ok(())
}
