//! From a pair to etcd: a snapshot of the state, the record of a view after it, and last of all which cluster it is.

use std::path::Path;

use bytes::Bytes;
use common::messages::node_migrate::MigrateMessage;
use orquestrador_core::election::Fence;
use orquestrador_core::ids::{ClusterId, Epoch, NodeId, ProcessId, ViewNumber};
use orquestrador_core::role::{EntryId, Replica, View};
use orquestrador_etcd::{Compare, Op, RangeQuery, Txn};
use uuid::Uuid;

use super::doubt::{Doubt, doubt};
use super::state::{State, Take};
use super::{Departure, Error, Moved, Place, Tell};
use crate::engine::marker::{self, Mark};
use crate::engine::values::{self, Cluster, Snapshot};
use crate::engine::{EtcdConfig, snapshots};
use crate::journal::{self, Content, Entry, Journal, Recovered};

/// As an override of a pair does (V15): far above what a node that this one does not know of may have decided.
const LEAP: u64 = 1_000_000;

/// How it ended.
#[derive(Debug)]
pub enum Arrival {
    Moved(Moved),
    /// An earlier attempt had come to that, and was only not sure of it.
    Before(ClusterId),
}

/// What goes to etcd beside the state.
struct Luggage {
    cluster: ClusterId,
    /// The entry that the snapshot stands for.
    last: EntryId,
    /// The record of the view after all others, by which nobody who begins with this counts from the beginning.
    record: Entry,
}

/// Takes the cluster of a data directory to an empty prefix. The directory goes on as one of a node of the cluster there.
///
/// # Errors
/// It is refused, or could not be done: then nobody takes what is in etcd for a cluster, and it can be repeated. Only
/// where etcd did not say whether the last step was done the directory is marked, until it is repeated.
pub async fn take_there(
    config: &EtcdConfig,
    departure: &Departure,
    tell: Tell<'_>,
) -> Result<Arrival, Error> {
    let dir = &departure.dir;
    let shown = || dir.display().to_string();
    if !journal::has_history(dir)? {
        return Err(MigrateMessage::NoHistory { dir: shown() }.into());
    }
    tell(&MigrateMessage::Reading { dir: shown() });
    let (journal, recovered) = Journal::open(dir)?;
    let Some(cluster) = recovered.role.cluster.filter(|_| recovered.last.index.0 > 0) else {
        return Err(MigrateMessage::NoHistory { dir: shown() }.into());
    };
    let place = Place::new(config)?;
    let mark = check_mark(&place, departure)?;
    if let Some(found) = place.etcd.get(&place.keys.cluster()).await? {
        let is_ours = values::read_cluster(&found.value)? == Cluster::Here(cluster);
        if is_ours && matches!(mark, Mark::Moving { .. }) {
            marker::write(dir)?;
            return Ok(Arrival::Before(cluster));
        }
        let found = String::from_utf8_lossy(&place.keys.cluster()).into_owned();
        return Err(MigrateMessage::Occupied { prefix: place.prefix(), found }.into());
    }
    check_complete(&recovered, departure)?;
    let state = State::of_journal(&journal)?;
    save_snapshot(&journal, &recovered, &state)?;
    let luggage = Luggage {
        cluster,
        last: recovered.last,
        record: record(recovered.node, &recovered, departure.accept_incomplete),
    };
    let claim = place.claim(cluster, tell).await?;
    let snapshot = place.bring_snapshot(&journal, claim, luggage.last, tell).await?;
    place.bring_log(claim, &snapshot, &luggage).await?;
    tell(&MigrateMessage::Checking);
    let there = State::of_etcd(&place, &journal, Take::Look).await?;
    if there.at != luggage.record.id {
        return Err(crate::engine::Error::Missing("log").into());
    }
    let moved = Moved::new(cluster, &state, &there)?;
    marker::write_moving(dir, place.keys.prefix())?;
    place.settle(claim, &snapshot, &luggage).await?;
    marker::write(dir)?;
    Ok(Arrival::Moved(moved))
}

/// The directory is of a pair, or on its way to that prefix.
fn check_mark(place: &Place, departure: &Departure) -> Result<Mark, Error> {
    let mark = marker::read(&departure.dir)?;
    let dir = departure.dir.display().to_string();
    match &mark {
        Mark::Moving { prefix } if prefix != place.keys.prefix() => {
            let prefix = prefix.clone();
            Err(MigrateMessage::OnItsWayElsewhere { dir, prefix }.into())
        }
        Mark::Etcd if !departure.accept_incomplete => Err(MigrateMessage::IsOfEtcd { dir }.into()),
        Mark::Pair | Mark::Moving { .. } | Mark::Etcd => Ok(mark),
    }
}

fn check_complete(recovered: &Recovered, departure: &Departure) -> Result<(), Error> {
    let other = departure.other_role.as_deref().map(journal::read_role).transpose()?;
    let Recovered { node, role, view_records, .. } = recovered;
    let Some(doubt) = doubt(*node, role, view_records, other.as_ref()) else { return Ok(()) };
    if departure.accept_incomplete {
        return Ok(());
    }
    let dir = departure.dir.display().to_string();
    let role = || departure.other_role.as_deref().map(Path::display);
    Err(match doubt {
        Doubt::Incomplete { view } => MigrateMessage::Incomplete { dir, view: view.0 },
        Doubt::OtherUnheard { other } => {
            MigrateMessage::OtherUnheard { dir, other: other.to_string() }
        }
        Doubt::OtherIsAhead { view } => MigrateMessage::OtherIsAhead { dir, view: view.0 },
        Doubt::NotOfTheOther => MigrateMessage::NotOfTheOther {
            file: role().map(|path| path.to_string()).unwrap_or_default(),
        },
    }
    .into())
}

/// The journal's own, of all that it holds.
fn save_snapshot(journal: &Journal, recovered: &Recovered, state: &State) -> Result<(), Error> {
    if recovered.snapshot != Some(recovered.last) {
        let records = &recovered.view_records;
        journal.save_snapshot(recovered.last, records, state.machine.history())?;
    }
    Ok(())
}

/// Of a view of this node, as if it had led and ended: whoever is principal there follows with a later epoch.
fn record(node: NodeId, recovered: &Recovered, is_forced: bool) -> Entry {
    let newest = recovered.role.newest.as_ref();
    let step = if is_forced { LEAP } else { 1 };
    let number = newest.map_or(0, |view| view.number.0).saturating_add(step);
    let epoch = newest.map_or(Epoch(0), |view| view.epoch).max(recovered.last.epoch);
    let (number, epoch) = (ViewNumber(number), Epoch(epoch.0.saturating_add(step)));
    let view = View {
        number,
        epoch,
        principal_node: node,
        principal_process: ProcessId(Uuid::new_v4().as_u128()),
        replicas: vec![Replica { node, since: number }],
        witnesses: Vec::new(),
        forced: is_forced,
    };
    Entry::following(&recovered.last, epoch, Content::View(view).encode())
}

/// That the prefix is ours to write to: the revision of the key that says so.
#[derive(Clone, Copy)]
struct Claim(i64);

impl Place {
    /// The prefix is empty but for what an unfinished attempt left, which is removed.
    async fn claim(&self, cluster: ClusterId, tell: Tell<'_>) -> Result<Claim, Error> {
        let (key, value) = (self.keys.migrating(), Bytes::from(cluster.to_string()));
        if let Some(found) = self.etcd.get(&key).await? {
            if found.value != value {
                let cluster = String::from_utf8_lossy(&found.value).into_owned();
                return Err(MigrateMessage::OtherArrives { prefix: self.prefix(), cluster }.into());
            }
            tell(&MigrateMessage::Clearing { prefix: self.prefix() });
            let ours = || Txn::new().when(Compare::modified(key.clone(), found.mod_revision));
            let spans = self.keys.all_but_migrating();
            let clearing = spans.iter().map(|(from, to)| Op::delete_range(from, to));
            self.guarded(clearing.fold(ours(), Txn::then)).await?;
            return self.guarded(ours().then(Op::put(key, value))).await.map(Claim);
        }
        for (from, to) in self.keys.all_but_migrating() {
            let query = RangeQuery { from, to, limit: 1, keys_only: true, ..RangeQuery::default() };
            if let Some(found) = self.etcd.range(query).await?.values.pop() {
                let found = String::from_utf8_lossy(&found.key).into_owned();
                return Err(MigrateMessage::Occupied { prefix: self.prefix(), found }.into());
            }
        }
        let txn = Txn::new()
            .when(Compare::absent(key.clone()))
            .when(Compare::absent(self.keys.cluster()))
            .then(Op::put(key, value));
        self.guarded(txn).await.map(Claim)
    }

    async fn bring_snapshot(
        &self,
        journal: &Journal,
        claim: Claim,
        last: EntryId,
        tell: Tell<'_>,
    ) -> Result<Snapshot, Error> {
        let missing = || crate::engine::Error::Missing("snapshot");
        let reader = journal.snapshot_reader()?.filter(|reader| reader.id() == last);
        let reader = reader.ok_or_else(missing)?;
        let (bytes, prefix) = (reader.length(), self.prefix());
        tell(&MigrateMessage::Writing { bytes, prefix });
        let fence = Fence(claim.0);
        let mut snapshot = Snapshot { last, fence, parts: 0, length: 0 };
        loop {
            let chunk = reader.chunk(snapshot.length, snapshots::PART_BYTES)?;
            let key = self.keys.snapshot_part(last.index, fence, snapshot.parts);
            snapshot.parts += 1;
            snapshot.length += chunk.bytes.len() as u64;
            self.guarded(self.of(claim).then(Op::put(key, chunk.bytes))).await?;
            if chunk.last {
                return Ok(snapshot);
            }
        }
    }

    async fn bring_log(
        &self,
        claim: Claim,
        snapshot: &Snapshot,
        luggage: &Luggage,
    ) -> Result<(), Error> {
        let record = &luggage.record;
        let batch = values::batch(std::slice::from_ref(record));
        let txn = self
            .of(claim)
            .then(Op::put(self.keys.snapshot(), values::snapshot(snapshot)))
            .then(Op::put(self.keys.batch(record.id.index), batch))
            .then(Op::put(self.keys.tip(), values::tip(record.id)));
        self.guarded(txn).await?;
        Ok(())
    }

    /// From now on it is a cluster.
    async fn settle(
        &self,
        claim: Claim,
        snapshot: &Snapshot,
        luggage: &Luggage,
    ) -> Result<(), Error> {
        let txn = self
            .of(claim)
            .when(Compare::absent(self.keys.cluster()))
            .when(Compare::value(self.keys.snapshot(), values::snapshot(snapshot)))
            .when(Compare::value(self.keys.tip(), values::tip(luggage.record.id)))
            .then(Op::put(self.keys.cluster(), values::cluster(luggage.cluster)))
            .then(Op::delete(self.keys.migrating()));
        self.guarded(txn).await?;
        Ok(())
    }

    fn of(&self, Claim(revision): Claim) -> Txn {
        Txn::new().when(Compare::modified(self.keys.migrating(), revision))
    }

    /// Gives the revision of what was written.
    async fn guarded(&self, txn: Txn) -> Result<i64, Error> {
        let done = self.etcd.txn(txn).await?;
        if done.succeeded { Ok(done.revision) } else { Err(self.interfered()) }
    }
}
