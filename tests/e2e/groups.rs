//! Groups: what belongs together is seen, followed, waited for and cancelled together, whoever is principal.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;

use common::exit;
use harness::cli::Run;
use harness::{Cli, Cluster};
use serde_json::Value;

fn until(gate: &Path) -> String {
    format!("until test -e {}; do sleep 0.05; done", gate.display())
}

fn show(cli: &Cli, group: &str) -> anyhow::Result<Value> {
    Ok(cli.json(&["groups", "show", group])?.remove(0))
}

/// How many tasks are in which state.
fn counts(group: &Value) -> [u64; 6] {
    ["QUEUED", "RUNNING", "SUCCEEDED", "FAILED", "CANCELLED", "LOST"]
        .map(|state| group["tasks"][state].as_u64().unwrap_or(u64::MAX))
}

#[test]
fn a_group_is_one_thing_through_the_death_of_the_principal() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let (cli, mut cluster) = Cluster::with_programs(dir.path(), 1, &["--slots", "2"])?;
    let (one, two) = (dir.path().join("one"), dir.path().join("two"));
    let in_group = |flags: &[&str], script: &str| {
        let submit = ["submit", "--group", "nightly"];
        cli.json(&[&submit, flags, &["--", "sh", "-c", script]].concat())
    };
    let wait_for_all = format!("{}; exit $MUTIRAO_ARRAY_INDEX", until(&two));
    let first = in_group(&[], &until(&one))?.remove(0);
    assert_eq!(first["group"], "nightly");
    let array = in_group(&["--array", "0-1"], &wait_for_all)?.remove(0);
    assert_eq!(array["group"], "nightly");
    cli.submit(&["--handler", "echo", "--payload", "elsewhere"])?;

    let mut watching = cli.start(&["--output", "json", "watch", "--group", "nightly"])?;
    let mut said = BufReader::new(watching.stdout.take().expect("is piped")).lines();
    let mut next = || -> anyhow::Result<Option<Value>> {
        let line = said.next().transpose()?;
        Ok(line.map(|line| serde_json::from_str(&line)).transpose()?)
    };
    let begun = next()?.expect("the present state comes first");
    assert_eq!(begun["group"], "nightly");
    let waiting = cli.start(&["groups", "wait", "nightly"])?;
    let before = show(&cli, "nightly")?;
    assert_eq!(before["state"], "RUNNING", "{before}");
    assert_eq!(counts(&before).iter().sum::<u64>(), 3, "{before}");

    cluster.kill_principal()?;
    fs::write(&one, "")?;
    fs::write(&two, "")?;
    let mut ends = BTreeMap::new();
    while let Some(task) = next()? {
        assert_eq!(task["group"], "nightly", "{task}");
        if !task["finished_at"].is_null() {
            let id = task["task_id"].as_str().unwrap_or_default().to_owned();
            *ends.entry((id, task["state"].to_string())).or_insert(0) += 1;
        }
    }
    assert!(ends.values().all(|times| *times == 1), "each end once: {ends:?}");
    assert_eq!(ends.len(), 3, "none is missed: {ends:?}");
    assert_eq!(watching.wait()?.code(), Some(exit::TASK_FAILED.into()));
    let waited = Run::from(waiting.wait_with_output()?);
    assert_eq!(waited.code, Some(exit::TASK_FAILED.into()), "{waited:?}");
    let after = show(&cli, "nightly")?;
    assert_eq!((&after["state"], counts(&after)), (&"FAILED".into(), [0, 0, 2, 1, 0, 0]));
    for time in ["submitted_at", "started_at", "finished_at"] {
        assert!(after[time].is_string(), "{after}");
    }
    let listed = cli.json(&["list", "--group", "nightly", "--state", "FAILED"])?;
    assert_eq!(listed.len(), 1, "{listed:?}");
    let by_code = cli.json(&["list", "--code", "NON_ZERO_EXIT"])?;
    assert_eq!(by_code, listed, "the same by its code");
    assert_eq!(cli.json(&["groups"])?.len(), 1);
    Ok(())
}

#[test]
fn a_group_is_cancelled_whatever_its_tasks_wait_for_while_the_principal_dies() -> anyhow::Result<()>
{
    let dir = tempfile::tempdir()?;
    let (cli, mut cluster) = Cluster::with_programs(dir.path(), 1, &["--slots", "1"])?;
    let never = until(&dir.path().join("never"));
    let in_group = |flags: &[&str]| {
        let program = ["--", "sh", "-c", &never];
        cli.json(&[&["submit", "--group", "g"], flags, &program].concat())
    };
    let running = in_group(&[])?.remove(0);
    let id = running["task_id"].as_str().unwrap_or_default();
    in_group(&["--after", id])?;
    in_group(&["--delay", "1h"])?;
    in_group(&["--array", "0-99999"])?;
    in_group(&["--count", "7000"])?;
    let other = cli.submit(&["--", "true"])?;

    let cancelling = cli.start(&["groups", "cancel", "g"])?;
    cluster.kill_principal()?;
    let cancelled = Run::from(cancelling.wait_with_output()?);
    assert_eq!(cancelled.code, Some(exit::OK.into()), "{cancelled:?}");
    let after = show(&cli, "g")?;
    assert_eq!(after["state"], "CANCELLED", "{after}");
    assert_eq!(counts(&after), [0, 0, 0, 0, 107_003, 0], "nothing fails because of it: {after}");
    // The slot is free for what belongs elsewhere.
    let done = cli.run(&["result", &other, "--wait"])?;
    assert_eq!(done.code, Some(exit::OK.into()), "{done:?}");
    let over = cli.run(&["groups", "wait", "g"])?;
    assert_eq!(over.code, Some(exit::TASK_FAILED.into()), "{over:?}");
    let unknown = cli.run(&["--output", "json", "groups", "cancel", "h"])?;
    assert_eq!(unknown.code, Some(exit::NOT_FOUND.into()), "{unknown:?}");
    assert!(unknown.stderr.contains("GROUP_NOT_FOUND"), "{unknown:?}");
    Ok(())
}

#[test]
fn the_tasks_of_a_file_are_a_group() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let (cli, _cluster) = Cluster::with_programs(dir.path(), 1, &[])?;
    let file = dir.path().join("build.toml");
    let tasks = "[tasks.one]\nshell = \"true\"\n[tasks.two]\nshell = \"true\"\nafter = [\"one\"]";
    fs::write(&file, tasks)?;
    let path = file.display().to_string();
    let told = cli.run(&["--lang", "en", "submit", "--file", &path])?;
    let (_, name) = told.stderr.split_once("groups show ").expect("the group is told");
    let name = name.trim().trim_end_matches('.');
    assert!(name.starts_with("build-"), "{told:?}");
    let waited = cli.run(&["groups", "wait", name])?;
    assert_eq!(waited.code, Some(exit::OK.into()), "{waited:?}");
    let done = show(&cli, name)?;
    assert_eq!((&done["state"], counts(&done)), (&"SUCCEEDED".into(), [0, 0, 2, 0, 0, 0]));
    // Named in the file, and by whoever submits it.
    fs::write(&file, format!("group = \"ours\"\n{tasks}"))?;
    for (flags, group) in [(&[][..], "ours"), (&["--group", "mine"], "mine")] {
        let submit = [&["submit", "--wait", "--file", &path], flags].concat();
        let tasks = cli.json(&submit)?;
        assert!(tasks.iter().all(|task| task["group"] == group), "{tasks:?}");
        assert_eq!(show(&cli, group)?["state"], "SUCCEEDED");
    }
    assert_eq!(cli.json(&["groups"])?.len(), 3);
    let refused = cli.run(&["submit", "--group", "a b", "--", "true"])?;
    assert_eq!(refused.code, Some(exit::REFUSED.into()), "{refused:?}");
    Ok(())
}
