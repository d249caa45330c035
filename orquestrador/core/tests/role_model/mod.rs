//! Two nodes over the real role machine, with the disk, the links and the crashes that a shell has.
//!
//! [`World`] is one state: [`World::actions`] names all that may happen next, [`World::step`] does it.
//! The exhaustive check, the random walks and the scenarios all drive this one model; what must hold
//! is watched by [`truth`].

#![allow(dead_code, reason = "each test file uses its part")]

pub mod actions;
pub mod check;
pub mod heal;
pub mod node;
pub mod normal;
pub mod shell;
pub mod story;
pub mod truth;
pub mod walk;
pub mod witness;

use std::collections::VecDeque;
use std::fmt::Write as _;

use orquestrador_core::ids::{ClusterId, NodeId, ProcessId, ViewNumber};
use orquestrador_core::role::{Ballot, EntrySummary, Message, Mutation, Sender, View};

use node::Node;
use truth::Truth;
use witness::{Errand, Worker};

/// What is still allowed to go wrong.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Budget {
    pub crashes: u8,
    pub wipes: u8,
    pub breaks: u8,
    pub duplicates: u8,
    pub pauses: u8,
    /// A proposer's patience running out.
    pub timeouts: u8,
    pub handovers: u8,
    pub overrides: u8,
    /// Answers of witnesses that are lost, though what they say was done.
    pub losses: u8,
    /// Workers that restart: another incarnation, without the memory of the one before.
    pub restarts: u8,
    pub writes: u8,
    pub reads: u8,
    /// Proposals end when the newest view has this number.
    pub views: u64,
    /// Ballots of one register in which witnesses are asked.
    pub ballots: u64,
}

/// How a world differs from another for its whole life.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Rules {
    pub mutation: Option<Mutation>,
    /// V11 may be used.
    pub loopback: bool,
    /// Workers, each a possible witness.
    pub workers: usize,
    /// Which nodes may found.
    pub preferred: [bool; 2],
    /// Links break at any place, not only before or after all that was sent.
    pub fine_breaks: bool,
    /// What happens anyway happens at once: fewer states, the same decisions.
    pub eager: bool,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            mutation: None,
            loopback: true,
            workers: 0,
            preferred: [true, false],
            fine_breaks: false,
            eager: false,
        }
    }
}

/// What a link carries, with its signature.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Envelope {
    pub from: Sender,
    pub content: Content,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Content {
    Message(Message),
    /// What is committed. Nothing is ever pruned here, so it is sent only by mistake: it must do no harm.
    Snapshot {
        view: View,
        entries: Vec<EntrySummary>,
    },
}

/// The stream that a node dials to the other one.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub enum Link {
    #[default]
    Down,
    Up {
        to: ProcessId,
        queue: VecDeque<Envelope>,
    },
    /// It broke, and the node that dialled does not know yet.
    Lost,
}

/// What a broken link had brought to the other side already, and was not looked at.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Late {
    pub to: usize,
    pub queue: VecDeque<Envelope>,
}

/// One state.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct World {
    pub nodes: [Node; 2],
    /// By the node that dials.
    pub links: [Link; 2],
    pub late: Vec<Late>,
    pub workers: Vec<Worker>,
    /// Between nodes and witnesses: arrives in any order, or never.
    pub errands: Vec<Errand>,
    /// The ballots that witnesses were asked in, by the view whose register they are for.
    pub ballots: Vec<(ViewNumber, Ballot)>,
    pub budget: Budget,
    pub rules: Rules,
    /// One for each cluster that was founded, and one for each override.
    pub truths: Vec<(ClusterId, Truth)>,
    /// Numbers the writes, so that no two entries are equal.
    pub written: u64,
    pub violation: Option<String>,
}

/// What may happen. The number is the node that it happens to.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Action {
    Dial(usize),
    /// The node learns that its link broke.
    Notice(usize),
    /// The first message on the link that this node dialled arrives.
    Deliver(usize),
    DeliverLate(usize),
    /// The link that this node dialled breaks; so many of its messages still arrive.
    Break(usize, usize),
    Duplicate(usize),
    Fsync(usize),
    Tick(usize),
    Timeout(usize),
    Ask(usize),
    Write(usize),
    Read(usize),
    Crash(usize),
    Wipe(usize),
    Restart(usize),
    Pause(usize),
    Resume(usize),
    HandOver(usize),
    Promote(usize),
    /// This errand arrives.
    Run(usize),
    /// This inquiry arrives, and its answer is lost.
    RunInVain(usize),
    /// The node hears which workers are alive.
    Survey(usize),
    /// This worker restarts.
    Replace(usize),
}

impl World {
    pub fn new(rules: Rules) -> Self {
        Self {
            nodes: [Node::new(NodeId(1)), Node::new(NodeId(2))],
            links: [Link::Down, Link::Down],
            late: Vec::new(),
            workers: (0..rules.workers).map(Worker::new).collect(),
            errands: Vec::new(),
            ballots: Vec::new(),
            budget: Budget::default(),
            rules,
            truths: Vec::new(),
            written: 0,
            violation: None,
        }
    }

    /// A page, not the hundred that the whole state fills.
    pub fn describe(&self) -> String {
        let mut text = String::new();
        for (at, node) in self.nodes.iter().enumerate() {
            let standing = node.standing();
            let _ =
                writeln!(text, "node {at} {:?}: {standing:?} starts {}", node.node, node.starts);
            let _ = writeln!(text, "  {}", brief(node.newest()));
            let _ = writeln!(
                text,
                "  disk {} {:?}",
                brief(node.durable.newest.as_ref()),
                node.durable.acceptor.promised
            );
            if let Some((ballot, view)) = &node.durable.acceptor.accepted {
                let _ = writeln!(text, "  accepted {ballot:?} {}", brief(Some(view)));
            }
            let _ = write!(text, "  journal synced {}:", node.journal.synced);
            for entry in &node.journal.entries {
                let record = entry.record.as_ref().map(|view| view.number.0);
                let _ = write!(
                    text,
                    " {:?}/{:?}{}",
                    entry.id.epoch,
                    entry.id.hash,
                    record.map_or(String::new(), |n| format!("=V{n}"))
                );
            }
            let _ = writeln!(text);
            if let Some(process) = &node.process {
                let _ = writeln!(text, "  {:?}", process.role);
                let _ = writeln!(
                    text,
                    "  sent {:?} nonce {} word {} {:?}",
                    process.sent, process.nonce, process.word, process.pending
                );
            }
            let _ = writeln!(text, "  link {:?}", self.links[at]);
        }
        let _ = writeln!(text, "late {:?}\nbudget {:?}", self.late, self.budget);
        for worker in &self.workers {
            let _ = writeln!(text, "{worker:?}");
        }
        let _ = writeln!(text, "errands {:?}", self.errands);
        for (cluster, truth) in &self.truths {
            let _ = writeln!(
                text,
                "{cluster:?} from {:?} on committed {:?} acknowledged {}",
                truth.began,
                truth.committed.iter().map(|id| id.hash).collect::<Vec<_>>(),
                truth.acknowledged
            );
            for view in &truth.decided {
                let _ = writeln!(text, "  {}", brief(Some(view)));
            }
        }
        text
    }

    pub fn violate(&mut self, what: impl Into<String>) {
        if self.violation.is_none() {
            self.violation = Some(what.into());
        }
    }
}

fn brief(view: Option<&View>) -> String {
    let Some(view) = view else { return "no view".into() };
    let replicas: Vec<_> =
        view.replicas.iter().map(|r| format!("{}since{}", r.node.0, r.since.0)).collect();
    format!(
        "view {} epoch {} principal {} of {replicas:?} witnesses {:?}{}",
        view.number.0,
        view.epoch.0,
        view.principal_process.0,
        view.witnesses.iter().map(|w| w.0).collect::<Vec<_>>(),
        if view.forced { " forced" } else { "" }
    )
}
