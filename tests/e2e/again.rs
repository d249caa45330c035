//! `cliente retry`: what failed is done once more after its cause was mended, whoever is principal by then.

use std::collections::BTreeSet;
use std::fs;

use common::exit;
use harness::Cluster;
use serde_json::{Value, json};

fn said(task: &Value) -> &str {
    task["result"]["stdout"].as_str().unwrap_or_default()
}

#[test]
fn what_failed_is_done_once_more_when_its_cause_is_mended_and_the_principal_is_dead()
-> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let (cli, mut cluster) = Cluster::with_programs(dir.path(), 1, &[])?;
    let disk = dir.path().join("disk");
    let script = r#"test -e "$0" && echo "$MUTIRAO_ARRAY_INDEX of $MUTIRAO_RETRY_OF""#;
    let payload = json!({ "argv": ["sh", "-c", script, disk] }).to_string();
    let submit = ["submit", "--array", "3-7", "--handler", "command", "--payload", &payload];
    let failed = cli.run(&[&submit[..], &["--queue", "noite", "--wait"]].concat())?;
    assert_eq!(failed.code, Some(exit::TASK_FAILED.into()), "{failed:?}");
    let listed = cli.json(&["list", "--state", "failed"])?;
    assert_eq!(listed.len(), 5);

    fs::write(&disk, "")?;
    cluster.kill_principal()?;
    let elsewhere = cli.run(&["retry", "--failed", "--queue", "dia"])?;
    assert_eq!((elsewhere.code, elsewhere.stdout.as_str()), (Some(0), ""), "{elsewhere:?}");
    let otherwise = cli.run(&["retry", "--failed", "--code", "TIMEOUT"])?;
    assert_eq!((otherwise.code, otherwise.stdout.as_str()), (Some(0), ""), "{otherwise:?}");
    let again = ["retry", "--failed", "--queue", "noite", "--code", "NON_ZERO_EXIT", "--wait"];
    let again = cli.json(&again)?;
    assert_eq!(again.len(), 5, "{again:?}");
    let told: BTreeSet<String> = again.iter().map(|task| said(task).to_owned()).collect();
    let number = |task: &Value| {
        let id = task["task_id"].as_str().expect("it has one");
        common::array_id::of_task(id).map(|(_, number)| format!("{number} of {id}\n"))
    };
    let expected: BTreeSet<String> = listed.iter().filter_map(number).collect();
    assert_eq!(told, expected);
    assert!(again.iter().all(|task| task["queue"] == "noite"), "{again:?}");

    let nothing = cli.run(&["retry", "--failed"])?;
    assert_eq!((nothing.code, nothing.stdout.as_str()), (Some(0), ""), "each of them once");
    let by_name = listed[0]["task_id"].as_str().expect("it has one");
    let once_more = cli.run(&["retry", by_name, "--wait"])?;
    assert_eq!(once_more.code, Some(0), "as often as it is named: {once_more:?}");
    let new = again[0]["task_id"].as_str().expect("it has one");
    let refused = cli.run(&["retry", new, by_name])?;
    assert_eq!(refused.code, Some(exit::REFUSED.into()), "{refused:?}");
    assert_eq!(refused.stdout.lines().count(), 1, "the other one is done: {refused:?}");
    Ok(())
}

#[test]
fn of_an_array_or_a_group_what_failed_is_done_once_more_and_nothing_else() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let (cli, mut cluster) = Cluster::with_programs(dir.path(), 2, &[])?;
    let disk = dir.path().join("disk");
    let script = r#"test "$MUTIRAO_ARRAY_INDEX" -gt 4 || test -e "$0""#;
    let payload = json!({ "argv": ["sh", "-c", script, disk] }).to_string();
    let submit = ["submit", "--array", "3-7", "--handler", "command", "--payload", &payload];
    let (mut arrays, groups) = (Vec::new(), ["norte", "sul"]);
    for group in groups {
        let submitted = cli.json(&[&submit[..], &["--group", group]].concat())?;
        arrays.push(submitted[0]["array_id"].as_str().expect("it has one").to_owned());
        let ended = cli.run(&["groups", "wait", group])?;
        assert_eq!(ended.code, Some(exit::TASK_FAILED.into()), "{ended:?}");
    }
    assert_eq!(cli.json(&["list", "--state", "failed"])?.len(), 4);

    fs::write(&disk, "")?;
    cluster.kill_principal()?;
    let of_array = cli.json(&["retry", &arrays[0], "--wait"])?;
    assert_eq!(of_array.len(), 2, "3 and 4: {of_array:?}");
    let of = |task: &Value| {
        let of = task["retry_of"].as_str().expect("it has one");
        common::array_id::of_task(of).map(|(array, _)| array)
    };
    assert!(of_array.iter().all(|task| of(task).as_deref() == Some(&arrays[0])), "{of_array:?}");
    assert!(cli.json(&["retry", &arrays[0]])?.is_empty(), "each of them once");
    let mended = cli.json(&["status", &arrays[0]])?.remove(0);
    assert_eq!((&mended["state"], &mended["retried"]), (&"SUCCEEDED".into(), &2.into()));
    assert_eq!(mended["tasks"]["FAILED"], 2, "as they ended: {mended}");
    let waited = [&arrays[0], &arrays[1]].map(|array| cli.run(&["wait", array]));
    let codes = waited.into_iter().map(|run| Ok(run?.code)).collect::<anyhow::Result<Vec<_>>>()?;
    assert_eq!(codes, [Some(exit::OK.into()), Some(exit::TASK_FAILED.into())]);

    let none = cli.json(&["retry", "--failed", "--group", "norte"])?;
    assert!(none.is_empty(), "{none:?}");
    let of_group = cli.json(&["retry", "--failed", "--group", "sul", "--wait"])?;
    assert_eq!(of_group.len(), 2, "{of_group:?}");
    assert!(of_group.iter().all(|task| task["group"] == "sul"), "{of_group:?}");
    let unknown = cli.run(&["retry", &common::array_id::new()])?;
    assert_eq!(unknown.code, Some(exit::NOT_FOUND.into()), "{unknown:?}");
    Ok(())
}

/// Tasks, an array and what comes after it, all of which fail with the first one.
const FLOW: &str = r#"
[tasks.prepare]
shell = "test -e @DISK@"
[tasks.each]
array = "3-5"
after = ["prepare"]
shell = "test $MUTIRAO_ARRAY_INDEX != 4 || test -e @DISK@.2"
[tasks.sum]
after = ["each"]
shell = "echo all"
"#;

#[test]
fn a_graph_is_done_once_more_in_its_order_and_then_its_group_has_succeeded() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let (cli, mut cluster) = Cluster::with_programs(dir.path(), 2, &[])?;
    let (disk, flow) = (dir.path().join("disk"), dir.path().join("flow.toml"));
    fs::write(&flow, FLOW.replace("@DISK@", &disk.display().to_string()))?;
    let flow = flow.display().to_string();
    let first = cli.json(&["submit", "--file", &flow, "--group", "g", "--wait"]);
    assert!(first.is_err(), "all of it fails: {first:?}");
    let group =
        |cli: &harness::Cli| cli.json(&["groups", "show", "g"]).map(|mut all| all.remove(0));
    assert_eq!(group(&cli)?["tasks"]["FAILED"], 5);
    let of_code = |code| cli.json(&["list", "--group", "g", "--code", code]);
    let listed = of_code("DEPENDENCY_FAILED")?;
    let sum = listed.iter().find(|task| task["array_id"].is_null()).expect("it has a record");
    let refused =
        cli.run(&["--lang", "en", "retry", sum["task_id"].as_str().expect("it has one")])?;
    assert_eq!(refused.code, Some(exit::REFUSED.into()), "{refused:?}");
    assert!(refused.stderr.contains("retry that first"), "{refused:?}");

    // Half of its cause is mended: what comes first succeeds, one of the array fails again.
    fs::write(&disk, "")?;
    cluster.kill_principal()?;
    let again = cli.run(&["retry", "--failed", "--group", "g", "--wait"])?;
    assert_eq!(again.code, Some(exit::TASK_FAILED.into()), "{again:?}");
    let half = group(&cli)?;
    assert_eq!((&half["tasks"]["FAILED"], &half["retried"]), (&2.into(), &5.into()), "{half}");
    fs::write(dir.path().join("disk.2"), "")?;
    let again = cli.run(&["retry", "--failed", "--group", "g", "--wait"])?;
    assert_eq!(again.code, Some(0), "{again:?}");
    let whole = group(&cli)?;
    assert_eq!((&whole["state"], &whole["retried"]), (&"SUCCEEDED".into(), &7.into()), "{whole}");
    assert_eq!(whole["tasks"]["SUCCEEDED"], 5, "{whole}");
    let old = cli.json(&["status", sum["task_id"].as_str().expect("it has one")])?.remove(0);
    assert!(old["retried_as"].is_string(), "{old}");
    let nothing = cli.run(&["retry", "--failed", "--group", "g"])?;
    assert_eq!((nothing.code, nothing.stdout.as_str()), (Some(0), ""), "{nothing:?}");
    for unknown in [["--group", "nenhum"], ["--code", "NON_ZERO_EXTI"]] {
        let refused = cli.run(&[&["retry", "--failed"][..], &unknown].concat())?;
        assert!(![Some(0), Some(1)].contains(&refused.code), "{refused:?}");
    }
    // A repetition is no second outcome.
    let audit = cli.run(&["--output", "json", "audit"])?;
    let audit: Value = serde_json::from_str(&audit.stdout)?;
    assert_eq!(audit["nodes"][0]["second_outcomes"], 0, "{audit}");
    Ok(())
}
