//! Faults off: a fair schedule, after which someone must commit again.

use orquestrador_core::role::{Durable, Input, Message, Standing, View};

use super::node::{Journal, Node, PATIENCE};
use super::{Action, Content, Envelope, Link, World};

const ROUNDS: usize = 40;
/// How often a node says that it lives, in the time that makes it suspect.
const HEARTBEATS: u64 = 10;

/// What becomes of a node whose peer is dead for good.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Survival {
    Serves,
    /// The other one died amid a change of the view that only it can complete: the known cost.
    WaitsAmidChange,
    /// This must not be.
    Waits(String),
}

impl World {
    /// Everything that can be done without a fault or a client is done, in a fixed order, many times.
    pub fn settle(&mut self) {
        for _ in 0..ROUNDS {
            let before = self.clone();
            self.round();
            if *self == before {
                let timed = self.quiet();
                for _ in 0..HEARTBEATS {
                    self.beat();
                    self.round();
                }
                if self.quiet() == timed {
                    return;
                }
            }
        }
    }

    /// A tenth of what makes a silent node suspect passes, and those that are linked say that they live.
    fn beat(&mut self) {
        for at in 0..2 {
            if let Some(process) = &mut self.nodes[at].process
                && !process.paused
            {
                process.now += PATIENCE / HEARTBEATS;
            }
        }
        for at in 0..2 {
            let Link::Up { .. } = &self.links[1 - at] else { continue };
            let other = &self.nodes[1 - at];
            if !self.nodes[at].is_awake() || !other.is_awake() {
                continue;
            }
            let Some(process) = &other.process else { continue };
            let newest = process.role.newest().cloned();
            let heartbeat = Message::Heartbeat { newest, uncommitted_ms: 0 };
            let content = Content::Message(heartbeat);
            self.receive(at, Envelope { from: process.role.sender(), content });
            // The tick's question, and its answer.
            self.append_from(at);
        }
    }

    /// The state without its clocks.
    fn quiet(&self) -> Vec<(Option<Standing>, Durable, Journal)> {
        let facts = |node: &Node| (node.standing(), node.durable.clone(), node.journal.clone());
        self.nodes.iter().map(facts).collect()
    }

    fn round(&mut self) {
        while !self.late.is_empty() {
            if self.nodes[self.late[0].to].is_awake() {
                self.step(Action::DeliverLate(0));
            } else {
                self.late.remove(0);
            }
        }
        while !self.errands.is_empty() {
            self.step(Action::Run(0));
        }
        for at in 0..2 {
            if !self.nodes[at].is_awake() {
                continue;
            }
            self.survey(at);
            match &self.links[at] {
                Link::Lost => self.step(Action::Notice(at)),
                Link::Down => {
                    if self.nodes[1 - at].process.as_ref().is_none_or(|p| !p.paused) {
                        self.step(Action::Dial(at));
                    }
                }
                Link::Up { .. } => {}
            }
            let journal = &self.nodes[at].journal;
            if journal.synced < journal.len() {
                self.step(Action::Fsync(at));
            }
            self.input(at, Input::Tick);
            if self.has_question(at) {
                self.step(Action::Ask(at));
            }
            while matches!(&self.links[1 - at], Link::Up { queue, .. } if !queue.is_empty()) {
                self.step(Action::Deliver(1 - at));
            }
        }
    }

    /// Faults end, everybody runs: does some node commit a write again?
    pub fn heal(&self) -> Result<(), String> {
        self.healed().1
    }

    /// What becomes of this world, and what is wrong with it.
    pub fn healed(&self) -> (World, Result<(), String>) {
        let mut world = self.clone();
        for at in 0..2 {
            world.set_paused(at, false);
            if world.nodes[at].process.as_ref().is_some_and(|process| process.ending) {
                world.crash(at);
            }
            if world.nodes[at].process.is_none() {
                world.restart(at);
            }
        }
        world.settle();
        let nobody = || "both are alive with their disks and nobody commits".to_owned();
        let principal = (0..2).find(|at| world.nodes[*at].is_serving());
        if let Some(principal) = principal {
            world.write(principal);
            world.settle();
        }
        let commits = |at: &usize| {
            let node = &world.nodes[*at];
            node.is_serving() && node.process.as_ref().is_some_and(|p| p.pending.is_empty())
        };
        // Two clusters with history stay apart until the operator chooses.
        let is_one = world.nodes[0].durable.cluster == world.nodes[1].durable.cluster;
        let is_pair = |at: usize| world.nodes[at].newest().is_some_and(|v| v.replicas.len() == 2);
        let verdict = match world.violation.clone() {
            Some(problem) => Err(problem),
            None if is_one && !is_pair(0) => Err("both are alive and are no pair".to_owned()),
            None => (0..2).find(commits).map(|_| ()).ok_or_else(nobody),
        };
        (world, verdict)
    }

    /// One node is dead for good, the other one runs, and so do all workers: does it commit a write? `None`
    /// where it is not in the newest view, whose only replica is dead.
    pub fn survives(&self, dead: usize) -> Option<Survival> {
        let mut world = self.clone();
        let alive = 1 - dead;
        world.crash(dead);
        world.set_paused(alive, false);
        if world.nodes[alive].process.as_ref().is_some_and(|process| process.ending) {
            world.crash(alive);
        }
        if world.nodes[alive].process.is_none() {
            world.restart(alive);
        }
        let newest = world.newest_decided()?;
        newest.replica(world.nodes[alive].node)?;
        // What reached an acceptor is on the disk of who proposed it.
        let is_open = |node: &Node| {
            let acceptor = &node.durable.acceptor;
            acceptor.view == newest.number && acceptor.accepted.is_some()
        };
        let survivor = &world.nodes[alive];
        let amid_change = world.nodes.iter().any(is_open)
            || survivor.durable.newest.as_ref() != Some(&newest)
            || !survivor.is_recorded_in(&newest);
        world.settle();
        if world.nodes[alive].is_serving() {
            world.write(alive);
            world.settle();
        }
        let commits = world.nodes[alive].is_serving() && world.unanswered(alive) == 0;
        Some(match (commits, amid_change) {
            (true, _) => Survival::Serves,
            (false, true) => Survival::WaitsAmidChange,
            (false, false) => Survival::Waits(world.describe()),
        })
    }

    fn newest_decided(&self) -> Option<View> {
        let known = self.nodes.iter().filter_map(|node| node.durable.newest.clone());
        known.max_by_key(|view| view.number)
    }

    /// A disk is gone, or the operator chose: no human may be spared then.
    pub fn may_stay_down(&self) -> bool {
        self.nodes.iter().any(|node| node.node.0 > 2)
            || self.truths.iter().any(|(_, truth)| truth.overridden)
    }
}
