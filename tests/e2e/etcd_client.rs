//! The client of etcd against a real one: keys, transactions, leases and watches.

#[path = "etcd_client/failover.rs"]
mod failover;
#[path = "etcd_client/quota.rs"]
mod quota;
#[path = "etcd_client/secured.rs"]
mod secured;
#[path = "etcd_client/watches.rs"]
mod watches;

use std::time::Duration;

use harness::EtcdCluster;
use orquestrador_etcd::{Compare, Credentials, Error, Etcd, Op, RangeQuery, Result, Txn};
use tokio::time::Instant;

/// Of one request to one member. Machines under test are slow.
const TIMEOUT: Duration = Duration::from_secs(3);
const SOON: Duration = Duration::from_secs(60);

fn client(cluster: &EtcdCluster) -> Result<Etcd> {
    Etcd::new(cluster.options(TIMEOUT))
}

async fn put(etcd: &Etcd, key: &str, value: impl Into<bytes::Bytes>) -> Result<i64> {
    let done = etcd.txn(Txn::new().then(Op::put(key, value))).await?;
    Ok(done.revision)
}

/// What the key holds, as text.
async fn value(etcd: &Etcd, key: &str) -> Result<Option<String>> {
    let found = etcd.get(key.as_bytes()).await?;
    Ok(found.map(|found| String::from_utf8_lossy(&found.value).into_owned()))
}

/// Asks until the answer is right.
async fn until<T>(what: &str, ask: impl AsyncFn() -> Option<T>) -> T {
    let deadline = Instant::now() + SOON;
    loop {
        if let Some(found) = ask().await {
            return found;
        }
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn transactions_do_all_or_the_other_thing() -> anyhow::Result<()> {
    let cluster = EtcdCluster::start(3)?;
    let etcd = client(&cluster)?;
    assert_eq!(etcd.get(b"a").await?, None);

    let create = |value: &'static str| {
        let create = Txn::new().when(Compare::absent("a")).then(Op::put("a", value));
        create.otherwise(Op::get("a"))
    };
    let first = etcd.txn(create("one")).await?;
    assert!(first.succeeded && first.got.is_empty(), "{first:?}");
    let second = etcd.txn(create("two")).await?;
    assert!(!second.succeeded, "it is there");
    assert_eq!(second.revision, first.revision, "nothing was written");
    let found = &second.got[0][0];
    assert_eq!((&found.key[..], &found.value[..]), (&b"a"[..], &b"one"[..]));
    assert_eq!((found.create_revision, found.mod_revision), (first.revision, first.revision));

    let third =
        etcd.txn(Txn::new().when(Compare::present("a")).then(Op::put("a", "three"))).await?;
    assert!(third.succeeded && third.revision > first.revision, "{third:?}");
    for (compare, holds) in [
        (Compare::value("a", "three"), true),
        (Compare::value("a", "one"), false),
        (Compare::value("b", ""), false),
        (Compare::created("a", first.revision), true),
        (Compare::created("a", third.revision), false),
        (Compare::modified("a", third.revision), true),
        (Compare::modified("a", first.revision), false),
        (Compare::present("b"), false),
        (Compare::absent("b"), true),
    ] {
        let what = format!("{compare:?}");
        let done = etcd.txn(Txn::new().when(compare).then(Op::get("a"))).await?;
        assert_eq!(done.succeeded, holds, "{what}");
    }

    let both = Txn::new().then(Op::delete("a")).then(Op::put("b", "four")).then(Op::get("a"));
    assert_eq!(etcd.txn(both).await?.got, [vec![]], "it sees what was done before it");
    let pair = (value(&etcd, "a").await?, value(&etcd, "b").await?);
    assert_eq!(pair, (None, Some("four".to_owned())));
    Ok(())
}

#[tokio::test]
async fn ranges_come_in_pages_and_in_both_directions() -> anyhow::Result<()> {
    let cluster = EtcdCluster::start(3)?;
    let etcd = client(&cluster)?;
    for n in 0..5 {
        put(&etcd, &format!("k/{n}"), format!("v{n}")).await?;
    }
    let before = put(&etcd, "l", "outside").await?;
    let keys = |page: &orquestrador_etcd::Page| -> Vec<String> {
        let text = |key: &[u8]| String::from_utf8_lossy(key).into_owned();
        page.values.iter().map(|found| text(&found.key)).collect()
    };
    let all = RangeQuery::prefix("k/");
    let page = etcd.range(RangeQuery { limit: 2, ..all.clone() }).await?;
    assert_eq!(
        (keys(&page), page.more, page.revision),
        (vec!["k/0".into(), "k/1".into()], true, before)
    );
    let last = RangeQuery { limit: 2, descending: true, keys_only: true, ..all.clone() };
    let page = etcd.range(last).await?;
    assert_eq!(keys(&page), ["k/4", "k/3"]);
    assert!(page.values.iter().all(|found| found.value.is_empty()), "{page:?}");
    etcd.txn(Txn::new().then(Op::delete_range(b"k/1", b"k/4"))).await?;
    assert_eq!(keys(&etcd.range(all.clone()).await?), ["k/0", "k/4"]);
    let then = RangeQuery { revision: before, ..all };
    assert_eq!(keys(&etcd.range(then.clone()).await?).len(), 5);
    assert_eq!(keys(&etcd.range(RangeQuery::default()).await?), ["k/0", "k/4", "l"]);

    let now = put(&etcd, "l", "again").await?;
    etcd.compact(now).await?;
    etcd.compact(now).await?;
    let old = etcd.range(then).await;
    assert!(matches!(old, Err(Error::Compacted { .. })), "{old:?}");
    let future = etcd.compact(now + 100).await;
    assert!(matches!(future, Err(Error::Refused { .. })), "{future:?}");
    Ok(())
}

#[tokio::test]
async fn answers_may_be_large_and_requests_have_a_limit() -> anyhow::Result<()> {
    let cluster = EtcdCluster::start(1)?;
    let etcd = client(&cluster)?;
    let value = vec![7; 1 << 20];
    for n in 0..12 {
        put(&etcd, &format!("k/{n:02}"), value.clone()).await?;
    }
    let page = etcd.range(RangeQuery::prefix("k/")).await?;
    assert!(page.values.len() == 12 && page.values.iter().all(|found| found.value[..] == value));
    for n in 12..65 {
        put(&etcd, &format!("k/{n:02}"), value.clone()).await?;
    }
    let all = etcd.range(RangeQuery::prefix("k/")).await;
    assert!(matches!(all, Err(Error::TooLarge { .. })), "more than 64 MiB");
    let part = etcd.range(RangeQuery { limit: 60, ..RangeQuery::prefix("k/") }).await?;
    assert!(part.values.len() == 60 && part.more);
    let refused = put(&etcd, "k/large", vec![7; 2 << 20]).await;
    assert!(matches!(refused, Err(Error::TooLarge { .. })), "{refused:?}");
    assert_eq!(etcd.get(b"k/large").await?, None);
    Ok(())
}

#[tokio::test]
async fn what_goes_with_a_lease_goes_when_nobody_keeps_it() -> anyhow::Result<()> {
    let cluster = EtcdCluster::start(3)?;
    let etcd = client(&cluster)?;
    let lease = etcd.grant(Duration::from_millis(900)).await?;
    assert!(lease.ttl >= Duration::from_secs(1), "{lease:?}");
    let kept = etcd.grant(SOON).await?;
    let with = |key, lease| Txn::new().then(Op::put(key, "here").lease(lease));
    etcd.txn(with("short", lease.id)).await?;
    etcd.txn(with("long", kept.id)).await?;
    assert_eq!(etcd.get(b"long").await?.map(|found| found.lease), Some(kept.id));
    until("its end", async || {
        etcd.get(b"short").await.is_ok_and(|found| found.is_none()).then_some(())
    })
    .await;
    let gone = etcd.keep_alive(lease.id).await;
    assert!(matches!(gone, Err(Error::LeaseGone)), "{gone:?}");
    let gone = etcd.txn(with("short", lease.id)).await;
    assert!(matches!(gone, Err(Error::LeaseGone)), "{gone:?}");

    assert_eq!(etcd.keep_alive(kept.id).await?, kept.ttl);
    etcd.revoke(kept.id).await?;
    assert_eq!(etcd.get(b"long").await?, None);
    let gone = etcd.revoke(kept.id).await;
    assert!(matches!(gone, Err(Error::LeaseGone)), "{gone:?}");
    Ok(())
}

#[tokio::test]
async fn addresses_that_are_none_are_refused_at_once() {
    let options = |endpoints: &[&str]| orquestrador_etcd::Options {
        endpoints: endpoints.iter().map(|one| (*one).to_owned()).collect(),
        tls: None,
        credentials: Some(Credentials { user: "u".into(), password: "hidden".into() }),
        timeout: TIMEOUT,
    };
    for wrong in ["", "host", "host:0", "http://host:2379", "user@host:2379", "host:2379/path"] {
        let refused = Etcd::new(options(&["host:2379", wrong]));
        assert!(matches!(refused, Err(Error::Endpoint(_))), "{wrong}: {refused:?}");
    }
    assert!(matches!(Etcd::new(options(&[])), Err(Error::Endpoint(_))));
    let right = options(&["host:2379", "[::1]:2379"]);
    assert!(!format!("{right:?} {:?}", Etcd::new(right.clone())).contains("hidden"));
    assert!(Etcd::new(right).is_ok());
}
