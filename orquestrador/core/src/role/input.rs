//! What happens to the role machine.

use super::message::{Hello, Message, Sender};
use super::view::{EntryId, View};
use super::witness::Testimony;
use super::witnesses::Candidate;
use crate::ids::{Index, ProcessId};

/// What happens to the role machine.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Input {
    /// Time has passed.
    Tick,
    /// Our stream to the other node is open; it answered with its name.
    Dialed {
        peer: Sender,
        hello: Hello,
    },
    /// Our stream to the other node broke.
    DialLost,
    /// Every address of the other node refuses a connection.
    PeerRefused,
    /// The other node could not be reached for a while, for another reason.
    PeerUnreachable,
    Message {
        from: Sender,
        message: Message,
    },
    /// A witness answers.
    Testimony {
        from: ProcessId,
        testimony: Testimony,
    },
    /// The workers that could be witnesses now: alive to this node, and linked to the other one.
    Candidates(Vec<Candidate>),
    /// Our journal is fsynced up to here.
    Durable {
        index: Index,
    },
    /// A snapshot replaced our journal (a learner far behind).
    SnapshotInstalled {
        from: Sender,
        last: EntryId,
        view: View,
    },
    /// The other node is to be looked for at another address.
    PeerMoved {
        /// As [`Identity::loopback`](super::Identity::loopback), with the new address.
        loopback: bool,
    },
    /// V15: the operator's word that the other node is gone.
    Promote,
    /// Give the office to the standby.
    HandOver,
    /// It took too long: do not give it away any more, unless that is decided already.
    KeepOffice,
}
