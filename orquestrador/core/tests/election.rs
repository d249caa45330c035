//! The rules of an office that etcd gives: E1–E7 of `docs/etcd.md`.

use orquestrador_core::election::{Effect, Election, Fence, Holder, Input, Timing};
use orquestrador_core::ids::{ClusterId, Epoch, Index, NodeId, ProcessId, ViewNumber};
use orquestrador_core::role::{
    Durable, EntryHash, EntryId, Failover, Identity, Notice, Standing, View,
};

const CLUSTER: ClusterId = ClusterId(7);

fn identity(node: u128, preferred: bool) -> Identity {
    Identity {
        node: NodeId(node),
        process: ProcessId(10 * node),
        preferred,
        fresh_cluster: CLUSTER,
        loopback: true,
    }
}

fn entry(index: u64) -> EntryId {
    EntryId { index: Index(index), epoch: Epoch(1), hash: EntryHash([1; 32]) }
}

fn holder(node: u128, fence: i64) -> Holder {
    let (node, process) = (NodeId(node), ProcessId(10 * node));
    Holder { fence: Fence(fence), node, process, is_leaving: false, is_ending: false }
}

/// One node, what it appended, and what it was told to do.
struct Bench {
    election: Election,
    now: u64,
    last: EntryId,
    done: Vec<Effect>,
}

impl Bench {
    fn new(preferred: bool, stored: u64) -> Self {
        let durable = Durable::default();
        let election = Election::new(
            identity(1, preferred),
            Timing::default(),
            durable,
            Index(stored),
            ViewNumber(0),
        );
        Self { election, now: 0, last: entry(stored), done: Vec::new() }
    }

    /// In a cluster whose log ends where this node's journal does; nobody holds the office.
    fn joined(stored: u64) -> Self {
        let mut bench = Self::new(true, stored);
        bench.take(Input::Cluster(CLUSTER));
        bench.take(Input::Tip(Index(stored)));
        bench
    }

    fn take(&mut self, input: Input) -> Vec<Effect> {
        let mut effects = Vec::new();
        self.election.handle(self.now, input, self.last, &mut effects);
        for effect in &effects {
            if matches!(effect, Effect::AppendRecord(_)) {
                self.last = entry(self.last.index.0 + 1);
            }
        }
        self.done.extend(effects.iter().cloned());
        effects
    }

    fn heard(&mut self, revision: i64, holder: Option<Holder>) -> Vec<Effect> {
        self.take(Input::Heard { revision, holder })
    }

    /// Principal, with the record of its view in the log.
    fn serving(stored: u64) -> Self {
        let mut bench = Self::joined(stored);
        assert!(bench.heard(1, None).contains(&Effect::Campaign));
        bench.take(Input::Won { fence: Fence(2), tip: entry(stored) });
        let served = bench.take(Input::Stored(Index(stored + 1)));
        assert!(served.iter().any(|e| matches!(e, Effect::Serve { .. })), "{served:?}");
        bench
    }
}

#[test]
fn a_vacant_office_is_tried_for_once_at_a_time() {
    let mut bench = Bench::joined(5);
    assert_eq!(bench.heard(1, None), [Effect::Campaign]);
    assert_eq!(bench.take(Input::Tick), []);
    bench.take(Input::NotWon);
    assert_eq!(bench.take(Input::Tick), [], "not at once");
    bench.now += Timing::default().retry_ms;
    assert_eq!(bench.take(Input::Tick), [Effect::Campaign]);
}

#[test]
fn whoever_is_not_preferred_lets_others_found() {
    let mut bench = Bench::new(false, 0);
    bench.take(Input::Cluster(CLUSTER));
    bench.take(Input::Tip(Index(0)));
    assert_eq!(bench.heard(1, None), []);
    bench.now += Timing::default().courtesy_ms;
    assert_eq!(bench.take(Input::Tick), [Effect::Campaign]);
}

#[test]
fn whoever_is_far_behind_lets_others_try_first() {
    let mut bench = Bench::new(true, 5);
    bench.take(Input::Cluster(CLUSTER));
    bench.take(Input::Tip(Index(1_000)));
    assert_eq!(bench.heard(1, None), []);
    assert_eq!(bench.election.standing(), Standing::Unfounded);
    bench.now += Timing::default().patience_ms;
    assert_eq!(bench.take(Input::Tick), [Effect::Campaign]);
}

#[test]
fn nobody_tries_while_etcd_is_silent_or_before_it_belongs_to_a_cluster() {
    let mut stranger = Bench::new(true, 0);
    assert_eq!(stranger.heard(1, None), []);
    let mut bench = Bench::joined(5);
    bench.take(Input::Silent);
    bench.heard(1, Some(holder(2, 1)));
    bench.take(Input::Silent);
    assert_eq!(bench.election.standing(), Standing::Waiting);
    assert_eq!(bench.take(Input::Tick), []);
}

#[test]
fn service_begins_when_the_record_of_the_view_is_in_the_log_after_all_that_was_there() {
    let mut bench = Bench::joined(5);
    bench.heard(1, None);
    // Another one added two entries before the office was ours.
    assert_eq!(bench.take(Input::Won { fence: Fence(9), tip: entry(7) }), []);
    assert_eq!(bench.election.standing(), Standing::Elected);
    bench.last = entry(6);
    assert_eq!(bench.take(Input::Stored(Index(6))), []);
    bench.last = entry(7);
    let led = bench.take(Input::Stored(Index(7)));
    assert_eq!(led[0], Effect::Lead { fence: Fence(9), after: entry(7) });
    assert!(matches!(&led[1], Effect::AppendRecord(view) if view.epoch == Epoch(2)));
    assert_eq!(bench.election.epoch(), Epoch(2), "its entries are of the new epoch");
    assert_eq!(bench.take(Input::Tick), []);
    let served = bench.take(Input::Stored(Index(8)));
    assert!(served.contains(&Effect::Serve { epoch: Epoch(2) }));
    assert_eq!(bench.election.committed(), Index(8));
}

#[test]
fn each_principal_has_a_higher_epoch_than_the_one_before() {
    let view = View {
        number: ViewNumber(4),
        epoch: Epoch(8),
        principal_node: NodeId(2),
        principal_process: ProcessId(20),
        replicas: Vec::new(),
        witnesses: Vec::new(),
        forced: false,
    };
    // Whoever comes when nobody is there has seen nobody fail.
    for has_met_it in [false, true] {
        let mut bench = Bench::joined(5);
        bench.take(Input::Recorded(view.clone()));
        if has_met_it {
            bench.heard(1, Some(holder(2, 1)));
        }
        bench.heard(2, None);
        let told = bench.take(Input::Won { fence: Fence(3), tip: entry(5) });
        let is_takeover = told.contains(&Effect::Notice(Notice::TakingOver));
        assert_eq!((bench.election.epoch(), is_takeover), (Epoch(9), has_met_it));
    }
}

#[test]
fn the_office_is_over_when_its_key_is_another_one() {
    for news in [None, Some(holder(2, 5)), Some(holder(1, 5))] {
        let mut bench = Bench::serving(5);
        assert!(bench.heard(6, news.clone()).contains(&Effect::StepDown), "{news:?}");
        assert_ne!(bench.election.standing(), Standing::Principal);
    }
    let mut bench = Bench::serving(5);
    let before = bench.done.len();
    bench.heard(1, None);
    bench.heard(3, Some(holder(1, 2)));
    assert_eq!(bench.done.len(), before, "old news, or its own");
    bench.take(Input::Silent);
    assert_eq!(bench.election.standing(), Standing::Principal, "silence proves nothing");
}

#[test]
fn a_refused_write_ends_the_office_it_was_made_in_and_no_other() {
    let mut bench = Bench::serving(5);
    assert_eq!(bench.take(Input::Deposed { fence: Fence(1) }), []);
    assert!(bench.take(Input::Deposed { fence: Fence(2) }).contains(&Effect::StepDown));
    assert_eq!(bench.take(Input::Deposed { fence: Fence(2) }), []);
    assert_eq!(bench.take(Input::Tick), [], "who has it now is not known yet");
}

#[test]
fn a_question_is_answered_in_the_office_in_which_it_was_asked() {
    let mut bench = Bench::serving(5);
    assert_eq!(bench.take(Input::Confirmed { fence: Fence(1), nonce: 3 }), []);
    let fence = Fence(2);
    assert_eq!(bench.take(Input::Confirmed { fence, nonce: 4 }), [Effect::Word { nonce: 4 }]);
}

#[test]
fn the_office_is_given_back_when_all_that_was_appended_is_in_the_log() {
    let mut bench = Bench::serving(5);
    bench.last = entry(8);
    assert_eq!(bench.take(Input::HandOver), []);
    assert!(bench.election.is_handing_over());
    assert_eq!(bench.take(Input::Stored(Index(8))), [Effect::Resign(Fence(2))]);
    assert_eq!(bench.take(Input::Tick), [], "once");
    assert!(bench.heard(9, None).contains(&Effect::StepDown));
    assert_eq!(bench.take(Input::Tick), [], "somebody else takes it");
    bench.now += Timing::default().abstinence_ms;
    assert_eq!(bench.take(Input::Tick), [Effect::Campaign]);
}

#[test]
fn who_lost_a_campaign_does_not_hold_the_office_that_it_hears_of_late() {
    let mut bench = Bench::joined(5);
    bench.heard(1, None);
    bench.heard(8, Some(holder(2, 8)));
    assert_eq!(bench.take(Input::Won { fence: Fence(4), tip: entry(5) }), []);
    assert_eq!(bench.election.standing(), Standing::Standby);
}

/// The record of the newest view is no longer in the log, and the snapshot that stands for it has no views.
#[test]
fn epochs_and_views_go_on_where_a_snapshot_stands_for_all_records() {
    let mut bench = Bench::joined(0);
    bench.take(Input::Tip(Index(50)));
    bench.take(Input::Replaced { index: Index(50), recorded: ViewNumber(6) });
    bench.last = EntryId { epoch: Epoch(9), ..entry(50) };
    bench.heard(1, None);
    let led = bench.take(Input::Won { fence: Fence(2), tip: bench.last });
    let record = led.iter().find_map(|effect| match effect {
        Effect::AppendRecord(view) => Some((view.number, view.epoch)),
        _ => None,
    });
    assert_eq!(record, Some((ViewNumber(7), Epoch(10))));
}

#[test]
fn only_whoever_has_read_the_log_up_to_near_its_end_is_a_successor() {
    let mut bench = Bench::new(true, 5);
    bench.take(Input::Cluster(CLUSTER));
    assert!(!bench.election.is_near(), "where it ends is not known");
    bench.take(Input::Tip(Index(1_000)));
    let slack = Timing::default().slack;
    bench.take(Input::Stored(Index(999 - slack)));
    assert!(!bench.election.is_near());
    bench.take(Input::Stored(Index(1_000 - slack)));
    assert!(bench.election.is_near());
    bench.take(Input::Tip(Index(2_000)));
    assert!(!bench.election.is_near(), "it was away");

    let bench = Bench::serving(5);
    assert_eq!(bench.election.failover(0), Failover::EngineAlone);
    assert_eq!(bench.election.failover(1), Failover::ByEngine);
}
