//! Who may enter: the demo's user, the operator's first administrator, and the users that they create.

use common::auth::FIRST_ADMIN;
use common::exit;
use harness::{Cli, Cluster, Layout};

const TOKEN: &str = "um-token-do-operador";
const OTHER_TOKEN: &str = "um-token-da-ana";

#[test]
fn the_first_administrator_is_whom_the_operator_names() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("token");
    std::fs::write(&file, format!("{TOKEN}\n"))?;
    let mut layout = Layout::new(dir.path(), 0)?;
    layout.orchestrator_args = vec!["--admin-token-file".into(), file.display().to_string()];
    let demo = Cli::new(&layout);
    let admin = demo.with_credentials(FIRST_ADMIN, TOKEN);
    let mut cluster = Cluster::new(layout);
    cluster.start()?;
    let code = |cli: &Cli| Ok::<_, anyhow::Error>(cli.run(&["list"])?.code);
    assert_eq!(code(&demo)?, Some(i32::from(exit::UNAUTHENTICATED)), "the demo's user is nobody");
    assert_eq!(code(&admin)?, Some(0));

    let added = admin.run_with_input(&["users", "add", "ana", "--admin"], OTHER_TOKEN)?;
    assert_eq!(added.code, Some(0), "{}", added.stderr);
    let ana = demo.with_credentials("ana", OTHER_TOKEN);
    assert_eq!(code(&ana)?, Some(0));
    assert_eq!(code(&admin)?, Some(i32::from(exit::UNAUTHENTICATED)), "now there are users");

    // The other node knows the same users, and has the same file.
    drop(cluster.principal.take());
    assert_eq!(code(&ana)?, Some(0));
    assert_eq!(code(&admin)?, Some(i32::from(exit::UNAUTHENTICATED)));
    Ok(())
}

#[test]
fn a_token_that_cannot_be_used_is_refused_at_the_start() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("token");
    let layout = Layout::new(dir.path(), 0)?;
    for content in [None, Some("curto"), Some("não é ASCII visível")] {
        if let Some(content) = content {
            std::fs::write(&file, content)?;
        }
        let output = std::process::Command::new(layout.binary("orquestrador"))
            .arg("--admin-token-file")
            .arg(&file)
            .args(["--port", &layout.principal_port.to_string()])
            .output()?;
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(i32::from(exit::USAGE)), "{stderr}");
        assert!(stderr.starts_with("ERRO: --admin-token-file"), "{stderr}");
    }
    Ok(())
}

/// Found by chaos: a node whose disk was replaced knew nobody, and told a client of the cluster that its token was wrong.
#[test]
fn a_node_that_knows_nobody_yet_sends_callers_to_the_principal() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let layout = Layout::new(dir.path(), 0)?;
    let ana = Cli::new(&layout).with_credentials("ana", OTHER_TOKEN);
    let mut cluster = Cluster::new(layout);
    cluster.start_backup()?;
    let run = ana.run(&["--timeout", "1s", "list"])?;
    assert_eq!(run.code, Some(i32::from(exit::UNAVAILABLE)), "{}", run.stderr);
    Ok(())
}

#[test]
fn an_administrator_acts_in_the_place_of_another_user_and_nobody_else_does() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let (demo, mut cluster) = Cluster::with_programs(dir.path(), 1, &[])?;
    demo.run_with_input(&["users", "add", "root", "--admin"], TOKEN)?;
    let root = demo.with_credentials("root", TOKEN);
    for name in ["ana", "bia"] {
        assert_eq!(root.run_with_input(&["users", "add", name], OTHER_TOKEN)?.code, Some(0));
    }
    let again = root.run_with_input(&["users", "add", "ana"], TOKEN)?;
    assert_eq!(again.code, Some(i32::from(exit::USAGE)), "nobody's token changes by a slip");
    let [ana, bia] = ["ana", "bia"].map(|name| demo.with_credentials(name, OTHER_TOKEN));
    let id = ana.submit(&["--", "sleep", "600"])?;
    assert_eq!(root.run(&["status", &id])?.code, Some(i32::from(exit::NOT_FOUND)));
    let denied = bia.run(&["--as", "ana", "status", &id])?;
    assert_eq!(denied.code, Some(i32::from(exit::REFUSED)), "{denied:?}");

    // The tasks of one who is removed go on, and somebody can end them, at the next principal, too.
    assert_eq!(root.run(&["users", "remove", "ana"])?.code, Some(0));
    cluster.kill_principal()?;
    let listed = root.json(&["--as", "ana", "list"])?;
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0]["task_id"], id.as_str());
    assert_eq!(root.run(&["--as", "ana", "cancel", &id])?.code, Some(0));
    assert_eq!(root.json(&["--as", "ana", "status", &id])?[0]["state"], "CANCELLED");
    Ok(())
}

#[test]
fn a_viewer_sees_what_everybody_has_and_changes_nothing() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let (demo, mut cluster) = Cluster::with_programs(dir.path(), 1, &[])?;
    demo.run_with_input(&["users", "add", "root", "--role", "admin"], TOKEN)?;
    let root = demo.with_credentials("root", TOKEN);
    for (name, role) in [("ana", "submitter"), ("olho", "viewer")] {
        let add = ["users", "add", name, "--role", role];
        assert_eq!(root.run_with_input(&add, OTHER_TOKEN)?.code, Some(0));
    }
    let [ana, viewer] = ["ana", "olho"].map(|name| demo.with_credentials(name, OTHER_TOKEN));
    let id = ana.submit(&["--", "sleep", "600"])?;
    cluster.kill_principal()?;

    assert_eq!(viewer.json(&["users", "me"])?[0]["role"], "viewer");
    let seen: [&[&str]; 5] = [
        &["--as", "ana", "status", &id],
        &["--as", "ana", "list", "--state", "running"],
        &["workers"],
        &["queues"],
        &["cluster"],
    ];
    for command in seen {
        assert_eq!(viewer.run(command)?.code, Some(0), "{command:?}");
    }
    let refused: [&[&str]; 8] = [
        &["submit", "--handler", "echo"],
        &["--as", "ana", "cancel", &id],
        &["--as", "ana", "submit", "--handler", "echo"],
        &["--as", "ana", "retry", &id],
        &["queues", "pause", "default"],
        &["users", "list"],
        &["workers", "drain", "localhost:1"],
        &["--as", "ana", "schedule", "remove", "x"],
    ];
    for command in refused {
        let run = viewer.run(command)?;
        assert_eq!(run.code, Some(i32::from(exit::REFUSED)), "{command:?}: {run:?}");
    }
    assert_eq!(ana.json(&["status", &id])?[0]["state"], "RUNNING");
    // Another role counts at once.
    let add = ["users", "add", "olho", "--role", "submitter", "--replace"];
    assert_eq!(root.run_with_input(&add, OTHER_TOKEN)?.code, Some(0));
    assert_eq!(viewer.run(&["--as", "ana", "list"])?.code, Some(i32::from(exit::REFUSED)));
    assert_eq!(viewer.run(&["submit", "--handler", "echo"])?.code, Some(0));
    Ok(())
}
