//! What other processes say: read as the product reads it, and what is understood goes on to the pure machines.

use anyhow::ensure;
use bytes::Bytes;
use common::proto;
use common::proto::peer_message::Message as Wire;
use orquestrador::dispatch;
use orquestrador::driver::input::Description;
use orquestrador::journal::{Content, chain as chained, codec};
use orquestrador::replication::convert;
use orquestrador_core::ids::{ClusterId, Epoch, Index, NodeId, ProcessId, SessionId, ViewNumber};
use orquestrador_core::role::{
    Durable, EntryId, Identity, Input, Log, Replica, Role, Standing, Timing, View,
};
use prost::Message as _;

use super::Tools;

const US: NodeId = NodeId(1);

pub fn entry(_: &Tools, bytes: &[u8]) -> anyhow::Result<()> {
    let Ok(content) = Content::decode(&Bytes::copy_from_slice(bytes)) else { return Ok(()) };
    let again = Content::decode(&content.encode())?;
    ensure!(again == content, "what was read is written otherwise: {content:?}, {again:?}");
    Ok(())
}

pub fn role(_: &Tools, bytes: &[u8]) -> anyhow::Result<()> {
    let Ok(state) = proto::RoleState::decode(bytes) else { return Ok(()) };
    let Ok(role) = codec::role_from_proto(state) else { return Ok(()) };
    let again = codec::role_from_proto(codec::role_to_proto(&role))?;
    ensure!(again == role, "what was read is written otherwise");
    Ok(())
}

/// A journal without entries.
struct Empty;

impl Log for Empty {
    fn last(&self) -> EntryId {
        EntryId::default()
    }

    fn id_at(&self, index: Index) -> Option<EntryId> {
        (index == Index(0)).then(EntryId::default)
    }

    fn floor(&self) -> Index {
        Index(0)
    }

    fn record(&self, _: ViewNumber, _: ViewNumber) -> Option<Index> {
        None
    }
}

/// Of a standby that has heard of its cluster, and of one that has not.
fn roles() -> [Role; 2] {
    let identity = Identity {
        node: US,
        process: ProcessId(10),
        preferred: false,
        fresh_cluster: ClusterId(5),
        loopback: false,
    };
    let view = View {
        number: ViewNumber(3),
        epoch: Epoch(4),
        principal_node: NodeId(2),
        principal_process: ProcessId(20),
        replicas: [US, NodeId(2)].map(|node| Replica { node, since: ViewNumber(1) }).to_vec(),
        witnesses: vec![ProcessId(30)],
        forced: false,
    };
    let cluster = Some(ClusterId(u128::from_be_bytes(crate::words::CLUSTER_BYTES)));
    let known = Durable { cluster, newest: Some(view), ..Durable::default() };
    [known, Durable::default()]
        .map(|durable| Role::new(identity.clone(), Timing::default(), durable, Index(0), Index(0)))
}

pub fn peer(_: &Tools, bytes: &[u8]) -> anyhow::Result<()> {
    let Ok(message) = proto::PeerMessage::decode(bytes) else { return Ok(()) };
    let Ok(Some(read)) = convert::read(message) else { return Ok(()) };
    for mut role in roles() {
        let mut effects = Vec::new();
        let input = Input::Message { from: read.from, message: read.message.clone() };
        role.handle(1, input, &Empty, &mut effects);
        role.handle(5_000, Input::Tick, &Empty, &mut effects);
    }
    Ok(())
}

/// Makes the entries of an append follow each other.
pub fn chain(bytes: &mut Vec<u8>) {
    let Ok(mut message) = proto::PeerMessage::decode(&bytes[..]) else { return };
    let Some(Wire::Append(append)) = &mut message.message else { return };
    let previous = append.previous.clone().map(codec::entry_id_from_proto);
    let mut at = match previous {
        Some(Ok(at)) => at,
        Some(Err(_)) | None => EntryId::default(),
    };
    if at.index.0.checked_add(append.entries.len() as u64).is_none() {
        return;
    }
    append.previous = Some(codec::entry_id_to_proto(&at));
    for entry in &mut append.entries {
        at = chained(&at, Epoch(entry.epoch), &entry.payload);
        (entry.index, entry.hash) = (at.index.0, at.hash.0.to_vec().into());
    }
    *bytes = message.encode_to_vec();
}

pub fn worker(_: &Tools, bytes: &[u8]) -> anyhow::Result<()> {
    let Ok(message) = proto::WorkerMessage::decode(bytes) else { return Ok(()) };
    let Some(message) = message.message else { return Ok(()) };
    // Refused or not: it is read.
    let refused = match message {
        proto::worker_message::Message::Register(register) => {
            dispatch::connect(&description(), SessionId(1), register).err()
        }
        message => dispatch::command(SessionId(1), message).err(),
    };
    if let Some(status) = refused {
        let told = status.message().len() * 3 + status.details().len() * 4 / 3;
        ensure!(told <= 14 << 10, "a refusal of {told} bytes does not fit its headers");
    }
    Ok(())
}

fn description() -> Description {
    Description {
        standing: Standing::Principal,
        view: None,
        cluster: Some(ClusterId(u128::from_be_bytes(crate::words::CLUSTER_BYTES))),
        epoch: Epoch(2),
        principal: None,
        own_address: String::new(),
        peer_address: String::new(),
        node: US,
        last_index: Index(1),
        applied: Index(1),
        digest: 0,
        has_successor: false,
        members: None,
        peer: None,
    }
}

pub fn control(_: &Tools, bytes: &[u8]) -> anyhow::Result<()> {
    let Ok(message) = proto::ControlMessage::decode(bytes) else { return Ok(()) };
    drop(orquestrador_wire::sender_from_proto(&message));
    drop(message.message.map(orquestrador_wire::inquiry_from_proto));
    Ok(())
}

pub fn testimony(_: &Tools, bytes: &[u8]) -> anyhow::Result<()> {
    let Ok(message) = proto::WitnessMessage::decode(bytes) else { return Ok(()) };
    drop(message.message.map(orquestrador_wire::testimony_from_proto));
    Ok(())
}

/// The details of a refusal, as a client reads them.
pub fn status(_: &Tools, bytes: &[u8]) -> anyhow::Result<()> {
    let details = Bytes::copy_from_slice(bytes);
    let status = tonic::Status::with_details(tonic::Code::Internal, "x", details);
    drop(common::grpc_status::meaning(&status));
    Ok(())
}
