//! The office and the lease: that this node is there, who is principal, and trying to become it (E1, E2).

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use common::messages::node_engine::EngineMessage;
use orquestrador_core::election::{self, Fence, Holder, Input};
use orquestrador_core::ids::ClusterId;
use orquestrador_core::role::EntryId;
use orquestrador_etcd::{Compare, Etcd, KeyValue, Kind, Op, RangeQuery, Txn};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use super::values::{self, Cluster, Intent};
use super::{Error, Liveness, Patience, Shared};
use crate::driver::engine::{Member, News};

/// Signs of life in one lease.
const BEATS: u32 = 4;

/// What the driver wants.
pub enum Order {
    /// Whether this node has read the log up to near its end.
    Announce(bool),
    Campaign,
    Resign(Fence),
    /// The operator ends the whole cluster.
    EndAll(Fence),
    /// The process ends: nobody shall wait for its lease.
    Leave,
}

/// What the lease says.
enum Beat {
    /// etcd has not answered for the time of a lease.
    Silent(String),
    Answers,
    Gone,
}

/// The task that keeps the lease and the office.
pub struct Keeper {
    shared: Shared,
    /// For what must not take long.
    etcd: Etcd,
    lease: Duration,
    orders: mpsc::UnboundedReceiver<Order>,
    /// Told once the cluster was found.
    settles: watch::Sender<bool>,
    /// Which was found in etcd.
    cluster: Option<ClusterId>,
    /// As the driver said last.
    in_sync: bool,
    /// Of the office that the driver knows to be ours.
    held: Option<Fence>,
    /// An office that is to be given back, until etcd has taken it.
    resigning: Option<Fence>,
    /// An office in which all others are to be told to end, until etcd has taken that.
    ending: Option<Fence>,
    members: BTreeMap<Vec<u8>, Member>,
    patience: Patience,
}

/// A lease and the task that keeps it; both end together.
struct Kept {
    id: i64,
    beats: mpsc::Receiver<Beat>,
    task: JoinHandle<()>,
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Keeper {
    pub fn new(
        shared: Shared,
        etcd: Etcd,
        lease: Duration,
        orders: mpsc::UnboundedReceiver<Order>,
        settles: watch::Sender<bool>,
    ) -> Self {
        let (members, patience) = (BTreeMap::new(), Patience::default());
        Self {
            shared,
            etcd,
            lease,
            orders,
            settles,
            cluster: None,
            in_sync: false,
            held: None,
            resigning: None,
            ending: None,
            members,
            patience,
        }
    }

    /// Until the driver ends.
    pub async fn run(mut self) {
        loop {
            match self.settle().await {
                Ok(true) => {
                    self.settles.send_replace(true);
                    break self.patience.reset();
                }
                Ok(false) => {}
                Err(Error::Stopping) => return,
                Err(error) => self.explain_silence(&error),
            }
            self.patience.pause().await;
        }
        let mut kept = None;
        loop {
            let error = match self.hold(&mut kept).await {
                Ok(()) => continue,
                Err(Error::Stopping) => return,
                Err(error) => error,
            };
            self.patience.tell(&self.shared, &error);
            self.patience.pause().await;
            let heard = match &mut kept {
                Some(lease) => lease.beats.try_recv().ok(),
                None => Some(Beat::Silent(error.to_string())),
            };
            if let Some(beat) = heard
                && self.take_beat(beat, &mut kept).await.is_err()
            {
                return;
            }
        }
    }

    /// Before there is a lease nobody else notices.
    fn explain_silence(&mut self, error: &Error) {
        let (endpoints, why) = (self.shared.endpoints.clone(), error.to_string());
        let shared = self.shared.clone();
        self.patience.warn(&shared, &EngineMessage::Silent { endpoints, why });
    }

    // ---- The cluster. ----

    /// Whether the cluster in etcd is ours, or is now. Only a node without history founds one: where etcd has lost what
    /// it had, an operator decides (E7).
    async fn settle(&mut self) -> Result<bool, Error> {
        let (shared, prefix) = (self.shared.clone(), self.shared.keys.prefix().to_owned());
        let (ours, key) = (shared.me.cluster, shared.keys.cluster());
        let found = self.etcd.get(&key).await?;
        let found = found.map(|found| values::read_cluster(&found.value)).transpose()?;
        let (cluster, is_new) = match (found, ours, shared.me.founds) {
            (Some(Cluster::Moved { .. }), _, _) => {
                self.patience.warn(&shared, &EngineMessage::MovedAway { prefix });
                return Ok(false);
            }
            (Some(Cluster::Here(theirs)), Some(ours), _) if theirs != ours => {
                let theirs = theirs.to_string();
                self.patience.warn(&shared, &EngineMessage::Foreign { prefix, theirs });
                return Ok(false);
            }
            (Some(Cluster::Here(cluster)), _, _) => (cluster, false),
            (None, _, _) if self.etcd.get(&shared.keys.migrating()).await?.is_some() => {
                self.patience.warn(&shared, &EngineMessage::Arriving { prefix });
                return Ok(false);
            }
            (None, Some(_), _) => {
                self.patience.warn(&shared, &EngineMessage::LogMissing { prefix });
                return Ok(false);
            }
            (None, None, None) => {
                self.patience.warn(&shared, &EngineMessage::WaitingForFounder { prefix });
                return Ok(false);
            }
            (None, None, Some(fresh)) => {
                let put = Op::put(key.clone(), values::cluster(fresh));
                let is_free = Txn::new().when(Compare::absent(key));
                let txn = is_free.when(Compare::absent(shared.keys.migrating())).then(put);
                // Whoever was first has founded it.
                if !self.etcd.txn(txn).await?.succeeded {
                    return Ok(false);
                }
                (fresh, true)
            }
        };
        self.cluster = Some(cluster);
        let name = cluster.to_string();
        shared.console.info(&match is_new {
            true => EngineMessage::Founded { cluster: name, prefix },
            false => EngineMessage::Joined { cluster: name, prefix },
        });
        shared.tell(News::Election(Input::Cluster(cluster))).await?;
        Ok(true)
    }

    // ---- The lease. ----

    /// Keeps the lease, or takes one, and follows the office until either breaks.
    async fn hold(&mut self, kept: &mut Option<Kept>) -> Result<(), Error> {
        let lease = match kept {
            Some(lease) => lease,
            None => {
                let granted = self.etcd.grant(self.lease).await?;
                let (beat, beats) = mpsc::channel(BEATS as usize);
                let driver = self.shared.liveness.clone();
                let task = tokio::spawn(keep_alive(
                    self.etcd.clone(),
                    granted.id,
                    granted.ttl,
                    driver,
                    beat,
                ));
                kept.insert(Kept { id: granted.id, beats, task })
            }
        };
        self.announce(lease.id).await?;
        let (from, to) = self.shared.keys.office();
        let query = RangeQuery { from: from.clone(), to: to.clone(), ..RangeQuery::default() };
        let page = self.etcd.range(query).await?;
        self.look(page.revision, &page.values).await?;
        let mut watch = self.etcd.watch(&from, &to, page.revision + 1).await?;
        self.resign(lease.id).await?;
        self.end_all(lease.id).await?;
        self.patience.reset();
        loop {
            tokio::select! {
                batch = watch.next() => {
                    for change in batch?.events {
                        self.note(change.kind, &change.kv).await?;
                    }
                }
                // What was missed meanwhile is looked up.
                beat = lease.beats.recv() => {
                    return self.take_beat(beat.unwrap_or(Beat::Gone), kept).await;
                }
                order = self.orders.recv() => match order {
                    Some(Order::Announce(in_sync)) => {
                        self.in_sync = in_sync;
                        self.announce(lease.id).await?;
                    }
                    Some(Order::Campaign) => self.campaign(lease.id).await?,
                    Some(Order::Resign(fence)) => {
                        self.resigning = Some(fence);
                        self.resign(lease.id).await?;
                    }
                    Some(Order::EndAll(fence)) => {
                        self.ending = Some(fence);
                        self.end_all(lease.id).await?;
                    }
                    Some(Order::Leave) => return self.leave(lease.id).await,
                    None => return Err(Error::Stopping),
                },
            }
        }
    }

    async fn take_beat(&mut self, beat: Beat, kept: &mut Option<Kept>) -> Result<(), Error> {
        match beat {
            Beat::Silent(why) => {
                let (shared, endpoints) = (self.shared.clone(), self.shared.endpoints.clone());
                self.patience.warn(&shared, &EngineMessage::Silent { endpoints, why });
                shared.tell(News::Election(Input::Silent)).await?;
            }
            Beat::Answers => self.shared.console.info(&EngineMessage::Answers),
            Beat::Gone => *kept = None,
        }
        Ok(())
    }

    async fn announce(&self, lease: i64) -> Result<(), Error> {
        let me = &self.shared.me;
        let value = values::node(me.node, me.process, &me.address, self.in_sync);
        let put = Op::put(self.shared.keys.node(me.node), value).lease(lease);
        self.etcd.txn(Txn::new().then(put)).await?;
        Ok(())
    }

    /// The process ends; so does this task.
    async fn leave(&self, lease: i64) -> Result<(), Error> {
        self.etcd.revoke(lease).await?;
        Err(Error::Stopping)
    }

    // ---- Who is there, and who is principal. ----

    async fn look(&mut self, revision: i64, all: &[KeyValue]) -> Result<(), Error> {
        let leader = self.shared.keys.leader();
        self.members.clear();
        let mut holder = None;
        for kv in all {
            match kv.key == leader {
                true => holder = Some(values::read_office(&kv.value, kv.create_revision)?),
                false => drop(self.members.insert(kv.key.clone(), values::read_node(&kv.value)?)),
            }
        }
        self.tell_members().await?;
        self.hear(revision, holder).await
    }

    async fn note(&mut self, kind: Kind, kv: &KeyValue) -> Result<(), Error> {
        let is_leader = kv.key == self.shared.keys.leader();
        match (is_leader, kind) {
            (true, Kind::Put) => {
                let holder = values::read_office(&kv.value, kv.create_revision)?;
                self.hear(kv.mod_revision, Some(holder)).await
            }
            (true, Kind::Delete) => self.hear(kv.mod_revision, None).await,
            (false, Kind::Put) => {
                self.members.insert(kv.key.clone(), values::read_node(&kv.value)?);
                self.tell_members().await
            }
            (false, Kind::Delete) => {
                self.members.remove(&kv.key);
                self.tell_members().await
            }
        }
    }

    async fn tell_members(&self) -> Result<(), Error> {
        self.shared.tell(News::Members(self.members.values().cloned().collect())).await
    }

    async fn hear(&mut self, revision: i64, holder: Option<Holder>) -> Result<(), Error> {
        let ours = holder.as_ref().filter(|h| h.process == self.shared.me.process);
        let ours = ours.map(|holder| holder.fence);
        self.shared.tell(News::Election(Input::Heard { revision, holder })).await?;
        match ours {
            // A campaign whose outcome was not known.
            Some(fence) if self.held != Some(fence) => self.won(fence).await,
            Some(_) => Ok(()),
            None => {
                self.held = None;
                Ok(())
            }
        }
    }

    // ---- The office. ----

    /// Nobody leads a cluster that is no longer here.
    async fn campaign(&mut self, lease: i64) -> Result<(), Error> {
        let (shared, cluster) = (self.shared.clone(), self.shared.keys.cluster());
        let (me, leader) = (&shared.me, shared.keys.leader());
        let id = self.cluster.map(values::cluster).unwrap_or_default();
        let put =
            Op::put(leader.clone(), values::office(me.node, me.process, Intent::Stay)).lease(lease);
        let txn = Txn::new()
            .when(Compare::absent(leader))
            .when(Compare::value(cluster.clone(), id))
            .then(put)
            .otherwise(Op::get(cluster));
        match self.etcd.txn(txn).await {
            Ok(done) if done.succeeded => self.won(Fence(done.revision)).await,
            Ok(done) => {
                let found = done.got.first().and_then(|found| found.first());
                let found = found.map(|found| values::read_cluster(&found.value)).transpose()?;
                let prefix = shared.keys.prefix().to_owned();
                let gone = match found {
                    Some(Cluster::Here(theirs)) if Some(theirs) == self.cluster => None,
                    Some(Cluster::Here(theirs)) => {
                        Some(EngineMessage::Foreign { prefix, theirs: theirs.to_string() })
                    }
                    Some(Cluster::Moved { .. }) => Some(EngineMessage::MovedAway { prefix }),
                    None => Some(EngineMessage::LogMissing { prefix }),
                };
                if let Some(gone) = gone {
                    self.patience.warn(&shared, &gone);
                }
                shared.tell(News::Election(Input::NotWon)).await
            }
            Err(error) => {
                self.shared.tell(News::Election(Input::NotWon)).await?;
                Err(error.into())
            }
        }
    }

    /// Nobody else adds to the log from now on; where it ends is read after that.
    async fn won(&mut self, fence: Fence) -> Result<(), Error> {
        let tip = self.etcd.get(&self.shared.keys.tip()).await?;
        let tip = tip.map(|tip| values::read_tip(&tip.value)).transpose()?;
        let tip: EntryId = tip.unwrap_or_default();
        self.held = Some(fence);
        self.shared.tell(News::Election(election::Input::Won { fence, tip })).await
    }

    /// First said, then done: so others know that nobody died. What fails is tried again: a key that stays for as long
    /// as this process lives would keep everybody out of the office.
    async fn resign(&mut self, lease: i64) -> Result<(), Error> {
        let Some(fence) = self.resigning else { return Ok(()) };
        let (me, leader) = (&self.shared.me, self.shared.keys.leader());
        let ours = || Txn::new().when(Compare::created(leader.clone(), fence.0));
        let farewell = values::office(me.node, me.process, Intent::Leave);
        self.etcd.txn(ours().then(Op::put(leader.clone(), farewell).lease(lease))).await?;
        self.etcd.txn(ours().then(Op::delete(leader.clone()))).await?;
        self.resigning = None;
        Ok(())
    }

    /// The key of the office tells all others, which end; it stays as long as this process lives.
    async fn end_all(&mut self, lease: i64) -> Result<(), Error> {
        let Some(fence) = self.ending else { return Ok(()) };
        let (me, leader) = (&self.shared.me, self.shared.keys.leader());
        let last = values::office(me.node, me.process, Intent::EndAll);
        let ours = Txn::new().when(Compare::created(leader.clone(), fence.0));
        self.etcd.txn(ours.then(Op::put(leader, last).lease(lease))).await?;
        self.ending = None;
        Ok(())
    }
}

/// Tells etcd that this process lives, several times in each lease.
async fn keep_alive(
    etcd: Etcd,
    lease: i64,
    ttl: Duration,
    driver: Liveness,
    beat: mpsc::Sender<Beat>,
) {
    let mut ticks = tokio::time::interval(ttl / BEATS);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let (mut answered, mut is_silent) = (Instant::now(), false);
    loop {
        ticks.tick().await;
        // Another one shall have the office: a disk hangs, and with it the driver.
        if driver.hangs() {
            tracing::warn!("the driver hangs: no sign of life is given for it");
            continue;
        }
        let news = match etcd.keep_alive(lease).await {
            Ok(_) => {
                answered = Instant::now();
                std::mem::take(&mut is_silent).then_some(Beat::Answers)
            }
            Err(orquestrador_etcd::Error::LeaseGone) => Some(Beat::Gone),
            Err(error) => {
                tracing::debug!(%error, "no sign of life could be given to etcd");
                let is_news = !is_silent && answered.elapsed() >= ttl;
                is_silent |= is_news;
                is_news.then(|| Beat::Silent(error.to_string()))
            }
        };
        let is_gone = matches!(news, Some(Beat::Gone));
        if let Some(news) = news
            && (beat.send(news).await.is_err() || is_gone)
        {
            return;
        }
    }
}
