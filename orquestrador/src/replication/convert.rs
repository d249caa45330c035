//! Messages of the role machine to and from the wire.

use common::proto::{self, peer_message::Message as Wire};
use orquestrador_core::ids::{ClusterId, Epoch, Index, NodeId, ProcessId, ViewNumber};
use orquestrador_core::role::{Append, EntryId, EntrySummary, Hello, Message, Role, Sender, View};

use crate::driver::input::Received;
use crate::journal::codec::{
    CodecError, ballot_from_proto, ballot_to_proto, entry_id_from_proto, entry_id_to_proto,
    view_from_proto, view_to_proto,
};
use crate::journal::{Content, Entry, chain};

/// Spoken by this version.
pub const PROTOCOL_VERSION: u32 = 1;

/// What a peer's message cannot be.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("field `{0}` is missing")]
    Missing(&'static str),
    #[error("field `{0}` is malformed")]
    Malformed(&'static str),
    #[error(transparent)]
    Codec(#[from] CodecError),
    #[error("entry {0} does not follow its predecessor")]
    Chain(Index),
    #[error("the peer speaks protocol version {0}, this node {PROTOCOL_VERSION}")]
    Version(u32),
}

/// A message as the driver takes it.
pub struct Incoming {
    pub from: Sender,
    pub epoch: Epoch,
    pub message: Message,
    pub entries: Vec<Received>,
}

/// Signs a message.
pub fn envelope(sender: Sender, epoch: Epoch, message: Wire) -> proto::PeerMessage {
    proto::PeerMessage {
        cluster_id: sender.cluster.map_or_else(Vec::new, |c| c.to_bytes().to_vec()),
        node_id: sender.node.to_bytes().to_vec(),
        process_id: sender.process.to_bytes().to_vec(),
        epoch: epoch.0,
        message: Some(message),
    }
}

/// The greeting of this node.
pub fn hello(hello: Hello, address: &str, peer_address: &str) -> Wire {
    Wire::Hello(proto::Hello {
        address: address.to_owned(),
        peer_address: peer_address.to_owned(),
        newest_view: hello.newest.as_ref().map(view_to_proto),
        last_entry: Some(entry_id_to_proto(&hello.last)),
        protocol_version: PROTOCOL_VERSION,
        may_found: hello.may_found,
    })
}

/// An append with its payloads; `None` before any view.
pub fn append(
    role: &Role,
    previous: EntryId,
    entries: Vec<Entry>,
    nonce: u64,
) -> Option<proto::PeerMessage> {
    let view = role.newest()?;
    let entries = entries
        .into_iter()
        .map(|entry| proto::JournalEntry {
            index: entry.id.index.0,
            epoch: entry.id.epoch.0,
            hash: entry.id.hash.0.to_vec().into(),
            payload: entry.payload,
        })
        .collect();
    let append = proto::Append {
        view: Some(view_to_proto(view)),
        previous: Some(entry_id_to_proto(&previous)),
        entries,
        commit_index: role.committed().0,
        nonce,
    };
    Some(envelope(role.sender(), role.epoch(), Wire::Append(append)))
}

/// `own_address` is what a greeting says. `None` for an append, which needs its payloads ([`append`]).
pub fn to_wire(message: Message, own_address: &str) -> Option<Wire> {
    let wire_ballot = |b| Some(ballot_to_proto(b));
    Some(match message {
        Message::Heartbeat { newest, uncommitted_ms } => Wire::Heartbeat(proto::PeerHeartbeat {
            uncommitted_ms,
            newest_view: newest.as_ref().map(view_to_proto),
        }),
        Message::Prepare { view, ballot } => Wire::Prepare(proto::Prepare {
            view: Some(view_to_proto(&view)),
            ballot: wire_ballot(ballot),
        }),
        Message::Promise { view, ballot, accepted } => {
            let (accepted_ballot, accepted_view) = accepted.unzip();
            Wire::Promise(proto::Promise {
                view_number: view.0,
                ballot: wire_ballot(ballot),
                accepted_ballot: accepted_ballot.map(ballot_to_proto),
                accepted_view: accepted_view.as_ref().map(view_to_proto),
            })
        }
        Message::Accept { view, ballot, proposed } => Wire::Accept(proto::Accept {
            view: Some(view_to_proto(&view)),
            ballot: wire_ballot(ballot),
            proposed: Some(view_to_proto(&proposed)),
        }),
        Message::Accepted { view, ballot } => {
            Wire::Accepted(proto::Accepted { view_number: view.0, ballot: wire_ballot(ballot) })
        }
        Message::Nack { view, highest_round } => {
            Wire::Nack(proto::Nack { view_number: view.0, highest_round })
        }
        Message::Newest { view } => {
            Wire::Newest(proto::Newest { view: Some(view_to_proto(&view)) })
        }
        Message::AppendAck { view, durable, nonce, word } => Wire::AppendAck(proto::AppendAck {
            view_number: view.0,
            durable: Some(entry_id_to_proto(&durable)),
            nonce,
            word,
        }),
        Message::Probe { view, index } => {
            Wire::Probe(proto::Probe { view_number: view.0, index: index.0 })
        }
        Message::ProbeReply { view, entry } => Wire::ProbeReply(proto::ProbeReply {
            view_number: view.0,
            entry: Some(entry_id_to_proto(&entry)),
        }),
        // The first greeting of the link said where the other one is expected.
        Message::Hello(greeting) => hello(greeting, own_address, ""),
        Message::Append(_) => return None,
    })
}

/// Who sent it, and in which epoch.
pub fn sender(message: &proto::PeerMessage) -> Result<(Sender, Epoch), Error> {
    let cluster = match message.cluster_id.is_empty() {
        true => None,
        false => {
            Some(ClusterId::from_bytes(&message.cluster_id).ok_or(Error::Malformed("cluster_id"))?)
        }
    };
    let node = NodeId::from_bytes(&message.node_id).ok_or(Error::Malformed("node_id"))?;
    let process =
        ProcessId::from_bytes(&message.process_id).ok_or(Error::Malformed("process_id"))?;
    Ok((Sender { node, process, cluster }, Epoch(message.epoch)))
}

/// What a node says of addresses.
#[derive(Clone, Debug, Default)]
pub struct Whereabouts {
    /// Where it is itself.
    pub own: String,
    /// Where it looks for the other node; empty where it does not say.
    pub peer: String,
}

/// A peer's greeting, and its addresses.
pub fn read_hello(hello: proto::Hello) -> Result<(Hello, Whereabouts), Error> {
    if hello.protocol_version != PROTOCOL_VERSION {
        return Err(Error::Version(hello.protocol_version));
    }
    let newest = hello.newest_view.map(view_from_proto).transpose()?;
    let last = entry_id(hello.last_entry, "last_entry")?;
    let whereabouts = Whereabouts { own: hello.address, peer: hello.peer_address };
    Ok((Hello { newest, last, may_found: hello.may_found }, whereabouts))
}

/// Reads and verifies a message. Snapshot chunks and farewells are not for the role machine: `None`.
pub fn read(message: proto::PeerMessage) -> Result<Option<Incoming>, Error> {
    let (from, epoch) = sender(&message)?;
    let mut entries = Vec::new();
    let message = match message.message.ok_or(Error::Missing("message"))? {
        Wire::Hello(hello) => Message::Hello(read_hello(hello)?.0),
        Wire::Heartbeat(beat) => Message::Heartbeat {
            newest: beat.newest_view.map(view_from_proto).transpose()?,
            uncommitted_ms: beat.uncommitted_ms,
        },
        Wire::Prepare(m) => Message::Prepare { view: view(m.view)?, ballot: ballot(m.ballot)? },
        Wire::Promise(m) => Message::Promise {
            view: ViewNumber(m.view_number),
            ballot: ballot(m.ballot)?,
            accepted: match (m.accepted_ballot, m.accepted_view) {
                (None, None) => None,
                (at, value) => Some((ballot(at)?, view(value)?)),
            },
        },
        Wire::Accept(m) => Message::Accept {
            view: view(m.view)?,
            ballot: ballot(m.ballot)?,
            proposed: view(m.proposed)?,
        },
        Wire::Accepted(m) => {
            Message::Accepted { view: ViewNumber(m.view_number), ballot: ballot(m.ballot)? }
        }
        Wire::Nack(m) => {
            Message::Nack { view: ViewNumber(m.view_number), highest_round: m.highest_round }
        }
        Wire::Newest(m) => Message::Newest { view: view(m.view)? },
        Wire::Append(m) => {
            let (append, received) = read_append(m)?;
            entries = received;
            Message::Append(append)
        }
        Wire::AppendAck(m) => Message::AppendAck {
            view: ViewNumber(m.view_number),
            durable: entry_id(m.durable, "durable")?,
            nonce: m.nonce,
            word: m.word,
        },
        Wire::Probe(m) => Message::Probe { view: ViewNumber(m.view_number), index: Index(m.index) },
        Wire::ProbeReply(m) => Message::ProbeReply {
            view: ViewNumber(m.view_number),
            entry: entry_id(m.entry, "entry")?,
        },
        Wire::SnapshotChunk(_) | Wire::Farewell(_) => return Ok(None),
    };
    Ok(Some(Incoming { from, epoch, message, entries }))
}

/// The entries must form a chain from `previous`: what was changed on the way is refused here.
fn read_append(append: proto::Append) -> Result<(Append, Vec<Received>), Error> {
    let previous = entry_id(append.previous, "previous")?;
    // Nobody has so many.
    let last = previous.index.0.checked_add(append.entries.len() as u64);
    last.ok_or(Error::Malformed("previous"))?;
    let mut at = previous;
    let mut received = Vec::with_capacity(append.entries.len());
    for wire in append.entries {
        let id = chain(&at, Epoch(wire.epoch), &wire.payload);
        if id.index.0 != wire.index || id.hash.0[..] != wire.hash[..] {
            return Err(Error::Chain(Index(wire.index)));
        }
        let content = Content::decode(&wire.payload)?;
        received.push(Received { entry: Entry { id, payload: wire.payload }, content });
        at = id;
    }
    let entries = received
        .iter()
        .map(|r| EntrySummary { id: r.entry.id, record: record(&r.content).cloned() })
        .collect();
    let append = Append {
        view: view(append.view)?,
        previous,
        entries,
        commit: Index(append.commit_index),
        nonce: append.nonce,
    };
    Ok((append, received))
}

/// The view that an entry records, if it records one.
pub fn record(content: &Content) -> Option<&View> {
    match content {
        Content::View(view) => Some(view),
        Content::Events(_) => None,
    }
}

fn view(view: Option<proto::View>) -> Result<View, Error> {
    Ok(view_from_proto(view.ok_or(Error::Missing("view"))?)?)
}

fn ballot(ballot: Option<proto::Ballot>) -> Result<orquestrador_core::role::Ballot, Error> {
    Ok(ballot_from_proto(ballot.ok_or(Error::Missing("ballot"))?)?)
}

fn entry_id(id: Option<proto::EntryId>, field: &'static str) -> Result<EntryId, Error> {
    Ok(entry_id_from_proto(id.ok_or(Error::Missing(field))?)?)
}
