//! Views, ballots and places in the journal.

use common::proto;
use orquestrador_core::ids::{Epoch, Index, NodeId, ProcessId, ViewNumber};
use orquestrador_core::role::{Ballot, EntryHash, EntryId, Replica, View};

use super::CodecError;

pub fn view_to_proto(view: &View) -> proto::View {
    proto::View {
        number: view.number.0,
        epoch: view.epoch.0,
        principal_node: view.principal_node.to_bytes().to_vec(),
        principal_process: view.principal_process.to_bytes().to_vec(),
        replicas: view
            .replicas
            .iter()
            .map(|r| proto::Replica { node_id: r.node.to_bytes().to_vec(), since: r.since.0 })
            .collect(),
        witnesses: view.witnesses.iter().map(|w| w.to_bytes().to_vec()).collect(),
        forced: view.forced,
    }
}

pub fn view_from_proto(view: proto::View) -> Result<View, CodecError> {
    let replicas =
        view.replicas.into_iter().map(replica_from_proto).collect::<Result<Vec<_>, _>>()?;
    if !(1..=2).contains(&replicas.len()) {
        return Err(CodecError::Invalid("view.replicas"));
    }
    let witnesses = view
        .witnesses
        .iter()
        .map(|w| process(w, "view.witnesses"))
        .collect::<Result<Vec<_>, _>>()?;
    if ![0, 1, 3, 5].contains(&witnesses.len()) {
        return Err(CodecError::Invalid("view.witnesses"));
    }
    Ok(View {
        number: ViewNumber(view.number),
        epoch: Epoch(view.epoch),
        principal_node: node(&view.principal_node, "view.principal_node")?,
        principal_process: process(&view.principal_process, "view.principal_process")?,
        replicas,
        witnesses,
        forced: view.forced,
    })
}

pub fn ballot_to_proto(ballot: Ballot) -> proto::Ballot {
    proto::Ballot { round: ballot.round, process_id: ballot.process.to_bytes().to_vec() }
}

pub fn ballot_from_proto(ballot: proto::Ballot) -> Result<Ballot, CodecError> {
    Ok(Ballot { round: ballot.round, process: process(&ballot.process_id, "ballot.process_id")? })
}

pub fn entry_id_to_proto(id: &EntryId) -> proto::EntryId {
    proto::EntryId { index: id.index.0, epoch: id.epoch.0, hash: id.hash.0.to_vec() }
}

pub fn entry_id_from_proto(id: proto::EntryId) -> Result<EntryId, CodecError> {
    Ok(EntryId { index: Index(id.index), epoch: Epoch(id.epoch), hash: hash(&id.hash)? })
}

pub fn hash(bytes: &[u8]) -> Result<EntryHash, CodecError> {
    Ok(EntryHash(bytes.try_into().map_err(|_| CodecError::Length("hash"))?))
}

pub fn process(bytes: &[u8], field: &'static str) -> Result<ProcessId, CodecError> {
    ProcessId::from_bytes(bytes).ok_or(CodecError::Length(field))
}

pub fn node(bytes: &[u8], field: &'static str) -> Result<NodeId, CodecError> {
    NodeId::from_bytes(bytes).ok_or(CodecError::Length(field))
}

fn replica_from_proto(replica: proto::Replica) -> Result<Replica, CodecError> {
    Ok(Replica {
        node: node(&replica.node_id, "replica.node_id")?,
        since: ViewNumber(replica.since),
    })
}
