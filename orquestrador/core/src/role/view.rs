//! The words of the failover rules: places in the journal, views, ballots.

use crate::ids::{ClusterId, Epoch, Index, NodeId, ProcessId, ViewNumber};

/// Chained over an entry's predecessors: equal hashes mean equal histories.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct EntryHash(pub [u8; 32]);

impl std::fmt::Debug for EntryHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for byte in &self.0[..4] {
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

/// A place in a journal and, by its hash, all that came before. The default is before the first entry.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct EntryId {
    pub index: Index,
    pub epoch: Epoch,
    pub hash: EntryHash,
}

/// A member of a view that keeps a journal.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Replica {
    pub node: NodeId,
    /// The first view of its unbroken membership.
    pub since: ViewNumber,
}

/// Who forms the cluster. Decided by the register of the view before it; a journal record.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct View {
    pub number: ViewNumber,
    pub epoch: Epoch,
    pub principal_node: NodeId,
    pub principal_process: ProcessId,
    /// One or two.
    pub replicas: Vec<Replica>,
    /// Incarnations of workers: none, 1, 3 or 5.
    pub witnesses: Vec<ProcessId>,
    /// Decided by the operator's word alone (V15).
    pub forced: bool,
}

impl View {
    /// The member of this name.
    pub fn replica(&self, node: NodeId) -> Option<Replica> {
        self.replicas.iter().copied().find(|r| r.node == node)
    }

    /// The other replica, if there is one.
    pub fn other(&self, node: NodeId) -> Option<Replica> {
        self.replicas.iter().copied().find(|r| r.node != node)
    }

    pub fn is_single(&self) -> bool {
        self.replicas.len() == 1
    }

    /// V3: these acceptors decide the successor: all replicas, or one and a majority of the witnesses. Any
    /// two such sets have an acceptor in common.
    pub fn is_quorum(&self, voters: &[Voter]) -> bool {
        let replicas =
            self.replicas.iter().filter(|r| voters.contains(&Voter::Replica(r.node))).count();
        let witnesses =
            self.witnesses.iter().filter(|w| voters.contains(&Voter::Witness(**w))).count();
        replicas == self.replicas.len() || (replicas > 0 && witnesses * 2 > self.witnesses.len())
    }
}

/// Who may promise and accept in the register of a view.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Voter {
    Replica(NodeId),
    /// By its incarnation.
    Witness(ProcessId),
}

/// Ordered by round, then by process, so no two proposers share one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Ballot {
    pub round: u64,
    pub process: ProcessId,
}

/// What an acceptor has said in the register of one view (V3, V4).
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Acceptor {
    /// The register R(e) belongs to view e.
    pub view: ViewNumber,
    pub promised: Option<Ballot>,
    pub accepted: Option<(Ballot, View)>,
}

/// A higher ballot was promised: its round.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Outbid(pub u64);

impl Acceptor {
    /// Of the register that follows this view, with nothing said yet.
    pub(super) fn of(view: ViewNumber) -> Self {
        Self { view, ..Self::default() }
    }

    /// Promises to take part in no lower ballot; gives what was accepted before.
    pub(super) fn promise(&mut self, ballot: Ballot) -> Result<Option<(Ballot, View)>, Outbid> {
        self.bid(ballot)?;
        Ok(self.accepted.clone())
    }

    /// Accepts, unless a higher ballot was promised.
    pub(super) fn accept(&mut self, ballot: Ballot, proposed: View) -> Result<(), Outbid> {
        self.bid(ballot)?;
        self.accepted = Some((ballot, proposed));
        Ok(())
    }

    fn bid(&mut self, ballot: Ballot) -> Result<(), Outbid> {
        match self.promised {
            Some(promised) if promised > ballot => Err(Outbid(promised.round)),
            Some(_) | None => {
                self.promised = Some(ballot);
                Ok(())
            }
        }
    }
}

/// What a node keeps on disk beside its journal, outside the part that can be truncated (V4).
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Durable {
    pub cluster: Option<ClusterId>,
    /// The newest decided view known.
    pub newest: Option<View>,
    pub acceptor: Acceptor,
}
