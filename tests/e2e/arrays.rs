//! Arrays: a thousand tasks in one submission, while processes are killed.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use harness::{Cli, Cluster, Layout};
use serde_json::Value;

const SOON: Duration = Duration::from_secs(60);
const PRINT_NUMBER: &str = "echo $MUTIRAO_ARRAY_INDEX";

fn layout(dir: &std::path::Path) -> anyhow::Result<Layout> {
    let mut layout = Layout::new(dir, 2)?;
    layout.worker_args = ["--handlers", "default,command"].map(str::to_owned).to_vec();
    Ok(layout)
}

fn array_of(answers: &[Value]) -> String {
    answers[0]["array_id"].as_str().expect("an array was accepted").to_owned()
}

#[test]
fn every_task_runs_once_with_its_number_although_the_principal_dies() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let layout = layout(dir.path())?;
    let cli = Cli::new(&layout);
    let mut cluster = Cluster::new(layout);
    cluster.start()?;
    let submitted = cli.json(&["submit", "--array", "1-400", "--", "sh", "-c", PRINT_NUMBER])?;
    let array = array_of(&submitted);
    assert_eq!(submitted[0]["count"], 400);
    let status =
        |cli: &Cli| -> anyhow::Result<Value> { Ok(cli.json(&["status", &array])?.remove(0)) };
    let deadline = Instant::now() + SOON;
    while status(&cli)?["tasks"]["SUCCEEDED"].as_u64() < Some(20) {
        assert!(Instant::now() < deadline, "nothing of it runs");
    }
    cluster.kill_principal()?;
    let mut numbers = BTreeMap::new();
    for task in cli.json(&["watch", &array])? {
        if task["state"] == "SUCCEEDED" {
            let number = task["result"]["stdout"].as_str().expect("it printed").trim().to_owned();
            *numbers.entry(number.parse::<u32>()?).or_insert(0) += 1;
        }
    }
    assert_eq!(numbers, (1..=400).map(|number| (number, 1)).collect());
    let after = status(&cli)?;
    assert_eq!((&after["tasks"]["SUCCEEDED"], &after["tasks"]["QUEUED"]), (&400.into(), &0.into()));
    let wait =
        ["submit", "--array", "0-9", "--wait", "--", "sh", "-c", "exit $MUTIRAO_ARRAY_INDEX"];
    let waited = cli.run(&[&["--output", "json"], &wait[..]].concat())?;
    assert_eq!(waited.code, Some(1), "{}", waited.stderr);
    let waited: Value = serde_json::from_str(&waited.stdout)?;
    assert_eq!((&waited["tasks"]["SUCCEEDED"], &waited["tasks"]["FAILED"]), (&1.into(), &9.into()));
    // A repetition is recognised by the new principal, too.
    let again = ["submit", "--array", "1-400", "--id", &array, "--", "sh", "-c", PRINT_NUMBER];
    assert_eq!(array_of(&cli.json(&again)?), array);
    assert_eq!(status(&cli)?["tasks"]["SUCCEEDED"], 400);
    // Of the two journals one is left; it says so with its exit code.
    let audit = cli.run(&["--output", "json", "audit"])?;
    let audit: Value = serde_json::from_str(audit.stdout.trim())?;
    assert_eq!(audit["nodes"][0]["second_outcomes"], 0, "{audit}");
    assert_eq!(audit["nodes"][0]["contradiction"], "", "{audit}");
    Ok(())
}

#[test]
fn a_task_of_an_array_is_asked_for_listed_and_cancelled_like_any_other() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let layout = Layout::new(dir.path(), 0)?;
    let cli = Cli::new(&layout);
    let mut cluster = Cluster::new(layout);
    cluster.start()?;
    let submit = ["submit", "--array", "0-999999", "--handler", "echo", "--allow-unknown-handler"];
    let array = array_of(&cli.json(&submit)?);
    let newest = cli.json(&["list", "--limit", "2"])?;
    let ids: Vec<_> = newest.iter().map(|task| task["task_id"].as_str().expect("is set")).collect();
    let number = |nth| common::array_id::task(&array, nth).expect("it is an array");
    assert_eq!(ids, [number(999_999), number(999_998)]);
    let middle = number(500_000);
    assert_eq!(cli.json(&["status", &middle])?[0]["state"], "QUEUED");
    assert_eq!(cli.json(&["cancel", &middle])?[0]["state"], "CANCELLED");
    let status = cli.json(&["status", &array])?.remove(0);
    assert_eq!(status["tasks"]["QUEUED"], 999_999);
    assert_eq!(status["tasks"]["CANCELLED"], 1);
    // Somebody who watches one of them hears of it.
    let (watcher, last) = (cli.clone(), number(999_999));
    let (sender, watching) = std::sync::mpsc::channel();
    let watch = std::thread::spawn(move || {
        sender.send(()).expect("it is waited for");
        watcher.json(&["watch", &last])
    });
    watching.recv()?;
    let cancelled = cli.json(&["cancel", &array])?.remove(0);
    assert_eq!(cancelled["tasks"]["CANCELLED"], 1_000_000);
    let seen = watch.join().expect("does not panic").expect_err("cancelled work is no success");
    assert!(seen.to_string().contains("CANCELLED"), "{seen}");
    assert_eq!(cli.json(&["status", &number(7)])?[0]["state"], "CANCELLED");
    Ok(())
}

#[test]
fn what_is_no_array_is_refused() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let layout = Layout::new(dir.path(), 0)?;
    let cli = Cli::new(&layout);
    let mut cluster = Cluster::new(layout);
    cluster.start()?;
    for range in ["5", "9-0", "0-4294967295", "a-b"] {
        let refused =
            cli.run(&["--lang", "en", "submit", "--array", range, "--handler", "echo"])?;
        assert_eq!(refused.code, Some(2), "{range}: {}", refused.stderr);
        assert!(refused.stderr.contains("like 0-999"), "{range}: {}", refused.stderr);
    }
    let task = common::array_id::task(&common::array_id::new(), 3).expect("it is an array");
    let refused = cli.run(&["submit", "--id", &task, "--handler", "echo"])?;
    assert_eq!(refused.code, Some(3), "{}", refused.stderr);
    assert!(refused.stderr.contains("version 8"), "{}", refused.stderr);
    let unknown = cli.run(&["--lang", "en", "status", &common::array_id::new()])?;
    assert!(unknown.stderr.contains("There is no such array"), "{}", unknown.stderr);
    assert_eq!(unknown.code, Some(6), "{}", unknown.stderr);
    Ok(())
}

#[test]
fn what_did_not_succeed_is_told_by_number_and_found_by_it() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let (cli, _cluster) = Cluster::with_programs(dir.path(), 1, &[])?;
    let script = "echo at $MUTIRAO_ARRAY_INDEX; case $MUTIRAO_ARRAY_INDEX in 4|6) exit 3; esac";
    let submit = ["submit", "--array", "3-7", "--wait", "--", "sh", "-c", script];
    let waited = cli.run(&submit)?;
    assert_eq!(waited.code, Some(1), "{}", waited.stderr);
    assert!(waited.stderr.contains("Não concluídas: 4, 6. "), "{}", waited.stderr);
    let other = cli.submit(&["--", "true"])?;
    let submit = submit.into_iter().filter(|arg| *arg != "--wait").collect::<Vec<_>>();
    let array = array_of(&cli.json(&submit)?);
    let waited = cli.run(&["wait", &array, &other])?;
    assert_eq!(waited.code, Some(1), "{}", waited.stderr);
    let task = |number: u32| format!("{array}_{number}");
    let printed = cli.run(&["result", &task(5)])?;
    assert_eq!((printed.code, &*printed.stdout), (Some(0), "at 5\n"));
    assert_eq!(cli.run(&["logs", &task(6)])?.stdout, "at 6\n");
    let none = cli.run(&["status", &task(8)])?.code;
    assert_eq!(none, Some(i32::from(common::exit::NOT_FOUND)));
    let failed = cli.json(&["list", "--array", &array, "--state", "failed"])?;
    let numbers: Vec<_> = failed.iter().map(|task| task["array_index"].clone()).collect();
    assert_eq!(numbers, [6, 4]);
    let all = cli.json(&["list", "--array", &array])?;
    assert_eq!(all.len(), 5, "and not the task beside it: {all:?}");
    Ok(())
}

#[test]
fn the_files_of_its_tasks_come_each_into_a_folder_named_by_its_number() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let (cli, _cluster) = Cluster::with_programs(dir.path(), 1, &[])?;
    let script = "echo at $MUTIRAO_ARRAY_INDEX > made; [ $MUTIRAO_ARRAY_INDEX != 2 ]";
    let submit = ["submit", "--array", "1-3", "--output-file", "made", "--wait"];
    let waited = cli.run(&[&submit[..], &["--", "sh", "-c", script]].concat())?;
    assert!(waited.stderr.contains("--files --into"), "{}", waited.stderr);
    let array = cli.json(&["list"])?[0]["array_id"].as_str().expect("of an array").to_owned();
    let into = dir.path().join("all");
    let place = into.display().to_string();
    let got = cli.json(&["result", &array, "--files", "--into", &place])?;
    let mut numbers: Vec<_> = got.iter().filter_map(|file| file["array_index"].as_u64()).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, [1, 2, 3], "also of one that failed: {got:?}");
    for number in numbers {
        let text = std::fs::read_to_string(into.join(number.to_string()).join("made"))?;
        assert_eq!(text, format!("at {number}\n"));
    }
    Ok(())
}
