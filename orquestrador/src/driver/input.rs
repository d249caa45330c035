//! What reaches the driver, from every service, through one bounded queue.

use orquestrador_core::ids::{
    BlobRef, Epoch, Index, ProcessId, RequestId, SessionId, Timestamp, WorkerId,
};
use orquestrador_core::role::{
    self, Candidate, EntryId, Failover, Hello, Sender, Standing, Testimony, View,
};
use orquestrador_core::{Answer, Command, Rejection};
use tokio::sync::{mpsc, oneshot};
use tonic::Status;

use super::engine::News;
use super::store::Install;
use super::views::ViewNote;
use crate::backup::Moment;
use crate::journal::{Content, Entry};
use crate::replication::convert::Whereabouts;
use common::proto;

/// The driver's queue.
pub type InputSender = mpsc::Sender<Input>;

/// One thing for the driver to deal with.
pub enum Input {
    /// A request that is answered once.
    Call {
        request: RequestId,
        command: Command,
        reply: oneshot::Sender<Result<Committed, Status>>,
    },
    /// A request whose answer, and all that follows, goes to a watcher: a question for tasks, or a submission. Where
    /// the task to be submitted existed, nothing comes.
    Watch {
        request: RequestId,
        command: Command,
        watcher: Watcher,
    },
    /// A worker's first message, and where to send what it is told.
    OpenSession {
        session: SessionId,
        command: Command,
        outbox: mpsc::Sender<Result<proto::OrchestratorMessage, Status>>,
    },
    /// Anything else of a worker, and what telling of a task's end came to.
    Session(Command),
    /// Our stream to the other orchestrator is open.
    Dialed {
        peer: Sender,
        hello: Hello,
        address: Whereabouts,
        link: mpsc::Sender<proto::PeerMessage>,
    },
    DialLost,
    PeerRefused,
    PeerUnreachable,
    /// From the other orchestrator, entries with their payloads.
    Peer {
        from: Sender,
        epoch: Epoch,
        message: role::Message,
        entries: Vec<Received>,
    },
    /// A whole snapshot came from the other orchestrator.
    SnapshotReceived {
        from: Sender,
        view: View,
        last: EntryId,
        snapshot: Install,
    },
    /// The other orchestrator greets: what shall be answered.
    Greet {
        reply: oneshot::Sender<proto::PeerMessage>,
    },
    /// A witness answers.
    Testimony {
        from: ProcessId,
        testimony: Testimony,
    },
    /// The workers that could be witnesses now.
    Candidates(Vec<Candidate>),
    /// The journal's thread has come further.
    JournalProgress,
    /// A snapshot was written, or could not be.
    SnapshotSaved(Result<EntryId, crate::journal::Error>),
    /// What a snapshot stands for could not be removed.
    PruningFailed(crate::journal::Error),
    /// The snapshot that the other node needs is damaged, or cannot be read.
    SnapshotUnreadable(crate::journal::Error),
    /// The state as it is now, once it is committed.
    Backup {
        reply: oneshot::Sender<Result<Moment, Status>>,
    },
    /// Numbers for whoever watches this node.
    Figures {
        reply: oneshot::Sender<Figures>,
    },
    /// How this node stands.
    Describe {
        reply: oneshot::Sender<Description>,
    },
    /// What tasks refer to, and what tells whether that has changed; nothing if `known` tells that it has not.
    ReferredBlobs {
        known: Option<u128>,
        reply: oneshot::Sender<Option<(u128, Vec<BlobRef>)>>,
    },
    /// Where this node stands.
    Standing {
        reply: oneshot::Sender<Standing>,
    },
    /// V15.
    Promote {
        /// Also where this node is no replica of the newest view that it knows.
        accept_incomplete: bool,
        reply: oneshot::Sender<Result<Epoch, Status>>,
    },
    /// Orderly end: answered with the new epoch when the office is in other hands, with none when there is
    /// nobody to take it.
    HandOver {
        reply: oneshot::Sender<Option<Epoch>>,
    },
    /// An operator's wish: the standby is to be principal. Refused, or begun; the receiver then tells what
    /// came of it, as above.
    SwitchOver {
        reply: oneshot::Sender<Result<oneshot::Receiver<Option<Epoch>>, Status>>,
    },
    /// The operator ends the whole cluster: workers are told to finish and end, within that time.
    StopWorkers {
        within_ms: u32,
    },
    /// One worker is told to finish and end, within that time or its own. Answered with whether it is there.
    StopWorker {
        worker: WorkerId,
        within_ms: Option<u32>,
        reply: oneshot::Sender<bool>,
    },
    /// The workers have ended: the other node is told to end too, and from now on nobody takes over from
    /// whom.
    Farewell,
    /// The other node said so. Answered with whether it is one of this cluster, and this node ends too.
    PeerFarewell {
        from: Sender,
        reply: oneshot::Sender<bool>,
    },
    /// Another machine takes the place of the other node, or the former one takes it back.
    MovePeer {
        moved: Moved,
        reply: oneshot::Sender<Result<(), Status>>,
    },
    /// The switch-over took too long. Answers whether it can still come, because its election is under way.
    KeepOffice {
        reply: oneshot::Sender<bool>,
    },
    /// From where the log is, if that is not here.
    Engine(News),
    /// The process is about to end.
    Leave,
    /// Who is principal and why.
    Explain {
        reply: oneshot::Sender<Explanation>,
    },
    Tick,
}

impl Input {
    /// That the other node is there, or is not.
    pub(super) fn is_news_of_the_link(&self) -> bool {
        matches!(
            self,
            Self::Dialed { .. } | Self::DialLost | Self::PeerRefused | Self::PeerUnreachable
        )
    }
}

/// Where the other node is to be looked for from now on.
pub struct Moved {
    pub address: String,
    /// It and this node are reached by loopback addresses only.
    pub loopback: bool,
    /// Writes it down, for the next start too.
    pub keep: Box<dyn FnOnce() -> std::io::Result<()> + Send>,
}

/// An entry that came over the wire, verified against its chain and decoded.
#[derive(Clone)]
pub struct Received {
    pub entry: Entry,
    pub content: Content,
}

/// An answer whose events are committed.
#[derive(Debug)]
pub struct Committed {
    pub answer: Result<Answer, Rejection>,
    pub receipt: proto::Receipt,
}

/// What is watched.
pub enum Watched {
    Tasks(Vec<orquestrador_core::ids::TaskId>),
    Group(orquestrador_core::ids::GroupName),
    /// All of the owner's tasks.
    All,
}

impl Watched {
    /// How many are watched one by one.
    pub fn count(&self) -> usize {
        match self {
            Self::Tasks(tasks) => tasks.len(),
            Self::Group(_) | Self::All => 0,
        }
    }
}

/// Where the updates of one watch go.
pub struct Watcher {
    pub owner: orquestrador_core::ids::UserName,
    pub watched: Watched,
    pub include_results: bool,
    /// Nothing of a task but its end.
    pub only_ends: bool,
    /// Not even that the watch is established is said before there is something of a task to say.
    pub is_quiet: bool,
    pub outbox: mpsc::Sender<Result<proto::WatchTasksResponse, Status>>,
    /// Set when the stream ends because it was read too slowly.
    pub lagged: std::sync::Arc<std::sync::atomic::AtomicBool>,
}

/// How a node stands, from its own point of view; not linearizable.
#[derive(Clone, Debug)]
pub struct Description {
    pub standing: Standing,
    pub view: Option<View>,
    pub cluster: Option<orquestrador_core::ids::ClusterId>,
    pub epoch: Epoch,
    pub principal: Option<String>,
    pub own_address: String,
    pub peer_address: String,
    pub node: orquestrador_core::ids::NodeId,
    pub last_index: Index,
    pub applied: Index,
    pub digest: u128,
    /// Somebody is there to take the office of this principal.
    pub has_successor: bool,
    /// The other orchestrators that etcd knows, and the principal among all; `None` in a pair.
    pub members: Option<Members>,
    /// The other node, when linked.
    pub peer: Option<PeerDescription>,
}

/// Who is there beside a node, where etcd keeps the log.
#[derive(Clone, Debug)]
pub struct Members {
    pub others: Vec<super::engine::Member>,
    /// etcd answers.
    pub is_answered: bool,
    pub principal: Option<orquestrador_core::ids::NodeId>,
}

/// What a node measures at a moment.
#[derive(Clone, Debug)]
pub struct Figures {
    pub node: Description,
    pub machine: orquestrador_core::figures::Figures,
    pub committed: Index,
    /// Turns whose effects wait for their commit.
    pub uncommitted: usize,
    /// Witnesses of the newest view that this node hears.
    pub witnesses_heard: usize,
    pub failover: Failover,
    /// By the clock of this node.
    pub now: Timestamp,
}

/// What a node can say about failover.
#[derive(Clone, Debug)]
pub struct Explanation {
    pub node: Description,
    pub failover: Failover,
    /// Of the newest view, with their machines; `None` for one that this node does not hear.
    pub witnesses: Vec<(ProcessId, Option<std::sync::Arc<str>>)>,
    pub views: Vec<ViewNote>,
}

#[derive(Clone, Debug)]
pub struct PeerDescription {
    pub node: orquestrador_core::ids::NodeId,
    pub in_view: bool,
    /// It belongs to another cluster.
    pub foreign: bool,
    pub acknowledged: Option<Index>,
}
