//! What the role machine asks of the shell.

use super::message::Message;
use super::view::{Durable, EntryId, View};
use super::witness::Inquiry;
use crate::ids::{ClusterId, Epoch, Index, NodeId};

/// What the shell must do, strictly in order.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Effect {
    /// Fsync this before anything after it.
    Persist(Durable),
    /// To the other node; dropped when there is no link.
    Send(Message),
    /// To every witness of the view that the inquiry names; dropped for those without a stream.
    Inquire(Inquiry),
    /// Append the record of this view to the journal.
    AppendRecord(View),
    /// Store these of the entries of the message in hand: set aside what follows `keep`, then append
    /// all but the first `skip`.
    Store {
        keep: Option<Index>,
        skip: usize,
    },
    /// Stream what follows `after` to the follower.
    Replicate {
        after: EntryId,
    },
    /// The follower lacks what was pruned: send it the snapshot.
    SendSnapshot,
    /// The follower needs a snapshot, and there is none: take one.
    WantSnapshot,
    StopReplication,
    /// Entries up to here are committed.
    Committed(Index),
    /// The standby's word (V2) for all questions up to this nonce.
    Word {
        nonce: u64,
    },
    /// The office began: commands may be handled once everything committed is applied.
    Serve {
        epoch: Epoch,
    },
    /// Another one is principal, or nobody: drop what is pending, go back to the committed state.
    StepDown,
    /// Our history was never acknowledged and another cluster exists: set it aside.
    AbandonHistory,
    Notice(Notice),
}

/// What people are told.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Notice {
    Founded {
        cluster: ClusterId,
    },
    ForeignCluster {
        node: NodeId,
    },
    /// A takeover from a dead principal begins.
    TakingOver,
    /// The newest view changed.
    ViewChanged {
        view: View,
        /// The principal gave its office away, as far as this process had a part in it.
        handed_over: bool,
    },
    Forced,
}
