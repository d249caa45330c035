//! Who may enter: the demo's user, the operator's first administrator, and the users that they create.

use std::io::Read as _;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use common::auth::FIRST_ADMIN;
use common::exit;
use harness::{Cli, Cluster, Layout};

const TOKEN: &str = "um-token-do-operador";
const PATIENCE: Duration = Duration::from_secs(60);
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
    let slip = root.run(&["--as", "anna", "list"])?;
    assert_eq!(slip.code, Some(i32::from(exit::NOT_FOUND)), "{slip:?}");
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

/// Asks until there is an answer.
fn eventually<T>(
    what: &str,
    mut ask: impl FnMut() -> anyhow::Result<Option<T>>,
) -> anyhow::Result<T> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask()? {
            return Ok(answer);
        }
        assert!(Instant::now() < deadline, "in vain: {what}");
    }
}

/// What the client writes for a script.
fn token(cli: &Cli, args: &[&str]) -> anyhow::Result<String> {
    let made = cli.run(args)?;
    anyhow::ensure!(made.code == Some(0), "{args:?}: {made:?}");
    Ok(made.stdout.trim().to_owned())
}

#[test]
fn tokens_are_made_changed_and_taken_back_through_a_failover() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let (demo, mut cluster) = Cluster::with_programs(dir.path(), 1, &[])?;
    demo.run_with_input(&["users", "add", "root", "--admin"], TOKEN)?;
    let root = demo.with_credentials("root", TOKEN);
    let main = token(&root, &["users", "add", "ana", "--generate"])?;
    let ana = demo.with_credentials("ana", &main);
    let code = |cli: &Cli| Ok::<_, anyhow::Error>(cli.run(&["list"])?.code);
    let refused = Some(i32::from(exit::UNAUTHENTICATED));
    assert_eq!(code(&ana)?, Some(0));

    let ci = token(&ana, &["users", "tokens", "create", "ci", "--expires", "90d"])?;
    assert!(ci.starts_with("mutirao.ci."), "{ci}");
    let by_ci = demo.with_credentials("ana", &ci);
    let id = by_ci.submit(&["--", "sleep", "600"])?;
    assert_eq!(ana.json(&["status", &id])?[0]["state"], "RUNNING", "the same user");
    let again = ana.run(&["users", "tokens", "create", "ci"])?;
    assert_eq!(again.code, Some(i32::from(exit::REFUSED)), "{again:?}");
    let longer = by_ci.run(&["users", "tokens", "create", "more"])?;
    assert_eq!(
        longer.code,
        Some(i32::from(exit::REFUSED)),
        "it would outlive the one that makes it"
    );
    let lockout = by_ci.run(&["users", "tokens", "revoke", "main"])?;
    assert_eq!(lockout.code, Some(i32::from(exit::REFUSED)), "it would outlive it: {lockout:?}");
    let others = ana.run(&["users", "tokens", "list", "--of", "root"])?;
    assert_eq!(others.code, Some(i32::from(exit::REFUSED)));

    cluster.kill_principal()?;
    assert_eq!(code(&by_ci)?, Some(0));
    let rotated = token(&root, &["users", "tokens", "rotate", "ci", "--of", "ana"])?;
    assert_eq!(code(&by_ci)?, refused, "at once");
    let by_ci = demo.with_credentials("ana", &rotated);
    assert_eq!(code(&by_ci)?, Some(0));
    let listed = ana.json(&["users", "tokens", "list"])?;
    assert_eq!(listed.iter().map(|known| &known["name"]).collect::<Vec<_>>(), ["ci", "main"]);
    assert!(listed.iter().all(|known| known["expires_at"].is_null()), "{listed:?}");
    assert!(!format!("{listed:?}").contains(&rotated));

    assert_eq!(ana.run(&["users", "tokens", "revoke", "ci"])?.code, Some(0));
    assert_eq!(code(&by_ci)?, refused);
    assert_eq!(code(&ana)?, Some(0));
    let last = root.run(&["users", "tokens", "revoke", "main"])?;
    assert_eq!(last.code, Some(i32::from(exit::REFUSED)), "who would let anybody in?");
    assert_eq!(code(&root)?, Some(0));
    Ok(())
}

#[test]
fn who_follows_with_a_token_that_is_revoked_follows_no_longer() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let (demo, cluster) = Cluster::with_programs(dir.path(), 1, &[])?;
    demo.run_with_input(&["users", "add", "root", "--admin"], TOKEN)?;
    let root = demo.with_credentials("root", TOKEN);
    let leaked = token(&root, &["users", "tokens", "create", "leaked"])?;
    let leaked = demo.with_credentials("root", &leaked);
    let ticks = "while :; do echo tick; sleep 0.1; done";
    let id = root.submit(&["--", "sh", "-c", ticks])?;
    let follow = |args: &[&str]| {
        let mut command = leaked.command(args);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()
    };
    let mut output = follow(&["logs", "-f", &id])?;
    let mut first = [0; 5];
    output.stdout.as_mut().expect("is piped").read_exact(&mut first)?;
    assert_eq!(&first, b"tick\n");
    let watch = follow(&["--timeout", "5s", "watch"])?;
    assert_eq!(root.run(&["users", "tokens", "revoke", "leaked"])?.code, Some(0));
    for followed in [output, watch] {
        let (tell, told) = std::sync::mpsc::channel();
        std::thread::spawn(move || tell.send(followed.wait_with_output()));
        let ended = told.recv_timeout(PATIENCE).context("it still follows")??;
        let said = String::from_utf8_lossy(&ended.stderr);
        assert_eq!(ended.status.code(), Some(i32::from(exit::UNAUTHENTICATED)), "{said}");
    }
    assert_eq!(root.json(&["status", &id])?[0]["state"], "RUNNING");
    drop(cluster);
    Ok(())
}

#[test]
fn a_token_ends_when_it_was_to_end() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let (demo, _cluster) = Cluster::with_programs(dir.path(), 0, &[])?;
    demo.run_with_input(&["users", "add", "root", "--admin"], TOKEN)?;
    let root = demo.with_credentials("root", TOKEN);
    let short = token(&root, &["users", "tokens", "create", "short", "--expires", "1500ms"])?;
    let short = demo.with_credentials("root", &short);
    let ended = eventually("the token has expired", || {
        let run = short.run(&["list"])?;
        Ok((run.code != Some(0)).then_some(run))
    })?;
    assert_eq!(ended.code, Some(i32::from(exit::UNAUTHENTICATED)), "{ended:?}");
    assert!(ended.stderr.contains("expirou"), "{ended:?}");
    let error = short.run(&["--output", "json", "list"])?.stderr;
    assert!(error.contains("\"TOKEN_EXPIRED\""), "{error}");
    Ok(())
}

#[test]
fn who_guesses_has_to_wait_and_others_do_not() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let (demo, _cluster) = Cluster::with_programs(dir.path(), 0, &[])?;
    demo.run_with_input(&["users", "add", "root", "--admin"], TOKEN)?;
    let root = demo.with_credentials("root", TOKEN);
    assert_eq!(root.run_with_input(&["users", "add", "ana"], OTHER_TOKEN)?.code, Some(0));
    // The same wrong token over and over is no guess: a script that was not told of the new one.
    let stale = demo.with_credentials("ana", "o-token-de-ontem");
    for _ in 0..30 {
        let run = stale.run(&["--output", "json", "list"])?;
        assert!(run.stderr.contains("\"UNAUTHENTICATED\""), "{run:?}");
    }
    let mut guesses = 0;
    let throttled = eventually("whoever guesses is told to wait", || {
        guesses += 1;
        let guess = demo.with_credentials("ana", &format!("sera-este-{guesses}"));
        let run = guess.run(&["--output", "json", "list"])?;
        assert_eq!(run.code, Some(i32::from(exit::UNAUTHENTICATED)), "{run:?}");
        Ok(run.stderr.contains("\"TOO_MANY_ATTEMPTS\"").then_some(run))
    })?;
    assert!(throttled.stdout.is_empty());
    // Who was let in before stays in.
    assert_eq!(root.run(&["list"])?.code, Some(0));
    // And another user is not meant.
    assert_eq!(root.run_with_input(&["users", "add", "bia"], OTHER_TOKEN)?.code, Some(0));
    let bia = demo.with_credentials("bia", OTHER_TOKEN);
    assert_eq!(bia.run(&["list"])?.code, Some(0));
    Ok(())
}

#[test]
fn what_administrators_do_is_logged_before_it_is_done() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let (demo, cluster) = Cluster::with_programs(dir.path(), 1, &[])?;
    demo.run_with_input(&["users", "add", "root", "--admin"], TOKEN)?;
    let root = demo.with_credentials("root", TOKEN);
    assert_eq!(root.run_with_input(&["users", "add", "ana"], OTHER_TOKEN)?.code, Some(0));
    let ana = demo.with_credentials("ana", OTHER_TOKEN);
    let id = ana.submit(&["--", "sleep", "600"])?;
    assert_eq!(ana.run(&["users", "remove", "root"])?.code, Some(i32::from(exit::REFUSED)));
    assert_eq!(root.run(&["--as", "ana", "cancel", &id])?.code, Some(0));
    assert_eq!(root.run(&["users", "remove", "root"])?.code, Some(i32::from(exit::REFUSED)));

    let file = cluster.layout.data_dir(cluster.layout.principal_port).join("actions.jsonl");
    let log = std::fs::read_to_string(&file)?;
    assert!(!log.contains(TOKEN) && !log.contains(OTHER_TOKEN), "no secrets");
    let lines: Vec<serde_json::Value> =
        log.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    let told: Vec<_> = lines
        .iter()
        .map(|line| {
            let word = |key: &str| line[key].as_str().unwrap_or("-").to_owned();
            [word("user"), word("action"), word("stage"), word("outcome")].join(" ")
        })
        .collect();
    let expected = [
        "user1 AddUser asked -",
        "user1 AddUser done OK",
        "root AddUser asked -",
        "root AddUser done OK",
        "root CancelTask asked -",
        "root RemoveUser asked -",
        "root RemoveUser done LAST_ADMIN",
    ];
    assert_eq!(told, expected, "{log}");
    assert_eq!(lines[3]["about"]["user"], "ana");
    assert_eq!(lines[4]["about"]["as"], "ana");
    assert_eq!(lines[2]["id"], lines[3]["id"]);
    assert_eq!(lines[2]["address"], "127.0.0.1");
    let others = std::fs::read_to_string(file.with_file_name("actions-of-others.jsonl"))?;
    let refused: serde_json::Value = serde_json::from_str(others.trim())?;
    assert_eq!(refused["user"], "ana");
    assert_eq!(refused["action"], "RemoveUser");
    assert_eq!(refused["outcome"], "PERMISSION_DENIED");
    Ok(())
}
