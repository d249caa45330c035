//! Faults off: a fair schedule, after which both nodes are a pair again and commit. Where a disk that the view
//! counts on is gone, the operator may have to speak (V15), but only where nothing was promised without him.

use orquestrador_core::ids::{ClusterId, ProcessId};
use orquestrador_core::role::{Durable, Input, Inquiry, Message, Replica, Standing, View};

use super::node::{Journal, Node, PATIENCE};
use super::witness::Errand;
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

    /// Faults end, everybody runs: are both a pair that commits?
    pub fn heal(&self) -> Result<(), String> {
        self.healed().1
    }

    /// What becomes of this world, and what is wrong with it.
    pub fn healed(&self) -> (World, Result<(), String>) {
        let mut world = self.clone();
        let mut promised = world.goes_on_by_itself();
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
        promised &= !world.end_the_schism();
        if !world.commits_a_write() && world.misses_a_disk() {
            if promised {
                return (world, Err("a disk is lost and the other node waits".to_owned()));
            }
            world.override_by_operator();
        }
        let is_pair = |view: &View| world.nodes.iter().all(|n| view.replica(n.node).is_some());
        let paired = world.nodes.iter().all(|node| node.newest().is_some_and(is_pair));
        let commits = world.commits_a_write();
        let verdict = match world.violation.clone() {
            Some(problem) => Err(problem),
            None if !commits => Err("both are alive and nobody commits".to_owned()),
            None if !paired => Err("both are alive and are no pair".to_owned()),
            None => Ok(()),
        };
        (world, verdict)
    }

    fn commits_a_write(&mut self) -> bool {
        let Some(at) = self.principal() else { return false };
        self.write(at);
        self.settle();
        self.nodes[at].is_serving() && self.unanswered(at) == 0
    }

    fn principal(&self) -> Option<usize> {
        (0..2).find(|at| self.nodes[*at].is_serving())
    }

    /// Two clusters with history stay apart until the operator has chosen: here the one that has all its disks, or
    /// that has more. True when he had to.
    fn end_the_schism(&mut self) -> bool {
        if !self.is_in_schism() {
            return false;
        }
        let worth = |at: &usize| {
            let node = &self.nodes[*at];
            let is_whole = !node.durable.newest.as_ref().is_some_and(|v| self.misses_a_disk_of(v));
            (is_whole, node.journal.synced)
        };
        let Some(loser) = (0..2).min_by_key(worth) else { return false };
        self.wipe(loser);
        self.restart(loser);
        self.settle();
        true
    }

    fn is_in_schism(&self) -> bool {
        let [one, other] = [0, 1].map(|at: usize| self.nodes[at].durable.cluster);
        one.is_some() && other.is_some() && one != other
    }

    /// The newest view counts on a disk that is gone.
    fn misses_a_disk(&self) -> bool {
        self.newest_decided(None).is_some_and(|view| self.misses_a_disk_of(&view))
    }

    fn misses_a_disk_of(&self, view: &View) -> bool {
        let is_here = |replica: &Replica| self.nodes.iter().any(|n| n.node == replica.node);
        !view.replicas.iter().all(is_here)
    }

    /// As `docs/failover.md` tells the operator: on the node that has most, restarted if it waits in office.
    fn override_by_operator(&mut self) {
        let most = |at: &usize| {
            let node = &self.nodes[*at];
            (node.durable.newest.is_some(), node.journal.synced)
        };
        let Some(at) = (0..2).max_by_key(most) else { return };
        if matches!(self.nodes[at].standing(), Some(Standing::Elected | Standing::Principal)) {
            self.crash(at);
            self.restart(at);
            self.settle();
        }
        if !self.commits_a_write() {
            self.input(at, Input::Promote);
            self.settle();
        }
    }

    /// No disk is missing, or what is left of the view decides without it: with a majority of the witnesses, or
    /// alone (V11), if nothing was under way that only the lost one could have completed.
    fn goes_on_by_itself(&self) -> bool {
        let Some(newest) = self.newest_decided(None) else { return true };
        if !self.misses_a_disk() {
            return true;
        }
        let survivor = self.nodes.iter().find(|node| newest.replica(node.node).is_some());
        let Some(survivor) = survivor.filter(|_| !self.is_in_schism()) else { return false };
        let may_alone = |p: &super::node::Process| !p.ending && p.role.may_outlive_the_other();
        survivor.durable.newest.as_ref() == Some(&newest)
            && survivor.is_recorded_in(&newest)
            && !self.is_amid_change(&newest)
            && (self.has_majority(&newest) || survivor.process.as_ref().is_some_and(may_alone))
    }

    fn has_majority(&self, view: &View) -> bool {
        let lives = |w: &ProcessId| self.workers.iter().any(|worker| worker.incarnation == *w);
        view.witnesses.iter().filter(|w| lives(w)).count() * 2 > view.witnesses.len()
    }

    /// A successor of this view is decided, is accepted somewhere, or may yet be.
    fn is_amid_change(&self, newest: &View) -> bool {
        let number = newest.number;
        let in_register = |node: &Node| {
            let acceptor = &node.durable.acceptor;
            acceptor.view == number && acceptor.accepted.is_some()
        };
        let is_accept = |envelope: &Envelope| {
            matches!(&envelope.content,
                Content::Message(Message::Accept { view, .. }) if view.number == number)
        };
        let queues = self.links.iter().filter_map(|link| match link {
            Link::Up { queue, .. } => Some(queue),
            Link::Down | Link::Lost => None,
        });
        let mut under_way = queues.chain(self.late.iter().map(|late| &late.queue)).flatten();
        let is_errand = |errand: &Errand| {
            matches!(errand,
                Errand::Inquiry { inquiry: Inquiry::Accept { view, .. }, .. } if view.number == number)
        };
        let is_later = |decided: &View| decided.number > number;
        self.nodes.iter().any(in_register)
            || self.workers.iter().any(|worker| worker.has_accepted(newest))
            || under_way.any(is_accept)
            || self.errands.iter().any(is_errand)
            || self.truths.iter().any(|(_, truth)| truth.decided.iter().any(is_later))
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
        let newest = world.newest_decided(world.nodes[alive].durable.cluster)?;
        newest.replica(world.nodes[alive].node)?;
        if !newest.witnesses.is_empty() && !world.has_majority(&newest) {
            return None;
        }
        let survivor = &world.nodes[alive];
        let amid_change = world.is_amid_change(&newest)
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

    /// As far as the disks know it, of this cluster or of any.
    fn newest_decided(&self, of: Option<ClusterId>) -> Option<View> {
        let fits = |node: &&Node| of.is_none() || node.durable.cluster == of;
        let known = self.nodes.iter().filter(fits).filter_map(|node| node.durable.newest.clone());
        known.max_by_key(|view| view.number)
    }
}
