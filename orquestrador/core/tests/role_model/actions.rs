//! What may happen next, and doing it.

use std::collections::VecDeque;

use orquestrador_core::ids::{Index, NodeId};
use orquestrador_core::role::{Effect, Input, Message, Standing};

use super::node::{Node, PATIENCE};
use super::{Action, Content, Envelope, Late, Link, World};

/// Broken links whose messages may still arrive.
const MAX_LATE: usize = 2;

impl World {
    pub fn actions(&self) -> Vec<Action> {
        let mut actions = Vec::new();
        for at in 0..2 {
            match &self.nodes[at].process {
                None => actions.push(Action::Restart(at)),
                Some(process) if process.paused => {
                    actions.push(Action::Resume(at));
                    self.faults(at, &mut actions);
                }
                Some(_) => {
                    self.progress(at, &mut actions);
                    self.clients(at, &mut actions);
                    self.faults(at, &mut actions);
                }
            }
            self.network(at, &mut actions);
        }
        for (nth, late) in self.late.iter().enumerate() {
            if self.nodes[late.to].is_awake() {
                actions.push(Action::DeliverLate(nth));
            }
        }
        self.witnesses(&mut actions);
        actions
    }

    fn progress(&self, at: usize, actions: &mut Vec<Action>) {
        let node = &self.nodes[at];
        match &self.links[at] {
            Link::Down => {
                let paused = self.nodes[1 - at].process.as_ref().is_some_and(|p| p.paused);
                if !paused {
                    actions.push(Action::Dial(at));
                }
            }
            Link::Lost => actions.push(Action::Notice(at)),
            Link::Up { .. } => {}
        }
        if node.journal.synced < node.journal.len() {
            actions.push(Action::Fsync(at));
        }
        if self.tick_matters(at, 0) {
            actions.push(Action::Tick(at));
        }
        if self.budget.timeouts > 0 && self.tick_matters(at, PATIENCE) {
            actions.push(Action::Timeout(at));
        }
        if self.has_question(at) {
            actions.push(Action::Ask(at));
        }
    }

    fn tick_matters(&self, at: usize, after: u64) -> bool {
        let node = &self.nodes[at];
        let Some(process) = &node.process else { return false };
        let mut role = process.role.clone();
        let mut effects: Vec<Effect> = Vec::new();
        role.handle(process.now + after, Input::Tick, &node.journal, &mut effects);
        !effects.is_empty()
    }

    fn clients(&self, at: usize, actions: &mut Vec<Action>) {
        if !self.nodes[at].is_serving() {
            return;
        }
        if self.budget.writes > 0 {
            actions.push(Action::Write(at));
        }
        if self.budget.reads > 0 {
            actions.push(Action::Read(at));
        }
    }

    fn faults(&self, at: usize, actions: &mut Vec<Action>) {
        let Some(process) = &self.nodes[at].process else { return };
        let standing = process.role.standing();
        if self.budget.crashes > 0 {
            actions.push(Action::Crash(at));
        }
        if self.budget.wipes > 0 {
            actions.push(Action::Wipe(at));
        }
        if process.paused {
            return;
        }
        if self.budget.pauses > 0 {
            actions.push(Action::Pause(at));
        }
        if self.budget.handovers > 0 && standing == Standing::Principal && !process.ending {
            actions.push(Action::HandOver(at));
        }
        if self.budget.overrides > 0 && matches!(standing, Standing::Waiting | Standing::Learner) {
            actions.push(Action::Promote(at));
        }
    }

    /// What happens on the link that the node dialled.
    fn network(&self, at: usize, actions: &mut Vec<Action>) {
        let Link::Up { queue, .. } = &self.links[at] else { return };
        if !queue.is_empty() && self.nodes[1 - at].is_awake() {
            actions.push(Action::Deliver(at));
        }
        if self.budget.breaks > 0 && self.late.len() < MAX_LATE {
            let fine = self.rules.fine_breaks;
            actions.extend(
                (0..=queue.len())
                    .filter(|keep| fine || *keep == 0 || *keep == queue.len())
                    .map(|keep| Action::Break(at, keep)),
            );
        }
        let repeatable = |e: &Envelope| !matches!(e.content, Content::Message(Message::Hello(_)));
        if self.budget.duplicates > 0
            && self.late.len() < MAX_LATE
            && queue.front().is_some_and(repeatable)
        {
            actions.push(Action::Duplicate(at));
        }
    }

    pub fn step(&mut self, action: Action) {
        self.act(action);
        if self.rules.eager {
            self.hurry();
        }
    }

    /// What needs no choice: a broken link is noticed, and where no crash can come any more the disk is
    /// as fast as the processor.
    fn hurry(&mut self) {
        let disk_matters = self.budget.crashes > 0 || self.budget.wipes > 0;
        for at in 0..2 {
            if !self.nodes[at].is_awake() {
                continue;
            }
            if self.links[at] == Link::Lost {
                self.notice(at);
            }
            let journal = &self.nodes[at].journal;
            if !disk_matters && journal.synced < journal.len() {
                self.fsync(at);
            }
            self.survey(at);
        }
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Dial(at) => self.dial(at),
            Action::Notice(at) => self.notice(at),
            Action::Deliver(at) => self.deliver(at),
            Action::DeliverLate(nth) => self.deliver_late(nth),
            Action::Break(at, keep) => {
                self.budget.breaks = self.budget.breaks.saturating_sub(1);
                self.break_link(at, keep);
            }
            Action::Duplicate(at) => self.duplicate(at),
            Action::Fsync(at) => self.fsync(at),
            Action::Tick(at) => self.input(at, Input::Tick),
            Action::Timeout(at) => {
                self.budget.timeouts = self.budget.timeouts.saturating_sub(1);
                self.wait(at);
            }
            Action::Ask(at) => self.append_from(at),
            Action::Write(at) => {
                self.budget.writes = self.budget.writes.saturating_sub(1);
                self.write(at);
            }
            Action::Read(at) => {
                self.budget.reads = self.budget.reads.saturating_sub(1);
                self.read(at);
            }
            Action::Crash(at) => {
                self.budget.crashes = self.budget.crashes.saturating_sub(1);
                self.crash(at);
            }
            Action::Wipe(at) => {
                self.budget.wipes = self.budget.wipes.saturating_sub(1);
                self.wipe(at);
            }
            Action::Restart(at) => self.restart(at),
            Action::Pause(at) => {
                self.budget.pauses = self.budget.pauses.saturating_sub(1);
                self.set_paused(at, true);
            }
            Action::Resume(at) => self.set_paused(at, false),
            Action::HandOver(at) => {
                self.budget.handovers = self.budget.handovers.saturating_sub(1);
                if let Some(process) = &mut self.nodes[at].process {
                    process.ending = true;
                }
                self.input(at, Input::HandOver);
            }
            Action::Promote(at) => {
                self.budget.overrides = self.budget.overrides.saturating_sub(1);
                self.input(at, Input::Promote);
            }
            Action::Run(nth) => self.run_errand(nth),
            Action::RunInVain(nth) => {
                self.budget.losses = self.budget.losses.saturating_sub(1);
                self.run_in_vain(nth);
            }
            Action::Survey(at) => self.survey(at),
            Action::Replace(worker) => {
                self.budget.restarts = self.budget.restarts.saturating_sub(1);
                self.replace_worker(worker);
            }
        }
    }

    /// A refused port is a dead process: loopback.
    fn dial(&mut self, at: usize) {
        let Some(other) = &self.nodes[1 - at].process else {
            let input =
                if self.rules.loopback { Input::PeerRefused } else { Input::PeerUnreachable };
            self.input(at, input);
            return;
        };
        let (peer, hello) = (other.role.sender(), other.role.hello(&self.nodes[1 - at].journal));
        let node = &mut self.nodes[at];
        let Some(process) = &mut node.process else { return };
        process.sent = None;
        let ours = Message::Hello(process.role.hello(&node.journal));
        let greeting = Envelope { from: process.role.sender(), content: Content::Message(ours) };
        let at_once = self.rules.eager && self.nodes[1 - at].is_awake();
        let queue = if at_once { VecDeque::new() } else { VecDeque::from([greeting.clone()]) };
        self.links[at] = Link::Up { to: peer.process, queue };
        if at_once {
            self.receive(1 - at, greeting);
        }
        self.input(at, Input::Dialed { peer, hello });
    }

    fn notice(&mut self, at: usize) {
        self.links[at] = Link::Down;
        if let Some(process) = &mut self.nodes[at].process {
            process.sent = None;
        }
        self.input(at, Input::DialLost);
    }

    fn deliver(&mut self, at: usize) {
        if let Link::Up { queue, .. } = &mut self.links[at]
            && let Some(envelope) = queue.pop_front()
        {
            self.receive(1 - at, envelope);
        }
    }

    fn deliver_late(&mut self, nth: usize) {
        let Some(late) = self.late.get_mut(nth) else { return };
        let (to, first) = (late.to, late.queue.pop_front());
        if late.queue.is_empty() {
            self.late.remove(nth);
        }
        if let Some(envelope) = first {
            self.receive(to, envelope);
        }
    }

    /// The first `keep` messages are with the other side already.
    pub fn break_link(&mut self, at: usize, keep: usize) {
        if let Link::Up { queue, .. } = std::mem::replace(&mut self.links[at], Link::Lost) {
            let queue: VecDeque<_> = queue.into_iter().take(keep).collect();
            if !queue.is_empty() && self.nodes[1 - at].process.is_some() {
                self.late.push(Late { to: 1 - at, queue });
            }
        }
    }

    fn duplicate(&mut self, at: usize) {
        self.budget.duplicates = self.budget.duplicates.saturating_sub(1);
        if let Link::Up { queue, .. } = &self.links[at]
            && let Some(first) = queue.front()
        {
            self.late.push(Late { to: 1 - at, queue: VecDeque::from([first.clone()]) });
        }
    }

    fn fsync(&mut self, at: usize) {
        let journal = &mut self.nodes[at].journal;
        journal.synced = journal.len();
        let index = Index(journal.synced as u64);
        self.input(at, Input::Durable { index });
    }

    /// Long enough for a proposer to lose its patience.
    pub fn wait(&mut self, at: usize) {
        if let Some(process) = &mut self.nodes[at].process {
            process.now += PATIENCE;
        }
        self.input(at, Input::Tick);
    }

    pub fn crash(&mut self, at: usize) {
        self.nodes[at].crash();
        self.forget_errands_to(at);
        self.late.retain(|late| late.to != at);
        // All that it sent may still arrive, or nothing: what the other one has in hand is its own.
        let keep = usize::MAX;
        self.break_link(at, keep);
        self.links[at] = Link::Down;
        if matches!(self.links[1 - at], Link::Up { .. }) {
            self.links[1 - at] = Link::Lost;
        }
    }

    /// The machine is replaced: the same address, another node.
    pub fn wipe(&mut self, at: usize) {
        self.crash(at);
        let node = self.nodes[at].node;
        self.nodes[at] = Node::new(NodeId(node.0 + 10));
    }

    pub fn restart(&mut self, at: usize) {
        let (rules, preferred) = (self.rules, self.rules.preferred[at]);
        self.nodes[at].start(&rules, preferred);
        if rules.eager {
            self.input(at, Input::Tick);
        }
    }

    pub fn set_paused(&mut self, at: usize, paused: bool) {
        if let Some(process) = &mut self.nodes[at].process {
            process.paused = paused;
        }
    }
}
