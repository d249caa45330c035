//! The shards of one etcd: claims the queues of this one, says where its orchestrators are, and follows what the others say.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use common::messages::node_shards::ShardMessage;
use orquestrador_etcd::{Compare, Etcd, Op, Options, RangeQuery, Txn};

use super::keys::Keys;
use super::{Error, EtcdConfig, Patience, STEADY, Shared, values};
use crate::shards::{Map, Shards, UNNAMED};

/// All shards of an etcd.
///
/// # Errors
/// etcd refuses or does not answer, or something there is not ours.
pub async fn read(config: &EtcdConfig) -> Result<Map, Error> {
    let (etcd, keys) = connect(config)?;
    let (map, _) = read_map(&etcd, &keys).await?;
    Ok(map)
}

/// Gives a queue to another shard, whatever orchestrators were told (`--queues`); what was accepted before stays where it is.
/// `false`: there is no such shard.
///
/// # Errors
/// As [`read`].
pub async fn give(config: &EtcdConfig, queue: &str, to: &str) -> Result<bool, Error> {
    let (etcd, keys) = connect(config)?;
    let put = Op::put(keys.shard_queue(queue), values::claim(to));
    let is_there = Compare::present(keys.shard(to));
    Ok(etcd.txn(Txn::new().when(is_there).then(put)).await?.succeeded)
}

/// Forgets a shard whose orchestrators are gone for good, and gives its queues to the unnamed one. `false`: there is none of this
/// name, or its log is still there.
///
/// # Errors
/// As [`read`].
pub async fn remove(config: &EtcdConfig, name: &str) -> Result<bool, Error> {
    let (etcd, keys) = connect(config)?;
    let (map, _) = read_map(&etcd, &keys).await?;
    let queues = map.queues.iter().filter(|(_, owner)| *owner == name).map(|(queue, _)| queue);
    let log = Keys::new(&config.prefix, Some(name)).tip();
    let mut txn = Txn::new().when(Compare::absent(log)).then(Op::delete(keys.shard(name)));
    for queue in queues.clone() {
        let claim = keys.shard_queue(queue);
        txn = txn.when(Compare::value(claim.clone(), values::claim(name))).then(Op::delete(claim));
    }
    let is_there = map.orchestrators.contains_key(name) || queues.clone().next().is_some();
    Ok(is_there && etcd.txn(txn).await?.succeeded)
}

fn connect(config: &EtcdConfig) -> Result<(Etcd, Keys), Error> {
    let etcd = Etcd::new(Options { timeout: STEADY, ..config.options.clone() })?;
    Ok((etcd, Keys::new(&config.prefix, None)))
}

/// With the revision of etcd at which it was so.
async fn read_map(etcd: &Etcd, keys: &Keys) -> Result<(Map, i64), Error> {
    let (from, to) = keys.shards();
    let page = etcd.range(RangeQuery { from, to, ..RangeQuery::default() }).await?;
    let mut map = Map::default();
    for kv in &page.values {
        if let Some(queue) = keys.queue_of(&kv.key) {
            map.queues.insert(queue.to_owned(), values::read_claim(&kv.value)?);
        } else if let Some(shard) = keys.shard_of(&kv.key) {
            map.orchestrators.insert(shard.to_owned(), values::read_shard(&kv.value)?);
        }
    }
    Ok((map, page.revision))
}

/// What the console was told.
#[derive(PartialEq, Eq)]
struct Told {
    own: Vec<String>,
    /// With who has it.
    taken: Vec<(String, String)>,
}

/// How often it is looked where the orchestrators of this shard are.
const LOOK: Duration = Duration::from_secs(1);

/// The task that does it.
pub(super) struct Registrar {
    pub shared: Shared,
    /// This node's.
    pub name: String,
    /// That this node was told to take.
    pub queues: BTreeSet<String>,
    pub shards: Shards,
    /// This node is principal.
    pub leads: Arc<AtomicBool>,
}

impl Registrar {
    /// Until the driver ends.
    pub async fn run(mut self) {
        // Nothing is claimed in the name of a cluster that is another one, or not there.
        if self.shared.settled.wait_for(|is_settled| *is_settled).await.is_err() {
            return;
        }
        let (mut patience, mut told) = (Patience::default(), None);
        loop {
            match self.follow(&mut told).await {
                Ok(()) => patience.reset(),
                Err(Error::Stopping) => return,
                Err(error) => patience.tell(&self.shared, &error),
            }
            if self.shared.driver.is_closed() {
                return;
            }
            patience.pause().await;
        }
    }

    /// Until the watch breaks, or something of ours has changed there.
    async fn follow(&self, told: &mut Option<Told>) -> Result<(), Error> {
        let Shared { etcd, keys, .. } = &self.shared;
        let (map, revision) = read_map(etcd, keys).await?;
        let (from, to) = keys.shards();
        let mut watch = etcd.watch(&from, &to, revision + 1).await?;
        self.tell(&map, told);
        self.shards.learn(map.clone());
        let mut looks = tokio::time::interval(LOOK);
        loop {
            tokio::select! {
                batch = watch.next() => {
                    if !batch?.events.is_empty() {
                        return Ok(());
                    }
                }
                _ = looks.tick() => {
                    if self.shared.driver.is_closed() {
                        return Err(Error::Stopping);
                    }
                    if self.leads.load(Ordering::Relaxed)
                        && self.announce(&map).await?
                    {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// Says which queues are this shard's, and which it was told to take and another one has.
    fn tell(&self, map: &Map, told: &mut Option<Told>) {
        let own = map.queues.iter().filter(|(_, owner)| **owner == self.name);
        let owned = |queue: &String| Some((queue.clone(), map.queues.get(queue)?.clone()));
        let now = Told {
            own: own.map(|(queue, _)| queue.clone()).collect(),
            taken: self.queues.iter().filter_map(owned).filter(|(_, o)| *o != self.name).collect(),
        };
        if told.as_ref() == Some(&now) {
            return;
        }
        // Whoever has no name and no queues of its own knows of no shards.
        if self.name != UNNAMED || !now.own.is_empty() {
            let (name, queues) = (self.name.clone(), now.own.clone());
            self.shared.console.info(&ShardMessage::Own { name, queues });
        }
        for (queue, owner) in now.taken.clone() {
            self.shared.console.error(&ShardMessage::Taken { queue, owner });
        }
        *told = Some(now);
    }

    /// Says where the orchestrators of this shard that live are, and takes those queues of this node's that nobody has;
    /// whether any of that was news. What another one has stays with that one: what was accepted there would be accepted here
    /// once more.
    async fn announce(&self, map: &Map) -> Result<bool, Error> {
        let keys = &self.shared.keys;
        let (from, to) = keys.nodes();
        let page = self.shared.etcd.range(RangeQuery { from, to, ..RangeQuery::default() }).await?;
        let members = page.values.iter().map(|kv| values::read_node(&kv.value));
        let alive =
            members.map(|member| Ok(member?.address)).collect::<Result<BTreeSet<_>, Error>>()?;
        let announced = map.orchestrators.get(&self.name);
        // Without any its lease is over, and it is principal no longer.
        let is_news = !alive.is_empty() && !announced.is_some_and(|known| alive.iter().eq(known));
        let mut txn = self.as_principal();
        if is_news {
            let addresses: Vec<String> = alive.into_iter().collect();
            txn = txn.then(Op::put(keys.shard(&self.name), values::shard(&addresses)));
        }
        let free = self.queues.iter().filter(|queue| !map.queues.contains_key(*queue));
        for queue in free.clone() {
            let key = keys.shard_queue(queue);
            let put = Op::put(key.clone(), values::claim(&self.name));
            txn = txn.when(Compare::absent(key)).then(put);
        }
        if !is_news && free.count() == 0 {
            return Ok(false);
        }
        Ok(self.shared.etcd.txn(txn).await?.succeeded)
    }

    /// Only as long as this process is principal of its shard.
    fn as_principal(&self) -> Txn {
        let me = &self.shared.me;
        let office = values::office(me.node, me.process, values::Intent::Stay);
        Txn::new().when(Compare::value(self.shared.keys.leader(), office))
    }
}
