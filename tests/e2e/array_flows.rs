//! Arrays among other work: after it and before it, in files and by flags, through the death of the principal.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use common::exit;
use harness::{Cli, Cluster, Layout};
use serde_json::Value;

const SOON: Duration = Duration::from_secs(60);

/// The ids of what a file submits, by name.
fn submit(cli: &Cli, flow: &Path) -> anyhow::Result<BTreeMap<String, String>> {
    let told = cli.json(&["submit", "--file", &flow.display().to_string()])?;
    let id = |told: &Value| {
        let id = told["array_id"].as_str().or(told["task_id"].as_str());
        (told["name"].as_str().unwrap_or_default().to_owned(), id.unwrap_or_default().to_owned())
    };
    Ok(told.iter().map(id).collect())
}

fn status(cli: &Cli, id: &str) -> anyhow::Result<Value> {
    Ok(cli.json(&["status", id])?.remove(0))
}

/// Whatever the outcome.
fn ended(cli: &Cli, id: &str) -> anyhow::Result<Value> {
    let ended = cli.run(&["--output", "json", "result", id, "--wait"])?;
    Ok(serde_json::from_str(&ended.stdout)?)
}

fn steps(explained: &Value) -> Vec<&str> {
    let steps = explained["steps"].as_array().map(Vec::as_slice).unwrap_or_default();
    steps.iter().filter_map(|step| step["what"].as_str()).collect()
}

#[test]
fn a_map_and_its_reduction_in_one_file_outlive_the_principal() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let (cli, mut cluster) = Cluster::with_programs(dir.path(), 2, &[])?;
    let here = dir.path().display();
    fs::create_dir(dir.path().join("parts"))?;
    let flow = dir.path().join("flow.toml");
    let text = format!(
        r#"
        [defaults]
        cwd = "{here}"
        [tasks.reduce]
        shell = "cat parts/* | awk '{{ sum += $1 }} END {{ print sum }}'"
        after = ["map", "check"]
        [tasks.check]
        array = "0-9"
        shell = "test $(ls parts | wc -l) -eq 200"
        after = ["map"]
        [tasks.map]
        array = "1-200"
        shell = '''
            n=$MUTIRAO_ARRAY_INDEX
            until [ $n -le 100 ] || [ -e go ]; do sleep 0.05; done
            test -e ready && echo $n > parts/$n
        '''
        after = ["prepare"]
        [tasks.prepare]
        shell = "touch ready"
        "#
    );
    fs::write(&flow, text)?;
    let ids = submit(&cli, &flow)?;
    let (map, check, reduce) = (&ids["map"], &ids["check"], &ids["reduce"]);
    let deadline = Instant::now() + SOON;
    while status(&cli, map)?["tasks"]["SUCCEEDED"].as_u64() < Some(20) {
        assert!(Instant::now() < deadline, "nothing of it runs");
    }
    let waits = |cli: &Cli| -> anyhow::Result<()> {
        let (array, task) = (status(cli, check)?, status(cli, reduce)?);
        assert_eq!(array["pending_reason"], "DEPENDENCIES", "{array}");
        assert_eq!((&array["waits_for"], &array["waits_on"][0]), (&1.into(), &map.as_str().into()));
        assert_eq!((&array["tasks"]["QUEUED"], &task["waits_for"]), (&10.into(), &2.into()));
        let explained = cli.json(&["status", check, "--explain"])?.remove(0);
        assert_eq!(steps(&explained), ["SUBMITTED", "BLOCKED"], "{explained}");
        assert_eq!(explained["waits_on"][0], map.as_str(), "{explained}");
        let text = cli.run(&["--lang", "en", "status", check])?.stdout;
        assert!(text.contains(&format!("it comes after other tasks (1: {map})")), "{text}");
        Ok(())
    };
    waits(&cli)?;
    cluster.kill_principal()?;
    waits(&cli)?;
    fs::write(dir.path().join("go"), "")?;
    let sum = ended(&cli, reduce)?;
    assert_eq!(sum["result"]["stdout"], "20100\n", "{sum}");
    for (array, count) in [(map, 200), (check, 10)] {
        let all = status(&cli, array)?;
        assert_eq!(all["tasks"]["SUCCEEDED"], count, "{all}");
    }
    let last = common::array_id::task(check, 9).expect("it is an array");
    let explained = cli.json(&["status", &last, "--explain"])?.remove(0);
    assert_eq!(steps(&explained)[..3], ["SUBMITTED", "BLOCKED", "RELEASED"], "{explained}");
    Ok(())
}

#[test]
fn what_fails_in_an_array_stops_all_that_comes_after_it() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let (cli, _cluster) = Cluster::with_programs(dir.path(), 1, &[])?;
    let flow = dir.path().join("flow.toml");
    let text = r#"
        [tasks.map]
        array = "1-5"
        shell = "test $MUTIRAO_ARRAY_INDEX -ne 3"
        [tasks.more]
        array = "0-9999"
        shell = "true"
        after = ["map"]
        [tasks.reduce]
        shell = "true"
        after = ["more"]
        [tasks.report]
        array = "0-1"
        shell = "true"
        after = ["reduce", "more"]
        after_any_end = true
    "#;
    fs::write(&flow, text)?;
    let file = flow.display().to_string();
    let done = cli.run(&["--output", "json", "submit", "--wait", "--file", &file])?;
    assert_eq!(done.code, Some(i32::from(exit::TASK_FAILED)), "{done:?}");
    let lines = done.stdout.lines().map(serde_json::from_str).collect::<Result<Vec<Value>, _>>()?;
    let by_name: BTreeMap<_, _> =
        lines.iter().map(|line| (line["name"].as_str().unwrap_or_default(), line)).collect();
    let counts = |name| {
        ["SUCCEEDED", "FAILED"].map(|state| by_name[name]["tasks"][state].as_u64().unwrap_or(99))
    };
    assert_eq!(counts("map"), [4, 1], "{done:?}");
    assert_eq!(counts("more"), [0, 10_000], "{done:?}");
    assert_eq!(counts("report"), [2, 0], "{done:?}");
    assert_eq!(by_name["reduce"]["error"]["code"], "DEPENDENCY_FAILED", "{done:?}");
    let more = by_name["more"]["array_id"].as_str().unwrap_or_default();
    let one = common::array_id::task(more, 4_321).expect("it is an array");
    let told = status(&cli, &one)?;
    assert_eq!((&told["state"], &told["attempt"]), (&"FAILED".into(), &0.into()), "{told}");
    let explained = cli.json(&["status", more, "--explain"])?.remove(0);
    assert_eq!(steps(&explained), ["SUBMITTED", "BLOCKED", "SKIPPED"], "{explained}");
    // For people a line for each, and a summary.
    let people = cli.run(&["--lang", "en", "submit", "--wait", "--file", &file])?;
    let map = people.stdout.lines().find(|line| line.starts_with("map\t")).unwrap_or_default();
    assert!(map.contains("4 ") && map.contains("1 "), "{people:?}");
    assert!(people.stderr.contains("10,002") || people.stderr.contains("10002"), "{people:?}");
    Ok(())
}

#[test]
fn a_file_with_a_mistake_about_an_array_submits_nothing() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let (cli, _cluster) = Cluster::with_programs(dir.path(), 1, &[])?;
    let file = dir.path().join("flow.toml").display().to_string();
    for (text, word) in [
        ("array = \"9-0\"\nshell = \"true\"", "9-0"),
        ("array = \"0-9\"\nshell = \"true\"\nafter = [\"b\"]", "a → b → a"),
        ("array = \"0-9\"\nshell = \"true\"\nexpires = \"cedo\"", "cedo"),
    ] {
        let other = "[tasks.b]\nshell = \"true\"\nafter = [\"a\"]";
        fs::write(&file, format!("[tasks.a]\n{text}\n{other}"))?;
        let refused = cli.run(&["submit", "--file", &file])?;
        assert_eq!(refused.code, Some(i32::from(exit::USAGE)), "{refused:?}");
        assert!(refused.stderr.contains(word), "{refused:?}");
    }
    // What only the orchestrator knows, too.
    fs::write(
        &file,
        "[tasks.b]\nshell = \"x\"\n[tasks.a]\narray = \"0-9\"\nshell = \"x\"\nretries = 5000",
    )?;
    let refused = cli.run(&["submit", "--file", &file])?;
    assert_eq!(refused.code, Some(i32::from(exit::REFUSED)), "{refused:?}");
    assert!(refused.stderr.contains("a.retry.max_attempts"), "it names the task: {refused:?}");
    assert_eq!(cli.json(&["list"])?, Vec::<Value>::new());
    Ok(())
}

#[test]
fn the_flags_of_a_task_are_for_an_array_too() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let (cli, mut cluster) = Cluster::with_programs(dir.path(), 1, &[])?;
    let array_of = |flags: &[&str]| -> anyhow::Result<String> {
        let told = cli.json(&[&["submit"], flags].concat())?.remove(0);
        Ok(told["array_id"].as_str().unwrap_or_default().to_owned())
    };
    // Until a moment, through a failover.
    let later = array_of(&["--array", "0-99", "--delay", "1h", "--", "true"])?;
    let before = status(&cli, &later)?;
    assert_eq!(before["pending_reason"], "NOT_BEFORE", "{before}");
    // After a task that never ends.
    let go = dir.path().join("go");
    let first = cli.submit(&[
        "--",
        "sh",
        "-c",
        &format!("until [ -e {} ]; do sleep 0.05; done", go.display()),
    ])?;
    let after = array_of(&["--array", "5-7", "--after", &first, "--", "true"])?;
    cluster.kill_principal()?;
    assert_eq!(status(&cli, &later)?["not_before"], before["not_before"]);
    let listed = cli.json(&["list", "--limit", "3"])?;
    assert!(listed.iter().all(|task| task["waits_on"][0] == first.as_str()), "{listed:?}");
    fs::write(&go, "")?;
    let told = cli.json(&["watch", &after])?;
    assert_eq!(told.iter().filter(|task| task["state"] == "SUCCEEDED").count(), 3, "{told:?}");
    let cancelled = cli.json(&["cancel", &later])?.remove(0);
    assert_eq!(cancelled["tasks"]["CANCELLED"], 100);
    // Out of time before it could begin, all at once.
    let nobody = ["--handler", "nobody", "--allow-unknown-handler", "--wait"];
    let late =
        [&["--output", "json", "submit", "--array", "0-99999", "--expires", "200ms"], &nobody[..]];
    let late = cli.run(&late.concat())?;
    assert_eq!(late.code, Some(i32::from(exit::TASK_FAILED)), "{late:?}");
    let late: Value = serde_json::from_str(&late.stdout)?;
    assert_eq!(late["tasks"]["FAILED"], 100_000, "{late}");
    let id = late["array_id"].as_str().unwrap_or_default();
    let one = common::array_id::task(id, 77_777).expect("it is an array");
    assert_eq!(status(&cli, &one)?["error"]["code"], "EXPIRED");
    Ok(())
}

#[test]
fn each_task_of_an_array_finds_the_files_that_it_was_submitted_with() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let mut layout = Layout::new(dir.path(), 1)?;
    layout.worker_args = ["--handlers", "default,command"].map(str::to_owned).to_vec();
    let cli = Cli::new(&layout);
    let mut cluster = Cluster::new(layout);
    cluster.start()?;
    let words = dir.path().join("words.txt");
    fs::write(&words, "um\ndois\ntrês\n")?;
    let input = format!("{}=words.txt", words.display());
    let line = "sed -n ${MUTIRAO_ARRAY_INDEX}p words.txt";
    let flags = ["submit", "--array", "1-3", "--input", &input, "--", "sh", "-c", line];
    let told = cli.json(&flags)?.remove(0);
    fs::remove_file(&words)?;
    let array = told["array_id"].as_str().unwrap_or_default().to_owned();
    let of = |number| common::array_id::task(&array, number).expect("it is an array");
    assert_eq!(ended(&cli, &of(1))?["result"]["stdout"], "um\n");
    cluster.kill_principal()?;
    assert_eq!(ended(&cli, &of(3))?["result"]["stdout"], "três\n");
    // The same in a file.
    let flow = dir.path().join("flow.toml");
    fs::write(dir.path().join("words.txt"), "uno\ndos\n")?;
    let text = format!("[tasks.a]\narray = \"1-2\"\ninputs = [\"{input}\"]\nshell = \"{line}\"");
    fs::write(&flow, text)?;
    let ids = submit(&cli, &flow)?;
    let second = common::array_id::task(&ids["a"], 2).expect("it is an array");
    assert_eq!(ended(&cli, &second)?["result"]["stdout"], "dos\n");
    Ok(())
}
