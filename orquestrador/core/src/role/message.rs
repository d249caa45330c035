//! What the two nodes say to each other, without the payload of entries.

use super::Millis;
use super::log::EntrySummary;
use super::view::{Ballot, EntryId, View};
use crate::ids::{ClusterId, Index, NodeId, ProcessId, ViewNumber};

/// Who sent a message.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Sender {
    pub node: NodeId,
    pub process: ProcessId,
    pub cluster: Option<ClusterId>,
}

/// The first message on every link.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Hello {
    pub newest: Option<View>,
    pub last: EntryId,
    /// It has no history and may found a cluster.
    pub may_found: bool,
}

/// One message. May be lost, delayed or repeated.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Message {
    Hello(Hello),
    /// A sign of life that names the newest view known.
    Heartbeat {
        newest: Option<View>,
        /// For how long the sender's oldest entry has waited for its commit.
        uncommitted_ms: Millis,
    },
    Prepare {
        view: View,
        ballot: Ballot,
    },
    Promise {
        view: ViewNumber,
        ballot: Ballot,
        accepted: Option<(Ballot, View)>,
    },
    Accept {
        view: View,
        ballot: Ballot,
        proposed: View,
    },
    Accepted {
        view: ViewNumber,
        ballot: Ballot,
    },
    Nack {
        view: ViewNumber,
        highest_round: u64,
    },
    /// A decision, or the refusal of an older register.
    Newest {
        view: View,
    },
    Append(Append),
    AppendAck {
        view: ViewNumber,
        durable: EntryId,
        nonce: u64,
        word: bool,
    },
    Probe {
        view: ViewNumber,
        index: Index,
    },
    ProbeReply {
        view: ViewNumber,
        entry: EntryId,
    },
}

/// Entries for a follower; empty as a question for its word.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Append {
    pub view: View,
    pub previous: EntryId,
    pub entries: Vec<EntrySummary>,
    pub commit: Index,
    pub nonce: u64,
}
