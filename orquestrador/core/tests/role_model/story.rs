//! What scripted stories need: a pair, a cut, chosen witnesses, and a rule left out.

use orquestrador_core::role::{Input, Mutation};

use super::witness::Errand;
use super::{Action, Budget, Link, Rules, World};

pub const A: usize = 0;
pub const B: usize = 1;

/// Enough for a proposer that must outbid another.
const ATTEMPTS: usize = 4;

/// Both on one machine, no witnesses.
pub fn loopback() -> Rules {
    Rules::default()
}

/// Two machines, three workers.
pub fn witnessed() -> Rules {
    Rules { loopback: false, workers: 3, ..Rules::default() }
}

/// With the rule the story ends well; without it exactly this goes wrong.
#[track_caller]
pub fn needs(mutation: Mutation, wrong: &str, story: impl Fn(Option<Mutation>) -> World) {
    let kept = story(None);
    assert_eq!(kept.violation, None, "{}", kept.describe());
    let broken = story(Some(mutation));
    assert_eq!(broken.violation.as_deref(), Some(wrong), "{}", broken.describe());
}

/// With the rule some node commits again after the story; without it nobody does, ever.
#[track_caller]
pub fn deadlocks_without(mutation: Mutation, story: impl Fn(Option<Mutation>) -> World) {
    let (healed, verdict) = story(None).healed();
    assert_eq!(verdict, Ok(()), "{}", healed.describe());
    let (stuck, verdict) = story(Some(mutation)).healed();
    assert!(verdict.is_err(), "{}", stuck.describe());
    assert_eq!(stuck.violation, None, "it waits, and does nothing wrong");
}

impl World {
    /// Nothing is started yet.
    pub fn cluster(rules: Rules) -> Self {
        let mut world = Self::new(rules);
        world.budget = Budget { views: u64::MAX, ..Budget::default() };
        world
    }

    /// Both started, met, and grown to a view of two, of which node A is principal.
    pub fn pair(rules: Rules) -> Self {
        let mut world = Self::cluster(rules);
        world.restart(A);
        world.restart(B);
        world.settle();
        assert!(world.nodes[A].is_serving(), "{}", world.describe());
        assert_eq!(world.newest(A), 2, "{}", world.describe());
        assert_eq!(world.newest(B), 2, "{}", world.describe());
        world
    }

    /// The number of the newest view that the node knows.
    pub fn newest(&self, at: usize) -> u64 {
        self.nodes[at].newest().map_or(0, |view| view.number.0)
    }

    /// Answers that the node holds back.
    pub fn unanswered(&self, at: usize) -> usize {
        self.nodes[at].process.as_ref().map_or(0, |process| process.pending.len())
    }

    /// Both links break, and with them is lost what they carried.
    pub fn cut(&mut self) {
        for at in [A, B] {
            if matches!(self.links[at], Link::Up { .. }) {
                self.break_link(at, 0);
            }
            if self.nodes[at].is_awake() && self.links[at] == Link::Lost {
                self.step(Action::Notice(at));
            }
        }
    }

    /// All that is on the link which this node dialled arrives, and what that adds to it.
    pub fn deliver_all(&mut self, from: usize) {
        while matches!(&self.links[from], Link::Up { queue, .. } if !queue.is_empty()) {
            self.step(Action::Deliver(from));
        }
    }

    /// What travels between the nodes and these workers arrives, in order; to others nothing does.
    pub fn consult(&mut self, workers: &[usize]) {
        while let Some(nth) = self.errand_of(workers, |_| true) {
            self.step(Action::Run(nth));
        }
    }

    /// These workers are asked; what they answer is lost.
    pub fn ask_in_vain(&mut self, workers: &[usize]) {
        let is_inquiry = |errand: &Errand| matches!(errand, Errand::Inquiry { .. });
        while let Some(nth) = self.errand_of(workers, is_inquiry) {
            self.step(Action::Run(nth));
        }
        self.errands.clear();
    }

    fn errand_of(&self, workers: &[usize], which: impl Fn(&Errand) -> bool) -> Option<usize> {
        let is_chosen = |errand: &Errand| {
            workers.iter().any(|w| self.workers[*w].incarnation == errand.worker())
        };
        self.errands.iter().position(|errand| which(errand) && is_chosen(errand))
    }

    /// These workers promise; nobody has accepted yet what the node then asks to accept.
    pub fn consult_until_accepting(&mut self, at: usize, workers: &[usize]) {
        while self.nodes[at].durable.acceptor.accepted.is_none() {
            let Some(nth) = self.errand_of(workers, |_| true) else { return };
            self.step(Action::Run(nth));
        }
    }

    /// The node loses its patience, again and again, and consults these workers; to others nothing gets.
    pub fn challenge(&mut self, at: usize, workers: &[usize]) {
        for _ in 0..ATTEMPTS {
            self.wait(at);
            self.consult(workers);
            self.errands.clear();
        }
    }

    /// What the node has appended is fsynced, and what that allows it to append.
    pub fn sync(&mut self, at: usize) {
        while self.nodes[at].journal.synced < self.nodes[at].journal.len() {
            self.step(Action::Fsync(at));
        }
    }

    /// A client's task, fsynced here.
    pub fn write_here(&mut self, at: usize) {
        self.write(at);
        self.sync(at);
    }

    /// The disk is replaced, and the node keeps its name, from which all its other names come: what no node does.
    pub fn wipe_but_for_its_name(&mut self, at: usize) {
        let node = self.nodes[at].node;
        self.wipe(at);
        self.nodes[at].node = node;
    }

    /// The port refuses a connection.
    pub fn refuse(&mut self, at: usize) {
        self.input(at, Input::PeerRefused);
    }
}
