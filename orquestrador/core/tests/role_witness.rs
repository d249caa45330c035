//! One witness: to whom it is loyal (V10), and for which register it answers (V3, V4).

use orquestrador_core::ids::{ClusterId, Epoch, NodeId, ProcessId, ViewNumber};
use orquestrador_core::role::{
    Ballot, Inquiry, Replica, Sender, Testimony, View, Witness, WitnessTiming,
};

const CLUSTER: ClusterId = ClusterId(7);
const ME: ProcessId = ProcessId(100);
const SILENCE: u64 = 1_000;
const STALL: u64 = 5_000;
const TICK: u64 = 250;

fn node(number: u128) -> Sender {
    Sender { node: NodeId(number), process: ProcessId(number * 10), cluster: Some(CLUSTER) }
}

fn principal() -> Sender {
    node(1)
}

fn challenger() -> Sender {
    node(2)
}

/// Of nodes 1 and 2, of which the first is principal.
fn view(number: u64) -> View {
    let replica = |node| Replica { node: NodeId(node), since: ViewNumber(1) };
    View {
        number: ViewNumber(number),
        epoch: Epoch(1),
        principal_node: principal().node,
        principal_process: principal().process,
        replicas: vec![replica(1), replica(2)],
        witnesses: vec![ME, ProcessId(101), ProcessId(102)],
        forced: false,
    }
}

fn ballot(round: u64, from: Sender) -> Ballot {
    Ballot { round, process: from.process }
}

fn prepare(number: u64, round: u64, from: Sender) -> Inquiry {
    Inquiry::Prepare { view: view(number), ballot: ballot(round, from) }
}

fn accept(number: u64, round: u64, from: Sender) -> Inquiry {
    let proposed = View { principal_process: from.process, ..view(number + 1) };
    Inquiry::Accept { view: view(number), ballot: ballot(round, from), proposed }
}

fn promise(number: u64, round: u64, from: Sender) -> Testimony {
    let view = ViewNumber(number);
    Testimony::Promise { view, ballot: ballot(round, from), accepted: None }
}

fn loyal(number: u64) -> Option<Testimony> {
    Some(Testimony::Loyal { view: ViewNumber(number) })
}

/// Knows view 2.
struct Bench {
    witness: Witness,
    now: u64,
}

impl Bench {
    fn new() -> Self {
        let timing = WitnessTiming { silence_ms: SILENCE, stall_ms: STALL, longest_tick_ms: TICK };
        let mut witness = Witness::new(ME, CLUSTER, timing);
        witness.learn(principal(), view(2));
        witness.ping(0);
        Self { witness, now: 0 }
    }

    /// A ping that this node echoes at once.
    fn echoed_by(&mut self, from: Sender) {
        let ping = self.witness.ping(self.now);
        self.witness.on_echo(from, ping, 0);
    }

    /// Pings that nobody answers.
    fn wait(&mut self, ms: u64) {
        let end = self.now + ms;
        while self.now < end {
            self.now = end.min(self.now + 100);
            self.witness.ping(self.now);
        }
    }

    fn ask(&mut self, from: Sender, inquiry: Inquiry) -> Option<Testimony> {
        self.witness.answer(self.now, from, inquiry)
    }

    fn challenge(&mut self) -> Option<Testimony> {
        self.ask(challenger(), prepare(2, 1, challenger()))
    }
}

// ---- V10: loyalty. ----

#[test]
fn loyal_while_the_echo_is_fresh() {
    let mut bench = Bench::new();
    bench.echoed_by(principal());
    bench.wait(SILENCE);
    assert_eq!(bench.challenge(), loyal(2));
    bench.wait(1);
    assert_eq!(bench.challenge(), Some(promise(2, 1, challenger())));
}

#[test]
fn loyal_in_the_second_phase_too() {
    let mut bench = Bench::new();
    assert_eq!(
        bench.challenge(),
        Some(promise(2, 1, challenger())),
        "it never heard the principal"
    );
    bench.echoed_by(principal());
    assert_eq!(bench.ask(challenger(), accept(2, 1, challenger())), loyal(2));
}

#[test]
fn an_echo_of_an_old_ping_is_no_sign_of_life() {
    let mut bench = Bench::new();
    let old = bench.witness.ping(bench.now);
    bench.wait(SILENCE + 1);
    bench.witness.on_echo(principal(), old, 0);
    assert_eq!(bench.challenge(), Some(promise(2, 1, challenger())));
}

#[test]
fn an_echo_of_what_was_never_sent_is_no_sign_of_life() {
    let mut bench = Bench::new();
    let unsent = bench.witness.ping(bench.now) + 1;
    bench.witness.on_echo(principal(), unsent, 0);
    assert_eq!(bench.challenge(), Some(promise(2, 1, challenger())));
}

#[test]
fn not_loyal_when_the_stream_broke() {
    let mut bench = Bench::new();
    bench.echoed_by(principal());
    bench.witness.on_lost(challenger().process);
    assert_eq!(bench.challenge(), loyal(2), "that was the stream to the other one");
    bench.witness.on_lost(principal().process);
    assert_eq!(bench.challenge(), Some(promise(2, 1, challenger())));
}

#[test]
fn only_the_echo_of_the_present_principal_counts() {
    let mut bench = Bench::new();
    bench.echoed_by(challenger());
    let former = Sender { process: ProcessId(11), ..principal() };
    bench.echoed_by(former);
    assert_eq!(bench.challenge(), Some(promise(2, 1, challenger())));
}

#[test]
fn no_loyalty_to_who_was_deposed() {
    let mut bench = Bench::new();
    bench.echoed_by(principal());
    let process = challenger().process;
    bench.witness.learn(challenger(), View { principal_process: process, ..view(3) });
    assert!(!bench.witness.principal_is_alive());
}

#[test]
fn not_loyal_to_one_that_commits_nothing() {
    let mut bench = Bench::new();
    for (uncommitted_ms, is_loyal) in [(0, true), (STALL, true), (STALL + 1, false), (0, true)] {
        let ping = bench.witness.ping(bench.now);
        bench.witness.on_echo(principal(), ping, uncommitted_ms);
        assert_eq!(bench.challenge() == loyal(2), is_loyal, "{uncommitted_ms} ms");
    }
}

#[test]
fn its_own_stall_accuses_nobody() {
    let mut bench = Bench::new();
    bench.echoed_by(principal());
    bench.now += 3_600_000;
    assert_eq!(bench.challenge(), loyal(2), "it was stopped, not the principal");
    bench.wait(SILENCE - TICK);
    assert_eq!(bench.challenge(), loyal(2));
    bench.wait(1);
    assert_eq!(bench.challenge(), Some(promise(2, 1, challenger())), "now it had time to hear");
}

#[test]
fn the_principal_itself_is_answered() {
    let mut bench = Bench::new();
    bench.echoed_by(principal());
    let answer = bench.ask(principal(), prepare(2, 1, principal()));
    assert_eq!(answer, Some(promise(2, 1, principal())));
}

// ---- V3, V4: its registers. ----

#[test]
fn no_lower_ballot_after_a_promise() {
    let mut bench = Bench::new();
    bench.ask(challenger(), prepare(2, 5, challenger()));
    let nack = Some(Testimony::Nack { view: ViewNumber(2), highest_round: 5 });
    assert_eq!(bench.ask(principal(), prepare(2, 4, principal())), nack);
    assert_eq!(bench.ask(principal(), accept(2, 5, principal())), nack, "process 10 is below 20");
    let accepted = Testimony::Accepted { view: ViewNumber(2), ballot: ballot(5, challenger()) };
    assert_eq!(bench.ask(challenger(), accept(2, 5, challenger())), Some(accepted));
}

#[test]
fn what_it_accepted_is_told_to_the_next_proposer() {
    let mut bench = Bench::new();
    bench.ask(challenger(), accept(2, 1, challenger()));
    let proposed = View { principal_process: challenger().process, ..view(3) };
    let expected = Testimony::Promise {
        view: ViewNumber(2),
        ballot: ballot(2, principal()),
        accepted: Some((ballot(1, challenger()), proposed)),
    };
    assert_eq!(bench.ask(principal(), prepare(2, 2, principal())), Some(expected));
}

#[test]
fn a_later_view_closes_the_register() {
    let mut bench = Bench::new();
    bench.ask(principal(), accept(2, 1, principal()));
    bench.witness.learn(principal(), view(3));
    let newest = Some(Testimony::Newest { view: view(3) });
    assert_eq!(bench.challenge(), newest);
    assert_eq!(bench.ask(challenger(), accept(2, 9, challenger())), newest);
    bench.witness.learn(principal(), view(2));
    assert_eq!(bench.witness.newest(), Some(&view(3)), "views never go back");
    let fresh = bench.ask(challenger(), prepare(3, 1, challenger()));
    assert_eq!(fresh, Some(promise(3, 1, challenger())), "another register");
}

#[test]
fn a_question_may_bring_the_view_that_it_is_about() {
    let mut bench = Bench::new();
    assert!(bench.ask(challenger(), prepare(4, 1, challenger())).is_some());
    assert_eq!(bench.witness.newest(), Some(&view(4)));
}

#[test]
fn a_view_without_it_gets_no_answer() {
    let mut bench = Bench::new();
    let others = View { witnesses: vec![ProcessId(101)], ..view(3) };
    let inquiry = Inquiry::Prepare { view: others.clone(), ballot: ballot(1, challenger()) };
    assert_eq!(bench.ask(challenger(), inquiry), None);
    assert_eq!(bench.challenge(), Some(Testimony::Newest { view: others }), "but it has learnt it");
}

#[test]
fn a_foreign_cluster_is_neither_answered_nor_believed() {
    let mut bench = Bench::new();
    for cluster in [None, Some(ClusterId(8))] {
        let foreign = Sender { cluster, ..challenger() };
        assert_eq!(bench.ask(foreign, prepare(3, 1, challenger())), None);
        bench.witness.learn(foreign, view(9));
        assert_eq!(bench.witness.newest(), Some(&view(2)));
    }
}
