//! What users may take of the platform: others go on beside them, and limits outlive the principal.

use common::exit;
use harness::{Cli, Cluster};
use serde_json::json;

const TOKEN: &str = "um-token-de-todos";

/// An administrator, and two others.
fn people(cli: &Cli) -> anyhow::Result<[Cli; 3]> {
    let [root, ana, bia] = ["root", "ana", "bia"].map(|name| cli.with_credentials(name, TOKEN));
    for (asks, args) in [
        (cli, &["users", "add", "root", "--admin"][..]),
        (&root, &["users", "add", "ana"]),
        (&root, &["users", "add", "bia"]),
    ] {
        let added = asks.run_with_input(args, TOKEN)?;
        assert_eq!(added.code, Some(0), "{added:?}");
    }
    Ok([root, ana, bia])
}

/// Why a submission was refused.
fn refused(cli: &Cli, args: &[&str]) -> anyhow::Result<String> {
    let run = cli.run(&[&["--lang", "en", "--timeout", "2s", "submit"], args].concat())?;
    assert_eq!(run.code, Some(exit::REFUSED.into()), "{run:?}");
    Ok(run.stderr)
}

#[test]
fn who_may_run_one_task_runs_one_and_others_go_on_through_a_failover() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let (cli, mut cluster) = Cluster::with_programs(dir.path(), 1, &["--slots", "3"])?;
    let [root, ana, bia] = people(&cli)?;
    root.ok(&["users", "limit", "ana", "--max-running", "1"])?;
    let gate = dir.path().join("gate");
    let script = format!("until test -e {}; do sleep 0.05; done", gate.display());
    let first = ana.submit(&["--", "sh", "-c", &script])?;
    let second = ana.submit(&["--", "true"])?;
    let waits = || -> anyhow::Result<_> { Ok(ana.json(&["status", &second])?.remove(0)) };
    assert_eq!(waits()?["pending_reason"], "USER_LIMIT");
    assert_eq!(bia.run(&["run", "--", "true"])?.code, Some(0));

    cluster.kill_principal()?;
    assert_eq!(bia.run(&["run", "--", "true"])?.code, Some(0));
    assert_eq!(waits()?["pending_reason"], "USER_LIMIT");
    let me = ana.json(&["users", "me"])?.remove(0);
    assert_eq!((&me["user"], &me["quota"]["max_running"]), (&json!("ana"), &json!(1)));
    assert_eq!((&me["active"], &me["running"]), (&json!(2), &json!(1)));
    std::fs::write(&gate, "")?;
    for id in [&first, &second] {
        ana.ok(&["result", id, "--wait"])?;
    }
    Ok(())
}

#[test]
fn a_flood_is_refused_before_and_after_a_failover_and_gets_through_in_parts() -> anyhow::Result<()>
{
    let dir = tempfile::tempdir()?;
    let (cli, mut cluster) = Cluster::with_programs(dir.path(), 1, &["--slots", "2"])?;
    let [root, ana, bia] = people(&cli)?;
    root.ok(&["users", "limit", "--default", "--max-active", "5", "--max-bytes", "4KiB"])?;
    root.ok(&["users", "limit", "root", "--max-active", "0"])?;
    let later = ["--handler", "echo", "--payload", "x", "--delay", "1h"];
    let five = ana.json(&[&["submit", "--count", "5"], &later[..]].concat())?;
    assert_eq!(five.len(), 5);
    let is_full = |why: String| {
        assert!(why.contains("5 unfinished tasks") && why.contains("max_active"), "{why}");
    };
    is_full(refused(&ana, &later)?);
    let echo = ["--handler", "echo", "--payload", "x"];
    let array = refused(&bia, &[&["--array", "0-9"], &echo[..]].concat())?;
    assert!(array.contains("never") && array.contains("max_active"), "{array}");
    let long = "x".repeat(5_000);
    let large = refused(&bia, &["--handler", "echo", "--payload", &long])?;
    assert!(large.contains("max_bytes"), "{large}");

    cluster.kill_principal()?;
    is_full(refused(&ana, &later)?);
    root.ok(&[&["submit", "--count", "50"], &later[..]].concat())?;
    ana.ok(&["cancel", five[0]["task_id"].as_str().unwrap_or_default()])?;
    ana.ok(&[&["submit"], &later[..]].concat())?;
    bia.ok(&[&["submit", "--count", "60", "--wait"], &echo[..]].concat())?;
    Ok(())
}

#[test]
fn who_submits_too_fast_is_slowed_down_before_and_after_a_failover() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let (cli, mut cluster) = Cluster::with_programs(dir.path(), 1, &["--slots", "2"])?;
    let [root, ana, bia] = people(&cli)?;
    root.ok(&["users", "limit", "ana", "--submit-rate", "10"])?;
    let echo = ["--handler", "echo", "--payload", "x"];
    let flood = [&["submit", "--count", "1000"], &echo[..]].concat();
    ana.ok(&flood)?;
    let is_slowed = |why: String| assert!(why.contains("submit_rate"), "{why}");
    is_slowed(refused(&ana, &echo)?);
    bia.ok(&flood)?;
    bia.ok(&[&["submit"], &echo[..]].concat())?;

    cluster.kill_principal()?;
    ana.ok(&flood)?;
    is_slowed(refused(&ana, &echo)?);
    root.ok(&["users", "limit", "ana", "--submit-rate", "4000"])?;
    let many = ana.json(&[&["submit", "--count", "6000"], &echo[..]].concat())?;
    assert_eq!(many.len(), 6_000, "more than one request, as fast as they may");
    Ok(())
}

#[test]
fn only_administrators_limit_and_only_users_are_limited() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let (cli, _cluster) = Cluster::with_programs(dir.path(), 1, &["--slots", "1"])?;
    cli.ok(&["users", "limit", "user1", "--max-active", "9"])?;
    let me = cli.json(&["users", "me"])?.remove(0);
    let slip = cli.run(&["users", "limit", "usr1", "--max-active", "9"])?;
    assert_eq!(slip.code, Some(exit::NOT_FOUND.into()), "{slip:?}");
    assert_eq!((&me["admin"], &me["quota"]["max_active"]), (&json!(true), &json!(9)), "{me}");
    let [root, ana, _bia] = people(&cli)?;
    let limit = |cli: &Cli, name: &str| {
        Ok::<_, anyhow::Error>(cli.run(&["users", "limit", name, "--max-active", "1"])?.code)
    };
    assert_eq!(limit(&ana, "bia")?, Some(exit::REFUSED.into()));
    assert_eq!(limit(&root, "eva")?, Some(exit::NOT_FOUND.into()));
    assert_eq!(limit(&root, "bia")?, Some(0));
    assert_eq!(ana.run(&["users", "list"])?.code, Some(exit::REFUSED.into()));
    assert_eq!(ana.run(&["users", "me"])?.code, Some(0));
    let list = root.json(&["users", "list"])?;
    let names: Vec<_> = list.iter().map(|user| user["user"].as_str().unwrap_or_default()).collect();
    assert_eq!(names, ["ana", "bia", "root", "user1"], "the demo's user still has a quota");
    Ok(())
}
