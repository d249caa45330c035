//! The office in etcd is never held by somebody who does not use it.

use orquestrador_core::election::{Effect, Election, Fence, Holder, Input, Timing};
use orquestrador_core::ids::{ClusterId, Index, NodeId, ProcessId, ViewNumber};
use orquestrador_core::role::{Durable, EntryId, Identity, Standing};

const ME: NodeId = NodeId(1);
const PROCESS: ProcessId = ProcessId(2);
const CLUSTER: ClusterId = ClusterId(3);
const FENCE: Fence = Fence(90);

fn election() -> Election {
    let me = Identity {
        node: ME,
        process: PROCESS,
        preferred: true,
        fresh_cluster: CLUSTER,
        loopback: false,
    };
    let durable = Durable { cluster: Some(CLUSTER), ..Durable::default() };
    Election::new(me, Timing::default(), durable, Index(0), ViewNumber(0))
}

fn tell(election: &mut Election, input: Input) -> Vec<Effect> {
    let mut effects = Vec::new();
    election.handle(0, input, EntryId::default(), &mut effects);
    effects
}

fn ours(revision: i64) -> Input {
    let holder =
        Holder { fence: FENCE, node: ME, process: PROCESS, is_leaving: false, is_ending: false };
    Input::Heard { revision, holder: Some(holder) }
}

fn won() -> Input {
    Input::Won { fence: FENCE, tip: EntryId::default() }
}

fn leads(effects: &[Effect]) -> bool {
    effects.iter().any(|effect| matches!(effect, Effect::Lead { fence: FENCE, .. }))
}

#[test]
fn an_office_that_was_won_unnoticed_is_taken_although_etcd_went_on_since() {
    let mut election = election();
    tell(&mut election, Input::Tip(Index(0)));
    tell(&mut election, Input::Heard { revision: 80, holder: None });
    tell(&mut election, Input::NotWon);
    tell(&mut election, ours(100));
    assert!(leads(&tell(&mut election, won())));
    assert_eq!(election.standing(), Standing::Elected);
}

#[test]
fn an_office_that_was_lost_since_is_not_taken() {
    let mut election = election();
    tell(&mut election, ours(95));
    tell(&mut election, Input::Heard { revision: 100, holder: None });
    assert!(!leads(&tell(&mut election, won())));
    assert_eq!(election.fence(), None);
}

#[test]
fn whoever_is_refused_gives_back_what_may_still_be_there() {
    let mut election = election();
    assert!(leads(&tell(&mut election, won())));
    let effects = tell(&mut election, Input::Deposed { fence: FENCE });
    assert!(effects.contains(&Effect::StepDown) && effects.contains(&Effect::Resign(FENCE)));
    // And has it again when nobody else wants it.
    tell(&mut election, ours(101));
    let effects = tell(&mut election, Input::Heard { revision: 102, holder: None });
    assert!(effects.contains(&Effect::Campaign), "{effects:?}");
}

#[test]
fn when_the_operator_ends_the_cluster_all_others_end_and_nobody_takes_over() {
    let (node, process) = (NodeId(7), ProcessId(8));
    let holder = |is_ending| {
        let fence = Fence(90);
        Some(Holder { fence, node, process, is_leaving: false, is_ending })
    };
    let mut election = election();
    tell(&mut election, Input::Tip(Index(0)));
    let told = tell(&mut election, Input::Heard { revision: 91, holder: holder(false) });
    assert!(!told.contains(&Effect::End), "{told:?}");
    let told = tell(&mut election, Input::Heard { revision: 92, holder: holder(true) });
    assert_eq!(told, [Effect::End]);
    assert_eq!(tell(&mut election, Input::Heard { revision: 93, holder: holder(true) }), []);
    assert_eq!(tell(&mut election, Input::Heard { revision: 94, holder: None }), []);
}

#[test]
fn whoever_has_lost_the_office_unnoticed_is_told_to_end_too() {
    let mut election = election();
    assert!(leads(&tell(&mut election, won())));
    let (node, process, fence) = (NodeId(7), ProcessId(8), Fence(95));
    let other = Holder { fence, node, process, is_leaving: false, is_ending: true };
    let told = tell(&mut election, Input::Heard { revision: 96, holder: Some(other) });
    assert!(told.contains(&Effect::End) && told.contains(&Effect::StepDown), "{told:?}");
}

#[test]
fn whoever_tells_others_to_end_stays_until_it_ends_itself() {
    let mut election = election();
    assert!(leads(&tell(&mut election, won())));
    let (node, process) = (ME, PROCESS);
    let ours = Holder { fence: FENCE, node, process, is_leaving: false, is_ending: true };
    assert_eq!(tell(&mut election, Input::Heard { revision: 91, holder: Some(ours) }), []);
    assert_eq!(election.fence(), Some(FENCE));
}

#[test]
fn a_key_of_an_earlier_process_of_this_node_names_nobody() {
    let mut election = election();
    let (fence, is_leaving, is_ending) = (Fence(80), false, false);
    let holder = |node, process| Holder { fence, node, process, is_leaving, is_ending };
    let before = Some(holder(ME, ProcessId(99)));
    let told = tell(&mut election, Input::Heard { revision: 85, holder: before });
    assert_eq!((told, election.principal()), (Vec::new(), None));
    tell(&mut election, Input::Heard { revision: 86, holder: None });
    tell(&mut election, won());
    assert_eq!(election.principal(), Some(ME));
    let other = Some(holder(NodeId(7), ProcessId(8)));
    let told = tell(&mut election, Input::Heard { revision: 95, holder: other });
    assert!(told.contains(&Effect::Follow(NodeId(7))), "{told:?}");
    assert_eq!(election.principal(), Some(NodeId(7)));
}
