//! What etcd says to an [`Election`](super::Election), and what that asks of its shell.

use crate::ids::{ClusterId, Epoch, Index, NodeId, ProcessId, ViewNumber};
use crate::role::{Durable, EntryId, Notice, View};

/// The revision at which the key of the office was created: it names one tenure, and every write to the log is
/// refused unless the key is still that one. Of two, the later tenure has the higher one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Fence(pub i64);

/// Who holds the office.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Holder {
    pub fence: Fence,
    pub node: NodeId,
    pub process: ProcessId,
    /// It is about to give the office away.
    pub is_leaving: bool,
    /// The operator ends the whole cluster.
    pub is_ending: bool,
}

/// What happens to an election.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Input {
    /// Time has passed.
    Tick,
    /// The cluster whose log etcd holds is ours.
    Cluster(ClusterId),
    /// Who held the office at this revision of etcd.
    Heard { revision: i64, holder: Option<Holder> },
    /// etcd has not answered for a while.
    Silent,
    /// Our campaign took the office; the log ends at `tip`, and nobody else can add to it.
    Won { fence: Fence, tip: EntryId },
    /// Our campaign came too late, or its outcome is not known.
    NotWon,
    /// The log goes up to here, at least.
    Tip(Index),
    /// The record of a view was read from the log.
    Recorded(View),
    /// The log up to here is in our hands: read from it, or written to it.
    Stored(Index),
    /// A snapshot that stands for the log up to here has replaced what was in our hands; the newest view whose record is
    /// in that.
    Replaced { index: Index, recorded: ViewNumber },
    /// The office was still ours when etcd was asked, after this question.
    Confirmed { fence: Fence, nonce: u64 },
    /// etcd refused a write, or a question: the office of this fence is over.
    Deposed { fence: Fence },
    /// Give the office away.
    HandOver,
    /// It took too long: do not give it away any more.
    KeepOffice,
}

/// What the shell must do, strictly in order.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Effect {
    /// Fsync this before anything after it.
    Persist(Box<Durable>),
    /// Try for the office; [`Input::Won`] or [`Input::NotWon`] tells.
    Campaign,
    /// Write to the log from now on, after this entry.
    Lead {
        fence: Fence,
        after: EntryId,
    },
    /// Give the office back to etcd.
    Resign(Fence),
    /// The operator ends the whole cluster: end, too.
    End,
    /// Append the record of this view.
    AppendRecord(View),
    /// Another node is principal now.
    Follow(NodeId),
    /// What was asked up to this nonce may be answered.
    Word {
        nonce: u64,
    },
    /// The office began: commands may be handled.
    Serve {
        epoch: Epoch,
    },
    /// The office is over: drop what is pending, go back to what is in the log, and read that from now on.
    StepDown,
    Notice(Notice),
}
