//! What the shell does with inputs and effects, as the driver of the orchestrator does it.

use orquestrador_core::ids::Index;
use orquestrador_core::role::{
    Append, Effect, EntrySummary, Input, Message, Sender, Standing, View,
};

use super::node::{Journal, Pending};
use super::{Content, Envelope, Link, World};

impl World {
    /// One turn of a node.
    pub fn input(&mut self, at: usize, input: Input) {
        let in_hand = match &input {
            Input::Message { message: Message::Append(append), .. } => append.entries.clone(),
            _ => Vec::new(),
        };
        let node = &mut self.nodes[at];
        let Some(process) = &mut node.process else { return };
        let epoch = process.role.epoch();
        let mut effects = Vec::new();
        process.role.handle(process.now, input, &node.journal, &mut effects);
        let abandons = effects.contains(&Effect::AbandonHistory);
        if process.role.epoch() < epoch && !abandons {
            self.violate("an epoch went back");
        }
        // Before its consequences, which are judged by the truth that a new view may begin.
        self.watch(at);
        for effect in effects {
            self.execute(at, effect, &in_hand);
        }
        self.end_turn(at);
    }

    fn execute(&mut self, at: usize, effect: Effect, in_hand: &[EntrySummary]) {
        let node = &mut self.nodes[at];
        let Some(process) = &mut node.process else { return };
        match effect {
            Effect::Persist(durable) => node.durable = durable,
            Effect::Send(message) => self.send(at, message),
            Effect::Inquire(inquiry) => self.inquire(at, inquiry),
            Effect::AppendRecord(view) => {
                node.journal.append(view.epoch, Some(view), 0);
            }
            Effect::Store { keep, skip } => {
                if let Some(keep) = keep {
                    self.watch_truncation(at, keep.0 as usize);
                    self.nodes[at].journal.truncate(keep.0 as usize);
                }
                self.nodes[at].journal.entries.extend_from_slice(&in_hand[skip..]);
                self.watch_chain(at);
            }
            Effect::Replicate { after } => {
                process.sent = Some(after.index.0 as usize);
                process.asked = 0;
            }
            Effect::StopReplication => process.sent = None,
            Effect::SendSnapshot => self.send_snapshot(at),
            Effect::Committed(index) => self.watch_commit(at, index.0 as usize),
            Effect::Word { nonce } => process.word = process.word.max(nonce),
            Effect::Serve { .. } => self.watch_service(at),
            Effect::StepDown => process.pending.clear(),
            Effect::AbandonHistory => {
                process.pending.clear();
                node.journal.truncate(0);
            }
            // These nodes prune nothing.
            Effect::WantSnapshot | Effect::Notice(_) => {}
        }
    }

    pub fn send(&mut self, at: usize, message: Message) {
        let Some(process) = &self.nodes[at].process else { return };
        let from = process.role.sender();
        let eager = self.rules.eager;
        if let Link::Up { queue, .. } = &mut self.links[at] {
            let is_ack =
                |content: &Content| matches!(content, Content::Message(Message::AppendAck { .. }));
            let content = Content::Message(message);
            // An acknowledgement says all that the one before it said, and so does a repetition.
            let says_no_less = |before: &Envelope| {
                before.content == content || (is_ack(&before.content) && is_ack(&content))
            };
            if eager && queue.back().is_some_and(says_no_less) {
                queue.pop_back();
            }
            queue.push_back(Envelope { from, content });
        }
    }

    fn send_snapshot(&mut self, at: usize) {
        let node = &self.nodes[at];
        let Some(process) = &node.process else { return };
        let (from, Some(view)) = (process.role.sender(), process.role.newest().cloned()) else {
            return;
        };
        let committed = process.role.committed().0 as usize;
        let entries = node.journal.entries[..committed].to_vec();
        if let Link::Up { queue, .. } = &mut self.links[at] {
            queue.push_back(Envelope { from, content: Content::Snapshot { view, entries } });
        }
    }

    pub fn receive(&mut self, at: usize, envelope: Envelope) {
        let from = envelope.from;
        match envelope.content {
            Content::Message(message) => self.input(at, Input::Message { from, message }),
            Content::Snapshot { view, entries } => {
                let newest = Message::Newest { view: view.clone() };
                self.input(at, Input::Message { from, message: newest });
                self.install(at, from, view, entries);
            }
        }
    }

    fn install(&mut self, at: usize, from: Sender, view: View, entries: Vec<EntrySummary>) {
        let node = &mut self.nodes[at];
        let last = entries.last().map(|entry| entry.id).unwrap_or_default();
        let may = node
            .process
            .as_ref()
            .is_some_and(|process| process.role.may_install_snapshot(from, last, &node.journal));
        if may {
            node.journal = Journal { synced: entries.len(), entries };
            self.input(at, Input::SnapshotInstalled { from, last, view });
        }
    }

    /// New entries go out at once, and questions that no entry carries.
    pub fn end_turn(&mut self, at: usize) {
        self.pump(at);
        self.release(at);
        let waits =
            self.nodes[at].process.as_ref().is_some_and(|p| p.sent.is_some() && p.nonce > p.asked);
        if waits {
            self.append_from(at);
        }
    }

    fn pump(&mut self, at: usize) {
        let node = &self.nodes[at];
        let behind = node
            .process
            .as_ref()
            .and_then(|p| p.sent)
            .is_some_and(|sent| sent < node.journal.len());
        if behind {
            self.append_from(at);
        }
    }

    /// Sends what is not sent yet, perhaps nothing.
    pub fn append_from(&mut self, at: usize) {
        let node = &mut self.nodes[at];
        let Some(process) = &mut node.process else { return };
        let (Some(sent), Some(view)) = (process.sent, process.role.newest().cloned()) else {
            return;
        };
        if !matches!(self.links[at], Link::Up { .. }) {
            return;
        }
        let Some(previous) = node.journal.id(sent) else { return };
        let entries = node.journal.entries[sent..].to_vec();
        process.sent = Some(node.journal.len());
        process.asked = process.nonce;
        let (commit, nonce) = (process.role.committed(), process.nonce);
        self.send(at, Message::Append(Append { view, previous, entries, commit, nonce }));
    }

    /// V2.
    fn release(&mut self, at: usize) {
        loop {
            let Some(process) = &mut self.nodes[at].process else { return };
            let Some(front) = process.pending.front() else { return };
            let has_word =
                !process.role.needs_word() || front.nonce.is_none_or(|nonce| nonce <= process.word);
            if Index(front.index as u64) > process.role.committed() || !has_word {
                return;
            }
            let Some(pending) = process.pending.pop_front() else { return };
            self.watch_release(at, &pending);
        }
    }

    /// A client's task.
    pub fn write(&mut self, at: usize) {
        self.written += 1;
        let write = self.written;
        let node = &mut self.nodes[at];
        let Some(process) = &mut node.process else { return };
        node.journal.append(process.role.epoch(), None, write);
        process.pending.push_back(Pending {
            index: node.journal.len(),
            nonce: None,
            is_stale: false,
        });
        self.end_turn(at);
        self.watch(at);
    }

    /// A client's question.
    pub fn read(&mut self, at: usize) {
        let is_stale = self.lacks_acknowledged(at);
        let node = &mut self.nodes[at];
        let Some(process) = &mut node.process else { return };
        let nonce = process.role.needs_word().then(|| {
            process.nonce += 1;
            process.nonce
        });
        let index = node.journal.len();
        process.pending.push_back(Pending { index, nonce, is_stale });
        self.end_turn(at);
        self.watch(at);
    }

    /// The shell's tick asks the follower while it has something to say.
    pub fn has_question(&self, at: usize) -> bool {
        let node = &self.nodes[at];
        let Some(process) = &node.process else { return false };
        let Link::Up { queue, .. } = &self.links[at] else { return false };
        let in_office = matches!(process.role.standing(), Standing::Principal | Standing::Elected);
        let open = process
            .role
            .acknowledged()
            .is_some_and(|index| index < Index(node.journal.len() as u64))
            || process
                .pending
                .front()
                .and_then(|p| p.nonce)
                .is_some_and(|nonce| nonce > process.word);
        in_office
            && process.sent.is_some()
            && open
            && !queue
                .iter()
                .any(|envelope| matches!(envelope.content, Content::Message(Message::Append(_))))
    }
}
