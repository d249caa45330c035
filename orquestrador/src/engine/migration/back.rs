//! From etcd to a new data directory, whose node goes on alone as a pair does whose other node is to come.

use std::path::Path;

use common::messages::node_migrate::MigrateMessage;
use orquestrador_core::ids::{ClusterId, NodeId};
use orquestrador_core::role::EntryId;
use orquestrador_etcd::{Compare, Op, RangeQuery, Txn};

use super::state::{State, Take};
use super::{Error, Moved, Place, Tell};
use crate::backup;
use crate::engine::values::{self, Cluster};
use crate::engine::{Error as EngineError, EtcdConfig};
use crate::journal::{Filling, Journal};

/// What was in etcd when it was read.
struct Found {
    cluster: ClusterId,
    /// Of its key.
    revision: i64,
    tip: EntryId,
}

/// Takes the cluster in etcd to an empty data directory. From then on nobody serves it in etcd.
///
/// # Errors
/// It is refused, or could not be done: then no node starts from the directory, and it can be repeated. Only where the
/// last step was interrupted etcd is left as well, and the directory is finished by repeating it.
pub async fn bring_back(config: &EtcdConfig, dir: &Path, tell: Tell<'_>) -> Result<Moved, Error> {
    let place = Place::new(config)?;
    let found = place.etcd.get(&place.keys.cluster()).await?;
    let found = found.ok_or_else(|| MigrateMessage::NoCluster { prefix: place.prefix() })?;
    let cluster = match values::read_cluster(&found.value)? {
        Cluster::Here(cluster) => cluster,
        Cluster::Moved { cluster, to } => return finish(&place, dir, cluster, to).await,
    };
    place.nobody_runs().await?;
    let tip = place.etcd.get(&place.keys.tip()).await?;
    let tip = tip.map(|tip| values::read_tip(&tip.value)).transpose()?.unwrap_or_default();
    let found = Found { cluster, revision: found.mod_revision, tip };
    let filling = Filling::begin(dir)??;
    let (journal, recovered) = Journal::open(filling.folder())?;
    tell(&MigrateMessage::Fetching { prefix: place.prefix() });
    let there = State::of_etcd(&place, &journal, Take::Keep).await?;
    if there.at != found.tip || journal.last() != found.tip {
        return Err(EngineError::Missing("log").into());
    }
    tell(&MigrateMessage::Checking);
    let here = State::of_journal(&journal)?;
    let moved = Moved::new(cluster, &here, &there)?;
    let role = backup::first_role(cluster, recovered.node, there.view, found.tip.epoch);
    journal.save_role(&role)?;
    drop(journal);
    place.leave(&found, recovered.node).await?;
    filling.finish()?;
    Ok(moved)
}

/// An earlier attempt was interrupted after etcd had been left: what it filled is all there is.
async fn finish(place: &Place, dir: &Path, cluster: ClusterId, to: NodeId) -> Result<Moved, Error> {
    let Some(filling) = Filling::resume(dir, to)? else {
        let (prefix, node) = (place.prefix(), to.to_string());
        return Err(MigrateMessage::MovedBefore { prefix, node }.into());
    };
    filling.finish()?;
    let (journal, _) = Journal::open(dir)?;
    let here = State::of_journal(&journal)?;
    let there = State::of_etcd(place, &journal, Take::Look).await?;
    Moved::new(cluster, &here, &there)
}

impl Place {
    async fn nobody_runs(&self) -> Result<(), Error> {
        let (from, to) = self.keys.office();
        let there = self.etcd.range(RangeQuery { from, to, ..RangeQuery::default() }).await?;
        if there.values.is_empty() {
            return Ok(());
        }
        let is_leader = |key: &[u8]| key == self.keys.leader();
        let nodes = there.values.iter().filter(|found| !is_leader(&found.key));
        let nodes: Vec<String> = nodes
            .map(|found| Ok::<_, EngineError>(values::read_node(&found.value)?.address))
            .collect::<Result<_, _>>()?;
        Err(MigrateMessage::Running { prefix: self.prefix(), nodes: nodes.join(", ") }.into())
    }

    /// From now on nobody leads it here. An orchestrator that has started meanwhile, and leads or has led, makes it fail.
    async fn leave(&self, found: &Found, node: NodeId) -> Result<(), Error> {
        let tip = match found.tip.index.0 {
            0 => Compare::absent(self.keys.tip()),
            _ => Compare::value(self.keys.tip(), values::tip(found.tip)),
        };
        let key = self.keys.cluster();
        let txn = Txn::new()
            .when(Compare::modified(key.clone(), found.revision))
            .when(Compare::absent(self.keys.leader()))
            .when(tip)
            .then(Op::put(key, values::moved(found.cluster, node)));
        match self.etcd.txn(txn).await?.succeeded {
            true => Ok(()),
            false => Err(self.interfered()),
        }
    }
}
