//! The shards of one etcd: claims the queues of this one, says where its orchestrators are, and follows what the others say.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use common::messages::node_shards::ShardMessage;
use orquestrador_etcd::{Compare, Etcd, Op, Options, RangeQuery, Txn};

use super::keys::Keys;
use super::{Error, EtcdConfig, Patience, STEADY, Shared, values};
use crate::shards::{Map, Shards};

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
    pub async fn run(self) {
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
    async fn follow(&self, told: &mut Option<Vec<(String, String)>>) -> Result<(), Error> {
        let Shared { etcd, keys, .. } = &self.shared;
        let (map, revision) = read_map(etcd, keys).await?;
        let (from, to) = keys.shards();
        let mut watch = etcd.watch(&from, &to, revision + 1).await?;
        if self.claim(&map, told).await? {
            return Ok(());
        }
        let announced = map.orchestrators.get(&self.name).cloned().unwrap_or_default();
        self.shards.learn(map);
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
                    if self.leads.load(Ordering::Relaxed) && self.announce(&announced).await? {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// Takes what is free of the queues of this node; whether it took something. What another one has stays with that
    /// one: what was accepted there would be accepted here once more.
    async fn claim(
        &self,
        map: &Map,
        told: &mut Option<Vec<(String, String)>>,
    ) -> Result<bool, Error> {
        let mut taken = Vec::new();
        for queue in &self.queues {
            match map.queues.get(queue) {
                Some(owner) if *owner == self.name => {}
                Some(owner) => taken.push((queue.clone(), owner.clone())),
                None => {
                    let key = self.shared.keys.shard_queue(queue);
                    let put = Op::put(key.clone(), values::claim(&self.name));
                    let claim = Txn::new().when(Compare::absent(key)).then(put);
                    self.shared.etcd.txn(claim).await?;
                    return Ok(true);
                }
            }
        }
        if told.as_ref() != Some(&taken) {
            let own = map.queues.iter().filter(|(_, owner)| **owner == self.name);
            let queues = own.map(|(queue, _)| queue.clone()).collect();
            self.shared.console.info(&ShardMessage::Own { name: self.name.clone(), queues });
            for (queue, owner) in taken.clone() {
                self.shared.console.error(&ShardMessage::Taken { queue, owner });
            }
            *told = Some(taken);
        }
        Ok(false)
    }

    /// Says where the orchestrators of this shard are, if that is news; only as long as this process is its principal.
    async fn announce(&self, announced: &[String]) -> Result<bool, Error> {
        let keys = &self.shared.keys;
        let (from, to) = keys.nodes();
        let page = self.shared.etcd.range(RangeQuery { from, to, ..RangeQuery::default() }).await?;
        let members = page.values.iter().map(|kv| values::read_node(&kv.value));
        let alive =
            members.map(|member| Ok(member?.address)).collect::<Result<BTreeSet<_>, Error>>()?;
        // Those that are gone may come back, and whoever knows an address too many has lost little.
        if alive.is_empty() || alive.iter().eq(announced.iter()) {
            return Ok(false);
        }
        let me = &self.shared.me;
        let office = values::office(me.node, me.process, values::Intent::Stay);
        let addresses: Vec<String> = alive.into_iter().collect();
        let put = Op::put(keys.shard(&self.name), values::shard(&addresses));
        let txn = Txn::new().when(Compare::value(keys.leader(), office)).then(put);
        Ok(self.shared.etcd.txn(txn).await?.succeeded)
    }
}
