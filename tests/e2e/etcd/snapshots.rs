//! What a principal does to the snapshot in etcd, also when a part of it arrives late: after a timeout it is sent again,
//! and the first may still come.

use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use harness::EtcdCluster;
use orquestrador::engine::Keys;
use orquestrador::engine::publication::{Done, Held, Publication};
use orquestrador_core::election::Fence;
use orquestrador_core::ids::{Epoch, Index};
use orquestrador_core::role::{EntryHash, EntryId};
use orquestrador_etcd::{Etcd, Op, RangeQuery, Txn};

const TIMEOUT: Duration = Duration::from_secs(3);
const PARTS: u32 = 3;

struct Stage {
    _cluster: EtcdCluster,
    etcd: Etcd,
    keys: Keys,
    publication: Publication,
}

fn entry(index: u64) -> EntryId {
    EntryId { index: Index(index), epoch: Epoch(1), hash: EntryHash([7; 32]) }
}

impl Stage {
    /// An office, and a log of ten batches.
    async fn start() -> anyhow::Result<Self> {
        let cluster = EtcdCluster::start(1)?;
        let etcd = Etcd::new(cluster.options(TIMEOUT))?;
        let keys = Keys::new("teste", None);
        let office = etcd.txn(Txn::new().then(Op::put(keys.leader(), "somebody"))).await?;
        for first in 1..=10 {
            etcd.txn(Txn::new().then(Op::put(keys.batch(Index(first)), "entries"))).await?;
        }
        let fence = Fence(office.revision);
        let publication = Publication::new(etcd.clone(), keys.clone(), fence);
        Ok(Self { _cluster: cluster, etcd, keys, publication })
    }

    async fn bring_parts(&self, held: &Held, at: u64, parts: u32) -> anyhow::Result<()> {
        for nth in 0..parts {
            let bytes = Bytes::from_static(b"part");
            let done = self.publication.bring_part(held, entry(at), nth, bytes).await?;
            assert!(matches!(done, Done::At(_)), "part {nth}: {done:?}");
        }
        Ok(())
    }

    async fn name(&self, held: &Held, at: u64) -> anyhow::Result<Done> {
        Ok(self.publication.name(held, entry(at), (PARTS, 12)).await?)
    }

    /// Brings a snapshot as it goes when nothing is late, and gives what etcd holds then.
    async fn publish(&self, at: u64) -> anyhow::Result<Held> {
        let held = self.publication.held().await?;
        self.bring_parts(&held, at, PARTS).await?;
        assert!(matches!(self.name(&held, at).await?, Done::At(_)));
        self.held(at).await
    }

    /// It is that one, and whole.
    async fn held(&self, at: u64) -> anyhow::Result<Held> {
        let held = self.publication.held().await?;
        let snapshot = held.snapshot.as_ref().context("there is none")?;
        assert_eq!((snapshot.last, held.is_whole), (entry(at), true), "{held:?}");
        Ok(held)
    }

    async fn has(&self, key: Vec<u8>) -> anyhow::Result<bool> {
        Ok(self.etcd.get(&key).await?.is_some())
    }
}

#[tokio::test]
async fn a_snapshot_stands_for_what_is_trimmed() -> anyhow::Result<()> {
    let stage = Stage::start().await?;
    stage.publish(3).await?;
    let held = stage.publish(6).await?;
    assert!(matches!(stage.publication.trim(&held).await?, Done::At(_)));
    for first in 1..=10 {
        // The one in which the snapshot ends stays.
        assert_eq!(stage.has(stage.keys.batch(Index(first))).await?, first >= 6, "batch {first}");
    }
    let (from, to) = stage.keys.earlier_snapshots(Index(6), Fence(0));
    let query = RangeQuery { from, to, ..RangeQuery::default() };
    assert!(stage.etcd.range(query).await?.values.is_empty(), "parts of the first one");
    stage.held(6).await.map(drop)
}

#[tokio::test]
async fn what_arrives_late_changes_nothing() -> anyhow::Result<()> {
    let stage = Stage::start().await?;
    let nothing = stage.publication.held().await?;
    let first = stage.publish(3).await?;
    // As it was looked at before the first one was named.
    assert_eq!(stage.name(&nothing, 3).await?, Done::Overtaken);
    // While the parts of the second one are on their way, the first one is trimmed for once more.
    stage.bring_parts(&first, 6, PARTS).await?;
    assert!(matches!(stage.publication.trim(&first).await?, Done::At(_)));
    assert!(matches!(stage.name(&first, 6).await?, Done::At(_)));
    let second = stage.held(6).await?;
    assert!(matches!(stage.publication.trim(&second).await?, Done::At(_)));
    // All of the first one, once more.
    assert_eq!(stage.publication.trim(&first).await?, Done::Overtaken);
    assert_eq!(stage.name(&nothing, 3).await?, Done::Overtaken);
    assert_eq!(stage.name(&first, 3).await?, Done::Overtaken);
    let part = stage.publication.bring_part(&nothing, entry(3), 0, Bytes::from_static(b"late"));
    assert_eq!(part.await?, Done::Overtaken);
    stage.held(6).await?;

    let leader = stage.keys.leader();
    stage.etcd.txn(Txn::new().then(Op::delete(leader))).await?;
    assert_eq!(stage.publication.trim(&second).await?, Done::Deposed);
    assert_eq!(stage.name(&second, 9).await?, Done::Deposed);
    stage.held(6).await.map(drop)
}

#[tokio::test]
async fn nothing_is_trimmed_for_a_snapshot_that_lacks_a_part() -> anyhow::Result<()> {
    let stage = Stage::start().await?;
    let held = stage.publication.held().await?;
    stage.bring_parts(&held, 6, PARTS - 1).await?;
    assert!(matches!(stage.name(&held, 6).await?, Done::At(_)));
    let held = stage.publication.held().await?;
    assert!(!held.is_whole && !held.covers(entry(6)) && held.covers(entry(5)), "{held:?}");
    let refused = stage.publication.trim(&held).await;
    assert!(refused.is_err(), "{refused:?}");
    assert!(stage.has(stage.keys.batch(Index(1))).await?);
    Ok(())
}
