//! When a role machine gives the other node up, and when it changes its witnesses. Liveness only: how long
//! it waits, and whom it does not accuse.

mod role_model;

use orquestrador_core::ids::{ClusterId, Epoch, Index, NodeId, ProcessId, ViewNumber};
use orquestrador_core::role::{
    Ballot, Candidate, Durable, Effect, Failover, Hello, Identity, Input, Inquiry, Log as _,
    Message, Replica, Role, Sender, Standing, Testimony, Timing, View,
};
use role_model::node::Journal;

const CLUSTER: ClusterId = ClusterId(7);
const ME: NodeId = NodeId(1);
const OTHER: NodeId = NodeId(2);
const OTHER_PROCESS: ProcessId = ProcessId(20);
/// Ticks and heartbeats.
const BEAT: u64 = 100;

fn timing() -> Timing {
    Timing::default()
}

fn worker(number: u128) -> ProcessId {
    ProcessId(100 + number)
}

fn other(process: ProcessId) -> Sender {
    Sender { node: OTHER, process, cluster: Some(CLUSTER) }
}

/// Both nodes and workers 1 to 3, with the other one as principal.
fn led_by_other(number: u64, process: ProcessId) -> View {
    let replica = |node| Replica { node, since: ViewNumber(1) };
    View {
        number: ViewNumber(number),
        epoch: Epoch(number),
        principal_node: OTHER,
        principal_process: process,
        replicas: vec![replica(ME), replica(OTHER)],
        witnesses: vec![worker(1), worker(2), worker(3)],
        forced: false,
    }
}

/// One role machine whose disk is fast.
struct Bench {
    role: Role,
    journal: Journal,
    now: u64,
    /// What was asked of the other replica's acknowledgements so far.
    acknowledged: usize,
}

impl Bench {
    fn new(durable: Durable, journal: Journal) -> Self {
        let me = Identity {
            node: ME,
            process: ProcessId(10),
            preferred: true,
            fresh_cluster: CLUSTER,
            loopback: false,
        };
        let synced = Index(journal.synced as u64);
        let role = Role::new(me, timing(), durable, synced, Index(0));
        let mut bench = Self { role, journal, now: 0, acknowledged: 0 };
        bench.take(Input::Tick);
        bench
    }

    /// Standby in view 2, linked to its principal.
    fn standby() -> Self {
        let newest = led_by_other(2, OTHER_PROCESS);
        let mut journal = Journal::default();
        journal.append(newest.epoch, Some(newest.clone()), 0);
        journal.synced = 1;
        let durable = Durable {
            cluster: Some(CLUSTER),
            newest: Some(newest.clone()),
            acceptor: Default::default(),
        };
        let mut bench = Self::new(durable, journal);
        let hello = Hello { newest: Some(newest), last: bench.journal.last(), may_found: false };
        bench.take(Input::Dialed { peer: other(OTHER_PROCESS), hello });
        assert_eq!(bench.role.standing(), Standing::Standby);
        bench
    }

    /// Principal of two, with these witnesses.
    fn principal(witnesses: &[u128]) -> Self {
        let mut bench = Self::new(Durable::default(), Journal::default());
        bench.take(Input::PeerUnreachable);
        bench.survey(witnesses);
        let hello = Hello { newest: None, last: Default::default(), may_found: false };
        let peer = Sender { cluster: None, ..other(OTHER_PROCESS) };
        bench.take(Input::Dialed { peer, hello });
        bench.acknowledge();
        bench.acknowledge();
        let view = bench.role.newest().expect("it has founded");
        assert_eq!(view.witnesses, witnesses.iter().map(|w| worker(*w)).collect::<Vec<_>>());
        assert_eq!((view.number, bench.role.standing()), (ViewNumber(2), Standing::Principal));
        bench
    }

    fn take(&mut self, input: Input) -> Vec<Effect> {
        let mut effects = Vec::new();
        self.role.handle(self.now, input, &self.journal, &mut effects);
        for effect in effects.clone() {
            if let Effect::AppendRecord(view) = effect {
                self.journal.append(view.epoch, Some(view), 0);
            }
        }
        if self.journal.synced < self.journal.len() {
            self.journal.synced = self.journal.len();
            let index = Index(self.journal.synced as u64);
            effects.extend(self.take(Input::Durable { index }));
        }
        effects
    }

    fn hear(&mut self, message: Message) -> Vec<Effect> {
        self.take(Input::Message { from: other(OTHER_PROCESS), message })
    }

    fn heartbeat(&mut self, uncommitted_ms: u64) -> Vec<Effect> {
        let newest = self.role.newest().cloned();
        self.hear(Message::Heartbeat { newest, uncommitted_ms })
    }

    /// The other one has fsynced so many entries.
    fn acknowledge_up_to(&mut self, len: usize) -> Vec<Effect> {
        self.acknowledged = len;
        let view = self.role.newest().map_or(ViewNumber(0), |view| view.number);
        let durable = self.journal.id(len).expect("it stands here");
        self.hear(Message::AppendAck { view, durable, nonce: 0, word: true })
    }

    fn acknowledge(&mut self) -> Vec<Effect> {
        self.acknowledge_up_to(self.journal.len())
    }

    /// A client's task.
    fn write(&mut self) {
        self.journal.append(Epoch(1), None, self.now);
        self.take(Input::Tick);
        self.journal.synced = self.journal.len();
        let index = Index(self.journal.synced as u64);
        self.take(Input::Durable { index });
    }

    fn survey(&mut self, workers: &[u128]) -> Vec<Effect> {
        self.survey_with(workers, true)
    }

    fn survey_with(&mut self, workers: &[u128], linked_to_all: bool) -> Vec<Effect> {
        let candidate = |w: &u128| Candidate {
            incarnation: worker(*w),
            host: format!("host {w}").into(),
            beside_orchestrator: false,
            linked_to_all,
        };
        self.take(Input::Candidates(workers.iter().map(candidate).collect()))
    }

    /// Time passes in ticks, each with what `happens`: how long until the witnesses are asked?
    fn asks_after(
        &mut self,
        ms: u64,
        mut happens: impl FnMut(&mut Self) -> Vec<Effect>,
    ) -> Option<u64> {
        let begin = self.now;
        while self.now < begin + ms {
            self.now += BEAT;
            let mut effects = self.take(Input::Tick);
            effects.extend(happens(self));
            if prepares(&effects) {
                return Some(self.now - begin);
            }
        }
        None
    }
}

fn prepares(effects: &[Effect]) -> bool {
    effects.iter().any(|effect| matches!(effect, Effect::Inquire(Inquiry::Prepare { .. })))
}

fn nothing(_: &mut Bench) -> Vec<Effect> {
    Vec::new()
}

/// The first tick at which more than this is over.
fn over(ms: u64) -> Option<u64> {
    Some(ms + BEAT)
}

// ---- The standby looks at the principal. ----

#[test]
fn a_principal_that_lives_is_left_alone() {
    let mut bench = Bench::standby();
    assert_eq!(bench.asks_after(60_000, |bench| bench.heartbeat(0)), None);
    assert_eq!(bench.role.standing(), Standing::Standby);
}

#[test]
fn a_silent_principal_is_given_up() {
    let mut bench = Bench::standby();
    bench.asks_after(5_000, |bench| bench.heartbeat(0));
    assert_eq!(bench.asks_after(5_000, nothing), over(timing().silence_ms));
}

#[test]
fn a_broken_link_alone_accuses_nobody() {
    let mut bench = Bench::standby();
    assert!(!prepares(&bench.take(Input::DialLost)));
    assert!(!prepares(&bench.take(Input::PeerUnreachable)));
    assert_eq!(bench.asks_after(60_000, |bench| bench.heartbeat(0)), None, "its own link lives");
    assert!(prepares(&bench.take(Input::PeerRefused)), "but a refused port does, at once");
}

#[test]
fn somebody_else_is_no_sign_of_the_principal() {
    let mut bench = Bench::standby();
    bench.take(Input::DialLost);
    let elsewhere = |bench: &mut Bench| {
        let message = Message::Heartbeat { newest: None, uncommitted_ms: 0 };
        bench.take(Input::Message { from: other(ProcessId(99)), message })
    };
    assert_eq!(bench.asks_after(5_000, elsewhere), over(timing().silence_ms));
}

#[test]
fn a_principal_whose_commits_stall_is_given_up() {
    let mut bench = Bench::standby();
    let stall_ms = timing().stall_ms;
    assert_eq!(bench.asks_after(60_000, |bench| bench.heartbeat(stall_ms)), None);
    assert_eq!(bench.asks_after(60_000, |bench| bench.heartbeat(stall_ms + 1)), Some(BEAT));
}

#[test]
fn a_new_principal_has_its_tenure() {
    let mut bench = Bench::standby();
    bench.asks_after(5_000, |bench| bench.heartbeat(0));
    let successor = led_by_other(3, ProcessId(21));
    bench.take(Input::Message {
        from: other(ProcessId(21)),
        message: Message::Newest { view: successor.clone() },
    });
    let hello = Hello { newest: Some(successor), last: bench.journal.last(), may_found: false };
    bench.take(Input::Dialed { peer: other(ProcessId(21)), hello });
    let waited = bench.asks_after(60_000, nothing);
    assert_eq!(waited, Some(timing().tenure_ms), "although it never said a word");
}

#[test]
fn who_was_stopped_accuses_nobody_when_it_wakes() {
    let mut bench = Bench::standby();
    bench.asks_after(2_000, |bench| bench.heartbeat(0));
    bench.now += 30_000;
    assert!(!prepares(&bench.take(Input::Tick)), "it was away itself");
    let left = timing().silence_ms - timing().longest_tick_ms;
    let waited = bench.asks_after(5_000, nothing).expect("the principal is silent indeed");
    assert!(waited > left, "the principal had {waited} ms to be heard");
}

#[test]
fn who_has_no_processor_now_and_then_accuses_nobody() {
    let mut bench = Bench::standby();
    for _ in 0..100 {
        bench.now += 900;
        assert!(!prepares(&bench.take(Input::Tick)));
        bench.heartbeat(0);
    }
}

#[test]
fn a_loyal_witness_is_asked_again_sooner_than_a_silent_one() {
    let wait = |is_loyal: bool| {
        let mut bench = Bench::standby();
        assert!(prepares(&bench.take(Input::PeerRefused)));
        if is_loyal {
            let testimony = Testimony::Loyal { view: ViewNumber(2) };
            bench.take(Input::Testimony { from: worker(1), testimony });
        }
        let asks = |bench: &mut Bench| {
            bench.now += 5;
            prepares(&bench.take(Input::Tick))
        };
        (1..200).find(|_| asks(&mut bench)).map(|ticks| 5 * ticks).expect("it tries again")
    };
    let (loyal, silent) = (wait(true), wait(false));
    assert!(
        loyal <= timing().loyal_retry_ms && silent > timing().loyal_retry_ms,
        "{loyal} {silent}"
    );
}

/// Found by the model: what a proposer may not accept itself, it left for others to complete.
#[test]
fn a_proposer_that_was_outbid_asks_nobody_to_accept() {
    let mut bench = Bench::standby();
    bench.take(Input::PeerRefused);
    let ballot = bench.role.durable().acceptor.promised.expect("it promised to itself");
    let higher = Ballot { round: ballot.round + 1, process: OTHER_PROCESS };
    bench.hear(Message::Prepare { view: led_by_other(2, OTHER_PROCESS), ballot: higher });
    for number in [1, 2] {
        let testimony = Testimony::Promise { view: ViewNumber(2), ballot, accepted: None };
        let effects = bench.take(Input::Testimony { from: worker(number), testimony });
        let accepts = |effect: &Effect| matches!(effect, Effect::Inquire(Inquiry::Accept { .. }));
        assert!(!effects.iter().any(accepts), "{effects:?}");
    }
}

// ---- The principal looks at its follower. ----

#[test]
fn an_idle_follower_that_answers_is_kept() {
    let mut bench = Bench::principal(&[1, 2, 3]);
    assert_eq!(bench.asks_after(60_000, Bench::acknowledge), None);
}

#[test]
fn a_silent_follower_is_given_up() {
    let mut bench = Bench::principal(&[1, 2, 3]);
    bench.asks_after(3_000, Bench::acknowledge);
    assert_eq!(bench.asks_after(5_000, nothing), over(timing().silence_ms));
}

/// Its process answers, its disk does not: an acknowledgement is judged by what it acknowledges.
#[test]
fn a_follower_that_acknowledges_without_coming_forward_is_given_up() {
    let mut bench = Bench::principal(&[1, 2, 3]);
    bench.asks_after(3_000, Bench::acknowledge);
    bench.write();
    let stuck = bench.acknowledged;
    let waited = bench.asks_after(60_000, |bench| {
        bench.heartbeat(0);
        bench.acknowledge_up_to(stuck)
    });
    assert_eq!(waited, over(timing().silence_ms));
}

#[test]
fn a_follower_that_is_behind_but_comes_forward_is_kept() {
    let mut bench = Bench::principal(&[1, 2, 3]);
    for _ in 0..100 {
        bench.write();
    }
    let waited = bench.asks_after(9_000, |bench| bench.acknowledge_up_to(bench.acknowledged + 1));
    assert_eq!(waited, None);
}

#[test]
fn a_principal_that_was_stopped_does_not_give_up_its_follower() {
    let mut bench = Bench::principal(&[1, 2, 3]);
    bench.write();
    bench.now += 30_000;
    assert!(!prepares(&bench.take(Input::Tick)));
    assert_eq!(bench.asks_after(3_000, Bench::acknowledge), None);
}

// ---- V13: the witness set. ----

#[test]
fn a_lost_witness_is_replaced_after_a_while() {
    let mut bench = Bench::principal(&[1, 2, 3]);
    assert!(!prepares(&bench.survey(&[1, 2, 4])));
    let waited = bench.asks_after(60_000, Bench::acknowledge);
    assert_eq!(waited, Some(timing().refresh_ms));
}

#[test]
fn a_witness_that_returns_in_time_changes_nothing() {
    let mut bench = Bench::principal(&[1, 2, 3]);
    for _ in 0..10 {
        bench.survey(&[1, 2, 4]);
        assert_eq!(bench.asks_after(timing().refresh_ms - BEAT, Bench::acknowledge), None);
        bench.survey(&[1, 2, 3]);
    }
}

#[test]
fn a_lost_majority_is_replaced_soon() {
    let mut bench = Bench::principal(&[1, 2, 3]);
    assert!(!prepares(&bench.survey(&[1, 4, 5])));
    let waited = bench.asks_after(60_000, Bench::acknowledge);
    assert_eq!(waited, Some(timing().urgent_refresh_ms));
}

/// After an election, or a stall of this machine, the workers say only a little later that they are there.
#[test]
fn witnesses_that_come_back_soon_are_kept() {
    let mut bench = Bench::principal(&[1, 2, 3]);
    for _ in 0..10 {
        bench.survey(&[]);
        assert_eq!(bench.asks_after(timing().urgent_refresh_ms - BEAT, Bench::acknowledge), None);
        bench.survey(&[1, 2, 3]);
    }
}

#[test]
fn without_any_worker_there_are_no_witnesses() {
    let mut bench = Bench::principal(&[1, 2, 3]);
    assert!(!prepares(&bench.survey(&[])));
    let waited = bench.asks_after(60_000, Bench::acknowledge);
    assert_eq!(waited, Some(timing().urgent_refresh_ms));
}

#[test]
fn a_larger_witness_set_is_made_soon() {
    let mut bench = Bench::principal(&[1]);
    assert!(!prepares(&bench.survey(&[1, 2, 3])));
    let waited = bench.asks_after(60_000, Bench::acknowledge);
    assert_eq!(waited, Some(timing().urgent_refresh_ms));
}

#[test]
fn more_workers_than_wanted_change_nothing() {
    let mut bench = Bench::principal(&[1, 2, 3]);
    bench.survey(&[1, 2, 3, 4]);
    assert_eq!(bench.asks_after(60_000, Bench::acknowledge), None);
}

// ---- The office changes hands. ----

/// Otherwise this node would have to take back what the successor lacks, and read its journal anew for that.
#[test]
fn the_office_is_given_to_who_has_everything() {
    let mut bench = Bench::principal(&[1, 2, 3]);
    bench.write();
    assert!(!prepares(&bench.take(Input::HandOver)));
    assert!(bench.role.is_handing_over());
    assert!(prepares(&bench.acknowledge()));
}

/// What the operator is told when the standby takes too long.
#[test]
fn a_switch_over_given_up_may_still_come_once_its_election_began() {
    let mut bench = Bench::principal(&[1, 2, 3]);
    bench.write();
    bench.take(Input::HandOver);
    bench.take(Input::KeepOffice);
    assert!(!bench.role.may_lose_office(), "nothing was proposed");
    bench.take(Input::HandOver);
    assert!(prepares(&bench.acknowledge()));
    bench.take(Input::KeepOffice);
    assert!(bench.role.may_lose_office());
}

/// The greeting is as old as the link; all that followed since need not be sent again.
#[test]
fn a_new_principal_asks_how_far_an_old_acquaintance_has_come() {
    let mut bench = Bench::standby();
    for _ in 0..1_000 {
        bench.journal.append(Epoch(2), None, 0);
    }
    bench.journal.synced = bench.journal.len();
    bench.take(Input::Durable { index: Index(bench.journal.len() as u64) });
    let view = View {
        epoch: Epoch(3),
        principal_node: ME,
        principal_process: ProcessId(10),
        ..led_by_other(3, OTHER_PROCESS)
    };
    let here = bench.journal.last();
    let elected = bench.hear(Message::Newest { view });
    let asks = |e: &Effect| matches!(e, Effect::Send(Message::Probe { index, .. }) if *index == here.index);
    assert!(elected.iter().any(asks), "{elected:?}");
    let followed = bench.hear(Message::ProbeReply { view: ViewNumber(3), entry: here });
    let streams = |e: &Effect| matches!(e, Effect::Replicate { after } if *after == here);
    assert!(followed.iter().any(streams), "{followed:?}");
}

// ---- V8: growing. ----

/// A founder whose workers are linked to it alone so far, and a learner that has everything.
fn about_to_grow() -> Bench {
    let mut bench = Bench::new(Durable::default(), Journal::default());
    bench.take(Input::PeerUnreachable);
    bench.survey_with(&[1, 2, 3], false);
    let hello = Hello { newest: None, last: Default::default(), may_found: false };
    bench.take(Input::Dialed { peer: Sender { cluster: None, ..other(OTHER_PROCESS) }, hello });
    bench.acknowledge();
    assert_eq!(bench.role.newest().map(|view| view.number), Some(ViewNumber(1)));
    bench
}

#[test]
fn a_learner_is_taken_in_together_with_the_witnesses() {
    let mut bench = about_to_grow();
    bench.survey(&[1, 2, 3]);
    let view = bench.role.newest().expect("it has founded");
    assert_eq!((view.replicas.len(), view.witnesses.len()), (2, 3));
}

#[test]
fn a_learner_does_not_wait_for_ever_for_witnesses() {
    let mut bench = about_to_grow();
    while bench.now < timing().urgent_refresh_ms + BEAT {
        bench.now += BEAT;
        bench.take(Input::Tick);
    }
    let view = bench.role.newest().expect("it has founded");
    assert_eq!((view.replicas.len(), view.witnesses.len()), (2, 0));
}

/// A third node, or a former one: the principal answers it, and has its backup elsewhere.
#[test]
fn a_learner_that_nobody_sends_to_is_not_expected() {
    let mut newest = led_by_other(2, OTHER_PROCESS);
    newest.replicas.remove(0);
    let durable =
        Durable { cluster: Some(CLUSTER), newest: Some(newest.clone()), ..Durable::default() };
    let mut bench = Bench::new(durable, Journal::default());
    let failover = |bench: &Bench| bench.role.failover(|_| true);
    assert_eq!(failover(&bench), Failover::NotListed);
    let hello = Hello { newest: Some(newest), last: bench.journal.last(), may_found: false };
    bench.take(Input::Dialed { peer: other(OTHER_PROCESS), hello });
    bench.asks_after(5_000, |bench| bench.heartbeat(0));
    assert_eq!(failover(&bench), Failover::CatchingUp);
    bench.asks_after(5_000, nothing);
    assert_eq!(failover(&bench), Failover::NotExpected);
}
