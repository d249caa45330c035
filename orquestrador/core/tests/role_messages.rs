//! One role machine and single messages: what it refuses, and what it answers.

use orquestrador_core::ids::{ClusterId, Epoch, Index, NodeId, ProcessId, ViewNumber};
use orquestrador_core::role::{
    Acceptor, Append, Ballot, Durable, Effect, EntryHash, EntryId, EntrySummary, Hello, Identity,
    Input, Log, Message, Replica, Role, Sender, Timing, View,
};

const CLUSTER: ClusterId = ClusterId(7);
const ME: NodeId = NodeId(1);
const MY_PROCESS: ProcessId = ProcessId(10);
const OTHER: NodeId = NodeId(2);
const OTHER_PROCESS: ProcessId = ProcessId(20);

/// A journal whose entries below the floor are pruned.
#[derive(Default)]
struct Pruned {
    floor: EntryId,
    entries: Vec<EntrySummary>,
}

impl Log for Pruned {
    fn last(&self) -> EntryId {
        self.entries.last().map_or(self.floor, |entry| entry.id)
    }

    fn id_at(&self, index: Index) -> Option<EntryId> {
        let kept = self.entries.iter().map(|entry| entry.id);
        [self.floor].into_iter().chain(kept).find(|id| id.index == index)
    }

    fn floor(&self) -> Index {
        self.floor.index
    }

    fn record(&self, from: ViewNumber, to: ViewNumber) -> Option<Index> {
        let is_it = |view: &View| (from..=to).contains(&view.number);
        let newest = self.entries.iter().rev().find(|e| e.record.as_ref().is_some_and(is_it))?;
        Some(newest.id.index)
    }
}

/// Histories of different names have different hashes.
fn id(index: u64, history: u8) -> EntryId {
    EntryId { index: Index(index), epoch: Epoch(1), hash: EntryHash([history; 32]) }
}

/// Entries `after + 1` to `last` of one history, above a floor at `after`.
fn journal(after: u64, last: u64, history: u8) -> Pruned {
    let floor = if after == 0 { EntryId::default() } else { id(after, history) };
    let entries = (after + 1..=last)
        .map(|index| EntrySummary { id: id(index, history), record: None })
        .collect();
    Pruned { floor, entries }
}

fn view(number: u64, principal: NodeId, replicas: &[NodeId]) -> View {
    let process = if principal == ME { MY_PROCESS } else { OTHER_PROCESS };
    let replicas =
        replicas.iter().map(|node| Replica { node: *node, since: ViewNumber(1) }).collect();
    View {
        number: ViewNumber(number),
        epoch: Epoch(number),
        principal_node: principal,
        principal_process: process,
        replicas,
        witnesses: Vec::new(),
        forced: false,
    }
}

fn other() -> Sender {
    Sender { node: OTHER, process: OTHER_PROCESS, cluster: Some(CLUSTER) }
}

/// A role machine on a disk that knows this view, and its journal.
struct Node {
    role: Role,
    log: Pruned,
    now: u64,
}

impl Node {
    fn knowing(newest: View, log: Pruned) -> Self {
        let me = Identity {
            node: ME,
            process: MY_PROCESS,
            preferred: true,
            fresh_cluster: CLUSTER,
            loopback: true,
        };
        let acceptor = Acceptor { view: newest.number, ..Acceptor::default() };
        let durable = Durable { cluster: Some(CLUSTER), newest: Some(newest), acceptor };
        let role = Role::new(me, Timing::default(), durable, log.last().index, Index(0));
        Self { role, log, now: 0 }
    }

    /// Principal of a single view, serving.
    fn principal(log: Pruned) -> Self {
        let mut node = Self::knowing(view(1, ME, &[ME]), log);
        for effect in node.take(Input::Tick) {
            if let Effect::AppendRecord(record) = effect {
                let next = node.log.last().index.next();
                let entry = EntrySummary { id: id(next.0, 99), record: Some(record) };
                node.log.entries.push(entry);
            }
        }
        let index = node.log.last().index;
        let served = node.take(Input::Durable { index });
        assert!(served.contains(&Effect::Serve { epoch: Epoch(2) }), "{served:?}");
        node
    }

    fn take(&mut self, input: Input) -> Vec<Effect> {
        let mut effects = Vec::new();
        self.role.handle(self.now, input, &self.log, &mut effects);
        effects
    }

    fn hear(&mut self, message: Message) -> Vec<Effect> {
        self.take(Input::Message { from: other(), message })
    }

    fn meet(&mut self, newest: View, last: EntryId) -> Vec<Effect> {
        let hello = Hello { newest: Some(newest), last, may_found: false };
        self.take(Input::Dialed { peer: other(), hello })
    }

    /// The other one has this journal: answers all probes, and gives the effects that end the search.
    fn be_searched(&mut self, follower: &Pruned, first: Vec<Effect>) -> Vec<Effect> {
        let mut effects = first;
        for _ in 0..64 {
            let Some(index) = probed(&effects) else { return effects };
            let within = index.max(follower.floor()).min(follower.last().index);
            let entry = follower.id_at(within).expect("within the journal");
            effects = self.hear(Message::ProbeReply { view: ViewNumber(2), entry });
        }
        panic!("the search does not end: {effects:?}");
    }
}

fn probed(effects: &[Effect]) -> Option<Index> {
    effects.iter().find_map(|effect| match effect {
        Effect::Send(Message::Probe { index, .. }) => Some(*index),
        _ => None,
    })
}

fn sent(effects: &[Effect]) -> Vec<&Message> {
    effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Send(message) => Some(message),
            _ => None,
        })
        .collect()
}

fn word_of(effects: &[Effect]) -> Option<bool> {
    sent(effects).into_iter().find_map(|message| match message {
        Message::AppendAck { word, .. } => Some(*word),
        _ => None,
    })
}

fn ballot(round: u64) -> Ballot {
    Ballot { round, process: OTHER_PROCESS }
}

fn question(of: &View, previous: EntryId, nonce: u64) -> Message {
    Message::Append(Append {
        view: of.clone(),
        previous,
        entries: Vec::new(),
        commit: Index(0),
        nonce,
    })
}

// ---- Registers. ----

#[test]
fn a_register_that_is_over_is_refused_with_the_newest_view() {
    let newest = view(3, OTHER, &[ME, OTHER]);
    let mut node = Node::knowing(newest.clone(), journal(0, 3, 1));
    let old = view(2, OTHER, &[ME, OTHER]);
    let effects = node.hear(Message::Prepare { view: old, ballot: ballot(1) });
    assert_eq!(sent(&effects), [&Message::Newest { view: newest }]);
    assert_eq!(node.role.durable().acceptor.promised, None);
}

#[test]
fn a_promise_is_on_disk_before_it_is_given_and_outbids_lower_ones() {
    let newest = view(2, OTHER, &[ME, OTHER]);
    let mut node = Node::knowing(newest.clone(), journal(0, 3, 1));
    let effects = node.hear(Message::Prepare { view: newest.clone(), ballot: ballot(5) });
    let disk = effects
        .iter()
        .position(|e| matches!(e, Effect::Persist(d) if d.acceptor.promised == Some(ballot(5))));
    let answer = effects.iter().position(|e| matches!(e, Effect::Send(Message::Promise { .. })));
    assert!(disk.is_some() && disk < answer, "{effects:?}");
    let lower = node.hear(Message::Prepare { view: newest.clone(), ballot: ballot(4) });
    assert_eq!(sent(&lower), [&Message::Nack { view: newest.number, highest_round: 5 }]);
    let proposed = view(3, OTHER, &[OTHER]);
    let accept = Message::Accept { view: newest.clone(), ballot: ballot(4), proposed };
    assert_eq!(
        sent(&node.hear(accept)),
        [&Message::Nack { view: newest.number, highest_round: 5 }]
    );
}

#[test]
fn who_is_not_in_the_view_does_not_vote() {
    let newest = view(2, OTHER, &[OTHER]);
    let mut node = Node::knowing(newest.clone(), journal(0, 3, 1));
    assert_eq!(node.hear(Message::Prepare { view: newest, ballot: ballot(1) }), []);
}

#[test]
fn a_foreign_cluster_is_not_heard() {
    let newest = view(2, OTHER, &[ME, OTHER]);
    let mut node = Node::knowing(newest.clone(), journal(0, 3, 1));
    let from = Sender { cluster: Some(ClusterId(8)), ..other() };
    let message = Message::Prepare { view: newest, ballot: ballot(1) };
    assert_eq!(node.take(Input::Message { from, message }), []);
}

// ---- The word (V2). ----

#[test]
fn the_word_echoes_the_question_and_is_refused_after_a_promise() {
    let newest = view(2, OTHER, &[ME, OTHER]);
    let mut node = Node::knowing(newest.clone(), journal(0, 3, 1));
    let effects = node.hear(question(&newest, id(3, 1), 9));
    let ack = Message::AppendAck { view: newest.number, durable: id(3, 1), nonce: 9, word: true };
    assert_eq!(sent(&effects), [&ack]);
    node.hear(Message::Prepare { view: newest.clone(), ballot: ballot(1) });
    assert_eq!(word_of(&node.hear(question(&newest, id(3, 1), 10))), Some(false));
}

#[test]
fn a_learner_gives_no_word() {
    let newest = view(2, OTHER, &[OTHER]);
    let mut node = Node::knowing(newest.clone(), journal(0, 3, 1));
    assert_eq!(word_of(&node.hear(question(&newest, id(3, 1), 9))), Some(false));
}

#[test]
fn a_question_of_an_earlier_view_or_process_gets_no_word() {
    let newest = view(3, OTHER, &[ME, OTHER]);
    let mut node = Node::knowing(newest.clone(), journal(0, 3, 1));
    let earlier = node.hear(question(&view(2, OTHER, &[ME, OTHER]), id(3, 1), 9));
    assert_eq!(sent(&earlier), [&Message::Newest { view: newest.clone() }]);
    let from = Sender { process: ProcessId(19), ..other() };
    let message = question(&newest, id(3, 1), 9);
    assert_eq!(node.take(Input::Message { from, message }), []);
}

// ---- Entries. ----

#[test]
fn a_message_with_a_hole_is_dropped() {
    let newest = view(2, OTHER, &[ME, OTHER]);
    let mut node = Node::knowing(newest.clone(), journal(0, 3, 1));
    let append = |index| Append {
        view: newest.clone(),
        previous: id(3, 1),
        entries: vec![EntrySummary { id: id(index, 1), record: None }],
        commit: Index(0),
        nonce: 0,
    };
    assert_eq!(node.hear(Message::Append(append(0))), []);
    assert_eq!(node.hear(Message::Append(append(5))), []);
    let stored = node.hear(Message::Append(append(4)));
    assert!(stored.contains(&Effect::Store { keep: None, skip: 0 }), "{stored:?}");
}

#[test]
fn entries_from_before_the_floor_truncate_nothing() {
    let newest = view(2, OTHER, &[ME, OTHER]);
    let mut node = Node::knowing(newest.clone(), journal(10, 12, 1));
    let late = Append {
        view: newest,
        previous: EntryId::default(),
        entries: journal(0, 3, 1).entries,
        commit: Index(0),
        nonce: 0,
    };
    let effects = node.hear(Message::Append(late));
    assert!(!effects.iter().any(|e| matches!(e, Effect::Store { .. })), "{effects:?}");
}

#[test]
fn a_divergent_tail_is_set_aside_from_where_the_hashes_part() {
    let newest = view(2, OTHER, &[ME, OTHER]);
    let mut log = journal(0, 3, 1);
    log.entries.extend(journal(3, 6, 8).entries);
    let mut node = Node::knowing(newest.clone(), log);
    let append = Append {
        view: newest,
        previous: id(2, 1),
        entries: journal(2, 5, 1).entries,
        commit: Index(0),
        nonce: 0,
    };
    let effects = node.hear(Message::Append(append));
    assert!(effects.contains(&Effect::Store { keep: Some(Index(3)), skip: 1 }), "{effects:?}");
}

// ---- Finding where histories part. ----

#[test]
fn the_search_finds_the_last_common_entry() {
    for common in 0..=12 {
        let mut node = Node::principal(journal(0, 12, 1));
        let mut follower = journal(0, common, 1);
        follower.entries.extend(journal(common, 15, 8).entries);
        let newest = node.role.newest().cloned().expect("elected");
        let first = node.meet(newest, follower.last());
        let found = node.be_searched(&follower, first);
        let after = node.log.id_at(Index(common)).expect("is there");
        assert!(found.contains(&Effect::Replicate { after }), "common {common}: {found:?}");
    }
}

#[test]
fn a_follower_that_only_lags_is_streamed_to_at_once() {
    let mut node = Node::principal(journal(0, 12, 1));
    let newest = node.role.newest().cloned().expect("elected");
    let effects = node.meet(newest, id(5, 1));
    assert!(effects.contains(&Effect::Replicate { after: id(5, 1) }), "{effects:?}");
}

#[test]
fn who_needs_what_is_pruned_gets_the_snapshot() {
    for (follower, why) in [
        (journal(0, 0, 1), "empty"),
        (journal(0, 5, 1), "ends below the floor"),
        (journal(0, 15, 8), "parts below the floor"),
        (journal(11, 15, 8), "its own snapshot is of another history"),
        (journal(20, 21, 8), "its own snapshot is of another history, above all of ours"),
    ] {
        let mut node = Node::principal(journal(10, 12, 1));
        let newest = node.role.newest().cloned().expect("elected");
        let first = node.meet(newest, follower.last());
        let end = node.be_searched(&follower, first);
        assert!(end.contains(&Effect::SendSnapshot), "{why}: {end:?}");
    }
}

/// A loser of an override whose own snapshot is of the losing history can follow from nothing else.
#[test]
fn a_snapshot_is_taken_for_who_needs_one_where_there_is_none() {
    let mut node = Node::principal(journal(0, 12, 1));
    let newest = node.role.newest().cloned().expect("elected");
    let follower = journal(11, 15, 8);
    let first = node.meet(newest, follower.last());
    let end = node.be_searched(&follower, first);
    assert!(end.contains(&Effect::WantSnapshot), "{end:?}");
    assert!(!end.contains(&Effect::SendSnapshot), "{end:?}");
}

/// Found by simulation: a deposed principal, with a later snapshot of its own, was sent its successor's.
#[test]
fn a_greeting_as_old_as_its_link_brings_no_snapshot() {
    for follower in [journal(0, 12, 1), journal(12, 12, 1)] {
        let mut node = Node::principal(journal(10, 12, 1));
        let newest = node.role.newest().cloned().expect("elected");
        let first = node.meet(newest, id(5, 1));
        assert!(!first.contains(&Effect::SendSnapshot), "{first:?}");
        let end = node.be_searched(&follower, first);
        assert!(end.contains(&Effect::Replicate { after: id(12, 1) }), "{end:?}");
    }
}

/// Found by simulation: chunks that a paused follower never read left it behind for ever.
#[test]
fn a_snapshot_that_did_not_arrive_is_sent_again() {
    let mut node = Node::principal(journal(10, 12, 1));
    let newest = node.role.newest().cloned().expect("elected");
    let follower = journal(0, 5, 1);
    let first = node.meet(newest, follower.last());
    assert!(node.be_searched(&follower, first).contains(&Effect::SendSnapshot));
    node.now += 1_000;
    let asked = node.take(Input::Tick);
    let question = Effect::Send(Message::Probe { view: ViewNumber(2), index: Index(10) });
    assert_eq!(asked, [question], "nothing is sent twice too soon");
    node.now += 30_000;
    assert!(node.take(Input::Tick).contains(&Effect::SendSnapshot));
    // It is there, though its acknowledgement was lost: the answer to the question says so.
    let end = node.hear(Message::ProbeReply { view: ViewNumber(2), entry: id(10, 1) });
    assert!(end.contains(&Effect::Replicate { after: id(10, 1) }), "{end:?}");
}

#[test]
fn an_answer_of_the_follower_s_earlier_process_is_not_taken() {
    let mut node = Node::principal(journal(0, 12, 1));
    let newest = node.role.newest().cloned().expect("elected");
    node.meet(newest, id(9, 8));
    let from = Sender { process: ProcessId(19), ..other() };
    let message = Message::ProbeReply { view: ViewNumber(2), entry: id(5, 1) };
    assert_eq!(node.take(Input::Message { from, message }), []);
}

#[test]
fn a_snapshot_may_replace_only_what_nobody_counts_on() {
    let learner = Node::knowing(view(2, OTHER, &[OTHER]), journal(0, 3, 1));
    assert!(learner.role.may_install_snapshot(other(), id(9, 1), &learner.log));
    assert!(!learner.role.may_install_snapshot(other(), id(3, 1), &learner.log), "has it");
    let earlier = Sender { process: ProcessId(19), ..other() };
    assert!(!learner.role.may_install_snapshot(earlier, id(9, 1), &learner.log));
    let replica = Node::knowing(view(2, OTHER, &[ME, OTHER]), journal(0, 12, 1));
    assert!(!replica.role.may_install_snapshot(other(), id(9, 8), &replica.log), "has more");
    assert!(replica.role.may_install_snapshot(other(), id(14, 1), &replica.log));
}

/// Found by simulation: a learner that lacked one entry was made a replica, and the principal restarted with a
/// snapshot that stands for that entry.
#[test]
fn a_replica_that_ends_below_the_snapshot_gets_it() {
    for (last, needs) in [(id(9, 1), true), (id(12, 1), false)] {
        let mut node = Node::principal(journal(10, 12, 1));
        node.hear(Message::Newest { view: view(3, ME, &[ME, OTHER]) });
        let newest = node.role.newest().cloned().expect("elected");
        let mut effects = node.meet(newest, last);
        node.now += 1_000;
        effects.extend(node.take(Input::Tick));
        while let Some(index) = probed(&effects) {
            let entry = if index < last.index { id(index.0, 1) } else { last };
            effects = node.hear(Message::ProbeReply { view: ViewNumber(3), entry });
        }
        assert_eq!(effects.contains(&Effect::SendSnapshot), needs, "{effects:?}");
    }
}

// ---- Acknowledgements. ----

#[test]
fn only_what_stands_here_and_was_acknowledged_in_this_epoch_counts() {
    let mut node = Node::principal(journal(0, 3, 1));
    let newest = node.role.newest().cloned().expect("elected");
    node.meet(newest.clone(), id(3, 1));
    let ack = |view: u64, durable| Message::AppendAck {
        view: ViewNumber(view),
        durable,
        nonce: 0,
        word: false,
    };
    node.hear(ack(1, id(3, 1)));
    assert_eq!(node.role.acknowledged(), Some(Index(0)), "of an earlier epoch");
    node.hear(ack(2, id(3, 8)));
    assert_eq!(node.role.acknowledged(), Some(Index(0)), "of another history");
    node.hear(ack(2, id(3, 1)));
    assert_eq!(node.role.acknowledged(), Some(Index(3)));
    assert_eq!(node.role.newest(), Some(&newest), "not grown: the record is not acknowledged");
    let record = node.log.last();
    let effects = node.hear(ack(2, record));
    assert!(effects.iter().any(|e| matches!(e, Effect::AppendRecord(v) if v.replicas.len() == 2)));
}
