//! What is written in etcd, to and from its messages.

use bytes::Bytes;
use common::proto;
use orquestrador_core::election::{Fence, Holder};
use orquestrador_core::ids::{ClusterId, Epoch, Index, NodeId, ProcessId};
use orquestrador_core::role::{EntryHash, EntryId};
use prost::Message as _;
use uuid::Uuid;

use super::Error;
use crate::driver::engine::Member;
use crate::driver::input::Received;
use crate::journal::codec::{entry_id_from_proto, entry_id_to_proto};
use crate::journal::{Content, Entry};

/// How the value of the cluster's key begins that is no longer here.
const MOVED: &str = "moved";

/// A value is not what an orchestrator writes.
fn malformed(what: &'static str) -> Error {
    Error::Malformed(what)
}

pub fn tip(last: EntryId) -> Bytes {
    proto::EtcdTip { last: Some(entry_id_to_proto(&last)) }.encode_to_vec().into()
}

pub fn read_tip(value: &Bytes) -> Result<EntryId, Error> {
    let tip = proto::EtcdTip::decode(value.clone()).map_err(|_| malformed("tip"))?;
    entry_id(tip.last, "tip")
}

fn entry_id(id: Option<proto::EntryId>, what: &'static str) -> Result<EntryId, Error> {
    entry_id_from_proto(id.ok_or(malformed(what))?).map_err(|_| malformed(what))
}

/// Entries in one value.
pub fn batch(entries: &[Entry]) -> Bytes {
    let entries = entries.iter().map(|entry| proto::JournalEntry {
        index: entry.id.index.0,
        epoch: entry.id.epoch.0,
        hash: entry.id.hash.0.to_vec().into(),
        payload: entry.payload.clone(),
    });
    let batch = proto::EtcdBatch { entries: entries.collect(), parts: 0, fence: 0 };
    batch.encode_to_vec().into()
}

/// What stands for a batch whose bytes are in parts.
pub fn batch_in_parts(parts: u32, fence: Fence) -> Bytes {
    proto::EtcdBatch { entries: Vec::new(), parts, fence: fence.0 }.encode_to_vec().into()
}

/// What a batch's value says.
pub enum Batch {
    Whole(Vec<Received>),
    /// So many, of that office.
    Parts(u32, Fence),
}

pub fn read_batch(value: &Bytes) -> Result<Batch, Error> {
    let batch = proto::EtcdBatch::decode(value.clone()).map_err(|_| malformed("batch"))?;
    if batch.parts > 0 {
        return Ok(Batch::Parts(batch.parts, Fence(batch.fence)));
    }
    batch.entries.into_iter().map(received).collect::<Result<_, _>>().map(Batch::Whole)
}

fn received(entry: proto::JournalEntry) -> Result<Received, Error> {
    let hash: [u8; 32] = entry.hash[..].try_into().map_err(|_| malformed("entry"))?;
    let (index, epoch) = (Index(entry.index), Epoch(entry.epoch));
    let content = Content::decode(&entry.payload).map_err(|_| malformed("entry"))?;
    let id = EntryId { index, epoch, hash: EntryHash(hash) };
    Ok(Received { entry: Entry { id, payload: entry.payload }, content })
}

/// What the holder of the office says of its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Intent {
    Stay,
    /// Another one shall have the office.
    Leave,
    /// Nobody shall: the whole cluster ends.
    EndAll,
}

pub fn office(node: NodeId, process: ProcessId, intent: Intent) -> Bytes {
    let office = proto::EtcdOffice {
        node_id: node.to_bytes().to_vec(),
        process_id: process.to_bytes().to_vec(),
        leaving: intent == Intent::Leave,
        ending: intent == Intent::EndAll,
    };
    office.encode_to_vec().into()
}

/// `fence`: the revision at which the key was created.
pub fn read_office(value: &Bytes, fence: i64) -> Result<Holder, Error> {
    let office = proto::EtcdOffice::decode(value.clone()).map_err(|_| malformed("leader"))?;
    Ok(Holder {
        fence: Fence(fence),
        node: NodeId::from_bytes(&office.node_id).ok_or(malformed("leader"))?,
        process: ProcessId::from_bytes(&office.process_id).ok_or(malformed("leader"))?,
        is_leaving: office.leaving,
        is_ending: office.ending,
    })
}

pub fn node(node: NodeId, process: ProcessId, address: &str, in_sync: bool) -> Bytes {
    let node = proto::EtcdNode {
        node_id: node.to_bytes().to_vec(),
        process_id: process.to_bytes().to_vec(),
        address: address.to_owned(),
        in_sync,
    };
    node.encode_to_vec().into()
}

pub fn read_node(value: &Bytes) -> Result<Member, Error> {
    let node = proto::EtcdNode::decode(value.clone()).map_err(|_| malformed("node"))?;
    let id = NodeId::from_bytes(&node.node_id).ok_or(malformed("node"))?;
    Ok(Member { node: id, address: node.address, in_sync: node.in_sync })
}

/// That the shard of this name has a queue; for people too.
pub fn claim(shard: &str) -> Bytes {
    shard.to_owned().into()
}

pub fn read_claim(value: &Bytes) -> Result<String, Error> {
    String::from_utf8(value.to_vec()).map_err(|_| malformed("shards"))
}

/// Where its orchestrators are.
pub fn shard(orchestrators: &[String]) -> Bytes {
    proto::EtcdShard { orchestrators: orchestrators.to_vec() }.encode_to_vec().into()
}

pub fn read_shard(value: &Bytes) -> Result<Vec<String>, Error> {
    let shard = proto::EtcdShard::decode(value.clone()).map_err(|_| malformed("shards"))?;
    Ok(shard.orchestrators)
}

/// What the key of the cluster says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cluster {
    Here(ClusterId),
    /// It was taken to the data directory of that node.
    Moved {
        cluster: ClusterId,
        to: NodeId,
    },
}

pub fn cluster(cluster: ClusterId) -> Bytes {
    Bytes::copy_from_slice(&cluster.to_bytes())
}

/// For people too, who look at it with a tool of etcd.
pub fn moved(cluster: ClusterId, to: NodeId) -> Bytes {
    format!("{MOVED} {cluster} {to}").into()
}

pub fn read_cluster(value: &Bytes) -> Result<Cluster, Error> {
    if let Some(cluster) = ClusterId::from_bytes(value) {
        return Ok(Cluster::Here(cluster));
    }
    let text = std::str::from_utf8(value).map_err(|_| malformed("cluster"))?;
    let mut words = text.split(' ');
    match (words.next(), words.next().and_then(id), words.next().and_then(id), words.next()) {
        (Some(MOVED), Some(cluster), Some(to), None) => {
            Ok(Cluster::Moved { cluster: ClusterId(cluster), to: NodeId(to) })
        }
        _ => Err(malformed("cluster")),
    }
}

fn id(text: &str) -> Option<u128> {
    Uuid::parse_str(text).ok().map(|id| id.as_u128())
}

/// A snapshot in etcd.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    pub last: EntryId,
    pub fence: Fence,
    pub parts: u32,
    pub length: u64,
}

pub fn snapshot(snapshot: &Snapshot) -> Bytes {
    let snapshot = proto::EtcdSnapshot {
        last: Some(entry_id_to_proto(&snapshot.last)),
        fence: snapshot.fence.0,
        parts: snapshot.parts,
        length: snapshot.length,
    };
    snapshot.encode_to_vec().into()
}

pub fn read_snapshot(value: &Bytes) -> Result<Snapshot, Error> {
    let read = proto::EtcdSnapshot::decode(value.clone()).map_err(|_| malformed("snapshot"))?;
    let last = entry_id(read.last, "snapshot")?;
    let (fence, parts, length) = (Fence(read.fence), read.parts, read.length);
    Ok(Snapshot { last, fence, parts, length })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_is_here_or_was_moved() {
        let (id, node) = (ClusterId(7), NodeId(9));
        assert!(matches!(read_cluster(&cluster(id)), Ok(Cluster::Here(ClusterId(7)))));
        let read = read_cluster(&moved(id, node)).expect("is one");
        assert_eq!(read, Cluster::Moved { cluster: id, to: node });
        for text in ["", "moved", "moved 7 9", "another value"] {
            assert!(read_cluster(&Bytes::from(text)).is_err(), "{text} was taken");
        }
    }
}
