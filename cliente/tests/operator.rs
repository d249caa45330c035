//! What operators are told, where the nodes do not agree, answer for another cluster, or do not answer.

mod support;

use common::exit;
use common::proto::{
    AuditJournalResponse, ForcedView, GetClusterResponse, NodeRole, NodeStatus, Tail, ViewNote,
};
use serde_json::Value;
use support::stage::{ID, Run, Stage};
use support::{Mood, Node};

/// The stage's principal 1, its former backup 2, and 3, which took the place of that one.
fn replaced() -> (Stage, Node) {
    let stage = Stage::new();
    let new = Node::start(&stage.pair, Mood::Standby(None), 5);
    stage.principal.say(1, "PRINCIPAL", 5, &[1, 3], &new);
    stage.standby.say(2, "WAITING", 2, &[1, 2], &stage.principal);
    new.say(3, "STANDBY", 5, &[1, 3], &stage.principal);
    (stage, new)
}

fn object(run: &Run) -> Value {
    serde_json::from_str(&run.stdout).unwrap_or_else(|error| panic!("{error}: {run:?}"))
}

fn audit(stage: &Stage) -> (i32, Value) {
    let run = stage.run(&["--output", "json", "audit"]);
    (run.code, object(&run))
}

fn why_not_read(audit: &Value) -> Vec<(&str, &str)> {
    let nodes = audit["not_read"].as_array().expect("an array").iter();
    nodes.filter_map(|n| Some((n["address"].as_str()?, n["why"].as_str()?))).collect()
}

fn read(audit: &Value) -> Vec<&str> {
    let nodes = audit["nodes"].as_array().expect("an array").iter();
    nodes.filter_map(|node| node["address"].as_str()).collect()
}

#[test]
fn an_audit_reads_the_members_of_the_view_and_nobody_else() {
    let (stage, new) = replaced();
    let (code, audit) = audit(&stage);
    assert_eq!((code, audit["verdict"].as_str()), (0, Some("PROVEN")), "{audit}");
    assert_eq!(read(&audit), [stage.principal.address(), new.address()]);
    assert_eq!(why_not_read(&audit), [(&*stage.standby.address(), "NOT_MEMBER")]);
}

#[test]
fn the_beginning_of_a_former_members_journal_proves_nothing() {
    let (stage, mut new) = replaced();
    new.kill();
    let (code, audit) = audit(&stage);
    assert_eq!(code, i32::from(exit::UNAVAILABLE));
    assert_eq!(audit["verdict"].as_str(), Some("ONE_NODE_ONLY"), "{audit}");
    assert_eq!(read(&audit), [stage.principal.address()]);
    assert!(why_not_read(&audit).contains(&(&*new.address(), "SILENT")), "{audit}");
}

#[test]
fn a_node_of_another_cluster_is_called_foreign_and_compared_with_nobody() {
    let (stage, _new) = replaced();
    stage.standby.say(2, "STANDBY", 5, &[1, 3], &stage.principal);
    stage.standby.change_sayings(|says| {
        says.explain.cluster_id = Node::node_id(99);
        says.audit.hash = "another".into();
    });
    let (code, audit) = audit(&stage);
    assert_eq!((code, audit["verdict"].as_str()), (0, Some("PROVEN")), "{audit}");
    assert_eq!(why_not_read(&audit), [(&*stage.standby.address(), "FOREIGN")]);
}

#[test]
fn an_empty_learner_is_no_violation() {
    let (stage, new) = replaced();
    stage.principal.say(1, "PRINCIPAL", 5, &[1], &new);
    new.say(3, "LEARNER", 5, &[1], &stage.principal);
    new.change_sayings(|says| says.explain.last_index = 0);
    let (code, audit) = audit(&stage);
    assert_eq!(code, i32::from(exit::UNAVAILABLE));
    assert_eq!(audit["verdict"].as_str(), Some("ONE_NODE_ONLY"), "{audit}");
}

#[test]
fn journals_that_end_at_different_entries_are_no_violation() {
    let (stage, new) = replaced();
    // Its snapshot passed the entry that was asked for.
    new.change_sayings(|says| {
        says.audit = AuditJournalResponse { at_index: 9, hash: "cc".into(), ..says.audit.clone() };
    });
    let (code, audit) = audit(&stage);
    assert_eq!(code, i32::from(exit::UNAVAILABLE));
    assert_eq!(audit["verdict"].as_str(), Some("INCOMPLETE"), "{audit}");
}

#[test]
fn an_audit_names_what_is_missing_and_what_was_forced() {
    let (stage, new) = replaced();
    let forced = ForcedView { number: 4, epoch: 4, journal_index: 7 };
    stage.principal.change_sayings(|says| {
        says.audit.missing = vec![ID.into()];
        says.audit.overrides = vec![forced];
    });
    new.change_sayings(|says| {
        let cause = "FORCED".to_owned();
        says.explain.views = vec![ViewNote { number: 3, epoch: 3, cause, ..ViewNote::default() }];
    });
    let run = stage.run(&["--lang", "en", "audit"]);
    assert_eq!(run.code, i32::from(exit::BROKEN), "{run:?}");
    assert!(run.stdout.contains(&format!("missing {ID}")), "{run:?}");
    assert!(run.stdout.contains("View 4 (epoch 4, entry 7) was forced"), "{run:?}");
    assert!(run.stdout.contains("View 3 (epoch 3) was forced"), "{run:?}");
    let (_, audit) = audit(&stage);
    let views: Vec<_> = audit["overrides"].as_array().expect("an array").iter().collect();
    assert_eq!(views.len(), 2, "{audit}");
}

#[test]
fn what_retention_may_have_forgotten_is_no_loss() {
    let (stage, new) = replaced();
    new.change_sayings(|says| says.audit.forgotten = vec![ID.into()]);
    let run = stage.run(&["--lang", "en", "audit"]);
    assert_eq!(run.code, i32::from(exit::UNAVAILABLE), "{run:?}");
    assert!(
        run.stdout.contains("no longer known: 1") && !run.stdout.contains("VIOLATION"),
        "{run:?}"
    );
}

#[test]
fn explain_says_who_refuses_and_who_is_silent() {
    let (mut stage, _new) = replaced();
    stage.standby.kill();
    let mut wrong = stage.command(&["--lang", "en", "cluster", "explain"]);
    let wrong = wrong.env("MUTIRAO_TOKEN", "wrong").output().expect("starts");
    let wrong = support::stage::read(wrong);
    assert_eq!(
        wrong.code,
        i32::from(exit::UNAUTHENTICATED),
        "the one that answered counts: {wrong:?}"
    );
    stage.principal.set(Mood::Refuses(common::error_code::ErrorCode::PermissionDenied, 1));
    let refused = stage.run(&["--lang", "en", "cluster", "explain"]);
    assert_eq!(refused.code, i32::from(exit::REFUSED), "{refused:?}");
    let shown = stage.run(&["--lang", "en", "cluster", "explain"]);
    assert_eq!(shown.code, 0, "{shown:?}");
    assert!(
        shown.stdout.contains(&format!("{}: does not answer", stage.standby.address())),
        "{shown:?}"
    );
}

#[test]
fn explain_does_not_call_one_that_refuses_silent() {
    let (stage, _new) = replaced();
    stage.standby.set(Mood::Refuses(common::error_code::ErrorCode::PermissionDenied, u32::MAX));
    let shown = stage.run(&["--lang", "en", "cluster", "explain"]);
    assert!(shown.stdout.contains("Your role does not allow this"), "{shown:?}");
    assert!(!shown.stdout.contains("does not answer"), "{shown:?}");
}

#[test]
fn a_node_that_could_not_be_asked_for_tails_is_named() {
    let (mut stage, _new) = replaced();
    stage.standby.kill();
    let run = stage.run(&["--lang", "en", "cluster", "recover-tail"]);
    assert_eq!(run.code, i32::from(exit::UNAVAILABLE), "{run:?}");
    assert!(run.stdout.contains("No orchestrator that answered has set anything aside"), "{run:?}");
    assert!(
        run.stderr.contains(&format!("{}: does not answer", stage.standby.address())),
        "{run:?}"
    );
    let (stage, _new) = replaced();
    stage.standby.change_sayings(|says| says.tails = vec![Tail::default()]);
    let run = stage.run(&["--lang", "en", "cluster", "recover-tail", "absent"]);
    assert_eq!(run.code, i32::from(exit::NOT_FOUND), "{run:?}");
}

#[test]
fn a_drill_that_is_not_allowed_loads_nothing() {
    let (stage, _new) = replaced();
    stage.principal.set_cluster(principal_at(&stage.principal));
    let run = stage.run(&["cluster", "drill", "--load", "0s"]);
    assert_eq!(run.code, i32::from(exit::REFUSED), "{run:?}");
    assert_eq!(run.stdout, "", "{run:?}");
    assert_submitted_nothing(&stage);
}

#[test]
fn a_drill_after_which_nobody_would_go_on_is_refused() {
    let (stage, new) = replaced();
    let named = |node: &Node| stage.principal.set_cluster(principal_at(node));
    named(&stage.principal);
    for (at_principal, at_standby, pause) in [
        ("NO_STANDBY", "BY_WITNESSES", false),
        ("BY_WITNESSES", "FEW_WITNESSES", false),
        ("BY_REFUSED_PORT", "BY_REFUSED_PORT", true),
    ] {
        stage.principal.change_sayings(|says| {
            says.allows_drill = true;
            says.explain.failover = at_principal.into();
        });
        new.change_sayings(|says| says.explain.failover = at_standby.into());
        let mut args = vec!["--lang", "en", "cluster", "drill", "--load", "0s"];
        args.extend(pause.then_some(["--pause", "5s"]).into_iter().flatten());
        let run = stage.run(&args);
        assert_eq!(run.code, i32::from(exit::REFUSED), "{run:?}");
        assert!(run.stderr.contains("The drill was not begun"), "{run:?}");
    }
    assert_submitted_nothing(&stage);
    let calls = stage.principal.calls();
    assert_eq!(calls.iter().filter(|call| *call == "drill").count(), 3, "only asked: {calls:?}");
}

fn assert_submitted_nothing(stage: &Stage) {
    assert!(stage.pair.store().tasks.is_empty(), "tasks were submitted");
}

fn principal_at(node: &Node) -> GetClusterResponse {
    cluster(node, NodeRole::Principal, (1, 1), &node.address())
}

/// An answer of `node`, which calls itself so, knows this epoch and view, and this principal.
fn cluster(
    node: &Node,
    role: NodeRole,
    (epoch, view_number): (u64, u64),
    principal: &str,
) -> GetClusterResponse {
    let in_sync = matches!(role, NodeRole::Principal | NodeRole::Standby);
    let own = NodeStatus {
        address: node.address(),
        role: role.into(),
        in_sync,
        answering: true,
        ..NodeStatus::default()
    };
    let principal = principal.to_owned();
    GetClusterResponse { epoch, view_number, principal, nodes: vec![own], ..Default::default() }
}

#[test]
fn a_principal_that_only_another_node_names_is_asked() {
    let (stage, new) = replaced();
    let dead = "http://localhost:1";
    stage.principal.set_cluster(cluster(
        &stage.principal,
        NodeRole::Standby,
        (5, 9),
        &new.address(),
    ));
    stage.standby.set_cluster(cluster(&stage.standby, NodeRole::Learner, (5, 9), ""));
    new.set_cluster(principal_at(&new));
    let shown = object(&stage.run(&["--output", "json", "cluster"]));
    assert_eq!(shown["nodes"][0]["address"].as_str(), Some(&*new.address()), "{shown}");
    stage.principal.set_cluster(cluster(&stage.principal, NodeRole::Standby, (5, 9), dead));
    let shown = object(&stage.run(&["--output", "json", "cluster"]));
    assert_eq!(shown["principal"].as_str(), Some(dead), "the one in sync counts: {shown}");
}

#[test]
fn the_newest_view_counts_more_than_a_stale_members_word() {
    let (stage, _new) = replaced();
    for (stale, fresh) in [(&stage.standby, &stage.principal), (&stage.principal, &stage.standby)] {
        stale.set_cluster(cluster(stale, NodeRole::Waiting, (5, 8), ""));
        fresh.set_cluster(cluster(fresh, NodeRole::Waiting, (5, 9), ""));
        let shown = object(&stage.run(&["--output", "json", "cluster"]));
        assert_eq!(shown["view"].as_u64(), Some(9), "{shown}");
    }
}

#[test]
fn what_a_node_waits_for_is_a_sentence() {
    let (mut stage, _new) = replaced();
    stage.standby.kill();
    let waiting_for = "OTHER_ORCHESTRATOR".to_owned();
    let answer = cluster(&stage.principal, NodeRole::Waiting, (1, 1), "");
    stage.principal.set_cluster(GetClusterResponse { waiting_for, ..answer });
    for (lang, words) in [("pt", "o outro orquestrador"), ("en", "the other orchestrator")] {
        let shown = stage.run(&["--lang", lang, "cluster"]);
        assert!(shown.stdout.contains(words), "{shown:?}");
        assert!(!shown.stdout.contains("OTHER_ORCHESTRATOR"), "{shown:?}");
    }
}

#[test]
fn that_nobody_is_principal_is_not_called_silence() {
    let (stage, _new) = replaced();
    stage.principal.set(Mood::Standby(None));
    let run = stage.run(&["--timeout", "300ms", "--lang", "en", "list"]);
    assert_eq!(run.code, i32::from(exit::UNAVAILABLE), "{run:?}");
    assert!(
        run.stderr.contains("None of the orchestrators that answered is the principal"),
        "{run:?}"
    );
    assert!(!run.stderr.contains("No orchestrator answered"), "{run:?}");
}
